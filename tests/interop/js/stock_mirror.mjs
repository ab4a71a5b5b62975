// Stock JavaScript as anyone in the world runs it: mirrors an index drive and every shard that its /mirror.json lists
// to DIR/<id>, and serves what it holds until its input ends.
//
//   node stock_mirror.mjs INDEX_KEY STORE DIR HOST:PORT...
//   node stock_mirror.mjs INDEX_KEY STORE DIR dht:HOST:PORT     given only the key, and the DHT of the test
//
// Prints one JSON line: {"port": where it serves, "drives": {id: {"files": N, "changed": N}}}.
import net from 'node:net'
import path from 'node:path'
import idEncoding from 'hypercore-id-encoding'
import Hyperswarm from 'hyperswarm'
import Localdrive from 'localdrive'
import { modernJudge } from './replication_lib.mjs'

const [key, storeDir, target, ...peers] = process.argv.slice(2)
const { Corestore, Hyperdrive, SecretStream } = await modernJudge()
const store = new Corestore(storeDir)
const streams = new Set()

function attach (stream) {
  streams.add(stream)
  stream.on('error', () => {})
  stream.on('close', () => streams.delete(stream))
  store.replicate(stream)
}
const dht = peers.filter((peer) => peer.startsWith('dht:')).map((peer) => peer.slice('dht:'.length))
const swarm = dht.length ? new Hyperswarm({ bootstrap: dht }) : undefined
swarm?.on('connection', (connection) => store.replicate(connection))
for (const peer of peers.filter((peer) => !peer.startsWith('dht:'))) {
  const [host, port] = peer.split(':')
  attach(new SecretStream(true, net.connect(Number(port), host)))
}
const server = net.createServer((socket) => attach(new SecretStream(false, socket)))
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))

const drives = {}
async function mirror (id) {
  const drive = new Hyperdrive(store, idEncoding.decode(id))
  await drive.ready()
  if (swarm) {
    swarm.join(drive.discoveryKey)
    await swarm.flush()
  }
  if (drive.version < 2) await drive.core.update({ wait: true })
  const done = drive.mirror(new Localdrive(path.join(target, id)))
  await done.done()
  drives[id] = { files: done.count.files, changed: done.count.add + done.count.change + done.count.remove }
  return drive
}

const index = await mirror(idEncoding.encode(idEncoding.decode(key)))
const { shards } = JSON.parse(await index.get('/mirror.json'))
for (const { id } of shards) await mirror(id)
console.log(JSON.stringify({ port: server.address().port, drives }))

for await (const _ of process.stdin) { /* until its end */ }
for (const stream of streams) stream.destroy()
server.close()
await swarm?.destroy()
await store.close()
process.exit(0)
