// node timed_get.mjs URL [BYTES]: fetches and measures. Prints a line of JSON when BYTES have come, and one in the end:
// {status, reason, ms, first_byte_ms, gap_max_ms, bytes, sha256}; `error` when it was cut.
import { createHash } from 'node:crypto'
import http from 'node:http'

const [url, told] = process.argv.slice(2)
const hash = createHash('sha256')
const begun = performance.now()
const since = (then) => Math.round(performance.now() - then)
const result = { status: 0, reason: null, first_byte_ms: null, gap_max_ms: 0, bytes: 0 }
let last = begun
let reached = told === undefined

function end (error) {
  console.log(JSON.stringify({ ...result, ms: since(begun), sha256: hash.digest('hex'), ...(error && { error: error.message }) }))
  process.exit(0)
}

http.get(url, (response) => {
  result.status = response.statusCode
  result.reason = response.headers['x-hypercore-reason'] ?? null
  response.on('data', (chunk) => {
    result.first_byte_ms ??= since(begun)
    if (result.bytes > 0) result.gap_max_ms = Math.max(result.gap_max_ms, since(last))
    last = performance.now()
    result.bytes += chunk.length
    hash.update(chunk)
    if (!reached && result.bytes >= Number(told)) {
      reached = true
      console.log(JSON.stringify({ reached: result.bytes }))
    }
  })
  response.on('end', () => end())
  response.on('error', end)
}).on('error', end)
