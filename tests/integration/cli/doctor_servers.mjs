// The servers that doctor_test.mjs has looked at: a signed binary cache of one path over HTTP/2 or HTTP/1.1, with one
// thing wrong, and a PostgreSQL with databases and roles in all sorts of states.
import { spawnSync } from 'node:child_process'
import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import fs from 'node:fs'
import http2 from 'node:http2'
import https from 'node:https'
import path from 'node:path'
import { check } from '../../e2e/words.mjs'

const HASH = '0'.repeat(32)
export const STORE_PATH = `/nix/store/${HASH}-hello`
// An empty file: words with their lengths before them, in eights.
const NAR = Buffer.concat(['nix-archive-1', '(', 'type', 'regular', 'contents', '', ')'].map((word) => {
  const padded = Buffer.alloc(8 + Math.ceil(word.length / 8) * 8)
  padded.writeBigUInt64LE(BigInt(word.length))
  padded.write(word, 8)
  return padded
}))
const DIGEST = nix32(createHash('sha256').update(NAR).digest())

// Nix's base 32: five bits a letter, the last ones first.
function nix32 (bytes) {
  const letters = Math.ceil(bytes.length * 8 / 5)
  const bit = (at) => at < bytes.length * 8 ? bytes[at >> 3] >> (at & 7) & 1 : 0
  return Array.from({ length: letters }, (_, n) => {
    const from = (letters - 1 - n) * 5
    return '0123456789abcdfghijklmnpqrsvwxyz'[[0, 1, 2, 3, 4].reduce((sum, k) => sum | bit(from + k) << k, 0)]
  }).join('')
}

// { text: "NAME:BASE64" as trusted-public-keys has it, privateKey }
export function makeKey (name) {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const { x } = publicKey.export({ format: 'jwk' })
  return { name, privateKey, text: `${name}:${Buffer.from(x, 'base64url').toString('base64')}` }
}

function narinfo (key) {
  const fingerprint = `1;${STORE_PATH};sha256:${DIGEST};${NAR.length};`
  const signature = sign(null, Buffer.from(fingerprint), key.privateKey).toString('base64')
  return `StorePath: ${STORE_PATH}\nURL: nar/${DIGEST}.nar\nCompression: none\nFileHash: sha256:${DIGEST}\nFileSize: ${NAR.length}\n` +
    `NarHash: sha256:${DIGEST}\nNarSize: ${NAR.length}\nReferences: \nSig: ${key.name}:${signature}\n`
}

// The paths of a certificate for 127.0.0.1 and of its key.
export function makeCertificate (dir) {
  const [key, cert] = [path.join(dir, 'tls.key'), path.join(dir, 'tls.pem')]
  const made = spawnSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
    '-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert], { encoding: 'utf8' })
  check(made.status === 0, `openssl req: ${made.stderr}`)
  return { key, cert }
}

// `wrong`: {status} of every answer; {cacheInfo} instead of the right one; {date} that it tells; {http2: false}.
export class BinaryCache {
  constructor (tls, key, wrong = {}) {
    Object.assign(this, { tls, key, wrong })
  }

  async start () {
    const options = { key: fs.readFileSync(this.tls.key), cert: fs.readFileSync(this.tls.cert) }
    const answer = (request, response) => this.#answer(request, response)
    this.server = this.wrong.http2 === false ? https.createServer(options, answer) : http2.createSecureServer({ ...options, allowHTTP1: true }, answer)
    this.sessions = new Set()
    this.server.on('session', (session) => this.sessions.add(session))
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve))
    this.url = `https://127.0.0.1:${this.server.address().port}`
    return this
  }

  #answer (request, response) {
    const { status = 200, cacheInfo = 'StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\n', date } = this.wrong
    const files = { '/nix-cache-info': cacheInfo, [`/${HASH}.narinfo`]: narinfo(this.key), [`/nar/${DIGEST}.nar`]: NAR, '/': 'channels\n' }
    const found = files[request.url]
    if (date) {
      response.sendDate = false
      response.setHeader('date', date)
    }
    response.writeHead(status !== 200 ? status : found === undefined ? 404 : 200, { 'content-type': 'text/plain' })
    response.end(status === 200 && found !== undefined ? found : 'no\n')
  }

  async stop () {
    for (const session of this.sessions) session.destroy()
    this.server.closeAllConnections?.()
    await new Promise((resolve) => this.server.close(resolve))
  }
}

// Databases: current, old (its last migration is missing), newer, readonly, empty. Roles beside the owner: guarded (with a
// password), guest (without rights).
export async function fillPostgres (server, migrate) {
  const uri = (name, user = 'hnx') => `postgresql://${user}@127.0.0.1:${server.port}/${name}`
  const must = async (statement, database) => {
    const done = spawnSync('psql', ['-X', '-q', '-v', 'ON_ERROR_STOP=1', uri(database ?? 'postgres'), '-c', statement], { encoding: 'utf8' })
    check(done.status === 0, `${statement}: ${done.stderr}`)
  }
  for (const name of ['current', 'old', 'newer', 'readonly', 'empty']) await must(`CREATE DATABASE ${name}`)
  for (const name of ['current', 'old', 'newer', 'readonly']) migrate(uri(name))
  await must('DELETE FROM schema_version WHERE version = (SELECT max(version) FROM schema_version)', 'old')
  await must("INSERT INTO schema_version (version, name) VALUES (999, 'of_tomorrow')", 'newer')
  await must('ALTER DATABASE readonly SET default_transaction_read_only = on')
  await must("CREATE ROLE guarded LOGIN PASSWORD 'right'")
  await must('CREATE ROLE guest LOGIN')
  const hba = path.join(server.data, 'pg_hba.conf')
  fs.writeFileSync(hba, `host all guarded 127.0.0.1/32 scram-sha-256\n${fs.readFileSync(hba, 'utf8')}`)
  await must('SELECT pg_reload_conf()')
  return uri
}
