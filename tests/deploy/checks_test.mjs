// The checks themselves: each finds the mistake that it is for, in a render that is otherwise right.
import assert from 'node:assert/strict'
import path from 'node:path'
import test from 'node:test'
import { filesIn, helms } from './helm.mjs'
import { ofKind, parse, podsOf } from './manifests.mjs'
import { properties } from './properties.mjs'
import { brokenRules, isCrd, unknownFields, unknownInCrds } from './schemas.mjs'

const text = (name) => helms.at(-1).template(filesIn('values').find((file) => path.basename(file) === `${name}.yaml`))
const texts = { production: text('production'), 'autoscaled-keda': text('autoscaled-keda'), 'autoscaled-hpa': text('autoscaled-hpa'), 'gateway-api': text('gateway-api'), 'database-cnpg': text('database-cnpg') }

const component = (objects, name) => podsOf(objects).find((pod) => pod.labels['app.kubernetes.io/component'] === name)
const main = (objects, name) => component(objects, name).spec.containers[0]
const object = (objects, kind, name) => ofKind(objects, kind).find((one) => one.metadata.labels['app.kubernetes.io/component'] === name)

// ---- schemas -----------------------------------------------------------------------------------------

// name of a render, what is done to it, who finds it
const schemaMistakes = {
  'a misspelled field': ['production', (o) => { object(o, 'StatefulSet', 'worker').spec.serviceNam = 'x' }, 'fields'],
  'a misspelled field in a container': ['production', (o) => { main(o, 'gateway').livenesProbe = {} }, 'fields'],
  'a word for a number': ['production', (o) => { object(o, 'StatefulSet', 'worker').spec.replicas = 'two' }, 'fields'],
  'an API that is gone': ['production', (o) => { object(o, 'PodDisruptionBudget', 'worker').apiVersion = 'policy/v1beta1' }, 'fields'],
  'a misspelled field of a disruption budget': ['production', (o) => { object(o, 'PodDisruptionBudget', 'worker').spec.maxUnavailabel = 1 }, 'fields'],
  'a word for a number in an autoscaler': ['autoscaled-hpa', (o) => { ofKind(o, 'HorizontalPodAutoscaler')[0].spec.maxReplicas = 'many' }, 'fields'],
  'a workload without selector': ['production', (o) => { delete object(o, 'Deployment', 'coordinator').spec.selector }, 'rules'],
  'an interval in words': ['production', (o) => { ofKind(o, 'ServiceMonitor')[0].spec.endpoints[0].interval = '30 seconds' }, 'rules'],
  'a port number where a monitor has names': ['production', (o) => { ofKind(o, 'ServiceMonitor')[0].spec.endpoints[0].port = 99 }, 'rules'],
  'a word for a number of KEDA': ['autoscaled-keda', (o) => { ofKind(o, 'ScaledObject')[0].spec.maxReplicaCount = 'many' }, 'rules'],
  'a trigger without type': ['autoscaled-keda', (o) => { delete ofKind(o, 'ScaledObject')[0].spec.triggers[0].type }, 'rules'],
  'a duration of the Gateway API in words': ['gateway-api', (o) => { ofKind(o, 'HTTPRoute')[0].spec.rules[0].timeouts.request = 'forever' }, 'rules'],
  'a Cluster without instances': ['database-cnpg', (o) => { delete ofKind(o, 'Cluster')[0].spec.instances }, 'rules'],
  'a misspelled field of a Cluster': ['database-cnpg', (o) => { ofKind(o, 'Cluster')[0].spec.bootstrap.initdb.ownr = 'x' }, 'rules'],
  'a misspelled field of a monitor': ['production', (o) => { ofKind(o, 'ServiceMonitor')[0].spec.endpoints[0].bogus = 1 }, 'crds'],
  'a misspelled field of KEDA': ['autoscaled-keda', (o) => { ofKind(o, 'ScaledObject')[0].spec.minReplicasCount = 1 }, 'crds'],
  'a misspelled field of a route': ['gateway-api', (o) => { ofKind(o, 'HTTPRoute')[0].spec.hostname = 'x' }, 'crds']
}

test('without a mistake nothing is found', async () => {
  const objects = Object.values(texts).flatMap(parse)
  assert.deepEqual(objects.filter((one) => !isCrd(one)).flatMap(unknownFields), [])
  assert.deepEqual((await Promise.all(objects.map(brokenRules))).flat(), [])
  assert.deepEqual(unknownInCrds(objects), [])
})

for (const [mistake, [render, make, finder]] of Object.entries(schemaMistakes)) {
  test(`${mistake} is found`, async () => {
    const objects = parse(texts[render])
    make(objects)
    const found = {
      fields: () => objects.filter((one) => !isCrd(one)).flatMap(unknownFields),
      rules: async () => (await Promise.all(objects.map(brokenRules))).flat(),
      crds: () => unknownInCrds(objects)
    }
    assert.notDeepEqual(await found[finder](), [])
  })
}

// ---- properties --------------------------------------------------------------------------------------

const egressTo = (objects, from, to) => object(objects, 'NetworkPolicy', from).spec.egress
  .find((rule) => rule.to?.[0].podSelector?.matchLabels['app.kubernetes.io/component'] === to)

// Mistakes of each property, in the order of `properties`.
const propertyMistakes = {
  'pods pass Pod Security "restricted", with roots that are read-only': [
    (o) => { delete main(o, 'gateway').securityContext.readOnlyRootFilesystem },
    (o) => { main(o, 'worker').securityContext.capabilities.drop = [] },
    (o) => { component(o, 'index').spec.securityContext.runAsUser = 0 },
    (o) => { component(o, 'index').spec.hostNetwork = true },
    (o) => { component(o, 'gateway').spec.volumes.push({ name: 'x', hostPath: { path: '/' } }) },
    (o) => { component(o, 'index').spec.initContainers[0].securityContext = {} },
    (o) => { delete component(o, 'test').spec.containers[0].securityContext.seccompProfile }
  ],
  'no pod has a token or rights': [
    (o) => { delete component(o, 'worker').spec.automountServiceAccountToken },
    (o) => { component(o, 'worker').spec.serviceAccountName = 'default' },
    (o) => { delete ofKind(o, 'ServiceAccount')[0].automountServiceAccountToken },
    (o) => { o.push({ apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'RoleBinding', metadata: { name: 'x' } }) }
  ],
  'containers have probes at ports that they have': [
    (o) => { delete main(o, 'worker').startupProbe },
    (o) => { main(o, 'coordinator').livenessProbe.httpGet.path = '/readyz' },
    (o) => { main(o, 'gateway').readinessProbe.httpGet.port = 'metrics' },
    (o) => { component(o, 'worker').spec.containers[1].readinessProbe = {} },
    (o) => { component(o, 'gateway').spec.terminationGracePeriodSeconds = 30 }
  ],
  'containers have requests and a limit of memory': [
    (o) => { delete main(o, 'worker').resources.limits },
    (o) => { main(o, 'worker').resources.limits.cpu = '1' },
    (o) => { delete component(o, 'gateway').spec.containers[1].resources.requests.memory }
  ],
  'images have a tag or a digest, and never latest': [
    (o) => { main(o, 'worker').image = 'ghcr.io/x/worker' },
    (o) => { main(o, 'worker').image = 'ghcr.io/x/worker:latest' },
    (o) => { component(o, 'index').spec.initContainers[0].image = 'registry:5000/x/worker' }
  ],
  'environments are whole: nothing twice, nothing undefined, no 1e+06': [
    (o) => { main(o, 'worker').env.push({ name: 'HNX_DATA', value: '/x' }) },
    (o) => { main(o, 'worker').env.unshift({ name: 'X', value: '$(HNX_NAME)' }) },
    (o) => { main(o, 'worker').env.push({ name: 'X', value: '1e+06' }) }
  ],
  'volumes are there and mounted': [
    (o) => { main(o, 'worker').volumeMounts.push({ name: 'x', mountPath: '/x' }) },
    (o) => { component(o, 'coordinator').spec.volumes.push({ name: 'x', emptyDir: {} }) }
  ],
  'the index drive\'s key is seen by its worker alone': [
    (o) => { component(o, 'index').spec.volumes.find((volume) => volume.secret).secret.defaultMode = 0o444 },
    (o) => { component(o, 'index').spec.volumes.find((volume) => volume.name === 'index-key').emptyDir = {} },
    (o) => { component(o, 'index').spec.containers[1].volumeMounts.push({ name: 'index-key', mountPath: '/x' }) },
    (o) => { main(o, 'index').volumeMounts.find((mount) => mount.name === 'index-key').readOnly = true },
    (o) => { main(o, 'worker').env.push({ name: 'X', valueFrom: { secretKeyRef: { name: 'mirror-key', key: 'mirror.key' } } }) }
  ],
  'objects have the recommended labels, and selectors and claims no version': [
    (o) => { delete object(o, 'Service', 'gateway').metadata.labels['helm.sh/chart'] },
    (o) => { object(o, 'StatefulSet', 'worker').spec.selector.matchLabels['app.kubernetes.io/version'] = '1' },
    (o) => { object(o, 'StatefulSet', 'worker').spec.volumeClaimTemplates[0].metadata.labels['helm.sh/chart'] = 'x' },
    (o) => { object(o, 'Service', 'gateway').metadata.namespace = 'elsewhere' }
  ],
  'selectors find pods of one component, ports are there': [
    (o) => { object(o, 'Service', 'worker').spec.selector['app.kubernetes.io/component'] = 'workers' },
    (o) => { delete object(o, 'PodDisruptionBudget', 'worker').spec.selector.matchLabels['app.kubernetes.io/component'] },
    (o) => { object(o, 'Service', 'gateway').spec.ports[0].targetPort = 'https' },
    (o) => { ofKind(o, 'ServiceMonitor')[0].spec.endpoints[0].port = 'metricz' },
    (o) => { ofKind(o, 'PodMonitor')[0].spec.podMetricsEndpoints[0].port = 'metrics' }
  ],
  'autoscalers find what they scale, and never take a worker away': [
    (o) => { delete object(o, 'StatefulSet', 'worker').spec.replicas },
    (o) => { object(o, 'StatefulSet', 'index').spec.replicas = 2 }
  ],
  'upgrades replace what is broken, and nothing that is not': [
    (o) => { object(o, 'StatefulSet', 'index').spec.podManagementPolicy = 'OrderedReady' },
    (o) => { delete object(o, 'Deployment', 'coordinator').spec.progressDeadlineSeconds },
    (o) => { object(o, 'Deployment', 'coordinator').spec.strategy.rollingUpdate.maxUnavailable = 1 }
  ],
  'arrows of NetworkPolicies have both ends': [
    (o) => { egressTo(o, 'worker', 'coordinator').ports[0].port = 7071 },
    (o) => { object(o, 'NetworkPolicy', 'index').spec.ingress.shift() },
    (o) => { o.splice(o.indexOf(object(o, 'NetworkPolicy', 'worker')), 1) },
    (o) => { object(o, 'NetworkPolicy', 'worker').spec.policyTypes = ['Ingress'] }
  ],
  'what pods are told to call is allowed, and nothing else': [
    (o) => { main(o, 'index').env.find((variable) => variable.name === 'HNX_COORDINATOR').value = 'mirror-hypercore-nixos-gateway.nix.svc:80' },
    (o) => { main(o, 'gateway').env.push({ name: 'X', value: 'mirror-hypercore-nixos-coordinator.nix.svc:7070' }) },
    (o) => { main(o, 'gateway').env.find((variable) => variable.name === 'HNX_PEER').value = '' }
  ],
  'names are unique': [(o) => { o.push(o[0]) }],
  'no Secret is made, no hook runs': [
    (o) => { o.push({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'x' } }) },
    (o) => { object(o, 'Deployment', 'coordinator').metadata.annotations = { 'helm.sh/hook': 'pre-upgrade' } }
  ]
}

test('there are mistakes for each property', () => assert.deepEqual(Object.keys(propertyMistakes), Object.keys(properties)))

for (const [promise, mistakes] of Object.entries(propertyMistakes)) {
  test(`it is found when this does not hold: ${promise}`, () => {
    assert.deepEqual(properties[promise](parse(texts.production)), [])
    for (const make of mistakes) {
      const objects = parse(texts.production)
      make(objects)
      assert.notDeepEqual(properties[promise](objects), [], String(make))
    }
  })
}

test('an autoscaler that takes workers away is found', () => {
  const faultsOf = properties['autoscalers find what they scale, and never take a worker away']
  const keda = parse(texts['autoscaled-keda'])
  ofKind(keda, 'ScaledObject')[0].spec.advanced.horizontalPodAutoscalerConfig.behavior.scaleDown = { stabilizationWindowSeconds: 600 }
  assert.notDeepEqual(faultsOf(keda), [])
  const hpa = parse(texts['autoscaled-hpa'])
  object(hpa, 'StatefulSet', 'worker').spec.replicas = 3
  assert.notDeepEqual(faultsOf(hpa), [])
})
