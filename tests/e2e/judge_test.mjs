// JavaScript's hyperdrive opens every drive of a mirror and finds what upstream has: each blob byte for byte, each link
// with its linkname and the place of its blob, audits clean.
import fs from 'node:fs'
import path from 'node:path'
import { judge, openStore } from '../interop/js/lib.mjs'
import { DemoChannel, Mirror, SHARED_CHANNELS, check, checkEqual, step, test } from './words.mjs'

async function withDrive ({ Corestore, Hyperdrive }, folder, use) {
  const store = openStore(Corestore, folder)
  const drive = new Hyperdrive(store)
  await drive.ready()
  try {
    return await use(drive)
  } finally {
    await drive.close()
  }
}

async function entriesOf (drive, folder) {
  const entries = []
  for await (const entry of drive.list(folder)) entries.push(entry)
  return entries
}

// A place, whatever the order in which its numbers are written.
const placeOf = (blob) => blob && [blob.blockOffset, blob.blockLength, blob.byteOffset, blob.byteLength]

async function auditIsClean (drive, what) {
  await drive.getBlobs()
  for (const core of [drive.core, drive.blobs.core]) {
    checkEqual(`${what}: audit`, await core.core.audit(), { tree: 0, blocks: 0 })
  }
}

test('judge', async ({ scratch, owns }) => {
  const stack = await judge()
  const channel = owns(new DemoChannel(path.join(scratch, 'channel'), SHARED_CHANNELS.large))
  channel.make()
  await channel.serve()
  const mirror = owns(new Mirror(path.join(scratch, 'mirror'), channel))
  await mirror.start()
  checkEqual('the exit status of submit --wait', await mirror.submit('--wait'), 0)
  const { mirror_key_z32: indexId, shards } = mirror.status()
  await mirror.stop()
  const folderOf = (id) => mirror.drives().map((dir) => path.join(dir, id)).find((dir) => fs.existsSync(dir))

  step('the shards hold upstream\'s NAR files')
  const blobs = new Map() // "<shard id>/<file>": where its bytes lie
  for (const { id_z32: id } of shards) {
    await withDrive(stack, folderOf(id), async (drive) => {
      for (const { key, value } of await entriesOf(drive, '/nar')) {
        check(channel.file(key.slice(1)).equals(await drive.get(key)), `${id}${key} is not what upstream serves`)
        blobs.set(`${id}${key}`, value.blob)
      }
      await auditIsClean(drive, `shard ${id}`)
    })
  }
  console.log(`${blobs.size} NAR files in ${shards.length} shards`)

  step('the index holds upstream\'s narinfos, and a link to each NAR')
  await withDrive(stack, folderOf(indexId), async (drive) => {
    const paths = Object.entries(channel.expected().paths)
    for (const [storePath, { url }] of paths) {
      const name = `${path.basename(storePath).slice(0, 32)}.narinfo`
      check(channel.file(name).equals(await drive.get(`/${name}`)), `/${name} is not what upstream serves`)
      const link = await drive.entry(`/${url}`)
      const [, id] = link?.value.linkname?.match(/^\.\.\/\.\.\/([a-z0-9]{52})\/nar\/[^/]+$/) ?? []
      checkEqual(`the link /${url}`, link?.value.linkname, `../../${id}/${url}`)
      checkEqual(`the metadata of /${url}`, Object.keys(link.value.metadata), ['blob'])
      checkEqual(`the place of /${url}`, placeOf(link.value.metadata.blob), placeOf(blobs.get(`${id}/${url}`)))
    }
    checkEqual('links', (await entriesOf(drive, '/nar')).length, new Set(paths.map(([, { url }]) => url)).size)
    await auditIsClean(drive, 'the index')
  })
})
