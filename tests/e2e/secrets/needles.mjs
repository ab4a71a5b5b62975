// Spellings of secrets, and the search for them in every file of a folder.
import fs from 'node:fs'
import path from 'node:path'

const Z_BASE_32 = 'ybndrfg8ejkmcpqxot1uwisza345h769'
const NIX_BASE_32 = '0123456789abcdfghijklmnpqrsvwxyz'
const FILE_BYTES_MAX = 1 << 30 // of one file that is looked into

// Most significant bits first; what does not fill a letter is left out.
function zBase32 (bytes) {
  let bits = ''
  for (const byte of bytes) bits += byte.toString(2).padStart(8, '0')
  return bits.match(/.{5}/g).map((five) => Z_BASE_32[parseInt(five, 2)]).join('')
}

// As Nix spells hashes: the last bits first. The first letter is left out, since it may have more bits than the bytes have.
function nixBase32 (bytes) {
  let value = 0n
  for (const byte of [...bytes].reverse()) value = value << 8n | BigInt(byte)
  let text = ''
  for (let letters = Math.ceil(bytes.length * 8 / 5); letters-- > 0;) text += NIX_BASE_32[Number(value >> BigInt(5 * letters) & 31n)]
  return text.slice(1)
}

// The letters that these bytes become wherever they stand in longer ones: three ways, without those that have a neighbour's bits.
function base64 (bytes) {
  return [0, 1, 2].map((before) => {
    const text = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64').replaceAll('=', '')
    const whole = Math.floor((before + bytes.length) * 8 / 6)
    return text.slice(Math.ceil(before * 8 / 6), whole)
  })
}

// [{name, bytes}] of one secret. Half of one is one, too: each half is looked for, so that a cut line is found.
export function spellings (secret) {
  const found = []
  const half = Math.ceil(secret.length / 2)
  for (const [part, bytes] of Object.entries({ 'first half': secret.subarray(0, half), 'second half': secret.subarray(secret.length - half) })) {
    const add = (name, text) => found.push({ name: `${name} of the ${part}`, bytes: Buffer.from(text) })
    found.push({ name: `${part}, raw`, bytes })
    add('hex', bytes.toString('hex'))
    add('HEX', bytes.toString('hex').toUpperCase())
    add('numbers', [...bytes].join(', '))
    add('numbers without blanks', [...bytes].join(','))
    add('z-base-32', zBase32(bytes))
    add("Nix's base 32", nixBase32(bytes))
    for (const [at, text] of base64(bytes).entries()) {
      add(`base64 at ${at}`, text)
      const url = text.replaceAll('+', '-').replaceAll('/', '_')
      if (url !== text) add(`base64url at ${at}`, url)
    }
  }
  return found
}

export function * filesBelow (folder) {
  for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
    const name = path.join(folder, entry.name)
    if (entry.isDirectory()) yield * filesBelow(name)
    else if (entry.isFile()) yield name
  }
}

// `secrets`: [{name, bytes, homes}]; homes: what the names of files look like that may hold it. Returns ["FILE: NAME, SPELLING", ...]
// and how much was looked at. Files that vanish meanwhile (a database at work) are passed over.
export function search (folder, secrets) {
  const needles = secrets.flatMap((secret) => spellings(secret.bytes).map(({ name, bytes }) => ({ secret, name, bytes })))
  const found = []
  let [files, looked] = [0, 0]
  for (const file of filesBelow(folder)) {
    let content
    try {
      if (fs.statSync(file).size > FILE_BYTES_MAX) throw new Error(`${file} is too large to be looked into`)
      content = fs.readFileSync(file)
    } catch (error) {
      if (error.code === 'ENOENT') continue
      throw error
    }
    files++
    looked += content.length
    for (const { secret, name, bytes } of needles) {
      if (content.includes(bytes) && !secret.homes.some((home) => home.test(file))) found.push(`${path.relative(folder, file)}: ${secret.name}, ${name}`)
    }
  }
  return { found, files, bytes: looked }
}
