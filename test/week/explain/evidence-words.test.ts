import { createHash } from 'node:crypto'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  answeredFault,
  challengeAnswerCodec,
  encodeReceipt,
  encodeSigned,
  type NetworkId,
  seenFault,
  Verdict,
} from '../../../protocol/index.ts'
import { answerHashOf, describeEntry } from '../../../src/week/explain/evidence-words.ts'

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
const bad = (response: Uint8Array) => answeredFault(Verdict.badReceipt, response, 11)

const receipt = {
  payload: encodeReceipt({
    networkId: '0'.repeat(32) as NetworkId,
    epoch: 7,
    beacon: new Uint8Array(32),
    targetSeat: 3,
    targetStake: new Uint8Array(20),
    challengerSeat: 4,
    nonce: new Uint8Array(32),
    digest: new Uint8Array(32).fill(0xab),
  }),
  signature: new Uint8Array(64),
}

describe('R-EVID-1 what a challenger saw', () => {
  test.each([
    ['what it wrote', seenFault(Verdict.timeout, 'no answer in 5 s'), /^no answer in 5 s$/],
    ['a receipt', { verdict: Verdict.valid, receipt } as const, /^receipt with digest abababababababab…$/],
    [
      'a receipt that is no receipt',
      { verdict: Verdict.valid, receipt: { ...receipt, payload: utf8('x') } } as const,
      /^something that is no receipt$/,
    ],
    [
      'a receipt with another digest',
      answeredFault(Verdict.wrongDigest, encodeSigned(receipt), 11),
      /^receipt with digest abababababababab…; SHA-256 /,
    ],
    [
      'a receipt of another question',
      bad(encodeSigned(receipt)),
      /^receipt of seat 3 for seat 4 and epoch 7 with digest abababababababab…; SHA-256 /,
    ],
    [
      'a refusal',
      bad(challengeAnswerCodec.encode(['refused', 'wrong-seat'])),
      /^refused with wrong-seat; SHA-256 /,
    ],
    ['text', bad(utf8('HTTP/1.1 404\r\nnot here')), /^answer "HTTP\/1\.1 404 not here"; SHA-256 /],
    ['long text', bad(utf8('a'.repeat(1_000))), /^answer "a{100}…"; SHA-256 /],
    [
      'other bytes',
      bad(Uint8Array.of(0xff, 0, 1)),
      /^answer of 3 bytes or more, beginning ff0001…; SHA-256 /,
    ],
  ])('%s', (_, entry, expected) => {
    expect(describeEntry(entry)).toMatch(expected)
  })

  test('whatever the answer, the words are printable and the hash is that of all of it', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2_000 }), (response) => {
        const entry = bad(response)
        expect(describeEntry(entry)).toMatch(/^[ -~…]+$/)
        expect(answerHashOf(entry)).toBe(createHash('sha256').update(response).digest('hex'))
      }),
    )
  })
})
