// Words that the tests of the swarm bridge are written with: a DHT on this machine, the bridge as a process, and
// stock peers of hyperswarm's. Nothing sleeps: all waiting is for an event, with a limit.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import fs from 'node:fs'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import readline from 'node:readline'
import { fileURLToPath } from 'node:url'

const here = path.dirname(fileURLToPath(import.meta.url))
const program = path.resolve(here, '../../../swarm/swarm.mjs')
// The judges' packages are installed once, for all tests.
export const judges = createRequire(path.resolve(here, '../../interop/js/package.json'))

const DHT_NODES = 4
export const WAIT_MS_MAX = 30_000
const STOP_MS_MAX = 15_000
const LOG_LINES_MAX = 500

function judge (name) {
  try {
    return judges(name)
  } catch (error) {
    throw new Error(`The JavaScript packages are missing (${error.message}). Install them: (cd tests/interop/js && npm ci)`)
  }
}
export const Hyperswarm = judge('hyperswarm')
const createTestnet = judge('hyperdht/testnet')

// The next event of that name that `matches`; fails when none comes within the limit, or when `matches` throws.
export async function next (emitter, event, matches = () => true, limitMs = WAIT_MS_MAX) {
  const { promise, resolve, reject } = deferred()
  const timer = setTimeout(() => reject(new Error(`no event '${event}' like that within ${limitMs / 1000} s`)), limitMs)
  const listener = (...values) => {
    try {
      if (matches(...values)) resolve(values[0])
    } catch (error) {
      reject(error)
    }
  }
  emitter.on(event, listener)
  try {
    return await promise
  } finally {
    clearTimeout(timer)
    emitter.off(event, listener)
  }
}

// Rejects when the promise takes too long.
export async function within (promise, words, limitMs = WAIT_MS_MAX) {
  const { promise: late, reject } = deferred()
  const timer = setTimeout(() => reject(new Error(`${words}: not within ${limitMs / 1000} s`)), limitMs)
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

export function deferred () {
  const parts = {}
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }))
  return parts
}

// What a test opened, closed in the other order, whatever happened.
export class Stage {
  #closers = []

  constructor (test) {
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hnx-swarm-'))
    fs.chmodSync(this.folder, 0o700)
    test.after(async () => {
      for (const close of this.#closers.reverse()) await within(close(), `closing: ${close}`)
      fs.rmSync(this.folder, { recursive: true, force: true })
    })
  }

  onClose (close) {
    this.#closers.push(close)
  }

  file (name) {
    return path.join(this.folder, name)
  }

  async dht () {
    this.testnet = await createTestnet(DHT_NODES)
    this.onClose(() => this.testnet.destroy())
    return this.testnet
  }

  // `args` besides --bootstrap, --listen and --log-level.
  async bridge (args, { waitFor = /UDP port/ } = {}) {
    const [{ host, port }] = this.testnet.bootstrap
    const bridge = new BridgeProcess(['--bootstrap', `${host}:${port}`, '--listen', '127.0.0.1', '--log-level', 'debug', ...args])
    this.onClose(() => bridge.kill())
    await bridge.logged(waitFor)
    return bridge
  }

  // A stock peer. Its connections are kept in `connections` from the first moment, and none of its errors ends the test.
  swarm (options = {}) {
    const swarm = new Hyperswarm({ bootstrap: this.testnet.bootstrap, ...options })
    swarm.on('connection', (connection) => connection.on('error', () => {}))
    this.onClose(() => swarm.destroy())
    return swarm
  }
}

// The bridge as users run it. Emits `line` for each line of its log.
export class BridgeProcess extends EventEmitter {
  constructor (args) {
    super()
    this.child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    this.lines = []
    this.output = ''
    this.child.stdout.on('data', (text) => { this.output += text })
    readline.createInterface({ input: this.child.stderr }).on('line', (line) => {
      this.lines.push(line)
      if (this.lines.length > LOG_LINES_MAX) this.lines.shift()
      this.emit('line', line)
    })
    this.ended = once(this.child, 'close').then(([code, signal]) => ({ code, signal }))
    this.ended.then(() => this.emit('line', ''))
  }

  // A line that is there already counts.
  async logged (pattern, limitMs = WAIT_MS_MAX) {
    const found = () => this.lines.find((line) => pattern.test(line))
    try {
      return found() ?? await next(this, 'line', (line) => {
        if (this.child.exitCode !== null) throw new Error(`the bridge ended with ${this.child.exitCode}`)
        return pattern.test(line)
      }, limitMs)
    } catch (error) {
      throw new Error(`the bridge's log has no ${pattern}: ${error.message}\n${this.lines.slice(-20).join('\n')}`)
    }
  }

  async stop (signal = 'SIGTERM') {
    this.child.kill(signal)
    return within(this.ended, `the bridge after ${signal}`, STOP_MS_MAX)
  }

  async kill () {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill('SIGKILL')
    await this.ended
  }
}

// Where the bridge's metrics are, from its log.
export async function metricsOf (bridge) {
  const line = await bridge.logged(/metrics at /)
  const url = /http:\S+/.exec(line)[0]
  const text = await (await fetch(url)).text()
  const lint = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' })
  assert.equal(lint.status, 0, `promtool: ${lint.error ?? lint.stderr}`)
  const values = new Map()
  for (const row of text.split('\n')) {
    const match = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(row)
    if (match) values.set(match[1] + labelsWithoutPath(match[2] ?? ''), Number(match[3]))
  }
  return { text, values, url: new URL(url) }
}

function labelsWithoutPath (labels) {
  const kept = labels.replace(/back_end="[^"]*",?/, '')
  return kept ? `{${kept}}` : ''
}
