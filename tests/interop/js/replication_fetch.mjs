// Today's JavaScript stack serves, we download: whole, in parts, live, again; from JavaScript that
// has only parts, from several at once, and from one that dies in the middle of a block.
import path from 'node:path'
import net from 'node:net'
import { check, checkEqual, fnv1a, generate, scratch } from './lib.mjs'
import { Peer, closed, dial, modernJudge, serve, watchProofs, within } from './replication_lib.mjs'

const { Corestore, Hyperdrive, SecretStream } = await modernJudge()
const root = scratch()
const problems = []
const files = new Map()

const store = new Corestore(path.join(root, 'theirs'))
const drive = new Hyperdrive(store)
await drive.ready()
const blobs = await drive.getBlobs()
watchProofs(drive.core, problems)
watchProofs(blobs.core, problems)
const dbKey = drive.key.toString('hex')
const blobsKey = blobs.core.key.toString('hex')

async function put (count, sizeOf) {
  for (let i = 0; i < count; i++) {
    const name = `/file-${String(files.size).padStart(4, '0')}`
    const content = generate(files.size + 1, sizeOf(i))
    await drive.put(name, content)
    files.set(name, fnv1a(content))
  }
}

const sumOf = async (core, index) => {
  const block = await core.get(index)
  return `${block.byteLength} ${fnv1a(block)}`
}

async function checkSums (peer, folder, what) {
  checkEqual(JSON.parse(await peer.do('sums', dbKey, folder)), Object.fromEntries([...files].sort()), what)
}

await put(30, i => i * 41_000 % 500_000)
const server = await serve(SecretStream, store)

console.log('the whole drive, then what is added, live')
const ours = path.join(root, 'ours')
let peer = new Peer()
await peer.do('replica', dbKey, ours, 'follow')
await peer.do('replica', blobsKey, ours, 'follow')
await peer.do('select', dbKey, 0, 'head')
await peer.do('select', blobsKey, 0, 'head')
await within(10, 'dial', peer.do('dial', server.address))
await within(20, 'head', peer.do('wait', blobsKey, blobs.core.length))
await within(20, 'db head', peer.do('wait', dbKey, drive.core.length))
const whole = async () => {
  await within(30, 'head of db', peer.do('wait', dbKey, drive.core.length))
  await within(30, 'head of blobs', peer.do('wait', blobsKey, blobs.core.length))
  await within(30, 'blocks of db', peer.do('have', dbKey, 0, drive.core.length))
  await within(30, 'blocks of blobs', peer.do('have', blobsKey, 0, blobs.core.length))
}
await whole()
await checkSums(peer, ours, 'whole drive')
await put(5, i => 100_000 + i)
await whole()
await checkSums(peer, ours, 'grown drive')
await peer.close()

console.log('a returning client gets only what is new')
await put(4, i => 70_000 + i)
peer = new Peer()
await peer.do('replica', dbKey, ours, 'follow')
await peer.do('replica', blobsKey, ours, 'follow')
await peer.do('select', dbKey, 0, 'head')
await peer.do('select', blobsKey, 0, 'head')
await peer.do('dial', server.address)
await whole()
await checkSums(peer, ours, 'after coming back')
check((await peer.stats()).cores[blobsKey].received < 20, 'only new blocks came')
await peer.close()

console.log('single blocks of a sparse core, in random order')
peer = new Peer()
await peer.do('replica', blobsKey, path.join(root, 'sparse'))
await peer.do('dial', server.address)
const wanted = [3, 0, blobs.core.length - 1, 17, 40, 17]
for (const index of wanted) {
  checkEqual(await within(20, `block ${index}`, peer.do('fetch', blobsKey, index)), await sumOf(blobs.core, index), `block ${index}`)
}
check((await peer.stats()).cores[blobsKey].received === new Set(wanted).size, 'nothing else came')
await peer.close()

console.log('a drive read from afar: what is looked at comes, nothing else')
peer = new Peer()
await peer.do('remote', dbKey, path.join(root, 'remote'), server.address)
checkEqual(await within(20, 'version', peer.do('remote-wait', drive.core.length)), String(drive.core.length), 'version')
checkEqual(JSON.parse(await within(20, 'list', peer.do('remote-list', '/'))), [...files.keys()], 'list from afar')
for (const [name, offset, length] of [['/file-0007', 0, 287_000], ['/file-0011', 65_536, 100_000], ['/file-0011', 70_001, 9], ['/file-0012', 491_999, 1]]) {
  const content = (await drive.get(name)).subarray(offset, offset + length)
  checkEqual(await within(20, name, peer.do('remote-cat', name, offset, length)), `${content.byteLength} ${fnv1a(content)}`, `${length} bytes of ${name} at ${offset}`)
}
const partly = Number(await peer.do('remote-received'))
check(partly > 0 && partly < 20, `few blocks of content came: ${partly}`)
await peer.close()

console.log('from JavaScript that has only parts: bitfields')
const partStore = new Corestore(path.join(root, 'part'))
const part = partStore.get({ key: blobs.core.key })
await part.ready()
const feed = dial(SecretStream, partStore, Number(server.address.split(':')[1]))
await within(20, 'update', part.update({ wait: true }))
for (const index of [2, 5, 6, 7, 33]) await within(20, 'part', part.get(index))
await closed(feed)
const partServer = await serve(SecretStream, partStore)
peer = new Peer()
await peer.do('replica', blobsKey, path.join(root, 'from-part'))
await peer.do('dial', partServer.address)
for (const index of [33, 6, 2]) {
  checkEqual(await within(20, `block ${index} of a part`, peer.do('fetch', blobsKey, index)), await sumOf(blobs.core, index), `block ${index} of a part`)
}

console.log('we serve what we have of it: JavaScript learns it from our bitfield')
const oursPort = await peer.listen()
const thirdStore = new Corestore(path.join(root, 'third'))
const third = thirdStore.get({ key: blobs.core.key })
await third.ready()
watchProofs(third, problems)
const thirdStream = dial(SecretStream, thirdStore, oursPort)
await within(20, 'update from our part', third.update({ wait: true }))
for (const index of [6, 33, 2]) {
  checkEqual(fnv1a(await within(20, `block ${index} from our part`, third.get(index))), Number((await sumOf(blobs.core, index)).split(' ')[1]), `block ${index} from our part`)
}
const missing = await third.get(9, { timeout: 500 }).then(() => 'came', () => 'did not come')
checkEqual(missing, 'did not come', 'a block that we lack')
await closed(thirdStream)
await thirdStore.close()

console.log('a full one joins: the rest comes from it, and reaches whoever waits for it')
await peer.do('select', blobsKey, 0, blobs.core.length)
await peer.do('dial', server.address)
await within(30, 'rest', peer.event(new RegExp(`complete ${blobsKey}`)))
await peer.close()

console.log('a peer that dies in the middle of a block')
// Passes so many bytes from the server on, then ends.
const proxy = net.createServer(client => {
  const upstream = net.connect(Number(server.address.split(':')[1]), '127.0.0.1')
  let left = 4_000_000 // JavaScript answers many requests in one frame
  client.on('error', () => {}).pipe(upstream)
  upstream.on('error', () => {}).on('data', data => {
    if (data.byteLength < left) client.write(data)
    else if (left > 0) {
      client.end(data.subarray(0, left))
      upstream.destroy()
    }
    left -= data.byteLength
  })
})
await new Promise(resolve => proxy.listen(0, '127.0.0.1', resolve))
peer = new Peer()
const dying = path.join(root, 'dying')
await peer.do('replica', blobsKey, dying)
await peer.do('select', blobsKey, 0, blobs.core.length)
await peer.do('dial', `127.0.0.1:${proxy.address().port}`)
await within(20, 'end of the stream', peer.event(/^ended/))
const had = (await peer.stats()).cores[blobsKey].received
check(had > 0 && had < blobs.core.length, `a part came: ${had}`)
await peer.do('dial', server.address)
await within(30, 'rest after a death', peer.event(new RegExp(`complete ${blobsKey}`)))
check((await peer.stats()).cores[blobsKey].received === blobs.core.length, 'no block came twice')
await peer.close()
proxy.close()

console.log('two at once share the work')
peer = new Peer()
await peer.do('replica', blobsKey, path.join(root, 'two'))
const second = await serve(SecretStream, store)
await peer.do('dial', server.address)
await peer.do('dial', second.address)
await peer.do('select', blobsKey, 0, blobs.core.length)
await within(30, 'two at once', peer.event(new RegExp(`complete ${blobsKey}`)))
checkEqual((await peer.stats()).cores[blobsKey].peers, 2, 'peers')
await peer.close()

checkEqual(problems, [], 'problems that JavaScript had with us')
await partServer.close()
await second.close()
await server.close()
await partStore.close()
await drive.close()
await store.close()
console.log('done')
