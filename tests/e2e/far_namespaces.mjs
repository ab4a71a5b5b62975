// A gateway from afar on a machine of its own: an empty disk, a key, and peers that come and go. Origin, second holder,
// gateway and client are network namespaces; the client is the real Nix.
//
//   node tests/e2e/far_namespaces.mjs [--full]
//
// --full is the size of the acceptance: a NAR of 1 GiB at 10 MB/s takes 107 s. By default 128 MiB, with the same claims.
import { spawn, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import readline from 'node:readline'
import { parseArgs } from 'node:util'
import { Namespaces } from './namespaces.mjs'
import { DemoChannel, Mirror, Program, check, checkEqual, freePort, step, test, until } from './words.mjs'

const { values: { full } } = parseArgs({ options: { full: { type: 'boolean' } } })
const LARGE_BYTES = full || process.env.HNX_NIGHTLY ? 1 << 30 : 128 << 20
const INDEX_PATHS = 300_000
const RATE_EACH = 5_000_000 // two holders: 10 MB/s
const CLOSURE_RATE = 2_000_000
const INDEX_BYTES_MAX = 1_000_000
const MEMORY_KB_MAX = 64 * 1024
const FIRST_BYTE_MS_MAX = 1000
const REFUSAL_MS_MAX = 1000
const GAP_MS_MAX = 2000
const SHARE_MIN = 0.3
const PEER_PORT = 4711
const GATEWAY_PORT = 8080
const COPY_TIMEOUT_MS = 120_000
const FIND_TIMEOUT_MS = 30_000
const GONE_TIMEOUT_MS = 60_000

const bin = (name) => path.join(process.env.HNX_BIN_DIR ?? path.resolve(import.meta.dirname, '../../build/test/bin'), name)
const here = (name) => path.join(import.meta.dirname, name)

function run (words, environment = {}) {
  const [program, ...rest] = words
  const done = spawnSync(program, rest, { encoding: 'utf8', env: { ...process.env, ...environment }, maxBuffer: 1 << 30 })
  check(!done.error, `${program}: ${done.error?.message}`)
  return done
}

// A drive's owner for as long as it takes to copy from it: peer_tool of the interop tests.
class Owner {
  async start (folder, ids) {
    this.child = spawn(bin('peer_tool'), { stdio: ['pipe', 'pipe', 'inherit'] })
    const lines = readline.createInterface({ input: this.child.stdout })[Symbol.asyncIterator]()
    const ask = async (words) => {
      this.child.stdin.write(`${words}\n`)
      for (;;) {
        const { value = 'error: it ended' } = await lines.next()
        if (value.startsWith('*')) continue
        check(value.startsWith('ok'), `peer_tool ${words}: ${value}`)
        return value.slice(3)
      }
    }
    for (const id of ids) await ask(`drive ${path.join(folder, id)}`)
    this.address = await ask('listen')
    return this
  }

  async stop () {
    this.child.stdin.end()
    await new Promise((resolve) => this.child.exitCode === null ? this.child.on('exit', resolve) : resolve())
  }
}

// hyp seed, as a holder of everything.
class Holder extends Program {
  constructor (scratch, name, key, ...options) {
    super(name, ['hyp', 'seed', `hyper://${key}`, '--swarm', 'off', '--json', '--data', path.join(scratch, name), ...options],
      path.join(scratch, `${name}.log`))
  }

  explain () {
    console.error(`---- ${this.logFile}\n${this.logTail()}`)
  }

  // Returns when it has whole drives, so many.
  async copy (count) {
    this.start()
    await until(`${this.name} has copied ${count} drives`, COPY_TIMEOUT_MS, () => {
      const whole = fs.readFileSync(this.logFile, 'utf8').split('\n').filter((line) => line.includes('"whole"'))
      return new Set(whole.map((line) => JSON.parse(line).id)).size >= count
    })
    await this.stop()
    fs.rmSync(this.logFile)
  }
}

class Gateway extends Program {
  constructor (scratch, name, { within = [], address, key, peers, options = [] }) {
    super(name, ['gateway', 'serve', '--listen', address, '--mirror', `hyper://${key}`, '--cache', path.join(scratch, name),
      ...peers.flatMap((peer) => ['--peer', peer]), ...options], path.join(scratch, `${name}.log`))
    this.within = within
    this.url = `http://${address}`
  }

  explain () {
    console.error(`---- ${this.logFile}\n${this.logTail()}`)
  }

  // From its own machine.
  get (url) {
    const done = run([...this.within, 'curl', '-s', '-o', '-', '-w', '\n%{http_code} %{time_total}', '--max-time', '20', `${this.url}${url}`])
    const [, body, status, seconds] = done.stdout.match(/^([^]*)\n(\d+) ([\d.]+)$/)
    return { status: Number(status), body, ms: Number(seconds) * 1000 }
  }

  // undefined while it does not answer.
  metric (name) {
    const { status, body } = this.get('/metrics')
    if (status !== 200) return undefined
    const [, value] = body.match(new RegExp(`^${name.replace(/[{}"]/g, '\\$&')} (\\S+)$`, 'm')) ?? []
    check(value !== undefined, `the gateway has no metric ${name}`)
    return Number(value)
  }

  peakMemoryKb () {
    return Number(fs.readFileSync(`/proc/${this.child.pid}/status`, 'utf8').match(/^VmHWM:\s+(\d+) kB/m)[1])
  }
}

// The client's machine: the real nix with a store, and a substituter of its own that is asked last.
class Client {
  constructor (scratch, net, channel, gateway) {
    Object.assign(this, { scratch, net, channel, gateway })
  }

  async start () {
    const dir = path.join(this.scratch, 'nginx')
    fs.mkdirSync(dir)
    this.log = path.join(dir, 'access.log')
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${dir}/${kind};`).join('')
    // As the upstream's cache, but for its priority: asked after the gateway.
    const root = path.join(this.channel.dir, 'www/cache')
    fs.writeFileSync(path.join(dir, 'nix-cache-info'), 'StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 90\n')
    fs.writeFileSync(path.join(dir, 'nginx.conf'), `user root; daemon off; pid ${dir}/pid; error_log ${dir}/error.log error;
      events { worker_connections 256; }
      http { log_format urls '$uri $status'; access_log ${this.log} urls; ${temporary} server { listen 127.0.0.1:80; root ${root};
        location = /nix-cache-info { root ${dir}; } } }`)
    this.child = spawn('ip', [...this.net.within('client').slice(1), 'nginx', '-c', path.join(dir, 'nginx.conf'), '-p', dir], { stdio: 'inherit' })
    this.ended = new Promise((resolve) => this.child.on('exit', resolve))
    await until('nginx answers', FIND_TIMEOUT_MS, () => run([...this.net.within('client'), 'curl', '-s', 'http://127.0.0.1/nix-cache-info']).status === 0)
    return this
  }

  // What the last substituter gave since the last call.
  givenByTheLast () {
    const lines = fs.readFileSync(this.log, 'utf8').split('\n')
    fs.truncateSync(this.log)
    return lines.filter((line) => /^\/nar\/\S+ 20[06]$/.test(line)).length
  }

  #nix (name) {
    const dir = path.join(this.scratch, `client-${name}`)
    for (const folder of ['home', 'cache', 'root']) fs.mkdirSync(path.join(dir, folder), { recursive: true })
    return { root: path.join(dir, 'root'), environment: { HOME: path.join(dir, 'home'), XDG_CACHE_HOME: path.join(dir, 'cache'), NIX_REMOTE: '',
      NIX_CONFIG: `experimental-features = nix-command\nbuild-users-group =\nsubstituters = ${this.gateway.url} http://127.0.0.1\n` +
        `require-sigs = true\ntrusted-public-keys = ${this.channel.info.public_key}\nsandbox = false` } }
  }

  // Fills the cache of narinfos of client `name`, and nothing else.
  warm (name, paths) {
    const { environment } = this.#nix(name)
    const done = run([...this.net.within('client'), 'nix', 'path-info', '--recursive', '--store', this.gateway.url, ...paths], environment)
    checkEqual(`nix path-info: ${done.stderr.slice(-500)}`, done.status, 0)
  }

  // Realises `paths` in the store of client `name`.
  realise (name, paths) {
    const { root, environment } = this.#nix(name)
    const child = spawn('ip', [...this.net.within('client').slice(1), 'nix-store', '--store', root, '--realise', ...paths],
      { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...environment } })
    let said = ''
    child.stderr.on('data', (piece) => { said += piece })
    return new Promise((resolve) => child.on('close', (status) => resolve({ status, said, root })))
  }

  checkRealised ({ status, said, root }, paths) {
    checkEqual(`nix-store --realise: ${said.slice(-800)}`, status, 0)
    for (const storePath of paths) check(fs.lstatSync(path.join(root, storePath), { throwIfNoEntry: false }), `${storePath} is not there`)
  }

  async stop () {
    this.child?.kill('SIGTERM')
    await this.ended
  }
}

// Fetches on the client's machine; calls `then` when `bytes` have come.
async function timedGet (net, url, bytes, then) {
  const child = spawn('ip', [...net.within('client').slice(1), 'node', here('timed_get.mjs'), url, ...(then ? [String(bytes)] : [])],
    { stdio: ['ignore', 'pipe', 'inherit'] })
  let result
  for await (const line of readline.createInterface({ input: child.stdout })) {
    const said = JSON.parse(line)
    if (said.reached) await then()
    else result = said
  }
  check(result, `no answer from ${url}`)
  return result
}

// ---- the tests

async function closure ({ scratch, owns, net }) {
  const channel = owns(new DemoChannel(path.join(scratch, 'channel'), ['--paths', '80', '--bytes', '24M', '--compressions', 'zstd,none']))
  channel.make()
  await channel.serve()
  const mirror = owns(new Mirror(path.join(scratch, 'mirror'), channel, { workerOptions: ['--listen-peers', '127.0.0.1:0'] }))
  await mirror.start()
  checkEqual('the exit status of submit --wait', await mirror.submit('--wait'), 0)
  const { shards } = mirror.status()
  const origins = [1, 2].map((n) => fs.readFileSync(path.join(mirror.dir, `worker-${n}.log`), 'utf8').match(/serving peers on (\S+)/)[1])
  const paths = Object.entries(channel.expected().paths).filter(([, entry]) => entry.status === 'published').map(([storePath]) => storePath)
  await new Holder(scratch, 'holder', mirror.key, ...origins.flatMap((peer) => ['--peer', peer])).copy(1 + shards.length)
  await mirror.stop()

  step('the same programs on machines of their own: origin, second holder, and a gateway with an empty disk')
  // Not the ports of the part before, whose holders run on.
  const peers = [['origin', 10], ['origin', 11], ['holder', 10]].map(([host, more]) => `${net.address(host)}:${PEER_PORT + more}`)
  mirror.within = net.within('origin')
  mirror.workerOptions = (n) => ['--listen-peers', peers[n - 1], '--peer-rate-max', String(CLOSURE_RATE)]
  await mirror.start()
  const holder = owns(new Holder(scratch, 'holder', mirror.key, '--listen', peers[2], '--sparse', '--rate-max', String(CLOSURE_RATE)))
  holder.within = net.within('holder')
  holder.start()
  const start = (name) => {
    const gateway = owns(new Gateway(scratch, name, { within: net.within('gateway'), address: `${net.address('gateway')}:${GATEWAY_PORT}`, key: mirror.key, peers }))
    gateway.start()
    return gateway
  }
  let gateway = start('gateway-1')
  const client = owns(await new Client(scratch, net, channel, gateway).start())
  await until('the gateway finds the mirror', FIND_TIMEOUT_MS, () => gateway.metric('hnx_gateway_index_peers') >= 2)

  step('the origin is cut off in the middle: the second holder finishes, and the client sees no error')
  const realising = client.realise('middle', paths)
  await until('the closure is on its way', FIND_TIMEOUT_MS, () => gateway.metric('hnx_gateway_nar_bytes_total{source="peers"}') > 2_000_000)
  net.cut('origin')
  const realised = await realising
  client.checkRealised(realised, paths)
  check(!/error|retrying|unable to download|disabl/i.test(realised.said), `the client saw: ${realised.said.slice(-800)}`)
  checkEqual('NARs that the last substituter had to give', client.givenByTheLast(), 0)
  await gateway.stop()

  step('nobody is left: the gateway says so within a second, and Nix goes on to its next substituter')
  net.mend('origin')
  gateway = start('gateway-2')
  await until('the gateway finds the mirror', FIND_TIMEOUT_MS, () => gateway.metric('hnx_gateway_index_peers') >= 2)
  client.warm('warm', paths)
  for (const host of ['origin', 'holder']) net.cut(host)
  await until('the gateway is alone', GONE_TIMEOUT_MS, () => gateway.metric('hnx_gateway_index_peers') === 0)
  for (const name of ['warm', 'cold']) {
    const narinfo = `/${path.basename(paths.at(-1)).slice(0, 32)}.narinfo`
    const refused = gateway.get(narinfo)
    checkEqual(`the status of ${narinfo}`, refused.status, 404)
    check(refused.ms < REFUSAL_MS_MAX, `404 took ${refused.ms} ms`)
    client.checkRealised(await client.realise(name, paths), paths)
    check(client.givenByTheLast() > 0, 'the last substituter was not asked')
    console.log(`${name}: refused within ${refused.ms} ms`)
  }
  for (const host of ['origin', 'holder']) net.mend(host)
  await gateway.stop()
  await mirror.stop()
}

async function large ({ scratch, owns, net }) {
  const made = JSON.parse(run([bin('far_mirror_tool'), 'large', path.join(scratch, 'large'), String(LARGE_BYTES)]).stdout)
  const ids = [made.index, made.shard]
  const owner = owns(await new Owner().start(path.join(scratch, 'large'), ids))
  const peers = ['origin', 'holder'].map((host) => `${net.address(host)}:${PEER_PORT}`)
  const holders = []
  for (const [n, host] of ['origin', 'holder'].entries()) {
    await new Holder(scratch, `large-${host}`, made.index, '--peer', owner.address).copy(ids.length)
    const holder = owns(new Holder(scratch, `large-${host}`, made.index, '--listen', peers[n], '--sparse', '--rate-max', String(RATE_EACH)))
    holder.within = net.within(host)
    holder.start()
    holders.push(holder)
  }
  await owner.stop()
  fs.rmSync(path.join(scratch, 'large'), { recursive: true })
  const start = async (name) => {
    const gateway = owns(new Gateway(scratch, name, { within: net.within('gateway'), address: `${net.address('gateway')}:${GATEWAY_PORT}`, key: made.index, peers }))
    gateway.start()
    await until('the gateway finds both', FIND_TIMEOUT_MS, () => gateway.metric('hnx_gateway_index_peers') === 2)
    checkEqual('the status of the narinfo', gateway.get(made.narinfo).status, 200)
    return gateway
  }

  step(`a NAR of ${LARGE_BYTES >> 20} MiB from two holders at ${2 * RATE_EACH / 1e6} MB/s`)
  let gateway = await start('large-1')
  const before = ['origin', 'holder'].map((host) => net.sent(host))
  const whole = await timedGet(net, `${gateway.url}${made.nar}`)
  const sent = ['origin', 'holder'].map((host, n) => net.sent(host) - before[n])
  const memory = gateway.peakMemoryKb()
  console.log(JSON.stringify({ ...whole, sent, gateway_peak_kb: memory }))
  checkEqual('status, bytes and SHA-256', [whole.status, whole.bytes, whole.sha256], [200, made.bytes, made.sha256])
  check(whole.first_byte_ms < FIRST_BYTE_MS_MAX, `the first byte came after ${whole.first_byte_ms} ms`)
  check(memory < MEMORY_KB_MAX, `the gateway's peak is ${memory} kB`)
  for (const bytes of sent) check(bytes >= SHARE_MIN * made.bytes, `a holder gave ${bytes} of ${made.bytes} bytes`)
  await gateway.stop()

  for (const [how, harm] of [['killed', () => holders[0].kill('SIGKILL')], ['cut off', () => net.cut('origin')]]) {
    step(`one of the two is ${how} in the middle: the client hardly notices`)
    if (!holders[0].running) holders[0].start()
    gateway = await start(`large-${how.replace(' ', '-')}`)
    const harmed = await timedGet(net, `${gateway.url}${made.nar}`, made.bytes * 3 / 4, harm)
    console.log(JSON.stringify(harmed))
    checkEqual('status, bytes and SHA-256', [harmed.status, harmed.bytes, harmed.sha256], [200, made.bytes, made.sha256])
    check(harmed.gap_max_ms < GAP_MS_MAX, `the client waited ${harmed.gap_max_ms} ms`)
    await gateway.stop()
  }
  net.mend('origin')
}

async function index ({ scratch, owns }) {
  step(`an empty gateway answers its first narinfo of ${INDEX_PATHS} after little of the index`)
  const made = JSON.parse(run([bin('far_mirror_tool'), 'index', path.join(scratch, 'index'), String(INDEX_PATHS)]).stdout)
  const owner = owns(await new Owner().start(path.join(scratch, 'index'), [made.index, made.shard]))
  const gateway = owns(new Gateway(scratch, 'index-gateway', { address: `127.0.0.1:${await freePort()}`, key: made.index, peers: [owner.address], options: ['--index', 'sparse'] }))
  gateway.start()
  await until('the gateway answers', FIND_TIMEOUT_MS, () => run(['curl', '-s', `${gateway.url}/nix-cache-info`]).status === 0)
  const first = gateway.get(made.narinfo)
  const bytes = gateway.metric('hnx_gateway_peers_received_bytes_total')
  console.log(`first narinfo after ${first.ms} ms and ${bytes} bytes from peers, peak ${gateway.peakMemoryKb()} kB`)
  checkEqual('its status', first.status, 200)
  check(bytes > 0 && bytes <= INDEX_BYTES_MAX, `${bytes} bytes were fetched`)
}

test('far_namespaces', async ({ scratch, owns }) => {
  const net = owns(new Namespaces(['origin', 'gateway', 'client', 'holder']))
  net.make()
  await index({ scratch, owns })
  await large({ scratch, owns, net })
  await closure({ scratch, owns, net })
})
