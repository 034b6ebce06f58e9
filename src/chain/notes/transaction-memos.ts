import type { OrchardBundle, Transaction } from '../formats/types.ts'
import { decryptOrchardNote, type OrchardPool } from './orchard.ts'
import { decryptSaplingNote } from './sapling.ts'
import { decryptSproutJoinSplit } from './sprout.ts'
import type { ViewingKeys } from './viewing-key.ts'

export interface TransactionMemo {
  pool: 'sprout' | 'sapling' | 'orchard' | 'ironwood'
  /** Position among the pool's outputs; Sprout counts two to a JoinSplit. */
  index: number
  /** Base units. */
  amount: bigint
  /** 512 bytes. */
  memo: Uint8Array
}

/**
 * The memos of all notes that a transaction pays to `keys`, in pool order Sprout, Sapling, Orchard, Ironwood
 * (R-CHAIN-4) and in the transaction's order within a pool.
 */
export const memosOf = (
  transaction: Pick<
    Transaction,
    'joinSplits' | 'joinSplitPublicKey' | 'saplingOutputs' | 'orchard' | 'ironwood'
  >,
  keys: ViewingKeys,
): TransactionMemo[] => [
  ...sproutMemos(transaction, keys),
  ...saplingMemos(transaction, keys),
  ...orchardMemos(transaction.orchard, keys, 'orchard'),
  ...orchardMemos(transaction.ironwood, keys, 'ironwood'),
]

const sproutMemos = (
  { joinSplits, joinSplitPublicKey }: Pick<Transaction, 'joinSplits' | 'joinSplitPublicKey'>,
  { sprout }: ViewingKeys,
): TransactionMemo[] => {
  if (sprout === undefined || joinSplitPublicKey === null) return []
  return joinSplits
    .flatMap((joinSplit) => decryptSproutJoinSplit(joinSplit, joinSplitPublicKey, sprout))
    .flatMap((note, index) => (note === null ? [] : [memoIn('sprout', index, note)]))
}

const saplingMemos = (
  { saplingOutputs }: Pick<Transaction, 'saplingOutputs'>,
  { sapling }: ViewingKeys,
): TransactionMemo[] => {
  if (sapling === undefined) return []
  return saplingOutputs.flatMap((output, index) => {
    const note = decryptSaplingNote(output, sapling)
    return note === null ? [] : [memoIn('sapling', index, note)]
  })
}

const orchardMemos = (
  bundle: OrchardBundle | null,
  { orchard }: ViewingKeys,
  pool: OrchardPool,
): TransactionMemo[] => {
  if (orchard === undefined || bundle === null) return []
  return bundle.actions.flatMap((action, index) => {
    const note = decryptOrchardNote(action, orchard, pool)
    return note === null ? [] : [memoIn(pool, index, note)]
  })
}

const memoIn = (
  pool: TransactionMemo['pool'],
  index: number,
  { value, memo }: { value: bigint; memo: Uint8Array },
): TransactionMemo => ({ pool, index, amount: value, memo })
