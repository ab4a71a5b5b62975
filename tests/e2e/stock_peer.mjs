// Stock JavaScript beside a mirror: tests/interop/js/stock_mirror.mjs as a process.
import { spawn } from 'node:child_process'
import path from 'node:path'
import readline from 'node:readline'

const SOURCE = process.env.HNX_SOURCE_DIR ?? path.resolve(import.meta.dirname, '../..')
const STOCK = path.join(SOURCE, 'tests/interop/js/stock_mirror.mjs')

// A stock peer: what it said it holds, and where it serves it.
export class StockPeer {
  async start (key, dir, ...peers) {
    this.child = spawn('node', [STOCK, key, path.join(dir, 'store'), path.join(dir, 'files'), ...peers],
      { stdio: ['pipe', 'pipe', 'inherit'] })
    this.ended = new Promise((resolve) => this.child.on('exit', (code, signal) => resolve(signal ?? code)))
    const first = await Promise.race([
      new Promise((resolve) => readline.createInterface({ input: this.child.stdout }).once('line', resolve)),
      this.ended.then((status) => { throw new Error(`the stock peer ended: ${status}`) })])
    Object.assign(this, JSON.parse(first))
    this.address = `127.0.0.1:${this.port}`
    return this
  }

  async stop () {
    this.child?.stdin.end()
    await this.ended
  }
}
