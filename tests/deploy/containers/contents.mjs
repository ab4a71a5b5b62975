// What lies in an image: one program, what it loads, and nothing that could run anything else.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { check, checkEqual } from '../../e2e/words.mjs'
import { USER, imageOf, podman } from './engine.mjs'

// All that can be started.
const EXECUTABLES = {
  coordinator: ['coordinator', 'healthcheck'], worker: ['healthcheck', 'install', 'worker'], gateway: ['gateway', 'healthcheck'],
  swarm: ['env', 'node', 'swarm'], hyp: ['hyp']
}
const OURS = ['coordinator', 'worker', 'gateway', 'hyp', 'healthcheck']
const FOLDERS = {
  coordinator: ['/data'], worker: ['/data', '/run/hypercore-nixos', '/run/index-key'], gateway: ['/cache', '/run/hypercore-nixos'],
  swarm: ['/run/hypercore-nixos'], hyp: ['/data']
}
const SECRETS = /\.(key|pem|env|p12)$|^\.(git|npmrc|netrc)$/

export function filesIn (root) {
  const found = []
  const visit = (folder) => {
    for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
      const name = path.join(folder, entry.name)
      found.push({ name: `/${path.relative(root, name)}`, here: name, entry, stat: fs.lstatSync(name) })
      if (entry.isDirectory()) visit(name)
    }
  }
  visit(root)
  return found
}

export function isElf (file) {
  const begin = Buffer.alloc(4)
  const handle = fs.openSync(file)
  fs.readSync(handle, begin, 0, 4, 0)
  fs.closeSync(handle)
  return begin.equals(Buffer.from('\x7fELF', 'latin1'))
}

function checkLoads (target, program) {
  const loader = podman('run', '--rm', '--network=none', '--entrypoint=["/lib64/ld-linux-x86-64.so.2"]', imageOf(target), '--list', program)
  checkEqual(`${target}: the loader lists what ${program} loads: ${loader.stderr}`, loader.status, 0)
  check(!/not found/.test(loader.stdout), `${target}: ${program} lacks ${loader.stdout}`)
}

export function checkContents (target, root) {
  const files = filesIn(root)
  checkEqual(`${target}: what can be started`, fs.readdirSync(path.join(root, 'usr/bin')).sort(), EXECUTABLES[target])
  for (const name of ['sbin', 'usr/sbin', 'usr/local']) check(!fs.existsSync(path.join(root, name)), `${target}: /${name} is there`)
  for (const { name, here, entry, stat } of files) {
    check(!/(^|\/)(sh|bash|dash|busybox|perl|python3?|apt|dpkg)$/.test(name) || name.startsWith('/var/lib/dpkg'), `${target}: ${name} is there`)
    check(!SECRETS.test(entry.name), `${target}: ${name} looks like a secret`)
    if (entry.isSymbolicLink()) {
      const to = fs.readlinkSync(here)
      check(fs.existsSync(path.isAbsolute(to) ? path.join(root, to) : path.join(path.dirname(here), to)), `${target}: ${name} leads nowhere: ${to}`)
      continue
    }
    checkEqual(`${target}: set-user-id of ${name}`, stat.mode & 0o6000, 0)
    check(!(stat.mode & 0o002) || name === '/tmp', `${target}: everybody may write to ${name}`)
    const own = FOLDERS[target].includes(name)
    checkEqual(`${target}: the owner of ${name}`, [stat.uid, stat.gid], own ? [USER, USER] : [0, 0])
  }
  for (const folder of FOLDERS[target]) check(fs.statSync(path.join(root, folder)).isDirectory(), `${target}: no folder ${folder}`)
  checkEqual(`${target}: package lists`, fs.existsSync(path.join(root, 'var/lib/apt')), false)
  for (const program of EXECUTABLES[target]) {
    const file = fs.realpathSync(path.join(root, 'usr/bin', program))
    if (!isElf(file)) continue
    checkLoads(target, `/usr/bin/${program}`)
    if (!OURS.includes(program)) continue
    const sections = spawnSync('readelf', ['--sections', '--wide', file], { encoding: 'utf8' }).stdout
    check(/\.text/.test(sections) && !/\.symtab|\.debug_/.test(sections), `${target}: ${program} is not stripped`)
  }
}
