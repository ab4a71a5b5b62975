// Between programs and the demonstration channel's server: passes on what is asked for, at a pace, and is a bad upstream
// for as long as it is told to. A process of its own, so that a busy test does not slow it down.
//
//   node upstream_proxy.mjs HOST:PORT TARGET-HOST:PORT SEED     with an IPC channel: {mode, narsPerSecond} sets what it is
//
// Modes: calm; stall (half of a body comes, the rest when the mode ends), reset (half of a body, then RST), truncate
// (half of a body, then a clean end), lie (a body of the right length with a flipped bit, once a file at most: a second
// such answer is upstream's fault for good), busy (429 and 503 with Retry-After).
import http from 'node:http'
import { Random } from '../random.mjs'

const [listen, target, seed] = process.argv.slice(2)
const [targetHost, targetPort] = target.split(':')
const random = new Random(Number(seed))
const HARMED_SHARE = 0.6
const RETRY_AFTER_S_MAX = 2
const BODY_BYTES_MAX = 512 << 20

let mode = 'calm'
let narsPerSecond = 0 // 0: as fast as it goes
let waiting = [] // NARs whose turn has not come
let nextTurn // timer of the next turn
let resumed = [] // what waits for the end of a stall
const liedAbout = new Set()
const passed = new Set() // NARs that went out whole
const counts = {} // {harm: how often}

const agent = new http.Agent({ keepAlive: true, maxSockets: 64 })
const isNar = (url) => url.startsWith('/cache/nar/')
const told = () => ({ counts, passed: passed.size })

// Resolves when it is this NAR's turn.
function turn () {
  return new Promise((resolve) => {
    waiting.push(resolve)
    if (!nextTurn) takeTurns()
  })
}

function takeTurns () {
  clearTimeout(nextTurn)
  nextTurn = undefined
  if (!narsPerSecond) {
    for (const resolve of waiting.splice(0)) resolve()
    return
  }
  waiting.shift()?.()
  nextTurn = setTimeout(() => {
    nextTurn = undefined
    if (waiting.length) takeTurns()
  }, 1000 / narsPerSecond)
}

function ask (request) {
  return new Promise((resolve, reject) => {
    const headers = { ...request.headers }
    delete headers.connection
    const asked = http.request({ host: targetHost, port: targetPort, method: request.method, path: request.url, headers, agent }, (answer) => {
      const pieces = []
      let bytes = 0
      answer.on('data', (piece) => {
        pieces.push(piece)
        bytes += piece.length
        if (bytes > BODY_BYTES_MAX) answer.destroy(new Error('the body is larger than any of the demonstration'))
      })
      answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(pieces) }))
      answer.on('error', reject)
    })
    asked.on('error', reject)
    asked.end()
  })
}

function refuse (response) {
  const status = random.pick([429, 503])
  response.writeHead(status, { 'retry-after': String(random.between(1, RETRY_AFTER_S_MAX)), 'content-length': 0 })
  response.end()
}

const harms = {
  stall (response, body) {
    response.write(body.subarray(0, body.length >> 1))
    resumed.push(() => response.end(body.subarray(body.length >> 1)))
  },
  reset (response, body) {
    response.write(body.subarray(0, body.length >> 1), () => response.socket?.resetAndDestroy())
  },
  truncate (response, body) {
    response.write(body.subarray(0, body.length >> 1), () => response.socket?.end())
  },
  lie (response, body) {
    const wrong = Buffer.from(body)
    wrong[wrong.length >> 1] ^= 0x10
    response.end(wrong)
  }
}

// How this answer is harmed; undefined: it is not.
function harmOf (request, body) {
  if (!harms[mode] || body.length < 2 || random.next() >= HARMED_SHARE) return undefined
  if (mode !== 'lie') return mode
  if (!isNar(request.url) || liedAbout.has(request.url)) return undefined
  liedAbout.add(request.url)
  return mode
}

const server = http.createServer(async (request, response) => {
  response.on('error', () => {})
  try {
    if (mode === 'busy' && random.next() < HARMED_SHARE) {
      counts.busy = (counts.busy ?? 0) + 1
      refuse(response)
      return
    }
    if (isNar(request.url)) await turn()
    const { status, headers, body } = await ask(request)
    if (!response.socket) return // the client has gone
    const { connection, 'transfer-encoding': encoding, ...kept } = headers
    response.writeHead(status, request.method === 'HEAD' ? kept : { ...kept, 'content-length': body.length })
    const harm = status === 200 && request.method === 'GET' ? harmOf(request, body) : undefined
    if (!harm) {
      response.end(body)
      if (status === 200 && isNar(request.url)) passed.add(request.url)
      return
    }
    counts[harm] = (counts[harm] ?? 0) + 1
    harms[harm](response, body)
  } catch {
    response.destroy()
  }
})

process.on('message', (message) => {
  mode = message.mode ?? mode
  narsPerSecond = message.narsPerSecond ?? narsPerSecond
  if (mode !== 'stall') {
    for (const goOn of resumed.splice(0)) goOn()
  }
  if (message.narsPerSecond !== undefined) takeTurns()
  process.send(told())
})
process.on('disconnect', () => process.exit(0))
const [host, port] = listen.split(':')
server.keepAliveTimeout = 60_000
server.listen(Number(port), host, () => process.send(told()))
