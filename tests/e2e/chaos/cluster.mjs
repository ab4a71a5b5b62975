// Two coordinators, four workers and the index's writer on machines of their own (network namespaces), one PostgreSQL with
// a replica for both coordinators, and room for further workers. Whoever is to run and does not is started again.
import { spawn, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { Mirror, Program, binDir, check, freePort, settableClock, until } from '../words.mjs'

const START_TIMEOUT_MS = 120_000
const SUPERVISE_MS = 200
const RESTART_PAUSE_MS = 500
const COORDINATOR_PORT = 7070
const PEER_PORT = 4711
const FIRST_WORKERS = 4
const NO_OFFSET = '+0'
// A worker takes no work below 64 MiB of room; the mirror's share on top.
const SMALL_DISK = '192M'
const FILL_TRIES_MAX = 100

export class Cluster extends Mirror {
  static COORDINATORS = ['coordinator-1', 'coordinator-2']
  static WORKERS = Array.from({ length: FIRST_WORKERS }, (_, n) => `worker-${n + 1}`)
  static SMALL_DISK = 'worker-4'
  static CLOCKS = ['coordinator-2', 'worker-3']

  static guests (count) {
    return Array.from({ length: count }, (_, n) => `guest-${n + 1}`)
  }

  static hosts (guests) {
    return [...Cluster.COORDINATORS, ...Cluster.WORKERS, 'index', ...Cluster.guests(guests)]
  }

  constructor (dir, channel, { net, postgres, coordinatorOptions }) {
    super(dir, channel)
    Object.assign(this, { net, postgres, coordinatorOptions })
    this.members = new Map() // host: name of the worker that it is now
    this.workerNames = [] // all that there ever were
    this.wanted = new Set() // who is to run
    this.exits = [] // {name, status}: who ended by himself
    this.addresses = Cluster.COORDINATORS.map((host) => `${net.address(host)}:${COORDINATOR_PORT}`)
    this.address = this.addresses.join(',')
    this.indexAddress = `${net.address('index')}:${PEER_PORT}`
  }

  drives () {
    return [...this.workerNames, 'index'].map((name) => path.join(this.dir, name, 'drives')).filter((dir) => fs.existsSync(dir))
  }

  async start () {
    fs.mkdirSync(path.join(this.dir, Cluster.SMALL_DISK), { recursive: true })
    this.#mount('mount', '-t', 'tmpfs', '-o', `size=${SMALL_DISK},mode=755`, 'tmpfs', path.join(this.dir, Cluster.SMALL_DISK))
    for (const name of Cluster.CLOCKS) this.setClock(name, NO_OFFSET)
    const indexKey = path.join(this.dir, 'index.key')
    const made = this.run('worker', 'create-index-key', indexKey)
    check(made.status === 0, `worker create-index-key: ${made.stderr}`)
    const { info } = this.channel
    for (const [n, host] of Cluster.COORDINATORS.entries()) {
      this.#launch(host, host, ['coordinator', 'serve', '--data', path.join(this.dir, host), '--listen', this.addresses[n], '--insecure',
        '--database', this.postgres.uri(), '--upstream', info.upstream, '--channel-url', info.channel_url,
        '--trusted-public-keys', info.public_key, ...this.coordinatorOptions])
      await until(`${host} answers`, START_TIMEOUT_MS, () => this.status(this.addresses[n]))
    }
    for (const name of Cluster.WORKERS) this.join(name, name)
    this.#launch('index', 'index', [...this.#worker('index'), '--role', 'index', '--index-key-file', indexKey, '--listen-peers', this.indexAddress])
    this.key = await until('the index worker makes its drive', START_TIMEOUT_MS, () => this.status()?.mirror_key)
    this.supervision = setInterval(() => this.#supervise(), SUPERVISE_MS)
  }

  #mount (...words) {
    const done = spawnSync(words[0], words.slice(1), { encoding: 'utf8' })
    check(done.status === 0, `${words.join(' ')}: ${done.stderr ?? done.error}`)
  }

  #worker (name) {
    const turned = this.workerNames.length % 2 ? this.addresses : [...this.addresses].reverse()
    const disk = name === Cluster.SMALL_DISK ? ['--disk-reserve', '1M'] : []
    return ['worker', 'run', '--data', path.join(this.dir, name), ...turned.flatMap((address) => ['--coordinator', address]), '--name', name, ...disk]
  }

  #launch (name, host, words) {
    const program = new Program(name, words, path.join(this.dir, `${name}.log`), Cluster.CLOCKS.includes(name) ? settableClock(this.#clockFile(name)) : {})
    program.within = this.net.within(host)
    program.host = host
    this.programs.set(name, program)
    this.begin(name)
    return program
  }

  // A worker with an empty disk on a host that is free.
  join (name, host) {
    this.members.set(host, name)
    this.workerNames.push(name)
    return this.#launch(name, host, [...this.#worker(name), '--role', 'mirror', '--transfers-max', '3'])
  }

  // From now on it is to run.
  begin (name) {
    this.wanted.add(name)
    if (!this.programs.get(name).running) this.programs.get(name).start()
  }

  // From now on it is not; the caller ends it.
  leave (name) {
    this.wanted.delete(name)
    return this.programs.get(name)
  }

  // What systemd would do.
  #supervise () {
    for (const name of this.wanted) {
      const program = this.programs.get(name)
      if (program.running) continue
      if (program.endedAt === undefined) {
        program.endedAt = Date.now()
        if (program.child.exitCode !== null) this.exits.push({ name, status: program.child.exitCode })
      }
      if (Date.now() - program.endedAt < RESTART_PAUSE_MS) continue
      program.endedAt = undefined
      program.start()
    }
  }

  #clockFile (name) {
    return path.join(this.dir, `${name}.clock`)
  }

  setClock (name, offset = NO_OFFSET) {
    fs.writeFileSync(`${this.#clockFile(name)}.new`, `${offset}\n`)
    fs.renameSync(`${this.#clockFile(name)}.new`, this.#clockFile(name))
  }

  // Room on the small disk: none, or all that the worker does not use. The worker, which writes meanwhile, may take the last of
  // it first.
  fillDisk (name) {
    const free = () => {
      const { bavail, bsize } = fs.statfsSync(path.join(this.dir, name))
      return bavail * bsize
    }
    const filler = path.join(this.dir, name, 'filler')
    for (let tries = 1, room = free(); room > 0; room = free()) {
      const size = (fs.statSync(filler, { throwIfNoEntry: false })?.size ?? 0) + room
      const done = spawnSync('fallocate', ['-l', String(size), filler], { encoding: 'utf8' })
      check(done.status === 0 || (done.stderr.includes('No space left') && ++tries < FILL_TRIES_MAX), `fallocate: ${done.stderr}`)
    }
  }

  freeDisk (name) {
    fs.rmSync(path.join(this.dir, name, 'filler'), { force: true })
  }

  // Runs a command of the coordinator while everything else goes on: {status, stdout, stderr}.
  async ask (command, ...words) {
    const child = spawn(path.join(binDir, 'coordinator'), [command, '--coordinator', this.address, '--json', ...words])
    const said = { stdout: '', stderr: '' }
    for (const stream of ['stdout', 'stderr']) child[stream].on('data', (piece) => { said[stream] += piece })
    const status = await new Promise((resolve) => child.on('close', resolve))
    return { status, ...said }
  }

  // The coordinator that does the background work now; undefined while nobody can tell.
  async leader () {
    const holder = await this.postgres.primary.ask('SELECT holder FROM leader WHERE expires_at > clock_timestamp()')
    return Cluster.COORDINATORS.find((name) => this.programs.get(name).running && holder?.startsWith(`${this.programs.get(name).child.pid}-`))
  }

  async startGateway () {
    this.gatewayAddress = `127.0.0.1:${await freePort()}`
    const gateway = new Program('gateway', ['gateway', 'serve', '--listen', this.gatewayAddress, '--index', this.key,
      ...this.drives().flatMap((dir) => ['--drives', dir])], path.join(this.dir, 'gateway.log'))
    this.programs.set('gateway', gateway)
    gateway.start()
    await until('the gateway answers', START_TIMEOUT_MS, () => this.get('/nix-cache-info').catch(() => null))
  }

  async stop () {
    clearInterval(this.supervision)
    for (const program of this.programs.values()) {
      if (program.running) process.kill(program.child.pid, 'SIGCONT')
    }
    const stopped = await Promise.allSettled([...this.programs.values()].map((program) => program.stop()))
    spawnSync('umount', ['--lazy', path.join(this.dir, Cluster.SMALL_DISK)])
    for (const { reason } of stopped) if (reason) throw reason
  }
}
