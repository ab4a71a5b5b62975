// Two upstreams with keys of their own. The preferred one lacks narinfos, has some that it did not sign, has damaged NARs,
// and is away for a while in the middle. What either of them has is mirrored, byte for byte as that one serves it; what
// neither can give is listed; the real nix takes the result, trusting both keys.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { DemoChannel, Mirror, check, checkEqual, step, test, until } from './words.mjs'

const WORK_TIMEOUT_MS = 180_000
const EXIT_PARTIAL = 3

const hashOf = (storePath) => path.basename(storePath).slice(0, 32)
const narInfoFile = (channel, storePath) => path.join(channel.dir, 'www/cache', `${hashOf(storePath)}.narinfo`)
const field = (narinfo, name) => narinfo.match(new RegExp(`^${name}: (.*)$`, 'm'))?.[1] ?? ''
const lose = (channel, storePath) => fs.rmSync(narInfoFile(channel, storePath))
const referencesOf = (narinfo) => field(narinfo, 'References').split(' ').filter(Boolean).map((name) => `/nix/store/${name}`)

// Everything that needs a path, directly or through others, as the channel made it.
function referrers (channel, storePaths) {
  const direct = new Map(storePaths.map((storePath) => [storePath, []]))
  for (const storePath of storePaths) {
    for (const reference of referencesOf(fs.readFileSync(narInfoFile(channel, storePath), 'utf8'))) {
      if (reference !== storePath) direct.get(reference).push(storePath)
    }
  }
  const all = new Map()
  for (const storePath of storePaths) {
    const seen = new Set()
    const todo = [storePath]
    while (todo.length) {
      for (const referrer of direct.get(todo.pop())) {
        if (!seen.has(referrer)) todo.push(referrer)
        seen.add(referrer)
      }
    }
    all.set(storePath, seen)
  }
  return all
}

// Damages the NAR of a path in one of several ways.
function damage (channel, storePath, way) {
  const file = path.join(channel.dir, 'www/cache', field(fs.readFileSync(narInfoFile(channel, storePath), 'utf8'), 'URL'))
  const bytes = fs.readFileSync(file)
  if (way === 'gone') fs.rmSync(file)
  else if (way === 'truncated') fs.writeFileSync(file, bytes.subarray(0, Math.floor(bytes.length / 2)))
  else {
    bytes[Math.floor(bytes.length / 2)] ^= 0x20
    fs.writeFileSync(file, bytes)
  }
}

function forge (channel, storePath) {
  const file = narInfoFile(channel, storePath)
  const narinfo = fs.readFileSync(file, 'utf8')
  fs.writeFileSync(file, narinfo.replace(/^(Sig: [^:]+:)(..)(..)/m, '$1$3$2'))
}

test('upstreams', async ({ scratch, owns }) => {
  const options = ['--paths', '110', '--bytes', '3M']
  const first = owns(new DemoChannel(path.join(scratch, 'first'), [...options, '--key-name', 'first-1']))
  const second = owns(new DemoChannel(path.join(scratch, 'second'), [...options, '--key-name', 'second-1']))
  for (const channel of [first, second]) {
    channel.make()
    await channel.serve()
  }
  const paths = Object.keys(first.expected().paths)
  checkEqual('the store paths of the two upstreams', Object.keys(second.expected().paths), paths)
  const pristine = new Map([first, second].map((channel) => [channel, new Map(paths.map((storePath) => {
    const narinfo = fs.readFileSync(narInfoFile(channel, storePath), 'utf8')
    return [storePath, { narinfo, nar: channel.file(field(narinfo, 'URL')) }]
  }))]))

  step('the first one lacks some narinfos, has forged ones and damaged NARs')
  const needing = referrers(first, paths)
  const urls = paths.map((storePath) => field(pristine.get(first).get(storePath).narinfo, 'URL'))
  const alone = paths.filter((storePath, n) => urls.filter((url) => url === urls[n]).length === 1)
    .sort((a, b) => needing.get(a).size - needing.get(b).size || (a < b ? -1 : 1))
  const take = (count) => alone.splice(0, count)
  // Neither has its narinfo; what it refers to is reached otherwise.
  const { paths: listed } = first.expected()
  const nowhere = alone.splice(alone.findIndex((storePath) => referencesOf(pristine.get(first).get(storePath).narinfo)
    .every((reference) => reference === storePath || listed[reference].listed)), 1)
  const spoiled = take(1) // the first has a damaged NAR, the second no narinfo
  const onlyFirst = take(2)
  const damaged = take(6)
  const forged = take(3)
  const lacking = alone.filter((_, n) => n % 3 === 0)
  for (const storePath of [...nowhere, ...lacking]) lose(first, storePath)
  for (const storePath of [...nowhere, ...spoiled, ...onlyFirst]) lose(second, storePath)
  damaged.forEach((storePath, n) => damage(first, storePath, ['gone', 'truncated', 'flipped'][n % 3]))
  for (const storePath of spoiled) damage(first, storePath, 'flipped')
  for (const storePath of forged) forge(first, storePath)
  const failed = new Map([...nowhere.map((p) => [p, 'missing']), ...spoiled.map((p) => [p, 'set_aside'])])
  for (const cause of [...failed.keys()]) {
    for (const referrer of needing.get(cause)) failed.set(referrer, 'blocked')
  }
  console.log(`${paths.length} paths: ${lacking.length} narinfos lacking, ${forged.length} forged, ${damaged.length} NARs damaged, ` +
    `${onlyFirst.length} only at the first, ${failed.size} that cannot be had`)

  const mirror = owns(new Mirror(path.join(scratch, 'mirror'), first, {
    coordinatorOptions: ['--upstream', `${second.info.upstream}?trusted-public-keys=${second.info.public_key}`,
      '--job-nars-max', '4', '--worker-jobs-max', '2', '--download-rate-max', '300K']
  }))
  await mirror.start()

  step('status shows both, in their order, with the key that is believed of the second alone')
  const caches = () => mirror.status().upstreams.flatMap((upstream) => upstream.caches)
  checkEqual('the upstreams', caches().map(({ url, preference, public_keys: keys }) => [url, preference, keys]),
    [[first.info.upstream, 1, []], [second.info.upstream, 2, [second.info.public_key]]])

  step('in the middle of the mirror the first one is away: what the second has comes from there')
  const submitted = mirror.submit('--wait')
  await until('some NARs are stored', WORK_TIMEOUT_MS, () => (mirror.status().releases[0]?.nars.stored ?? 0) >= 12)
  await first.stop()
  const waiting = () => mirror.sql("SELECT '/nix/store/' || hash || '-' || name FROM path WHERE state = 'known' ORDER BY 1").split('\n').filter(Boolean)
  await until('all but what only the first has is stored', WORK_TIMEOUT_MS, () => {
    const left = waiting()
    return left.length <= onlyFirst.length + spoiled.length && left.every((p) => onlyFirst.includes(p) || spoiled.includes(p))
  })
  console.log(`${waiting().length} paths wait for it`)

  step('it comes back, and the release settles')
  await first.serve()
  checkEqual('the exit status of submit --wait', await submitted, EXIT_PARTIAL)

  step('what is left out is what neither could give, each with its reason')
  const failures = mirror.failures()
  checkEqual('the failures', failures.map(({ store_path: p, state }) => [p, state]).sort(), [...failed].sort())
  for (const failure of failures) check(failure.reason, `${failure.store_path} has no reason`)

  step('each path is there as the upstream serves it that it is from')
  const from = { [first.info.upstream]: first, [second.info.upstream]: second }
  const counts = { first: 0, second: 0 }
  for (const storePath of paths) {
    const narinfo = await mirror.get(`/${hashOf(storePath)}.narinfo`)
    if (failed.has(storePath)) {
      check(narinfo === null, `${storePath} is ${failed.get(storePath)}, but the gateway has its narinfo`)
      continue
    }
    check(narinfo, `${storePath} should be published, but the gateway does not have its narinfo`)
    const [why] = mirror.told('why', storePath)
    const source = from[why.upstream]
    check(source, `${storePath} is said to be from ${why.upstream}`)
    counts[source === first ? 'first' : 'second']++
    const wanted = pristine.get(source).get(storePath)
    checkEqual(`the narinfo of ${storePath}`, narinfo.toString(), wanted.narinfo)
    const nar = await mirror.get(`/${field(wanted.narinfo, 'URL')}`)
    check(nar?.equals(wanted.nar), `the NAR of ${storePath} is not as ${why.upstream} serves it`)
    for (const reference of referencesOf(wanted.narinfo)) check(!failed.has(reference), `${storePath} is published without ${reference}`)
    if ([...lacking, ...forged, ...damaged].includes(storePath)) checkEqual(`where ${storePath} is from`, why.upstream, second.info.upstream)
    if (onlyFirst.includes(storePath)) checkEqual(`where ${storePath} is from`, why.upstream, first.info.upstream)
  }
  console.log(`${counts.first} paths are from the first upstream, ${counts.second} from the second`)
  check(counts.first > 0, 'nothing is from the first')

  step('the manifest and mirror.json name both')
  const { upstreams, upstream } = await mirror.manifest(first.expected().release)
  checkEqual('the manifest', [upstream, upstreams], [first.info.upstream,
    [{ url: first.info.upstream, paths: counts.first }, { url: second.info.upstream, paths: counts.second }].sort((a, b) => a.url < b.url ? -1 : 1)])
  const described = JSON.parse(await mirror.get('/mirror.json'))
  checkEqual('mirror.json', [described.upstream, described.upstreams, described.publicKeys],
    [first.info.upstream, [first.info.upstream, second.info.upstream], [first.info.public_key, second.info.public_key]])

  step('why tells how a path came from the second')
  for (const storePath of damaged) {
    const [story] = mirror.told('why', storePath)
    const said = `its narinfo was taken from ${second.info.upstream}, as ${first.info.upstream} could not give its NAR`
    check(story.history.some(({ what }) => what === said), `nothing of that ${said} in ${JSON.stringify(story.history)}`)
  }

  step('nix takes all of it, trusting both keys, and not with one of them')
  const store = path.join(scratch, 'store')
  const home = path.join(scratch, 'home')
  const nix = (keys, ...words) => spawnSync('nix', words, { encoding: 'utf8', env: { ...process.env, HOME: home, NIX_CONF_DIR: home,
    XDG_CACHE_HOME: fs.mkdtempSync(path.join(scratch, 'nix-cache.')), NIX_REMOTE: '',
    NIX_CONFIG: `experimental-features = nix-command\nbuild-users-group =\nsubstituters =\nrequire-sigs = true\ntrusted-public-keys = ${keys.join(' ')}` } })
  const both = [first.info.public_key, second.info.public_key]
  const wanted = paths.filter((storePath) => !failed.has(storePath))
  const url = `http://${mirror.gatewayAddress}`
  const copied = nix(both, 'copy', '--from', url, '--to', store, ...wanted)
  checkEqual(`nix copy: ${copied.stderr.slice(-500)}`, copied.status, 0)
  const verified = nix(both, 'store', 'verify', '--store', store, '--all')
  checkEqual(`nix store verify: ${verified.stderr.slice(-500)}`, verified.status, 0)
  const refused = nix(both.slice(0, 1), 'copy', '--from', url, '--to', path.join(scratch, 'other'), forged[0])
  check(refused.status !== 0, 'nix took a path of the second upstream, trusting only the first')

  step('every tree, signature and NarHash is right')
  const audited = mirror.run('hyp', 'verify', `hyper://${mirror.key}`, '--trusted-public-keys', both[0], '--trusted-public-keys', both[1],
    ...mirror.drives().flatMap((dir) => ['--drives', dir]))
  checkEqual(`hyp verify: ${audited.stdout.slice(-800)}${audited.stderr.slice(-800)}`, audited.status, 0)
})
