// Anyone in the world, with stock JavaScript and nothing but the mirror's key and a peer's address, gets every NAR:
// index to DIR/<id>, each shard to DIR/<id>, a folder that nginx serves and the real nix takes. Then the origin is gone,
// and the copy goes on: to a second JavaScript peer, and to hyp.
import { spawn, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { DemoChannel, Mirror, SHARED_CHANNELS, check, checkEqual, freePort, sha256, step, test, until } from './words.mjs'
import { StockPeer } from './stock_peer.mjs'

// Serves a folder as it lies there.
class Nginx {
  async start (root, dir) {
    fs.mkdirSync(dir, { recursive: true })
    const port = await freePort()
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${dir}/${kind};`).join('')
    fs.writeFileSync(path.join(dir, 'nginx.conf'), `${process.getuid() === 0 ? 'user root;' : ''} daemon off;
      pid ${dir}/pid; error_log ${dir}/error.log error; events { worker_connections 256; }
      http { access_log off; ${temporary} server { listen 127.0.0.1:${port}; root ${root}; } }`)
    this.child = spawn('nginx', ['-c', path.join(dir, 'nginx.conf'), '-p', dir], { stdio: 'inherit' })
    this.ended = new Promise((resolve) => this.child.on('exit', resolve))
    this.url = `http://127.0.0.1:${port}`
    await until('nginx answers', 10_000, () => fetch(this.url).then(() => true, () => false))
  }

  async stop () {
    this.child?.kill('SIGTERM')
    await this.ended
  }
}

function nixCopy (scratch, url, store, publicKey, roots) {
  const home = path.join(scratch, 'home')
  fs.mkdirSync(home, { recursive: true })
  const nix = (...words) => spawnSync('nix', words, { encoding: 'utf8', env: { ...process.env, HOME: home, XDG_CACHE_HOME: path.join(store, 'cache'), NIX_REMOTE: '',
    NIX_CONFIG: `experimental-features = nix-command\nbuild-users-group =\nsubstituters =\nrequire-sigs = true\ntrusted-public-keys = ${publicKey}` } })
  const copied = nix('copy', '--from', url, '--to', store, ...roots)
  checkEqual(`nix copy --from ${url}: ${copied.stderr.slice(-500)}`, copied.status, 0)
  const verified = nix('store', 'verify', '--store', store, '--all')
  checkEqual(`nix store verify: ${verified.stderr.slice(-500)}`, verified.status, 0)
}

test('peers', async ({ scratch, owns }) => {
  const channel = owns(new DemoChannel(path.join(scratch, 'channel'), SHARED_CHANNELS.medium))
  channel.make()
  await channel.serve()
  const mirror = owns(new Mirror(path.join(scratch, 'mirror'), channel, { workerOptions: ['--listen-peers', '127.0.0.1:0'] }))
  await mirror.start()
  checkEqual('the exit status of submit --wait', await mirror.submit('--wait'), 0)
  const expected = channel.expected()
  const roots = Object.keys(expected.paths)
  const origins = [1, 2].map((n) => fs.readFileSync(path.join(mirror.dir, `worker-${n}.log`), 'utf8').match(/serving peers on (\S+)/)[1])
  const nginx = owns(new Nginx())
  const copies = path.join(scratch, 'first/files')
  await nginx.start(scratch, path.join(scratch, 'nginx'))
  const checkFolder = (folder, indexId, name) => {
    for (const entry of Object.values(expected.paths)) {
      const file = path.join(folder, indexId, 'nar', path.basename(entry.url))
      checkEqual(`SHA-256 of ${file}`, sha256(fs.readFileSync(file)), sha256(channel.file(entry.url)))
    }
    nixCopy(scratch, `${nginx.url}/${path.relative(scratch, folder)}/${indexId}`, path.join(scratch, name), channel.info.public_key, roots)
  }

  step('stock JavaScript, given the key and two addresses, gets every NAR; nginx serves the folder to the real nix')
  const first = owns(await new StockPeer().start(mirror.key, path.join(scratch, 'first'), ...origins))
  const [indexId] = Object.keys(first.drives)
  checkFolder(copies, indexId, 'nix-1')

  step('mirrored again, nothing changes; moved, it is served as before')
  await first.stop()
  const again = owns(await new StockPeer().start(mirror.key, path.join(scratch, 'first'), ...origins))
  checkEqual('files changed', Object.values(again.drives).map((drive) => drive.changed), Object.keys(again.drives).map(() => 0))
  fs.cpSync(copies, path.join(scratch, 'moved'), { recursive: true, verbatimSymlinks: true })
  checkFolder(path.join(scratch, 'moved'), indexId, 'nix-2')

  step('the origin is gone: a second JavaScript peer gets everything from the first')
  await mirror.stop()
  const second = owns(await new StockPeer().start(mirror.key, path.join(scratch, 'second'), again.address))
  checkEqual('its drives', Object.keys(second.drives), Object.keys(first.drives))
  checkFolder(path.join(scratch, 'second/files'), indexId, 'nix-3')

  step('and hyp gets everything from JavaScript')
  const target = path.join(scratch, 'hyp')
  const done = mirror.run('hyp', 'mirror', `hyper://${mirror.key}`, target, '--peer', second.address, '--data', path.join(scratch, 'hyp-data'))
  checkEqual(`hyp mirror: ${done.stderr.slice(-500)}`, done.status, 0)
  checkFolder(target, indexId, 'nix-4')
  check(first.drives[indexId].files > 0, 'the index is empty')
})
