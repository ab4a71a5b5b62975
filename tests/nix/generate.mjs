// nix/options.json, {program: {option: {type, list, help}}}, from the programs' own --help. `--write` writes it anew.
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { optionsOf } from '../deploy/programs.mjs'

const file = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../nix/options.json')
const OF_EVERY_PROGRAM = [
  { name: 'log-level', type: 'TEXT', list: false, help: 'trace, debug, info, warning, error or off' },
  { name: 'log-json', type: 'FLAG', list: false, help: 'One JSON object a line' }
]
// What the units say on the command line, which counts before any environment.
const OF_UNITS = {
  coordinator: ['data'], worker: ['data', 'role', 'name', 'index-key-file'], gateway: ['cache'], swarm: ['socket', 'key-file']
}

export function generated () {
  const made = Object.fromEntries(Object.entries(OF_UNITS).map(([program, said]) => [program, Object.fromEntries(
    [...optionsOf(program).filter(({ name }) => !said.includes(name) && !['version', 'help'].includes(name)), ...OF_EVERY_PROGRAM]
      .map(({ name, type, list, help }) => [name, { type, list, help }]).sort(([a], [b]) => a < b ? -1 : 1))]))
  return { now: fs.readFileSync(file, 'utf8'), made: `${JSON.stringify(made, null, 2)}\n` }
}

if (process.argv[2] === '--write') {
  if (!fs.existsSync(file)) fs.writeFileSync(file, '')
  fs.writeFileSync(file, generated().made)
}
