// What servers exit with: stopped, refused, superseded.
import fs from 'node:fs'
import path from 'node:path'
import { Program, check, freePort } from '../words.mjs'

export async function servers ({ commands, mirror, scratch, owns }) {
  const listens = ({ stdout, stderr }) => / serves /.test(stdout + stderr)
  const database = 'postgresql://nobody@127.0.0.1:1/none'
  const free = async () => `127.0.0.1:${await freePort()}`

  await commands.interrupt('coordinator serve', ['--data', path.join(scratch, 'second'), '--listen', await free()], 0, listens, 'SIGTERM')
  await commands.run('coordinator serve', ['--data', path.join(scratch, 'second'), '--listen', mirror.address], 1)
  await commands.run('coordinator migrate', ['--data', path.join(scratch, 'second'), '--dry-run'], 0)
  await commands.run('coordinator migrate', ['--database', database], 1)

  await commands.run('coordinator make-token', ['viewer', 'victor'], 0)
  await commands.run('coordinator make-token', ['root', 'victor'], 2)

  const gateway = ['--index', mirror.key, ...mirror.drives().flatMap((dir) => ['--drives', dir])]
  await commands.interrupt('gateway serve', [...gateway, '--listen', await free()], 0, listens, 'SIGTERM')
  await commands.run('gateway serve', [...gateway, '--listen', mirror.gatewayAddress], 1)

  const key = path.join(scratch, 'new.key')
  await commands.run('worker create-index-key', [key], 0)
  const { stderr } = await commands.run('worker create-index-key', [key], 1)
  check(stderr.includes(key), `the file that is there is not named: ${stderr}`)

  // The same worker, started from a copy of its folder: the first one ends by itself, and says so.
  const data = path.join(scratch, 'worker-3')
  const run = (dir) => ['--data', dir, '--coordinator', mirror.address, '--name', 'worker-3', '--role', 'mirror']
  const known = () => mirror.status().workers.find(({ name, alive }) => name === 'worker-3' && alive)
  await commands.interrupt('worker run', run(data), 0, known, 'SIGTERM')
  await commands.run('worker run', run(path.join(mirror.dir, 'worker-1')), 1)
  await commands.interrupt('worker run', run(data), 5, known, () => {
    fs.cpSync(data, `${data}-copy`, { recursive: true, filter: (name) => !name.endsWith('lock') })
    owns(new Program('worker-3', ['worker', 'run', ...run(`${data}-copy`)], path.join(scratch, 'worker-3.log'))).start()
  })
}
