import type { CID } from 'multiformats/cid'
import {
  type CheckpointAnswer,
  type CheckpointRequest,
  encodeSigned,
  type Epoch,
  type ProposedSet,
  type ReviewEffect,
  type ReviewEvent,
  type Seat,
  type SeatRecord,
  type Week,
} from '../../protocol/index.ts'
import { askCheckpoint, askSync, fetchAttestations, fetchLeaves } from '../week/asking.ts'
import { checkProofPages } from '../week/listed-proofs.ts'
import { SecnodeError } from '../errors.ts'
import type { CheckpointStore } from '../store/checkpoints.ts'
import type { Leaf, Provider } from '../week/ports.ts'
import { providerOfSeat, type SeatAddress } from './ask-seat.ts'
import type { Collector } from './collector.ts'
import type { NodeContext } from './context.ts'

/** What a certifier asks of another one's node about a proposal (R-CP-3). */
export interface CertifierPeers {
  /** Fetched, verified and held like any others; what came too late for this node is held as late. */
  fetchAttestations(row: SeatRecord, epoch: Epoch, seats: readonly Seat[], signal: AbortSignal): Promise<void>
  fetchProofs(row: SeatRecord, epoch: Epoch, signal: AbortSignal): Promise<void>
  /** The pages of proofs that a proposal lists, fetched where they are not held, and checked. */
  readPages(
    row: SeatRecord,
    weeks: Extract<ReviewEffect, { is: 'read-pages' }>['weeks'],
    signal: AbortSignal,
  ): Promise<ReviewEvent>
  /** Errors of both: CHECKPOINT_ANSWER, and those of `Host.request`. */
  askBits(row: SeatRecord, checkpoint: CID, epoch: Epoch, signal: AbortSignal): Promise<ProposedSet>
  askLeaves(row: SeatRecord, checkpoint: CID, epoch: Epoch, signal: AbortSignal): Promise<Leaf[]>
  /** As it travels in gossip, unchecked; null if the seat has none. Errors: as of the others. */
  askCertificate(row: SeatAddress, week: Week, signal: AbortSignal): Promise<Uint8Array | null>
}

const dataTimeoutMs = 20_000

export const createCertifierPeers = (
  node: NodeContext,
  collector: Collector,
  checkpoints: CheckpointStore,
): CertifierPeers => {
  const providerOf = (row: SeatAddress): Provider => providerOfSeat(node, row, dataTimeoutMs)

  const ask = async (
    row: SeatAddress,
    request: CheckpointRequest,
    signal: AbortSignal,
  ): Promise<CheckpointAnswer> => {
    const answer = await askCheckpoint(providerOf(row), request, signal)
    if (answer.is === 'bad')
      throw new SecnodeError('CHECKPOINT_ANSWER', `${row.host} answered ${answer.code}`)
    return answer.value
  }

  const readPages = async (
    row: SeatRecord,
    weeks: Extract<ReviewEffect, { is: 'read-pages' }>['weeks'],
    signal: AbortSignal,
  ): Promise<ReviewEvent> => {
    const equivocators = new Map<Week, ReadonlySet<Seat>>()
    for (const { week, pages } of weeks) {
      const blocks: Uint8Array[] = []
      for (const cid of pages) {
        const known = await checkpoints.get(cid)
        const answer = known === undefined ? await ask(row, ['page', cid], signal) : null
        const block = known ?? (answer?.[0] === 'page' ? answer[1] : undefined)
        if (block === undefined) return { is: 'pages-failed', code: 'page-missing' }
        blocks.push(block)
      }
      const read = await checkProofPages(
        { networkId: node.networkId, epochs: node.epochs, verify: node.verifier.verify },
        week,
        blocks,
      )
      if (read.is !== 'accept') return { is: 'pages-failed', code: read.code }
      await checkpoints.put(week, blocks)
      // A vote is for proofs that are held (R-CP-3).
      for (const proof of read.value.values()) await collector.takeProof(proof, 'certifier')
      equivocators.set(week, new Set(read.value.keys()))
    }
    return { is: 'pages', equivocators }
  }

  const askBits = async (
    row: SeatRecord,
    checkpoint: CID,
    epoch: Epoch,
    signal: AbortSignal,
  ): Promise<ProposedSet> => {
    const context = await node.epochs.get(epoch)
    const answer = await ask(row, ['bits', checkpoint, epoch], signal)
    if (context === undefined || answer[0] !== 'bits') {
      throw new SecnodeError('CHECKPOINT_ANSWER', `seat ${row.seat} does not tell the set of epoch ${epoch}`)
    }
    return { is: 'bits', seats: context.snapshot.map(({ seat }) => seat), bits: answer[1] }
  }

  const askLeaves = async (
    row: SeatRecord,
    checkpoint: CID,
    epoch: Epoch,
    signal: AbortSignal,
  ): Promise<Leaf[]> => {
    const most = (await node.epochs.get(epoch))?.snapshot.length ?? 0
    const leaves = await fetchLeaves(providerOf(row), checkpoint, epoch, most, signal)
    if (leaves !== null) return leaves
    throw new SecnodeError('CHECKPOINT_ANSWER', `seat ${row.seat} does not tell the leaves of epoch ${epoch}`)
  }

  return {
    async fetchAttestations(row, epoch, seats, signal) {
      const context = await node.epochs.get(epoch)
      if (context === undefined) return
      for await (const given of fetchAttestations(providerOf(row), context, seats, signal)) {
        for (const signed of given ?? []) await collector.take(encodeSigned(signed), 'certifier', context)
      }
    },
    async fetchProofs(row, epoch, signal) {
      const context = await node.epochs.get(epoch)
      if (context === undefined) return
      const answer = await askSync(providerOf(row), ['proofs', epoch, 1], signal)
      if (answer.is === 'bad' || answer.value[0] !== 'proofs') return
      for (const proof of answer.value[1]) await collector.takeProof(proof, 'certifier', context)
    },

    readPages,
    askBits,
    askLeaves,
    async askCertificate(row, week, signal) {
      const answer = await ask(row, ['certificate', week], signal)
      return answer[0] === 'certificate' ? answer[1] : null
    },
  }
}
