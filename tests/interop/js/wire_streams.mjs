// Secret-stream and protomux against the official packages, in both roles.
import net from 'node:net'
import { Tool, Protomux, SecretStream, check, connect, open, run } from './wire_lib.mjs'

const id = Buffer.from([1, 2, 3])

function filled (size) {
  const bytes = Buffer.alloc(size)
  for (let i = 0; i < size; i++) bytes[i] = (i * 31 + (i >> 8)) & 0xff
  return bytes
}

async function echo (isInitiator) {
  const { tool, stream } = await connect(isInitiator)
  const mux = Protomux.from(stream)
  const { channel, send, next } = open(mux, 'echo', id)
  check(await channel.fullyOpened(), 'the channel did not open')
  check(channel.handshake.toString() === 'cpp', 'the channel handshake of the tool')
  check(await tool.line('open echo') === '010203 js', 'our channel handshake at the tool')
  // 2^24 - 1 - 17 is the longest plaintext; channel and type take two bytes of it.
  for (const size of [0, 1, 65535, 65536, 1_000_000, 0xffffff - 17 - 2]) {
    const sent = filled(size)
    send(size % 10, sent)
    const [type, payload] = await next()
    check(type === size % 10 && payload.equals(sent), `echo of ${size} bytes`)
  }
  for (let i = 0; i < 5000; i++) send(1, filled(i % 300))
  for (let i = 0; i < 5000; i++) check((await next())[1].equals(filled(i % 300)), `echo ${i} in order`)
  stream.destroy()
  await tool.line('closed')
  await tool.stop()
}

async function batches (isInitiator) {
  const { tool, stream } = await connect(isInitiator)
  const mux = Protomux.from(stream)
  const { channel, send, next } = open(mux, 'echo', id)
  await channel.fullyOpened()
  const other = open(mux, 'ondemand', Buffer.from('x'))
  await other.channel.fullyOpened()
  mux.cork()
  for (let i = 0; i < 100; i++) {
    send(3, filled(i))
    other.send(4, filled(1000 + i))
    if (i === 50) send(5, filled(100_000))
  }
  mux.uncork()
  for (let i = 0; i < 100; i++) {
    check((await next())[1].equals(filled(i)), `item ${i} of the batch`)
    if (i === 50) check((await next())[1].length === 100_000, 'the long item')
    check((await other.next())[1].equals(filled(1000 + i)), `item ${i} of the other channel`)
  }
  send(10, Buffer.from('thrice'))
  for (let i = 0; i < 3; i++) {
    const [type, payload] = await next()
    check(type === i && payload.toString() === 'thrice', 'a batch from the tool')
  }
  stream.destroy()
  await tool.stop()
}

async function channels (isInitiator) {
  const { tool, stream } = await connect(isInitiator)
  const mux = Protomux.from(stream)
  const { channel, send } = open(mux, 'echo', id)
  // Rejected: nobody wants it there.
  const unwanted = open(mux, 'unwanted', null)
  check(await unwanted.channel.fullyOpened() === false, 'it should have been rejected')
  // Accepted after a while; what was sent at once arrives.
  const later = open(mux, 'later', null)
  later.send(2, Buffer.from('early'))
  check((await later.next())[1].toString() === 'early', 'a message that waited')
  // Rejected here.
  await channel.fullyOpened()
  send(12, Buffer.alloc(0))
  check(await tool.line('rejected') === 'nobody', 'our reject at the tool')
  // Opened here on demand.
  mux.pair({ protocol: 'nobody', id: null }, () => { open(mux, 'nobody', null) })
  send(12, Buffer.alloc(0))
  check(await tool.line('open nobody') === 'js', 'our open on demand at the tool')
  // Closed by us, opened again at once, closed by the tool, opened again.
  later.channel.close()
  check(await tool.line('ended') === 'later', 'our close at the tool')
  const again = open(mux, 'later', null)
  again.send(2, Buffer.from('again'))
  check((await again.next())[1].toString() === 'again', 'the channel opened again')
  again.send(11, Buffer.alloc(0))
  await again.channel.fullyClosed()
  const third = open(mux, 'later', null)
  third.send(2, Buffer.from('third'))
  check((await third.next())[1].toString() === 'third', 'opened again after the tool closed it')
  // A storm of channels, so that ids are used again.
  for (let round = 0; round < 20; round++) {
    const all = []
    for (let i = 0; i < 50; i++) all.push(open(mux, 'ondemand', Buffer.from(`${round}-${i}`)))
    for (const one of all) one.send(1, Buffer.from('x'))
    for (const one of all) await one.next()
    for (const one of all) one.channel.close()
  }
  // Closed before the answer came, again and again.
  for (let i = 0; i < 50; i++) {
    const hasty = open(mux, 'later', Buffer.from(`hasty ${i}`))
    hasty.channel.close()
  }
  const last = open(mux, 'ondemand', Buffer.from('last'))
  last.send(1, Buffer.from('alive'))
  check((await last.next())[1].toString() === 'alive', 'the stream survived')
  stream.destroy()
  await tool.stop()
}

// A quiet connection stays, and neither side sees the empty messages that keep it.
async function keepalive () {
  const { tool, socket, stream } = await connect(true, { keepAlive: 100 })
  const mux = Protomux.from(stream)
  const { channel, send, next } = open(mux, 'echo', id)
  await channel.fullyOpened()
  stream.setTimeout(20_000) // destroyed unless something is received
  await new Promise(resolve => socket.once('data', resolve)) // nothing but a keep-alive
  check(socket.bytesWritten > 500, 'we sent ours')
  send(1, Buffer.from('still there'))
  check((await next())[1].toString() === 'still there', 'after the silence')
  stream.destroy()
  await tool.stop()
}

// What breaks the rules ends the connection at the tool, with a reason.
async function hostile () {
  const breaches = {
    'an id that skips one': [0, 1, 9, 1, 0x70, 0],
    'a reject of nothing': [0, 2, 7],
    'a batch in a batch': [0, 0, 0, 2, 0, 0],
    'half a message': [0, 1, 2, 200]
  }
  for (const [what, bytes] of Object.entries(breaches)) {
    const { tool, stream } = await connect(true)
    stream.write(Buffer.from(bytes))
    check((await tool.line('broken')).length > 0, what)
    await new Promise(resolve => { stream.destroyed ? resolve() : stream.on('close', resolve) })
    await tool.stop()
  }
  const tool = new Tool('listen')
  const [host, port] = (await tool.line('listening')).split(':')
  // A stream that damages what it sends.
  const socket = net.connect(Number(port), host)
  const write = socket.write.bind(socket)
  let count = 0
  socket.write = (data, ...rest) => {
    if (++count === 4) { // e; s, se; header; then the first message
      data = Buffer.from(data)
      data[data.length - 1] ^= 1
    }
    return write(data, ...rest)
  }
  const stream = new SecretStream(true, socket)
  stream.on('error', () => {})
  await stream.opened
  stream.write(Buffer.from('damaged'))
  check(/forged/.test(await tool.line('closed')), 'a damaged message')
  await tool.stop()
}

await run({
  'echo, JavaScript dials': () => echo(true),
  'echo, C++ dials': () => echo(false),
  'batches, JavaScript dials': () => batches(true),
  'batches, C++ dials': () => batches(false),
  'channels, JavaScript dials': () => channels(true),
  'channels, C++ dials': () => channels(false),
  'keep-alive': keepalive,
  hostile
})
