// A storm over a cluster: what the schedule says happens, overlapping; everything is written down with its time.
import fs from 'node:fs'
import path from 'node:path'
import { check, sleep, sourceDir, until } from '../words.mjs'
import { KINDS } from './events.mjs'

const FREE_TIMEOUT_MS = 300_000
const OPERATOR_TIMEOUT_MS = 180_000
const CALM_TIMEOUT_MS = 180_000
const EVENT_S_EXPECTED = 2.5
const NARS_PER_SECOND = [0.5, 50]
// Of the NARs so many are to be left when the storm is over.
const LEFT_SHARE = 0.25

export class Storm {
  constructor ({ seed, plan, cluster, net, postgres, upstream, guests, nars }) {
    Object.assign(this, { seed, plan, cluster, net, postgres, upstream, guests, nars })
    this.begunAt = Date.now()
    this.lines = []
    this.busy = new Set()
    this.happened = {} // {kind: how often}
    this.lost = new Set() // ids of workers whose disks were thrown away
    this.lostShards = new Set() // what lay on them
    this.failures = []
  }

  say (words) {
    this.lines.push(`${((Date.now() - this.begunAt) / 1000).toFixed(1).padStart(7)} s  ${words}`)
  }

  // Names of the workers that are there.
  workers () {
    return [...this.cluster.members.values()].filter((name) => this.cluster.wanted.has(name))
  }

  addWorker (host) {
    const name = `worker-${this.cluster.workerNames.length + 1}`
    this.cluster.join(name, host)
    return name
  }

  // Runs `body(name)` with one of the names that nothing happens to at the time.
  async using (names, draw, body) {
    const free = () => names.filter((name) => !this.busy.has(name))
    await until(`one of ${names.join(', ')} is left alone`, FREE_TIMEOUT_MS, () => free().length)
    const name = free()[Math.floor(draw * free().length)]
    this.busy.add(name)
    try {
      return await body(name)
    } finally {
      this.busy.delete(name)
    }
  }

  logged (name, words) {
    return fs.readFileSync(this.cluster.programs.get(name).logFile, 'utf8').split(words).length - 1
  }

  async status () {
    const { status, stdout } = await this.cluster.ask('status')
    return status === 0 ? JSON.parse(stdout) : undefined
  }

  // What an operator says is said until it is taken.
  operator (...words) {
    return until(`coordinator ${words.join(' ')}`, OPERATOR_TIMEOUT_MS, async () => (await this.cluster.ask(...words)).status === 0)
  }

  async workersListed () {
    const { status, stdout } = await this.cluster.ask('workers')
    return status === 0 ? stdout.split('\n').filter(Boolean).map((line) => JSON.parse(line)) : undefined
  }

  // An operator says which disks are gone. While a worker was heard of just now nobody believes it; and a database that
  // lost its last commits may have forgotten that it was said, or that there was such a worker.
  forgetLost () {
    return until('the coordinator forgets workers whose disks are gone', OPERATOR_TIMEOUT_MS, async () => {
      const listed = await this.workersListed()
      const left = listed?.filter(({ id, forgotten }) => this.lost.has(id) && !forgotten)
      for (const { id } of left ?? []) await this.cluster.ask('forget', id)
      return left?.length === 0
    })
  }

  async #happen (event) {
    const title = `#${event.number} ${event.kind}: ${event.variant}`
    this.say(`${title} begins`)
    try {
      const words = await KINDS[event.kind].run(this, event)
      this.happened[event.kind] = (this.happened[event.kind] ?? 0) + 1
      this.say(`${title} is over: ${words}`)
    } catch (error) {
      this.say(`${title} FAILED: ${error.message}`)
      this.failures.push(error)
    }
  }

  // So fast that the mirror is at work all the while.
  #pace (number) {
    const seconds = (Date.now() - this.begunAt) / 1000
    const each = number > 3 ? seconds / number : EVENT_S_EXPECTED
    const wanted = this.nars * (1 - LEFT_SHARE) - this.upstream.passed
    const rate = wanted / (each * Math.max(1, this.plan.length - number))
    return this.upstream.set({ narsPerSecond: Math.min(NARS_PER_SECOND[1], Math.max(NARS_PER_SECOND[0], rate)) })
  }

  async blow () {
    this.begunAt = Date.now()
    const running = []
    for (const event of this.plan) {
      await this.#pace(event.number - 1)
      await sleep(event.gap)
      running.push(this.#happen(event))
      if (this.failures.length) break
    }
    await Promise.all(running)
    this.seconds = (Date.now() - this.begunAt) / 1000
    if (this.failures.length) throw this.failures[0]
  }

  // Everything is as it should be again; what operators said and a failover forgot is said again.
  async calm () {
    this.say('calm')
    await this.upstream.set({ mode: 'calm', narsPerSecond: 0 })
    for (const name of this.workers()) this.cluster.begin(name)
    await until('a coordinator answers after the storm', CALM_TIMEOUT_MS, () => this.status())
    await this.forgetLost()
    for (const { id, draining, forgotten } of await until('the workers are listed', CALM_TIMEOUT_MS, () => this.workersListed())) {
      if (draining && !forgotten) await this.operator('undrain', id)
    }
  }

  checkKinds (least) {
    for (const kind of Object.keys(KINDS)) check((this.happened[kind] ?? 0) >= least, `${kind} happened ${this.happened[kind] ?? 0} times, not ${least}`)
  }

  print () {
    console.log(`${this.lines.length ? this.lines.join('\n') : 'nothing happened yet'}`)
    const ends = {}
    for (const { name, status } of this.cluster.exits) ends[`${name}: ${status}`] = (ends[`${name}: ${status}`] ?? 0) + 1
    console.log(`events: ${JSON.stringify(this.happened)}`)
    console.log(`programs that ended by themselves, with their exit status: ${JSON.stringify(ends)}`)
    console.log(`harmed answers of the upstream: ${JSON.stringify(this.upstream.counts)}; lost in failovers: ${JSON.stringify(this.postgres.lost)}`)
  }

  // After a failure: what it takes to look into it.
  explain () {
    const folder = path.join(sourceDir, 'build/test-logs', `chaos-${this.seed}`)
    fs.rmSync(folder, { recursive: true, force: true })
    fs.mkdirSync(folder, { recursive: true })
    for (const dir of [this.cluster.dir, this.postgres.dir]) {
      for (const name of fs.readdirSync(dir).filter((file) => file.endsWith('.log'))) fs.copyFileSync(path.join(dir, name), path.join(folder, name))
    }
    console.error(`seed ${this.seed}; what happened:\n${this.lines.join('\n')}\nlogs: ${folder}`)
  }

  async stop () {}
}
