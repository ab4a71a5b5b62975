// Units of systemd: as text, and as {section: {key: [word, ...]}} with the words of a key in order of the alphabet.
import fs from 'node:fs'

const LISTS_IN_LINES = new Set(['SystemCallFilter', 'LoadCredential', 'ExecStartPre'])
const word = (value) => value === true ? 'yes' : value === false ? 'no' : String(value)

function lines (key, value) {
  if (!Array.isArray(value)) return [`${key}=${word(value)}`]
  return LISTS_IN_LINES.has(key) ? value.map((item) => `${key}=${word(item)}`) : [`${key}=${value.map(word).join(' ')}`]
}

// As NixOS writes the service of its module system.
export function unitText ({ description, wants = [], after = [], wantedBy = [], startLimitIntervalSec, environment = {}, serviceConfig }) {
  return ['[Unit]', `Description=${description}`, ...lines('Wants', wants), ...lines('After', after), `StartLimitIntervalSec=${startLimitIntervalSec}`, '', '[Service]',
    ...Object.entries(environment).map(([name, value]) => `Environment=${JSON.stringify(`${name}=${value}`)}`),
    ...Object.keys(serviceConfig).sort().flatMap((key) => lines(key, serviceConfig[key])), '', '[Install]', ...lines('WantedBy', wantedBy), ''].join('\n')
}

export function parseUnit (text) {
  const sections = {}
  let section
  for (const line of text.split('\n')) {
    if (/^\s*(#|;|$)/.test(line)) continue
    const [, head] = line.match(/^\[(\w+)\]$/) ?? []
    if (head) section = sections[head] ??= {}
    else {
      const at = line.indexOf('=')
      const key = line.slice(0, at)
      section[key] = [...section[key] ?? [], ...line.slice(at + 1).split(' ').filter(Boolean)].sort()
    }
  }
  return sections
}

export const readUnit = (file) => parseUnit(fs.readFileSync(file, 'utf8'))
