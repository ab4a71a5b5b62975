// A stock JavaScript peer that keeps the whole index of a mirror and tells what it sees of it:
//   node index_watcher.mjs KEY DIR HOST:PORT...
// One line of JSON for each growth {"length","contentLength","fork"} and for each conflict {"conflict"}. It connects
// again when a connection ends. A line on its input makes it read every file: {"files": {path: SHA-256}}; the end of
// the input ends it.
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
const state = () => ({ length: drive.core.length, contentLength: drive.blobs?.core.length ?? 0, fork: drive.core.fork })
function watch (core, name) {
  core.on('conflict', (length) => say({ conflict: name, length }))
  core.on('truncate', (length) => say({ conflict: `${name} was cut`, length }))
  core.on('append', () => say(state()))
  core.download({ start: 0, end: -1 })
}
watch(drive.core, 'entries')
addresses.forEach(dial)
drive.getBlobs().then((blobs) => watch(blobs.core, 'content'), (error) => say({ conflict: error.message }))

for await (const line of readline.createInterface({ input: process.stdin })) {
  void line
  const files = {}
  for await (const entry of drive.list('/')) {
    if (entry.value.blob) files[entry.key] = createHash('sha256').update(await drive.get(entry.key)).digest('hex')
  }
  say({ files })
}
ended = true
process.exit(0)
