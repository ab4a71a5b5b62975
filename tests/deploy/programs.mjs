// What the real programs take: their options, read from their own --help.
import { execFileSync } from 'node:child_process'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..')
const binaries = process.env.HNX_BIN_DIR ?? path.join(root, 'build/test/bin')

const commands = {
  coordinator: [path.join(binaries, 'coordinator'), 'serve', '--help'],
  worker: [path.join(binaries, 'worker'), 'run', '--help'],
  gateway: [path.join(binaries, 'gateway'), 'serve', '--help'],
  swarm: [process.execPath, path.join(root, 'swarm/swarm.mjs'), '--help'],
}
// Options of every program, for all commands.
const common = ['config', 'log-level', 'log-json']

export function commandLine (program, words) {
  const [file, ...rest] = commands[program]
  const script = program === 'swarm' ? rest.slice(0, 1) : []
  return [file, [...script, ...words]]
}

function help (program) {
  const [file, ...words] = commands[program]
  return execFileSync(file, words, { encoding: 'utf8' })
}

// "--listen TEXT ... (Env:HNX_LISTEN)" and the help below it.
function ofCommandLine (text) {
  const options = []
  for (const line of text.split('\n')) {
    const head = line.match(/^ {2}--([a-z-]+)(?: ([A-Z]+)(\S*)( REQUIRED)?( \.\.\.)?)?.*\(Env:(HNX_[A-Z_]+)\)/)
    if (head) {
      options.push({ name: head[1], type: head[2] ?? 'FLAG', required: head[4] !== undefined, list: head[5] !== undefined, help: line.split(/\(Env:\w+\)/)[1].trim() })
    } else if (/^ {10,}\S/.test(line) && options.length > 0) {
      const last = options.at(-1)
      last.help = `${last.help} ${line.trim()}`.trim()
    } else if (/^\S/.test(line) && options.length > 0) {
      break; // what follows the options
    }
  }
  return options
}

// The bridge's own help: "  --max-peers N             connections for each program (default 256)".
function ofBridge (text) {
  const types = { N: 'UINT', SIZE: 'SIZE', TIME: 'DURATION' }
  const options = []
  for (const line of text.split('\n')) {
    const head = line.match(/^ {2}--([a-z-]+)(?: ([A-Z:[\]]+))? {2,}(.*)$/)
    if (head) {
      options.push({ name: head[1], type: head[2] ? (types[head[2]] ?? 'TEXT') : 'FLAG', required: head[1] === 'socket', list: / again for /.test(head[3]), help: head[3] })
    } else if (/^ {20,}\S/.test(line) && options.length > 0) {
      options.at(-1).help += ` ${line.trim()}`
    }
  }
  return options.filter((option) => !common.includes(option.name))
}

const known = new Map()

// [{name, type, required, list, help}]; type is FLAG, TEXT, INT, UINT, FLOAT, SIZE or DURATION.
export function optionsOf (program) {
  if (!known.has(program)) known.set(program, program === 'swarm' ? ofBridge(help(program)) : ofCommandLine(help(program)))
  if (known.get(program).length === 0) throw new Error(`${program} --help lists no options`)
  return known.get(program)
}

// HNX_... that the program reads.
export function environmentOf (program) {
  return new Set([...optionsOf(program).map((option) => option.name), ...common].map((name) => `HNX_${name.toUpperCase().replaceAll('-', '_')}`))
}
