// The pods of the rendered chart, each container really run by podman: init containers, env, mounts, probes, and the end.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { PostgresServer } from '../../e2e/chaos/replicated_postgres.mjs'
import { Namespaces } from '../../e2e/namespaces.mjs'
import { DemoChannel, check, checkEqual, freePort, sourceDir, step, test, until } from '../../e2e/words.mjs'
import { helms } from '../helm.mjs'
import { parse } from '../manifests.mjs'
import { Cluster } from './cluster.mjs'
import { startDht } from './dht.mjs'
import { Container, imageOf, registry } from './engine.mjs'
import { restore } from './pods_restore.mjs'
import { substitute } from './substitute.mjs'

const TIMEOUT_MS = 180_000
const DATABASE = { host: 'db.example.org', user: 'mirror', password: "p@ss/word:%'" }
const AT_ONCE_MS = 3_000
const COORDINATOR = 'mirror-hypercore-nixos-coordinator.nix.svc'
const TLS_ROLES = ['coordinator', 'worker', 'index', 'gateway']

const run = (program, words, more = {}) => {
  const done = spawnSync(program, words, { encoding: 'utf8', ...more })
  checkEqual(`${program} ${words.slice(0, 6).join(' ')}: ${done.stderr}`, done.status, 0)
  return done.stdout
}

// A PostgreSQL that speaks nothing but TLS, by a name that its certificate bears.
async function startDatabase (scratch, address) {
  const tls = path.join(scratch, 'tls')
  fs.mkdirSync(tls)
  const openssl = (...words) => run('openssl', words, { cwd: tls })
  fs.writeFileSync(path.join(tls, 'extensions'), `subjectAltName=DNS:${DATABASE.host}`)
  openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'ca.key', '-out', 'ca.crt', '-days', '2', '-subj', '/CN=test authority')
  openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'server.key', '-out', 'server.csr', '-subj', `/CN=${DATABASE.host}`)
  openssl('x509', '-req', '-in', 'server.csr', '-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-out', 'server.crt', '-days', '2', '-extfile', 'extensions')
  const server = new PostgresServer(path.join(scratch, 'postgres'), address, 5432)
  await server.makePrimary()
  run('psql', ['-h', address, '-U', 'hnx', '-d', 'postgres', '-q', '-v', 'ON_ERROR_STOP=1', '-c', `CREATE ROLE ${DATABASE.user} LOGIN PASSWORD '${DATABASE.password.replaceAll("'", "''")}'`,
    '-c', `CREATE DATABASE hypercore_nixos OWNER ${DATABASE.user}`])
  await server.stop()
  for (const name of ['server.key', 'server.crt']) {
    const to = path.join(server.data, name)
    fs.copyFileSync(path.join(tls, name), to)
    fs.chmodSync(to, 0o600)
    if (server.user.uid !== undefined) fs.chownSync(to, server.user.uid, server.user.gid)
  }
  fs.appendFileSync(path.join(server.data, 'postgresql.conf'), "ssl = on\npassword_encryption = 'scram-sha-256'\n")
  fs.appendFileSync(path.join(server.data, 'pg_hba.conf'), `hostssl all ${DATABASE.user} all scram-sha-256\n`)
  await server.start()
  return { server, authority: fs.readFileSync(path.join(tls, 'ca.crt')) }
}

function valuesOf (channel, key, bootstrap) {
  const { info } = channel
  return {
    image: { registry }, mirror: { key, follow: [] },
    upstream: { urls: [info.upstream], channelUrl: info.channel_url, trustedPublicKeys: [info.public_key] },
    database: { host: DATABASE.host, existingSecret: 'database', tls: { caSecret: 'database-ca' } },
    index: { keySecret: { name: 'mirror-key' }, acceptLength: 0 },
    coordinator: { options: { lease: '5s', 'job-nars-max': 4 } }, worker: { replicas: 2, options: { 'decode-threads': 1 } },
    gateway: { kind: 'StatefulSet', replicas: 2, preStopSeconds: 3, reportHits: true },
    tls: { mode: 'mutual', secrets: Object.fromEntries(TLS_ROLES.map((role) => [role, `${role}-tls`])) },
    swarm: { enabled: true, components: ['worker', 'index', 'gateway'], options: { bootstrap: [bootstrap] } }
  }
}

// What docs/TLS.md says, as Secrets; the files stay in `folder`.
function makeCertificates (folder) {
  run(path.join(sourceDir, 'deploy/tls/make-certificates'), [folder, '--coordinator-operator', 'pod', '--coordinator', `${COORDINATOR},127.0.0.1`,
    '--worker', 'w', '--index', 'i', '--gateway', 'g', '--operator', 'tests'])
  const read = (name) => fs.readFileSync(path.join(folder, name))
  const files = { coordinator: 'coordinator', worker: 'worker-w', index: 'index-i', gateway: 'gateway-g' }
  return Object.fromEntries(TLS_ROLES.map((role) => [`${role}-tls`,
    { 'tls.crt': read(`${files[role]}.crt`), 'tls.key': read(`${files[role]}.key`), 'ca.crt': read('ca.crt') }]))
}

class World {
  constructor (scratch, owns) {
    Object.assign(this, { scratch, owns })
  }

  async start () {
    const { scratch, owns } = this
    // Which hosts there are is known once the chart is rendered, and that needs addresses: rendered twice.
    const file = path.join(scratch, 'values.json')
    this.render = (...words) => parse(helms.at(-1).template(file, ...words))
    const render = (values) => {
      fs.writeFileSync(file, JSON.stringify(values))
      return this.render()
    }
    const key = this.key = await this.#makeKey()
    const draft = render(valuesOf({ info: { upstream: 'http://u.example.org', channel_url: 'http://u.example.org', public_key: `k:${'A'.repeat(43)}=` } }, key, '127.0.0.1:1'))
    this.net = owns(new Namespaces(Cluster.hostsOf(draft), { here: true })).make()
    const here = this.net.address('here')
    this.channel = owns(new DemoChannel(path.join(scratch, 'channel'), ['--paths', '60', '--bytes', '24M', '--listen', `${here}:${await freePort()}`]))
    this.channel.make()
    await this.channel.serve('--rate', '60k')
    const bootstrap = await startDht(owns, here)
    const { server, authority } = await startDatabase(scratch, here)
    this.database = owns(server)
    this.cluster = owns(new Cluster(render(valuesOf(this.channel, key, bootstrap)), {
      folder: path.join(scratch, 'pods'), net: this.net, hosts: { [DATABASE.host]: here },
      secrets: {
        database: { username: DATABASE.user, password: DATABASE.password }, 'database-ca': { 'ca.crt': authority },
        ...this.#makeCertificates(),
        'mirror-key': { 'mirror.key': fs.readFileSync(path.join(scratch, 'keys/mirror.key')) }
      }
    }))
    await this.cluster.start()
    for (const pod of this.cluster.pods) owns(pod)
  }

  #makeCertificates () {
    this.tls = path.join(this.scratch, 'certificates')
    const secrets = makeCertificates(this.tls)
    for (const name of ['.', 'operator-tests.key']) fs.chownSync(path.join(this.tls, name), 10001, 10001)
    return secrets
  }

  async #makeKey () {
    const folder = path.join(this.scratch, 'keys')
    fs.mkdirSync(folder)
    fs.chownSync(folder, 10001, 10001)
    const made = await new Container('key', imageOf('worker'), { mounts: [`--volume=${folder}:/run/index-key`], words: ['create-index-key', '/run/index-key/mirror.key'] }).run()
    checkEqual(`create-index-key: ${made.said}`, made.status, 0)
    return made.stdout.match(/^\s+([0-9a-f]{64})$/m)[1]
  }

  // As its owner wants it who has lost it.
  emptyDatabase () {
    const { database } = this
    run('psql', ['-h', database.address, '-U', 'hnx', '-d', 'postgres', '-q', '-v', 'ON_ERROR_STOP=1', '-c', 'DROP DATABASE hypercore_nixos WITH (FORCE)',
      '-c', `CREATE DATABASE hypercore_nixos OWNER ${DATABASE.user}`])
  }

  // What the gateways have of the releases up to this one.
  async hasAll (pod, release) {
    const { paths } = this.channel.expected(release)
    const wanted = Object.keys(paths).filter((name) => paths[name].status === 'published')
    await until(`${pod.name} has all narinfos`, TIMEOUT_MS, async () => {
      const answers = await Promise.all(wanted.map((name) => fetch(`http://${pod.address}:8080/${path.basename(name).slice(0, 32)}.narinfo`)
        .then(async (answer) => { await answer.text(); return answer.status }, () => 0)))
      return answers.every((status) => status === 200)
    })
    return wanted
  }

  pods (...components) {
    return components.flatMap((component) => this.cluster.podsOfComponent(component))
  }

  coordinator (...words) {
    const address = `${this.pods('coordinator')[0].address}:7070`
    return new Container(`client-${words[0]}`, imageOf('coordinator'), {
      mounts: ['--tmpfs=/tmp:size=16m', `--volume=${this.tls}:/tls:ro`], words,
      env: { HNX_COORDINATOR: address, HNX_TLS_SERVER_NAME: COORDINATOR, HNX_TLS_CA: '/tls/ca.crt', HNX_TLS_CERT: '/tls/operator-tests.crt', HNX_TLS_KEY: '/tls/operator-tests.key' }
    }).run()
  }
}

// Starts the pods; each must be there within what its startup probes allow.
async function startPods (pods) {
  for (const pod of pods) await pod.start()
  for (const pod of pods) {
    await until(`${pod.name} starts within its startup probes`, Math.min(pod.startupMs, TIMEOUT_MS), () => pod.started())
    check(await pod.live(), `${pod.name} started and is not live`)
  }
}

const becomesReady = (pods) => Promise.all(pods.map((pod) => until(`${pod.name} is ready`, TIMEOUT_MS, () => pod.ready())))

// A client that has got the beginning of the mirror's largest NAR, and reads the rest when it is told to: larger than what
// sockets hold by themselves.
async function slowClient (pod, channel) {
  const { paths } = channel.expected()
  const { url } = Object.values(paths).filter(({ status }) => status === 'published').reduce((one, other) => one.file_size > other.file_size ? one : other)
  const wanted = channel.file(url)
  const response = await new Promise((resolve, reject) => {
    http.get({ host: pod.address, port: pod.portOf('http'), path: `/${url}`, agent: false }, resolve).on('error', reject)
  })
  checkEqual(`the status of ${url}`, response.statusCode, 200)
  check(wanted.length > 1 << 20, `${url} is too small: ${wanted.length} bytes`)
  response.pause()
  return async () => {
    check(pod.containers.get('gateway').running, `${pod.name} did not wait for ${url}`)
    const pieces = []
    for await (const piece of response) pieces.push(piece)
    check(Buffer.concat(pieces).equals(wanted), `${url} broke off when ${pod.name} was told to end`)
  }
}

// As kubelet ends a pod: what preStop says, SIGTERM to all containers, and SIGKILL when the time is up.
async function terminate (pod, whileItEnds = async () => {}) {
  const begun = Date.now()
  await pause(pod.preStopSeconds * 1000)
  const containers = [...pod.containers.values()]
  for (const container of containers) container.signal('TERM')
  await until(`${pod.name} is not ready any more once it was told to end`, AT_ONCE_MS, async () => !await pod.ready())
  await whileItEnds()
  const left = pod.graceSeconds * 1000 - (Date.now() - begun)
  for (const container of containers) checkEqual(`the exit status of ${container.name}`, await container.ended(`${container.name} ends within its grace`, left), 0)
  console.log(`${pod.name} ended in ${((Date.now() - begun) / 1000).toFixed(1)} s of ${pod.graceSeconds}`)
}

async function coordinators (world) {
  step('coordinators start, and are ready while the database is there')
  const pods = world.pods('coordinator')
  checkEqual('coordinators', pods.length, 2)
  await startPods(pods)
  await becomesReady(pods)
  step('the database goes away: not ready, but live')
  await world.database.stopImmediately()
  await Promise.all(pods.map((pod) => until(`${pod.name} is not ready`, TIMEOUT_MS, async () => !await pod.ready())))
  for (const pod of pods) check(await pod.live() && await pod.started(), `${pod.name} would be killed because its database is away`)
  await world.database.start()
  await becomesReady(pods)
}

async function mirrorWithDeath (world) {
  step('workers, index and gateways with their bridges')
  await startPods(world.pods('index', 'worker', 'gateway'))
  await becomesReady(world.pods('index', 'worker'))
  const submitted = world.coordinator('submit', '--wait', '--channel', world.channel.info.channel)
  step('a worker is killed while it has jobs; another finishes')
  const victim = world.pods('worker')[1]
  await until(`${victim.name} has jobs`, TIMEOUT_MS, async () => {
    const { stdout } = await world.coordinator('jobs', '--json')
    return stdout.includes(victim.name)
  })
  for (const container of victim.containers.values()) container.signal('KILL')
  checkEqual('the exit status of a container that was killed', await victim.containers.get('worker').ended('it is dead', TIMEOUT_MS), 137)
  const outcome = await submitted
  checkEqual(`submit: ${outcome.said.slice(-800)}`, outcome.status, 0)
  check(!victim.containers.get('worker').running, 'the dead worker has come back by itself')
  step('it comes back on its volume, as a StatefulSet has it')
  await startPods([victim])
  await becomesReady([victim, ...world.pods('gateway')])
}

async function substituteAndTest (world) {
  let wanted
  for (const pod of world.pods('gateway')) wanted = await world.hasAll(pod)
  step('a real nix substitutes through the Service')
  await substitute(world.scratch, `http://${world.net.address('here')}`, world.channel, wanted)
  step('the pods of helm test')
  const tests = world.cluster.pods.filter((pod) => pod.owner.kind === 'Pod')
  checkEqual('pods of helm test', tests.length, 2)
  for (const pod of tests) {
    const { status, said } = await pod.run()
    checkEqual(`${pod.name}: ${said.slice(-800)}`, status, 0)
  }
}

await test('pods', async ({ scratch, owns }) => {
  fs.chmodSync(scratch, 0o755)
  const world = new World(scratch, owns)
  await world.start()
  await coordinators(world)
  await mirrorWithDeath(world)
  await substituteAndTest(world)
  await restore(world, { startPods, becomesReady })
  step('each pod that is told to end does so within its grace; a NAR that is on its way arrives')
  const [first, ...others] = world.pods('gateway', 'worker', 'index', 'coordinator')
  await terminate(first, await slowClient(first, world.channel))
  for (const pod of others) await terminate(pod)
})
