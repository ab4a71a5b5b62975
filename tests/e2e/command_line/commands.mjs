// Every command of the four programs as `manual --json` documents it, and what was seen of it: exit codes, and JSON that
// its schema describes.
import { execFile, spawn, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { binDir, check, checkEqual, sourceDir } from '../words.mjs'

const PROGRAMS = ['coordinator', 'worker', 'gateway', 'hyp']
const INTERRUPT_TIMEOUT_MS = 60_000
const TYPES = 'types.schema.json'

// As a shell says it.
const statusOf = (code, signal) => signal ? 128 + os.constants.signals[signal] : code
const jsonLines = (text) => text.split('\n').filter(Boolean).map((line) => JSON.parse(line))

export class Commands {
  constructor () {
    this.documented = new Map() // "hyp create drive" -> {codes, schema}
    this.seenCodes = new Map()
    this.seenJson = new Map() // -> documents
    for (const program of PROGRAMS) {
      const { stdout } = spawnSync(path.join(binDir, program), ['manual', '--json'], { encoding: 'utf8' })
      for (const { command, exit_codes: codes, schema } of JSON.parse(stdout).commands) {
        this.documented.set(command, { codes, schema })
        this.seenCodes.set(command, new Set())
        this.seenJson.set(command, [])
      }
    }
  }

  // Those that do something, beginning with the program's name.
  of (program) {
    return [...this.documented.keys()].filter((name) => name.startsWith(`${program} `) && this.documented.get(name).codes.length > 0)
  }

  #saw (command, words, status, wanted, stderr) {
    const { codes } = this.documented.get(command) ?? {}
    check(codes, `there is no command ${command}`)
    checkEqual(`the exit status of ${command} ${words.join(' ')} (${stderr.slice(-600)})`, status, wanted)
    check(codes.includes(status), `${command} ${words.join(' ')} exits with ${status}, which its help does not list: ${codes}`)
    this.seenCodes.get(command).add(status)
  }

  // Must exit with `wanted`. With --json among the words, what is printed is kept for checkJson.
  async run (command, words, wanted, options = {}) {
    const [program, ...names] = command.split(' ')
    const done = await this.spawn(program, [...names, ...words], options)
    this.#saw(command, words, done.status, wanted, done.stderr)
    if (!words.includes('--json') || wanted === 2) return done
    const documents = jsonLines(done.stdout)
    this.seenJson.get(command).push(...documents)
    return { ...done, documents }
  }

  // Whatever it exits with. This process goes on meanwhile: it plays servers.
  spawn (program, words, options = {}) {
    return new Promise((resolve) => {
      const child = execFile(path.join(binDir, program), words, { encoding: 'utf8', maxBuffer: 1 << 28, ...options },
        (_, stdout, stderr) => resolve({ status: statusOf(child.exitCode, child.signalCode), stdout, stderr }))
    })
  }

  // Starts it, waits until `begun` says so of what it printed, sends the signal or does what is to end it, and takes how
  // it ended.
  async interrupt (command, words, wanted, begun, end = 'SIGINT') {
    const [program, ...names] = command.split(' ')
    const child = spawn(path.join(binDir, program), [...names, ...words], { stdio: ['ignore', 'pipe', 'pipe'] })
    const printed = { stdout: '', stderr: '' }
    for (const stream of ['stdout', 'stderr']) child[stream].on('data', (piece) => { printed[stream] += piece })
    const ended = new Promise((resolve) => child.on('close', (code, by) => resolve(statusOf(code, by))))
    let over = false
    ended.then(() => { over = true })
    for (const deadline = Date.now() + INTERRUPT_TIMEOUT_MS; !over && !await begun(printed) && Date.now() < deadline;) {
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    if (typeof end === 'function') end()
    else child.kill(end)
    const late = setTimeout(() => child.kill('SIGKILL'), INTERRUPT_TIMEOUT_MS)
    const status = await ended
    clearTimeout(late)
    this.#saw(command, words, status, wanted, `${printed.stdout.slice(-300)}${printed.stderr}`)
    if (words.includes('--json')) this.seenJson.get(command).push(...jsonLines(printed.stdout))
    return printed
  }

  // Every document fits its command's schema, and every command with --json was seen to print one.
  checkJson (scratch) {
    const folder = path.join(sourceDir, 'docs/schemas')
    const types = JSON.parse(fs.readFileSync(path.join(folder, TYPES)))
    const wanted = new Set([TYPES, 'status-page.schema.json'])
    const cases = []
    for (const [command, { schema }] of this.documented) {
      if (!schema) continue
      const file = path.join(sourceDir, schema)
      check(fs.existsSync(file), `${command} has --json, and there is no ${schema}`)
      wanted.add(path.basename(file))
      check(this.seenJson.get(command).length > 0, `no row of this test has ${command} print JSON`)
      const read = (name) => JSON.parse(fs.readFileSync(path.join(folder, name), 'utf8').replaceAll(`"${TYPES}#`, '"#'))
      let own = read(path.basename(file))
      if (/^[a-z-]+\.schema\.json$/.test(own.$ref ?? '')) own = read(own.$ref) // the same as another command's
      cases.push({ command, schema: { ...own, $defs: { ...types.$defs, ...own.$defs } }, documents: this.seenJson.get(command) })
    }
    checkEqual('the schemas', fs.readdirSync(folder).sort(), [...wanted].sort())
    const file = path.join(scratch, 'cases.json')
    fs.writeFileSync(file, JSON.stringify(cases))
    const program = `
import json, sys, jsonschema
for case in json.load(open(sys.argv[1])):
    jsonschema.Draft202012Validator.check_schema(case['schema'])
    validator = jsonschema.Draft202012Validator(case['schema'])
    for document in case['documents']:
        for error in validator.iter_errors(document):
            best = jsonschema.exceptions.best_match([error])
            print(case['command'], '/'.join(map(str, best.absolute_path)), best.message[:300])
    assert not validator.is_valid({'nobody': 'knows this'}), case['command'] + ' takes anything'
`
    const done = spawnSync('python3', ['-c', program, file], { encoding: 'utf8' })
    check(done.status === 0 && done.stdout === '', `JSON that its schema does not describe:\n${done.stdout}${done.stderr.slice(-2000)}`)
    console.log(`${cases.length} commands with --json, ${cases.reduce((sum, { documents }) => sum + documents.length, 0)} documents`)
  }

  // Every code that is documented was seen. `exceptions`: {"command code": why it cannot be had here}
  checkCodes (exceptions) {
    const missing = []
    let seen = 0
    for (const [command, { codes }] of this.documented) {
      for (const code of codes) {
        const name = `${command} ${code}`
        if (this.seenCodes.get(command).has(code)) {
          check(!(name in exceptions), `${name} can be had after all: take it out of the exceptions`)
          seen++
        } else if (!(name in exceptions)) missing.push(name)
      }
    }
    checkEqual('exit codes that are documented and no row provokes', missing, [])
    for (const name of Object.keys(exceptions)) {
      const [, command, code] = name.match(/^(.*) (\d+)$/)
      check(this.documented.get(command)?.codes.includes(Number(code)), `an exception for what is not documented: ${name}`)
    }
    console.log(`${seen} exit codes of ${this.documented.size} commands, ${Object.keys(exceptions).length} exceptions`)
  }
}
