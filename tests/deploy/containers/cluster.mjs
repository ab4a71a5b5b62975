// What a cluster makes of rendered manifests, without one: names, volumes, Secrets, and the words of `podman run` for each
// container of a pod.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { check } from '../../e2e/words.mjs'
import { ofKind, podsOf, selects, titleOf } from '../manifests.mjs'
import { Container } from './engine.mjs'

const OWNER_MODE = { secret: 0o440, other: 0o2770 }
const UNITS = { Ki: 1 << 10, Mi: 1 << 20, Gi: 1 << 30 }
const CLUSTER_DNS = '.svc'

function bytesOf (quantity) {
  const [, number, unit] = String(quantity).match(/^(\d+)(Ki|Mi|Gi)$/) ?? []
  check(number, `quantity ${quantity}: only Ki, Mi and Gi are known here`)
  return Number(number) * UNITS[unit]
}

// $(NAME), as Kubernetes replaces it: by what stands before.
const expand = (text, env) => text.replace(/\$\(([A-Za-z_][A-Za-z0-9_]*)\)/g, (whole, name) => env[name] ?? whole)

export class Cluster {
  // objects: rendered; secrets, configMaps: {name: {key: text or bytes}} that are declared external.
  constructor (objects, { folder, net: network, secrets = {}, configMaps = {}, namespace = 'nix', hosts = {} }) {
    Object.assign(this, { objects, folder, network, namespace, extraHosts: hosts, proxies: [] })
    const rendered = Object.fromEntries(ofKind(objects, 'ConfigMap').map((object) => [object.metadata.name, object.data ?? {}]))
    this.sources = { secret: secrets, configMap: { ...rendered, ...configMaps } }
    this.pods = podsOf(objects).flatMap((template) => this.#podsOf(template))
    fs.mkdirSync(folder, { recursive: true })
  }

  // Of a workload, its pods, named as they would be; a host of the network for each.
  #podsOf ({ owner, labels, spec }) {
    const replicas = owner.kind === 'Pod' ? 1 : owner.spec.replicas
    return Array.from({ length: replicas }, (_, n) => {
      const name = { StatefulSet: `${owner.metadata.name}-${n}`, Pod: owner.metadata.name }[owner.kind] ?? `${owner.metadata.name}-x${n}`
      return new Pod(this, name, { owner, labels, spec, host: owner.kind === 'Pod' ? 'tests' : `${labels['app.kubernetes.io/component']}-${n}` })
    })
  }

  static hostsOf (objects) {
    return [...new Set(podsOf(objects).flatMap(({ owner, labels }) => owner.kind === 'Pod' ? ['tests'] : Array.from({ length: owner.spec.replicas }, (_, n) => `${labels['app.kubernetes.io/component']}-${n}`)))]
  }

  // Of objects that were rendered anew, what pods of these workloads are from their next start on.
  update (objects) {
    for (const { owner, spec } of podsOf(objects)) {
      for (const pod of this.pods.filter((one) => titleOf(one.owner) === titleOf(owner))) Object.assign(pod, { owner, spec })
    }
  }

  // The pod of a Job, on the host of another that is not there.
  podOfJob (job, host) {
    const { metadata: { labels }, spec } = job.spec.template
    return new Pod(this, `${job.metadata.name}-x0`, { owner: job, labels, spec, host })
  }

  // The folder of a claim that a pod's template made.
  folderOfClaim (claim) {
    const owner = this.pods.find(({ name, owner: { spec } }) => spec.volumeClaimTemplates?.some(({ metadata }) => `${metadata.name}-${name}` === claim))
    check(owner, `claim ${claim}: no pod has it`)
    return path.join(owner.folder, 'claims', claim.slice(0, -owner.name.length - 1))
  }

  podsOfComponent (component) {
    return this.pods.filter((pod) => pod.labels['app.kubernetes.io/component'] === component && pod.owner.kind !== 'Pod')
  }

  // Names of Services: headless ones tell their pods' addresses, others an address at which connections are passed on.
  async start () {
    const lines = ['127.0.0.1 localhost']
    for (const service of ofKind(this.objects, 'Service')) {
      const name = `${service.metadata.name}.${service.metadata.namespace}${CLUSTER_DNS}`
      const pods = this.pods.filter((pod) => pod.owner.kind !== 'Pod' && selects({ matchLabels: service.spec.selector }, pod.labels))
      check(pods.length > 0, `${titleOf(service)} selects no pod`)
      if (service.spec.clusterIP === 'None') {
        for (const pod of pods) lines.push(`${pod.address} ${pod.name}.${name}`, `${pod.address} ${name}`)
      } else {
        lines.push(`${this.network.address('here')} ${name}`)
        for (const port of service.spec.ports) await this.#pass(port, pods)
      }
    }
    for (const [name, address] of Object.entries(this.extraHosts)) lines.push(`${address} ${name}`)
    this.hostsFile = path.join(this.folder, 'hosts')
    fs.writeFileSync(this.hostsFile, `${lines.join('\n')}\n`)
  }

  // A Service's port leads to the pods that are ready, in turn.
  async #pass ({ port, targetPort }, pods) {
    let turn = 0
    const server = net.createServer(async (client) => {
      client.on('error', () => {})
      const asked = [...pods.slice(turn % pods.length), ...pods.slice(0, turn % pods.length)]
      turn++
      let pod
      for (const one of asked) if (!pod && await one.ready()) pod = one
      if (!pod) return client.destroy()
      const upstream = net.connect(pod.portOf(targetPort), pod.address)
      upstream.on('error', () => client.destroy()).on('close', () => client.destroy())
      client.on('close', () => upstream.destroy())
      client.pipe(upstream).pipe(client)
    })
    await new Promise((resolve, reject) => server.on('error', reject).listen(port, this.network.address('here'), resolve))
    this.proxies.push(server)
  }

  // {key: bytes} of a Secret or ConfigMap.
  data (kind, name) {
    check(this.sources[kind][name], `${kind} ${name} is neither rendered nor declared external`)
    return this.sources[kind][name]
  }

  async stop () {
    for (const server of this.proxies) server.close()
  }
}

export class Pod {
  constructor (cluster, name, { owner, labels, spec, host }) {
    Object.assign(this, { cluster, name, owner, labels, spec, host, containers: new Map() })
    this.folder = path.join(cluster.folder, name)
  }

  get address () {
    return this.cluster.network.address(this.host)
  }

  get graceSeconds () {
    return this.spec.terminationGracePeriodSeconds ?? 30
  }

  portOf (port) {
    const found = this.spec.containers.flatMap((container) => container.ports ?? []).find((one) => one.name === port || one.containerPort === port)
    check(found, `${this.name} has no port ${port}`)
    return found.containerPort
  }

  // ---- volumes ---------------------------------------------------------------------------------------

  #makeFolder (folder, mode) {
    if (!fs.existsSync(folder)) {
      fs.mkdirSync(folder, { recursive: true })
      fs.chownSync(folder, 0, this.spec.securityContext.fsGroup)
      fs.chmodSync(folder, mode)
    }
    return folder
  }

  // Files of a Secret or ConfigMap: root's, readable by the pod's group.
  #writeItems (folder, kind, name, items) {
    const data = this.cluster.data(kind, name)
    for (const { key, path: file } of items ?? Object.keys(data).map((key) => ({ key, path: key }))) {
      check(data[key] !== undefined, `${kind} ${name} has no key ${key}`)
      const to = path.join(folder, file)
      fs.mkdirSync(path.dirname(to), { recursive: true })
      fs.writeFileSync(to, data[key])
      fs.chownSync(to, 0, this.spec.securityContext.fsGroup)
      fs.chmodSync(to, OWNER_MODE.secret)
    }
  }

  // Folders of the volumes; those of claims outlive the pod.
  #makeVolumes () {
    const claims = (this.owner.spec.volumeClaimTemplates ?? []).map((claim) => ({ name: claim.metadata.name, persistentVolumeClaim: {} }))
    this.volumes = new Map()
    for (const volume of [...this.spec.volumes ?? [], ...claims]) {
      if (volume.persistentVolumeClaim?.claimName) {
        this.volumes.set(volume.name, this.cluster.folderOfClaim(volume.persistentVolumeClaim.claimName))
        continue
      }
      const folder = path.join(this.folder, volume.persistentVolumeClaim ? 'claims' : 'volumes', volume.name)
      this.#makeFolder(folder, OWNER_MODE.other)
      const sources = volume.projected ? volume.projected.sources : [volume]
      for (const { secret, configMap, ...rest } of sources) {
        if (secret) this.#writeItems(folder, 'secret', secret.secretName ?? secret.name, secret.items)
        else if (configMap) this.#writeItems(folder, 'configMap', configMap.name, configMap.items)
        else check(rest.emptyDir || rest.ephemeral || rest.persistentVolumeClaim, `volume ${volume.name} of ${this.name}: what is ${JSON.stringify(rest)}?`)
      }
      this.volumes.set(volume.name, folder)
    }
  }

  // ---- containers ------------------------------------------------------------------------------------

  #environment (container) {
    const env = {}
    for (const { configMapRef, secretRef } of container.envFrom ?? []) {
      for (const [key, value] of Object.entries(this.cluster.data(configMapRef ? 'configMap' : 'secret', (configMapRef ?? secretRef).name))) env[key] = String(value)
    }
    for (const { name, value, valueFrom } of container.env ?? []) env[name] = valueFrom ? this.#valueFrom(valueFrom) : expand(value ?? '', env)
    return env
  }

  #valueFrom ({ fieldRef, secretKeyRef, configMapKeyRef }) {
    if (fieldRef) {
      const fields = { 'metadata.name': this.name, 'metadata.namespace': this.cluster.namespace, 'spec.nodeName': `node-of-${this.host}`, 'status.podIP': this.address }
      check(fields[fieldRef.fieldPath], `fieldRef ${fieldRef.fieldPath}`)
      return fields[fieldRef.fieldPath]
    }
    const { name, key } = secretKeyRef ?? configMapKeyRef
    const value = this.cluster.data(secretKeyRef ? 'secret' : 'configMap', name)[key]
    check(value !== undefined, `${name} has no key ${key}`)
    return String(value)
  }

  // Whatever is not said here is what podman does without being told, as a container engine of a cluster does.
  #securityWords (container) {
    const own = container.securityContext ?? {}
    const pod = this.spec.securityContext
    check(own.readOnlyRootFilesystem && own.allowPrivilegeEscalation === false && own.runAsNonRoot, `${this.name}/${container.name} is not locked`)
    check(own.capabilities.drop.includes('ALL') && !own.capabilities.add, `${this.name}/${container.name} keeps capabilities`)
    return [`--user=${own.runAsUser ?? pod.runAsUser}:${own.runAsGroup ?? pod.runAsGroup}`, `--group-add=${pod.fsGroup}`]
  }

  make (container) {
    const mounts = (container.volumeMounts ?? []).map(({ name, mountPath, subPath = '', readOnly }) => {
      check(this.volumes.has(name), `${this.name}/${container.name} mounts ${name}, which is no volume`)
      return `--volume=${path.join(this.volumes.get(name), subPath)}:${mountPath}${readOnly ? ':ro' : ''}`
    })
    const memory = container.resources?.limits?.memory
    return new Container(`${this.name}_${container.name}`, container.image, {
      env: this.#environment(container), mounts, words: container.args ?? [], entrypoint: container.command, graceSeconds: this.graceSeconds,
      network: `ns:/run/netns/${this.cluster.network.within(this.host).at(-1)}`, memory: memory && `${bytesOf(memory)}b`,
      more: [`--hostname=${this.name.slice(0, 63)}`, '--no-hosts', `--volume=${this.cluster.hostsFile}:/etc/hosts:ro`, '--no-healthcheck', ...this.#securityWords(container)]
    })
  }

  // Volumes, then what runs before, then what runs. Volumes that go with a pod are new each time.
  async start () {
    fs.rmSync(path.join(this.folder, 'volumes'), { recursive: true, force: true })
    this.#makeVolumes()
    for (const container of this.spec.initContainers ?? []) {
      const { status, said } = await this.make(container).run()
      check(status === 0, `${this.name}/${container.name} ended with ${status}: ${said}`)
    }
    for (const container of this.spec.containers) this.containers.set(container.name, this.make(container).start())
    return this
  }

  // For pods that end by themselves: the tests of the chart.
  async run () {
    this.#makeVolumes()
    return this.make(this.spec.containers[0]).run()
  }

  // ---- probes, as kubelet makes them -----------------------------------------------------------------

  async ask (container, kind) {
    const probe = container[kind]
    if (!probe) return true
    const timeout = (probe.timeoutSeconds ?? 1) * 1000
    if (probe.httpGet) {
      const url = `http://${this.address}:${this.portOf(probe.httpGet.port)}${probe.httpGet.path}`
      return fetch(url, { signal: AbortSignal.timeout(timeout), redirect: 'manual' }).then((answer) => answer.status >= 200 && answer.status < 400, () => false)
    }
    if (probe.tcpSocket) {
      return new Promise((resolve) => {
        const socket = net.connect({ port: this.portOf(probe.tcpSocket.port), host: this.address, timeout })
        for (const [event, answer] of [['connect', true], ['error', false], ['timeout', false]]) socket.on(event, () => { socket.destroy(); resolve(answer) })
      })
    }
    check(probe.exec, `${this.name}/${container.name}: a ${kind} of ${Object.keys(probe)} is not known here`)
    try {
      execFileSync('podman', ['exec', this.containers.get(container.name).name, ...probe.exec.command], { timeout, stdio: 'ignore' })
      return true
    } catch {
      return false
    }
  }

  async #all (kind) {
    const answers = await Promise.all(this.spec.containers.map((container) => this.ask(container, kind)))
    return answers.every(Boolean)
  }

  ready () {
    return this.#all('readinessProbe')
  }

  live () {
    return this.#all('livenessProbe')
  }

  started () {
    return this.#all('startupProbe')
  }

  // How long kubelet would wait before it kills a container that does not start.
  get startupMs () {
    return 1000 * Math.min(...this.spec.containers.map(({ startupProbe }) => startupProbe ? startupProbe.failureThreshold * (startupProbe.periodSeconds ?? 10) : Infinity))
  }

  get preStopSeconds () {
    return Math.max(0, ...this.spec.containers.map(({ lifecycle }) => lifecycle?.preStop?.sleep?.seconds ?? 0))
  }

  explain () {
    for (const container of this.containers.values()) container.explain()
  }

  async stop () {
    for (const container of this.containers.values()) await container.stop()
  }
}
