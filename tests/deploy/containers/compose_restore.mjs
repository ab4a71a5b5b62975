// The database's volume of a mirror by compose is lost, once with a backup and once without: what docs/BACKUP.md says is carried
// out, word for word. After each everything is at the gateway, and upstream is asked for nothing but what is new.
import fs from 'node:fs'
import path from 'node:path'
import { check, checkEqual, compareWithUpstream, step, until } from '../../e2e/words.mjs'
import { blocksOf, carryOut } from './page.mjs'

const PAGE = 'docs/BACKUP.md'
const TIMEOUT_MS = 120_000

export class Restoration {
  // ready: resolves when the coordinator is; submit: mirrors what the channel points to, to its end
  constructor (composition, { scratch, channel, gateway, ready, submit }) {
    Object.assign(this, { composition, scratch, channel, gateway, ready, submit, releases: 1 })
    const backing = blocksOf(PAGE, 'Backing up')
    this.function = backing.flatMap((block) => block.match(/^dc\(\) .*$/m) ?? []).join('\n')
    this.backup = backing.find((block) => block.startsWith(this.function))
    this.blocks = blocksOf(PAGE, 'With compose')
    checkEqual(`shell blocks of ${PAGE}, "With compose"`, this.blocks.length, 3)
  }

  #carryOut (block, words = {}) {
    const text = block.includes(this.function) ? block : `${this.function}\n${block}`
    return carryOut(text, {
      '-f deploy/compose.yaml': `-f ${this.composition.file}`, 'deploy/.env': this.composition.settings, deploy_: `${this.composition.project}_`,
      'mirror.dump': path.join(this.scratch, 'mirror.dump'), ' mirror.key ': ` ${path.join(this.scratch, 'mirror.key')} `, ...words
    }, this.composition.env)
  }

  // All releases so far, narinfos and NARs, through the gateway.
  async #whole () {
    const all = Array.from({ length: this.releases }, (_, n) => this.channel.expected(n + 1))
    const get = async (url) => {
      const response = await fetch(`http://${this.gateway}${url}`)
      const body = Buffer.from(await response.arrayBuffer())
      return response.status === 200 ? body : null
    }
    const { release } = all.at(-1)
    await until(`the gateway has ${release}`, TIMEOUT_MS, () => get(`/channels/${this.channel.info.channel}/${release}/manifest.json`))
    await compareWithUpstream({ channel: this.channel, get }, { paths: Object.assign({}, ...all.map(({ paths }) => paths)) })
  }

  // Moves the channel on; nothing but what is new in it is asked for.
  async #release () {
    const before = this.channel.narRequests()
    this.releases++
    this.channel.make('--release', String(this.releases))
    await this.channel.stop()
    await this.channel.serve()
    this.submit()
    const fresh = [...new Set(Object.values(this.channel.expected(this.releases).paths).filter((entry) => entry.new).map(({ url }) => url))].sort()
    check(fresh.length > 0, `release ${this.releases} has nothing new`)
    const asked = [...this.channel.narRequests()].filter(([url, count]) => count !== before.get(url)).map(([url]) => url).sort()
    checkEqual(`NARs that release ${this.releases} asked upstream for`, asked, fresh)
    await this.#whole()
  }

  async #restored (asked) {
    await this.ready()
    this.submit()
    await this.#whole()
    checkEqual('NARs that upstream sent', [...this.channel.narRequests()], asked)
    await this.#release()
  }

  async run () {
    step('a backup while everything runs, as docs/BACKUP.md says; then a second release')
    this.#carryOut(this.backup)
    check(fs.statSync(path.join(this.scratch, 'mirror.dump')).size > 0, 'the dump is empty')
    checkEqual('bytes of the key', fs.statSync(path.join(this.scratch, 'mirror.key')).size, 32)
    await this.#release()
    const [withBackup, without, accept] = this.blocks

    step('the database\'s volume is lost; the backup, older than the index, is restored')
    let asked = [...this.channel.narRequests()]
    console.log(this.#carryOut(withBackup))
    await this.#restored(asked)

    step('it is lost again, and there is no backup')
    asked = [...this.channel.narRequests()]
    console.log(this.#carryOut(without))
    const [, length] = await until('the index worker says which length it wants', TIMEOUT_MS, () => this.composition.logsOf('index').match(/--accept-length (\d+)/))
    this.#carryOut(accept, { '=N ': `=${length} ` })
    await this.#restored(asked)

    step('the next compose-up takes the operator\'s word out again')
    this.composition.up()
    check(!this.composition.environmentOf('index').some((one) => /^HNX_ACCEPT_LENGTH=./.test(one)), 'the index worker still has HNX_ACCEPT_LENGTH')
  }
}
