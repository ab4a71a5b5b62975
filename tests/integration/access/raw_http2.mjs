// A client of HTTP/2 that keeps to no rule: it sends the frames that a test gives it, answers nothing, and keeps what comes.
import net from 'node:net'
import { check, until } from '../../e2e/words.mjs'

export const FRAME = { DATA: 0, HEADERS: 1, RST_STREAM: 3, SETTINGS: 4, PING: 6, GOAWAY: 7, CONTINUATION: 9 }
export const FLAG = { ACK: 1, END_STREAM: 1, END_HEADERS: 4 }
const HEAD_BYTES = 9
const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'

// An HPACK integer: what does not fit into the prefix follows, seven bits a byte.
function integer (value, prefixBits, first = 0) {
  const most = (1 << prefixBits) - 1
  if (value < most) return Buffer.from([first | value])
  const bytes = [first | most]
  for (value -= most; value >= 128; value = Math.floor(value / 128)) bytes.push(value % 128 + 128)
  return Buffer.from([...bytes, value])
}

const text = (bytes) => Buffer.concat([integer(bytes.length, 7), Buffer.from(bytes)])

const header = (name, value) => Buffer.concat([Buffer.from([0]), text(name), text(value)])

export const callHeaders = (method) => Buffer.concat(Object.entries({
  ':method': 'POST', ':scheme': 'http', ':path': method, ':authority': 'coordinator', te: 'trailers', 'content-type': 'application/grpc'
}).map(([name, value]) => header(name, value)))

export class RawHttp2 {
  frames = []
  #rest = Buffer.alloc(0)

  async connect (address) {
    const [host, port] = address.split(':')
    this.socket = net.connect({ host, port })
    this.closed = false
    this.socket.on('data', (piece) => this.#take(piece))
    this.socket.on('error', () => {})
    this.socket.on('close', () => { this.closed = true })
    await new Promise((resolve) => this.socket.once('connect', resolve))
    return this
  }

  // As far as a client goes that means to make calls.
  async open (address) {
    await this.connect(address)
    this.socket.write(PREFACE)
    this.send(FRAME.SETTINGS, 0, 0)
    await until('the server tells its settings', 10_000, () => this.frames.length)
    this.send(FRAME.SETTINGS, FLAG.ACK, 0)
    return this
  }

  #take (piece) {
    this.#rest = Buffer.concat([this.#rest, piece])
    for (;;) {
      if (this.#rest.length < HEAD_BYTES) return
      const end = HEAD_BYTES + this.#rest.readUIntBE(0, 3)
      if (this.#rest.length < end) return
      this.frames.push({ type: this.#rest[3], flags: this.#rest[4], stream: this.#rest.readUInt32BE(5), payload: this.#rest.subarray(HEAD_BYTES, end) })
      this.#rest = this.#rest.subarray(end)
    }
  }

  // False: more is under way than the server takes.
  send (type, flags, stream, payload = Buffer.alloc(0)) {
    check(!this.socket.destroyed, 'the connection has ended')
    const head = Buffer.alloc(HEAD_BYTES)
    head.writeUIntBE(payload.length, 0, 3)
    head.writeUInt8(type, 3)
    head.writeUInt8(flags, 4)
    head.writeUInt32BE(stream, 5)
    return this.socket.write(Buffer.concat([head, payload]))
  }

  of (type) {
    return this.frames.filter((frame) => frame.type === type)
  }

  // SETTINGS identifier -> value, of the first frame.
  settings () {
    const { payload } = this.of(FRAME.SETTINGS)[0]
    return Object.fromEntries(Array.from({ length: payload.length / 6 }, (_, n) => [payload.readUInt16BE(6 * n), payload.readUInt32BE(6 * n + 2)]))
  }

  async stop () {
    this.socket?.destroy()
  }
}
