// A real systemd in namespaces of its own: boot, as a class.
import { spawn, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const START_TIMEOUT_MS = 60_000
const POLL_MS = 100

// Why it cannot be done here, or nothing.
export function whyNot () {
  if (process.geteuid() !== 0) return 'namespaces and mounts need root'
  const mounted = spawnSync('findmnt', ['--noheadings', '--types', 'cgroup2', '--output', 'TARGET', '--first-only'], { encoding: 'utf8' })
  const group = mounted.stdout?.trim()
  if (mounted.status !== 0 || !group) return 'no cgroup2 is mounted'
  try {
    fs.mkdirSync(path.join(group, `hnx-try-${process.pid}`))
    fs.rmdirSync(path.join(group, `hnx-try-${process.pid}`))
  } catch (error) {
    return `no group can be made in ${group}: ${error.message}`
  }
  const tried = spawnSync('unshare', ['--mount', '--pid', '--fork', '--cgroup', '--propagation', 'private', 'true'], { encoding: 'utf8' })
  return tried.status === 0 ? undefined : `no namespaces: ${tried.stderr}`
}

export class Booted {
  constructor (root) {
    this.root = root
    this.logFile = `${root}/systemd.log`
  }

  async start () {
    const log = fs.openSync(this.logFile, 'a')
    this.child = spawn(path.join(import.meta.dirname, 'boot'), [this.root], { stdio: ['ignore', log, log] })
    fs.closeSync(log)
    this.ended = new Promise((resolve) => this.child.on('exit', resolve))
    const deadline = Date.now() + START_TIMEOUT_MS
    for (;;) {
      this.first = this.#children(this.child.pid)[0]
      if (this.first && this.systemctl('is-active', 'basic.target').stdout === 'active\n') return
      if (this.child.exitCode !== null || Date.now() > deadline) throw new Error(`systemd does not start: ${this.log()}`)
      await sleep(POLL_MS)
    }
  }

  #children (pid) {
    const file = `/proc/${pid}/task/${pid}/children`
    return fs.existsSync(file) ? fs.readFileSync(file, 'utf8').split(' ').filter(Boolean) : []
  }

  systemctl (...words) {
    return this.inside('systemctl', '--no-pager', ...words)
  }

  // Runs a program among its processes and mounts.
  inside (...words) {
    return spawnSync('nsenter', ['--target', this.first, '--mount', '--pid', '--cgroup', '--', ...words], { encoding: 'utf8' })
  }

  // {Property: value} of a unit.
  show (unit, ...properties) {
    const done = this.systemctl('show', unit, ...properties.map((name) => `--property=${name}`))
    return Object.fromEntries(done.stdout.split('\n').filter(Boolean).map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]))
  }

  logOf (unit) {
    const file = path.join(this.root, 'var/log', `${unit}.log`)
    return fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : ''
  }

  log () {
    return fs.readFileSync(this.logFile, 'utf8').slice(-4000)
  }

  async stop () {
    if (!this.child) return
    this.child.kill('SIGKILL') // --kill-child: its first process goes with it, and with that all others
    await this.ended
    const file = path.join(this.root, 'cgroup')
    if (!fs.existsSync(file)) return
    const group = fs.readFileSync(file, 'utf8').trim()
    for (let tries = 0; tries < 100 && fs.existsSync(group); tries++) {
      spawnSync('find', [group, '-depth', '-type', 'd', '-exec', 'rmdir', '{}', ';'])
      await sleep(POLL_MS)
    }
  }
}
