// Workers' disks are deleted in the middle of a mirror and after it, and one comes back as it was some time ago: what lay
// on them comes back elsewhere, links flip, and the mirror ends up as if nothing had happened.
import fs from 'node:fs'
import path from 'node:path'
import { DemoChannel, Mirror, SHARED_CHANNELS, check, checkEqual, compareWithUpstream, step, test, until } from './words.mjs'

const WORK_TIMEOUT_MS = 180_000
const EXIT_FAILURE = 1
const EXIT_SUPERSEDED = 5

const workersOf = (mirror) => {
  const done = mirror.run('coordinator', 'workers', '--coordinator', mirror.address, '--json')
  checkEqual(`coordinator workers: ${done.stderr}`, done.status, 0)
  return done.stdout.split('\n').filter(Boolean).map((line) => JSON.parse(line))
}
const forget = (mirror, worker) => mirror.run('coordinator', 'forget', worker, '--coordinator', mirror.address, '--json')
const shardsListed = async (mirror) => JSON.parse(await mirror.get('/mirror.json')).shards.map(({ id }) => id)
const drivesOf = (mirror, n) => fs.readdirSync(mirror.drives()[n - 1])

test('lost worker', async ({ scratch, owns }) => {
  const channel = owns(new DemoChannel(path.join(scratch, 'channel'), SHARED_CHANNELS.large))
  channel.make()
  await channel.serve()
  const expected = channel.expected()
  const mirror = owns(new Mirror(path.join(scratch, 'mirror'), channel,
    { workers: 3, coordinatorOptions: ['--job-nars-max', '4', '--worker-jobs-max', '2', '--download-rate-max', '150K'] }))
  await mirror.start()

  step('a volume is copied while its worker is away for a moment')
  // The others stand still, so that there is work left for it when it comes back.
  const others = [1, 2].map((n) => mirror.programs.get(`worker-${n}`).child.pid)
  for (const pid of others) process.kill(pid, 'SIGSTOP')
  const submitted = mirror.submit('--wait')
  const holding = (name) => mirror.status()?.shards.filter(({ worker, nars }) => worker === name && nars > 0) ?? []
  const second = mirror.programs.get('worker-3')
  await until('worker 3 holds NARs', WORK_TIMEOUT_MS, () => holding('worker-3').length)
  await second.kill('SIGKILL')
  const copied = new Map(holding('worker-3').map(({ id_z32: id, bytes }) => [id, bytes]))
  const grown = () => holding('worker-3').filter(({ id_z32: id, bytes }) => copied.get(id) !== bytes).map(({ id_z32: id }) => id)
  fs.cpSync(path.join(mirror.dir, 'worker-3'), path.join(scratch, 'volume'), { recursive: true })
  second.start()
  await until('worker 3 holds more', WORK_TIMEOUT_MS, () => grown().length)
  for (const pid of others) process.kill(pid, 'SIGCONT')

  step('in the middle of the mirror the disk of a worker is gone')
  const victim = mirror.programs.get('worker-2')
  const held = await until('worker 2 holds NARs, and some paths are published', WORK_TIMEOUT_MS, () => {
    const shards = holding('worker-2')
    return shards.length && mirror.status().paths_published > 0 ? shards : null
  })
  await victim.kill('SIGKILL')
  fs.rmSync(path.join(mirror.dir, 'worker-2'), { recursive: true })
  const [{ id: lostId }] = workersOf(mirror).filter(({ name }) => name === 'worker-2')

  step('its operator says so; while it was heard of just now the coordinator does not believe it')
  const early = forget(mirror, 'worker-2')
  checkEqual('the exit status of the first forget', early.status, EXIT_FAILURE)
  check(early.stderr.includes('stop it first'), `the first forget: ${early.stderr}`)
  const forgotten = await until('the coordinator forgets worker 2', WORK_TIMEOUT_MS, () => {
    const done = forget(mirror, 'worker-2')
    return done.status === 0 ? JSON.parse(done.stdout) : null
  })
  checkEqual('who is forgotten', forgotten.id, lostId)
  check(forgotten.nars > 0, 'worker 2 held nothing')

  step('it joins again with an empty disk, and the release settles as if nothing had happened')
  victim.start()
  checkEqual('the exit status of submit --wait', await submitted, 0)
  const first = await until('links flip and /mirror.json lists no lost shard', WORK_TIMEOUT_MS, async () => {
    const listed = await shardsListed(mirror)
    return held.every(({ id_z32: id }) => !listed.includes(id)) && listed
  })
  check(first.length > 0, '/mirror.json lists no shard')
  const result = await compareWithUpstream(mirror, expected)
  checkEqual('the states of workers 2', workersOf(mirror).filter(({ name }) => name === 'worker-2').map(({ id, forgotten }) => [id === lostId, forgotten]).sort(),
    [[false, false], [true, true]])

  step('a volume that comes back as it was is turned away, and when it insists its shards are only read')
  await second.kill('SIGKILL')
  const rolledBack = grown()
  check(rolledBack.some((id) => first.includes(id)), 'worker 3 held nothing that is in the mirror')
  fs.rmSync(path.join(mirror.dir, 'worker-3'), { recursive: true })
  fs.cpSync(path.join(scratch, 'volume'), path.join(mirror.dir, 'worker-3'), { recursive: true })
  second.start()
  checkEqual('the exit status of an older incarnation', await second.ended, EXIT_SUPERSEDED)
  second.start() // counts its incarnation up, beyond the last one that was seen
  await until('links flip and /mirror.json lists none of its shards', WORK_TIMEOUT_MS, async () => {
    if (!second.running) second.start()
    const listed = await shardsListed(mirror)
    return rolledBack.every((id) => !listed.includes(id))
  })
  checkEqual('what the gateway has', await compareWithUpstream(mirror, expected), result)

  step('a worker whose drives are deleted under it ends by itself; it comes back without them and nobody has to say anything')
  const listedNow = await shardsListed(mirror)
  const n = [2, 3].find((worker) => drivesOf(mirror, worker).some((id) => listedNow.includes(id)))
  check(n, 'neither worker 2 nor worker 3 holds anything that is in the mirror')
  const emptied = mirror.programs.get(`worker-${n}`)
  const gone = drivesOf(mirror, n)
  fs.rmSync(mirror.drives()[n - 1], { recursive: true })
  checkEqual('its exit status', await emptied.ended, EXIT_FAILURE)
  emptied.start()
  await until('links flip and /mirror.json lists none of its old shards', WORK_TIMEOUT_MS, async () => {
    const listed = await shardsListed(mirror)
    return gone.every((id) => !listed.includes(id))
  })
  checkEqual('what the gateway has', await compareWithUpstream(mirror, expected), result)

  step('every tree, signature and NarHash is right')
  await until('the index is at rest', WORK_TIMEOUT_MS, () => {
    const { releases: [release] } = mirror.status()
    return release.state === 'settled' && release.nars.stored === release.nars.total
  })
  const verified = mirror.run('hyp', 'verify', `hyper://${mirror.key}`, '--trusted-public-keys', channel.info.public_key,
    ...mirror.drives().flatMap((dir) => ['--drives', dir]))
  checkEqual(`hyp verify: ${verified.stdout.slice(-800)}${verified.stderr.slice(-800)}`, verified.status, 0)
})
