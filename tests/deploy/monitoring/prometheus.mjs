// A real Prometheus with a real Alertmanager's worth of rules: scrapes what it is given every second.
import { spawn, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { check, freePort, until } from '../../e2e/words.mjs'

const START_TIMEOUT_MS = 60_000

export class Prometheus {
  // `jobs`: {job name: [address, ...]}
  constructor (dir, jobs, ruleFiles) {
    Object.assign(this, { dir, jobs, ruleFiles, logFile: path.join(dir, 'prometheus.log') })
  }

  async start () {
    fs.mkdirSync(this.dir, { recursive: true })
    const config = {
      global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
      rule_files: this.ruleFiles,
      scrape_configs: Object.entries(this.jobs).map(([name, targets]) => ({ job_name: name, static_configs: [{ targets }] }))
    }
    const file = path.join(this.dir, 'prometheus.yml') // JSON is YAML
    fs.writeFileSync(file, JSON.stringify(config, null, 2))
    const checked = spawnSync('promtool', ['check', 'config', file], { encoding: 'utf8' })
    check(checked.status === 0, `promtool check config: ${checked.stdout}${checked.stderr}`)
    this.address = `127.0.0.1:${await freePort()}`
    const log = fs.openSync(this.logFile, 'a')
    this.child = spawn('prometheus', [`--config.file=${file}`, `--storage.tsdb.path=${path.join(this.dir, 'data')}`,
      `--web.listen-address=${this.address}`], { stdio: ['ignore', log, log] })
    fs.closeSync(log)
    this.ended = new Promise((resolve) => this.child.on('exit', resolve))
    await until('Prometheus is ready', START_TIMEOUT_MS, () => fetch(`http://${this.address}/-/ready`).then(({ ok }) => ok, () => false))
  }

  async api (name, words = {}) {
    const response = await fetch(`http://${this.address}/api/v1/${name}`, { method: 'POST', body: new URLSearchParams(words) })
    const { status, error, data } = await response.json()
    check(status === 'success', `Prometheus' ${name} ${JSON.stringify(words)}: ${error}`)
    return data
  }

  async get (name) {
    const { status, error, data } = await (await fetch(`http://${this.address}/api/v1/${name}`)).json()
    check(status === 'success', `Prometheus' ${name}: ${error}`)
    return data
  }

  // [{metric, values: [[seconds, number]]}]
  async range (query, from, to, step = 1) {
    const { result } = await this.api('query_range', { query, start: String(from), end: String(to), step: String(step) })
    return result.map(({ metric, values }) => ({ metric, values: values.map(([at, value]) => [at, Number(value)]) }))
  }

  async now (query) {
    const { result } = await this.api('query', { query })
    return result.map(({ metric, value: [, value] }) => ({ metric, value: Number(value) }))
  }

  explain () {
    console.error(`---- end of ${this.logFile}\n${fs.readFileSync(this.logFile, 'utf8').slice(-2000)}`)
  }

  async stop () {
    this.child?.kill('SIGTERM')
    await this.ended
  }
}
