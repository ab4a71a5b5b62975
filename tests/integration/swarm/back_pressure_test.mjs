// A slow reader on either side stops the writer on the other: what waits in the bridge stays small.
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import test from 'node:test'
import { fileURLToPath } from 'node:url'

import { BackEndStandIn } from './back_end_stand_in.mjs'
import { deferred, metricsOf, next, Stage, within } from './words.mjs'

const MESSAGE = Buffer.alloc(64 * 1024, 7)
const SENT_BYTES = 32 * 1024 * 1024
// What a message, the streams' buffers and the socket's may hold.
const QUEUED_BYTES_MAX = 1024 * 1024
const MEMORY_GROWTH_MAX = 48 * 1024 * 1024
const FLOOD_BYTES = 24 * 1024 * 1024
// This often the writer was seen not to get on before it counts as stopped.
const STANDSTILLS = 10

// `join(topic, swarm)` makes a stock peer connect; gives what the test has of it.
async function connected (t, bridgeArgs = [], join = joinHere) {
  const s = new Stage(t)
  await s.dht()
  s.backEnd = await BackEndStandIn.listen(s.file('c++.sock'))
  s.onClose(() => s.backEnd.kill())
  const bridge = await s.bridge(['--socket', s.file('c++.sock'), '--listen-metrics', '127.0.0.1:0', ...bridgeArgs])
  const topic = randomBytes(32)
  const settled = next(s.backEnd, 'state', (state) => state.settled)
  s.backEnd.desire([{ topic, announce: true }])
  await settled
  const peer = next(s.backEnd, 'peer')
  const remote = await join(s, topic)
  return { s, bridge, remote, peer: await peer }
}

async function joinHere (s, topic) {
  const swarm = s.swarm()
  const remote = next(swarm, 'connection')
  swarm.join(topic, { server: false, client: true })
  return remote
}

// A peer in a process of its own, which can be stopped as a whole: nothing less makes a stock peer stop reading.
async function joinElsewhere (s, topic) {
  const script = fileURLToPath(new URL('counting_peer.mjs', import.meta.url))
  const child = fork(script, [String(s.testnet.bootstrap[0].port), topic.toString('hex'), String(SENT_BYTES)])
  s.onClose(async () => child.kill('SIGKILL'))
  await next(child, 'message', (message) => message === 'connected')
  return child
}

// Writes SENT_BYTES as fast as `to` takes them. `progress()` says how much went in.
function pour (stream) {
  const done = deferred()
  let sent = 0
  const more = () => {
    while (sent < SENT_BYTES) {
      sent += MESSAGE.length
      if (!stream.write(MESSAGE)) return stream.once('drain', more)
    }
    done.resolve()
  }
  more()
  return { done: done.promise, progress: () => sent }
}

async function standsStill (bridge, progress, check) {
  for (let same = 0, last = -1; same < STANDSTILLS;) {
    const { values } = await metricsOf(bridge)
    check(values)
    await within(new Promise((resolve) => setTimeout(resolve, 50)), 'a look at the metrics')
    same = progress() === last ? same + 1 : 0
    last = progress()
  }
}

test('a remote that takes nothing stops the back end, and nothing is lost when it goes on', async (t) => {
  const c = await connected(t, [], joinElsewhere)
  const before = (await metricsOf(c.bridge)).values.get('process_resident_memory_bytes')
  c.remote.kill('SIGSTOP')
  const { done, progress } = pour(c.peer)
  let [queuedMax, memoryMax] = [0, 0]
  await standsStill(c.bridge, progress, (values) => {
    queuedMax = Math.max(queuedMax, values.get('hnx_swarm_queued_bytes{direction="to_swarm"}'))
    memoryMax = Math.max(memoryMax, values.get('process_resident_memory_bytes') - before)
  })
  t.diagnostic(`stopped after ${progress()} bytes; at most ${queuedMax} queued, memory grew by ${memoryMax}`)
  assert.ok(progress() < SENT_BYTES / 2, `the writer was stopped, after ${progress()} bytes`)
  assert.ok(queuedMax <= QUEUED_BYTES_MAX, `${queuedMax} bytes queued`)
  assert.ok(memoryMax <= MEMORY_GROWTH_MAX, `memory grew by ${memoryMax} bytes`)
  const all = next(c.remote, 'message', (message) => message === 'all', 60_000)
  c.remote.kill('SIGCONT')
  await all
  await done
})

test('what a back end reads late is kept, up to the limit', async (t) => {
  const c = await connected(t, ['--max-queued', '64MiB'])
  const { done } = pour(c.remote)
  await done
  await standsStill(c.bridge, () => 0, () => {})
  let got = 0
  const all = next(c.peer, 'data', (message) => { got += message.length; return got === SENT_BYTES }, 60_000)
  await all
})

test('a remote that floods a back end which does not read is dropped at the limit', async (t) => {
  const c = await connected(t, ['--max-queued', '4MiB'])
  const before = (await metricsOf(c.bridge)).values.get('process_resident_memory_bytes')
  const dropped = next(c.remote, 'close')
  let flooded = 0
  const flood = () => {
    while (flooded < FLOOD_BYTES && !c.remote.destroying) {
      flooded += MESSAGE.length
      if (!c.remote.write(MESSAGE)) return c.remote.once('drain', flood)
    }
  }
  flood()
  await dropped
  const { values } = await metricsOf(c.bridge)
  const grown = values.get('process_resident_memory_bytes') - before
  t.diagnostic(`dropped after ${flooded} bytes; memory grew by ${grown}`)
  assert.equal(values.get('hnx_swarm_connections_dropped_total'), 1)
  assert.ok(grown <= MEMORY_GROWTH_MAX, `memory grew by ${grown} bytes`)
})

test('a slow peer does not delay another', async (t) => {
  const c = await connected(t, [], joinElsewhere)
  c.remote.kill('SIGSTOP')
  pour(c.peer)
  await standsStill(c.bridge, () => 0, () => {})
  const swarm = c.s.swarm()
  const [remote, peer] = [next(swarm, 'connection'), next(c.s.backEnd, 'peer')]
  swarm.join(Buffer.from(c.s.backEnd.topics[0].topic, 'hex'), { server: false, client: true })
  ;(await peer).write(Buffer.from('at once'))
  assert.equal(String(await next(await remote, 'data')), 'at once')
})

test('a back end that drops a peer which reads nothing is heard', async (t) => {
  const c = await connected(t, [], joinElsewhere)
  c.remote.kill('SIGSTOP')
  const { progress } = pour(c.peer)
  await standsStill(c.bridge, progress, () => {})
  const none = next(c.s.backEnd, 'state', (state) => state.connections === 0)
  c.peer.destroy()
  await none
})
