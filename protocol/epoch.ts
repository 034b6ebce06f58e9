import type { Epoch, Height } from './ids.ts'
import type { Genesis } from './params.ts'

type EpochShape = Pick<Genesis, 'activationHeight' | 'epochBlocks'>

/** b(e), the first height of epoch e (R-EPOCH-1). */
export const epochStart = (genesis: EpochShape, epoch: Epoch): Height =>
  genesis.activationHeight + epoch * genesis.epochBlocks

/** The epoch that a height belongs to; null before the activation. */
export const epochOfHeight = (genesis: EpochShape, height: Height): Epoch | null =>
  height < genesis.activationHeight
    ? null
    : Math.floor((height - genesis.activationHeight) / genesis.epochBlocks)

/** Where an epoch stands, counted in confirmed blocks only (R-EPOCH-3). All bounds are confirmed heights. */
export interface EpochPhases {
  /** b(e): the beacon is known, challenges begin. */
  opens: Height
  /** First height at which no challenge begins any more and attestations are signed. */
  attests: Height
  /** b(e + 1) + epochBlocks / 2: what was held here must be in a checkpoint (R-CP-3). */
  mustHold: Height
  /** b(e + 2): what was not held here may not be in a checkpoint (R-CP-3). */
  closes: Height
}

export const epochPhases = (genesis: EpochShape, attestBlocks: number, epoch: Epoch): EpochPhases => {
  const opens = epochStart(genesis, epoch)
  const next = epochStart(genesis, epoch + 1)
  return {
    opens,
    // However short the epoch, half of it stays for challenges.
    attests: Math.max(next - attestBlocks, opens + Math.ceil(genesis.epochBlocks / 2)),
    mustHold: next + Math.floor(genesis.epochBlocks / 2),
    closes: epochStart(genesis, epoch + 2),
  }
}

/**
 * R-ATT-6: why gossip takes no attestation of an epoch at this confirmed height: `early` before b(e), `late` from
 * b(e + 2) on; null while it does.
 */
export const whyClosed = (
  genesis: EpochShape,
  epoch: Epoch,
  confirmedHeight: Height,
): 'early' | 'late' | null => {
  if (confirmedHeight < epochStart(genesis, epoch)) return 'early'
  return confirmedHeight >= epochStart(genesis, epoch + 2) ? 'late' : null
}
