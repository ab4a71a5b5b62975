// What an operator does to work that is under way: pause and resume, priorities, cancel, drain, failures retried and
// ignored, commands that find another coordinator.
import fs from 'node:fs'
import path from 'node:path'
import { DemoChannel, Mirror, SHARED_CHANNELS, check, checkEqual, freePort, step, test, until } from './words.mjs'

const TIMEOUT_MS = 120_000
const lines = (text) => text.split('\n').filter(Boolean).map((line) => JSON.parse(line))

test('control', async ({ scratch, owns }) => {
  const channel = owns(new DemoChannel(path.join(scratch, 'channel'), SHARED_CHANNELS.withFaults))
  channel.make()
  await channel.serve()
  const mirror = owns(new Mirror(path.join(scratch, 'mirror'), channel))
  await mirror.start()
  const coordinator = (...words) => mirror.run('coordinator', ...words, '--coordinator', mirror.address)
  const said = (...words) => {
    const done = coordinator(...words, '--json')
    checkEqual(`the exit status of ${words.join(' ')} (${done.stderr})`, done.status, 0)
    return lines(done.stdout)
  }
  const releaseOf = (id) => mirror.status().releases.find((release) => release.id === id)
  const expected = channel.expected()

  step('everything is paused: a submission is neither resolved nor walked nor fetched')
  checkEqual('pause', said('pause', '--all', '--reason', 'inspection'), [{ what: 'everything', paused: true, changed: true }])
  checkEqual('pause again', said('pause', '--all')[0].changed, false)
  const { release_id: first } = await mirror.submission()
  checkEqual('the state while everything is paused', releaseOf(first).state, 'resolving')
  check(/Everything is paused: no reason was given/.test(coordinator('status').stdout), 'status does not show the pause')

  step('a paused upstream: the release is resolved, then waits')
  said('pause', '--upstream', channel.info.upstream, '--reason', 'contract')
  said('resume', '--all')
  await until('the release is resolved', TIMEOUT_MS, () => releaseOf(first).state === 'walking')
  const [host] = mirror.status().upstreams
  checkEqual('the upstream in status', [host.paused, host.pause_reason], [true, 'contract'])
  checkEqual('NARs fetched', channel.narRequests().size, 0)

  step('cancel: nothing of it is fetched when the upstream goes on; only a new submission begins again')
  const [cancelled] = said('cancel', String(first), '--reason', 'wrong channel')
  checkEqual('the cancelled release', [cancelled.state, cancelled.message], ['cancelled', 'wrong channel'])
  said('resume', '--upstream', host.host)
  checkEqual('watch of a cancelled release', coordinator('watch', '--release', String(first)).status, 1)
  const { release_id: second, existed } = await mirror.submission('--priority', '3')
  check(second !== first && !existed, `a cancelled release goes on as ${second}`)
  checkEqual('its priority', releaseOf(second).priority, 3)
  checkEqual('another priority', said('priority', String(second), '9')[0].priority, 9)
  const settled = coordinator('watch', '--release', String(second), '--json')
  checkEqual('how it ended', [settled.status, lines(settled.stdout).at(-1).state], [3, 'settled'])
  checkEqual('cancel of what is over', coordinator('cancel', String(second)).status, 1)

  step('failures: listed with and without the word, retried by reason once mended, ignored with a note')
  const failures = said('failures', 'list')
  checkEqual('failures with and without "list"', failures, mirror.failures())
  const [mended] = Object.entries(expected.paths).find(([, entry]) => entry.fault === 'missing' && !entry.listed)
  const narinfo = `${path.basename(mended).slice(0, 32)}.narinfo`
  fs.copyFileSync(path.join(channel.dir, 'pristine', narinfo), path.join(channel.dir, 'www/cache', narinfo))
  const { reason } = failures.find((failure) => failure.store_path === mended)
  const [{ paths: retried }] = said('failures', 'retry', '--reason', reason)
  check(retried > 0, `no failure with reason ${reason} was retried`)
  checkEqual('the end of the retry', coordinator('watch', '--release', String(second)).status, 3)
  check(!mirror.failures().some((failure) => failure.store_path === mended), `${mended} is still a failure`)
  const left = mirror.failures().find((failure) => failure.state === 'set_aside' || failure.state === 'missing')
  checkEqual('ignore without a note', coordinator('failures', 'ignore', '--path', left.store_path).status, 2)
  said('failures', 'ignore', '--path', left.store_path, '--note', 'gone for good')
  const accepted = await until('the manifest tells what is accepted', TIMEOUT_MS, async () => {
    const { unpublished } = await mirror.manifest(expected.release)
    return unpublished.find((entry) => entry.path === left.store_path)?.accepted
  })
  checkEqual('the note in the manifest', accepted, 'gone for good')
  checkEqual('retry of what did not fail', coordinator('failures', 'retry', '--path', mended).status, 1)

  step('drain: the worker gets no more, and is not called removable while it holds the only copy of something')
  const [drained] = said('drain', 'worker-2')
  checkEqual('the drained worker', [drained.draining, drained.removable], [true, drained.lone_shards.length === 0])
  check(drained.lone_shards.length > 0, 'worker-2 stored something, but no shard is named')
  check(/do not remove it/.test(coordinator('workers').stdout), 'workers does not warn')
  await until('worker-2 says so', TIMEOUT_MS, () => /drained by an operator/.test(mirror.programs.get('worker-2').logTail()))
  checkEqual('undrain', said('undrain', 'worker-2')[0].draining, false)

  step('commands go on with the next coordinator that they were given')
  const away = `127.0.0.1:${await freePort()}`
  const found = mirror.run('coordinator', 'status', '--coordinator', away, '--coordinator', mirror.address, '--json')
  checkEqual(`status by the second address (${found.stderr})`, found.status, 0)
  const listed = mirror.run('coordinator', 'failures', '--coordinator', away, '--coordinator', mirror.address, '--json')
  checkEqual(`failures by the second address (${listed.stderr})`, listed.status, 0)

  step('wrong words are refused with status 2, unknown things with status 1')
  for (const words of [['pause'], ['pause', '--all', '--release', '1'], ['cancel'], ['priority', '1'], ['drain'],
    ['failures', 'retry'], ['failures', 'ignore', '--note', 'x'], ['failures', 'nonsense']]) {
    checkEqual(`the exit status of ${words.join(' ')}`, coordinator(...words).status, 2)
  }
  for (const words of [['pause', '--release', '99'], ['cancel', '99'], ['drain', 'nobody'], ['pause', '--upstream', 'http://no']]) {
    const refused = coordinator(...words)
    checkEqual(`the exit status of ${words.join(' ')} (${refused.stderr})`, refused.status, 1)
  }
  for (const words of [['pause'], ['resume'], ['cancel'], ['priority'], ['workers'], ['drain'], ['undrain'], ['failures', 'retry'],
    ['failures', 'ignore'], ['failures', 'list']]) {
    const help = mirror.run('coordinator', ...words, '--help')
    check(help.status === 0 && /Exit codes/.test(help.stdout) && /coordinator /.test(help.stdout), `${words.join(' ')} --help lacks something`)
  }
})
