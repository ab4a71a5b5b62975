// The bridge's swarm identity: 32 secret bytes, from which the key pair of each back end is derived. It names the
// bridge among peers and signs nothing but DHT records; it is not the key of any drive.
import { createHmac, randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'

const SEED_BYTES = 32
const OTHERS = 0o077

// A new secret that lives as long as the process.
export function ephemeralSeed () {
  return randomBytes(SEED_BYTES)
}

// The secret of `file`, which is made when it is not there. Throws when others may read it, or when it is damaged.
export function seedOfFile (file) {
  try {
    return readSeed(file)
  } catch (error) {
    if (error.code !== 'ENOENT') throw error
  }
  writeSeed(file, randomBytes(SEED_BYTES))
  // Two bridges that start at once agree on the one that was there first.
  return readSeed(file)
}

function readSeed (file) {
  const handle = fs.openSync(file, 'r')
  try {
    const status = fs.fstatSync(handle)
    if ((status.mode & OTHERS) !== 0) {
      throw new Error(`key file ${file}: others may read it (mode ${(status.mode & 0o777).toString(8)}): chmod 600 it`)
    }
    const text = fs.readFileSync(handle, 'utf8')
    if (!/^[0-9a-f]{64}\n?$/.test(text)) {
      throw new Error(`key file ${file}: not 64 hex digits: restore it, or delete it to get a new identity`)
    }
    return Buffer.from(text.trim(), 'hex')
  } finally {
    fs.closeSync(handle)
  }
}

// Whole or not at all: written beside it, synced, then linked, which fails when the file is there meanwhile.
function writeSeed (file, seed) {
  const unfinished = `${file}.${process.pid}.new`
  try {
    const handle = fs.openSync(unfinished, 'wx', 0o600)
    try {
      fs.writeFileSync(handle, seed.toString('hex') + '\n')
      fs.fsyncSync(handle)
    } finally {
      fs.closeSync(handle)
    }
    try {
      fs.linkSync(unfinished, file)
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
    }
    const folder = fs.openSync(path.dirname(file), 'r')
    fs.fsyncSync(folder)
    fs.closeSync(folder)
  } catch (error) {
    throw new Error(`key file ${file}: could not be made: ${error.message}`)
  } finally {
    fs.rmSync(unfinished, { force: true })
  }
}

// One key pair for each back end, so that a connection belongs to one; the same path gives the same pair.
export function seedOfBackEnd (seed, socketPath) {
  return createHmac('sha256', seed).update('hypercore-nixos/swarm-bridge/1\n').update(path.resolve(socketPath)).digest()
}
