// Makes the swarm's topics what the last list says: level-triggered, a few queries at a time, newest list wins.
import { LOOKUP_AGAIN_MS_MAX, LOOKUP_AGAIN_MS_MIN, QUERIES_AT_ONCE_MAX } from './limits.mjs'

const NONE = Object.freeze({ announce: false, lookup: false })

// One topic on its way from what it is to what is wanted.
class Topic {
  constructor (name) {
    this.name = name
    this.key = Buffer.from(name, 'hex')
    this.wanted = NONE
    this.session = null
    this.joined = NONE // what the session was last told
    this.announced = false
    this.lookedUp = false
    this.wasAskedTwice = false
    this.isBusy = false
    this.interrupt = () => {}
    this.mustAskAgain = false
    this.againAtMs = Infinity
    this.againDelayMs = LOOKUP_AGAIN_MS_MIN
  }

  get isDone () {
    const { announce, lookup } = this.wanted
    return isSame(this.wanted, this.joined) && (!announce || this.announced) && (!lookup || this.lookedUp)
  }
}

export class TopicSet {
  // `join(key, { server, client })` gives a session of hyperswarm's: refresh, flushed, destroy. `onChange()` is
  // called whenever what the topics say of themselves may have changed. `peersOf(hex)`: how many were found for it.
  constructor ({ join, peersOf, counters, log, onChange, now = () => performance.now() }) {
    this.join = join
    this.peersOf = peersOf
    this.counters = counters
    this.log = log
    this.onChange = onChange
    this.now = now
    this.topics = new Map()
    this.waiting = new Set()
    this.busy = 0
  }

  // `wanted`: Map(hex -> { announce, lookup }).
  apply (wanted) {
    for (const [name, topic] of this.topics) {
      if (!wanted.has(name)) this.#want(topic, NONE)
    }
    for (const [name, want] of wanted) {
      if (!this.topics.has(name)) this.topics.set(name, new Topic(name))
      this.#want(this.topics.get(name), want)
    }
    this.#pump()
  }

  get isSettled () {
    for (const topic of this.topics.values()) {
      if (!topic.isDone) return false
    }
    return true
  }

  // Asks again where nobody is connected or the DHT did not answer. To be called about once a second. `connectionsOf`: Map(hex -> count).
  tick (connectionsOf) {
    const now = this.now()
    for (const topic of this.topics.values()) {
      const isAlone = topic.wanted.lookup && !connectionsOf.get(topic.name)
      if (topic.isDone && !isAlone) {
        topic.againDelayMs = LOOKUP_AGAIN_MS_MIN
        topic.againAtMs = now + topic.againDelayMs
      } else if (now >= topic.againAtMs) {
        topic.againAtMs = Infinity
        topic.againDelayMs = Math.min(2 * topic.againDelayMs, LOOKUP_AGAIN_MS_MAX)
        topic.mustAskAgain = true
        this.waiting.add(topic)
      }
    }
    this.#pump()
  }

  // Those that are wanted, as the state tells of them.
  * describe () {
    for (const topic of this.topics.values()) {
      if (topic.wanted === NONE) continue
      yield { name: topic.name, ...topic.wanted, announced: topic.announced, lookedUp: topic.lookedUp }
    }
  }

  #want (topic, want) {
    if (isSame(topic.wanted, want)) return
    topic.wanted = want
    topic.announced &&= want.announce
    topic.lookedUp &&= want.lookup
    topic.wasAskedTwice &&= want.lookup
    this.waiting.add(topic)
    topic.interrupt()
  }

  #pump () {
    for (const topic of this.waiting) {
      if (this.busy >= QUERIES_AT_ONCE_MAX) return
      if (topic.isBusy) continue
      this.waiting.delete(topic)
      topic.isBusy = true
      this.busy++
      this.#step(topic).catch((error) => {
        topic.againAtMs = this.now() + topic.againDelayMs
        this.counters.queryErrors++
        this.log.warning(`topic ${topic.name}: ${error.message}`)
      }).finally(() => {
        topic.isBusy = false
        this.busy--
        if (topic.wanted === NONE && topic.session === null) this.topics.delete(topic.name)
        this.onChange()
        this.#pump()
      })
    }
  }

  // One step towards what is wanted; an interrupted one is followed by another.
  async #step (topic) {
    const { wanted } = topic
    if (wanted === NONE) {
      await this.#leave(topic)
      return
    }
    const roles = { server: wanted.announce, client: wanted.lookup }
    const wasInterrupted = new Promise((resolve) => { topic.interrupt = () => resolve('interrupted') })
    let query
    if (topic.session === null) {
      topic.session = this.join(topic.key, roles)
      query = topic.session.flushed()
    } else if (!isSame(wanted, topic.joined) || topic.mustAskAgain) {
      query = topic.session.refresh(roles)
    } else {
      return
    }
    topic.joined = wanted
    topic.mustAskAgain = false
    if (wanted.announce) this.counters.announces++
    if (wanted.lookup) this.counters.lookups++
    this.onChange()
    const outcome = await Promise.race([query, wasInterrupted])
    if (outcome === 'interrupted' || topic.wanted !== wanted) return
    topic.againAtMs = this.now() + topic.againDelayMs
    if (outcome === false) {
      this.counters.queryErrors++
      return
    }
    topic.announced = wanted.announce
    // A lost packet looks like nobody: that there is nobody is known after two lookups.
    if (wanted.lookup && !topic.wasAskedTwice && this.peersOf(topic.name) === 0) {
      topic.wasAskedTwice = topic.mustAskAgain = true
      this.waiting.add(topic)
      return
    }
    topic.lookedUp = wanted.lookup
  }

  async #leave (topic) {
    const { session } = topic
    topic.session = null
    topic.joined = NONE
    if (session !== null) await session.destroy()
  }
}

function isSame (a, b) {
  return a.announce === b.announce && a.lookup === b.lookup
}
