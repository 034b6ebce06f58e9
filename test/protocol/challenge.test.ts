import { createHash } from 'node:crypto'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type ChallengeTerms,
  checkReceipt,
  concatBytes,
  createDigest,
  createStream,
  decodeReceipt,
  decodeSigned,
  drawSamples,
  encodeCanonical,
  encodeReceipt,
  encodeSigned,
  hash,
  maxReceiptBytes,
  type NetworkId,
  samplesOf,
  signedBytes,
  signPayload,
  verifyEd25519,
} from '../../protocol/index.ts'
import { uniformityTest } from '../../src/cli/chi-square.ts'
import { networkId, nodeOf, seedOf } from './fixture.ts'

const target = nodeOf(7)
const termsOf = (changes: Partial<ChallengeTerms> = {}): ChallengeTerms => ({
  networkId,
  epoch: 3,
  beacon: seedOf('beacon'),
  targetSeat: target.seat,
  targetStake: target.stake,
  challengerSeat: 12,
  nonce: seedOf('nonce'),
  ...changes,
})

describe('R-CHAL-2 samples', () => {
  test('R-CHAL-2 height and then transaction, in this order, from one stream', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        fc.integer({ min: 1, max: 5_000 }),
        (nonce, last) => {
          const terms = termsOf({ nonce })
          const countOf = (height: number) => 1 + (height % 7)
          const stream = createStream(
            hash('sample', terms.beacon, terms.targetSeat, terms.challengerSeat, nonce),
          )
          const samples = samplesOf(terms, 64, last, countOf)
          expect(samples).toHaveLength(64)
          for (const { height, index } of samples) {
            expect(height).toBe(1 + stream.below(last))
            expect(index).toBe(stream.below(countOf(height)))
          }
        },
      ),
      { numRuns: 30 },
    )
  })

  test('R-CHAL-2 drawn step by step they are the same', () => {
    const drawing = drawSamples(termsOf(), 64, 900)
    let step = drawing.next()
    while (step.done !== true) step = drawing.next(3)
    expect(step.value).toEqual(samplesOf(termsOf(), 64, 900, () => 3))
  })

  test('R-CHAL-2 no two of target, challenger, nonce and beacon draw alike', () => {
    const of = (changes: Partial<ChallengeTerms>) =>
      JSON.stringify(samplesOf(termsOf(changes), 8, 100_000, () => 5))
    const drawn = new Set([
      of({}),
      of({ targetSeat: 12, challengerSeat: 7 }),
      of({ targetSeat: 8 }),
      of({ challengerSeat: 13 }),
      of({ nonce: seedOf('another') }),
      of({ beacon: seedOf('another') }),
    ])
    expect(drawn.size).toBe(6)
  })

  test('R-CHAL-2 heights are uniform, transactions are uniform in their block, and not over the chain', () => {
    const last = 101
    const countOf = (height: number) => (height % 2 === 0 ? 1 : 3)
    const heights = new Uint32Array(last)
    const indexes = [0, 0, 0]
    let crowded = 0
    let drawn = 0
    for (let round = 0; round < 3_000; round++) {
      for (const { height, index } of samplesOf(
        termsOf({ nonce: seedOf('draw', round) }),
        64,
        last,
        countOf,
      )) {
        drawn++
        heights[height - 1]!++
        if (countOf(height) === 3) {
          crowded++
          indexes[index]!++
        } else expect(index).toBe(0)
      }
    }
    expect(uniformityTest(heights, drawn).pValue).toBeGreaterThan(1e-3)
    expect(uniformityTest(indexes, crowded).pValue).toBeGreaterThan(1e-3)
    // 51 odd and 50 even heights: over transactions the odd ones would have 153 of 203.
    expect(crowded / drawn).toBeCloseTo(51 / 101, 2)
  })
})

describe('R-CHAL-3 digest', () => {
  test('R-CHAL-3 is SHA-256 over the terms, then length and bytes of each transaction', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 600 }), { maxLength: 6 }), (transactions) => {
        const terms = termsOf()
        const builder = createDigest(terms)
        const expected = createHash('sha256').update(
          encodeCanonical(['response', networkId, 3, 7, terms.targetStake, 12, terms.nonce]),
        )
        for (const raw of transactions) {
          builder.add(raw)
          const length = Buffer.alloc(4)
          length.writeUInt32BE(raw.length)
          expected.update(length).update(raw)
        }
        expect(builder.finish()).toEqual(new Uint8Array(expected.digest()))
      }),
    )
  })

  test('R-CHAL-3 where one transaction ends and the next begins is part of it', () => {
    const digestOf = (...raws: Uint8Array[]) => {
      const builder = createDigest(termsOf())
      for (const raw of raws) builder.add(raw)
      return builder.finish()
    }
    expect(digestOf(Uint8Array.of(1, 2), Uint8Array.of(3))).not.toEqual(
      digestOf(Uint8Array.of(1), Uint8Array.of(2, 3)),
    )
    expect(digestOf(new Uint8Array(0))).not.toEqual(digestOf())
  })
})

describe('R-CHAL-5', () => {
  const last = 500
  const chain = {
    countOf: (height: number) => 1 + (height % 4),
    read: (height: number, index: number) => seedOf('raw', height, index),
  }
  const digestOver = (terms: ChallengeTerms, read = chain.read) => {
    const builder = createDigest(terms)
    for (const { height, index } of samplesOf(terms, 64, last, chain.countOf))
      builder.add(read(height, index))
    return builder.finish()
  }

  test('R-CHAL-5 two nodes with the same chain compute the same digest; one sampled transaction more or less shows', () => {
    const terms = termsOf()
    expect(digestOver(terms)).toEqual(digestOver({ ...terms }))
    const [missing] = samplesOf(terms, 64, last, chain.countOf)
    const lacking = (height: number, index: number) =>
      height === missing!.height && index === missing!.index ? new Uint8Array(32) : chain.read(height, index)
    expect(digestOver(terms, lacking)).not.toEqual(digestOver(terms))
  })

  test('R-CHAL-5 a digest for another challenger, target or nonce is of no use', () => {
    const digests = [
      termsOf(),
      termsOf({ challengerSeat: 13 }),
      termsOf({ targetSeat: 8 }),
      termsOf({ nonce: seedOf('n') }),
    ].map((terms) => digestOver(terms).join())
    expect(new Set(digests).size).toBe(4)
  })
})

describe('R-CHAL-4 receipt', () => {
  const terms = termsOf()
  const receipt = { ...terms, digest: seedOf('digest') }
  const signed = signPayload('receipt', networkId, encodeReceipt(receipt), target.sign)

  test('R-CHAL-4 of these terms and the target, it is accepted with its digest', () => {
    const checked = checkReceipt(terms, target.peer, signed, verifyEd25519)
    expect(checked).toEqual({ is: 'accept', value: receipt })
    expect(decodeReceipt(signed.payload)).toEqual(receipt)
    expect(encodeSigned(signed).length).toBeLessThanOrEqual(242)
  })

  test.each([
    ['network', { networkId: 'f'.repeat(32) as NetworkId }],
    ['epoch', { epoch: 4 }],
    ['beacon', { beacon: seedOf('other') }],
    ['target', { targetSeat: 8 }],
    ['stake', { targetStake: seedOf('other').slice(0, 20) }],
    ['challenger', { challengerSeat: 13 }],
    ['nonce', { nonce: seedOf('other') }],
  ] as [string, Partial<ChallengeTerms>][])('R-CHAL-4 of another %s, it is refused', (_, change) => {
    expect(checkReceipt({ ...terms, ...change }, target.peer, signed, verifyEd25519)).toEqual({
      is: 'reject',
      code: 'receipt-terms',
    })
  })

  test('R-SIG-1 the signature is of its kind, network, key and payload', () => {
    const bySomebody = {
      ...signed,
      signature: nodeOf(8).sign(signedBytes('receipt', networkId, signed.payload)),
    }
    const asAttestation = signPayload('att', networkId, signed.payload, target.sign)
    const otherNetwork = signPayload('receipt', 'f'.repeat(32) as NetworkId, signed.payload, target.sign)
    for (const wrong of [bySomebody, asAttestation, otherNetwork]) {
      expect(checkReceipt(terms, target.peer, wrong, verifyEd25519)).toEqual({
        is: 'reject',
        code: 'receipt-signature',
      })
    }
    expect(signedBytes('receipt', networkId, Uint8Array.of(1, 2))).toEqual(
      concatBytes(new TextEncoder().encode(`secnode:receipt:${networkId}`), Uint8Array.of(0, 1, 2)),
    )
  })

  test('R-CHAL-4 whatever is no receipt is refused', () => {
    const forms = [
      new Uint8Array(0),
      encodeCanonical([]),
      new Uint8Array(maxReceiptBytes + 1),
      signed.payload.slice(1),
    ]
    for (const payload of forms) {
      expect(checkReceipt(terms, target.peer, { ...signed, payload }, verifyEd25519).is).toBe('reject')
    }
    expect(decodeSigned(encodeSigned({ ...signed, payload: new Uint8Array(600) }), maxReceiptBytes).is).toBe(
      'bad',
    )
  })
})
