import type { Height } from '../../protocol/index.ts'
import type { ActorStream } from '../actor-stream.ts'

/** When blocks are mined, and when each node hears of them. All times in microseconds from the activation. */
export interface ChainClock {
  minedAt(height: Height): number
  /** A node hears every block so much later than its miner. */
  heardAt(node: number, height: Height): number
  /** The last confirmed height that a node knows of (R-CHAIN-2). Times come in order for each node. */
  confirmedBy(node: number, at: number): Height
}

export interface ChainClockOptions {
  /** Of the first block. */
  from: Height
  blockSeconds: number
  confirmations: number
  /** Of each node, in microseconds. */
  delays: Float64Array
}

/** Blocks come as a Poisson process; what their headers say of the time is another matter. */
export const createChainClock = (options: ChainClockOptions, stream: ActorStream): ChainClock => {
  const { from, blockSeconds, confirmations, delays } = options
  const mined: number[] = [0]
  const heard = new Uint32Array(delays.length)
  const minedAt = (height: Height): number => {
    const index = height - from
    while (mined.length <= index) {
      const interval = -Math.log(stream.uniform()) * blockSeconds * 1e6
      mined.push(Math.ceil(mined.at(-1)! + Math.max(1, interval)))
    }
    return mined[index]!
  }
  return {
    minedAt,
    heardAt: (node, height) => minedAt(height) + delays[node]!,
    confirmedBy: (node, at) => {
      let index = heard[node]!
      const delay = delays[node]!
      while (minedAt(from + index + 1) + delay <= at) index++
      heard[node] = index
      return from + index - confirmations
    },
  }
}
