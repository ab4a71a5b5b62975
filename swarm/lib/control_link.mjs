// The control connection to one back end: dials, says hello, hands each list on, dials again when it is lost.
import { EventEmitter } from 'node:events'
import net from 'node:net'

import { Backoff } from './backoff.mjs'
import { FrameError, FrameReader, writeFrame } from './frames.mjs'
import {
  CONTROL_BYTES_MAX, DIAL_DELAY_MS_MAX, DIAL_DELAY_MS_MIN, FIRST_LIST_TIMEOUT_MS
} from './limits.mjs'
import { controlHello, encodeControl, MessageError, parseControl, parseDesired } from './messages.mjs'

// Events: `desired` (list), `up` (before the first list of a connection), `down` (reason; only after `up`).
// A connection counts as up when its first list is there: who accepts and says nothing is no back end.
export class ControlLink extends EventEmitter {
  constructor ({ socketPath, bridgeKey, log, firstListTimeoutMs = FIRST_LIST_TIMEOUT_MS }) {
    super()
    this.socketPath = socketPath
    this.hello = controlHello(bridgeKey)
    this.log = log
    this.firstListTimeoutMs = firstListTimeoutMs
    this.backoff = new Backoff(DIAL_DELAY_MS_MIN, DIAL_DELAY_MS_MAX)
    this.socket = null
    this.timer = null
    this.isUp = false
    this.stopped = false
    this.dials = 0
    this.lastReason = ''
  }

  start () {
    this.#dial()
  }

  // Idempotent; `down` comes before it returns, when the link was up.
  stop () {
    this.stopped = true
    clearTimeout(this.timer)
    if (this.socket) this.#lost(this.socket, 'the bridge stops')
  }

  // A state is whole each time: while the back end has not read the last one, newer ones are not piled up behind it.
  sendState (state) {
    if (!this.isUp || this.socket.writableNeedDrain || this.socket.writableLength > CONTROL_BYTES_MAX) return false
    writeFrame(this.socket, encodeControl(state))
    return true
  }

  #dial () {
    this.dials++
    const socket = net.connect({ path: this.socketPath })
    const reader = new FrameReader(CONTROL_BYTES_MAX, (body) => this.#take(socket, body))
    this.socket = socket
    this.timer = setTimeout(() => this.#lost(socket, 'no list of topics came'), this.firstListTimeoutMs)
    writeFrame(socket, this.hello)
    socket.on('data', (chunk) => {
      if (socket !== this.socket) return
      try {
        reader.push(chunk)
      } catch (error) {
        if (!(error instanceof FrameError)) throw error
        this.#refuse(socket, error.message)
      }
    })
    socket.on('error', (error) => this.#lost(socket, error.message))
    socket.on('close', () => this.#lost(socket, 'the back end closed it'))
  }

  #take (socket, body) {
    if (socket !== this.socket) return
    try {
      const message = parseControl(body)
      if (message.type === 'desired') this.#takeDesired(parseDesired(message))
      else if (message.type === 'error') this.#lost(socket, `the back end says: ${String(message.message).slice(0, 1000)}`)
    } catch (error) {
      if (!(error instanceof MessageError)) throw error
      this.#refuse(socket, error.message)
    }
  }

  #takeDesired (list) {
    if (!this.isUp) {
      clearTimeout(this.timer)
      this.backoff.reset()
      this.isUp = true
      this.lastReason = ''
      this.log.info(`${this.socketPath}: connected to the back end`)
      this.emit('up')
    }
    this.emit('desired', list)
  }

  #refuse (socket, message) {
    writeFrame(socket, encodeControl({ type: 'error', message }))
    this.emit('refused')
    this.#lost(socket, message)
  }

  #lost (socket, reason) {
    if (socket !== this.socket) return
    this.socket = null
    clearTimeout(this.timer)
    // What is written already (an error) goes out; then it is over, whatever the other side does.
    socket.destroySoon()
    socket.setTimeout(DIAL_DELAY_MS_MAX, () => socket.destroy())
    const wasUp = this.isUp
    this.isUp = false
    if (!this.stopped) this.#dialLater()
    // The same words again and again would fill the log of a bridge that waits for its back end.
    if (!this.stopped && reason !== this.lastReason) this.log.warning(`${this.socketPath}: no back end: ${reason}; dialling again`)
    this.lastReason = reason
    if (wasUp) this.emit('down', reason)
  }

  #dialLater () {
    this.timer = setTimeout(() => this.#dial(), this.backoff.next())
  }
}
