import {
  bytesToHex,
  challengeAnswerCodec,
  challengeRequestCodec,
  type ChallengeTerms,
  dialBackAnswerCodec,
  dialBackRequestCodec,
  probeMessage,
  type Question,
  type Sign,
  signQuestion,
} from '../../protocol/index.ts'
import { encodeQuestion } from '../../protocol/question.ts'

const hex = bytesToHex

/** R-CHAL-1, R-MSG-1: a question, the same in another process's name, and what a target that knows that one says. */
export const questionVector = (
  terms: ChallengeTerms,
  sign: Sign,
  secretOf: (label: string) => Uint8Array,
) => {
  const { targetStake: _, ...asked } = terms
  const question: Question = { ...asked, instance: secretOf('instance').slice(0, 16) }
  const other: Question = {
    ...question,
    nonce: secretOf('another nonce'),
    instance: secretOf('another instance').slice(0, 16),
  }
  const signed = signQuestion(question, sign)
  const shown = signQuestion(other, sign)
  const vector = (of: Question, { payload, signature }: typeof signed) => ({
    nonce: hex(of.nonce),
    instance: hex(of.instance),
    payload: hex(encodeQuestion(of)),
    signature: hex(signature),
    request: hex(challengeRequestCodec.encode(['challenge', payload, signature])),
  })
  return {
    question: vector(question, signed),
    other: vector(other, shown),
    refusal: hex(challengeAnswerCodec.encode(['refused', 'second-nonce', shown.payload, shown.signature])),
  }
}

/** R-PROBE-1, R-DIAL-1: what an answer to a probe signs, and the question and answer by which another brings it back. */
export const probeVector = (
  { networkId, targetSeat, targetStake }: ChallengeTerms,
  host: string,
  sign: Sign,
  secretOf: (label: string) => Uint8Array,
) => {
  const nonce = secretOf('probe nonce')
  const exporter = secretOf('exporter')
  const instance = secretOf('instance').slice(0, 16)
  const message = probeMessage(networkId, { host, nonce, exporter, instance, ruleset: 1, signs: true })
  const signature = sign(message)
  return {
    host,
    nonce: hex(nonce),
    exporter: hex(exporter),
    instance: hex(instance),
    ruleset: 1,
    signs: true,
    signedBytes: hex(message),
    signature: hex(signature),
    dialBack: hex(
      dialBackRequestCodec.encode(['dial-back', host, 9_000, 443, targetSeat, targetStake, nonce]),
    ),
    dialled: hex(
      dialBackAnswerCodec.encode([
        'dialled',
        Uint8Array.of(198, 51, 100, targetSeat),
        1_795_000_000,
        [0, ''],
        [0, ''],
        [exporter, instance, 1, true, signature],
      ]),
    ),
  }
}
