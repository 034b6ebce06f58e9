import {
  challengersOf,
  decodeAttestation,
  type Epoch,
  type HeldAttestation,
  type Seat,
  Verdict,
} from '../../../protocol/index.ts'
import { eitherOf } from '../../async/abort.ts'
import { createDeadline } from '../../async/deadline.ts'
import { fetchAhead } from '../../async/ahead.ts'
import type { EpochContext } from '../epoch-book.ts'
import type { FoundEvidence } from './checks.ts'
import { type SeatEpoch, type SeatVerdicts, wordsOfSeat } from './seat-epoch.ts'
import type { ExplainSources } from './sources.ts'

/** Evidence blocks sought at once, and how long for all together: who is not reached by then is named. */
const parallelFetches = 16
const fetchBudgetMs = 60_000

/** Whose evidence is wanted. */
interface Witness {
  context: EpochContext
  held: HeldAttestation
}

/** Finds all blocks at once: some challengers may be gone, and each is waited for. */
export const withEvidence = async (
  sources: ExplainSources,
  parts: readonly SeatVerdicts[],
  ipBySeat: ReadonlyMap<Seat, string>,
  seat: Seat,
  signal: AbortSignal,
): Promise<SeatEpoch[]> => {
  const wanted: { witness: Witness; found(block: FoundEvidence): void }[] = []
  const epochs: SeatEpoch[] = []
  for (const part of parts) {
    const { context } = part
    const evidence = new Map<Seat, FoundEvidence>()
    for (const witness of witnessesOf(part)) {
      wanted.push({ witness, found: (block) => void evidence.set(witness.held.seat, block) })
    }
    const epoch: SeatEpoch = { ...part, evidence, audited: null }
    epochs.push(epoch)
    const isFoundWanting = wordsOfSeat(part).some(({ verdict }) => verdict === Verdict.evidenceInvalid)
    const witness = isFoundWanting ? await gatherAudited(sources, context.epoch - 2, seat) : null
    if (witness === null) continue
    wanted.push({ witness, found: (block) => (epoch.audited = { ...witness, evidence: block }) })
  }
  using deadline = createDeadline(sources.world, fetchBudgetMs)
  const blocks = fetchAhead(wanted.length, parallelFetches, signal, async (i, fetchSignal) => {
    try {
      const { witness } = wanted[i]!
      const ip = ipBySeat.get(witness.held.seat)
      return await findEvidence(sources, witness, ip, eitherOf(fetchSignal, deadline.signal))
    } catch (error) {
      if (fetchSignal.aborted || !deadline.hasPassed()) throw error
      return { is: 'missing' as const, why: `not had within ${fetchBudgetMs / 1_000} seconds` }
    }
  })
  let i = 0
  for await (const block of blocks) wanted[i++]!.found(block)
  return epochs
}

/** Its challengers and itself, as far as they attested. */
const witnessesOf = ({ context, index, held }: SeatVerdicts): Witness[] =>
  [...challengersOf(context.committees, index), index].flatMap((at) => {
    const one = held.get(context.snapshot[at]!.seat)
    return one === undefined ? [] : [{ context, held: one }]
  })

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
