// hyp reading from afar: the other side is today's JavaScript stack over TCP, and all that hyp is given is the
// key and an address. What it copies, follows and re-seeds is held against what JavaScript put in.
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import readline from 'node:readline'

import { check, checkEqual, generate, scratch } from '../../interop/js/lib.mjs'
import { closed, dial, modernJudge, serve, within } from '../../interop/js/replication_lib.mjs'

const { Corestore, Hyperdrive, SecretStream } = await modernJudge()
const root = scratch()
const hypProgram = path.join(process.env.HNX_BIN_DIR, 'hyp')
const SECONDS = 60

// A mirror as a JavaScript program would hold it: an index and a shard in one store.
class Origin {
  async open (name) {
    this.store = new Corestore(path.join(root, name))
    this.index = new Hyperdrive(this.store.namespace('index'))
    this.shard = new Hyperdrive(this.store.namespace('shard'))
    await Promise.all([this.index.ready(), this.shard.ready()])
    this.shardId = this.shard.id
    this.nars = new Map()
    await this.index.put('/nix-cache-info', Buffer.from('StoreDir: /nix/store\n'))
    await this.index.put('/run', Buffer.from('#!/bin/sh\n'), { executable: true })
    await this.shard.getBlobs()
    await this.index.put('/mirror.json', Buffer.from(JSON.stringify({
      formatVersion: 1,
      upstream: 'https://cache.example.org',
      publicKeys: [],
      shards: [{
        id: this.shardId,
        key: this.shard.key.toString('hex'),
        contentKey: this.shard.blobs.core.key.toString('hex'),
        length: 1,
        bytes: 0
      }],
      predecessor: null,
      successor: null,
      oldestVersionServed: 0
    })))
    return this
  }

  async addNar (file, seed, size) {
    const bytes = generate(seed, size)
    await this.shard.put(`/nar/${file}`, bytes)
    await this.index.symlink(`/nar/${file}`, `../../${this.shardId}/nar/${file}`)
    this.nars.set(file, bytes)
  }

  get key () { return `hyper://${this.index.key.toString('hex')}` }

  async listen () {
    this.server = await serve(SecretStream, this.store)
    this.peer = ['--peer', this.server.address, '--timeout', '20s']
  }

  async close () {
    await this.server.close()
    await this.index.close()
    await this.shard.close()
    await this.store.close()
  }
}

const running = new Set()
process.on('exit', () => { for (const child of running) child.kill('SIGKILL') })

function start (words, environment = {}) {
  const child = spawn(hypProgram, words,
    { env: { ...process.env, HNX_SWARM: 'off', HNX_DATA: path.join(root, 'data'), ...environment } })
  running.add(child)
  const done = { child, out: [], err: '' }
  done.ended = new Promise(resolve => child.on('close', (code, signal) => {
    running.delete(child)
    done.status = code ?? signal
    for (const look of watchers.splice(0)) look()
    resolve(done)
  }))
  const pieces = []
  child.stdout.on('data', piece => pieces.push(piece))
  Object.defineProperty(done, 'bytes', { get: () => Buffer.concat(pieces) })
  child.stderr.on('data', piece => { done.err += piece })
  const watchers = []
  readline.createInterface({ input: child.stdout }).on('line', line => {
    done.out.push(line)
    for (const look of watchers.splice(0)) look()
  })
  // The first line that is an object of which `wanted` is true.
  done.line = (what, wanted) => within(SECONDS, `${what} (stderr: ${done.err})`, new Promise((resolve, reject) => {
    const look = () => {
      const found = done.out.map(line => JSON.parse(line)).find(wanted)
      if (found) resolve(found)
      else if (done.status !== undefined) reject(new Error(`${what}: hyp ended with ${done.status}: ${done.err}`))
      else watchers.push(look)
    }
    look()
  }))
  done.stop = async () => {
    child.kill('SIGTERM')
    return within(SECONDS, 'hyp ends after SIGTERM', done.ended)
  }
  return done
}

const run = (words, environment) => within(SECONDS, `hyp ${words.join(' ')}`, start(words, environment).ended)

async function must (words, environment) {
  const done = await run(words, environment)
  check(done.status === 0, `hyp ${words.join(' ')}: status ${done.status}: ${done.err}`)
  return done
}

const filesBelow = folder => fs.readdirSync(folder, { recursive: true, withFileTypes: true })
  .filter(entry => !entry.isDirectory()).map(entry => path.relative(folder, path.join(entry.path, entry.name))).sort()

function checkFolder (origin, folder, what) {
  for (const [file, bytes] of origin.nars) {
    const there = fs.readFileSync(path.join(folder, origin.index.id, 'nar', file))
    check(there.equals(bytes), `${what}: bytes of ${file} through its link`)
  }
  checkEqual(filesBelow(path.join(folder, origin.shardId)), [...origin.nars.keys()].map(file => `nar/${file}`).sort(),
    `${what}: files of the shard`)
}

const tests = {}

tests['ls, cat, get, info and shards know nothing but the key and an address'] = async origin => {
  const listed = await must(['ls', `${origin.key}`, ...origin.peer])
  checkEqual(listed.out.sort(), ['/mirror.json', '/nix-cache-info', '/run', ...[...origin.nars.keys()].map(f => `/nar/${f}`)].sort(), 'ls')
  const long = await must(['ls', '--json', `${origin.key}/nar`, ...origin.peer])
  checkEqual(long.out.map(line => JSON.parse(line)).map(({ path, size, shard }) => [path, size, shard]).sort(),
    [...origin.nars].map(([file, bytes]) => [`/nar/${file}`, bytes.length, origin.shardId]).sort(), 'ls --json')
  const [file, bytes] = [...origin.nars].at(-1)
  check((await must(['cat', `${origin.key}/nar/${file}`, ...origin.peer])).bytes.equals(bytes), 'cat')
  await must(['get', origin.key, path.join(root, 'got'), ...origin.peer])
  check(fs.readFileSync(path.join(root, 'got/nar', file)).equals(bytes), 'get')
  check(fs.statSync(path.join(root, 'got/run')).mode & 0o100, 'get keeps what is executable')
  const info = JSON.parse((await must(['info', '--json', origin.key, ...origin.peer])).out[0])
  checkEqual([info.key, info.mirror.shards[0].id], [origin.index.key.toString('hex'), origin.shardId], 'info')
  checkEqual((await must(['shards', origin.key, ...origin.peer])).out, [origin.shardId], 'shards')
}

tests['what was fetched is there when nobody answers any more'] = async origin => {
  const [file, bytes] = [...origin.nars].at(-1)
  const gone = ['--peer', '127.0.0.1:1', '--timeout', '1s']
  const cat = await must(['cat', `${origin.key}/nar/${file}`, ...gone])
  check(cat.bytes.equals(bytes), 'cat of what was fetched')
  check(/nobody who has the drive/.test(cat.err), `a warning: ${cat.err}`)
}

tests['nobody is there: said within the time, with exit code 4'] = async origin => {
  const before = Date.now()
  const done = await run(['ls', 'hyper://' + 'ab'.repeat(32), '--peer', '127.0.0.1:1', '--timeout', '1s'])
  checkEqual(done.status, 4, `exit code (${done.err})`)
  check(/nobody who has the drive .* answered within .*127.0.0.1:1/.test(done.err), done.err)
  check(Date.now() - before < 10_000, 'in time')
  const unknown = await run(['cat', 'hyper://' + 'ab'.repeat(32) + '/x', ...origin.peer.slice(0, 2), '--timeout', '1s'])
  checkEqual(unknown.status, 4, 'a peer that does not have it')
}

tests['mirror: whole, then nothing more to fetch, then what is new'] = async origin => {
  const folder = path.join(root, 'mirror')
  const words = ['mirror', origin.key, folder, '--json', ...origin.peer]
  const first = JSON.parse((await must(words)).out[0])
  checkFolder(origin, folder, 'first run')
  checkEqual(first.files, 3 + 2 * origin.nars.size, 'files of the first run')
  const second = JSON.parse((await must(words)).out[0])
  checkEqual([second.files, second.bytes, second.unchanged], [0, 0, first.files], 'second run')
  await origin.addNar('new.nar', 99, 300_000)
  const third = JSON.parse((await must(words)).out[0])
  checkEqual([third.files, third.unchanged], [2, first.files], 'third run')
  fs.renameSync(folder, `${folder}-moved`)
  checkFolder(origin, `${folder}-moved`, 'moved')
}

tests['mirror: killed again and again, it goes on'] = async origin => {
  const folder = path.join(root, 'killed')
  const words = ['mirror', origin.key, folder, '--json', '--threads', '1', ...origin.peer]
  let kills = 0
  let done
  do {
    done = await run(words, { HNX_CRASH_AT: 'hyp.mirror.file_written:3' })
  } while (done.status === 'SIGKILL' && ++kills < 50)
  checkEqual(done.status, 0, `the last run (${done.err})`)
  check(kills >= 2, 'it was killed at least twice')
  check(JSON.parse(done.out[0]).files < 8, 'the last run had little left to do')
  checkFolder(origin, folder, 'after the kills')
}

tests['mirror --follow sees what is added, while connected'] = async origin => {
  const folder = path.join(root, 'followed')
  const following = start(['mirror', origin.key, folder, '--follow', '--json', ...origin.peer])
  const { version } = await following.line('first report', () => true)
  await origin.addNar('live.nar', 123, 400_000)
  await following.line('report of what was added', line => line.version > version &&
    fs.existsSync(path.join(folder, origin.index.id, 'nar/live.nar')))
  checkFolder(origin, folder, 'followed')
  checkEqual((await following.stop()).status, 0, `ends well after SIGTERM (${following.err})`)
}

tests['a hostile drive leads nowhere'] = async () => {
  const hostile = await new Origin().open('hostile')
  await hostile.index.put('/good', Buffer.from('good'))
  const { value } = await hostile.index.entry('/good')
  const put = (name, entry) => hostile.index.db.put(Buffer.from(`files\0${name}`), entry, { keyEncoding: 'binary' })
  const outside = path.join(root, 'outside')
  for (const name of ['/../../evil', '/../evil', 'evil', '//evil', `/..${outside}`, '/a/../../../evil', '/a\0b', '/.', '/..', '/a//b', '/a/', '',
    `/${'n'.repeat(300)}`, '/a\\..\\..\\evil']) {
    await put(name, value)
  }
  await hostile.index.symlink('/nar/up', '../../../outside')
  await hostile.index.symlink('/nar/absolute', outside)
  await hostile.index.symlink('/here', '../../outside')
  // Blobs that lie beyond the content, and that claim more bytes than they have.
  await put('/beyond', { ...value, blob: { blockOffset: 9999, blockLength: 1, byteOffset: 99999999, byteLength: 5 } })
  await put('/more', { ...value, blob: { ...value.blob, byteLength: 1 << 30 } })
  await hostile.listen()
  const folder = path.join(root, 'hostile-target')
  const done = await run(['mirror', hostile.key, folder, '--json', ...hostile.peer.slice(0, 2), '--timeout', '3s'])
  checkEqual(done.status, 3, `left out in part (${done.err} ${done.out})`)
  const beside = fs.readdirSync(root).filter(name => name.includes('evil'))
  checkEqual([beside, fs.existsSync(outside)], [[], false], 'nothing outside')
  checkEqual(fs.readdirSync(folder).sort(), ['.hyp', hostile.index.id].sort(), 'in the folder; the shard is empty')
  checkEqual(filesBelow(path.join(folder, hostile.index.id)), ['good', 'mirror.json', 'nix-cache-info', 'run'], 'of the index')
  for (const command of ['ls', 'get']) {
    const other = await run([command, hostile.key, ...(command === 'get' ? [path.join(root, 'hostile-got')] : []),
      ...hostile.peer.slice(0, 2), '--timeout', '3s'])
    check([0, 1, 3, 4].includes(other.status), `${command}: status ${other.status}`)
  }
  checkEqual(fs.readdirSync(root).filter(name => name.includes('evil')), [], 'nothing outside after get')
  await hostile.close()
}

tests['get follows no link that lies in its folder, and leaves what is in the way'] = async () => {
  const drive = await new Origin().open('confined')
  for (const name of ['/plain/file', '/link/file', '/deep/er/file', '/taken', '/linked-file']) await drive.index.put(name, Buffer.from(name))
  await drive.listen()
  const outside = path.join(root, 'confined-outside')
  const folder = path.join(root, 'confined-got')
  for (const made of [outside, folder, path.join(folder, 'deep'), path.join(folder, 'taken')]) fs.mkdirSync(made)
  fs.writeFileSync(path.join(outside, 'secret'), 'untouched')
  fs.symlinkSync(outside, path.join(folder, 'link'))
  fs.symlinkSync(outside, path.join(folder, 'deep', 'er'))
  fs.symlinkSync(path.join(outside, 'secret'), path.join(folder, 'linked-file'))
  const got = await run(['get', drive.key, folder, ...drive.peer])
  checkEqual(got.status, 3, `left out in part: ${got.err}`)
  checkEqual(fs.readdirSync(outside), ['secret'], 'nothing was written outside')
  checkEqual(fs.readFileSync(path.join(outside, 'secret'), 'utf8'), 'untouched', 'nor through a link')
  for (const name of ['/link/file', '/deep/er/file', '/taken']) check(got.err.includes(`left out: ${folder}${name}: `), `${name} is named: ${got.err}`)
  checkEqual(filesBelow(folder), ['deep/er', 'link', 'linked-file', 'mirror.json', 'nix-cache-info', 'plain/file', 'run'], 'what is there')
  checkEqual(fs.readFileSync(path.join(folder, 'linked-file'), 'utf8'), '/linked-file', 'a link gave way to the file of its name')
  // The folder that the user names may be a link: that is the user's own.
  const named = path.join(root, 'confined-named')
  fs.symlinkSync(outside, named)
  await must(['get', `${drive.key}/plain`, named, ...drive.peer])
  checkEqual(fs.readFileSync(path.join(outside, 'file'), 'utf8'), '/plain/file', 'into the folder that the link names')
  await drive.close()
}

tests['mirror --store: what was copied is served afterwards, without the origin'] = async () => {
  const origin = await new Origin().open('stored')
  await origin.addNar('first.nar', 5, 400_000)
  await origin.addNar('second.nar', 6, 1_200_000)
  await origin.listen()
  const store = path.join(root, 'kept')
  await must(['mirror', origin.key, path.join(root, 'stored-copy'), '--store', store, '--json', ...origin.peer])
  await origin.close()
  const again = path.join(root, 'stored-again')
  const seed = start(['seed', origin.key, '--sparse', '--data', store, '--listen', '127.0.0.1:0', '--json'])
  const { listening: [address] } = await seed.line('address', line => line.listening)
  // The shard is served once the seeder has read the index's list.
  await must(['mirror', origin.key, again, '--json', '--peer', address, '--timeout', '20s'])
  checkFolder(origin, again, 'from the store')
  const taken = await run(['mirror', origin.key, path.join(root, 'stored-third'), '--store', store, '--peer', address])
  check(taken.status === 1 && /another hyp uses it/.test(taken.err), `the store is in use: ${taken.status} ${taken.err}`)
  checkEqual((await seed.stop()).status, 0, `ends well after SIGTERM (${seed.err})`)
  const local = await run(['mirror', origin.key, path.join(root, 'stored-local'), '--store', store, '--drives', path.join(store, 'drives')])
  check(local.status === 2 && /--store keeps what comes from peers/.test(local.err), `from a folder: ${local.status} ${local.err}`)
}

tests['seed: what the origin gave, JavaScript gets from it after the origin has gone'] = async origin => {
  const data = path.join(root, 'seed')
  const seed = start(['seed', origin.key, '--json', '--listen', '127.0.0.1:0', '--data', data, ...origin.peer])
  const { listening } = await seed.line('address', line => line.listening)
  const keyOf = drive => drive.key.toString('hex')
  for (const drive of [origin.index, origin.shard]) {
    await seed.line(`${keyOf(drive)} is whole`, line => line.drive === keyOf(drive) && line.state === 'whole' && line.version >= drive.core.length)
  }
  await origin.addNar('while-seeding.nar', 77, 500_000)
  for (const drive of [origin.index, origin.shard]) {
    await seed.line(`${keyOf(drive)} is whole again`, line => line.drive === keyOf(drive) && line.state === 'whole' && line.version >= drive.core.length)
  }
  const keys = [origin.index.key, origin.shard.key]
  await origin.close()

  const store = new Corestore(path.join(root, 'theirs'))
  const stream = dial(SecretStream, store, Number(listening[0].split(':').pop()))
  const [index, shard] = keys.map(key => new Hyperdrive(store.session ? store.session() : store, key))
  for (const drive of [index, shard]) {
    await drive.ready()
    await within(SECONDS, 'update', drive.update({ wait: true }))
  }
  for (const [file, bytes] of origin.nars) {
    const entry = await within(SECONDS, `entry of ${file}`, index.entry(`/nar/${file}`))
    checkEqual(entry.value.linkname, `../../${origin.shardId}/nar/${file}`, 'link')
    const there = await within(SECONDS, `get ${file}`, shard.get(`/nar/${file}`))
    check(Buffer.from(there ?? '').equals(bytes), `bytes of ${file} from the seeder`)
  }
  await closed(stream)
  await index.close()
  await shard.close()
  await store.close()
  checkEqual((await seed.stop()).status, 0, `seed ends well (${seed.err})`)
}

const origin = await new Origin().open('origin')
for (let i = 0; i < 12; i++) await origin.addNar(`file-${i}.nar`, i + 1, i * 41_000 + 5)
await origin.listen()
const only = process.argv[2]
for (const [name, body] of Object.entries(tests)) {
  if (only && !name.includes(only)) continue
  const before = Date.now()
  await body(origin)
  console.log(`ok: ${name} (${Date.now() - before} ms)`)
}
process.exit(0)
