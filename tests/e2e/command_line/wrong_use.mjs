// Words, options and values that nobody knows.
import { check } from '../words.mjs'

const MISTAKES = [
  [['statsu'], 'coordinator has no command statsu; did you mean status?', 'coordinator --help'],
  [['failures', 'rety'], 'coordinator failures has no command rety; did you mean retry?', 'coordinator failures --help'],
  [['status', '--jsno'], 'coordinator status has no option --jsno; did you mean --json?', 'coordinator status --help'],
  [['frobnicate'], 'coordinator has no command frobnicate\n', 'coordinator --help'],
  [['jobs', '--limit', '0'], '--limit', 'coordinator jobs --help'],
  [['shards', '--state', 'wet'], '--state', 'coordinator shards --help'],
  [['cancel', 'many'], 'release', 'coordinator cancel --help'],
  [['--log-level', 'loud', 'status'], '--log-level', '--help']
]

export async function wrongUse (commands) {
  for (const [command, { codes }] of commands.documented) {
    if (codes.length === 0) continue
    const { stderr } = await commands.run(command, ['--no-such-flag'], 2)
    check(stderr.includes('no option --no-such-flag'), `${command} --no-such-flag says: ${stderr}`)
  }
  for (const [words, said, help] of MISTAKES) {
    const { status, stderr } = await commands.spawn('coordinator', words)
    check(status === 2 && stderr.includes(said) && stderr.includes(help), `coordinator ${words.join(' ')}: ${status} ${stderr}`)
  }
}
