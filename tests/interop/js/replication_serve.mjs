// We serve, today's JavaScript stack downloads: a whole drive with nothing but its key, again after
// it grew, while it grows, in parts, by seek; and what is not here is refused.
import fs from 'node:fs'
import path from 'node:path'
import { check, checkEqual, generate, scratch, tool } from './lib.mjs'
import { Peer, closed, dial, modernJudge, serve, watchProofs, within } from './replication_lib.mjs'

const { Corestore, Hyperdrive, SecretStream } = await modernJudge()
const root = scratch()
const ours = path.join(root, 'ours')
fs.mkdirSync(ours)
const files = new Map()

function put (batch) {
  const script = files.size === 0 ? [`create ${'07'.repeat(32)}`] : ['open']
  for (const [name, file] of batch) {
    script.push(`${file.size > 200000 ? 'stream' : 'put'} ${name} ${file.seed} ${file.size}`)
    files.set(name, file)
  }
  tool(ours, [...script, 'commit'])
}

const batchOf = (prefix, count, sizeOf) =>
  Array.from({ length: count }, (_, i) => [`/${prefix}/${i}.bin`, { seed: files.size + i + 1, size: sizeOf(i) }])

put(batchOf('first', 40, i => i * 37_000 % 700_000 + 1))
const peer = new Peer()
const port = await peer.listen()
const [key] = (await peer.do('drive', ours)).split(' ')
const problems = []

async function withDrive (name, use) {
  const store = new Corestore(path.join(root, name))
  const drive = new Hyperdrive(store, Buffer.from(key, 'hex'))
  await drive.ready()
  watchProofs(drive.core, problems)
  const stream = dial(SecretStream, store, port)
  try {
    return await use(drive, stream)
  } finally {
    await closed(stream)
    await drive.close()
    await store.close()
    checkEqual(problems, [], 'problems that JavaScript had with our answers')
  }
}

async function checkWhole (drive, what) {
  const listed = []
  for await (const entry of drive.list('/')) listed.push(entry.key)
  checkEqual(listed.sort(), [...files.keys()].sort(), `${what}: list`)
  for (const [name, file] of files) {
    const content = await within(30, `${what}: get ${name}`, drive.get(name))
    check(Buffer.from(content ?? '').equals(generate(file.seed, file.size)), `${what}: bytes of ${name}`)
  }
}

async function download (drive) {
  const work = drive.download('/')
  const running = await work
  if (running && running.done) await running.done()
}

console.log('a fresh client gets the whole drive by its key')
await within(60, 'fresh client', withDrive('theirs', async drive => {
  await drive.update({ wait: true })
  await download(drive)
  await checkWhole(drive, 'fresh')
}))

console.log('a returning client gets what was added')
put(batchOf('second', 15, i => 90_000 + i))
await peer.do('refresh', key)
await within(60, 'returning client', withDrive('theirs', async drive => {
  await drive.update({ wait: true })
  await download(drive)
  await checkWhole(drive, 'returning')
}))

console.log('a connected client follows growth')
await within(60, 'growth', withDrive('theirs', async drive => {
  await drive.update({ wait: true })
  const before = drive.core.length
  const grown = new Promise(resolve => drive.core.on('append', () => {
    if (drive.core.length > before) resolve()
  }))
  put(batchOf('third', 5, i => 200_000 + i))
  await peer.do('refresh', key)
  await within(20, 'append event', grown)
  await download(drive)
  await checkWhole(drive, 'grown')
}))

console.log('one file of a fresh client, nothing else')
await within(60, 'single file', withDrive('sparse', async drive => {
  await drive.update({ wait: true })
  const content = await drive.get('/first/7.bin')
  check(content.equals(generate(files.get('/first/7.bin').seed, files.get('/first/7.bin').size)), 'single file')
  const blobs = await drive.getBlobs()
  check(blobs.core.contiguousLength < blobs.core.length, 'the rest was not downloaded')
}))

console.log('seek in a sparse core')
await within(60, 'seek', withDrive('seek', async drive => {
  await drive.update({ wait: true })
  const blobs = await drive.getBlobs()
  watchProofs(blobs.core, problems)
  await blobs.core.update({ wait: true })
  const offset = Math.floor(blobs.core.byteLength / 2)
  const [block, relative] = await blobs.core.seek(offset)
  const all = []
  for (let i = 0; i < block; i++) all.push((await blobs.core.get(i)).byteLength)
  checkEqual(all.reduce((a, b) => a + b, 0) + relative, offset, 'seek')
}))

console.log('a core that is not here is refused, and the stream goes on')
await within(60, 'unknown core', withDrive('unknown', async (drive, stream) => {
  await drive.update({ wait: true })
  const other = new Hyperdrive(drive.corestore.namespace('other'), Buffer.alloc(32, 9))
  await other.ready()
  check((await drive.get('/first/7.bin')) !== null, 'the known drive works beside the unknown one')
  check(other.core.length === 0, 'nothing came of the unknown one')
  check(!stream.destroyed, 'the stream lives')
}))

console.log('two hundred connections at once, each with the core open')
await within(120, 'two hundred', (async () => {
  const many = new Corestore(path.join(root, 'many'))
  const drive = new Hyperdrive(many, Buffer.from(key, 'hex'))
  await drive.ready()
  watchProofs(drive.core, problems)
  const streams = []
  const all = new Promise(resolve => drive.core.on('peer-add', () => {
    if (drive.core.peers.length === 200) resolve()
  }))
  for (let i = 0; i < 200; i++) streams.push(dial(SecretStream, many, port))
  await all
  await drive.update({ wait: true })
  await download(drive)
  await checkWhole(drive, 'over two hundred')
  check((await peer.stats()).cores[key].peers >= 200, 'two hundred peers are counted')
  await Promise.all(streams.map(closed))
  await drive.close()
  await many.close()
  checkEqual(problems, [], 'problems that JavaScript had with our answers')
})())

console.log('JavaScript seeds on what it got from us')
{
  const store = new Corestore(path.join(root, 'theirs'))
  const drive = new Hyperdrive(store, Buffer.from(key, 'hex'))
  await drive.ready()
  await drive.getBlobs()
  const server = await serve(SecretStream, store)
  const second = new Corestore(path.join(root, 'second'))
  const copy = new Hyperdrive(second, Buffer.from(key, 'hex'))
  await copy.ready()
  const stream = dial(SecretStream, second, Number(server.address.split(':')[1]))
  await within(60, 're-seed', (async () => {
    await copy.update({ wait: true })
    await download(copy)
    await checkWhole(copy, 're-seeded')
  })())
  await closed(stream)
  await copy.close()
  await second.close()
  await server.close()
  await drive.close()
  await store.close()
}

await peer.close()
console.log('done')
