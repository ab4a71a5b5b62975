// Stands in for the C++ end of the bridge's socket: exactly what docs/formats/swarm-bridge.md says, written
// from it and sharing no code with the bridge.
import { EventEmitter } from 'node:events'
import fs from 'node:fs'
import net from 'node:net'

import { judges } from './words.mjs'

const { Duplex } = judges('streamx')

const CONTROL_BYTES_MAX = 1_048_576
const MESSAGE_BYTES_MAX = 16_777_198
const HELLO = { 1: 34, 2: 53 }

// Splits what arrives into frames, one `frame` event each.
class Frames extends EventEmitter {
  #held = []
  #heldBytes = 0
  #wanted = 4
  #isLength = true

  take (chunk) {
    this.#held.push(chunk)
    this.#heldBytes += chunk.length
    while (this.#heldBytes >= this.#wanted) {
      const bytes = Buffer.concat(this.#held)
      const part = bytes.subarray(0, this.#wanted)
      this.#held = [bytes.subarray(this.#wanted)]
      this.#heldBytes = this.#held[0].length
      if (this.#isLength) this.#wanted = part.readUInt32LE()
      else this.#wanted = 4
      this.#isLength = !this.#isLength
      if (this.#isLength) this.emit('frame', part)
      else if (this.#wanted > MESSAGE_BYTES_MAX) throw new Error(`a frame of ${this.#wanted} bytes`)
    }
  }
}

export function frame (body) {
  const length = Buffer.alloc(4)
  length.writeUInt32LE(body.length)
  return Buffer.concat([length, body])
}

// A swarm connection as the back end has it: a stream of messages, that corestore can replicate on.
export class Peer extends Duplex {
  constructor (socket, hello) {
    super({ highWaterMark: 64 * 1024 })
    this.socket = socket
    this.bridgeKey = hello.subarray(2, 34)
    const family = hello[34]
    this.address = family === 4 ? `${hello.subarray(37, 41).join('.')}:${hello.readUInt16LE(35)}` : null
    this.noiseStream = this
    this.rawStream = { udx: null }
    this.userData = null
    this.keepAlive = 0
    this.frames = 0
    this.emptyFrames = 0
    this.opened = new Promise((resolve) => { this.isOpened = resolve })
    socket.on('error', () => {})
    socket.on('close', () => this.destroy())
    socket.on('end', () => this.push(null))
    socket.on('drain', () => this.onDrain?.())
  }

  setKeepAlive () {}

  takeFrame (body) {
    this.frames++
    if (this.frames > 1) {
      if (body.length === 0) this.emptyFrames++
      else if (!this.push(body)) this.socket.pause()
      return
    }
    if (body.length !== 97 || body[0] > 1) throw new Error('no start of 97 bytes')
    this.isInitiator = body[0] === 1
    this.handshakeHash = Buffer.from(body.subarray(1, 65))
    this.remotePublicKey = Buffer.from(body.subarray(65))
    this.connected = true
    this.isOpened(true)
  }

  _read (done) {
    this.socket.resume()
    done(null)
  }

  _write (message, done) {
    if (this.socket.write(frame(message))) done(null)
    else this.onDrain = () => { this.onDrain = null; done(null) }
  }

  _final (done) {
    this.socket.end()
    done(null)
  }

  _destroy (done) {
    this.socket.destroy()
    done(null)
  }
}

// Events: `control` (socket with bridgeKey), `state` (state, socket), `refusal` (message), `lost` (socket), `peer` (Peer).
export class BackEndStandIn extends EventEmitter {
  static async listen (socketPath) {
    const standIn = new BackEndStandIn(socketPath)
    fs.rmSync(socketPath, { force: true })
    await new Promise((resolve, reject) => standIn.server.once('error', reject).listen(socketPath, resolve))
    fs.chmodSync(socketPath, 0o600)
    return standIn
  }

  constructor (socketPath) {
    super()
    this.socketPath = socketPath
    this.sockets = new Set()
    this.controls = new Set()
    this.peers = new Set()
    this.revision = 0
    this.topics = []
    this.extra = {}
    this.server = net.createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket))
  }

  // The whole list, to every bridge, now and when one comes.
  desire (topics, extra = {}) {
    this.revision++
    this.topics = topics.map(({ topic, ...roles }) => (
      { topic: topic.toString('hex'), announce: false, lookup: false, ...roles }))
    this.extra = extra
    for (const control of this.controls) this.#sendDesired(control)
  }

  sendRaw (bytes) {
    for (const control of this.controls) control.write(bytes)
  }

  // As if the process had been killed.
  async kill () {
    for (const socket of this.sockets) socket.destroy()
    await new Promise((resolve) => this.server.close(resolve))
    fs.rmSync(this.socketPath, { force: true })
  }

  #accept (socket) {
    const frames = new Frames()
    let take = null
    this.sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => this.sockets.delete(socket))
    socket.on('data', (chunk) => {
      try {
        frames.take(chunk)
      } catch (error) {
        this.emit('broken', error)
        socket.destroy()
      }
    })
    frames.on('frame', (body) => {
      if (take !== null) take(body)
      else take = this.#hello(socket, body)
    })
  }

  #hello (socket, body) {
    const [version, kind] = body
    if (version !== 1 || body.length !== HELLO[kind]) throw new Error(`a hello of version ${version}, kind ${kind}, ${body.length} bytes`)
    if (kind === 1) return this.#control(socket, body)
    const peer = new Peer(socket, Buffer.from(body))
    this.peers.add(peer)
    peer.on('close', () => this.peers.delete(peer))
    peer.on('error', () => {})
    peer.opened.then(() => this.emit('peer', peer))
    return (message) => peer.takeFrame(message)
  }

  #control (socket, hello) {
    socket.bridgeKey = Buffer.from(hello.subarray(2))
    for (const other of this.controls) {
      if (other.bridgeKey.equals(socket.bridgeKey)) other.destroy()
    }
    this.controls.add(socket)
    socket.on('end', () => socket.end())
    socket.on('close', () => {
      this.controls.delete(socket)
      this.emit('lost', socket)
    })
    this.emit('control', socket)
    if (this.revision > 0) this.#sendDesired(socket)
    return (body) => {
      if (body.length > CONTROL_BYTES_MAX) throw new Error(`a control message of ${body.length} bytes`)
      const message = JSON.parse(body)
      if (message.type === 'state') {
        this.state = message
        this.emit('state', message, socket)
      }
      if (message.type === 'error') this.emit('refusal', message.message)
    }
  }

  #sendDesired (control) {
    control.write(frame(Buffer.from(JSON.stringify(
      { type: 'desired', revision: this.revision, topics: this.topics, ...this.extra }))))
  }
}
