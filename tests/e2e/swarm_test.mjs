// Given nothing but the mirror's key, everybody finds it through the DHT: stock JavaScript, hyp, and a gateway with an
// empty disk. Between the C++ programs and the DHT stand the real bridges. Then the origin is gone, and who has a copy is
// found in its place.
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { DemoChannel, Mirror, SHARED_CHANNELS, check, checkEqual, freePort, sha256, step, test, until } from './words.mjs'
import { StockPeer } from './stock_peer.mjs'

const SOURCE = process.env.HNX_SOURCE_DIR ?? path.resolve(import.meta.dirname, '../..')
const BRIDGE = path.join(SOURCE, 'swarm/swarm.mjs')
const judges = createRequire(path.join(SOURCE, 'tests/interop/js/package.json'))
const FOUND_TIMEOUT_MS = 60_000

class Process {
  constructor (logFile, program, ...words) {
    this.logFile = logFile
    const log = fs.openSync(logFile, 'a')
    this.child = spawn(program, words, { stdio: ['ignore', log, log] })
    fs.closeSync(log)
    this.ended = new Promise((resolve) => this.child.on('exit', resolve))
  }

  explain () {
    console.error(`---- ${this.logFile}\n${fs.readFileSync(this.logFile, 'utf8').slice(-3000)}`)
  }

  async stop () {
    this.child.kill('SIGTERM')
    await this.ended
  }
}

function run (program, ...words) {
  const child = spawn(path.join(process.env.HNX_BIN_DIR, program), words, { stdio: ['ignore', 'pipe', 'pipe'] })
  const done = { stdout: '', stderr: '' }
  for (const name of Object.keys(done)) child[name].setEncoding('utf8').on('data', (text) => { done[name] += text })
  return new Promise((resolve) => child.on('close', (status) => resolve({ ...done, status })))
}

test('swarm', async ({ scratch, owns }) => {
  const testnet = await judges('hyperdht/testnet')(4)
  owns({ stop: () => testnet.destroy() })
  const bootstrap = `127.0.0.1:${testnet.bootstrap[0].port}`
  const sockets = fs.mkdtempSync('/tmp/hnx-swarm.') // short: a Unix socket's path has 107 bytes at most
  owns({ stop: async () => fs.rmSync(sockets, { recursive: true }) })
  const socket = (name) => path.join(sockets, name)
  const bridge = (...names) => owns(new Process(path.join(scratch, `bridge-${names[0]}.log`), 'node', BRIDGE,
    '--bootstrap', bootstrap, '--listen', '127.0.0.1', ...names.flatMap((name) => ['--socket', socket(name)])))

  const channel = owns(new DemoChannel(path.join(scratch, 'channel'), SHARED_CHANNELS.small))
  channel.make()
  await channel.serve()
  const originsBridge = bridge('worker-1', 'worker-2')
  const mirror = owns(new Mirror(path.join(scratch, 'mirror'), channel, { workerOptions: (n) => ['--swarm', socket(`worker-${n}`)] }))
  await mirror.start()
  checkEqual('the exit status of submit --wait', await mirror.submit('--wait'), 0)
  const expected = channel.expected()

  step('stock JavaScript gets every NAR')
  const stock = owns(await new StockPeer().start(mirror.key, path.join(scratch, 'stock'), `dht:${bootstrap}`))
  const [indexId] = Object.keys(stock.drives)
  const checkFiles = (copy) => {
    for (const entry of Object.values(expected.paths)) {
      const file = path.join(scratch, copy, 'files', indexId, 'nar', path.basename(entry.url))
      checkEqual(`SHA-256 of ${file}`, sha256(fs.readFileSync(file)), sha256(channel.file(entry.url)))
    }
  }
  checkFiles('stock')

  step('hyp lists every NAR')
  // Not in the foreground: the DHT lives in this process.
  const listed = await run('hyp', 'ls', `hyper://${mirror.key}/nar`, '--swarm-program', BRIDGE, '--swarm-bootstrap', bootstrap,
    '--data', path.join(scratch, 'hyp'), '--timeout', '60s')
  checkEqual(`the exit status of hyp ls (${listed.stderr.slice(-800)})`, listed.status, 0)
  const nars = new Set(Object.values(expected.paths).map((entry) => path.basename(entry.url)))
  checkEqual('what hyp lists', new Set(listed.stdout.match(/[0-9a-z]{52}\.nar[.0-9a-z]*/g)).size, nars.size)

  step('a gateway with an empty disk serves a narinfo and its NAR')
  const address = `127.0.0.1:${await freePort()}`
  const gateway = owns(new Process(path.join(scratch, 'gateway.log'), path.join(process.env.HNX_BIN_DIR, 'gateway'), 'serve', '--listen', address,
    '--mirror', `hyper://${mirror.key}`, '--swarm', 'on', '--swarm-program', BRIDGE, '--swarm-bootstrap', bootstrap,
    '--cache', path.join(scratch, 'gateway')))
  const [storePath, entry] = Object.entries(expected.paths)[0]
  const get = async (url) => {
    const response = await fetch(`http://${address}${url}`).catch(() => null)
    return response?.status === 200 ? Buffer.from(await response.arrayBuffer()) : null
  }
  const narinfo = `${path.basename(storePath).slice(0, 32)}.narinfo`
  const found = await until('the gateway has found the mirror', FOUND_TIMEOUT_MS, () => get(`/${narinfo}`))
  check(found.equals(channel.file(narinfo)), `the narinfo of ${storePath} differs from upstream's`)
  check((await get(`/${entry.url}`))?.equals(channel.file(entry.url)), `${entry.url} differs from upstream's`)

  step('the origin is gone: a second stock JavaScript finds the first by the DHT, and gets everything from it')
  await gateway.stop()
  await originsBridge.stop()
  await mirror.stop()
  const second = owns(await new StockPeer().start(mirror.key, path.join(scratch, 'second'), `dht:${bootstrap}`))
  checkEqual('its drives', Object.keys(second.drives), Object.keys(stock.drives))
  checkFiles('second')
})
