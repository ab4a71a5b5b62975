// Two real PostgreSQL servers on two ports: one that is written to, and a replica that follows it asynchronously. Whoever
// is given `uri()` finds the one that can be written to.
import { spawn, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { check, until } from '../words.mjs'

const START_TIMEOUT_MS = 60_000
const DOWN_TIMEOUT_MS = 30_000
const SETTINGS = {
  fsync: 'on', synchronous_commit: 'on', wal_level: 'replica', max_wal_senders: '8', max_connections: '80', hot_standby: 'on',
  shared_buffers: '64MB', max_wal_size: '1GB', wal_keep_size: '64MB', jit: 'off', max_parallel_workers_per_gather: '0',
  unix_socket_directories: '', log_min_messages: 'warning', logging_collector: 'off', autovacuum_naptime: '10s'
}

function binaries () {
  const found = spawnSync('pg_config', ['--bindir'], { encoding: 'utf8' })
  const versions = fs.existsSync('/usr/lib/postgresql') ? fs.readdirSync('/usr/lib/postgresql').sort((a, b) => b - a) : []
  const folders = [...versions.map((version) => `/usr/lib/postgresql/${version}/bin`), ...(found.stdout ? [found.stdout.trim()] : [])]
  const folder = folders.find((name) => fs.existsSync(path.join(name, 'postgres')))
  check(folder, 'PostgreSQL is not installed: tools/install-packages run')
  return folder
}

// PostgreSQL refuses to be run by root.
export function serverUser () {
  if (process.geteuid() !== 0) return {}
  const [, uid, gid] = fs.readFileSync('/etc/passwd', 'utf8').match(/^postgres:[^:]*:(\d+):(\d+):/m) ?? []
  check(uid, 'there is no user postgres: tools/install-packages run')
  return { uid: Number(uid), gid: Number(gid) }
}

// One server; its data may be made anew.
export class PostgresServer {
  constructor (dir, address, port) {
    Object.assign(this, { dir, address, port, bin: binaries(), user: serverUser() })
    this.data = path.join(dir, 'data')
    this.logFile = `${dir}.log` // outlives the folder
  }

  // Runs one of PostgreSQL's programs to its end, beside everything else that goes on.
  async tool (program, ...words) {
    const child = spawn(path.join(this.bin, program), words, { stdio: ['ignore', 'ignore', 'pipe'], cwd: this.dir, ...this.user })
    let said = ''
    child.stderr.on('data', (piece) => { said += piece })
    const status = await new Promise((resolve) => child.on('close', resolve))
    check(status === 0, `${program} ${words.join(' ')}: status ${status}: ${said.slice(-1000)}`)
  }

  makeFolder () {
    fs.rmSync(this.dir, { recursive: true, force: true })
    // Its user must be able to walk there.
    for (let dir = path.dirname(this.dir); dir !== os.tmpdir() && dir !== '/'; dir = path.dirname(dir)) {
      fs.mkdirSync(dir, { recursive: true })
      if (dir.startsWith(`${os.tmpdir()}/`)) fs.chmodSync(dir, fs.statSync(dir).mode | 0o111)
    }
    fs.mkdirSync(this.dir, { mode: 0o700 })
    if (this.user.uid !== undefined) fs.chownSync(this.dir, this.user.uid, this.user.gid)
  }

  async makePrimary () {
    this.makeFolder()
    await this.tool('initdb', '--pgdata', this.data, '--username=hnx', '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-instructions')
    fs.appendFileSync(path.join(this.data, 'pg_hba.conf'), 'host all hnx all trust\nhost replication hnx all trust\n')
    await this.start()
  }

  // A replica of `primary`, from nothing.
  async makeReplica (primary) {
    this.makeFolder()
    await this.tool('pg_basebackup', '-h', primary.address, '-p', String(primary.port), '-U', 'hnx', '-D', this.data,
      '--checkpoint=fast', '--wal-method=stream', '--write-recovery-conf', '--no-password')
    await this.start()
  }

  async start () {
    const log = fs.openSync(this.logFile, 'a')
    const settings = { ...SETTINGS, listen_addresses: this.address, port: this.port }
    this.child = spawn(path.join(this.bin, 'postgres'), ['-D', this.data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
      { stdio: ['ignore', log, log], detached: true, cwd: this.dir, env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' }, ...this.user })
    fs.closeSync(log)
    this.ended = new Promise((resolve) => this.child.on('exit', resolve))
    await until(`PostgreSQL on port ${this.port} answers`, START_TIMEOUT_MS, async () => {
      check(this.running, `PostgreSQL on port ${this.port} ended at once; its log ends with: ${this.logTail()}`)
      return await this.ask('SELECT 1') === '1'
    })
  }

  get running () {
    return this.child !== undefined && this.child.exitCode === null && this.child.signalCode === null
  }

  // Immediate stop: as after a power cut, recovery follows.
  async stopImmediately () {
    if (this.running) process.kill(this.child.pid, 'SIGQUIT')
    await this.ended
  }

  async stop () {
    if (!this.running) return
    process.kill(this.child.pid, 'SIGINT')
    const late = setTimeout(() => this.stopImmediately(), DOWN_TIMEOUT_MS)
    await this.ended
    clearTimeout(late)
  }

  // The first column of the answer; undefined while there is none. Looks at the server, never at the mirror's state to mend it.
  async ask (statement) {
    const child = spawn('psql', ['-X', '-q', '-h', this.address, '-p', String(this.port), '-U', 'hnx', '-d', 'postgres', '-At',
      '-v', 'ON_ERROR_STOP=1', '-c', statement], { stdio: ['ignore', 'pipe', 'ignore'], env: { ...process.env, PGCONNECT_TIMEOUT: '5' } })
    let said = ''
    child.stdout.on('data', (piece) => { said += piece })
    const status = await new Promise((resolve) => child.on('close', resolve))
    return status === 0 ? said.trim() : undefined
  }

  explain () {
    console.error(`---- end of ${this.logFile}\n${this.logTail()}`)
  }

  logTail () {
    return fs.existsSync(this.logFile) ? fs.readFileSync(this.logFile, 'utf8').split('\n').slice(-20).join('\n') : ''
  }
}

// Numbers of transactions that were begun there, and how far its log goes.
async function position (server) {
  const said = await server.ask(`SELECT pg_snapshot_xmax(pg_current_snapshot()) || ' ' ||
    (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END - '0/0'::pg_lsn)`)
  check(said !== undefined, `PostgreSQL on port ${server.port} does not answer`)
  const [transactions, bytes] = said.split(' ').map(Number)
  return { transactions, bytes }
}

export class ReplicatedPostgres {
  constructor (dir, address, ports) {
    this.dir = dir
    this.servers = ports.map((port, n) => new PostgresServer(path.join(dir, `server-${n + 1}`), address, port))
    ;[this.primary, this.replica] = this.servers
    this.lost = [] // {transactions, bytes} of each failover
  }

  async start () {
    await this.primary.makePrimary()
    await this.replica.makeReplica(this.primary)
    await this.#follows()
  }

  uri () {
    const hosts = this.servers.map(({ address, port }) => `${address}:${port}`).join(',')
    return `postgresql://hnx@${hosts}/postgres?target_session_attrs=read-write`
  }

  #follows () {
    return until('the replica follows', START_TIMEOUT_MS, async () =>
      await this.primary.ask("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") === '1')
  }

  // The replica hears nothing of the primary any more, and is promoted without what it did not hear: as when an
  // asynchronous replica's line is slow, and then the primary's machine burns. `lag` ends when enough is unheard.
  async failOver (lag) {
    await this.replica.ask("ALTER SYSTEM SET primary_conninfo = ''")
    await this.replica.ask('SELECT pg_reload_conf()')
    await until('the replica hears nothing any more', DOWN_TIMEOUT_MS, async () =>
      await this.replica.ask('SELECT count(*) FROM pg_stat_wal_receiver') === '0')
    const heard = await position(this.replica)
    let said = heard
    await lag(async () => {
      said = await position(this.primary)
      return { transactions: said.transactions - heard.transactions, bytes: said.bytes - heard.bytes }
    })
    await this.primary.stopImmediately()
    check(await this.replica.ask('SELECT pg_promote()') === 't', 'the replica was not promoted')
    ;[this.primary, this.replica] = [this.replica, this.primary]
    this.lost.push({ transactions: said.transactions - heard.transactions, bytes: said.bytes - heard.bytes })
    return this.lost.at(-1)
  }

  // The server that was given up comes back as a replica of the other, with an empty disk.
  async followAgain () {
    await this.replica.makeReplica(this.primary)
    await this.#follows()
  }

  explain () {
    for (const server of this.servers) server.explain()
  }

  async stop () {
    for (const server of this.servers) await server.stop()
  }
}
