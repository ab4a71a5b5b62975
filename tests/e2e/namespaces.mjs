// Network namespaces: machines of their own, on one wire, in one kernel. A cable can be pulled.
import { spawnSync } from 'node:child_process'
import { check } from './words.mjs'

const NETWORKS = '10.77'
const NETWORKS_MAX = 250
const HERE = 254

function ip (...words) {
  const done = spawnSync('ip', words, { encoding: 'utf8' })
  if (done.error || done.status !== 0) {
    throw new Error(`ip ${words.join(' ')}: ${done.error?.message ?? done.stderr.trim()}\n` +
      'This test needs network namespaces: root (CAP_SYS_ADMIN, CAP_NET_ADMIN), a kernel with veth and bridge, and ' +
      'the package iproute2. In a container: docker run --privileged')
  }
  return done.stdout
}

// One that nobody on this machine has an address in: several tests may run at once.
function unusedNetwork () {
  const addresses = JSON.parse(ip('-4', '-j', 'address', 'show')).flatMap(({ addr_info: infos = [] }) => infos.map(({ local }) => local))
  for (let tried = 0; tried < NETWORKS_MAX; tried++) {
    const network = `${NETWORKS}.${(process.pid + tried) % NETWORKS_MAX}`
    if (!addresses.some((address) => address?.startsWith(`${network}.`))) return network
  }
  throw new Error(`no network ${NETWORKS}.N is unused`)
}

export class Namespaces {
  // Each is a host with an address, on a switch that is a namespace too. `here`: this test's own processes are on that
  // switch as well, under the address of that name.
  constructor (hosts, { here = false } = {}) {
    this.prefix = `hnx${process.pid}`
    this.hosts = hosts
    this.here = here
    this.made = []
  }

  make () {
    this.network = unusedNetwork()
    this.#add('hub')
    ip('-n', this.#name('hub'), 'link', 'add', 'switch', 'type', 'bridge')
    ip('-n', this.#name('hub'), 'link', 'set', 'switch', 'up')
    for (const [number, host] of this.hosts.entries()) {
      this.#add(host)
      ip('-n', this.#name('hub'), 'link', 'add', 'name', host, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', this.#name(host))
      ip('-n', this.#name('hub'), 'link', 'set', 'dev', host, 'master', 'switch', 'up')
      ip('-n', this.#name(host), 'address', 'add', `${this.network}.${number + 1}/24`, 'dev', 'eth0')
      ip('-n', this.#name(host), 'link', 'set', 'eth0', 'up')
      ip('-n', this.#name(host), 'link', 'set', 'lo', 'up')
    }
    if (this.here) this.#join()
    return this
  }

  // Goes with the switch's namespace.
  #join () {
    ip('link', 'add', 'name', this.prefix, 'type', 'veth', 'peer', 'name', 'here', 'netns', this.#name('hub'))
    ip('-n', this.#name('hub'), 'link', 'set', 'dev', 'here', 'master', 'switch', 'up')
    ip('address', 'add', `${this.address('here')}/24`, 'dev', this.prefix)
    ip('link', 'set', 'dev', this.prefix, 'up')
  }

  #name (host) {
    return `${this.prefix}-${host}`
  }

  #add (host) {
    ip('netns', 'add', this.#name(host))
    this.made.push(host)
  }

  address (host) {
    return `${this.network}.${host === 'here' ? HERE : this.hosts.indexOf(host) + 1}`
  }

  // The words before those of a program that is to run there.
  within (host) {
    return ['ip', 'netns', 'exec', this.#name(host)]
  }

  // Nothing says good-bye: packets are lost.
  cut (host) {
    ip('-n', this.#name('hub'), 'link', 'set', 'dev', host, 'down')
  }

  mend (host) {
    ip('-n', this.#name('hub'), 'link', 'set', 'dev', host, 'up')
  }

  // Bytes on the wire that came from it.
  sent (host) {
    const [link] = JSON.parse(ip('-n', this.#name('hub'), '-s', '-j', 'link', 'show', 'dev', host))
    check(link.stats64.rx.bytes >= 0, `no statistics of ${host}`)
    return link.stats64.rx.bytes
  }

  async stop () {
    for (const host of this.made) spawnSync('ip', ['netns', 'delete', this.#name(host)])
  }
}
