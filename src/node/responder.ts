import { LRUCache } from 'lru-cache'
import {
  bytesToHex,
  challengeAnswerCodec,
  type ChallengeAnswer,
  challengeRequestCodec,
  challengersOf,
  type ChallengeRequest,
  type ChallengeTerms,
  decodeQuestion,
  encodeReceipt,
  type Epoch,
  equalBytes,
  evidenceAnswerCodec,
  type EvidenceAnswer,
  evidenceRequestCodec,
  indexOfSeat,
  isQuestionSigned,
  maxBusyAnswers,
  peerIdOfKey,
  protocols,
  type Seat,
  type Signed,
  signPayload,
  type Snapshot,
} from '../../protocol/index.ts'
import { createLimit } from '../async/limit.ts'
import { createSerial } from '../async/serial.ts'
import { messageOf } from '../errors.ts'
import type { NodeContext } from './context.ts'
import { digestOf } from '../week/digests.ts'
import type { EpochContext } from '../week/epoch-book.ts'
import { challengerDuty } from './duties.ts'

/** Answers challenges and serves evidence. */
export interface Responder {
  /** Challengers of an epoch that asked since the start, whatever they were answered; of the last epochs only. */
  askedBy(epoch: Epoch): ReadonlySet<Seat>
}

/** Digests computed at once: each reads 64 blocks, and challengers of an epoch come at random moments. */
const maxDigests = 4

/** As many as a committee has at most, twice: one that gave up may ask again while its first question waits. */
const maxWaitingDigests = 96

/** As many names as two epochs have at most. */
const rememberedBusy = 96

/** Epochs whose askers are remembered: the current one, and those about which attestations still come. */
const rememberedEpochs = 3

const refused = (code: string): ChallengeAnswer => ['refused', code]

export const startResponder = async (node: NodeContext, isCaughtUp: () => boolean): Promise<Responder> => {
  /** How often each challenger of an epoch was told that digests are computed for others. */
  const busyTold = new LRUCache<string, number>({ max: rememberedBusy })
  const digests = createLimit({ maxRunning: maxDigests, maxWaiting: maxWaitingDigests })
  const isOwed = challengerDuty(node)
  const askers = new Map<Epoch, Set<Seat>>()
  const noteAsker = (epoch: Epoch, seat: Seat): void => {
    for (const old of askers.keys()) if (old <= epoch - rememberedEpochs) askers.delete(old)
    const seats = askers.get(epoch) ?? new Set()
    askers.set(epoch, seats.add(seat))
  }
  /** Answers to one challenger come one after the other, so no second nonce is signed (R-CHAL-1). */
  const answering = createSerial()

  /** What no honest node of this branch says: it knows its own seat and whom it challenges. */
  const lie = (peerKey: Uint8Array, code: string): ChallengeAnswer => {
    node.host.penalise(peerKey, 'false-data')
    return refused(code)
  }

  const answerChallenge = async (
    request: ChallengeRequest,
    peerKey: Uint8Array,
    signal: AbortSignal,
  ): Promise<ChallengeAnswer> => {
    const [, payload, signature] = request
    const signed = { payload, signature }
    const question = decodeQuestion(payload)
    if (question === null) return lie(peerKey, 'question-form')
    const { networkId, epoch: epochNumber, beacon, targetSeat, challengerSeat } = question
    if (networkId !== node.networkId) return lie(peerKey, 'wrong-network')
    const current = node.epochs.current()
    if (current === null || epochNumber > current) return ['later', isCaughtUp() ? 'not-yet' : 'behind']
    // The one before is still answered: a challenger whose chain lags by minutes is owed an answer all the same.
    if (epochNumber < current - 1) return refused('epoch-over')
    const epoch = await node.epochs.get(epochNumber)
    if (epoch === undefined) return ['later', 'behind']
    // Another branch of the chain: one of the two will come round.
    if (!equalBytes(epoch.beacon, beacon)) return ['later', 'behind']
    const ownSeat = node.ownSeat()
    if (ownSeat === undefined || targetSeat !== ownSeat) return refused('wrong-seat')
    // Of an epoch in which the chain gives the seat to another key, a receipt would be that key's to give (R-ATT-8).
    const own = node.ownRowIn(epoch)
    if (own === undefined || !equalBytes(own.stake, node.stake)) return refused('wrong-seat')
    const challenger = epoch.rowOf(challengerSeat)
    if (challenger === undefined || !equalBytes(challenger.peer, peerKey))
      return lie(peerKey, 'not-a-challenger')
    if (!isChallengerOf(epoch.snapshot, epoch.committees, ownSeat, challengerSeat)) {
      return lie(peerKey, 'not-a-challenger')
    }
    // Before anything is read from the disk.
    if (!isQuestionSigned(networkId, challenger.peer, signed, node.verifier.verify)) {
      return lie(peerKey, 'question-signature')
    }
    noteAsker(epochNumber, challengerSeat)
    const terms = { ...question, targetStake: own.stake }
    return await answering.run(`${epochNumber}:${challengerSeat}`, () => give(epoch, terms, signed, signal))
  }

  /** The receipt for a challenger's first nonce, or again the one that it was given. */
  const give = async (
    epoch: EpochContext,
    terms: ChallengeTerms,
    question: Signed,
    signal: AbortSignal,
  ): Promise<ChallengeAnswer> => {
    const { challengerSeat, nonce } = terms
    const given = await node.work.getReceipt(epoch.epoch, epoch.beacon, challengerSeat)
    if (given !== undefined) {
      const { question: answered, receipt } = given
      return equalBytes(decodeQuestion(answered.payload)!.nonce, nonce)
        ? ['receipt', receipt.payload, receipt.signature]
        : ['refused', 'second-nonce', answered.payload, answered.signature]
    }
    if (mustAskLater(`${epoch.epoch}:${bytesToHex(epoch.beacon)}:${challengerSeat}`)) return ['later', 'busy']
    return await digests.run(() => solve(epoch, terms, question, signal), signal)
  }

  /** R-CHAL-1: while digests are computed for others, each challenger is told "busy" twice at most; then it waits here. */
  const mustAskLater = (challenger: string): boolean => {
    const told = busyTold.get(challenger) ?? 0
    if (digests.running() < maxDigests || told >= maxBusyAnswers) return false
    busyTold.set(challenger, told + 1)
    return true
  }

  const solve = async (
    epoch: EpochContext,
    terms: ChallengeTerms,
    question: Signed,
    signal: AbortSignal,
  ): Promise<ChallengeAnswer> => {
    const begunMs = node.world.monotonicMs()
    const chain = {
      transactionCountAt: (height: number) => node.chain.transactionCountAt(height),
      readTransaction: node.conduct.readTransaction,
    }
    const digest = await digestOf(node.genesis, terms, epoch.params.samples, chain, signal)
    if (!node.epochs.isCanonical(epoch)) return ['later', 'behind']
    const payload = encodeReceipt({ ...terms, digest })
    const receipt = signPayload('receipt', node.networkId, payload, node.keys.sign)
    await node.work.putReceipt(epoch.epoch, epoch.beacon, terms.challengerSeat, { question, receipt })
    node.metrics.answerSeconds.observe((node.world.monotonicMs() - begunMs) / 1_000)
    return ['receipt', receipt.payload, receipt.signature]
  }

  await node.host.handle(
    protocols.challenge,
    {
      maxRequestBytes: challengeRequestCodec.maxBytes,
      maxResponseBytes: challengeAnswerCodec.maxBytes,
      // The longest deadline a schedule may set: the challenger's own is what counts.
      timeoutMs: 60_000,
      maxConcurrentPerPeer: 4,
      // For those that are no challengers: they learn that with a comparison.
      maxConcurrent: 16,
      dutyOf: isOwed,
      onBusy: challengeAnswerCodec.encode(['later', 'busy']),
    },
    async (bytes, { peerKey, signal }) => {
      const request = challengeRequestCodec.decode(bytes)
      if (request.is === 'bad') {
        node.metrics.messages.inc({ kind: 'challenge', outcome: 'reject', code: request.code })
        node.host.penalise(peerKey, 'malformed-exchange')
        return challengeAnswerCodec.encode(refused(request.code))
      }
      let value: ChallengeAnswer
      try {
        value = await answerChallenge(request.value, peerKey, signal)
      } catch (error) {
        signal.throwIfAborted()
        node.logger.warn({ err: error, peer: peerIdOfKey(peerKey) }, 'a challenge could not be answered')
        value = ['later', 'behind']
      }
      node.metrics.challengesAnswered.inc({ answer: value[0] === 'receipt' ? 'receipt' : value[1] })
      if (value[0] === 'refused') {
        node.logger.debug({ code: value[1], peer: peerIdOfKey(peerKey) }, 'challenge refused')
      }
      return challengeAnswerCodec.encode(value)
    },
  )

  const serveEvidence = async (bytes: Uint8Array): Promise<EvidenceAnswer> => {
    const request = evidenceRequestCodec.decode(bytes)
    if (request.is === 'bad') return ['refused', request.code]
    const block = await node.evidence.get(request.value[1])
    return block === undefined ? ['unknown'] : ['evidence', block]
  }

  await node.host.handle(
    protocols.evidence,
    {
      maxRequestBytes: evidenceRequestCodec.maxBytes,
      maxResponseBytes: evidenceAnswerCodec.maxBytes,
      timeoutMs: 10_000,
      maxConcurrentPerPeer: 4,
      maxConcurrent: 32,
      dutyOf: isOwed,
      onBusy: evidenceAnswerCodec.encode(['refused', 'busy']),
    },
    async (bytes, { peerKey }) => {
      let answer: EvidenceAnswer
      try {
        answer = await serveEvidence(bytes)
      } catch (error) {
        node.logger.error({ err: error }, messageOf(error))
        answer = ['refused', 'failed']
      }
      if (answer[0] === 'refused' && answer[1] !== 'failed') {
        node.metrics.messages.inc({ kind: 'evidence', outcome: 'reject', code: answer[1] })
        node.host.penalise(peerKey, 'malformed-exchange')
      }
      return evidenceAnswerCodec.encode(answer)
    },
  )

  return { askedBy: (epoch) => askers.get(epoch) ?? new Set() }
}

/** R-CHAL-1: only the challengers that the beacon assigns. */
const isChallengerOf = (
  snapshot: Snapshot,
  committees: Parameters<typeof challengersOf>[0],
  targetSeat: number,
  challengerSeat: number,
): boolean =>
  challengersOf(committees, indexOfSeat(snapshot, targetSeat)).some(
    (index) => snapshot[index]!.seat === challengerSeat,
  )
