// The parts of the bridge that need no network: frames, hellos, options, topics.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import test from 'node:test'

import { Backoff } from '../../../swarm/lib/backoff.mjs'
import { Counters } from '../../../swarm/lib/counters.mjs'
import { FrameError, FrameReader } from '../../../swarm/lib/frames.mjs'
import { LOOKUP_AGAIN_MS_MIN, QUERIES_AT_ONCE_MAX } from '../../../swarm/lib/limits.mjs'
import { Log } from '../../../swarm/lib/log.mjs'
import { controlHello, dataHello } from '../../../swarm/lib/messages.mjs'
import { renderMetrics } from '../../../swarm/lib/metrics.mjs'
import { parseOptions, UsageError } from '../../../swarm/lib/options.mjs'
import { TopicSet } from '../../../swarm/lib/topic_set.mjs'
import { frame } from './back_end_stand_in.mjs'

const silent = new Log({ level: 'off' })

test('frames come out whole, however the bytes are cut', () => {
  const bodies = [0, 1, 3, 4, 5, 1000, 0, 70_000].map((size) => randomBytes(size))
  const bytes = Buffer.concat(bodies.map(frame))
  for (const step of [1, 2, 3, 4, 5, 7, 1000, 65_536, bytes.length]) {
    const found = []
    const reader = new FrameReader(70_000, (body) => found.push(Buffer.from(body)))
    for (let at = 0; at < bytes.length; at += step) reader.push(bytes.subarray(at, at + step))
    assert.deepEqual(found, bodies, `in steps of ${step}`)
    assert.ok(reader.isAtBoundary)
  }
})

test('a frame beyond the limit is refused before its body comes, one at the limit is not', () => {
  const reader = new FrameReader(4, () => {})
  reader.push(frame(Buffer.alloc(4)))
  assert.throws(() => reader.push(Buffer.from([5, 0, 0, 0])), FrameError)
})

test('a reader that is stopped within a chunk hands nothing more on', () => {
  const found = []
  const reader = new FrameReader(10, (body) => {
    found.push(String(body))
    reader.stop()
  })
  reader.push(Buffer.concat([frame(Buffer.from('a')), frame(Buffer.from('b'))]))
  assert.deepEqual(found, ['a'])
})

test('hellos have the bytes of the format page', () => {
  const key = Buffer.alloc(32, 0xaa)
  const hex = key.toString('hex')
  assert.equal(controlHello(key).toString('hex'), `0101${hex}`)
  assert.equal(dataHello(key, '192.0.2.1', 4000).toString('hex'), `0102${hex}04a00fc0000201${'00'.repeat(12)}`)
  assert.equal(dataHello(key, '2001:db8::1', 1).toString('hex'), `0102${hex}06010020010db8${'00'.repeat(11)}01`)
  assert.equal(dataHello(key, '::', 1).toString('hex'), `0102${hex}060100${'00'.repeat(16)}`)
  assert.equal(dataHello(key, 'fe80::1%eth0', 1).toString('hex'), `0102${hex}00${'00'.repeat(18)}`)
  assert.equal(dataHello(key, '', 0).toString('hex'), `0102${hex}00${'00'.repeat(18)}`)
})

test('flags come before the environment, that before the file, that before the default', (t) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hnx-swarm-'))
  t.after(() => fs.rmSync(folder, { recursive: true }))
  const config = path.join(folder, 'conf')
  fs.writeFileSync(config, [
    '# ours', 'socket = "/a b.sock"', 'socket = /b.sock   # two', 'max-peers = 5', '[worker]', 'data = /var', '[swarm]',
    'grace = 1m30s', 'log-json = yes'].join('\n'))
  const options = parseOptions(['--config', config, '--max-peers', '7'], { HNX_MAX_PEERS: '6', HNX_GRACE: '2s' })
  assert.deepEqual(options.sockets, ['/a b.sock', '/b.sock'])
  assert.equal(options.peersMax, 7)
  assert.equal(options.graceMs, 2000)
  assert.equal(options.logJson, true)
  assert.equal(options.keepAnnouncedMs, 60_000)
  assert.deepEqual(parseOptions(['--socket', 'x'], { HNX_SOCKET: 'y\nz' }).sockets, ['x'])
  assert.deepEqual(parseOptions([], { HNX_SOCKET: 'y\nz' }).sockets, ['y', 'z'])
  for (const line of ['max-peers 5', 'fast = 1', 'grace = soon', 'log-json = perhaps']) {
    fs.writeFileSync(config, `socket = a\n${line}`)
    assert.throws(() => parseOptions(['--config', config], {}), UsageError, line)
  }
})

test('delays double up to their cap and start again after a success', () => {
  const backoff = new Backoff(100, 500, () => 0)
  assert.deepEqual([1, 2, 3, 4].map(() => backoff.next()), [100, 200, 400, 500])
  backoff.reset()
  assert.equal(backoff.next(), 100)
})

// Sessions that answer when the test says so.
class FakeSwarm {
  log = []
  open = []

  join (key, roles) {
    const name = key.toString('hex').slice(0, 2)
    this.log.push(`join ${name} ${words(roles)}`)
    const query = () => new Promise((resolve) => this.open.push(resolve))
    const first = query()
    return {
      flushed: () => first,
      refresh: (roles) => {
        this.log.push(`refresh ${name} ${words(roles)}`)
        return query()
      },
      destroy: async () => { this.log.push(`leave ${name}`) }
    }
  }

  // The DHT answers all that was asked; what follows from it has happened when this returns.
  async answer (outcome = true) {
    for (const resolve of this.open.splice(0)) resolve(outcome)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

function words ({ server, client }) {
  return [server && 'announce', client && 'lookup'].filter(Boolean).join('+')
}

function topicSet () {
  const swarm = new FakeSwarm()
  const clock = { nowMs: 0 }
  const found = new Map()
  const topics = new TopicSet({
    join: (key, roles) => swarm.join(key, roles),
    peersOf: (name) => found.get(name) ?? 1,
    counters: new Counters(),
    log: silent,
    onChange: () => {},
    now: () => clock.nowMs
  })
  return { swarm, topics, clock, found }
}

const name = (byte) => byte.toString(16).padStart(2, '0').repeat(32)
const list = (...entries) => new Map(entries.map(([byte, announce, lookup]) => [name(byte), { announce, lookup }]))

test('only what changed between two lists is done', async () => {
  const { swarm, topics } = topicSet()
  topics.apply(list([1, true, false], [2, true, false], [3, false, true]))
  await swarm.answer()
  assert.ok(topics.isSettled)
  topics.apply(list([1, true, false], [2, true, true], [4, true, false]))
  assert.ok(!topics.isSettled)
  await swarm.answer()
  assert.ok(topics.isSettled)
  assert.deepEqual(swarm.log.sort(), [
    'join 01 announce', 'join 02 announce', 'join 03 lookup', 'join 04 announce', 'leave 03', 'refresh 02 announce+lookup'])
})

test('a newer list does not wait for the answers that an older one asked for', async () => {
  const { swarm, topics } = topicSet()
  topics.apply(list([1, true, false]))
  topics.apply(list())
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(swarm.log, ['join 01 announce', 'leave 01'])
  assert.equal(topics.topics.size, 0)
})

test('few topics are asked for at a time, and all of them in the end', async () => {
  const { swarm, topics } = topicSet()
  topics.apply(list(...Array.from({ length: 100 }, (_, byte) => [byte, true, false])))
  for (let rounds = 0; !topics.isSettled; rounds++) {
    assert.ok(rounds < 100 && swarm.open.length <= QUERIES_AT_ONCE_MAX)
    await swarm.answer()
  }
  assert.equal(swarm.log.length, 100)
})

test('a query that failed is asked again, later and later; a success is not', async () => {
  const { swarm, topics, clock } = topicSet()
  topics.apply(list([1, true, false]))
  await swarm.answer(false)
  assert.ok(!topics.isSettled)
  topics.tick(new Map())
  assert.equal(swarm.log.length, 1, 'not at once')
  clock.nowMs += LOOKUP_AGAIN_MS_MIN
  topics.tick(new Map())
  await swarm.answer(false)
  clock.nowMs += LOOKUP_AGAIN_MS_MIN
  topics.tick(new Map())
  assert.equal(swarm.log.length, 2, 'the second time takes twice as long')
  clock.nowMs += LOOKUP_AGAIN_MS_MIN
  topics.tick(new Map())
  await swarm.answer()
  assert.ok(topics.isSettled)
  clock.nowMs += 100 * LOOKUP_AGAIN_MS_MIN
  topics.tick(new Map())
  assert.equal(swarm.log.length, 3)
})

test('that there is nobody is said after a second lookup, not after one whose answer got lost', async () => {
  const { swarm, topics, found } = topicSet()
  found.set(name(1), 0)
  topics.apply(list([1, true, true]))
  await swarm.answer()
  assert.ok(!topics.isSettled)
  assert.deepEqual([...topics.describe()].map(({ announced, lookedUp }) => [announced, lookedUp]), [[true, false]])
  await swarm.answer()
  assert.ok(topics.isSettled)
  assert.deepEqual(swarm.log, ['join 01 announce+lookup', 'refresh 01 announce+lookup'])
})

test('a lookup is repeated while nobody is connected, not while somebody is', async () => {
  const { swarm, topics, clock } = topicSet()
  topics.apply(list([1, false, true]))
  await swarm.answer()
  for (const [connections, asked] of [[1, 1], [1, 1], [0, 2], [0, 2], [0, 3]]) {
    topics.tick(new Map([[name(1), connections]]))
    await swarm.answer()
    assert.equal(swarm.log.length, asked)
    clock.nowMs += LOOKUP_AGAIN_MS_MIN
  }
})

test('the metrics tell whether the DHT answers, and whether we can be reached', () => {
  for (const [online, firewalled] of [[true, false], [false, true]]) {
    const lines = renderMetrics({ dht: { online, firewalled }, backEnds: [] }).split('\n')
    assert.ok(lines.includes(`hnx_swarm_dht_online ${Number(online)}`))
    assert.ok(lines.includes(`hnx_swarm_dht_firewalled ${Number(firewalled)}`))
  }
})

test('the metrics tell the version and how many files are open', () => {
  const values = () => new Map(renderMetrics({ dht: {}, backEnds: [] }).split('\n').map((line) => line.match(/^([^#\s]+) (\S+)$/)?.slice(1)).filter(Boolean))
  const { version } = JSON.parse(fs.readFileSync(new URL('../../../swarm/package.json', import.meta.url), 'utf8'))
  assert.equal(values().get(`hnx_build_info{program="swarm",version="${version}"}`), '1')
  const before = Number(values().get('process_open_fds'))
  const files = Array.from({ length: 10 }, () => fs.openSync('/dev/null'))
  assert.equal(Number(values().get('process_open_fds')), before + 10)
  files.forEach((file) => fs.closeSync(file))
  assert.ok(Number(values().get('process_max_fds')) > before)
})
