// flake.nix and nix/, evaluated by the real nix against a stub of nixpkgs: what is built from what, what the module makes of
// its options, that these are the units of deploy/systemd, and that the real programs take what the units say.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import test from 'node:test'
import { parseOptions } from '../../swarm/lib/options.mjs'
import { commandLine } from '../deploy/programs.mjs'
import { configured, evaluate, flake, root, valueOf } from './eval.mjs'
import { generated } from './generate.mjs'
import { parseUnit, readUnit, unitText } from './units.mjs'

const SENTINEL = '--no-such-flag'
const EXAMPLE = `{
  coordinator = { enable = true; environmentFile = "/etc/hypercore-nixos/coordinator.env";
    settings = { database = "postgresql:///hypercore_nixos?host=/run/postgresql"; follow = [ "nixos-unstable" "nixos-26.05" ]; copies = 1; no-migrate = true; max-missing = 0.01; lease = "20s"; }; };
  workers.fast.settings = { coordinator = [ "127.0.0.1:7070" ]; listen-peers = "0.0.0.0:4712"; disk-reserve = "10GiB"; swarm = "/run/hypercore-nixos/worker-fast.sock"; };
  workers.slow = { };
  index = { enable = true; settings = { accept-length = 0; listen-peers = "0.0.0.0:4711"; }; };
  gateway = { enable = true; settings = { mirror = "hyper://abc"; peer = [ "127.0.0.1:4711" "127.0.0.1:4712" ]; cache-size = 1000000; swarm = "/run/hypercore-nixos/gateway.sock"; }; };
  swarm = { sockets = [ "worker-fast" "gateway" ]; settings = { max-peers = 64; grace = "5s"; }; };
}`
const made = valueOf(configured(EXAMPLE))
const services = Object.entries(made.services)

test('the flake has what its users name', () => {
  const shown = flake(['flake', 'show', '--json'])
  assert.equal(shown.status, 0, shown.stderr)
  const outputs = JSON.parse(shown.stdout)
  assert.deepEqual(Object.keys(outputs).sort(), ['checks', 'devShells', 'nixosModules', 'overlays', 'packages'])
  for (const system of ['x86_64-linux', 'aarch64-linux']) {
    assert.deepEqual(Object.keys(outputs.packages[system]).sort(), ['coordinator', 'default', 'gateway', 'hyp', 'hypercore-nixos', 'swarm', 'worker'])
    assert.deepEqual(Object.keys(outputs.checks[system]), ['programs'])
    assert.deepEqual(Object.keys(outputs.devShells[system]), ['default'])
  }
  assert.equal(outputs.packages['x86_64-linux'].hyp.type, 'derivation')
  assert.match(outputs.packages['x86_64-linux'].hyp.name, /^hypercore-nixos-hyp-\d+\.\d+\.\d+$/)
  const checked = flake(['flake', 'check', '--no-build'])
  assert.equal(checked.status, 0, checked.stderr)
})

test('one build makes all programs, each package has its own', () => {
  const { names, version, text, main, cmakeFlags, source } = valueOf(`
    let packages = import (root + "/nix/packages.nix") pkgs; in {
      names = map (p: p.name) packages.default.buildInputs; inherit (packages.default) version;
      text = packages.hyp.args.buildCommand; main = packages.hyp.meta.mainProgram; inherit (packages.default.args) cmakeFlags;
      source = builtins.match ".*hypercore-nixos-source" (toString packages.default.args.src) != null; }`)
  assert.equal(version, fs.readFileSync(path.join(root, 'CMakeLists.txt'), 'utf8').match(/VERSION ([\d.]+) LANG/)[1])
  assert.equal(main, 'hyp')
  assert.match(text, /ln -s \S+-hypercore-nixos-\S+\/bin\/hyp \$out\/bin\/hyp/)
  assert.doesNotMatch(text, /coordinator|gateway|worker/)
  assert.ok(cmakeFlags.includes('-DHNX_BUILD_TESTS=OFF'))
  assert.ok(source)
  // Every library that CMake looks for.
  const wanted = fs.readFileSync(path.join(root, 'cmake/HnxDependencies.cmake'), 'utf8').split('if(HNX_BUILD_TESTS)')[0]
  const nixName = { pkgconfig: 'pkg-config', threads: 'glibc', cli11: 'cli11', liblzma: 'xz', pqxx: 'libpqxx-6.4.8', sodium: 'libsodium', uv: 'libuv', microhttpd: 'libmicrohttpd' }
  const found = [...wanted.matchAll(/(?:find_package\(|pkg_check_modules\()(\S+)/g)].map(([, name]) => nixName[name.toLowerCase()] ?? name.toLowerCase())
  assert.deepEqual(found.filter((name) => !['pkg-config', 'glibc'].includes(name) && !names.includes(name)), [])
  assert.ok(found.length > 15)
})

test('nix shell FLAKE#hyp has hyp and no other program', () => {
  const ran = flake(['shell', '--impure'], '#hyp', '--command', 'sh', '-c', 'command -v hyp; hyp --version; ls "$(dirname "$(command -v hyp)")"')
  assert.equal(ran.status, 0, ran.stderr)
  const { version } = valueOf('{ version = import (root + "/nix/version.nix"); }')
  assert.match(ran.stdout, new RegExp(`^/nix/store/[0-9a-z]{32}-hypercore-nixos-hyp-${version}/bin/hyp\nhyp \\(hypercore-nixos\\) ${version}\nhyp\n$`))
})

test('tests and documents are not part of what is built', () => {
  const kept = valueOf(`let filter = (import (root + "/nix/packages.nix") pkgs).default.isSource;
    in builtins.listToAttrs (map (p: { name = p; value = filter (toString root + "/" + p) "regular"; }) [ "libs/base/log.h" "CMakeLists.txt" "tests/run" "docs/HYP.md" "build/test" "swarm/node_modules" "swarm/swarm.mjs" ".git" "flake.nix" ])`)
  assert.deepEqual(Object.keys(kept).filter((name) => kept[name]).sort(), ['CMakeLists.txt', 'libs/base/log.h', 'swarm/swarm.mjs'])
})

test('the options are those that the programs have today', () => {
  const { now, made: today } = generated()
  assert.ok(now === today, 'nix/options.json is not current: node tests/nix/generate.mjs --write')
})

test('the units are as expected', () => {
  assert.deepEqual(made.wrong, [])
  const folder = path.join(import.meta.dirname, 'expected')
  const texts = Object.fromEntries(services.map(([name, service]) => [`${name}.service`, unitText(service).replace(/\/nix\/store\/[0-9a-z]{32}-/g, '/nix/store/HASH-')]))
  if (process.env.ACCEPT) {
    fs.rmSync(folder, { recursive: true, force: true })
    fs.mkdirSync(folder)
    for (const [name, text] of Object.entries(texts)) fs.writeFileSync(path.join(folder, name), text)
  }
  assert.deepEqual(fs.readdirSync(folder).sort(), Object.keys(texts).sort())
  for (const [name, text] of Object.entries(texts)) assert.equal(text, fs.readFileSync(path.join(folder, name), 'utf8'), `${name}: ACCEPT=1 takes it`)
  const ofFolders = (text) => text.split('\n').filter((line) => line.startsWith('d ') && !line.includes('/etc/')).sort()
  assert.deepEqual([...made.rules].sort(), ofFolders(fs.readFileSync(path.join(root, 'deploy/systemd/hypercore-nixos.tmpfiles'), 'utf8')))
  assert.deepEqual(Object.keys(made.users).sort(), ['hypercore-nixos', 'hypercore-nixos-coordinator'])
})

test('what is not enabled makes nothing', () => {
  const nothing = valueOf(configured('{ }'))
  assert.deepEqual(nothing, { services: {}, rules: [], users: {}, groups: {}, wrong: [] })
  const one = valueOf(configured('{ gateway = { enable = true; settings.mirror = "hyper://abc"; }; }'))
  assert.deepEqual(Object.keys(one.services), ['hypercore-nixos-gateway'])
  assert.deepEqual(Object.keys(one.users), ['hypercore-nixos'])
})

test('they are the units of deploy/systemd', () => {
  const files = { coordinator: 'coordinator', 'worker-fast': 'worker@', index: 'index', gateway: 'gateway', 'swarm-gateway': 'swarm@' }
  // Where programs, settings and instances have other names on NixOS.
  const other = new Set(['ExecStart', 'ExecStartPre', 'EnvironmentFile', 'StateDirectory'])
  const plain = (section) => Object.fromEntries(Object.entries(section).filter(([key]) => !other.has(key)).map(([key, words]) => [key, words.map((word) => word.replace(/^(\d+)s$/, '$1'))]).sort())
  for (const [name, file] of Object.entries(files)) {
    const ours = readUnit(path.join(root, `deploy/systemd/hypercore-nixos-${file}.service`))
    const theirs = parseUnit(unitText(made.services[`hypercore-nixos-${name}`]))
    assert.deepEqual(plain(theirs.Service), { ...plain(ours.Service), ...theirs.Service.Environment ? { Environment: theirs.Service.Environment } : {} }, name)
    const own = (words) => words.map((word) => word.replace(/^.*\/(bin|libexec\/hypercore-nixos\/swarm)\/(swarm\.mjs|\w+)$/, (_, folder, program) => program.replace('.mjs', '')).replaceAll('worker-fast', 'worker-%i').replace(/fast$/, '%i').replace(/gateway(\.(sock|key))$/, '%i$1')).filter((word) => word !== 'node')
    assert.deepEqual(own(theirs.Service.ExecStart).sort(), own(ours.Service.ExecStart).sort(), name)
  }
})

test('the real programs take what the units say', () => {
  let asked = 0
  for (const [name, { serviceConfig, environment }] of services) {
    const [file, ...words] = serviceConfig.ExecStart.replaceAll(/%[SCtl]/g, '/x').split(' ')
    const program = path.basename(file)
    asked++
    if (program === 'swarm') {
      assert.doesNotThrow(() => parseOptions(words, environment), name)
      continue
    }
    for (const [last, status, said] of [['--help', 0, /^/], [SENTINEL, 2, /has no option --no-such-flag$/m]]) {
      const [executable, line] = commandLine(program, [...words, last])
      const done = spawnSync(executable, line, { encoding: 'utf8', env: { PATH: process.env.PATH, ...environment } })
      assert.equal(done.status, status, `${name}: ${done.stderr}`)
      assert.match(done.stderr, said, name)
    }
  }
  assert.equal(asked, 7)
})

test('the mirror that is replaced is named by a file beside the key', () => {
  const { services: units } = valueOf(configured('{ index = { enable = true; predecessorFile = "/etc/old.predecessor"; }; }'))
  const { LoadCredential, ExecStartPre } = units['hypercore-nixos-index'].serviceConfig
  assert.deepEqual(LoadCredential, ['mirror.key:/etc/hypercore-nixos/mirror.key', 'mirror.key.predecessor:/etc/old.predecessor'])
  assert.deepEqual(ExecStartPre.map((line) => line.split(' ').slice(1).join(' ')),
    ['mirror.key', 'mirror.key.predecessor'].map((name) => `-m 0400 %d/${name} %t/hypercore-nixos-index/${name}`))
})

test('the README\'s example is taken', () => {
  const [, example] = fs.readFileSync(path.join(root, 'nix/README.md'), 'utf8').match(/services\.hypercore-nixos = (\{[^]*?\n {2}\});/)
  const { services: units, wrong } = valueOf(configured(example))
  assert.deepEqual(wrong, [])
  assert.deepEqual(Object.keys(units).sort(), ['coordinator', 'gateway', 'index', 'worker-disk1'].map((name) => `hypercore-nixos-${name}`))
})

test('what is wrong is refused, and named', () => {
  const refused = {
    'an option that the program does not have': ['{ gateway.settings.prioritty = 30; gateway.enable = true; }', /settings\.prioritty' does not exist/],
    'an option of the unit': ['{ workers.a.settings.data = "/srv"; }', /workers\.a\.settings\.data' does not exist/],
    'a number in words': ['{ coordinator.enable = true; coordinator.settings = { database = "x"; copies = "two"; }; }', /copies' is not of type/],
    'fewer than none': ['{ coordinator.enable = true; coordinator.settings = { database = "x"; copies = -1; }; }', /copies' is not of type/],
    'a size without a number': ['{ gateway.enable = true; gateway.settings = { mirror = "x"; cache-size = "much"; }; }', /cache-size' is not of type/],
    'a time without a unit': ['{ coordinator.enable = true; coordinator.settings = { database = "x"; lease = "20"; }; }', /lease' is not of type/],
    'one value where several are taken': ['{ gateway.enable = true; gateway.settings = { mirror = "x"; peer = "a:1"; }; }', /peer' is not of type/],
    'a part that does not exist': ['{ gatway.enable = true; }', /gatway' does not exist/]
  }
  for (const [what, [settings, said]] of Object.entries(refused)) {
    const { error } = evaluate(configured(settings))
    assert.ok(error, `${what} is taken`)
    assert.match(error, said, what)
  }
  const asserted = {
    'a key in the store': ['{ index = { enable = true; keyFile = "/nix/store/00000000000000000000000000000000-mirror.key"; }; }', /everybody can read it/],
    'a coordinator without a database': ['{ coordinator.enable = true; }', /needs settings\.database/],
    'a gateway of nothing': ['{ gateway.enable = true; }', /needs mirror/]
  }
  for (const [what, [settings, said]] of Object.entries(asserted)) {
    const { wrong } = valueOf(configured(settings))
    assert.equal(wrong.length, 1, what)
    assert.match(wrong[0], said, what)
  }
})

test('the hash of the bridge\'s packages is that of its lock', () => {
  const marker = path.join(root, 'swarm/node_modules/.installed-lock')
  const lock = fs.readFileSync(path.join(root, 'swarm/package-lock.json'), 'utf8')
  assert.ok(fs.existsSync(marker) && fs.readFileSync(marker, 'utf8') === lock, 'swarm/node_modules is not of today: tools/install-swarm')
  const done = spawnSync(path.join(import.meta.dirname, 'node_modules_hash'), [], { encoding: 'utf8' })
  assert.equal(done.status, 0, done.stderr)
  assert.equal(valueOf('(pkgs.callPackage (root + "/nix/swarm-node-modules.nix") { }).args.outputHash'), done.stdout.trim())
})
