// Frames of the socket to a back end: u32 length (little endian) || body.

const LENGTH_BYTES = 4

export class FrameError extends Error {}

// Cuts a byte stream into frames. A body that lies within one chunk is handed on as a view of it; one that
// does not is gathered in a buffer of its own, so at most one body is held here.
export class FrameReader {
  // `onFrame(body)` is called for each frame, empty ones too. After stop() no more calls are made.
  constructor (bodyBytesMax, onFrame) {
    this.bodyBytesMax = bodyBytesMax
    this.onFrame = onFrame
    this.stopped = false
    this.length = Buffer.alloc(LENGTH_BYTES)
    this.lengthBytes = 0
    this.body = null
    this.bodyBytes = 0
  }

  // Bytes of an unfinished frame that are held.
  get heldBytes () {
    return this.bodyBytes + this.lengthBytes
  }

  // False when the stream ended in the middle of a frame.
  get isAtBoundary () {
    return this.heldBytes === 0 && this.body === null
  }

  stop () {
    this.stopped = true
    this.body = null
    this.bodyBytes = this.lengthBytes = 0
  }

  // Throws FrameError when a length is beyond the limit; the reader is of no use afterwards.
  push (chunk) {
    let offset = 0
    while (!this.stopped && offset < chunk.length) {
      offset = this.body === null ? this.#readLength(chunk, offset) : this.#fillBody(chunk, offset)
    }
  }

  #readLength (chunk, offset) {
    const taken = Math.min(LENGTH_BYTES - this.lengthBytes, chunk.length - offset)
    chunk.copy(this.length, this.lengthBytes, offset, offset + taken)
    this.lengthBytes += taken
    offset += taken
    if (this.lengthBytes < LENGTH_BYTES) return offset
    this.lengthBytes = 0
    const bodyLength = this.length.readUInt32LE(0)
    if (bodyLength > this.bodyBytesMax) {
      throw new FrameError(`a frame of ${bodyLength} bytes; at most ${this.bodyBytesMax} are allowed`)
    }
    if (bodyLength <= chunk.length - offset) {
      this.onFrame(chunk.subarray(offset, offset + bodyLength))
      return offset + bodyLength
    }
    this.body = Buffer.allocUnsafe(bodyLength)
    return offset
  }

  #fillBody (chunk, offset) {
    const taken = Math.min(this.body.length - this.bodyBytes, chunk.length - offset)
    chunk.copy(this.body, this.bodyBytes, offset, offset + taken)
    this.bodyBytes += taken
    if (this.bodyBytes === this.body.length) {
      const whole = this.body
      this.body = null
      this.bodyBytes = 0
      this.onFrame(whole)
    }
    return offset + taken
  }
}

// Writes a frame; frames written in one turn of the event loop go out in one system call. False: the socket
// has enough for now, wait for `drain`.
export function writeFrame (socket, body) {
  const length = Buffer.allocUnsafe(LENGTH_BYTES)
  length.writeUInt32LE(body.length, 0)
  if (socket.writableCorked === 0) {
    socket.cork()
    process.nextTick(() => socket.uncork())
  }
  socket.write(length)
  return socket.write(body)
}
