// A stock JavaScript peer that keeps the whole index of a mirror and tells what it sees of it:
//   node index_watcher.mjs KEY DIR HOST:PORT...
// One line of JSON for each growth {"length","contentLength","fork"} and for each conflict {"conflict"}. It connects
// again when a connection ends. The line "files" on its input makes it read every file: {"files": {path: SHA-256}}, the
// line "closure" every narinfo of every version that it saw published: {"closure": {"versions": N, "narinfos": N, "open":
// ["version: narinfo lacks narinfo"]}}; the end of the input ends it.
import { createHash } from 'node:crypto'
import net from 'node:net'
import readline from 'node:readline'
import { modernJudge } from './replication_lib.mjs'

const REDIAL_MS = 200
const [key, dir, ...addresses] = process.argv.slice(2)
const { Corestore, Hyperdrive, SecretStream } = await modernJudge()
const say = (words) => console.log(JSON.stringify(words))

const store = new Corestore(dir)
const drive = new Hyperdrive(store, Buffer.from(key, 'hex'))
await drive.ready()
let ended = false
function dial (address) {
  if (ended) return
  const [host, port] = address.split(':')
  const socket = net.connect(Number(port), host)
  const stream = new SecretStream(true, socket)
  stream.on('error', () => {})
  stream.on('close', () => setTimeout(dial, REDIAL_MS, address))
  store.replicate(stream)
}
const versions = new Set() // lengths that were announced
const state = () => ({ length: drive.core.length, contentLength: drive.blobs?.core.length ?? 0, fork: drive.core.fork })
function watch (core, name) {
  core.on('conflict', (length) => say({ conflict: name, length }))
  core.on('truncate', (length) => say({ conflict: `${name} was cut`, length }))
  core.on('append', () => {
    versions.add(drive.core.length)
    say(state())
  })
  core.download({ start: 0, end: -1 })
}
watch(drive.core, 'entries')
addresses.forEach(dial)
drive.getBlobs().then((blobs) => watch(blobs.core, 'content'), (error) => say({ conflict: error.message }))

async function files () {
  const found = {}
  for await (const entry of drive.list('/')) {
    if (entry.value.blob) found[entry.key] = createHash('sha256').update(await drive.get(entry.key)).digest('hex')
  }
  return found
}

const hashOf = (key) => key.match(/^\/([0-9a-z]{32})\.narinfo$/)?.[1]

// {hash: what it refers to} of the narinfos that one version has and the one before had not, and hashes that went.
async function changes (version, before) {
  const snapshot = drive.checkout(version)
  const added = new Map()
  const removed = []
  const stream = before ? snapshot.diff(before, '/') : snapshot.list('/')
  for await (const item of stream) {
    const { left, right } = before ? item : { left: item, right: null }
    const hash = hashOf((left ?? right).key)
    if (!hash) continue
    if (!left) removed.push(hash)
    else added.set(hash, referencesOf(await snapshot.get(left.key)).filter((reference) => reference !== hash))
  }
  return { added, removed }
}

function referencesOf (narinfo) {
  const names = narinfo.toString().match(/^References: (.*)$/m)?.[1].split(' ').filter(Boolean) ?? []
  return names.map((name) => name.slice(0, 32))
}

async function closure () {
  const held = new Map()
  const open = []
  let before = 0
  for (const version of [...versions].filter((length) => length > 1).sort((a, b) => a - b)) {
    const { added, removed } = await changes(version, before)
    for (const hash of removed) held.delete(hash)
    for (const [hash, references] of added) held.set(hash, references)
    for (const [hash, references] of removed.length ? held : added) {
      for (const reference of references) {
        if (!held.has(reference)) open.push(`${version}: ${hash} lacks ${reference}`)
      }
    }
    before = version
  }
  return { versions: versions.size, narinfos: held.size, open }
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  say(line === 'closure' ? { closure: await closure() } : { files: await files() })
}
ended = true
process.exit(0)
