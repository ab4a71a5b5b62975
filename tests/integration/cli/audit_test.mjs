// coordinator audit: each deciding call leaves one row, written with what it did; what failed and what only looks leaves
// none; old rows go.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { PostgresServer } from '../../e2e/chaos/replicated_postgres.mjs'
import { Mirror, Program, check, checkEqual, freePort, sourceDir, step, test, until } from '../../e2e/words.mjs'
import { BinaryCache, STORE_PATH, makeCertificate, makeKey } from './doctor_servers.mjs'

const START_TIMEOUT_MS = 120_000
const MISSING = `/nix/store/${'1'.repeat(32)}-gone`

function checkSchema (scratch, lines) {
  const file = path.join(scratch, 'audit.jsonl')
  fs.writeFileSync(file, lines)
  const program = 'import json, sys, jsonschema\nv = jsonschema.Draft202012Validator(json.load(open(sys.argv[1])))\n' +
    'for line in open(sys.argv[2]): v.validate(json.loads(line))'
  const done = spawnSync('python3', ['-c', program, path.join(sourceDir, 'docs/schemas/coordinator-audit.schema.json'), file], { encoding: 'utf8' })
  check(done.status === 0, `docs/schemas/coordinator-audit.schema.json: ${done.stderr.split('\n').slice(-20).join('\n')}`)
}

test('audit', async ({ scratch, owns }) => {
  fs.chmodSync(scratch, 0o755)
  const tls = makeCertificate(scratch)
  const key = makeKey('test-1')
  const cache = owns(await new BinaryCache(tls, key).start())
  const server = owns(new PostgresServer(path.join(scratch, 'postgres'), '127.0.0.1', await freePort()))
  await server.makePrimary()
  const listen = `127.0.0.1:${await freePort()}`
  const coordinator = owns(new Program('coordinator', ['coordinator', 'serve', '--data', path.join(scratch, 'data'), '--listen', listen,
    '--database', `postgresql://hnx@127.0.0.1:${server.port}/postgres`, '--upstream', cache.url, '--channel-url', cache.url,
    '--trusted-public-keys', key.text, '--ca-file', tls.cert, '--audit-days', '30'], path.join(scratch, 'coordinator.log')))
  coordinator.explain = () => console.error(coordinator.logTail())
  coordinator.start()
  const worker = owns(new Program('worker', ['worker', 'run', '--data', path.join(scratch, 'worker'), '--coordinator', listen, '--name', 'rack2',
    '--ca-file', tls.cert, '--disk-reserve', '1'], path.join(scratch, 'worker.log')))
  worker.start()
  const mirror = new Mirror(scratch) // for its words only
  const ask = (command, ...words) => mirror.runBeside('coordinator', ...command.split(' '), '--coordinator', listen, ...words)
  const audit = async (...words) => {
    const done = await ask('audit', '--json', ...words)
    checkEqual(`the exit status of audit (${done.stderr})`, done.status, 0)
    return done.stdout.split('\n').filter(Boolean).map(JSON.parse)
  }
  await until('the worker calls', START_TIMEOUT_MS, async () => /rack2/.test((await ask('workers', '--json')).stdout))
  checkEqual('who has only looked', await audit(), [])

  // Each command, what it leaves, and that it leaves just that.
  const user = `${os.userInfo().username}@${os.hostname()}`
  let last = 0
  const leaves = async (command, words, operation, object, decision) => {
    step(`${command} ${words.join(' ')}`)
    const done = await ask(command, ...words)
    check([0, 3].includes(done.status), `${command}: status ${done.status}: ${done.stderr}`)
    const fresh = (await audit()).filter(({ id }) => id > last)
    checkEqual(`rows of ${command}: ${JSON.stringify(fresh)}`, fresh.length, 1)
    const [row] = fresh
    checkEqual(`the operation of ${command}`, row.operation, operation)
    check(object.test(row.object), `${command} was done to "${row.object}", not ${object}`)
    check(decision.test(row.decision), `${command} decided "${row.decision}", not ${decision}`)
    checkEqual('who', row.who, user)
    check(row.peer.includes('127.0.0.1'), `the call came from ${row.peer}`)
    last = row.id
    return done
  }
  const list = path.join(scratch, 'list')
  fs.writeFileSync(list, `${STORE_PATH}\n${MISSING}\n`)
  await leaves('pause', ['--all'], 'pause', /everything/, /no reason was given/) // so that no channel is resolved meanwhile
  await leaves('submit', ['--channel', 'nixos-unstable', '--priority', '7'], 'submit', /release \d+ \(nixos-unstable\)/, /it is begun, priority 7/)
  await leaves('submit', ['--channel', 'nixos-unstable'], 'submit', /nixos-unstable/, /at work already/)
  const numberOf = async (name) => String(JSON.parse((await ask('status', '--json')).stdout).releases.find((release) => release.channel === name).id)
  const channel = await numberOf('nixos-unstable')
  await leaves('pause', ['--release', channel, '--reason', 'lunch'], 'pause', /release \d+ \(nixos-unstable\)/, /lunch/)
  await leaves('pause', ['--release', channel, '--reason', 'tea'], 'pause', /nixos-unstable/, /it was so before/)
  await leaves('resume', ['--release', channel], 'resume', /nixos-unstable/, /it goes on/)
  await leaves('priority', [channel, '10'], 'priority', /nixos-unstable/, /^10$/)
  await leaves('cancel', [channel, '--reason', 'superseded'], 'cancel', /nixos-unstable/, /superseded \(0 leases/)
  await leaves('follow', ['nixos-24.11', '--keep', '3'], 'follow', /channel nixos-24.11/, /3 releases kept/)
  await leaves('retention', ['nixos-24.11', '--keep-days', '30'], 'retention', /channel nixos-24.11/, /30 days kept/)
  await leaves('unfollow', ['nixos-24.11'], 'unfollow', /channel nixos-24.11/, /polled no more/)
  await leaves('resume', ['--all'], 'resume', /everything/, /it goes on/)
  await leaves('plan', ['--store-paths', list, '--name', 'planned'], 'plan', /release \d+ \(planned [0-9a-f]{16}\)/, /begun/)
  await leaves('submit', ['--store-paths', list, '--name', 'mine'], 'submit', /release \d+ \(mine [0-9a-f]{16}\)/, /begun/)
  const mine = await numberOf('mine')
  await leaves('pin', [mine], 'pin', /release \d+/, /never retired/)
  await leaves('unpin', [mine], 'unpin', /release \d+/, /retention decides/)
  await leaves('gc', [], 'gc', /beyond retention/, /leaves now/)
  await until('a path failed', START_TIMEOUT_MS, async () => (await ask('failures list', '--release', mine, '--json')).stdout.includes('missing'))
  await until('its release was planned', START_TIMEOUT_MS, async () => (await ask('failures retry', '--release', mine, '--path', MISSING)).status === 0)
  const [retried] = await audit('--limit', '1')
  checkEqual('the operation of failures retry', [retried.operation, /1 paths, named: 1{32}/.test(retried.decision)], ['failures retry', true])
  last = retried.id
  await leaves('failures ignore', ['--release', mine, '--path', MISSING, '--note', 'gone for good'], 'failures ignore', /mine/, /gone for good/)
  await leaves('failures ignore', ['--release', mine, '--path', MISSING, '--undo'], 'failures ignore', /mine/, /accepted no longer/)
  await leaves('drain', ['rack2'], 'drain', /worker rack2 \([0-9a-f]{32}\)/, /no more work/)
  await leaves('undrain', ['rack2'], 'undrain', /worker rack2/, /given work again/)
  await worker.stop()
  await server.ask("UPDATE worker SET last_seen = now() - interval '1 minute'")
  await leaves('forget', ['rack2'], 'forget', /worker rack2/, /its disk is gone: \d+ shards/)

  step('what failed, and what only looks, leaves nothing')
  for (const [command, ...words] of [['cancel', '999'], ['pause', '--release', '999'], ['forget', 'nobody'], ['unfollow', 'nobody'], ['pin', '999']]) {
    check((await ask(command, ...words)).status === 1, `${command} ${words} should fail`)
  }
  for (const command of ['status', 'releases', 'workers', 'gc --dry-run']) await ask(command)
  checkEqual('the newest row', (await audit('--limit', '1'))[0].id, last)

  step('the newest come first, as many as are asked for, since when')
  const all = await audit('--limit', '0')
  check(all.length > 20 && all.every((row, n) => n === 0 || row.id < all[n - 1].id), 'not the newest first')
  checkEqual('--limit 3', (await audit('--limit', '3')).map(({ id }) => id), all.slice(0, 3).map(({ id }) => id))
  await server.ask(`UPDATE audit SET at = now() - interval '10 days' WHERE id < ${all[1].id}`)
  checkEqual('--since 1d', (await audit('--since', '1d')).length, 2)
  const text = (await ask('audit', '--limit', '1')).stdout
  check(text.includes(user) && /forget +worker rack2/.test(text), `for people: ${text}`)
  checkSchema(scratch, all.map((row) => JSON.stringify(row) + '\n').join(''))

  step('what is older than --audit-days goes')
  await server.ask(`UPDATE audit SET at = now() - interval '40 days' WHERE id < ${all[0].id}`)
  await coordinator.stop()
  coordinator.start()
  await until('what is older than --audit-days is gone', START_TIMEOUT_MS, async () =>
    await server.ask('SELECT count(*) FROM audit') === '1')
})
