// Of large bodies it is told where they begin to differ.
export function checkSameBytes (words, found, wanted) {
  if (found.equals(wanted)) return
  let at = 0
  while (at < found.length && found[at] === wanted[at]) at++
  throw new Error(`${words} differs from upstream's: ${found.length} bytes instead of ${wanted.length}, from byte ${at} on: ` +
    `${found.subarray(at, at + 16).toString('hex')} instead of ${wanted.subarray(at, at + 16).toString('hex')}`)
}
