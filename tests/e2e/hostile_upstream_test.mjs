// An upstream that is honest about most paths and as bad as it can be about some: endless, huge and broken answers, bombs, lies, and
// redirects to where a mirror must never look. What is good is published, each bad path has its reason, nobody asked the places
// that listen for it, and all programs stay, within the limits named here.
//
// In a network of its own, where the upstream has an address that looks public: node tests/e2e/hostile_upstream_test.mjs
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Canary, HostileUpstream, tricks } from './hostile/upstream.mjs'
import { DemoChannel, Mirror, SHARED_CHANNELS, check, checkEqual, compareWithUpstream, step, test } from './words.mjs'

const PUBLIC = '203.0.113.10'
const PRIVATE = '10.1.2.3'
const METADATA = '169.254.169.254'
const NAME = 'inside.example' // resolves to PRIVATE
const EXIT_PARTIAL = 3
// Limits that must hold whatever the upstream does.
const COORDINATOR_RSS_MAX = 256 << 20
const WORKER_RSS_MAX = 384 << 20
const WORKER_MEMORY_MAX = '64M'

function enterNetwork () {
  const hosts = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'hnx-hosts.')), 'hosts')
  fs.writeFileSync(hosts, `127.0.0.1 localhost\n${PRIVATE} ${NAME}\n`)
  const script = `ip link set lo up && for one in ${PUBLIC} ${PRIVATE} ${METADATA}; do ip address add $one/32 dev lo; done &&
    mount --bind "$0" /etc/hosts && exec "$@"`
  const done = spawnSync('unshare', ['--net', '--mount', 'sh', '-c', script, hosts, process.execPath, fileURLToPath(import.meta.url)],
    { stdio: 'inherit', env: { ...process.env, HNX_HOSTILE_INSIDE: '1' } })
  fs.rmSync(path.dirname(hosts), { recursive: true })
  if (done.error) console.error(`This test needs network namespaces (root): ${done.error.message}`)
  process.exit(done.status ?? 1)
}
if (!process.env.HNX_HOSTILE_INSIDE) enterNetwork()

const peakBytes = (pid) => Number(fs.readFileSync(`/proc/${pid}/status`, 'utf8').match(/VmHWM:\s+(\d+) kB/)[1]) * 1024
const narinfoUrl = (storePath) => `/${path.basename(storePath).slice(0, 32)}.narinfo`

// Paths that no other one refers to, and whose NAR nobody shares.
function lonely (channel, expected) {
  const narinfos = new Map(Object.keys(expected.paths).map((storePath) => [storePath, channel.file(narinfoUrl(storePath)).toString()]))
  const needed = new Set()
  for (const [storePath, text] of narinfos) {
    for (const name of text.match(/^References: (.*)$/m)?.[1].split(' ') ?? []) if (name !== path.basename(storePath)) needed.add(name)
  }
  const urls = Object.values(expected.paths).map(({ url }) => url)
  return [...narinfos.keys()].filter((storePath) => !needed.has(path.basename(storePath)) &&
    urls.filter((url) => url === expected.paths[storePath].url).length === 1)
}

// The narinfo with another URL, which no signature covers.
const withUrl = (url) => (socket, bytes) => {
  const text = bytes.toString().replace(/^URL: .*$/m, `URL: ${url}`)
  socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${text}`)
}

test('hostile upstream', async ({ scratch, owns }) => {
  const channel = owns(new DemoChannel(path.join(scratch, 'channel'), SHARED_CHANNELS.medium))
  channel.make()
  await channel.serve()
  const expected = channel.expected()
  const canaries = []
  const listen = async (host, port) => {
    const canary = owns(new Canary())
    await canary.start(host, port)
    canaries.push(canary)
    return `${host.includes(':') ? `[${host}]` : host}:${canary.port}`
  }
  const [loopback, inside, otherPort] = [await listen('127.0.0.1'), await listen(PRIVATE), await listen(PUBLIC)]
  const [metadata, loopback6] = [await listen(METADATA, 80), await listen('::1')]
  const listed = `${NAME}:${inside.split(':')[1]}`

  step('some paths of the upstream turn bad')
  const bad = new Map()
  const upstream = owns(new HostileUpstream(path.join(channel.dir, 'www/cache'), bad))
  await upstream.start(PUBLIC)
  const nars = tricks({
    'to-file': 'file:///etc/passwd',
    'to-metadata': `http://${metadata}/latest/meta-data/`,
    'to-loopback': `http://${loopback}/`,
    'to-loopback-6': `http://${loopback6}/`,
    'to-private': `http://${inside}/`,
    'to-other-port': `http://${otherPort}/`,
    'to-unlisted-name': `http://localhost:${loopback.split(':')[1]}/`,
    'to-listed-name-inside': `http://${listed}/`,
    'to-user': `${upstream.url.replace('//', '//user:secret@')}/nix-cache-info`,
    'to-itself': '/nar/loop'
  })
  bad.set('/nar/loop', nars['to-itself'])
  // These cost their timeouts, a minute each and again: at night. tests/integration/http has them with short ones.
  if (!process.env.HNX_NIGHTLY) {
    delete nars['slow-head']
    delete nars.hang
  }
  const { 'endless-body': endless, 'huge-line': hugeLine, 'to-metadata': toMetadata, 'gzip-bomb': bomb } = nars
  const narinfos = { 'endless-body': endless, 'huge-line': hugeLine, 'to-metadata': toMetadata, 'gzip-bomb': bomb,
    'url-private': withUrl(`http://${inside}/x.nar`), 'url-metadata': withUrl(`http://${metadata}/x.nar`), 'url-file': withUrl('file:///etc/passwd'),
    'url-dots': withUrl('../../../etc/passwd'), 'url-slashes': withUrl(`//${inside}/x.nar`) }
  const candidates = lonely(channel, expected)
  const trickOf = new Map()
  const play = (tricksToPlay, kind, urlOf) => {
    for (const [name, trick] of Object.entries(tricksToPlay)) {
      const storePath = candidates.pop()
      check(storePath, 'the demonstration has too few paths that nobody needs')
      trickOf.set(storePath, `${kind} ${name}`)
      bad.set(urlOf(storePath), trick)
    }
  }
  play(nars, 'NAR', (storePath) => `/${expected.paths[storePath].url}`)
  play(narinfos, 'narinfo', narinfoUrl)

  step(`${trickOf.size} of ${Object.keys(expected.paths).length} paths are bad: the release settles all the same`)
  channel.info.upstream = upstream.url
  const mirror = owns(new Mirror(path.join(scratch, 'mirror'), channel, {
    coordinatorOptions: ['--attempts-max', '1', '--max-missing', '0.9', '--job-nars-max', '4'],
    workerOptions: ['--redirect-host', listed, '--memory-max', WORKER_MEMORY_MAX]
  }))
  await mirror.start()
  const list = path.join(scratch, 'paths')
  fs.writeFileSync(list, Object.keys(expected.paths).join('\n') + '\n')
  const submitted = await mirror.runBeside('coordinator', 'submit', '--coordinator', mirror.address, '--store-paths', list, '--wait')
  checkEqual(`the exit status of submit (${submitted.stderr.slice(-500)})`, submitted.status, EXIT_PARTIAL)

  step('each bad path has its reason, and there is no other one')
  const failures = new Map(mirror.failures().map((failure) => [failure.store_path, failure]))
  for (const [storePath, trick] of [...trickOf].sort((a, b) => a[1] < b[1] ? -1 : 1)) {
    const failure = failures.get(storePath)
    console.log(`${trick}: ${failure?.state}: ${failure?.reason}: ${failure?.message ?? ''}`.slice(0, 260))
    check(failure?.reason, `${trick} has no reason`)
    if (/ to-/.test(trick)) check(failure.reason.includes('redirect') || failure.message?.includes('redirect'), `${trick}: the reason is ${failure.reason}`)
  }
  checkEqual('failures that nobody played', [...failures.keys()].filter((storePath) => !trickOf.has(storePath)), [])

  step('the others are published, byte for byte')
  const settled = structuredClone(expected)
  for (const storePath of trickOf.keys()) settled.paths[storePath].status = failures.get(storePath).state
  const [{ channel: listName, name: release }] = mirror.status().releases
  await mirror.manifest(release, listName)
  await compareWithUpstream(mirror, settled)

  step('nobody came where nobody may')
  checkEqual('visits', canaries.map(({ visits }) => visits), canaries.map(() => 0))

  step('everybody is there, and small')
  for (const [name, most] of [['coordinator', COORDINATOR_RSS_MAX], ['worker-1', WORKER_RSS_MAX], ['worker-2', WORKER_RSS_MAX]]) {
    const program = mirror.programs.get(name)
    check(program.running && program.starts === 1, `${name} has ended`)
    const peak = peakBytes(program.child.pid)
    console.log(`${name}: ${Math.round(peak / 1048576)} MiB at most`)
    check(peak <= most, `${name} took ${peak} bytes, limit ${most}`)
  }
})
