// Whole hyperdrives through the bridge: stock hyperdrive 13 on the swarm, corestore 7 in the place of C++.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import test from 'node:test'

import { BackEndStandIn } from './back_end_stand_in.mjs'
import { judges, next, Stage, within } from './words.mjs'

const Corestore = judges('corestore-7')
const Hyperdrive = judges('hyperdrive-13')

const FILE_SIZES = [0, 1, 65_536, 65_537, 1_000_000, 4_000_000]
const DOWNLOAD_MS_MAX = 60_000

async function stage (t) {
  const s = new Stage(t)
  await s.dht()
  s.backEnd = await BackEndStandIn.listen(s.file('c++.sock'))
  s.onClose(() => s.backEnd.kill())
  await s.bridge(['--socket', s.file('c++.sock')])
  return s
}

async function openStore (s, name) {
  const store = new Corestore(s.file(name))
  await store.ready()
  s.onClose(() => store.close())
  return store
}

async function filledDrive (store) {
  const drive = new Hyperdrive(store)
  await drive.ready()
  const files = new Map()
  for (const [index, size] of FILE_SIZES.entries()) {
    files.set(`/nar/${index}.nar`, randomBytes(size))
    await drive.put(`/nar/${index}.nar`, files.get(`/nar/${index}.nar`))
  }
  return { drive, files }
}

async function assertGets (drive, files) {
  await within(drive.core.update({ wait: true }), 'the first head', DOWNLOAD_MS_MAX)
  for (const [name, bytes] of files) {
    const found = await within(drive.get(name), name, DOWNLOAD_MS_MAX)
    assert.ok(found?.equals(bytes), `${name}, ${bytes.length} bytes, is the same`)
  }
}

test('a drive of the back end is downloaded by a stock client that knows its key', async (t) => {
  const s = await stage(t)
  const { drive, files } = await filledDrive(await openStore(s, 'origin'))
  s.backEnd.on('peer', (peer) => drive.corestore.replicate(peer))
  const settled = next(s.backEnd, 'state', (state) => state.settled)
  s.backEnd.desire([{ topic: drive.discoveryKey, announce: true }])
  await settled

  const store = await openStore(s, 'client')
  const copy = new Hyperdrive(store, drive.key)
  await copy.ready()
  const swarm = s.swarm()
  swarm.on('connection', (connection) => store.replicate(connection))
  const done = copy.findingPeers()
  swarm.join(copy.discoveryKey, { server: false, client: true })
  swarm.flush().then(done, done)
  await assertGets(copy, files)

  // Growth reaches who is connected.
  const late = randomBytes(100_000)
  const grown = next(copy.core, 'append')
  await drive.put('/late', late)
  await grown
  assert.ok((await within(copy.get('/late'), 'what was added')).equals(late))
})

test('a drive of a stock seeder is looked up and downloaded by the back end', async (t) => {
  const s = await stage(t)
  const { drive, files } = await filledDrive(await openStore(s, 'origin'))
  const swarm = s.swarm()
  swarm.on('connection', (connection) => drive.corestore.replicate(connection))
  await within(swarm.join(drive.discoveryKey, { server: true, client: false }).flushed(), 'announcing')

  const store = await openStore(s, 'back end')
  const copy = new Hyperdrive(store, drive.key)
  await copy.ready()
  s.backEnd.on('peer', (peer) => store.replicate(peer))
  const found = next(s.backEnd, 'peer')
  s.backEnd.desire([{ topic: drive.discoveryKey, lookup: true }])
  await found
  await assertGets(copy, files)
})
