// The pods of `helm test`, with their rendered commands, against a real mirror: while it has nothing, when it is there, and
// when it is gone.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import path from 'node:path'
import { DemoChannel, Mirror, binDir, test } from '../e2e/words.mjs'
import { filesIn, helms } from './helm.mjs'
import { ofKind, parse } from './manifests.mjs'

const production = filesIn('values').find((file) => path.basename(file) === 'production.yaml')
const WAIT_FOR_A_DEAD_COORDINATOR = ['--patience', '1s']

// What a test pod's only container does, with addresses of this machine instead of Services.
function commandOf (pod, coordinator, gateway, narinfo) {
  const [container] = pod.spec.containers
  const here = (text) => text.replace(/^[a-z0-9-]+-coordinator\.nix\.svc:7070$/, coordinator).replace(/^http:\/\/[a-z0-9-]+-gateway\.nix\.svc$/, `http://${gateway}`)
  const env = Object.fromEntries((container.env ?? []).map((variable) => [variable.name, here(variable.value)]))
  const program = container.command[0] === 'node' ? process.execPath : path.join(binDir, container.command[0])
  return { program, args: container.args.map(here), env: { PATH: process.env.PATH, ...env, ...narinfo ? { NARINFO: narinfo } : {} } }
}

// Beside this process: nothing of it may wait for the child.
function run ({ program, args, env }, more = []) {
  return new Promise((resolve) => {
    const child = spawn(program, [...args, ...more], { env })
    let said = ''
    child.stdout.on('data', (text) => { said += text })
    child.stderr.on('data', (text) => { said += text })
    child.on('close', (status) => resolve({ status, said }))
  })
}

test('the pods of helm test', async ({ scratch, owns }) => {
  const pods = ofKind(parse(helms[0].template(production)), 'Pod')
  const [asksCoordinator, asksGateway] = ['test-coordinator', 'test-gateway'].map((name) => pods.find((pod) => pod.metadata.name.endsWith(name)))
  assert.equal(pods.length, 2)
  for (const pod of pods) assert.equal(pod.metadata.annotations['helm.sh/hook'], 'test')

  const channel = owns(new DemoChannel(path.join(scratch, 'channel'), ['--paths', '12', '--bytes', '1M']))
  channel.make()
  await channel.serve()
  const mirror = owns(new Mirror(path.join(scratch, 'mirror'), channel, { workers: 1 }))
  await mirror.start()
  const [[published]] = Object.entries(channel.expected().paths).filter(([, entry]) => entry.status === 'published')
  const hash = path.basename(published).slice(0, 32)
  const gateway = (narinfo) => run(commandOf(asksGateway, mirror.address, mirror.gatewayAddress, narinfo))

  const empty = await gateway(hash)
  assert.equal(empty.status, 1, empty.said)
  assert.match(empty.said, new RegExp(`404 .*/${hash}\\.narinfo`))

  assert.equal(await mirror.submit('--wait'), 0)
  await mirror.manifest(channel.info.release)
  const status = await run(commandOf(asksCoordinator, mirror.address, mirror.gatewayAddress))
  assert.equal(status.status, 0, status.said)
  assert.match(status.said, new RegExp(mirror.key))
  const there = await gateway(hash)
  assert.equal(there.status, 0, there.said)
  assert.match(there.said, /StoreDir: \/nix\/store/)
  assert.match(there.said, new RegExp(`StorePath: ${published}`))
  assert.equal((await gateway('0'.repeat(32))).status, 1)

  await mirror.stop()
  assert.notEqual((await run(commandOf(asksCoordinator, mirror.address, mirror.gatewayAddress), WAIT_FOR_A_DEAD_COORDINATOR)).status, 0)
  assert.notEqual((await gateway(hash)).status, 0)
})
