/** How few hold how much. */
export interface Concentration {
  /** Herfindahl–Hirschman index: Σ share², from 1/n (all equal) to 1 (one holds all). */
  hhi: number
  /** Shannon's entropy of the shares, in bits. */
  entropyBits: number
  /** The fewest holders that have more than half together. */
  nakamoto: number
}

/** Of amounts by holder; amounts of 0 do not matter. Zeros if there is nothing. */
export const concentrationOf = (amounts: Iterable<number>): Concentration => {
  const positive = [...amounts].filter((amount) => amount > 0).sort((a, b) => b - a)
  const total = positive.reduce((sum, amount) => sum + amount, 0)
  if (total === 0) return { hhi: 0, entropyBits: 0, nakamoto: 0 }
  let hhi = 0
  let entropyBits = 0
  let nakamoto = 0
  let held = 0
  for (const amount of positive) {
    const share = amount / total
    hhi += share * share
    entropyBits -= share * Math.log2(share)
    if (2 * held <= total) {
      held += amount
      nakamoto++
    }
  }
  return { hhi, entropyBits, nakamoto }
}
