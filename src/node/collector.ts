import type { CID } from 'multiformats/cid'
import {
  attestationMessage,
  type AttestingEpoch,
  cidOf,
  type ClosedEpoch,
  type CollectedSeat,
  type CollectingChain,
  type CollectingEvent,
  type CollectingSource,
  createProof,
  decodeAttestation,
  decodeSigned,
  encodeProof,
  type Epoch,
  equalBytes,
  type EquivocationProof,
  type HeldAttestation,
  type HeldProof,
  ignore,
  ignoreUnverified,
  keptMeanwhile,
  maxAttestationBytes,
  readAttestation,
  readProof,
  reject,
  type Seat,
  type Signed,
  stepCollecting,
  stepProof,
  topicsOf,
  unknownEpoch,
  type Validation,
  verifyProof,
  whyNoProofTaken,
  whyNotTaken,
} from '../../protocol/index.ts'
import { createAllowance } from '../async/allowance.ts'
import { createTipWatch } from '../week/chain-tip.ts'
import type { EpochContext } from '../week/epoch-book.ts'
import { readUnderRoot } from '../week/admission.ts'
import type { NodeContext } from './context.ts'
import type { HeldEpoch } from './held-epoch.ts'
import { createHolding, type Holding, type Standings } from './holding.ts'

/** Takes in attestations and proofs from gossip and sync, and knows what stands. */
export interface Collector extends Standings {
  /** Subscribes to the topics. */
  start(): void
  /** Whether sync still compares this epoch. */
  isOpen(epoch: Epoch): boolean
  /** `asked`: the epoch that the sender was asked about; nothing else is taken then. */
  take(bytes: Uint8Array, source: CollectingSource, asked?: EpochContext): Promise<Validation>
  takeProof(bytes: Uint8Array, source?: CollectingSource, asked?: EpochContext): Promise<Validation>
  /** An attestation that stands under an anchored root: it takes the place of whatever else is held of its seat. */
  takeAnchored(context: EpochContext, bytes: Uint8Array): Promise<Validation>
  /**
   * What this node's key signed, recorded already (R-ATT-5): held, and shown to others, from now on. False if another
   * one of the seat is held, or if a reorganisation took the beacon away.
   */
  takeOwn(context: EpochContext, own: Omit<HeldAttestation, 'heldAt'>): Promise<boolean>
  /** Calls back for each proof that is new. */
  onProof(listener: ProofListener): void
  /** Waits for what is being taken in. */
  idle(): Promise<void>
}

export type ProofListener = (proof: HeldProof) => void

/** Signatures under other beacons that are verified: they count for nothing but the watch of beacons (R-ATT-2). */
const otherBeacons = { burst: 64, everyMs: 50, maxNames: 1 }

/** Under which beacon seats work, by what they sign. */
export interface BeaconWatch {
  /** Whether it is worth verifying what this seat signed under another beacon. */
  isLookedAt(context: EpochContext, seat: Seat): boolean
  saw(context: EpochContext, seat: Seat, isOurs: boolean): void
}

export const createCollector = (
  node: NodeContext,
  isOpenForSync: (epoch: Epoch) => boolean,
  beacons: BeaconWatch,
): Collector => {
  const topics = topicsOf(node.networkId)
  const holding = createHolding(node)
  const tip = createTipWatch(node.chain, node.genesis, node.world)
  const chain: CollectingChain = {
    genesis: node.genesis,
    get confirmedHeight() {
      return node.chain.confirmedHeight
    },
    tip,
    isCompared: isOpenForSync,
  }
  let onProof: ProofListener = () => undefined
  const hands = createHands(node, holding, (proof) => onProof(proof))
  const attestations = createAttestationDoor(node, chain, holding, hands, beacons)
  const takeProof = createProofDoor(node, chain, holding, hands)

  const taking = new Set<Promise<unknown>>()
  const tracked = async (kind: string, work: Promise<Validation>): Promise<Validation> => {
    taking.add(work)
    try {
      const validation = await work
      const code = validation.is === 'accept' ? '' : validation.code
      node.metrics.messages.inc({ kind, outcome: validation.is, code })
      return validation
    } finally {
      taking.delete(work)
    }
  }

  return {
    ...holding.standings,
    isOpen: isOpenForSync,
    start() {
      node.host.subscribe(topics.attestations.name, (bytes) =>
        tracked('attestation', attestations.take(bytes, 'gossip')),
      )
      node.host.subscribe(topics.equivocations.name, (bytes) =>
        tracked('equivocation', takeProof(bytes, 'gossip')),
      )
    },
    take: (bytes, source, asked) => tracked('attestation', attestations.take(bytes, source, asked)),
    takeAnchored: (context, bytes) => tracked('attestation', attestations.takeAnchored(context, bytes)),
    takeProof: (bytes, source = 'sync', asked) => tracked('equivocation', takeProof(bytes, source, asked)),
    async takeOwn(context, own) {
      const taken = await hands.step('own', context, own)
      return taken.is === 'accept' || taken.code === 'attestation-known'
    },
    onProof(listener) {
      onProof = listener
    },
    async idle() {
      await Promise.allSettled(taking)
    },
  }
}

/** What the steps ask for, done on this node. */
interface Hands {
  /** One step with an attestation, of the state at this moment. */
  step(event: CollectingEvent, context: EpochContext, received: Received): Promise<Validation>
  recordOwn(context: EpochContext, signed: Signed): Promise<void>
  /** False if a proof of the seat is held for that week. */
  keepProof(context: EpochContext, seat: Seat, proof: EquivocationProof): Promise<boolean>
}

type Received = Omit<HeldAttestation, 'heldAt'>

const isOwn = (node: NodeContext, context: EpochContext, seat: Seat): boolean =>
  node.ownRowIn(context)?.seat === seat

const createHands = (node: NodeContext, holding: Holding, onProof: ProofListener): Hands => {
  const { epochs, attestations } = node

  const recordOwn = async ({ epoch, beacon }: EpochContext, signed: Signed): Promise<void> => {
    if (!(await attestations.putOwnSigned(epoch, beacon, signed))) {
      const own = await attestations.ownSigned(epoch, beacon)
      if (own !== undefined && equalBytes(own.payload, signed.payload)) return
    }
    await node.signing.foundForeign(epoch, cidOf(signed.payload).toString())
  }

  const keepProof = async (context: EpochContext, seat: Seat, proof: EquivocationProof): Promise<boolean> => {
    const kept = await holding.proofs.keep(context, seat, proof)
    if (kept === null) return false
    node.metrics.equivocations.inc()
    onProof(kept)
    node.logger.warn({ seat, epoch: context.epoch }, 'a seat signed two attestations of one epoch')
    return true
  }

  /** False if what was held is gone meanwhile. */
  const prove = async (held: HeldEpoch, { seat, signed }: Received): Promise<boolean> => {
    const { context } = held
    const other = held.underway.get(seat) ?? (await attestations.get(context.epoch, context.beacon, seat))
    if (other === undefined) return false
    const proof = createProof(other.signed, signed)
    if (await keepProof(context, seat, proof)) {
      await node.host.publish(topicsOf(node.networkId).equivocations.name, encodeProof(proof))
    }
    return true
  }

  const step = async (
    event: CollectingEvent,
    context: EpochContext,
    received: Received,
  ): Promise<Validation> => {
    const { epoch, beacon } = context
    const { seat, cid, signed } = received
    const held = await holding.epochs.open(context)
    if (held === undefined || !epochs.isCanonical(context))
      return stepCollecting(event, cid, null).validation!
    const known = { cid: held.cidOf(seat), isProved: false, isOwn: isOwn(node, context, seat) }
    const { effects, validation } = stepCollecting(event, cid, known)
    const row = { seat, cid, signed, heldAt: node.chain.confirmedHeight }
    try {
      for (const effect of effects) {
        if (effect === 'hold') {
          held.add(row)
          held.underway.set(seat, row)
          holding.changed(epoch)
        } else if (effect === 'record-own') await recordOwn(context, signed)
        else if (effect === 'store') await attestations.put(epoch, beacon, [row])
        else if (!(await prove(held, received))) return ignore('attestation-known')
      }
      return validation!
    } finally {
      if (held.underway.get(seat) === row) held.underway.delete(seat)
    }
  }

  return { step, recordOwn, keepProof }
}

/** The way in of attestations: read, verified, then a step. */
const createAttestationDoor = (
  node: NodeContext,
  chain: CollectingChain,
  holding: Holding,
  hands: Hands,
  beacons: BeaconWatch,
) => {
  const { epochs } = node
  const allowance = createAllowance(otherBeacons, node.world)

  const isSigned = (publicKey: Uint8Array, { payload, signature }: Signed): Promise<boolean> =>
    node.verifier.verifyAsync(publicKey, attestationMessage(node.networkId, payload), signature)

  /** Its sender may be on another branch, or say so: only what the seat itself signed tells on which it is. */
  const noteOtherBeacon = async (context: EpochContext, bytes: Uint8Array): Promise<void> => {
    const signed = decodeSigned(bytes, maxAttestationBytes)
    const attestation = signed.is === 'ok' ? decodeAttestation(signed.value.payload) : null
    if (signed.is !== 'ok' || attestation === null) return
    const row = context.rowOf(attestation.seat)
    if (row === undefined || !beacons.isLookedAt(context, row.seat)) return
    if (!equalBytes(row.stake, attestation.stake) || !allowance.take('other beacon')) return
    if (await isSigned(row.peer, signed.value)) beacons.saw(context, row.seat, false)
  }

  return {
    async take(bytes: Uint8Array, source: CollectingSource, asked?: EpochContext): Promise<Validation> {
      let context = asked
      let unread = null as Epoch | null
      const epochOf = (epoch: Epoch): AttestingEpoch | ClosedEpoch => {
        if (asked !== undefined && asked.epoch !== epoch) return { closed: 'other' }
        context = asked ?? epochs.peek(epoch)
        const refused = whyNotTaken(source, epoch, context !== undefined, chain)
        if (refused === unknownEpoch) unread = epoch
        return refused ?? attestingEpoch(context!)
      }
      const heldOf = (_epoch: Epoch, seat: Seat): CID | undefined =>
        context === undefined ? undefined : holding.epochs.atHand(context)?.cidOf(seat)
      let read = readAttestation(node.networkId, bytes, epochOf, heldOf)
      // An epoch that runs is read once, after the start or a reorganisation: gossip brings nothing twice.
      if (unread !== null && (await epochs.get(unread)) !== undefined) {
        read = readAttestation(node.networkId, bytes, epochOf, heldOf)
      }
      if (read.is === 'ignore' && read.code === 'attestation-beacon') await noteOtherBeacon(context!, bytes)
      if (read.is !== 'accept') return read
      if (context === undefined) throw new Error('accepted without an epoch')
      const { attestation, cid, publicKey, signed, isSecond } = read.value
      const { seat } = attestation
      const known: CollectedSeat = { cid: undefined, isProved: false, isOwn: false }
      if (isSecond) {
        known.isProved = (await holding.proofs.ofWeek(context.week)).has(seat)
        known.cid = heldOf(context.epoch, seat)
      }
      const { validation } = stepCollecting('read', cid, known)
      if (validation !== null) return validation
      if (!(await isSigned(publicKey, signed))) return stepCollecting('forged', cid, null).validation!
      beacons.saw(context, seat, true)
      return await hands.step('verified', context, { seat, cid, signed })
    },
    async takeAnchored(context: EpochContext, bytes: Uint8Array): Promise<Validation> {
      const read = await readUnderRoot(node.networkId, node.verifier, context, bytes)
      return read.is === 'accept' ? await hands.step('anchored', context, read.value) : read
    },
  }
}

const attestingEpoch = ({ beacon, committees, rowOf }: EpochContext): AttestingEpoch => ({
  beacon,
  k: committees.k,
  identityOf: rowOf,
})

/** The way in of proofs of equivocation. */
const createProofDoor =
  (node: NodeContext, chain: CollectingChain, holding: Holding, hands: Hands) =>
  async (bytes: Uint8Array, source: CollectingSource, asked?: EpochContext): Promise<Validation> => {
    const { epochs } = node
    const read = readProof(node.networkId, bytes)
    if (read.is !== 'accept') return read
    const { epoch, seat, beacon } = read.value.about
    if (asked !== undefined && asked.epoch !== epoch) return ignoreUnverified('equivocation-other')
    // What is cheap to know comes before a snapshot is read and two signatures are verified.
    const refused = whyNoProofTaken(source, epoch, chain)
    if (refused !== null) {
      return 'refused' in refused
        ? reject(`equivocation-${refused.refused}`)
        : ignoreUnverified(`equivocation-${refused.closed}`)
    }
    const [week, canonical] = await Promise.all([epochs.weekOf(epoch), epochs.beaconOf(epoch)])
    if (week === undefined || canonical === undefined) return ignoreUnverified('equivocation-unknown-epoch')
    if (!equalBytes(canonical, beacon)) return ignoreUnverified('equivocation-unknown-seat')
    const { validation } = stepProof('read', { isProved: holding.proofs.isAtHand(week, seat), isOwn: false })
    if (validation !== null) return validation
    const context = await (source === 'certifier' ? epochs : epochs.forOthers).get(epoch)
    if (context === undefined || !equalBytes(context.beacon, beacon))
      return ignoreUnverified('equivocation-unknown-epoch')
    const verified = verifyProof(node.networkId, read.value, context.rowOf(seat)?.peer, node.verifier.verify)
    if (verified.is !== 'accept') return verified
    const { proof } = read.value
    const step = stepProof('verified', { isProved: false, isOwn: isOwn(node, context, seat) })
    for (const effect of step.effects) {
      if (effect === 'record-own') {
        for (const signed of [proof.first, proof.second]) await hands.recordOwn(context, signed)
      } else if (!(await hands.keepProof(context, seat, proof))) return keptMeanwhile
    }
    return step.validation!
  }
