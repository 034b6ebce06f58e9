import type { CID } from 'multiformats/cid'
import { formatAnchor, lastView } from './anchor.ts'
import type { BlsVerifier } from './bls.ts'
import {
  type Certificate,
  checkCertificate,
  decodeCertificate,
  encodeCertificate,
  isEnough,
  signersOf,
  voteMessage,
} from './certificate.ts'
import type {
  CertifierDuty,
  CertifierEffect,
  CertifierEvent,
  CertifierState,
  CertifierStep,
  HeldProof,
  RecordedVote,
  Review,
} from './certifier-state.ts'
import { checkFrame, decodeCheckpoint } from './checkpoint.ts'
import { type ProposalAnswer, readWants, wantsAnswer } from './checkpoint-messages.ts'
import { cidOf } from './codec.ts'
import type { Height, Seat } from './ids.ts'
import {
  type ProposingEffect,
  type ProposingEvent,
  type ProposingState,
  startProposing,
  stepProposing,
} from './proposing.ts'
import { type HeldProofs, type ReviewEffect, type ReviewEvent, startReview, stepReview } from './review.ts'
import { certifiersOf, type Senior } from './seniors.ts'
import { ignore, ignoreUnverified, reject, type Validation } from './validation.ts'
import { isVoided } from './voided.ts'

/** Proposals of one seat that are examined in a view; as many as an honest proposer makes. */
const maxReviewsCaused = 16
/** Proposers of a view who begin by themselves, one after the other. */
const proposersPerView = 8
/** Blocks between the turns to post the anchor: enough to see it come in at the tip. */
const postBlocks = 2

/** `votes`: what was recorded before, of this week; `proofs`: what is held, whenever the work begins. */
export const startCertifier = (
  duty: CertifierDuty,
  height: Height,
  votes: readonly RecordedVote[],
  proofs: readonly HeldProof[],
): CertifierState => ({
  duty,
  // The first height event opens views and takes turns.
  height,
  views: openViews(duty, [], height),
  votes,
  proofs,
  // What was voted for once was found right, and may be voted for in another view.
  agreed: new Set(votes.map(({ checkpoint }) => checkpoint.toString())),
  reviews: new Map(),
  reviewsCaused: new Map(),
  proposing: null,
  certified: null,
  isOver: false,
})

/** One step. `bls` checks votes and certificates. */
export const stepCertifier = (
  state: CertifierState,
  event: CertifierEvent,
  bls: Pick<BlsVerifier, 'verifyAggregate'>,
): CertifierStep => {
  if (state.isOver) return same(state)
  switch (event.is) {
    case 'height':
      return onHeight(state, event.height)
    case 'proposed':
      return onProposed(state, event)
    case 'review':
      return onReview(state, event.checkpoint, event.event)
    case 'built':
      return onBuilt(state, event)
    case 'answered':
      return onAnswered(state, event, bls)
    case 'gathered':
      return propose(state, event)
    case 'aggregated':
      return onAggregated(state, event, bls)
    case 'proof':
      return same(addProof(state, event.proof))
    case 'certificate':
      return onCertificate(state, event.certificate, bls)
    case 'over':
      return same({ ...state, isOver: true, reviews: new Map(), proposing: null })
  }
}

const same = (state: CertifierState): CertifierStep => ({ state, effects: [] })

/** Does one step after the other, collecting effects. */
const chain = (first: CertifierStep, next: (state: CertifierState) => CertifierStep): CertifierStep => {
  const second = next(first.state)
  return { state: second.state, effects: [...first.effects, ...second.effects] }
}

/** Views open at confirmed heights F + v · viewBlocks: then the tip is at the opening of R-CP-2. */
const openViews = (
  duty: CertifierDuty,
  open: readonly (readonly Senior[])[],
  height: Height,
): readonly (readonly Senior[])[] => {
  const { params, seniors, beacon, freeze } = duty
  const last = Math.min(lastView(params), Math.floor((height - freeze) / params.viewBlocks))
  if (last < open.length) return open
  const views = [...open]
  for (let view = views.length; view <= last; view++) {
    views.push(certifiersOf(seniors, beacon, view, params.certifiers))
  }
  return views
}

/** The certifiers of the view that opens next, for R-ADM-1: others may see it open a block earlier. Empty after the last. */
export const nextCertifiers = ({ duty, views }: Pick<CertifierState, 'duty' | 'views'>): readonly Senior[] =>
  views.length > lastView(duty.params)
    ? []
    : certifiersOf(duty.seniors, duty.beacon, views.length, duty.params.certifiers)

const positionOf = (certifiers: readonly Senior[], seat: Seat): number =>
  certifiers.findIndex((certifier) => certifier.seat === seat)

const heldProofs = (state: CertifierState): HeldProofs => ({
  epochOf: (week, seat) => state.proofs.find((proof) => proof.week === week && proof.seat === seat)?.epoch,
  required: (week) => state.proofs.filter((proof) => proof.week === week && proof.heldAt < state.duty.freeze),
})

const addProof = (state: CertifierState, proof: HeldProof): CertifierState =>
  heldProofs(state).epochOf(proof.week, proof.seat) === undefined
    ? { ...state, proofs: [...state.proofs, proof] }
    : state

const onHeight = (before: CertifierState, height: Height): CertifierStep => {
  const views = openViews(before.duty, before.views, height)
  const hasTurned = views.length > before.views.length
  const state = { ...before, height, views, proposing: hasTurned ? null : before.proposing }
  if (state.certified !== null) return takePostTurn(state)
  return state.proposing === null ? takeProposeTurn(state) : propose(state, { is: 'height', height })
}

/** R-CP-3: position r proposes r/8 of the view's length after its opening, unless a certificate is known. */
const takeProposeTurn = (state: CertifierState): CertifierStep => {
  const view = state.views.length - 1
  if (view < 0) return same(state)
  const { duty } = state
  const position = positionOf(state.views[view]!, duty.seat)
  if (position === -1 || position >= proposersPerView) return same(state)
  const opening = duty.freeze + view * duty.params.viewBlocks
  const turn = opening + Math.floor((position * duty.params.viewBlocks) / proposersPerView)
  if (state.height < turn) return same(state)
  return carryOut(state, startProposing(view, othersOf(state, view), state.height))
}

/** A step of the own proposal. */
const propose = (state: CertifierState, event: ProposingEvent): CertifierStep => {
  const { proposing, height } = state
  if (proposing === null) return same(state)
  return carryOut(state, stepProposing(proposing, event, othersOf(state, proposing.view), height))
}

const othersOf = (state: CertifierState, view: number): readonly Seat[] =>
  state.views[view]!.map(({ seat }) => seat).filter((seat) => seat !== state.duty.seat)

const carryOut = (
  state: CertifierState,
  step: { state: ProposingState; effects: readonly ProposingEffect[] },
): CertifierStep => ({
  state: { ...state, proposing: step.state },
  effects: step.effects.map((effect) => ({ is: 'propose', effect })),
})

const onBuilt = (
  state: CertifierState,
  { cid, payload, agrees, listing }: Extract<CertifierEvent, { is: 'built' }>,
): CertifierStep => {
  if (state.proposing?.stage !== 'building') return same(state)
  const { view } = state.proposing
  const proposed = propose(state, { is: 'built', cid, bytes: payload, listing })
  if (!agrees || proposed.state.proposing?.stage === 'done') return proposed
  const agreed = { ...proposed.state, agreed: new Set([...state.agreed, cid.toString()]) }
  return chain({ ...proposed, state: agreed }, (next) => vote(next, state.duty.seat, view, cid))
}

const onProposed = (
  state: CertifierState,
  { from, view, payload }: Extract<CertifierEvent, { is: 'proposed' }>,
): CertifierStep => {
  const cid = cidOf(payload)
  const answer = (text: ProposalAnswer): CertifierStep => ({
    state,
    effects: [{ is: 'answer', to: from, view, checkpoint: cid, answer: text }],
  })
  const certifiers = state.views[view]
  if (certifiers === undefined) return answer(['later', 'view-not-open'])
  if (positionOf(certifiers, from) === -1) return answer(['refused', 'proposer-not-drawn'])
  if (positionOf(certifiers, state.duty.seat) === -1) return answer(['refused', 'not-drawn'])
  if (state.certified !== null) return answer(certifiedAnswer(state.duty, state.certified.certificate))
  const name = cid.toString()
  if (state.agreed.has(name)) return vote(state, from, view, cid)
  const running = state.reviews.get(name)
  if (running !== undefined) {
    const isWaiting = running.askers.some((asker) => asker.seat === from && asker.view === view)
    const askers = isWaiting ? running.askers : [...running.askers, { seat: from, view }]
    return same({ ...state, reviews: new Map(state.reviews).set(name, { ...running, askers }) })
  }
  const cause = `${view}:${from}`
  const caused = state.reviewsCaused.get(cause) ?? 0
  if (caused >= maxReviewsCaused) return answer(['refused', 'too-many-proposals'])
  // One proposal of a seat at a time: with the next one, nobody waits for the one before.
  for (const { askers } of state.reviews.values()) {
    if (askers.length === 1 && askers[0]!.seat === from) return answer(['later', 'examining-another'])
  }
  const decoded = decodeCheckpoint(payload)
  if (decoded.is === 'bad') return answer(['refused', `checkpoint-${decoded.code}`])
  const framed = checkFrame(state.duty.frame, decoded.value)
  if (framed.is !== 'accept') return answer(['refused', framed.code])
  const started = startReview(cid, decoded.value, heldProofs(state))
  const counted = { ...state, reviewsCaused: new Map(state.reviewsCaused).set(cause, caused + 1) }
  return afterReview(counted, { state: started.state, askers: [{ seat: from, view }] }, started.effects)
}

const onReview = (state: CertifierState, checkpoint: CID, event: ReviewEvent): CertifierStep => {
  const review = state.reviews.get(checkpoint.toString())
  if (review === undefined) return same(state)
  const step = stepReview(review.state, event, heldProofs(state))
  return afterReview(state, { ...review, state: step.state }, step.effects)
}

const afterReview = (
  state: CertifierState,
  review: Review,
  effects: readonly ReviewEffect[],
): CertifierStep => {
  const { cid, outcome, wants } = review.state
  const name = cid.toString()
  const reviews = new Map(state.reviews)
  if (outcome === null) {
    reviews.set(name, review)
    const from = review.askers[0]!.seat
    return {
      state: { ...state, reviews },
      effects: effects.map((effect) => ({ is: 'review', checkpoint: cid, from, effect })),
    }
  }
  reviews.delete(name)
  const ended: CertifierState = { ...state, reviews }
  if (outcome.is === 'agrees') {
    const agreed = { ...ended, agreed: new Set([...state.agreed, name]) }
    return review.askers.reduce(
      (step, { seat, view }) => chain(step, (next) => vote(next, seat, view, cid)),
      same(agreed),
    )
  }
  const answer: ProposalAnswer = outcome.is === 'wants' ? wantsAnswer(wants) : ['refused', outcome.code]
  return {
    state: ended,
    effects: review.askers.map(({ seat, view }) => ({
      is: 'answer',
      to: seat,
      view,
      checkpoint: cid,
      answer,
    })),
  }
}

/** R-CP-3: recorded before it is signed; the same vote again is the same bytes. Nothing once a certificate is known. */
const vote = (state: CertifierState, to: Seat, view: number, checkpoint: CID): CertifierStep => {
  const { duty, votes, certified } = state
  if (certified !== null) {
    const answer = certifiedAnswer(duty, certified.certificate)
    return { state, effects: to === duty.seat ? [] : [{ is: 'answer', to, view, checkpoint, answer }] }
  }
  const { networkId, week, freezeHash } = duty.frame
  if (isVoided(duty.voided ?? [], week, checkpoint)) {
    const answer: ProposalAnswer = ['refused', 'voided']
    return { state, effects: [{ is: 'answer', to, view, checkpoint, answer }] }
  }
  const isRecorded = votes.some((old) => old.view === view && old.checkpoint.equals(checkpoint))
  return {
    state: isRecorded ? state : { ...state, votes: [...votes, { view, checkpoint }] },
    effects: [
      {
        is: 'vote',
        to,
        view,
        checkpoint,
        message: voteMessage(networkId, { week, view, checkpoint, freezeHash }),
      },
    ],
  }
}

const certifiedAnswer = (duty: CertifierDuty, certificate: Certificate): ProposalAnswer => [
  'certified',
  encodeCertificate(duty.frame.networkId, certificate),
]

const onAnswered = (
  state: CertifierState,
  { from, view, checkpoint, answer }: Extract<CertifierEvent, { is: 'answered' }>,
  bls: Pick<BlsVerifier, 'verifyAggregate'>,
): CertifierStep => {
  const { proposing, duty } = state
  if (answer?.[0] === 'certified') {
    const decoded = decodeCertificate(answer[1])
    if (decoded.is === 'ok' && decoded.value.networkId === duty.frame.networkId) {
      const heard = onCertificate(state, decoded.value.certificate, bls)
      if (heard.state.certified !== null) return heard
    }
  }
  const isCurrent =
    proposing !== null &&
    proposing.view === view &&
    proposing.payload !== null &&
    proposing.payload.cid.equals(checkpoint)
  if (!isCurrent || proposing.stage === 'aggregating') return same(state)
  const certifier = state.views[view]!.find(({ seat }) => seat === from)
  if (certifier === undefined) return same(state)
  if (answer?.[0] === 'wants') return propose(state, { is: 'wants', from, wants: readWants(answer) })
  if (answer === null) return propose(state, { is: 'silence', from })
  if (answer[0] !== 'vote') return propose(state, { is: 'nothing', from })
  const { networkId, week, freezeHash } = duty.frame
  const message = voteMessage(networkId, { week, view, checkpoint, freezeHash })
  const [, signature] = answer
  if (!bls.verifyAggregate([certifier.bls], message, signature))
    return propose(state, { is: 'nothing', from })
  const voted = propose(state, { is: 'vote', from, signature })
  const certifiers = state.views[view]!
  const { votes } = voted.state.proposing!
  if (!isEnough(votes.size, certifiers.length)) return voted
  return {
    // What the round would have done next is no longer needed.
    state: { ...voted.state, proposing: { ...voted.state.proposing!, stage: 'aggregating' } },
    effects: [{ is: 'aggregate', view, checkpoint, signatures: [...votes.values()] }],
  }
}

const onAggregated = (
  state: CertifierState,
  { view, checkpoint, signature }: Extract<CertifierEvent, { is: 'aggregated' }>,
  bls: Pick<BlsVerifier, 'verifyAggregate'>,
): CertifierStep => {
  const { proposing } = state
  if (proposing?.stage !== 'aggregating' || proposing.view !== view) return same(state)
  const certifiers = state.views[view]!
  const positions = new Set([...proposing.votes.keys()].map((seat) => positionOf(certifiers, seat)))
  const certificate: Certificate = {
    week: state.duty.frame.week,
    view,
    checkpoint,
    signers: signersOf(positions, certifiers.length),
    signature,
  }
  const done = { ...state, proposing: { ...proposing, stage: 'done' as const } }
  return chain(onCertificate(done, certificate, bls), (next) => ({
    state: next,
    effects:
      next.certified === null
        ? []
        : [{ is: 'publish', certificate: encodeCertificate(state.duty.frame.networkId, certificate) }],
  }))
}

/**
 * R-CP-4: what gossip does with a certificate of the week in work. A view that is not open here may be open where it comes
 * from: nodes' heights differ by some blocks. And one that does not hold here may hold on another branch of the chain, which
 * has another block F and with it other certifiers: no sender is held to account for either.
 */
export const judgeCertificate = (
  state: CertifierState,
  certificate: Certificate,
  bls: Pick<BlsVerifier, 'verifyAggregate'>,
): Validation => {
  const { frame, params } = state.duty
  if (certificate.week !== frame.week) return ignoreUnverified('certificate-of-another-week')
  if (isVoided(state.duty.voided ?? [], certificate.week, certificate.checkpoint))
    return ignore('certificate-voided')
  if (state.certified !== null) return ignoreUnverified('certificate-known')
  if (certificate.view > lastView(params)) return reject('certificate-no-such-view')
  const certifiers = state.views[certificate.view]
  if (certifiers === undefined) return ignoreUnverified('certificate-early')
  const checked = checkCertificate(frame.networkId, certificate, certifiers, frame.freezeHash, bls)
  return checked.is === 'reject' ? ignoreUnverified(checked.code) : checked
}

/** R-CP-4: the first valid certificate ends voting here; the chain decides between several (R-CP-5). */
const onCertificate = (
  state: CertifierState,
  certificate: Certificate,
  bls: Pick<BlsVerifier, 'verifyAggregate'>,
): CertifierStep => {
  if (judgeCertificate(state, certificate, bls).is !== 'accept') return same(state)
  const { duty } = state
  const certifiers = state.views[certificate.view]!
  const position = positionOf(certifiers, duty.seat)
  const turn = position === -1 ? null : state.height + position * postBlocks
  const answer = certifiedAnswer(duty, certificate)
  const waiting = [...state.reviews.values()].flatMap(({ state: { cid }, askers }) =>
    askers.map(({ seat, view }): CertifierEffect => ({
      is: 'answer',
      to: seat,
      view,
      checkpoint: cid,
      answer,
    })),
  )
  const certified: CertifierState = {
    ...state,
    reviews: new Map(),
    proposing: null,
    certified: { certificate, turn, isPosted: false },
  }
  return chain(
    {
      state: certified,
      effects: [...waiting, { is: 'anchor-due', memo: formatAnchor(certificate), turn }],
    },
    takePostTurn,
  )
}

const takePostTurn = (state: CertifierState): CertifierStep => {
  const { certified } = state
  if (certified === null || certified.isPosted || certified.turn === null || state.height < certified.turn) {
    return same(state)
  }
  return {
    state: { ...state, certified: { ...certified, isPosted: true } },
    effects: [{ is: 'post-anchor', memo: formatAnchor(certified.certificate) }],
  }
}
