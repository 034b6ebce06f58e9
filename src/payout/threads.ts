import { threadOfWeek, threadValue, type Week } from '../../protocol/index.ts'
import type { Network } from '../chain/profiles.ts'
import { isSecnodeError, SecnodeError } from '../errors.ts'
import { type ChainThread, readThread, type ThreadQuery } from './chain-thread.ts'
import { type Coin, coinError, coinKey, type Reserved } from './coins.ts'
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

export interface Threads {
  chains: readonly ChainThread[]
  /** False if the start of one is not in the chain, or this node cannot say where it stands. */
  areAllRead: boolean
}

/** All threads of the profile as a node sees them; `known` was read already. */
export const readAllThreads = async (node: PayoutNode, known: ChainThread | null): Promise<Threads> => {
  const chains: ChainThread[] = []
  let areAllRead = true
  for (const row of node.network.profile.threads) {
    const start = outpointOf(row)
    try {
      chains.push(known?.thread.start === coinKey(start) ? known : await readThread({ ...node, start }))
    } catch (error) {
      if (!isSecnodeError(error, 'PAYOUT_THREAD_START')) throw error
      areAllRead = false
    }
  }
  return { chains, areAllRead }
}

/** What is reserved as a node sees it: the starts of all threads, and where each stands now. */
export const reservedOutputs = async (node: PayoutNode, known: ChainThread | null): Promise<Reserved> => {
  const { chains, areAllRead } = await readAllThreads(node, known)
  const tips = chains.flatMap(({ tip }) => (tip === null ? [] : [tip]))
  return reservedBy(node.network, tips, areAllRead)
}

/** The same without a node, by the profile and one thread output that the signer names. */
export const reservedOffline = (network: Network, named: Outpoint): Reserved =>
  reservedBy(network, [named], false)

/**
 * Where threads are not known to stand, each output 0 of a thread output's value may be one (R-PAY-2): that of another
 * thread, or of a payout that waits to be mined. Signatures cover the value on Zcash (ZIP 244).
 */
const reservedBy = ({ profile }: Network, tips: readonly Outpoint[], areAllKnown: boolean): Reserved => {
  const reserved = new Set([...profile.threads.map(outpointOf), ...tips].map(coinKey))
  return (coin) => {
    if (reserved.has(coinKey(coin))) return 'is a thread output'
    if (areAllKnown || coin.index !== 0 || coin.output.value !== threadValue) return null
    return `may be a thread output, being output 0 and worth ${threadValue} base units`
  }
}

/** Errors: PAYOUT_COIN. */
export const refuseReserved = (coins: readonly Coin[], reserved: Reserved): void => {
  for (const coin of coins) {
    const why = reserved(coin)
    if (why !== null) throw coinError(coin, why, { hint: reservedHint })
  }
}

const reservedHint =
  'Spent as a coin it would cut the thread. A node that has all threads can say for certain: sign with --rpc; else build without this coin.'

/** Of a row of the profile's `threads`. */
export const outpointOf = ({ txid, index }: { txid: string; index: number }): Outpoint => ({
  txid: new Uint8Array(Buffer.from(txid, 'hex').reverse()),
  index,
})
