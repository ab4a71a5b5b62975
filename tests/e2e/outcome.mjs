// What comes out of a mirror, so that it can be compared with what comes out undisturbed: narinfos and NARs through the
// index, failures, the manifest; and what lies in the shards.
import path from 'node:path'
import { Mirror, check, checkEqual, compareWithUpstream, until } from './words.mjs'

const COPIES_TIMEOUT_MS = 60_000

// What a manifest says, without what may differ between two mirrors of one release: dates, and where NARs lie.
function timeless (value) {
  if (Array.isArray(value)) return value.map(timeless)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value)
    .filter(([name]) => !/(_at|At|_ms|Ms|date|Date|time|Time|shard|shards|attempts)$/.test(name))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, inner]) => [name, timeless(inner)]))
}

// `revisions` false: a manifest may have been written more often than the one that it is compared with.
export async function outcome (mirror, expected, release, { revisions = true } = {}) {
  const failures = mirror.failures(release)
    .map(({ store_path: storePath, state, reason, blocked_by: by }) => [storePath, state, reason, by ?? ''])
  const manifest = timeless(await mirror.manifest(expected.release)) // first: it waits for the gateway
  if (!revisions) delete manifest.manifestRevision
  return { bytes: await compareWithUpstream(mirror, expected), failures: failures.sort(), manifest }
}

export function checkSameOutcome (found, wanted) {
  checkEqual('narinfos and NARs through the index', found.bytes, wanted.bytes)
  console.log(`the same ${Object.keys(found.bytes).length} narinfos and NARs`)
  checkEqual('failures', found.failures, wanted.failures)
  console.log(`the same ${found.failures.length} failures`)
  checkEqual('the manifest', found.manifest, wanted.manifest)
  console.log('the same manifest, but for dates')
}

// {NAR file: in how many shards it lies}. Only those shards that `counts`.
export function placesOfNars (mirror, counts) {
  const places = new Map()
  const drives = mirror.drives().flatMap((dir) => ['--drives', dir])
  for (const shard of mirror.status().shards.filter(counts)) {
    const listed = mirror.run('hyp', 'ls', `hyper://${shard.id_z32}/nar`, ...drives)
    // Its worker died before the first entry of it was durable.
    if (shard.nars === 0 && listed.stderr.includes('there is nothing at')) continue
    check(listed.status === 0, `hyp ls of shard ${shard.id_z32}: ${listed.stderr}`)
    for (const line of listed.stdout.split('\n').filter(Boolean)) {
      const file = path.basename(line.trim().split(/\s+/).at(-1))
      places.set(file, (places.get(file) ?? 0) + 1)
    }
  }
  return places
}

// Each published NAR lies in exactly one shard. What else lies there is the NAR of a path that was found to be
// blocked only after it was stored. Copies that expired leases left behind are dropped soon after the storm.
// `left`: paths have left, too; in a shard that is sealed, and so never written again, their NARs stay.
export async function checkShards (mirror, expected, { left = false } = {}) {
  const nars = (status) => new Set(Object.values(expected.paths).filter((e) => e.status === status).map((e) => path.basename(e.url)))
  const published = nars('published')
  const blocked = nars('blocked')
  const places = await until('every NAR lies in one shard only', COPIES_TIMEOUT_MS, () => {
    const found = placesOfNars(mirror, () => true)
    return [...found.values()].every((count) => count === 1) && found
  })
  for (const file of published) check(places.has(file), `${file} is published, but in no shard`)
  const written = left ? placesOfNars(mirror, (shard) => !shard.sealed) : places
  for (const file of written.keys()) check(published.has(file) || blocked.has(file), `a shard holds ${file}, which no healthy path needs`)
  console.log(`${published.size} published NARs, each in exactly one of ${mirror.status().shards.length} shards`)
}

// The outcome of the channel, mirrored by a coordinator and two workers that nobody disturbs, and how many seconds it took.
export async function mirrorUndisturbed (scratch, owns, channel, options) {
  const mirror = owns(new Mirror(path.join(scratch, 'undisturbed'), channel))
  await mirror.start()
  const begun = Date.now()
  checkEqual('the exit status of the undisturbed submit', await mirror.submit('--wait'), 3)
  const took = (Date.now() - begun) / 1000
  console.log(`undisturbed: settled after ${took.toFixed(1)} s`)
  const found = await outcome(mirror, channel.expected(), 0, options)
  await checkShards(mirror, channel.expected())
  await mirror.stop()
  return { ...found, took }
}
