// The HEALTHCHECK of the swarm bridge's image: whether the bridge that serves metrics on the HOST:PORT in the environment
// variable named by the first argument is alive. Exit status: 0 alive, 1 not.
const listened = process.env[process.argv[2]] ?? ''
const address = listened.replace(/^(0\.0\.0\.0)?:(?=\d+$)/, '127.0.0.1:').replace(/^\[::\]:/, '[::1]:')
const answer = await fetch(`http://${address}/healthz`, { signal: AbortSignal.timeout(8_000) }).catch((error) => ({ status: `${error.cause ?? error}` }))
if (answer.status !== 200) {
  console.error(`healthcheck: ${address}: ${answer.status}`)
  process.exit(1)
}
process.exit(0)
