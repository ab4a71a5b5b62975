// What the rendered pods tell the real programs, said to the real programs. `PROGRAM ... --help` reads and checks all
// values and variables first, and `PROGRAM ... --no-such-flag` names the first argument that it does not know: neither
// does anything else.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import test from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseOptions } from '../../swarm/lib/options.mjs'
import { generated } from './generate.mjs'
import { chart, filesIn, helms } from './helm.mjs'
import { containersOf, parse } from './manifests.mjs'
import { commandLine, environmentOf, optionsOf } from './programs.mjs'

const PROGRAMS = ['coordinator', 'worker', 'gateway', 'swarm']
const SENTINEL = '--no-such-flag'
const KNOWN_BUT_SENTINEL = /has no option --no-such-flag$/m
const TIMEOUT_MS = 60_000
const containers = filesIn('values').flatMap((file) => containersOf(parse(helms[0].template(file))).map((found) => ({ ...found, title: `${path.basename(file)}: ${found.title}` })))
const ours = containers.filter(({ container }) => PROGRAMS.includes(container.command?.[0]))

function environment (container) {
  return Object.fromEntries((container.env ?? []).map((variable) => [variable.name, variable.value ?? (variable.valueFrom.fieldRef ? 'pod-0' : 'postgresql://db/mirror')]))
}

function ask (program, words, env) {
  const [file, line] = commandLine(program, words)
  return spawnSync(file, line, { encoding: 'utf8', timeout: TIMEOUT_MS, env: { PATH: process.env.PATH, ...env } })
}

test('each program stands in some pod', () => assert.deepEqual([...new Set(ours.map(({ container }) => container.command[0]))].sort(), [...PROGRAMS].sort()))

test('every variable is one that the program reads', () => {
  const known = Object.fromEntries(PROGRAMS.map((program) => [program, environmentOf(program)]))
  const unknown = ours.flatMap(({ container, title }) => Object.keys(environment(container))
    .filter((name) => name.startsWith('HNX_') && !known[container.command[0]].has(name)).map((name) => `${title} has ${name}`))
  assert.deepEqual(unknown, [])
})

test('what a program needs is said', () => {
  const missing = ours.filter(({ container }) => container.args?.[0] !== 'status').flatMap(({ container, title }) => optionsOf(container.command[0])
    .filter((option) => option.required && !(`HNX_${option.name.toUpperCase().replaceAll('-', '_')}` in environment(container))).map((option) => `${title} says no --${option.name}`))
  assert.deepEqual(missing, [])
  assert.deepEqual(PROGRAMS.flatMap((program) => optionsOf(program).filter((option) => option.required).map((option) => option.name)), ['data', 'socket'])
})

test('every argument and every value is taken', () => {
  const asked = new Set()
  for (const { container, title } of ours) {
    const env = environment(container)
    const words = container.args ?? []
    const key = JSON.stringify([container.command, words, env])
    if (asked.has(key)) continue
    asked.add(key)
    if (container.command[0] === 'swarm') {
      assert.doesNotThrow(() => parseOptions(words, env), title)
      continue
    }
    const values = ask(container.command[0], [...words, '--help'], env)
    assert.equal(values.status, 0, `${title}: ${values.stderr}`)
    const names = ask(container.command[0], [...words, SENTINEL], env)
    assert.match(names.stderr, KNOWN_BUT_SENTINEL, `${title}: ${names.stderr}`)
  }
  assert.ok(asked.size >= 40, `only ${asked.size} different containers`)
})

test('a value that is wrong would be seen', () => {
  assert.equal(ask('coordinator', ['serve', '--help'], { HNX_LEASE: 'soon' }).status, 2)
  assert.equal(ask('gateway', ['serve', '--help'], { HNX_CONNECTIONS_MAX: '1e+06' }).status, 2)
  assert.doesNotMatch(ask('worker', ['run', '--no-such-option', SENTINEL], { HNX_DATA: '/data' }).stderr, KNOWN_BUT_SENTINEL)
  assert.throws(() => parseOptions([], { HNX_SOCKET: '/run/x.sock', HNX_MAX_PEERS: 'many' }))
})

test('PostgreSQL\'s client takes the database\'s URI', () => {
  const uris = new Set(ours.map(({ container }) => environment(container).HNX_DATABASE).filter((uri) => uri?.includes('?')))
  assert.ok(uris.size >= 4)
  for (const uri of uris) {
    const nobody = uri.replace(/\/\/[^/]*/, '//127.0.0.1:1')
    const answer = ask('coordinator', ['migrate', '--dry-run'], { HNX_DATABASE: nobody, PGUSER: 'mirror', PGPASSWORD: 'p' })
    assert.equal(answer.status, 1)
    // It came as far as dialling.
    assert.match(answer.stderr, /Connection refused/, `${nobody}: ${answer.stderr}`)
  }
})

test('the schema\'s options, the README\'s table, dashboards and alerts are those of today', () => {
  for (const [name, { now, made }] of Object.entries(generated())) {
    assert.equal(now, made, `${name} is not current: node tests/deploy/generate.mjs --write`)
  }
})

test('what worker create-index-key prints is a key for mirror.key', () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hnx-key-'))
  const pattern = new RegExp(JSON.parse(fs.readFileSync(path.join(chart, 'values.schema.json'), 'utf8')).properties.mirror.properties.key.pattern)
  const made = ask('worker', ['create-index-key', path.join(folder, 'mirror.key')], {})
  fs.rmSync(folder, { recursive: true })
  const keys = made.stdout.split('\n').map((line) => line.trim()).filter((line) => /^\S{52,64}$/.test(line))
  assert.equal(keys.length, 2, made.stdout)
  for (const key of keys) {
    assert.match(key, pattern)
    assert.match(`hyper://${key}`, pattern)
  }
})

// ---- the key of the index ----------------------------------------------------------------------------

const freePort = () => new Promise((resolve) => {
  const server = net.createServer().listen(0, '127.0.0.1', () => {
    const { port } = server.address()
    server.close(() => resolve(port))
  })
})

// Runs the pod's worker with its folders below `folder`, until it answers /healthz (null) or ends (what it said).
async function startIndexWorker (container, folder, extra) {
  const env = environment(container)
  const port = await freePort()
  const here = Object.fromEntries(Object.entries(env).map(([name, value]) => [name, value.replace(/^\/(data|run)\b/, `${folder}/$1`)]))
  const [file, line] = commandLine('worker', container.args)
  const child = spawn(file, line, {
    env: { PATH: process.env.PATH, ...here, HNX_COORDINATOR: '127.0.0.1:1', HNX_LISTEN_PEERS: '127.0.0.1:0', HNX_ADVERTISE_PEERS: '', HNX_LISTEN_METRICS: `127.0.0.1:${port}`, ...extra }
  })
  let said = ''
  child.stderr.on('data', (text) => { said += text })
  child.stdout.on('data', (text) => { said += text })
  const ended = new Promise((resolve) => child.on('exit', resolve))
  let code
  ended.then((status) => { code = status })
  const deadline = Date.now() + TIMEOUT_MS
  while (code === undefined) {
    const answer = await fetch(`http://127.0.0.1:${port}/healthz`).catch(() => null)
    if (answer?.status === 200) {
      child.kill('SIGTERM')
      return { healthy: true, code: await ended, said }
    }
    if (Date.now() > deadline) {
      child.kill('SIGKILL')
      throw new Error(`the worker neither serves nor ends: ${said}`)
    }
    await sleep(50)
  }
  return { healthy: false, code, said }
}

test('the index worker refuses the Secret\'s own file, takes the init container\'s copy, and a new one needs acceptLength', async () => {
  const found = containers.filter(({ title }) => title.startsWith('first-install.yaml'))
  const index = found.find(({ container }) => container.name === 'index').container
  const copier = found.find(({ container }) => container.name === 'index-key').container
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hnx-index-'))
  try {
    for (const name of ['data', 'run/index-key', 'run/index-key-secret']) fs.mkdirSync(path.join(folder, name), { recursive: true })
    const key = path.join(folder, 'made.key')
    assert.equal(ask('worker', ['create-index-key', key], {}).status, 0)
    // As a Secret's volume has it: the key alone, readable by the pod's group.
    const secret = path.join(folder, 'run/index-key-secret/mirror.key')
    fs.copyFileSync(key, secret)
    fs.chmodSync(secret, 0o440)
    const refused = await startIndexWorker(index, folder, { HNX_INDEX_KEY_FILE: secret })
    assert.equal(refused.healthy, false)
    assert.match(refused.said, /others may read it/)

    const args = copier.args.map((word) => word.replace('/run/', `${folder}/run/`))
    const copied = spawnSync(copier.command[0], args, { encoding: 'utf8' })
    assert.equal(copied.status, 0, copied.stderr)
    const copy = path.join(folder, 'run/index-key/mirror.key')
    assert.equal(fs.statSync(copy).mode & 0o777, 0o400)
    // The pod starts again, the folder in memory is still there.
    assert.equal(spawnSync(copier.command[0], args).status, 0)

    const unsaid = await startIndexWorker(index, folder, { HNX_ACCEPT_LENGTH: '-1' })
    assert.equal(unsaid.healthy, false)
    assert.match(unsaid.said, /it cannot be told how long it was published/)
    const first = await startIndexWorker(index, folder, {})
    assert.equal(first.healthy, true, first.said)
    assert.equal(first.code, 0, first.said)
    // Once the drive is there, nothing needs to be said any more.
    const later = await startIndexWorker(index, folder, { HNX_ACCEPT_LENGTH: '-1' })
    assert.equal(later.healthy, true, later.said)
  } finally {
    fs.rmSync(folder, { recursive: true })
  }
})
