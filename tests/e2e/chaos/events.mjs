// The kinds of events of a storm. Each does its harm, waits and ends it: whoever was stopped goes on, what was cut is
// mended, what was filled is free. `run` resolves with words on what happened.
import fs from 'node:fs'
import path from 'node:path'
import { sleep, until } from '../words.mjs'
import { Cluster } from './cluster.mjs'

const LEADER_MS = 120_000
const TAKEOVER_MS = 15_000
const UNHEARD_TRANSACTIONS = 8
const UNHEARD_MS = 8_000
const DRAIN_MS = 8_000
const OFFSETS = ['+3h', '-3h', '+40d', '-40d']

async function kill (storm, { variant, draw, hold }) {
  const names = { worker: storm.workers(), coordinator: Cluster.COORDINATORS, index: ['index'] }[variant]
  return storm.using(names, draw, async (name) => {
    await storm.cluster.programs.get(name).kill('SIGKILL')
    await sleep(hold)
    return name
  })
}

// Runs `body` while a program is stopped.
async function stopped (program, body) {
  if (!program.running) return
  process.kill(program.child.pid, 'SIGSTOP')
  try {
    await body()
  } finally {
    if (program.running) process.kill(program.child.pid, 'SIGCONT')
  }
}

async function stop (storm, { variant, draw, hold }) {
  if (variant === 'leader') return stopLeader(storm, hold)
  return storm.using(storm.workers(), draw, async (name) => {
    await stopped(storm.cluster.programs.get(name), () => sleep(hold))
    return `${name} for ${hold} ms`
  })
}

// The leader is stopped until another one leads, and a little longer: what it does when it wakes must be refused.
async function stopLeader (storm, hold) {
  for (;;) {
    const leader = await until('somebody leads', LEADER_MS, () => storm.cluster.leader())
    const said = await storm.using([leader], 0, async () => await storm.cluster.leader() === leader && outlasted(storm, leader, hold))
    if (said) return said
  }
}

async function outlasted (storm, leader, hold) {
  const begun = Date.now()
  let successor
  await stopped(storm.cluster.programs.get(leader), async () => {
    for (; !successor && Date.now() < begun + TAKEOVER_MS; await sleep(200)) {
      const now = await storm.cluster.leader()
      if (now && now !== leader) successor = `${now} took over after ${Date.now() - begun} ms`
    }
    await sleep(hold)
  })
  return `leader ${leader}: ${successor ?? 'nobody took over meanwhile'}`
}

async function cut (storm, { variant, draw, hold }) {
  const names = { worker: storm.workers(), coordinator: Cluster.COORDINATORS, index: ['index'] }[variant]
  return storm.using(names, draw, async (name) => {
    const { host } = storm.cluster.programs.get(name)
    storm.net.cut(host)
    await sleep(hold)
    storm.net.mend(host)
    return `${name} for ${hold} ms`
  })
}

async function stopPostgres (storm, { hold }) {
  return storm.using(['postgres'], 0, async () => {
    await storm.postgres.primary.stopImmediately()
    await sleep(hold)
    await storm.postgres.primary.start()
    return `for ${hold} ms`
  })
}

// The replica that is promoted lacks what was committed last.
async function failOver (storm, { hold }) {
  return storm.using(['postgres'], 0, async () => {
    const begun = Date.now()
    const lost = await storm.postgres.failOver(async (unheard) => {
      await sleep(hold)
      while ((await unheard()).transactions < UNHEARD_TRANSACTIONS && Date.now() < begun + UNHEARD_MS) await sleep(200)
    })
    await storm.postgres.followAgain()
    return `${lost.transactions} transactions (${lost.bytes} bytes of log) are lost`
  })
}

async function fillDisk (storm, { hold }) {
  return storm.using([Cluster.SMALL_DISK], 0, async (name) => {
    const before = storm.logged(name, 'no room for further NARs')
    storm.cluster.fillDisk(name)
    await sleep(hold)
    storm.cluster.freeDisk(name)
    return `${name} for ${hold} ms; it noticed ${storm.logged(name, 'no room for further NARs') - before} times`
  })
}

// The wall clock jumps, and jumps back. Then the program is killed: waits that libfaketime has moved do not come back.
async function jumpClock (storm, { variant, draw, hold }) {
  return storm.using([variant], 0, async () => {
    const offset = OFFSETS[Math.floor(draw * OFFSETS.length)]
    storm.cluster.setClock(variant, offset)
    await sleep(hold)
    storm.cluster.setClock(variant)
    await storm.cluster.programs.get(variant).kill('SIGKILL')
    return `${variant} by ${offset} for ${hold} ms`
  })
}

async function spoilUpstream (storm, { variant, hold }) {
  return storm.using(['upstream'], 0, async () => {
    const before = { ...storm.upstream.counts }
    const modes = variant.split(' and ')
    for (const mode of modes) {
      await storm.upstream.set({ mode })
      await sleep(hold / modes.length)
    }
    await storm.upstream.set({ mode: 'calm' })
    return modes.map((mode) => `${mode} ${(storm.upstream.counts[mode] ?? 0) - (before[mode] ?? 0)} answers`).join(', ')
  })
}

// A new worker with an empty disk; where no host is free, in the place of one whose disk is thrown away.
async function join (storm, { draw }) {
  const host = storm.guests.find((name) => !storm.cluster.members.has(name))
  if (host) return `${storm.addWorker(host)} on ${host}`
  const guests = storm.workers().filter((name) => !Cluster.WORKERS.includes(name))
  return storm.using(guests, draw, async (name) => {
    const { host: freed } = storm.cluster.programs.get(name)
    await loseDisk(storm, name)
    const added = storm.addWorker(freed)
    await storm.forgetLost()
    return `${added} in the place of ${name}`
  })
}

async function loseDisk (storm, name) {
  const dir = path.join(storm.cluster.dir, name)
  await storm.cluster.leave(name).kill('SIGKILL')
  if (fs.existsSync(path.join(dir, 'worker-id'))) storm.lost.add(fs.readFileSync(path.join(dir, 'worker-id'), 'utf8').trim())
  for (const id of fs.existsSync(path.join(dir, 'drives')) ? fs.readdirSync(path.join(dir, 'drives')) : []) storm.lostShards.add(id)
  fs.rmSync(dir, { recursive: true })
}

const LEAVING = {
  // It comes back with the disk that it had.
  async 'by SIGTERM' (storm, name, hold) {
    await storm.cluster.leave(name).stop()
    await sleep(hold)
    storm.cluster.begin(name)
    return `${name}, back after ${hold} ms`
  },
  async drained (storm, name, hold) {
    await storm.operator('drain', name)
    const idle = async () => (await storm.status())?.workers.find((worker) => worker.name === name && !worker.forgotten)?.jobs === 0
    for (const deadline = Date.now() + DRAIN_MS; Date.now() < deadline && !await idle();) await sleep(200)
    await storm.cluster.leave(name).stop()
    await sleep(hold)
    storm.cluster.begin(name)
    await storm.operator('undrain', name)
    return `${name} drained, back after ${hold} ms`
  },
  // It comes back with an empty disk.
  async 'its disk lost' (storm, name) {
    await loseDisk(storm, name)
    storm.cluster.begin(name)
    await storm.forgetLost()
    return name
  }
}

async function leave (storm, { variant, draw, hold }) {
  const names = storm.workers().filter((name) => name !== Cluster.SMALL_DISK)
  return storm.using(names, draw, (name) => LEAVING[variant](storm, name, hold))
}

export const KINDS = {
  kill: { run: kill, variants: ['worker', 'coordinator', 'index'], hold: [100, 800] },
  stop: { run: stop, variants: ['worker', 'leader', 'worker past its lease'], hold: { worker: [2000, 6000], leader: [200, 1000], 'worker past its lease': [16_000, 18_000] } },
  cut: { run: cut, variants: ['worker', 'coordinator', 'index'], hold: [2500, 7000] },
  'PostgreSQL stop': { run: stopPostgres, variants: ['immediate'], hold: [300, 2000] },
  'PostgreSQL failover': { run: failOver, variants: ['to a replica that lags'], hold: [1000, 2000] },
  'full disk': { run: fillDisk, variants: ['tmpfs'], hold: [3000, 5000] },
  'clock jump': { run: jumpClock, variants: Cluster.CLOCKS, hold: [3000, 6000] },
  upstream: { run: spoilUpstream, variants: ['stall', 'reset and truncate', 'busy and lie'], hold: [3000, 5000] },
  join: { run: join, variants: ['empty disk'], hold: [0, 0] },
  leave: { run: leave, variants: Object.keys(LEAVING), hold: [1000, 4000] }
}
