// hyp export writes stores that today's JavaScript stack opens: corestore 7 reads every file of them,
// serves them to others, who verify what they get; more is added later; what is damaged, sparse or
// somebody else's is told.
import { spawn, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import hypercoreId from 'hypercore-id-encoding'
import { check, checkEqual, copyStore, generate, scratch, tool } from './lib.mjs'
import { closed, dial, modernJudge, serve, watchProofs, within } from './replication_lib.mjs'

const { Corestore, Hyperdrive, SecretStream } = await modernJudge()
const root = scratch()
const PRIMARY_KEY = '07'.repeat(32)
const FILES = 10_000
const SECONDS = 120

// ---- our side ----

class Drive {
  constructor (folder) {
    this.folder = folder
    this.files = new Map()
    fs.mkdirSync(folder, { recursive: true })
    tool(folder, [`create ${PRIMARY_KEY}`])
    const [key, content] = tool(folder, ['open', 'head'])[0].split(' ')
    this.key = key
    this.contentKey = content
    this.id = hypercoreId.encode(Buffer.from(key, 'hex'))
    // Where --drives finds it.
    this.drives = folder + '.drives'
    fs.mkdirSync(this.drives)
    fs.symlinkSync(folder, path.join(this.drives, this.id))
  }

  put (batch) {
    const script = ['open']
    for (const [name, file] of batch) {
      script.push(`${file.size > 200_000 ? 'stream' : 'put'} ${name} ${file.seed} ${file.size}`)
      this.files.set(name, file)
    }
    tool(this.folder, [...script, 'commit'])
  }

  // The same drive, its folder copied.
  copy (name) {
    const twin = Object.create(Drive.prototype, Object.getOwnPropertyDescriptors(this))
    twin.folder = path.join(root, name)
    twin.files = new Map(this.files)
    twin.drives = twin.folder + '.drives'
    copyStore(this.folder, twin.folder)
    fs.mkdirSync(twin.drives)
    fs.symlinkSync(twin.folder, path.join(twin.drives, this.id))
    return twin
  }

  dataFile (key) {
    const name = fs.readdirSync(path.join(this.folder, 'cores'), { recursive: true })
      .map(entry => path.join(this.folder, 'cores', entry))
      .filter(file => path.basename(file) === 'oplog' && fs.readFileSync(file).includes(Buffer.from(key, 'hex')))
    check(name.length === 1, `one core has the key ${key}`)
    return path.join(path.dirname(name[0]), 'data')
  }
}

const batchOf = (drive, prefix, count, sizeOf) =>
  Array.from({ length: count }, (_, i) => [`/${prefix}/${i}.bin`, { seed: drive.files.size + i + 1, size: sizeOf(i) }])

function hyp (words, environment = {}) {
  const run = spawnSync(path.join(process.env.HNX_BIN_DIR, 'hyp'), words,
    { encoding: 'utf8', env: { ...process.env, HNX_SWARM: 'off', ...environment }, maxBuffer: 1 << 28 })
  return { status: run.status ?? run.signal, out: run.stdout, err: run.stderr }
}

function exportTo (drive, store, { words = [], environment } = {}) {
  return hyp(['export', `hyper://${drive.key}`, '--rocksdb', store, '--drives', drive.drives, '--json', ...words], environment)
}

function mustExport (drive, store, options) {
  const run = exportTo(drive, store, options)
  check(run.status === 0, `hyp export: ${run.status}: ${run.err}${run.out}`)
  return JSON.parse(run.out)
}

// ---- JavaScript's side ----

async function withStore (folder, options, use) {
  const store = new Corestore(folder, options)
  await store.ready()
  try {
    return await use(store)
  } finally {
    await store.close()
  }
}

const withDrive = (folder, options, key, use) => withStore(folder, options, async store => {
  const drive = new Hyperdrive(store, Buffer.from(key, 'hex'))
  await drive.ready()
  await drive.getBlobs()
  try {
    return await use(drive, store)
  } finally {
    await drive.close()
  }
})

// Every file, or every so many'th.
async function checkWhole (drive, files, what, step = 1) {
  const listed = []
  for await (const entry of drive.list('/')) listed.push(entry.key)
  checkEqual(listed.sort(), [...files.keys()].sort(), `${what}: list`)
  for (const [name, file] of [...files].filter((_, i) => i % step === 0)) {
    const content = await within(SECONDS, `${what}: get ${name}`, drive.get(name, { wait: false }))
    check(content !== null && Buffer.from(content).equals(generate(file.seed, file.size)), `${what}: bytes of ${name}`)
  }
}

async function checkSound (drive, what) {
  for (const core of [drive.core, drive.blobs.core]) {
    const stats = await core.core.audit({ dryRun: true })
    checkEqual([stats.droppedTreeNodes, stats.droppedBlocks, stats.droppedBits, stats.corrupt], [0, 0, 0, false],
      `${what}: JavaScript's audit`)
    check(stats.blocks > 0 && stats.treeNodes > 0, `${what}: the audit saw something`)
    check(!core.writable, `${what}: nobody can write`)
  }
}

// Blocks that are here, told by JavaScript.
async function blocksHere (drive) {
  let count = 0
  for (const core of [drive.core, drive.blobs.core]) {
    for (let i = 0; i < core.length; i++) if (await core.has(i)) count++
  }
  return count
}

const blocksOf = drive => drive.core.length + drive.blobs.core.length

// A second JavaScript peer gets everything from the store, and verifies it.
async function checkServes (folder, drive, what, step) {
  await withDrive(folder, {}, drive.key, async (served, store) => {
    const server = await serve(SecretStream, store)
    const problems = []
    await withStore(path.join(root, `${what}-peer`), {}, async peerStore => {
      const peer = new Hyperdrive(peerStore, Buffer.from(drive.key, 'hex'))
      await peer.ready()
      watchProofs(peer.core, problems)
      const stream = dial(SecretStream, peerStore, Number(server.address.split(':')[1]))
      await within(SECONDS, `${what}: a peer hears of the head`, peer.update({ wait: true }))
      watchProofs((await peer.getBlobs()).core, problems)
      for (const core of [peer.core, peer.blobs.core]) {
        await within(SECONDS, `${what}: a peer downloads all`, core.download({ start: 0, end: core.length }).done())
      }
      await checkWhole(peer, drive.files, `${what}: at the peer`, step)
      await closed(stream)
      await peer.close()
    })
    checkEqual(problems, [], `${what}: problems that the peer had with our records`)
    await server.close()
  })
}

const bytesIn = folder => fs.readdirSync(folder, { recursive: true, withFileTypes: true })
  .filter(entry => entry.isFile()).map(entry => fs.readFileSync(path.join(entry.parentPath ?? entry.path, entry.name)))
const namesIn = folder => fs.readdirSync(folder, { recursive: true }).sort()

// ---- the tests ----

const small = new Drive(path.join(root, 'small'))
small.put(batchOf(small, 'a', 30, i => i * 9973 % 200_000))

const tests = {}

tests[`a drive with ${FILES} files: JavaScript reads all of them, and what is added later`] = async () => {
  const drive = new Drive(path.join(root, 'many'))
  for (let i = 0; i < 10; i++) {
    drive.put(batchOf(drive, `part${i}`, FILES / 10, n => n % 200 === 0 ? n * 1500 + 1 : n * 37 % 3000))
  }
  const store = path.join(root, 'many-store')
  const report = mustExport(drive, store)
  checkEqual(report.drives[0].blocksWritten, report.drives[0].blocks, 'all blocks are written')
  await withDrive(store, { readOnly: true }, drive.key, async opened => {
    check(opened.core.length === FILES + 1, `an entry a file, and the header: ${opened.core.length}`)
    await checkWhole(opened, drive.files, 'read-only')
  })
  const again = mustExport(drive, store)
  checkEqual(again.drives[0].blocksWritten, 0, 'nothing is new')

  const more = batchOf(drive, 'more', 50, n => n * 5000)
  drive.put(more)
  const added = mustExport(drive, store)
  const blocks = more.length + more.reduce((sum, [, file]) => sum + Math.ceil(file.size / 65536), 0)
  checkEqual(added.drives[0].blocksWritten, blocks, 'what is new is written, and no more')
  await withDrive(store, { readOnly: true }, drive.key, async opened => {
    await checkWhole(opened, drive.files, 'after it grew', 7)
    await checkSound(opened, 'after it grew')
  })
  await checkServes(store, drive, 'many', 7)
}

tests['no secret key is in the store, and JavaScript finds the drive without being told its key'] = async () => {
  const store = path.join(root, 'secrets-store')
  mustExport(small, store)
  const [secret] = bytesIn(path.join(small.folder, 'cores')).map(bytes => {
    // Of an oplog's header: length 64, seed, public key.
    const at = bytes.indexOf(Buffer.from('b5106fa59a4a50f9', 'hex'))
    return at < 0 ? null : bytes.subarray(at, at + 32)
  }).filter(found => found !== null)
  check(secret !== undefined, 'the drive of ours has a secret key')
  for (const bytes of bytesIn(store)) {
    check(!bytes.includes(secret), 'the secret key is not exported')
    check(!bytes.includes(Buffer.from(PRIMARY_KEY, 'hex')), 'the primary key is not exported')
  }
  await withStore(store, { readOnly: true }, async opened => {
    const known = await opened.storage.getDefaultDiscoveryKey()
    const core = opened.get({ discoveryKey: known })
    await core.ready()
    checkEqual(core.key.toString('hex'), small.key, 'the core that the store names')
    check(!core.writable, 'it is not writable')
    await core.close()
  })
}

tests['a store that JavaScript had open for writing is added to, or refused with the reason'] = async () => {
  const drive = small.copy('touched')
  const store = path.join(root, 'touched-store')
  mustExport(drive, store)
  await withDrive(store, {}, drive.key, opened => checkWhole(opened, drive.files, 'opened for writing'))
  drive.put(batchOf(drive, 'b', 5, i => i * 1000 + 1))
  mustExport(drive, store)
  await withDrive(store, {}, drive.key, opened => checkWhole(opened, drive.files, 'after the second export'))
  // A core of JavaScript's own, in its table format.
  await withStore(store, {}, async opened => {
    const core = opened.get({ name: 'own' })
    await core.append('block')
    await core.close()
    await opened.storage.flush()
  })
  drive.put(batchOf(drive, 'c', 5, i => i * 1000 + 1))
  const refused = exportTo(drive, store)
  check(refused.status === 1 && /newer RocksDB.*export into a new folder/.test(refused.err), `refused: ${refused.status} ${refused.err}`)
  await withDrive(store, {}, drive.key, opened => checkWhole(opened,
    new Map([...drive.files].filter(([name]) => !name.startsWith('/c/'))), 'what was there is still there'))
}

tests['while JavaScript has the store open, an export says so'] = async () => {
  const store = path.join(root, 'open-store')
  mustExport(small, store)
  await withStore(store, {}, async () => {
    const refused = exportTo(small, store)
    check(refused.status === 1 && /another process has it open/.test(refused.err), `refused: ${refused.status} ${refused.err}`)
  })
  mustExport(small, store)
}

tests['a drive that a process is writing is not exported: its tail might still be cut off'] = async () => {
  const writer = spawn(path.join(process.env.HNX_BIN_DIR, 'drive_tool'), [small.folder], { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = new Promise(resolve => writer.on('close', resolve))
  writer.stdin.write('open\nhead\n')
  await within(SECONDS, 'the writer has the drive', new Promise(resolve => writer.stdout.once('data', resolve)))
  const store = path.join(root, 'written-store')
  const refused = exportTo(small, store)
  check(refused.status === 1 && /a process is writing it now/.test(refused.err), `refused: ${refused.status} ${refused.err}`)
  check(!fs.existsSync(store), 'and nothing was made')
  writer.stdin.end()
  await within(SECONDS, 'the writer ends', ended)
  mustExport(small, store)
}

tests['an export that is killed leaves what JavaScript opens, and goes on'] = async () => {
  const drive = new Drive(path.join(root, 'big'))
  // More than two write buffers: the first is on the disk before the third is begun.
  drive.put(batchOf(drive, 'big', 30, i => 5_000_000 + i))
  drive.put(batchOf(drive, 'after', 300, i => i * 100))
  const log = path.join(root, 'crashes')
  const store = path.join(root, 'killed-store')
  const seen = new Set()
  for (const point of ['export.after_batch:1', 'export.after_batch:7', 'export.before_flush', 'export.after_batch:2', 'export.after_batch:9']) {
    const killed = exportTo(drive, store, { environment: { HNX_CRASH_AT: point, HNX_CRASH_LOG: log } })
    check(killed.status === 'SIGKILL', `killed at ${point}: ${killed.status} ${killed.err}`)
    const copy = path.join(root, 'killed-copy')
    copyStore(store, copy)
    await withStore(copy, { allowBackup: true }, async opened => {
      if (await opened.storage.getDefaultDiscoveryKey() === null) return
      // What there is of the cores is sound, whichever there are.
      for await (const discoveryKey of opened.list()) {
        const core = opened.get({ discoveryKey })
        await core.ready()
        const stats = await core.core.audit({ dryRun: true })
        checkEqual([stats.droppedTreeNodes, stats.droppedBlocks, stats.droppedBits, stats.corrupt], [0, 0, 0, false],
          `killed at ${point}: JavaScript's audit`)
        seen.add(stats.blocks)
        await core.close()
      }
    })
  }
  check([...seen].some(blocks => blocks > 500), `the killed exports left a part: ${[...seen]}`)
  const report = mustExport(drive, store)
  check(report.drives[0].blocksWritten < report.drives[0].blocks, `it went on: ${report.drives[0].blocksWritten} of ${report.drives[0].blocks}`)
  await withDrive(store, { readOnly: true }, drive.key, async opened => {
    await checkWhole(opened, drive.files, 'after all')
    await checkSound(opened, 'after all')
  })
}

tests['what a sparse copy lacks is lacking in the store, and peers of the store get the rest'] = async () => {
  const drive = small.copy('sparse')
  const gone = ['/a/7.bin', '/a/8.bin', '/a/20.bin']
  tool(drive.folder, ['open', ...gone.map(name => `clear ${name}`)])
  const store = path.join(root, 'sparse-store')
  const report = mustExport(drive, store)
  const missing = gone.reduce((sum, name) => sum + Math.ceil(drive.files.get(name).size / 65536), 0)
  checkEqual(report.drives[0].blocksNotHere, missing, 'blocks that are not here')
  for (const name of gone) drive.files.delete(name)
  await withDrive(store, { readOnly: true }, drive.key, async opened => {
    checkEqual(await blocksHere(opened), blocksOf(opened) - missing, 'blocks in the store')
    for (const [name, file] of drive.files) {
      check(Buffer.from(await opened.get(name, { wait: false })).equals(generate(file.seed, file.size)), `bytes of ${name}`)
    }
    await checkSound(opened, 'sparse')
  })
  // The whole copy fills the store.
  checkEqual(mustExport(small, store).drives[0].blocksWritten, missing, 'what was missing is added')
  await withDrive(store, { readOnly: true }, drive.key, opened => checkWhole(opened, small.files, 'filled'))
}

tests['a damaged block is named with its file, and all else is exported'] = async () => {
  const drive = small.copy('damaged')
  const data = drive.dataFile(drive.contentKey)
  const bytes = fs.readFileSync(data)
  const file = drive.files.get('/a/9.bin')
  const at = bytes.indexOf(generate(file.seed, file.size))
  check(at >= 0, 'the content of the file is found')
  bytes[at + 10] ^= 1
  fs.writeFileSync(data, bytes)
  const store = path.join(root, 'damaged-store')
  const run = exportTo(drive, store)
  const report = JSON.parse(run.out)
  check(run.status === 1 && report.findingsTotal === 1, `one finding: ${run.out}`)
  check(report.findings[0].includes(drive.id) && report.findings[0].includes(`data at byte ${at}:`) &&
    report.findings[0].endsWith('part of /a/9.bin'), `it is named: ${report.findings[0]}`)
  drive.files.delete('/a/9.bin')
  await withDrive(store, { readOnly: true }, drive.key, async opened => {
    checkEqual(await blocksHere(opened), blocksOf(opened) - 1, 'all blocks but one')
    for (const [name, { seed, size }] of drive.files) {
      check(Buffer.from(await opened.get(name, { wait: false })).equals(generate(seed, size)), `bytes of ${name}`)
    }
  })
}

tests['a folder that holds something else is refused and left alone'] = async () => {
  const js = path.join(root, 'js-store')
  await withStore(js, {}, async store => {
    const drive = new Hyperdrive(store)
    await drive.put('/file', 'of JavaScript')
    await drive.close()
  })
  const text = path.join(root, 'text')
  fs.mkdirSync(text)
  fs.writeFileSync(path.join(text, 'notes.txt'), 'mine')
  for (const folder of [js, text, small.folder]) {
    const before = namesIn(folder)
    const run = exportTo(small, folder)
    check(run.status === 1 && /which no export made; give the export a new or empty folder/.test(run.err), `${folder}: ${run.status} ${run.err}`)
    checkEqual(namesIn(folder), before, `${folder} is left alone`)
  }
  const other = hyp(['create', 'drive', '--drives', path.join(root, 'others'), '--json'])
  const { key } = JSON.parse(other.out)
  const store = path.join(root, 'owned-store')
  mustExport(small, store)
  const run = hyp(['export', `hyper://${key}`, '--rocksdb', store, '--drives', path.join(root, 'others')])
  check(run.status === 1 && /is the export of hyper:\/\//.test(run.err), `another drive's export: ${run.err}`)
}

tests['a mirror goes into one store with its shards; one that is not there is told'] = async () => {
  const drives = path.join(root, 'mirror-drives')
  const made = () => JSON.parse(hyp(['create', 'drive', '--drives', drives, '--json']).out)
  const index = made()
  const shards = [made(), made()]
  const file = path.join(root, 'file')
  const put = (key, name, bytes) => {
    fs.writeFileSync(file, bytes)
    const run = hyp(['put', file, `hyper://${key}${name}`, '--drives', drives])
    check(run.status === 0, `hyp put: ${run.err}`)
  }
  const contents = shards.map((shard, i) => {
    const bytes = generate(i + 77, 150_000)
    put(shard.key, '/nar/file.nar.xz', bytes)
    return bytes
  })
  const listed = shards.map(({ id, key }) => ({ id, key, contentKey: key, length: 2, bytes: 150_000 }))
  put(index.key, '/mirror.json', JSON.stringify({
    formatVersion: 1,
    upstream: 'https://cache.example.org',
    publicKeys: [],
    shards: listed,
    predecessor: null,
    successor: null,
    oldestVersionServed: 0
  }))
  const store = path.join(root, 'mirror-store')
  const report = mustExport({ key: index.key, drives }, store)
  checkEqual(report.drives.map(({ id, shard }) => [id, shard]).sort(),
    [[index.id, false], ...shards.map(({ id }) => [id, true])].sort(), 'drives in the store')
  for (const [i, shard] of shards.entries()) {
    await withDrive(store, { readOnly: true }, shard.key, async opened => {
      check(Buffer.from(await opened.get('/nar/file.nar.xz', { wait: false })).equals(contents[i]), `NAR of shard ${i}`)
    })
  }
  await withDrive(store, { readOnly: true }, index.key, async opened => {
    checkEqual(JSON.parse(Buffer.from(await opened.get('/mirror.json', { wait: false }))).shards, listed, 'mirror.json')
  })
  const fewer = exportTo({ key: index.key, drives }, path.join(root, 'index-store'), { words: ['--without-shards'] })
  checkEqual([fewer.status, JSON.parse(fewer.out).drives.length], [0, 1], 'the index alone')
  fs.renameSync(path.join(drives, shards[1].id), path.join(root, 'away'))
  const part = exportTo({ key: index.key, drives }, store)
  checkEqual([part.status, JSON.parse(part.out).missingShards], [3, [shards[1].id]], 'the shard that is not there')
}

for (const [name, test] of Object.entries(tests)) {
  const begun = process.hrtime.bigint()
  await test()
  console.log(`${name}: ${(Number(process.hrtime.bigint() - begun) / 1e9).toFixed(1)} s`)
}
console.log('done')
