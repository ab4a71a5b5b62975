// The JavaScript peers of bench/replicate/run: stock hyperdrive 13 over secret-stream on TCP, or over hyperswarm.
//
//   node peer.mjs serve STORE KEY                serves the drive on a free port until stdin ends
//   node peer.mjs serve STORE KEY dht:PORT       serves it in the swarm of a DHT at 127.0.0.1:PORT
//   node peer.mjs fetch STORE KEY HOST:PORT|dht:PORT   copies it whole
//   node peer.mjs testnet                        a DHT on 127.0.0.1 until stdin ends
//
// Prints one JSON object, for `fetch` the same as `replicate_bench fetch`. Node's own start is not in it.
import { createRequire } from 'node:module'
import net from 'node:net'
import { performance } from 'node:perf_hooks'

const packages = createRequire(new URL('../../tests/interop/js/package.json', import.meta.url))
const Corestore = packages('corestore-7')
const Hyperdrive = packages('hyperdrive-13')
const Hyperswarm = packages('hyperswarm')
const SecretStream = packages('@hyperswarm/secret-stream')

const DHT_NODES = 4

const say = (message) => console.log(JSON.stringify({ ...message, peak_kib: process.resourceUsage().maxRSS }))
const cpuSeconds = () => Object.values(process.cpuUsage()).reduce((a, b) => a + b) / 1e6

async function untilStdinEnds () {
  for await (const _ of process.stdin) { /* until its end */ }
  process.exit(0)
}

const swarmOf = (address) => new Hyperswarm({ bootstrap: [`127.0.0.1:${address.slice('dht:'.length)}`] })

function attach (store, stream) {
  stream.on('error', () => {})
  store.replicate(stream)
}

// Without a peer, update() comes back at once.
async function untilKnown (core, length) {
  while (core.length < length) {
    if (!(await core.update({ wait: true }))) await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

async function testnet () {
  const network = await packages('hyperdht/testnet')(DHT_NODES)
  say({ port: network.bootstrap[0].port })
  await untilStdinEnds()
}

async function serve (folder, key, address) {
  const store = new Corestore(folder)
  const drive = new Hyperdrive(store, Buffer.from(key, 'hex'))
  await drive.ready()
  await drive.getBlobs()
  if (address) {
    const swarm = swarmOf(address)
    swarm.on('connection', (connection) => store.replicate(connection))
    await swarm.join(drive.discoveryKey, { server: true, client: false }).flushed()
    say({ listening: [address] })
  } else {
    const server = net.createServer((socket) => {
      socket.setNoDelay(true)
      attach(store, new SecretStream(false, socket))
    })
    await new Promise((resolve) => server.listen(0, '127.0.0.1', 1024, resolve))
    say({ listening: [`127.0.0.1:${server.address().port}`] })
  }
  await untilStdinEnds()
}

async function fetch (folder, key, address) {
  const cpuBefore = cpuSeconds()
  const begin = performance.now()
  const store = new Corestore(folder)
  const drive = new Hyperdrive(store, Buffer.from(key, 'hex'))
  await drive.ready()
  if (address.startsWith('dht:')) {
    const swarm = swarmOf(address)
    swarm.on('connection', (connection) => store.replicate(connection))
    swarm.join(drive.discoveryKey, { server: false, client: true })
  } else {
    const [host, port] = address.split(':')
    const socket = net.connect(Number(port), host)
    socket.setNoDelay(true)
    attach(store, new SecretStream(true, socket))
  }
  await untilKnown(drive.core, 2)
  const blobs = await drive.getBlobs()
  await untilKnown(blobs.core, 1)
  const found = (performance.now() - begin) / 1000
  const whole = (core) => core.download({ start: 0, end: core.length }).done()
  await Promise.all([whole(drive.core), whole(blobs.core)])
  const seconds = (performance.now() - begin) / 1000
  say({
    found,
    seconds,
    cpu: cpuSeconds() - cpuBefore,
    bytes: blobs.core.byteLength,
    blocks: blobs.core.contiguousLength
  })
  await store.close()
  process.exit(0)
}

const commands = { serve, fetch, testnet }
const [command, ...words] = process.argv.slice(2)
if (!commands[command]) {
  console.error('usage: node peer.mjs serve|fetch|testnet ...; see its source')
  process.exit(2)
}
await commands[command](...words)
