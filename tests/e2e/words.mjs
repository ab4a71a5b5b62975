// Words that the e2e tests in JavaScript are written with: a demonstration channel, a mirror of it made of real
// processes, and what the mirror shows through its gateway.
import { execFile, spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { checkSameBytes } from './same_bytes.mjs'

export const sourceDir = process.env.HNX_SOURCE_DIR ?? path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..')
export const binDir = process.env.HNX_BIN_DIR ?? path.join(sourceDir, 'build/test/bin')
const demoTool = path.join(sourceDir, 'deploy/demo-channel')

const REFRESH_TIMEOUT_MS = 10_000
const START_TIMEOUT_MS = 120_000
const STOP_TIMEOUT_MS = 60_000
const POLL_MS = 100
const FETCHES_AT_ONCE = 16
const SHOWN_CHARS = 400

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

export function step (words) {
  console.log(`\n-- ${words}`)
}

export function check (condition, words) {
  if (!condition) throw new Error(words)
}

export function checkEqual (words, found, wanted) {
  const [a, b] = [JSON.stringify(found) ?? 'nothing', JSON.stringify(wanted) ?? 'nothing']
  if (a === b) return
  // Long values are shown from a little before where they begin to differ.
  let at = 0
  while (a[at] === b[at]) at++
  const part = (text) => text.length <= SHOWN_CHARS ? text : `...${text.slice(Math.max(0, at - 80), at + SHOWN_CHARS)}...`
  throw new Error(`${words}: ${part(a)} instead of ${part(b)}`)
}

export async function until (words, timeoutMs, condition) {
  for (const deadline = Date.now() + timeoutMs; Date.now() < deadline;) {
    const asked = Date.now()
    const value = await condition()
    if (value) return value
    // Asking often means starting a program: it must not take the processor from what is waited for.
    await sleep(Math.max(POLL_MS, 2 * (Date.now() - asked)))
  }
  throw new Error(`${words}: not within ${timeoutMs / 1000} s`)
}

export function freePort () {
  return new Promise((resolve, reject) => {
    const server = net.createServer()
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}

// Runs a test in a scratch folder; stops what it started, whatever happens. HNX_KEEP=1 keeps the folder.
export async function test (name, body) {
  const scratch = fs.mkdtempSync(path.join(process.env.TMPDIR ?? os.tmpdir(), 'hnx-e2e.'))
  const things = []
  let failure
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.on(signal, async () => {
      await stopAll(things)
      process.exit(1)
    })
  }
  try {
    await body({ scratch, owns: (thing) => { things.push(thing); return thing } })
    console.log(`${name}: passed`)
  } catch (error) {
    console.error(`${name}: FAILED: ${error.stack}`)
    failure = error
    for (const thing of things) thing.explain?.()
  }
  await stopAll(things)
  if (failure) console.error(`${name}: FAILED: ${failure.message} (above: where, and what its programs said)`)
  if (failure && process.env.HNX_KEEP) console.error(`kept: ${scratch}`)
  else spawnSync('sh', ['-c', 'chmod -R u+w "$1"; rm -rf "$1"', 'sh', scratch])
  process.exit(failure ? 1 : 0)
}

async function stopAll (things) {
  for (const thing of [...things].reverse()) {
    await thing.stop().catch((error) => console.error(`stopping: ${error.message}`))
  }
}

// The environment of a program whose wall clock is wrong by what a file says, within a second of its change.
export function settableClock (file) {
  return { ...withFaketime(), FAKETIME_TIMESTAMP_FILE: file, FAKETIME_CACHE_DURATION: '1' }
}

function withFaketime () {
  const library = fs.readdirSync('/usr/lib').map((dir) => `/usr/lib/${dir}/faketime/libfaketimeMT.so.1`).find(fs.existsSync)
  check(library, 'libfaketime is not installed: tools/install-packages test')
  return { LD_PRELOAD: library, FAKETIME_DONT_FAKE_MONOTONIC: '1' }
}

// Options of channels that several tests begin with: each is made once and copied.
export const SHARED_CHANNELS = Object.fromEntries(Object.entries({
  small: ['--paths', '60', '--bytes', '2M'],
  smallWithFaults: ['--paths', '60', '--bytes', '2M', '--faults'],
  withFaults: ['--paths', '80', '--bytes', '4M', '--faults'],
  medium: ['--paths', '120', '--bytes', '6M'],
  large: ['--paths', '150', '--bytes', '8M']
}).map(([name, options]) => [name, [...options, '--cache', path.join(binDir, '../demo-channels')]]))

// The upstream.
export class DemoChannel {
  constructor (dir, options = []) {
    this.dir = dir
    this.options = options
  }

  #tool (...words) {
    const done = spawnSync(demoTool, words, { encoding: 'utf8' })
    check(done.status === 0, `demo-channel ${words.join(' ')}: status ${done.status}: ${done.stderr}`)
    process.stdout.write(done.stdout)
  }

  make (...more) {
    this.#tool('make', '--dir', this.dir, ...this.options, ...more)
  }

  async serve (...more) {
    this.#tool('serve', '--dir', this.dir, ...more)
    this.info = {}
    for (const line of fs.readFileSync(path.join(this.dir, 'info.env'), 'utf8').split('\n')) {
      const [, name, value] = line.match(/^DEMO_([A-Z_]+)='(.*)'$/) ?? []
      if (name) this.info[name.toLowerCase()] = value
    }
  }

  async stop () {
    this.#tool('stop', '--dir', this.dir)
  }

  // One more channel, or one that exists, points to a release from now on.
  point (channel, release) {
    this.#tool('point', '--dir', this.dir, '--channel', channel, '--release', String(release))
  }

  expected (release) {
    return JSON.parse(fs.readFileSync(path.join(this.dir, release ? `expected-${release}.json` : 'expected.json')))
  }

  // Bytes as the upstream serves them.
  file (url) {
    return fs.readFileSync(path.join(this.dir, 'www/cache', url))
  }

  // How often each NAR was asked for with an answer that carried its bytes.
  narRequests () {
    const counts = new Map()
    for (const line of fs.readFileSync(path.join(this.dir, 'run/nginx.access.log'), 'utf8').split('\n')) {
      const [, url, status] = line.match(/"GET \/cache\/(nar\/[^ "]+) HTTP[^"]*" (\d+)/) ?? []
      if (status === '200' || status === '206') counts.set(url, (counts.get(url) ?? 0) + 1)
    }
    return counts
  }
}

// One program, started again with the same words after it was killed.
export class Program {
  constructor (name, words, logFile, environment = {}) {
    this.name = name
    this.words = words
    this.within = [] // words before its own: ip netns exec ...
    this.binDir = binDir // where its program lies
    this.logFile = logFile
    this.environment = environment
    this.starts = 0
  }

  start () {
    const log = fs.openSync(this.logFile, 'a')
    const [program, ...words] = [...this.within, path.join(this.binDir, this.words[0]), ...this.words.slice(1)]
    this.child = spawn(program, words, { stdio: ['ignore', log, log], detached: true, env: { ...process.env, ...this.environment } })
    fs.closeSync(log)
    this.starts++
    this.ended = new Promise((resolve) => {
      this.child.on('exit', (code, signal) => resolve(signal ?? code))
      this.child.on('error', (error) => resolve(error.message))
    })
  }

  get running () {
    return this.child !== undefined && this.child.exitCode === null && this.child.signalCode === null
  }

  async kill (signal) {
    if (this.running) process.kill(this.child.pid, signal)
    return this.ended
  }

  async stop () {
    if (!this.running) return
    process.kill(this.child.pid, 'SIGTERM')
    if (await Promise.race([this.ended, sleep(STOP_TIMEOUT_MS).then(() => 'late')]) === 'late') {
      await this.kill('SIGKILL')
      throw new Error(`${this.name} did not stop within ${STOP_TIMEOUT_MS / 1000} s`)
    }
  }

  logTail () {
    return fs.existsSync(this.logFile) ? fs.readFileSync(this.logFile, 'utf8').split('\n').slice(-25).join('\n') : ''
  }
}

// Coordinators, workers and gateway over one data folder. A second coordinator uses the first one's database; every
// other worker asks it first.
export class Mirror {
  // `database`: of all coordinators, which then begin at the same moment.
  // `indexOptions`: the index is written by a worker of its own, with these words; else by the first one.
  // `gatewayOptions`: of the gateway that reads the folders.
  // `binDirs`: {coordinator, worker}: where programs lie that are not of this build.
  constructor (dir, channel, { workers = 2, coordinators = 1, coordinatorOptions = [], workerOptions = [], indexOptions,
    gatewayOptions = [], database, binDirs = {} } = {}) {
    this.coordinators = coordinators
    this.dir = dir
    this.channel = channel
    this.workers = workers
    this.coordinatorOptions = coordinatorOptions
    this.workerOptions = workerOptions
    this.indexOptions = indexOptions
    this.gatewayOptions = gatewayOptions
    this.database = database
    this.within = [] // words before those of each program: ip netns exec ...
    this.binDirs = binDirs
    this.programs = new Map()
    fs.mkdirSync(dir, { recursive: true })
  }

  workerOptionsOf (n) {
    return typeof this.workerOptions === 'function' ? this.workerOptions(n) : this.workerOptions
  }

  #add (name, words, environment = {}) {
    const program = new Program(name, words, path.join(this.dir, `${name}.log`), environment)
    program.within = this.within
    program.binDir = this.#binDirOf(words[0])
    this.programs.set(name, program)
    return program
  }

  #binDirOf (program) {
    return this.binDirs[program] ?? binDir
  }

  drives () {
    return this.#dataNames().map((name) => path.join(this.dir, name, 'drives'))
  }

  #dataNames () {
    const names = Array.from({ length: this.workers }, (_, n) => `worker-${n + 1}`)
    return this.indexOptions ? [...names, 'index'] : names
  }

  async start () {
    const { info } = this.channel
    this.address = `127.0.0.1:${await freePort()}`
    this.gatewayAddress = `127.0.0.1:${await freePort()}`
    const indexKey = path.join(this.dir, 'index.key')
    if (!fs.existsSync(indexKey)) {
      const made = spawnSync(path.join(this.#binDirOf('worker'), 'worker'), ['create-index-key', indexKey], { encoding: 'utf8' })
      check(made.status === 0, `worker create-index-key: ${made.stderr}`)
    }
    const serve = ['--upstream', info.upstream, '--channel-url', info.channel_url, '--trusted-public-keys', info.public_key,
      ...this.coordinatorOptions]
    const addresses = this.addresses = [this.address]
    for (let n = 1; n <= this.coordinators; n++) {
      const name = n === 1 ? 'coordinator' : `coordinator-${n}`
      if (n > 1) addresses.push(`127.0.0.1:${await freePort()}`)
      const database = this.database ?? (n > 1 ? this.#privateDatabase() : undefined)
      this.#add(name, ['coordinator', 'serve', '--data', path.join(this.dir, name), '--listen', addresses.at(-1),
        ...database ? ['--database', database] : [], ...serve]).start()
      if (!this.database) await this.#answers(addresses.at(-1))
    }
    for (const address of addresses) await this.#answers(address)
    for (let n = 1; n <= this.workers; n++) this.startWorker(n)
    if (this.indexOptions) {
      this.#add('index', ['worker', 'run', '--data', path.join(this.dir, 'index'), '--coordinator', this.address, '--name', 'index',
        '--role', 'index', '--index-key-file', indexKey, ...this.indexOptions]).start()
    }
    this.key = await until('the index worker makes its drive', START_TIMEOUT_MS, () => this.status()?.mirror_key)
    if (!this.within.length) this.indexId = this.status().mirror_key_z32
    if (this.within.length) return // its gateway could not be asked from here
    this.#add('gateway', ['gateway', 'serve', '--listen', this.gatewayAddress, '--index', this.key,
      ...this.drives().flatMap((dir) => ['--drives', dir]), ...this.gatewayOptions]).start()
    await until('the gateway answers', START_TIMEOUT_MS, () => this.get('/nix-cache-info').catch(() => null))
  }

  // One more than there were at the start, or one of those.
  startWorker (n) {
    const role = n === 1 && !this.indexOptions ? ['mirror,index', '--index-key-file', path.join(this.dir, 'index.key')] : ['mirror']
    return this.#add(`worker-${n}`, ['worker', 'run', '--data', path.join(this.dir, `worker-${n}`), ...addressesOf(n, this.addresses),
      '--name', `worker-${n}`, '--role', ...role, ...this.workerOptionsOf(n)]).start()
  }

  run (program, ...words) {
    const [first, ...rest] = [...this.within, path.join(binDir, program), ...words]
    return spawnSync(first, rest, { encoding: 'utf8', maxBuffer: 1 << 30 })
  }

  #answers (address) {
    return until(`the coordinator at ${address} answers`, START_TIMEOUT_MS, () => this.status(address))
  }

  // The private PostgreSQL of the first coordinator: the fifth line of its pid file is the folder of its socket.
  #privateDatabase () {
    const found = spawnSync('find', [path.join(this.dir, 'coordinator'), '-name', 'postmaster.pid'], { encoding: 'utf8' })
    const [, , , , socketDir] = fs.readFileSync(found.stdout.trim(), 'utf8').split('\n')
    return `host=${socketDir} port=5432 user=hnx dbname=postgres`
  }

  // What `coordinator status --json` says; undefined while it does not answer.
  status (address = this.address) {
    const done = this.run('coordinator', 'status', '--coordinator', address, '--json')
    return done.status === 0 ? JSON.parse(done.stdout) : undefined
  }

  // As run, while this process goes on: for servers that the test plays itself.
  runBeside (program, ...words) {
    const [first, ...rest] = [...this.within, path.join(binDir, program), ...words]
    return new Promise((resolve) => {
      execFile(first, rest, { encoding: 'utf8', maxBuffer: 1 << 30 }, (error, stdout, stderr) =>
        resolve({ status: error ? error.code : 0, stdout, stderr }))
    })
  }

  // Runs a client command of the coordinator.
  coordinator (command, ...words) {
    return this.run('coordinator', command, '--coordinator', this.address, ...words)
  }

  // The JSON lines of one that must succeed.
  told (command, ...words) {
    const done = this.coordinator(command, '--json', ...words)
    check(done.status === 0, `coordinator ${command} ${words.join(' ')}: status ${done.status}: ${done.stderr}`)
    return done.stdout.split('\n').filter(Boolean).map((line) => JSON.parse(line))
  }

  // Runs SQL in the coordinator's private database: for what only a clock would do otherwise.
  sql (statement) {
    const folder = path.join(this.dir, 'coordinator/postgres')
    const pid = [folder, ...fs.readdirSync(folder).map((name) => path.join(folder, name))]
      .map((name) => path.join(name, 'postmaster.pid')).find((name) => fs.existsSync(name))
    check(pid, `no server runs in ${folder}`)
    const socket = fs.readFileSync(pid, 'utf8').split('\n')[4]
    const done = spawnSync('psql', ['-X', '-q', '-h', socket, '-U', 'hnx', '-d', 'postgres', '-At', '-v', 'ON_ERROR_STOP=1', '-c', statement],
      { encoding: 'utf8' })
    check(done.status === 0, `psql: ${done.stderr}`)
    return done.stdout.trim()
  }

  // Bytes that the content of the shards takes on the disk.
  shardBytesOnDisk () {
    let bytes = 0
    const visit = (folder) => {
      for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
        const name = path.join(folder, entry.name)
        if (entry.isDirectory()) visit(name)
        else if (entry.name === 'data') bytes += fs.statSync(name).blocks * 512
      }
    }
    for (const drives of this.drives()) {
      for (const id of fs.readdirSync(drives)) {
        if (id !== this.indexId) visit(path.join(drives, id))
      }
    }
    return bytes
  }

  // Resolves with the exit status of `coordinator submit`.
  submit (...words) {
    const log = fs.openSync(path.join(this.dir, 'submit.log'), 'a')
    const child = spawn(path.join(binDir, 'coordinator'),
      ['submit', '--coordinator', this.address, '--channel', this.channel.info.channel, ...words],
      { stdio: ['ignore', log, log] })
    fs.closeSync(log)
    return new Promise((resolve) => child.on('exit', (code, signal) => resolve(signal ?? code)))
  }

  // {release_id, existed} of a submission that is not waited for; undefined when the coordinator did not take it.
  async submission (...words) {
    const child = spawn(path.join(binDir, 'coordinator'),
      ['submit', '--coordinator', this.address, '--channel', this.channel.info.channel, '--json', ...words],
      { stdio: ['ignore', 'pipe', 'ignore'] })
    let said = ''
    child.stdout.on('data', (piece) => { said += piece })
    const status = await new Promise((resolve) => child.on('close', resolve))
    return status === 0 ? JSON.parse(said) : undefined
  }

  // [{store_path, state, reason, blocked_by, ...}] of a release; 0: the newest
  failures (release = 0) {
    const done = this.run('coordinator', 'failures', '--coordinator', this.address, '--json', '--release', String(release))
    check(done.status === 0, `coordinator failures: ${done.stderr}`)
    return done.stdout.split('\n').filter(Boolean).map((line) => JSON.parse(line))
  }

  // A gateway with nothing but the mirror's key and the addresses of peers. Has `get` and `channel` as this has, and its address.
  async farGateway (cache, peers, ...options) {
    const address = `127.0.0.1:${await freePort()}`
    this.#add('far-gateway', ['gateway', 'serve', '--listen', address, '--mirror', `hyper://${this.key}`, '--cache', cache,
      ...peers.flatMap((peer) => ['--peer', peer]), ...options]).start()
    const far = { address, channel: this.channel, get: (url) => this.get(url, address) }
    await until('the gateway from afar answers', START_TIMEOUT_MS, () => far.get('/nix-cache-info').catch(() => null))
    return far
  }

  // The body, or null for 404; any other status is an error.
  async get (url, address = this.gatewayAddress) {
    const response = await fetch(`http://${address}${url}`)
    const body = Buffer.from(await response.arrayBuffer())
    if (response.status === 404) return null
    check(response.status === 200, `GET ${url}: status ${response.status}`)
    return body
  }

  async manifest (release, channel = this.channel.info.channel) {
    // The gateway looks for a new version of the index twice a second.
    const url = `/channels/${channel}/${release}/manifest.json`
    const body = await until(`the gateway shows the manifest of ${release}`, REFRESH_TIMEOUT_MS, () => this.get(url))
    return JSON.parse(body)
  }

  explain () {
    for (const program of this.programs.values()) console.error(`---- end of ${program.logFile}\n${program.logTail()}`)
    const submit = path.join(this.dir, 'submit.log')
    if (fs.existsSync(submit)) console.error(`---- submit\n${fs.readFileSync(submit, 'utf8').slice(-2000)}`)
  }

  async stop () {
    for (const program of [...this.programs.values()].reverse()) await program.stop()
  }
}

// Worker n asks the coordinators in turn, beginning with another one than its neighbour.
function addressesOf (n, addresses) {
  const first = (n - 1) % addresses.length
  return [...addresses.slice(first), ...addresses.slice(0, first)].flatMap((address) => ['--coordinator', address])
}

export const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex')

async function forEachAtOnce (items, action) {
  const queue = [...items]
  await Promise.all(Array.from({ length: FETCHES_AT_ONCE }, async () => {
    while (queue.length) await action(queue.pop())
  }))
}

// Fetches through the gateway what a set of expected paths has there, and holds it against the upstream's bytes:
// published paths byte for byte, the others absent. Returns {narinfo URL or NAR URL: SHA-256}, sorted.
export async function compareWithUpstream (mirror, expected) {
  const found = new Map()
  const nars = new Set()
  await forEachAtOnce(Object.entries(expected.paths), async ([storePath, entry]) => {
    const url = `${path.basename(storePath).slice(0, 32)}.narinfo`
    const body = await mirror.get(`/${url}`)
    if (entry.status !== 'published') {
      check(body === null, `${storePath} is ${entry.status}, but the gateway has its narinfo`)
      return
    }
    check(body, `${storePath} should be published, but the gateway does not have its narinfo`)
    check(body.equals(mirror.channel.file(url)), `the narinfo of ${storePath} differs from upstream's`)
    checkReferences(storePath, body.toString(), expected)
    found.set(url, sha256(body))
    nars.add(entry.url)
  })
  await forEachAtOnce(nars, async (url) => {
    const body = await mirror.get(`/${url}`)
    check(body, `the gateway does not have ${url}`)
    checkSameBytes(url, body, mirror.channel.file(url))
    found.set(url, sha256(body))
  })
  console.log(`${found.size - nars.size} narinfos and ${nars.size} NARs are byte-identical to upstream's`)
  return Object.fromEntries([...found].sort())
}

// The index is closed under References.
function checkReferences (storePath, narinfo, expected) {
  const references = narinfo.match(/^References: (.*)$/m)?.[1].split(' ').filter(Boolean) ?? []
  for (const reference of references) {
    const entry = expected.paths[`/nix/store/${reference}`]
    check(entry?.status === 'published', `${storePath} is published, but needs ${reference}, which is ${entry?.status}`)
  }
}

// The failures that the coordinator lists, against the expected ones: state by state, blocked paths with a culprit.
export function checkFailures (failures, expected) {
  const wanted = Object.entries(expected.paths).filter(([, entry]) => entry.status !== 'published')
  const byPath = new Map(failures.map((failure) => [failure.store_path, failure]))
  for (const [storePath, entry] of wanted) {
    const failure = byPath.get(storePath)
    check(failure, `${storePath} (${entry.status}) is not among the failures`)
    checkEqual(`the state of ${storePath}`, failure.state, entry.status)
    if (entry.status === 'blocked') {
      check(entry.blocked_by.includes(failure.blocked_by),
        `${storePath} is said to be blocked by ${failure.blocked_by}, not by one of ${entry.blocked_by}`)
    } else {
      check(failure.reason, `${storePath} has no reason`)
    }
  }
  checkEqual('the number of failures', failures.length, wanted.length)
}
