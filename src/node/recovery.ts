import {
  type Attestation,
  attestationMessage,
  cidOf,
  createStream,
  decodeAttestation,
  encodeSigned,
  type Epoch,
  equalBytes,
  maxSyncEpochs,
  type OwnAnswers,
  type Seat,
  shuffledIndexes,
  type Signed,
  type Snapshot,
  type SnapshotRow,
} from '../../protocol/index.ts'
import { messageOf } from '../errors.ts'
import type { Collector } from './collector.ts'
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

/** R-ATT-5: one round of questions for this node's own attestations; records what the store lacked. */
export const recoverOwn = async (
  node: NodeContext,
  collector: Collector,
  sync: SyncClient,
  snapshot: Snapshot,
  ownSeat: Seat,
  signal: AbortSignal,
): Promise<Pick<OwnAnswers, 'answered' | 'isEnough' | 'learned'>> => {
  let learned = 0
  const asked = await askThree(node, snapshot, ownSeat, signal, async (other) => {
    learned += await learnFrom(node, collector, sync, other, ownSeat, signal)
  })
  return { ...asked, learned }
}

/** R-ATT-8: takes in what three other seats hold of a seat, from an epoch on. False if fewer answered. */
export const askForSeat = async (
  node: NodeContext,
  collector: Collector,
  sync: SyncClient,
  { snapshot, seat, from }: { snapshot: Snapshot; seat: Seat; from: Epoch },
  signal: AbortSignal,
): Promise<boolean> => {
  const { isEnough } = await askThree(node, snapshot, seat, signal, async (other) => {
    for (const signed of await sync.attestationsOf(other, seat, from, maxSyncEpochs, signal)) {
      await collector.take(encodeSigned(signed), 'sync')
    }
  })
  return isEnough
}

/** Asks random other seats, one after the other, until three have answered, or all that there are. */
const askThree = async (
  node: NodeContext,
  snapshot: Snapshot,
  seat: Seat,
  signal: AbortSignal,
  ask: (other: SnapshotRow) => Promise<void>,
): Promise<{ answered: number; isEnough: boolean }> => {
  const others = drawOthers(snapshot, seat, node.world.randomBytes(32), snapshot.length)
  const needed = Math.min(askedSeats, others.length)
  let answered = 0
  for (const other of others) {
    if (answered === needed) break
    try {
      await ask(other)
      answered++
    } catch (error) {
      signal.throwIfAborted()
      node.logger.debug(
        { host: other.host, seat, reason: messageOf(error) },
        'could not ask for attestations of a seat',
      )
    }
  }
  return { answered, isEnough: answered === needed }
}

/**
 * What one other knows, of the last epochs and of those that this node's chain has not come to: where the whole
 * machine was set back to an old copy, its chain node lags as well, and those epochs were attested before.
 */
const learnFrom = async (
  node: NodeContext,
  collector: Collector,
  sync: SyncClient,
  other: SnapshotRow,
  ownSeat: Seat,
  signal: AbortSignal,
): Promise<number> => {
  const current = node.epochs.current() ?? 0
  let learned = 0
  for (let from = Math.max(0, current - maxSyncEpochs + 1); ; from += maxSyncEpochs) {
    const own: Attestation[] = []
    for (const signed of await sync.attestationsOf(other, ownSeat, from, maxSyncEpochs, signal)) {
      const attestation = ownAttestation(node, ownSeat, signed)
      if (attestation === null || attestation.epoch < from || attestation.epoch >= from + maxSyncEpochs)
        continue
      own.push(attestation)
      if (await record(node, collector, attestation, signed)) learned++
    }
    // Nobody else can sign them, so whoever makes them up is not asked for ever.
    if (from > current && own.length === 0) return learned
    if (from + maxSyncEpochs > lastEpoch) return learned
  }
}

/** Epochs are u32. */
const lastEpoch = 0xffff_ffff

/** Null unless this node's key signed it for its seat, in whatever epoch and under whatever beacon. */
const ownAttestation = (node: NodeContext, ownSeat: Seat, signed: Signed): Attestation | null => {
  const attestation = decodeAttestation(signed.payload)
  if (attestation?.seat !== ownSeat || attestation.networkId !== node.networkId) return null
  const message = attestationMessage(node.networkId, signed.payload)
  return node.verifier.verify(node.keys.peerKey, message, signed.signature) ? attestation : null
}

/** It is out, so it is held here too. False if the store knows what was signed of that epoch and beacon. */
const record = async (
  node: NodeContext,
  collector: Collector,
  { epoch, beacon, seat }: Attestation,
  signed: Signed,
): Promise<boolean> => {
  const isNew = await node.attestations.putOwnSigned(epoch, beacon, signed)
  const held = { seat, cid: cidOf(signed.payload), signed }
  const context = await node.epochs.get(epoch)
  if (context !== undefined && equalBytes(context.beacon, beacon)) await collector.takeOwn(context, held)
  // Of an epoch that this chain has not come to, or of another branch.
  else if (isNew) {
    await node.attestations.put(epoch, beacon, [{ ...held, heldAt: node.chain.confirmedHeight }])
  }
  return isNew
}
