// What is said on the socket to a back end: docs/formats/swarm-bridge.md.
import net from 'node:net'

import { TOPICS_MAX } from './limits.mjs'

const VERSION = 1
const KIND_CONTROL = 1
const KIND_DATA = 2
const KEY_BYTES = 32
const HASH_BYTES = 64
const ADDRESS_BYTES = 16

const FAMILY_UNKNOWN = 0
const FAMILY_IPV4 = 4
const FAMILY_IPV6 = 6

export class MessageError extends Error {}

export function controlHello (bridgeKey) {
  return Buffer.concat([Buffer.from([VERSION, KIND_CONTROL]), bridgeKey])
}

export function dataHello (bridgeKey, host, port) {
  const hello = Buffer.alloc(2 + KEY_BYTES + 1 + 2 + ADDRESS_BYTES)
  hello[0] = VERSION
  hello[1] = KIND_DATA
  hello.set(bridgeKey, 2)
  const address = addressBytes(host)
  if (address !== null) {
    hello[2 + KEY_BYTES] = address.length === 4 ? FAMILY_IPV4 : FAMILY_IPV6
    hello.writeUInt16LE(port, 2 + KEY_BYTES + 1)
    hello.set(address, 2 + KEY_BYTES + 3)
  } else {
    hello[2 + KEY_BYTES] = FAMILY_UNKNOWN
  }
  return hello
}

export function start (isInitiator, handshakeHash, remotePublicKey) {
  if (handshakeHash.length !== HASH_BYTES || remotePublicKey.length !== KEY_BYTES) {
    throw new MessageError(`a handshake hash of ${handshakeHash.length} and a key of ${remotePublicKey.length} bytes`)
  }
  return Buffer.concat([Buffer.from([isInitiator ? 1 : 0]), handshakeHash, remotePublicKey])
}

// Null: no address. IPv6 is written out by the URL parser, which knows all its short forms.
function addressBytes (host) {
  if (net.isIPv4(host)) return Uint8Array.from(host.split('.'), Number)
  if (!net.isIPv6(host) || host.includes('%')) return null
  const [head, tail = null] = new URL(`http://[${host}]`).hostname.slice(1, -1).split('::')
  const groups = (text) => text ? text.split(':') : []
  const zeros = tail === null ? 0 : 8 - groups(head).length - groups(tail).length
  const bytes = Buffer.alloc(ADDRESS_BYTES)
  const all = [...groups(head), ...Array(zeros).fill('0'), ...groups(tail ?? '')]
  all.forEach((group, index) => bytes.writeUInt16BE(parseInt(group, 16), 2 * index))
  return bytes
}

// The object of a control frame, or throws MessageError.
export function parseControl (body) {
  let message
  try {
    message = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch (error) {
    throw new MessageError(`a control message that is no JSON: ${error.message}`)
  }
  if (message === null || typeof message !== 'object' || typeof message.type !== 'string') {
    throw new MessageError('a control message without a type')
  }
  return message
}

// A `desired` message as { revision, connectionsMax, topics: Map(hex -> { announce, lookup }) }; connectionsMax is
// null when the back end sets none.
export function parseDesired (message) {
  const { revision, topics, connections_max: connectionsMax = null } = message
  if (!isCount(revision)) throw new MessageError('desired: revision is no number from 0 to 2^53-1')
  if (connectionsMax !== null && !isCount(connectionsMax)) {
    throw new MessageError('desired: connections_max is no number')
  }
  if (!Array.isArray(topics)) throw new MessageError('desired: topics is no list')
  if (topics.length > TOPICS_MAX) {
    throw new MessageError(`desired: ${topics.length} topics; at most ${TOPICS_MAX} are allowed`)
  }
  const wanted = new Map()
  for (const entry of topics) {
    const { topic, announce, lookup } = entry ?? {}
    if (typeof topic !== 'string' || !/^[0-9a-f]{64}$/i.test(topic)) {
      throw new MessageError(`desired: ${JSON.stringify(topic)} is no topic: 64 hex digits are wanted`)
    }
    if (typeof announce !== 'boolean' || typeof lookup !== 'boolean' || !(announce || lookup)) {
      throw new MessageError(`desired: topic ${topic} needs announce and lookup, one of them true`)
    }
    const name = topic.toLowerCase()
    if (wanted.has(name)) throw new MessageError(`desired: topic ${name} is listed twice`)
    wanted.set(name, { announce, lookup })
  }
  return { revision, connectionsMax, topics: wanted }
}

function isCount (value) {
  return Number.isSafeInteger(value) && value >= 0
}

export function encodeControl (message) {
  return Buffer.from(JSON.stringify(message))
}
