// Delays that double up to a cap. Each is shortened at random by up to half, so that many do not come at once.
export class Backoff {
  constructor (minMs, maxMs, random = Math.random) {
    this.minMs = minMs
    this.maxMs = maxMs
    this.random = random
    this.reset()
  }

  reset () {
    this.nextMs = this.minMs
  }

  next () {
    const delayMs = this.nextMs
    this.nextMs = Math.min(2 * delayMs, this.maxMs)
    return Math.round(delayMs * (1 - this.random() / 2))
  }
}
