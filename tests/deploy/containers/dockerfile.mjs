// What a Dockerfile must not say, and what the configuration of each image must.
import fs from 'node:fs'
import { check, checkEqual } from '../../e2e/words.mjs'
import { registry, version } from './engine.mjs'

const MIB = 1 << 20
// Measured, and a tenth for packages that grow.
const SIZE_MAX = { coordinator: 50 * MIB, worker: 48 * MIB, gateway: 46 * MIB, swarm: 108 * MIB, hyp: 30 * MIB }
const ENTRYPOINTS = { coordinator: ['coordinator', 'serve'], worker: ['worker', 'run'], gateway: ['gateway', 'serve'], swarm: ['swarm'], hyp: ['hyp', '--help'] }

// [{word, rest}], continued lines joined.
function instructionsOf (file) {
  const text = fs.readFileSync(file, 'utf8').replace(/^\s*#.*\n/gm, '').replace(/\\\n/g, ' ')
  return text.split('\n').map((line) => line.trim()).filter(Boolean).map((line) => ({ word: line.split(/\s/)[0].toUpperCase(), rest: line.slice(line.indexOf(' ') + 1) }))
}

export function checkDockerfile (file) {
  const lines = instructionsOf(file)
  const known = new Set(['ARG', 'FROM', 'ENV', 'COPY', 'RUN', 'LABEL', 'USER', 'STOPSIGNAL', 'EXPOSE', 'HEALTHCHECK', 'ENTRYPOINT', 'CMD'])
  for (const { word } of lines) check(known.has(word), `${word} in the Dockerfile: ADD, VOLUME, SHELL and MAINTAINER have no place there`)
  const stages = new Set()
  for (const { rest } of lines.filter(({ word }) => word === 'FROM')) {
    const [image, , name] = rest.split(/\s+/)
    check(name && /^[a-z-]+$/.test(name), `FROM ${rest}: the stage has no name`)
    check(image === 'scratch' || image.startsWith('$') || stages.has(image), `FROM ${rest}: neither a stage, nor scratch, nor an ARG that can carry a digest`)
    stages.add(name)
  }
  const bases = lines.filter(({ word, rest }) => word === 'ARG' && /^DEBIAN=/.test(rest))
  checkEqual('the base', bases.map(({ rest }) => rest), ['DEBIAN=docker.io/library/debian:bookworm-slim'])
  for (const { word, rest } of lines) {
    check(!/:latest\b/.test(rest), `${word} ${rest}: latest`)
    check(!/<<[A-Z]/.test(rest), `${word} ${rest}: a heredoc, which older builders refuse`)
    check(!(word === 'COPY' && /--link/.test(rest)), `${word} ${rest}: --link, which older builders refuse`)
    if (word === 'RUN' && /apt-get install|install-packages/.test(rest)) check(/rm -rf \/var\/lib\/apt\/lists\/\*/.test(rest), `RUN ${rest}: package lists stay`)
    check(!/(curl|wget)\b.*\|/.test(rest), `${word} ${rest}: runs what the network sends`)
  }
  for (const target of Object.keys(ENTRYPOINTS)) check(stages.has(target), `no target ${target}`)
}

export function checkConfig (target, inspected, history) {
  const config = inspected.Config
  checkEqual(`${target}: its user`, config.User, '10001:10001')
  checkEqual(`${target}: its stop signal`, config.StopSignal, 'SIGTERM')
  checkEqual(`${target}: its command`, [...config.Entrypoint, ...config.Cmd ?? []], ENTRYPOINTS[target])
  for (const name of ['title', 'description', 'vendor', 'licenses', 'version', 'revision']) {
    check(config.Labels?.[`org.opencontainers.image.${name}`], `${target}: no label org.opencontainers.image.${name}`)
  }
  checkEqual(`${target}: its version`, config.Labels['org.opencontainers.image.version'], version)
  check(!config.Volumes, `${target}: a VOLUME would keep a mirror where nobody looks for it`)
  const health = inspected.HealthCheck ?? inspected.Healthcheck ?? config.Healthcheck
  const asks = health?.Test?.[0] === 'CMD' ? health.Test.slice(1) : null
  if (target === 'hyp') check(!asks, 'hyp is no server: it has no health')
  else checkEqual(`${target}: its health check`, asks?.at(0), target === 'swarm' ? 'node' : 'healthcheck')
  const secret = /PRIVATE KEY|PGPASSWORD|password=|postgresql:\/\/[^ ]*:[^ ]*@|[A-Z_]*(TOKEN|SECRET)=/i
  for (const text of [...config.Env, ...history.map((entry) => `${entry.CreatedBy} ${entry.Comment ?? ''}`)]) check(!secret.test(text), `${target}: a secret in ${text}`)
  check(inspected.Size <= SIZE_MAX[target], `${target}: ${inspected.Size} bytes, more than ${SIZE_MAX[target]}`)
  console.log(`${registry}/hypercore-nixos/${target}:${version}: ${(inspected.Size / MIB).toFixed(1)} MiB`)
}
