// All back ends of one process on one DHT node.
import DHT from 'hyperdht'
import Hyperswarm from 'hyperswarm'

import { BackEnd } from './back_end.mjs'
import { seedOfBackEnd } from './identity.mjs'
import { DIALS_AT_ONCE_MAX } from './limits.mjs'

export class Bridge {
  // `options`: see options.mjs. `seed`: see identity.mjs.
  constructor ({ options, seed, log }) {
    this.log = log
    this.dht = new DHT(dhtOptions(options))
    this.dht.setMaxListeners(0) // each back end's swarm listens; --socket has its own limit
    this.backEnds = options.sockets.map((socketPath) => new BackEnd({
      socketPath,
      swarm: new Hyperswarm({
        dht: this.dht,
        keyPair: DHT.keyPair(seedOfBackEnd(seed, socketPath)),
        maxPeers: options.peersMax,
        maxParallel: DIALS_AT_ONCE_MAX
      }),
      peersMax: options.peersMax,
      queuedBytesMax: options.queuedBytesMax,
      keepAnnouncedMs: options.keepAnnouncedMs,
      log
    }))
  }

  // Throws when the UDP port cannot be had. Does not wait for the network, which may come later.
  async start () {
    try {
      await this.dht.bind()
    } catch (error) {
      throw new Error(`UDP port of --listen: ${error.message}: choose another one, or stop who has it`)
    }
    const { port } = this.dht.address()
    this.log.info(`UDP port ${port}; serving ${this.backEnds.length} back end(s)`)
    for (const backEnd of this.backEnds) {
      this.log.info(`${backEnd.socketPath}: public key ${backEnd.swarm.keyPair.publicKey.toString('hex')}`)
      backEnd.start()
    }
  }

  // Leaves the topics while connected peers are still served, then ends. Resolves to false when the time was too short:
  // then the DHT forgets the announcements by itself, some 20 minutes later.
  async stop (graceMs) {
    let timer
    const tooLate = new Promise((resolve) => { timer = setTimeout(() => resolve(false), graceMs) })
    const inTime = await Promise.race([this.#leaveAndClose(), tooLate])
    clearTimeout(timer)
    for (const backEnd of this.backEnds) backEnd.stop()
    if (!inTime) await this.dht.destroy({ force: true })
    return inTime
  }

  async #leaveAndClose () {
    await Promise.all(this.backEnds.map((backEnd) => backEnd.leave()))
    this.log.debug('the topics are left')
    for (const backEnd of this.backEnds) backEnd.stop()
    await Promise.all(this.backEnds.map(({ swarm }) => swarm.server.close()))
    this.log.debug('nobody can connect any more')
    for (const { swarm } of this.backEnds) await swarm.destroy()
    return true
  }
}

// Without --listen hyperdht's own: port 49737, or another when it is taken. A port that was asked for is had or fails.
function dhtOptions ({ bootstrap, listen }) {
  return {
    ...(bootstrap.length > 0 && { bootstrap }),
    ...(listen && { host: listen.host }),
    ...(listen && listen.port !== 0 && { port: [listen.port, listen.port + 1], anyPort: false })
  }
}
