// Acts of a live run: each makes something happen and names the metrics that it moves. It is over when Prometheus has seen
// every one of them change.
import fs from 'node:fs'
import path from 'node:path'
import { check, checkEqual, sourceDir, step, until } from '../../e2e/words.mjs'

const SEEN_TIMEOUT_MS = 120_000
const BEFORE_S = 3

// {metric: type}, of the manual.
export function manualMetrics () {
  const text = fs.readFileSync(path.join(sourceDir, 'docs/METRICS.md'), 'utf8')
  return Object.fromEntries([...text.matchAll(/^\| `(hnx_[a-z_]+)` \| (\w+) /gm)].map(([, name, type]) => [name, type]))
}

export class Acts {
  #moved = new Map() // metric: act

  constructor (prometheus) {
    this.prometheus = prometheus
    this.types = manualMetrics()
  }

  // Runs `body`; `metrics` have to change from when it begins (or `from`, in seconds) on, also after its end.
  async act (words, metrics, body, from = Date.now() / 1000) {
    step(words)
    await body()
    const left = new Set(metrics)
    for (const name of left) check(this.types[name], `docs/METRICS.md lacks ${name}`)
    await until('everything moves that should', SEEN_TIMEOUT_MS, async () => {
      for (const name of left) {
        if (!await this.#movedSince(name, from)) continue
        left.delete(name)
        if (!this.#moved.has(name)) this.#moved.set(name, words)
      }
      return left.size === 0
    }).catch((error) => { throw new Error(`${error.message}: ${[...left].join(', ')}`) })
  }

  // Prometheus has a sample for which `query` is true, after now.
  async seen (query) {
    const from = Date.now() / 1000
    await until(`Prometheus sees ${query}`, SEEN_TIMEOUT_MS, async () => (await this.prometheus.range(query, from, Date.now() / 1000)).length > 0)
  }

  // What `query` adds up to becomes more than it is now.
  async grows (query) {
    const total = async () => (await this.prometheus.now(`sum(${query})`))[0]?.value ?? 0
    const before = await total()
    await until(`${query} grows`, SEEN_TIMEOUT_MS, async () => await total() > before)
  }

  // The alert is at least pending: what it judges is so, and only has to last.
  wakes (alert) {
    return this.seen(`ALERTS{alertname="${alert}"}`)
  }

  // A series has another value than at first, or came although its program was there before.
  async #movedSince (name, from) {
    const query = this.types[name] === 'histogram' ? `${name}_count` : name
    const now = Date.now() / 1000
    const series = await this.prometheus.range(query, from - BEFORE_S, now)
    if (series.some(({ values }) => values.some(([, value]) => value !== values[0][1]))) return true
    const targets = await this.prometheus.range('up', from - BEFORE_S, now)
    return series.some(({ metric, values: [[began]] }) => {
      const before = targets.find((target) => target.metric.instance === metric.instance).values.filter(([at]) => at < began)
      return before.length > BEFORE_S && before.every(([, up]) => up === 1)
    })
  }

  // Every metric of the manual was moved by an act, or `elsewhere`: {metric: [test file, words in it]}, or says no more than
  // what an option `set`: {metric: value}.
  async checkAllMoved (elsewhere, set) {
    for (const name of [...Object.keys(elsewhere), ...Object.keys(set)]) {
      check(!this.#moved.has(name), `${name} was moved by "${this.#moved.get(name)}"`)
    }
    for (const [name, [file, words]] of Object.entries(elsewhere)) {
      check(fs.readFileSync(path.join(sourceDir, file), 'utf8').includes(words), `${file} does not test ${name}: it has no ${words}`)
    }
    for (const [name, value] of Object.entries(set)) {
      const found = new Set((await this.prometheus.now(name)).map((series) => series.value))
      checkEqual(name, [...found], [value])
    }
    const left = Object.keys(this.types).filter((name) => !this.#moved.has(name) && !(name in elsewhere) && !(name in set))
    checkEqual('metrics that nothing has moved', left, [])
    console.log(`${this.#moved.size} metrics were moved`)
  }
}
