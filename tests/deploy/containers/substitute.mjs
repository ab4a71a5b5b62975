// The real nix, with an empty store of its own, no other substituter, and no trust but in upstream's key.
import { spawn, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { check, checkEqual } from '../../e2e/words.mjs'

// Realises the store paths from the gateway at `url`, and has nix verify all that came. This process goes on meanwhile: it may
// be what the way to the gateway leads through.
export async function substitute (scratch, url, channel, storePaths) {
  const client = fs.mkdtempSync(path.join(scratch, 'nix-'))
  const root = path.join(client, 'root')
  fs.mkdirSync(root)
  const env = {
    ...process.env, HOME: client, XDG_CACHE_HOME: client, NIX_REMOTE: '', NIX_CONF_DIR: client,
    NIX_CONFIG: `experimental-features = nix-command\nbuild-users-group =\nsubstituters = ${url}\nrequire-sigs = true\n` +
      `trusted-public-keys = ${channel.info.public_key}\nsandbox = false\n`
  }
  const nix = async (words, program, ...rest) => {
    const child = spawn(program, rest, { stdio: ['ignore', 'ignore', 'pipe'], env })
    let said = ''
    child.stderr.on('data', (piece) => { said += piece })
    const status = await new Promise((resolve) => child.on('close', resolve))
    checkEqual(`${words}: ${said.slice(-800)}`, status, 0)
  }
  await nix('nix-store --realise', 'nix-store', '--store', root, '--realise', ...storePaths)
  for (const storePath of storePaths) check(fs.lstatSync(path.join(root, storePath), { throwIfNoEntry: false }), `${storePath} is not there`)
  await nix('nix store verify', 'nix', 'store', 'verify', '--store', root, '--all')
  spawnSync('chmod', ['-R', 'u+w', client])
  console.log(`nix substituted ${storePaths.length} paths from ${url} and verified what it has`)
}
