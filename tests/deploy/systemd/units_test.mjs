// deploy/systemd: systemd takes the units, calls them well closed, and the real programs take what they and the example
// settings say.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import test from 'node:test'
import { parseOptions } from '../../../swarm/lib/options.mjs'
import { readUnit } from '../../nix/units.mjs'
import { commandLine, environmentOf, optionsOf } from '../programs.mjs'

const root = path.resolve(import.meta.dirname, '../../..')
const folder = path.join(root, 'deploy/systemd')
const binaries = process.env.HNX_BIN_DIR ?? path.join(root, 'build/test/bin')
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'hnx-systemd.'))
process.on('exit', () => fs.rmSync(scratch, { recursive: true, force: true }))
const SENTINEL = '--no-such-flag'
const KNOWN_BUT_SENTINEL = /has no option --no-such-flag$/m
// Of 100, where systemd says "OK" below 50; what is left is that the programs may use the network.
const EXPOSURE_MAX = { coordinator: 13, 'worker@': 13, index: 13, gateway: 13, 'swarm@': 15 }
const UNITS = Object.keys(EXPOSURE_MAX)
const unitOf = (name) => readUnit(path.join(folder, `hypercore-nixos-${name}.service`)).Service
const programOf = { coordinator: 'coordinator', 'worker@': 'worker', index: 'worker', gateway: 'gateway', 'swarm@': 'swarm' }
const command = (name) => fs.readFileSync(path.join(folder, `hypercore-nixos-${name}.service`), 'utf8').match(/^ExecStart=(.*)$/m)[1]
  .replaceAll('%i', 'worker-1').replace(/%[SCtdl]/g, '/x').split(' ').slice(name === 'swarm@' ? 2 : 1)

// NAME=VALUE as systemd reads it; with `all`, what is commented out as an example, too.
function settings (file, all = false) {
  let text = fs.readFileSync(path.join(folder, 'etc', file), 'utf8')
  if (all) text = text.replace(/^#(HNX_)/gm, '$1')
  return Object.fromEntries([...text.matchAll(/^(HNX_\w+)=(?:"([^"]*)"|(.*))$/gm)].map(([, name, quoted, plain]) => [name, quoted ?? plain]))
}
const SETTINGS = { coordinator: ['coordinator.env'], 'worker@': ['worker.env', 'worker-1.env'], index: ['index.env'], gateway: ['gateway.env'], 'swarm@': ['swarm.env'] }

function installed () {
  const target = path.join(scratch, 'root')
  if (!fs.existsSync(target)) {
    const done = spawnSync(path.join(folder, 'install'), ['--bin', binaries, '--root', target], { encoding: 'utf8' })
    assert.equal(done.status, 0, done.stderr)
  }
  return target
}

// Units as files that systemd-analyze reads, with programs where they were installed.
function units () {
  const target = path.join(scratch, 'units')
  fs.mkdirSync(target, { recursive: true })
  return UNITS.map((name) => {
    const file = path.join(target, `hypercore-nixos-${name.replace('@', '@worker-1')}.service`)
    fs.writeFileSync(file, fs.readFileSync(path.join(folder, `hypercore-nixos-${name}.service`), 'utf8')
      .replaceAll('/opt/hypercore-nixos', `${installed()}/opt/hypercore-nixos`).replace('/usr/bin/node', process.execPath))
    return file
  })
}

const needsRoot = process.geteuid() === 0 ? {} : { skip: 'users and owners of files are root\'s to make' }

test('what is installed, and whose it is', needsRoot, () => {
  const target = installed()
  const passwd = fs.readFileSync(path.join(target, 'etc/passwd'), 'utf8')
  assert.match(passwd, /^hypercore-nixos:.*nologin$/m)
  assert.match(passwd, /^hypercore-nixos-coordinator:.*nologin$/m)
  const uid = Number(passwd.match(/^hypercore-nixos:[^:]*:(\d+):/m)[1])
  const run = fs.statSync(path.join(target, 'run/hypercore-nixos'))
  assert.deepEqual([run.uid, run.mode & 0o777], [uid, 0o700])
  for (const file of fs.readdirSync(path.join(folder, 'etc'))) {
    const { uid: owner, mode } = fs.statSync(path.join(target, 'etc/hypercore-nixos', file))
    assert.deepEqual([file, owner, mode & 0o777], [file, 0, 0o600])
  }
  for (const program of ['coordinator', 'worker', 'gateway', 'hyp']) fs.accessSync(path.join(target, 'opt/hypercore-nixos/bin', program), fs.constants.X_OK)
  const file = path.join(target, 'etc/hypercore-nixos/worker.env')
  fs.writeFileSync(file, 'HNX_COORDINATOR=other:7070\n')
  assert.equal(spawnSync(path.join(folder, 'install'), ['--bin', binaries, '--root', target]).status, 0)
  assert.equal(fs.readFileSync(file, 'utf8'), 'HNX_COORDINATOR=other:7070\n', 'settings that are there stay')
  for (const words of [['--bin'], ['--what']]) assert.equal(spawnSync(path.join(folder, 'install'), words).status, 2)
  assert.equal(spawnSync(path.join(folder, 'install'), ['--bin', scratch, '--root', target]).status, 1)
})

test('systemd understands every line', needsRoot, () => {
  const done = spawnSync('systemd-analyze', ['verify', '--man=no', '--recursive-errors=no', ...units(), path.join(folder, 'hypercore-nixos.target')], { encoding: 'utf8' })
  assert.equal(done.status, 0, done.stderr)
  assert.deepEqual(done.stderr.split('\n').filter((line) => line.includes('hypercore-nixos')), [])
  // It would say so.
  const wrong = path.join(scratch, 'hypercore-nixos-wrong.service')
  fs.writeFileSync(wrong, fs.readFileSync(units()[0], 'utf8').replace('ProtectSystem=strict', 'ProtectSytem=strict'))
  assert.match(spawnSync('systemd-analyze', ['verify', '--man=no', '--recursive-errors=no', wrong], { encoding: 'utf8' }).stderr, /ProtectSytem/)
})

test('systemd calls each well closed', needsRoot, () => {
  units().forEach((file, n) => {
    const max = EXPOSURE_MAX[UNITS[n]]
    const done = spawnSync('systemd-analyze', ['security', '--offline=true', '--no-pager', `--threshold=${max}`, file], { encoding: 'utf8' })
    assert.equal(done.status, 0, `${file} is above ${max}:\n${done.stdout.split('\n').filter((line) => line.startsWith('✗') || line.includes('→')).join('\n')}${done.stderr}`)
  })
})

test('each is closed as the others are', () => {
  const differ = new Set(['Type', 'User', 'Group', 'EnvironmentFile', 'ExecStart', 'ExecStartPre', 'StateDirectory', 'CacheDirectory', 'RuntimeDirectory', 'CacheDirectoryMode', 'StateDirectoryMode',
    'RuntimeDirectoryMode', 'ReadWritePaths', 'LoadCredential', 'TimeoutStopSec', 'RestartPreventExitStatus', 'RestrictAddressFamilies', 'MemoryDenyWriteExecute', 'InaccessiblePaths', 'MemoryMax'])
  const closed = UNITS.map((name) => Object.fromEntries(Object.entries(unitOf(name)).filter(([key]) => !differ.has(key))))
  for (const one of closed) assert.deepEqual(one, closed[0])
  for (const name of UNITS) {
    assert.deepEqual(unitOf(name).MemoryDenyWriteExecute, name === 'swarm@' ? undefined : ['yes'])
    assert.equal(unitOf(name).InaccessiblePaths.length, 4, 'the folders of the four others are hidden')
    assert.ok(!unitOf(name).InaccessiblePaths.some((hidden) => command(name).some((word) => word.replace('/x/', '/').includes(hidden.replace(/^-\/var\/(lib|cache)/, '')))), 'its own is not')
  }
})

test('the programs take what the units and the example settings say', () => {
  for (const name of UNITS) {
    const program = programOf[name]
    for (const all of [false, true]) {
      const env = Object.assign({}, ...SETTINGS[name].map((file) => settings(file, all)))
      assert.deepEqual(Object.keys(env).filter((variable) => !environmentOf(program).has(variable)), [], name)
      assert.deepEqual(optionsOf(program).filter(({ name: option, required }) => required && !command(name).includes(`--${option}`)), [])
      if (program === 'swarm') {
        assert.doesNotThrow(() => parseOptions(command(name), env))
        continue
      }
      for (const [last, status, said] of [['--help', 0, /^/], [SENTINEL, 2, KNOWN_BUT_SENTINEL]]) {
        const [file, words] = commandLine(program, [...command(name), last])
        const done = spawnSync(file, words, { encoding: 'utf8', env: { PATH: process.env.PATH, ...env } })
        assert.equal(done.status, status, `${name}: ${done.stderr}`)
        assert.match(done.stderr, said, name)
      }
    }
  }
})

test('systemd waits longer than a program needs to end', () => {
  const seconds = (text) => Number(text.match(/^(\d+)s/)[1])
  for (const name of UNITS) {
    const grace = optionsOf(programOf[name]).find((option) => option.name === 'grace')
    const text = name === 'swarm@' ? grace.help.match(/default (\w+)/)[1] : spawnSync(...commandLine(programOf[name], [command(name)[0], '--help'])).stdout.toString().match(/--grace DURATION=(\w+)/)?.[1] ?? '10s'
    assert.ok(seconds(unitOf(name).TimeoutStopSec[0]) > seconds(text), `${name}: ${text}`)
  }
})
