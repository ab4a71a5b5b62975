// PgBouncer in transaction mode between the coordinators and PostgreSQL: no session belongs to anybody for longer than a
// transaction, and there are fewer than the coordinators have connections. Two of them begin at the same moment on an
// empty database.
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { PostgresServer, serverUser } from './chaos/replicated_postgres.mjs'
import { DemoChannel, Mirror, SHARED_CHANNELS, check, checkEqual, compareWithUpstream, freePort, step, test, until } from './words.mjs'

const SESSIONS_MAX = 4
const START_TIMEOUT_MS = 30_000
const MIGRATIONS = path.resolve(import.meta.dirname, '../../coordinator/store/migrations')

// PgBouncer refuses to be run by root, as PostgreSQL does.
class Pooler {
  async start (dir, server) {
    this.dir = dir
    this.user = serverUser()
    this.logFile = path.join(dir, 'pgbouncer.log')
    fs.mkdirSync(dir, { mode: 0o755 })
    for (let folder = dir; folder !== os.tmpdir(); folder = path.dirname(folder)) fs.chmodSync(folder, 0o755)
    this.port = await freePort()
    const settings = path.join(dir, 'pgbouncer.ini')
    fs.writeFileSync(settings, `[databases]
      mirror = host=${server.address} port=${server.port} dbname=postgres user=hnx
      [pgbouncer]
      listen_addr = 127.0.0.1
      listen_port = ${this.port}
      unix_socket_dir =
      auth_type = any
      pool_mode = transaction
      default_pool_size = ${SESSIONS_MAX}
      max_client_conn = 200
      `.replace(/^ +/gm, ''))
    const log = fs.openSync(this.logFile, 'a')
    this.child = spawn('/usr/sbin/pgbouncer', [settings], { stdio: ['ignore', log, log], cwd: '/', ...this.user })
    fs.closeSync(log)
    this.ended = new Promise((resolve) => this.child.on('exit', resolve))
    await until('PgBouncer listens', START_TIMEOUT_MS, () => {
      check(this.child.exitCode === null, 'PgBouncer ended')
      return fs.readFileSync(this.logFile, 'utf8').includes(`listening on 127.0.0.1:${this.port}`)
    })
    return this
  }

  get uri () {
    return `postgresql://hnx@127.0.0.1:${this.port}/mirror`
  }

  explain () {
    console.error(`---- end of ${this.logFile}\n${fs.readFileSync(this.logFile, 'utf8').slice(-2000)}`)
  }

  async stop () {
    this.child.kill('SIGTERM')
    await this.ended
  }
}

test('pooler', async ({ scratch, owns }) => {
  const channel = owns(new DemoChannel(path.join(scratch, 'channel'), SHARED_CHANNELS.medium))
  channel.make()
  await channel.serve()
  const server = owns(new PostgresServer(path.join(scratch, 'postgres'), '127.0.0.1', await freePort()))
  await server.makePrimary()
  const pooler = owns(await new Pooler().start(path.join(scratch, 'pooler'), server))

  step('two coordinators make the schema, once')
  const mirror = owns(new Mirror(path.join(scratch, 'mirror'), channel, { coordinators: 2, database: pooler.uri }))
  await mirror.start()
  const names = fs.readdirSync(MIGRATIONS).map((name) => name.match(/^\d+_(.*)\.up\.sql$/)?.[1]).filter(Boolean).sort()
  checkEqual('versions of the schema', await server.ask("SELECT string_agg(name, ',' ORDER BY name) FROM schema_version"), names.join())
  checkEqual('advisory locks that are held', await server.ask("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"), '0')

  step('two releases are mirrored')
  checkEqual('the exit status of submit --wait', await mirror.submit('--wait'), 0)
  channel.make('--release', '2')
  await channel.stop()
  await channel.serve()
  checkEqual('the exit status of submit --wait', await mirror.submit('--wait'), 0)
  for (const expected of [channel.expected(1), channel.expected(2)]) {
    await mirror.manifest(expected.release)
    await compareWithUpstream(mirror, expected)
  }
  const sessions = Number(await server.ask("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"))
  check(sessions > 0 && sessions <= SESSIONS_MAX, `${sessions} sessions with PostgreSQL`)
})
