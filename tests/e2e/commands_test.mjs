// What an operator types: plan before anything is fetched, submit, status, watch, why, failures, import of a folder,
// and what each says with --json, when it is asked nonsense, and when the coordinator is away.
import fs from 'node:fs'
import path from 'node:path'
import { DemoChannel, Mirror, SHARED_CHANNELS, check, checkEqual, compareWithUpstream, step, test, until } from './words.mjs'

const lines = (text) => text.split('\n').filter(Boolean).map((line) => JSON.parse(line))

test('commands', async ({ scratch, owns }) => {
  const channel = owns(new DemoChannel(path.join(scratch, 'channel'), SHARED_CHANNELS.withFaults))
  channel.make()
  await channel.serve()
  const mirror = owns(new Mirror(path.join(scratch, 'mirror'), channel))
  await mirror.start()
  const { info } = channel
  const coordinator = (...words) => mirror.run('coordinator', words[0], '--coordinator', mirror.address, ...words.slice(1))
  const expected = channel.expected()
  const pathsWith = (status) => Object.keys(expected.paths).filter((name) => expected.paths[name].status === status)

  step('plan tells size and gaps, and fetches no NAR')
  const plan = coordinator('plan', '--channel', info.channel, '--json')
  checkEqual('the exit status of plan', plan.status, 0)
  const planned = lines(plan.stdout).at(-1)
  checkEqual('NARs fetched for a plan', channel.narRequests().size, 0)
  check(JSON.stringify(planned).includes(expected.release), `the plan does not name ${expected.release}: ${plan.stdout}`)
  const table = coordinator('plan', '--channel', info.channel)
  checkEqual('the exit status of plan for people', table.status, 0)
  check(/missing/i.test(table.stdout), `the plan does not say what upstream lacks: ${table.stdout}`)

  step('why of a path that nobody asked for')
  const unknown = coordinator('why', '/nix/store/00000000000000000000000000000000-nothing')
  check(unknown.status !== 0 && /00000000000000000000000000000000/.test(unknown.stderr),
    `why of an unknown path: status ${unknown.status}: ${unknown.stderr}`)

  step('submit from a list on standard input, by path, and by channel')
  const roots = pathsWith('published').slice(0, 3)
  const listFile = path.join(scratch, 'paths')
  fs.writeFileSync(listFile, roots.join('\n') + '\n')
  const list = coordinator('submit', '--store-paths', listFile, '--name', 'mine', '--wait')
  checkEqual(`the exit status of submit --store-paths (${list.stderr})`, list.status, 0)
  const one = coordinator('submit', '--path', roots[0], '--wait', '--json')
  checkEqual('the exit status of submit --path', one.status, 0)
  checkEqual('its last state', lines(one.stdout).at(-1).state, 'settled')
  checkEqual('the exit status of a submission with gaps', await mirror.submit('--wait'), 3)
  await mirror.manifest(expected.release) // waits until the gateway shows it
  await compareWithUpstream(mirror, expected)

  step('why tells the history of a published, a missing and a blocked path')
  for (const [status, word] of [['published', /published/], ['missing', /missing/], ['blocked', /blocked/]]) {
    const [storePath] = pathsWith(status)
    const told = coordinator('why', storePath)
    checkEqual(`the exit status of why ${storePath}`, told.status, 0)
    check(word.test(told.stdout) && told.stdout.includes(storePath), `why of a ${status} path says: ${told.stdout}`)
    JSON.parse(coordinator('why', storePath, '--json').stdout)
  }

  step('status and watch of what is over')
  const status = mirror.status()
  const release = status.releases.find((r) => r.name === expected.release && r.state === 'settled')
  check(release, `status does not show ${expected.release} settled: ${JSON.stringify(status.releases)}`)
  check(/settled/.test(coordinator('status').stdout), 'status for people does not say settled')
  const watched = coordinator('watch', '--release', String(release.id ?? release.release_id), '--json')
  checkEqual('the exit status of watch', watched.status, 3)

  step('import adopts a binary cache folder, with nothing fetched')
  const before = [...channel.narRequests()]
  const folder = path.join(scratch, 'cache')
  fs.cpSync(path.join(channel.dir, 'www/cache'), folder, { recursive: true })
  for (const [storePath, entry] of Object.entries(expected.paths)) {
    if (entry.status === 'published') continue // the folder is a healthy one
    fs.rmSync(path.join(folder, `${path.basename(storePath).slice(0, 32)}.narinfo`), { force: true })
  }
  const importInto = async (name, workerOptions) => {
    const other = owns(new Mirror(path.join(scratch, name), channel, { workers: 1, workerOptions, coordinatorOptions: ['--attempts-max', '1'] }))
    await other.start()
    return [other, other.run('coordinator', 'import', '--coordinator', other.address, '--from-dir', folder, '--wait')]
  }
  const [second, imported] = await importInto('second', ['--import-dir', folder])
  checkEqual(`the exit status of import (${imported.stderr.slice(-300)})`, imported.status, 0)
  checkEqual('NARs fetched by an import', [...channel.narRequests()], before)
  const [{ channel: listName, name: listed }] = second.status().releases
  await second.manifest(listed, listName)
  await compareWithUpstream(second, expected)
  const nowhere = second.run('coordinator', 'import', '--coordinator', second.address, '--from-dir', scratch)
  check(nowhere.status !== 0 && /nix-cache-info/.test(nowhere.stderr), `import of no cache: ${nowhere.stderr}`)

  step('workers that may not read the folder say so')
  const [closed, refusedImport] = await importInto('closed', [])
  checkEqual('the exit status of that import', refusedImport.status, 3)
  check(closed.failures().some((failure) => failure.message.includes('--import-dir')), 'no failure names --import-dir')

  step('wrong words are refused with status 2 and an advice')
  for (const words of [['submit'], ['submit', '--channel', 'a', '--path', roots[0]], ['submit', '--nonsense'], ['nonsense']]) {
    const refused = coordinator(...words)
    checkEqual(`the exit status of ${words.join(' ')} (${refused.stderr})`, refused.status, 2)
    check(refused.stderr.length > 0, `${words.join(' ')} says nothing`)
  }
  const badMatch = coordinator('submit', '--channel', info.channel, '--match', '(')
  check(badMatch.status !== 0 && /match|regular/i.test(badMatch.stderr), `a broken --match: ${badMatch.status} ${badMatch.stderr}`)

  step('a coordinator that is away is named')
  const away = mirror.run('coordinator', 'status', '--coordinator', '127.0.0.1:1')
  check(away.status === 4 && away.stderr.includes('127.0.0.1:1'), `status of nobody: ${away.status} ${away.stderr}`)
})
