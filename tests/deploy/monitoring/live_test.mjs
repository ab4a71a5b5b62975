// A mirror is made while everything that can go wrong does, and a real Prometheus with our rules watches: every metric of the
// manual moves by what should move it, every expression of dashboards and alerts has data, faults wake their alerts, and the
// number of series stays what it was.
import fs from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import path from 'node:path'
import { Acts } from './acts.mjs'
import { Expressions } from './expressions.mjs'
import { Prometheus } from './prometheus.mjs'
import { CACHE_BYTES_MAX, DATABASE_CONNECTIONS_MAX, MEMORY_MAX_BYTES, World } from './world.mjs'
import { flipInContent, largestNar } from '../../e2e/flip.mjs'
import { check, checkEqual, sourceDir, step, test, until } from '../../e2e/words.mjs'

const TIMEOUT_MS = 180_000
const SLOW_RATE = 20_000 // bytes a second and answer
const RETRY_AFTER_S = 4
const DIFFERENT_PATHS = 70_000 // more than a gateway counts
const REQUESTS_AT_ONCE = 32
const PEERS_TOO_MANY = 30
const LOCK_S = 20

const named = (program) => (names) => names.split(/\s+/).map((name) => `hnx_${program}_${name}`)
const [c, w, g, s] = ['coordinator', 'worker', 'gateway', 'swarm'].map(named)

// What these need, only other tests do: a copy of everything is elsewhere here, and the bridge has tests of its own.
const ELSEWHERE = {
  hnx_build_info: ['tests/unit/http/process_metrics_test.cc', 'hnx_build_info{program='],
  hnx_coordinator_nars_lost: ['tests/integration/coordinator_page/overview_test.cc', 'LostNarsComeBackOrAreGone'],
  hnx_worker_scrub_given_up_total: ['tests/e2e/scrub_test.mjs', 'hnx_worker_scrub_given_up_total 1'],
  hnx_gateway_connections_ended_total: ['tests/e2e/hostile_clients_test.mjs', 'hnx_gateway_connections_ended_total{reason='],
  hnx_swarm_connections_dropped_total: ['tests/integration/swarm/back_pressure_test.mjs', "values.get('hnx_swarm_connections_dropped_total'), 1"],
  hnx_swarm_connections_refused_total: ['tests/integration/swarm/restarts_test.mjs', 'hnx_swarm_connections_refused_total{reason="away"}'],
  hnx_swarm_queued_bytes: ['tests/integration/swarm/back_pressure_test.mjs', "values.get('hnx_swarm_queued_bytes"],
  hnx_swarm_dht_firewalled: ['tests/integration/swarm/parts_test.mjs', 'hnx_swarm_dht_firewalled'],
  hnx_swarm_dht_online: ['tests/integration/swarm/parts_test.mjs', 'hnx_swarm_dht_online']
}
const SET = {
  hnx_coordinator_database_connections_max: DATABASE_CONNECTIONS_MAX,
  hnx_worker_queued_bytes_max: MEMORY_MAX_BYTES,
  hnx_gateway_cache_bytes_max: CACHE_BYTES_MAX
}

const hashOf = (storePath) => path.basename(storePath).slice(0, 32)

// Asks for more different paths than a gateway keeps count of.
async function askForManyPaths (address, count) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: REQUESTS_AT_ONCE })
  const [host, port] = address.split(':')
  let next = 0
  await Promise.all(Array.from({ length: REQUESTS_AT_ONCE }, async () => {
    while (next < count) {
      const hash = String(next++).padStart(32, '0')
      await new Promise((resolve, reject) => {
        http.get({ host, port, path: `/${hash}.narinfo`, agent }, (response) => response.resume().on('end', resolve)).on('error', reject)
      })
    }
  }))
  agent.destroy()
}

// A client that does not read: its answer stays under way. Resolves with what ends it.
async function slowClient (address, url) {
  const [host, port] = address.split(':')
  const socket = net.connect({ host, port: Number(port) })
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  socket.pause()
  socket.write(`GET ${url} HTTP/1.1\r\nHost: ${address}\r\n\r\n`)
  return () => socket.destroy()
}

test('monitoring', async ({ scratch, owns }) => {
  const world = new World(scratch, owns)
  await world.start()
  const { mirror, channel } = world
  const rules = fs.readdirSync(path.join(sourceDir, 'dashboards/alerts')).map((file) => path.join(sourceDir, 'dashboards/alerts', file))
  const prometheus = owns(new Prometheus(path.join(scratch, 'prometheus'), world.jobs(), rules))
  await prometheus.start()
  const acts = new Acts(prometheus)
  const begun = Date.now() / 1000
  await acts.seen('count(up == 1) == count(up)')
  const expected = channel.expected()
  const name = channel.info.channel
  const settled = () => until('the release is settled', TIMEOUT_MS, () => mirror.status()?.releases[0]?.state === 'settled')
  const [worker2, index, coordinator] = ['worker-2', 'index', 'coordinator'].map((program) => mirror.programs.get(program))

  await acts.act('a channel is followed, and upstream is slow', [...c(`channel_lag_seconds channel_polled_timestamp_seconds channel_paths channel_nar_bytes
    jobs_leased_total leases lease_oldest_seconds worker_leases nars paths releases queue_oldest_seconds rpc_calls_total rpc_call_seconds
    database_transaction_seconds database_connections_busy worker_shards worker_copies`), ...w('jobs synchronize_total fetched_bytes_total queued_bytes shards copies')], async () => {
    await world.upstreamDoes({ rate: SLOW_RATE })
    mirror.told('follow', name, '--interval', '1s', '--debounce', '1s')
    await acts.seen('hnx_coordinator_leases > 0')
  })

  // Here many NARs are still to come: more paths than all planned batches may have get ready.
  await acts.act('the index worker hangs while NARs come', c('publish_batches_pending publish_batch_age_seconds publish_ready_paths publish_ready_oldest_seconds'), async () => {
    process.kill(index.child.pid, 'SIGSTOP')
    await acts.seen('hnx_coordinator_publish_ready_paths > 0')
    await acts.seen('hnx_coordinator_publish_batch_age_seconds > 0')
    process.kill(index.child.pid, 'SIGCONT')
  })

  await acts.act('upstream asks to be left alone', [...c('upstream_held_back_seconds nar_failures_total'), ...w('nars_failed_total')], async () => {
    await world.upstreamDoes({ status: 429, retryAfter: RETRY_AFTER_S })
    await acts.wakes('HnxUpstreamHeldBack')
  })

  await acts.act('upstream breaks', c('upstream_breaker_open'), async () => {
    await world.upstreamDoes({ broken: true })
    await acts.wakes('HnxUpstreamBreakerOpen')
    await world.upstreamDoes({ rate: SLOW_RATE })
    await acts.seen('max(hnx_coordinator_upstream_breaker_open) == 0')
  })

  await acts.act('an operator pauses', c('paused upstream_paused'), async () => {
    const { host } = mirror.status().upstreams[0]
    mirror.told('pause', '--upstream', host)
    mirror.told('pause', '--all')
    await acts.wakes('HnxPaused')
    await acts.wakes('HnxUpstreamPaused')
    mirror.told('resume', '--upstream', host)
    mirror.told('resume', '--all')
  })

  await acts.act('a worker hangs', c('worker_alive leases_expired_total'), async () => {
    process.kill(worker2.child.pid, 'SIGSTOP')
    await acts.wakes('HnxWorkerSilent')
    process.kill(worker2.child.pid, 'SIGCONT')
    await acts.seen('min(hnx_coordinator_worker_alive) == 1')
  })

  await acts.act('the release settles, with what upstream has spoiled left out', [...c(`channel_completeness_ratio channel_settled_timestamp_seconds index_length
    index_acknowledged_length worker_shard_bytes worker_shard_length worker_copies_whole worker_disk_free_bytes`),
  ...w(`decoded_bytes_total decode_seconds_total nars_stored_total stored_bytes_total stored_nar_bytes_total refetches_total verification_failures_total
    stage_seconds upstream_bytes_total copies_missing_bytes peer_sent_bytes_total peer_blocks_served_total publish_batches_total disk_free_bytes`),
  ...g('index_version index_age_seconds index_head_age_seconds refresh_age_seconds peers_received_bytes_total peers_sent_bytes_total')], async () => {
    await world.upstreamDoes({})
    await settled()
  }, begun)

  await acts.act('a bit flips on a disk, and everything is read back', w(`scrub_blocks_total scrub_bytes_total scrub_nars_total scrub_damaged_total scrub_repaired_total
    scrub_oldest_seconds`), async () => {
    const { id, bit } = await largestNar(mirror, (statement) => world.server.ask(statement))
    flipInContent(path.join(mirror.drives()[0], id), bit)
    const done = await mirror.runBeside('coordinator', 'scrub', '--wait', '--coordinator', mirror.address)
    checkEqual(`how the scrub ended: ${done.stdout}${done.stderr}`, done.status, 0)
  })

  const published = Object.entries(expected.paths).filter(([, entry]) => entry.status === 'published')
  const clients = async (address) => {
    for (const [storePath, { url }] of published) {
      check(await mirror.get(`/${hashOf(storePath)}.narinfo`, address), `${storePath} is not there`)
      check(await mirror.get(`/${url}`, address), `${url} is not there`)
    }
    for (let n = 0; n < 20; n++) await mirror.get(`/${String(n).padStart(32, '0')}.narinfo`, address)
    await mirror.get(`/nar/${'0'.repeat(52)}.nar.xz`, address)
    await mirror.get(`/channels/${name}/latest`, address)
  }
  const [largest] = published.map(([, { url }]) => [channel.file(url).length, url]).sort(([a], [b]) => b - a)

  await acts.act('clients ask a gateway', g(`requests_total request_seconds response_bytes_total narinfo_lookups_total narinfo_cached_total
    nar_answers_total nar_bytes_total connections`), async () => {
    await clients(mirror.gatewayAddress)
    await clients(mirror.gatewayAddress)
    const ends = await Promise.all(Array.from({ length: 4 }, () => slowClient(mirror.gatewayAddress, `/${largest[1]}`)))
    await acts.seen('hnx_gateway_connections > 4')
    for (const end of ends) end()
  })

  await acts.act('clients ask a gateway from afar, whose cache is small', g(`cache_bytes cache_nars evictions_total evicted_bytes_total peers streams requests_in_flight
    fallback_bytes_total fallback_fetches_total fallback_narinfos_total requests_waiting`), async () => {
    // What the mirror lacks comes from the fallback once it is mended there.
    const [mended] = Object.entries(expected.paths).find(([, { fault, listed }]) => fault === 'missing' && !listed)
    const narinfo = `${hashOf(mended)}.narinfo`
    fs.copyFileSync(path.join(channel.dir, 'pristine', narinfo), path.join(channel.dir, 'www/cache', narinfo))
    const found = await mirror.get(`/${narinfo}`, world.farAddress)
    check(found, 'the fallback was not asked')
    check(await mirror.get(`/${found.toString().match(/^URL: (.*)$/m)[1]}`, world.farAddress), 'the fallback did not give its NAR')
    await Promise.all([clients(world.farAddress), clients(world.farAddress)])
    const end = await slowClient(world.farAddress, `/${largest[1]}`)
    await acts.seen('hnx_gateway_streams > 0')
    end()
  })

  await acts.act('somebody asks for very many paths', g('hits_uncounted_total'), async () => {
    const before = await seriesOf(world.snapshotAddress)
    await askForManyPaths(world.snapshotAddress, DIFFERENT_PATHS)
    checkEqual('series of the gateway', await seriesOf(world.snapshotAddress), before)
  })

  await acts.act('a gateway cannot read its drives', g('refresh_errors_total'), async () => world.damageSnapshot())

  await acts.act('too many peers come', w('peer_connections_refused_total'), async () => {
    const [host, port] = world.peers['worker-2'].split(':')
    const sockets = Array.from({ length: PEERS_TOO_MANY }, () => net.connect({ host, port: Number(port) }).on('error', () => {}))
    await acts.seen('hnx_worker_peer_connections_refused_total > 0')
    for (const socket of sockets) socket.destroy()
  })

  await acts.act('the database is locked, and then away', c('database_up database_connection_failures_total database_waiting database_connections_open'), async () => {
    const locked = world.server.ask(`BEGIN; LOCK TABLE worker, path, nar, mirror; SELECT pg_sleep(${LOCK_S}); COMMIT`)
    await acts.wakes('HnxDatabasePoolExhausted')
    await world.server.stopImmediately()
    await locked
    await acts.wakes('HnxDatabaseDown')
    await world.server.start()
    await acts.seen('min(hnx_coordinator_database_up) == 1')
  })

  await acts.act('nobody can lead', c('leader_present'), async () => {
    await acts.seen('max(hnx_coordinator_leader_present) == 1')
    const locked = world.server.ask(`BEGIN; SELECT FROM leader FOR UPDATE; SELECT pg_sleep(${LOCK_S}); COMMIT`)
    await acts.wakes('HnxNoLeader')
    await locked
    await acts.seen('max(hnx_coordinator_leader_present) == 1')
  })

  await acts.act('the leader hangs', [...c('leader'), ...w('synchronize_errors_total')], async () => {
    const hangs = async (program, other, meanwhile = async () => {}) => {
      await acts.seen(`sum(hnx_coordinator_leader) == 1`)
      process.kill(program.child.pid, 'SIGSTOP')
      await Promise.all([acts.seen(`hnx_coordinator_leader{instance="${other}"} == 1`), meanwhile()])
      process.kill(program.child.pid, 'SIGCONT')
    }
    // Workers call the first one; either may lead by now.
    await hangs(world.second, world.http[0])
    await hangs(coordinator, world.http[1], () => acts.grows('hnx_worker_synchronize_errors_total'))
  })

  await acts.act('a worker loses its disk', [...c('worker_shards_lost'), ...w('peers'), ...s(`back_end_connected back_end_connects_total back_end_losses_total
    connections connections_closed_total connections_opened_total announces_total lookups_total topics bytes_total messages_total`)], async () => {
    fs.rmSync(mirror.drives()[1], { recursive: true })
    await worker2.ended
    await acts.seen('hnx_swarm_back_end_connected{back_end=~".*worker-2"} == 0')
    await acts.wakes('HnxSwarmBackEndAway')
    await acts.wakes('HnxTargetDown')
    worker2.start()
    await acts.wakes('HnxShardLost')
  })

  await acts.act('the index worker is started again', g('index_peers'), async () => {
    await index.kill('SIGKILL')
    await acts.seen(`up{instance="${world.metrics.index}"} == 0`)
    index.start()
  })

  await acts.act('a program speaks nonsense to its bridge', s('protocol_errors_total'), async () => {
    await world.startLiar()
    await acts.wakes('HnxSwarmProtocolErrors')
  })

  await acts.act('the swarm goes away', [...w('swarm_bridges'), ...s('settled peers_known connecting query_errors_total')], async () => {
    await world.testnet.stop()
    await world.bridges[0].kill('SIGKILL')
    await acts.seen('hnx_worker_swarm_bridges == 0')
    world.bridges[0].start()
  })

  step('every metric was moved, every expression has data')
  for (const alert of ['HnxReleaseIncomplete', 'HnxReleaseWithFailures', 'HnxWatchdog']) await acts.wakes(alert)
  // For longer than a step of the ranges below.
  await acts.seen('count_over_time(ALERTS{alertname="HnxShardLost", alertstate="firing"}[30s]) >= 5')
  await acts.checkAllMoved(ELSEWHERE, SET)
  const expressions = new Expressions(prometheus, begun, Date.now() / 1000)
  await expressions.checkRules()
  await expressions.checkDashboards()

  if (process.argv[2] === '--pictures') {
    const { drawDashboards } = await import('./pictures/draw.mjs')
    await drawDashboards(prometheus, begun, Date.now() / 1000, scratch, path.join(sourceDir, 'docs/dashboards'))
  }
})

// How many series a program shows.
async function seriesOf (address) {
  const text = await (await fetch(`http://${address}/metrics`)).text()
  return text.split('\n').filter((line) => line.startsWith('hnx_')).length
}
