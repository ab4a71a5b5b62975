// What hostile clients do to a port that speaks HTTP, over raw sockets. Each attack ends by itself, within seconds.
import net from 'node:net'
import { sleep } from '../words.mjs'

const PATIENCE_MS = 30_000

export class Attacker {
  constructor (address) {
    const colon = address.lastIndexOf(':')
    this.host = address.slice(0, colon)
    this.port = Number(address.slice(colon + 1))
  }

  // Resolves with a socket, or undefined when it was not let in.
  connect () {
    return new Promise((resolve) => {
      const socket = net.connect({ host: this.host, port: this.port, allowHalfOpen: true })
      socket.on('connect', () => resolve(socket))
      socket.on('error', () => resolve(undefined))
    })
  }

  async connectMany (count) {
    const sockets = []
    for (let n = 0; n < count; n += 100) {
      sockets.push(...(await Promise.all(Array.from({ length: Math.min(100, count - n) }, () => this.connect()))).filter(Boolean))
    }
    return sockets
  }

  // All that comes back for some bytes until the server closes, or nothing more comes for `quietMs`.
  async answersTo (bytes, { quietMs = 400, half = false } = {}) {
    const socket = await this.connect()
    if (!socket) return ''
    const pieces = []
    let last = Date.now()
    const closed = new Promise((resolve) => {
      socket.on('data', (piece) => { pieces.push(piece); last = Date.now() })
      socket.on('end', resolve)
      socket.on('close', resolve)
    })
    if (half) socket.end(bytes)
    else socket.write(bytes)
    const deadline = Date.now() + PATIENCE_MS
    while (Date.now() < deadline) {
      const left = Math.max(10, quietMs - (Date.now() - last))
      if (await Promise.race([closed.then(() => true), sleep(left).then(() => false)])) break
      if (Date.now() - last >= quietMs && (pieces.length || Date.now() - last >= 4 * quietMs)) break
    }
    socket.destroy()
    return Buffer.concat(pieces).toString('latin1')
  }
}

export const statuses = (answers) => [...answers.matchAll(/(?:^|[^\r\n]*)HTTP\/1\.[01] (\d{3}) /g)].map(([, status]) => Number(status))

// Sockets that are closed, of some; how many are not after `ms`.
export async function openAfter (sockets, ms) {
  for (const deadline = Date.now() + ms; Date.now() < deadline; await sleep(100)) {
    if (sockets.every((socket) => socket.destroyed || socket.readableEnded)) return 0
  }
  return sockets.filter((socket) => !socket.destroyed && !socket.readableEnded).length
}

// Heads that never end: a byte now and then.
export async function slowHeads (attacker, count, ms) {
  const sockets = await attacker.connectMany(count)
  for (const socket of sockets) {
    socket.resume()
    socket.write('GET /nix-cache-info HTTP/1.1\r\nHost: t\r\nX-')
  }
  for (const deadline = Date.now() + ms; Date.now() < deadline; await sleep(500)) {
    for (const socket of sockets) if (!socket.destroyed && socket.writable) socket.write('a')
  }
  return sockets
}

const host = 'Host: t\r\n'
export const request = (target, headers = '', method = 'GET') => `${method} ${target} HTTP/1.1\r\n${host}${headers}\r\n`

// [words, bytes, what may be answered]
export function oddRequests (nar) {
  const long = 'a'.repeat(10_000)
  const traversals = ['/..%2f..%2fetc/passwd', '/../../../../etc/passwd', '/%2e%2e/%2e%2e/etc/passwd', '/nar/..%2f..%2f..%2fetc%2fpasswd', '/nar/%00',
    `${nar}%00`, `/${nar}`, `//etc/passwd`, '/nar//etc/passwd', '/channels/../../etc/passwd', '/channels/%2e%2e/%2e%2e', '/nar%2f' + nar.slice(5),
    '/nar/\\..\\..\\etc\\passwd', '/nar/....//....//etc/passwd', 'http://127.0.0.1:1/nix-cache-info', 'http://evil.example/nix-cache-info',
    'file:///etc/passwd', '*', `/${long}`, `/nar/${long}.nar`, '/%', '/%zz', '/\xff\xfe', '/;/', '/.narinfo', '/nar/.nar']
  return [
    ...traversals.map((target) => [`path ${target.slice(0, 60)}`, request(target), [400, 404, 414]]),
    ['CONNECT', 'CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n', [400, 405]],
    ...['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE', 'PROPFIND', 'get', 'G'.repeat(2_000)].map((method) =>
      [`method ${method.slice(0, 12)}`, request('/nix-cache-info', 'Content-Length: 0\r\n', method), [400, 405, 414, 431, 501]]),
    ['HTTP/0.9', 'GET /nix-cache-info\r\n\r\n', [400, 505]],
    ['HTTP/9.9', `GET /nix-cache-info HTTP/9.9\r\n${host}\r\n`, [400, 505]],
    ['HTTP/2 preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', [400, 405, 505]],
    ['TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n', [400]],
    ['a header of 70 KB', request('/nix-cache-info', `X: ${'a'.repeat(70_000)}\r\n`), [400, 413, 431]],
    ['5,000 headers', request('/nix-cache-info', 'A: b\r\n'.repeat(5_000)), [400, 413, 431]],
    ['two lengths', request('/nix-cache-info', 'Content-Length: 0\r\nContent-Length: 44\r\n') + request('/mirror.json'), [400]],
    ['length and chunks', request('/nix-cache-info', 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n') + '0\r\n\r\n' + request('/mirror.json'), [400]],
    ['chunks and length', request('/nix-cache-info', 'Transfer-Encoding: chunked\r\nContent-Length: 5\r\n') + '0\r\n\r\n' + request('/mirror.json'), [400]],
    ['odd chunks', request('/nix-cache-info', 'Transfer-Encoding: xchunked\r\n') + '0\r\n\r\n', [400]],
    ['a blank before the colon', request('/nix-cache-info', 'Content-Length : 44\r\n') + request('/mirror.json'), [400]],
    ['a tab before the colon', request('/nix-cache-info', 'Transfer-Encoding\t: chunked\r\n') + request('/mirror.json'), [400]],
    // libmicrohttpd 0.9 leaves a header out whose value goes on in the next line.
    ['a folded length', request('/nix-cache-info', 'Content-Length:\r\n 44\r\nConnection: close\r\n') + request('/mirror.json'), [200, 400, 404]],
    ['a folded header', request('/nix-cache-info', 'X: a\r\n\tTransfer-Encoding: chunked\r\n') + request('/mirror.json'), [400]],
    ['a length with a sign', request('/nix-cache-info', 'Content-Length: +0\r\n'), [400]],
    ['two hosts', request('/nix-cache-info', 'Host: u\r\n'), [400]]
  ]
}

// [words, header, status]. `size`: of what is asked for.
export const oddRanges = (size) => [
  ['1,000 ranges', `bytes=${Array.from({ length: 1_000 }, (_, n) => `${n}-${n}`).join(',')}`, 200],
  ['overlapping ranges', `bytes=${Array.from({ length: 500 }, () => '0-').join(',')}`, 200],
  ['a huge first byte', 'bytes=99999999999999999999999-', [200, 416]],
  ['a first byte of 2^64', 'bytes=18446744073709551616-', [200, 416]],
  ['a last byte of 2^63', 'bytes=0-9223372036854775808', [200, 206]],
  ['negative numbers', 'bytes=-1--5', 200],
  ['reversed', 'bytes=9-1', 200],
  ['no last bytes', 'bytes=-0', [200, 416]],
  ['more last bytes than there are', 'bytes=-99999999999999', 206],
  ['behind the end', `bytes=${size}-`, 416],
  ['another unit', 'lines=1-2', 200],
  ['nothing', 'bytes=', 200],
  ['a range that never ends', `bytes=${'0-0,'.repeat(6_000)}`, 200]
]
