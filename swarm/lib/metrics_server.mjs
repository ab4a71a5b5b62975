// /metrics, /healthz and /readyz, as the project's other programs have them.
import http from 'node:http'

import { renderMetrics } from './metrics.mjs'

const REQUEST_TIMEOUT_MS = 10_000
const CONNECTIONS_MAX = 64

// Resolves to the server once it listens; rejects when it cannot.
export function serveMetrics ({ host, port }, bridge) {
  const server = http.createServer({ requestTimeout: REQUEST_TIMEOUT_MS }, (request, response) => {
    const { status, type, body } = answer(request, bridge)
    response.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) })
    response.end(request.method === 'HEAD' ? undefined : body)
  })
  server.maxConnections = CONNECTIONS_MAX
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => resolve(server))
  })
}

function answer (request, bridge) {
  const text = (status, body) => ({ status, type: 'text/plain; charset=utf-8', body })
  const json = (status, value) => ({ status, type: 'application/json', body: JSON.stringify(value) + '\n' })
  if (request.method !== 'GET' && request.method !== 'HEAD') return text(405, 'only GET and HEAD\n')
  switch (request.url.split('?')[0]) {
    case '/metrics':
      return { status: 200, type: 'text/plain; version=0.0.4; charset=utf-8', body: renderMetrics(bridge) }
    case '/healthz':
      return json(200, { status: 'alive' })
    case '/readyz': {
      const checks = bridge.backEnds.map(({ isUp, socketPath }) =>
        ({ name: 'back_end', ready: isUp, reason: isUp ? '' : `no back end at ${socketPath}` }))
      const ready = checks.every((check) => check.ready)
      return json(ready ? 200 : 503, { status: ready ? 'ready' : 'not ready', checks })
    }
    default:
      return text(404, 'there are /metrics, /healthz and /readyz\n')
  }
}
