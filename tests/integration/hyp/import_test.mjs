// hyp import: whole drives from JavaScript and from our own seeder into the files that hyp, the gateway and
// JavaScript's corestore 6 read; and from there on into a store of corestore 7.
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import readline from 'node:readline'

import { check, checkEqual, generate, judge, openStore, scratch } from '../../interop/js/lib.mjs'
import { closed, dial, modernJudge, serve, within } from '../../interop/js/replication_lib.mjs'

const { Corestore, Hyperdrive, SecretStream } = await modernJudge()
const old = await judge()
const root = scratch()
const SECONDS = 120

const running = new Set()
process.on('exit', () => { for (const child of running) child.kill('SIGKILL') })

function start (words, environment = {}) {
  const child = spawn(path.join(process.env.HNX_BIN_DIR, 'hyp'), words,
    { env: { ...process.env, HNX_SWARM: 'off', HNX_DATA: path.join(root, 'data'), ...environment } })
  running.add(child)
  const run = { child, out: '', err: '', lines: [], watchers: new Set() }
  child.stdout.on('data', piece => { run.out += piece })
  child.stderr.on('data', piece => { run.err += piece })
  const look = () => { for (const watcher of run.watchers) watcher() }
  for (const stream of [child.stdout, child.stderr]) {
    readline.createInterface({ input: stream }).on('line', line => {
      run.lines.push(line)
      look()
    })
  }
  run.ended = new Promise(resolve => child.on('close', (code, signal) => {
    running.delete(child)
    run.status = code ?? signal
    look()
    resolve(run)
  }))
  run.line = (what, wanted) => within(SECONDS, what, new Promise((resolve, reject) => {
    const watcher = () => {
      const found = run.lines.find(wanted)
      if (found !== undefined) resolve(found)
      else if (run.status !== undefined) reject(new Error(`${what}: hyp ended with ${run.status}: ${run.err}`))
      else return
      run.watchers.delete(watcher)
    }
    run.watchers.add(watcher)
    watcher()
  }))
  return run
}

const hyp = words => within(SECONDS, `hyp ${words.join(' ')}`, start(words).ended)

async function must (words) {
  const run = await hyp(words)
  check(run.status === 0, `hyp ${words.join(' ')}: ${run.status}: ${run.err}${run.out}`)
  return run
}

const importOf = async (key, folder, words) => JSON.parse((await must(['import', key, folder, '--json', '--timeout', '60s', ...words])).out)

class Origin {
  async open (name) {
    this.store = new Corestore(path.join(root, name))
    this.drive = new Hyperdrive(this.store)
    await this.drive.ready()
    this.files = new Map()
    this.server = await serve(SecretStream, this.store)
    this.peer = ['--peer', this.server.address]
    return this
  }

  async put (name, seed, size) {
    await this.drive.put(name, generate(seed, size))
    this.files.set(name, { seed, size })
  }

  get key () { return `hyper://${this.drive.key.toString('hex')}` }
  get id () { return this.drive.id }

  async close () {
    await this.server.close()
    await this.drive.close()
    await this.store.close()
  }
}

async function checkFiles (drive, files, what) {
  const listed = []
  for await (const entry of drive.list('/')) listed.push(entry.key)
  checkEqual(listed.sort(), [...files.keys()].sort(), `${what}: list`)
  for (const [name, { seed, size }] of files) {
    const content = await within(SECONDS, `${what}: get ${name}`, drive.get(name, { wait: false }))
    check(content !== null && Buffer.from(content).equals(generate(seed, size)), `${what}: bytes of ${name}`)
  }
}

// By corestore 6, with nobody to ask.
async function checkWithOldStack (folder, key, files) {
  const store = openStore(old.Corestore, folder)
  const drive = new old.Hyperdrive(store, Buffer.from(key.slice('hyper://'.length), 'hex'))
  await drive.ready()
  checkEqual(`hyper://${drive.key.toString('hex')}`, key, 'the same key')
  check(!drive.core.writable, 'it is nobody\'s to write')
  await checkFiles(drive, files, 'corestore 6')
  await drive.close()
  await store.close()
}

const tests = {}

tests['a drive of JavaScript is imported whole, read by all, exported, and grows'] = async () => {
  const origin = await new Origin().open('origin')
  for (let i = 0; i < 60; i++) await origin.put(`/folder/${i}`, i + 1, i * 7919 % 300_000)
  const drives = path.join(root, 'imported')
  const first = await importOf(origin.key, drives, origin.peer)
  checkEqual(first.drives.map(({ id, version, whole }) => [id, version, whole]), [[origin.id, 61, true]], 'what was imported')
  await must(['verify', origin.key, '--drives', drives])
  await checkWithOldStack(path.join(drives, origin.id), origin.key, origin.files)

  for (let i = 60; i < 70; i++) await origin.put(`/folder/${i}`, i + 1, 100_000)
  const second = await importOf(origin.key, drives, origin.peer)
  checkEqual(second.drives.map(({ version, whole }) => [version, whole]), [[71, true]], 'what was added')
  check(second.drives[0].bytesFetched < 1_200_000, `only that was fetched: ${second.drives[0].bytesFetched}`)
  await must(['verify', origin.key, '--drives', drives])
  await checkWithOldStack(path.join(drives, origin.id), origin.key, origin.files)
  const third = await importOf(origin.key, drives, origin.peer)
  checkEqual(third.drives[0].bytesFetched, 0, 'nothing new')

  const exported = path.join(root, 'exported')
  await must(['export', origin.key, '--rocksdb', exported, '--drives', drives])
  await origin.close()
  const store = new Corestore(exported)
  const drive = new Hyperdrive(store, Buffer.from(origin.key.slice('hyper://'.length), 'hex'))
  await drive.ready()
  await checkFiles(drive, origin.files, 'corestore 7 on the export of the import')
  // And back: our import from that store.
  const server = await serve(SecretStream, store)
  const back = path.join(root, 'back')
  await importOf(origin.key, back, ['--peer', server.address])
  await checkWithOldStack(path.join(back, origin.id), origin.key, origin.files)
  await server.close()
  await drive.close()
  await store.close()
}

tests['an import that is killed goes on where it was, from our own seeder'] = async () => {
  const origin = await new Origin().open('big-origin')
  for (let i = 0; i < 30; i++) await origin.put(`/big/${i}`, i + 1, 2_000_000 + i)
  const data = path.join(root, 'seed-data')
  const whole = await importOf(origin.key, path.join(data, 'drives'), origin.peer)
  await origin.close()
  const seeder = start(['seed', origin.key, '--sparse', '--data', data, '--listen', '127.0.0.1:0', '--json'])
  const address = JSON.parse(await seeder.line('the seeder listens', line => line.includes('listening'))).listening[0]
  const words = ['import', origin.key, path.join(root, 'killed'), '--json', '--timeout', '60s', '--peer', address]
  // At most 8 MiB of the 60 MB go into one commit, and each of the two cores has one for its head.
  for (const point of ['replica.after_data_sync:6', 'hypercore.after_oplog_sync:2']) {
    const killed = await within(SECONDS, point, start(words, { HNX_CRASH_AT: point, HNX_CRASH_LOG: path.join(root, 'crashes') }).ended)
    check(killed.status === 'SIGKILL', `killed at ${point}: ${killed.status} ${killed.err}`)
  }
  const rest = await importOf(origin.key, path.join(root, 'killed'), ['--peer', address])
  check(rest.drives[0].whole && rest.drives[0].bytesFetched < whole.drives[0].bytesFetched,
    `only the rest was fetched: ${rest.drives[0].bytesFetched} of ${whole.drives[0].bytesFetched}`)
  await must(['verify', origin.key, '--drives', path.join(root, 'killed')])
  await checkWithOldStack(path.join(root, 'killed', origin.id), origin.key, origin.files)
  seeder.child.kill('SIGTERM')
  await within(SECONDS, 'the seeder ends', seeder.ended)
}

tests['of a mirror, the shards come too, those that are added later with the next import'] = async () => {
  const store = new Corestore(path.join(root, 'mirror'))
  const index = new Hyperdrive(store.namespace('index'))
  await index.ready()
  const server = await serve(SecretStream, store)
  const shards = []
  const addShard = async () => {
    const shard = new Hyperdrive(store.namespace(`shard${shards.length}`))
    await shard.put('/nar/file.nar.xz', generate(shards.length + 5, 500_000))
    shards.push(shard)
    await index.put('/mirror.json', JSON.stringify({
      formatVersion: 1,
      upstream: 'https://cache.example.org',
      publicKeys: [],
      shards: shards.map(one => ({
        id: one.id, key: one.key.toString('hex'), contentKey: one.blobs.core.key.toString('hex'), length: 2, bytes: 500_000
      })),
      predecessor: null,
      successor: null,
      oldestVersionServed: 0
    }))
  }
  const key = `hyper://${index.key.toString('hex')}`
  const folder = path.join(root, 'imported-mirror')
  for (const count of [2, 3]) {
    while (shards.length < count) await addShard()
    const report = await importOf(key, folder, ['--peer', server.address])
    checkEqual(report.drives.map(({ id, shard, whole }) => [id, shard, whole]).sort(),
      [[index.id, false, true], ...shards.map(({ id }) => [id, true, true])].sort(), 'drives')
    await must(['verify', key, '--drives', folder])
  }
  await server.close()
  await index.close()
  for (const shard of shards) await shard.close()
  await store.close()
}

tests['what its owner deleted is not waited for; a file that nobody has is told'] = async () => {
  const origin = await new Origin().open('deleting')
  for (let i = 0; i < 10; i++) await origin.put(`/${i}`, i + 1, 200_000)
  await origin.drive.clear('/3')
  await origin.drive.del('/3')
  origin.files.delete('/3')
  const folder = path.join(root, 'deleted')
  const report = await importOf(origin.key, folder, origin.peer)
  checkEqual([report.drives[0].whole, report.missing], [false, []], 'all files, not all blocks')
  await checkWithOldStack(path.join(folder, origin.id), origin.key, origin.files)

  await origin.drive.clear('/5')
  const part = await hyp(['import', origin.key, path.join(root, 'part'), ...origin.peer, '--timeout', '2s', '--json'])
  check(part.status === 3, `done in part: ${part.status} ${part.err}`)
  const { missing } = JSON.parse(part.out)
  check(missing.length === 1 && missing[0].includes(origin.id) && missing[0].includes('/5'), `what is missing: ${missing}`)
  await origin.close()
}

// Whose key is the public key itself, and whose manifest is of the version before today's.
for (const [name, options] of Object.entries({ compat: {}, 'version 0': { compat: false, manifestVersion: 0 } })) {
  tests[`a drive of yesterday's JavaScript (${name}) comes over to today's, and is served by it`] = async () => {
    const folder = suffix => path.join(root, `yesterday-${name}-${suffix}`)
    const store = new old.Corestore(folder('origin'), options)
    const drive = new old.Hyperdrive(store)
    const files = new Map()
    for (let i = 0; i < 10; i++) {
      await drive.put(`/${i}`, generate(i, i * 30_000))
      files.set(`/${i}`, { seed: i, size: i * 30_000 })
    }
    const key = `hyper://${drive.key.toString('hex')}`
    const server = await serve(SecretStream, store)
    const report = await importOf(key, folder('imported'), ['--peer', server.address])
    check(report.drives[0].whole, `all of it is here: ${JSON.stringify(report)}`)
    await server.close()
    await drive.close()
    await store.close()

    await must(['export', key, '--rocksdb', folder('exported'), '--drives', folder('imported')])
    const today = new Corestore(folder('exported'))
    const opened = new Hyperdrive(today, drive.key)
    await opened.ready()
    await checkFiles(opened, files, 'corestore 7')
    const again = await serve(SecretStream, today)
    const peerStore = new Corestore(folder('peer'))
    const peer = new Hyperdrive(peerStore, drive.key)
    await peer.ready()
    const stream = dial(SecretStream, peerStore, Number(again.address.split(':')[1]))
    await within(SECONDS, 'a peer of the export hears of its head', peer.update({ wait: true }))
    for (const [file, { seed, size }] of files) {
      const content = await within(SECONDS, `${file} from the export`, peer.get(file))
      check(Buffer.from(content).equals(generate(seed, size)), `${file} at a peer of the export`)
    }
    await closed(stream)
    await peer.close()
    await peerStore.close()
    await again.close()
    await opened.close()
    await today.close()
  }
}

tests['nobody there, a wrong address, a drive of one\'s own'] = async () => {
  const key = `hyper://${'ab'.repeat(32)}`
  const nobody = await hyp(['import', key, path.join(root, 'none'), '--peer', '127.0.0.1:1', '--timeout', '1s'])
  check(nobody.status === 4 && /nobody who has the drive/.test(nobody.err), `nobody: ${nobody.status} ${nobody.err}`)
  for (const words of [[`${key}/file`, 'x', '--peer', '127.0.0.1:1'], [key, 'x'], ['hyper://short', 'x', '--peer', '127.0.0.1:1']]) {
    const run = await hyp(['import', ...words])
    check(run.status === 2, `wrong use: ${words}: ${run.status} ${run.err}`)
  }
  const drives = path.join(root, 'own')
  const { address } = JSON.parse((await must(['create', 'drive', '--drives', drives, '--json'])).out)
  const own = await hyp(['import', address, drives, '--peer', '127.0.0.1:1', '--timeout', '1s'])
  check(own.status === 1 && /secret key/.test(own.err), `one's own: ${own.status} ${own.err}`)
}

for (const [name, test] of Object.entries(tests)) {
  const begun = process.hrtime.bigint()
  await test()
  console.log(`${name}: ${(Number(process.hrtime.bigint() - begun) / 1e9).toFixed(1)} s`)
}
console.log('done')
