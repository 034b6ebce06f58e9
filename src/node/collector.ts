import {
  accept,
  attestationMessage,
  cidOf,
  createProof,
  decodeAttestation,
  decodeSigned,
  bitfieldOf,
  encodeProof,
  type Epoch,
  epochStart,
  equalBytes,
  type EquivocationProof,
  type HeldAttestation,
  type HeldProof,
  type HeldRow,
  ignore,
  ignoreUnverified,
  maxAttestationBytes,
  readAttestation,
  readProof,
  reject,
  type Seat,
  type Signed,
  type SignedAttestation,
  topicsOf,
  type Validation,
  verifyProof,
  type Week,
  whyClosed,
  whyRefused,
} from '../../protocol/index.ts'
import { createAllowance } from '../async/allowance.ts'
import { inSlices } from '../async/slices.ts'
import type { StoredProof } from '../store/attestations.ts'
import type { NodeContext } from './context.ts'
import type { EpochContext } from '../week/epoch-book.ts'
import { createTipWatch } from '../week/chain-tip.ts'
import { equivocatorsOf } from '../week/equivocators.ts'
import { createHeldEpoch, type HeldEpoch } from './held-epoch.ts'

/**
 * Where something comes from decides until when its epoch is open: gossip until it closes, sync until its week's set is
 * fixed, what a certifier asks for always.
 */
export type AttestationSource = 'gossip' | 'sync' | 'certifier'

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
  /** `asked`: the epoch that the sender was asked about; nothing else is taken then. */
  take(bytes: Uint8Array, source: AttestationSource, asked?: EpochContext): Promise<Validation>
  takeProof(bytes: Uint8Array, source?: AttestationSource, asked?: EpochContext): Promise<Validation>
  /** An attestation that stands under an anchored root: it takes the place of whatever else is held of its seat. */
  takeAnchored(context: EpochContext, bytes: Uint8Array): Promise<Validation>
  /**
   * What this node's key signed, recorded already (R-ATT-5): held, and shown to others, from now on. False if another
   * one of the seat is held, or if a reorganisation took the beacon away.
   */
  takeOwn(context: EpochContext, own: Omit<HeldAttestation, 'heldAt'>): Promise<boolean>
  /** Whether sync still compares this epoch. */
  isOpen(epoch: Epoch): boolean
  /** What stands in an epoch under its canonical beacon, in rising order of seat. */
  standing(context: EpochContext): AsyncIterable<HeldAttestation>
  /** How many stand. */
  countOf(context: EpochContext): Promise<number>
  /** R-SYNC-1: a bit for each index of the snapshot whose attestation stands. */
  bitsOf(context: EpochContext): Promise<Uint8Array>
  /** R-SYNC-1: count and root of what stands. */
  rootOf(context: EpochContext): Promise<{ count: number; root: Uint8Array }>
  /** The same for whoever asks: of a large epoch in motion it may be some seconds old. */
  recentRootOf(context: EpochContext): Promise<{ count: number; root: Uint8Array }>
  /** The same if it is at hand, so that nothing need be read for an answer; null otherwise. */
  knownRootOf(epoch: EpochOfBranch): Promise<{ count: number; root: Uint8Array }> | null
  /** All that is held of an epoch, equivocators included, in rising order of seat (R-CP-3). */
  held(context: EpochContext): Promise<HeldRow[]>
  /** Of these seats what is held, whether it stands or not. */
  heldOf(epoch: EpochOfBranch, seats: readonly Seat[]): Promise<HeldAttestation[]>
  /** Another number whenever something of the epoch was taken in since the start: what was made of it before is old. */
  changeOf(epoch: Epoch): number
  /** Seats with a proof in a week, with one proof each. */
  equivocators(week: Week): Promise<ReadonlyMap<Seat, StoredProof>>
  /** Calls back for each proof that is new. */
  onProof(listener: ProofListener): void
  /** Waits for what is being taken in. */
  idle(): Promise<void>
}

export type ProofListener = (proof: HeldProof) => void

/** An epoch and the branch of the chain that it is of. */
export type EpochOfBranch = Pick<EpochContext, 'epoch' | 'beacon'>

/** Running epochs, which stay, and those that sync or a checkpoint is about: 1.5 MB each at 40,000 seats. */
const maxOpenEpochs = 8
/** Weeks whose proofs are kept in memory: this one, the one before, and some that somebody asks for. */
const maxProofWeeks = 8
/** A root of 40,000 leaves takes a seventh of a second: whoever asks, at most a tenth of the time goes into one. */
const restPerRoot = 9
/** What takes less than this is computed as often as somebody asks. */
const quickMs = 20

/** Signatures under other beacons that are verified: they count for nothing but the watch of beacons (R-ATT-2). */
const otherBeacons = { burst: 64, everyMs: 50, maxNames: 1 }

interface KnownRoot {
  beacon: Uint8Array
  week: Week
  said: Promise<{ count: number; root: Uint8Array }>
  /** Something came since it was begun. */
  isStale: boolean
  /** Until this moment it is good enough for others; without end while it is being computed. */
  restUntilMs: number
}

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
  const { epochs, attestations, world } = node
  const tip = createTipWatch(node.chain, node.genesis, world)
  const allowance = createAllowance(otherBeacons, world)
  /** In the order in which they were asked for last. */
  const heldByEpoch = new Map<Epoch, HeldEpoch>()
  const reading = new Map<EpochContext, Promise<HeldEpoch | undefined>>()
  const rootByEpoch = new Map<Epoch, KnownRoot>()
  const lastChange = new Map<Epoch, number>()
  let changes = 0
  const proofsByWeek = new Map<Week, Promise<Map<Seat, StoredProof>>>()
  /** Those of `proofsByWeek` that are at hand, for validators, which may not wait. */
  const knownProofs = new Map<Week, Map<Seat, StoredProof>>()

  const atHand = ({ epoch, beacon }: EpochOfBranch): HeldEpoch | undefined => {
    const held = heldByEpoch.get(epoch)
    return held !== undefined && equalBytes(held.context.beacon, beacon) ? held : undefined
  }

  const read = async (context: EpochContext): Promise<HeldEpoch | undefined> => {
    const held = createHeldEpoch(context)
    for await (const row of attestations.ofEpoch(context.epoch, context.beacon)) held.add(row)
    if (!epochs.isCanonical(context)) return undefined
    heldByEpoch.set(context.epoch, held)
    for (const [epoch, { underway }] of heldByEpoch) {
      if (heldByEpoch.size <= maxOpenEpochs) break
      const isNeeded = epoch === context.epoch || underway.size > 0 || epochs.isRunning(epoch)
      if (!isNeeded) heldByEpoch.delete(epoch)
    }
    return held
  }

  /** Undefined if a reorganisation took the epoch's beacon away (R-CHAIN-2). */
  const opened = async (context: EpochContext): Promise<HeldEpoch | undefined> => {
    const known = atHand(context)
    if (known !== undefined) {
      heldByEpoch.delete(context.epoch)
      heldByEpoch.set(context.epoch, known)
      return known
    }
    let work = reading.get(context)
    if (work === undefined) {
      work = read(context).finally(() => reading.delete(context))
      reading.set(context, work)
    }
    return await work
  }

  const equivocators = (week: Week): Promise<Map<Seat, StoredProof>> => {
    const known = proofsByWeek.get(week)
    if (known !== undefined) return known
    const proofs = equivocatorsOf(attestations, epochs, week)
    proofsByWeek.set(week, proofs)
    const isSame = (): boolean => proofsByWeek.get(week) === proofs
    proofs.then(
      (bySeat) => isSame() && knownProofs.set(week, bySeat),
      () => isSame() && forgetProofs(week),
    )
    const [oldest] = proofsByWeek.keys()
    if (proofsByWeek.size > maxProofWeeks && oldest !== undefined) forgetProofs(oldest)
    return proofs
  }

  let onProof: ProofListener = () => undefined

  const forgetProofs = (week: Week): void => {
    proofsByWeek.delete(week)
    knownProofs.delete(week)
  }

  const count = (kind: string, validation: Validation<unknown>): void => {
    const code = validation.is === 'accept' ? '' : validation.code
    node.metrics.messages.inc({ kind, outcome: validation.is, code })
  }

  const noteChange = (epoch: Epoch): void => {
    lastChange.set(epoch, ++changes)
    const known = rootByEpoch.get(epoch)
    if (known !== undefined) known.isStale = true
  }

  /** False if a proof of the seat is known for that week: one is enough, and is passed on once (R-ATT-3). */
  const keepProof = async (context: EpochContext, seat: Seat, proof: EquivocationProof): Promise<boolean> => {
    const { epoch, beacon, week } = context
    const known = await equivocators(week)
    if (known.has(seat) || !epochs.isCanonical(context)) return false
    const heldAt = node.chain.confirmedHeight
    known.set(seat, { epoch, proof: encodeProof(proof), heldAt })
    for (const root of rootByEpoch.values()) if (root.week === week) root.isStale = true
    await attestations.putProof(epoch, beacon, seat, proof, heldAt)
    // Read anew meanwhile, perhaps without this one.
    if (proofsByWeek.has(week) && (await equivocators(week)) !== known) forgetProofs(week)
    node.metrics.equivocations.inc()
    onProof({ week, seat, epoch, heldAt })
    node.logger.warn({ seat, epoch }, 'a seat signed two attestations of one epoch')
    return true
  }

  const isOwn = (context: EpochContext, seat: Seat): boolean => node.ownRowIn(context)?.seat === seat

  /**
   * What this node's key signed, wherever it comes from, is never signed a second time (R-ATT-5); what this store did not
   * sign, another daemon may have (R-ATT-7).
   */
  const recordOwn = async ({ epoch, beacon }: EpochContext, signed: Signed): Promise<void> => {
    if (!(await attestations.putOwnSigned(epoch, beacon, signed))) {
      const own = await attestations.ownSigned(epoch, beacon)
      if (own !== undefined && equalBytes(own.payload, signed.payload)) return
    }
    await node.signing.foundForeign(epoch, cidOf(signed.payload).toString())
  }

  /** Keeps the first of a seat, in memory at once and then in the store. */
  const hold = async (held: HeldEpoch, first: HeldAttestation): Promise<void> => {
    const { epoch, beacon } = held.context
    held.add(first)
    held.underway.set(first.seat, first)
    noteChange(epoch)
    try {
      if (isOwn(held.context, first.seat)) await recordOwn(held.context, first.signed)
      await attestations.put(epoch, beacon, [first])
    } finally {
      held.underway.delete(first.seat)
    }
  }

  type Stored = 'first' | 'known' | 'equivocation' | 'beacon'

  /** After the signature was verified. */
  const store = async (context: EpochContext, received: SignedAttestation): Promise<Stored> => {
    const { cid, signed, attestation } = received
    const { seat } = attestation
    const held = await opened(context)
    if (held === undefined || !epochs.isCanonical(context)) return 'beacon'
    const known = held.cidOf(seat)
    if (known === undefined) {
      await hold(held, { seat, cid, signed, heldAt: node.chain.confirmedHeight })
      return 'first'
    }
    if (known.equals(cid)) return 'known'
    if (isOwn(context, seat)) await recordOwn(context, signed)
    const other = held.underway.get(seat) ?? (await attestations.get(context.epoch, context.beacon, seat))
    if (other === undefined) return 'known'
    const proof = createProof(other.signed, signed)
    const isNew = await keepProof(context, seat, proof)
    if (isNew) await node.host.publish(topics.equivocations.name, encodeProof(proof))
    return 'equivocation'
  }

  const taking = new Set<Promise<unknown>>()
  const tracked = async (kind: string, work: Promise<Validation>): Promise<Validation> => {
    taking.add(work)
    try {
      const validation = await work
      count(kind, validation)
      return validation
    } finally {
      taking.delete(work)
    }
  }

  /** Its sender may be on another branch, or say so: only what the seat itself signed tells on which it is. */
  const noteOtherBeacon = async (context: EpochContext, bytes: Uint8Array): Promise<void> => {
    const signed = decodeSigned(bytes, maxAttestationBytes)
    const attestation = signed.is === 'ok' ? decodeAttestation(signed.value.payload) : null
    if (signed.is !== 'ok' || attestation === null) return
    const row = context.rowOf(attestation.seat)
    if (row === undefined || !beacons.isLookedAt(context, row.seat)) return
    if (!equalBytes(row.stake, attestation.stake) || !allowance.take('other beacon')) return
    const message = attestationMessage(node.networkId, signed.value.payload)
    const isSigned = await node.verifier.verifyAsync(row.peer, message, signed.value.signature)
    if (isSigned) beacons.saw(context, row.seat, false)
  }

  const take = async (
    bytes: Uint8Array,
    source: AttestationSource,
    asked?: EpochContext,
  ): Promise<Validation> => {
    let context = asked
    let missing = null as Epoch | null
    const readNow = () =>
      readAttestation(
        node.networkId,
        bytes,
        (epoch) => {
          if (asked !== undefined && asked.epoch !== epoch) return { closed: 'other' }
          context = asked ?? epochs.peek(epoch)
          const refused = source === 'gossip' ? whyRefused(node.genesis, epoch, tip()) : null
          if (refused !== null) return { refused }
          const closed = whyClosed(node.genesis, epoch, node.chain.confirmedHeight)
          if (context === undefined) {
            missing = closed === null ? epoch : null
            return { closed: closed ?? 'unknown' }
          }
          if (source === 'gossip' && closed !== null) return { closed }
          if (source === 'sync' && !isOpenForSync(epoch)) return { closed: 'late' }
          const { beacon, committees, rowOf } = context
          return { beacon, k: committees.k, identityOf: rowOf }
        },
        (_epoch, seat) => (context === undefined ? undefined : atHand(context)?.cidOf(seat)),
      )
    let read = readNow()
    // An epoch that runs is read once, after the start or a reorganisation: gossip brings nothing twice.
    if (missing !== null && (await epochs.get(missing)) !== undefined) read = readNow()
    if (read.is === 'ignore' && read.code === 'attestation-beacon') await noteOtherBeacon(context!, bytes)
    if (read.is !== 'accept') return read
    if (context === undefined) throw new Error('accepted without an epoch')
    const { attestation, publicKey, signed, isSecond } = read.value
    if (isSecond && (await equivocators(context.week)).has(attestation.seat)) {
      return ignoreUnverified('attestation-of-equivocator')
    }
    const message = attestationMessage(node.networkId, signed.payload)
    if (!(await node.verifier.verifyAsync(publicKey, message, signed.signature))) {
      return { is: 'reject', code: 'attestation-signature' }
    }
    beacons.saw(context, attestation.seat, true)
    const outcome = await store(context, read.value)
    // A second payload is kept as a proof and not passed on: the proof is.
    return outcome === 'first'
      ? { is: 'accept', value: undefined }
      : { is: 'ignore', code: `attestation-${outcome}` }
  }

  const takeProof = async (
    bytes: Uint8Array,
    source: AttestationSource,
    asked?: EpochContext,
  ): Promise<Validation> => {
    const read = readProof(node.networkId, bytes)
    if (read.is !== 'accept') return read
    const { epoch, seat, beacon } = read.value.about
    if (asked !== undefined && asked.epoch !== epoch) return ignoreUnverified('equivocation-other')
    const refused = source === 'gossip' ? whyRefused(node.genesis, epoch, tip()) : null
    if (refused !== null) return reject(`equivocation-${refused}`)
    // What is cheap to know comes before a snapshot is read and two signatures are verified.
    if (source !== 'certifier' && !isOpenForSync(epoch)) return ignoreUnverified('equivocation-late')
    const [week, canonical] = await Promise.all([epochs.weekOf(epoch), epochs.beaconOf(epoch)])
    if (week === undefined || canonical === undefined) return ignoreUnverified('equivocation-unknown-epoch')
    if (!equalBytes(canonical, beacon)) return ignoreUnverified('equivocation-unknown-seat')
    if (knownProofs.get(week)?.has(seat) === true) return ignoreUnverified('equivocation-known')
    const book = source === 'certifier' ? epochs : epochs.forOthers
    const context = await book.get(epoch)
    if (context === undefined || !equalBytes(context.beacon, beacon))
      return ignoreUnverified('equivocation-unknown-epoch')
    const verified = verifyProof(node.networkId, read.value, context.rowOf(seat)?.peer, node.verifier.verify)
    if (verified.is !== 'accept') return verified
    const { proof } = read.value
    if (isOwn(context, seat)) {
      for (const signed of [proof.first, proof.second]) await recordOwn(context, signed)
    }
    const isNew = await keepProof(context, seat, proof)
    return isNew ? accept(undefined) : ignore('equivocation-known')
  }

  const takeAnchored = async (context: EpochContext, bytes: Uint8Array): Promise<Validation> => {
    const read = readAttestation(
      node.networkId,
      bytes,
      (epoch) =>
        epoch === context.epoch
          ? { beacon: context.beacon, k: context.committees.k, identityOf: context.rowOf }
          : { closed: 'other' },
      () => undefined,
    )
    if (read.is !== 'accept') return read
    const { attestation, cid, publicKey, signed } = read.value
    const message = attestationMessage(node.networkId, signed.payload)
    if (!(await node.verifier.verifyAsync(publicKey, message, signed.signature))) {
      return { is: 'reject', code: 'attestation-signature' }
    }
    const held = await opened(context)
    if (held === undefined) return { is: 'ignore', code: 'attestation-beacon' }
    await hold(held, { seat: attestation.seat, cid, signed, heldAt: node.chain.confirmedHeight })
    return { is: 'accept', value: undefined }
  }

  const standing = async function* (context: EpochContext): AsyncGenerator<HeldAttestation> {
    const proofs = await equivocators(context.week)
    const underway = [...(atHand(context)?.underway.values() ?? [])].sort((a, b) => a.seat - b.seat)
    const isStanding = ({ seat }: HeldAttestation): boolean => !proofs.has(seat)
    let next = 0
    for await (const held of attestations.ofEpoch(context.epoch, context.beacon)) {
      const before = next
      while (next < underway.length && underway[next]!.seat < held.seat) next++
      yield* underway.slice(before, next).filter(isStanding)
      if (underway[next]?.seat === held.seat) next++
      if (isStanding(held)) yield held
    }
    yield* underway.slice(next).filter(isStanding)
  }

  const knownRoot = ({ epoch, beacon }: EpochOfBranch): KnownRoot | undefined => {
    const known = rootByEpoch.get(epoch)
    return known !== undefined && equalBytes(known.beacon, beacon) ? known : undefined
  }

  const recentRoot = (epoch: EpochOfBranch): KnownRoot | undefined => {
    const known = knownRoot(epoch)
    const isRecent = known?.isStale === false || world.monotonicMs() < (known?.restUntilMs ?? 0)
    return isRecent ? known : undefined
  }

  const rootOf = async (context: EpochContext): Promise<{ count: number; root: Uint8Array }> => {
    const known = knownRoot(context)
    if (known?.isStale === false) return await known.said
    const proofs = await equivocators(context.week)
    const held = (await opened(context)) ?? createHeldEpoch(context)
    const begunMs = world.monotonicMs()
    const said = inSlices(held.standing(proofs))
    const { beacon, week } = context
    const fresh: KnownRoot = { beacon, week, said, isStale: false, restUntilMs: Infinity }
    if (epochs.isCanonical(context)) rootByEpoch.set(context.epoch, fresh)
    await said
    const tookMs = world.monotonicMs() - begunMs
    fresh.restUntilMs = begunMs + (tookMs < quickMs ? 0 : tookMs * restPerRoot)
    return await said
  }

  return {
    start() {
      node.host.subscribe(topics.attestations.name, (bytes) => tracked('attestation', take(bytes, 'gossip')))
      node.host.subscribe(topics.equivocations.name, (bytes) =>
        tracked('equivocation', takeProof(bytes, 'gossip')),
      )
    },
    async open(context) {
      await equivocators(context.week)
      await opened(context)
    },
    closeBefore(epoch) {
      for (const map of [heldByEpoch, rootByEpoch]) for (const e of map.keys()) if (e < epoch) map.delete(e)
    },
    forgetAbove(height) {
      for (const map of [heldByEpoch, rootByEpoch]) {
        for (const e of map.keys()) if (epochStart(node.genesis, e) > height) map.delete(e)
      }
      // Proofs count under canonical beacons only, so those of a week are read anew.
      proofsByWeek.clear()
      knownProofs.clear()
      for (const root of rootByEpoch.values()) root.isStale = true
    },
    take: (bytes, source, asked) => tracked('attestation', take(bytes, source, asked)),
    takeAnchored: (context, bytes) => tracked('attestation', takeAnchored(context, bytes)),
    takeProof: (bytes, source = 'sync', asked) => tracked('equivocation', takeProof(bytes, source, asked)),
    async takeOwn(context, own) {
      const held = await opened(context)
      if (held === undefined) return false
      const known = held.cidOf(own.seat)
      if (known !== undefined) return known.equals(own.cid)
      await hold(held, { ...own, heldAt: node.chain.confirmedHeight })
      return true
    },
    isOpen: isOpenForSync,
    standing,
    async countOf(context) {
      const proofs = await equivocators(context.week)
      const held = await opened(context)
      let number = held?.count ?? 0
      for (const seat of proofs.keys()) if (held?.has(seat) === true) number--
      return number
    },
    async bitsOf(context) {
      const proofs = await equivocators(context.week)
      const held = await opened(context)
      return bitfieldOf(context.snapshot.length, (index) => {
        const { seat } = context.snapshot[index]!
        return held?.has(seat) === true && !proofs.has(seat)
      })
    },
    rootOf,
    recentRootOf: async (context) => await (recentRoot(context)?.said ?? rootOf(context)),
    knownRootOf: (epoch) => recentRoot(epoch)?.said ?? null,
    async held(context) {
      return (await opened(context))?.rows() ?? []
    },
    async heldOf(epoch, seats) {
      const underway = atHand(epoch)?.underway
      const early = seats.flatMap((seat) => underway?.get(seat) ?? [])
      const stored = await attestations.ofSeats(epoch.epoch, epoch.beacon, seats)
      return [...new Map([...early, ...stored].map((held) => [held.seat, held])).values()]
    },
    changeOf: (epoch) => lastChange.get(epoch) ?? 0,
    equivocators,
    onProof(listener) {
      onProof = listener
    },
    async idle() {
      await Promise.allSettled(taking)
    },
  }
}
