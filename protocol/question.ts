import { z } from 'zod'
import { equalBytes } from './bytes.ts'
import type { ChallengeTerms } from './challenge.ts'
import { decodeCanonical, encodeCanonical } from './codec.ts'
import { bytesOf, EpochNumber, NetworkId, SeatNumber } from './ids.ts'
import { type Sign, type Signed, signedBytes, signPayload, type VerifyEd25519 } from './signed.ts'
import { accept, reject, type Validation } from './validation.ts'

/** Length of the number that a process draws at its start, so that two with one key can be told apart (R-PROBE-1). */
export const instanceBytes = 16

/** What a challenger signs when it asks (R-CHAL-1). The target's stake is the registry's. */
export interface Question extends Omit<ChallengeTerms, 'targetStake'> {
  /** Of the process that asks, 16 bytes. */
  instance: Uint8Array
}

/** 1 for the array, 34 for the network id, 5 for each of three integers, 34 for beacon and nonce each, 17 for the instance. */
export const maxQuestionBytes = 135

const QuestionRow = z.tuple([
  NetworkId,
  EpochNumber,
  bytesOf(32),
  SeatNumber,
  SeatNumber,
  bytesOf(32),
  bytesOf(instanceBytes),
])

export const encodeQuestion = (question: Question): Uint8Array =>
  encodeCanonical([
    question.networkId,
    question.epoch,
    question.beacon,
    question.targetSeat,
    question.challengerSeat,
    question.nonce,
    question.instance,
  ])

/** Reads the payload of a question; null if it is not canonical or not of that shape. */
export const decodeQuestion = (payload: Uint8Array): Question | null => {
  const decoded = decodeCanonical(QuestionRow, payload, maxQuestionBytes)
  if (decoded.is === 'bad') return null
  const [networkId, epoch, beacon, targetSeat, challengerSeat, nonce, instance] = decoded.value
  return { networkId, epoch, beacon, targetSeat, challengerSeat, nonce, instance }
}

/** R-CHAL-1: returns a question signed by the challenger, kind `ask`. */
export const signQuestion = (question: Question, sign: Sign): Signed =>
  signPayload('ask', question.networkId, encodeQuestion(question), sign)

/** R-CHAL-1: whether the challenger's key of snapshot(e) signed the question. */
export const isQuestionSigned = (
  networkId: NetworkId,
  challengerKey: Uint8Array,
  signed: Signed,
  verify: VerifyEd25519,
): boolean => verify(challengerKey, signedBytes('ask', networkId, signed.payload), signed.signature)

/**
 * R-CHAL-1: what a target shows that refuses with `second-nonce`. It is a proof if it asks the same of the same target,
 * under the same key, with another nonce: the challenger has one for each, so another process asked. Who shows anything
 * else has answered badly.
 */
export const checkSecondQuestion = (
  own: Question,
  ownKey: Uint8Array,
  shown: Signed,
  verify: VerifyEd25519,
): Validation<Question> => {
  const question = decodeQuestion(shown.payload)
  if (question === null) return reject('question-form')
  const isOfSameVisit =
    question.networkId === own.networkId &&
    question.epoch === own.epoch &&
    equalBytes(question.beacon, own.beacon) &&
    question.targetSeat === own.targetSeat &&
    question.challengerSeat === own.challengerSeat
  if (!isOfSameVisit) return reject('question-terms')
  if (equalBytes(question.nonce, own.nonce)) return reject('question-same-nonce')
  if (!isQuestionSigned(own.networkId, ownKey, shown, verify)) return reject('question-signature')
  return accept(question)
}
