import type { TransactionFields } from '../../chain/formats/types.ts'
import { authDataRoot, authDigest, blockCommitment } from './auth-digest.ts'
import { type ChainParameters, isUpgradeActive } from './parameters.ts'

/**
 * What a header's commitment field must be. Since NU5 it binds scripts, signatures and proofs to the block. The chain
 * history root in it is zeros, and so is the whole field before NU5 and in ZEN (scTxsCommitment): it would commit to
 * the trees of notes, which the embedded chain does not keep because without proofs nothing refers to them.
 */
export const commitmentOf = (
  parameters: ChainParameters,
  height: number,
  transactions: readonly TransactionFields[],
): Uint8Array =>
  isUpgradeActive(parameters, 'NU5', height)
    ? blockCommitment(new Uint8Array(32), authDataRoot(transactions.map(authDigest)))
    : new Uint8Array(32)
