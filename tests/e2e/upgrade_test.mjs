// Programs of the release before (in HNX_OLD_BIN_DIR) together with today's, both ways, each time through a whole mirror:
// old coordinator and new workers; new coordinator, which brings the old one's database up to date in the middle of a
// mirror, and old workers, which are replaced afterwards; and an old coordinator that goes on beside it. By tests/upgrade/run.
import fs from 'node:fs'
import path from 'node:path'
import { PostgresServer } from './chaos/replicated_postgres.mjs'
import { checkSameOutcome, mirrorUndisturbed, outcome } from './outcome.mjs'
import { DemoChannel, Mirror, Program, binDir, check, checkEqual, checkFailures, freePort, step, test, until } from './words.mjs'

const OLD = process.env.HNX_OLD_BIN_DIR
const EXIT_INCOMPLETE = 3
const THROTTLE = ['--requests', '8']
const WORK_TIMEOUT_MS = 180_000
const BESIDE_MS = 10_000
// Of the NARs so many are to be there when the coordinator changes, so that the change is in the middle.
const STORED_SHARE = 0.2

const storedNars = (mirror) => mirror.status()?.releases[0]?.nars.stored ?? 0
const newest = (mirror) => mirror.status().releases[0]

// Begins a mirror and returns in the middle of it.
async function inTheMiddle (mirror, channel) {
  await until('the submission is taken', WORK_TIMEOUT_MS, () => mirror.submission())
  const nars = new Set(Object.values(channel.expected().paths).map(({ url }) => url)).size
  await until('a part is stored, and some of it published', WORK_TIMEOUT_MS, () =>
    storedNars(mirror) >= nars * STORED_SHARE && mirror.status().paths_published > 0)
  check(newest(mirror).state !== 'settled', 'the mirror is finished: lower --requests')
}

async function checkMirror (mirror, channel, wanted, release = 0) {
  checkEqual('the exit status of submit --wait', await mirror.submit('--wait'), EXIT_INCOMPLETE)
  const found = await outcome(mirror, channel.expected(), release, { revisions: false })
  if (wanted) checkSameOutcome(found, wanted)
  else checkFailures(mirror.failures(), channel.expected())
  const verified = mirror.run('hyp', 'verify', `hyper://${mirror.key}`, '--trusted-public-keys', channel.info.public_key,
    '--release', `${channel.info.channel}/${channel.expected().release}`, ...mirror.drives().flatMap((dir) => ['--drives', dir]))
  checkEqual(`hyp verify: ${verified.stdout.slice(-800)}${verified.stderr.slice(-800)}`, verified.status, 0)
}

// The next release of the channel.
async function advance (channel, number) {
  channel.make('--release', String(number))
  await channel.stop()
  await channel.serve(...THROTTLE)
}

// The NARs that are asked for because of a path: its own, and what its narinfo names.
function claimed (channel, storePath, { url }) {
  const file = `${path.basename(storePath).slice(0, 32)}.narinfo`
  const narinfo = fs.existsSync(path.join(channel.dir, 'www/cache', file)) ? channel.file(file).toString() : ''
  return [url, narinfo.match(/^URL: (.*)$/m)?.[1]]
}

// Every worker is stopped, and goes on with the same disk as another version.
async function replaceWorkers (mirror, dir, change = (words) => words) {
  for (const program of mirror.programs.values()) {
    if (program.words[0] !== 'worker') continue
    await program.stop()
    program.binDir = dir
    program.words = change(program.words)
    program.start()
  }
}

async function oldCoordinator ({ scratch, owns, channel, wanted }) {
  step('old coordinator, new workers and a new index worker')
  const mirror = owns(new Mirror(path.join(scratch, 'old-coordinator'), channel, { binDirs: { coordinator: OLD }, indexOptions: [] }))
  await mirror.start()
  await checkMirror(mirror, channel, wanted)
  await mirror.stop()
}

async function newCoordinator ({ scratch, owns, channel, wanted }) {
  step('everything is old; in the middle of a mirror a new coordinator takes the database over')
  const mirror = owns(new Mirror(path.join(scratch, 'new-coordinator'), channel, { binDirs: { coordinator: OLD, worker: OLD }, indexOptions: [] }))
  await mirror.start()
  await inTheMiddle(mirror, channel)
  const coordinator = mirror.programs.get('coordinator')
  await coordinator.stop()
  coordinator.binDir = binDir
  coordinator.start()
  await until('the new coordinator answers', WORK_TIMEOUT_MS, () => mirror.status())
  check(/migrated the database/.test(fs.readFileSync(coordinator.logFile, 'utf8')), 'the new coordinator had nothing to migrate: is the old one old?')
  check(newest(mirror).state !== 'settled', 'the mirror was finished before')
  await checkMirror(mirror, channel, wanted)

  step('the workers are replaced, on the same disks, and a next release is mirrored')
  await replaceWorkers(mirror, binDir)
  await advance(channel, 2)
  const before = channel.narRequests()
  await checkMirror(mirror, channel)
  const known = Object.values(channel.expected(1).paths).map(({ url }) => url)
  const again = known.filter((url) => channel.narRequests().get(url) > before.get(url))
  const bad = new Set(Object.entries(channel.expected(2).paths).filter(([, { status }]) => status !== 'published').flatMap((entry) => claimed(channel, ...entry)))
  checkEqual('NARs that were stored and fetched again', again.filter((url) => !bad.has(url)), [])
  await mirror.stop()
}

async function bothCoordinators ({ scratch, owns, channel, wanted }) {
  step('an old coordinator goes on while a new one migrates their database and works beside it')
  const postgres = owns(new PostgresServer(path.join(scratch, 'postgres'), '127.0.0.1', await freePort()))
  await postgres.makePrimary()
  const mirror = owns(new Mirror(path.join(scratch, 'both'), channel, { binDirs: { coordinator: OLD, worker: OLD }, indexOptions: [],
    coordinatorOptions: ['--database', `postgresql://hnx@127.0.0.1:${postgres.port}/postgres`] }))
  await mirror.start()
  await inTheMiddle(mirror, channel)
  const old = mirror.programs.get('coordinator')
  const address = `127.0.0.1:${await freePort()}`
  const dataOf = (words) => words.map((word) => word === mirror.address ? address : word)
  const young = new Program('coordinator-new', dataOf(old.words).map((word) => word === path.join(mirror.dir, 'coordinator') ? path.join(mirror.dir, 'coordinator-new') : word),
    path.join(mirror.dir, 'coordinator-new.log'))
  mirror.programs.set('coordinator-new', young)
  young.start()
  await until('the new coordinator answers', WORK_TIMEOUT_MS, () => {
    check(young.running, `the new coordinator ended: ${young.logTail()}`)
    return mirror.status(address)
  })
  check(old.running, 'the old coordinator has ended')

  step('one old worker goes on with the old coordinator for a while, the others are the new one\'s')
  const [first, ...others] = [...mirror.programs.values()].filter(({ words }) => words[0] === 'worker')
  for (const program of others) {
    await program.stop()
    program.words = dataOf(program.words)
    program.start()
  }
  const before = mirror.status(address).releases[0].nars.stored
  for (const deadline = Date.now() + BESIDE_MS; Date.now() < deadline;) {
    mirror.status() // whatever it says
    await until('the new coordinator goes on', WORK_TIMEOUT_MS, () => mirror.status(address))
  }
  console.log(`side by side: ${before} NARs were stored before, ${mirror.status(address).releases[0].nars.stored} after it`)
  await old.stop()
  mirror.programs.delete('coordinator')
  mirror.address = address
  await first.stop()
  first.words = dataOf(first.words)
  first.start()
  await checkMirror(mirror, channel, wanted)
  await mirror.stop()
  await postgres.stop()
}

test('upgrade', async ({ scratch, owns }) => {
  check(OLD && fs.existsSync(path.join(OLD, 'coordinator')), 'HNX_OLD_BIN_DIR does not hold the release before: use tests/upgrade/run')
  const channel = owns(new DemoChannel(path.join(scratch, 'channel'), ['--faults', '--paths', '200', '--bytes', '8M']))
  channel.make()
  await channel.serve(...THROTTLE)
  step('today\'s programs alone')
  const wanted = await mirrorUndisturbed(scratch, owns, channel, { revisions: false })
  const all = { scratch, owns, channel, wanted }
  await oldCoordinator(all)
  await bothCoordinators(all)
  await newCoordinator(all) // the last: it moves the channel on
})
