// What the interop tests share: our tool as a child process, JavaScript's store, generated files,
// seeded chance. Failing is throwing.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'

const bin = process.env.HNX_BIN_DIR
if (!bin) fail('HNX_BIN_DIR must name the folder with drive_tool')

export function fail (message) {
  console.error(message)
  process.exit(1)
}

export async function judge () {
  try {
    const [corestore, hyperdrive, hyperbee] = await Promise.all([
      import('corestore'), import('hyperdrive'), import('hyperbee')
    ])
    return { Corestore: corestore.default, Hyperdrive: hyperdrive.default, Hyperbee: hyperbee.default }
  } catch (error) {
    return fail(`The JavaScript packages are missing (${error.message}). Install them: (cd tests/interop/js && npm ci)`)
  }
}

export function check (condition, message) {
  if (!condition) throw new Error(message)
}

export function checkEqual (actual, expected, what) {
  const a = JSON.stringify(actual)
  const e = JSON.stringify(expected)
  if (a === e) return
  let at = 0
  while (at < a.length && a[at] === e[at]) at++
  throw new Error(`${what}: differs at ${at}: ...${a.slice(Math.max(0, at - 80), at + 200)}... instead of ...${e.slice(Math.max(0, at - 80), at + 200)}...`)
}

// Runs drive_tool; gives its output as lines.
export function tool (folder, script) {
  const run = spawnSync(path.join(bin, 'drive_tool'), [folder], {
    input: script.join('\n') + '\n', encoding: 'utf8', maxBuffer: 1 << 30
  })
  check(run.status === 0, `drive_tool on ${folder}: ${run.error ?? run.stderr}`)
  return run.stdout.split('\n').filter(line => line !== '')
}

// { compat: false, manifestVersion: 1 }: otherwise corestore 6 opens another, new drive.
export function openStore (Corestore, folder) {
  return new Corestore(folder, { compat: false, manifestVersion: 1 })
}

export function scratch () {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hnx-interop-'))
  process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true }))
  return folder
}

export function copyStore (from, to) {
  fs.rmSync(to, { recursive: true, force: true })
  fs.cpSync(from, to, { recursive: true })
}

// As in drive_tool.cc.
export function generate (seed, size) {
  const bytes = Buffer.alloc(size)
  let state = (Math.imul(seed, 2654435761) + 1) >>> 0
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    bytes[i] = state >>> 24
  }
  return bytes
}

export function fnv1a (bytes) {
  let sum = 2166136261
  for (const b of bytes) sum = Math.imul(sum ^ b, 16777619) >>> 0
  return sum
}

// mulberry32
export class Chance {
  constructor (seed) {
    this.state = seed >>> 0
  }

  below (limit) {
    this.state = (this.state + 0x6d2b79f5) >>> 0
    let t = this.state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) % limit
  }
}

export function seedOfThisRun () {
  const seed = Number(process.env.HNX_INTEROP_SEED ?? 20261122)
  console.log(`seed ${seed} (set HNX_INTEROP_SEED to change it)`)
  return seed
}
