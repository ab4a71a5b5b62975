// One back end: its swarm identity, its control link, its topics and its connections, and what may happen to them
// when the back end comes and goes.
import { ControlLink } from './control_link.mjs'
import { Counters } from './counters.mjs'
import { QUEUE_CHECK_INTERVAL_MS, SETTLE_MS_MAX, STATE_INTERVAL_MS_MAX, STATE_INTERVAL_MS_MIN, TRIED_AGAIN_MS_MAX } from './limits.mjs'
import { Pipe } from './pipe.mjs'
import { TopicSet } from './topic_set.mjs'

export class BackEnd {
  // `swarm`: a Hyperswarm of this back end alone; its DHT node may be shared.
  constructor ({ socketPath, swarm, peersMax, queuedBytesMax, keepAnnouncedMs, log }) {
    this.socketPath = socketPath
    this.swarm = swarm
    this.peersMax = peersMax
    this.queuedBytesMax = queuedBytesMax
    this.keepAnnouncedMs = keepAnnouncedMs
    this.log = log
    this.counters = new Counters()
    this.pipes = new Set()
    this.list = null // the last one; outlives the link for as long as announcements are kept
    this.settledRevision = null
    this.lastStateAtMs = -Infinity
    this.stateIsDue = false
    this.isLeaving = false
    this.timers = { tick: null, queues: null, forget: null }
    this.topics = new TopicSet({
      join: (key, roles) => swarm.join(key, roles),
      peersOf: (name) => this.#peersByTopic().get(name) ?? 0,
      counters: this.counters,
      log,
      onChange: () => this.#changed()
    })
    this.link = new ControlLink({ socketPath, bridgeKey: swarm.keyPair.publicKey, log })
    this.link.on('up', () => this.#up())
    this.link.on('desired', (list) => this.#desired(list))
    this.link.on('down', () => this.#down())
    this.link.on('refused', () => this.counters.protocolErrors++)
    swarm.on('connection', (connection, peer) => this.#take(connection, peer))
    swarm.on('update', () => this.#changed())
  }

  start () {
    this.link.start()
    this.timers.tick = setInterval(() => this.#tick(), STATE_INTERVAL_MS_MIN)
    this.timers.queues = setInterval(() => this.#limitQueues(), QUEUE_CHECK_INTERVAL_MS)
  }

  // Announces nothing more; resolves when the DHT was told. Connections go on.
  async leave () {
    this.isLeaving = true
    clearTimeout(this.timers.forget)
    this.topics.apply(new Map())
    await this.swarm.clear()
  }

  // Ends the link and all connections. Idempotent.
  stop () {
    this.isLeaving = true
    clearInterval(this.timers.tick)
    clearInterval(this.timers.queues)
    clearTimeout(this.timers.forget)
    this.link.stop()
    this.#dropAll('the bridge stops')
  }

  get isUp () {
    return this.link.isUp
  }

  get isSettled () {
    return this.list !== null && this.settledRevision === this.list.revision
  }

  get queuedBytes () {
    let toBackEnd = 0
    let toSwarm = 0
    for (const { pipe } of this.pipes) {
      toBackEnd += pipe.queuedToBackEnd
      toSwarm += pipe.queuedToSwarm
    }
    return { toBackEnd, toSwarm }
  }

  // Connections of one topic: those that came of looking it up.
  connectionsByTopic () {
    const counts = new Map()
    for (const { peer } of this.pipes) {
      for (const key of peer.topics) {
        const name = key.toString('hex')
        counts.set(name, (counts.get(name) ?? 0) + 1)
      }
    }
    return counts
  }

  #up () {
    this.counters.backEndConnects++
    clearTimeout(this.timers.forget)
  }

  #desired (list) {
    if (this.isLeaving) return
    this.list = list
    this.settledRevision = null
    this.swarm.maxPeers = this.#connectionsMax()
    const excess = [...this.pipes].slice(this.#connectionsMax())
    for (const { pipe } of excess) pipe.destroy('the back end wants fewer connections')
    this.topics.apply(list.topics)
    this.#sendState()
    this.#settle(list).catch((error) => this.log.warning(`${this.socketPath}: ${error.message}`))
  }

  // A peer must not connect to nothing: no lookups and no connections until the back end is there again. Its
  // announcements stay for a while, so that a restart costs no round of the DHT.
  #down () {
    this.counters.backEndLosses++
    this.settledRevision = null
    this.#dropAll('the back end is away')
    if (this.isLeaving) return
    const kept = new Map()
    for (const [name, { announce }] of this.list.topics) {
      if (announce) kept.set(name, { announce, lookup: false })
    }
    this.topics.apply(kept)
    this.timers.forget = setTimeout(() => {
      this.log.warning(`${this.socketPath}: the back end is away for ${this.keepAnnouncedMs / 1000} s: leaving its topics`)
      this.topics.apply(new Map())
    }, this.keepAnnouncedMs)
  }

  #take (connection, peer) {
    const refuse = (counter, reason) => {
      this.counters[counter]++
      connection.on('error', () => {})
      connection.destroy(new Error(reason))
    }
    if (!this.isUp) return refuse('refusedAway', 'the back end is away')
    if (this.pipes.size >= this.#connectionsMax()) return refuse('refusedFull', 'too many connections')
    this.counters[connection.isInitiator ? 'connectionsOpenedOut' : 'connectionsOpenedIn']++
    const pipe = new Pipe({
      connection,
      socketPath: this.socketPath,
      bridgeKey: this.swarm.keyPair.publicKey,
      counters: this.counters,
      log: this.log
    })
    const entry = { pipe, peer, isInitiator: connection.isInitiator }
    this.pipes.add(entry)
    this.log.debug(`${pipe.name}: ${connection.isInitiator ? 'connected to' : 'connected from'} ${connection.rawStream?.remoteHost}`)
    pipe.on('close', () => {
      this.counters.connectionsClosed++
      this.pipes.delete(entry)
      this.#changed()
    })
    this.#changed()
  }

  // Settled: every topic was asked for, and every peer that was found was tried, twice if none was reached.
  async #settle (list) {
    const isOver = () => this.list !== list || !this.isUp
    while (!this.topics.isSettled) {
      await new Promise((resolve) => { this.onTopicsChange = resolve })
      if (isOver()) return
    }
    await orAfter(this.swarm.flush(), SETTLE_MS_MAX)
    const end = performance.now() + TRIED_AGAIN_MS_MAX
    while (!isOver() && this.pipes.size === 0 && this.swarm.peers.size > 0 && performance.now() < end) {
      await orAfter(new Promise((resolve) => { this.onTopicsChange = resolve }), end - performance.now())
    }
    if (isOver()) return
    this.settledRevision = list.revision
    this.#sendState()
  }

  #changed () {
    this.stateIsDue = true
    this.onTopicsChange?.()
    if (performance.now() - this.lastStateAtMs >= STATE_INTERVAL_MS_MIN) this.#sendState()
  }

  #tick () {
    if (!this.isUp) return
    for (const { pipe } of this.pipes) pipe.probe()
    this.topics.tick(this.connectionsByTopic())
    const silentMs = performance.now() - this.lastStateAtMs
    if (this.stateIsDue || silentMs >= STATE_INTERVAL_MS_MAX) this.#sendState()
  }

  #limitQueues () {
    for (const { pipe } of this.pipes) {
      if (pipe.limitQueue(this.queuedBytesMax)) this.counters.droppedForQueue++
    }
  }

  #sendState () {
    if (!this.isUp || !this.link.sendState(this.state())) return
    this.lastStateAtMs = performance.now()
    this.stateIsDue = false
  }

  state () {
    const { dht } = this.swarm
    const address = dht.remoteAddress()
    const connections = this.connectionsByTopic()
    const peers = this.#peersByTopic()
    return {
      type: 'state',
      revision: this.list.revision,
      settled: this.isSettled,
      public_key: this.swarm.keyPair.publicKey.toString('hex'),
      address: address ? `${address.host}:${address.port}` : null,
      firewalled: dht.firewalled,
      online: dht.online,
      topics: Array.from(this.topics.describe(), ({ name, announce, lookup, announced, lookedUp }) => ({
        topic: name,
        announce,
        lookup,
        announced,
        looked_up: lookedUp,
        peers: peers.get(name) ?? 0,
        connections: connections.get(name) ?? 0
      })),
      connections: this.pipes.size,
      connecting: this.swarm.connecting,
      counters: this.#countersForState()
    }
  }

  #peersByTopic () {
    const counts = new Map()
    for (const peer of this.swarm.peers.values()) {
      for (const key of peer.topics) {
        const name = key.toString('hex')
        counts.set(name, (counts.get(name) ?? 0) + 1)
      }
    }
    return counts
  }

  #countersForState () {
    const c = this.counters
    return {
      connections_opened: c.connectionsOpenedIn + c.connectionsOpenedOut,
      connections_closed: c.connectionsClosed,
      connections_refused: c.refusedAway + c.refusedFull + c.refusedByBackEnd,
      to_backend_bytes: c.bytesToBackEnd,
      to_swarm_bytes: c.bytesToSwarm,
      announces: c.announces,
      lookups: c.lookups,
      query_errors: c.queryErrors,
      protocol_errors: c.protocolErrors
    }
  }

  #connectionsMax () {
    return Math.min(this.peersMax, this.list?.connectionsMax ?? Infinity)
  }

  #dropAll (reason) {
    for (const { pipe } of this.pipes) pipe.destroy(reason)
  }
}

async function orAfter (promise, limitMs) {
  let timer
  await Promise.race([promise, new Promise((resolve) => { timer = setTimeout(resolve, limitMs) })])
  clearTimeout(timer)
}
