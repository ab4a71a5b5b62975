// kill -9 while a channel is being mirrored: workers, coordinator and PostgreSQL, at random and at every named crash
// point. What comes out must be what comes out undisturbed.
//
//   node tests/e2e/kill_storm.mjs [--full] [--kills N] [--paths N] [--requests N] [--hits N] [--seed N]
//
// By default a short storm; --full is the one of the acceptance: 1,000 paths over at least 120 s, 50 kills, every
// crash point at least 3 times. The seed is printed; it decides who is killed and when, not what the machine does.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { DemoChannel, Mirror, check, checkEqual, compareWithUpstream, sleep, step, test, until } from './words.mjs'

const SHORT = { kills: '8', paths: '240', requests: '8', hits: '0' }
const FULL = { kills: '50', paths: '1000', requests: '8', hits: '3' }
const KILLS_FACTOR_MAX = 2
const TICK_MS = 50
const PAUSE_MS_MIN = 200
const PAUSE_MS_MAX = 2500
const SETTLE_TIMEOUT_MS = 900_000
const COPIES_TIMEOUT_MS = 60_000
const PASSES_BEFORE_CRASH_MAX = 2
// An armed program is not killed at random for so long: it is to die at its crash point.
const ARMED_MS = 6000

const { values: given } = parseArgs({ options: {
  full: { type: 'boolean' }, kills: { type: 'string' }, paths: { type: 'string' }, requests: { type: 'string' },
  hits: { type: 'string' }, seed: { type: 'string' } } })
const limits = { ...(given.full || process.env.HNX_NIGHTLY ? FULL : SHORT), ...given }
const seed = Number(given.seed ?? Date.now() % 1_000_000)

// mulberry32
let randomState = seed
function random () {
  randomState = (randomState + 0x6d2b79f5) | 0
  let t = Math.imul(randomState ^ (randomState >>> 15), 1 | randomState)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
}
const randomBetween = (low, high) => low + Math.floor(random() * (high - low + 1))
const pick = (list) => list[Math.floor(random() * list.length)]

// Names of the crash points that the programs hold, found in their sources: {name: 'coordinator' | 'worker'}.
function crashPoints () {
  const root = process.env.HNX_SOURCE_DIR ?? path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..')
  const points = {}
  for (const folder of ['coordinator', 'worker', 'libs']) {
    const found = spawnSync('grep', ['-rhoE', '--include=*.cc', 'CrashPoint\\("[a-z_.]+"\\)', path.join(root, folder)], { encoding: 'utf8' })
    for (const [, name] of found.stdout.matchAll(/"([a-z_.]+)"/g)) {
      points[name] = name.startsWith('coordinator.') ? 'coordinator' : 'worker'
    }
  }
  return points
}

// Kills, and starts again what was killed or died at a crash point.
class Storm {
  constructor (mirror, scratch) {
    this.mirror = mirror
    this.crashLog = path.join(scratch, 'crash-points.log')
    fs.writeFileSync(this.crashLog, '')
    this.points = crashPoints()
    this.kills = {}
    this.tries = {} // how often a program was started to die at this point
    this.restarts = 0
  }

  hits () {
    const counts = Object.fromEntries(Object.keys(this.points).map((name) => [name, 0]))
    for (const name of fs.readFileSync(this.crashLog, 'utf8').split('\n').filter(Boolean)) {
      counts[name] = (counts[name] ?? 0) + 1
    }
    return counts
  }

  // The next start of a program dies at a crash point of its that was hit too seldom; the one that was tried least.
  arm (program) {
    const kind = program.name.split('-')[0]
    const counts = this.hits()
    const seldom = Object.keys(this.points).filter((name) =>
      this.points[name] === kind && counts[name] < Math.max(1, Number(limits.hits)))
    const fewestTries = Math.min(...seldom.map((name) => this.tries[name] ?? 0))
    const wanted = this.armed ? seldom.filter((name) => (this.tries[name] ?? 0) === fewestTries) : []
    const point = wanted.length ? pick(wanted) : undefined
    if (point) this.tries[point] = (this.tries[point] ?? 0) + 1
    program.environment = point
      ? { HNX_CRASH_AT: `${point}:${randomBetween(1, PASSES_BEFORE_CRASH_MAX)}`, HNX_CRASH_LOG: this.crashLog }
      : {}
    program.spareUntil = point ? Date.now() + ARMED_MS : 0
  }

  killable () {
    return [...this.mirror.programs.values()].filter((program) => program.name !== 'gateway')
  }

  reviveTheDead () {
    for (const program of this.killable()) {
      if (program.running) continue
      this.arm(program)
      program.start()
      this.restarts++
    }
  }

  postmasterPid () {
    const file = path.join(this.mirror.dir, 'coordinator/postgres/cluster/postmaster.pid')
    return fs.existsSync(file) ? Number(fs.readFileSync(file, 'utf8').split('\n')[0]) : 0
  }

  async killOne () {
    const victims = this.killable().filter((program) => !(program.running && program.spareUntil > Date.now()))
    const victim = pick([...victims.map((program) => program.name), 'postgres'])
    if (victim === 'postgres') {
      const pid = this.postmasterPid()
      if (!pid) return false
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        return false
      }
    } else {
      const program = this.mirror.programs.get(victim)
      if (!program.running) return false
      await program.kill('SIGKILL')
    }
    this.kills[victim] = (this.kills[victim] ?? 0) + 1
    return true
  }

  get killed () {
    return Object.values(this.kills).reduce((sum, count) => sum + count, 0)
  }

  done () {
    const enough = Object.values(this.hits()).every((count) => count >= Number(limits.hits))
    return this.killed >= Number(limits.kills) && enough
  }

  // One look: true when the mirror is settled.
  async tick () {
    this.reviveTheDead()
    const status = this.mirror.status()
    if (!status) return false
    if (isSettled(status)) return true
    const leased = (status.workers ?? []).some((worker) => Number(worker.jobs) > 0)
    // Killed on beyond the number asked for while crash points are missing: each new start tries another one.
    if (this.armed && leased && Date.now() >= this.nextKillAt && this.killed < KILLS_FACTOR_MAX * Number(limits.kills)) {
      await this.killOne()
      this.nextKillAt = Date.now() + randomBetween(PAUSE_MS_MIN, PAUSE_MS_MAX)
    }
    return false
  }

  async blowUntilSettled () {
    this.armed = true
    this.nextKillAt = Date.now()
    const deadline = Date.now() + SETTLE_TIMEOUT_MS
    while (!await this.tick()) {
      if (this.done()) this.armed = false
      check(Date.now() < deadline, `not settled after ${SETTLE_TIMEOUT_MS / 1000} s: ${JSON.stringify(this.mirror.status()?.releases)}`)
      await sleep(TICK_MS)
    }
    this.armed = false
  }

  // Everything runs again, and nothing is armed any more.
  async calm () {
    for (const program of this.killable()) {
      await program.stop()
      program.environment = {}
      program.start()
    }
    await until('the coordinator answers after the storm', 120_000, () => this.mirror.status())
  }
}

const isSettled = (status) => (status.releases ?? []).some((release) => release.state === 'settled')

// What a manifest says, without what may differ between two mirrors of one release: dates, and where NARs lie.
function timeless (value) {
  if (Array.isArray(value)) return value.map(timeless)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value)
    .filter(([name]) => !/(_at|At|_ms|Ms|date|Date|time|Time|shard|shards|attempts)$/.test(name))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, inner]) => [name, timeless(inner)]))
}

async function result (mirror, expected) {
  const failures = mirror.failures().map(({ store_path: storePath, state, reason, blocked_by: by }) => [storePath, state, reason, by ?? ''])
  const manifest = timeless(await mirror.manifest(expected.release)) // first: it waits for the gateway
  return { bytes: await compareWithUpstream(mirror, expected), failures: failures.sort(), manifest }
}

// {NAR file: in how many shards it lies}
function placesOfNars (mirror) {
  const places = new Map()
  const drives = mirror.drives().flatMap((dir) => ['--drives', dir])
  for (const { id_z32: id } of mirror.status().shards) {
    const listed = mirror.run('hyp', 'ls', `hyper://${id}/nar`, ...drives)
    check(listed.status === 0, `hyp ls of shard ${id}: ${listed.stderr}`)
    for (const line of listed.stdout.split('\n').filter(Boolean)) {
      const file = path.basename(line.trim().split(/\s+/).at(-1))
      places.set(file, (places.get(file) ?? 0) + 1)
    }
  }
  return places
}

// Each published NAR lies in exactly one shard. What else lies there is the NAR of a path that was found to be
// blocked only after it was stored. Copies that expired leases left behind are dropped soon after the storm.
async function checkShards (mirror, expected) {
  const nars = (status) => new Set(Object.values(expected.paths).filter((e) => e.status === status).map((e) => path.basename(e.url)))
  const published = nars('published')
  const blocked = nars('blocked')
  const places = await until('every NAR lies in one shard only', COPIES_TIMEOUT_MS, () => {
    const found = placesOfNars(mirror)
    return [...found.values()].every((count) => count === 1) && found
  })
  for (const file of published) check(places.has(file), `${file} is published, but in no shard`)
  for (const file of places.keys()) check(published.has(file) || blocked.has(file), `a shard holds ${file}, which no healthy path needs`)
}

async function mirrorUndisturbed (scratch, owns, channel) {
  const mirror = owns(new Mirror(path.join(scratch, 'undisturbed'), channel))
  await mirror.start()
  const begun = Date.now()
  checkEqual('the exit status of the undisturbed submit', await mirror.submit('--wait'), 3)
  const found = await result(mirror, channel.expected())
  await checkShards(mirror, channel.expected())
  console.log(`undisturbed: ${((Date.now() - begun) / 1000).toFixed(1)} s`)
  await mirror.stop()
  return found
}

test('kill storm', async ({ scratch, owns }) => {
  console.log(`seed ${seed}, ${JSON.stringify(limits)}`)
  const channel = owns(new DemoChannel(path.join(scratch, 'channel'), ['--faults', '--paths', limits.paths, '--bytes', '16M']))
  channel.make()

  step('undisturbed, at full speed')
  await channel.serve()
  const wanted = await mirrorUndisturbed(scratch, owns, channel)
  await channel.stop()

  step(`throttled to ${limits.requests} NARs a second, and killed`)
  await channel.serve('--requests', limits.requests)
  const mirror = owns(new Mirror(path.join(scratch, 'disturbed'), channel))
  await mirror.start()
  const storm = new Storm(mirror, scratch)
  for (const program of storm.killable()) program.environment = { HNX_CRASH_LOG: storm.crashLog }
  const begun = Date.now()
  checkEqual('the exit status of submit', await mirror.submit(), 0)
  await storm.blowUntilSettled()
  console.log(`settled after ${((Date.now() - begun) / 1000).toFixed(1)} s, ${storm.killed} kills ${JSON.stringify(storm.kills)}, ${storm.restarts} restarts`)
  console.log('crash points:')
  for (const [name, count] of Object.entries(storm.hits()).sort()) console.log(`  ${String(count).padStart(4)} ${name}`)
  await storm.calm()

  step('the result is the undisturbed one')
  const found = await result(mirror, channel.expected())
  checkEqual('narinfos and NARs through the index', found.bytes, wanted.bytes)
  checkEqual('failures', found.failures, wanted.failures)
  checkEqual('the manifest', found.manifest, wanted.manifest)
  await checkShards(mirror, channel.expected())

  step('the storm was a storm')
  check(storm.killed >= Number(limits.kills), `settled after only ${storm.killed} of ${limits.kills} kills: lower --requests`)
  for (const [name, count] of Object.entries(storm.hits())) {
    check(count >= Number(limits.hits), `crash point ${name} was hit ${count} times, not ${limits.hits}`)
  }
})
