// The doctors of coordinator, worker and gateway name the fault and its remedy in broken set-ups, each made of real servers with one
// thing wrong, and find nothing where everything is well.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { PostgresServer, serverUser } from '../../e2e/chaos/replicated_postgres.mjs'
import { Mirror, Program, binDir, check, checkEqual, freePort, sourceDir, step, test, until } from '../../e2e/words.mjs'
import { BinaryCache, STORE_PATH, fillPostgres, makeCertificate, makeKey } from './doctor_servers.mjs'

const START_TIMEOUT_MS = 120_000
const [WELL, FAULT, WARNING] = [0, 1, 3]
const said = [] // every JSON line, for the schema

class Doctor {
  constructor (mirror, options) {
    this.mirror = mirror
    this.options = options // name -> value, of a coordinator that is well
  }

  async ask (program, options, more = []) {
    const words = Object.entries(options).filter(([, value]) => value !== undefined).flatMap(([name, value]) => [`--${name}`, value])
    const done = await this.mirror.runBeside(program, 'doctor', ...words, ...more, '--json')
    check(done.stdout, `${program} doctor says nothing: status ${done.status}: ${done.stderr}`)
    said.push(done.stdout)
    return { status: done.status, ...JSON.parse(done.stdout) }
  }

  // One finding says so, with that remedy; nothing else is a fault. `options`: what is different from the set-up that is well.
  async finds (words, options, { check: name, level = 'fault', what, remedy }, program = 'coordinator', more = []) {
    step(words)
    const answer = await this.ask(program, program === 'coordinator' ? { ...this.options, ...options } : options, more)
    const shown = JSON.stringify(answer, null, 1)
    const found = answer.findings.filter((finding) => finding.check === name && finding.level === level)
    checkEqual(`${words}: findings of ${name} in ${shown}`, found.length, 1)
    check(what.test(found[0].what), `${words}: "${found[0].what}" does not say ${what}`)
    check(remedy.test(found[0].remedy), `${words}: "${found[0].remedy}" does not say ${remedy}`)
    checkEqual(`${words}: faults in ${shown}`, answer.faults, level === 'fault' ? 1 : 0)
    checkEqual(`${words}: the exit status`, answer.status, level === 'fault' ? FAULT : WARNING)
    console.log(`${name}: ${found[0].what}\n  -> ${found[0].remedy}`)
  }
}

function checkSchema (scratch) {
  const file = path.join(scratch, 'said.jsonl')
  fs.writeFileSync(file, said.join(''))
  const program = 'import json, sys, jsonschema\nv = jsonschema.Draft202012Validator(json.load(open(sys.argv[1])))\n' +
    'for line in open(sys.argv[2]): v.validate(json.loads(line))'
  const done = spawnSync('python3', ['-c', program, path.join(sourceDir, 'docs/schemas/coordinator-doctor.schema.json'), file], { encoding: 'utf8' })
  check(done.status === 0, `docs/schemas/coordinator-doctor.schema.json: ${done.stderr.split('\n').slice(-20).join('\n')}`)
}

async function brokenDatabases (doctor, uri, server) {
  const at = (database, what, remedy, more = {}) => [{ database }, { check: 'database', what, remedy, ...more }]
  await doctor.finds('no database', ...at(`postgresql://hnx@127.0.0.1:${await freePort()}/x`, /refused/, /start PostgreSQL/))
  await doctor.finds('a wrong password', ...at(`postgresql://guarded:wrong@127.0.0.1:${server.port}/current`, /password authentication failed/, /correct the user or password/))
  await doctor.finds('no such role', ...at(uri('current', 'nobody'), /role "nobody" does not exist/, /make the role/))
  await doctor.finds('no such database', ...at(uri('nowhere'), /database "nowhere" does not exist/, /make the database/))
  await doctor.finds('a database that takes no writes', ...at(uri('readonly'), /takes no writes/, /name the primary/))
  await doctor.finds('a role without rights', ...at(uri('current', 'guest'), /role guest.*may not write/, /GRANT/))
  await doctor.finds('a host of the database that has no name', ...at(`postgresql://hnx@${'x'.repeat(64)}.example/x`, /could not translate host name/, /correct the host/))
  await doctor.finds('an old schema, with --no-migrate', { database: uri('old') },
    { check: 'schema', what: /it lacks \d+_/, remedy: /coordinator migrate/ }, 'coordinator', ['--no-migrate'])
  await doctor.finds('an old schema', { database: uri('old') }, { check: 'schema', level: 'warning', what: /older than this program/, remedy: /coordinator migrate/ })
  await doctor.finds('a newer schema', { database: uri('newer') }, { check: 'schema', what: /schema version 999/, remedy: /newer coordinator/ })
  await doctor.finds('nobody who works', {}, { check: 'workers', level: 'warning', what: /no worker with the role mirror calls/, remedy: /worker run/ })
}

async function brokenUpstreams (doctor, tls, key, owns) {
  const cache = async (wrong) => owns(await new BinaryCache(tls, key, wrong).start()).url
  const at = async (wrong, finding) => [{ upstream: await cache(wrong) }, { check: 'upstream', ...finding }]
  await doctor.finds('nothing listens upstream', { upstream: `https://127.0.0.1:${await freePort()}` }, { check: 'upstream', what: /connect/, remedy: /firewalls and --proxy/ })
  await doctor.finds('an upstream that refuses us', ...await at({ status: 403 }, { what: /403/, remedy: /refuses this machine/ }))
  await doctor.finds('an upstream in trouble', ...await at({ status: 500 }, { what: /500/, remedy: /in trouble/ }))
  await doctor.finds('no cache at that URL', ...await at({ status: 404 }, { what: /404/, remedy: /correct its URL/ }))
  await doctor.finds('an upstream without a name', { upstream: `https://${'x'.repeat(64)}.example` }, { check: 'upstream', what: /resolve|dns/i, remedy: /not resolved/ })
  await doctor.finds('an upstream of another store', ...await at({ cacheInfo: 'StoreDir: /gnu/store\n' }, { what: /another store/, remedy: /StoreDir is \/nix\/store/ }))
  await doctor.finds('a portal instead of a cache', ...await at({ cacheInfo: '<html>log in</html>' }, { what: /nix-cache-info/, remedy: /binary cache/ }))
  await doctor.finds('an upstream whose certificate nobody knows', { 'ca-file': '/etc/ssl/certs/ca-certificates.crt' },
    { check: 'upstream', what: /certificate/i, remedy: /--ca-file/ })
  const date = (hours) => new Date(Date.now() + hours * 3_600_000).toUTCString()
  await doctor.finds('a clock that is off', ...await at({ date: date(3) }, { check: 'upstream-clock', what: /differs by (2h 59|3h)/, remedy: /NTP/ }))
  await doctor.finds('a clock that is a little off', ...await at({ date: date(0.05) }, { check: 'upstream-clock', level: 'warning', what: /differs by/, remedy: /NTP/ }))
  await doctor.finds('an upstream with HTTP/1.1 only', ...await at({ http2: false }, { check: 'http2', level: 'warning', what: /HTTP\/1\.1 only/, remedy: /speak HTTP\/2/ }))
  await doctor.finds('another key than it signs with', { 'trusted-public-keys': makeKey('test-1').text }, { check: 'signatures', what: /trusted keys: test-1/, remedy: /--trusted-public-keys/ })
  await doctor.finds('a key that is none', { 'trusted-public-keys': 'test-1:abc' }, { check: 'keys', what: /test-1/, remedy: /NAME:BASE64/ })
  await doctor.finds('no path to look at', { path: undefined }, { check: 'signatures', level: 'warning', what: /no path/, remedy: /--path/ })
}

// As root: a file system that is full. Where nothing may be mounted the option's limit alone is tried.
async function fullDisk (doctor, scratch) {
  await doctor.finds('less room than was asked for', { 'disk-free-min': '1000TiB' }, { check: 'disk', what: /are free at/, remedy: /make room/ })
  const small = path.join(scratch, 'small')
  fs.mkdirSync(small)
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', small], { encoding: 'utf8' })
  if (mounted.status !== 0) return console.log(`a full disk is NOT tried: nothing may be mounted here: ${mounted.stderr.trim()}`)
  try {
    fs.writeFileSync(path.join(small, 'full'), Buffer.alloc(64 << 10))
    await doctor.finds('a full disk', { data: small }, { check: 'disk', what: /is full: No space left/, remedy: /make room/ })
  } finally {
    spawnSync('umount', [small])
  }
}

async function brokenHosts (doctor, scratch, owns) {
  await fullDisk(doctor, scratch)
  await doctor.finds('a folder that nobody can write', { data: '/proc/hnx' }, { check: 'folder', what: /\/proc cannot be written/, remedy: /chown/ })
  const file = path.join(scratch, 'file')
  fs.writeFileSync(file, '')
  await doctor.finds('a file where the folder should be', { data: path.join(file, 'data') }, { check: 'folder', what: /not a folder/, remedy: /another --data/ })
  const holder = net.createServer((socket) => socket.destroy())
  await new Promise((resolve) => holder.listen(0, '127.0.0.1', resolve))
  owns({ stop: () => new Promise((resolve) => holder.close(resolve)) })
  await doctor.finds('a port that something else holds', { listen: `127.0.0.1:${holder.address().port}` }, { check: 'listen', what: /no coordinator answers/, remedy: /ss -ltnp/ })
  const running = owns(new Program('private', ['coordinator', 'serve', '--data', path.join(scratch, 'private'), '--listen', `127.0.0.1:${await freePort()}`], path.join(scratch, 'private.log')))
  running.start()
  await until('a coordinator with a private database serves', START_TIMEOUT_MS, () => running.logTail().includes('serves workers'))
  await doctor.finds('a private database that another coordinator uses', { database: undefined, data: path.join(scratch, 'private') },
    { check: 'database', what: /in use|lock|another/, remedy: /another --data/ })
}

async function brokenWorkers (doctor, scratch, coordinator) {
  const worker = (options) => ({ data: path.join(scratch, 'new-worker'), coordinator, 'disk-reserve': '1', ...options })
  const finds = (words, options, finding) => doctor.finds(words, worker(options), finding, 'worker')
  await finds('a coordinator that is not there', { coordinator: `127.0.0.1:${await freePort()}` }, { check: 'coordinator', what: /none answers/, remedy: /coordinator serve/ })
  await finds('one of two coordinators', { coordinator: `${coordinator},127.0.0.1:${await freePort()}` }, { check: 'coordinator', level: 'warning', what: /1 of 2/, remedy: /--coordinator/ })
  const key = path.join(scratch, 'open.key')
  check(spawnSync(path.join(binDir, 'worker'), ['create-index-key', key]).status === 0, 'no key was made')
  fs.chmodSync(key, 0o644)
  await finds('an index key that others can read', { role: 'index', 'index-key-file': key }, { check: 'index-key', what: /open\.key/, remedy: /chmod 600/ })
  await finds('an index key that is not there', { role: 'index', 'index-key-file': `${key}.gone` }, { check: 'index-key', what: /open\.key\.gone/, remedy: /backup/ })
  await finds('no room beyond the reserve', { 'disk-reserve': '1000TiB' }, { check: 'disk', what: /are free/, remedy: /--disk-reserve/ })
  await finds('a data directory that a worker uses', { data: path.join(scratch, 'worker') }, { check: 'data', level: 'warning', what: /a worker runs/, remedy: /another --data/ })
  step('a worker that is well')
  const well = await doctor.ask('worker', worker({}))
  checkEqual(`its exit status, of ${JSON.stringify(well)}`, well.status, WELL)
}

// `known`: {index: key of a mirror that a worker writes, drives: its folder, peer: where it serves it, coordinator}.
async function brokenGateways (doctor, scratch, tls, key, owns, known) {
  const local = (options) => ({ listen: '127.0.0.1:0', drives: known.drives, index: known.index, ...options })
  const far = (options) => ({ listen: '127.0.0.1:0', mirror: known.index, peer: known.peer, swarm: 'off', patience: '2s',
    cache: path.join(scratch, 'gateway-cache'), 'cache-size': '1M', 'ca-file': tls.cert, 'trusted-public-keys': key.text, ...options })
  const finds = (words, options, finding) => doctor.finds(words, options, finding, 'gateway')
  const cache = async (wrong) => owns(await new BinaryCache(tls, key, wrong).start()).url
  const nobody = `127.0.0.1:${await freePort()}`
  const holder = net.createServer((socket) => socket.destroy())
  await new Promise((resolve) => holder.listen(0, '127.0.0.1', resolve))
  owns({ stop: () => new Promise((resolve) => holder.close(resolve)) })

  await finds('a mirror in folders, of which nothing is published', local({}), { check: 'index', level: 'warning', what: /nothing is published/, remedy: /coordinator status/ })
  await finds('the same from afar', far({}), { check: 'peer', what: /gives no index/, remedy: /anything is published/ })
  const submitted = await doctor.mirror.runBeside('coordinator', 'submit', '--path', STORE_PATH, '--wait', '--coordinator', known.coordinator)
  checkEqual(`the status of submit: ${submitted.stderr}`, submitted.status, 0)
  for (const options of [local({}), far({})]) {
    const well = await until('it is well when something is published', START_TIMEOUT_MS, async () => {
      const answer = await doctor.ask('gateway', options)
      return answer.status === WELL && answer
    })
    check(/with 1 shards/.test(well.findings.find(({ check: name }) => name === 'index').what), JSON.stringify(well))
  }
  await finds('folders that are not there', local({ drives: path.join(scratch, 'nowhere') }), { check: 'drives', what: /nowhere: No such file/, remedy: /--drives/ })
  await finds('folders without the index', local({ drives: scratch }), { check: 'index', what: /the index drive, .* is not in/, remedy: /drives\// })
  const stranger = 'f'.repeat(64)
  await finds('a peer that has another mirror', far({ mirror: stranger }), { check: 'peer', what: /gives no index/, remedy: /the key/ })
  await finds('a peer that is not there', far({ peer: nobody }), { check: 'peer', what: /does not answer/, remedy: /firewalls/ })
  await finds('a peer that is none', far({ peer: `127.0.0.1:${holder.address().port}` }), { check: 'peer', what: /does not answer/, remedy: /--listen-peers/ })
  await doctor.finds('one of two peers', far({}), { check: 'peer', level: 'warning', what: /does not answer/, remedy: /firewalls/ }, 'gateway', ['--peer', nobody])
  const swarm = (program, more) => far({ peer: undefined, swarm: 'on', 'swarm-program': program, ...more })
  const noBridge = path.join(scratch, 'no-bridge.mjs')
  await finds('a swarm without its bridge', swarm(noBridge), { check: 'swarm', what: /no-bridge\.mjs is not there/, remedy: /--swarm-program/ })
  fs.writeFileSync(noBridge, 'process.exit(1)\n')
  await finds('a bridge that ends at once', swarm(noBridge), { check: 'swarm', what: /does not come up/, remedy: /Node\.js/ })
  await finds('a swarm that cannot be reached', swarm(path.join(sourceDir, 'swarm/swarm.mjs'), { 'swarm-bootstrap': nobody }),
    { check: 'swarm', what: /nobody in the swarm.*0 peers known/, remedy: /UDP/ })
  await finds('a bridge\'s socket in no folder', far({ peer: undefined, swarm: path.join(scratch, 'nowhere/bridge.sock') }), { check: 'swarm', what: /nowhere is no folder/, remedy: /--swarm/ })
  await finds('a cache that cannot be written', far({ cache: '/proc/hnx' }), { check: 'folder', what: /\/proc cannot be written/, remedy: /another --cache/ })
  await finds('a cache without room', far({ 'cache-size': '1000TiB' }), { check: 'disk', what: /are free/, remedy: /--cache-size/ })
  await finds('a port that something else holds', local({ listen: `127.0.0.1:${holder.address().port}` }), { check: 'listen', what: /in use/, remedy: /ss -ltnp/ })
  await finds('a coordinator that is not there', local({ coordinator: nobody }), { check: 'coordinator', what: /none answers/, remedy: /coordinator serve/ })
  await finds('a fallback that refuses us', far({ fallback: await cache({ status: 403 }) }), { check: 'fallback', what: /403/, remedy: /another --fallback/ })
  await finds('a fallback with another key', far({ fallback: await cache(), 'trusted-public-keys': makeKey('test-1').text, path: STORE_PATH }),
    { check: 'signatures', what: /trusted keys: test-1/, remedy: /--trusted-public-keys/ })
  await finds('keys that are none', far({ fallback: await cache(), 'trusted-public-keys': 'test-1:abc' }), { check: 'keys', what: /test-1/, remedy: /NAME:BASE64/ })

  step('a gateway that runs')
  const listen = `127.0.0.1:${await freePort()}`
  const gateway = owns(new Program('gateway', ['gateway', 'serve', '--listen', listen, '--drives', known.drives, '--index', known.index], path.join(scratch, 'gateway.log')))
  gateway.start()
  await until('it serves', START_TIMEOUT_MS, () => gateway.logTail().includes('serves hyper://'))
  const running = await doctor.ask('gateway', local({ listen }))
  checkEqual(`its port, of ${JSON.stringify(running)}`, running.findings.filter(({ check: name }) => name === 'listen').map(({ level, what }) => [level, /answers at/.test(what)]), [['ok', true]])
}

// The door: certificates by the script that users run.
async function brokenDoors (doctor, scratch, owns) {
  const folder = path.join(scratch, 'tls')
  const make = (...words) => {
    const done = spawnSync(path.join(sourceDir, 'deploy/tls/make-certificates'), [folder, ...words], { encoding: 'utf8' })
    check(done.status === 0, `make-certificates: ${done.stderr}`)
  }
  make('--coordinator', '127.0.0.1,localhost', '--worker', 'w1', '--viewer', 'v1', '--days', '-1', '--worker', 'late', '--days', '5', '--worker', 'soon')
  const files = (who) => ({ 'tls-cert': path.join(folder, `${who}.crt`), 'tls-key': path.join(folder, `${who}.key`), 'tls-ca': path.join(folder, 'ca.crt') })
  const port = await freePort()
  await doctor.finds('a door that is open to a network', { listen: `0.0.0.0:${port}` }, { check: 'access', what: /--tls-cert, --tls-key and --tls-ca/, remedy: /TLS\.md/ })
  await doctor.finds('a certificate for others', files('worker-w1'), { check: 'tls', what: /no subject alternative name/, remedy: /--coordinator/ })
  await doctor.finds('a key of another', { ...files('coordinator'), 'tls-key': files('viewer-v1')['tls-key'] }, { check: 'tls', what: /not the certificate's/, remedy: /make-certificates/ })
  const tokens = path.join(scratch, 'tokens')
  fs.writeFileSync(tokens, 'operator alice\n', { mode: 0o600 })
  await doctor.finds('a broken file of tokens', { 'tokens-file': tokens }, { check: 'tokens', what: /line 1: want ROLE NAME SHA256/, remedy: /make-token/ })

  const listen = `127.0.0.1:${port}`
  const locked = owns(new Program('locked', ['coordinator', 'serve', '--data', path.join(scratch, 'locked'), '--database', doctor.options.database, '--listen', listen,
    ...Object.entries(files('coordinator')).flatMap(([name, value]) => [`--${name}`, value])], path.join(scratch, 'locked.log')))
  locked.start()
  await until('a coordinator serves by TLS', START_TIMEOUT_MS, () => locked.logTail().includes('serves workers'))
  const running = await doctor.ask('coordinator', { ...doctor.options, listen, ...files('coordinator') })
  checkEqual('a locked coordinator that runs', running.findings.filter(({ check: name }) => ['listen', 'tls'].includes(name)).map(({ what }) => /a coordinator answers|is for 127\.0\.0\.1/.test(what)), [true, true])

  const worker = (who) => ({ data: path.join(scratch, 'locked-worker'), coordinator: listen, 'disk-reserve': '1', ...who && files(who) })
  const well = await doctor.ask('worker', worker('worker-w1'))
  checkEqual(`a worker that is let in: ${JSON.stringify(well)}`, well.status, WELL)
  const finds = (words, options, finding) => doctor.finds(words, options, finding, 'worker')
  await finds('a viewer\'s certificate', worker('viewer-v1'), { check: 'tls', what: /its roles are viewer/, remedy: /hypercore-nixos:ROLE:NAME/ })
  await finds('a certificate that ends soon', worker('worker-soon'), { check: 'tls', level: 'warning', what: /expires on/, remedy: /without a restart/ })
  await finds('a worker without TLS', worker(), { check: 'coordinator', what: /none answers/, remedy: /TLS/ })
  const late = await doctor.ask('worker', worker('worker-late'))
  checkEqual(`what is wrong with an expired certificate: ${JSON.stringify(late)}`, late.findings.filter(({ level }) => level === 'fault').map(({ check: name }) => name), ['tls', 'coordinator'])
  await locked.stop()
}

test('doctor', async ({ scratch, owns }) => {
  fs.chmodSync(scratch, 0o755)
  const tls = makeCertificate(scratch)
  const key = makeKey('test-1')
  const cache = owns(await new BinaryCache(tls, key).start())
  const server = owns(new PostgresServer(path.join(scratch, 'postgres'), '127.0.0.1', await freePort()))
  check(serverUser(), 'PostgreSQL needs a user')
  await server.makePrimary()
  const uri = await fillPostgres(server, (database) => {
    const done = spawnSync(path.join(binDir, 'coordinator'), ['migrate', '--database', database], { encoding: 'utf8' })
    check(done.status === 0, `coordinator migrate: ${done.stderr}`)
  })
  const listen = `127.0.0.1:${await freePort()}`
  const options = { data: path.join(scratch, 'data'), listen, database: uri('current'), upstream: cache.url, 'channel-url': cache.url,
    'trusted-public-keys': key.text, 'ca-file': tls.cert, path: STORE_PATH, 'disk-free-min': '1' }
  fs.mkdirSync(options.data)
  const doctor = new Doctor(new Mirror(scratch), options) // of the mirror its words only

  step('an empty database')
  const empty = await doctor.ask('coordinator', { ...options, database: uri('empty') })
  checkEqual(`the exit status of ${JSON.stringify(empty)}`, empty.status, WELL)
  await brokenDatabases(doctor, uri, server)
  await brokenUpstreams(doctor, tls, key, owns)
  await brokenHosts(doctor, scratch, owns)
  await brokenDoors(doctor, scratch, owns)

  step('everything is well, with a coordinator and a worker at work')
  const { path: _, 'disk-free-min': __, ...serve } = options
  const words = Object.entries(serve).flatMap(([name, value]) => [`--${name}`, value])
  const coordinator = owns(new Program('coordinator', ['coordinator', 'serve', ...words], path.join(scratch, 'coordinator.log')))
  coordinator.explain = () => console.error(coordinator.logTail())
  coordinator.start()
  const indexKey = path.join(scratch, 'index.key')
  const made = spawnSync(path.join(binDir, 'worker'), ['create-index-key', indexKey], { encoding: 'utf8' })
  const peer = `127.0.0.1:${await freePort()}`
  const worker = owns(new Program('worker', ['worker', 'run', '--data', path.join(scratch, 'worker'), '--coordinator', listen, '--listen-peers', peer,
    '--role', 'mirror,index', '--index-key-file', indexKey, '--disk-reserve', '1', '--ca-file', tls.cert], path.join(scratch, 'worker.log')))
  worker.start()
  const well = await until('all is well', START_TIMEOUT_MS, async () => {
    const answer = await doctor.ask('coordinator', options)
    return answer.status === WELL && answer
  })
  const checks = ['folder', 'disk', 'listen', 'database', 'database-clock', 'schema', 'workers', 'keys', 'upstream-clock', 'http2', 'upstream', 'signatures', 'channels']
  checkEqual('what was looked at', well.findings.map(({ check: name }) => name), checks)
  check(well.findings.find(({ check: name }) => name === 'listen').what.includes('a coordinator answers'), 'the coordinator was not seen')
  const text = await doctor.mirror.runBeside('coordinator', 'doctor', ...words, '--path', STORE_PATH)
  check(/^ok +database/m.test(text.stdout) && /0 faults, 0 warnings/.test(text.stdout), text.stdout)
  await brokenWorkers(doctor, scratch, listen)
  const [index] = (made.stdout + made.stderr).match(/[0-9a-f]{64}/)
  await brokenGateways(doctor, scratch, tls, key, owns, { index, drives: path.join(scratch, 'worker/drives'), peer, coordinator: listen })

  step('its help tells the exit codes')
  for (const program of ['coordinator', 'worker', 'gateway']) {
    const help = await doctor.mirror.runBeside(program, 'doctor', '--help')
    check(/1: a fault; 3:\s+only\s+warnings/.test(help.stdout) && /^ +3 /m.test(help.stdout), help.stdout)
  }
  checkSchema(scratch)
})
