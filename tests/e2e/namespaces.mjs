// Network namespaces: machines of their own, on one wire, in one kernel. A cable can be pulled.
import { spawnSync } from 'node:child_process'
import { check } from './words.mjs'

const NETWORK = '10.77.66'

function ip (...words) {
  const done = spawnSync('ip', words, { encoding: 'utf8' })
  if (done.error || done.status !== 0) {
    throw new Error(`ip ${words.join(' ')}: ${done.error?.message ?? done.stderr.trim()}\n` +
      'This test needs network namespaces: root (CAP_SYS_ADMIN, CAP_NET_ADMIN), a kernel with veth and bridge, and ' +
      'the package iproute2. In a container: docker run --privileged')
  }
  return done.stdout
}

export class Namespaces {
  // Each is a host with an address, on a switch that is a namespace too.
  constructor (hosts) {
    this.prefix = `hnx${process.pid}`
    this.hosts = hosts
    this.made = []
  }

  make () {
    this.#add('hub')
    ip('-n', this.#name('hub'), 'link', 'add', 'switch', 'type', 'bridge')
    ip('-n', this.#name('hub'), 'link', 'set', 'switch', 'up')
    for (const [number, host] of this.hosts.entries()) {
      this.#add(host)
      ip('-n', this.#name('hub'), 'link', 'add', host, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', this.#name(host))
      ip('-n', this.#name('hub'), 'link', 'set', host, 'master', 'switch', 'up')
      ip('-n', this.#name(host), 'address', 'add', `${NETWORK}.${number + 1}/24`, 'dev', 'eth0')
      ip('-n', this.#name(host), 'link', 'set', 'eth0', 'up')
      ip('-n', this.#name(host), 'link', 'set', 'lo', 'up')
    }
    return this
  }

  #name (host) {
    return `${this.prefix}-${host}`
  }

  #add (host) {
    ip('netns', 'add', this.#name(host))
    this.made.push(host)
  }

  address (host) {
    return `${NETWORK}.${this.hosts.indexOf(host) + 1}`
  }

  // The words before those of a program that is to run there.
  within (host) {
    return ['ip', 'netns', 'exec', this.#name(host)]
  }

  // Nothing says good-bye: packets are lost.
  cut (host) {
    ip('-n', this.#name('hub'), 'link', 'set', host, 'down')
  }

  mend (host) {
    ip('-n', this.#name('hub'), 'link', 'set', host, 'up')
  }

  // Bytes on the wire that came from it.
  sent (host) {
    const [link] = JSON.parse(ip('-n', this.#name('hub'), '-s', '-j', 'link', 'show', host))
    check(link.stats64.rx.bytes >= 0, `no statistics of ${host}`)
    return link.stats64.rx.bytes
  }

  async stop () {
    for (const host of this.made) spawnSync('ip', ['netns', 'delete', this.#name(host)])
  }
}
