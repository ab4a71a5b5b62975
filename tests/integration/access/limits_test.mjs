// What one client of the coordinator's port may do at most (libs/rpc/server.cc, libs/rpc/channel.h): each limit is overstepped by a
// client that keeps to no rule, it holds and says so where HTTP/2 and gRPC have words for it, and meanwhile and afterwards the
// server is there, small, and answers others.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import http2 from 'node:http2'
import net from 'node:net'
import path from 'node:path'
import { Program, binDir, check, checkEqual, freePort, sourceDir, step, test, until } from '../../e2e/words.mjs'
import { FLAG, FRAME, RawHttp2, callHeaders } from './raw_http2.mjs'

const MESSAGE_BYTES_MAX = 16 << 20
const METADATA_BYTES_MAX = 16 << 10
const STREAMS_MAX = 256
const HANDSHAKE_MS_MAX = 10_000
const KEEPALIVE_MS = 15_000 // asked after ten seconds, given up after five more
const SLACK_MS = 10_000 // this machine has other things to do
const RSS_MAX = 256 << 20
const [OK, RESOURCE_EXHAUSTED] = ['0', '8']
const SETTING_STREAMS_MAX = 3
const SETTING_HEADERS_MAX = 6
const SERVICE = '/hypercore_nixos.v1.Coordinator'
const UNARY = callHeaders(`${SERVICE}/GetStatus`)
const CLIENT_STREAM = callHeaders(`${SERVICE}/Submit`)

// A message of gRPC: not compressed, so long, so many bytes of a field that nobody knows.
function message (length) {
  const fieldHead = (size) => {
    const bytes = [0xfa, 0x7f] // field 2047, bytes
    for (; size >= 128; size >>>= 7) bytes.push(size % 128 + 128)
    return Buffer.from([...bytes, size])
  }
  let body = length
  while (fieldHead(body).length + body > length) body--
  const head = Buffer.alloc(5)
  head.writeUInt32BE(length, 1)
  return Buffer.concat([head, fieldHead(body), Buffer.alloc(body)])
}

// {status, words} of a call by a client that knows gRPC but not the limits.
function call (session, { headers = {}, body }) {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ':method': 'POST', ':path': `${SERVICE}/GetStatus`, te: 'trailers', 'content-type': 'application/grpc', ...headers })
    const end = (found) => { if (found['grpc-status']) resolve({ status: found['grpc-status'], words: decodeURIComponent(found['grpc-message'] ?? '') }) }
    stream.on('response', end)
    stream.on('trailers', end)
    stream.on('error', reject)
    stream.on('close', () => reject(new Error('the stream ended without a status')))
    stream.on('data', () => {})
    stream.end(body)
  })
}

class Served {
  constructor (scratch, name, flags, credentials = []) {
    Object.assign(this, { scratch, name, flags, credentials })
  }

  async start () {
    this.address = `127.0.0.1:${await freePort()}`
    this.program = new Program(this.name, ['coordinator', 'serve', '--data', path.join(this.scratch, this.name), '--listen', this.address, ...this.flags],
      path.join(this.scratch, `${this.name}.log`))
    this.program.start()
    await until('the coordinator answers', 120_000, () => this.answers())
    return this
  }

  answers () {
    return spawnSync(path.join(binDir, 'coordinator'), ['status', '--coordinator', this.address, '--json', ...this.credentials]).status === 0
  }

  async stands (words) {
    check(this.program.running && this.program.starts === 1, `${words}: the coordinator has ended`)
    check(this.answers(), `${words}: nobody else is answered`)
    const [, kib] = fs.readFileSync(`/proc/${this.program.child.pid}/status`, 'utf8').match(/VmHWM:\s+(\d+) kB/)
    console.log(`${words}: others are answered; ${Math.round(kib / 1024)} MiB at most`)
    check(kib * 1024 <= RSS_MAX, `${words}: the coordinator took ${kib} KiB`)
  }

  explain () {
    console.error(this.program?.logTail())
  }

  stop () {
    return this.program.stop()
  }
}

async function sizes (served) {
  const session = http2.connect(`http://${served.address}`)
  session.on('error', () => {})
  step('a message: exactly so long, and one byte longer')
  checkEqual('16 MiB', await call(session, { body: message(MESSAGE_BYTES_MAX) }), { status: OK, words: '' })
  const long = await call(session, { body: message(MESSAGE_BYTES_MAX + 1) })
  console.log(long.words)
  checkEqual('too long', long.status, RESOURCE_EXHAUSTED)
  check(long.words.includes(String(MESSAGE_BYTES_MAX)), `"${long.words}" does not name the limit`)
  step('metadata')
  const fits = await call(session, { headers: { 'x-fits': 'a'.repeat(METADATA_BYTES_MAX / 2) }, body: message(100) })
  checkEqual('half of it', fits, { status: OK, words: '' })
  const { status, words } = await call(session, { headers: { 'x-much': 'a'.repeat(METADATA_BYTES_MAX) }, body: message(100) })
  console.log(words)
  checkEqual('too much', status, RESOURCE_EXHAUSTED)
  check(words.includes('metadata size'), `"${words}" does not say what is too large`)
  session.destroy()
  await served.stands('sizes')
}

async function streams (served, owns) {
  step('streams on one connection: so many are open, the next is refused')
  const raw = owns(await new RawHttp2().open(served.address))
  checkEqual('what the server says of streams', raw.settings()[SETTING_STREAMS_MAX], STREAMS_MAX)
  checkEqual('what the server says of headers', raw.settings()[SETTING_HEADERS_MAX], METADATA_BYTES_MAX)
  const openOne = (number) => raw.send(FRAME.HEADERS, FLAG.END_HEADERS, 2 * number + 1, UNARY)
  for (let n = 0; n < STREAMS_MAX; n++) openOne(n)
  raw.send(FRAME.PING, 0, 0, Buffer.alloc(8))
  await until('the server answers a ping', SLACK_MS, () => raw.of(FRAME.PING).some(({ flags }) => flags & FLAG.ACK))
  checkEqual('streams that were refused', raw.of(FRAME.RST_STREAM).length, 0)
  openOne(STREAMS_MAX)
  await until('one more is refused', SLACK_MS, () => raw.closed || raw.of(FRAME.GOAWAY).length || raw.of(FRAME.RST_STREAM).length)
  console.log(raw.frames.slice(-2).map(({ type, stream, payload }) => `frame ${type} stream ${stream} ${payload.toString('latin1')}`).join('; '))
  await served.stands('streams')
  await raw.stop()

  step('silent submissions: a stream waits in a bounded pool, and the others go on')
  const silent = owns(await new RawHttp2().open(served.address))
  for (let n = 0; n < STREAMS_MAX; n++) silent.send(FRAME.HEADERS, FLAG.END_HEADERS, 2 * n + 1, CLIENT_STREAM)
  const busy = () => silent.of(FRAME.HEADERS).filter(({ payload }) => payload.includes('the server is busy')).length
  await until('some are told that the server is busy', SLACK_MS, busy)
  await served.stands('silent submissions')
  await silent.stop()

  step('streams that are opened and reset, 20,000 of them')
  const resetting = owns(await new RawHttp2().open(served.address))
  for (let n = 0; n < 20_000 && !resetting.closed; n++) {
    resetting.send(FRAME.HEADERS, FLAG.END_HEADERS, 2 * n + 1, UNARY)
    if (!resetting.send(FRAME.RST_STREAM, 0, 2 * n + 1, Buffer.from([0, 0, 0, 8]))) {
      await Promise.race(['drain', 'close'].map((event) => new Promise((resolve) => resetting.socket.once(event, resolve))))
    }
  }
  await served.stands('resets')
  await resetting.stop()
}

async function pings (served, owns) {
  step('pings without end')
  const raw = owns(await new RawHttp2().open(served.address))
  for (let n = 0; n < 10 && !raw.closed; n++) raw.send(FRAME.PING, 0, 0, Buffer.alloc(8, n))
  await until('the connection is ended', SLACK_MS, () => raw.closed)
  check(raw.of(FRAME.GOAWAY).some(({ payload }) => payload.includes('too_many_pings')), 'the server does not say why')
  await served.stands('pings')
}

// What has to be waited for, all at once.
async function silence (plain, locked, owns) {
  step('clients that say nothing, or half of it, or that do not answer pings')
  const ends = []
  const within = async (words, client, most) => {
    const began = Date.now()
    await until(`${words} is cut off`, most + SLACK_MS, () => client.closed)
    ends.push(`${words}: after ${((Date.now() - began) / 1000).toFixed(1)} s`)
  }
  const waits = []
  const hello = Buffer.from('160301020001000001fc0303', 'hex') // the beginning of a ClientHello
  for (const [name, served, first] of [['plain, silent', plain], ['plain, half a preface', plain, 'PRI * HTTP/2.0\r\n'],
    ['TLS, silent', locked], ['TLS, half a ClientHello', locked, hello]]) {
    for (let n = 0; n < 50; n++) {
      const raw = owns(await new RawHttp2().connect(served.address))
      if (first) raw.socket.write(first)
      waits.push(within(name, raw, HANDSHAKE_MS_MAX))
    }
  }
  const deaf = owns(await new RawHttp2().open(plain.address))
  deaf.send(FRAME.HEADERS, FLAG.END_HEADERS, 1, UNARY)
  waits.push(within('an open stream, no answer to pings', deaf, KEEPALIVE_MS))
  await plain.stands('silence, plain')
  await locked.stands('silence, TLS')
  await Promise.all(waits)
  console.log([...new Map(ends.map((line) => line.split(': ')))].map((line) => line.join(': ')).join('\n'))
  check(deaf.of(FRAME.PING).some(({ flags }) => !(flags & FLAG.ACK)), 'the one that is deaf was never asked')
}

// A line of the log that is one, whatever strangers send.
const LOG_LINE = /^\d{4}-\d\d-\d\dT[\d:.]+Z [TDIWEC] [\w-]+: /

async function garbage (served) {
  step('handshakes of garbage: 300 connections leave a few lines, which count the others')
  const before = fs.readFileSync(served.program.logFile, 'utf8').length
  const [host, port] = served.address.split(':')
  const knock = (bytes) => new Promise((resolve) => {
    const socket = net.connect({ host, port }, () => socket.write(bytes))
    socket.on('error', () => {})
    socket.on('close', resolve)
    socket.on('data', () => {})
  })
  const began = Date.now()
  for (let n = 0; n < 300; n++) await knock(`GET /\n\x1b[31m${n} HTTP/1.1\r\n\r\n`)
  const seconds = (Date.now() - began) / 1000
  await until('the log counts what it did not tell', 30_000, async () => {
    await knock('\0'.repeat(64))
    return /grpc: .*\([1-9]\d* others like it before\)/.test(fs.readFileSync(served.program.logFile, 'utf8'))
  })
  const lines = fs.readFileSync(served.program.logFile, 'utf8').slice(before).split('\n').filter(Boolean)
  console.log(lines.join('\n'))
  checkEqual('lines without a time and a level', lines.filter((line) => !LOG_LINE.test(line)), [])
  const ofGrpc = lines.filter((line) => line.includes(' grpc: '))
  check(ofGrpc.length >= 2 && ofGrpc.length <= 20, `${ofGrpc.length} lines for 300 handshakes in ${seconds} s`)
  check(ofGrpc.every((line) => / W grpc: \w+\.cc:\d+: /.test(line)), 'a line is no warning with its place')
  await served.stands('garbage')
}

test('limits of calls', async ({ scratch, owns }) => {
  const tls = path.join(scratch, 'tls')
  const made = spawnSync(path.join(sourceDir, 'deploy/tls/make-certificates'), [tls, '--coordinator', '127.0.0.1', '--operator', 'alice'], { encoding: 'utf8' })
  checkEqual(`make-certificates: ${made.stderr}`, made.status, 0)
  const files = (name) => ['--tls-cert', path.join(tls, `${name}.crt`), '--tls-key', path.join(tls, `${name}.key`), '--tls-ca', path.join(tls, 'ca.crt')]
  const plain = owns(await new Served(scratch, 'plain', []).start())
  const locked = owns(await new Served(scratch, 'locked', files('coordinator'), files('operator-alice')).start())
  await sizes(plain)
  await streams(plain, owns)
  await pings(plain, owns)
  await silence(plain, locked, owns)
  await garbage(locked)
})
