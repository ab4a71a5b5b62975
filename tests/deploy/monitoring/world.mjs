// A whole mirror with everything that has metrics: two coordinators on one PostgreSQL, two workers that hold copies of each
// other, an index worker, a gateway beside the drives, one from afar with a cache and a fallback, bridges to a swarm; its
// upstream does as it is told.
import fs from 'node:fs'
import { createRequire } from 'node:module'
import net from 'node:net'
import path from 'node:path'
import { PostgresServer } from '../../e2e/chaos/replicated_postgres.mjs'
import { DemoChannel, Mirror, Program, freePort, sourceDir, until } from '../../e2e/words.mjs'

const TIMEOUT_MS = 120_000
export const DATABASE_CONNECTIONS_MAX = 6
export const MEMORY_MAX_BYTES = 12 << 20
export const CACHE_BYTES_MAX = 1 << 20
const judges = createRequire(path.join(sourceDir, 'tests/interop/js/package.json'))
const NODE = [path.dirname(process.execPath), path.basename(process.execPath)]

const address = async () => `127.0.0.1:${await freePort()}`

export class World {
  constructor (scratch, owns, { paths = 150, bytes = '8M' } = {}) {
    Object.assign(this, { scratch, owns, paths, bytes })
  }

  #program (name, words, logFile = path.join(this.scratch, `${name}.log`)) {
    const program = this.owns(new Program(name, words, logFile))
    if (words[0] === NODE[1]) program.binDir = NODE[0]
    return program
  }

  async start () {
    await this.#startUpstream()
    await this.#startSwarm()
    this.server = this.owns(new PostgresServer(path.join(this.scratch, 'postgres'), '127.0.0.1', await freePort()))
    await this.server.makePrimary()
    this.database = `postgresql://hnx@127.0.0.1:${this.server.port}/postgres`
    await this.#startMirror()
    await this.#startFarGateway()
    await this.#startSnapshotGateway()
    await this.#startBridges()
  }

  async #startUpstream () {
    this.channel = this.owns(new DemoChannel(path.join(this.scratch, 'channel'),
      ['--faults', '--paths', String(this.paths), '--bytes', this.bytes]))
    this.channel.make()
    await this.channel.serve()
    this.direct = this.channel.info.upstream
    const listen = await address()
    this.#program('upstream', [NODE[1], path.join(import.meta.dirname, 'upstream.mjs'), listen, new URL(this.direct).origin]).start()
    this.upstream = `http://${listen}${new URL(this.direct).pathname}`
    this.channel.info.upstream = this.upstream
    await until('the upstream answers', TIMEOUT_MS, () => this.upstreamDoes({}).then(() => true, () => false))
  }

  // What upstream.mjs takes.
  async upstreamDoes (mode) {
    await fetch(new URL('/_mode', this.upstream), { method: 'PUT', body: JSON.stringify(mode) })
  }

  async #startSwarm () {
    const testnet = await judges('hyperdht/testnet')(3)
    this.testnet = this.owns({ stop: () => testnet.destroy() })
    this.bootstrap = `127.0.0.1:${testnet.bootstrap[0].port}`
    this.sockets = fs.mkdtempSync('/tmp/hnx-mon.') // short: a Unix socket's path has 107 bytes at most
    this.owns({ stop: async () => fs.rmSync(this.sockets, { recursive: true }) })
  }

  socket (name) {
    return path.join(this.sockets, name)
  }

  async #startMirror () {
    this.http = [await address(), await address()]
    this.metrics = { 'worker-1': await address(), 'worker-2': await address(), index: await address() }
    this.peers = { 'worker-1': await address(), 'worker-2': await address(), index: await address(), far: await address() }
    const serve = ['--copies', '1', '--max-missing', '0.9', '--job-nars-max', '4', '--batch-paths-max', '2', '--worker-jobs-max', '4',
      '--binary-cache-hosts', new URL(this.direct).host, '--database-connections-max', String(DATABASE_CONNECTIONS_MAX)]
    const worker = (name) => ['--listen-metrics', this.metrics[name], '--listen-peers', this.peers[name], '--swarm', this.socket(name),
      '--peer-connections-max', '20', '--memory-max', String(MEMORY_MAX_BYTES)]
    this.mirror = this.owns(new Mirror(path.join(this.scratch, 'mirror'), this.channel, {
      database: this.database,
      coordinatorOptions: [...serve, '--listen-http', this.http[0]],
      workerOptions: (n) => [...worker(`worker-${n}`), '--failure-domain', `domain-${n}`, '--peer-rate-max', '300K'],
      indexOptions: [...worker('index'), '--index-holder', this.peers.far]
    }))
    await this.mirror.start()
    const { info } = this.channel
    this.listen2 = await address()
    this.second = this.#program('coordinator-2', ['coordinator', 'serve', '--data', path.join(this.scratch, 'coordinator-2'), '--listen', this.listen2,
      '--database', this.database, '--upstream', info.upstream, '--channel-url', info.channel_url, '--trusted-public-keys', info.public_key,
      ...serve, '--listen-http', this.http[1]])
    this.second.start()
    await until('the second coordinator answers', TIMEOUT_MS, () => this.mirror.status(this.listen2))
  }

  async #startFarGateway () {
    this.farAddress = await address()
    this.far = this.#program('far-gateway', ['gateway', 'serve', '--listen', this.farAddress, '--mirror', `hyper://${this.mirror.key}`,
      '--cache', path.join(this.scratch, 'far'), '--cache-size', String(CACHE_BYTES_MAX), '--listen-peers', this.peers.far, '--swarm', this.socket('far'),
      '--fallback', this.direct, '--trusted-public-keys', this.channel.info.public_key, '--coordinator', this.mirror.address,
      ...['index', 'worker-1', 'worker-2'].flatMap((name) => ['--peer', this.peers[name]])])
    this.far.start()
    await until('the gateway from afar answers', TIMEOUT_MS, () => this.mirror.get('/nix-cache-info', this.farAddress).catch(() => null))
  }

  // Reads a copy of the index that can be damaged; tells a coordinator that is not there.
  async #startSnapshotGateway () {
    this.snapshotAddress = await address()
    this.snapshot = path.join(this.scratch, 'snapshot')
    fs.cpSync(this.mirror.drives().at(-1), this.snapshot, { recursive: true })
    this.#program('snapshot-gateway', ['gateway', 'serve', '--listen', this.snapshotAddress, '--index', this.mirror.key, '--coordinator', await address(),
      '--drives', this.snapshot]).start()
    await until('the third gateway answers', TIMEOUT_MS, () => this.mirror.get('/nix-cache-info', this.snapshotAddress).catch(() => null))
  }

  damageSnapshot () {
    const oplogs = fs.readdirSync(this.snapshot, { recursive: true }).filter((file) => path.basename(file) === 'oplog')
    for (const file of oplogs) fs.writeFileSync(path.join(this.snapshot, file), 'no oplog')
  }

  // A program at the second bridge that speaks nonsense.
  async startLiar () {
    const sockets = new Set()
    const server = net.createServer((socket) => {
      sockets.add(socket)
      socket.on('error', () => {}).on('close', () => sockets.delete(socket)).end(Buffer.alloc(64, 0xff))
    })
    await new Promise((resolve) => server.listen(this.socket('liar'), resolve))
    this.owns({
      stop: () => new Promise((resolve) => {
        server.close(resolve)
        for (const socket of sockets) socket.destroy()
      })
    })
  }

  async #startBridges () {
    this.swarm = [await address(), await address()]
    const bridge = (n, ...names) => this.#program(`swarm-${n}`, [NODE[1], path.join(sourceDir, 'swarm/swarm.mjs'), '--bootstrap', this.bootstrap,
      '--listen', '127.0.0.1', '--listen-metrics', this.swarm[n - 1], ...names.flatMap((name) => ['--socket', this.socket(name)])])
    this.bridges = [bridge(1, 'worker-1', 'worker-2', 'index'), bridge(2, 'far', 'liar')]
    for (const one of this.bridges) one.start()
  }

  jobs () {
    return { coordinator: this.http, worker: Object.values(this.metrics), gateway: [this.mirror.gatewayAddress, this.farAddress, this.snapshotAddress], swarm: this.swarm }
  }
}
