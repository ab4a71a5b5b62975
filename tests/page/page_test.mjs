// The coordinator's status page in a real Chromium: nothing there, 5,000 paths that change while somebody looks, a million.
// Rows are made in SQL: what is tested is what people see of them, and what it costs.
// HNX_SHOTS=FOLDER keeps screenshots there.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import axe from 'axe-core'
import { chromium } from 'playwright-core'
import { Mirror, Program, check, checkEqual, freePort, sourceDir, step, test, until } from '../e2e/words.mjs'

const TIMEOUT_MS = 60_000
const DESKTOP = { width: 1280, height: 900 }
const PHONE = { width: 390, height: 844 }
const FAILURES_A_PAGE = 25
const FAILURES = 180
const HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=2</script>'
const shots = process.env.HNX_SHOTS

// -- The mirror, as rows

// A release of so many paths of which the first ones are published, the last ones failed and blocked.
// `nars`: how many NARs these paths have, some having the same: a million take a minute to make.
function makeRelease ({ id, channel, name, paths, published, missing, blocked, first, nars = paths - missing - blocked }) {
  const settled = published + missing + blocked
  const stored = Math.floor(nars * published / paths)
  return `
SET session_replication_role = replica;  -- a million rows one by one would be the triggers' time
INSERT INTO upstream (url) VALUES ('https://cache.example.org') ON CONFLICT DO NOTHING;
INSERT INTO upstream_host (host) VALUES ('cache.example.org') ON CONFLICT DO NOTHING;
INSERT INTO narinfo (id, content) OVERRIDING SYSTEM VALUE VALUES (1, 'x') ON CONFLICT DO NOTHING;
INSERT INTO release (id, channel, name, upstream_id, max_missing, state, plan_phase, walked_at, submitted_at) OVERRIDING SYSTEM VALUE
SELECT ${id}, '${channel}', '${name}', min(id), 0.05, 'mirroring', 6, now(), now() - interval '2 hours' FROM upstream;
INSERT INTO nar (id, upstream_id, url, file, nar_hash, nar_size, file_size, compression, narinfo_id, state, needed, lane, shard_id,
                 blob_byte_offset)
OVERRIDING SYSTEM VALUE
SELECT n, 1, 'nar/' || n || '.nar.xz', n || '.nar.xz', sha256(n::text::bytea), 4096, 2048, 'xz', 1,
       CASE WHEN n < ${first + stored} THEN 'stored'::nar_state ELSE 'wanted' END, true, ${id},
       CASE WHEN n < ${first + stored} THEN 1 END, CASE WHEN n < ${first + stored} THEN 0 END
FROM generate_series(${first}, ${first + nars - 1}) n;
INSERT INTO path (id, hash, name, state, narinfo_id, nar_id, depth, needed, watched, batch, reason, message, blocked_by, changed_at)
OVERRIDING SYSTEM VALUE
SELECT n, md5(n::text), CASE WHEN n % 1000 = 999 THEN 'hello-2.12.' || n ELSE 'package-' || n % 97 || '-1.' || n END, s,
       CASE WHEN s <> 'missing' THEN 1 END, CASE WHEN s <> 'missing' THEN ${first} + (n - ${first}) % ${nars} END, 0, true, true, CASE WHEN s = 'published' THEN 1 END,
       CASE WHEN s = 'missing' THEN 'http-404' END, CASE WHEN s = 'missing' THEN 'no upstream has its narinfo' END,
       CASE WHEN n >= ${first + paths - blocked} THEN ${first + paths - blocked - 1} END, now() - interval '20 min'
FROM (SELECT n, (CASE WHEN n < ${first + published} THEN 'published' WHEN n < ${first + paths - missing - blocked} THEN 'known'
                      WHEN n < ${first + paths - blocked} THEN 'missing' ELSE 'known' END)::path_state AS s
      FROM generate_series(${first}, ${first + paths - 1}) n) rows;
INSERT INTO release_path (release_id, path_id, is_root) SELECT ${id}, n, true FROM generate_series(${first}, ${first + paths - 1}) n;
INSERT INTO release_delta (release_id, total, published, missing, blocked, narinfos, nars, nars_stored, bytes, bytes_stored)
VALUES (${id}, ${paths}, ${published}, ${missing}, ${blocked}, ${paths - missing}, ${nars}, ${stored}, ${nars * 2048}, ${stored * 2048});
INSERT INTO state_count (is_nar, state, amount) VALUES (false, 'published', ${published}), (false, 'missing', ${missing}),
    (false, 'known', ${paths - settled + blocked}), (true, 'stored', ${stored}), (true, 'wanted', ${nars - stored});
INSERT INTO event (path_id, what) SELECT n, 'missing upstream (http-404): no upstream has its narinfo'
FROM generate_series(${first + paths - blocked - missing}, ${first + paths - blocked - 1}) n;`
}

const PEOPLE_AND_MACHINES = `
INSERT INTO worker (id, name, roles, incarnation, nonce, disk_free_bytes, version, last_seen) VALUES
  (lpad('1', 32, '0'), 'storage-1', '{mirror,index}', 1, 1, 812000000000, '0.2.0', now() + interval '1 hour'),
  (lpad('2', 32, '0'), 'storage-2', '{mirror}', 1, 1, 64000000000, '0.2.0', now() - interval '40 min');
INSERT INTO shard (key, content_key, worker_id, incarnation, nonce, db_length, content_byte_length)
SELECT sha256(n::text::bytea), sha256(n::text::bytea), lpad(n::text, 32, '0'), 1, 1, 4000, 96000000000 FROM generate_series(1, 2) n;
INSERT INTO upstream_host (host) VALUES ('releases.example.org') ON CONFLICT DO NOTHING;
UPDATE upstream_host SET paused_until = now() + interval '2 hours' WHERE host = 'releases.example.org';
INSERT INTO channel (name, followed, seen_name, seen_at, polled_at, next_poll_at) VALUES
  ('nixos-24.11', true, 'nixos-24.11.5000', now() - interval '3 hours', now(), 'infinity'),
  ('nixos-unstable', true, '', NULL, NULL, 'infinity');`

const hostileRows = `SELECT setval(pg_get_serial_sequence('release', 'id'), 100);
INSERT INTO release (channel, name, upstream_id, max_missing, state, message)
SELECT $t$${HOSTILE}$t$, $t$${HOSTILE}$t$, min(id), 0, 'refused', $t$${HOSTILE}$t$ FROM upstream;
INSERT INTO event (path_id, what) VALUES (1, $t$${HOSTILE}$t$)`

// -- Looking

class Looker {
  constructor (browser, url) {
    this.browser = browser
    this.url = url
    this.errors = []
  }

  async open (options = {}) {
    this.context = await this.browser.newContext({ viewport: DESKTOP, ...options })
    this.page = await this.context.newPage()
    this.page.on('console', (message) => { if (message.type() === 'error') this.errors.push(message.text()) })
    this.page.on('pageerror', (error) => this.errors.push(error.message))
    await this.page.goto(this.url)
    return this.page
  }

  text (selector) {
    return this.page.locator(selector).innerText()
  }

  // Waits for the page to say so, by itself.
  says (selector, words) {
    return until(`${selector} says ${words}`, TIMEOUT_MS, async () => (await this.text(selector)).includes(words))
  }

  // On a desk and on a phone, by day and by night: nothing is wider than the screen, and nobody is left out.
  async looksRight (name) {
    for (const [size, viewport] of [['desktop', DESKTOP], ['phone', PHONE]]) {
      for (const colorScheme of ['light', 'dark']) {
        await this.page.setViewportSize(viewport)
        await this.page.emulateMedia({ colorScheme })
        const wide = await this.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
        check(wide <= 0, `${name}, ${size}: ${wide} pixels wider than the screen`)
        await this.page.evaluate(axe.source)
        const { violations } = await this.page.evaluate('axe.run()')
        checkEqual(`${name}, ${size}, ${colorScheme}: what axe finds`,
          violations.map(({ id, nodes }) => `${id}: ${nodes[0].html} ${nodes[0].failureSummary}`), [])
        if (shots) await this.page.screenshot({ path: path.join(shots, `${name}-${size}-${colorScheme}.png`), fullPage: true })
      }
    }
    await this.page.setViewportSize(DESKTOP)
  }

  noErrors (name) {
    checkEqual(`${name}: errors in the console`, this.errors, [])
  }
}

function checkSchema (scratch, status) {
  const file = path.join(scratch, 'status.json')
  fs.writeFileSync(file, JSON.stringify(status))
  const program = 'import json, sys, jsonschema\njsonschema.Draft202012Validator(json.load(open(sys.argv[1]))).validate(json.load(open(sys.argv[2])))'
  const done = spawnSync('python3', ['-c', program, path.join(sourceDir, 'docs/schemas/status-page.schema.json'), file], { encoding: 'utf8' })
  check(done.status === 0, `docs/schemas/status-page.schema.json: ${done.stderr.split('\n').slice(-20).join('\n')}`)
}

test('page', async ({ scratch, owns }) => {
  if (shots) fs.mkdirSync(shots, { recursive: true })
  const [port, httpPort] = [await freePort(), await freePort()]
  const url = `http://127.0.0.1:${httpPort}/`
  const rows = new Mirror(scratch) // for its words only
  const coordinator = owns(new Program('coordinator', ['coordinator', 'serve', '--data', path.join(scratch, 'coordinator'),
    '--listen', `127.0.0.1:${port}`, '--listen-http', `127.0.0.1:${httpPort}`], path.join(scratch, 'coordinator.log')))
  coordinator.explain = () => console.error(coordinator.logTail())
  coordinator.start()
  const get = (what) => fetch(url + what)
  const status = async () => (await get('status.json')).json()
  await until('the coordinator is ready', TIMEOUT_MS, () => get('readyz').then(({ ok }) => ok, () => false))
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] })
  owns({ stop: () => browser.close() })
  const looker = new Looker(browser, url)

  step('nothing was submitted')
  checkSchema(scratch, await status())
  await looker.open()
  await looker.says('#channels-body', 'Nothing was submitted yet')
  await looker.says('#state', 'Live, as of')
  await looker.looksRight('empty')
  looker.noErrors('empty')

  step('5,000 paths come while somebody looks')
  rows.sql(makeRelease({ id: 1, channel: 'nixos-24.11', name: 'nixos-24.11.5000', paths: 5000, published: 2000, missing: 120, blocked: 60, first: 1 }))
  rows.sql(PEOPLE_AND_MACHINES)
  rows.sql(hostileRows)
  await looker.says('#channels-body', '2,000 of 5,000 paths published (40.0 %)')
  await looker.says('#channels-body', 'Upstream has nixos-24.11.5000 for 3 h')
  for (const words of ['120 missing, 0 set aside, 60 blocked']) await looker.says('#channels-body', words)
  await looker.says('#workers-table', 'away last seen 40 min ago')
  await looker.says('#hosts-table', 'held back as it asked')
  checkSchema(scratch, await status())
  checkEqual('the title, whatever names say', await looker.page.title(), 'Mirror status')
  await looker.says('#releases-table', HOSTILE)
  checkEqual('images in the page', await looker.page.locator('img').count(), 0)

  step('what changes is seen without a reload')
  rows.sql('INSERT INTO release_delta (release_id, published, nars_stored, bytes_stored) VALUES (1, 500, 500, 500 * 2048)')
  await looker.says('#channels-body', '2,500 of 5,000 paths published (50.0 %)')
  rows.sql("UPDATE mirror SET paused_at = now(), pause_reason = 'moving house'")
  await looker.says('#trouble', 'Everything is paused: moving house')
  rows.sql('UPDATE mirror SET paused_at = NULL, pause_reason = NULL')
  await until('the pause is over', TIMEOUT_MS, async () => await looker.text('#trouble') === '')

  step('failed paths: a page at a time, searched by their beginning')
  const { page } = looker
  const shown = () => page.locator('#failures-table tbody tr').count()
  await until('the first page', TIMEOUT_MS, async () => await shown() === FAILURES_A_PAGE)
  const firstPage = await looker.text('#failures-table tbody')
  await page.click('#failures-next')
  await looker.says('#failures-page', 'Page 2')
  await until('other paths', TIMEOUT_MS, async () => await looker.text('#failures-table tbody') !== firstPage)
  const pages = Math.ceil(FAILURES / FAILURES_A_PAGE)
  for (let n = 3; n <= pages; n++) {
    await page.click('#failures-next')
    await looker.says('#failures-page', `Page ${n}`)
  }
  await until('the rest', TIMEOUT_MS, async () => await shown() === FAILURES - (pages - 1) * FAILURES_A_PAGE)
  check(await page.locator('#failures-next').isDisabled(), 'there is no page after the last one')
  for (let n = pages - 1; n >= 1; n--) {
    await page.click('#failures-back')
    await looker.says('#failures-page', `Page ${n}`)
  }
  await until('the first page again', TIMEOUT_MS, async () => await looker.text('#failures-table tbody') === firstPage)
  await page.fill('#failures-prefix', 'hello-2.12')
  await until('what is searched', TIMEOUT_MS, async () => await shown() === 1)
  await looker.says('#failures-table', 'hello-2.12.4999')
  await looker.says('#failures-table', 'needs /nix/store/')
  await page.fill('#failures-prefix', 'nothing-like-it')
  await looker.says('#failures-note', 'None begins so.')
  await page.fill('#failures-prefix', '')
  await until('all again', TIMEOUT_MS, async () => await shown() === FAILURES_A_PAGE)
  await page.click('button:has-text("Show them")')
  const [title, head] = await page.evaluate(() => ['#failures h2', 'body > header'].map((words) => document.querySelector(words).getBoundingClientRect()).map(({ top, bottom }) => ({ top, bottom })))
  check(title.top >= head.bottom, `the title of what is shown lies below the head of the page: ${JSON.stringify({ title, head })}`)
  await looker.looksRight('5000')
  looker.noErrors('5,000 paths')

  step('without scripts the essentials are there')
  const plain = new Looker(browser, url)
  await plain.open({ javaScriptEnabled: false })
  check((await plain.text('body')).includes('JavaScript, which is off'), 'it does not say what is missing')
  for (const words of ['nixos-24.11', 'behind for 3h', '2500 of 5000 paths, 50.0 %', '120 missing']) await plain.says('#channels-body', words)
  check((await plain.text('#channels-body')).includes(HOSTILE), 'a name is not shown as it is')
  if (shots) await plain.page.screenshot({ path: path.join(shots, 'plain-desktop.png'), fullPage: true })
  plain.noErrors('without scripts')
  await plain.context.close()

  step('a million paths')
  const began = Date.now()
  rows.sql(makeRelease({ id: 1000, channel: 'nixos-unstable', name: 'nixos-25.05pre1000000', paths: 1_000_000, published: 640_000, missing: 3000, blocked: 2000, first: 10_001, nars: 100_000 }))
  rows.sql('ANALYZE path; ANALYZE nar; ANALYZE release_path')
  console.log(`the rows took ${Math.round((Date.now() - began) / 1000)} s`)
  await looker.says('#channels-body', '640,000 of 1,000,000 paths published (64.0 %)')
  await page.selectOption('#failures-release', '1000')
  await until('its failures', TIMEOUT_MS, async () => (await looker.text('#failures-table')).includes('package-'))
  await page.fill('#failures-prefix', 'hello-2.12.100')
  await until('what is searched in a million', TIMEOUT_MS, async () => await shown() === 5)
  await page.fill('#failures-prefix', '')
  await until('all again', TIMEOUT_MS, async () => await shown() === FAILURES_A_PAGE)
  await looker.looksRight('1000000')
  looker.noErrors('a million paths')
  checkSchema(scratch, await status())
  // How long a look takes is what the page costs, however many look at it.
  const looks = []
  for (let n = 0; n < 5; n++) {
    const { generated_at_ms: at } = await status()
    await until('the next look', TIMEOUT_MS, async () => (await status()).generated_at_ms > at)
    looks.push((await status()).generated_at_ms - at)
  }
  const asked = Date.now()
  check((await get('failures.json?release=1000')).ok, 'the failures cannot be had')
  console.log(`between looks ${Math.min(...looks)} ms at best (one every 1000 ms), a page of failures in ${Date.now() - asked} ms`)
  check(Math.min(...looks) < 2000, `a look takes ${Math.min(...looks) - 1000} ms at a million paths`)

  step('the page says when nobody answers')
  await coordinator.stop()
  await looker.says('#state', 'No answer')
  if (shots) await page.screenshot({ path: path.join(shots, 'away-desktop.png') })
})
