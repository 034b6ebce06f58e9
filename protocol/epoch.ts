import { type Epoch, type Height, maxHeight } from './ids.ts'
import type { Genesis } from './params.ts'

type EpochShape = Pick<Genesis, 'activationHeight' | 'epochBlocks'>
type PhaseShape = EpochShape & Pick<Genesis, 'confirmations'>

/** b(e), the first height of epoch e (R-EPOCH-1). */
export const epochStart = (genesis: EpochShape, epoch: Epoch): Height =>
  genesis.activationHeight + epoch * genesis.epochBlocks

/** The epoch that a height belongs to; null before the activation. */
export const epochOfHeight = (genesis: EpochShape, height: Height): Epoch | null =>
  height < genesis.activationHeight
    ? null
    : Math.floor((height - genesis.activationHeight) / genesis.epochBlocks)

/** The first epoch whose snapshot shows what an announcement at this height says (R-EPOCH-5). */
export const firstEpochOfAnnouncement = (genesis: EpochShape, height: Height): Epoch =>
  Math.max(0, Math.ceil((height - genesis.activationHeight) / genesis.epochBlocks)) + 1

/**
 * Where an epoch stands, counted in confirmed blocks only (R-EPOCH-3). All bounds are confirmed heights; something is
 * held *by* one of them if it came while the confirmed height was below it.
 */
export interface EpochPhases {
  /** b(e): the beacon is known, challenges begin. */
  opens: Height
  /** First height at which no challenge begins any more and attestations are signed. */
  attests: Height
  /** b(e + 1) + epochBlocks / 2: what was held by here must be in a checkpoint (R-CP-3). */
  mustHold: Height
  /**
   * b(e + 2) − confirmations, when block b(e + 2) comes in at the tip: what was not held by here may not be in a
   * checkpoint (R-CP-3), nor is it audited (R-EVID-2). Who publishes later knows what his audit will draw.
   */
  closes: Height
}

/**
 * R-EPOCH-3: returns the heights at which the phases of an epoch begin and end. `attestBlocks` is a parameter of its
 * week.
 */
export const epochPhases = (genesis: PhaseShape, attestBlocks: number, epoch: Epoch): EpochPhases => {
  const opens = epochStart(genesis, epoch)
  return {
    opens,
    // However short the epoch, half of it stays for challenges.
    attests: Math.max(
      epochStart(genesis, epoch + 1) - attestBlocks,
      opens + Math.ceil(genesis.epochBlocks / 2),
    ),
    mustHold: mustHoldOf(genesis, epoch),
    closes: closesOf(genesis, epoch),
  }
}

const mustHoldOf = (genesis: EpochShape, epoch: Epoch): Height =>
  epochStart(genesis, epoch + 1) + Math.floor(genesis.epochBlocks / 2)

const closesOf = (genesis: PhaseShape, epoch: Epoch): Height =>
  // Epochs shorter than twice the confirmations are for devnets: one block stays between the bounds.
  Math.max(epochStart(genesis, epoch + 2) - genesis.confirmations, mustHoldOf(genesis, epoch) + 1)

/**
 * R-ATT-6: why gossip takes no attestation of an epoch at this confirmed height: `early` before it opens, `late`
 * once it is closed; null while it does.
 */
export const whyClosed = (
  genesis: PhaseShape,
  epoch: Epoch,
  confirmedHeight: Height,
): 'early' | 'late' | null => {
  if (confirmedHeight < epochStart(genesis, epoch)) return 'early'
  return confirmedHeight >= closesOf(genesis, epoch) ? 'late' : null
}

/** What a node knows of the last block of its chain, confirmed or not. */
export interface ChainTip {
  height: Height
  /** Since the time of that block, in seconds; null if this node cannot tell. */
  ageSeconds: number | null
  /** From one block to the next. */
  spacingSeconds: number
}

/**
 * R-ATT-6: why no honest peer can mean this epoch: `impossible` if no height can be its beginning, `ahead` if it is more than
 * two past that of a young tip. Null if one can, and whenever the chain may have stood still here: then every honest peer
 * is ahead of this node.
 */
export const whyRefused = (
  genesis: EpochShape,
  epoch: Epoch,
  tip: ChainTip,
): 'impossible' | 'ahead' | null => {
  if (epochStart(genesis, epoch) > maxHeight) return 'impossible'
  const isYoung = tip.ageSeconds !== null && tip.ageSeconds < 2 * tip.spacingSeconds
  const atTip = epochOfHeight(genesis, tip.height)
  return isYoung && atTip !== null && epoch > atTip + 2 ? 'ahead' : null
}
