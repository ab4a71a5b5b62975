// Five releases, two are kept: what only the others need leaves the index at once and the disk after thirty days, the
// rest stays; a new release brings back what is on its way out; the room that comes back is what was foretold.
import fs from 'node:fs'
import path from 'node:path'
import { DemoChannel, Mirror, check, checkEqual, compareWithUpstream, step, test, until } from './words.mjs'

const RELEASES = 5
const KEPT = 2
const GATEWAY_MS = 20_000
// A hole begins and ends at a block of the file system: at most so much of each NAR stays.
const BLOCK_BYTES = 4096

test('retention', async ({ scratch, owns }) => {
  const options = ['--paths', '160', '--bytes', '24M']
  const channel = owns(new DemoChannel(path.join(scratch, 'channel'), options))
  channel.make()
  await channel.serve()
  // Nothing retires by itself: the test says when.
  const mirror = owns(new Mirror(path.join(scratch, 'mirror'), channel, { coordinatorOptions: ['--gc-interval', '1000d'] }))
  await mirror.start()
  const name = channel.info.channel
  const setDay = (day) => mirror.sql(`CREATE OR REPLACE FUNCTION retirement_now() RETURNS timestamptz LANGUAGE sql STABLE AS
    'SELECT now() + interval ''${day} days'''`)
  const gc = () => {
    const done = mirror.coordinator('gc', '--json')
    checkEqual(`the exit status of gc (${done.stderr})`, done.status, 0)
    return done.stdout.split('\n').filter(Boolean).map((line) => JSON.parse(line)).at(-1)
  }
  const forecast = () => mirror.told('gc', '--dry-run')[0]
  const narinfo = (storePath) => mirror.get(`/${path.basename(storePath).slice(0, 32)}.narinfo`)
  const isGone = async (words, ask) => until(words, GATEWAY_MS, async () => (await ask()) === null)
  const verify = (...words) => {
    const done = mirror.run('hyp', 'verify', `hyper://${mirror.key}`, ...mirror.drives().flatMap((dir) => ['--drives', dir]),
      '--trusted-public-keys', channel.info.public_key, ...words)
    checkEqual(`the exit status of hyp verify ${words.join(' ')} (${done.stdout.slice(-500)}${done.stderr.slice(-300)})`, done.status, 0)
  }

  step(`${RELEASES} releases`)
  for (let release = 1; release <= RELEASES; release++) {
    if (release > 1) channel.make('--release', String(release))
    channel.point(name, release)
    checkEqual('the exit status of submit --wait', await mirror.submit('--wait'), 0)
  }
  const all = Array.from({ length: RELEASES }, (_, n) => channel.expected(n + 1))
  const kept = all.slice(-KEPT)
  const needed = new Set(kept.flatMap((release) => Object.keys(release.paths)))
  const leaving = new Map(all.flatMap((release) => Object.entries(release.paths)).filter(([storePath]) => !needed.has(storePath)))
  const neededNars = new Set(kept.flatMap((release) => Object.values(release.paths).map((entry) => entry.url)))
  const leavingNars = new Set([...leaving.values()].map((entry) => entry.url).filter((url) => !neededNars.has(url)))
  check(leavingNars.size >= 10, `only ${leavingNars.size} NARs are to leave: no test of anything`)
  checkEqual('releases', mirror.told('releases').map((release) => release.state), Array(RELEASES).fill('settled'))
  const [first, second] = mirror.told('releases').reverse()

  step('diff names what the second release changed')
  const difference = mirror.told('diff', String(first.id), String(second.id))
  const changed = (change) => difference.filter((d) => d.change === change).map((d) => d.store_path).sort()
  const only = (a, b) => Object.keys(a.paths).filter((storePath) => !(storePath in b.paths)).sort()
  checkEqual('what was added', changed('added'), only(all[1], all[0]))
  checkEqual('what is gone', changed('gone'), only(all[0], all[1]))
  checkEqual('manifest --check', mirror.told('manifest', '--check', String(first.id))[0].findings, [])
  verify('--release', `${name}/${all[0].release}`, '--skip-nars')

  step('retention: gc --dry-run foretells, and changes nothing')
  checkEqual('the exit status of retention', mirror.coordinator('retention', name, '--keep', String(KEPT)).status, 0)
  const foretold = forecast()
  checkEqual('releases that would retire', foretold.releases.map((r) => r.name).sort(), all.slice(0, -KEPT).map((r) => r.release).sort())
  checkEqual('paths that would leave', foretold.paths, leaving.size)
  checkEqual('NARs that would leave', foretold.nars, leavingNars.size)
  checkEqual('releases', mirror.told('releases').map((release) => release.state), Array(RELEASES).fill('settled'))

  step('gc: folders and narinfos leave at once, NARs do not')
  const before = mirror.shardBytesOnDisk()
  gc()
  checkEqual('releases', mirror.told('releases').map((release) => release.state), ['settled', 'settled', 'retired', 'retired', 'retired'])
  for (const release of all.slice(0, -KEPT)) {
    await isGone(`the folder of ${release.release} leaves`, () => mirror.get(`/channels/${name}/${release.release}/manifest.json`))
  }
  for (const storePath of leaving.keys()) await isGone(`the narinfo of ${storePath} leaves`, () => narinfo(storePath))
  for (const url of leavingNars) check(await mirror.get(`/${url}`), `${url} left though clients may know it`)
  for (const release of kept) await compareWithUpstream(mirror, release)
  checkEqual('bytes on disk', mirror.shardBytesOnDisk(), before)

  step('day 29: nothing is due')
  setDay(29)
  const early = forecast()
  checkEqual('bytes that are due', early.due_bytes, 0)
  checkEqual('NARs that are retiring', early.retiring_nars, leavingNars.size)
  gc()
  checkEqual('bytes on disk', mirror.shardBytesOnDisk(), before)

  step('a new release revives what it needs, without a fetch')
  const fetched = [...channel.narRequests()]
  const [oldRoot] = [...leaving].find(([, entry]) => leavingNars.has(entry.url) && entry.listed)
  const revived = mirror.coordinator('submit', '--path', oldRoot, '--name', 'again', '--wait')
  checkEqual(`the exit status of submit --path (${revived.stderr})`, revived.status, 0)
  checkEqual('NAR requests', [...channel.narRequests()], fetched)
  await until('the narinfo is back', GATEWAY_MS, () => narinfo(oldRoot))

  step('day 31: as much comes back as was foretold')
  setDay(31)
  const due = forecast()
  check(due.due_nars > 0 && due.due_nars < leavingNars.size, `${due.due_nars} of ${leavingNars.size} NARs are due, one or more were revived`)
  const outcome = gc()
  checkEqual('bytes that came back by the coordinator', outcome.reclaimed_bytes, due.due_bytes)
  const freed = before - mirror.shardBytesOnDisk()
  const slack = due.due_nars * 2 * BLOCK_BYTES
  console.log(`foretold ${due.due_bytes} bytes, ${freed} came back on the disk, at most ${slack} stay for whole blocks`)
  check(freed <= due.due_bytes + slack && freed >= due.due_bytes - slack, `${freed} bytes came back, ${due.due_bytes} were foretold`)
  check(due.due_bytes > 4 * slack, 'the NARs are too small for this to prove anything')
  check(await narinfo(oldRoot), 'what was revived has left')
  check(await mirror.get(`/${leaving.get(oldRoot).url}`), 'the NAR that was revived has left')
  for (const release of kept) await compareWithUpstream(mirror, release)

  step('a release that is wanted again is fetched again')
  channel.point(name, 1)
  checkEqual('the exit status of submit --force', await mirror.submit('--force', '--wait'), 0)
  await mirror.manifest(all[0].release)
  await compareWithUpstream(mirror, all[0])
  verify()

  step('wrong words')
  for (const words of [['pin', 'nothing'], ['diff', '1', 'nothing'], ['manifest', '999'], ['unfollow', 'nothing']]) {
    const refused = mirror.coordinator(...words)
    check(refused.status === 1 && refused.stderr.includes(words.at(-1)), `${words.join(' ')}: ${refused.status} ${refused.stderr}`)
  }
  checkEqual('retention without a rule', mirror.coordinator('retention', name).status, 2)
  check(fs.existsSync(mirror.drives()[0]), 'the drives are where they were')
})
