// Shows /status.json and keeps it up to date. Whatever comes from the coordinator is put in as text, never as markup.
'use strict'

const POLL_MS = 2000
const POLL_MAX_MS = 60000
const SEARCH_WAIT_MS = 300
const TICK_MS = 1000

const byId = (id) => document.getElementById(id)
const number = new Intl.NumberFormat('en')
const dayAndTime = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short' })
const clock = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' })

// -- Making elements

function make (tag, properties = {}, ...children) {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(properties)) {
    if (name === 'data') Object.assign(element.dataset, value)
    else if (name in element) element[name] = value
    else element.setAttribute(name, value)
  }
  element.append(...children.filter((child) => child !== null && child !== ''))
  return element
}

// The same words in the same place stay: nobody loses the place on the page, or the keyboard's focus.
function fill (element, ...children) {
  const focused = element.contains(document.activeElement) ? document.activeElement.id : ''
  element.replaceChildren(...children)
  if (focused) byId(focused)?.focus({ preventScroll: true })
}

function badge (words, kind = '') {
  return make('span', { className: `badge ${kind}` }, words)
}

function table (element, heads, rows) {
  const head = make('tr', {}, ...heads.map(({ title, isNumber }) =>
    make('th', { scope: 'col', className: isNumber ? 'number' : '' }, title)))
  const body = rows.map((cells) => make('tr', {}, ...cells.map((cell, n) => n === 0
    ? make('th', { scope: 'row' }, cell)
    : make('td', { data: { head: heads[n].title }, className: heads[n].isNumber ? 'number' : '' }, cell))))
  fill(element, make('thead', {}, head), make('tbody', {}, ...body))
}

// -- Words

function bytes (count) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']
  let at = 0
  while (count >= 1024 && at < units.length - 1) { count /= 1024; at++ }
  return `${count >= 100 || at === 0 ? Math.round(count) : count.toFixed(1)} ${units[at]}`
}

function duration (ms) {
  const seconds = Math.max(0, Math.round(ms / 1000))
  const [minutes, hours, days] = [Math.floor(seconds / 60), Math.floor(seconds / 3600), Math.floor(seconds / 86400)]
  if (days) return `${days} d ${hours % 24} h`
  if (hours) return `${hours} h ${minutes % 60} min`
  return minutes ? `${minutes} min` : `${seconds} s`
}

let clockAhead = 0 // of the coordinator's clock, before ours
const now = () => Date.now() + clockAhead

// A time, and how long ago that is, or until then; kept true by the ticker.
function ago (ms, form = 'ago') {
  const element = make('time', { dateTime: new Date(ms).toISOString(), title: dayAndTime.format(ms), data: { ms, form } })
  tick(element)
  return element
}

function tick (element) {
  const { ms, form } = element.dataset
  const words = form === 'in' ? `in ${duration(ms - now())}` : form === 'for' ? duration(now() - ms) : `${duration(now() - ms)} ago`
  if (element.textContent !== words) element.textContent = words
}

const percent = (share) => `${(Math.floor(share * 1000) / 10).toFixed(1)} %` // 100 only when it is all

const failedOf = ({ paths }) => paths.missing + paths.set_aside + paths.blocked

// -- Parts of the page

const freshnessKinds = { current: 'good', behind: 'warn', waiting: 'warn', failing: 'bad', 'not followed': '' }

function channelCard (channel, release) {
  return make('article', { className: 'card' },
    make('header', {}, make('h3', {}, channel.name), badge(channel.freshness, freshnessKinds[channel.freshness])),
    make('p', {}, 'Latest here: ', channel.latest || 'none',
      ...(channel.latest_settled_at_ms ? [', settled ', ago(channel.latest_settled_at_ms)] : [])),
    channel.late_since_ms
      ? make('p', {}, 'Upstream has ', channel.seen, ' for ', ago(channel.late_since_ms, 'for'), '.')
      : null,
    channel.error ? make('p', {}, 'The channel cannot be asked: ', channel.error) : null,
    ...(release ? releaseLines(release, release.name !== channel.latest) : [make('p', { className: 'soft' }, 'Nothing submitted yet.')]))
}

function releaseLines (release, isNamed) {
  const { paths, nars } = release
  const failed = failedOf(release)
  const label = `${number.format(paths.published)} of ${number.format(paths.total)} paths published`
  const lines = [make('p', {}, ...(isNamed ? ['Release ', release.name || 'not pinned yet', ': '] : []),
    badge(release.paused ? 'paused' : release.state, stateKind(release)))]
  if (release.message) lines.push(make('p', {}, release.message))
  if (paths.total) {
    lines.push(make('progress', { max: paths.total, value: paths.published, 'aria-label': label }),
      make('p', {}, `${label} (${percent(release.completeness)})`))
  }
  if (release.state === 'walking') {
    lines.push(make('p', {}, `Read ${number.format(release.narinfos_read)} of ${number.format(paths.total)} narinfos found so far.`))
  }
  if (nars.bytes_total) {
    lines.push(make('p', {}, `${bytes(nars.bytes_stored)} of ${bytes(nars.bytes_total)} stored`,
      ...(release.bytes_per_second ? [`, ${bytes(release.bytes_per_second)}/s`] : []),
      ...(release.expected_end_ms ? [', done ', ago(release.expected_end_ms, 'in')] : []), '.'))
  }
  if (failed) {
    lines.push(make('p', {}, `${number.format(paths.missing)} missing, ${number.format(paths.set_aside)} set aside, ${number.format(paths.blocked)} blocked. `,
      make('button', { type: 'button', className: 'link', id: `failures-of-${release.id}`, onclick: () => failures.choose(release.id) },
        'Show them')))
  }
  return lines
}

function stateKind (release) {
  if (release.paused) return 'warn'
  if (release.state === 'refused') return 'bad'
  if (release.state === 'settled') return failedOf(release) ? 'warn' : 'good'
  return ''
}

function showChannels (status) {
  const releases = new Map(status.releases.map((release) => [release.id, release]))
  const cards = status.channels.map((channel) => channelCard(channel, releases.get(channel.newest_release)))
  fill(byId('channels-body'), ...(cards.length
    ? cards
    : [make('p', { className: 'empty' }, 'Nothing was submitted yet, and no channel is followed.')]))
}

function showQueue ({ queue, mirror }) {
  const facts = [['NARs wanted', number.format(queue.nars.wanted)], ['NARs being fetched', number.format(queue.nars.leased)],
    ['NARs stored', number.format(queue.nars.stored)], ['Paths published', number.format(queue.paths.published)],
    ['Paths stored, not published', number.format(queue.paths.stored)], ['Batches not in the index yet', number.format(mirror.batches_pending)]]
  if (queue.oldest_wanted_ms) facts.push(['Oldest NAR next in line', ago(queue.oldest_wanted_ms, 'for')])
  byId('queue').hidden = false
  fill(byId('queue-body'), ...facts.map(([name, value]) => make('div', {}, make('dt', {}, name), make('dd', {}, value))))
}

function showWorkers ({ workers }) {
  byId('workers').hidden = workers.length === 0
  table(byId('workers-table'), [{ title: 'Worker' }, { title: 'State' }, { title: 'Role' }, { title: 'Jobs', isNumber: true },
    { title: 'Stored', isNumber: true }, { title: 'Free', isNumber: true }, { title: 'Copies', isNumber: true },
    { title: 'Scrubbed' }],
  workers.map((worker) => [worker.name, workerState(worker), worker.roles.join(', '), number.format(worker.jobs), bytes(worker.shard_bytes),
    bytes(worker.disk_free_bytes), worker.copies ? `${worker.copies_whole} of ${worker.copies} whole` : 'none',
    worker.scrubbed_ms ? ago(worker.scrubbed_ms) : 'not yet']))
}

function workerState (worker) {
  const words = make('span')
  if (worker.alive) words.append(badge('alive', 'good'))
  else words.append(badge('away', 'bad'), ' last seen ', ago(worker.last_seen_ms))
  for (const [is, word] of [[worker.paused, 'paused'], [worker.draining, 'draining'], [worker.disk_full, 'disk full'],
    [worker.shards_lost > 0, `${worker.shards_lost} shards lost`], [worker.scrub_given_up > 0, `${worker.scrub_given_up} damaged for good`]]) {
    if (is) words.append(' ', badge(word, 'warn'))
  }
  return words
}

function showHosts ({ upstream_hosts: hosts }) {
  byId('hosts').hidden = hosts.length === 0
  table(byId('hosts-table'), [{ title: 'Host' }, { title: 'State' }, { title: 'Failures in a row', isNumber: true }],
    hosts.map((host) => [host.host, hostState(host), number.format(host.failures_in_a_row)]))
}

function hostState (host) {
  const words = make('span')
  if (host.paused) words.append(badge('paused', 'warn'), ' ', host.pause_reason)
  if (host.breaker_open) words.append(badge('left alone', 'bad'), ' it failed again and again, and is probed')
  if (host.held_back_until_ms) words.append(badge('held back', 'warn'), ' as it asked, goes on ', ago(host.held_back_until_ms, 'in'))
  if (!words.hasChildNodes()) words.append(badge('in use', 'good'))
  return words
}

function showReleases ({ releases }) {
  byId('releases').hidden = releases.length === 0
  table(byId('releases-table'), [{ title: 'Release' }, { title: 'State' }, { title: 'Paths', isNumber: true }, { title: 'Published', isNumber: true },
    { title: 'Failed', isNumber: true }, { title: 'Submitted' }],
  releases.map((release) => [`${release.channel}/${release.name || '...'}`,
    make('span', {}, badge(release.paused ? 'paused' : release.state, stateKind(release)), ...(release.latest ? [' ', badge('latest', 'good')] : [])),
    number.format(release.paths.total), release.paths.total ? percent(release.completeness) : 'none', number.format(failedOf(release)), ago(release.submitted_at_ms)]))
}

function showEvents ({ events }) {
  byId('events').hidden = events.length === 0
  fill(byId('events-body'), ...events.map((event) => make('li', {},
    make('span', { className: 'soft' }, ago(event.at_ms)), ' ',
    ...(event.store_path ? [make('code', {}, event.store_path), ': '] : []), event.what)))
}

function showTrouble (status) {
  const words = []
  if (!status.database_answers) words.push(`The database does not answer; this is what was known last. ${status.database_trouble}`)
  if (status.mirror?.paused) words.push(`Everything is paused: ${status.mirror.pause_reason}`)
  if (status.mirror && !status.mirror.has_leader) words.push('No coordinator leads: nothing is planned or published now.')
  fill(byId('trouble'), ...words.map((text) => make('p', {}, text)))
}

// -- Failed paths, a page at a time

const failures = {
  release: 0, // 0: chosen by the page
  pages: [''], // how each page up to the one shown is asked for
  next: null,
  seen: '', // what the release's numbers were when it was asked
  asked: 0,

  // The releases that have some; the newest one is shown if nobody chose.
  offer (releases) {
    const offered = releases.filter((release) => failedOf(release) > 0 || release.id === this.release)
    byId('failures').hidden = offered.length === 0
    if (offered.length === 0) return
    const select = byId('failures-release')
    if (!offered.some((release) => release.id === this.release)) this.turn(offered[0].id)
    showIfNew('offer', offered.map(({ id, channel, name, paths }) => [id, channel, name, paths]), () => {
      fill(select, ...offered.map((release) => make('option', { value: release.id },
        `${release.channel}/${release.name} (${number.format(failedOf(release))})`)))
    })
    select.value = this.release
    const counts = JSON.stringify(offered.find((release) => release.id === this.release).paths)
    if (counts !== this.seen) {
      this.seen = counts
      this.load()
    }
  },

  turn (release) {
    this.release = release
    this.pages = ['']
  },

  choose (release) {
    this.turn(release)
    byId('failures-release').value = release
    byId('failures').scrollIntoView()
    byId('failures-prefix').focus({ preventScroll: true })
    this.load()
  },

  async load () {
    const asked = ++this.asked
    const words = new URLSearchParams({ release: this.release, prefix: byId('failures-prefix').value.trim(), page: this.pages.at(-1) })
    try {
      const response = await fetch(`failures.json?${words}`, { cache: 'no-store' })
      const answer = await response.json()
      if (asked !== this.asked) return // a later question is on its way
      if (!response.ok) throw new Error(answer.error)
      this.show(answer)
    } catch (error) {
      if (asked === this.asked) byId('failures-note').textContent = `The list cannot be had: ${error.message}`
    }
  },

  show ({ failures, next_page: next, prefix }) {
    this.next = next
    byId('failures-note').textContent = failures.length ? '' : prefix ? 'None begins so.' : 'None.'
    fill(byId('failures-table').tBodies[0], ...failures.map((failure) => make('tr', {},
      make('th', { scope: 'row' }, make('code', {}, failure.store_path)),
      make('td', { data: { head: 'What' } }, badge(failure.state.replace('_', ' '), failure.accepted ? '' : 'bad')),
      make('td', { data: { head: 'Why' } }, ...whyFailed(failure)),
      make('td', { data: { head: 'Since' } }, ago(failure.since_ms)))))
    byId('failures-page').textContent = `Page ${this.pages.length}`
    byId('failures-back').disabled = this.pages.length === 1
    byId('failures-next').disabled = next === null
  }
}

function whyFailed (failure) {
  const why = failure.blocked_by
    ? ['needs ', make('code', {}, failure.blocked_by)]
    : [make('strong', {}, failure.reason), failure.message ? `: ${failure.message}` : '']
  if (failure.accepted) why.push(` (accepted: ${failure.accepted})`)
  return why
}

function listenToFailures () {
  let waiting = 0
  byId('failures-form').addEventListener('submit', (event) => {
    event.preventDefault()
    failures.turn(failures.release)
    failures.load()
  })
  byId('failures-release').addEventListener('change', ({ target }) => {
    failures.turn(Number(target.value))
    failures.load()
  })
  byId('failures-prefix').addEventListener('input', () => {
    clearTimeout(waiting)
    waiting = setTimeout(() => {
      failures.turn(failures.release)
      failures.load()
    }, SEARCH_WAIT_MS)
  })
  byId('failures-next').addEventListener('click', () => {
    failures.pages.push(failures.next)
    failures.load()
  })
  byId('failures-back').addEventListener('click', () => {
    failures.pages.pop()
    failures.load()
  })
}

// -- Asking again and again

const shown = new Map() // of each part, what it was made from

const poll = {
  etag: null,
  wait: POLL_MS,
  timer: 0,
  running: false,

  async once () {
    clearTimeout(this.timer)
    if (this.running) return
    this.running = true
    try {
      // The browser asks with the ETag of what it has; what has not changed is not sent again.
      const response = await fetch('status.json', { cache: 'no-cache' })
      if (!response.ok) throw new Error(`it says ${response.status}`)
      const etag = response.headers.get('ETag')
      if (etag === null || etag !== this.etag) {
        show(await response.json())
        this.etag = etag
      }
      this.wait = POLL_MS
      say(`Live, as of ${clock.format(now())}.`, false)
    } catch (error) {
      this.wait = Math.min(this.wait * 2, POLL_MAX_MS)
      say(`No answer (${error.message}): what you see is old. Asked again every ${Math.round(this.wait / 1000)} s.`, true)
    }
    this.running = false
    if (!document.hidden) this.timer = setTimeout(() => this.once(), this.wait)
  }
}

function say (words, isLate) {
  const state = byId('state')
  state.classList.toggle('late', isLate)
  // Told aloud when it changes from good to bad, not with every second.
  state.setAttribute('aria-live', isLate ? 'polite' : 'off')
  if (state.textContent !== words) state.textContent = words
}

function show (status) {
  clockAhead = status.generated_at_ms - Date.now()
  showTrouble(status)
  if (!status.mirror) return
  const { channels, releases, queue, mirror, workers, upstream_hosts: hosts, events } = status
  showIfNew('channels', [channels, releases], () => showChannels(status))
  showIfNew('queue', [queue, mirror], () => showQueue(status))
  showIfNew('workers', workers, () => showWorkers(status))
  showIfNew('hosts', hosts, () => showHosts(status))
  showIfNew('releases', releases, () => showReleases(status))
  showIfNew('events', events, () => showEvents(status))
  failures.offer(releases)
}

// What has not changed is left alone: somebody may be reading, selecting or choosing there.
function showIfNew (name, part, render) {
  const text = JSON.stringify(part)
  if (shown.get(name) === text) return
  shown.set(name, text)
  render()
}

listenToFailures()
setInterval(() => document.querySelectorAll('time[data-ms]').forEach(tick), TICK_MS)
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) poll.once()
})
poll.once()
