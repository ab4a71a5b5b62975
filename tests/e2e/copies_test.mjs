// With a copy of every shard on another worker a lost disk is nothing that a client could see: all the while somebody asks
// a gateway from afar for every path that was ever published, and its NAR. A disk is deleted in the middle of the mirror,
// later another one, and the last worker that holds everything leaves only when it was copied.
import fs from 'node:fs'
import path from 'node:path'
import { DemoChannel, Mirror, SHARED_CHANNELS, check, checkEqual, compareWithUpstream, freePort, step, test, until } from './words.mjs'
import { checkSameBytes } from './same_bytes.mjs'

const WORK_TIMEOUT_MS = 180_000
const WORKERS_EVER = 4
const PUBLISHED_AT_LOSS_MIN = 20

// Asks for everything again and again. What was there once has to be there always.
class Client {
  constructor (gateway, expected) {
    this.gateway = gateway
    this.paths = Object.entries(expected.paths).filter(([, { status }]) => status === 'published')
    this.seen = new Set()
    this.rounds = 0
    this.stopped = false
    this.ended = this.#run().then(() => null, (error) => error)
  }

  async #run () {
    for (; !this.stopped; this.rounds++) {
      for (const [storePath, { url }] of this.paths) {
        const narinfo = await this.gateway.get(`/${path.basename(storePath).slice(0, 32)}.narinfo`)
        check(narinfo || !this.seen.has(storePath), `${storePath} was published, and its narinfo is not there any more`)
        if (!narinfo) continue
        this.seen.add(storePath)
        const nar = await this.gateway.get(`/${url}`)
        check(nar, `${storePath} is published, and its NAR is not there`)
        checkSameBytes(url, nar, this.gateway.channel.file(url))
      }
    }
  }

  // Everything was asked for once more, from now on.
  async again () {
    const { rounds } = this
    await until('the client has asked for everything', WORK_TIMEOUT_MS, async () => {
      await this.check()
      return this.rounds >= rounds + 2
    })
  }

  async check () {
    const error = await Promise.race([this.ended, Promise.resolve(undefined)])
    if (error) throw error
  }

  async stop () {
    this.stopped = true
    const error = await this.ended
    if (error) throw error
  }
}

test('copies', async ({ scratch, owns }) => {
  const channel = owns(new DemoChannel(path.join(scratch, 'channel'), SHARED_CHANNELS.medium))
  channel.make()
  await channel.serve()
  const expected = channel.expected()
  const ports = []
  for (let n = 0; n <= WORKERS_EVER; n++) ports.push(await freePort())
  const mirror = owns(new Mirror(path.join(scratch, 'mirror'), channel, {
    workers: 3,
    coordinatorOptions: ['--copies', '2', '--job-nars-max', '4', '--worker-jobs-max', '2', '--download-rate-max', '150K'],
    workerOptions: (n) => ['--listen-peers', `127.0.0.1:${ports[n]}`, '--failure-domain', `rack ${n}`],
    indexOptions: ['--listen-peers', `127.0.0.1:${ports[0]}`]
  }))
  await mirror.start()
  const nobodyCalls = (worker) => mirror.sql(`UPDATE worker SET last_seen = now() - interval '1 minute' WHERE name = '${worker}'`)
  const loseDisk = async (worker) => {
    await mirror.programs.get(worker).kill('SIGKILL')
    fs.rmSync(path.join(mirror.dir, worker), { recursive: true })
  }
  const forget = (worker) => {
    nobodyCalls(worker)
    return mirror.told('forget', worker)[0]
  }
  const shards = () => mirror.status()?.shards.filter(({ nars }) => nars > 0) ?? []
  const heldBy = (holders) => until(`every shard has ${holders} holders`, WORK_TIMEOUT_MS, () => {
    const all = shards()
    return all.length && all.every(({ lost, copies_whole: copies }) => copies + (lost ? 0 : 1) >= holders) ? all : null
  })
  const workerNamed = (name) => mirror.told('workers').find((worker) => worker.name === name)

  // A copy holds these.
  const publishedOf = (worker) => Number(mirror.sql(`SELECT count(*) FROM nar n JOIN shard s ON s.id = n.shard_id
    JOIN worker w ON w.id = s.worker_id WHERE w.name = '${worker}' AND n.linked_batch IS NOT NULL`))

  step('while the mirror is made a client asks a gateway from afar, which keeps next to nothing, for everything')
  const submitted = mirror.submit('--wait')
  const far = await mirror.farGateway(path.join(scratch, 'cache'), ports.map((port) => `127.0.0.1:${port}`), '--cache-size', '64K')
  const client = owns(new Client(far, expected))

  step('in the middle of it the disk of worker 2 is deleted')
  await until('NARs of worker 2 are published, and the client has seen some paths', WORK_TIMEOUT_MS, async () => {
    await client.check()
    return client.seen.size >= PUBLISHED_AT_LOSS_MIN && publishedOf('worker-2') > 0
  })
  check(client.seen.size < client.paths.length, 'the mirror was whole before the disk was deleted')
  await loseDisk('worker-2')
  await client.again()
  const { shards_lost: lost } = forget('worker-2')
  check(lost > 0, 'worker 2 held nothing')
  checkEqual('the exit status of submit --wait', await submitted, 0)
  await client.again()
  check(shards().some((shard) => shard.lost), 'nothing is read from a copy of a lost shard')

  step('in the end two workers hold everything, and the one that is killed has it after its restart')
  await heldBy(2)
  const result = await compareWithUpstream(far, expected)
  const third = mirror.programs.get('worker-3')
  await third.kill('SIGKILL')
  await client.again()
  nobodyCalls('worker-3')
  third.start()
  await until('worker 3 calls again', WORK_TIMEOUT_MS, () => workerNamed('worker-3').alive)
  await heldBy(2)

  step('then there is one')
  await loseDisk('worker-3')
  await client.again()
  checkEqual('NARs lost with worker 3', forget('worker-3').nars, 0)

  step('the last one leaves: not before another worker has it all')
  const [drained] = mirror.told('drain', 'worker-1')
  check(!drained.removable && drained.lone_shards.length > 0, `worker 1 is called removable: ${JSON.stringify(drained)}`)
  checkEqual('lone shards that nobody can copy', drained.lone_unassigned, drained.lone_shards.length)
  check(/could hold a copy/.test(mirror.coordinator('workers').stdout), 'workers does not say what is missing')
  mirror.startWorker(4)
  await until('worker 1 is removable', WORK_TIMEOUT_MS, () => workerNamed('worker-1').removable)
  const successor = workerNamed('worker-4')
  check(successor.copies_whole > 0 && successor.copies_whole === successor.copies, `worker 4: ${JSON.stringify(successor)}`)
  await until('the gateway from afar has dialled worker 4 again, which was not there when it was started', WORK_TIMEOUT_MS, async () => {
    await client.check()
    return fs.readFileSync(mirror.programs.get('far-gateway').logFile, 'utf8').includes(`peer 127.0.0.1:${ports[4]}: connected`)
  })
  await loseDisk('worker-1')
  await client.again()
  checkEqual('NARs lost with worker 1', forget('worker-1').nars, 0)
  await client.again()
  await client.stop()
  checkEqual('paths that the client saw', client.seen.size, client.paths.length)
  checkEqual('what the gateway from afar has', await compareWithUpstream(far, expected), result)
  const verified = mirror.run('hyp', 'verify', `hyper://${mirror.key}`, '--trusted-public-keys', channel.info.public_key,
    '--drives', path.join(mirror.dir, 'index/drives'), '--drives', path.join(mirror.dir, 'worker-4/copies'))
  checkEqual(`hyp verify of the copies: ${verified.stdout.slice(-800)}${verified.stderr.slice(-800)}`, verified.status, 0)
  checkEqual('NARs that are stored', mirror.status().releases[0].nars.stored, mirror.status().releases[0].nars.total)
})
