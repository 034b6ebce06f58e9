import {
  type Anchor,
  type Checkpoint,
  checkFrame,
  decodeCheckpoint,
  equalBytes,
  type Week,
} from '../../protocol/index.ts'
import { messageOf, SecnodeError } from '../errors.ts'
import {
  type AnchoredParts,
  type AnchoredWeek,
  blockOf,
  completeEpoch,
  equivocatorsUnder,
  leavesUnder,
} from './anchored-data.ts'
import { frameOfWeek, notFollowed } from './anchored-frame.ts'

/** An anchored checkpoint that breaks R-CP-1, as this node sees it. */
export interface DifferingCheckpoint {
  /** Whose checkpoint it is. */
  week: Week
  checkpoint: string
  /** Of `checkFrame`. */
  code: string
}

/** Brings together what an anchor fixes: payload, proofs, and every attestation under its roots. */
export interface AnchoredWeeks {
  /** Fetches what is missing of the newest anchored weeks, a bounded number at a time. */
  complete(signal: AbortSignal): Promise<void>
  /** Undefined while it has no anchor, or while `complete` has not found everything. */
  get(week: Week): AnchoredWeek | undefined
  /** Anchored checkpoints that say otherwise than chain and profile do here (R-CP-6), as far as they were read. */
  differing(): readonly DifferingCheckpoint[]
  /** The same, put together now. Errors: ANCHORED_MISSING, which names what, and ANCHORED_INVALID. */
  read(week: Week, signal: AbortSignal): Promise<AnchoredWeek | undefined>
}

/** Weeks back for which data is still looked for: evidence is kept as long (R-EVID-1). */
const maxWeeksBack = 8

export const createAnchoredWeeks = (parts: AnchoredParts): AnchoredWeeks => {
  const known = new Map<Week, AnchoredWeek>()
  /** By checkpoint. */
  const differing = new Map<string, DifferingCheckpoint>()

  const anchorOf = (week: Week): Anchor | null =>
    parts.weeks().records.findLast((record) => record.week === week)?.anchor ?? null

  const completeWeek = async (week: Week, anchor: Anchor, signal: AbortSignal): Promise<AnchoredWeek> => {
    const payload = await blockOf(parts, anchor, 'checkpoint', anchor.checkpoint, signal)
    const decoded = decodeCheckpoint(payload)
    if (decoded.is === 'bad') {
      throw new SecnodeError('ANCHORED_INVALID', `the checkpoint of week ${anchor.week} is no checkpoint`)
    }
    await checkAgainstChain(anchor, decoded.value, signal)
    const listed = decoded.value.weeks.find((one) => one.week === week)!
    const equivocators = await equivocatorsUnder(parts, anchor, week, listed.proofPages, signal)
    for (const [i, epoch] of listed.epochs.entries()) {
      const leaves = await leavesUnder(parts, anchor.checkpoint, epoch, equivocators, signal)
      await completeEpoch(parts, anchor.checkpoint, epoch, leaves, signal)
      parts.onEpoch?.({ week, epoch: epoch.epoch, done: i + 1, total: listed.epochs.length })
    }
    return { week, anchor, checkpoint: decoded.value, equivocators }
  }

  /** R-CP-1: what the chain says of the week must be what the checkpoint says; otherwise it has no digest. */
  const checkAgainstChain = async (
    anchor: Anchor,
    checkpoint: Checkpoint,
    signal: AbortSignal,
  ): Promise<void> => {
    const framed = await frameOfWeek(parts, anchor.week, signal)
    if (framed === undefined) throw notFollowed(anchor.week)
    const checked = checkFrame(framed.frame, checkpoint)
    const name = anchor.checkpoint.toString()
    differing.delete(name)
    if (checked.is !== 'accept') {
      differing.set(name, { week: anchor.week, checkpoint: name, code: checked.code })
      throw new SecnodeError(
        'ANCHORED_INVALID',
        `the checkpoint of week ${anchor.week} breaks R-CP-1: ${checked.code}`,
      )
    }
  }

  const get = (week: Week): AnchoredWeek | undefined => {
    const anchor = anchorOf(week)
    const found = known.get(week)
    if (anchor === null || found === undefined) return undefined
    const isSame =
      found.anchor.checkpoint.equals(anchor.checkpoint) &&
      equalBytes(found.anchor.blockHash, anchor.blockHash)
    // A reorganisation may have anchored another one (R-CHAIN-2).
    return isSame ? found : undefined
  }

  const bring = async (week: Week, anchor: Anchor, signal: AbortSignal): Promise<AnchoredWeek> => {
    const found = await completeWeek(week, anchor, signal)
    known.set(week, found)
    parts.onComplete?.(found)
    return found
  }

  return {
    get,
    differing() {
      const anchored = new Set(parts.weeks().records.map(({ anchor }) => anchor?.checkpoint.toString()))
      return [...differing.values()].filter(({ checkpoint }) => anchored.has(checkpoint))
    },
    async read(week, signal) {
      const anchor = anchorOf(week)
      if (anchor === null) return undefined
      return get(week) ?? (await bring(week, anchor, signal))
    },
    async complete(signal) {
      for (const { week, anchor } of parts.weeks().records.slice(-maxWeeksBack)) {
        if (anchor === null || get(week) !== undefined || parts.epochs.unknownRulesetOf(week) !== null)
          continue
        try {
          await bring(week, anchor, signal)
          parts.logger.info(
            { week, checkpoint: anchor.checkpoint.toString() },
            'an anchored week is complete',
          )
        } catch (error) {
          signal.throwIfAborted()
          parts.logger.warn({ week, reason: messageOf(error) }, 'an anchored week is not complete yet')
        }
      }
    },
  }
}
