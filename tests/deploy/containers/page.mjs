// Commands as a page says them: what is carried out is what people read.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { check, checkEqual, sourceDir } from '../../e2e/words.mjs'

// docker and kubectl, where neither is.
const STANDINS = path.join(import.meta.dirname, 'standins/bin')

// The shell's blocks below a heading, in their order, up to the next heading that is not below it.
export function blocksOf (page, heading) {
  const text = fs.readFileSync(path.join(sourceDir, page), 'utf8')
  const [, level, section] = text.match(new RegExp(`^(#+) ${heading}\\n([^]*)`, 'm')) ?? []
  check(section, `${page} has no heading ${heading}`)
  const [own] = section.split(new RegExp(`^#{1,${level.length}} `, 'm'))
  return [...own.matchAll(/^```sh\n([^]*?)^```$/gm)].map(([, block]) => block)
}

// Runs a block in the source's root, with other words for those that are a reader's own. Returns what it printed.
export function carryOut (block, words, env = {}) {
  const said = Object.entries(words).reduce((text, [word, own]) => text.replaceAll(word, own), block)
  const done = spawnSync('bash', ['-euo', 'pipefail', '-c', said], {
    encoding: 'utf8', cwd: sourceDir, env: { ...process.env, ...env, PATH: `${STANDINS}:${process.env.PATH}` }
  })
  checkEqual(`${said}\n${(done.stdout + done.stderr).slice(-1500)}\nexit status`, done.status, 0)
  return done.stdout
}
