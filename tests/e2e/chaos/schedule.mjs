// What is to happen in a storm, drawn from a seed beforehand: each kind equally often, its variants in turn.
import { KINDS } from './events.mjs'

const GAP_MS = [800, 3400]

// [{number, kind, variant, draw, hold, gap}]: after `gap` ms it begins and then lasts for about `hold`; `draw`, in [0, 1),
// says which of those that it may happen to. What a machine makes of that is not the seed's.
export function schedule (random, count) {
  const names = Object.keys(KINDS)
  const shift = new Map(names.map((name) => [name, random.between(0, KINDS[name].variants.length - 1)]))
  const happened = new Map()
  const kinds = random.shuffle(Array.from({ length: count }, (_, n) => names[n % names.length]))
  return kinds.map((kind, number) => {
    const before = happened.get(kind) ?? 0
    happened.set(kind, before + 1)
    const { variants, hold } = KINDS[kind]
    const variant = variants[(before + shift.get(kind)) % variants.length]
    return { number: number + 1, kind, variant, draw: random.next(), hold: random.between(...(hold[variant] ?? hold)), gap: random.between(...GAP_MS) }
  })
}
