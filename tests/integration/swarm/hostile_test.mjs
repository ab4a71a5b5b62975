// What breaks the format ends the connection that it came on, and nothing else.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import test from 'node:test'

import { BackEndStandIn, frame } from './back_end_stand_in.mjs'
import { BridgeProcess, metricsOf, next, Stage } from './words.mjs'

const MESSAGE_BYTES_MAX = 16_777_198
const CONTROL_BYTES_MAX = 1_048_576

async function stage (t) {
  const s = new Stage(t)
  await s.dht()
  s.backEnd = await BackEndStandIn.listen(s.file('c++.sock'))
  s.onClose(() => s.backEnd.kill())
  s.bridgeProcess = await s.bridge(['--socket', s.file('c++.sock'), '--listen-metrics', '127.0.0.1:0'])
  s.topic = randomBytes(32)
  const settled = next(s.backEnd, 'state', (state) => state.settled)
  s.backEnd.desire([{ topic: s.topic, announce: true }])
  await settled
  return s
}

async function connected (s) {
  const swarm = s.swarm()
  const [remote, peer] = [next(swarm, 'connection'), next(s.backEnd, 'peer')]
  swarm.join(s.topic, { server: false, client: true })
  return { remote: await remote, peer: await peer }
}

function length (bytes) {
  const word = Buffer.alloc(4)
  word.writeUInt32LE(bytes)
  return word
}

for (const [words, bytes, end] of [
  ['a message longer than any plaintext', length(MESSAGE_BYTES_MAX + 1), false],
  ['a length of 4 GiB', length(0xffff_ffff), false],
  ['an end within a length', Buffer.from([1, 2]), true],
  ['an end within a message', Buffer.concat([length(10), Buffer.from('short')]), true]
]) {
  test(`${words} ends that connection alone`, async (t) => {
    const s = await stage(t)
    const bystander = await connected(s)
    const broken = await connected(s)
    const closed = next(broken.remote, 'close')
    broken.peer.socket.write(bytes)
    if (end) broken.peer.socket.end()
    await closed
    const { values } = await metricsOf(s.bridgeProcess)
    assert.equal(values.get('hnx_swarm_protocol_errors_total'), 1)
    assert.equal(values.get('hnx_swarm_back_end_connected'), 1)
    bystander.peer.write(Buffer.from('still here'))
    assert.equal(String(await next(bystander.remote, 'data')), 'still here')
  })
}

for (const [words, bytes, reason] of [
  ['a control message that is no JSON', frame(Buffer.from('{')), /no JSON/],
  ['a control message that is no UTF-8', frame(Buffer.from([0x22, 0xff, 0x22])), /no JSON/],
  ['a control message without a type', frame(Buffer.from('{}')), /without a type/],
  ['a control message that is null', frame(Buffer.from('null')), /without a type/],
  ['a control message that is too long', length(CONTROL_BYTES_MAX + 1), /at most 1048576/],
  ['a list without a revision', frame(Buffer.from('{"type":"desired","topics":[]}')), /revision/],
  ['a list without topics', frame(Buffer.from('{"type":"desired","revision":1}')), /topics is no list/],
  ['a topic that is none', frame(Buffer.from('{"type":"desired","revision":1,"topics":[{"topic":"ab","announce":true,"lookup":false}]}')), /no topic/],
  ['a topic that nothing is wanted of', frame(Buffer.from(`{"type":"desired","revision":1,"topics":[{"topic":"${'ab'.repeat(32)}","announce":false,"lookup":false}]}`)), /one of them true/],
  ['too many topics', frame(Buffer.from(`{"type":"desired","revision":1,"topics":[${Array(1025).fill('0').join()}]}`)), /at most 1024/]
]) {
  test(`${words} is refused with its reason, and the bridge comes back`, async (t) => {
    const s = await stage(t)
    const again = next(s.backEnd, 'control')
    const refusal = next(s.backEnd, 'refusal')
    s.backEnd.sendRaw(bytes)
    assert.match(await refusal, reason)
    await again
    await next(s.backEnd, 'state', (state) => state.settled)
  })
}

test('control messages of a later release do no harm', async (t) => {
  const s = await stage(t)
  s.backEnd.sendRaw(frame(Buffer.from('{"type":"later","what":[1]}')))
  const settled = next(s.backEnd, 'state', (state) => state.revision === 2 && state.settled)
  s.backEnd.desire([{ topic: s.topic, announce: true, later: 1 }], { later: {} })
  await settled
})

test('noise on the UDP port does no harm', async (t) => {
  const s = await stage(t)
  const line = await s.bridgeProcess.logged(/UDP port/)
  const { createSocket } = await import('node:dgram')
  const udp = createSocket('udp4')
  for (let count = 0; count < 500; count++) {
    udp.send(randomBytes(1 + count), Number(/UDP port (\d+)/.exec(line)[1]), '127.0.0.1')
  }
  const { remote, peer } = await connected(s)
  udp.close()
  peer.write(Buffer.from('fine'))
  assert.equal(String(await next(remote, 'data')), 'fine')
})

for (const [words, args, reason] of [
  ['no socket', [], /--socket: name at least one/],
  ['an option that there is not', ['--socket', 'a', '--fast'], /--fast/],
  ['no number of peers', ['--socket', 'a', '--max-peers', '0'], /'0' is no number from 1 to 65536/],
  ['no duration', ['--socket', 'a', '--grace', '10'], /'10' is no duration/],
  ['no address', ['--socket', 'a', '--bootstrap', 'here'], /'here' is not HOST:PORT/],
  ['a configuration file that is not there', ['--config', '/nowhere/swarm.conf'], /nowhere/]
]) {
  test(`${words} on the command line is wrong use`, async () => {
    const bridge = new BridgeProcess(args)
    assert.deepEqual(await bridge.ended, { code: 2, signal: null })
    assert.match(bridge.lines.join('\n'), reason)
  })
}

test('a port that is taken is said, and fails', async (t) => {
  const s = await stage(t)
  const { url } = await metricsOf(s.bridgeProcess)
  const [, udpPort] = /UDP port (\d+)/.exec(await s.bridgeProcess.logged(/UDP port/))
  for (const [args, reason] of [
    [['--listen', '127.0.0.1', '--listen-metrics', url.host], /EADDRINUSE/],
    [['--listen', `127.0.0.1:${udpPort}`], /UDP port of --listen: .*in use/]
  ]) {
    const other = new BridgeProcess(['--socket', s.file('c++.sock'), ...args])
    assert.deepEqual(await other.ended, { code: 1, signal: null })
    assert.match(other.lines.join('\n'), reason)
  }
})
