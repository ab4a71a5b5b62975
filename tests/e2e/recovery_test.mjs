// The index outlives its disk and its database. Its worker's disk is thrown away and the index comes back from a gateway
// that holds a copy, and the publish log; then the database is a week old; then it is gone. The next release is published
// under the same key each time, and a gateway and a stock JavaScript peer that watch all the while see nothing but growth.
import { spawn, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { Watcher } from './watcher.mjs'
import {
  DemoChannel, Mirror, SHARED_CHANNELS, check, checkEqual, compareWithUpstream, freePort, sha256, step, test, until
} from './words.mjs'

const LONG_MS = 60_000

// `gateway serve` from afar, with a copy of the index.
class FarGateway {
  constructor (words, logFile) {
    this.logFile = logFile
    this.log = fs.openSync(logFile, 'a')
    this.child = spawn(path.join(process.env.HNX_BIN_DIR, 'gateway'), words, { stdio: ['ignore', this.log, this.log] })
    this.ended = new Promise((resolve) => this.child.on('exit', resolve))
  }

  explain () {
    console.error(`---- end of ${this.logFile}\n${fs.readFileSync(this.logFile, 'utf8').slice(-3000)}`)
  }

  async stop () {
    this.child.kill('SIGTERM')
    await this.ended
  }
}

test('recovery', async ({ scratch, owns }) => {
  const channel = owns(new DemoChannel(path.join(scratch, 'channel'), SHARED_CHANNELS.small))
  channel.make()
  await channel.serve()
  const [holder, indexPeers, ...workerPeers] = await Promise.all([1, 2, 3, 4].map(async () => `127.0.0.1:${await freePort()}`))
  const mirror = owns(new Mirror(path.join(scratch, 'mirror'), channel, {
    workerOptions: (n) => ['--listen-peers', workerPeers[n - 1]],
    indexOptions: ['--listen-peers', indexPeers, '--index-holder', holder]
  }))
  await mirror.start()
  await mirror.programs.get('gateway').stop() // what is looked at is the gateway from afar
  const farLog = path.join(scratch, 'far.log')
  owns(new FarGateway(['serve', '--mirror', `hyper://${mirror.key}`, '--cache', path.join(scratch, 'cache'), '--listen', mirror.gatewayAddress,
    '--listen-peers', holder, ...[indexPeers, ...workerPeers].flatMap((address) => ['--peer', address])], farLog))
  const watcher = owns(new Watcher(mirror.key, path.join(scratch, 'watcher'), holder, indexPeers))
  const index = mirror.programs.get('index')
  const coordinator = mirror.programs.get('coordinator')
  const coordinatorData = path.join(mirror.dir, 'coordinator')
  const indexData = path.join(mirror.dir, 'index')

  const acknowledged = () => until('the gateway has acknowledged the whole index', LONG_MS, () => {
    const status = mirror.status()
    return status?.index_length > 1 && status.index_acknowledged_length === status.index_length && status.index_length
  })
  let made = 1
  // Mirrors the release, and looks at what everybody has then. The length of the index.
  const release = async (number) => {
    if (number > made) {
      made = number
      channel.make('--release', String(number))
      await channel.stop()
      await channel.serve()
    }
    checkEqual('the exit status of submit --wait', await mirror.submit('--wait'), 0)
    const length = await acknowledged()
    await until('the JavaScript peer has grown as far', LONG_MS, () => watcher.length >= length)
    watcher.checkGrowthOnly()
    for (let n = 1; n <= number; n++) {
      await mirror.manifest(channel.expected(n).release)
      await compareWithUpstream(mirror, channel.expected(n))
    }
    const files = await watcher.readAll()
    for (const [storePath, entry] of Object.entries(channel.expected(number).paths)) {
      if (entry.status !== 'published') continue
      const url = `${path.basename(storePath).slice(0, 32)}.narinfo`
      checkEqual(`${url} at the JavaScript peer`, files[`/${url}`], sha256(channel.file(url)))
    }
    checkEqual('latest', (await mirror.get(`/channels/${channel.info.channel}/latest`)).toString().trim(), channel.expected(number).release)
    return length
  }
  const loseTheDisk = async () => {
    await index.stop()
    fs.rmSync(indexData, { recursive: true })
  }
  const indexLog = () => fs.readFileSync(index.logFile, 'utf8')
  const coordinatorAnswers = () => until('the coordinator answers', LONG_MS, () => mirror.status())

  step('the first release; a gateway and a JavaScript peer have the index')
  const first = await release(1)
  // With a writer that left, as one is away for long when the backup comes back.
  const backup = path.join(scratch, 'backup')
  await index.stop()
  await coordinator.stop()
  const copyDatabase = (from, to) => checkEqual('cp', spawnSync('cp', ['-a', from, to]).status, 0)
  copyDatabase(coordinatorData, backup)
  coordinator.start()
  await coordinatorAnswers()
  index.start()

  step("the index worker's disk is thrown away: it comes back from the gateway, and goes on")
  await loseTheDisk()
  // Also when it is killed just before what came takes its place.
  index.environment = { HNX_CRASH_AT: 'index.between_renames' }
  index.start()
  checkEqual('how the index worker ended', await index.ended, 'SIGKILL')
  index.environment = {}
  index.start()
  const second = await release(2)
  check(second > first, `the index has length ${second}, it had ${first}`)
  check(/it is fetched from them/.test(indexLog()), 'it was not fetched from its holder')

  step('the disk is lost again, and the database is the one from before the second release')
  await loseTheDisk()
  await coordinator.stop()
  fs.rmSync(coordinatorData, { recursive: true })
  copyDatabase(backup, coordinatorData)
  coordinator.start()
  checkEqual('the length that the older database knows', (await coordinatorAnswers()).index_length, first)
  index.start()
  await until('the older database takes the longer index over', LONG_MS, () => mirror.status()?.index_length >= second)
  const third = await release(2)
  check(third > second, `the index has length ${third}, it had ${second}`)
  check(/asked to take it over as it is/.test(indexLog()), 'the index was not taken over')

  step('the database is gone, too: without the right word nothing begins')
  await loseTheDisk()
  await coordinator.stop()
  fs.rmSync(coordinatorData, { recursive: true })
  coordinator.start()
  await coordinatorAnswers()
  const words = index.words
  for (const word of [[], ['--accept-length', String(third + 1)]]) {
    index.words = [...words, ...word]
    index.start()
    check(await index.ended !== 0, 'the index worker ended as if all were well')
    check(indexLog().includes(`--accept-length ${third}`), 'it does not say which length its holders have')
    checkEqual('the length that the new database knows', mirror.status().index_length, 0)
  }

  step("with the operator's word the new database goes on under the same key")
  index.words = [...words, '--accept-length', String(third)]
  index.start()
  const fourth = await release(2)
  check(fourth > third, `the index has length ${fourth}, it had ${third}`)
  checkEqual("the mirror's key", mirror.status().mirror_key, mirror.key)
  check(!/signed two trees/.test(fs.readFileSync(farLog, 'utf8')), 'the gateway saw a conflict')
  console.log(`lengths of the index: ${[first, second, third, fourth].join(', ')}; the JavaScript peer saw ${watcher.seen.length} growths and no conflict`)
})
