// Back ends and bridges come and go, killed or in order; whoever stays goes on.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import test from 'node:test'

import { BackEndStandIn } from './back_end_stand_in.mjs'
import { metricsOf, next, Stage, within } from './words.mjs'

async function backEndAt (s, name = 'c++.sock') {
  const backEnd = await BackEndStandIn.listen(s.file(name))
  s.onClose(() => backEnd.kill())
  return backEnd
}

async function announce (backEnd, topic) {
  const settled = next(backEnd, 'state', (state) => state.settled)
  backEnd.desire([{ topic, announce: true }])
  return settled
}

// How many announce the topic, as anyone can see.
async function announcersOf (s, topic) {
  const node = s.testnet.createNode()
  const keys = new Set()
  for await (const { peers } of node.lookup(topic)) {
    for (const { publicKey } of peers) keys.add(publicKey.toString('hex'))
  }
  return keys.size
}

test('a killed back end costs its connections, not its announcements; peers come back by themselves', async (t) => {
  const s = new Stage(t)
  await s.dht()
  const topic = randomBytes(32)
  const bridge = await s.bridge(['--socket', s.file('c++.sock')])
  const first = await backEndAt(s)
  const state = await announce(first, topic)

  const swarm = s.swarm()
  const connection = next(swarm, 'connection')
  swarm.join(topic, { server: false, client: true })
  const dropped = next(await connection, 'close')
  await first.kill()
  await dropped
  assert.equal(await announcersOf(s, topic), 1, 'it is still announced')

  const second = await BackEndStandIn.listen(s.file('c++.sock'))
  s.onClose(() => second.kill())
  const peer = next(second, 'peer')
  const again = await announce(second, topic)
  assert.equal(again.public_key, state.public_key, 'the bridge is the same to its peers')
  await peer
  assert.equal(bridge.child.exitCode, null)
})

test('while the back end is away nobody is let in, and after a while its topics are left', async (t) => {
  const s = new Stage(t)
  await s.dht()
  const topic = randomBytes(32)
  const bridge = await s.bridge(
    ['--socket', s.file('c++.sock'), '--keep-announced', '12s', '--listen-metrics', '127.0.0.1:0'])
  const backEnd = await backEndAt(s)
  await announce(backEnd, topic)
  await backEnd.kill()
  await bridge.logged(/no back end/)

  const swarm = s.swarm()
  swarm.on('connection', (connection) => connection.on('error', () => {}))
  swarm.join(topic, { server: false, client: true })
  // Whether the one who is refused ever calls it a connection is a matter of moments: the bridge counts.
  const refused = 'hnx_swarm_connections_refused_total{reason="away"}'
  let { values, url } = await metricsOf(bridge)
  for (const end = Date.now() + 30_000; !(values.get(refused) >= 1) && Date.now() < end;) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    ({ values } = await metricsOf(bridge))
  }
  assert.ok(values.get(refused) >= 1, 'whoever comes meanwhile is refused')
  assert.equal(values.get('hnx_swarm_back_end_connected'), 0)
  const ready = await fetch(new URL('/readyz', url))
  assert.equal(ready.status, 503)
  assert.deepEqual(await ready.json(), { status: 'not ready',
    checks: [{ name: 'back_end', ready: false, reason: `no back end at ${s.file('c++.sock')}` }] })
  assert.equal((await fetch(new URL('/healthz', url))).status, 200)

  await bridge.logged(/leaving its topics/)
  for (let tries = 0; await announcersOf(s, topic) > 0; tries++) assert.ok(tries < 50, 'the topic is left')
})

test('a bridge that is killed and started again is found under the same key', async (t) => {
  const s = new Stage(t)
  await s.dht()
  const topic = randomBytes(32)
  const backEnd = await backEndAt(s)
  const args = ['--socket', s.file('c++.sock'), '--key-file', s.file('key')]
  const first = await s.bridge(args)
  const { public_key: key } = await announce(backEnd, topic)

  const swarm = s.swarm()
  let connection = next(swarm, 'connection')
  let peer = next(backEnd, 'peer')
  swarm.join(topic, { server: false, client: true })
  assert.equal((await connection).remotePublicKey.toString('hex'), key)
  const ended = next((await peer).resume(), 'end')
  const lost = next(backEnd, 'lost')
  await first.kill()
  await lost
  await ended

  const settled = next(backEnd, 'state', (state) => state.settled)
  await s.bridge(args)
  assert.equal((await settled).public_key, key)
  const other = s.swarm()
  connection = next(other, 'connection')
  peer = next(backEnd, 'peer')
  other.join(topic, { server: false, client: true })
  assert.equal((await connection).remotePublicKey.toString('hex'), key)
  await peer
})

test('two bridges serve one back end under two keys, and one goes on without the other', async (t) => {
  const s = new Stage(t)
  await s.dht()
  const topic = randomBytes(32)
  const backEnd = await backEndAt(s)
  const bridges = [await s.bridge(['--socket', s.file('c++.sock')]), await s.bridge(['--socket', s.file('c++.sock')])]
  const keys = new Set()
  const both = next(backEnd, 'state', (state) => state.settled && keys.add(state.public_key).size === 2)
  backEnd.desire([{ topic, announce: true }])
  await both
  assert.equal(await announcersOf(s, topic), 2)

  const swarm = s.swarm()
  const remotes = new Set()
  const found = next(swarm, 'connection', ({ remotePublicKey }) => remotes.add(remotePublicKey.toString('hex')).size === 2)
  const peers = next(backEnd, 'peer', () => backEnd.peers.size === 2)
  swarm.join(topic, { server: false, client: true })
  await found
  await peers
  assert.deepEqual([...remotes].sort(), [...keys].sort())

  await bridges[0].stop()
  for (let tries = 0; await announcersOf(s, topic) > 1; tries++) assert.ok(tries < 50, 'one is left')
  const other = s.swarm()
  const connection = next(other, 'connection')
  other.join(topic, { server: false, client: true })
  await connection
})

test('two back ends of one bridge have keys, topics and connections of their own, and find each other', async (t) => {
  const s = new Stage(t)
  await s.dht()
  const topic = randomBytes(32)
  const [worker, gateway] = [await backEndAt(s, 'worker.sock'), await backEndAt(s, 'gateway.sock')]
  await s.bridge(['--socket', s.file('worker.sock'), '--socket', s.file('gateway.sock')])
  const { public_key: workerKey } = await announce(worker, topic)
  const peers = [next(worker, 'peer'), next(gateway, 'peer')]
  const state = next(gateway, 'state', (state) => state.connections === 1)
  gateway.desire([{ topic, lookup: true }])
  const [atWorker, atGateway] = await Promise.all(peers)
  assert.equal(atGateway.remotePublicKey.toString('hex'), workerKey)
  assert.equal(atWorker.remotePublicKey.toString('hex'), (await state).public_key)
})

test('SIGTERM leaves the topics, ends the connections and exits with 0', async (t) => {
  const s = new Stage(t)
  await s.dht()
  const topic = randomBytes(32)
  const backEnd = await backEndAt(s)
  const bridge = await s.bridge(['--socket', s.file('c++.sock')])
  await announce(backEnd, topic)
  const swarm = s.swarm()
  const connection = next(swarm, 'connection')
  swarm.join(topic, { server: false, client: true })
  const closed = next(await connection, 'close')
  assert.deepEqual(await bridge.stop(), { code: 0, signal: null })
  assert.ok(!bridge.lines.some((line) => line.includes('was not left')), 'the topics were left in time')
  await closed
  assert.equal(await announcersOf(s, topic), 0)
})

test('SIGTERM with a DHT that does not answer ends within the grace period', async (t) => {
  const s = new Stage(t)
  await s.dht()
  const backEnd = await backEndAt(s)
  const bridge = await s.bridge(['--socket', s.file('c++.sock'), '--grace', '500ms'])
  await announce(backEnd, randomBytes(32))
  await within(s.testnet.destroy(), 'the end of the DHT')
  assert.deepEqual(await bridge.stop(), { code: 0, signal: null })
  await bridge.logged(/not left within 0.5 s|ended/)
})

test('a lookup that finds nobody is asked again, and finds who came later', async (t) => {
  const s = new Stage(t)
  await s.dht()
  const topic = randomBytes(32)
  const backEnd = await backEndAt(s)
  await s.bridge(['--socket', s.file('c++.sock')])
  const settled = next(backEnd, 'state', (state) => state.settled)
  backEnd.desire([{ topic, lookup: true }])
  assert.equal((await settled).topics[0].peers, 0, 'settled means that nobody is there')
  const peer = next(backEnd, 'peer')
  s.swarm().join(topic, { server: true, client: false })
  assert.equal((await peer).isInitiator, true)
})
