// Bits flip on the disk of a worker while clients read, from its folders and from peers: no client is given a wrong byte,
// and the scrub finds every bit and puts it right in its place, from what is around it or from the worker that holds a copy.
// What nobody has any more is named.
import fs from 'node:fs'
import path from 'node:path'
import { DemoChannel, Mirror, check, checkEqual, compareWithUpstream, freePort, step, test, until } from './words.mjs'
import { BYTE_BITS, filesBelow, flip, flipInContent, largestNar } from './flip.mjs'
import { Random } from './random.mjs'

const SEED = 20261128
const FLIPS = 20
const WORK_TIMEOUT_MS = 180_000
const EXIT_PARTIAL = 3
const FAR_BYTES_MAX = 4_000_000
const BLOCKS_LEAST = 1000 // of the content that is made below

// Asks a gateway for every NAR, round after round. `judge` takes what was given; an error of its is the test's.
class Client {
  constructor (gateway, urls, judge) {
    this.urls = urls
    this.rounds = 0
    this.stopped = false
    this.refused = [] // in the last whole round
    this.ended = (async () => {
      for (; !this.stopped; this.rounds++) {
        const refused = []
        for (const url of urls) {
          const body = await gateway.get(`/${url}`).catch(() => null)
          if (body === null) refused.push(url)
          else judge(url, body)
        }
        this.refused = refused
      }
    })().then(() => null, (error) => error)
  }

  // A whole round that begins after this call.
  async again () {
    const { rounds } = this
    await until('the client has asked for everything', WORK_TIMEOUT_MS, async () => {
      const error = await Promise.race([this.ended, Promise.resolve(undefined)])
      if (error) throw error
      return this.rounds >= rounds + 2
    })
  }

  async stop () {
    this.stopped = true
    const error = await this.ended
    if (error) throw error
  }
}

test('scrub', async ({ scratch, owns }) => {
  // The tree of a core is in its file only from about 800 blocks on; until then it is in the log. The largest NAR has more.
  const channel = owns(new DemoChannel(path.join(scratch, 'channel'), ['--paths', '60', '--bytes', '110M', '--compressions', 'none']))
  channel.make()
  await channel.serve()
  const expected = channel.expected()
  const ports = [await freePort(), await freePort(), await freePort()]
  const metricsOf1 = `127.0.0.1:${await freePort()}`
  const mirror = owns(new Mirror(path.join(scratch, 'mirror'), channel, {
    workers: 1,
    coordinatorOptions: ['--copies', '1'],
    workerOptions: (n) => ['--listen-peers', `127.0.0.1:${ports[n]}`, '--failure-domain', `rack ${n}`, '--scrub-rate', '500M',
      '--scrub-interval', '0', ...(n === 1 ? ['--listen-metrics', metricsOf1] : [])],
    indexOptions: ['--listen-peers', `127.0.0.1:${ports[0]}`, '--scrub-interval', '0'],
    gatewayOptions: ['--verify-reads']
  }))
  await mirror.start()
  const drivesOf = (n) => path.join(mirror.dir, `worker-${n}`, 'drives')
  const verify = (...folders) => mirror.run('hyp', 'verify', `hyper://${mirror.key}`, '--trusted-public-keys', channel.info.public_key,
    '--drives', path.join(mirror.dir, 'index/drives'), ...folders.flatMap((folder) => ['--drives', folder]))
  const scrub = async (...words) => {
    const done = await mirror.runBeside('coordinator', 'scrub', '--coordinator', mirror.address, '--json', ...words)
    return { status: done.status, stderr: done.stderr, drives: done.stdout.split('\n').filter(Boolean).map((line) => JSON.parse(line)) }
  }
  const sum = (drives, what) => drives.reduce((total, drive) => total + drive[what], 0)

  step('a mirror is made, with a copy of every shard')
  checkEqual('the exit status of submit --wait', await mirror.submit('--wait'), 0)
  await mirror.manifest(expected.release)
  mirror.startWorker(2)
  await until('every shard has its copy', WORK_TIMEOUT_MS, () => {
    const shards = mirror.status().shards.filter(({ nars }) => nars > 0)
    return shards.every(({ worker, copies_whole: whole }) => worker === 'worker-1' && whole === 1)
  })
  const result = await compareWithUpstream(mirror, expected)
  checkEqual('hyp verify before', verify(drivesOf(1)).status, 0)

  step('a scrub of everything finds nothing wrong, and counts what it saw')
  const clean = await scrub('--wait')
  checkEqual(`the exit status of scrub --wait: ${clean.stderr}`, clean.status, 0)
  checkEqual('damage', sum(clean.drives, 'damaged'), 0)
  checkEqual('kinds of drives', [...new Set(clean.drives.map(({ kind }) => kind))].sort(), ['copy', 'index', 'shard'])
  // Each once in its shard, and once in the copy.
  const nars = Number(mirror.sql("SELECT count(DISTINCT file) FROM nar WHERE state = 'stored'"))
  checkEqual('NARs checked', sum(clean.drives, 'nars'), 2 * nars)

  step(`${FLIPS} bits flip in what worker 1 has stored`)
  const random = new Random(SEED)
  const probe = path.join(scratch, 'probe')
  fs.cpSync(drivesOf(1), probe, { recursive: true })
  const files = ['data', 'tree', 'bitfield', 'data'].map((name) => filesBelow(probe, name))
  const before = filesBelow(probe, 'data').map((name) => fs.readFileSync(path.join(probe, name)))
  const flips = []
  const shardOf = (file) => file.split(path.sep)[0]
  while (flips.length < FLIPS) {
    const file = random.pick(files[flips.length % files.length])
    // A bitfield's file is as long as a page, and mostly of blocks to come.
    const bits = path.basename(file) === 'bitfield' ? BLOCKS_LEAST : fs.statSync(path.join(probe, file)).size * BYTE_BITS
    const bit = random.between(0, bits - 1)
    // Each where it means something and hides no other: not in a place that was cleared, or that the log overwrites.
    flip(path.join(probe, file), bit)
    const checked = mirror.run('hyp', 'verify', `hyper://${shardOf(file)}`, '--drives', probe, '--json', '--skip-nars')
    const findings = JSON.parse(checked.stdout).findings.filter((finding) => finding.includes(': core '))
    const known = flips.filter(([other]) => shardOf(other) === shardOf(file)).length
    if (findings.length === known + 1) flips.push([file, bit])
    else flip(path.join(probe, file), bit)
  }
  const flipped = Object.fromEntries(['data', 'tree', 'bitfield'].map((name) => [name, flips.filter(([file]) => path.basename(file) === name).length]))
  console.log('bits by file:', JSON.stringify(flipped))
  check(Object.values(flipped).every((count) => count > 0), 'a kind of file has no flipped bit')

  step('clients go on reading, one from the folders and one from peers, while bits flip and the scrub is asked for')
  const urls = [...new Set(Object.values(expected.paths).filter(({ status }) => status === 'published').map(({ url }) => url))]
  const clientOf = (gateway, name, some = urls) => owns(new Client(gateway, some, (url, body) =>
    check(body.equals(channel.file(url)), `a client of the gateway ${name} was given wrong bytes of ${url}`)))
  const near = clientOf(mirror, 'that reads the folders')
  const far = clientOf(await mirror.farGateway(path.join(scratch, 'cache'), ports.map((port) => `127.0.0.1:${port}`),
    '--cache-size', '64K'), 'from afar', urls.filter((url) => channel.file(url).length < FAR_BYTES_MAX))
  await near.again()
  checkEqual('NARs that were refused before', near.refused, [])
  flips.forEach(([name, at]) => flip(path.join(drivesOf(1), name), at))
  await near.again()
  check(near.refused.length > 0, 'no client met what is damaged')
  console.log(`${near.refused.length} of ${urls.length} NARs were refused by the gateway that reads the folders`)
  const mended = await scrub('worker-1', '--wait')
  checkEqual(`the exit status of scrub worker-1 --wait: ${mended.stderr}`, mended.status, 0)
  checkEqual('damage found, repaired and given up', ['damaged', 'repaired', 'given_up'].map((what) => sum(mended.drives, what)), [FLIPS, FLIPS, 0])
  await Promise.all([near.again(), far.again()])
  checkEqual('NARs that are refused after the scrub', near.refused, [])
  check(far.refused.length < far.urls.length, 'the gateway from afar gave nothing')
  await near.stop()
  await far.stop()
  const verified = verify(drivesOf(1))
  checkEqual(`hyp verify after it: ${verified.stdout.slice(-800)}`, verified.status, 0)
  checkEqual('what the gateway has', await compareWithUpstream(mirror, expected), result)
  filesBelow(drivesOf(1), 'data').forEach((name, n) =>
    check(fs.readFileSync(path.join(drivesOf(1), name)).equals(before[n]), `${name} is not what it was before the bits flipped`))
  const shard = mirror.status().shards.find(({ scrub: of }) => of?.damaged > 0)
  check(shard && shard.scrub.whole_at_ms > 0 && shard.scrub.repaired > 0, `status tells nothing of it: ${JSON.stringify(mirror.status().shards)}`)

  step('one NAR is damaged on both disks, and the upstream does not have it any more')
  const { file, id, bit } = await largestNar(mirror)
  const lostUrl = `nar/${file}`
  const [lostPath] = Object.entries(expected.paths).find(([, { url }]) => url === lostUrl)
  fs.rmSync(path.join(channel.dir, 'www/cache', lostUrl))
  for (const folder of [path.join(drivesOf(1), id), path.join(mirror.dir, 'worker-2/copies', id)]) flipInContent(folder, bit)
  const lossy = await scrub('worker-1', '--wait')
  checkEqual(`the exit status of a scrub that gives up: ${lossy.stderr}`, lossy.status, EXIT_PARTIAL)
  checkEqual('damage found, repaired and given up', ['damaged', 'repaired', 'given_up'].map((what) => sum(lossy.drives, what)), [1, 0, 1])
  const metrics = await (await fetch(`http://${metricsOf1}/metrics`)).text()
  check(metrics.includes('\nhnx_worker_scrub_given_up_total 1\n'), `its metrics do not tell: ${metrics.match(/^hnx_worker_scrub.*$/gm)}`)
  const failure = await until('the path is named as lost', WORK_TIMEOUT_MS, () =>
    mirror.failures().find(({ store_path: storePath, state }) => storePath === lostPath && state === 'lost'))
  check(/404/.test(failure.reason), `it is lost because of ${failure.reason}`)
  const why = mirror.coordinator('why', lostPath).stdout
  check(/block \d+ is not what was signed/.test(why), `why does not name the block: ${why}`)
  checkEqual('its NAR at the gateway', await until('the gateway sees that it is gone', WORK_TIMEOUT_MS, async () =>
    await mirror.get(`/${lostUrl}`) === null), true)

  step('a worker that scrubs nothing is not waited for')
  const idle = mirror.programs.get('worker-2')
  await idle.kill('SIGTERM')
  idle.words = idle.words.map((word) => word === '500M' ? '0' : word)
  idle.start()
  const unanswered = await scrub('worker-2', '--wait')
  checkEqual(`the exit status of a scrub that nobody does: ${unanswered.stderr}`, unanswered.status, EXIT_PARTIAL)
  checkEqual('what hinders it', [...new Set(unanswered.drives.map(({ waits, hindrance }) => `${waits} ${hindrance}`))], ['true off'])
})
