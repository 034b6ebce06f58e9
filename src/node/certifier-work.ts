import type { CID } from 'multiformats/cid'
import {
  beaconOf,
  bytesToHex,
  type CertifierDuty,
  type CertifierEvent,
  type CertifierState,
  type Epoch,
  equalBytes,
  type HeldProof,
  paramsHash,
  paramsOfWeek,
  type ProposalAnswer,
  type ProposedSet,
  type Seat,
  type SeatRecord,
  startCertifier,
  type Week,
  type WeekRecord,
  weeksListedBy,
} from '../../protocol/index.ts'
import { createSequence, type Sequence } from '../async/serial.ts'
import { messageOf } from '../errors.ts'
import type { CheckpointStore } from '../store/checkpoints.ts'
import { type FramedWeekOfChain, type FrameParts, frameOfWeek } from '../week/anchored-frame.ts'
import type { Collector } from './collector.ts'
import type { NodeContext } from './context.ts'

/** The week that is being certified. */
export interface CertifierWork {
  week: Week
  freezeHash: Uint8Array
  state: CertifierState
  /** As they stood after block F, at the index of their number. */
  seats: readonly SeatRecord[]
  /**
   * The set that a proposer told of for the epoch under comparison, by checkpoint. At 40,000 seats it is 320 kB, and no
   * review needs those of all epochs at once.
   */
  sets: Map<string, { epoch: Epoch; set: ProposedSet }>
  /** Who waits for an answer to his proposal, by `<seat>:<view>:<checkpoint>`. */
  waiting: Map<string, ((answer: ProposalAnswer) => void)[]>
  abort: AbortController
  steps: Sequence
}

/** How what is done beside the steps comes back into them. */
export interface CertifierSteps {
  step: (work: CertifierWork, event: CertifierEvent) => void
  /** Runs what waits on others, and steps with its outcome, or with `failed`. */
  beside: (
    work: CertifierWork,
    name: string,
    run: (signal: AbortSignal) => Promise<CertifierEvent>,
    failed: CertifierEvent,
  ) => void
}

/** Which week this node certifies, and where it begins with it. */
export interface CertifiableWeeks {
  /** The frozen week without an anchor, if it can be certified. */
  due(): WeekRecord | null
  /** Null if this node has no part in it, or cannot tell yet what the chain says: the next block is another try. */
  begin(record: WeekRecord, signal: AbortSignal): Promise<CertifierWork | null>
}

export const createCertifiableWeeks = (
  node: NodeContext,
  frame: FrameParts,
  collector: Pick<Collector, 'equivocators'>,
  checkpoints: Pick<CheckpointStore, 'votes'>,
): CertifiableWeeks => {
  const due = (): WeekRecord | null => {
    const record = frame.weeks().records.findLast(({ freeze }) => freeze !== null && freeze.hash !== null)
    if (record === undefined || record.anchor !== null || record.isPending || record.list === null) {
      return null
    }
    // R-NET-3: not by rules that are not known, of this week or of one that it lists again.
    const isUnknown = ({ week }: WeekRecord): boolean => node.epochs.unknownRulesetOf(week) !== null
    if (weeksListedBy(frame.weeks(), record.week).some(isUnknown)) return null
    return node.signing.maySign(record.freeze!.height) ? record : null
  }

  /** Null if this node cannot tell yet what the chain says; the next block is another try. */
  const frameOfDue = async (week: Week, signal: AbortSignal): Promise<FramedWeekOfChain | null> => {
    try {
      return (await frameOfWeek(frame, week, signal)) ?? null
    } catch (error) {
      if (!signal.aborted) {
        node.logger.warn({ week, reason: messageOf(error) }, 'a frozen week cannot be certified here yet')
      }
      return null
    }
  }

  const begin = async (record: WeekRecord, signal: AbortSignal): Promise<CertifierWork | null> => {
    const ownSeat = node.ownSeat()
    const framed = ownSeat === undefined ? null : await frameOfDue(record.week, signal)
    if (ownSeat === undefined || framed === null) return null
    const { frame: listed, seats } = framed
    // The week is certified by the daemon whose key the registry has after block F: one of two with one voting key (R-CP-3).
    if (!equalBytes(seats[ownSeat]?.peer ?? new Uint8Array(), node.keys.peerKey)) return null
    const params = paramsOfWeek(node.schedule, record.week)
    const duty: CertifierDuty = {
      seat: ownSeat,
      frame: listed,
      freeze: record.freeze!.height,
      seniors: record.list!.seniors,
      beacon: beaconOf(node.networkId, record.last! + 2, record.freeze!.hash!),
      params,
      voided: node.voided,
    }
    const proofs: HeldProof[] = []
    for (const { week } of listed.weeks) {
      for (const [seat, { epoch, heldAt }] of await collector.equivocators(week)) {
        proofs.push({ week, seat, epoch, heldAt })
      }
    }
    const votes = await checkpoints.votes(record.week)
    node.logger.info(
      { week: record.week, seniors: duty.seniors.length, params: bytesToHex(paramsHash(params)).slice(0, 8) },
      'a week is frozen and can be certified',
    )
    return {
      week: record.week,
      freezeHash: record.freeze!.hash!,
      state: startCertifier(duty, record.freeze!.height - 1, votes, proofs),
      seats,
      sets: new Map(),
      waiting: new Map(),
      abort: new AbortController(),
      steps: createSequence(),
    }
  }

  return { due, begin }
}

/** Under which an answer to a proposal is waited for. */
export const waitingKey = (seat: Seat, view: number, checkpoint: CID): string =>
  `${seat}:${view}:${checkpoint.toString()}`

/** Ends the streams that wait for an answer to this proposal. */
export const answerWaiting = (work: CertifierWork, key: string, answer: ProposalAnswer): void => {
  for (const resolve of work.waiting.get(key) ?? []) resolve(answer)
  work.waiting.delete(key)
}

/** The week is over, or another one: what runs beside is aborted, and whoever waits is told. */
export const endWork = (work: CertifierWork): void => {
  work.abort.abort(new Error('the week is over'))
  for (const key of work.waiting.keys()) answerWaiting(work, key, ['later', 'over'])
}
