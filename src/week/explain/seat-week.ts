import {
  type AttestedVerdicts,
  challengersOf,
  type Committees,
  credited,
  decodeAttestation,
  decodeCheckpoint,
  type Epoch,
  equalBytes,
  type HeldAttestation,
  indexOfSeat,
  type JudgedEpoch,
  type JudgedVerdicts,
  judgeEpoch,
  type Outcome,
  outcomeNames,
  readProofPages,
  type Seat,
  type SeatTally,
  type SnapshotRow,
  stakeOfAddress,
  type TallyInput,
  tallyWeek,
  targetsOf,
  Verdict,
  type Week,
  type WeekTally,
} from '../../../protocol/index.ts'
import { fetchAhead } from '../../async/ahead.ts'
import { isSecnodeError, SecnodeError } from '../../errors.ts'
import type { EpochContext } from '../epoch-book.ts'
import { resolveWeek } from '../answers.ts'
import { maxDeciders } from './case-file.ts'
import type { FoundEvidence } from './checks.ts'
import type { ExplainSources } from './sources.ts'
import { countedSetOf, incomeOf, tallyInputOf } from '../counted-set.ts'
import { contextsOfWeek, type FixedWeek, gatherEpoch, type WeekEpochs } from '../gather.ts'
import { type AttestedEpoch, namedAddresses } from './named-addresses.ts'

/** How a person names a node; `own` is the node whose store is asked. */
export type SeatName =
  { is: 'seat'; seat: Seat } | { is: 'host'; host: string } | { is: 'stake'; address: string } | { is: 'own' }

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

/** One epoch of a seat. */
export interface SeatEpoch {
  context: EpochContext
  /** Of the seat in the snapshot. */
  index: number
  judged: JudgedVerdicts
  /** At each index of the snapshot; only of those in `held`. */
  attestations: readonly (AttestedVerdicts | undefined)[]
  outcome: Outcome
  /** Attestations that count in the whole epoch. */
  attested: number
  isOpen: boolean
  /** All who have a part in the outcome, whether they attested or not, in rising order: see `decidersOf`. */
  deciders: readonly Seat[]
  /** Their attestations. */
  held: ReadonlyMap<Seat, HeldAttestation>
  /** Other valid seats at the same address (R-TALLY-3). */
  sharing: readonly Seat[]
  /** Of its challengers and itself, as far as they attested. */
  evidence: ReadonlyMap<Seat, FoundEvidence>
  /** What its challengers audited in this epoch (R-EVID-2); null if none of them found it wanting. */
  audited: AuditedEpoch | null
}

export interface AuditedEpoch {
  context: EpochContext
  held: HeldAttestation
  evidence: FoundEvidence
}

/** Evidence blocks sought at once, and how long for all together: who is not reached by then is named. */
const parallelFetches = 16
const fetchBudgetMs = 60_000

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
  const proofs =
    fixed === null ? await storedProofs(sources, week) : await listedProofs(sources, fixed, week, contexts)
  const set = await countedSetOf(sources, range, fixed)
  const { equivocators } = set
  const confirmedHeight = sources.confirmedHeight()
  const isOpen = contexts.map(({ phases }) => confirmedHeight < phases.closes)
  const { epochs, chosen, ipBySeat } = await judgeWeek(
    { contexts, isOpen, equivocators, standing },
    seat,
    request.epochs,
    signal,
  )
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

/** What outcomes of a week follow from. */
interface WeekFrame {
  contexts: readonly EpochContext[]
  isOpen: readonly boolean[]
  equivocators: ReadonlySet<Seat>
  standing: SeatWeek['standing']
}

/**
 * Judges epoch after epoch, keeping of each what concerns the seat: all attestations of a week of the largest network
 * are gigabytes.
 */
const judgeWeek = async (
  { contexts, isOpen, equivocators, standing }: WeekFrame,
  seat: Seat,
  choice: EpochChoice,
  signal: AbortSignal,
): Promise<{ epochs: JudgedEpoch[]; chosen: PartOfEpoch[]; ipBySeat: Map<Seat, string> }> => {
  const epochs: JudgedEpoch[] = []
  const chosen: PartOfEpoch[] = []
  const ipBySeat = new Map<Seat, string>()
  for (const [i, context] of contexts.entries()) {
    signal.throwIfAborted()
    const { attestations, ...frame } = await gatherEpoch({ standing }, context)
    // R-ATT-3: an equivocator stands under no root of the week.
    const counted = attestations.map((attestation, index) =>
      equivocators.has(frame.snapshot[index]!.seat) ? undefined : attestation,
    )
    const judged = judgeEpoch({ beacon: frame.beacon, attestations: counted }, context.params)
    const { outcomes, attested } = judged
    epochs.push({ ...frame, outcomes, attested })
    const epoch = { context, attestations: counted, judged }
    noteAddresses(ipBySeat, epoch)
    const code = outcomes[indexOfSeat(context.snapshot, seat)]
    if (code === undefined || !isChosen(choice, context.epoch, code)) continue
    const part = await partOfSeat(standing, epoch, seat)
    chosen.push({ ...part, outcome: outcomeNames[code]!, attested, isOpen: isOpen[i]! })
  }
  return { epochs, chosen, ipBySeat }
}

const isChosen = (choice: EpochChoice, epoch: Epoch, code: number): boolean => {
  if (choice === 'all') return true
  return choice === 'failed' ? code !== credited : choice === epoch
}

const storedProofs = async (sources: ExplainSources, week: Week): Promise<ReadonlyMap<Seat, Uint8Array>> =>
  new Map([...(await sources.equivocators(week))].map(([seat, { proof }]) => [seat, proof]))

/** R-ATT-3: the proofs that the week's checkpoint lists, by seat. */
const listedProofs = async (
  sources: ExplainSources,
  fixed: FixedWeek,
  week: Week,
  contexts: readonly EpochContext[],
): Promise<ReadonlyMap<Seat, Uint8Array>> => {
  const payload = await sources.checkpointPayload(fixed.checkpoint)
  const checkpoint = payload === undefined ? null : decodeCheckpoint(payload)
  const listed = checkpoint?.is === 'ok' ? checkpoint.value.weeks.find((one) => one.week === week) : undefined
  const pages: Uint8Array[] = []
  for (const cid of listed?.proofPages ?? []) {
    const page = await sources.checkpointPayload(cid)
    if (page !== undefined) pages.push(page)
  }
  const read = readProofPages(
    sources.networkId,
    week,
    pages,
    ({ epoch, beacon, seat }) => {
      const context = contexts.find((one) => one.epoch === epoch)
      return context !== undefined && equalBytes(context.beacon, beacon)
        ? context.rowOf(seat)?.peer
        : undefined
    },
    sources.verify,
  )
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

const resolveSeat = async (
  sources: ExplainSources,
  contexts: readonly EpochContext[],
  name: SeatName,
  week: Week,
): Promise<Seat> => {
  const fits = await fitOf(sources, name)
  const found = new Set<Seat>()
  for (const { snapshot } of contexts) for (const row of snapshot) if (fits(row)) found.add(row.seat)
  const [seat, ...others] = found
  if (seat !== undefined && others.length === 0) return seat
  throw new SecnodeError(
    'EXPLAIN_SEAT',
    seat === undefined
      ? `no such node is in a snapshot of ${week}`
      : `that host stands for the seats ${[...found].join(', ')}`,
    {
      exitCode: 2,
      hint:
        seat === undefined
          ? 'See who is with `secnode tally --week`; a node counts from the third epoch after its announcement on.'
          : 'Name one of them with --seat.',
    },
  )
}

const fitOf = async (sources: ExplainSources, name: SeatName): Promise<(row: SnapshotRow) => boolean> => {
  switch (name.is) {
    case 'seat':
      return (row) => row.seat === name.seat
    case 'host':
      return (row) => row.host === name.host
    case 'stake': {
      const stake = stakeOfAddress(sources.genesis.chain, name.address)
      if (stake === null) {
        throw new SecnodeError(
          'EXPLAIN_SEAT',
          `${name.address} is no P2PKH address of ${sources.genesis.chain}`,
          { exitCode: 2, hint: 'Write the transparent address that holds the stake.' },
        )
      }
      return (row) => equalBytes(row.stake, stake)
    }
    case 'own': {
      const own = await sources.ownSeat()
      if (own === undefined) {
        throw new SecnodeError('EXPLAIN_SEAT', 'this store does not say whose it is', {
          exitCode: 2,
          hint: 'Name a node with --seat, --host or --stake.',
        })
      }
      return (row) => row.seat === own
    }
  }
}

/** An epoch of the seat before its evidence was sought. */
type PartOfEpoch = Omit<SeatEpoch, 'evidence' | 'audited'> & { witnesses: readonly Witness[] }

/** An epoch with all that counts of it. */
interface WholeEpoch extends AttestedEpoch {
  context: EpochContext
}

/** Whose evidence is wanted. */
interface Witness {
  context: EpochContext
  held: HeldAttestation
}

const partOfSeat = async (
  standing: SeatWeek['standing'],
  { context, attestations, judged }: WholeEpoch,
  seat: Seat,
): Promise<Omit<PartOfEpoch, 'outcome' | 'attested' | 'isOpen'>> => {
  const { snapshot, committees } = context
  const index = indexOfSeat(snapshot, seat)
  const sharing = judged.sharingWith(index)
  const deciders = decidersOf(committees, judged, index, sharing)
  const held = new Map<Seat, HeldAttestation>()
  for await (const one of standing(context)) {
    const at = indexOfSeat(snapshot, one.seat)
    if (deciders.has(at) && attestations[at] !== undefined) held.set(one.seat, one)
  }
  const witnesses = [...challengersOf(committees, index), index].flatMap((at) => {
    const one = held.get(snapshot[at]!.seat)
    return one === undefined ? [] : [{ context, held: one }]
  })
  return {
    context,
    index,
    judged,
    attestations: attestations.map((attestation, at) => (deciders.has(at) ? attestation : undefined)),
    deciders: [...deciders].map((at) => snapshot[at]!.seat).sort((a, b) => a - b),
    held,
    sharing: sharing.map((at) => snapshot[at]!.seat),
    witnesses,
  }
}

/** Where each seat was seen in the week, the first time that challengers called it valid. */
const noteAddresses = (ipBySeat: Map<Seat, string>, epoch: WholeEpoch): void => {
  for (const [index, { seat }] of epoch.context.snapshot.entries()) {
    if (ipBySeat.has(seat)) continue
    const [most] = namedAddresses(epoch, index)
    if (most !== undefined) ipBySeat.set(seat, most.ip)
  }
}

/** Finds all blocks at once: some challengers may be gone, and each is waited for. */
const withEvidence = async (
  sources: ExplainSources,
  parts: readonly PartOfEpoch[],
  ipBySeat: ReadonlyMap<Seat, string>,
  seat: Seat,
  signal: AbortSignal,
): Promise<SeatEpoch[]> => {
  const wanted: { witness: Witness; found(block: FoundEvidence): void }[] = []
  const epochs: SeatEpoch[] = []
  for (const { witnesses, ...part } of parts) {
    const { context, index, judged } = part
    const evidence = new Map<Seat, FoundEvidence>()
    for (const witness of witnesses) {
      wanted.push({ witness, found: (block) => void evidence.set(witness.held.seat, block) })
    }
    const epoch: SeatEpoch = { ...part, evidence, audited: null }
    epochs.push(epoch)
    const isFoundWanting = challengersOf(context.committees, index).some(
      (challenger, i) => judged.verdictOf(challenger, i) === Verdict.evidenceInvalid,
    )
    const witness = isFoundWanting ? await gatherAudited(sources, context.epoch - 2, seat) : null
    if (witness === null) continue
    wanted.push({ witness, found: (block) => (epoch.audited = { ...witness, evidence: block }) })
  }
  const deadline = AbortSignal.timeout(fetchBudgetMs)
  const blocks = fetchAhead(wanted.length, parallelFetches, signal, async (i, fetchSignal) => {
    try {
      const { witness } = wanted[i]!
      const ip = ipBySeat.get(witness.held.seat)
      return await findEvidence(sources, witness, ip, AbortSignal.any([fetchSignal, deadline]))
    } catch (error) {
      if (fetchSignal.aborted || !deadline.aborted) throw error
      return { is: 'missing' as const, why: `not had within ${fetchBudgetMs / 1_000} seconds` }
    }
  })
  let i = 0
  for await (const block of blocks) wanted[i++]!.found(block)
  return epochs
}

/**
 * Indexes of the seats whose attestations decide what an epoch gives the seat at `index`: its challengers, itself, the
 * challengers of its targets (R-TALLY-2), and those of the seat that keeps an address it shares (R-TALLY-3). That no other
 * seat has its address or fills its prefix takes everybody's: in a network of few they are all taken.
 */
const decidersOf = (
  committees: Committees,
  judged: JudgedVerdicts,
  index: number,
  sharing: readonly number[],
): Set<number> => {
  if (judged.namedByOf(index) !== 0 && committees.size <= maxDeciders) {
    return new Set(Array.from({ length: committees.size }, (_, at) => at))
  }
  const deciders = new Set([index, ...challengersOf(committees, index)])
  const add = (seats: readonly number[]): void => {
    for (const at of seats) deciders.add(at)
  }
  for (const target of targetsOf(committees, index)) add(challengersOf(committees, target))
  const [keeper] = [...sharing].sort((a, b) => judged.namedByOf(b) - judged.namedByOf(a) || a - b)
  if (keeper !== undefined) add(challengersOf(committees, keeper))
  return deciders
}

/** From the store, else from the seat where it is now, or where it was seen. */
const findEvidence = async (
  sources: ExplainSources,
  { context, held }: Witness,
  seenAt: string | undefined,
  signal: AbortSignal,
): Promise<FoundEvidence> => {
  const attestation = decodeAttestation(held.signed.payload)!
  const current = sources.epochs.current()
  const latest = current === null ? undefined : await sources.epochs.get(current)
  const row = latest?.rowOf(held.seat) ?? context.rowOf(held.seat)!
  return await sources.evidence.find(attestation, row, seenAt, signal)
}

/** The attestation of the seat that an audit is about. */
const gatherAudited = async (sources: ExplainSources, epoch: Epoch, seat: Seat): Promise<Witness | null> => {
  const context = await sources.epochs.get(epoch)
  if (context === undefined) return null
  for await (const held of sources.standing(context)) if (held.seat === seat) return { context, held }
  return null
}
