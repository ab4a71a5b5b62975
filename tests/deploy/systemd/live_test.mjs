// A whole mirror by the units of deploy/systemd, under a real systemd with everything that they forbid forbidden: programs are
// killed and come back, wrong settings do not, all end in time, and each process is as closed as its unit says.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { PostgresServer } from '../../e2e/chaos/replicated_postgres.mjs'
import { DemoChannel, binDir, check, checkEqual, compareWithUpstream, freePort, sourceDir, step, test, until } from '../../e2e/words.mjs'
import { Booted, whyNot } from './booted.mjs'

const LONG_MS = 120_000
const why = whyNot()
if (why) {
  console.log(`systemd: SKIPPED: ${why}`)
  process.exit(77)
}

const prefixed = (name) => `hypercore-nixos-${name}`
const UNITS = ['coordinator', 'index', 'worker@worker-1', 'worker@worker-2', 'gateway', 'swarm@worker-1'].map(prefixed)
const EXIT_WRONG_USE = '2'

// PostgreSQL as Debian's unit runs it, in as far as the coordinator sees it.
function postgresUnit () {
  const { bin } = new PostgresServer('', '', 0)
  return `[Service]
User=postgres
RuntimeDirectory=postgresql
StateDirectory=hnx-postgres
StateDirectoryMode=0700
ExecStartPre=${bin}/initdb --pgdata=/var/lib/hnx-postgres --auth-local=peer --auth-host=reject --encoding=UTF8 --locale=C
ExecStart=${bin}/postgres -D /var/lib/hnx-postgres -c listen_addresses= -c unix_socket_directories=/run/postgresql
KillSignal=SIGINT
StandardOutput=append:/var/log/postgresql.log
StandardError=inherit
`
}

test('systemd', async ({ scratch, owns }) => {
  fs.chmodSync(scratch, 0o755)
  const channel = owns(new DemoChannel(path.join(scratch, 'channel'), ['--paths', '40', '--bytes', '1M']))
  channel.make()
  await channel.serve()
  const root = path.join(scratch, 'root')
  const run = (program, ...words) => spawnSync(path.join(binDir, program), words, { encoding: 'utf8' })

  step('install, settings and the key')
  const etc = path.join(root, 'etc')
  fs.mkdirSync(etc, { recursive: true })
  for (const name of ['passwd', 'group', 'shadow', 'gshadow']) fs.copyFileSync(`/etc/${name}`, path.join(etc, name))
  const installed = spawnSync(path.join(sourceDir, 'deploy/systemd/install'), ['--bin', binDir, '--root', root], { encoding: 'utf8' })
  checkEqual(`install: ${installed.stderr}`, installed.status, 0)
  const keyFile = path.join(etc, 'hypercore-nixos/mirror.key')
  const predecessor = '5f'.repeat(32)
  const made = run('worker', 'create-index-key', keyFile, '--predecessor', predecessor)
  checkEqual(`create-index-key: ${made.stderr}`, made.status, 0)
  const [key] = made.stdout.match(/[0-9a-f]{64}/)
  fs.chmodSync(keyFile, 0o400)
  const [coordinator, http, index, indexMetrics, worker1, metrics1, worker2, metrics2, gateway] = await Promise.all(Array.from({ length: 9 }, async () => `127.0.0.1:${await freePort()}`))
  const setting = (name, values) => fs.writeFileSync(path.join(etc, 'hypercore-nixos', `${name}.env`), Object.entries(values).map(([variable, value]) => `HNX_${variable}="${value}"\n`).join(''))
  // The example's own database: PostgreSQL's socket on this machine, as the system's user of the unit.
  const [, database] = fs.readFileSync(path.join(sourceDir, 'deploy/systemd/etc/coordinator.env'), 'utf8').match(/^HNX_DATABASE=(.*)$/m)
  const ofCoordinator = { DATABASE: database, LISTEN: coordinator, LISTEN_HTTP: http, UPSTREAM: channel.info.upstream,
    CHANNEL_URL: channel.info.channel_url, TRUSTED_PUBLIC_KEYS: channel.info.public_key }
  setting('coordinator', ofCoordinator)
  setting('worker', { COORDINATOR: coordinator, DISK_RESERVE: '1MiB' })
  setting('worker-worker-1', { LISTEN_PEERS: worker1, LISTEN_METRICS: metrics1, SWARM: '/run/hypercore-nixos/worker-1.sock' })
  setting('worker-worker-2', { LISTEN_PEERS: worker2, LISTEN_METRICS: metrics2 })
  setting('index', { COORDINATOR: coordinator, LISTEN_PEERS: index, LISTEN_METRICS: indexMetrics, ACCEPT_LENGTH: '0', DISK_RESERVE: '1MiB' })
  setting('gateway', { MIRROR: `hyper://${key}`, PEER: [index, worker1, worker2].join('\n'), LISTEN: gateway })
  setting('swarm', { BOOTSTRAP: `127.0.0.1:${await freePort()}` })
  // Nobody keeps a journal here.
  const dropIn = path.join(etc, 'systemd/system/hypercore-nixos-.service.d')
  fs.mkdirSync(dropIn)
  fs.writeFileSync(path.join(dropIn, 'log.conf'), '[Service]\nStandardOutput=append:/var/log/%N.log\nStandardError=inherit\n')
  fs.mkdirSync(path.join(root, 'var/log'), { recursive: true })
  // The README's own words for a key that replaces another.
  const [block] = fs.readFileSync(path.join(sourceDir, 'deploy/systemd/README.md'), 'utf8').match(/\[Service\]\n *LoadCredential=mirror\.key\.predecessor[^`]*/)
  fs.mkdirSync(path.join(etc, 'systemd/system/hypercore-nixos-index.service.d'))
  fs.writeFileSync(path.join(etc, 'systemd/system/hypercore-nixos-index.service.d/predecessor.conf'), block.replace(/^ +/gm, ''))

  fs.writeFileSync(path.join(etc, 'systemd/system/postgresql.service'), postgresUnit())
  // The README's own words for other machines: certificates, as credentials.
  const tls = path.join(etc, 'hypercore-nixos/tls')
  const certified = spawnSync(path.join(sourceDir, 'deploy/tls/make-certificates'),
    [tls, '--coordinator', '127.0.0.1', '--worker', 'w1', '--worker', 'w2', '--index', 'i1', '--operator', 'alice'], { encoding: 'utf8' })
  checkEqual(`make-certificates: ${certified.stderr}`, certified.status, 0)
  const [credentials] = fs.readFileSync(path.join(sourceDir, 'deploy/systemd/README.md'), 'utf8').match(/\[Service\]\n *LoadCredential=tls\.crt[^`]*/)
  for (const [unit, name] of Object.entries({ coordinator: 'coordinator', index: 'index-i1', 'worker@worker-1': 'worker-w1', 'worker@worker-2': 'worker-w2' })) {
    const folder = path.join(etc, 'systemd/system', `${prefixed(unit)}.service.d`)
    fs.mkdirSync(folder, { recursive: true })
    fs.writeFileSync(path.join(folder, 'tls.conf'), credentials.replace(/^ +/gm, '').replace(/coordinator(?=\.(crt|key))/g, name))
  }
  const asAlice = ['--coordinator', coordinator, '--tls-ca', path.join(tls, 'ca.crt'), '--tls-cert', path.join(tls, 'operator-alice.crt'), '--tls-key', path.join(tls, 'operator-alice.key')]

  step('systemd starts everything')
  const systemd = owns(new Booted(root))
  systemd.explain = () => [...UNITS, 'postgresql'].forEach((unit) => console.error(`---- end of ${unit}\n${systemd.logOf(unit).slice(-1500)}`))
  await systemd.start()
  const systemctl = (...words) => {
    const done = systemd.systemctl(...words)
    checkEqual(`systemctl ${words.join(' ')}: ${done.stderr} ${systemd.log()}`, done.status, 0)
  }
  const answers = (address, page) => until(`http://${address}${page} answers`, LONG_MS, async () => (await fetch(`http://${address}${page}`).catch(() => null))?.status === 200)
  systemctl('start', 'postgresql')
  const asPostgres = (...words) => systemd.inside('runuser', '-u', 'postgres', '--', ...words)
  await until('PostgreSQL answers', LONG_MS, () => asPostgres('psql', '-At', '-c', 'SELECT 1', 'postgres').stdout === '1\n')
  // As the README says it, but for sudo.
  for (const [, words] of fs.readFileSync(path.join(sourceDir, 'deploy/systemd/README.md'), 'utf8').matchAll(/^sudo -u postgres (.*)$/gm)) {
    const done = asPostgres(...words.split(' '))
    checkEqual(`${words}: ${done.stderr}`, done.status, 0)
  }
  systemctl('enable', ...UNITS)
  systemctl('start', 'hypercore-nixos.target')
  for (const address of [http, indexMetrics, metrics1, metrics2]) await answers(address, '/readyz')
  await answers(gateway, '/nix-cache-info')
  for (const unit of UNITS) checkEqual(`the state of ${unit}`, systemd.show(unit, 'ActiveState').ActiveState, 'active')

  step('a whole mirror')
  check(run('coordinator', 'status', '--coordinator', coordinator).status !== 0, 'the coordinator answers whoever asks')
  const mirror = { channel, get: async (url) => {
    const response = await fetch(`http://${gateway}${url}`)
    const body = Buffer.from(await response.arrayBuffer())
    return response.status === 200 ? body : null
  } }
  const submitted = run('coordinator', 'submit', ...asAlice, '--channel', channel.info.channel, '--wait')
  checkEqual(`submit: ${submitted.stderr.slice(-800)}`, submitted.status, 0)
  const expected = channel.expected()
  await until('the gateway has the release', LONG_MS, () => mirror.get(`/channels/${channel.info.channel}/${expected.release}/manifest.json`))
  await compareWithUpstream(mirror, expected)
  checkEqual('the predecessor in /mirror.json', JSON.parse(await mirror.get('/mirror.json')).predecessor, predecessor)
  await until('the bridge has found its worker', LONG_MS, () => systemd.logOf(prefixed('swarm@worker-1')).includes('worker-1.sock: connected to the back end'))
  const denied = UNITS.filter((unit) => /Operation not permitted|EPERM|Read-only file system|Permission denied/.test(systemd.logOf(unit)))
  checkEqual('programs that speak of what they may not do', denied, [])

  step('each process is as closed as its unit says')
  const pidOf = (unit) => systemd.show(unit, 'MainPID').MainPID
  for (const unit of UNITS) {
    const inside = (file) => systemd.inside('cat', `/proc/${pidOf(unit)}/${file}`).stdout
    const status = Object.fromEntries(inside('status').split('\n').map((line) => line.split(':\t')))
    assert.deepEqual([status.Seccomp, status.NoNewPrivs, Number(`0x${status.CapBnd}`), Number(`0x${status.CapEff}`)], ['2', '1', 0, 0], unit)
    assert.notEqual(status.Uid.split('\t')[0], '0', unit)
    assert.match(inside('limits'), /Max core file size +0 +0 /, unit)
    const own = { coordinator: 'lib/hypercore-nixos-coordinator', index: 'lib/hypercore-nixos-index', gateway: 'cache/hypercore-nixos-gateway' }[unit.slice('hypercore-nixos-'.length)] ??
      `lib/${unit.split('@')[0]}`
    const sees = (name) => systemd.inside('nsenter', '--target', pidOf(unit), '--mount', '--', 'find', `/var/${name}`, '-mindepth', '1', '-maxdepth', '1').stdout !== ''
    for (const name of ['lib/hypercore-nixos-coordinator', 'lib/hypercore-nixos-worker', 'lib/hypercore-nixos-index', 'cache/hypercore-nixos-gateway']) {
      if (name !== own) check(!sees(name), `${unit} sees /var/${name}`)
    }
    if (!unit.includes('coordinator')) check(sees(own), `${unit} does not see /var/${own}`)
    const written = systemd.inside('nsenter', '--target', pidOf(unit), '--mount', '--', 'touch', '/usr/hnx-written', '/etc/hnx-written')
    check(/Read-only file system/.test(written.stderr), `${unit} may write to /usr or /etc: ${written.stderr}`)
  }
  const copy = systemd.inside('stat', '--format=%U %a', '/run/hypercore-nixos-index/mirror.key')
  checkEqual('whose the copy of the key is', copy.stdout.trim(), 'hypercore-nixos 400')
  for (const unit of UNITS) {
    const environment = systemd.inside('cat', `/proc/${pidOf(unit)}/environ`).stdout
    check(!environment.includes(fs.readFileSync(keyFile).toString('hex')), `the key is in the environment of ${unit}`)
  }

  step('what is killed comes back')
  for (const unit of UNITS) {
    const before = pidOf(unit)
    systemctl('kill', '--kill-whom=main', '--signal=KILL', unit)
    await until(`${unit} is back`, LONG_MS, () => {
      const { ActiveState, MainPID, NRestarts } = systemd.show(unit, 'ActiveState', 'MainPID', 'NRestarts')
      return ActiveState === 'active' && MainPID !== before && Number(NRestarts) >= 1
    })
  }
  for (const address of [http, indexMetrics, metrics1, metrics2]) await answers(address, '/readyz')
  channel.make('--release', '2')
  await channel.stop()
  await channel.serve()
  const again = run('coordinator', 'submit', ...asAlice, '--channel', channel.info.channel, '--wait')
  checkEqual(`submit after the kills: ${again.stderr.slice(-800)}`, again.status, 0)
  await until('the gateway has the second release', LONG_MS, () => mirror.get(`/channels/${channel.info.channel}/${channel.expected(2).release}/manifest.json`))
  await compareWithUpstream(mirror, channel.expected(2))

  step('all end when they are told to, in time')
  systemctl('stop', 'hypercore-nixos.target')
  for (const unit of UNITS) {
    await until(`${unit} has ended`, LONG_MS, () => ['inactive', 'failed'].includes(systemd.show(unit, 'ActiveState').ActiveState))
    assert.deepEqual(systemd.show(unit, 'ActiveState', 'Result', 'ExecMainStatus'), { ActiveState: 'inactive', Result: 'success', ExecMainStatus: '0' }, unit)
  }
  checkEqual('what is left of the key', systemd.inside('ls', '/run/hypercore-nixos-index').status, 2)

  step('wrong settings are not tried again and again')
  setting('coordinator', { ...ofCoordinator, LEASE: 'soon' })
  systemd.systemctl('start', prefixed('coordinator'))
  await until('the coordinator has failed', LONG_MS, () => systemd.show(prefixed('coordinator'), 'ActiveState').ActiveState === 'failed')
  assert.deepEqual(systemd.show(prefixed('coordinator'), 'ExecMainStatus', 'NRestarts'), { ExecMainStatus: EXIT_WRONG_USE, NRestarts: '0' })
})
