// What shells complete, asked of the real shells, and the manual pages, read by the real man: both are made of the
// program's own command line, so every command and every flag has to be there.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import assert from 'node:assert/strict'

const bin = process.env.HNX_BIN_DIR
const PROGRAMS = ['coordinator', 'worker', 'gateway', 'hyp']
const env = { ...process.env, PATH: `${bin}:${process.env.PATH}`, TERM: 'dumb', MANWIDTH: '500', LC_ALL: 'C.UTF-8' }
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'hnx-completion-'))

function run (command, args, options = {}) {
  const done = spawnSync(command, args, { encoding: 'utf8', env: { ...env, HOME: scratch }, ...options })
  assert.equal(done.error, undefined, `${command}: ${done.error}`)
  assert.equal(done.status, 0, `${command} ${args.join(' ')}: status ${done.status}: ${done.stderr}`)
  return done.stdout
}

const script = (program, shell) => {
  const file = path.join(scratch, `${program}.${shell}`)
  if (!fs.existsSync(file)) fs.writeFileSync(file, run(program, ['completion', shell]))
  return file
}

// Each answers what may stand in place of the last word.
const shells = {
  bash (words) {
    const quoted = words.map((word) => `'${word}'`).join(' ')
    return run('bash', ['--norc', '-c', `source ${script(words[0], 'bash')}; COMP_WORDS=(${quoted}); COMP_CWORD=${words.length - 1}
      _${words[0]}; printf '%s\\n' "\${COMPREPLY[@]}"`]).split('\n').filter(Boolean)
  },
  fish (words) {
    return run('fish', ['--no-config', '-c', `source ${script(words[0], 'fish')}; complete -C '${words.join(' ')}'`])
      .split('\n').filter(Boolean).map((line) => line.split('\t')[0])
  },
  // zsh completes for a person only: one is played at a terminal of its own.
  zsh (words) {
    const marks = ['BEGIN-OF-MATCHES', 'END-OF-MATCHES']
    const player = `
      zmodload zsh/zpty
      zpty person zsh -f -i
      typed() { zpty -w person "$1" }
      typed 'PS1=; autoload -Uz compinit; compinit -u -d ${scratch}/zcompdump; source ${script(words[0], 'zsh')}'
      typed 'zstyle ":completion:*" list-grouped false; zstyle ":completion:*" insert-tab false'
      typed 'say() { print ${marks[0]}; print -l -- $matches; print ${marks[1]}; exit }'
      typed 'compadd() { builtin compadd -A found "$@"; matches+=($found); builtin compadd "$@" }'
      typed 'typeset -ga matches found; zle -C told complete-word _told; _told() { _main_complete; say >${scratch}/matches }'
      typed 'bindkey "^I" told'
      zpty -w -n person ${`$'${words.join(' ')}\\t'`}
      while zpty -r person line; do :; done`
    fs.rmSync(path.join(scratch, 'matches'), { force: true })
    run('zsh', ['-f', '-c', player], { timeout: 60_000 })
    const lines = fs.readFileSync(path.join(scratch, 'matches'), 'utf8').split('\n')
    return [...new Set(lines.slice(lines.indexOf(marks[0]) + 1, lines.indexOf(marks[1])).filter(Boolean))]
  }
}

function helpOf (program, ...command) {
  const text = run(program, [...command, '--help'])
  const commands = [...(text.split('\nSubcommands:\n')[1] ?? '').split('\n\n')[0].matchAll(/^ {2}([a-z][a-z-]*)/gm)].map(([, name]) => name)
  const flags = [...text.matchAll(/^ {2}(?:-\w,)?(--[a-z-]+)/gm)].map(([, flag]) => flag)
  return { commands, flags }
}

function eachCommand (program, visit, command = []) {
  const { commands, flags } = helpOf(program, ...command)
  visit(command, commands, flags)
  for (const name of commands) eachCommand(program, visit, [...command, name])
}

try {
  for (const program of PROGRAMS) {
    console.log(`-- ${program}`)
    const page = path.join(scratch, `${program}.1`)
    fs.writeFileSync(page, run(program, ['manual']))
    const read = spawnSync('man', ['--warnings', '-l', page], { encoding: 'utf8', env })
    assert.equal(read.stderr, '', `man has something to say of the manual of ${program}`)
    let count = 0
    eachCommand(program, (command, commands, flags) => {
      count += 1
      for (const shell of ['bash', 'fish']) {
        const here = [program, ...command]
        if (commands.length) {
          assert.deepEqual(shells[shell]([...here, '']).filter((word) => !word.startsWith('-')).sort(), [...commands].sort(), `${shell}: commands of ${here.join(' ')}`)
        }
        const offered = shells[shell]([...here, '--'])
        for (const flag of flags) assert.ok(offered.includes(flag), `${shell}: ${here.join(' ')} has ${flag}, but only ${offered} are offered`)
      }
      if (command.length) assert.ok(read.stdout.includes([program, ...command].join(' ')), `the manual has no ${command.join(' ')}`)
      for (const flag of flags.filter((one) => one !== '--help' && one !== '--help-all')) {
        assert.ok(read.stdout.includes(flag), `the manual does not tell of ${command.join(' ')} ${flag}`)
      }
    })
    assert.ok(/EXIT STATUS/.test(read.stdout) && /3 +done in part/.test(read.stdout), 'the manual does not tell the exit codes')
    console.log(`${count} commands in bash, fish and the manual`)
    assert.deepEqual(shells.zsh([program, '']).sort(), helpOf(program).commands.sort(), `zsh: commands of ${program}`)
  }
  for (const [shell, complete] of Object.entries(shells)) {
    console.log(`-- ${shell}`)
    assert.deepEqual(complete(['hyp', 'create', '']).filter((word) => !word.startsWith('-')), ['drive'], 'a command of a group')
    assert.deepEqual(complete(['hyp', 'ls', '--log-level', 'w']), ['warning'], 'a value that is one of few')
    assert.deepEqual(complete(['hyp', '--log-level', 'ls', '--lon']).filter((word) => word === '--long'), [], 'what is a value is no command')
    assert.deepEqual(complete(['hyp', 'ls', '--data', 'get', '--lon']), ['--long'], 'what is a value is no command')
    assert.ok(complete(['hyp', 'ls', '--swarm', '']).includes('auto'), 'the values of --swarm')
  }
  assert.equal(spawnSync('hyp', ['completion', 'csh'], { env }).status, 2)
  console.log('completion: passed')
} finally {
  fs.rmSync(scratch, { recursive: true })
}
