// The upstream as the storm has it: upstream_proxy.mjs in a process of its own.
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const PROXY = fileURLToPath(new URL('upstream_proxy.mjs', import.meta.url))

export class Upstream {
  constructor (listen, target, seed) {
    this.listen = listen
    this.words = [listen, target, String(seed)]
    this.counts = {} // how often each harm was done
    this.passed = 0 // NARs that went out whole
    this.waiting = []
  }

  async start () {
    this.child = fork(PROXY, this.words)
    this.child.on('message', (told) => {
      Object.assign(this, told)
      this.waiting.shift()?.resolve()
    })
    this.ended = new Promise((resolve) => this.child.on('exit', (status) => {
      for (const { reject } of this.waiting.splice(0)) reject(new Error(`the upstream's proxy ended with ${status}`))
      resolve()
    }))
    await this.#answer()
  }

  #answer () {
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }))
  }

  // {mode, narsPerSecond}: what it is from now on; counts are new afterwards.
  async set (words) {
    this.child.send(words)
    return this.#answer()
  }

  async stop () {
    if (!this.child?.connected) return
    this.child.disconnect()
    await this.ended
  }
}
