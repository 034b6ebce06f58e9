/** How attestations spread: the share of the nodes that were up which one has reached so many milliseconds after it left. */
export interface Propagation {
  /** Rising. */
  ms: number[]
  /** As many; rising, from 0 to 1. Below 1 at the end where some nodes never got some attestation while its epoch was open. */
  share: number[]
}

/** Counts first arrivals by their delay, finely enough for percentiles: 1 ms up to a second, then 1 % wider each time. */
export interface PropagationCount {
  add(delayMicros: number): void
  /** Nodes that should have got something, whether they did or not. */
  expect(nodes: number): void
  /** Milliseconds within which that share was reached; null if it never was. */
  quantile(share: number): number | null
  curve(): Propagation
}

const linearMs = 1_000
const growth = 1.01
/** Up to 2.3 hours; what comes later than that is in the last one. */
const bins = linearMs + Math.ceil(Math.log(8_400) / Math.log(growth))

export const createPropagationCount = (): PropagationCount => {
  const counts = new Float64Array(bins)
  let expected = 0
  const binOf = (ms: number): number =>
    ms < linearMs
      ? Math.floor(ms)
      : Math.min(bins - 1, linearMs + Math.floor(Math.log(ms / linearMs) / Math.log(growth)))
  /** The upper edge, in milliseconds. */
  const endOf = (bin: number): number =>
    bin < linearMs ? bin + 1 : Math.round(linearMs * growth ** (bin - linearMs + 1))
  return {
    add: (delayMicros) => {
      counts[binOf(delayMicros / 1_000)]!++
    },
    expect: (nodes) => {
      expected += nodes
    },
    quantile: (share) => {
      let sum = 0
      // A share of 1 is all of them; sums of whole numbers are exact.
      const least = Math.max(1, Math.ceil(share * expected))
      for (let bin = 0; bin < bins; bin++) {
        sum += counts[bin]!
        if (expected > 0 && sum >= least) return endOf(bin)
      }
      return null
    },
    curve: () => {
      const propagation: Propagation = { ms: [0], share: [0] }
      if (expected === 0) return propagation
      let sum = 0
      for (let bin = 0; bin < bins; bin++) {
        if (counts[bin] === 0) continue
        sum += counts[bin]!
        const share = Number((sum / expected).toPrecision(6))
        // A point for each half per cent is as fine as a plot shows; the tail, where it matters, has more.
        if (share - propagation.share.at(-1)! < (share < 0.99 ? 0.005 : 0.0005) && sum < expected) continue
        propagation.ms.push(endOf(bin))
        propagation.share.push(share)
      }
      return propagation
    },
  }
}
