// Containers by podman, in the storage that tests/deploy/containers/run made.
import { execFile, spawnSync } from 'node:child_process'
import { check, checkEqual, until } from '../../e2e/words.mjs'

const OUTPUT_BYTES_MAX = 64 << 20
const LOG_LINES_SHOWN = 25
export const USER = 10001
export const TARGETS = ['coordinator', 'worker', 'gateway', 'swarm', 'hyp']
check(process.env.HNX_REGISTRY, 'started by tests/deploy/containers/run, which makes the images')
export const registry = process.env.HNX_REGISTRY
export const version = process.env.HNX_TAG
export const imageOf = (target) => `${registry}/hypercore-nixos/${target}:${version}`
const limits = process.env.HNX_PODMAN_LIMITS.split(' ')

export function podman (...words) {
  return spawnSync('podman', words, { encoding: 'utf8', maxBuffer: OUTPUT_BYTES_MAX })
}

// What it prints; an error when it fails.
export function told (...words) {
  const done = podman(...words)
  checkEqual(`podman ${words.join(' ').slice(0, 300)}: ${done.stderr.slice(-800)}`, done.status, 0)
  return done.stdout.trim()
}

// {status, said}, while this process goes on.
export function beside (...words) {
  return new Promise((resolve) => {
    execFile('podman', words, { encoding: 'utf8', maxBuffer: OUTPUT_BYTES_MAX }, (error, stdout, stderr) =>
      resolve({ status: error ? error.code : 0, said: stdout + stderr, stdout }))
  })
}

// A memory limit is left out where the machine cannot set one.
const limitsOf = (memory) => limits.map((word) => word.startsWith('--memory') && memory ? `--memory=${memory}` : word)

// As the chart and compose.yaml run them: nothing can be written but what is mounted, nobody can become more than he is.
export const LOCKED = ['--read-only', '--read-only-tmpfs=false', '--cap-drop=ALL', '--security-opt=no-new-privileges']
export const lockedWith = (memory) => [...LOCKED, ...limitsOf(memory)]

export class Container {
  // env: {NAME: value}; mounts: words of podman run; network: its value
  constructor (name, image, { env = {}, mounts = [], words = [], network = 'host', memory = '512m', entrypoint, graceSeconds = 30, more = [] } = {}) {
    Object.assign(this, { name, image, env, mounts, words, network, memory, entrypoint, graceSeconds, more })
  }

  get runWords () {
    return [`--name=${this.name}`, `--network=${this.network}`, ...lockedWith(this.memory), ...this.more,
      ...Object.entries(this.env).map(([key, value]) => `--env=${key}=${value}`), ...this.mounts,
      ...this.entrypoint ? [`--entrypoint=${JSON.stringify(this.entrypoint)}`] : [], this.image, ...this.words]
  }

  start () {
    podman('rm', '--force', '--time=0', '--ignore', this.name)
    told('run', '--detach', `--stop-timeout=${this.graceSeconds}`, ...this.runWords)
    this.started = true
    return this
  }

  // To its end; for commands.
  run () {
    return beside('run', '--rm', ...this.runWords)
  }

  state () {
    return JSON.parse(told('inspect', '--type=container', '--format={{json .State}}', this.name))
  }

  get running () {
    return this.started && this.state().Running
  }

  signal (name) {
    told('kill', `--signal=${name}`, this.name)
  }

  // The exit status, once it has ended.
  async ended (words, timeoutMs) {
    return (await until(words, timeoutMs, () => { const state = this.state(); return state.Running ? null : state })).ExitCode
  }

  // SIGTERM, and what came of it: 0 when it ended by itself in time.
  async terminate () {
    const { status, said } = await beside('stop', `--time=${this.graceSeconds}`, this.name)
    checkEqual(`podman stop ${this.name}: ${said}`, status, 0)
    return this.state().ExitCode
  }

  // By the HEALTHCHECK of its image.
  healthy () {
    return podman('healthcheck', 'run', this.name).status === 0
  }

  logs () {
    const { stdout, stderr } = podman('logs', this.name)
    return stdout + stderr
  }

  explain () {
    if (!this.started) return
    console.error(`---- end of ${this.name}, ${JSON.stringify(this.state())}\n${this.logs().trim().split('\n').slice(-LOG_LINES_SHOWN).join('\n')}`)
  }

  async stop () {
    podman('rm', '--force', '--time=0', '--ignore', this.name)
  }
}
