// Everything that happens to a cluster in years, in minutes: two coordinators on one PostgreSQL with a replica, four
// workers and more that join and leave, each on a machine of its own (network namespaces). What comes out must be what
// comes out undisturbed, the index closed at each version that was published, and nobody had to put a hand in.
//
//   node tests/e2e/chaos_test.mjs [--full] [--events N] [--paths N] [--bytes SIZE] [--seed N]
//
// By default 30 events, each kind 3 times; --full is the size of the acceptance: 200 events over 5,000 paths. The seed
// decides what happens to whom and when, not what the machine makes of it.
import fs from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { Cluster } from './chaos/cluster.mjs'
import { KINDS } from './chaos/events.mjs'
import { ReplicatedPostgres } from './chaos/replicated_postgres.mjs'
import { schedule } from './chaos/schedule.mjs'
import { Storm } from './chaos/storm.mjs'
import { Upstream } from './chaos/upstream.mjs'
import { Namespaces } from './namespaces.mjs'
import { checkSameOutcome, mirrorUndisturbed, outcome, placesOfNars } from './outcome.mjs'
import { Random } from './random.mjs'
import { Watcher } from './watcher.mjs'
import { DemoChannel, check, checkEqual, compareWithUpstream, sleep, step, test, until } from './words.mjs'

const SHORT = { events: '30', paths: '240', bytes: '16M', guests: '3' }
const FULL = { events: '200', paths: '5000', bytes: '64M', guests: '6' }
const SEED = '20261128'
const LEAST = 3 // of each kind
const EXIT_INCOMPLETE = 3
const BEGIN_TIMEOUT_MS = 120_000
const SETTLE_TIMEOUT_MS = 600_000
const COPIES_TIMEOUT_MS = 120_000
const BACK_TIMEOUT_MS = 180_000
const POSTGRES_PORTS = [5501, 5502]
const UPSTREAM_PORT = 8090
const CHANNEL_PORT = 8091

const { values: given } = parseArgs({ options: { full: { type: 'boolean' }, events: { type: 'string' }, paths: { type: 'string' },
  bytes: { type: 'string' }, guests: { type: 'string' }, seed: { type: 'string' } } })
const { full, ...givenSizes } = given
const sizes = { ...(full || process.env.HNX_NIGHTLY ? FULL : SHORT), seed: SEED, ...givenSizes }
const [events, guestCount, seed] = [sizes.events, sizes.guests, sizes.seed].map(Number)

// A shard that was sealed keeps what lay in it; of the others each NAR lies in one. Those whose disk is gone are not there.
async function checkCopies (cluster, expected) {
  const isThere = ({ id_z32: id }) => cluster.drives().some((dir) => fs.existsSync(path.join(dir, id)))
  const published = Object.values(expected.paths).filter(({ status }) => status === 'published').map(({ url }) => path.basename(url))
  const everywhere = await until('no NAR lies twice in shards that are written to', COPIES_TIMEOUT_MS, () => {
    const written = placesOfNars(cluster, (shard) => !shard.sealed && isThere(shard))
    return [...written.values()].every((count) => count === 1) && placesOfNars(cluster, isThere)
  })
  for (const file of published) check(everywhere.has(file), `${file} is published, but in no shard`)
  console.log(`${new Set(published).size} published NARs, none of them twice in shards that are written to`)
}

// What was published, and then lost with a disk, comes back after the release has settled. Whether it did says the caller.
async function whenBack (cluster, expected) {
  for (const deadline = Date.now() + BACK_TIMEOUT_MS; Date.now() < deadline; await sleep(1000)) {
    if (await compareWithUpstream(cluster, expected).catch(() => null)) return
  }
}

test('chaos', async ({ scratch, owns }) => {
  console.log(`seed ${seed}, ${JSON.stringify(sizes)}`)
  check(events >= LEAST * Object.keys(KINDS).length, `--events: at least ${LEAST} of each of ${Object.keys(KINDS).length} kinds`)
  const net = owns(new Namespaces(Cluster.hosts(guestCount), { here: true }))
  net.make()
  const here = net.address('here')
  const channel = owns(new DemoChannel(path.join(scratch, 'channel'), ['--faults', '--paths', sizes.paths, '--bytes', sizes.bytes]))
  channel.make()
  await channel.serve('--listen', `${here}:${CHANNEL_PORT}`)
  const upstream = owns(new Upstream(`${here}:${UPSTREAM_PORT}`, `${here}:${CHANNEL_PORT}`, seed))
  await upstream.start()
  for (const name of ['upstream', 'channel_url']) channel.info[name] = channel.info[name].replace(`:${CHANNEL_PORT}/`, `:${UPSTREAM_PORT}/`)
  const expected = channel.expected()

  step('undisturbed')
  const wanted = await mirrorUndisturbed(scratch, owns, channel, { revisions: false })

  step('two coordinators, four workers, PostgreSQL with a replica')
  const postgres = owns(new ReplicatedPostgres(path.join(scratch, 'postgres'), here, POSTGRES_PORTS))
  await postgres.start()
  const cluster = owns(new Cluster(path.join(scratch, 'cluster'), channel, { net, postgres, coordinatorOptions: ['--job-nars-max', '8'] }))
  const storm = owns(new Storm({ seed, plan: schedule(new Random(seed), events), cluster, net, postgres, upstream,
    guests: Cluster.guests(guestCount), nars: new Set(Object.values(expected.paths).map(({ url }) => url)).size }))
  await cluster.start()
  const watcher = owns(new Watcher(cluster.key, path.join(scratch, 'watcher'), cluster.indexAddress))
  await upstream.set({ narsPerSecond: 1 })
  const release = await until('a submission is taken', BEGIN_TIMEOUT_MS, async () => (await cluster.submission())?.release_id)
  await until('NARs are being fetched', BEGIN_TIMEOUT_MS, () => upstream.passed > 0)

  step(`${events} events`)
  await storm.blow()
  const { releases } = await until('a coordinator answers', BEGIN_TIMEOUT_MS, () => storm.status())
  const { state, nars } = releases.find(({ id }) => id === release)
  storm.print()
  storm.checkKinds(LEAST)
  check(state !== 'settled', `the mirror was finished before the storm of ${storm.seconds} s was over`)
  console.log(`in ${storm.seconds.toFixed(1)} s; the release was ${state}, ${nars.stored} of ${nars.total} NARs were stored`)

  step('calm: the release settles, with nobody\'s hand in the database')
  await storm.calm()
  const settled = await Promise.race([cluster.submit('--wait'), sleep(SETTLE_TIMEOUT_MS).then(() => 'it is not settled')])
  storm.say(`submit --wait: ${settled}`)
  checkEqual('the exit status of submit --wait', settled, EXIT_INCOMPLETE)

  step('the result is the undisturbed one')
  await cluster.startGateway()
  await whenBack(cluster, expected)
  checkSameOutcome(await outcome(cluster, expected, release, { revisions: false }), wanted)
  await checkCopies(cluster, expected)

  step('the index was closed under References at each version that was published')
  const { index_length: length } = cluster.status()
  await until('the JavaScript peer has the whole index', BEGIN_TIMEOUT_MS, () => watcher.length >= length)
  watcher.checkGrowthOnly()
  const { versions, narinfos } = await watcher.checkClosure()
  console.log(`${versions} versions, ${narinfos} narinfos in the last one`)

  step('every tree, signature and NarHash is right')
  const verified = cluster.run('hyp', 'verify', `hyper://${cluster.key}`, '--trusted-public-keys', channel.info.public_key,
    '--release', `${channel.info.channel}/${expected.release}`, ...cluster.drives().flatMap((dir) => ['--drives', dir]))
  // What a database learnt of its shards from an index that was longer stays in /mirror.json, also when a disk is gone.
  const said = verified.stdout + verified.stderr
  const away = [...said.matchAll(/not here: shard (\w+);/g)].map(([, id]) => id)
  checkEqual('shards that are not there and should be', away.filter((id) => !storm.lostShards.has(id)), [])
  checkEqual(`hyp verify: ${said.slice(-1500)}`, verified.status, away.length ? EXIT_INCOMPLETE : 0)
  check(away.length === 0 || said.includes('all that is here is right'), `hyp verify: ${said.slice(-1500)}`)
})
