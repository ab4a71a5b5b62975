#!/usr/bin/env node
// The swarm bridge: options, identity, bridge, metrics, signals.
import fs from 'node:fs'

import { Bridge } from './lib/bridge.mjs'
import { ephemeralSeed, seedOfFile } from './lib/identity.mjs'
import { Log } from './lib/log.mjs'
import { serveMetrics } from './lib/metrics_server.mjs'
import { HELP, parseOptions, UsageError } from './lib/options.mjs'

const EXIT_OK = 0
const EXIT_FAILURE = 1
const EXIT_USAGE = 2

async function main () {
  let options
  try {
    options = parseOptions(process.argv.slice(2), process.env)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    process.stderr.write(`swarm: ${error.message}\n`)
    return EXIT_USAGE
  }
  if (options.help) {
    process.stdout.write(HELP)
    return EXIT_OK
  }
  if (options.version) {
    const { version } = JSON.parse(fs.readFileSync(new URL('package.json', import.meta.url), 'utf8'))
    process.stdout.write(`swarm ${version}\n`)
    return EXIT_OK
  }
  const log = new Log({ level: options.logLevel, json: options.logJson })
  process.on('uncaughtException', (error) => {
    log.error(`a bug: ${error.stack}`)
    process.exit(EXIT_FAILURE)
  })
  try {
    return await run(options, log)
  } catch (error) {
    log.error(error.message)
    return EXIT_FAILURE
  }
}

async function run (options, log) {
  // From here on: a signal that comes while we start is not lost.
  const signal = new Promise((resolve) => {
    for (const name of ['SIGTERM', 'SIGINT']) process.once(name, () => resolve(name))
  })
  const seed = options.keyFile ? seedOfFile(options.keyFile) : ephemeralSeed()
  const bridge = new Bridge({ options, seed, log })
  await bridge.start()
  const metrics = options.listenMetrics ? await serveMetrics(options.listenMetrics, bridge) : null
  if (metrics) {
    const { address, port } = metrics.address()
    log.info(`metrics at http://${address.includes(':') ? `[${address}]` : address}:${port}/metrics`)
  }
  const name = await signal
  log.info(`${name}: leaving the swarm`)
  metrics?.close()
  if (!await bridge.stop(options.graceMs)) {
    log.warning(`the swarm was not left within ${options.graceMs / 1000} s: others forget us by and by`)
  }
  log.info('ended')
  return EXIT_OK
}

// What is still open (a socket that lingers, a timer) holds nothing up: all that matters was waited for.
process.exit(await main())
