// A thread of its own that behaves: it asks for what a server has, over a new connection each time, checks each answer, and
// remembers how long it took. Told {address, wanted: [{url, sha256}], tries}: as many tries when it is hung up on. It says what it
// saw when it is told to stop.
import { createHash } from 'node:crypto'
import http from 'node:http'
import { parentPort, workerData } from 'node:worker_threads'

const PAUSE_MS = 20
const PATIENCE_MS = 60_000

const { address, wanted, tries } = workerData
const seen = { answers: 0, wrong: [], slowest_ms: 0 }
let stopped = false

function get (url) {
  return new Promise((resolve, reject) => {
    const request = http.get(`http://${address}${url}`, { agent: false, timeout: PATIENCE_MS }, (response) => {
      const hash = createHash('sha256')
      response.on('data', (piece) => hash.update(piece))
      response.on('end', () => resolve({ status: response.statusCode, sha256: hash.digest('hex') }))
      response.on('error', reject)
    })
    request.on('timeout', () => request.destroy(new Error('timeout')))
    request.on('error', reject)
  })
}

async function getAtLast (url) {
  for (let n = 1; ; n++) {
    try {
      return await get(url)
    } catch (error) {
      if (n === tries) throw error
    }
  }
}

async function ask ({ url, sha256 }) {
  const begun = performance.now()
  try {
    const answer = await getAtLast(url)
    if (answer.status !== 200 || (sha256 && answer.sha256 !== sha256)) seen.wrong.push(`${url}: ${answer.status}, ${answer.sha256}`)
  } catch (error) {
    seen.wrong.push(`${url}: ${error.message}`)
  }
  seen.answers++
  seen.slowest_ms = Math.max(seen.slowest_ms, Math.round(performance.now() - begun))
}

parentPort.on('message', () => { stopped = true })
for (let n = 0; !stopped; n++) {
  await ask(wanted[n % wanted.length])
  await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
}
parentPort.postMessage(seen)
parentPort.close()
