// Hostile clients at every port of a mirror: slow and endless requests, tricks with paths, ranges and lengths, thousands of
// connections, clients that do not read, garbage for peers. All programs stay, within the limits named here, and a client that
// behaves gets right answers all the time.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { Worker } from 'node:worker_threads'
import { Attacker, oddRanges, oddRequests, openAfter, request, slowHeads, statuses } from './hostile/attacks.mjs'
import { DemoChannel, Mirror, Program, check, checkEqual, freePort, sha256, sleep, step, test, until } from './words.mjs'

const TIMEOUT_MS = 120_000
const CONNECTIONS_MAX = 1_000 // of the gateway
const FEW_FILES = 300 // of another one
const IDLE_MS = 4_000
const FLOOD = 3_000
const SLOW_READERS = 300
// Limits that must hold whatever clients do. With a sanitizer they would mean nothing; e2e runs without.
const GATEWAY_RSS_MAX = 96 << 20
const COORDINATOR_RSS_MAX = 160 << 20
const WORKER_RSS_MAX = 160 << 20
const OTHER_FILES = 200 // open files of the gateway that are no connections
const METRICS_CONNECTIONS = 64 + 64 // of a worker's metrics port, with those that are going
const STATUS_CONNECTIONS = 512 + 2 * 64
const PEERS_PER_ADDRESS = 32
// What the client that behaves may have to wait, on a machine that does other things too.
const PATIENCE_MS = 20_000
// Where hardly any connection is allowed, a flood may push out one whose request is still on its way.
const TRIES_WHERE_FULL = 5

const peakBytes = (pid) => Number(fs.readFileSync(`/proc/${pid}/status`, 'utf8').match(/VmHWM:\s+(\d+) kB/)[1]) * 1024
const openFiles = (pid) => fs.readdirSync(`/proc/${pid}/fd`).length
const drop = (sockets) => sockets.forEach((socket) => socket.destroy())

// Closing without a word is a refusal too. libmicrohttpd writes the head of its own refusals twice.
function checkRefused (words, answers, allowed) {
  const found = statuses(answers)
  const successes = found.filter((status) => status < 400).length
  check(successes <= 1 && found.length <= 2 && found.every((status) => allowed.includes(status)), `${words}: answered ${found}, not one of ${allowed}`)
}

// Does `attack` while somebody behaves at the same port, who must be served all the time.
async function beside (address, wanted, attack, tries = 1) {
  const good = new Worker(new URL('./hostile/good_client.mjs', import.meta.url), { workerData: { address, wanted, tries } })
  const saw = new Promise((resolve, reject) => {
    good.on('message', resolve)
    good.on('error', reject)
  })
  try {
    await attack()
  } finally {
    good.postMessage('stop')
  }
  const seen = await saw
  console.log(`meanwhile ${seen.answers} right answers, the slowest after ${seen.slowest_ms} ms`)
  checkEqual('wrong answers to who behaves', seen.wrong.slice(0, 5), [])
  check(seen.answers > 0 && seen.slowest_ms < PATIENCE_MS, `the slowest answer took ${seen.slowest_ms} ms`)
}

async function counted (address, name) {
  const text = await (await fetch(`http://${address}/metrics`)).text()
  return Number(text.split('\n').find((line) => line.startsWith(`${name} `))?.split(' ')[1])
}

async function attackRequests (attacker, nar, size) {
  step('odd requests: one refusal each, and nothing of what stands behind them')
  for (const [words, bytes, allowed] of oddRequests(nar)) {
    const answers = await attacker.answersTo(bytes)
    checkRefused(words, answers, allowed)
    check(!answers.includes('root:'), `${words}: has a file of the machine`)
  }
  step('odd ranges: as if they were not there, or refused')
  for (const [words, range, allowed] of oddRanges(size)) {
    const [found] = statuses(await attacker.answersTo(request(nar, `Range: ${range}\r\n`, 'HEAD')))
    check([allowed].flat().includes(found), `${words}: answered ${found}, not ${allowed}`)
  }
}

async function attackConnections (attacker, pid, max, nar) {
  step('heads that come a byte at a time are cut off in the end')
  const slow = await slowHeads(attacker, 200, IDLE_MS * 2)
  checkEqual('slow heads that are still open', await openAfter(slow, TIMEOUT_MS), 0)

  step('more connections than there may be: those that rest go')
  const idle = await attacker.connectMany(FLOOD)
  idle.forEach((socket) => socket.resume())
  const files = openFiles(pid)
  console.log(`${idle.length} connected, ${files} files are open`)
  check(files <= 2 * max + OTHER_FILES, `${files} files are open`)
  checkEqual('that are open when their time is over', await openAfter(idle, TIMEOUT_MS), 0)

  step('many requests at once on each of many connections')
  const piped = await attacker.connectMany(50)
  for (const socket of piped) {
    socket.resume()
    socket.write(request('/nix-cache-info').repeat(2_000))
  }
  await sleep(2_000)
  drop(piped)

  step('ends that are closed by half, before and after the request')
  checkEqual('a request and then the end', statuses(await attacker.answersTo(request('/nix-cache-info'), { half: true })), [200])
  checkEqual('half a request and then the end', statuses(await attacker.answersTo('GET /nix-ca', { half: true })).filter((status) => status < 400), [])

  step('clients that do not read what they asked for')
  const readers = await attacker.connectMany(SLOW_READERS)
  for (const socket of readers) {
    socket.pause()
    socket.write(request(nar))
  }
  await sleep(IDLE_MS)
  check(openFiles(pid) <= 2 * max + OTHER_FILES, `${openFiles(pid)} files are open`)
  drop(readers)
}

test('hostile clients', async ({ scratch, owns }) => {
  const channel = owns(new DemoChannel(path.join(scratch, 'channel'), ['--paths', '46', '--bytes', '48M', '--compressions', 'none']))
  channel.make()
  await channel.serve()
  const port = async () => `127.0.0.1:${await freePort()}`
  const [status, metrics, peers] = [await port(), await port(), await port()]
  const mirror = owns(new Mirror(path.join(scratch, 'mirror'), channel, {
    workers: 1,
    coordinatorOptions: ['--listen-http', status],
    workerOptions: ['--listen-metrics', metrics, '--listen-peers', peers],
    gatewayOptions: ['--connections-max', String(CONNECTIONS_MAX), '--idle-timeout', `${IDLE_MS}ms`]
  }))
  await mirror.start()
  checkEqual('the exit status of submit --wait', await mirror.submit('--wait'), 0)
  const expected = channel.expected()
  await mirror.manifest(expected.release)
  const wanted = []
  for (const [storePath, { url }] of Object.entries(expected.paths)) {
    const narinfo = `${path.basename(storePath).slice(0, 32)}.narinfo`
    wanted.push({ url: `/${narinfo}`, sha256: sha256(channel.file(narinfo)) }, { url: `/${url}`, sha256: sha256(channel.file(url)) })
  }
  const nars = wanted.filter(({ url }) => url.startsWith('/nar/')).map(({ url }) => [channel.file(url.slice(1)).length, url])
  const [size, nar] = nars.reduce((a, b) => a[0] >= b[0] ? a : b)
  const pidOf = (name) => mirror.programs.get(name).child.pid
  const attacker = new Attacker(mirror.gatewayAddress)

  await beside(mirror.gatewayAddress, wanted, async () => {
    await attackRequests(attacker, nar, size)
    await attackConnections(attacker, pidOf('gateway'), CONNECTIONS_MAX, nar)
  })
  step('the gateway says how many had to go')
  for (const reason of ['full', 'slow_request']) {
    check(await counted(mirror.gatewayAddress, `hnx_gateway_connections_ended_total{reason="${reason}"}`) > 0, `none went as ${reason}`)
  }

  step(`a gateway that may open ${FEW_FILES} files keeps to fewer connections, and serves`)
  const few = owns(new Program('few-files', ['gateway', 'serve', '--listen', await port(), '--index', mirror.key,
    ...mirror.drives().flatMap((dir) => ['--drives', dir]), '--idle-timeout', `${IDLE_MS}ms`], path.join(scratch, 'few.log')))
  few.within = ['prlimit', `--nofile=${FEW_FILES}:${FEW_FILES}`]
  few.start()
  const fewAddress = few.words[3]
  await until('it answers', TIMEOUT_MS, () => fetch(`http://${fewAddress}/healthz`).then(({ ok }) => ok, () => false))
  await beside(fewAddress, wanted, async () => {
    const idle = await new Attacker(fewAddress).connectMany(FLOOD)
    idle.forEach((socket) => socket.resume())
    await sleep(IDLE_MS)
    drop(idle)
  }, TRIES_WHERE_FULL)

  for (const [words, address, name, connections] of [['the status page', status, 'coordinator', STATUS_CONNECTIONS],
    ['a worker\'s metrics', metrics, 'worker-1', METRICS_CONNECTIONS]]) {
    step(`${words}: the same, smaller`)
    const before = openFiles(pidOf(name))
    await beside(address, [{ url: '/healthz' }, { url: '/metrics' }], async () => {
      const other = new Attacker(address)
      for (const [odd, bytes, allowed] of oddRequests('/nar/x')) {
        checkRefused(odd, await other.answersTo(bytes, { quietMs: 100 }), allowed)
      }
      const idle = await other.connectMany(FLOOD)
      idle.forEach((socket) => socket.resume())
      await sleep(1_000)
      const more = openFiles(pidOf(name)) - before
      check(more <= connections + 50, `${more} more files are open`)
      const endless = await other.connectMany(20)
      for (const socket of endless) {
        socket.resume()
        for (let n = 0; n < 50; n++) socket.write('X'.repeat(65_536))
      }
      await sleep(1_000)
      drop([...idle, ...endless])
    }, TRIES_WHERE_FULL)
  }

  step('the peers\' port: garbage, giant handshakes, silence')
  const before = openFiles(pidOf('worker-1'))
  const strangers = new Attacker(peers)
  for (const bytes of [Buffer.alloc(1 << 20, 0xff), Buffer.from([0xff, 0xff, 0xff, ...Buffer.alloc(1 << 20)]), Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    Buffer.from([0x20, 0, 0, ...Buffer.alloc(32)]), Buffer.alloc(0)]) {
    const sockets = await strangers.connectMany(40)
    for (const socket of sockets) {
      socket.resume()
      socket.write(bytes)
    }
    await sleep(200)
    const more = openFiles(pidOf('worker-1')) - before
    check(more <= PEERS_PER_ADDRESS + 20, `${more} more files are open`)
    drop(sockets)
  }
  const silent = await strangers.connectMany(1_000)
  silent.forEach((socket) => socket.resume())
  await sleep(1_000)
  check(openFiles(pidOf('worker-1')) - before <= PEERS_PER_ADDRESS + 20, 'strangers hold more than they may')
  drop(silent)
  const ours = spawnSync(path.join(mirror.programs.get('gateway').binDir, 'hyp'),
    ['info', `hyper://${mirror.key}`, '--peer', peers, '--swarm', 'off', '--data', path.join(scratch, 'hyp')], { encoding: 'utf8', timeout: TIMEOUT_MS })
  checkEqual(`who speaks properly is served (${ours.stderr.slice(-300)})`, ours.status, 0)

  step('everybody is there, and small')
  for (const [name, most] of [['gateway', GATEWAY_RSS_MAX], ['coordinator', COORDINATOR_RSS_MAX], ['worker-1', WORKER_RSS_MAX]]) {
    check(mirror.programs.get(name).running, `${name} has ended`)
    checkEqual(`starts of ${name}`, mirror.programs.get(name).starts, 1)
    const peak = peakBytes(pidOf(name))
    console.log(`${name}: ${Math.round(peak / 1048576)} MiB at most`)
    check(peak <= most, `${name} took ${peak} bytes, limit ${most}`)
  }
  check(few.running, 'the gateway with few files has ended')
  checkEqual('a second submission goes through', await mirror.submit('--wait'), 0)
})
