// No value is dead, none is unknown to the schema: each one is set by some file of values/, and the render is another
// one (or none) without it.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import test from 'node:test'
import { parse as parseYaml } from 'yaml'
import { chart, filesIn, helms } from './helm.mjs'

const read = (file) => parseYaml(fs.readFileSync(file, 'utf8'), { merge: true })
const defaults = read(path.join(chart, 'values.yaml'))
const schema = JSON.parse(fs.readFileSync(path.join(chart, 'values.schema.json'), 'utf8'))
const isMap = (value) => typeof value === 'object' && value !== null && !Array.isArray(value)

// Maps that are empty by default, or whose keys are the operator's, are values by themselves.
const WHOLE = /^(worker\.options|.*\.resources|.*\.extraSpec)$/

// Paths of the values, "worker.replicas".
function leaves (map, prefix = '') {
  return Object.entries(map).flatMap(([key, value]) => {
    const name = prefix + key
    return isMap(value) && Object.keys(value).length > 0 && !WHOLE.test(name) ? leaves(value, `${name}.`) : [name]
  })
}

const at = (map, name) => name.split('.').reduce((value, key) => value?.[key], map)

function without (map, name) {
  const copy = structuredClone(map)
  const keys = name.split('.')
  const holder = keys.slice(0, -1).reduce((value, key) => value[key], copy)
  delete holder[keys.at(-1)]
  return copy
}

const names = leaves(defaults)

test('the schema has the values of values.yaml and no others', () => {
  const properties = (part, prefix = '') => {
    const resolved = part.$ref ? schema.definitions[part.$ref.split('/').at(-1)] : part
    return Object.entries(resolved.properties ?? {}).flatMap(([key, value]) => {
      const name = prefix + key
      const below = WHOLE.test(name) || /(^|\.)options$/.test(name) ? [] : properties(value, `${name}.`)
      return below.length > 0 ? below : [name]
    })
  }
  assert.deepEqual(properties(schema).sort(), [...names].sort())
})

test('the schema takes no unknown words but in global, which belongs to charts around this one', () => {
  const open = (part, where) => Object.entries(part).flatMap(([key, value]) => isMap(value) ? open(value, `${where}/${key}`) : [])
    .concat(isMap(part.properties) && part.type === 'object' && part.additionalProperties !== false ? [where] : [])
  assert.deepEqual(open(schema, ''), ['/properties/global'])
})

test('each value is set by a values file, and does something', () => {
  const [helm] = helms
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hnx-values-'))
  fs.cpSync(chart, path.join(folder, 'chart'), { recursive: true })
  for (const [kind, name, text] of [['dashboards', 'x.json', '{"url": "docs/runbooks"}'], ['alerts', 'x.yaml', 'groups: []']]) {
    fs.mkdirSync(path.join(folder, 'chart', kind), { recursive: true })
    fs.writeFileSync(path.join(folder, 'chart', kind, name), text)
  }
  const renders = (values) => {
    const file = path.join(folder, 'values.json') // YAML says what "off" is in more than one way
    fs.writeFileSync(file, JSON.stringify(values))
    return helm.run('template', 'mirror', path.join(folder, 'chart'), '--namespace', 'nix', '--values', file).stdout
  }
  const files = filesIn('values').map((file) => ({ values: read(file), text: renders(read(file)) }))
  for (const { values, text } of files) {
    assert.notEqual(text, '')
    assert.equal(renders(values), text)
  }
  const dead = names.filter((name) => {
    const setters = files.filter(({ values }) => {
      const value = at(values, name)
      return value !== undefined && JSON.stringify(value) !== JSON.stringify(at(defaults, name))
    })
    return !setters.some(({ values, text }) => renders(without(values, name)) !== text)
  })
  fs.rmSync(folder, { recursive: true })
  // What the notes alone show.
  assert.deepEqual(dead, ['gateway.publicUrl'])
})
