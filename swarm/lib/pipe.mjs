// One swarm connection and its socket to the back end: messages both ways, back-pressure both ways, an end of
// one direction passed on as such, an end of all passed on at once.
import { EventEmitter } from 'node:events'
import net from 'node:net'

import { FrameError, FrameReader, writeFrame } from './frames.mjs'
import {
  DATA_CONNECT_TIMEOUT_MS, HALF_OPEN_MS_MAX, KEEP_ALIVE_MS, MESSAGE_BYTES_MAX, SOCKET_BUFFER_BYTES
} from './limits.mjs'
import { dataHello, start } from './messages.mjs'

// Events: `close` (once, when both sides are closed). `connection` is a hyperswarm connection that was just opened;
// the pipe owns it. `counters`: see counters.mjs.
export class Pipe extends EventEmitter {
  constructor ({ connection, socketPath, bridgeKey, counters, log, halfOpenMsMax = HALF_OPEN_MS_MAX }) {
    super()
    this.connection = connection
    this.counters = counters
    this.log = log
    this.halfOpenMsMax = halfOpenMsMax
    this.name = connection.remotePublicKey.toString('hex').slice(0, 16)
    this.socket = net.connect({ path: socketPath, allowHalfOpen: true, writableHighWaterMark: SOCKET_BUFFER_BYTES })
    this.reader = new FrameReader(MESSAGE_BYTES_MAX, (message) => this.#toSwarm(message))
    this.undrainedBytes = 0
    this.isConnected = false
    this.remoteEnded = false
    this.backEndEnded = false
    this.openSides = 2
    this.timer = setTimeout(() => this.destroy('the back end does not take the connection'), DATA_CONNECT_TIMEOUT_MS)

    const { host = '', port = 0 } = address(connection)
    writeFrame(this.socket, dataHello(bridgeKey, host, port))
    writeFrame(this.socket, start(connection.isInitiator, connection.handshakeHash, connection.remotePublicKey))
    this.#wireSocket()
    this.#wireConnection()
  }

  // Bytes that wait here for a side that does not take them. udx-native reads whatever arrives and has no way to be
  // stopped: what a paused connection gets lies in its streams, so it is counted there and limited by limitQueue.
  get queuedToBackEnd () {
    return this.socket.writableLength + readable(this.connection) + readable(this.connection.rawStream)
  }

  get queuedToSwarm () {
    return this.undrainedBytes + this.reader.heldBytes
  }

  // To be called about once a second. While nothing is read from the back end (the swarm side does not take it, or the
  // back end has ended its direction) only a write can tell that the back end has closed: an empty frame.
  probe () {
    const readsNothing = this.backEndEnded || this.socket.isPaused()
    if (this.isConnected && readsNothing && !this.remoteEnded && !this.socket.writableNeedDrain) {
      writeFrame(this.socket, Buffer.alloc(0))
    }
  }

  // Drops a remote that sends more than the back end reads. True: it was dropped.
  limitQueue (bytesMax) {
    if (this.queuedToBackEnd <= bytesMax || this.connection.destroying) return false
    this.log.warning(`${this.name}: dropped: over ${bytesMax} bytes wait for the back end to read them`)
    this.destroy('too much waits for the back end')
    return true
  }

  // Both sides, at once. Idempotent.
  destroy (reason) {
    if (!this.connection.destroying) this.log.debug(`${this.name}: dropped: ${reason}`)
    this.reader.stop()
    this.connection.destroy()
    this.socket.destroy()
  }

  #wireSocket () {
    const { socket, connection } = this
    socket.once('connect', () => {
      clearTimeout(this.timer)
      this.isConnected = true
      // Not before: what the remote sends meanwhile waits with the remote.
      connection.on('data', (message) => this.#toBackEnd(message))
      connection.on('end', () => this.#endOfRemote())
    })
    socket.on('data', (chunk) => {
      try {
        this.reader.push(chunk)
      } catch (error) {
        if (!(error instanceof FrameError)) throw error
        this.counters.protocolErrors++
        this.log.warning(`${this.name}: the back end sent ${error.message}`)
        this.destroy('a broken frame')
      }
    })
    socket.on('drain', () => this.isConnected && connection.resume())
    socket.on('end', () => this.#endOfBackEnd())
    socket.on('error', (error) => {
      if (!this.isConnected) this.counters.refusedByBackEnd++
      this.destroy(error.message)
    })
    socket.on('close', (hadError) => {
      if (hadError || !this.remoteEnded || !this.backEndEnded) this.destroy('the back end closed')
      this.#closeSide()
    })
  }

  #wireConnection () {
    const { socket, connection } = this
    connection.setKeepAlive(KEEP_ALIVE_MS)
    connection.on('drain', () => {
      this.undrainedBytes = 0
      socket.resume()
    })
    connection.on('error', (error) => this.log.debug(`${this.name}: ${error.message}`))
    connection.on('close', () => {
      // After an orderly end the socket still has something to deliver; after a loss it has not.
      if (this.remoteEnded) socket.destroySoon()
      else this.destroy('the remote closed')
      this.#closeSide()
    })
  }

  #toBackEnd (message) {
    if (message.length === 0) return
    this.counters.messagesToBackEnd++
    this.counters.bytesToBackEnd += message.length
    if (!writeFrame(this.socket, message)) this.connection.pause()
  }

  #toSwarm (message) {
    if (message.length === 0) return
    this.counters.messagesToSwarm++
    this.counters.bytesToSwarm += message.length
    if (this.connection.write(message)) return
    this.undrainedBytes += message.length
    this.socket.pause()
  }

  #endOfRemote () {
    this.remoteEnded = true
    this.socket.end()
    this.#limitHalfOpen()
  }

  #endOfBackEnd () {
    if (!this.reader.isAtBoundary) {
      this.counters.protocolErrors++
      this.destroy('the back end ended within a frame')
      return
    }
    this.backEndEnded = true
    this.connection.end()
    this.#limitHalfOpen()
  }

  #limitHalfOpen () {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => this.destroy('only one direction had ended'), this.halfOpenMsMax)
  }

  #closeSide () {
    if (--this.openSides > 0) return
    clearTimeout(this.timer)
    this.emit('close')
  }
}

// The bytes that a streamx stream has read and not handed on; 0 once it is destroyed.
function readable (stream) {
  return stream?._readableState?.buffered ?? 0
}

// Where the packets of a swarm connection come from.
function address (connection) {
  const raw = connection.rawStream
  return raw && raw.remoteHost ? { host: raw.remoteHost, port: raw.remotePort } : {}
}
