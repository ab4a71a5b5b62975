// Numbers that a seed decides (mulberry32): what a test draws can be drawn again.
export class Random {
  constructor (seed) {
    this.state = seed | 0
  }

  // In [0, 1).
  next () {
    this.state = (this.state + 0x6d2b79f5) | 0
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }

  // Whole numbers, both ends included.
  between (low, high) {
    return low + Math.floor(this.next() * (high - low + 1))
  }

  pick (list) {
    return list[Math.floor(this.next() * list.length)]
  }

  shuffle (list) {
    const shuffled = [...list]
    for (let end = shuffled.length - 1; end > 0; end--) {
      const other = this.between(0, end)
      ;[shuffled[end], shuffled[other]] = [shuffled[other], shuffled[end]]
    }
    return shuffled
  }
}
