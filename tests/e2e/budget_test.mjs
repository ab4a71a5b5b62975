// A mirror that may hold about half of a channel: real Nix can use what it holds, the rest is said to be left out; what
// clients ask for comes in when there is room and takes the place of something else; without the budget all is there.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { DemoChannel, Mirror, check, checkEqual, compareWithUpstream, step, test, until } from './words.mjs'

const WORK_TIMEOUT_MS = 120_000
// A hole begins and ends at a block of the file system: at most so much more of each NAR stays.
const BLOCK_BYTES = 4096

function nixCopy (scratch, url, publicKey, storePath) {
  const home = path.join(scratch, 'home')
  const store = path.join(scratch, 'store')
  fs.mkdirSync(home, { recursive: true })
  const nix = (...words) => spawnSync('nix', words, { encoding: 'utf8', env: { ...process.env, HOME: home, XDG_CACHE_HOME: path.join(store, 'cache'), NIX_REMOTE: '',
    NIX_CONFIG: `experimental-features = nix-command\nbuild-users-group =\nsubstituters =\nrequire-sigs = true\ntrusted-public-keys = ${publicKey}` } })
  const copied = nix('copy', '--from', url, '--to', store, storePath)
  checkEqual(`nix copy --from ${url}: ${copied.stderr.slice(-500)}`, copied.status, 0)
}

test('budget', async ({ scratch, owns }) => {
  const channel = owns(new DemoChannel(path.join(scratch, 'channel'), ['--paths', '120', '--bytes', '12M']))
  channel.make()
  await channel.serve()
  const expected = channel.expected()
  const published = Object.entries(expected.paths).filter(([, entry]) => entry.status === 'published')
  const sizes = new Map(published.map(([, entry]) => [entry.url, channel.file(entry.url).length]))
  const whole = [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0)
  const budget = Math.floor(whole / 2)

  const mirror = owns(new Mirror(path.join(scratch, 'mirror'), channel,
    { coordinatorOptions: ['--gc-interval', '1000d', '--budget', String(budget)] }))
  await mirror.start()
  const gateway = mirror.programs.get('gateway')
  await gateway.stop()
  gateway.words.push('--coordinator', mirror.address)
  gateway.start()
  const narinfo = (storePath) => mirror.get(`/${path.basename(storePath).slice(0, 32)}.narinfo`).catch(() => undefined)
  await until('the gateway answers', WORK_TIMEOUT_MS, () => mirror.get('/nix-cache-info').catch(() => null))
  const checkDisk = () => {
    const bytes = mirror.shardBytesOnDisk()
    check(bytes <= budget + sizes.size * 2 * BLOCK_BYTES, `${bytes} bytes are on the disk, the budget is ${budget}`)
  }
  const newest = () => mirror.told('releases')[0]
  const rest = async (words, condition) => until(words, WORK_TIMEOUT_MS, () => {
    const status = mirror.status()
    return status && !status.budget?.choosing && condition(status)
  })
  const verify = () => {
    const done = mirror.run('hyp', 'verify', `hyper://${mirror.key}`, ...mirror.drives().flatMap((dir) => ['--drives', dir]),
      '--trusted-public-keys', channel.info.public_key, '--release', `${channel.info.channel}/${expected.release}`)
    checkEqual(`the exit status of hyp verify --release (${done.stdout.slice(-500)}${done.stderr.slice(-300)})`, done.status, 0)
  }

  step('half of a channel is mirrored')
  const status = await mirror.submit('--wait')
  check(status === 0 || status === 3, `the exit status of submit --wait: ${status}`)
  // The first one to settle becomes latest, which is a reason to choose once more.
  const manifest = await until('the manifest says what the release came to', WORK_TIMEOUT_MS, async () => {
    const [now, release, found] = [mirror.status(), newest(), await mirror.manifest(expected.release)]
    const check = mirror.coordinator('manifest', '--check', String(release.id))
    return now && !now.budget.choosing && check.status === 0 && found.paths.published === release.paths.published && found
  })
  const leftOut = manifest.unpublished.filter((item) => item.state === 'left_out')
  check(leftOut.length > 10 && manifest.paths.published > 10, `${leftOut.length} are left out, ${manifest.paths.published} published`)
  checkEqual('paths that the manifest counts as left out', manifest.paths.leftOut, leftOut.length)
  checkEqual('their reasons', [...new Set(leftOut.map((item) => item.reason))], ['budget'])
  checkEqual('the budget that the manifest names', manifest.budget.bytes, budget)
  checkEqual('what of the others is published', manifest.paths.published + leftOut.length, published.length)
  verify()
  checkDisk()
  const isLeftOut = new Set(leftOut.map((item) => item.path))
  const held = published.map(([storePath]) => storePath).filter((storePath) => !isLeftOut.has(storePath))
  checkEqual('latest', (await mirror.get(`/channels/${channel.info.channel}/latest`)).toString().trim(), expected.release)
  const said = mirror.status().budget
  checkEqual('the budget in status', [said.bytes, said.left_out_paths, said.kept_paths], [budget, leftOut.length, held.length])

  step('Nix uses what is held; what is left out is not there, and why says so')
  const references = (storePath) => Object.values(expected.paths).some((entry) => entry.references?.includes(storePath))
  const top = held.find((storePath) => !references(storePath)) ?? held.at(-1)
  nixCopy(scratch, `http://${mirror.gatewayAddress}`, channel.info.public_key, top)
  for (const storePath of isLeftOut) checkEqual(`the narinfo of ${storePath}`, await narinfo(storePath), null)
  // The largest one: what is left of the budget has no room for it.
  const [wanted] = [...isLeftOut].sort((a, b) => sizes.get(expected.paths[b].url) - sizes.get(expected.paths[a].url))
  const why = mirror.told('why', wanted)[0]
  check(/left out: outside of the budget of/.test(why.explanation), why.explanation)

  step('clients ask for one that is left out: it comes in when room came back')
  for (let request = 0; request < 200; request++) await narinfo(wanted)
  await gateway.stop() // which reports what it counted
  gateway.start()
  checkEqual('hits that are known', mirror.sql('SELECT count(*) > 0 FROM path_hits WHERE hits > 190'), 't')
  await until('the gateway answers', WORK_TIMEOUT_MS, () => mirror.get('/nix-cache-info').catch(() => null))
  const forecast = mirror.told('gc', '--dry-run')[0]
  check(forecast.budget_paths > 0, `gc --dry-run does not say what would leave: ${JSON.stringify(forecast)}`)
  const before = newest().paths.published
  mirror.sql("UPDATE budget SET begun_at = '-infinity'")
  await rest('as many paths leave the index as was foretold',
    (now) => now.budget.waiting_paths > 0 && before - newest().paths.published === forecast.budget_paths)
  checkEqual('the narinfo that is wanted', await narinfo(wanted), null)
  checkDisk()
  mirror.sql(`CREATE OR REPLACE FUNCTION retirement_now() RETURNS timestamptz LANGUAGE sql STABLE AS
    'SELECT now() + interval ''31 days'''`)
  const collected = mirror.coordinator('gc')
  checkEqual(`the exit status of gc (${collected.stderr})`, collected.status, 0)
  await until('the gateway has what is wanted', WORK_TIMEOUT_MS, () => narinfo(wanted))
  nixCopy(scratch, `http://${mirror.gatewayAddress}`, channel.info.public_key, wanted)
  checkDisk()
  await rest('the release is settled anew', () => newest().state === 'settled')

  step('without a budget everything is there')
  const coordinator = mirror.programs.get('coordinator')
  await coordinator.stop()
  coordinator.words.splice(coordinator.words.indexOf('--budget'), 2)
  coordinator.start()
  await until('the coordinator answers', WORK_TIMEOUT_MS, () => mirror.status())
  await rest('all is published', () => newest().paths.published === published.length)
  await until('the manifest says so', WORK_TIMEOUT_MS, async () => (await mirror.manifest(expected.release)).paths.leftOut === undefined)
  await compareWithUpstream(mirror, expected)
  verify()
})
