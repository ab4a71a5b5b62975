// kill -9 while a channel is being mirrored: workers, coordinator and PostgreSQL, at random and at every named crash
// point. What comes out must be what comes out undisturbed.
//
//   node tests/e2e/kill_storm.mjs [--full] [--kills N] [--paths N] [--requests N] [--hits N] [--seed N]
//
// By default a short storm; --full is the one of the acceptance: 1,000 paths that take 120 s undisturbed, 50 kills
// while a lease is active and, on top of them, each crash point at least 3 times: those of leaving paths in a second
// act, in which further releases come and only the newest is kept. The seed is printed; it decides who is killed and
// when, not what the machine does.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { checkSameOutcome, checkShards, mirrorUndisturbed, outcome } from './outcome.mjs'
import { Random } from './random.mjs'
import { DemoChannel, Mirror, check, checkEqual, compareWithUpstream, sleep, step, test, until } from './words.mjs'

// undisturbed: the least seconds that the undisturbed mirror takes, with the same throttle; 0: at full speed.
const SHORT = { kills: '8', paths: '240', requests: '8', hits: '0', undisturbed: '0' }
const FULL = { kills: '50', paths: '1000', requests: '7', hits: '3', undisturbed: '120' }
const TICK_MS = 50
const PAUSE_MS_MIN = 200
const PAUSE_MS_MAX = 2500
const SUBMIT_TIMEOUT_MS = 120_000
const SETTLE_TIMEOUT_MS = 1_200_000
const PASSES_BEFORE_CRASH_MAX = 2
// An armed program is not killed at random for so long: it is to die at its crash point.
const ARMED_MS = 4000

// Points that a program comes by less often than once a second: it is armed with all of them at once, from its first
// start, and dies at whichever comes first. The other points are tried one by one.
const RARE = ['channel.after_pin', 'channel.after_file', 'walk.after_save', 'walk.after_finish', 'coordinator.after_settle',
  'index.after_apply', 'index.after_commit', 'drive.between_cuts', 'hypercore.during_flush', 'hypercore.after_header_sync']
// Points that a release comes by once in its life, whatever happens there. So that they are come by often enough, more
// parts of the same channel are submitted while the whole is being mirrored; they settle before it does.
const ONCE = ['channel.after_pin', 'walk.after_finish', 'coordinator.after_settle']
const PARTS_UNTIL_SHARE = 0.8
// Points that only leaving paths come by: the second act.
const LEAVING = ['coordinator.after_retire_step', 'worker.before_delete', 'worker.after_delete', 'worker.after_clear']
const RELEASES_MAX = 9
const GONE_TIMEOUT_MS = 300_000
// Points that no program of a mirror comes by while it mirrors, and the test that dies there.
const ELSEWHERE = {
  replica: 'tests/integration/hyp/import_test.mjs',
  export: 'tests/interop/js/rocksdb_export.mjs',
  'index.between_renames': 'tests/e2e/recovery_test.mjs'
}

const { values: given } = parseArgs({ options: {
  full: { type: 'boolean' }, kills: { type: 'string' }, paths: { type: 'string' }, requests: { type: 'string' },
  hits: { type: 'string' }, seed: { type: 'string' } } })
const { full, seed: givenSeed, ...givenLimits } = given
const limits = Object.fromEntries(Object.entries({ ...(full || process.env.HNX_NIGHTLY ? FULL : SHORT), ...givenLimits })
  .map(([name, value]) => [name, Number(value)]))
const seed = Number(givenSeed ?? Date.now() % 1_000_000)

const random = new Random(seed)
const seconds = (since) => (Date.now() - since) / 1000

const root = process.env.HNX_SOURCE_DIR ?? path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..')

// Names of the crash points that the programs hold, found in their sources.
function crashPoints () {
  const found = spawnSync('grep', ['-rhoE', '--include=*.cc', 'CrashPoint\\("[a-z_.]+"\\)',
    ...['coordinator', 'worker', 'libs'].map((folder) => path.join(root, folder))], { encoding: 'utf8' })
  const names = [...found.stdout.matchAll(/"([a-z_.]+)"/g)].map(([, name]) => name)
  const isElsewhere = (name) => {
    const test = ELSEWHERE[name] ?? ELSEWHERE[name.split('.')[0]]
    const dies = test && fs.readFileSync(path.join(root, test), 'utf8').includes(name)
    check(!test || dies, `${test} does not die at ${name}`)
    return dies
  }
  return [...new Set(names)].filter((name) => !isElsewhere(name)).sort()
}

// Does this program come by that point? The first worker has the role index, too.
function comesBy (program, point) {
  const part = point.split('.')[0]
  if (['channel', 'walk', 'coordinator'].includes(part)) return program === 'coordinator'
  return part === 'index' ? program === 'worker-1' : program.startsWith('worker-')
}

// Kills, and starts again what was killed or died at a crash point.
class Storm {
  constructor (mirror, scratch) {
    this.mirror = mirror
    this.crashLog = path.join(scratch, 'crash-points.log')
    fs.writeFileSync(this.crashLog, '')
    const points = crashPoints()
    this.points = points.filter((name) => !LEAVING.includes(name)) // that are died at now
    this.leaving = points.filter((name) => LEAVING.includes(name))
    this.kills = {}
    this.tries = {} // how often a program was started to die at this point
    this.restarts = 0
    this.parts = [] // ids of the releases that are parts of the whole
    this.thorough = limits.hits > 0
  }

  hits () {
    const counts = Object.fromEntries([...this.points, ...this.leaving].map((name) => [name, 0]))
    for (const name of fs.readFileSync(this.crashLog, 'utf8').split('\n').filter(Boolean)) {
      counts[name] = (counts[name] ?? 0) + 1
    }
    return counts
  }

  // The next start of a program dies at a crash point of its that was hit too seldom.
  arm (program) {
    program.spareUntil = 0
    program.environment = {}
    if (!this.armed) return
    const counts = this.hits()
    const seldom = this.points.filter((name) => comesBy(program.name, name) && counts[name] < Math.max(1, limits.hits))
    const rare = this.thorough ? seldom.filter((name) => RARE.includes(name) || LEAVING.includes(name)) : []
    const others = seldom.filter((name) => !rare.includes(name))
    const fewestTries = Math.min(...others.map((name) => this.tries[name] ?? 0))
    const wanted = others.filter((name) => (this.tries[name] ?? 0) === fewestTries)
    const plan = rare.map((name) => `${name}:1`)
    if (wanted.length) {
      const point = random.pick(wanted)
      this.tries[point] = (this.tries[point] ?? 0) + 1
      plan.push(`${point}:${random.between(1, PASSES_BEFORE_CRASH_MAX)}`)
      program.spareUntil = Date.now() + ARMED_MS
    }
    if (plan.length) program.environment = { HNX_CRASH_AT: plan.join(','), HNX_CRASH_LOG: this.crashLog }
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

  // The next one to be killed is drawn beforehand and waited for, so that all have their share. False: not now.
  async killOne () {
    this.victim ??= random.pick([...this.killable().map((program) => program.name), 'postgres'])
    if (this.victim === 'postgres') {
      const pid = this.postmasterPid()
      if (!pid) return false
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        return false
      }
    } else {
      const program = this.mirror.programs.get(this.victim)
      if (!program.running || program.spareUntil > Date.now()) return false
      await program.kill('SIGKILL')
    }
    this.kills[this.victim] = (this.kills[this.victim] ?? 0) + 1
    this.victim = undefined
    return true
  }

  get killed () {
    return Object.values(this.kills).reduce((sum, count) => sum + count, 0)
  }

  lacks (points) {
    const counts = this.hits()
    return points.some((name) => counts[name] < limits.hits)
  }

  // The programs are armed before anything is submitted, so that the first steps are died in, too.
  async begin () {
    this.armed = true
    this.nextKillAt = Date.now()
    if (!this.thorough) return
    for (const program of this.killable()) {
      await program.stop()
      this.arm(program)
      program.start()
    }
  }

  // Until the coordinator has taken it, however often it dies meanwhile. Returns the release's number.
  async submit (...words) {
    const { release_id: id } = await until('a submission is taken', SUBMIT_TIMEOUT_MS, () => {
      this.reviveTheDead()
      return this.mirror.submission(...words)
    })
    return id
  }

  // A pattern that takes one of the demonstration's roots.
  partOfChannel (number) {
    const roots = this.mirror.channel.info.roots.split(' ')
    return path.basename(roots[number % roots.length]).slice(0, 32)
  }

  // One more part, while there are points that each release comes by only once. It is mirrored first, so that its
  // manifest comes before that of the whole.
  async submitPart (status, whole) {
    const open = this.parts.some((id) => !isSettled(status, id))
    const { total, stored } = status.releases.find((release) => release.id === whole).nars
    const late = total > 0 && stored > total * PARTS_UNTIL_SHARE
    if (!this.thorough || open || late || !this.lacks(ONCE)) return
    this.parts.push(await this.submit('--priority', '1', '--match', this.partOfChannel(this.parts.length)))
  }

  // One look: true when everything is settled.
  async tick (whole) {
    this.reviveTheDead()
    const status = this.mirror.status()
    if (!status) return false
    if (isSettled(status, whole)) return this.parts.every((id) => isSettled(status, id))
    if (!this.armed) return false
    await this.submitPart(status, whole)
    const leased = (status.workers ?? []).some((worker) => worker.jobs > 0)
    if (leased && Date.now() >= this.nextKillAt && this.killed < limits.kills) {
      if (await this.killOne()) this.nextKillAt = Date.now() + random.between(PAUSE_MS_MIN, PAUSE_MS_MAX)
    }
    return false
  }

  async blowUntilSettled (whole) {
    const deadline = Date.now() + SETTLE_TIMEOUT_MS
    while (!await this.tick(whole)) {
      if (this.killed >= limits.kills && !this.lacks(this.points)) this.armed = false
      check(Date.now() < deadline, `not settled after ${SETTLE_TIMEOUT_MS / 1000} s: ${JSON.stringify(this.mirror.status()?.releases)}`)
      await sleep(TICK_MS)
    }
    this.armed = false
  }

  // The second act: the programs die at the points of leaving paths, while releases come of which the newest is kept
  // (and the one that `latest` names, when too many paths are left out for it to move).
  // Returns the number of the last one.
  async blowWhileTheyLeave () {
    this.points = this.leaving
    const { mirror } = this
    const { channel } = mirror
    const forecast = () => {
      const done = mirror.coordinator('gc', '--dry-run', '--json')
      return done.status === 0 && JSON.parse(done.stdout)
    }
    const gone = (words, isGone) => until(words, GONE_TIMEOUT_MS, () => {
      this.reviveTheDead()
      mirror.coordinator('gc')
      const left = forecast()
      return left && isGone(left)
    })
    checkEqual('the exit status of retention', mirror.coordinator('retention', channel.info.channel, '--keep', '1').status, 0)
    let release = 1
    while (release < RELEASES_MAX && this.lacks(this.leaving)) {
      release++
      channel.make('--release', String(release))
      channel.point(channel.info.channel, release)
      await this.begin()
      const id = await this.submit()
      await until('the next release is settled', SETTLE_TIMEOUT_MS, () => {
        this.reviveTheDead()
        const status = mirror.status()
        return status && isSettled(status, id)
      })
      await gone('the paths of the release before leave', ({ releases, paths, nars }) => releases.length + paths + nars === 0)
      mirror.sql(`CREATE OR REPLACE FUNCTION retirement_now() RETURNS timestamptz LANGUAGE sql STABLE AS
        'SELECT now() + interval ''${31 * release} days'''`)
      await gone('the room of their NARs comes back', (left) => left.due_nars + left.retiring_nars === 0)
    }
    this.armed = false
    return release
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

  print () {
    console.log(`${this.killed} kills while a lease was active: ${JSON.stringify(this.kills)}; ${this.restarts} restarts; ` +
      `${this.parts.length} parts were submitted beside the whole`)
    console.log('deaths at crash points:')
    for (const [name, count] of Object.entries(this.hits()).sort()) console.log(`  ${String(count).padStart(4)} ${name}`)
  }
}

const isSettled = (status, id) => status.releases.find((release) => release.id === id)?.state === 'settled'

test('kill storm', async ({ scratch, owns }) => {
  console.log(`seed ${seed}, ${JSON.stringify(limits)}`)
  const channel = owns(new DemoChannel(path.join(scratch, 'channel'), ['--faults', '--paths', String(limits.paths), '--bytes', '16M']))
  channel.make()
  const throttle = ['--requests', String(limits.requests)]

  step(limits.undisturbed ? `undisturbed, throttled to ${limits.requests} NARs a second` : 'undisturbed, at full speed')
  await channel.serve(...(limits.undisturbed ? throttle : []))
  const wanted = await mirrorUndisturbed(scratch, owns, channel)
  await channel.stop()

  step(`throttled to ${limits.requests} NARs a second, and killed`)
  await channel.serve(...throttle)
  const mirror = owns(new Mirror(path.join(scratch, 'disturbed'), channel))
  await mirror.start()
  const storm = new Storm(mirror, scratch)
  const begun = Date.now()
  await storm.begin()
  const whole = await storm.submit()
  try {
    await storm.blowUntilSettled(whole)
    console.log(`in the storm: settled after ${seconds(begun).toFixed(1)} s`)
  } finally {
    storm.print()
  }
  await storm.calm()

  step('the result is the undisturbed one')
  checkSameOutcome(await outcome(mirror, channel.expected(), whole), wanted)
  await checkShards(mirror, channel.expected())

  if (storm.thorough) {
    step('the storm goes on while paths leave')
    let last
    try {
      last = await storm.blowWhileTheyLeave()
    } finally {
      storm.print()
    }
    await storm.calm()
    const settled = mirror.told('releases').filter(({ state }) => state === 'settled').map(({ name }) => name)
    const kept = Array.from({ length: last }, (_, n) => channel.expected(n + 1)).filter(({ release }) => settled.includes(release))
    check(kept.length < last, 'no release has left')
    for (const expected of kept) {
      await mirror.manifest(expected.release)
      await compareWithUpstream(mirror, expected)
    }
    await checkShards(mirror, { paths: Object.assign({}, ...kept.map(({ paths }) => paths)) }, { left: true })
  }

  step('the storm was a storm')
  check(wanted.took >= limits.undisturbed, `undisturbed it took only ${wanted.took} s: lower --requests`)
  check(storm.killed >= limits.kills, `settled after only ${storm.killed} of ${limits.kills} kills: lower --requests`)
  for (const [name, count] of Object.entries(storm.hits())) {
    check(count >= limits.hits, `crash point ${name} was hit ${count} times, not ${limits.hits}`)
  }
})
