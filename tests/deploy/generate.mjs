#!/usr/bin/env node
// Writes what of the chart is made of something else: the table of values in its README (from the comments of
// values.yaml), the options in values.schema.json (from the programs' --help), and copies of the repository's dashboards
// and alerts (charts cannot reach beyond their folder).
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { isMap, isScalar, isSeq, parseDocument } from 'yaml'
import { optionsOf } from './programs.mjs'

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..')
const chart = path.join(root, 'helm/hypercore-nixos')
// Folders of the chart, of what they are copies, and which files.
const copied = [['dashboards', 'dashboards', '.json'], ['alerts', 'dashboards/alerts', '.yaml']]
const begin = '<!-- values: made by tests/deploy/generate.mjs -->'
const end = '<!-- end of values -->'

// ---- options -----------------------------------------------------------------------------------------

// What the chart says by itself, or by values of its own.
const ofTheChart = {
  coordinator: ['data', 'listen', 'insecure', 'tls-cert', 'tls-key', 'tls-ca', 'listen-http', 'database', 'upstream', 'trusted-public-keys', 'channel-url', 'releases-host', 'proxy', 'ca-file', 'follow', 'copies', 'budget'],
  worker: ['data', 'coordinator', 'tls-cert', 'tls-key', 'tls-ca', 'role', 'index-key-file', 'index-holder', 'accept-length', 'index-from-log', 'name', 'proxy', 'ca-file', 'grace', 'listen-metrics', 'listen-peers', 'advertise-peers', 'failure-domain', 'peer', 'swarm', 'swarm-program', 'swarm-bootstrap'],
  // The rest of the index's list is about NARs, which it has none of.
  index: ['data', 'coordinator', 'tls-cert', 'tls-key', 'tls-ca', 'role', 'index-key-file', 'index-holder', 'accept-length', 'name', 'proxy', 'ca-file', 'grace', 'listen-metrics', 'listen-peers', 'advertise-peers', 'failure-domain', 'peer', 'swarm', 'swarm-program', 'swarm-bootstrap',
    'backlog-max', 'connections-per-host-max', 'decode-threads', 'download-rate-max', 'import-dir', 'memory-max', 'redirect-host', 'shard-size-max', 'transfers-max', 'xz-memory-max'],
  gateway: ['listen', 'drives', 'mirror', 'peer', 'swarm', 'swarm-program', 'swarm-bootstrap', 'listen-peers', 'cache', 'cache-size', 'index-size', 'fallback', 'trusted-public-keys', 'proxy', 'ca-file', 'coordinator', 'tls-cert', 'tls-key', 'tls-ca'],
  swarm: ['socket', 'key-file', 'listen', 'listen-metrics'],
}

function typeOf (option) {
  const types = {
    FLAG: { type: 'boolean' },
    TEXT: { type: 'string' },
    INT: { type: 'integer' },
    UINT: { type: 'integer', minimum: 0 },
    FLOAT: { type: 'number' },
    SIZE: { $ref: '#/definitions/size' },
    DURATION: { $ref: '#/definitions/duration' },
  }
  const type = types[option.type]
  if (type === undefined) {
    throw new Error(`--${option.name} has the unknown type ${option.type}`)
  }
  return option.list ? { type: 'array', items: type } : type
}

function withOptions (schema) {
  for (const [component, own] of Object.entries(ofTheChart)) {
    const options = optionsOf(component === 'index' ? 'worker' : component)
    for (const name of own) {
      if (!options.some((option) => option.name === name)) {
        throw new Error(`the chart sets --${name} of ${component}, which has no such option`)
      }
    }
    const left = options.filter((option) => !own.includes(option.name)).sort((a, b) => (a.name < b.name ? -1 : 1))
    schema.definitions[`${component}Options`] = {
      type: 'object',
      additionalProperties: false,
      // A $ref stands alone in draft 7.
      properties: Object.fromEntries(left.map((option) => [option.name, { description: option.help, allOf: [typeOf(option)] }])),
    }
  }
  return schema
}

// ---- table -------------------------------------------------------------------------------------------

function described (comment) {
  const text = (comment ?? '').split('\n').map((line) => line.trim())
  const at = text.findLastIndex((line) => line.startsWith('-- '))
  return at < 0 ? undefined : text.slice(at).join(' ').slice(3).trim()
}

function shown (node) {
  const json = JSON.stringify(node?.toJSON() ?? null)
  return `\`${json.length > 60 ? '...' : json}\``
}

// Each value of values.yaml; those that hold further ones are described by these.
function rowsOf (map, prefix, rows, missing) {
  map.items.forEach((pair, index) => {
    const name = prefix + pair.key.value
    // The comment before the first key of a map belongs to the map.
    const text = described(pair.key.commentBefore ?? (index === 0 ? map.commentBefore : undefined))
    if (text !== undefined) {
      rows.push(`| \`${name}\` | ${shown(pair.value)} | ${text.replaceAll('|', '\\|')} |`)
    } else if (isMap(pair.value) && pair.value.items.length > 0) {
      rowsOf(pair.value, `${name}.`, rows, missing)
    } else if (isMap(pair.value) || isSeq(pair.value) || isScalar(pair.value)) {
      missing.push(name)
    }
  })
}

function withTable (readme, values) {
  const rows = []
  const missing = []
  rowsOf(parseDocument(values).contents, '', rows, missing)
  if (missing.length > 0) {
    throw new Error(`values.yaml says nothing about ${missing.join(', ')}: a comment "# -- ..." before the key`)
  }
  const table = [begin, '', '| value | default | what |', '|---|---|---|', ...rows, '', end].join('\n')
  const [before, rest] = readme.split(begin)
  return before + table + rest.split(end)[1]
}

// ---- copies ------------------------------------------------------------------------------------------

function copies () {
  const found = {}
  for (const [copy, source, ending] of copied) {
    const folders = [path.join(chart, copy), path.join(root, source)]
    const names = folders.flatMap((folder) => existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(ending)) : [])
    for (const name of new Set(names)) {
      const [now, made] = folders.map((folder) => existsSync(path.join(folder, name)) ? readFileSync(path.join(folder, name), 'utf8') : null)
      found[path.join(copy, name)] = { now, made }
    }
  }
  return found
}

// ------------------------------------------------------------------------------------------------------

// {file of the chart: {now, made}}; null: it is not there, or should not be.
export function generated () {
  const read = (name) => readFileSync(path.join(chart, name), 'utf8')
  const schema = read('values.schema.json')
  const readme = read('README.md')
  return {
    'values.schema.json': { now: schema, made: `${JSON.stringify(withOptions(JSON.parse(schema)), null, 2)}\n` },
    'README.md': { now: readme, made: withTable(readme, read('values.yaml')) },
    ...copies()
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv.length !== 3 || process.argv[2] !== '--write') {
    console.error('usage: generate.mjs --write\nWith the programs in HNX_BIN_DIR (default build/test/bin).')
    process.exit(2)
  }
  for (const [name, { made }] of Object.entries(generated())) {
    const file = path.join(chart, name)
    if (made === null) {
      rmSync(file)
    } else {
      mkdirSync(path.dirname(file), { recursive: true })
      writeFileSync(file, made)
    }
  }
}
