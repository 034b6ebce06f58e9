import type { CID } from 'multiformats/cid'
import {
  attestationMessage,
  bitfieldOf,
  type Certificate,
  type CertifierDuty,
  type CertifierEffect,
  type CertifierEvent,
  type CertifierState,
  certifiersOf,
  checkCertificate,
  type CheckpointFrame,
  chooseContents,
  chooseListing,
  listedAgain,
  cidOf,
  compareContents,
  createProof,
  decodeCertificate,
  decodeAttestation,
  type Epoch,
  encodeCheckpoint,
  encodeProof,
  type EpochHolding,
  epochPhases,
  epochStart,
  fillFrame,
  type HeldAttestation,
  type HeldRow,
  type Height,
  type Params,
  paramsHash,
  type ProposalAnswer,
  type ProposedSet,
  proofPagesOf,
  proposalAnswerCodec,
  readProofPages,
  type RecordedVote,
  type ReviewEffect,
  rowKey,
  type Seat,
  type Senior,
  type SignedAttestation,
  spokenOf,
  stancesOf,
  startCertifier,
  stepCertifier,
  type Week,
  snapshotRootOf,
} from '../../protocol/index.ts'
import { aggregateVotes, blsPublicKeyOf, blsSecretKeyOf, createBls, signVote } from '../../src/keys/bls.ts'
import { createEd25519Verifier } from '../../src/keys/ed25519.ts'
import {
  attestationOf,
  epochOf,
  genesis,
  networkId,
  nodesOf,
  paramsWith,
  seedOf,
  signAttestation,
  type TestEpoch,
} from './fixture.ts'

export const bls = createBls()
const ed25519 = createEd25519Verifier({ maxKeys: 1_000 })
export const theWeek = '2026-W47' as Week
/** The week's epochs, and the epoch of block F. */
export const weekEpochs = [4, 5, 6] as const
export const freeze: Height = epochStart(genesis, 8)

export interface NetworkSetting {
  /** Epochs of the week, the first of which is the fourth; three by default. */
  epochs?: number
  /** Seats that attest and are not senior. */
  others?: number
  /** Without, votes are not signed and every signature holds: for networks that are large. */
  signs?: boolean
}

/** A payload that somebody offers, with what stands behind its roots. */
export interface Offer {
  cid: CID
  bytes: Uint8Array
  rowsByEpoch: ReadonlyMap<Epoch, readonly { seat: Seat; cid: CID }[]>
  pages: ReadonlyMap<string, Uint8Array>
}

/** One certifier's node: what its daemon would keep in its store, and the state of its step function. */
export interface CertifierNode {
  seat: Seat
  bls: Uint8Array
  blsSecret: Uint8Array
  held: Map<Epoch, Map<Seat, HeldAttestation>>
  /** Proofs by seat; the week has no other. */
  proofs: Map<Seat, { epoch: Epoch; bytes: Uint8Array; heldAt: Height }>
  ranThrough: boolean
  state: CertifierState
  offers: Map<string, Offer>
  sets: Map<string, ProposedSet>
  /** What it recorded before it sent a vote. */
  recorded: RecordedVote[]
  posted: string[]
  /** Does not take part: neither sends nor answers. */
  isDown: boolean
  /** A liar answers proposals by itself and does nothing else; undefined is silence. */
  lie: ((offer: Uint8Array, from: Seat) => ProposalAnswer | undefined) | null
  /** Below this height it tells proposers to come again later. */
  isBusyUntil: Height
}

export interface CertifierNetwork {
  params: Params
  epochs: readonly TestEpoch[]
  /** All that attest, seniors first. */
  seats: readonly Seat[]
  /** Height of block F. */
  freezeHeight: Height
  frame: CheckpointFrame
  nodes: readonly CertifierNode[]
  /** Certificates in the order in which they were published. */
  published: Certificate[]
  /** Hears every answer that is sent, while it is set. */
  onAnswer: ((answer: ProposalAnswer) => void) | null
  /** Rounds of proposals that were sent, as `<view>:<seat>`. */
  proposals: string[]
  nodeOf(seat: Seat): CertifierNode
  certifiers(view: number): readonly Senior[]
  /** Gives every node its duty, as of what it holds now. */
  freeze(): void
  /** Feeds a confirmed height to every node and lets everything happen that follows. */
  advance(height: Height): void
  /** Lets a node take an event, and all that follows happen. */
  give(node: CertifierNode, event: CertifierEvent): void
  /** A payload as this node would build it, from rows of the caller's choice. */
  offer(
    node: CertifierNode,
    choose: (epoch: Epoch, rows: readonly HeldRow[]) => readonly HeldRow[],
    listed?: readonly Seat[],
  ): Offer
  /** Signed attestation of a seat and epoch; another `variant` is another payload. */
  attestation(epoch: Epoch, seat: Seat, variant?: number): SignedAttestation
  hold(node: CertifierNode, attestation: SignedAttestation, heldAt: Height): void
  /** Restarts a node from what it recorded. */
  restart(node: CertifierNode): void
}

/** Confirmed height at which everybody holds an attestation in good time. */
export const inTime = (epoch: Epoch): Height => epochStart(genesis, epoch + 1) - 1
const phasesOf = (epoch: Epoch) => epochPhases(genesis, 4, epoch)
/** Between the two bounds of R-CP-3. */
export const betweenBounds = (epoch: Epoch): Height => phasesOf(epoch).mustHold
export const tooLate = (epoch: Epoch): Height => phasesOf(epoch).closes

export const createCertifierNetwork = (
  count: number,
  changes: Partial<Params> = {},
  { epochs: epochCount = 3, others = 0, signs = true }: NetworkSetting = {},
): CertifierNetwork => {
  const params = paramsWith({ viewBlocks: 8, anchorBlocks: 40, committee: 3, ...changes })
  const seats = nodesOf(count + others)
  const verifier = signs ? bls : { verifyAggregate: () => true }
  const weekEpochs = Array.from({ length: epochCount }, (_, i): Epoch => 4 + i)
  const freeze = epochStart(genesis, weekEpochs.at(-1)! + 2)
  const epochs = weekEpochs.map((epoch) => epochOf(seats, epoch, params.committee))
  const attestations = new Map<string, SignedAttestation>()
  const frame: CheckpointFrame = {
    networkId,
    week: theWeek,
    freezeHash: seedOf('block F'),
    previous: { checkpoint: cidOf(seedOf('previous')), height: 7, blockHash: seedOf('its block') },
    registryRoot: seedOf('registry'),
    handsOn: { count, root: seedOf('list') },
    weeks: [
      {
        week: theWeek,
        paramsHash: paramsHash(params),
        income: 5n,
        epochs: epochs.map(({ epoch, beacon, nodes }) => ({
          epoch,
          beacon,
          seats: nodes.length,
          snapshotRoot: snapshotRootOf(nodes),
        })),
      },
    ],
  }
  const secrets = seats.map(({ seat }) => blsSecretKeyOf(seedOf('bls secret', seat)))
  const seniors: Senior[] = seats
    .slice(0, count)
    .map(({ seat }, i) => ({ seat, bls: blsPublicKeyOf(secrets[i]!) }))
  const dutyOf = (seat: Seat): CertifierDuty => ({
    seat,
    frame,
    freeze,
    seniors,
    beacon: seedOf('beacon of F'),
    params,
  })
  const attestation = (epoch: Epoch, seat: Seat, variant = 0): SignedAttestation => {
    const name = `${epoch}:${seat}:${variant}`
    let made = attestations.get(name)
    if (made === undefined) {
      const testEpoch = epochs.find((found) => found.epoch === epoch)!
      const index = seats.findIndex((found) => found.seat === seat)
      const evidence = cidOf(seedOf('evidence', epoch, seat, variant))
      made = signAttestation(attestationOf(testEpoch, index, undefined, { evidence }), seats[index]!.sign)
      attestations.set(name, made)
    }
    return made
  }
  const hold = (
    node: CertifierNode,
    { cid, signed, attestation: { epoch, seat } }: SignedAttestation,
    heldAt: Height,
  ): void => {
    node.held.get(epoch)!.set(seat, { seat, cid, signed, heldAt })
  }
  const nodes = seniors.map(({ seat, bls: key }, i): CertifierNode => {
    const node: CertifierNode = {
      seat,
      bls: key,
      blsSecret: secrets[i]!,
      held: new Map(weekEpochs.map((epoch) => [epoch, new Map()])),
      proofs: new Map(),
      ranThrough: true,
      state: startCertifier(dutyOf(seat), freeze - 1, [], []),
      offers: new Map(),
      sets: new Map(),
      recorded: [],
      posted: [],
      isDown: false,
      lie: null,
      isBusyUntil: 0,
    }
    for (const epoch of weekEpochs) {
      for (const other of seats) hold(node, attestation(epoch, other.seat), inTime(epoch))
    }
    return node
  })
  const bySeat = new Map(nodes.map((node) => [node.seat, node]))
  const nodeOf = (seat: Seat): CertifierNode => bySeat.get(seat)!
  const keyOf = ({ seat, epoch, beacon }: { seat: Seat; epoch: Epoch; beacon: Uint8Array }) => {
    const found = epochs.find((known) => known.epoch === epoch)
    const isCanonical = found?.beacon.every((byte, i) => byte === beacon[i]) === true
    return isCanonical ? seats.find((row) => row.seat === seat)?.peer : undefined
  }

  const published: Certificate[] = []
  const proposals: string[] = []
  const queue: (() => void)[] = []
  const drain = (): void => {
    for (let steps = 0; queue.length > 0; steps++) {
      if (steps > 200_000) throw new Error('the certifiers do not come to rest')
      queue.shift()!()
    }
  }
  const later = (node: CertifierNode, event: CertifierEvent): void => {
    queue.push(() => take(node, event))
  }
  const take = (node: CertifierNode, event: CertifierEvent): void => {
    if (node.isDown || node.lie !== null) return
    const step = stepCertifier(node.state, event, verifier)
    node.state = step.state
    for (const effect of step.effects) carryOut(node, effect)
  }

  const holdingOf = (node: CertifierNode, epoch: Epoch): EpochHolding => {
    const { mustHold, closes } = phasesOf(epoch)
    return {
      rows: [...node.held.get(epoch)!.values()].sort((a, b) => a.seat - b.seat),
      bounds: node.ranThrough ? { mustHold, closes } : null,
    }
  }

  /** As a daemon's collector does: verified, held as of now, and a second payload makes a proof. */
  const receive = (node: CertifierNode, found: HeldAttestation): void => {
    const decoded = decodeAttestation(found.signed.payload)!
    const message = attestationMessage(networkId, found.signed.payload)
    if (!ed25519.verify(keyOf(decoded)!, message, found.signed.signature)) return
    const known = node.held.get(decoded.epoch)!.get(decoded.seat)
    if (known === undefined) {
      node.held.get(decoded.epoch)!.set(decoded.seat, { ...found, heldAt: node.state.height })
    } else if (!known.cid.equals(found.cid)) {
      addProof(node, decoded.seat, decoded.epoch, encodeProof(createProof(known.signed, found.signed)))
    }
  }
  const addProof = (node: CertifierNode, seat: Seat, epoch: Epoch, bytes: Uint8Array): void => {
    if (node.proofs.has(seat)) return
    const heldAt = node.state.height
    node.proofs.set(seat, { epoch, bytes, heldAt })
    take(node, { is: 'proof', proof: { week: theWeek, seat, epoch, heldAt } })
  }

  const offerOf = (
    node: CertifierNode,
    rowsOf: (epoch: Epoch) => { rows: readonly HeldRow[]; count: number; root: Uint8Array },
    listed: readonly Seat[],
  ): Offer => {
    const chosen = new Map(weekEpochs.map((epoch) => [epoch as Epoch, rowsOf(epoch)]))
    const proofs = [...listed].sort((a, b) => a - b).map((seat) => node.proofs.get(seat)!.bytes)
    const pages = proofPagesOf(networkId, theWeek, proofs)
    const checkpoint = fillFrame(
      frame,
      (epoch) => chosen.get(epoch)!,
      () => pages.map(({ cid }) => cid),
    )
    const bytes = encodeCheckpoint(checkpoint)
    const offer: Offer = {
      cid: cidOf(bytes),
      bytes,
      rowsByEpoch: new Map([...chosen].map(([epoch, { rows }]) => [epoch, rows])),
      pages: new Map(pages.map((page) => [page.cid.toString(), page.bytes])),
    }
    node.offers.set(offer.cid.toString(), offer)
    return offer
  }

  const carryOut = (node: CertifierNode, effect: CertifierEffect): void => {
    switch (effect.is) {
      case 'answer':
        return answer(node, effect.to, effect.view, effect.checkpoint, effect.answer)
      case 'vote': {
        const isRecorded = node.recorded.some(
          ({ view, checkpoint }) => view === effect.view && checkpoint.equals(effect.checkpoint),
        )
        if (!isRecorded) node.recorded.push({ view: effect.view, checkpoint: effect.checkpoint })
        const signature = signs ? signVote(node.blsSecret, effect.message) : new Uint8Array(96)
        return answer(node, effect.to, effect.view, effect.checkpoint, ['vote', signature])
      }
      case 'review':
        return review(node, effect.checkpoint, nodeOf(effect.from), effect.effect)
      case 'propose':
        return propose(node, effect)
      case 'aggregate': {
        const { view, checkpoint } = effect
        const signature = signs ? aggregateVotes(effect.signatures)! : new Uint8Array(96)
        return later(node, { is: 'aggregated', view, checkpoint, signature })
      }
      case 'publish': {
        const decoded = decodeCertificate(effect.certificate)
        if (decoded.is === 'bad') throw new Error(decoded.code)
        published.push(decoded.value.certificate)
        for (const other of nodes) {
          if (other !== node) later(other, { is: 'certificate', certificate: decoded.value.certificate })
        }
        return
      }
      case 'anchor-due':
        return
      case 'post-anchor':
        node.posted.push(effect.memo)
    }
  }

  const answer = (
    node: CertifierNode,
    to: Seat,
    view: number,
    checkpoint: CID,
    text: ProposalAnswer,
  ): void => {
    const decoded = proposalAnswerCodec.decode(proposalAnswerCodec.encode(text))
    if (decoded.is === 'bad') throw new Error(decoded.code)
    network.onAnswer?.(decoded.value)
    later(nodeOf(to), { is: 'answered', from: node.seat, view, checkpoint, answer: decoded.value })
  }

  const propose = (node: CertifierNode, { effect }: Extract<CertifierEffect, { is: 'propose' }>): void => {
    switch (effect.is) {
      case 'build': {
        let agrees = true
        const equivocators = new Set(node.proofs.keys())
        const seatsByEpoch = spokenOf(effect.known)
        const stances = new Map(
          [...seatsByEpoch].map(([epoch, seats]) => [epoch, stancesOf(holdingOf(node, epoch), seats)]),
        )
        const listing = chooseListing(effect.known, effect.certifiers, effect.isLast, (epoch, seat) =>
          equivocators.has(seat) ? 'proved' : (stances.get(epoch)?.get(seat) ?? null),
        )
        const offer = offerOf(
          node,
          (epoch) => {
            const isListed = (seat: Seat): boolean | undefined => listing.get(rowKey(epoch, seat))
            const chosen = chooseContents(holdingOf(node, epoch), equivocators, isListed)
            agrees &&= chosen.isOwn
            return chosen
          },
          [...node.proofs.keys()],
        )
        return later(node, { is: 'built', cid: offer.cid, payload: offer.bytes, agrees, listing })
      }
      case 'propose': {
        proposals.push(`${effect.view}:${node.seat}`)
        for (const seat of effect.to) {
          const other = nodeOf(seat)
          const said = other.lie?.(effect.bytes, node.seat)
          const isSilent = other.isDown || (other.lie !== null && said === undefined)
          if (isSilent || said !== undefined) {
            const { view, cid: checkpoint } = effect
            later(node, { is: 'answered', from: seat, view, checkpoint, answer: said ?? null })
          } else if (other.state.height < other.isBusyUntil) {
            answer(other, node.seat, effect.view, effect.cid, ['later', 'busy'])
          } else later(other, { is: 'proposed', from: node.seat, view: effect.view, payload: effect.bytes })
        }
        return
      }
      case 'gather': {
        const lacked = effect.wants
          .flatMap(({ wants }) => wants.missing)
          .filter(({ epoch, seat }) => node.held.get(epoch)?.has(seat) !== true)
        for (const { from, wants } of effect.wants) {
          const other = nodeOf(from)
          for (const { epoch, seat } of wants.missing) {
            const found = other.held.get(epoch)?.get(seat)
            if (found !== undefined) receive(node, found)
          }
          for (const { seat } of wants.proofs) {
            const proof = other.proofs.get(seat)
            if (proof !== undefined) addProof(node, seat, proof.epoch, proof.bytes)
          }
        }
        return later(node, { is: 'gathered', lacked })
      }
    }
  }

  const review = (node: CertifierNode, checkpoint: CID, from: CertifierNode, effect: ReviewEffect): void => {
    const offer = from.offers.get(checkpoint.toString())
    const tell = (event: Extract<CertifierEvent, { is: 'review' }>['event']): void =>
      later(node, { is: 'review', checkpoint, event })
    switch (effect.is) {
      case 'read-pages': {
        const equivocators = new Map<Week, ReadonlySet<Seat>>()
        for (const { week, pages } of effect.weeks) {
          const bytes = pages.map((page) => offer?.pages.get(page.toString()))
          if (!bytes.every((page) => page !== undefined))
            return tell({ is: 'pages-failed', code: 'page-missing' })
          const read = readProofPages(networkId, week, bytes, keyOf, ed25519.verify)
          if (read.is !== 'accept') return tell({ is: 'pages-failed', code: read.code })
          for (const [seat, proof] of read.value) addProof(node, seat, weekEpochs[0]!, proof)
          equivocators.set(week, new Set(read.value.keys()))
        }
        return tell({ is: 'pages', equivocators })
      }
      case 'compare': {
        const set = node.sets.get(`${checkpoint.toString()}:${effect.epoch}`) ?? null
        const holding = holdingOf(node, effect.epoch)
        const comparison = compareContents(
          effect.isAgain ? listedAgain(holding) : holding,
          effect.equivocators,
          effect.contents,
          set,
        )
        return tell({ is: 'compared', epoch: effect.epoch, comparison })
      }
      case 'ask': {
        const rows = offer?.rowsByEpoch.get(effect.epoch)
        if (rows === undefined) return tell({ is: 'not-got', epoch: effect.epoch, code: 'set-missing' })
        const listed = new Set(rows.map(({ seat }) => seat))
        const all = seats.map(({ seat }) => seat)
        const set: ProposedSet =
          effect.for === 'leaves'
            ? { is: 'leaves', rows }
            : { is: 'bits', seats: all, bits: bitfieldOf(all.length, (i) => listed.has(all[i]!)) }
        node.sets.set(`${checkpoint.toString()}:${effect.epoch}`, set)
        return tell({ is: 'got', epoch: effect.epoch })
      }
      case 'fetch': {
        for (const seat of effect.seats) {
          const found = from.held.get(effect.epoch)!.get(seat)
          if (found !== undefined) receive(node, found)
        }
        return tell({ is: 'got', epoch: effect.epoch })
      }
    }
  }

  const dutyProofs = (node: CertifierNode) =>
    [...node.proofs].map(([seat, { epoch, heldAt }]) => ({ week: theWeek, seat, epoch, heldAt }))

  const network: CertifierNetwork = {
    params,
    epochs,
    seats: seats.map(({ seat }) => seat),
    freezeHeight: freeze,
    frame,
    nodes,
    published,
    onAnswer: null,
    proposals,
    nodeOf,
    certifiers: (view) => certifiersOf(seniors, seedOf('beacon of F'), view, params.certifiers),
    freeze() {
      for (const node of nodes) {
        node.state = startCertifier(dutyOf(node.seat), freeze - 1, [...node.recorded], dutyProofs(node))
      }
    },
    advance(height) {
      for (const node of nodes) later(node, { is: 'height', height })
      drain()
    },
    give(node, event) {
      later(node, event)
      drain()
    },
    offer: (node, choose, listed = [...node.proofs.keys()]) =>
      offerOf(
        node,
        (epoch) => {
          const rows = choose(epoch, holdingOf(node, epoch).rows)
          return chooseContents({ rows, bounds: null }, new Set(listed), () => undefined)
        },
        listed,
      ),
    attestation,
    hold,
    restart(node) {
      node.state = startCertifier(dutyOf(node.seat), node.state.height, [...node.recorded], dutyProofs(node))
      node.isDown = false
    },
  }
  return network
}

/** Whether a certificate holds for the network it was made in. */
export const isValid = (network: CertifierNetwork, certificate: Certificate): boolean =>
  checkCertificate(
    networkId,
    certificate,
    network.certifiers(certificate.view),
    network.frame.freezeHash,
    bls,
  ).is === 'accept'
