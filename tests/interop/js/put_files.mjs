// Puts every file of a folder into a new hyperdrive, one after the other, nothing verified: what bench/mirror
// compares the worker with.
//
//   node put_files.mjs STORE_DIR FOLDER
import fs from 'node:fs'
import path from 'node:path'
import Corestore from 'corestore'
import Hyperdrive from 'hyperdrive'

const [storeDir, folder] = process.argv.slice(2)
const store = new Corestore(storeDir)
const drive = new Hyperdrive(store)
await drive.ready()
for (const name of fs.readdirSync(folder)) {
  await drive.put(`/nar/${name}`, fs.readFileSync(path.join(folder, name)))
}
await drive.close()
