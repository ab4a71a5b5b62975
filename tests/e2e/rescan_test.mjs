// The database is gone, the drives are not. A rescan fills an empty one from the index drive with nothing asked of the
// upstream, killed in the middle of every phase; then coordinator and workers go on as if nothing had happened. The same
// with a database that is two releases old.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { DemoChannel, Mirror, SHARED_CHANNELS, check, checkEqual, compareWithUpstream, step, test, until } from './words.mjs'

const LONG_MS = 60_000
const STEPS_BETWEEN_KILLS = 4

// What both databases must say: nothing of when and by which number.
const FACTS = {
  'paths by state': `SELECT DISTINCT p.hash, CASE WHEN p.blocked_by IS NOT NULL THEN 'blocked by ' || b.hash ELSE p.state::text END,
      CASE WHEN p.blocked_by IS NULL THEN p.reason END FROM path p LEFT JOIN path b ON b.id = p.blocked_by
      WHERE p.id IN (SELECT path_id FROM release_path) ORDER BY 1`,
  'published paths': `SELECT p.hash, p.name, p.depth, p.cyclic, encode(sha256(i.content), 'hex'), n.file, u.url FROM path p
      JOIN narinfo i ON i.id = p.narinfo_id JOIN nar n ON n.id = p.nar_id JOIN upstream u ON u.id = n.upstream_id
      WHERE p.state = 'published' ORDER BY 1`,
  references: `SELECT a.hash, b.hash FROM path_reference e JOIN path a ON a.id = e.referrer JOIN path b ON b.id = e.reference
      WHERE a.state = 'published' ORDER BY 1, 2`,
  'NARs by place': `SELECT n.file, encode(n.nar_hash, 'hex'), n.nar_size, n.file_size, encode(s.key, 'hex'), n.blob_byte_offset,
      n.blob_block_offset, n.blob_block_length FROM nar n JOIN shard s ON s.id = n.shard_id WHERE n.linked_batch IS NOT NULL ORDER BY 1`,
  shards: "SELECT encode(key, 'hex'), encode(content_key, 'hex') FROM shard WHERE id IN (SELECT shard_id FROM nar WHERE linked_batch IS NOT NULL) ORDER BY 1",
  releases: `SELECT r.channel, r.name, r.state, r.revision, r.source_url, r.match, r.exclude, r.is_latest, r.manifest_revision,
      sum(d.total), sum(d.published), sum(d.missing), sum(d.set_aside), sum(d.blocked)
      FROM release r JOIN release_delta d ON d.release_id = r.id GROUP BY r.id ORDER BY 1, 2`,
  'paths of releases': `SELECT r.name, p.hash, rp.is_root FROM release_path rp JOIN release r ON r.id = rp.release_id
      JOIN path p ON p.id = rp.path_id ORDER BY 1, 2`,
  'files of releases': `SELECT r.name, f.name, encode(f.sha256, 'hex'), f.size_bytes, f.batch IS NOT NULL FROM release_file f
      JOIN release r ON r.id = f.release_id ORDER BY 1, 2`
}

test('rescan', async ({ scratch, owns }) => {
  const channel = owns(new DemoChannel(path.join(scratch, 'channel'), SHARED_CHANNELS.smallWithFaults))
  channel.make()
  await channel.serve()
  const mirror = owns(new Mirror(path.join(scratch, 'mirror'), channel, { indexOptions: [] }))
  await mirror.start()
  const coordinator = mirror.programs.get('coordinator')
  const index = mirror.programs.get('index')
  const workers = [mirror.programs.get('worker-1'), mirror.programs.get('worker-2')]
  const data = path.join(mirror.dir, 'coordinator')
  const indexDrive = path.join(mirror.dir, 'index/drives', mirror.indexId)

  const release = async (number) => {
    if (number > 1) {
      channel.make('--release', String(number))
      await channel.stop()
      await channel.serve()
    }
    checkEqual('the exit status of submit --wait', await mirror.submit('--wait'), 3)
    await mirror.manifest(channel.expected(number).release)
  }
  const facts = () => Object.fromEntries(Object.entries(FACTS).map(([name, statement]) => [name, mirror.sql(statement).split('\n')]))
  const checkFacts = (found, wanted) => {
    for (const name of Object.keys(FACTS)) checkEqual(name, found[name], wanted[name])
    console.log(Object.entries(wanted).map(([name, rows]) => `${rows.length} ${name}`).join(', '))
  }
  const manifests = async (upTo) => Promise.all(Array.from({ length: upTo }, (_, n) => n + 1).map(async (n) => {
    const url = `/channels/${channel.info.channel}/${channel.expected(n).release}`
    return [await mirror.get(`${url}/manifest.json`), await mirror.get(`${url}/listing.zst`)].map((body) => body.toString('base64'))
  }))
  const stopAll = async () => {
    for (const program of [...workers, index, coordinator]) await program.stop()
  }
  const requests = () => fs.readFileSync(path.join(channel.dir, 'run/nginx.access.log'), 'utf8').split('\n').length
  const copyData = (from, to) => {
    fs.rmSync(to, { recursive: true, force: true })
    checkEqual('cp', spawnSync('cp', ['-a', from, to]).status, 0)
  }
  const rescan = (words = [], environment = {}) => spawnSync(path.join(process.env.HNX_BIN_DIR, 'coordinator'),
    ['rescan', '--index', indexDrive, '--data', data, '--trusted-public-keys', channel.info.public_key, '--json', ...words],
    { encoding: 'utf8', env: { ...process.env, ...environment } })
  // Killed again and again, some steps after it began, until it comes to its end.
  const rescanKilled = (words = []) => {
    for (let kills = 0; ; kills++) {
      const killed = rescan(words, { HNX_CRASH_AT: `rescan.after_entries,rescan.after_step:${STEPS_BETWEEN_KILLS},rescan.after_release:2` })
      if (killed.signal !== 'SIGKILL') return { kills, done: killed }
      check(kills < 100, 'the rescan does not come to an end')
    }
  }
  const theirDrives = () => until('every shard is reported by its worker', LONG_MS, () => {
    const shards = mirror.status()?.shards
    return shards?.length && shards.every((shard) => !/unclaimed/.test(shard.worker)) && shards
  })
  // Coordinator and workers on the database as it is.
  const startAll = async (indexWords = []) => {
    coordinator.start()
    await until('the coordinator answers', LONG_MS, () => mirror.status())
    for (const worker of workers) worker.start()
    const words = index.words
    index.words = [...words, ...indexWords]
    index.start()
    index.words = words
    await theirDrives()
    await until('the index is taken over', LONG_MS, () => mirror.status()?.index_length > 0)
  }

  step('two releases, with paths that are missing, set aside and blocked')
  await release(1)
  await stopAll()
  const old = path.join(scratch, 'old')
  copyData(data, old)
  await startAll()
  await release(2)
  const wanted = facts()
  const wantedManifests = await manifests(2)
  const length = mirror.status().index_length
  await stopAll()

  step('the database is lost; a coordinator does not serve while a rescan is not finished')
  fs.rmSync(data, { recursive: true })
  const asked = requests()
  checkEqual('how the first rescan ended', rescan([], { HNX_CRASH_AT: 'rescan.after_step:3' }).signal, 'SIGKILL')
  coordinator.start()
  check(await coordinator.ended !== 0, 'the coordinator serves what is half filled')
  check(/a rescan of this database was begun/.test(coordinator.logTail()), 'it does not say why')

  step('killed in the middle again and again, it ends the same; nothing is asked of the upstream')
  const { kills, done } = rescanKilled()
  check(kills > 2, `it was killed ${kills} times only`)
  checkEqual(`the exit status of rescan: ${done.stderr}`, done.status, 0)
  const report = JSON.parse(done.stdout)
  console.log(`killed ${kills + 1} times; ${JSON.stringify(report.database)}`)
  checkEqual('findings', report.findings, [])
  checkEqual('the length of the index', report.index_length, length)
  for (const word of ['pins', 'pauses', 'priorities', 'followed', 'retention', 'attempts']) {
    check(report.unknown.some(({ what }) => what.includes(word)), `that ${word} are lost is not said`)
  }
  checkEqual('requests at the upstream', requests(), asked)
  const again = rescan()
  check(again.status === 1 && /--merge/.test(again.stderr), `a second one is not refused: ${again.stderr}`)

  step('coordinator and workers go on: all is as it was')
  await startAll(['--accept-length', String(length)])
  await until('the index is published to its end', LONG_MS, () => mirror.status().index_length > length)
  checkFacts(facts(), wanted)
  check(mirror.status().shards.every((shard) => shard.sealed && !shard.lost), 'an old shard is written, or lost')
  checkEqual('manifests and listings', await manifests(2), wantedManifests)
  checkEqual('failures', mirror.failures().map(({ store_path: at, state }) => [at, state]).sort(),
    Object.entries(channel.expected(2).paths).filter(([, { status }]) => status !== 'published').map(([at, { status }]) => [at, status]).sort())
  const told = mirror.coordinator('manifest', channel.expected(1).release)
  checkEqual(`coordinator manifest: ${told.stderr}`, told.status, 0)
  checkEqual('requests at the upstream', requests(), asked)

  step('the third release fetches what is new, and tries what had failed')
  const before = channel.narRequests()
  await release(3)
  const third = channel.expected(3)
  const fetched = new Set([...channel.narRequests()].filter(([url, count]) => count > (before.get(url) ?? 0)).map(([url]) => url))
  const urlOf = (storePath) => {
    const narinfo = path.join(channel.dir, 'www/cache', `${path.basename(storePath).slice(0, 32)}.narinfo`)
    return fs.existsSync(narinfo) && fs.readFileSync(narinfo, 'latin1').match(/^URL: (.*)$/m)?.[1]
  }
  // Also when somebody else's URL is claimed.
  const failed = new Set(Object.entries(third.paths).filter(([, { status }]) => status !== 'published').map(([at]) => urlOf(at)))
  const fresh = Object.values(third.paths).filter((entry) => entry.new && entry.status === 'published').map(({ url }) => url)
    .filter((url) => !failed.has(url))
  checkEqual('NARs fetched', [...fetched].filter((url) => !failed.has(url)).sort(), [...new Set(fresh)].sort())
  await compareWithUpstream(mirror, third)

  step('a database from before the second release, and the same')
  const newest = facts()
  const newestManifests = await manifests(3)
  const lastLength = mirror.status().index_length
  await stopAll()
  copyData(old, data)
  const askedThen = requests()
  const refused = rescan()
  check(refused.status === 1 && /--merge/.test(refused.stderr), `without --merge it is not refused: ${refused.stderr}`)
  const merged = rescanKilled(['--merge'])
  checkEqual(`the exit status of rescan --merge: ${merged.done.stderr}`, merged.done.status, 0)
  console.log(`killed ${merged.kills} times; ${merged.done.stdout.slice(0, 600)}`)
  await startAll()
  await until('the longer index is taken over', LONG_MS, () => mirror.status().index_length >= lastLength)
  checkFacts(facts(), newest)
  checkEqual('manifests and listings', await manifests(3), newestManifests)
  checkEqual('requests at the upstream', requests(), askedThen)

  step('submitted again: nothing is fetched; the real nix takes a root')
  const counts = [...channel.narRequests()].filter(([url]) => !failed.has(url))
  checkEqual('the exit status of submit --wait', await mirror.submit('--wait'), 3)
  checkEqual('NAR requests', [...channel.narRequests()].filter(([url]) => !failed.has(url)), counts)
  const [root] = Object.entries(third.paths).find(([, entry]) => entry.new && entry.status === 'published')
  const home = path.join(scratch, 'home')
  fs.mkdirSync(home)
  const copied = spawnSync('nix', ['copy', '--from', `http://${mirror.gatewayAddress}`, '--to', path.join(scratch, 'store'), root], {
    encoding: 'utf8',
    env: { ...process.env, HOME: home, XDG_CACHE_HOME: path.join(scratch, 'nix-cache'), NIX_REMOTE: '',
      NIX_CONFIG: `experimental-features = nix-command\nbuild-users-group =\nsubstituters =\nrequire-sigs = true\ntrusted-public-keys = ${channel.info.public_key}` }
  })
  checkEqual(`nix copy: ${copied.stderr.slice(-500)}`, copied.status, 0)
})
