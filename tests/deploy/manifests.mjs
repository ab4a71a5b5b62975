// What lies where in rendered manifests.
import { parseAllDocuments } from 'yaml'

const WORKLOADS = ['Deployment', 'StatefulSet', 'DaemonSet']

// Duplicate keys are errors of the parser.
export function parse (text) {
  return parseAllDocuments(text).map((document) => {
    if (document.errors.length > 0) throw document.errors[0]
    return document.toJS()
  }).filter((object) => object !== null)
}

export const titleOf = (object) => `${object.kind}/${object.metadata?.name}`
export const ofKind = (objects, kind) => objects.filter((object) => object.kind === kind)

// [{owner, labels, spec}], of workloads and of bare pods.
export function podsOf (objects) {
  return objects.flatMap((object) => {
    if (WORKLOADS.includes(object.kind)) {
      return [{ owner: object, labels: object.spec.template.metadata.labels, spec: object.spec.template.spec }]
    }
    return object.kind === 'Pod' ? [{ owner: object, labels: object.metadata.labels, spec: object.spec }] : []
  })
}

// [{container, pod, title, init}]
export function containersOf (objects) {
  return podsOf(objects).flatMap((pod) => [['containers', false], ['initContainers', true]].flatMap(([list, init]) =>
    (pod.spec[list] ?? []).map((container) => ({ container, pod, init, title: `${titleOf(pod.owner)}, container ${container.name}` }))))
}

export function selects (selector, labels) {
  const wanted = Object.entries(selector?.matchLabels ?? {}).every(([name, value]) => labels?.[name] === value)
  return wanted && (selector?.matchExpressions ?? []).every(({ key, operator, values }) => {
    const has = labels?.[key] !== undefined
    return { In: has && values?.includes(labels[key]), NotIn: !has || !values?.includes(labels[key]), Exists: has, DoesNotExist: !has }[operator]
  })
}

// The ports of a pod's containers: by name and by number.
export function portsOf (pod) {
  return pod.spec.containers.flatMap((container) => (container.ports ?? []).map((port) => ({ protocol: 'TCP', ...port })))
}

export const hasPort = (ports, port, protocol = 'TCP') =>
  ports.some((one) => one.protocol === protocol && (one.name === port || one.containerPort === port))
