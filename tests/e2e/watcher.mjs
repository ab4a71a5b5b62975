// A stock JavaScript peer that keeps the whole index, and remembers what it saw of it.
import { spawn } from 'node:child_process'
import path from 'node:path'
import readline from 'node:readline'
import { check, checkEqual, sourceDir, until } from './words.mjs'

const READ_TIMEOUT_MS = 60_000
const CLOSURE_TIMEOUT_MS = 600_000

// tests/interop/js/index_watcher.mjs as a process.
export class Watcher {
  constructor (key, dir, ...addresses) {
    this.seen = []
    this.conflicts = []
    this.child = spawn('node', [path.join(sourceDir, 'tests/interop/js/index_watcher.mjs'), key, dir, ...addresses],
      { stdio: ['pipe', 'pipe', 'inherit'] })
    this.ended = new Promise((resolve) => this.child.on('exit', resolve))
    readline.createInterface({ input: this.child.stdout }).on('line', (line) => {
      const words = JSON.parse(line)
      if (words.files) this.files = words.files
      else if (words.closure) this.closure = words.closure
      else if (words.conflict) this.conflicts.push(line)
      else this.seen.push(words)
    })
  }

  get length () {
    return this.seen.at(-1)?.length ?? 0
  }

  async readAll () {
    this.files = undefined
    this.child.stdin.write('files\n')
    return until('the JavaScript peer reads every file', READ_TIMEOUT_MS, () => this.files)
  }

  // Every version that was published while it looked is closed under References.
  async checkClosure () {
    this.child.stdin.write('closure\n')
    const { versions, narinfos, open } = await until('the JavaScript peer reads every version', CLOSURE_TIMEOUT_MS, () => this.closure)
    checkEqual('references that lead to nothing', open.slice(0, 20), [])
    return { versions, narinfos }
  }

  checkGrowthOnly () {
    checkEqual('conflicts that the JavaScript peer saw', this.conflicts, [])
    this.seen.forEach((now, n) => {
      const before = this.seen[n - 1]
      check(now.fork === 0 && (!before || now.length >= before.length), `the index went from ${JSON.stringify(before)} to ${JSON.stringify(now)}`)
    })
  }

  async stop () {
    this.child.stdin.end()
    await this.ended
  }
}
