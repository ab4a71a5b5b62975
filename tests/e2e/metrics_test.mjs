// A mirror is made, with failures and copies, while every program is asked how it is: metrics that Prometheus' own tool takes, of
// the names in the manual, that move with what happens; ready when it can work, and not before.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { DemoChannel, Mirror, Program, SHARED_CHANNELS, check, checkEqual, freePort, sourceDir, step, test, until } from './words.mjs'

const TIMEOUT_MS = 120_000

const manual = new Set(fs.readFileSync(path.join(sourceDir, 'docs/METRICS.md'), 'utf8').match(/(?<=`)hnx_[a-z_]+(?=`)/g))
const withoutSuffix = (name) => manual.has(name) ? name : name.replace(/_(bucket|sum|count)$/, '')

// Series by name and labels.
async function metricsOf (address) {
  const text = await (await fetch(`http://${address}/metrics`)).text()
  const lint = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' })
  checkEqual(`what promtool says of ${address}`, [lint.status, lint.error?.message ?? lint.stderr], [0, ''])
  const series = new Map()
  for (const line of text.split('\n')) {
    const [, name, value] = line.match(/^(hnx_\S+?(?:\{.*\})?) (\S+)$/) ?? []
    if (name) series.set(name, Number(value))
  }
  for (const name of series.keys()) check(manual.has(withoutSuffix(name.split('{')[0])), `docs/METRICS.md lacks ${name}`)
  return series
}

const sumOf = (series, name) => [...series].filter(([key]) => key === name || key.startsWith(`${name}{`)).reduce((sum, [, value]) => sum + value, 0)

async function readyOf (address) {
  const response = await fetch(`http://${address}/readyz`)
  const { checks } = await response.json()
  return { status: response.status, lacks: checks.filter(({ ready }) => !ready).map(({ name }) => name) }
}

test('metrics', async ({ scratch, owns }) => {
  const channel = owns(new DemoChannel(path.join(scratch, 'channel'), SHARED_CHANNELS.withFaults))
  channel.make()
  await channel.serve()
  const port = async () => `127.0.0.1:${await freePort()}`
  const [http, first, second, alone] = [await port(), await port(), await port(), await port()]
  const mirror = owns(new Mirror(path.join(scratch, 'mirror'), channel, {
    coordinatorOptions: ['--listen-http', http, '--copies', '1', '--max-missing', '0.9'],
    workerOptions: (n) => ['--listen-metrics', n === 1 ? first : second, '--listen-peers', '127.0.0.1:0', '--failure-domain', `domain-${n}`]
  }))
  await mirror.start()

  step('everybody is ready once what it needs is there')
  for (const address of [http, first, second, mirror.gatewayAddress]) {
    await until(`${address} is ready`, TIMEOUT_MS, async () => (await readyOf(address)).status === 200)
    checkEqual(`${address}, alive`, await (await fetch(`http://${address}/healthz`)).json(), { status: 'alive' })
  }

  step('everybody says what it is, and what it takes')
  const { version } = JSON.parse(fs.readFileSync(path.join(sourceDir, 'swarm/package.json'), 'utf8'))
  for (const [address, program] of [[http, 'coordinator'], [first, 'worker'], [mirror.gatewayAddress, 'gateway']]) {
    checkEqual(`the program at ${address}`, (await metricsOf(address)).get(`hnx_build_info{program="${program}",version="${version}"}`), 1)
    const text = await (await fetch(`http://${address}/metrics`)).text()
    const { child: { pid } } = mirror.programs.get(program === 'worker' ? 'worker-1' : program)
    const [, open] = text.match(/^process_open_fds (\d+)$/m)
    const seen = fs.readdirSync(`/proc/${pid}/fd`).length
    check(Math.abs(open - seen) < 20, `${program} says that it has ${open} files open, and has ${seen}`)
  }

  step('a mirror is made')
  const { release_id: id } = await mirror.submission()
  await until('the release is settled', TIMEOUT_MS, () => mirror.status().releases.find((release) => release.id === id)?.state === 'settled')
  await until('everything has a copy', TIMEOUT_MS, async () => {
    const series = await metricsOf(http)
    return series.get('hnx_coordinator_releases{state="settled"}') === 1 && sumOf(series, 'hnx_coordinator_worker_copies') > 0 &&
      sumOf(series, 'hnx_coordinator_worker_copies') === sumOf(series, 'hnx_coordinator_worker_copies_whole')
  })

  step('the coordinator counted it')
  const all = await metricsOf(http)
  const release = mirror.status().releases.find((one) => one.id === id)
  const name = channel.info.channel
  for (const [state, count] of [['published', release.paths.published], ['missing', release.paths.missing],
    ['set_aside', release.paths.set_aside], ['blocked', release.paths.blocked], ['pending', 0]]) {
    checkEqual(`paths that are ${state}`, all.get(`hnx_coordinator_channel_paths{channel="${name}",state="${state}"}`), count)
  }
  checkEqual('NARs that are stored', all.get('hnx_coordinator_nars{state="stored"}'), release.nars.stored)
  check(all.get('hnx_coordinator_rpc_calls_total{code="OK",method="Synchronize"}') > 0, 'no call of a worker was counted')
  for (const moved of ['hnx_coordinator_jobs_leased_total', 'hnx_coordinator_nar_failures_total', 'hnx_coordinator_database_transaction_seconds_count',
    'hnx_coordinator_database_connections_open', 'hnx_coordinator_worker_shard_bytes', 'hnx_coordinator_worker_shard_length',
    'hnx_coordinator_index_length', 'hnx_coordinator_channel_settled_timestamp_seconds', 'hnx_coordinator_leader']) {
    await until(`${moved} moves`, TIMEOUT_MS, async () => sumOf(await metricsOf(http), moved) > 0)
  }

  step('and so did the workers')
  const [one, two] = [await metricsOf(first), await metricsOf(second)]
  const both = (name) => sumOf(one, name) + sumOf(two, name)
  for (const stage of ['fetch', 'decode', 'append', 'commit']) {
    check(both(`hnx_worker_stage_seconds_count{stage="${stage}"}`) > 0, `no ${stage} was timed`)
  }
  const host = new URL(channel.info.upstream).hostname
  const ofHost = [...one, ...two].filter(([key]) => key.startsWith('hnx_worker_upstream_bytes_total') && key.includes(`host="${host}"`))
  checkEqual('bytes by host and codec', ofHost.reduce((sum, [, value]) => sum + value, 0), both('hnx_worker_fetched_bytes_total'))
  check(both('hnx_worker_verification_failures_total') > 0, 'no refused NAR was counted')
  check(both('hnx_worker_copies') > 0, 'no copy was counted')
  check(both('hnx_worker_peer_sent_bytes_total') > 0, 'no byte to a peer was counted')

  step('the gateway counts what it gives')
  const before = await metricsOf(mirror.gatewayAddress)
  await fetch(`http://${mirror.gatewayAddress}/nix-cache-info`)
  await fetch(`http://${mirror.gatewayAddress}/${'0'.repeat(32)}.narinfo`)
  const after = await metricsOf(mirror.gatewayAddress)
  for (const key of ['hnx_gateway_requests_total{code="404",handler="narinfo"}', 'hnx_gateway_narinfo_lookups_total{result="miss"}']) {
    checkEqual(key, after.get(key), (before.get(key) ?? 0) + 1)
  }

  step('who lacks something is not ready, and says what')
  const lonely = owns(new Program('alone', ['worker', 'run', '--data', path.join(scratch, 'alone'), '--coordinator', await port(),
    '--listen-metrics', alone], path.join(scratch, 'alone.log')))
  lonely.start()
  await until('the worker answers', TIMEOUT_MS, () => fetch(`http://${alone}/healthz`).then(({ ok }) => ok, () => false))
  checkEqual('what it lacks', await readyOf(alone), { status: 503, lacks: ['coordinator'] })
})
