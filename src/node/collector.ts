import {
  attestationMessage,
  type Collected,
  type CollectedEpoch,
  collect,
  createCollectedEpoch,
  encodeProof,
  encodeSigned,
  type Epoch,
  epochStart,
  type HeldAttestation,
  readAttestation,
  rootOfStanding,
  type Seat,
  type SignedAttestation,
  standingAttestations,
  topicsOf,
  type Validation,
  validateProof,
  type Week,
  whyClosed,
} from '../../protocol/index.ts'
import type { NodeContext } from './context.ts'
import type { EpochContext } from './epoch-book.ts'
import { equivocatorsOf } from './equivocators.ts'

/** Takes in attestations and proofs from gossip and sync, and knows what stands. */
export interface Collector {
  /** Subscribes to the topics. */
  start(): void
  /** Reads what is held of an epoch into memory, before its attestations may come. */
  open(context: EpochContext): Promise<void>
  /** Forgets epochs before this one; they stay in the store. */
  closeBefore(epoch: Epoch): void
  /** Forgets epochs whose beacon a reorganisation took away. */
  forgetAbove(height: number): void
  /** `source` decides until when an epoch is open: gossip to b(e + 2), sync until its week's set is fixed. */
  take(bytes: Uint8Array, source: 'gossip' | 'sync'): Promise<Validation>
  takeProof(bytes: Uint8Array): Promise<Validation>
  /** Own attestation, already durable. */
  takeOwn(context: EpochContext, own: SignedAttestation, heldAt: number): void
  /** What stands in an epoch under its canonical beacon, in rising order of seat. */
  standing(context: EpochContext): Promise<HeldAttestation[]>
  /** R-SYNC-1: count and root of what stands. */
  rootOf(context: EpochContext): Promise<{ count: number; root: Uint8Array }>
  /** Seats with a proof in a week, with one proof each. */
  equivocators(week: Week): Promise<ReadonlyMap<Seat, Uint8Array>>
  /** Waits for what is being taken in. */
  idle(): Promise<void>
}

export const createCollector = (
  node: NodeContext,
  isOpenForSync: (context: EpochContext) => boolean,
): Collector => {
  const topics = topicsOf(node.networkId)
  const collected = new Map<Epoch, CollectedEpoch>()
  const opening = new Map<Epoch, Promise<void>>()
  const roots = new Map<Epoch, { count: number; root: Uint8Array }>()
  const proofsByWeek = new Map<Week, Map<Seat, Uint8Array>>()

  const load = async (context: EpochContext): Promise<CollectedEpoch> => {
    const epoch = createCollectedEpoch(context.epoch, context.beacon)
    for await (const held of node.attestations.ofEpoch(context.epoch, context.beacon)) {
      epoch.bySeat.set(held.seat, held)
    }
    return epoch
  }

  const open = async (context: EpochContext): Promise<void> => {
    if (collected.has(context.epoch)) return
    let work = opening.get(context.epoch)
    if (work === undefined) {
      work = load(context)
        .then((epoch) => {
          // A reorganisation may have given the epoch another beacon meanwhile (R-CHAIN-2).
          if (node.epochs.peek(context.epoch) === context) collected.set(context.epoch, epoch)
        })
        .finally(() => opening.delete(context.epoch))
      opening.set(context.epoch, work)
    }
    await work
  }

  const equivocators = async (week: Week): Promise<Map<Seat, Uint8Array>> => {
    const known = proofsByWeek.get(week)
    if (known !== undefined) return known
    const proofs = await equivocatorsOf(node.attestations, node.epochs, week)
    proofsByWeek.set(week, proofs)
    return proofs
  }

  const count = (kind: string, validation: Validation<unknown>): void => {
    const code = validation.is === 'accept' ? '' : validation.code
    node.metrics.messages.inc({ kind, outcome: validation.is, code })
  }

  const changed = (epoch: Epoch): void => {
    roots.delete(epoch)
  }

  const keepProof = async (context: EpochContext, seat: Seat, proof: Parameters<typeof encodeProof>[0]) => {
    const known = await equivocators(context.week)
    // One proof of a seat and week is enough, and is passed on once (R-ATT-3).
    if (known.has(seat)) return false
    known.set(seat, encodeProof(proof))
    await node.attestations.putProof(context.epoch, context.beacon, seat, proof)
    roots.clear()
    node.metrics.equivocations.inc()
    node.logger.warn({ seat, epoch: context.epoch }, 'a seat signed two attestations of one epoch')
    return true
  }

  /** After the signature was verified. */
  const store = async (context: EpochContext, received: SignedAttestation): Promise<Collected> => {
    await open(context)
    const epoch = collected.get(context.epoch)
    if (epoch === undefined || node.epochs.peek(context.epoch) !== context) return { is: 'known' }
    const outcome = collect(epoch, received, node.chain.confirmedHeight)
    if (outcome.is === 'first') {
      changed(context.epoch)
      await node.attestations.put(context.epoch, context.beacon, [outcome.held])
    } else if (outcome.is === 'equivocation') {
      const isNew = await keepProof(context, received.attestation.seat, outcome.proof)
      if (isNew) await node.host.publish(topics.equivocations.name, encodeProof(outcome.proof))
    }
    return outcome
  }

  const taking = new Set<Promise<unknown>>()
  const tracked = async <T>(work: Promise<T>): Promise<T> => {
    taking.add(work)
    try {
      return await work
    } finally {
      taking.delete(work)
    }
  }

  const take = async (bytes: Uint8Array, source: 'gossip' | 'sync'): Promise<Validation> => {
    const height = node.chain.confirmedHeight
    const contextOf = (e: Epoch): EpochContext | { closed: string } => {
      const context = node.epochs.peek(e)
      const closed = whyClosed(node.genesis, e, height)
      if (context === undefined) return { closed: closed ?? 'unknown' }
      if (source === 'gossip') return closed === null ? context : { closed }
      return isOpenForSync(context) ? context : { closed: 'late' }
    }
    const read = readAttestation(
      node.networkId,
      bytes,
      (e) => {
        const context = contextOf(e)
        if ('closed' in context) return context
        return { beacon: context.beacon, k: context.committees.k, identityOf: (seat) => context.rowOf(seat) }
      },
      (e, seat) => collected.get(e)?.bySeat.get(seat)?.cid,
    )
    if (read.is !== 'accept') return read
    const { attestation, publicKey, signed, isSecond } = read.value
    const context = node.epochs.peek(attestation.epoch)!
    if (isSecond && proofsByWeek.get(context.week)?.has(attestation.seat) === true) {
      return { is: 'ignore', code: 'attestation-of-equivocator' }
    }
    const message = attestationMessage(node.networkId, signed.payload)
    if (!(await node.verifier.verifyAsync(publicKey, message, signed.signature))) {
      return { is: 'reject', code: 'attestation-signature' }
    }
    const outcome = await store(context, read.value)
    // A second payload is kept as a proof and not passed on: the proof is.
    return outcome.is === 'first'
      ? { is: 'accept', value: undefined }
      : { is: 'ignore', code: `attestation-${outcome.is}` }
  }

  const takeProof = async (bytes: Uint8Array): Promise<Validation> => {
    let about: EpochContext | undefined
    const checked = validateProof(
      node.networkId,
      bytes,
      (attestation) => {
        about = node.epochs.peek(attestation.epoch)
        const isCanonical = about?.beacon.every((byte, i) => byte === attestation.beacon[i]) === true
        return isCanonical ? about?.rowOf(attestation.seat)?.peer : undefined
      },
      node.verifier.verify,
    )
    if (checked.is !== 'accept') return checked
    const context = about!
    if (!isOpenForSync(context)) return { is: 'ignore', code: 'equivocation-late' }
    const isNew = await keepProof(context, checked.value.about.seat, checked.value.proof)
    return isNew ? { is: 'accept', value: undefined } : { is: 'ignore', code: 'equivocation-known' }
  }

  const standing = async (context: EpochContext): Promise<HeldAttestation[]> => {
    const epoch = collected.get(context.epoch) ?? (await load(context))
    return standingAttestations(epoch, new Set((await equivocators(context.week)).keys()))
  }

  return {
    start() {
      node.host.subscribe(topics.attestations.name, async (bytes) => {
        const validation = await tracked(take(bytes, 'gossip'))
        count('attestation', validation)
        return validation
      })
      node.host.subscribe(topics.equivocations.name, async (bytes) => {
        const validation = await tracked(takeProof(bytes))
        count('equivocation', validation)
        return validation
      })
    },
    open,
    closeBefore(epoch) {
      for (const map of [collected, roots]) for (const e of map.keys()) if (e < epoch) map.delete(e)
    },
    forgetAbove(height) {
      for (const e of collected.keys()) if (epochStart(node.genesis, e) > height) collected.delete(e)
      roots.clear()
      proofsByWeek.clear()
    },
    async take(bytes, source) {
      const validation = await tracked(take(bytes, source))
      count('attestation', validation)
      return validation
    },
    async takeProof(bytes) {
      const validation = await tracked(takeProof(bytes))
      count('equivocation', validation)
      return validation
    },
    takeOwn(context, own, heldAt) {
      const epoch = collected.get(context.epoch)
      if (epoch !== undefined) collect(epoch, own, heldAt)
      changed(context.epoch)
    },
    standing,
    async rootOf(context) {
      const known = roots.get(context.epoch)
      if (known !== undefined) return known
      const rows = await standing(context)
      const root = { count: rows.length, root: rootOfStanding(rows) }
      roots.set(context.epoch, root)
      return root
    },
    equivocators,
    async idle() {
      await Promise.allSettled(taking)
    },
  }
}

/** An attestation as it travels in gossip. */
export const attestationMessageBytes = (held: Pick<HeldAttestation, 'signed'>): Uint8Array =>
  encodeSigned(held.signed)
