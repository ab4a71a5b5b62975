// Random batches of puts and deletions on one Hyperbee, C++ and JavaScript in turns. After each of
// ours JavaScript reads it back, in order and reversed, by key, and as a difference to the version
// before; after each of JavaScript's we do.
//
//   HNX_INTEROP_KEYS=20000    entries of the large tree (1000000 takes some minutes)
//   HNX_INTEROP_SEED          of the random batches
import { Chance, check, checkEqual, judge, openStore, scratch, seedOfThisRun, tool } from './lib.mjs'
import path from 'node:path'

const { Corestore, Hyperbee } = await judge()
const chance = new Chance(seedOfThisRun())
const keys = Number(process.env.HNX_INTEROP_KEYS ?? 20_000)
const root = scratch()

const keyOf = i => 'k' + String(i).padStart(7, '0')
const sorted = model => [...model].sort((a, b) => (a[0] < b[0] ? -1 : 1))

function randomBatch (model, size, keySpace, percentPuts) {
  const operations = []
  for (let i = 0; i < size; i++) {
    const key = keyOf(chance.below(keySpace))
    if (chance.below(100) < percentPuts) {
      const value = 'v' + chance.below(1e9)
      operations.push([key, value])
      model.set(key, value)
    } else {
      operations.push([key, null])
      model.delete(key)
    }
  }
  return operations
}

async function withBee (folder, use) {
  const store = openStore(Corestore, folder)
  const core = store.get({ name: 'bee' })
  const bee = new Hyperbee(core, { keyEncoding: 'utf-8', valueEncoding: 'utf-8' })
  await bee.ready()
  try {
    return await use(bee, core)
  } finally {
    await store.close()
  }
}

async function readAll (stream) {
  const items = []
  for await (const { key, value } of stream) items.push([key, value])
  return items
}

// `absentByGet`: whether JavaScript's get may be asked for deleted keys. In a tree in which
// JavaScript deleted, its get can bring a deleted key back (docs/formats/hyperbee.md).
async function judgeTree (folder, model, before, what, absentByGet) {
  await withBee(folder, async (bee, core) => {
    const all = sorted(model)
    checkEqual(await readAll(bee.createReadStream()), all, `${what}: all in order`)
    checkEqual((await readAll(bee.createReadStream({ reverse: true, limit: 500 }))),
      all.slice(-500).reverse(), `${what}: the last 500 reversed`)
    const low = keyOf(chance.below(keys))
    const high = keyOf(chance.below(keys))
    checkEqual(await readAll(bee.createReadStream({ gt: low, lte: high })),
      all.filter(([key]) => key > low && key <= high), `${what}: (${low}, ${high}]`)
    for (let i = 0; i < 1500; i++) {
      const key = i < 1000 && all.length > 0 ? all[chance.below(all.length)][0] : keyOf(chance.below(keys))
      if (!model.has(key) && !absentByGet) continue
      const entry = await bee.get(key)
      checkEqual(entry && entry.value, model.get(key) ?? null, `${what}: get ${key}`)
    }
    if (before !== null) {
      const changes = []
      for await (const { left, right } of bee.createDiffStream(before.version)) {
        changes.push([(left ?? right).key, left && left.value, right && right.value])
      }
      const expected = []
      for (const key of [...new Set([...model.keys(), ...before.model.keys()])].sort()) {
        const [now, then] = [model.get(key) ?? null, before.model.get(key) ?? null]
        if (now !== then) expected.push([key, now, then])
      }
      // A key that was put again with the same value differs by its sequence number only.
      checkEqual(changes.filter(([, now, then]) => now !== then), expected, `${what}: difference`)
    }
    const audit = await core.core.audit()
    checkEqual(audit, { tree: 0, blocks: 0 }, `${what}: audit`)
    before = { version: bee.version, model: new Map(model) }
  })
  return before
}

function ourTurn (folder, operations) {
  tool(folder, ['open', 'bee bee', ...operations.map(([k, v]) => (v === null ? `bdel ${k}` : `bput ${k} ${v}`)), 'bcommit'])
}

async function theirTurn (folder, operations) {
  await withBee(folder, async bee => {
    const batch = bee.batch()
    for (const [key, value] of operations) {
      if (value === null) await batch.del(key)
      else await batch.put(key, value)
    }
    await batch.flush()
  })
}

function weJudge (folder, model, what) {
  checkEqual(tool(folder, ['open', 'bee bee', 'blist']), sorted(model).map(([k, v]) => `${k}\t${v}`), what)
}

async function ownTreeOnly () {
  const folder = path.join(root, 'own')
  const model = new Map()
  let before = null
  tool(folder, [`create ${'0a'.repeat(32)}`])
  const sizes = [1, 3, 10, 100, 1000, 10_000, 10_000, 1, 500, 3000]
  for (const [round, size] of sizes.entries()) {
    const operations = randomBatch(model, size, 20_000, round === 6 ? 30 : 65)
    ourTurn(folder, operations)
    before = await judgeTree(folder, model, before, `own tree, batch ${round} of ${size}`, true)
  }
  const deletions = [...model.keys()].map(key => [key, null])
  ourTurn(folder, deletions)
  model.clear()
  await judgeTree(folder, model, before, 'own tree, everything deleted', true)
  ourTurn(folder, randomBatch(model, 50, 100, 100))
  await judgeTree(folder, model, null, 'own tree, filled again', true)
  console.log(`own tree: ${sizes.length + 2} batches judged`)
}

async function inTurns () {
  const folder = path.join(root, 'turns')
  const model = new Map()
  let before = null
  tool(folder, [`create ${'0b'.repeat(32)}`])
  for (let round = 0; round < 6; round++) {
    ourTurn(folder, randomBatch(model, 1 + chance.below(2000), 5000, 60))
    before = await judgeTree(folder, model, before, `in turns, round ${round}, ours`, false)
    await theirTurn(folder, randomBatch(model, 1 + chance.below(1000), 5000, 50))
    weJudge(folder, model, `in turns, round ${round}, JavaScript's`)
  }
  console.log('in turns: 6 rounds')
}

async function theirTreeFirst () {
  const folder = path.join(root, 'theirs')
  const model = new Map()
  await theirTurn(folder, randomBatch(model, 3000, 4000, 75))
  weJudge(folder, model, 'a tree that JavaScript began')
  ourTurn(folder, randomBatch(model, 1000, 4000, 30))
  await judgeTree(folder, model, null, 'a tree that JavaScript began and we went on with', false)
  console.log('their tree first: done')
}

async function bulkAndLarge () {
  const folder = path.join(root, 'large')
  const model = new Map()
  for (let i = 0; i < keys; i++) model.set(keyOf(i), `bulk${i}`)
  tool(folder, [`create ${'0c'.repeat(32)}`, 'bee bee', `bbulk ${keys}`])
  let before = await judgeTree(folder, model, null, `bulk load of ${keys}`, true)
  for (const size of [1, 10_000, 100]) {
    ourTurn(folder, randomBatch(model, size, keys + keys / 10, 55))
    before = await judgeTree(folder, model, before, `batch of ${size} on the bulk load`, true)
  }
  await theirTurn(folder, randomBatch(model, 2000, keys, 50))
  weJudge(folder, model, "JavaScript's batch on the bulk load")
  ourTurn(folder, randomBatch(model, 2000, keys, 50))
  await judgeTree(folder, model, before, 'ours again', false)
  check(model.size > 0, 'nothing left')
  console.log(`bulk load of ${keys} entries and batches on it: done`)
}

await ownTreeOnly()
await inTurns()
await theirTreeFirst()
await bulkAndLarge()
