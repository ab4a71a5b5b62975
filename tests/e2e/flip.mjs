// Bits that flip on disks.
import fs from 'node:fs'
import path from 'node:path'
import { checkEqual } from './words.mjs'

export const BYTE_BITS = 8

export function flip (file, bit) {
  const fd = fs.openSync(file, 'r+')
  const byte = Buffer.alloc(1)
  const at = Math.floor(bit / BYTE_BITS)
  checkEqual(`bytes at ${at} of ${file}`, fs.readSync(fd, byte, 0, 1, at), 1)
  byte[0] ^= 1 << (bit % BYTE_BITS)
  fs.writeSync(fd, byte, 0, 1, at)
  fs.closeSync(fd)
}

// The files called `name` below a folder, sorted, relative to it.
export const filesBelow = (folder, name) => fs.readdirSync(folder, { recursive: true })
  .filter((file) => path.basename(file) === name && fs.statSync(path.join(folder, file)).size > 0).sort()

// The largest NAR that worker 1 has stored: its file, its shard's id, and a bit in the middle of it of the shard's content.
// `ask` asks the database.
export async function largestNar (mirror, ask = (statement) => mirror.sql(statement)) {
  const row = await ask(`SELECT n.file, encode(s.key, 'hex'), n.blob_byte_offset, n.file_size
    FROM nar n JOIN shard s ON s.id = n.shard_id JOIN worker w ON w.id = s.worker_id WHERE w.name = 'worker-1'
    ORDER BY n.file_size DESC, n.file LIMIT 1`)
  const [file, key, offset, size] = row.split('|')
  const { id_z32: id } = mirror.told('scrub', key, '--list').find(({ kind }) => kind === 'shard')
  return { file, id, bit: (Number(offset) + Math.floor(Number(size) / 2)) * BYTE_BITS }
}

// Of a drive's folder. The content core has the larger data of the two.
export function flipInContent (folder, bit) {
  const [data] = filesBelow(folder, 'data').map((name) => path.join(folder, name)).sort((a, b) => fs.statSync(b).size - fs.statSync(a).size)
  flip(data, bit)
}
