// deploy/postgres/roles.sql on a real PostgreSQL: a coordinator mirrors, with a budget, retention and failures, as a role that
// can make, alter and drop nothing; the reader's role reads everything, dumps it and changes nothing; strangers stay outside.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { PostgresServer } from './chaos/replicated_postgres.mjs'
import { DemoChannel, Mirror, SHARED_CHANNELS, check, checkEqual, compareWithUpstream, freePort, sourceDir, step, test } from './words.mjs'

const EXIT_INCOMPLETE = 3
const ROLES = path.join(sourceDir, 'deploy/postgres/roles.sql')
const README = path.join(sourceDir, 'deploy/postgres/README.md')
const NEWER_SCHEMA = 999

test('roles', async ({ scratch, owns }) => {
  const postgres = owns(new PostgresServer(path.join(scratch, 'postgres'), '127.0.0.1', await freePort()))
  await postgres.makePrimary()
  const uri = (user, name = 'hypercore_nixos') => `postgresql://${user}@127.0.0.1:${postgres.port}/${name}`
  const psql = (user, words, name) => spawnSync('psql', ['-X', '-q', '-At', '-v', 'ON_ERROR_STOP=1', ...words, uri(user, name)], { encoding: 'utf8' })
  const ask = (user, statement, name) => {
    const done = psql(user, ['-c', statement], name)
    checkEqual(`${user}: ${statement}: ${done.stderr}`, done.status, 0)
    return done.stdout.trim().split('\n').filter(Boolean)
  }
  // Tries them all in one session; each must be refused for want of rights.
  const allRefused = (user, statements) => {
    const quoted = statements.map((statement) => `$s$${statement}$s$`).join(', ')
    ask(user, `DO $body$
      DECLARE statement text;
      BEGIN
        FOREACH statement IN ARRAY ARRAY[${quoted}] LOOP
          BEGIN
            EXECUTE statement;
            RAISE EXCEPTION 'not refused';
          EXCEPTION WHEN insufficient_privilege THEN NULL;
                    WHEN OTHERS THEN RAISE EXCEPTION '%: %', statement, SQLERRM;
          END;
        END LOOP;
      END $body$`)
  }
  const coordinator = (...words) => spawnSync(path.join(process.env.HNX_BIN_DIR, 'coordinator'), words, { encoding: 'utf8' })
  const serve = (user, name) => coordinator('serve', '--no-migrate', '--data', path.join(scratch, 'refused'), '--listen', '127.0.0.1:0', '--database', uri(user, name))
  const applyRoles = (name) => {
    const done = psql('hnx', ['-v', `database=${name}`, '-f', ROLES], name)
    checkEqual(`roles.sql: ${done.stderr}`, done.status, 0)
  }

  step('roles and users as the README says')
  const [, users] = fs.readFileSync(README, 'utf8').match(/<<'SQL'\n([^]*?)\nSQL/)
  ask('hnx', 'CREATE DATABASE hypercore_nixos', 'postgres')
  ask('hnx', 'CREATE ROLE stranger LOGIN', 'postgres')
  applyRoles('hypercore_nixos')
  ask('hnx', users)

  step('the runtime role refuses an empty database, and cannot fill it')
  const early = serve('mirror')
  check(early.status === 1 && /the database lacks 001_\w+: run `coordinator migrate`/.test(early.stderr), `serve on an empty database: ${early.stderr}`)
  const filled = coordinator('migrate', '--database', uri('mirror'))
  check(filled.status === 1 && /permission denied/.test(filled.stderr), `the runtime role migrated: ${filled.stderr}`)

  step('the owner migrates; everything is the role\'s, not the user\'s')
  const migrated = coordinator('migrate', '--database', uri('mirror_owner'))
  checkEqual(`coordinator migrate: ${migrated.stderr}`, migrated.status, 0)
  applyRoles('hypercore_nixos')
  const owners = "SELECT DISTINCT relowner::regrole FROM pg_class WHERE relnamespace = 'public'::regnamespace"
  checkEqual('owners', ask('hnx', owners), ['hypercore_nixos_owner'])

  step('a whole mirror, and the next release, by the runtime role')
  const channel = owns(new DemoChannel(path.join(scratch, 'channel'), SHARED_CHANNELS.smallWithFaults))
  channel.make()
  await channel.serve()
  const mirror = owns(new Mirror(path.join(scratch, 'mirror'), channel, { database: uri('mirror'),
    coordinatorOptions: ['--no-migrate', '--budget', '10GiB', '--retire-days', '0', '--audit-days', '1'] }))
  await mirror.start()
  for (const number of [1, 2]) {
    if (number > 1) {
      channel.make('--release', String(number))
      await channel.stop()
      await channel.serve()
    }
    checkEqual('the exit status of submit --wait', await mirror.submit('--wait'), EXIT_INCOMPLETE)
    await mirror.manifest(channel.expected(number).release)
    await compareWithUpstream(mirror, channel.expected(number))
  }
  for (const words of [['pause', '--all'], ['resume', '--all'], ['pin', channel.expected(2).release], ['retention', channel.info.channel, '--keep', '1'], ['gc']]) mirror.told(...words)
  checkEqual('how many audited decisions the reader sees', ask('mirror_reader', 'SELECT count(*) > 3 FROM audit'), ['t'])
  const log = fs.readFileSync(mirror.programs.get('coordinator').logFile, 'utf8')
  checkEqual('lines that speak of permissions', log.split('\n').filter((line) => /permission denied|must be owner/.test(line)), [])

  step('what the runtime role must not do')
  const tables = ask('hnx', "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace ORDER BY 1")
  check(tables.length > 30, `only ${tables.length} tables`)
  allRefused('mirror', tables.flatMap((table) => [`DROP TABLE ${table}`, `ALTER TABLE ${table} ADD COLUMN x int`, `ALTER TABLE ${table} DISABLE TRIGGER ALL`,
    `CREATE INDEX ON ${table} ((1))`, `ALTER TABLE ${table} OWNER TO mirror`, ...table === 'path_budget' ? [] : [`TRUNCATE ${table} CASCADE`]]))
  // Somebody who may not grant is only warned; afterwards it is seen that nothing was granted.
  ask('mirror', tables.map((table) => `GRANT SELECT ON ${table} TO stranger`).join(';'))
  checkEqual('tables that the stranger got', ask('hnx', `SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND has_table_privilege('stranger', oid, 'SELECT')`), [])
  allRefused('mirror', ['CREATE TABLE mine (x int)', 'CREATE SCHEMA mine', 'CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$', 'DROP SCHEMA public CASCADE',
    'CREATE ROLE another', 'SET ROLE hypercore_nixos_owner', `INSERT INTO schema_version (version, name) VALUES (${NEWER_SCHEMA}, 'x')`, 'DELETE FROM schema_version',
    "COPY audit TO '/tmp/hnx-stolen'", "SELECT pg_read_file('/etc/passwd')"])

  step('the reader reads everything and changes nothing')
  ask('mirror_reader', tables.map((table) => `SELECT count(*) FROM ${table}`).join(';'))
  const columns = ask('hnx', `SELECT DISTINCT ON (c.relname) c.relname || ' SET ' || quote_ident(a.attname) || ' = ' || quote_ident(a.attname) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND a.attidentity = ''`)
  check(columns.length >= tables.length - 1, `only ${columns.length} tables have a column that can be written`)
  allRefused('mirror_reader', [...columns.map((column) => `UPDATE ${column}`),
    ...tables.flatMap((table) => [`INSERT INTO ${table} DEFAULT VALUES`, `DELETE FROM ${table}`, `TRUNCATE ${table}`, `DROP TABLE ${table}`])])
  allRefused('mirror_reader', ['CREATE TEMPORARY TABLE mine (x int)', 'CREATE TABLE mine (x int)', 'SET ROLE hypercore_nixos_runtime'])
  const dump = spawnSync('pg_dump', ['--format=custom', `--file=${path.join(scratch, 'mirror.dump')}`, uri('mirror_reader')], { encoding: 'utf8' })
  checkEqual(`pg_dump by the reader: ${dump.stderr}`, dump.status, 0)
  check(fs.statSync(path.join(scratch, 'mirror.dump')).size > 10_000, 'the dump holds nothing')
  const outside = psql('stranger', ['-c', 'SELECT 1'])
  check(outside.status !== 0 && /permission denied for database/.test(outside.stderr), `a stranger got in: ${outside.stderr}`)

  step('a database that another user made becomes the owner\'s, and serves')
  await mirror.stop()
  ask('hnx', 'CREATE DATABASE older', 'postgres')
  const older = coordinator('migrate', '--database', uri('hnx', 'older'))
  checkEqual(`coordinator migrate: ${older.stderr}`, older.status, 0)
  applyRoles('older')
  checkEqual('owners', ask('hnx', owners, 'older'), ['hypercore_nixos_owner'])
  const dry = coordinator('migrate', '--dry-run', '--database', uri('mirror_owner', 'older'))
  checkEqual(`coordinator migrate --dry-run: ${dry.stdout}${dry.stderr}`, dry.status, 0)
  const second = owns(new Mirror(path.join(scratch, 'second'), channel, { database: uri('mirror', 'older'), workers: 1, coordinatorOptions: ['--no-migrate'] }))
  await second.start()
  await second.stop()

  step('an old coordinator refuses the schema of a newer one, and says so, with and without --no-migrate')
  ask('mirror_owner', `INSERT INTO schema_version (version, name) VALUES (${NEWER_SCHEMA}, 'of_a_later_release')`, 'older')
  const said = /the database has schema version 999, this program knows up to \d+: run a newer coordinator/
  for (const done of [serve('mirror', 'older'), coordinator('serve', '--data', path.join(scratch, 'refused'), '--listen', '127.0.0.1:0', '--database', uri('mirror_owner', 'older')),
    coordinator('migrate', '--database', uri('mirror_owner', 'older')), coordinator('migrate', '--dry-run', '--database', uri('mirror', 'older'))]) {
    checkEqual(`the exit status of ${done.stderr}`, done.status, 1)
    check(said.test(done.stderr), `it does not say why: ${done.stderr}`)
  }
})
