import { bytesToHex } from '../../../protocol/index.ts'
import type { ChainFamily, Transaction } from '../../chain/formats/types.ts'
import { type AddressIndex, createAddressIndex } from './address-index.ts'
import type { Coin } from './coin.ts'

/** MEMPOOL_HEIGHT of zcashd: above every block. */
export const unconfirmedHeight = 0x7fffffff

/** Name of an output in maps: internal hex of the txid, colon, index. */
export const outpointKey = (txid: Uint8Array, index: number): string => `${bytesToHex(txid)}:${index}`

export type NullifierPool = 'sprout' | 'sapling' | 'orchard' | 'ironwood'

/** What a transaction is judged against: the chain alone, or the chain with the mempool on top. */
export interface CoinView {
  coin(outpoint: string): Coin | undefined
  /** `nullifier` as `nullifierKeys` names it. */
  hasNullifier(nullifier: string): boolean
}

/** Base units in each shielded pool, and in transparent outputs. */
export interface PoolValues {
  transparent: bigint
  sprout: bigint
  sapling: bigint
  orchard: bigint
  ironwood: bigint
}

/** Number of note commitments of each pool's tree. */
export interface TreeSizes {
  sapling: number
  orchard: number
  ironwood: number
}

export const emptyPools: PoolValues = { transparent: 0n, sprout: 0n, sapling: 0n, orchard: 0n, ironwood: 0n }
export const emptyTrees: TreeSizes = { sapling: 0, orchard: 0, ironwood: 0 }

/** What it takes to take a block off again. */
export interface BlockUndo {
  spent: readonly Coin[]
}

/** The state of the best chain: unspent outputs, nullifiers, where each transaction is, and the address index. */
export interface Coins extends CoinView {
  readonly addresses: AddressIndex
  /** Applies a block that was checked: every input must be there. */
  connect(transactions: readonly Transaction[], height: number): BlockUndo
  disconnect(transactions: readonly Transaction[], height: number, undo: BlockUndo): void
  unspentCount(): number
}

export const createCoins = (family: ChainFamily): Coins => {
  const coins = new Map<string, Coin>()
  const nullifiers = new Set<string>()
  const addresses = createAddressIndex(family)

  const take = (outpoint: string): Coin => {
    const coin = coins.get(outpoint)
    if (coin === undefined) throw new Error(`no coin ${outpoint}: the block was not checked`)
    coins.delete(outpoint)
    addresses.removeCoin(outpoint, coin)
    return coin
  }
  const put = (coin: Coin): void => {
    const outpoint = outpointKey(coin.txid, coin.index)
    coins.set(outpoint, coin)
    addresses.addCoin(outpoint, coin)
  }

  return {
    addresses,
    coin: (outpoint) => coins.get(outpoint),
    hasNullifier: (nullifier) => nullifiers.has(nullifier),
    unspentCount: () => coins.size,
    connect: (transactions, height) => {
      const spent: Coin[] = []
      for (const [position, transaction] of transactions.entries()) {
        const inputs = transaction.isCoinbase ? [] : transaction.inputs
        const taken = inputs.map((input) => take(outpointKey(input.previousTxid, input.previousIndex)))
        const made = coinsOf(transaction, height, position)
        for (const coin of made) put(coin)
        for (const nullifier of nullifierKeys(transaction)) nullifiers.add(nullifier)
        spent.push(...taken)
        addresses.addTransaction(transaction.txid, height, taken, made)
      }
      return { spent }
    },
    disconnect: (transactions, height, undo) => {
      let spentLeft = undo.spent.length
      for (const [position, transaction] of [...transactions.entries()].reverse()) {
        const inputs = transaction.isCoinbase ? [] : transaction.inputs
        const taken = undo.spent.slice(spentLeft - inputs.length, spentLeft)
        spentLeft -= inputs.length
        const made = coinsOf(transaction, height, position)
        addresses.removeTransaction(transaction.txid, taken, made)
        for (const nullifier of nullifierKeys(transaction)) nullifiers.delete(nullifier)
        for (const coin of made) take(outpointKey(coin.txid, coin.index))
        for (const coin of taken) put(coin)
      }
    },
  }
}

/** The outputs of a transaction that can ever be spent. */
export const coinsOf = (transaction: Transaction, height: number, position: number): Coin[] =>
  transaction.outputs
    .map(({ value, script }, index) => ({
      txid: transaction.txid,
      index,
      value,
      script,
      height,
      position,
      isCoinbase: transaction.isCoinbase,
    }))
    .filter((coin) => !isUnspendable(coin.script))

/** The nullifiers a transaction reveals, each named by its pool and hex. */
export const nullifierKeys = (transaction: Transaction): string[] => {
  const name = (pool: NullifierPool, nullifier: Uint8Array): string => `${pool}:${bytesToHex(nullifier)}`
  return [
    ...transaction.joinSplits.flatMap(({ nullifiers }) => nullifiers.map((one) => name('sprout', one))),
    ...transaction.saplingSpends.map(({ nullifier }) => name('sapling', nullifier)),
    ...(transaction.orchard?.actions ?? []).map(({ nullifier }) => name('orchard', nullifier)),
    ...(transaction.ironwood?.actions ?? []).map(({ nullifier }) => name('ironwood', nullifier)),
  ]
}

/** What a transaction adds to each shielded pool; Σ vpub_old − Σ vpub_new for Sprout, − valueBalance for the others. */
export const shieldedDeltas = (transaction: Transaction): Omit<PoolValues, 'transparent'> => ({
  sprout: transaction.joinSplits.reduce((sum, { publicOld, publicNew }) => sum + publicOld - publicNew, 0n),
  sapling: -transaction.saplingValueBalance,
  orchard: -(transaction.orchard?.valueBalance ?? 0n),
  ironwood: -(transaction.ironwood?.valueBalance ?? 0n),
})

/** CScript::IsUnspendable: begins with OP_RETURN, or is longer than a script may be. */
const isUnspendable = (script: Uint8Array): boolean => script[0] === 0x6a || script.length > 10_000
