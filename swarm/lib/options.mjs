// Options: every knob is a flag, an environment variable (HNX_ and the name in capitals) and a key of the
// configuration file with one name; the first of these that is given counts.
import fs from 'node:fs'
import { isIPv4 } from 'node:net'
import { parseArgs } from 'node:util'

import { BACK_ENDS_MAX, CONFIG_BYTES_MAX } from './limits.mjs'
import { LOG_LEVELS } from './log.mjs'

export class UsageError extends Error {}

const PORT_MAX = 65_535
const PEERS_MAX = 65_536
const DURATION_MS_MAX = 30 * 24 * 3_600_000
const UNIT_BYTES = { b: 1, kib: 1024, mib: 1024 ** 2, gib: 1024 ** 3 }
const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

const KNOBS = {
  socket: { many: true, parse: (text) => text },
  bootstrap: { many: true, parse: parseHostPort },
  'key-file': { parse: (text) => text },
  listen: { parse: parseListen },
  'max-peers': { parse: (text) => parseNumber(text, 1, PEERS_MAX), initial: '256' },
  'max-queued': { parse: parseSize, initial: '64MiB' },
  'keep-announced': { parse: parseDuration, initial: '60s' },
  grace: { parse: parseDuration, initial: '10s' },
  'listen-metrics': { parse: parseHostPort },
  'log-level': { parse: parseLevel, initial: 'info' },
  'log-json': { flag: true, parse: parseSwitch, initial: 'false' }
}

export const HELP = `usage: swarm --socket PATH [options]

Announces drives on the DHT of hyperswarm, looks drives up there, and hands the connections to C++ programs
(worker, gateway, hyp), which listen on a Unix socket and say which drives. Stores nothing but its identity.

  --socket PATH             a program's socket; again for another program
  --bootstrap HOST:PORT     a node of another DHT than the public one; again for more
  --key-file FILE           the bridge's identity among peers; made (0600) when it is not there.
                            Default: a new one at each start
  --listen ADDRESS[:PORT]   IPv4 address and UDP port for the DHT (default 0.0.0.0, 49737 or another)
  --max-peers N             connections for each program (default ${KNOBS['max-peers'].initial})
  --max-queued SIZE         bytes that a peer may send and the program not read, before the peer is dropped
                            (default ${KNOBS['max-queued'].initial})
  --keep-announced TIME     announcements outlive a program that is away by this (default ${KNOBS['keep-announced'].initial})
  --grace TIME              for leaving the DHT after SIGTERM (default ${KNOBS.grace.initial})
  --listen-metrics HOST:PORT   /metrics, /healthz and /readyz; default: not served
  --log-level LEVEL         ${LOG_LEVELS.join(', ')} (default ${KNOBS['log-level'].initial})
  --log-json                one JSON object a line
  --config FILE             lines "key = value": the names above without dashes; sections [swarm]
  --version, --help

Each is an environment variable, too: HNX_SOCKET, HNX_MAX_PEERS, ...; several values are lines of it.

Examples:
  swarm --socket /run/hypercore-nixos/worker.sock --key-file /var/lib/hypercore-nixos/swarm.key
  swarm --socket /run/hypercore-nixos/gateway.sock --listen 0.0.0.0:49737 --listen-metrics 127.0.0.1:9105
  swarm --socket ./w.sock --bootstrap 127.0.0.1:30001      # a DHT of one's own, for tests

Exit codes:
  0  ended by a signal, topics left
  1  failed; the message says what to do
  2  wrong use: command line, environment or configuration file
`

// { help } or { version } or the options. Throws UsageError.
export function parseOptions (args, environment) {
  const flags = Object.fromEntries(Object.entries(KNOBS).map(
    ([name, { flag, many }]) => [name, flag ? { type: 'boolean' } : { type: 'string', multiple: many === true }]))
  let given
  try {
    given = parseArgs({
      args,
      options: { ...flags, config: { type: 'string' }, help: { type: 'boolean', short: 'h' }, version: { type: 'boolean' } }
    }).values
  } catch (error) {
    throw new UsageError(error.message)
  }
  if (given.help) return { help: true }
  if (given.version) return { version: true }
  const file = readConfig(given.config ?? environment.HNX_CONFIG)
  const values = {}
  for (const [name, knob] of Object.entries(KNOBS)) values[name] = valueOf(name, knob, given, environment, file)
  return checked(values)
}

function valueOf (name, knob, given, environment, file) {
  const variable = `HNX_${name.toUpperCase().replaceAll('-', '_')}`
  const sources = [
    [`--${name}`, given[name] === undefined ? [] : [given[name]].flat().map(String)],
    [variable, environment[variable] ? environment[variable].split('\n').filter(Boolean) : []],
    [`configuration file: ${name}`, file.get(name) ?? []],
    ['default', knob.initial === undefined ? [] : [knob.initial]]
  ]
  const [source, texts] = sources.find(([, found]) => found.length > 0) ?? ['', []]
  if (texts.length > 1 && !knob.many) throw new UsageError(`${source}: given ${texts.length} times`)
  const parsed = texts.map((text) => {
    try {
      return knob.parse(text)
    } catch (error) {
      throw new UsageError(`${source}: ${error.message}`)
    }
  })
  return knob.many ? parsed : parsed[0]
}

function checked (values) {
  const sockets = values.socket
  if (sockets.length === 0) throw new UsageError('--socket: name at least one; see --help')
  if (sockets.length > BACK_ENDS_MAX) throw new UsageError(`--socket: at most ${BACK_ENDS_MAX}`)
  if (new Set(sockets).size < sockets.length) throw new UsageError('--socket: the same one twice')
  return {
    sockets,
    bootstrap: values.bootstrap,
    keyFile: values['key-file'],
    listen: values.listen,
    peersMax: values['max-peers'],
    queuedBytesMax: values['max-queued'],
    keepAnnouncedMs: values['keep-announced'],
    graceMs: values.grace,
    listenMetrics: values['listen-metrics'],
    logLevel: values['log-level'],
    logJson: values['log-json']
  }
}

// The file's keys that are meant for us: those before the first section, and those in [swarm].
function readConfig (name) {
  const found = new Map()
  if (!name) return found
  let text
  try {
    if (fs.statSync(name).size > CONFIG_BYTES_MAX) throw new Error('too large')
    text = fs.readFileSync(name, 'utf8')
  } catch (error) {
    throw new UsageError(`--config ${name}: ${error.message}`)
  }
  let section = 'swarm'
  text.split('\n').forEach((line, index) => {
    const trimmed = line.trim()
    if (trimmed === '' || trimmed.startsWith('#')) return
    const title = /^\[(.+)\]$/.exec(trimmed)
    if (title) {
      section = title[1].trim()
      return
    }
    if (section !== 'swarm') return
    const where = `--config ${name}: line ${index + 1}`
    const pair = /^([a-z-]+)\s*=\s*(?:"([^"]*)"\s*(?:#.*)?|(.*?)(?:\s#.*)?)$/.exec(trimmed)
    if (!pair) throw new UsageError(`${where}: write key = value`)
    const [, key, quoted, plain] = pair
    if (!Object.hasOwn(KNOBS, key)) throw new UsageError(`${where}: swarm has no option --${key}; see --help`)
    found.set(key, [...(found.get(key) ?? []), quoted ?? plain.trim()])
  })
  return found
}

function parseNumber (text, min, max) {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : NaN
  if (!(value >= min && value <= max)) throw new Error(`'${text}' is no number from ${min} to ${max}`)
  return value
}

function parseHostPort (text) {
  const match = /^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):(\d{1,5})$/.exec(text)
  if (!match) throw new Error(`'${text}' is not HOST:PORT`)
  return { host: match[1].replace(/^\[|\]$/g, ''), port: parseNumber(match[2], 0, PORT_MAX) }
}

// hyperdht knows IPv4 only.
function parseListen (text) {
  const [host, port = '0', ...more] = text.split(':')
  if (!isIPv4(host) || more.length > 0) throw new Error(`'${text}' is not ADDRESS or ADDRESS:PORT with an IPv4 address`)
  return { host, port: parseNumber(port, 0, PORT_MAX) }
}

function parseSize (text) {
  const match = /^(\d{1,9})(B|KiB|MiB|GiB)?$/i.exec(text)
  if (!match) throw new Error(`'${text}' is no size; write 4096, 512KiB or 64MiB`)
  return Number(match[1]) * UNIT_BYTES[(match[2] ?? 'B').toLowerCase()]
}

function parseDuration (text) {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/gy)]
  const length = parts.reduce((sum, [part]) => sum + part.length, 0)
  if (text === '0') return 0
  if (parts.length === 0 || length < text.length) throw new Error(`'${text}' is no duration; write 500ms, 30s or 1m30s`)
  const sum = parts.reduce((ms, [, number, unit]) => ms + Number(number) * UNIT_MS[unit], 0)
  if (sum > DURATION_MS_MAX) throw new Error(`'${text}' is longer than 30 days`)
  return sum
}

function parseLevel (text) {
  if (!LOG_LEVELS.includes(text)) throw new Error(`'${text}' is none of ${LOG_LEVELS.join(', ')}`)
  return text
}

function parseSwitch (text) {
  if (/^(true|1|yes|on)$/i.test(text)) return true
  if (/^(false|0|no|off)$/i.test(text)) return false
  throw new Error(`'${text}' is neither true nor false`)
}
