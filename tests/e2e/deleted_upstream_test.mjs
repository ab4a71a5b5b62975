// The disk of the only worker is gone, and upstream has deleted every NAR meanwhile. A gateway somewhere that was asked
// for them has them in its cache: they come back from there, and nobody has to say anything.
import fs from 'node:fs'
import path from 'node:path'
import { DemoChannel, Mirror, check, checkEqual, compareWithUpstream, freePort, step, test, until } from './words.mjs'

const WORK_TIMEOUT_MS = 180_000

test('deleted upstream', async ({ scratch, owns }) => {
  const channel = owns(new DemoChannel(path.join(scratch, 'channel'), ['--paths', '60', '--bytes', '6M']))
  channel.make()
  await channel.serve()
  const expected = channel.expected()
  const [workers, index, gateway] = [await freePort(), await freePort(), await freePort()]
  const mirror = owns(new Mirror(path.join(scratch, 'mirror'), channel, {
    workers: 1,
    workerOptions: () => ['--listen-peers', `127.0.0.1:${workers}`, '--peer', `127.0.0.1:${gateway}`],
    indexOptions: ['--listen-peers', `127.0.0.1:${index}`]
  }))
  await mirror.start()
  checkEqual('the exit status of submit --wait', await mirror.submit('--wait'), 0)
  await mirror.manifest(expected.release)

  step('a gateway is asked for everything')
  const far = await mirror.farGateway(path.join(scratch, 'cache'), [`127.0.0.1:${index}`, `127.0.0.1:${workers}`],
    '--listen-peers', `127.0.0.1:${gateway}`)
  await until('it shows the whole release', WORK_TIMEOUT_MS, () => far.get(`/channels/${channel.info.channel}/${expected.release}/manifest.json`))
  await compareWithUpstream(far, expected)

  step('upstream deletes its NARs, and the disk of the worker is gone')
  const nars = path.join(channel.dir, 'www/cache/nar')
  fs.renameSync(nars, `${nars}.deleted`)
  const requests = [...channel.narRequests()]
  const worker = mirror.programs.get('worker-1')
  await worker.kill('SIGKILL')
  const lost = mirror.status().shards.map(({ id_z32: id }) => id)
  fs.rmSync(path.join(mirror.dir, 'worker-1'), { recursive: true })
  mirror.sql("UPDATE worker SET last_seen = now() - interval '1 minute' WHERE name = 'worker-1'")
  mirror.told('forget', 'worker-1')
  worker.start()

  step('all of it comes back from the gateway')
  await until('/mirror.json lists no lost shard', WORK_TIMEOUT_MS, async () => {
    const { shards } = JSON.parse(await mirror.get('/mirror.json'))
    return shards.length > 0 && shards.every(({ id }) => !lost.includes(id))
  })
  checkEqual('what failed', mirror.failures(), [])
  checkEqual('NARs that upstream sent', [...channel.narRequests()], requests)
  check(fs.readFileSync(worker.logFile, 'utf8').includes('came from peers'), 'the worker does not say where it had them from')
  fs.renameSync(`${nars}.deleted`, nars) // to compare with
  await compareWithUpstream(mirror, expected)
  const verified = mirror.run('hyp', 'verify', `hyper://${mirror.key}`, '--trusted-public-keys', channel.info.public_key,
    ...mirror.drives().flatMap((dir) => ['--drives', dir]))
  checkEqual(`hyp verify: ${verified.stdout.slice(-800)}${verified.stderr.slice(-800)}`, verified.status, 0)
})
