import { type OutpointKey, threadOfWeek, type Week } from '../../../protocol/index.ts'
import type { Network } from '../../chain/profiles.ts'
import { isSecnodeError, SecnodeError } from '../../errors.ts'
import { type ChainThread, readThread, type ThreadQuery } from './chain-thread.ts'
import { coinKey } from './coins.ts'
import type { Outpoint } from './transactions.ts'

/** A chain node, and what reading threads from it takes. */
export type PayoutNode = Omit<ThreadQuery, 'start'>

/** R-PAY-2: the outpoint that starts the thread on which a week is paid. Errors: PAYOUT_NO_THREAD. */
export const threadStartOf = (network: Network, week: Week): Outpoint => {
  const row = threadOfWeek(network.profile.threads, week)
  if (row === null) {
    throw new SecnodeError(
      'PAYOUT_NO_THREAD',
      `the profile ${network.name} names no thread for week ${week}`,
      {
        hint: 'Send 0.001 coin to the treasury and publish that output under `threads` in the profile.',
        exitCode: 2,
      },
    )
  }
  return outpointOf(row)
}

export const readThreadOfWeek = async (node: PayoutNode, week: Week): Promise<ChainThread> =>
  readThread({ ...node, start: threadStartOf(node.network, week) })

/**
 * Outputs that must not be spent as coins: the starts of all threads, and where each stands now. `known` was read
 * already.
 */
export const reservedOutpoints = async (
  node: PayoutNode,
  known: ChainThread | null,
): Promise<ReadonlySet<OutpointKey>> => {
  const reserved = new Set<OutpointKey>()
  for (const row of node.network.profile.threads) {
    const start = outpointOf(row)
    reserved.add(coinKey(start))
    try {
      const { tip } = known?.thread.start === coinKey(start) ? known : await readThread({ ...node, start })
      if (tip !== null) reserved.add(coinKey(tip))
    } catch (error) {
      // A thread that was given up, or is not yet begun, has nothing else to protect.
      if (!isSecnodeError(error, 'PAYOUT_THREAD_START')) throw error
    }
  }
  return reserved
}

/** Of a row of the profile's `threads`. */
export const outpointOf = ({ txid, index }: { txid: string; index: number }): Outpoint => ({
  txid: new Uint8Array(Buffer.from(txid, 'hex').reverse()),
  index,
})
