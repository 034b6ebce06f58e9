import {
  addressText,
  decodeCheckpoint,
  type Epoch,
  type HeldAttestation,
  indexOfSeat,
  type JudgedEpoch,
  type Outcome,
  type Seat,
  type SeatTally,
  type TallyInput,
  tallyWeek,
  type Week,
  type WeekTally,
} from '../../../protocol/index.ts'
import { isSecnodeError, SecnodeError } from '../../errors.ts'
import { resolveWeek } from '../answers.ts'
import { countedSetOf, incomeOf, tallyInputOf } from '../counted-set.ts'
import type { EpochContext } from '../epoch-book.ts'
import { contextsOfWeek, type FixedWeek, type WeekEpochs } from '../gather.ts'
import { addressAt, type JudgedView, outcomeAt } from '../judged-epoch.ts'
import { checkProofPages } from '../listed-proofs.ts'
import { readSeatVerdicts, type SeatEpoch, type SeatVerdicts } from './seat-epoch.ts'
import { withEvidence } from './seat-evidence.ts'
import { resolveSeat, type SeatName } from './seat-name.ts'
import type { ExplainSources } from './sources.ts'

/** Which epochs of the week are looked into. */
export type EpochChoice = 'all' | 'failed' | Epoch

/** Everything that stands of one seat in one week: what explanations and case files are made from. */
export interface SeatWeek {
  input: TallyInput
  /** The set that counts: the anchored one, or what this store holds while there is none. */
  standing: (context: EpochContext) => AsyncIterable<HeldAttestation>
  tally: WeekTally
  seat: SeatTally
  /** Why what came in for the week is not known; then `tally` knows no amounts. */
  fundMissing: SecnodeError | null
  /** Proofs against equivocators of the week, by seat. */
  proofs: ReadonlyMap<Seat, Uint8Array>
  /** By index in `input.epochs`: attestations may still come. */
  isOpen: readonly boolean[]
  /** In rising order. */
  epochs: readonly SeatEpoch[]
}

/**
 * Errors: those of `resolveWeek` and `contextsOfWeek`; EXPLAIN_SEAT (exit code 2) for a name that is nobody's or
 * several's in that week, EXPLAIN_EPOCH (2) for an epoch in whose snapshot the seat is not.
 */
export const gatherSeatWeek = async (
  sources: ExplainSources,
  request: { week: string; seat: SeatName; epochs: EpochChoice },
  signal: AbortSignal,
): Promise<SeatWeek> => {
  const week = await resolveWeek(sources, request.week)
  const range = await contextsOfWeek(sources, week)
  const { contexts } = range
  const seat = await resolveSeat(sources, contexts, request.seat, week)
  const fixed = await sources.fixed(week, signal)
  const standing = (context: EpochContext) => (fixed ?? sources).standing(context)
  const proofs = fixed === null ? await storedProofs(sources, week) : await listedProofs(sources, fixed, week)
  const set = await countedSetOf(sources, range, fixed)
  const confirmedHeight = sources.confirmedHeight()
  const isOpen = contexts.map(({ phases }) => confirmedHeight < phases.closes)
  const epochs: JudgedEpoch[] = []
  const chosen: SeatVerdicts[] = []
  const ipBySeat = new Map<Seat, string>()
  for (const [i, context] of contexts.entries()) {
    const view = await sources.judged.read(context, fixed, signal, { addresses: true })
    noteAddresses(ipBySeat, view)
    const { epoch, beacon, snapshot } = view
    const outcome = outcomeAt(view, indexOfSeat(snapshot, seat))
    if (outcome === undefined || !isChosen(request.epochs, epoch, outcome)) {
      epochs.push({ epoch, beacon, snapshot, outcomes: view.outcomes, attested: view.attested })
      continue
    }
    const part = await readSeatVerdicts(context, seat, standing, set.equivocators, isOpen[i]!)
    const { outcomes, attested } = part.judged
    epochs.push({ epoch, beacon, snapshot, outcomes, attested })
    chosen.push(part)
  }
  if (typeof request.epochs === 'number' && chosen.length === 0) {
    throw new SecnodeError(
      'EXPLAIN_EPOCH',
      `seat ${seat} is in no snapshot of epoch ${request.epochs} of ${week}`,
      {
        exitCode: 2,
        hint: `The week's epochs are ${contexts[0]!.epoch} to ${contexts.at(-1)!.epoch}.`,
      },
    )
  }
  const { fund, fundMissing } = await fundOfWeek(sources, range, signal)
  const input = tallyInputOf(sources, set, fund, epochs)
  const tally = tallyWeek(input)
  return {
    input,
    standing,
    tally,
    seat: tally.seats.find(({ row }) => row.seat === seat)!,
    fundMissing,
    proofs,
    isOpen,
    epochs: await withEvidence(sources, chosen, ipBySeat, seat, signal),
  }
}

const isChosen = (choice: EpochChoice, epoch: Epoch, outcome: Outcome): boolean => {
  if (choice === 'all') return true
  return choice === 'failed' ? outcome !== 'credited' : choice === epoch
}

/** Where each seat was seen in the week, the first time that challengers called it valid. */
const noteAddresses = (ipBySeat: Map<Seat, string>, view: JudgedView): void => {
  for (const [index, { seat }] of view.snapshot.entries()) {
    if (ipBySeat.has(seat)) continue
    const address = addressAt(view, index)
    if (address !== null) ipBySeat.set(seat, addressText(address) ?? '')
  }
}

const storedProofs = async (sources: ExplainSources, week: Week): Promise<ReadonlyMap<Seat, Uint8Array>> =>
  new Map([...(await sources.equivocators(week))].map(([seat, { proof }]) => [seat, proof]))

/** R-ATT-3: the proofs that the week's checkpoint lists, by seat. */
const listedProofs = async (
  sources: ExplainSources,
  fixed: FixedWeek,
  week: Week,
): Promise<ReadonlyMap<Seat, Uint8Array>> => {
  const payload = await sources.checkpointPayload(fixed.checkpoint)
  const checkpoint = payload === undefined ? null : decodeCheckpoint(payload)
  const listed = checkpoint?.is === 'ok' ? checkpoint.value.weeks.find((one) => one.week === week) : undefined
  const pages: Uint8Array[] = []
  for (const cid of listed?.proofPages ?? []) {
    const page = await sources.checkpointPayload(cid)
    if (page !== undefined) pages.push(page)
  }
  const read = await checkProofPages(sources, week, pages)
  // The set of equivocators was read from the same pages; should one be gone since, the rest can still be told.
  return read.is === 'accept' ? read.value : new Map()
}

/** What came in, if it is known: why a node was not credited does not depend on it. */
const fundOfWeek = async (
  sources: ExplainSources,
  range: WeekEpochs,
  signal: AbortSignal,
): Promise<{ fund: bigint; fundMissing: SecnodeError | null }> => {
  try {
    return { fund: await incomeOf(sources, range, signal), fundMissing: null }
  } catch (error) {
    if (!isSecnodeError(error) || error.exitCode !== 3) throw error
    return { fund: 0n, fundMissing: error }
  }
}
