// Whom a command may meet instead of a coordinator or a peer.
import http2 from 'node:http2'
import net from 'node:net'

// A coordinator that answers every call with an error of its own.
export function failingCoordinator () {
  const server = http2.createServer()
  server.on('stream', (stream) => {
    stream.on('error', () => {})
    stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '13', 'grpc-message': 'broken' }, { endStream: true })
  })
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve({
    address: `127.0.0.1:${server.address().port}`,
    stop: async () => server.close()
  })))
}

// A peer that takes connections and never says a word.
export function silentPeer () {
  let connections = 0
  const server = net.createServer((socket) => { connections++; socket.on('error', () => {}) })
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve({
    address: `127.0.0.1:${server.address().port}`,
    count: () => connections,
    stop: async () => server.close()
  })))
}
