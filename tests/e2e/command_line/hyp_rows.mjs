// hyp over the drives of a mirror: what is there, what is not, what is broken, and peers that do not answer.
import fs from 'node:fs'
import path from 'node:path'

const NOBODY = '127.0.0.1:1'
const UNKNOWN_DRIVE = `hyper://${'ab'.repeat(32)}`

// `peers`: HOST:PORT of the workers that have the index and the shards; `silent`: of one that never answers.
export async function drivesOfHyp ({ commands, mirror, scratch, peers, silent }) {
  const hyp = (name, words, code = 0) => commands.run(`hyp ${name}`, words, code, { cwd: scratch })
  const key = `hyper://${mirror.key}`
  const all = mirror.drives().flatMap((dir) => ['--drives', dir])
  const index = ['--drives', path.join(mirror.dir, 'index/drives')]
  const own = path.join(scratch, 'own')
  const to = (name) => path.join(scratch, name)
  const far = ['--peer', peers.index, '--peer', peers.worker, '--data', to('far')]
  const nobody = ['--peer', NOBODY, '--timeout', '1s', '--data', to('nobody')]
  const hanging = ['--peer', silent.address, '--timeout', '60s', '--data', to('hanging')]
  const hangs = async (name, words) => {
    const before = silent.count()
    await commands.interrupt(`hyp ${name}`, [...words, ...hanging], 130, () => silent.count() > before)
  }

  const { documents: [made] } = await hyp('create drive', ['--drives', own, '--json'])
  fs.writeFileSync(to('hello'), 'hello')
  await hyp('put', [to('hello'), `${made.address}/hello`, '--drives', own])
  await hyp('ls', [made.address, '--drives', own, '--json'])
  await hyp('cat', [`${made.address}/hello`, '--drives', own])
  await hyp('get', [`${made.address}/hello`, to('hello-2'), '--drives', own])
  fs.writeFileSync(to('file'), '')
  await hyp('create drive', ['--drives', path.join(to('file'), 'below')], 1)
  await hyp('put', [to('hello'), `${UNKNOWN_DRIVE}/hello`, '--drives', own], 1)
  await hyp('cat', [`${made.address}/nothing`, '--drives', own], 1)
  await hyp('get', [`${made.address}/nothing`, to('nothing'), '--drives', own], 1)
  await hyp('ls', [`${made.address}/nothing`, '--drives', own], 1)
  // The header of its core is gone.
  fs.cpSync(own, to('broken'), { recursive: true })
  for (const file of fs.readdirSync(to('broken'), { recursive: true }).filter((name) => path.basename(name) === 'oplog')) {
    fs.writeFileSync(path.join(to('broken'), file), Buffer.alloc(8192, 0xff))
  }
  for (const name of ['info', 'shards', 'verify']) await hyp(name, [made.address, '--drives', to('broken')], 1)

  await hyp('info', [key, ...all, '--json'])
  await hyp('shards', [key, ...all])
  await hyp('ls', [key, ...all, '--json'])
  await hyp('verify', [key, ...all, '--json'])
  await hyp('verify', [key, ...index, '--skip-nars', '--json'], 3)
  await hyp('mirror', [key, to('mirrored'), ...far, '--json'])
  await hyp('import', [key, to('imported'), ...far, '--json'])
  await hyp('import', [key, to('imported-2'), '--peer', peers.index, '--timeout', '1s', '--data', to('one'), '--json'], 3)
  // Of drives that nobody writes.
  fs.cpSync(path.join(to('imported'), mirror.indexId), path.join(to('index-only'), mirror.indexId), { recursive: true })
  await hyp('export', [key, '--drives', to('imported'), '--rocksdb', to('store'), '--json'])
  await hyp('export', [key, '--drives', to('index-only'), '--rocksdb', to('store-2'), '--json'], 3)
  await hyp('export', [UNKNOWN_DRIVE, '--drives', to('imported'), '--rocksdb', to('store-3')], 1)
  await hyp('mirror', [key, to('mirrored-2'), '--peer', peers.index, '--timeout', '1s', '--data', to('one'), '--json'], 3)
  await hyp('mirror', [key, path.join(to('file'), 'below'), ...far], 1)
  await hyp('import', [key, path.join(to('file'), 'below'), ...far], 1)
  // A link lies where a folder of the drive would be written.
  fs.mkdirSync(to('got'))
  fs.symlinkSync(to('elsewhere'), path.join(to('got'), 'demo'))
  fs.symlinkSync(to('elsewhere'), path.join(to('got'), mirror.channel.info.channel))
  await hyp('get', [`${key}/channels`, to('got'), ...all], 3)

  const lookedAt = { info: [], ls: [], shards: [], verify: [], cat: [], get: [], mirror: [to('m')], import: [to('i')] }
  for (const [name, words] of Object.entries(lookedAt)) {
    const address = name === 'cat' || name === 'get' ? `${UNKNOWN_DRIVE}/x` : UNKNOWN_DRIVE
    await hyp(name, [address, ...words, ...nobody], 4)
    if (commands.documented.get(`hyp ${name}`).codes.includes(130)) await hangs(name, [address, ...words])
  }

  await hyp('seed', [key, ...far.slice(0, 4), '--data', to('seeded'), '--listen', mirror.address], 1)
  await commands.interrupt('hyp seed', [key, ...far.slice(0, 4), '--data', to('seeded'), '--listen', '127.0.0.1:0', '--json'], 0,
    ({ stdout }) => stdout.split('\n').length > 3)
}
