// What the API server would refuse, found without one. Each function returns sentences, one a fault.
//
//   unknownFields    core kinds, by the field maps of the Kubernetes client (release 1.36)
//   brokenRules      what is required, patterns, enums, numbers; core kinds and CRDs
//   unknownInCrds    fields that a CRD does not have, by the TypeScript compiler; many objects at once
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import Ajv from 'ajv'
// That file alone: the package's main entry brings a web client along.
import * as client from './node_modules/@kubernetes/client-node/dist/gen/models/all.js'
import { titleOf } from './manifests.mjs'

const here = path.dirname(fileURLToPath(import.meta.url))
const crdPackages = {
  'monitoring.coreos.com/v1': '@kubernetes-models/prometheus-operator',
  'keda.sh/v1alpha1': '@kubernetes-models/keda',
  'gateway.networking.k8s.io/v1': '@kubernetes-models/gateway-api',
  'cert-manager.io/v1': '@kubernetes-models/cert-manager'
}
// There are no models of CloudNativePG: what of its Cluster this chart writes stands in cnpg.schema.json.
const CNPG = 'postgresql.cnpg.io/v1'
const cnpg = new Ajv({ allErrors: true, strict: true, allowUnionTypes: true })
  .compile(JSON.parse(fs.readFileSync(path.join(here, 'cnpg.schema.json'), 'utf8')))

export const isCrd = (object) => object.apiVersion in crdPackages || object.apiVersion === CNPG

// ---- core kinds --------------------------------------------------------------------------------------

const SCALARS = { string: ['string'], number: ['number'], boolean: ['boolean'], IntOrString: ['number', 'string'] }

function walk (value, type, where, faults) {
  if (value === null || value === undefined) return
  const list = type.match(/^Array<(.*)>$/)
  const map = type.match(/^\{ \[key: string\]: (.*); \}$/)
  if (list) {
    if (!Array.isArray(value)) faults.push(`${where} is no list`)
    else value.forEach((item, index) => walk(item, list[1], `${where}[${index}]`, faults))
  } else if (map) {
    if (typeof value !== 'object' || Array.isArray(value)) faults.push(`${where} is no map`)
    else for (const [key, item] of Object.entries(value)) walk(item, map[1], `${where}.${key}`, faults)
  } else if (SCALARS[type]) {
    if (!SCALARS[type].includes(typeof value)) faults.push(`${where} is no ${type}: ${JSON.stringify(value)}`)
  } else if (client[type]?.getAttributeTypeMap) {
    walkModel(value, client[type], where, faults)
  } else if (!['any', 'Date', 'object'].includes(type)) {
    faults.push(`${where} has the type ${type}, which nobody knows`)
  }
}

function walkModel (value, model, where, faults) {
  if (typeof value !== 'object' || Array.isArray(value)) {
    faults.push(`${where} is no object`)
    return
  }
  const fields = new Map(model.getAttributeTypeMap().map((field) => [field.baseName, field.type]))
  for (const [name, item] of Object.entries(value)) {
    if (fields.has(name)) walk(item, fields.get(name), `${where}.${name}`, faults)
    else faults.push(`${where}.${name} does not exist`)
  }
}

const modelName = ({ apiVersion, kind }) => {
  const version = apiVersion.split('/').at(-1)
  return version[0].toUpperCase() + version.slice(1) + kind
}

export function unknownFields (object) {
  const model = client[modelName(object)]
  if (!model) return [`${object.apiVersion} ${titleOf(object)}: there is no such kind in Kubernetes 1.36`]
  const faults = []
  walkModel(object, model, titleOf(object), faults)
  return faults
}

// ---- rules -------------------------------------------------------------------------------------------

const modulePath = ({ apiVersion, kind }) => `${crdPackages[apiVersion] ?? 'kubernetes-models'}/${apiVersion}/${kind}`

export async function brokenRules (object) {
  if (object.apiVersion === CNPG) {
    return cnpg(object) ? [] : cnpg.errors.map((error) => `${titleOf(object)}${error.instancePath} ${error.message} ${JSON.stringify(error.params)}`)
  }
  let models
  try {
    models = await import(modulePath(object))
  } catch {
    return [`${object.apiVersion} ${titleOf(object)}: no rules are known of that kind`]
  }
  try {
    new models[object.kind](object).validate()
  } catch (error) {
    return [`${titleOf(object)}: ${error.message}`]
  }
  return []
}

// ---- CRDs --------------------------------------------------------------------------------------------

// The compiler's check of excess properties. Objects may be of many renders: it takes seconds to start, not to check.
export function unknownInCrds (objects) {
  const crds = objects.filter((object) => object.apiVersion in crdPackages)
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hnx-crds-'))
  try {
    const lines = crds.map((object, index) => `import { I${object.kind} as T${index} } from '${modulePath(object)}'\n` +
      `export const o${index}: T${index} = ${JSON.stringify(object)}\n`)
    fs.writeFileSync(path.join(folder, 'objects.ts'), lines.join(''))
    fs.writeFileSync(path.join(folder, 'package.json'), '{"type": "module"}')
    fs.symlinkSync(path.join(here, 'node_modules'), path.join(folder, 'node_modules'))
    const tsc = createRequire(import.meta.url).resolve('typescript/package.json').replace('package.json', 'bin/tsc')
    const done = spawnSync(process.execPath, [tsc, '--noEmit', '--strict', '--skipLibCheck', '--moduleResolution', 'bundler', '--module', 'esnext', '--ignoreConfig', 'objects.ts'],
      { cwd: folder, encoding: 'utf8' })
    if (done.status === 0) return []
    const faults = done.stdout.split('\n').filter((line) => line !== '')
    // "objects.ts(4,9): error ...": two lines an object.
    return faults.map((line) => {
      const at = line.match(/^objects\.ts\((\d+),/)
      return at ? `${titleOf(crds[Math.floor((Number(at[1]) - 1) / 2)])}: ${line}` : line
    }).concat(done.stderr ? [done.stderr] : [])
  } finally {
    fs.rmSync(folder, { recursive: true, force: true })
  }
}
