// The bridge's numbers in Prometheus' text format.
import fs from 'node:fs'

const { version: VERSION } = JSON.parse(fs.readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
const MEMORY_PAGE_FIELDS = { rss: 'process_resident_memory_bytes', heapUsed: 'nodejs_heap_size_used_bytes' }

// What is exported of each back end: name, type, help, and the values as [labels, value].
const FAMILIES = [
  ['hnx_swarm_back_end_connected', 'gauge', '1 while the control connection to the back end is up',
    (b) => [[{}, Number(b.isUp)]]],
  ['hnx_swarm_settled', 'gauge', '1 when each topic of the last list was asked for and each found peer tried',
    (b) => [[{}, Number(b.isSettled)]]],
  ['hnx_swarm_back_end_connects_total', 'counter', 'Control connections that gave a list; all but the first are reconnects',
    (b) => [[{}, b.counters.backEndConnects]]],
  ['hnx_swarm_back_end_losses_total', 'counter', 'Control connections that were lost',
    (b) => [[{}, b.counters.backEndLosses]]],
  ['hnx_swarm_topics', 'gauge', 'Topics of the last list', (b) => topicCounts(b)],
  ['hnx_swarm_announces_total', 'counter', 'Announcements begun, without the refreshes of hyperswarm',
    (b) => [[{}, b.counters.announces]]],
  ['hnx_swarm_lookups_total', 'counter', 'Lookups begun, without the refreshes of hyperswarm',
    (b) => [[{}, b.counters.lookups]]],
  ['hnx_swarm_query_errors_total', 'counter', 'Announcements, lookups and leavings that failed',
    (b) => [[{}, b.counters.queryErrors]]],
  ['hnx_swarm_peers_known', 'gauge', 'Peers that are known, connected or not', (b) => [[{}, b.swarm.peers.size]]],
  ['hnx_swarm_connections', 'gauge', 'Open swarm connections', (b) => connectionCounts(b)],
  ['hnx_swarm_connecting', 'gauge', 'Peers that are being connected to', (b) => [[{}, b.swarm.connecting]]],
  ['hnx_swarm_connections_opened_total', 'counter', 'Swarm connections taken', (b) => [
    [{ direction: 'in' }, b.counters.connectionsOpenedIn], [{ direction: 'out' }, b.counters.connectionsOpenedOut]]],
  ['hnx_swarm_connections_closed_total', 'counter', 'Swarm connections ended', (b) => [[{}, b.counters.connectionsClosed]]],
  ['hnx_swarm_connections_refused_total', 'counter', 'Swarm connections not taken, by reason', (b) => [
    [{ reason: 'away' }, b.counters.refusedAway], [{ reason: 'full' }, b.counters.refusedFull],
    [{ reason: 'back_end' }, b.counters.refusedByBackEnd]]],
  ['hnx_swarm_connections_dropped_total', 'counter', 'Connections whose remote sent more than the back end reads',
    (b) => [[{}, b.counters.droppedForQueue]]],
  ['hnx_swarm_bytes_total', 'counter', 'Bytes of messages passed on', (b) => [
    [{ direction: 'to_back_end' }, b.counters.bytesToBackEnd], [{ direction: 'to_swarm' }, b.counters.bytesToSwarm]]],
  ['hnx_swarm_messages_total', 'counter', 'Messages passed on', (b) => [
    [{ direction: 'to_back_end' }, b.counters.messagesToBackEnd], [{ direction: 'to_swarm' }, b.counters.messagesToSwarm]]],
  ['hnx_swarm_queued_bytes', 'gauge', 'Bytes that wait in the bridge for a slow side', (b) => {
    const { toBackEnd, toSwarm } = b.queuedBytes
    return [[{ direction: 'to_back_end' }, toBackEnd], [{ direction: 'to_swarm' }, toSwarm]]
  }],
  ['hnx_swarm_protocol_errors_total', 'counter', 'Frames and lists of the back end that break the format',
    (b) => [[{}, b.counters.protocolErrors]]]
]

export function renderMetrics (bridge) {
  const lines = []
  for (const [name, type, help, valuesOf] of FAMILIES) {
    head(lines, name, type, help)
    for (const backEnd of bridge.backEnds) {
      for (const [labels, value] of valuesOf(backEnd)) {
        lines.push(`${name}{${labelText({ back_end: backEnd.socketPath, ...labels })}} ${value}`)
      }
    }
  }
  head(lines, 'hnx_swarm_dht_online', 'gauge', '1 while the DHT answers')
  lines.push(`hnx_swarm_dht_online ${Number(bridge.dht.online)}`)
  head(lines, 'hnx_swarm_dht_firewalled', 'gauge', '1 while peers have to punch through to us')
  lines.push(`hnx_swarm_dht_firewalled ${Number(bridge.dht.firewalled)}`)
  processMetrics(lines)
  return lines.join('\n') + '\n'
}

function processMetrics (lines) {
  const { user, system } = process.cpuUsage()
  head(lines, 'process_cpu_seconds_total', 'counter', 'CPU time of this process')
  lines.push(`process_cpu_seconds_total ${(user + system) / 1e6}`)
  const memory = process.memoryUsage()
  for (const [field, name] of Object.entries(MEMORY_PAGE_FIELDS)) {
    head(lines, name, 'gauge', 'Memory of this process')
    lines.push(`${name} ${memory[field]}`)
  }
  head(lines, 'hnx_build_info', 'gauge', '1, of the program and version that its labels name')
  lines.push(`hnx_build_info{${labelText({ program: 'swarm', version: VERSION })}} 1`)
  head(lines, 'process_open_fds', 'gauge', 'Files and sockets that this process has open')
  lines.push(`process_open_fds ${fs.readdirSync('/proc/self/fd').length - 1}`) // without that of the reading
  head(lines, 'process_max_fds', 'gauge', 'How many it may have open')
  lines.push(`process_max_fds ${openFilesMax()}`)
  head(lines, 'process_start_time_seconds', 'gauge', 'When this process began, in seconds since 1970')
  lines.push(`process_start_time_seconds ${performance.timeOrigin / 1000}`)
}

function openFilesMax () {
  const [, limit] = fs.readFileSync('/proc/self/limits', 'utf8').match(/^Max open files +(\S+)/m)
  return limit === 'unlimited' ? '+Inf' : limit
}

function head (lines, name, type, help) {
  lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`)
}

function labelText (labels) {
  const escape = (text) => text.replace(/[\\"\n]/g, (c) => c === '\n' ? '\\n' : `\\${c}`)
  return Object.entries(labels).map(([name, value]) => `${name}="${escape(value)}"`).join(',')
}

function topicCounts (backEnd) {
  const counts = { announce: 0, lookup: 0 }
  for (const { announce, lookup } of backEnd.topics.describe()) {
    counts.announce += Number(announce)
    counts.lookup += Number(lookup)
  }
  return Object.entries(counts).map(([kind, count]) => [{ kind }, count])
}

function connectionCounts (backEnd) {
  let out = 0
  for (const { isInitiator } of backEnd.pipes) out += Number(isInitiator)
  return [[{ direction: 'in' }, backEnd.pipes.size - out], [{ direction: 'out' }, out]]
}
