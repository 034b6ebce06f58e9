import type { CID } from 'multiformats/cid'
import {
  bitfieldOf,
  type CheckpointFrame,
  type CheckpointRequest,
  checkpointAnswerCodec,
  type CheckpointAnswer,
  checkpointRequestCodec,
  chooseContentsInSteps,
  chooseListing,
  listedAgain,
  cidOf,
  decodeCheckpoint,
  encodeCertificate,
  encodeCheckpoint,
  type Epoch,
  type EpochContents,
  type EpochHolding,
  equalBytes,
  fillFrame,
  type Listing,
  proofPagesOf,
  type ProposingEffect,
  protocols,
  registryRootInSteps,
  registryTupleOf,
  rowKey,
  type Seat,
  type SeatRecord,
  spokenOf,
  type Stance,
  stancesOf,
  type Week,
} from '../../protocol/index.ts'
import { inSlices } from '../async/slices.ts'
import { type CheckpointStore, leavesRow } from '../store/checkpoints.ts'
import type { Collector } from './collector.ts'
import type { NodeContext } from './context.ts'
import type { DutyOf } from './duties.ts'

/** What stands behind checkpoints: what is held, what is proposed from it, and the answers to those who ask. */
export interface CheckpointData {
  /** All that is held of an epoch, with the bounds of R-CP-3 if this node ran through it. */
  holding(epoch: Epoch): Promise<EpochHolding>
  /** R-CP-3, the proposer: a payload from what is held and what others said; stored with its pages and contents. */
  build(frame: CheckpointFrame, effect: BuildEffect): Promise<BuiltCheckpoint>
  /** Answers others, first those that are owed an answer. */
  serve(dutyOf: DutyOf): Promise<void>
}

type BuildEffect = Extract<ProposingEffect, { is: 'build' }>

export interface BuiltCheckpoint {
  cid: CID
  payload: Uint8Array
  /** Whether this node would vote for it, by what it holds itself. */
  agrees: boolean
  listing: Listing
}

export const createCheckpointData = (
  node: NodeContext,
  collector: Collector,
  checkpoints: CheckpointStore,
  /** All seats as they stood after block b(epoch). */
  seatsAfter: (epoch: Epoch) => Promise<readonly SeatRecord[] | undefined>,
): CheckpointData => {
  const holding = async (epoch: Epoch): Promise<EpochHolding> => {
    const context = await node.epochs.get(epoch)
    if (context === undefined) return { rows: [], bounds: null }
    const { mustHold, closes } = context.phases
    const ranThrough = await node.attestations.ranThrough(epoch, context.beacon)
    return { rows: await collector.held(context), bounds: ranThrough ? { mustHold, closes } : null }
  }

  const answer = createAnswers(node, checkpoints, seatsAfter)
  return {
    holding,
    build: createBuilder(node, collector, checkpoints, holding),
    async serve(dutyOf) {
      await node.host.handle(
        protocols.checkpoint,
        {
          maxRequestBytes: checkpointRequestCodec.maxBytes,
          maxResponseBytes: checkpointAnswerCodec.maxBytes,
          timeoutMs: 30_000,
          maxConcurrentPerPeer: 4,
          maxConcurrent: 32,
          dutyOf,
          onBusy: checkpointAnswerCodec.encode(['refused', 'busy']),
        },
        async (bytes, { peerKey }) => {
          const request = checkpointRequestCodec.decode(bytes)
          if (request.is === 'bad') {
            node.metrics.messages.inc({ kind: 'checkpoint', outcome: 'reject', code: request.code })
            node.host.penalise(peerKey, 'malformed-exchange')
            return checkpointAnswerCodec.encode(['refused', request.code])
          }
          return checkpointAnswerCodec.encode(await answer(request.value))
        },
      )
    },
  }
}

/** R-CP-3, the proposer. */
const createBuilder = (
  node: NodeContext,
  collector: Collector,
  checkpoints: CheckpointStore,
  holding: CheckpointData['holding'],
): CheckpointData['build'] => {
  /** As the payload of this frame lists it. */
  const holdingIn = async (frame: CheckpointFrame, week: Week, epoch: Epoch): Promise<EpochHolding> => {
    const held = await holding(epoch)
    return week === frame.week ? held : listedAgain(held)
  }

  const listingOf = async (
    frame: CheckpointFrame,
    { known, certifiers, isLast }: BuildEffect,
    equivocatorsOf: (week: Week) => ReadonlySet<Seat>,
  ): Promise<Listing> => {
    const seatsByEpoch = spokenOf(known)
    const stances = new Map<Epoch, Map<Seat, Stance | 'proved'>>()
    for (const { week, epochs } of frame.weeks) {
      for (const { epoch } of epochs) {
        const seats = seatsByEpoch.get(epoch)
        if (seats === undefined) continue
        const held: Map<Seat, Stance | 'proved'> = stancesOf(await holdingIn(frame, week, epoch), seats)
        for (const seat of seats) if (equivocatorsOf(week).has(seat)) held.set(seat, 'proved')
        stances.set(epoch, held)
      }
    }
    return chooseListing(known, certifiers, isLast, (epoch, seat) => stances.get(epoch)?.get(seat) ?? null)
  }

  return async (frame, effect) => {
    let agrees = true
    const contents = new Map<Epoch, EpochContents>()
    /** As the store keeps them: as objects, a week of 40,000 seats would take more than a gigabyte. */
    const leaves = new Map<Epoch, Uint8Array>()
    const pagesByWeek = new Map<Week, { cid: CID; bytes: Uint8Array }[]>()
    const equivocatorsByWeek = new Map<Week, ReadonlySet<Seat>>()
    for (const { week } of frame.weeks) {
      const proofs = [...(await collector.equivocators(week))].sort(([a], [b]) => a - b)
      pagesByWeek.set(
        week,
        proofPagesOf(
          node.networkId,
          week,
          proofs.map(([, { proof }]) => proof),
        ),
      )
      equivocatorsByWeek.set(week, new Set(proofs.map(([seat]) => seat)))
    }
    const listing = await listingOf(frame, effect, (week) => equivocatorsByWeek.get(week)!)
    for (const { week, epochs } of frame.weeks) {
      for (const { epoch } of epochs) {
        const { rows, count, root, isOwn } = await inSlices(
          chooseContentsInSteps(await holdingIn(frame, week, epoch), equivocatorsByWeek.get(week)!, (seat) =>
            listing.get(rowKey(epoch, seat)),
          ),
        )
        agrees &&= isOwn
        contents.set(epoch, { count, root })
        leaves.set(epoch, leavesRow(rows))
      }
    }
    const payload = encodeCheckpoint(
      fillFrame(
        frame,
        (epoch) => contents.get(epoch)!,
        (week) => pagesByWeek.get(week)!.map(({ cid }) => cid),
      ),
    )
    const cid = cidOf(payload)
    const pages = [...pagesByWeek.values()].flat().map(({ bytes }) => bytes)
    for (const [epoch, row] of leaves) await checkpoints.putContentsRow(cid, epoch, row)
    await checkpoints.put(frame.week, [payload, ...pages])
    return { cid, payload, agrees, listing }
  }
}

/** What others ask of checkpoints. */
const createAnswers = (
  node: NodeContext,
  checkpoints: CheckpointStore,
  seatsAfter: (epoch: Epoch) => Promise<readonly SeatRecord[] | undefined>,
): ((request: CheckpointRequest) => Promise<CheckpointAnswer>) => {
  /** Of the checkpoint that was asked for last: whoever wants its registry asks in parts. */
  let lastRegistry: { cid: string; seats: readonly SeatRecord[] } | null = null
  const registryOf = async (cid: CID): Promise<readonly SeatRecord[] | null> => {
    const name = cid.toString()
    if (lastRegistry?.cid === name) return lastRegistry.seats
    const seats = await readRegistry(cid)
    if (seats !== null) lastRegistry = { cid: name, seats }
    return seats
  }

  /** Null if the payload, or the chain of its block F, is not at hand. */
  const readRegistry = async (cid: CID): Promise<readonly SeatRecord[] | null> => {
    const block = await checkpoints.get(cid)
    const decoded = block === undefined ? null : decodeCheckpoint(block)
    const last = decoded?.is === 'ok' ? decoded.value.weeks.at(-1)?.epochs.at(-1) : undefined
    if (decoded?.is !== 'ok' || last === undefined) return null
    const seats = await seatsAfter(last.epoch + 2)
    if (seats === undefined) return null
    const root = await inSlices(registryRootInSteps(seats))
    return equalBytes(root, decoded.value.registryRoot) ? seats : null
  }

  return async (request: CheckpointRequest): Promise<CheckpointAnswer> => {
    switch (request[0]) {
      case 'checkpoint':
      case 'page': {
        const block = await checkpoints.get(request[1])
        return block === undefined ? ['unknown'] : [request[0], block]
      }
      case 'bits': {
        // A snapshot is read only for what is there to be told.
        const leaves = await checkpoints.contents(request[1], request[2])
        const context = leaves && (await node.epochs.forOthers.get(request[2]))
        if (leaves === undefined || context === undefined) return ['unknown']
        const listed = new Set(leaves.map(({ seat }) => seat))
        return [
          'bits',
          bitfieldOf(context.snapshot.length, (index) => listed.has(context.snapshot[index]!.seat)),
        ]
      }
      case 'leaves': {
        const leaves = await checkpoints.contents(request[1], request[2])
        if (leaves === undefined) return ['unknown']
        return [
          'leaves',
          leaves
            .slice(request[3], request[3] + request[4])
            .map(({ seat, cid }) => [seat, cid.multihash.digest] as [number, Uint8Array]),
        ]
      }
      case 'registry': {
        const seats = await registryOf(request[1])
        if (seats === null) return ['unknown']
        const rows = seats.slice(request[2], request[2] + request[3])
        return ['registry', seats.length, rows.map(registryTupleOf)]
      }
      case 'certificate': {
        const certificate = await checkpoints.certificate(request[1] as Week)
        return certificate === undefined
          ? ['unknown']
          : ['certificate', encodeCertificate(node.networkId, certificate)]
      }
    }
  }
}
