// Random proof requests: today's hypercore and ours answer the same request of the same core node
// for node alike, each verifies the other's answer, and ours refuses every wrong field of it.
//
//   HNX_PROOF_REQUESTS    how many (10,000)
//   HNX_PROOF_MUTATIONS   wrong variants a proof, about (12)
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { Chance, check, checkEqual, fail, generate, scratch, seedOfThisRun } from './lib.mjs'

const requestsWanted = Number(process.env.HNX_PROOF_REQUESTS ?? 10_000)
const mutations = Number(process.env.HNX_PROOF_MUTATIONS ?? 12)

async function judge () {
  try {
    const [hypercore, crypto, tree, verifier, flat] = await Promise.all([
      import('hypercore-11'), import('hypercore-crypto'), import('hypercore-11/lib/merkle-tree.js'),
      import('hypercore-11/lib/verifier.js'), import('flat-tree')
    ])
    return {
      Hypercore: hypercore.default,
      crypto: crypto.default,
      MerkleTree: tree.default.MerkleTree,
      Verifier: verifier.default,
      flat: flat.default
    }
  } catch (error) {
    return fail(`The JavaScript packages are missing (${error.message}). Install them: (cd tests/interop/js && npm ci)`)
  }
}
const { Hypercore, crypto, MerkleTree, Verifier, flat } = await judge()

const chance = new Chance(seedOfThisRun())
const folder = scratch()
const pick = (...choices) => choices[chance.below(choices.length)]
const coin = (one, of) => chance.below(of) < one

// How many levels lie between a node and the highest full tree below `length` that contains it.
function levelsAbove (index, length) {
  const ite = flat.iterator(index)
  let levels = 0
  ite.parent()
  while (!ite.contains(2 * length)) {
    levels++
    ite.parent()
  }
  return levels
}

function levels (index, length) {
  if (flat.rightSpan(index) >= 2 * length) return chance.below(3)
  const most = levelsAbove(index, length)
  return coin(1, 30) ? most + 1 + chance.below(3) : chance.below(most + 1)
}

function anyNode (from, to) {
  let index = 2 * (from + chance.below(to - from))
  for (let up = chance.below(5); up > 0; up--) {
    const parent = flat.parent(index)
    if (flat.rightSpan(parent) >= 2 * to || flat.leftSpan(parent) < 2 * from) break
    index = parent
  }
  return index
}

function randomSeek (core) {
  return { bytes: chance.below(core.bytes - core.padding * core.length + 2), padding: core.padding }
}

function randomUpgrade (length) {
  if (coin(1, 40)) return { start: chance.below(length + 2), length: chance.below(length + 2) }
  const start = coin(1, 3) ? 0 : chance.below(length)
  const rest = length - start
  return { start, length: coin(2, 3) ? rest : 1 + chance.below(rest) }
}

function randomRequest (core) {
  const { length } = core
  const request = {}
  const kind = pick('block', 'block', 'hash', 'seek', 'upgrade', 'block+upgrade', 'block+upgrade',
    'hash+upgrade', 'block+seek', 'hash+seek', 'seek+upgrade', 'block+seek+upgrade',
    'hash+seek+upgrade', 'nothing')
  if (kind.includes('upgrade')) request.upgrade = randomUpgrade(length)
  const { start } = request.upgrade ?? { start: length }
  const target = request.upgrade ? start + request.upgrade.length : length
  // Below the asker's length, or within what it asks to be upgraded to, now and then beyond.
  const below = start > 0 && start <= length && (!request.upgrade || coin(1, 2))
  const range = below
    ? [0, Math.min(start, length)]
    : coin(1, 30) ? [0, length] : [Math.min(start, length - 1), Math.max(1, Math.min(target, length))]
  if (range[0] >= range[1]) range[0] = 0
  if (kind.includes('block')) {
    const index = range[0] + chance.below(range[1] - range[0])
    request.block = { index, nodes: levels(2 * index, request.upgrade ? start : length) }
  }
  if (kind.includes('hash')) {
    const index = coin(1, 40) ? chance.below(2 * length + 2) : anyNode(range[0], range[1])
    request.hash = { index, nodes: levels(index, request.upgrade ? start : length) }
  }
  if (kind.includes('seek')) {
    request.seek = randomSeek(core)
    // A seek must lead below the tree of the block: mostly ask for one that does.
    const asked = request.block ? 2 * request.block.index : request.hash?.index
    if (asked !== undefined && coin(3, 4)) {
      let root = asked
      const nodes = (request.block ?? request.hash).nodes
      for (let i = 0; i < nodes; i++) root = flat.parent(root)
      const [first, last] = flat.spans(root)
      const at = first / 2 + chance.below((last - first) / 2 + 1)
      if (at < length) {
        request.seek.bytes = Math.max(0, core.offsets[at] - core.padding * at + chance.below(3))
      }
    }
  }
  if (coin(1, 3)) request.manifest = true
  return request
}

const hexNodes = nodes => nodes.map(node => [node.index, node.size, node.hash.toString('hex')])

function proofToJson (proof, manifest) {
  const json = { fork: proof.fork }
  const { block, hash, seek, upgrade } = proof
  if (block) json.block = { index: block.index, value: block.value.toString('hex'), nodes: hexNodes(block.nodes) }
  if (hash) json.hash = { index: hash.index, nodes: hexNodes(hash.nodes) }
  if (seek) json.seek = { bytes: seek.bytes, nodes: hexNodes(seek.nodes) }
  if (upgrade) {
    json.upgrade = {
      start: upgrade.start,
      length: upgrade.length,
      nodes: hexNodes(upgrade.nodes),
      additionalNodes: hexNodes(upgrade.additionalNodes),
      signature: upgrade.signature.toString('hex')
    }
  }
  if (manifest) json.manifest = manifest
  return json
}

function proofFromJson (json) {
  const nodes = list => list.map(([index, size, hash]) => ({ index, size, hash: Buffer.from(hash, 'hex') }))
  const { block, hash, seek, upgrade } = json
  return {
    fork: json.fork,
    block: block ? { index: block.index, value: Buffer.from(block.value, 'hex'), nodes: nodes(block.nodes) } : null,
    hash: hash ? { index: hash.index, nodes: nodes(hash.nodes) } : null,
    seek: seek ? { bytes: seek.bytes, nodes: nodes(seek.nodes) } : null,
    upgrade: upgrade
      ? {
          start: upgrade.start,
          length: upgrade.length,
          nodes: nodes(upgrade.nodes),
          additionalNodes: nodes(upgrade.additionalNodes),
          signature: Buffer.from(upgrade.signature, 'hex')
        }
      : null,
    manifest: null
  }
}

async function makeCore (number, length) {
  const seed = Buffer.alloc(32)
  for (let i = 0; i < 32; i++) seed[i] = chance.below(256)
  const padding = coin(1, 4) ? 8 : 0
  const fill = 1 + chance.below(1 << 20)
  const sizes = []
  const offsets = []
  let bytes = 0
  for (let i = 0; i < length; i++) {
    sizes.push(padding + (coin(1, 10) ? 0 : chance.below(40)))
    offsets.push(bytes)
    bytes += sizes[i]
  }
  const keyPair = crypto.keyPair(seed)
  const manifest = { version: 1, signers: [{ publicKey: keyPair.publicKey }] }
  const core = new Hypercore(path.join(folder, `core-${number}`), { keyPair, manifest })
  await core.ready()
  const blocks = sizes.map((size, i) => generate(fill + i, size))
  // In several signed batches, as a core grows.
  for (let at = 0; at < length;) {
    const end = Math.min(length, at + 1 + chance.below(length))
    await core.append(blocks.slice(at, end))
    at = end
  }
  return { core, seed, fill, sizes, offsets, bytes, padding, length, manifest: Verifier.encodeManifest(core.manifest).toString('hex') }
}

// As the replicator answers a request. (core.proof() fails with every seek: it closes its reader too
// early.)
async function theirAnswer ({ core, manifest, length }, request) {
  if (request.block && request.block.index >= length) return null
  const reader = core.core.storage.read()
  const block = request.block ? reader.getBlock(request.block.index) : null
  let pending
  try {
    pending = await MerkleTree.proof(core.core.state, reader, structuredClone(request))
  } catch (error) {
    reader.tryFlush()
    await Promise.allSettled([block])
    return refusal(error)
  }
  reader.tryFlush()
  const [proof, value] = await Promise.allSettled([pending.settle(), block])
  if (proof.status === 'rejected') return refusal(proof.reason)
  if (value.value) proof.value.block.value = value.value
  return proofToJson(proof.value, request.manifest ? manifest : null)
}

// Refusing is an answer, failing in another way is not. (Looking for a node beside a seek that leads
// elsewhere, JavaScript climbs until it stops itself, or the index is beyond all numbers.)
function isRefusal (error) {
  return ['INVALID_OPERATION', 'ERR_ASSERTION'].includes(error.code) || error.message.startsWith('Invalid number')
}
// Of that climb it leaves reads behind, on which nobody waits.
process.on('unhandledRejection', error => { if (!isRefusal(error)) throw error })

function refusal (error) {
  check(isRefusal(error), `JavaScript: ${error.stack}`)
  return null
}

// The node to which the answer for a block or node below the asker's length leads. Who asks with too
// many levels does not hold it, and can do nothing with an answer.
function rootAsked (request, length) {
  const asked = request.block ? 2 * request.block.index : request.hash?.index
  if (asked === undefined || flat.rightSpan(asked) >= 2 * length) return null
  let index = asked
  for (let i = (request.block ?? request.hash).nodes; i > 0; i--) index = flat.parent(index)
  return { index, held: flat.rightSpan(index) < 2 * length }
}

// What somebody who asks this knows, as a session of JavaScript's.
async function asker ({ core, length }, request) {
  const at = request.upgrade ? request.upgrade.start : length
  const nodes = new Map()
  const roots = await MerkleTree.getRoots(core.state, at)
  for (const root of roots) nodes.set(root.index, root)
  const root = rootAsked(request, at)
  if (root !== null && root.held) nodes.set(root.index, await MerkleTree.get(core.state, root.index))
  return {
    fork: 0,
    roots,
    length: at,
    signature: null,
    byteLength: roots.reduce((sum, root) => sum + root.size, 0),
    prologue: null,
    storage: { read: () => ({ getTreeNode: async index => nodes.get(index) ?? null, tryFlush () {} }) }
  }
}

async function theyVerify (core, request, json) {
  const batch = await MerkleTree.verify(await asker(core, request), proofFromJson(json))
  if (!request.upgrade) return
  check(batch.length === core.length, `upgraded to ${batch.length} instead of ${core.length}`)
  check(core.core.core.verifier.verify(batch, batch.signature), 'the signature does not verify')
}

const kindOf = request => Object.keys(request).sort().join('+') || 'nothing'
const counts = { answered: 0, useless: 0, refused: 0, mutations: 0, kinds: {} }

async function runCore (number, length, wantedByThen) {
  const count = Math.ceil(1.3 * Math.max(0, wantedByThen - (counts.answered - counts.useless)))
  const core = await makeCore(number, length)
  const lines = [{ core: { seed: core.seed.toString('hex'), fill: core.fill, blocks: core.sizes } }]
  const requests = []
  for (let i = 0; i < count; i++) {
    const request = randomRequest(core)
    requests.push(request)
    lines.push({ request, proof: await theirAnswer(core, request), mutations })
  }
  const run = spawnSync(path.join(process.env.HNX_BIN_DIR, 'proof_tool'), {
    input: lines.map(line => JSON.stringify(line)).join('\n') + '\n', encoding: 'utf8', maxBuffer: 1 << 30
  })
  check(run.status === 0, `proof_tool: ${run.error ?? run.stderr}`)
  const [made, ...answers] = run.stdout.trimEnd().split('\n').map(line => JSON.parse(line))
  checkEqual(made.signature, core.core.core.state.signature.toString('hex'), 'signature of the core')
  for (let i = 0; i < count; i++) {
    const request = requests[i]
    const theirs = lines[i + 1].proof
    const ours = answers[i]
    const what = `core ${number} of ${length} blocks: ${JSON.stringify(request)}`
    if (theirs === null) {
      check(ours.error?.startsWith('INVALID_ARGUMENT'), `${what}: JavaScript refuses, we say ${ours.error ?? JSON.stringify(ours.proof)}`)
      counts.refused++
      continue
    }
    check(ours.proof, `${what}: we refuse: ${ours.error}`)
    checkEqual(ours.proof, theirs, what)
    counts.answered++
    if (rootAsked(request, request.upgrade?.start ?? length)?.held === false) {
      const verified = await theyVerify(core, request, ours.proof).then(() => true, () => false)
      check(!verified && ours.verdict !== 'verified', `${what}: verified without the node that it leads to`)
      counts.useless++
      continue
    }
    await theyVerify(core, request, ours.proof).catch(error => fail(`${what}: JavaScript does not verify our proof: ${error.message}`))
    check(ours.verdict === 'verified', `${what}: we do not verify JavaScript's proof: ${ours.verdict}`)
    check(ours.survivor === undefined, `${what}: we take a proof with wrong ${ours.survivor}`)
    counts.mutations += ours.mutations
    counts.kinds[kindOf(request)] = (counts.kinds[kindOf(request)] ?? 0) + 1
  }
  await core.core.close()
  fs.rmSync(path.join(folder, `core-${number}`), { recursive: true, force: true })
}

const began = Date.now()
const lengths = [1, 2, 3, 4, 5, 7, 8, 9, 31, 32, 33, 4096, 5000]
while (lengths.length < 40) lengths.push(1 + chance.below(coin(1, 2) ? 100 : 5000))
// Some are refused; more are made until enough are answered.
const each = Math.ceil(requestsWanted / lengths.length)
for (const [number, length] of lengths.entries()) await runCore(number, length, each * (number + 1))

for (const [kind, count] of Object.entries(counts.kinds).sort()) console.log(`${String(count).padStart(6)} ${kind}`)
console.log(`${counts.answered} requests answered alike, ${counts.answered - counts.useless} of them verified by both (the others asked for too much); ${counts.refused} refused by both; ` +
  `${counts.mutations} wrong variants refused; ${lengths.length} trees of 1 to 5000 blocks; ${((Date.now() - began) / 1000).toFixed(1)} s`)
check(counts.answered - counts.useless >= requestsWanted, 'fewer requests than wanted')
