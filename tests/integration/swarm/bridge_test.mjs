// The bridge does what docs/formats/swarm-bridge.md says, between a stock hyperswarm and a stand-in for C++.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import test from 'node:test'

import { BackEndStandIn } from './back_end_stand_in.mjs'
import { next, Stage, within } from './words.mjs'

const MESSAGE_BYTES_MAX = 16_777_198
// So long hyperdht waits for a peer that does not answer.
const DEAD_AFTER_MS = 8_000

async function stage (t, bridgeArgs = []) {
  const stage = new Stage(t)
  await stage.dht()
  stage.backEnd = await BackEndStandIn.listen(stage.file('c++.sock'))
  stage.onClose(() => stage.backEnd.kill())
  stage.bridgeProcess = await stage.bridge(['--socket', stage.file('c++.sock'), ...bridgeArgs])
  return stage
}

// A stock peer that is connected through the bridge, which announces `topic`: both ends.
async function connected (s, topic = randomBytes(32)) {
  const settled = next(s.backEnd, 'state', (state) => state.settled)
  s.backEnd.desire([{ topic, announce: true }])
  await settled
  const swarm = s.swarm()
  const [remote, peer] = [next(swarm, 'connection'), next(s.backEnd, 'peer')]
  swarm.join(topic, { server: false, client: true })
  return { remote: await remote, peer: await peer, swarm, topic }
}

// All that comes until the other side ends.
function collect (stream) {
  const messages = []
  return new Promise((resolve, reject) => {
    stream.on('data', (message) => messages.push(message))
    stream.once('end', () => resolve(Buffer.concat(messages)))
    stream.once('close', () => reject(new Error('closed before its end')))
  })
}

function read (stream, count = 1) {
  const messages = []
  return new Promise((resolve, reject) => {
    stream.on('data', function take (message) {
      messages.push(message)
      if (messages.length < count) return
      stream.off('data', take)
      stream.pause()
      resolve(messages)
    })
    stream.once('close', () => reject(new Error('closed')))
  })
}

test('a stock peer finds an announced topic and talks to the back end', async (t) => {
  const s = await stage(t)
  const { remote, peer, swarm } = await connected(s)
  assert.equal(peer.isInitiator, false, 'the peer dialled')
  assert.deepEqual(peer.handshakeHash, remote.handshakeHash)
  assert.deepEqual(peer.remotePublicKey, swarm.keyPair.publicKey)
  assert.deepEqual(peer.bridgeKey, remote.remotePublicKey)
  assert.match(peer.address, /^\d+\.\d+\.\d+\.\d+:\d+$/)
  remote.write(Buffer.from('from afar'))
  assert.equal(String((await within(read(peer), 'a message to the back end'))[0]), 'from afar')
  peer.write(Buffer.from('from here'))
  assert.equal(String((await within(read(remote), 'a message to the peer'))[0]), 'from here')
})

test('the back end finds a stock peer by a lookup', async (t) => {
  const s = await stage(t)
  const topic = randomBytes(32)
  const server = s.swarm()
  await within(server.join(topic, { server: true, client: false }).flushed(), 'announcing')
  const [remote, peer] = [next(server, 'connection'), next(s.backEnd, 'peer')]
  const settled = next(s.backEnd, 'state', (state) => state.settled && state.connections === 1)
  s.backEnd.desire([{ topic, lookup: true }])
  assert.equal((await peer).isInitiator, true, 'the bridge dialled')
  ;(await peer).write(Buffer.from('hello'))
  assert.equal(String((await within(read(await remote), 'a message'))[0]), 'hello')
  const state = await settled
  assert.deepEqual(state.topics, [{
    topic: topic.toString('hex'), announce: false, lookup: true, announced: false, looked_up: true, peers: 1, connections: 1
  }])
  assert.equal(state.public_key, (await peer).bridgeKey.toString('hex'))
})

test('peers that died without leaving do not hide the one that lives', async (t) => {
  const s = await stage(t)
  const topic = randomBytes(32)
  const announced = (swarm) => within(swarm.join(topic, { server: true, client: false }).flushed(), 'announcing')
  const dead = Array.from({ length: 12 }, () => s.swarm())
  await Promise.all(dead.map(announced))
  await Promise.all(dead.map(({ dht }) => dht.destroy({ force: true })))
  const alive = s.swarm()
  await announced(alive)
  const found = next(s.backEnd, 'peer', ({ remotePublicKey }) => remotePublicKey.equals(alive.keyPair.publicKey), DEAD_AFTER_MS - 1000)
  s.backEnd.desire([{ topic, lookup: true }])
  await found
})

test('messages keep their boundaries, from one byte to the longest, both ways', async (t) => {
  const s = await stage(t)
  const { remote, peer } = await connected(s)
  const sizes = [1, 2, 65_535, 65_536, 65_537, 1, MESSAGE_BYTES_MAX, 3]
  const messages = sizes.map((size) => randomBytes(size))
  for (const [from, to] of [[remote, peer], [peer, remote]]) {
    const arrived = read(to, sizes.length)
    for (const message of messages) from.write(message)
    for (const [index, message] of (await within(arrived, 'all messages', 60_000)).entries()) {
      assert.ok(message.equals(messages[index]), `message ${index} of ${sizes[index]} bytes is the same`)
    }
  }
})

test('keepalives and empty messages are passed on neither way', async (t) => {
  const s = await stage(t)
  const { remote, peer } = await connected(s)
  remote.sendKeepAlive()
  remote.write(Buffer.alloc(0))
  remote.write(Buffer.from('a'))
  assert.equal(String((await within(read(peer), 'a message'))[0]), 'a')
  assert.equal(peer.emptyFrames, 0)
  const lengths = read(remote, 1)
  peer.socket.write(Buffer.alloc(12)) // three empty frames
  peer.write(Buffer.from('b'))
  assert.deepEqual((await within(lengths, 'a message')).map(String), ['b'])
})

test('the end of one direction leaves the other open, and nothing before it is lost', async (t) => {
  const s = await stage(t)
  const { remote, peer } = await connected(s)
  const closed = next(peer, 'close')
  const before = randomBytes(3_000_000)
  const arrived = collect(peer)
  remote.write(before)
  remote.end()
  assert.ok((await within(arrived, 'what came before the end')).equals(before))
  const after = randomBytes(3_000_000)
  const answered = collect(remote)
  peer.write(after)
  peer.end()
  assert.ok((await within(answered, 'what was answered after the end')).equals(after))
  await closed
})

test('a side that vanishes takes the other with it', async (t) => {
  const s = await stage(t)
  const first = await connected(s)
  const peerEnded = next(first.peer, 'end')
  first.peer.resume()
  first.remote.destroy()
  await peerEnded
  first.peer.destroy()
  await within(first.swarm.destroy(), 'a swarm that ends')
  const second = await connected(s, first.topic)
  const remoteClosed = next(second.remote, 'close')
  second.peer.destroy()
  await remoteClosed
})

test('lists are whole: topics come and go with them', async (t) => {
  const s = await stage(t)
  const [a, b] = [randomBytes(32), randomBytes(32)]
  const first = next(s.backEnd, 'state', (state) => state.settled && state.revision === 1)
  s.backEnd.desire([{ topic: a, announce: true }])
  await first
  const second = next(s.backEnd, 'state', (state) => state.settled && state.revision === 2)
  s.backEnd.desire([{ topic: b, announce: true }])
  assert.deepEqual((await second).topics.map(({ topic }) => topic), [b.toString('hex')])

  const swarm = s.swarm()
  const found = next(swarm, 'connection')
  await within(swarm.join(a, { server: false, client: true }).flushed(), 'looking for what was left')
  await swarm.flush()
  assert.equal(swarm.connections.size, 0, 'what is no longer in the list is not found')
  swarm.join(b, { server: false, client: true })
  await found
})

test('the connection limits of the list and of the command line hold', async (t) => {
  const s = await stage(t, ['--max-peers', '2'])
  const topic = randomBytes(32)
  const { remote } = await connected(s, topic)
  await connected(s, topic)
  // Whether the one who is refused ever calls it a connection is a matter of moments: the bridge counts.
  const refused = next(s.backEnd, 'state', (state) => state.counters.connections_refused >= 1)
  s.swarm().join(topic, { server: false, client: true })
  await refused
  assert.equal(s.backEnd.peers.size, 2)
  const one = next(s.backEnd, 'state', (state) => state.connections === 1)
  s.backEnd.desire([{ topic, announce: true }], { connections_max: 1 })
  await one
  assert.equal(remote.destroyed, false, 'the oldest stays')
})

test('the key file is made once, for its owner alone, and names the bridge from then on', async (t) => {
  const s = new Stage(t)
  await s.dht()
  const args = ['--socket', s.file('c++.sock'), '--key-file', s.file('key')]
  const keyOf = async () => {
    const bridge = await s.bridge(args, { waitFor: /public key/ })
    const line = await bridge.logged(/public key/)
    await bridge.stop()
    return /public key ([0-9a-f]{64})/.exec(line)[1]
  }
  const key = await keyOf()
  assert.equal(fs.statSync(s.file('key')).mode & 0o777, 0o600)
  assert.equal(await keyOf(), key)
  fs.chmodSync(s.file('key'), 0o640)
  await assert.rejects(keyOf(), /others may read it \(mode 640\): chmod 600/)
  fs.chmodSync(s.file('key'), 0o600)
  fs.truncateSync(s.file('key'), 10)
  await assert.rejects(keyOf(), /not 64 hex digits/)
})
