// Two coordinators and four workers under one limit: the upstream sees no more bytes, requests and transfers than
// that, and when it answers 429 nobody asks it for anything for as long as it says.
import fs from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import { DemoChannel, Mirror, check, checkEqual, compareWithUpstream, step, test } from './words.mjs'

const RATE = 1.5 * 1024 * 1024 // bytes a second
const REQUESTS = 30 // a second
const TRANSFERS = 4
const RETRY_AFTER_S = 8
// Everybody must have heard of a 429 by then: workers call four times a second, machines may be loaded.
const HEARD_MS = 3_000
const WINDOW_MS = 4_000
// A request that was sent in time may be seen late, and then next to others.
const JITTER_MS = 1_000
const PIECE = 16 * 1024
const NARS_BEFORE_429 = 30

// Serves a folder of files and remembers when what was asked for and sent.
class RecordingUpstream {
  requests = [] // {at, url, status}
  sent = [] // {at, bytes}
  running = 0
  runningMax = 0
  largest = 0
  throttledAt = undefined

  constructor (dir) {
    this.dir = dir
    this.server = http.createServer((request, response) => this.#answer(request, response))
  }

  async start () {
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve))
    this.url = `http://127.0.0.1:${this.server.address().port}`
  }

  stop () {
    this.server.closeAllConnections()
    return new Promise((resolve) => this.server.close(resolve))
  }

  nars () {
    return this.requests.filter(({ url, status }) => status === 200 && url.startsWith('/nar/'))
  }

  #status (file) {
    const now = Date.now()
    if (this.throttledAt === undefined && this.nars().length >= NARS_BEFORE_429) this.throttledAt = now
    if (this.throttledAt !== undefined && now < this.throttledAt + RETRY_AFTER_S * 1000) return 429
    return fs.existsSync(file) ? 200 : 404
  }

  #answer (request, response) {
    const file = path.join(this.dir, request.url)
    const status = this.#status(file)
    this.requests.push({ at: Date.now(), url: request.url, status })
    this.runningMax = Math.max(this.runningMax, ++this.running)
    response.on('close', () => { this.running-- })
    if (status !== 200) {
      response.writeHead(status, status === 429 ? { 'retry-after': String(RETRY_AFTER_S), 'content-length': 0 } : { 'content-length': 0 })
      response.end()
      return
    }
    const bytes = fs.readFileSync(file)
    this.largest = Math.max(this.largest, bytes.length)
    response.writeHead(200, { 'content-length': bytes.length, etag: `"${bytes.length}"` })
    this.#send(response, bytes, 0)
  }

  #send (response, bytes, from) {
    if (from >= bytes.length) {
      response.end()
      return
    }
    const piece = bytes.subarray(from, from + PIECE)
    response.write(piece, (error) => {
      if (error) return
      this.sent.push({ at: Date.now(), bytes: piece.length })
      this.#send(response, bytes, from + piece.length)
    })
  }
}

// The largest sum of `amount` over what lies within a window.
function largestWindow (events, amount) {
  let sum = 0
  let largest = 0
  for (let end = 0, begin = 0; end < events.length; end++) {
    sum += amount(events[end])
    while (events[end].at - events[begin].at > WINDOW_MS) sum -= amount(events[begin++])
    largest = Math.max(largest, sum)
  }
  return largest
}

test('limits', async ({ scratch, owns }) => {
  const channel = owns(new DemoChannel(path.join(scratch, 'channel'), ['--paths', '120', '--bytes', '14M']))
  channel.make()
  await channel.serve()
  const upstream = owns(new RecordingUpstream(path.join(channel.dir, 'www/cache')))
  await upstream.start()
  const direct = channel.info.upstream
  channel.info.upstream = upstream.url
  const mirror = owns(new Mirror(path.join(scratch, 'mirror'), channel, {
    workers: 4,
    coordinators: 2,
    // Small jobs, so that every worker has some.
    coordinatorOptions: ['--job-nars-max', '4', '--worker-jobs-max', '2', '--upstream-rate-max', String(RATE),
      '--upstream-requests-max', String(REQUESTS), '--upstream-transfers-max', String(TRANSFERS)]
  }))
  await mirror.start()

  step(`${direct} through ${upstream.url}: everything is mirrored, though it says 429 on the way`)
  const expected = channel.expected()
  const list = path.join(scratch, 'paths')
  fs.writeFileSync(list, Object.keys(expected.paths).join('\n') + '\n')
  const submitted = await mirror.runBeside('coordinator', 'submit', '--coordinator', mirror.address, '--store-paths', list, '--wait')
  checkEqual(`the exit status of submit (${submitted.stderr.slice(-500)})`, submitted.status, 0)
  check(upstream.throttledAt !== undefined, 'the upstream had no reason to say 429')

  step('status shows the limits')
  const [shown] = mirror.status().upstreams.filter(({ host }) => upstream.url.endsWith(host))
  checkEqual('the limits', [shown.bytes_per_second_max, shown.requests_per_second_max, shown.transfers_max], [RATE, REQUESTS, TRANSFERS])

  step('the limits as the upstream saw them')
  const allowance = (WINDOW_MS + JITTER_MS) / 1000
  const requests = largestWindow(upstream.requests, () => 1)
  console.log(`at most ${requests} requests in ${WINDOW_MS} ms, of ${upstream.requests.length}`)
  check(requests <= allowance * REQUESTS, `${requests} requests in ${WINDOW_MS} ms, limit ${REQUESTS}/s`)
  const bytes = largestWindow(upstream.sent, (event) => event.bytes)
  // A running transfer's file may lie in the kernel's buffers as a whole.
  const bytesMax = allowance * RATE + TRANSFERS * upstream.largest
  console.log(`at most ${bytes} bytes in ${WINDOW_MS} ms; the largest file has ${upstream.largest}`)
  check(bytes <= bytesMax, `${bytes} bytes in ${WINDOW_MS} ms, limit ${RATE}/s (${bytesMax} with what may be buffered)`)
  const total = upstream.sent.reduce((sum, event) => sum + event.bytes, 0)
  const seconds = (upstream.sent.at(-1).at - upstream.sent[0].at) / 1000
  check(total / seconds <= RATE, `${total} bytes in ${seconds} s are faster than ${RATE}/s`)
  console.log(`at most ${upstream.runningMax} transfers at once`)
  // The end of one and the beginning of the next may be seen in another order.
  check(upstream.runningMax <= 2 * TRANSFERS, `${upstream.runningMax} transfers at once, limit ${TRANSFERS}`)

  step('the 429 stopped all of them for as long as it said')
  const quiet = upstream.requests.filter(({ at }) =>
    at > upstream.throttledAt + HEARD_MS && at < upstream.throttledAt + RETRY_AFTER_S * 1000)
  checkEqual('requests while it wanted none', quiet.map(({ at, url }) => [at - upstream.throttledAt, url]), [])
  check(upstream.requests.some(({ at }) => at >= upstream.throttledAt + RETRY_AFTER_S * 1000), 'nobody came back')

  step('all four workers had a part in it, and every NAR came once')
  for (const worker of mirror.status().workers) check(worker.bytes_stored > 0, `${worker.name} stored nothing`)
  const nars = upstream.nars().map(({ url }) => url)
  checkEqual('NARs that came twice', nars.filter((url, at) => nars.indexOf(url) !== at), [])
  const [{ channel: listName, name: listed }] = mirror.status().releases
  await mirror.manifest(listed, listName) // waits until the gateway shows it
  await compareWithUpstream(mirror, expected)
})
