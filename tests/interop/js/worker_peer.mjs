// Stock JavaScript as the peer of a running worker: node worker_peer.mjs HOST:PORT KEY DIR
// Downloads the drive with that key; prints one line when it has it, waits until it has grown,
// prints another one, writes all files to DIR/files and ends. A line is "version" and each path with
// its size.
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { modernJudge } from './replication_lib.mjs'

const [address, key, folder] = process.argv.slice(2)
const { Corestore, Hyperdrive, SecretStream } = await modernJudge()
const [host, port] = address.split(':')

const store = new Corestore(path.join(folder, 'store'))
const drive = new Hyperdrive(store, Buffer.from(key, 'hex'))
await drive.ready()
const socket = net.connect(Number(port), host)
const stream = new SecretStream(true, socket)
stream.on('error', error => console.error(`the stream ended: ${error.message}`))
store.replicate(stream)

async function files () {
  const found = new Map()
  for await (const entry of drive.list('/')) {
    const bytes = await drive.get(entry.key)
    found.set(entry.key, bytes)
  }
  return found
}

async function grown (than) {
  while (drive.version <= than) {
    await new Promise(resolve => drive.core.once('append', resolve))
  }
}

function say (found) {
  console.log(['version', ...[...found].map(([name, bytes]) => `${name} ${bytes.length}`)].join(' '))
}

await drive.update({ wait: true })
await grown(1)
const first = drive.version
say(await files())
await grown(first)
const last = await files()
say(last)
for (const [name, bytes] of last) {
  const file = path.join(folder, 'files', name)
  fs.mkdirSync(path.dirname(file), { recursive: true })
  fs.writeFileSync(file, bytes)
}
await drive.close()
await store.close()
stream.destroy()
console.log('done')
