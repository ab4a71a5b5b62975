// Nix expressions, evaluated by the real nix against the stub of nixpkgs in stub/, and the flake in a store of its own.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'

export const root = path.resolve(import.meta.dirname, '../..')
const binaries = process.env.HNX_BIN_DIR ?? path.join(root, 'build/test/bin')
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'hnx-nix.'))
process.on('exit', () => {
  spawnSync('chmod', ['-R', 'u+w', scratch])
  fs.rmSync(scratch, { recursive: true, force: true })
})
const environment = { ...process.env, HNX_BIN_DIR: fs.realpathSync(binaries), HOME: scratch, XDG_CACHE_HOME: path.join(scratch, 'cache'), NIX_REMOTE: `local?root=${path.join(scratch, 'root')}`,
  NIX_CONFIG: 'experimental-features = nix-command flakes\nbuild-users-group =\nsubstituters =\nwarn-dirty = false\nflake-registry =\n' +
    // A store elsewhere than in /nix is built in with its own root: what the stub's builders need of this machine is in it.
    `sandbox-paths = /bin /usr /lib /lib64 ${fs.realpathSync(binaries)}` }

// {value} or {error}, what nix said.
export function evaluate (expression) {
  const done = spawnSync('nix-instantiate', ['--eval', '--strict', '--json', '--readonly-mode', '-E',
    `let root = ${root}; stub = root + "/tests/nix/stub"; lib = import (stub + "/lib.nix"); pkgs = import (stub + "/packages.nix") { system = "x86_64-linux"; }; in ${expression}`],
  { encoding: 'utf8', env: environment, maxBuffer: 1 << 26 })
  return done.status === 0 ? { value: JSON.parse(done.stdout) } : { error: done.stderr }
}

export function valueOf (expression) {
  const { value, error } = evaluate(expression)
  if (error !== undefined) throw new Error(error)
  return value
}

// What the module makes of settings (text of Nix): {services, rules, users, groups, wrong: messages}.
export const configured = (settings) => `
  let c = (lib.evalModules { specialArgs = { inherit lib pkgs; }; modules = [ (stub + "/nixos.nix") (root + "/nix/module.nix") { services.hypercore-nixos = ${settings}; } ]; }).config;
  in { inherit (c.systemd) services; inherit (c.systemd.tmpfiles) rules; inherit (c.users) users groups; wrong = map (a: a.message) (builtins.filter (a: !a.assertion) c.assertions); }`

// `nix COMMAND...` on the flake with the stub as its nixpkgs, in a folder with nothing else but what it reads; `words` stand
// behind it.
export function flake (command, ...words) {
  const folder = path.join(scratch, 'flake')
  if (!fs.existsSync(folder)) {
    for (const name of ['flake.nix', 'nix', 'CMakeLists.txt', 'LICENSE', 'tests/nix/stub', 'swarm/package.json', 'swarm/package-lock.json', 'swarm/swarm.mjs']) {
      fs.cpSync(path.join(root, name), path.join(folder, name), { recursive: true })
    }
  }
  const [first, ...rest] = words
  return spawnSync('nix', [...command, '--override-input', 'nixpkgs', `path:${folder}/tests/nix/stub`, '--no-write-lock-file', `path:${folder}${first ?? ''}`, ...rest],
    { encoding: 'utf8', env: environment, maxBuffer: 1 << 26 })
}
