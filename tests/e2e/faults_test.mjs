// An upstream with every fault that upstreams really have: the mirror takes all that is healthy, leaves out the
// rest, says why in each case, and settles.
import fs from 'node:fs'
import path from 'node:path'
import { DemoChannel, Mirror, check, checkEqual, checkFailures, compareWithUpstream, step, test } from './words.mjs'

const EXIT_PARTIAL = 3

test('faults', async ({ scratch, owns }) => {
  const channel = owns(new DemoChannel(path.join(scratch, 'channel'), ['--faults', '--paths', '160', '--bytes', '8M']))
  channel.make()
  await channel.serve()
  const expected = channel.expected()
  const mirror = owns(new Mirror(path.join(scratch, 'mirror'), channel))
  await mirror.start()

  step('the release settles, and the exit status tells that something was left out')
  checkEqual('the exit status of submit --wait', await mirror.submit('--wait'), EXIT_PARTIAL)

  step('coordinator failures lists each path with its reason')
  checkFailures(mirror.failures(), expected)

  step('manifest.json lists the same')
  const wanted = Object.entries(expected.paths).filter(([, e]) => e.status !== 'published').map(([p, e]) => [p, e.status]).sort()
  const manifest = await mirror.manifest(expected.release)
  checkEqual('the manifest', manifest.unpublished.map(({ path, state }) => [path, state]).sort(), wanted)

  step('through the gateway: the healthy ones byte for byte, the others absent, closed under References')
  await compareWithUpstream(mirror, expected)
  for (const [storePath, entry] of Object.entries(expected.paths)) {
    if (entry.fault && ['wrong-hash', 'truncated'].includes(entry.fault)) {
      checkEqual(`the NAR of ${storePath}`, await mirror.get(`/${entry.url}`), null)
    }
  }

  step('a fault that is mended upstream is published by the next submit')
  const [mended] = Object.entries(expected.paths).find(([, e]) => e.fault === 'missing' && !e.listed)
  const name = `${path.basename(mended).slice(0, 32)}.narinfo`
  fs.copyFileSync(path.join(channel.dir, 'pristine', name), path.join(channel.dir, 'www/cache', name))
  checkEqual('the exit status of the second submit', await mirror.submit('--wait'), EXIT_PARTIAL)
  const left = new Set(mirror.failures().map((failure) => failure.store_path))
  check(!left.has(mended), `${mended} is upstream now, but still a failure`)
  const freed = Object.entries(expected.paths).filter(([, e]) => e.blocked_by?.length === 1 && e.blocked_by[0] === mended)
  for (const [storePath] of freed) check(!left.has(storePath), `${storePath} waited for ${mended} alone, but is still blocked`)
})
