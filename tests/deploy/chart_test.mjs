// The chart with helm 3 and helm 4, over all values files that are right.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import test from 'node:test'
import { chart, filesIn, helms, root } from './helm.mjs'
import { ofKind, parse, podsOf, titleOf } from './manifests.mjs'
import { properties } from './properties.mjs'
import { brokenRules, isCrd, unknownFields, unknownInCrds } from './schemas.mjs'

const files = filesIn('values')
const rendered = new Map()
const withoutBlanks = (text) => text.split('\n').filter((line) => line.trim() !== '').join('\n')

function objectsOf (file) {
  if (!rendered.has(file)) rendered.set(file, parse(helms.at(-1).template(file)))
  return rendered.get(file)
}

function withCopy (use) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hnx-chart-'))
  try {
    fs.cpSync(chart, folder, { recursive: true })
    return use(folder)
  } finally {
    fs.rmSync(folder, { recursive: true })
  }
}

// By the real promtool.
function checkRules (rules) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hnx-rules-'))
  fs.writeFileSync(path.join(folder, 'rules.json'), JSON.stringify(rules))
  const checked = spawnSync('promtool', ['check', 'rules', path.join(folder, 'rules.json')], { encoding: 'utf8' })
  fs.rmSync(folder, { recursive: true })
  assert.equal(checked.status, 0, checked.stdout + checked.stderr)
}

const named = (name) => files.find((file) => path.basename(file) === `${name}.yaml`)
const component = (objects, name) => podsOf(objects).find((pod) => pod.labels['app.kubernetes.io/component'] === name)
const environment = (pod, container = 0) => Object.fromEntries(pod.spec.containers[container].env.map((variable) => [variable.name, variable.value]))

test('there are values files for what people do', () => assert.ok(files.length >= 12))

for (const helm of helms) {
  test(`${helm.name} is ${helm.version}`, () => assert.match(helm.run('version', '--short').stdout, new RegExp(`^${helm.version.replaceAll('.', '\\.')}\\b`)))
}

for (const file of files) {
  const name = path.basename(file)
  for (const helm of helms) {
    test(`${helm.name} lint --strict accepts ${name}`, () => {
      const linted = helm.run('lint', '--strict', chart, '--namespace', 'nix', '--values', file)
      assert.equal(linted.status, 0, linted.stdout + linted.stderr)
    })
  }
  test(`${name}: both helms render the same, and the same again`, () => {
    const [first, second] = helms.map((helm) => withoutBlanks(helm.template(file)))
    assert.equal(first, second)
    assert.equal(withoutBlanks(helms[0].template(file)), first)
  })
  test(`${name}: Kubernetes 1.36 knows all kinds and fields`, async () => {
    const objects = objectsOf(file)
    assert.deepEqual(objects.filter((object) => !isCrd(object)).flatMap(unknownFields), [])
    assert.deepEqual((await Promise.all(objects.map(brokenRules))).flat(), [])
  })
  for (const [promise, faultsOf] of Object.entries(properties)) {
    test(`${name}: ${promise}`, () => assert.deepEqual(faultsOf(objectsOf(file)), []))
  }
}

test('CRDs have all fields that are used', () => {
  const crds = files.flatMap(objectsOf).filter(isCrd)
  const kinds = new Set(crds.map((object) => object.kind))
  for (const kind of ['ServiceMonitor', 'PodMonitor', 'ScaledObject', 'HTTPRoute', 'Cluster']) assert.ok(kinds.has(kind), `no ${kind} in any render`)
  assert.deepEqual(unknownInCrds(crds), [])
})

test('a new version changes nothing that Kubernetes does not let change', () => {
  withCopy((folder) => {
    const description = path.join(folder, 'Chart.yaml')
    fs.writeFileSync(description, fs.readFileSync(description, 'utf8').replace(/^version: .*$/m, 'version: 9.9.9').replace(/^appVersion: .*$/m, 'appVersion: "9.9.9"'))
    const newer = helms[0].run('template', 'mirror', folder, '--namespace', 'nix', '--values', named('production'))
    assert.equal(newer.status, 0, newer.stderr)
    const fixed = (objects) => objects.filter((object) => ['Deployment', 'StatefulSet', 'DaemonSet', 'Service'].includes(object.kind)).map((object) => [titleOf(object), object.spec.selector,
      object.spec.clusterIP, object.spec.volumeClaimTemplates, object.spec.serviceName, object.spec.podManagementPolicy])
    const before = objectsOf(named('production'))
    const after = parse(newer.stdout)
    assert.deepEqual(fixed(after), fixed(before))
    assert.notDeepEqual(after, before)
    assert.match(component(after, 'worker').spec.containers[0].image, /:9\.9\.9$/)
  })
})

test('the longest name of a release still gives names that Kubernetes takes', () => {
  for (const helm of helms) {
    const made = helm.run('template', 'm'.repeat(53), chart, '--namespace', 'nix', '--values', named('production'))
    assert.equal(made.status, 0, made.stderr)
    const objects = parse(made.stdout)
    for (const object of objects) {
      // A StatefulSet's name with a hash is the value of a label of its pods.
      const most = { StatefulSet: 52, Service: 63, Deployment: 63, DaemonSet: 63, Pod: 63 }[object.kind] ?? 253
      assert.ok(object.metadata.name.length <= most && /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(object.metadata.name), titleOf(object))
    }
    for (const [promise, faultsOf] of Object.entries(properties)) assert.deepEqual(faultsOf(objects), [], promise)
  }
})

test('the chart refuses an older Kubernetes', () => {
  for (const helm of helms) {
    const refused = helm.run('template', 'mirror', chart, '--values', named('small'), '--kube-version', '1.29')
    assert.notEqual(refused.status, 0)
    assert.match(refused.stderr, /1\.30/)
  }
})

test('the package holds the chart and nothing else', () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hnx-package-'))
  try {
    for (const helm of helms) {
      const made = helm.run('package', chart, '--destination', folder)
      assert.equal(made.status, 0, made.stderr)
      const archive = path.join(folder, fs.readdirSync(folder)[0])
      const again = helm.run('template', 'mirror', archive, '--namespace', 'nix', '--values', named('small'))
      assert.equal(again.status, 0, again.stderr)
      assert.deepEqual(parse(again.stdout), objectsOf(named('small')))
    }
  } finally {
    fs.rmSync(folder, { recursive: true })
  }
})

// ---- what values do ----------------------------------------------------------------------------------

test('PostgreSQL is verified, and its password is in no argument', () => {
  const env = component(objectsOf(named('production')), 'coordinator').spec.containers[0].env
  assert.equal(env.find((variable) => variable.name === 'HNX_DATABASE').value,
    'postgresql://db.example.org:5432/hypercore_nixos?sslmode=verify-full&sslrootcert=/etc/hypercore-nixos/database-ca/ca.crt&application_name=the%20mirror&connect_timeout=5')
  assert.deepEqual(env.find((variable) => variable.name === 'PGPASSWORD').valueFrom.secretKeyRef, { name: 'mirror-database', key: 'password' })
})

test('a Cluster of CloudNativePG is asked by its own service, with its own authority', () => {
  const objects = objectsOf(named('database-cnpg'))
  const [cluster] = ofKind(objects, 'Cluster')
  const pod = component(objects, 'coordinator')
  assert.match(environment(pod).HNX_DATABASE, new RegExp(`^postgresql://${cluster.metadata.name}-rw\\.nix\\.svc:5432/hypercore_nixos\\?sslmode=verify-full`))
  assert.equal(pod.spec.volumes.find((volume) => volume.name === 'database-ca').secret.secretName, `${cluster.metadata.name}-ca`)
  assert.equal(pod.spec.containers[0].env.find((variable) => variable.name === 'PGUSER').valueFrom.secretKeyRef.name, `${cluster.metadata.name}-app`)
  assert.equal(cluster.metadata.annotations['helm.sh/resource-policy'], 'keep')
  assert.deepEqual(cluster.spec.storage, { size: '200Gi', storageClass: 'fast', resizeInUseVolumes: true })
})

test('gateways know all workers that may come, workers and index know gateways that stay', () => {
  const scaledOut = environment(component(objectsOf(named('autoscaled-keda')), 'gateway')).HNX_PEER.split('\n')
  assert.deepEqual(scaledOut.map((peer) => peer.split('.')[0]), ['mirror-hypercore-nixos-index-0', ...[0, 1, 2, 3, 4, 5].map((n) => `mirror-hypercore-nixos-worker-${n}`)])
  const production = objectsOf(named('production'))
  const holders = [0, 1, 2].map((n) => `mirror-hypercore-nixos-gateway-${n}.mirror-hypercore-nixos-gateway-peers.nix.svc:4711`).join('\n')
  assert.equal(environment(component(production, 'index')).HNX_INDEX_HOLDER, holders)
  assert.equal(environment(component(production, 'worker')).HNX_PEER, holders)
  assert.equal(environment(component(objectsOf(named('small')), 'index')).HNX_INDEX_HOLDER, undefined)
})

test('lists become lines, large numbers stay numbers', () => {
  const production = objectsOf(named('production'))
  assert.equal(environment(component(production, 'coordinator')).HNX_FOLLOW, 'nixos-unstable\nnixos-25.11')
  assert.equal(environment(component(production, 'coordinator')).HNX_WALK_WINDOW_MAX, '1000000')
  assert.equal(environment(component(production, 'coordinator')).HNX_UPSTREAM_REQUESTS_MAX, '200.5')
  assert.equal(environment(component(objectsOf(named('air-gapped')), 'worker')).HNX_REDIRECT_HOST, 'blobs.lan\nblobs2.lan')
})

test('a worker has less time for its end than the pod', () => {
  for (const file of files) {
    for (const pod of ['worker', 'index'].map((name) => component(objectsOf(file), name))) {
      assert.equal(environment(pod).HNX_GRACE, `${pod.spec.terminationGracePeriodSeconds - 5}s`)
    }
  }
})

test('the way upstream is as wide as what is configured', () => {
  const ports = (objects, name) => ofKind(objects, 'NetworkPolicy').find((policy) => policy.spec.podSelector.matchLabels['app.kubernetes.io/component'] === name)
    .spec.egress.filter((rule) => !rule.to).flatMap((rule) => rule.ports.map((port) => port.port)).filter((port) => port !== 53)
  // Everything goes through the proxy.
  assert.deepEqual(ports(objectsOf(named('air-gapped')), 'worker'), [3128])
  assert.deepEqual(ports(objectsOf(named('air-gapped')), 'coordinator'), [5432, 3128])
  assert.deepEqual(ports(objectsOf(named('small')), 'coordinator'), [5432, 443])
  assert.deepEqual(ports(objectsOf(named('small')), 'gateway'), [])
  assert.deepEqual(ports(objectsOf(named('budget')), 'gateway'), [443])
  assert.deepEqual(ports(objectsOf(named('small')), 'index'), [])
  assert.deepEqual(ports(objectsOf(named('swarm')), 'worker'), [4711, 4712, 443, 1])
  const direct = parse(helms[0].template(named('air-gapped'), '--set', 'upstream.proxy='))
  assert.deepEqual(ports(direct, 'worker'), [5001, 443, 8000, 8001])
})

test('the expression of the autoscaler is PromQL, and stays one behind YAML', () => {
  const [scaler] = ofKind(objectsOf(named('autoscaled-keda')), 'ScaledObject')
  const { query, threshold } = scaler.spec.triggers[0].metadata
  assert.equal(threshold, String(50 * 2 ** 30))
  checkRules({ groups: [{ name: 'autoscaler', rules: [{ record: 'queued', expr: query }] }] })
  const metrics = fs.readFileSync(path.join(root, 'docs/METRICS.md'), 'utf8')
  for (const [name] of query.matchAll(/hnx_\w+/g)) assert.ok(metrics.includes(`\`${name}\``), `${name} is not in docs/METRICS.md`)
})

test('each dashboard is a ConfigMap and each file of alerts a PrometheusRule, word for word', () => {
  const list = (folder) => fs.existsSync(path.join(chart, folder)) ? fs.readdirSync(path.join(chart, folder)).filter((name) => /\.(json|yaml)$/.test(name)).sort() : []
  const objects = objectsOf(named('production'))
  const dashboards = ofKind(objects, 'ConfigMap').filter((map) => map.metadata.labels.grafana_dashboard === '1')
  assert.deepEqual(dashboards.flatMap((map) => Object.keys(map.data)).sort(), list('dashboards'))
  for (const { data } of dashboards) {
    for (const [name, text] of Object.entries(data)) {
      assert.deepEqual(JSON.parse(text), JSON.parse(fs.readFileSync(path.join(chart, 'dashboards', name), 'utf8')), name)
      assert.ok(Buffer.byteLength(text) < 1 << 20, `${name} does not fit into a ConfigMap`)
    }
  }
  const rules = ofKind(objects, 'PrometheusRule').map((rule) => rule.spec.groups)
  assert.deepEqual(rules, list('alerts').map((name) => parse(fs.readFileSync(path.join(chart, 'alerts', name), 'utf8'))[0].groups))
  for (const groups of rules) checkRules({ groups })
  assert.deepEqual(ofKind(objectsOf(named('small')), 'PrometheusRule'), [])
})

test('what is copied as it is is never a template', () => withCopy((folder) => {
  fs.mkdirSync(path.join(folder, 'dashboards'), { recursive: true })
  fs.mkdirSync(path.join(folder, 'alerts'), { recursive: true })
  const dashboard = { title: 'made by a test', panels: [{ legendFormat: '{{worker}}', description: 'a "quoted"\nline' }] }
  const groups = [{ name: 'made-by-a-test', rules: [{ alert: 'X', expr: 'up == 0', for: '5m', annotations: { description: '{{ $labels.pod }}: {{ $value }}', runbook_url: 'docs/runbooks/X.md' } }] }]
  fs.writeFileSync(path.join(folder, 'dashboards/made_by_test.json'), JSON.stringify(dashboard, null, 2))
  fs.writeFileSync(path.join(folder, 'alerts/made-by-test.yaml'), JSON.stringify({ groups }))
  for (const helm of helms) {
    const made = helm.run('template', 'mirror', folder, '--namespace', 'nix', '--values', named('production'))
    assert.equal(made.status, 0, made.stderr)
    const objects = parse(made.stdout)
    const map = ofKind(objects, 'ConfigMap').find((one) => one.metadata.name.endsWith('made-by-test'))
    assert.deepEqual(JSON.parse(map.data['made_by_test.json']), dashboard)
    const rulesOf = (all) => ofKind(all, 'PrometheusRule').find((one) => one.metadata.name.endsWith('made-by-test')).spec.groups
    assert.deepEqual(rulesOf(objects), groups)
    const linked = helm.run('template', 'mirror', folder, '--values', named('production'), '--set', 'monitoring.runbooksUrl=https://docs.example.org/runbooks/')
    assert.equal(rulesOf(parse(linked.stdout))[0].rules[0].annotations.runbook_url, 'https://docs.example.org/runbooks/X.md')
  }
}))

test('the notes tell the key, the lines for nix.conf and what is wrong', () => {
  // `helm template` shows no notes, and `helm install` wants a cluster: they are rendered as what a ConfigMap holds.
  const notes = (file) => withCopy((folder) => {
    const text = fs.readFileSync(path.join(folder, 'templates/NOTES.txt'), 'utf8')
    fs.writeFileSync(path.join(folder, 'templates/notes.yaml'), '{{- define "notes" -}}\n' + text + '{{- end -}}\n' +
      'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: notes}\ndata: {notes: {{ include "notes" . | toJson }}}\n')
    const [first, second] = helms.map((helm) => {
      const shown = helm.run('template', 'mirror', folder, '--namespace', 'nix', '--values', file, '--show-only', 'templates/notes.yaml')
      assert.equal(shown.status, 0, shown.stderr)
      return parse(shown.stdout)[0].data.notes
    })
    assert.equal(first, second)
    return first
  })
  const production = notes(named('production'))
  assert.match(production, /hyper:\/\/0123456789abcdef/)
  assert.match(production, /extra-substituters = https:\/\/cache\.example\.org\n/)
  assert.doesNotMatch(production, /WARNING/)
  assert.match(notes(named('first-install')), /WARNING: index\.acceptLength is 0/)
  assert.match(notes(named('small')), /WARNING: nobody holds a copy of the index/)
  assert.match(notes(named('small')), /extra-substituters = http:\/\/mirror-hypercore-nixos-gateway\.nix\.svc\n/)
  assert.match(notes(named('air-gapped')), /trusted-public-keys = cache\.lan-1:/)
  const open = notes(named('open-network'))
  assert.match(open, /WARNING: database\.tls\.mode is require/)
  assert.match(open, /WARNING: tls.mode is none/)
})
