// What the replication tests share: our peer as a child process, today's JavaScript stack, TCP.
import { spawn } from 'node:child_process'
import net from 'node:net'
import path from 'node:path'
import readline from 'node:readline'
import { check, fail } from './lib.mjs'

export async function modernJudge () {
  try {
    const [corestore, hyperdrive, secretStream, hypercore] = await Promise.all([
      import('corestore-7'), import('hyperdrive-13'), import('@hyperswarm/secret-stream'), import('hypercore-11')
    ])
    return {
      Corestore: corestore.default,
      Hyperdrive: hyperdrive.default,
      SecretStream: secretStream.default,
      Hypercore: hypercore.default
    }
  } catch (error) {
    return fail(`The JavaScript packages are missing (${error.message}). Install them: (cd tests/interop/js && npm ci)`)
  }
}

// peer_tool: commands are answered in order; lines with '*' are events.
export class Peer {
  constructor () {
    this.child = spawn(path.join(process.env.HNX_BIN_DIR, 'peer_tool'), [], { stdio: ['pipe', 'pipe', 'inherit'] })
    this.answers = []
    this.events = []
    this.watchers = []
    this.ended = new Promise(resolve => this.child.on('exit', (code, signal) => {
      this.code = code ?? signal
      for (const waiting of this.answers.splice(0)) waiting.reject(new Error(`peer_tool ended (${this.code})`))
      resolve(this.code)
    }))
    readline.createInterface({ input: this.child.stdout }).on('line', line => {
      if (line.startsWith('* ')) {
        this.events.push(line.slice(2))
        for (const watcher of this.watchers.slice()) watcher()
      } else if (line.startsWith('ok')) {
        this.answers.shift().resolve(line.slice(3))
      } else {
        this.answers.shift().reject(new Error(line))
      }
    })
  }

  do (...words) {
    return new Promise((resolve, reject) => {
      this.answers.push({ resolve, reject })
      this.child.stdin.write(words.join(' ') + '\n')
    })
  }

  // The first event that matches, past ones included.
  event (pattern) {
    return new Promise(resolve => {
      const look = () => {
        const found = this.events.find(event => pattern.test(event))
        if (found === undefined) return
        this.watchers.splice(this.watchers.indexOf(look), 1)
        resolve(found)
      }
      this.watchers.push(look)
      look()
    })
  }

  async listen () {
    this.port = Number((await this.do('listen')).split(':').pop())
    return this.port
  }

  async stats () {
    return JSON.parse(await this.do('stats'))
  }

  async close () {
    this.child.stdin.end('quit\n')
    check((await this.ended) === 0, `peer_tool ended with ${this.code}`)
  }
}

// JavaScript dials; its store replicates everything that it has open.
export function dial (SecretStream, store, port) {
  const socket = net.connect(port, '127.0.0.1')
  socket.setNoDelay(true)
  const stream = new SecretStream(true, socket)
  stream.on('error', () => {})
  store.replicate(stream)
  return stream
}

// JavaScript listens.
export async function serve (SecretStream, store) {
  const streams = new Set()
  const server = net.createServer(socket => {
    socket.setNoDelay(true)
    const stream = new SecretStream(false, socket)
    stream.on('error', () => {})
    stream.on('close', () => streams.delete(stream))
    streams.add(stream)
    store.replicate(stream)
  })
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    address: `127.0.0.1:${server.address().port}`,
    streams,
    close: () => new Promise(resolve => {
      for (const stream of streams) stream.destroy()
      server.close(resolve)
    })
  }
}

export const closed = stream => new Promise(resolve => {
  if (stream.destroyed) return resolve()
  stream.once('close', resolve)
  stream.destroy()
})

// Refuses to wait for ever: JavaScript's errors in replication are silent.
export function within (seconds, what, promise) {
  let timer
  const timeout = new Promise((resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing after ${seconds} s`)), seconds * 1000)
  })
  return Promise.race([promise, timeout]).finally(() => clearTimeout(timer))
}

// Bad proofs only pause a peer, without a word; here they fail the test.
export function watchProofs (core, problems) {
  core.on('verification-error', error => problems.push(`verification-error: ${error.message}`))
  core.on('invalid-request', error => problems.push(`invalid-request: ${error.message}`))
  core.on('conflict', () => problems.push('conflict'))
}
