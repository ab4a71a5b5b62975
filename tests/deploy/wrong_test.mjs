// Values that are wrong: values/small.yaml with one mistake each. The first line of each file says what helm's message
// has to contain.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import test from 'node:test'
import { chart, filesIn, helms } from './helm.mjs'

const files = filesIn('wrong')
const [small] = filesIn('values').filter((file) => path.basename(file) === 'small.yaml')

test('there are mistakes enough', () => assert.ok(files.length >= 15))

test('without any mistake it is accepted', () => {
  for (const helm of helms) assert.notEqual(helm.template(small), '')
})

for (const file of files) {
  const expected = fs.readFileSync(file, 'utf8').match(/^# expect: (.+)$/m)?.[1].split('; ')
  for (const helm of helms) {
    test(`${helm.name} refuses ${path.basename(file)}`, () => {
      assert.ok(expected, `${file} does not say what is expected`)
      const made = helm.run('template', 'mirror', chart, '--values', small, '--values', file)
      assert.notEqual(made.status, 0, 'it was accepted')
      // Not by a fault of the templates.
      assert.doesNotMatch(made.stderr, /nil pointer|wrong type|parse error|function/)
      for (const words of expected) assert.ok(made.stderr.includes(words), `"${words}" is not in: ${made.stderr}`)
    })
  }
}

test('the chart without values says what it needs', () => {
  for (const helm of helms) assert.match(helm.run('template', 'mirror', chart).stderr, /mirror\.key is needed/)
})
