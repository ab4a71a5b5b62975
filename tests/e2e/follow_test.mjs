// Three channels with two releases each, followed at once from one upstream: every NAR is fetched once, `latest` of each
// flips by itself, diff and manifest agree with what was changed, and a channel that moves twice is submitted once.
import path from 'node:path'
import { DemoChannel, Mirror, SHARED_CHANNELS, check, checkEqual, compareWithUpstream, step, test, until } from './words.mjs'

const SETTLE_MS = 240_000
// Where each channel points first, and then.
const CHANNELS = { 'nixos-unstable': [1, 2], 'nixos-26.11': [2, 3], 'nixos-26.11-small': [1, 4] }

test('follow', async ({ scratch, owns }) => {
  const channel = owns(new DemoChannel(path.join(scratch, 'channel'), SHARED_CHANNELS.medium))
  channel.make()
  for (const release of [2, 3, 4]) channel.make('--release', String(release))
  for (const [name, [before]] of Object.entries(CHANNELS)) channel.point(name, before)
  await channel.serve()
  const mirror = owns(new Mirror(path.join(scratch, 'mirror'), channel))
  await mirror.start()
  const freshness = () => Object.fromEntries(mirror.status().channels.map((c) => [c.name, [c.freshness, c.latest]]))
  const latest = (at) => Object.fromEntries(Object.entries(CHANNELS).sort()
    .map(([name, releases]) => [name, ['current', channel.expected(releases[at]).release]]))
  // A release is latest in the batch with its manifest, and settled when the index has that batch.
  const allCurrent = (at) => until('every channel is current', SETTLE_MS,
    () => JSON.stringify(freshness()) === JSON.stringify(latest(at)) && mirror.status().releases.every((r) => r.state === 'settled'))

  step('three channels are followed at once')
  const followed = mirror.told('follow', ...Object.keys(CHANNELS), '--interval', '300ms', '--debounce', '5s')
  checkEqual('what follow says', followed.map((c) => c.followed), [true, true, true])
  await allCurrent(0)

  step('they advance; one moves twice before it rests')
  channel.point('nixos-26.11-small', 3)
  for (const [name, [, after]] of Object.entries(CHANNELS).reverse()) channel.point(name, after)
  await allCurrent(1)

  step('every NAR was fetched once')
  const wanted = new Set(Object.values(CHANNELS).flat()
    .flatMap((release) => Object.values(channel.expected(release).paths).map((entry) => entry.url)))
  const requests = channel.narRequests()
  checkEqual('NARs fetched', [...requests.keys()].sort(), [...wanted].sort())
  checkEqual('NARs fetched more than once', [...requests].filter(([, count]) => count > 1), [])

  step('releases, latest, diff and manifest of each channel')
  for (const [name, [before, after]] of Object.entries(CHANNELS)) {
    const [from, to] = [channel.expected(before), channel.expected(after)]
    const releases = mirror.told('releases', '--channel', name)
    checkEqual(`the releases of ${name}`, releases.map((r) => [r.name, r.state, r.latest]),
      [[to.release, 'settled', true], [from.release, 'settled', false]])
    await mirror.manifest(to.release, name)
    checkEqual(`latest of ${name}`, (await mirror.get(`/channels/${name}/latest`)).toString().trim(), to.release)
    const difference = mirror.told('diff', `${name}/${from.release}`, name)
    const changed = (change) => difference.filter((d) => d.change === change).map((d) => d.store_path).sort()
    const only = (a, b) => Object.keys(a.paths).filter((storePath) => !(storePath in b.paths)).sort()
    checkEqual(`what ${name} added`, changed('added'), only(to, from))
    checkEqual(`what ${name} lost`, changed('gone'), only(from, to))
    const totals = difference.at(-1)
    checkEqual('its totals', [totals.paths_added, totals.paths_gone], [only(to, from).length, only(from, to).length])
    const [checked] = mirror.told('manifest', '--check', name)
    checkEqual('findings of manifest --check', checked.findings, [])
    checkEqual('paths in the manifest', checked.published, Object.keys(to.paths).length)
    checkEqual('its release', checked.release, to.release)
    await compareWithUpstream(mirror, to)
    const verified = mirror.run('hyp', 'verify', `hyper://${mirror.key}`, ...mirror.drives().flatMap((dir) => ['--drives', dir]),
      '--skip-nars', '--release', `${name}/${to.release}`)
    checkEqual(`hyp verify --release (${verified.stdout.slice(-400)}${verified.stderr.slice(-300)})`, verified.status, 0)
  }

  step('a channel that is not followed any more is left alone')
  checkEqual('what unfollow says', mirror.told('unfollow', 'nixos-26.11').map((c) => c.followed), [false])
  channel.point('nixos-26.11', 4)
  channel.point('nixos-unstable', 3)
  await until('the other goes on', SETTLE_MS, () => freshness()['nixos-unstable'][1] === channel.expected(3).release)
  checkEqual('releases of the one', mirror.told('releases', '--channel', 'nixos-26.11').length, 2)

  step('a channel that does not exist says so, and harms no other')
  mirror.told('follow', 'no-such-channel', '--interval', '1s')
  await until('the failure is told', 30_000, () => freshness()['no-such-channel'][0] === 'failing')
  checkEqual('the others', freshness()['nixos-unstable'][0], 'current')
  check(mirror.status().releases.length >= 6, 'status shows the releases')
})
