// An upstream that behaves as it is told, in front of a demonstration channel's nginx.
//   node upstream.mjs HOST:PORT http://NGINX
// PUT /_mode {"rate": bytes a second for each answer, "status": instead of NARs, "retryAfter": seconds, "broken": true}
import http from 'node:http'

const [, , listen, target] = process.argv
const [host, port] = listen.split(':')
const TICK_MS = 50
let mode = {}

async function setMode (request, response) {
  let body = ''
  for await (const piece of request) body += piece
  mode = JSON.parse(body)
  response.end('{}\n')
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

async function pass (request, response) {
  const headers = { ...request.headers, host: new URL(target).host, connection: 'close' }
  const answer = await new Promise((resolve, reject) => {
    http.request(target + request.url, { method: request.method, headers }, resolve).on('error', reject).end()
  })
  response.writeHead(answer.statusCode, answer.headers)
  for await (const piece of answer) {
    for (let at = 0; at < piece.length;) {
      const size = mode.rate ? Math.max(1, Math.floor(mode.rate * TICK_MS / 1000)) : piece.length
      if (!response.write(piece.subarray(at, at + size))) await new Promise((resolve) => response.once('drain', resolve).once('close', resolve))
      if (response.destroyed) return
      at += size
      if (mode.rate) await sleep(TICK_MS)
    }
  }
  response.end()
}

http.createServer((request, response) => {
  if (request.url === '/_mode') return setMode(request, response)
  if (mode.broken) return request.socket.destroy()
  if (mode.status && request.url.includes('/nar/')) {
    response.writeHead(mode.status, { 'content-length': 0, ...mode.retryAfter ? { 'retry-after': String(mode.retryAfter) } : {} })
    return response.end()
  }
  pass(request, response).catch(() => response.destroy())
}).listen(Number(port), host)
