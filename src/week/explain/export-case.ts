import {
  challengersOf,
  createEpochProofs,
  decodeCheckpoint,
  epochRoot,
  equalBytes,
  type HeldAttestation,
  type Leaf,
  peerIdOfKey,
  type Seat,
  targetsOf,
} from '../../../protocol/index.ts'
import { SecnodeError } from '../../errors.ts'
import {
  type CaseAbsence,
  type CaseAttestation,
  type CaseEpoch,
  caseFormat,
  type CaseFile,
} from './case-file.ts'
import type { FoundEvidence } from './checks.ts'
import type { ExplainSources } from './sources.ts'
import type { SeatEpoch } from './seat-epoch.ts'
import type { SeatWeek } from './seat-week.ts'

/** The case file of what was gathered. Errors: EXPLAIN_NOTHING (exit code 2) if that holds no epoch. */
export const exportCase = async (
  sources: Pick<ExplainSources, 'genesis' | 'networkId' | 'checkpointPayload'>,
  gathered: SeatWeek,
): Promise<CaseFile> => {
  const { input, seat } = gathered
  if (gathered.epochs.length === 0) {
    throw new SecnodeError('EXPLAIN_NOTHING', `seat ${seat.row.seat} has no such epoch in ${input.week}`, {
      exitCode: 2,
    })
  }
  const checkpoint =
    input.checkpoint === null ? null : ((await sources.checkpointPayload(input.checkpoint)) ?? null)
  const epochs: CaseEpoch[] = []
  for (const epoch of gathered.epochs) epochs.push(await exportEpoch(gathered, checkpoint, epoch))
  const named = new Set(epochs.flatMap(({ rows }) => rows.map((row) => row.seat)))
  return {
    format: caseFormat,
    network: sources.networkId,
    genesis: sources.genesis,
    params: input.params,
    week: input.week,
    seat: seat.row.seat,
    checkpoint,
    epochs,
    proofs: [...gathered.proofs]
      .filter(([equivocator]) => named.has(equivocator))
      .sort(([a], [b]) => a - b)
      .map(([, proof]) => proof),
  }
}

const exportEpoch = async (
  gathered: SeatWeek,
  checkpoint: Uint8Array | null,
  epoch: SeatEpoch,
): Promise<CaseEpoch> => {
  const { context, index, held, audited } = epoch
  const { snapshot, committees } = context
  const seatAt = (at: number): Seat => snapshot[at]!.seat
  const challengers = challengersOf(committees, index).map(seatAt)
  const targets = targetsOf(committees, index).map(seatAt)
  const rows = [...new Set([seatAt(index), ...challengers, ...targets, ...held.keys()])]
    .sort((a, b) => a - b)
    .map((seat) => {
      const { stake, peer, host, p2p, tls } = context.rowOf(seat)!
      return { seat, stake, peer: peerIdOfKey(peer), host, p2p, tls }
    })
  const { inclusionOf, absenceOf } = await createInclusions(gathered, checkpoint, epoch)
  return {
    epoch: context.epoch,
    beacon: context.beacon,
    seats: snapshot.length,
    attested: epoch.judged.attested,
    outcome: epoch.outcome,
    rows,
    challengers,
    targets,
    attestations: [...held.values()]
      .sort((a, b) => a.seat - b.seat)
      .map((one) => exportAttestation(one, epoch.evidence.get(one.seat), inclusionOf(one))),
    absences: epoch.deciders.filter((seat) => !held.has(seat)).flatMap(absenceOf),
    audited: audited === null ? null : exportAttestation(audited.held, audited.evidence, null),
  }
}

const exportAttestation = (
  held: HeldAttestation,
  found: FoundEvidence | undefined,
  inclusion: CaseAttestation['inclusion'],
): CaseAttestation => ({
  payload: held.signed.payload,
  signature: held.signed.signature,
  evidence: found?.is === 'found' ? found.block : null,
  inclusion,
})

interface Inclusions {
  inclusionOf: (held: HeldAttestation) => CaseAttestation['inclusion']
  /** One, or none without a checkpoint. */
  absenceOf: (seat: Seat) => CaseAbsence[]
}

const noInclusions: Inclusions = { inclusionOf: () => null, absenceOf: () => [] }

/** R-CP-7: paths to the epoch's root in the checkpoint, if this store holds all that stands under it. */
const createInclusions = async (
  { standing }: SeatWeek,
  checkpoint: Uint8Array | null,
  { context }: SeatEpoch,
): Promise<Inclusions> => {
  const decoded = checkpoint === null ? null : decodeCheckpoint(checkpoint)
  const listed =
    decoded?.is === 'ok'
      ? decoded.value.weeks.flatMap(({ epochs }) => epochs).find(({ epoch }) => epoch === context.epoch)
      : undefined
  if (checkpoint === null || listed === undefined) return noInclusions
  const rows = (await Array.fromAsync(standing(context))).map(({ seat, cid, signed }) => ({
    seat,
    cid,
    payload: signed.payload,
  }))
  if (rows.length !== listed.count || !equalBytes(epochRoot(rows), listed.root)) return noInclusions
  const proofs = createEpochProofs(context.epoch, rows)
  return {
    inclusionOf: ({ seat }) => {
      const leaf = proofs.leafOf(seat)
      return leaf === null ? null : { index: leaf.index, path: [...leaf.path] }
    },
    absenceOf: (seat) => {
      const absence = proofs.absenceOf(seat)
      if (absence === null) return []
      return [{ seat, before: caseLeaf(absence.before), after: caseLeaf(absence.after) }]
    },
  }
}

const caseLeaf = (leaf: Leaf | null): CaseAbsence['before'] =>
  leaf === null ? null : { payload: leaf.attestation, index: leaf.index, path: [...leaf.path] }
