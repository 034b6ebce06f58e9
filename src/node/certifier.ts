import type { CID } from 'multiformats/cid'
import {
  type CertifierEffect,
  type CertifierEvent,
  type CertifierState,
  cidOf,
  equalBytes,
  type Height,
  type ProposalAnswer,
  proposalAnswerCodec,
  proposalRequestCodec,
  protocols,
  type Seat,
  stepCertifier,
  topicsOf,
  type Week,
} from '../../protocol/index.ts'
import { eitherOf } from '../async/abort.ts'
import { messageOf } from '../errors.ts'
import { aggregateVotes, type Bls, signVote } from '../keys/bls.ts'
import type { CheckpointStore } from '../store/checkpoints.ts'
import type { FrameParts } from '../week/anchored-frame.ts'
import type { SeatAddress } from './ask-seat.ts'
import { createCertificateDoor } from './certifier-certificates.ts'
import { createCertifierPeers } from './certifier-peers.ts'
import { createProposing, proposalTimeoutMs } from './certifier-proposing.ts'
import { createReviewing } from './certifier-review.ts'
import {
  answerWaiting,
  type CertifierSteps,
  type CertifierWork,
  createCertifiableWeeks,
  endWork,
  waitingKey,
} from './certifier-work.ts'
import type { CheckpointData } from './checkpoint-data.ts'
import type { Collector } from './collector.ts'
import type { NodeContext } from './context.ts'
import { certifierDuty } from './duties.ts'
import type { Tasks } from './tasks.ts'

/** Drives the certifier's step function for the week that can be certified now (R-CP-2…5). */
export interface CertifierRole {
  /** Handlers and gossip. */
  start(): Promise<void>
  onHeight(): Promise<void>
  stop(): Promise<void>
  /** R-SYNC-2: asks a seat for the certificate of the week in work, unless it is known. Errors: those of `Host.request`. */
  askCertificate(row: SeatAddress, signal: AbortSignal): Promise<void>
  /** A certificate of the week in work, whether anchored or not. */
  certified(): { week: Week; memo: string } | null
  state(): CertifierState | null
}

export interface CertifierParts {
  collector: Collector
  data: CheckpointData
  checkpoints: CheckpointStore
  tasks: Tasks
  bls: Bls
  frame: FrameParts
  /** From `turn` on this node posts the anchor if it can; null for nodes that were not drawn. */
  onAnchorDue(memo: string, turn: Height | null): void
  postAnchor(memo: string, signal: AbortSignal): Promise<void>
}

/** Of all proposals that are being read: twenty whole ones of 40,000 seats, which at a rate of 1 MB/s are read in 32 s. */
const maxProposalBytes = 32 * 2 ** 20

export const createCertifierRole = (node: NodeContext, parts: CertifierParts): CertifierRole => {
  const { collector, data, checkpoints } = parts
  const certifiable = createCertifiableWeeks(node, parts.frame, collector, checkpoints)
  const stopping = new AbortController()
  let work: CertifierWork | null = null
  let isBeginning = false
  let lastMemo: { week: Week; memo: string } | null = null

  const peers = createCertifierPeers(node, collector, checkpoints)
  const steps = createSteps(
    node,
    parts,
    () => work,
    (...effect) => carryOut(...effect),
  )
  const certificates = createCertificateDoor(
    node,
    checkpoints,
    parts.bls,
    () => work,
    (current, certificate) => steps.step(current, { is: 'certificate', certificate }),
  )
  const carryOut = createHands(node, parts, {
    steps,
    review: createReviewing(data, peers, steps),
    propose: createProposing(node, data, peers, steps),
    keepCertificate: (bytes) => certificates.keep(bytes),
    onMemo: (week, memo) => (lastMemo = { week, memo }),
  })

  const end = (): void => {
    if (work !== null) endWork(work)
    work = null
  }

  const onHeight = async (): Promise<void> => {
    const record = certifiable.due()
    if (record === null) {
      end()
      return
    }
    const isSame =
      work !== null && work.week === record.week && equalBytes(work.freezeHash, record.freeze!.hash!)
    if (!isSame && !isBeginning) {
      end()
      isBeginning = true
      try {
        work = await certifiable.begin(record, stopping.signal)
        const known = await checkpoints.certificate(record.week)
        if (work !== null && known !== undefined) steps.step(work, { is: 'certificate', certificate: known })
      } finally {
        isBeginning = false
      }
    }
    if (work !== null) steps.step(work, { is: 'height', height: node.chain.confirmedHeight })
  }

  return {
    async start() {
      collector.onProof((proof) => {
        if (work !== null) steps.step(work, { is: 'proof', proof })
      })
      await data.serve(certifierDuty(() => work, { is: 'none' }))
      await serveProposals(node, () => work, steps)
      const { name } = topicsOf(node.networkId).certificates
      node.host.subscribe(name, (bytes, from) => certificates.take(bytes, from))
    },
    onHeight,
    async askCertificate(row, signal) {
      if (work === null || work.state.certified !== null) return
      const bytes = await peers.askCertificate(row, work.week, signal)
      const taken = bytes === null ? null : await certificates.take(bytes, null)
      if (taken?.is !== 'reject') return
      node.metrics.messages.inc({ kind: 'certificate', outcome: 'reject', code: taken.code })
      node.host.penalise(row.peer, 'false-data')
    },
    async stop() {
      stopping.abort(new Error('stopping'))
      end()
      await steps.idle()
    },
    certified: () => lastMemo,
    state: () => work?.state ?? null,
  }
}

/** Steps with events one after the other, and carries their effects out before the next. */
const createSteps = (
  node: NodeContext,
  { bls, tasks }: CertifierParts,
  certifying: () => CertifierWork | null,
  carryOut: (work: CertifierWork, effect: CertifierEffect) => Promise<void>,
): CertifierSteps & { idle(): Promise<void> } => {
  const stepping = new Set<Promise<void>>()

  const step = (work: CertifierWork, event: CertifierEvent): void => {
    const done = work.steps
      .run(async () => {
        if (work !== certifying()) return
        const stepped = stepCertifier(work.state, event, bls)
        work.state = stepped.state
        if (event.is === 'review') forgetSet(work, event.checkpoint)
        for (const effect of stepped.effects) await carryOut(work, effect)
      })
      .catch((error: unknown) => {
        if (!work.abort.signal.aborted) {
          node.logger.error({ err: error, week: work.week }, 'certifying a week failed')
        }
      })
      .finally(() => stepping.delete(done))
    stepping.add(done)
  }

  const forgetSet = (work: CertifierWork, checkpoint: CID): void => {
    const name = checkpoint.toString()
    if (!work.state.reviews.has(name)) work.sets.delete(name)
  }

  const beside = (
    work: CertifierWork,
    name: string,
    run: (signal: AbortSignal) => Promise<CertifierEvent>,
    failed: CertifierEvent,
  ): void => {
    const isTaken = tasks.run(name, async (signal) => {
      const either = eitherOf(signal, work.abort.signal)
      let event: CertifierEvent
      try {
        event = await run(either)
      } catch (error) {
        if (either.aborted) return
        node.logger.debug({ week: work.week, reason: messageOf(error) }, `${name} failed`)
        event = failed
      }
      step(work, event)
    })
    if (!isTaken) step(work, failed)
  }

  return {
    step,
    beside,
    async idle() {
      await Promise.all(stepping)
    },
  }
}

/** What effects need besides: the two sides of a proposal, and where its end goes. */
interface HandParts {
  steps: CertifierSteps
  review: ReturnType<typeof createReviewing>
  propose: ReturnType<typeof createProposing>
  keepCertificate: (bytes: Uint8Array) => Promise<void>
  onMemo: (week: Week, memo: string) => void
}

/** Carries out the effects of steps. */
const createHands = (
  node: NodeContext,
  parts: CertifierParts,
  { steps: { step }, review, propose, keepCertificate, onMemo }: HandParts,
): ((work: CertifierWork, effect: CertifierEffect) => Promise<void>) => {
  const { checkpoints, tasks } = parts

  /** The own answer is an event, those of others end the streams that wait for them. */
  const tell = (
    work: CertifierWork,
    to: Seat,
    view: number,
    checkpoint: CID,
    answer: ProposalAnswer,
  ): void => {
    const { seat } = work.state.duty
    if (to === seat) {
      step(work, { is: 'answered', from: seat, view, checkpoint, answer })
      return
    }
    answerWaiting(work, waitingKey(to, view, checkpoint), answer)
  }

  const isListedKey = ({ state: { duty } }: CertifierWork): boolean => {
    const listed = duty.seniors.find(({ seat }) => seat === duty.seat)
    return listed !== undefined && equalBytes(listed.bls, node.keys.blsPublicKey)
  }

  return async (work: CertifierWork, effect: CertifierEffect): Promise<void> => {
    switch (effect.is) {
      case 'answer':
        return tell(work, effect.to, effect.view, effect.checkpoint, effect.answer)
      case 'vote': {
        if (!node.signing.isOn()) return
        const { view, checkpoint } = effect
        // R-CP-2: votes are checked with the key in the list, which an announcement since may have replaced.
        if (!isListedKey(work)) {
          return tell(work, effect.to, view, checkpoint, ['refused', 'voting-key-replaced'])
        }
        // On disk before it is signed, so that a restart votes for nothing else by accident (R-CP-3).
        await checkpoints.recordVote(work.week, { view, checkpoint })
        const signature = signVote(node.keys.blsSecretKey, effect.message)
        node.metrics.certifierVotes.inc()
        return tell(work, effect.to, view, checkpoint, ['vote', signature])
      }
      case 'review':
        return review(work, effect.checkpoint, effect.from, effect.effect)
      case 'propose':
        return propose(work, effect.effect)
      case 'aggregate': {
        const { view, checkpoint } = effect
        const signature = aggregateVotes(effect.signatures)
        if (signature !== null) step(work, { is: 'aggregated', view, checkpoint, signature })
        return
      }
      case 'publish': {
        await node.host.publish(topicsOf(node.networkId).certificates.name, effect.certificate)
        return await keepCertificate(effect.certificate)
      }
      case 'anchor-due':
        onMemo(work.week, effect.memo)
        return parts.onAnchorDue(effect.memo, effect.turn)
      case 'post-anchor':
        tasks.run('post anchor', (signal) => parts.postAnchor(effect.memo, signal))
    }
  }
}

/** A proposal from another certifier: the stream waits until this one has examined it. */
const onProposal = async (
  node: NodeContext,
  current: CertifierWork | null,
  { step }: CertifierSteps,
  bytes: Uint8Array,
  peerKey: Uint8Array,
  signal: AbortSignal,
): Promise<ProposalAnswer> => {
  const request = proposalRequestCodec.decode(bytes)
  if (request.is === 'bad') {
    node.metrics.messages.inc({ kind: 'proposal', outcome: 'reject', code: request.code })
    node.host.penalise(peerKey, 'malformed-exchange')
    return ['refused', request.code]
  }
  if (current === null) return ['later', 'not-frozen']
  const [, view, from, payload] = request.value
  // Several seats may have announced one peer id (R-REG-4), so the key alone does not tell who proposes.
  const registered = current.seats[from]?.peer
  if (registered === undefined || !equalBytes(registered, peerKey)) return ['refused', 'proposer-key']
  const { promise, resolve } = Promise.withResolvers<ProposalAnswer>()
  const key = waitingKey(from, view, cidOf(payload))
  current.waiting.set(key, [...(current.waiting.get(key) ?? []), resolve])
  signal.addEventListener('abort', () => resolve(['later', 'busy']), { once: true })
  step(current, { is: 'proposed', from, view, payload })
  return node.conduct.answerProposal(from, await promise)
}

const serveProposals = (
  node: NodeContext,
  certifying: () => CertifierWork | null,
  steps: CertifierSteps,
): Promise<void> =>
  node.host.handle(
    protocols.propose,
    {
      maxRequestBytes: proposalRequestCodec.maxBytes,
      maxResponseBytes: proposalAnswerCodec.maxBytes,
      timeoutMs: proposalTimeoutMs,
      maxConcurrentPerPeer: 2,
      // For seats that ask before this node has the frozen week: it cannot tell yet whether they are drawn.
      maxConcurrent: 4,
      dutyOf: certifierDuty(certifying, { is: 'no-business' }),
      isForSeats: true,
      maxReadingBytes: maxProposalBytes,
      onBusy: proposalAnswerCodec.encode(['later', 'busy']),
    },
    async (bytes, { peerKey, signal }) =>
      proposalAnswerCodec.encode(await onProposal(node, certifying(), steps, bytes, peerKey, signal)),
  )
