// What must hold of every render and no schema sees. Each function takes all objects of a render and returns sentences,
// one a fault; `properties` lists them by what they promise.
import { containersOf, hasPort, ofKind, podsOf, portsOf, selects, titleOf } from './manifests.mjs'

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b)
// Containers that an operator brings along are the operator's.
const foreign = ['before', 'beside']

function restricted (objects) {
  const faults = podsOf(objects).flatMap(({ owner, spec }) => {
    const security = spec.securityContext ?? {}
    return [
      [security.runAsNonRoot === true, 'runs as root'],
      [security.runAsUser !== 0, 'has the user 0'],
      [security.seccompProfile?.type === 'RuntimeDefault', 'has no seccomp profile'],
      [!spec.hostNetwork && !spec.hostPID && !spec.hostIPC, 'has namespaces of the host'],
      [(spec.volumes ?? []).every((volume) => ['configMap', 'emptyDir', 'ephemeral', 'persistentVolumeClaim', 'projected', 'secret', 'csi', 'downwardAPI'].some((kind) => kind in volume)), 'has a volume that "restricted" forbids']
    ].filter(([holds]) => !holds).map(([, fault]) => `${titleOf(owner)} ${fault}`)
  })
  return faults.concat(containersOf(objects).flatMap(({ container, title }) => {
    const security = container.securityContext ?? {}
    return [
      [security.allowPrivilegeEscalation === false, 'may gain privileges'],
      [security.privileged !== true, 'is privileged'],
      [security.readOnlyRootFilesystem === true, 'may write to its root'],
      [security.runAsNonRoot === true, 'may run as root'],
      [same(security.capabilities, { drop: ['ALL'] }), 'has capabilities'],
      [security.seccompProfile?.type === 'RuntimeDefault', 'has no seccomp profile'],
      [(container.ports ?? []).every((port) => port.hostPort === undefined), 'has a port of the host']
    ].filter(([holds]) => !holds).map(([, fault]) => `${title} ${fault}`)
  }))
}

function noTokens (objects) {
  const accounts = ofKind(objects, 'ServiceAccount').filter((account) => account.automountServiceAccountToken !== false).map((account) => `${titleOf(account)} mounts its token`)
  const names = new Set(ofKind(objects, 'ServiceAccount').map((account) => account.metadata.name))
  return accounts.concat(podsOf(objects).flatMap(({ owner, spec }) => [
    ...(spec.automountServiceAccountToken === false ? [] : [`${titleOf(owner)} mounts a token`]),
    ...(spec.enableServiceLinks === false ? [] : [`${titleOf(owner)} has every Service in its environment`]),
    ...(owner.kind === 'Pod' || names.has(spec.serviceAccountName) ? [] : [`${titleOf(owner)} has the unknown account ${spec.serviceAccountName}`])
  ])).concat(objects.filter((object) => /Role/.test(object.kind)).map((object) => `${titleOf(object)}: nothing needs rights`))
}

function probed (objects) {
  return containersOf(objects).filter(({ init, pod, container }) => !init && pod.owner.kind !== 'Pod' && !foreign.includes(container.name)).flatMap(({ container, title, pod }) => {
    // A bridge that is away must not take the pod out of its Service.
    const wanted = container.name === 'swarm' ? ['startupProbe', 'livenessProbe'] : ['startupProbe', 'livenessProbe', 'readinessProbe']
    return wanted.flatMap((name) => {
      const probe = container[name]?.httpGet
      if (!probe) return [`${title} has no ${name}`]
      const expected = name === 'readinessProbe' ? '/readyz' : '/healthz'
      return [
        ...(probe.path === expected ? [] : [`${title}: ${name} asks ${probe.path} instead of ${expected}`]),
        ...(hasPort(portsOf({ spec: { containers: [container] } }), probe.port) ? [] : [`${title}: ${name} asks the port ${probe.port}, which it does not have`])
      ]
    }).concat(container.name === 'swarm' && container.readinessProbe ? [`${title} has a readinessProbe`] : [])
      .concat(container.name === 'gateway' && !(container.lifecycle?.preStop?.sleep?.seconds < pod.spec.terminationGracePeriodSeconds - 10) ? [`${title}: its preStop leaves no time to end`] : [])
  })
}

function resourced (objects) {
  return containersOf(objects).flatMap(({ container, title }) => [
    ...(container.resources?.requests?.cpu && container.resources?.requests?.memory ? [] : [`${title} requests nothing`]),
    ...(container.resources?.limits?.memory ? [] : [`${title} has no limit of memory`]),
    ...(container.resources?.limits?.cpu ? [`${title} has a limit of CPU: it would wait with work in its hands`] : [])
  ])
}

function pinnedImages (objects) {
  return containersOf(objects).filter(({ container }) => !/(:[A-Za-z0-9_][A-Za-z0-9._-]*|@sha256:[0-9a-f]{64})$/.test(container.image) || /:latest$/.test(container.image))
    .map(({ container, title }) => `${title} has the image ${container.image}`)
}

function wholeEnvironment (objects) {
  return containersOf(objects).flatMap(({ container, title }) => {
    const names = (container.env ?? []).map((variable) => variable.name)
    return names.filter((name, index) => names.indexOf(name) !== index).map((name) => `${title} has ${name} twice`)
      .concat((container.env ?? []).flatMap((variable) => [...(variable.value ?? '').matchAll(/\$\((\w+)\)/g)]
        .filter(([, used]) => !names.slice(0, names.indexOf(variable.name)).includes(used)).map(([, used]) => `${title}: ${variable.name} uses $(${used}), which does not stand before it`)))
      .concat((container.env ?? []).filter((variable) => /[0-9]e[+-]?[0-9]+$/.test(variable.value ?? '')).map((variable) => `${title}: ${variable.name} is ${variable.value}`))
  })
}

function mounted (objects) {
  const claims = (owner) => (owner.spec.volumeClaimTemplates ?? []).map((claim) => claim.metadata.name)
  return containersOf(objects).flatMap(({ container, pod, title }) => {
    const volumes = [...(pod.spec.volumes ?? []).map((volume) => volume.name), ...claims(pod.owner)]
    return (container.volumeMounts ?? []).filter((mount) => !volumes.includes(mount.name)).map((mount) => `${title} mounts ${mount.name}, which is no volume`)
  }).concat(podsOf(objects).flatMap((pod) => {
    const used = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].flatMap((container) => (container.volumeMounts ?? []).map((mount) => mount.name))
    return [...(pod.spec.volumes ?? []).map((volume) => volume.name), ...claims(pod.owner)].filter((name) => !used.includes(name)).map((name) => `${titleOf(pod.owner)} has the volume ${name}, which nobody mounts`)
  }))
}

// Only the index worker sees the key: 0400 in the Secret's volume, copied into memory, and nowhere in an environment.
function hiddenKey (objects) {
  const pods = podsOf(objects)
  const index = pods.find((pod) => pod.labels['app.kubernetes.io/component'] === 'index')
  const secret = index.spec.volumes.find((volume) => volume.name === 'index-key-secret')
  const key = index.spec.volumes.find((volume) => volume.name === 'index-key')
  const holders = containersOf(objects).filter(({ container }) => (container.volumeMounts ?? []).some((mount) => mount.name.startsWith('index-key'))).map(({ container }) => container.name).sort()
  return [
    [secret.secret.defaultMode === 0o400, 'the Secret\'s files are not 0400'],
    [key.emptyDir?.medium === 'Memory', 'the key touches a disk'],
    [same(holders, ['index', 'index-key']), `the key is seen by ${holders}`],
    // It removes mirror.key.new beside it, and unlink in a read-only mount fails even where there is no such file.
    [index.spec.containers[0].volumeMounts.every((mount) => mount.name !== 'index-key' || !mount.readOnly), 'the worker may not write beside the key'],
    [!pods.some((pod) => pod !== index && JSON.stringify(pod.spec).includes(secret.secret.secretName)), 'another pod has the Secret'],
    [!containersOf(objects).some(({ container }) => [...(container.env ?? []), ...(container.envFrom ?? [])].some((source) => JSON.stringify(source).includes(`"name":"${secret.secret.secretName}"`))), 'the Secret is in an environment']
  ].filter(([holds]) => !holds).map(([, fault]) => fault)
}

function labelled (objects) {
  const wanted = ['app.kubernetes.io/name', 'app.kubernetes.io/instance', 'app.kubernetes.io/component', 'app.kubernetes.io/version', 'helm.sh/chart']
  const ours = objects.filter((object) => object.metadata.labels?.['app.kubernetes.io/name'] !== undefined || object.metadata.name.startsWith('mirror-hypercore-nixos'))
  const namespaces = new Set(ours.map((object) => object.metadata.namespace))
  return ours.flatMap((object) => wanted.filter((name) => object.metadata.labels?.[name] === undefined).map((name) => `${titleOf(object)} has no label ${name}`))
    .concat(namespaces.size === 1 && !namespaces.has(undefined) ? [] : [`objects lie in ${[...namespaces]}`])
    .concat(objects.filter((object) => object.spec?.selector).filter((object) => /version|helm\.sh/.test(JSON.stringify(object.spec.selector))).map((object) => `${titleOf(object)} selects by a version`))
    .concat(objects.flatMap((object) => object.spec?.volumeClaimTemplates ?? []).filter((claim) => /version|helm\.sh/.test(JSON.stringify(claim.metadata))).map((claim) => `the claim ${claim.metadata.name} has a version, which no upgrade can change`))
}

// Services, disruption budgets, monitors, policies and workloads find what they are for.
function selecting (objects) {
  const pods = podsOf(objects)
  const faults = []
  for (const object of objects) {
    const selector = { Service: { matchLabels: object.spec?.selector }, NetworkPolicy: object.spec?.podSelector }[object.kind] ?? object.spec?.selector
    if (!['Service', 'PodDisruptionBudget', 'NetworkPolicy', 'Deployment', 'StatefulSet', 'DaemonSet', 'PodMonitor'].includes(object.kind)) continue
    const found = pods.filter((pod) => selects(selector, pod.labels))
    const owners = new Set(found.map((pod) => pod.labels['app.kubernetes.io/component']))
    if (found.length === 0) faults.push(`${titleOf(object)} selects nobody`)
    if (owners.size > 1 && object.kind !== 'PodMonitor') faults.push(`${titleOf(object)} selects ${[...owners]}`)
    if (object.kind === 'Service') {
      for (const port of object.spec.ports) {
        if (!found.every((pod) => hasPort(portsOf(pod), port.targetPort))) faults.push(`${titleOf(object)}: its pods have no port ${port.targetPort}`)
      }
    }
    for (const { port } of object.kind === 'PodMonitor' ? object.spec.podMetricsEndpoints : []) {
      if (!found.every((pod) => hasPort(portsOf(pod), port))) faults.push(`${titleOf(object)}: some pods have no port ${port}`)
    }
  }
  for (const monitor of ofKind(objects, 'ServiceMonitor')) {
    const services = ofKind(objects, 'Service').filter((service) => selects(monitor.spec.selector, service.metadata.labels) && monitor.spec.namespaceSelector.matchNames.includes(service.metadata.namespace))
    for (const { port } of monitor.spec.endpoints) {
      const found = services.filter((service) => service.spec.ports.some((one) => one.name === port))
      if (found.length !== 1) faults.push(`${titleOf(monitor)}: ${found.length} Services have the port ${port}`)
    }
  }
  return faults
}

function scaled (objects) {
  const faults = []
  const targets = objects.filter((object) => ['HorizontalPodAutoscaler', 'ScaledObject'].includes(object.kind))
  for (const scaler of targets) {
    const target = objects.find((object) => object.kind === scaler.spec.scaleTargetRef.kind && object.metadata.name === scaler.spec.scaleTargetRef.name)
    if (!target) faults.push(`${titleOf(scaler)} scales nothing`)
    else if ('replicas' in target.spec) faults.push(`${titleOf(target)} has replicas, and so has ${titleOf(scaler)}`)
    const behaviour = scaler.spec.behavior ?? scaler.spec.advanced.horizontalPodAutoscalerConfig.behavior
    if (target?.metadata.labels['app.kubernetes.io/component'] === 'worker' && behaviour.scaleDown.selectPolicy !== 'Disabled') faults.push(`${titleOf(scaler)} takes workers away with their shards`)
  }
  const names = targets.map((scaler) => scaler.spec.scaleTargetRef.name)
  for (const set of objects.filter((object) => ['Deployment', 'StatefulSet'].includes(object.kind))) {
    if (!names.includes(set.metadata.name) && !('replicas' in set.spec)) faults.push(`${titleOf(set)} does not say how many`)
  }
  const index = ofKind(objects, 'StatefulSet').find((set) => set.metadata.labels['app.kubernetes.io/component'] === 'index')
  if (index.spec.replicas !== 1) faults.push(`the index has ${index.spec.replicas} writers`)
  return faults
}

// An upgrade that mends a pod must replace it although it was never ready, and have the time that starting may take.
function upgradable (objects) {
  return ofKind(objects, 'StatefulSet').filter((set) => set.spec.podManagementPolicy !== 'Parallel').map((set) => `${titleOf(set)} waits for broken pods`)
    .concat(ofKind(objects, 'Deployment').filter((deployment) => {
      const { periodSeconds, failureThreshold } = deployment.spec.template.spec.containers[0].startupProbe
      return periodSeconds * failureThreshold > (deployment.spec.progressDeadlineSeconds ?? 600)
    }).map((deployment) => `${titleOf(deployment)} is given up while it starts`))
    .concat(ofKind(objects, 'Deployment').filter((deployment) => deployment.spec.strategy.rollingUpdate.maxUnavailable !== 0).map((deployment) => `${titleOf(deployment)} takes pods away before others are ready`))
}

// ---- NetworkPolicies ---------------------------------------------------------------------------------

const componentOf = (pod) => pod.labels['app.kubernetes.io/component']

// Arrows between pods of this release that one side's policies allow: "from>to:port".
function arrows (objects, direction) {
  const pods = podsOf(objects)
  const found = new Set()
  for (const policy of ofKind(objects, 'NetworkPolicy')) {
    for (const self of pods.filter((pod) => selects(policy.spec.podSelector, pod.labels))) {
      for (const rule of policy.spec[direction] ?? []) {
        for (const peer of rule[direction === 'ingress' ? 'from' : 'to'] ?? []) {
          if (!peer.podSelector || peer.namespaceSelector) continue
          for (const other of pods.filter((pod) => selects(peer.podSelector, pod.labels))) {
            const [from, to] = direction === 'ingress' ? [other, self] : [self, other]
            for (const { port } of rule.ports) found.add(`${componentOf(from)}>${componentOf(to)}:${port}`)
          }
        }
      }
    }
  }
  return found
}

function openTo (objects, component, port) {
  return ofKind(objects, 'NetworkPolicy').some((policy) => policy.spec.podSelector.matchLabels['app.kubernetes.io/component'] === component &&
    (policy.spec.ingress ?? []).some((rule) => !rule.from && rule.ports.some((one) => one.port === port)))
}

function bothEnds (objects) {
  if (ofKind(objects, 'NetworkPolicy').length === 0) return []
  const pods = podsOf(objects)
  const into = arrows(objects, 'ingress')
  const out = arrows(objects, 'egress')
  const faults = []
  for (const arrow of into) if (!out.has(arrow)) faults.push(`${arrow} may come in, and may not go out`)
  for (const arrow of out) {
    const [, to, port] = arrow.match(/>(.*):(\d+)$/)
    if (!into.has(arrow) && !openTo(objects, to, Number(port))) faults.push(`${arrow} may go out, and may not come in`)
    const target = pods.find((pod) => componentOf(pod) === to)
    if (!hasPort(portsOf(target), Number(port))) faults.push(`${arrow}: nobody listens there`)
  }
  for (const pod of pods) {
    const policies = ofKind(objects, 'NetworkPolicy').filter((policy) => selects(policy.spec.podSelector, pod.labels))
    if (policies.length === 0) faults.push(`${titleOf(pod.owner)} is open to everybody`)
    for (const policy of policies) if (!same(policy.spec.policyTypes, ['Ingress', 'Egress'])) faults.push(`${titleOf(policy)} has one direction`)
  }
  return faults
}

// Whatever a container is told to call may be called, and whatever listens is for somebody.
function everyArrow (objects) {
  if (ofKind(objects, 'NetworkPolicy').length === 0) return []
  const out = arrows(objects, 'egress')
  const names = new Map(ofKind(objects, 'Service').map((service) => [service.metadata.name, service.spec.selector['app.kubernetes.io/component']]))
  const used = new Set()
  const faults = []
  for (const { container, pod, title } of containersOf(objects)) {
    const texts = [...(container.env ?? []).filter((variable) => variable.name !== 'HNX_ADVERTISE_PEERS').map((variable) => variable.value ?? ''), ...(container.args ?? [])]
    for (const address of texts.join('\n').split(/\s+/)) {
      const called = address.match(/^(?:http:\/\/)?(?:[a-z0-9-]+-\d+\.)?([a-z0-9-]+)\.[a-z0-9-]+\.svc(?::(\d+))?$/)
      const to = called && names.get(called[1])
      if (!to) continue
      const service = ofKind(objects, 'Service').find((one) => one.metadata.name === called[1])
      const servicePort = service.spec.ports.find((one) => one.port === Number(called[2] ?? 80))
      const target = podsOf(objects).find((one) => componentOf(one) === to)
      const port = portsOf(target).find((one) => one.name === servicePort?.targetPort)?.containerPort
      const arrow = `${componentOf(pod)}>${to}:${port}`
      used.add(arrow)
      if (!out.has(arrow)) faults.push(`${title} is told to call ${address}, which no policy allows (${arrow})`)
    }
  }
  // Workers learn of each other from the coordinator.
  used.add('worker>worker:4711')
  for (const arrow of out) if (!used.has(arrow)) faults.push(`${arrow} is allowed, and nobody is told to call there`)
  return faults
}

// ------------------------------------------------------------------------------------------------------

// Every name of an object stands once.
function unique (objects) {
  const keys = objects.map((object) => `${object.apiVersion} ${titleOf(object)}`)
  return keys.filter((key, index) => keys.indexOf(key) !== index).map((key) => `${key} is there twice`)
}

// Secrets and ConfigMaps that the render does not bring are named by the operator's values, never by chance.
function noMadeSecrets (objects) {
  return ofKind(objects, 'Secret').map((secret) => `${titleOf(secret)}: the chart must not make Secrets`)
    .concat(objects.filter((object) => object.metadata.annotations?.['helm.sh/hook'] !== undefined && object.metadata.annotations['helm.sh/hook'] !== 'test').map((object) => `${titleOf(object)} is a hook`))
}

export const properties = {
  'pods pass Pod Security "restricted", with roots that are read-only': restricted,
  'no pod has a token or rights': noTokens,
  'containers have probes at ports that they have': probed,
  'containers have requests and a limit of memory': resourced,
  'images have a tag or a digest, and never latest': pinnedImages,
  'environments are whole: nothing twice, nothing undefined, no 1e+06': wholeEnvironment,
  'volumes are there and mounted': mounted,
  'the index drive\'s key is seen by its worker alone': hiddenKey,
  'objects have the recommended labels, and selectors and claims no version': labelled,
  'selectors find pods of one component, ports are there': selecting,
  'autoscalers find what they scale, and never take a worker away': scaled,
  'upgrades replace what is broken, and nothing that is not': upgradable,
  'arrows of NetworkPolicies have both ends': bothEnds,
  'what pods are told to call is allowed, and nothing else': everyArrow,
  'names are unique': unique,
  'no Secret is made, no hook runs': noMadeSecrets
}
