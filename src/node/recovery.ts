import {
  attestationMessage,
  cidOf,
  createStream,
  decodeAttestation,
  equalBytes,
  maxSyncEpochs,
  type Seat,
  shuffledIndexes,
  type Snapshot,
  type SnapshotRow,
} from '../../protocol/index.ts'
import { messageOf } from '../errors.ts'
import type { NodeContext } from './context.ts'
import type { SyncClient } from './sync.ts'

/** How many other seats are asked: what two of them lost or hide the third knows. */
const askedSeats = 3

/** Some other seats of a snapshot, drawn with a 32-byte seed. */
export const drawOthers = (
  snapshot: Snapshot,
  own: Seat | undefined,
  seed: Uint8Array,
  count: number,
): SnapshotRow[] => {
  const others = snapshot.filter(({ seat }) => seat !== own)
  const order = shuffledIndexes(createStream(seed), others.length)
  return [...order.subarray(0, count)].map((index) => others[index]!)
}

/** What the others know of a node's own attestations (R-ATT-5). */
export type Recovery =
  /** Three others (or all there are) answered, and none knows an attestation that is not in the own store. */
  | { is: 'complete' }
  /** Somebody knows more: the store is an old copy. What was learnt is recorded now. */
  | { is: 'learned'; count: number }
  /** Too few answered. */
  | { is: 'unanswered'; answered: number }

/** R-ATT-5: asks other seats for this node's own attestations and records what it did not know. */
export const recoverOwn = async (
  node: NodeContext,
  sync: SyncClient,
  snapshot: Snapshot,
  ownSeat: Seat,
  signal: AbortSignal,
): Promise<Recovery> => {
  const current = node.epochs.current() ?? 0
  const from = Math.max(0, current - maxSyncEpochs + 1)
  const others = drawOthers(snapshot, ownSeat, node.world.randomBytes(32), snapshot.length)
  const needed = Math.min(askedSeats, others.length)
  let answered = 0
  let learned = 0
  for (const other of others) {
    if (answered === needed) break
    try {
      const known = await sync.attestationsOf(other, ownSeat, from, maxSyncEpochs, signal)
      for (const signed of known) learned += (await recordOwn(node, ownSeat, signed)) ? 1 : 0
      answered++
    } catch (error) {
      signal.throwIfAborted()
      node.logger.debug({ host: other.host, reason: messageOf(error) }, 'could not ask for own attestations')
    }
  }
  if (learned > 0) return { is: 'learned', count: learned }
  return answered === needed ? { is: 'complete' } : { is: 'unanswered', answered }
}

/** True if this was an attestation of this node that its store did not know. */
const recordOwn = async (
  node: NodeContext,
  ownSeat: Seat,
  signed: { payload: Uint8Array; signature: Uint8Array },
): Promise<boolean> => {
  const attestation = decodeAttestation(signed.payload)
  if (attestation === null || attestation.seat !== ownSeat || attestation.networkId !== node.networkId)
    return false
  const context = await node.epochs.get(attestation.epoch)
  const row = context?.rowOf(ownSeat)
  if (context === undefined || row === undefined || !equalBytes(context.beacon, attestation.beacon))
    return false
  // Somebody else's key in that epoch: nothing that this node could sign twice.
  if (!equalBytes(row.peer, node.keys.peerKey)) return false
  const message = attestationMessage(node.networkId, signed.payload)
  if (!node.verifier.verify(row.peer, message, signed.signature)) return false
  if ((await node.attestations.ownSigned(attestation.epoch, attestation.beacon)) !== undefined) return false
  await node.attestations.putOwnSigned(attestation.epoch, attestation.beacon, {
    seat: ownSeat,
    cid: cidOf(signed.payload),
    signed,
    heldAt: node.chain.confirmedHeight,
  })
  return true
}
