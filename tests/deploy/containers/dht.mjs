// A DHT of one's own, as a process of its own: tests that wait for podman answer nothing meanwhile, and who asks a node
// that is silent looks elsewhere for minutes.
//   node dht.mjs ADDRESS     prints HOST:PORT of a node that others begin at, until SIGTERM
import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import path from 'node:path'
import { check, sourceDir } from '../../e2e/words.mjs'

const NODES = 3

// Resolves with HOST:PORT.
export async function startDht (owns, host) {
  const child = spawn(process.execPath, [import.meta.filename, host], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise((resolve) => child.on('exit', resolve))
  owns({ stop: async () => { child.kill('SIGTERM'); await ended } })
  const said = await new Promise((resolve) => { child.stdout.once('data', (text) => resolve(String(text).trim())); child.on('exit', () => resolve('')) })
  check(said, 'the DHT of this test did not start')
  return said
}

if (process.argv[1] === import.meta.filename) {
  const host = process.argv[2]
  const judges = createRequire(path.join(sourceDir, 'tests/interop/js/package.json'))
  const testnet = await judges('hyperdht/testnet')(NODES, { host })
  process.on('SIGTERM', () => testnet.destroy().then(() => process.exit(0)))
  console.log(`${host}:${testnet.bootstrap[0].port}`)
}
