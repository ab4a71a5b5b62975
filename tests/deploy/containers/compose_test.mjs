// deploy/compose.yaml: what it says, and all of it but Grafana started by its one command, through docker-compose and
// podman's socket. PostgreSQL and Prometheus come from Debian under the names of the published images.
import { spawn, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { Namespaces } from '../../e2e/namespaces.mjs'
import { DemoChannel, check, checkEqual, freePort, sourceDir, step, test, until } from '../../e2e/words.mjs'
import { Restoration } from './compose_restore.mjs'
import { startDht } from './dht.mjs'
import { podman, registry, told, version } from './engine.mjs'
import { substitute } from './substitute.mjs'

const TIMEOUT_MS = 240_000
const packages = createRequire(path.join(sourceDir, 'tests/deploy/package.json'))
const yaml = packages('yaml')
const folder = path.join(sourceDir, 'deploy')
const file = path.join(folder, 'compose.yaml')
const OURS = ['coordinator', 'worker-1', 'worker-2', 'index', 'gateway', 'swarm']
const STARTED = ['postgres', ...OURS, 'prometheus']

function run (program, words, env = {}) {
  const done = spawnSync(program, words, { encoding: 'utf8', env: { ...process.env, ...env }, maxBuffer: 64 << 20 })
  checkEqual(`${program} ${words.slice(0, 6).join(' ')}: ${(done.stdout + done.stderr).slice(-1500)}`, done.status, 0)
  return done.stdout
}

const hostPath = (volume) => volume.split(':')[0]

function checkFile () {
  step('compose.yaml')
  const { services, volumes } = yaml.parse(fs.readFileSync(file, 'utf8'), { merge: true })
  checkEqual('services', Object.keys(services).sort(), [...STARTED, 'grafana'].sort())
  for (const [name, service] of Object.entries(services)) {
    checkEqual(`${name}: locked`, [service.read_only, service.cap_drop, service.security_opt], [true, ['ALL'], ['no-new-privileges:true']])
    check(service.mem_limit && service.networks && !service.privileged && !service.network_mode && !service.cap_add, `${name}: limits and networks`)
    check(/:[^:$}]+(\}?)$/.test(service.image) && !/latest/.test(service.image), `${name}: its image has a tag`)
    for (const port of service.ports ?? []) check(/^\$\{HNX_[A-Z]+_LISTEN:-127\.0\.0\.1:\d+\}:\d+$/.test(port) || (name === 'swarm' && port === '${HNX_SWARM_LISTEN:-0.0.0.0:49737}:49737/udp'), `${name}: ${port} is open to the world`)
    for (const volume of service.volumes ?? []) {
      const from = hostPath(volume)
      check(from.startsWith('.') ? fs.existsSync(path.join(folder, from)) && volume.endsWith(':ro') : from in volumes, `${name}: volume ${volume}`)
    }
    if (OURS.includes(name)) checkEqual(`${name}: built by`, service.build.dockerfile, 'deploy/Dockerfile')
  }
}

function checkMonitoring (scratch) {
  step('what Prometheus and Grafana are given')
  const config = fs.readFileSync(path.join(folder, 'compose/prometheus.yml'), 'utf8')
  const here = path.join(scratch, 'prometheus.yml')
  fs.writeFileSync(here, config.replace('/etc/prometheus/alerts', path.join(sourceDir, 'dashboards/alerts')))
  run('promtool', ['check', 'config', here])
  const { services } = yaml.parse(fs.readFileSync(file, 'utf8'), { merge: true })
  const provisioning = path.join(folder, 'compose/grafana/provisioning')
  const [source] = yaml.parse(fs.readFileSync(path.join(provisioning, 'datasources/prometheus.yaml'), 'utf8')).datasources
  checkEqual('the data source', [source.type, source.url, source.isDefault], ['prometheus', 'http://prometheus:9090', true])
  const [provider] = yaml.parse(fs.readFileSync(path.join(provisioning, 'dashboards/hypercore-nixos.yaml'), 'utf8')).providers
  check(services.grafana.volumes.includes(`../dashboards:${provider.options.path}:ro`), `Grafana has no ${provider.options.path}`)
  check(services.grafana.volumes.includes('./compose/grafana/provisioning:/etc/grafana/provisioning:ro'), 'Grafana has no provisioning')
  const boards = fs.readdirSync(path.join(sourceDir, 'dashboards')).filter((name) => name.endsWith('.json'))
  check(boards.length >= 5, `only ${boards.length} dashboards`)
  for (const name of boards) {
    const { templating } = JSON.parse(fs.readFileSync(path.join(sourceDir, 'dashboards', name), 'utf8'))
    check(templating.list.some(({ type, query }) => type === 'datasource' && query === 'prometheus'), `${name} asks for no Prometheus`)
  }
}

function buildStandIns () {
  for (const [name, image] of [['postgres', 'docker.io/library/postgres:15-bookworm'], ['prometheus', 'docker.io/prom/prometheus:v2.53.5']]) {
    check(fs.readFileSync(file, 'utf8').includes(`image: ${image}\n`), `compose.yaml has no ${image}`)
    run('buildah', ['build', '--isolation=chroot', '--pull-never', '--format=docker', '--layers', '--tag', image, path.join(import.meta.dirname, 'standins', name)])
  }
}

// The socket that docker-compose speaks to.
class Engine {
  constructor (scratch) {
    this.socket = path.join(fs.mkdtempSync('/run/hnx-podman.'), 's')
    this.log = path.join(scratch, 'podman.log')
  }

  async start () {
    const log = fs.openSync(this.log, 'a')
    this.child = spawn('podman', ['system', 'service', '--time=0', `unix://${this.socket}`], { stdio: ['ignore', log, log] })
    this.ended = new Promise((resolve) => this.child.on('exit', resolve))
    await until('podman serves', TIMEOUT_MS, () => fs.existsSync(this.socket))
  }

  explain () {
    console.error(`---- end of ${this.log}\n${fs.readFileSync(this.log, 'utf8').split('\n').slice(-15).join('\n')}`)
  }

  async stop () {
    this.child?.kill('SIGTERM')
    await this.ended
    fs.rmSync(path.dirname(this.socket), { recursive: true, force: true })
  }
}

class Composition {
  constructor (scratch, engine, settings) {
    this.settings = path.join(scratch, 'settings.env')
    fs.writeFileSync(this.settings, Object.entries(settings).map(([name, value]) => `${name}=${value}\n`).join(''), { mode: 0o600 })
    this.project = `hnx${process.pid}`
    this.file = file
    this.env = { DOCKER_HOST: `unix://${engine.socket}`, HNX_COMPOSE_ENV: this.settings, COMPOSE_PROJECT_NAME: this.project }
  }

  up () {
    return run(path.join(folder, 'compose-up'), ['--swarm', '--no-build', ...STARTED], this.env)
  }

  compose (...words) {
    return run('docker-compose', ['--file', file, '--env-file', this.settings, '--profile', 'swarm', ...words], this.env)
  }

  idOf (service) {
    return told('ps', '--all', '--quiet', `--filter=label=com.docker.compose.project=${this.project}`, `--filter=label=com.docker.compose.service=${service}`, '--filter=label=com.docker.compose.oneoff=False')
  }

  logsOf (service) {
    const { stdout, stderr } = podman('logs', this.idOf(service))
    return stdout + stderr
  }

  environmentOf (service) {
    return JSON.parse(told('inspect', '--type=container', '--format={{json .Config.Env}}', this.idOf(service)))
  }

  explain () {
    for (const service of STARTED) {
      const { stdout, stderr } = podman('logs', '--tail=15', this.idOf(service))
      console.error(`---- end of ${service}\n${stdout}${stderr}`)
    }
  }

  async stop () {
    podman('rm', '--force', '--time=0', ...podman('ps', '--all', '--quiet', `--filter=label=com.docker.compose.project=${this.project}`).stdout.split('\n').filter(Boolean))
    this.compose('down', '--volumes', '--timeout', '0')
  }
}

async function allTargetsUp (address) {
  const answer = await fetch(`http://${address}/api/v1/targets?state=active`).then((one) => one.json(), () => null)
  const targets = answer?.data?.activeTargets ?? []
  const up = targets.filter(({ health }) => health === 'up').map(({ labels }) => labels.job)
  return up.length === targets.length && ['coordinator', 'gateway', 'swarm', 'worker', 'worker', 'worker'].every((job, n) => up.sort()[n] === job)
}

await test('compose', async ({ scratch, owns }) => {
  fs.chmodSync(scratch, 0o755)
  checkFile()
  checkMonitoring(scratch)
  step('images under the names of the published ones')
  buildStandIns()
  const net = owns(new Namespaces([], { here: true })).make()
  const here = net.address('here')
  const channel = owns(new DemoChannel(path.join(scratch, 'channel'), ['--paths', '40', '--bytes', '4M', '--listen', `${here}:${await freePort()}`]))
  channel.make()
  await channel.serve()
  const bootstrap = await startDht(owns, here)
  const engine = owns(new Engine(scratch))
  await engine.start()
  const address = async () => `127.0.0.1:${await freePort()}`
  const [gateway, status, prometheus] = [await address(), await address(), await address()]
  const composition = owns(new Composition(scratch, engine, {
    HNX_REGISTRY: registry, HNX_TAG: version, HNX_UPSTREAM: channel.info.upstream, HNX_CHANNEL_URL: channel.info.channel_url,
    HNX_TRUSTED_PUBLIC_KEYS: channel.info.public_key, HNX_GATEWAY_LISTEN: gateway, HNX_STATUS_LISTEN: status, HNX_PROMETHEUS_LISTEN: prometheus,
    HNX_SWARM_LISTEN: await address(), HNX_SWARM_BOOTSTRAP: bootstrap
  }))

  step('one command')
  const said = composition.up()
  const [, key] = said.match(/The mirror: +hyper:\/\/([0-9a-f]{64})$/m) ?? []
  check(key, `compose-up says no key: ${said}`)
  composition.compose('config', '--quiet')
  check(composition.up().includes(key), 'the second compose-up has another key')
  const ready = () => until('the status page answers', TIMEOUT_MS, () => fetch(`http://${status}/readyz`).then(({ ok }) => ok, () => false))
  await ready()

  step('the demonstration channel is mirrored, and a real nix substitutes')
  const submit = () => composition.compose('exec', '-T', 'coordinator', 'coordinator', 'submit', '--wait', '--channel', channel.info.channel)
  submit()
  const { paths } = channel.expected()
  const wanted = Object.keys(paths).filter((name) => paths[name].status === 'published')
  await until('the gateway has all narinfos', TIMEOUT_MS, async () => {
    const answers = await Promise.all(wanted.map((name) => fetch(`http://${gateway}/${path.basename(name).slice(0, 32)}.narinfo`)
      .then(async (answer) => { await answer.text(); return answer.status }, () => 0)))
    return answers.every((code) => code === 200)
  })
  await substitute(scratch, `http://${gateway}`, channel, wanted)

  step('Prometheus scrapes all of it')
  await until('every target is up', TIMEOUT_MS, () => allTargetsUp(prometheus))
  const rules = await fetch(`http://${prometheus}/api/v1/rules`).then((answer) => answer.json())
  check(rules.data.groups.length >= 5 && rules.data.groups.every((group) => group.rules.every(({ lastError }) => !lastError)), 'the alerts are not all evaluated')

  await new Restoration(composition, { scratch, channel, gateway, ready, submit }).run()

  step('all of it ends by itself when it is told to')
  composition.compose('stop')
  for (const service of OURS) checkEqual(`the exit status of ${service}`, told('inspect', '--format={{.State.ExitCode}}', composition.idOf(service)), '0')
})
