// The command line as its manual has it: each command of each program that knows --json prints what its schema in
// docs/schemas describes, and each exit code that a command documents is provoked. What the manual documents is asked of
// the programs, so a new command without a schema, a row, or with a code that no row provokes fails here.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { Commands } from './command_line/commands.mjs'
import { drivesOfHyp } from './command_line/hyp_rows.mjs'
import { servers } from './command_line/server_rows.mjs'
import { failingCoordinator, silentPeer } from './command_line/stand_ins.mjs'
import { wrongUse } from './command_line/wrong_use.mjs'
import { DemoChannel, Mirror, SHARED_CHANNELS, binDir, check, checkEqual, freePort, step, test, until } from './words.mjs'

const LONG_MS = 60_000
const NOBODY = '127.0.0.1:1'
const UNKNOWN_DRIVE = `hyper://${'ab'.repeat(32)}`

// What each command that asks a coordinator needs on its line; a new one gets a row here.
const ASKING = {
  submit: ['--path', '/nix/store/00000000000000000000000000000000-x'],
  plan: ['--path', '/nix/store/00000000000000000000000000000000-x'],
  status: [],
  watch: [],
  failures: [],
  'failures list': [],
  'failures retry': ['--all'],
  'failures ignore': ['--reason', 'http-404', '--note', 'gone'],
  why: ['00000000000000000000000000000000'],
  import: ({ folder }) => ['--from-dir', folder],
  pause: ['--all'],
  resume: ['--all'],
  cancel: ['1'],
  priority: ['1', '2'],
  workers: [],
  shards: [],
  jobs: [],
  drain: ['worker-1'],
  undrain: ['worker-1'],
  forget: ['worker-1'],
  releases: [],
  diff: ['1', '2'],
  manifest: ['1'],
  pin: ['1'],
  unpin: ['1'],
  follow: ['demo'],
  unfollow: ['demo'],
  retention: ['demo', '--keep', '1'],
  gc: ['--dry-run'],
  scrub: ['--list'],
  audit: []
}

// Codes that this test leaves to others, each with the reason.
const EXCEPTIONS = {
  'coordinator gc 3': 'said after a minute in which workers that are away did not come back',
  'coordinator gc 130': 'with nothing that leaves it may be over before Ctrl-C comes',
  'coordinator rescan 4': 'said after half a minute in which no peer answered',
  'coordinator scrub 3': 'needs damage that nobody can repair: tests/e2e/scrub_test.mjs',
  'coordinator doctor 0': 'tests/integration/cli/doctor_test.mjs has set-ups for it',
  'coordinator doctor 3': 'tests/integration/cli/doctor_test.mjs has set-ups for it',
  'worker doctor 0': 'tests/integration/cli/doctor_test.mjs has set-ups for it',
  'worker doctor 3': 'tests/integration/cli/doctor_test.mjs has set-ups for it',
  'hyp export 130': 'so small a copy may be over before Ctrl-C comes'
}

function askingCommands (commands) {
  return commands.of('coordinator').map((name) => name.slice('coordinator '.length))
    .filter((name) => commands.documented.get(`coordinator ${name}`).codes.includes(4) && name !== 'rescan')
}

async function nobodyAndBroken (commands, owns, context) {
  const failing = owns(await failingCoordinator())
  for (const name of askingCommands(commands)) {
    check(name in ASKING, `coordinator ${name} asks a coordinator, and ASKING has no row for it`)
    const words = typeof ASKING[name] === 'function' ? ASKING[name](context) : ASKING[name]
    const { stderr } = await commands.run(`coordinator ${name}`, [...words, '--coordinator', NOBODY], 4)
    check(stderr.includes(NOBODY) && stderr.includes('coordinator serve') && stderr.includes('--coordinator'), `${name} of nobody does not say what to do: ${stderr}`)
    await commands.run(`coordinator ${name}`, [...words, '--coordinator', failing.address], 1)
  }
}

const COLUMNS = 68

function onATerminal (mirror, release) {
  const shown = (columns, words) => spawnSync('script', ['-qec', `stty cols ${columns}; ${path.join(binDir, 'coordinator')} ${words} --coordinator ${mirror.address}`,
    '/dev/null'], { encoding: 'utf8', env: { ...process.env, TERM: 'xterm' } }).stdout
  // Seven columns are never cut below eight characters: 68 columns hold them all.
  const table = shown(COLUMNS, 'releases').split('\r\n').filter((line) => !line.startsWith('    '))
  check(/^ *ID +RELEASE/.test(table[0]), `releases on a terminal: ${table[0]}`)
  check(table.every((line) => [...line].length <= COLUMNS) && table.some((line) => line.includes('\u2026')), `not cut to the terminal:\n${table.join('\n')}`)
  const bars = shown(160, `watch --release ${release}`)
  check(/\[#+\.*\]/.test(bars) && bars.includes('missing upstream'), `watch on a terminal: ${bars}`)
}

test('command line', async ({ scratch, owns }) => {
  const commands = new Commands()
  const begun = (printed) => printed.stderr.length > 0
  const silent = owns(await silentPeer())

  step('wrong use: said with what was probably meant, exit code 2')
  await wrongUse(commands)

  step('completion and manual')
  for (const program of ['coordinator', 'worker', 'gateway', 'hyp']) {
    await commands.run(`${program} completion`, ['bash'], 0)
    await commands.run(`${program} manual`, ['--json'], 0)
    const { stdout } = await commands.run(`${program} manual`, [], 0)
    for (const [command, { schema }] of commands.documented) {
      if (!command.startsWith(`${program} `)) continue
      check(!schema || stdout.replaceAll('\\-', '-').includes(schema), `the manual of ${program} does not name ${schema}`)
    }
  }

  step('a mirror')
  const channel = owns(new DemoChannel(path.join(scratch, 'channel'), SHARED_CHANNELS.smallWithFaults))
  channel.make()
  await channel.serve()
  const folder = path.join(scratch, 'folder')
  fs.mkdirSync(folder)
  fs.copyFileSync(path.join(channel.dir, 'www/cache/nix-cache-info'), path.join(folder, 'nix-cache-info'))
  const peers = { index: `127.0.0.1:${await freePort()}`, worker: `127.0.0.1:${await freePort()}` }
  const mirror = owns(new Mirror(path.join(scratch, 'mirror'), channel, {
    workers: 1,
    workerOptions: ['--listen-peers', peers.worker, '--import-dir', folder],
    indexOptions: ['--listen-peers', peers.index],
    coordinatorOptions: ['--attempts-max', '1']
  }))
  await mirror.start()
  const ask = (name, words, code = 0) => commands.run(`coordinator ${name}`, [...words, '--json', '--coordinator', mirror.address], code)
  const people = (name, words, code = 0) => commands.run(`coordinator ${name}`, [...words, '--coordinator', mirror.address], code)
  const waits = (name, words) => commands.interrupt(`coordinator ${name}`, [...words, '--coordinator', mirror.address], 130, begun)
  const { info } = channel
  const named = ['--channel', info.channel]

  step('plan, submit, watch; Ctrl-C while everything is paused')
  await ask('pause', ['--all', '--reason', 'inspection'])
  await waits('plan', named)
  await waits('submit', [...named, '--wait'])
  await waits('watch', [])
  await ask('resume', ['--all'])
  const { documents: [queued] } = await ask('submit', named)
  check(queued.existed, 'the submission does not go on')
  const { documents: watched } = await ask('watch', [], 3)
  checkEqual('how the release ended', watched.at(-1).state, 'settled')
  await ask('watch', ['--release', String(queued.release_id)], 3)
  await people('submit', [...named, '--wait', '--force'], 3)
  const expected = channel.expected()
  await mirror.manifest(expected.release)
  const pathsWith = (status) => Object.keys(expected.paths).filter((name) => expected.paths[name].status === status)
  const [good] = pathsWith('published')
  await ask('submit', ['--path', good, '--wait', '--name', 'mine'])
  await ask('watch', [])
  await ask('plan', named)

  step('lists')
  for (const name of ['status', 'workers', 'shards', 'jobs', 'releases', 'failures', 'failures list', 'pause', 'resume']) {
    const words = name === 'pause' || name === 'resume' ? ['--upstream', info.upstream] : []
    await ask(name, words)
    await people(name, words)
  }
  const { documents: drives } = await ask('shards', [])
  checkEqual('the first drive', [drives[0].role, drives[0].key, drives[0].worker], ['index', mirror.key, 'index'])
  check(drives[0].published_at_ms > 0, 'the index was never published')
  const ofOne = (await ask('shards', ['--worker', 'worker-1', '--state', 'open', '--limit', '1'])).documents
  checkEqual('drives of worker-1', ofOne.map(({ role, worker }) => [role, worker]), [['shard', 'worker-1']])
  checkEqual('NARs in shards', drives.reduce((sum, { nars }) => sum + nars, 0),
    (await ask('jobs', ['--state', 'stored'])).documents[0].queue[0].count)
  for (const name of ['shards', 'jobs']) {
    const { stderr } = await people(name, ['--worker', 'nobody'], 1)
    check(stderr.includes('nobody') && stderr.includes('coordinator workers'), stderr)
  }
  const rows = (await people('shards', [])).stdout.trimEnd().split('\n').map((line) => line.split('\t'))
  checkEqual('titles in a pipe', rows[0], ['DRIVE', 'ROLE', 'WRITER', 'STATE', 'LENGTH', 'BYTES', 'NARS', 'COPIES', 'PUBLISHED', 'NOTE'])
  checkEqual('drives in a pipe', rows.slice(1).map(([id]) => id), drives.map(({ id_z32: id }) => id))
  onATerminal(mirror, queued.release_id)

  step('one path, one release')
  await ask('why', [good])
  const mine = String((await ask('releases', ['--channel', 'mine'])).documents[0].id)
  await ask('diff', [String(queued.release_id), mine])
  await until('its manifest is in the index', LONG_MS, () => mirror.coordinator('manifest', mine).status === 0)
  await ask('manifest', [mine, '--check'])
  for (const name of ['pin', 'unpin']) await ask(name, [mine])
  await ask('priority', [mine, '3'])
  for (const name of ['drain', 'undrain']) await ask(name, ['worker-1'])
  await ask('failures retry', ['--release', String(queued.release_id), '--path', pathsWith('missing')[0]])
  await until('the retried release settles', LONG_MS, () => mirror.status().releases.every(({ state }) => state === 'settled' || state === 'planned'))
  await ask('failures ignore', ['--release', String(queued.release_id), '--path', pathsWith('missing')[0], '--note', 'gone'])
  for (const [name, words] of [
    ['cancel', ['999999']], ['priority', ['999999', '1']], ['pin', ['999999']], ['manifest', ['999999']], ['diff', ['999999', mine]],
    ['watch', ['--release', '999999']], ['failures', ['--release', '999999']], ['drain', ['nobody']], ['forget', ['nobody']],
    ['why', ['00000000000000000000000000000000']], ['scrub', ['nobody']]
  ]) {
    check((await people(name, words, 1)).stderr.length > 0, `${name} ${words} says nothing`)
  }

  step('what lies on disks, who decided what, what keeps programs from working')
  await ask('scrub', ['--wait'])
  const { documents: decisions } = await ask('audit', ['--limit', '5'])
  checkEqual('the newest decisions', decisions.length, 5)
  await commands.run('coordinator doctor', ['--data', scratch, '--database', `postgresql://mirror@${NOBODY}/mirror`, '--json'], 1)
  await commands.run('worker doctor', ['--data', path.join(scratch, 'no-worker'), '--coordinator', NOBODY, '--json'], 1)
  const gateway = (words, code) => commands.run('gateway doctor', ['--listen', '127.0.0.1:0', '--json', ...words], code)
  await gateway(['--index', `hyper://${mirror.key}`, ...mirror.drives().flatMap((folder) => ['--drives', folder]), '--coordinator', mirror.address], 0)
  const afar = ['--mirror', `hyper://${mirror.key}`, '--cache', path.join(scratch, 'doctor-cache'), '--cache-size', '1M']
  await gateway([...afar, '--peer', peers.index, '--peer', peers.worker, '--patience', '5s', '--swarm', 'off'], 0)
  await gateway([...afar, '--peer', NOBODY, '--patience', '1s', '--swarm', 'off'], 1)
  await gateway(['--index', `hyper://${mirror.key}`, '--drives', mirror.drives().at(-1)], 3) // without the shards

  step('channels, garbage')
  await ask('follow', [info.channel, '--interval', '1h', '--debounce', '0s'])
  await ask('retention', [info.channel, '--keep', '5'])
  await ask('unfollow', [info.channel])
  await ask('gc', ['--dry-run'])
  await people('gc', [])

  step('import: queued, done in part, interrupted')
  const [lacking] = fs.readdirSync(path.join(channel.dir, 'www/cache')).filter((name) => name.startsWith(path.basename(good).slice(0, 32)))
  fs.copyFileSync(path.join(channel.dir, 'www/cache', lacking), path.join(folder, lacking))
  await ask('pause', ['--all'])
  await waits('import', ['--from-dir', folder, '--wait'])
  const { documents: [imported] } = await ask('import', ['--from-dir', folder])
  await ask('cancel', [String(imported.release_id)])
  await ask('resume', ['--all'])
  fs.writeFileSync(path.join(folder, `${'0'.repeat(32)}.narinfo`), 'StorePath: /nix/store/00000000000000000000000000000000-bad\n')
  await ask('import', ['--from-dir', folder, '--wait', '--name', 'broken'], 3)
  fs.rmSync(path.join(folder, `${'0'.repeat(32)}.narinfo`))

  step('nobody answers, or a coordinator that is broken')
  await nobodyAndBroken(commands, owns, { folder })

  step('hyp')
  await drivesOfHyp({ commands, mirror, scratch, peers, silent })

  step('rescan')
  const rescan = (words, code) => commands.run('coordinator rescan', ['--data', path.join(scratch, 'rescan'), '--dry-run', '--json', ...words], code)
  const index = path.join(mirror.dir, 'index/drives', mirror.indexId)
  await rescan(['--index', index, '--trusted-public-keys', info.public_key], 0)
  await rescan(['--index', index], 3) // without the key of this channel
  await rescan(['--index', path.join(scratch, 'nothing')], 1)
  const before = silent.count()
  await commands.interrupt('coordinator rescan', ['--mirror', UNKNOWN_DRIVE, '--peer', silent.address, '--cache', path.join(scratch, 'rescan-cache')],
    130, () => silent.count() > before)

  step('servers: stopped, refused, superseded')
  await servers({ commands, mirror, scratch, owns })

  step('a worker that is forgotten')
  const gone = mirror.programs.get('worker-1')
  await gone.kill('SIGKILL')
  await waits('scrub', ['worker-1', '--wait'])
  mirror.sql("UPDATE worker SET last_seen = now() - interval '1 hour' WHERE name = 'worker-1'")
  await ask('forget', ['worker-1'])

  commands.checkJson(scratch)
  commands.checkCodes(EXCEPTIONS)
})
