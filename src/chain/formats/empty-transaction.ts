import { noSapling } from './sapling.ts'
import { versionGroupIds } from './transaction.ts'
import type { ChainFamily, TransactionFields } from './types.ts'

/** A transaction of a version with nothing in it. The branch id stands in it from version 5 on (ZIP 225); before, null. */
export const emptyTransaction = (
  family: ChainFamily,
  version: number,
  consensusBranchId: number | null = null,
): TransactionFields => ({
  family,
  version,
  versionGroupId: versionGroupIds[version] ?? null,
  consensusBranchId,
  inputs: [],
  outputs: [],
  lockTime: 0,
  expiryHeight: 0,
  joinSplits: [],
  joinSplitPublicKey: null,
  joinSplitSignature: null,
  ...noSapling,
  orchard: null,
  ironwood: null,
  sidechain: null,
})
