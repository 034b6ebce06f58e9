import { emptyTransaction } from '../../chain/formats/empty-transaction.ts'
import type { TransactionFields } from '../../chain/formats/types.ts'
import { branchIdAt, type ChainParameters, isUpgradeActive } from './parameters.ts'

/** The version in which nodes of today make a transaction without JoinSplits and Ironwood for a block at `height`. */
export const transactionVersionAt = (parameters: ChainParameters, height: number): number => {
  if (isUpgradeActive(parameters, 'NU5', height)) return 5
  if (isUpgradeActive(parameters, 'Sapling', height)) return 4
  return isUpgradeActive(parameters, 'Overwinter', height) ? 3 : 1
}

/** An empty transaction of a version, for a block at `height`. */
export const newTransaction = (
  parameters: ChainParameters,
  height: number,
  version = transactionVersionAt(parameters, height),
): TransactionFields =>
  emptyTransaction(parameters.family, version, version >= 5 ? branchIdAt(parameters, height) : null)
