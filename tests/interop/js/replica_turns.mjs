// A copy with gaps, filled in turns: by us from proofs, and by JavaScript's hypercore 10 from a
// hypercore 10 over its own protocol, in the same folder. Each finds what the other left: length,
// head, bits and blocks; after JavaScript's audit nothing is to correct, nor after ours.
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { Chance, check, checkEqual, fail, generate, scratch, seedOfThisRun } from './lib.mjs'

async function judge () {
  try {
    const [hypercore, crypto] = await Promise.all([import('hypercore'), import('hypercore-crypto')])
    return { Hypercore: hypercore.default, crypto: crypto.default }
  } catch (error) {
    return fail(`The JavaScript packages are missing (${error.message}). Install them: (cd tests/interop/js && npm ci)`)
  }
}
const { Hypercore, crypto } = await judge()

const chance = new Chance(seedOfThisRun())
const folder = scratch()
const rounds = 6

function proofTool (lines) {
  const run = spawnSync(path.join(process.env.HNX_BIN_DIR, 'proof_tool'), {
    input: lines.map(line => JSON.stringify(line)).join('\n') + '\n', encoding: 'utf8', maxBuffer: 1 << 30
  })
  check(run.status === 0, `proof_tool: ${run.error ?? run.stderr}`)
  return run.stdout.trimEnd().split('\n').map(line => JSON.parse(line))
}

// The owner's core: the same bytes here and there.
const seed = Buffer.alloc(32, 1 + chance.below(250))
const keyPair = crypto.keyPair(seed)
const manifest = { version: 1, signers: [{ publicKey: keyPair.publicKey }] }
const fill = 17
const sizes = []
const source = new Hypercore(path.join(folder, 'source'), { keyPair, manifest, compat: false })
await source.ready()

async function grow (blocks) {
  const added = []
  for (let i = 0; i < blocks; i++) {
    added.push(generate(fill + sizes.length, chance.below(10) === 0 ? 0 : chance.below(3000)))
    sizes.push(added[i].length)
  }
  await source.append(added)
}

async function openCopy (copy) {
  const core = new Hypercore(copy, { key: source.key, writable: false, compat: false })
  await core.ready()
  return core
}

// What JavaScript finds in the folder.
async function checkCopy (core, present, what) {
  check(core.key.equals(source.key), `${what}: another key`)
  checkEqual(core.length, source.length, `${what}: length`)
  checkEqual(core.byteLength, source.byteLength, `${what}: byte length`)
  checkEqual(core.core.tree.signature.toString('hex'), source.core.tree.signature.toString('hex'), `${what}: signature`)
  check(core.manifest !== null, `${what}: no manifest`)
  for (let i = 0; i < core.length; i++) {
    checkEqual(await core.has(i), present.has(i), `${what}: block ${i}`)
    if (present.has(i)) check((await core.get(i, { wait: false })).equals(await source.get(i)), `${what}: block ${i} has other bytes`)
  }
  let contiguous = 0
  while (present.has(contiguous)) contiguous++
  checkEqual(core.contiguousLength, contiguous, `${what}: contiguous length`)
}

async function download (core, blocks) {
  const one = source.replicate(true, { keepAlive: false })
  const other = core.replicate(false, { keepAlive: false })
  one.pipe(other).pipe(one)
  await Promise.all(blocks.map(block => core.get(block, { timeout: 20_000 })))
  one.destroy()
  other.destroy()
}

function someBlocks (count) {
  const blocks = new Set()
  for (let i = 0; i < count; i++) blocks.add(chance.below(sizes.length))
  return [...blocks]
}

async function takeTurns (name, flushed) {
  const copy = path.join(folder, name)
  const present = new Set()
  for (let round = 0; round < rounds; round++) {
    await grow(5 + chance.below(60))
    const give = [...someBlocks(1 + chance.below(30)), sizes.length - 1]
    const begin = chance.below(sizes.length)
    const clear = round % 2 === 1 ? [begin, Math.min(sizes.length, begin + chance.below(20))] : null
    const [, state] = proofTool([
      { core: { seed: seed.toString('hex'), fill, blocks: sizes } },
      { replica: copy, give, clear, flush: flushed }
    ])
    for (const block of give) present.add(block)
    if (clear) for (let i = clear[0]; i < clear[1]; i++) present.delete(i)
    const what = `${name}, round ${round}`
    checkEqual(state.findings, [], `${what}: our audit`)
    checkEqual(state.present, [...present].sort((a, b) => a - b), `${what}: our blocks`)

    const core = await openCopy(copy)
    await checkCopy(core, present, what)
    const wanted = someBlocks(1 + chance.below(20))
    await download(core, wanted)
    for (const block of wanted) present.add(block)
    await checkCopy(core, present, `${what}, after JavaScript's turn`)
    checkEqual(await core.core.audit(), { tree: 0, blocks: 0 }, `${what}: JavaScript's audit`)
    await core.close()
  }
  console.log(`${name}: ${rounds} rounds, ${present.size} of ${sizes.length} blocks`)
}

await takeTurns('with entries in the oplog', false)
await takeTurns('flushed', true)
await source.close()
