// The images: how they are written, what is in them, and a whole mirror made by them, of which a real nix substitutes.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { PostgresServer } from '../../e2e/chaos/replicated_postgres.mjs'
import { DemoChannel, check, checkEqual, freePort, sourceDir, step, test, until } from '../../e2e/words.mjs'
import { checkBill } from './bill.mjs'
import { checkContents } from './contents.mjs'
import { startDht } from './dht.mjs'
import { checkConfig, checkDockerfile } from './dockerfile.mjs'
import { Container, TARGETS, USER, imageOf, told } from './engine.mjs'
import { substitute } from './substitute.mjs'

const TIMEOUT_MS = 180_000
const BRIDGE = '/run/hypercore-nixos'
const tmp = '--tmpfs=/tmp:size=64m,mode=1777'

function folderOf (scratch, name) {
  const folder = path.join(scratch, name)
  fs.mkdirSync(folder)
  fs.chownSync(folder, USER, USER)
  return folder
}

function checkImages () {
  step('the Dockerfile')
  checkDockerfile(path.join(sourceDir, 'deploy/Dockerfile'))
  for (const target of TARGETS) {
    step(`the image of ${target}`)
    const image = imageOf(target)
    checkConfig(target, JSON.parse(told('image', 'inspect', image))[0], JSON.parse(told('history', '--format=json', image)))
    const root = told('image', 'mount', image)
    try {
      checkContents(target, root)
      checkBill(target, root)
    } finally {
      told('image', 'unmount', image)
    }
  }
}

class World {
  constructor (scratch, owns) {
    Object.assign(this, { scratch, owns, containers: {} })
  }

  #container (name, target, options) {
    this.containers[name] = this.owns(new Container(name, imageOf(target), { ...options, mounts: [tmp, ...options.mounts ?? []] }))
    return this.containers[name].start()
  }

  async start () {
    const address = async () => `127.0.0.1:${await freePort()}`
    this.channel = this.owns(new DemoChannel(path.join(this.scratch, 'channel'), ['--paths', '40', '--bytes', '6M']))
    this.channel.make()
    await this.channel.serve()
    this.bootstrap = await startDht(this.owns, '127.0.0.1')
    this.postgres = this.owns(new PostgresServer(path.join(this.scratch, 'postgres'), '127.0.0.1', await freePort()))
    await this.postgres.makePrimary()

    const { info } = this.channel
    this.address = await address()
    this.page = await address()
    this.#container('coordinator', 'coordinator', {
      env: {
        HNX_DATABASE: `postgresql://hnx@127.0.0.1:${this.postgres.port}/postgres`, HNX_LISTEN: this.address, HNX_LISTEN_HTTP: this.page,
        HNX_UPSTREAM: info.upstream, HNX_CHANNEL_URL: info.channel_url, HNX_TRUSTED_PUBLIC_KEYS: info.public_key
      },
      mounts: ['--volume=coordinator-data:/data']
    })
    const keys = `--volume=${folderOf(this.scratch, 'keys')}:/run/index-key`
    const made = await new Container('key', imageOf('worker'), { mounts: [keys], words: ['create-index-key', '/run/index-key/mirror.key'] }).run()
    checkEqual(`create-index-key: ${made.said}`, made.status, 0)
    this.key = made.stdout.match(/^\s+([0-9a-f]{64})$/m)[1]

    const bridges = { mirror: folderOf(this.scratch, 'bridge-mirror'), gateway: folderOf(this.scratch, 'bridge-gateway') }
    const worker = async (name, role, more) => this.#container(name, 'worker', {
      graceSeconds: 60,
      env: {
        HNX_NAME: name, HNX_ROLE: role, HNX_COORDINATOR: this.address, HNX_LISTEN_METRICS: await address(), HNX_LISTEN_PEERS: await address(),
        HNX_SWARM: `${BRIDGE}/${name}.sock`, HNX_DECODE_THREADS: '2', ...more.env
      },
      mounts: [`--volume=${name}-data:/data`, `--volume=${bridges.mirror}:${BRIDGE}`, ...more.mounts]
    })
    await worker('worker', 'mirror', { env: {}, mounts: [] })
    await worker('index', 'index', { env: { HNX_INDEX_KEY_FILE: '/run/index-key/mirror.key' }, mounts: [keys] })
    this.gateway = await address()
    this.#container('gateway', 'gateway', {
      env: { HNX_LISTEN: this.gateway, HNX_MIRROR: `hyper://${this.key}`, HNX_SWARM: `${BRIDGE}/gateway.sock` },
      mounts: ['--volume=gateway-cache:/cache', `--volume=${bridges.gateway}:${BRIDGE}`]
    })
    const bridge = async (name, folder, ...sockets) => this.#container(name, 'swarm', {
      env: {
        HNX_SOCKET: sockets.map((socket) => `${BRIDGE}/${socket}.sock`).join('\n'), HNX_BOOTSTRAP: this.bootstrap, HNX_LISTEN: '127.0.0.1',
        HNX_LISTEN_METRICS: await address()
      },
      mounts: [`--volume=${folder}:${BRIDGE}`]
    })
    await bridge('swarm-mirror', bridges.mirror, 'worker', 'index')
    await bridge('swarm-gateway', bridges.gateway, 'gateway')
  }

  coordinator (...words) {
    return new Container('client', imageOf('coordinator'), { mounts: [tmp], words, env: { HNX_COORDINATOR: this.address } }).run()
  }
}

// Of both kinds of health check: nobody answers, and nobody says where to ask.
async function checkHealthChecks () {
  step('health checks of programs that are not there')
  const ask = async (target, entrypoint, env) => (await new Container('asker', imageOf(target), { entrypoint, env, network: 'none', mounts: [tmp] }).run()).status
  const bridge = ['node', '/usr/lib/hypercore-nixos/healthcheck.mjs', 'HNX_LISTEN_METRICS']
  checkEqual('healthcheck, nobody listens', await ask('worker', ['healthcheck', 'HNX_LISTEN_METRICS']), 1)
  checkEqual('healthcheck without its variable', await ask('worker', ['healthcheck', 'HNX_NOTHING']), 2)
  checkEqual('healthcheck without a word', await ask('worker', ['healthcheck']), 2)
  checkEqual('healthcheck of something that is no address', await ask('worker', ['healthcheck', 'HNX_LISTEN_METRICS'], { HNX_LISTEN_METRICS: 'here' }), 2)
  checkEqual('the bridge\'s, nobody listens', await ask('swarm', bridge), 1)
}

async function mirrorOfContainers ({ scratch, owns }) {
  fs.chmodSync(scratch, 0o755)
  const world = new World(scratch, owns)
  step('containers of the whole mirror start')
  await world.start()
  for (const container of Object.values(world.containers)) {
    await until(`${container.name} is healthy, says its image's HEALTHCHECK`, TIMEOUT_MS, () => {
      check(container.running, `${container.name} ended`)
      return container.healthy()
    })
  }

  step('the demonstration channel is mirrored')
  const submitted = await world.coordinator('submit', '--wait', '--channel', world.channel.info.channel)
  checkEqual(`submit: ${submitted.said.slice(-800)}`, submitted.status, 0)
  const expected = world.channel.expected()
  const wanted = Object.keys(expected.paths).filter((name) => expected.paths[name].status === 'published')
  await until('the gateway, which knows nothing but the key, has found the mirror in the swarm and all of its narinfos', TIMEOUT_MS, async () => {
    const answers = await Promise.all(wanted.map((name) => fetch(`http://${world.gateway}/${path.basename(name).slice(0, 32)}.narinfo`)
      .then(async (answer) => { await answer.text(); return answer.status }, () => 0)))
    return answers.every((status) => status === 200)
  })

  step('a real nix substitutes from it')
  await substitute(scratch, `http://${world.gateway}`, world.channel, wanted)

  step('hyp lists the mirror from its peers')
  const listed = await new Container('hyp', imageOf('hyp'), {
    mounts: [tmp, '--volume=hyp-data:/data'],
    words: ['ls', `hyper://${world.key}`, '--peer', world.containers.index.env.HNX_LISTEN_PEERS, '--peer', world.containers.worker.env.HNX_LISTEN_PEERS]
  }).run()
  checkEqual(`hyp ls: ${listed.said.slice(-800)}`, listed.status, 0)
  for (const name of wanted) check(listed.stdout.includes(`${path.basename(name).slice(0, 32)}.narinfo`), `hyp ls does not list ${name}`)

  step('a program that is dead is not healthy, and each that is told to end does')
  world.containers.worker.signal('STOP')
  check(!world.containers.worker.healthy(), 'a worker that stands still is called healthy')
  world.containers.worker.signal('CONT')
  for (const name of ['gateway', 'swarm-gateway', 'swarm-mirror', 'worker', 'index', 'coordinator']) {
    const begun = Date.now()
    checkEqual(`the exit status of ${name} after podman stop`, await world.containers[name].terminate(), 0)
    console.log(`${name} ended in ${Date.now() - begun} ms`)
  }
}

await test('images', async (tools) => {
  checkEqual('root is needed', spawnSync('id', ['-u'], { encoding: 'utf8' }).stdout.trim(), '0')
  checkImages()
  await checkHealthChecks()
  await mirrorOfContainers(tools)
})
