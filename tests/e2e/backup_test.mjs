// What docs/BACKUP.md says, done: the index volume, the newest part of the database, both, and a worker's volume are lost or
// come back as they were some time ago, one after the other, in one mirror with an external PostgreSQL. After each the gateway has
// every narinfo and NAR that was ever published, a real nix substitutes, stock JavaScript peers that held index and shards
// from before see nothing but growth, and upstream is asked for no byte but those of the next release. That a holder brings
// a lost index volume back is in recovery_test.mjs; a lost database with the index in place, and kills, in rescan_test.mjs.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { PostgresServer } from './chaos/replicated_postgres.mjs'
import { Watcher } from './watcher.mjs'
import { DemoChannel, Mirror, SHARED_CHANNELS, check, checkEqual, compareWithUpstream, freePort, step, test, until } from './words.mjs'

const LONG_MS = 120_000
const EXIT_SUPERSEDED = 5

// Keeps what a mirror has shown, and says when something of it is gone or another.
class Witness {
  constructor (scratch, mirror, channel) {
    Object.assign(this, { scratch, mirror, channel, shown: {}, releases: 0, drives: [] })
  }

  // Stock JavaScript peers of the index and of the shards, each at the worker that writes it.
  watch (key, name, ...addresses) {
    this.drives.push(new Watcher(key, path.join(this.scratch, `watcher-${name}`), ...addresses))
    return this.drives.at(-1)
  }

  // All releases so far, through the gateway: {URL: SHA-256}.
  async look () {
    const all = Array.from({ length: this.releases }, (_, n) => this.channel.expected(n + 1))
    for (const { release } of all) await this.mirror.manifest(release)
    return compareWithUpstream(this.mirror, { paths: Object.assign({}, ...all.map(({ paths }) => paths)) })
  }

  async checkNothingIsGone () {
    const found = await this.look()
    for (const [url, sha] of Object.entries(this.shown)) checkEqual(url, found[url], sha)
    for (const drive of this.drives) drive.checkGrowthOnly()
    this.shown = found
  }

  // The real nix, into a store of its own: no cache of what it saw.
  substitute () {
    const [root] = Object.entries(this.channel.expected(this.releases).paths).find(([, entry]) => entry.listed && entry.status === 'published')
    const store = fs.mkdtempSync(path.join(this.scratch, 'nix-'))
    const copied = spawnSync('nix', ['copy', '--from', `http://${this.mirror.gatewayAddress}`, '--to', path.join(store, 'store'), root], {
      encoding: 'utf8',
      env: { ...process.env, HOME: store, XDG_CACHE_HOME: path.join(store, 'cache'), NIX_REMOTE: '',
        NIX_CONFIG: `experimental-features = nix-command\nbuild-users-group =\nsubstituters =\nrequire-sigs = true\ntrusted-public-keys = ${this.channel.info.public_key}` }
    })
    checkEqual(`nix copy: ${copied.stderr.slice(-500)}`, copied.status, 0)
  }

  async stop () {
    for (const drive of this.drives) await drive.stop()
  }
}

// What upstream has sent of NARs: {bytes, urls} of the lines of its log from one on.
function sent (channel, from = 0) {
  const lines = fs.readFileSync(path.join(channel.dir, 'run/nginx.access.log'), 'utf8').split('\n').slice(0, -1)
  const nars = lines.slice(from).map((line) => line.match(/"GET \/cache\/(nar\/[^ "]+) HTTP[^"]*" 20[06] (\d+)/)).filter(Boolean)
  return { lines: lines.length, bytes: nars.reduce((sum, [, , bytes]) => sum + Number(bytes), 0), urls: nars.map(([, url]) => url).sort() }
}

test('backup', async ({ scratch, owns }) => {
  const channel = owns(new DemoChannel(path.join(scratch, 'channel'), SHARED_CHANNELS.small))
  channel.make()
  await channel.serve()
  const postgres = owns(new PostgresServer(path.join(scratch, 'postgres'), '127.0.0.1', await freePort()))
  await postgres.makePrimary()
  const onServer = (program, ...words) => postgres.tool(program, '-h', '127.0.0.1', '-p', String(postgres.port), '-U', 'hnx', ...words)
  await onServer('createdb', 'mirror')
  const database = `postgresql://hnx@127.0.0.1:${postgres.port}/mirror`
  const dump = path.join(postgres.dir, 'mirror.dump')

  const [holder, indexPeers, ...workerPeers] = await Promise.all([1, 2, 3, 4].map(async () => `127.0.0.1:${await freePort()}`))
  const mirror = owns(new Mirror(path.join(scratch, 'mirror'), channel, {
    database,
    workerOptions: (n) => ['--listen-peers', workerPeers[n - 1], '--peer', holder],
    indexOptions: ['--listen-peers', indexPeers]
  }))
  await mirror.start()
  await mirror.programs.get('gateway').stop() // clients have one from afar
  const { address } = await mirror.farGateway(path.join(scratch, 'cache'), [indexPeers, ...workerPeers], '--listen-peers', holder)
  mirror.gatewayAddress = address
  const witness = owns(new Witness(scratch, mirror, channel))
  witness.watch(mirror.key, 'index', holder, indexPeers)
  const [coordinator, index, ...workers] = ['coordinator', 'index', 'worker-1', 'worker-2'].map((name) => mirror.programs.get(name))
  const far = mirror.programs.get('far-gateway')
  const indexVolume = path.join(mirror.dir, 'index')
  const logOf = (program) => fs.readFileSync(program.logFile, 'utf8')

  // Moves the channel on and mirrors it; nothing but what is new in it is asked for.
  const release = async (number) => {
    channel.make('--release', String(number))
    await channel.stop()
    await channel.serve()
    const before = sent(channel).lines
    checkEqual('the exit status of submit --wait', await mirror.submit('--wait'), 0)
    const { urls, bytes } = sent(channel, before)
    const fresh = [...new Set(Object.values(channel.expected(number).paths).filter((entry) => entry.new).map(({ url }) => url))].sort()
    checkEqual(`NARs that release ${number} asked upstream for`, urls, fresh)
    checkEqual('their bytes', bytes, fresh.reduce((sum, url) => sum + channel.file(url).length, 0))
    console.log(`release ${number}: ${urls.length} NARs, ${bytes} bytes from upstream`)
    witness.releases = number
    await witness.checkNothingIsGone()
    return until('the index is written to its end', LONG_MS, () => mirror.status()?.index_length)
  }
  const shards = () => mirror.told('shards').filter(({ role }) => role === 'shard')
  const coordinatorAnswers = () => until('the coordinator answers', LONG_MS, () => mirror.status())
  const emptyDatabase = async () => {
    await onServer('dropdb', '--force', 'mirror')
    await onServer('createdb', 'mirror')
  }
  const rescan = (...words) => {
    const done = mirror.run('coordinator', 'rescan', '--database', database, '--upstream', channel.info.upstream,
      '--trusted-public-keys', channel.info.public_key, '--json', ...words)
    checkEqual(`the exit status of rescan: ${done.stderr}`, done.status, 0)
    return JSON.parse(done.stdout)
  }
  const fromHolder = () => ['--mirror', `hyper://${mirror.key}`, '--peer', holder, '--cache', fs.mkdtempSync(path.join(scratch, 'rescan-'))]
  const startIndex = (...more) => {
    const words = index.words
    index.words = [...words, ...more]
    index.start()
    index.words = words
  }
  // The index worker names the length in its refusal; with the operator's word it goes on.
  const startIndexWithWord = async () => {
    const before = logOf(index).length
    index.start()
    check(await index.ended !== 0, 'the index worker ended as if all were well')
    const [, length] = logOf(index).slice(before).match(/--accept-length (\d+)/) ?? []
    check(length, `it does not say which length: ${index.logTail()}`)
    startIndex('--accept-length', length)
    return Number(length)
  }
  // After a restore, before anything new: nothing is gone, and nothing was asked of upstream for that.
  const restored = async (asked) => {
    await until('every shard is reported by its worker', LONG_MS, () => mirror.status()?.shards.every((shard) => !/unclaimed/.test(shard.worker)))
    await until('the index worker writes', LONG_MS, () => mirror.status()?.index_length > 0)
    await witness.checkNothingIsGone()
    witness.substitute()
    checkEqual('NARs that upstream sent for the restoration', sent(channel, asked.lines).urls, [])
  }

  step('the first release; stock peers hold index and shards')
  const first = await release(1)
  for (const { key, id_z32: id, worker } of shards()) witness.watch(key, id, workerPeers[worker === 'worker-1' ? 0 : 1])
  await until('they have begun', LONG_MS, () => witness.drives.every((drive) => drive.length > 0))

  step('the index volume is lost and nobody holds a copy: it is built again from the publish log')
  let asked = sent(channel)
  await index.stop()
  fs.rmSync(indexVolume, { recursive: true })
  checkEqual('the length that the database knows', mirror.status().index_length, first)
  startIndex('--accept-length', String(first))
  await restored(asked)
  const second = await release(2)
  check(second > first, `the index has length ${second}, it had ${first}`)

  step('from now on the index worker knows the gateway as a holder')
  await index.stop()
  index.words.push('--index-holder', holder)
  index.start()
  const acknowledged = () => until('the gateway has acknowledged the whole index', LONG_MS, () => {
    const status = mirror.status()
    return status?.index_length > 1 && status.index_acknowledged_length === status.index_length && status.index_length
  })
  await acknowledged()

  step('the backup: pg_dump while everything runs; then a third release is published')
  await onServer('pg_dump', '--format=custom', `--file=${dump}`, 'mirror')
  await release(3)
  await acknowledged()

  step('the database is lost; the backup, older than the index, is restored and brought up to it')
  asked = sent(channel)
  await coordinator.stop()
  await index.stop()
  await emptyDatabase()
  await onServer('pg_restore', '--exit-on-error', '--no-owner', '--dbname=mirror', dump)
  const merged = rescan('--merge', '--index', path.join(indexVolume, 'drives', mirror.indexId))
  checkEqual('what the rescan left out', merged.findings.filter(({ kind }) => kind !== 'place'), [])
  coordinator.start()
  await coordinatorAnswers()
  index.start()
  await restored(asked)
  await release(4)

  step('database and index volume are lost: both come back from the holder')
  await acknowledged()
  asked = sent(channel)
  await coordinator.stop()
  await index.stop()
  fs.rmSync(indexVolume, { recursive: true })
  await emptyDatabase()
  checkEqual('what the rescan left out', rescan(...fromHolder()).findings, [])
  coordinator.start()
  await coordinatorAnswers()
  await startIndexWithWord()
  await restored(asked)

  step('one worker alone takes the next two releases; its volume is copied between them')
  await workers[0].stop()
  await release(5)
  await workers[1].stop()
  const volume = path.join(mirror.dir, 'worker-2')
  const copy = path.join(scratch, 'volume')
  fs.cpSync(volume, copy, { recursive: true })
  workers[1].start()
  const [written] = shards().filter(({ worker, state }) => worker === 'worker-2' && state === 'open')
  check(written, 'worker 2 has no shard that it writes')
  const peer = witness.watch(written.key, written.id_z32, workerPeers[1])
  await release(6)
  const lengthOf = () => shards().find(({ key }) => key === written.key).length
  const before = lengthOf()
  check(before > written.length, `its shard did not grow from ${written.length} entries`)
  await until('the JavaScript peer has grown as far', LONG_MS, () => peer.length >= before)

  step('the older copy of its volume is restored: its shards are only read, and what they lack comes from the gateway')
  asked = sent(channel)
  await workers[1].stop()
  fs.rmSync(volume, { recursive: true })
  fs.cpSync(copy, volume, { recursive: true })
  workers[0].start()
  workers[1].start()
  checkEqual('the exit status of an older incarnation', await workers[1].ended, EXIT_SUPERSEDED)
  workers[1].start()
  await until('what was lost lies elsewhere, and /mirror.json says so', LONG_MS, async () => {
    const { shards } = JSON.parse(await mirror.get('/mirror.json'))
    return shards.every(({ id }) => mirror.status()?.shards.some((shard) => shard.id_z32 === id && !shard.lost))
  })
  await restored(asked)
  await release(7)

  step('database, index volume and every holder are lost: a new key names the old one, and no NAR is fetched again')
  asked = sent(channel)
  const old = mirror.key
  const kept = shards().filter(({ state }) => state !== 'lost')
  await coordinator.stop()
  await index.stop()
  await far.stop()
  fs.rmSync(indexVolume, { recursive: true })
  fs.rmSync(path.join(scratch, 'cache'), { recursive: true })
  await emptyDatabase()
  const key = path.join(scratch, 'new.key')
  const made = mirror.run('worker', 'create-index-key', key, '--predecessor', old)
  checkEqual(`worker create-index-key: ${made.stderr}`, made.status, 0)
  coordinator.start()
  await coordinatorAnswers()
  index.words = index.words.map((word) => word === path.join(mirror.dir, 'index.key') ? key : word).filter((word) => word !== '--index-holder' && word !== holder)
  startIndex('--accept-length', '0')
  mirror.key = await until('there is a new index', LONG_MS, () => mirror.status()?.mirror_key)
  check(mirror.key !== old, 'the mirror has the old key')
  mirror.gatewayAddress = (await mirror.farGateway(path.join(scratch, 'cache-2'), [indexPeers, ...workerPeers])).address
  // What workers have not yet said that they hold would be fetched.
  await until('all shards are reported', LONG_MS, () => {
    const reported = new Map(shards().map((shard) => [shard.key, shard.length]))
    return kept.every(({ key: shard, length }) => reported.get(shard) >= length)
  })
  checkEqual('the exit status of submit --wait', await mirror.submit('--wait'), 0)
  const last = channel.expected(7)
  await mirror.manifest(last.release)
  const found = await compareWithUpstream(mirror, last)
  for (const [url, sha] of Object.entries(found)) checkEqual(url, sha, witness.shown[url])
  const { predecessor } = JSON.parse(await mirror.get('/mirror.json'))
  checkEqual('the predecessor in /mirror.json', predecessor, old)
  checkEqual('NARs that upstream sent', sent(channel, asked.lines).urls, [])
  for (const drive of witness.drives) drive.checkGrowthOnly()
  witness.substitute()
})
