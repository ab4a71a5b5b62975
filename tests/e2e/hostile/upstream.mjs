// An upstream between the mirror and a demonstration channel's files: honest about most of them, and about some as bad as it can.
// Speaks HTTP/1.1 by itself, as no library would misbehave like this.
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import zlib from 'node:zlib'

const HEAD_MAX = 64 * 1024
const MEGABYTE = Buffer.alloc(1 << 20)
const DRIP_MS = 1_000

const head = (status, headers) => `HTTP/1.1 ${status} x\r\n${Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`

// Writes until the other side goes, at its pace.
function pour (socket, piece) {
  const more = () => {
    while (!socket.destroyed && socket.write(piece));
    if (!socket.destroyed) socket.once('drain', more)
  }
  more()
}

function drip (socket, text) {
  let at = 0
  const timer = setInterval(() => {
    if (socket.destroyed) clearInterval(timer)
    else socket.write(text[at++ % text.length])
  }, DRIP_MS)
}

// {name: (socket, bytes of the true file) => ...}; `elsewhere` are the addresses that nobody must ever ask.
export const tricks = (elsewhere) => ({
  'slow-head': (socket) => drip(socket, 'HTTP/1.1 200 OK\r\nX-Slow: yes, it is\r\nX-'),
  'hang': () => {},
  'endless-head': (socket) => { socket.write('HTTP/1.1 200 OK\r\n'); pour(socket, `X-A: ${'a'.repeat(1_000)}\r\n`) },
  'huge-line': (socket) => { socket.write('HTTP/1.1 200 OK\r\nX-A: '); pour(socket, 'a'.repeat(65_536)) },
  'interim-flood': (socket) => pour(socket, 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'),
  'endless-body': (socket) => { socket.write(head(200, {})); pour(socket, MEGABYTE) },
  'endless-chunks': (socket) => { socket.write(head(200, { 'Transfer-Encoding': 'chunked' })); pour(socket, Buffer.concat([Buffer.from('100000\r\n'), MEGABYTE, Buffer.from('\r\n')])) },
  'bad-chunks': (socket) => socket.write(head(200, { 'Transfer-Encoding': 'chunked' }) + 'zz\r\nhello\r\n0\r\n\r\n'),
  'huge-length': (socket) => { socket.write(head(200, { 'Content-Length': '9223372036854775807' })); pour(socket, MEGABYTE) },
  'short-body': (socket, bytes) => socket.end(Buffer.concat([Buffer.from(head(200, { 'Content-Length': bytes.length })), bytes.subarray(0, bytes.length >> 1)])),
  'long-body': (socket, bytes) => socket.write(Buffer.concat([Buffer.from(head(200, { 'Content-Length': bytes.length + 7 })), bytes, Buffer.from('garbage')])),
  'gzip-bomb': (socket) => { const bomb = zlib.gzipSync(Buffer.alloc(256 << 20)); socket.write(Buffer.concat([Buffer.from(head(200, { 'Content-Encoding': 'gzip', 'Content-Length': bomb.length })), bomb])) },
  'other-bytes': (socket, bytes) => { const zeros = Buffer.alloc(bytes.length); socket.write(Buffer.concat([Buffer.from(head(200, { 'Content-Length': zeros.length })), zeros])) },
  'reset': (socket) => socket.resetAndDestroy(),
  'tls': (socket) => socket.end(Buffer.from('1503010002020a', 'hex')),
  'absent-for-years': (socket) => socket.write(head(404, { 'Retry-After': '999999999', 'Content-Length': 0 })),
  ...Object.fromEntries(Object.entries(elsewhere).map(([name, target]) =>
    [name, (socket) => socket.write(head(302, { Location: target, 'Content-Length': 0 }))]))
})

export class HostileUpstream {
  asked = new Map() // {path: how often}

  // `root`: the files. `bad`: Map of {path: trick}.
  constructor (root, bad) {
    this.root = root
    this.bad = bad
    this.sockets = new Set()
    this.server = net.createServer((socket) => this.#serve(socket))
  }

  async start (host) {
    await new Promise((resolve, reject) => this.server.listen(0, host, resolve).on('error', reject))
    this.url = `http://${host}:${this.server.address().port}`
  }

  async stop () {
    for (const socket of this.sockets) socket.destroy()
    await new Promise((resolve) => this.server.close(resolve))
  }

  #serve (socket) {
    this.sockets.add(socket)
    socket.on('close', () => this.sockets.delete(socket))
    socket.on('error', () => {})
    let text = ''
    socket.on('data', (piece) => {
      text += piece.toString('latin1')
      if (text.length > HEAD_MAX) socket.destroy()
      for (let end; (end = text.indexOf('\r\n\r\n')) >= 0; text = text.slice(end + 4)) this.#answer(socket, text.slice(0, end))
    })
  }

  #answer (socket, request) {
    const url = request.split(' ')[1]
    this.asked.set(url, (this.asked.get(url) ?? 0) + 1)
    const file = path.join(this.root, path.normalize(url))
    const bytes = fs.existsSync(file) ? fs.readFileSync(file) : undefined
    if (this.bad.has(url)) this.bad.get(url)(socket, bytes)
    else if (!bytes) socket.write(head(404, { 'Content-Length': 0 }))
    else socket.write(Buffer.concat([Buffer.from(head(200, { 'Content-Length': bytes.length })), bytes]))
  }
}

// Listens where nobody may come, and counts who does.
export class Canary {
  visits = 0

  async start (host, port = 0) {
    this.server = net.createServer((socket) => { this.visits++; socket.destroy() })
    await new Promise((resolve, reject) => this.server.listen(port, host, resolve).on('error', reject))
    this.port = this.server.address().port
  }

  stop () {
    return new Promise((resolve) => this.server.close(resolve))
  }
}
