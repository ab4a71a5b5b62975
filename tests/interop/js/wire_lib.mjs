// What the wire scripts share: wire_tool as a child whose lines are awaited, a secret stream on a
// socket, protomux channels that note what they are told.
import { spawn } from 'node:child_process'
import net from 'node:net'
import path from 'node:path'
import readline from 'node:readline'
import SecretStream from '@hyperswarm/secret-stream'
import Protomux from 'protomux'
import c from 'compact-encoding'

export { SecretStream, Protomux, c }

export function check (condition, message) {
  if (!condition) throw new Error(message)
}

export class Tool {
  constructor (...args) {
    this.lines = []
    this.waiting = []
    this.child = spawn(path.join(process.env.HNX_BIN_DIR, 'wire_tool'), args, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.exited = new Promise(resolve => this.child.on('exit', resolve))
    readline.createInterface({ input: this.child.stdout }).on('line', line => {
      this.lines.push(line)
      for (const wake of this.waiting.splice(0)) wake()
    })
  }

  // The rest of the first line, not awaited before, that begins so.
  async line (beginning) {
    for (;;) {
      const at = this.lines.findIndex(line => line.startsWith(beginning))
      if (at >= 0) return this.lines.splice(at, 1)[0].slice(beginning.length).trim()
      await new Promise(resolve => this.waiting.push(resolve))
    }
  }

  async stop () {
    this.child.stdin.end()
    check(await this.exited === 0, 'wire_tool failed')
  }
}

// One secret stream with wire_tool, in the role that is given to JavaScript. Protomux.from(stream) is for
// the caller, with its channels in the same turn: an open that is there already would be rejected else.
export async function connect (isInitiator, opts = {}) {
  let tool, socket
  if (isInitiator) {
    tool = new Tool('listen')
    const [host, port] = (await tool.line('listening')).split(':')
    socket = net.connect(Number(port), host)
  } else {
    const server = net.createServer()
    await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
    tool = new Tool('dial', `127.0.0.1:${server.address().port}`)
    socket = await new Promise(resolve => server.once('connection', resolve))
    server.close()
  }
  const stream = new SecretStream(isInitiator, socket, opts)
  stream.on('error', error => { stream.failure = error })
  check(await stream.opened, `the handshake failed: ${stream.failure}`)
  check(stream.remotePublicKey.toString('hex') === await tool.line('key'), 'the key of the tool')
  check(stream.publicKey.toString('hex') === await tool.line('peer'), 'our key at the tool')
  check(stream.handshakeHash.toString('hex') === await tool.line('hash'), 'the handshake hash')
  return { tool, socket, stream }
}

// A channel whose messages are awaited with next(): [type, payload].
export function open (mux, protocol, id, opts = {}) {
  const got = []
  const waiting = []
  const messages = Array.from({ length: 13 }, (_, type) => ({
    encoding: c.raw,
    onmessage (payload) {
      got.push([type, Buffer.from(payload)])
      for (const wake of waiting.splice(0)) wake()
    }
  }))
  const channel = mux.createChannel({ protocol, id, handshake: c.raw, messages, ...opts })
  channel.open(Buffer.from('js'))
  return {
    channel,
    send: (type, payload) => channel.messages[type].send(payload),
    async next () {
      while (got.length === 0) await new Promise(resolve => waiting.push(resolve))
      return got.shift()
    }
  }
}

// Every script ends in time, and says what it did.
export async function run (tests) {
  setTimeout(() => { console.error('too slow'); process.exit(1) }, 110_000).unref()
  for (const [name, test] of Object.entries(tests)) {
    await test()
    console.log(`ok: ${name}`)
  }
  process.exit(0)
}
