// The next release of a channel, with a twentieth of its paths changed, costs a twentieth of the fetching.
import path from 'node:path'
import { DemoChannel, Mirror, check, checkEqual, compareWithUpstream, step, test } from './words.mjs'

test('next release', async ({ scratch, owns }) => {
  const channel = owns(new DemoChannel(path.join(scratch, 'channel'), ['--paths', '200', '--bytes', '8M']))
  channel.make()
  await channel.serve()
  const mirror = owns(new Mirror(path.join(scratch, 'mirror'), channel))
  await mirror.start()

  step('the first release')
  checkEqual('the exit status of submit --wait', await mirror.submit('--wait'), 0)
  const before = channel.narRequests()
  checkEqual('NARs fetched', before.size, new Set(Object.values(channel.expected().paths).map((e) => e.url)).size)

  step('submitted again: nothing is fetched')
  checkEqual('the exit status of submit --wait', await mirror.submit('--wait'), 0)
  checkEqual('NAR requests', [...channel.narRequests()], [...before])

  step('the second release fetches what is new, and only that')
  channel.make('--release', '2')
  await channel.stop()
  await channel.serve()
  checkEqual('the exit status of submit --wait', await mirror.submit('--wait'), 0)
  const second = channel.expected(2)
  const fresh = new Set(Object.values(second.paths).filter((e) => e.new).map((e) => e.url))
  const fetched = [...channel.narRequests()].filter(([url, count]) => count > (before.get(url) ?? 0)).map(([url]) => url)
  checkEqual('what was fetched', fetched.sort(), [...fresh].sort())
  console.log(`${fetched.length} of ${Object.keys(second.paths).length} paths' NARs were fetched`)

  step('both releases are served')
  await mirror.manifest(second.release)
  await compareWithUpstream(mirror, channel.expected(1))
  await compareWithUpstream(mirror, second)
  const latest = await mirror.get(`/channels/${second.channel}/latest`)
  checkEqual('latest', latest?.toString().trim(), second.release)
  check(await mirror.manifest(channel.expected(1).release), 'the first release has lost its manifest')
})
