import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  challengeAnswerCodec,
  challengeRequestCodec,
  cidOf,
  concatBytes,
  decodeAttestation,
  decodeEvidence,
  decodeReceipt,
  decodeSigned,
  dialBackAnswerCodec,
  dialBackRequestCodec,
  encodeCanonical,
  evidenceAnswerCodec,
  evidenceRequestCodec,
  maxAttestationBytes,
  maxEvidenceBytes,
  maxReceiptBytes,
  maxSyncAttestations,
  type NetworkId,
  protocols,
  syncAnswerCodec,
  syncRequestCodec,
  topicsOf,
  unseated,
  validateProof,
} from '../../protocol/index.ts'
import type { MessageCodec } from '../../protocol/messages.ts'
import { maxQuestionBytes } from '../../protocol/question.ts'
import { processorMs } from '../fixtures/processor-time.ts'
import { networkId, seedOf } from './fixture.ts'

const cid = cidOf(seedOf('block'))
const beacon = seedOf('beacon')
const signature = new Uint8Array(64).fill(7)

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- the codecs differ in their messages only
type AnyCodec = MessageCodec<never>
const messages: [name: string, codec: AnyCodec, message: readonly unknown[]][] = [
  ['challenge', challengeRequestCodec, ['challenge', new Uint8Array(maxQuestionBytes), signature]],
  [
    'second-nonce',
    challengeAnswerCodec,
    ['refused', 'second-nonce', new Uint8Array(maxQuestionBytes), signature],
  ],
  ['a receipt', challengeAnswerCodec, ['receipt', new Uint8Array(173), signature]],
  ['later', challengeAnswerCodec, ['later', 'busy']],
  ['refused', challengeAnswerCodec, ['refused', 'wrong-seat']],
  ['evidence', evidenceRequestCodec, ['evidence', cid]],
  ['an evidence block', evidenceAnswerCodec, ['evidence', new Uint8Array(maxEvidenceBytes)]],
  ['unknown', evidenceAnswerCodec, ['unknown']],
  ['evidence refused', evidenceAnswerCodec, ['refused', 'busy']],
  ['roots', syncRequestCodec, ['roots', 70_000, 64]],
  ['held', syncRequestCodec, ['held', 1, beacon]],
  [
    'fetch',
    syncRequestCodec,
    ['fetch', 1, beacon, Array.from({ length: maxSyncAttestations }, (_, i) => 0xffff_ffff - i)],
  ],
  ['of-seat', syncRequestCodec, ['of-seat', 5, 3, 42]],
  ['proofs', syncRequestCodec, ['proofs', 3, 42]],
  ['roots held', syncAnswerCodec, ['roots', [[1, beacon, 40_000, seedOf('root')]]]],
  ['bits', syncAnswerCodec, ['held', new Uint8Array(5_000)]],
  [
    'attestations',
    syncAnswerCodec,
    [
      'attestations',
      Array.from({ length: maxSyncAttestations }, () => [new Uint8Array(maxAttestationBytes), signature]),
    ],
  ],
  ['proof bytes', syncAnswerCodec, ['proofs', [new Uint8Array(2_700)]]],
  ['sync refused', syncAnswerCodec, ['refused', 'busy']],
  [
    'dial-back',
    dialBackRequestCodec,
    [
      'dial-back',
      `${'a'.repeat(63)}.example`,
      65_535,
      65_534,
      unseated,
      seedOf('stake').slice(0, 20),
      beacon,
    ],
  ],
  [
    'dialled',
    dialBackAnswerCodec,
    ['dialled', Uint8Array.of(192, 0, 2, 7), 1_795_000_000, [2, 'x'.repeat(200)], [7, 'y'.repeat(200)], null],
  ],
  [
    'dialled, with a proof',
    dialBackAnswerCodec,
    [
      'dialled',
      new Uint8Array(16).fill(0x20),
      1_795_000_000,
      [2, 'x'.repeat(200)],
      [0, 'y'.repeat(200)],
      [beacon, beacon.slice(0, 16), 65_535, true, signature],
    ],
  ],
  ['dialled later', dialBackAnswerCodec, ['later', 'quota']],
] as unknown as [string, AnyCodec, readonly unknown[]][]

describe('R-MSG-1', () => {
  test('R-MSG-1 names carry the network: networks with other rules never meet', () => {
    const topics = Object.values(topicsOf(networkId)).map(({ name }) => name)
    const names = [...Object.values(protocols), ...topics]
    expect(new Set(names).size).toBe(names.length)
    for (const name of topics) expect(name).toMatch(new RegExp(`^/secnode/${networkId}/[a-z]+/1$`))
    for (const name of Object.values(protocols)) expect(name).toMatch(/^[a-z]+\/1$/)
    expect(topicsOf('0'.repeat(32) as NetworkId).attestations.name).not.toBe(topics[0])
  })

  test.each(messages)(
    'R-MSG-1 %s: within its limit, and decode after encode is the identity',
    (_, codec, message) => {
      const bytes = codec.encode(message as never)
      expect(bytes.length).toBeLessThanOrEqual(codec.maxBytes)
      const decoded = codec.decode(bytes)
      expect(decoded.is).toBe('ok')
      if (decoded.is === 'ok') expect(codec.encode(decoded.value)).toEqual(bytes)
      expect(codec.decode(concatBytes(bytes, Uint8Array.of(0))).is).toBe('bad')
      expect(codec.decode(new Uint8Array(codec.maxBytes + 1))).toEqual({ is: 'bad', code: 'too-long' })
    },
  )

  test.each(messages.filter(([, codec, message]) => codec.encode(message as never).length < 600))(
    'R-CODEC-1 %s: with any byte changed it is refused, or is another message that encodes to itself',
    (_, codec, message) => {
      const bytes = codec.encode(message as never)
      let refused = 0
      for (let at = 0; at < bytes.length; at++) {
        for (const mask of [0x01, 0x20, 0x80, 0xff]) {
          const changed = bytes.map((byte, i) => (i === at ? byte ^ mask : byte))
          const decoded = codec.decode(changed)
          if (decoded.is === 'ok') expect(codec.encode(decoded.value)).toEqual(changed)
          else refused++
        }
      }
      expect(refused).toBeGreaterThan(0)
    },
  )

  const ip = Uint8Array.of(192, 0, 2, 7)
  test.each([
    [
      'a host that is an address',
      dialBackRequestCodec,
      ['dial-back', '192.0.2.7', 1, 2, 0, new Uint8Array(20)],
    ],
    ['port 0', dialBackRequestCodec, ['dial-back', 'a.example', 0, 2, 0, new Uint8Array(20)]],
    ['a mapped address', dialBackAnswerCodec, ['dialled', new Uint8Array(5), 1, [0, ''], [0, '']]],
    ['a verdict that no dial finds', dialBackAnswerCodec, ['dialled', ip, 1, [4, ''], [0, '']]],
    ['a TLS verdict of libp2p', dialBackAnswerCodec, ['dialled', ip, 1, [6, ''], [0, '']]],
    ['what a terminal would obey', dialBackAnswerCodec, ['dialled', ip, 1, [2, '\u001B[2J'], [0, '']]],
  ] as unknown as [string, AnyCodec, readonly unknown[]][])('R-DIAL-1 refuses %s', (_, codec, message) => {
    expect(codec.decode(encodeCanonical(message as never)).is).toBe('bad')
  })

  test.each([
    [
      'more seats than are answered',
      syncRequestCodec,
      ['fetch', 1, beacon, Array.from({ length: maxSyncAttestations + 1 }, (_, i) => i)],
    ],
    ['no seats', syncRequestCodec, ['fetch', 1, beacon, []]],
    ['too many epochs', syncRequestCodec, ['roots', 1, 65]],
    ['a negative epoch', syncRequestCodec, ['roots', -1, 1]],
    ['an epoch of 33 bits', syncRequestCodec, ['roots', 2 ** 32, 1]],
    ['an unknown question', syncRequestCodec, ['everything', 1, 1]],
    ['a member too many', syncRequestCodec, ['roots', 1, 1, 1]],
    [
      'a signature of 63 bytes',
      challengeRequestCodec,
      ['challenge', new Uint8Array(maxQuestionBytes), new Uint8Array(63)],
    ],
    ['a question without signature', challengeRequestCodec, ['challenge', new Uint8Array(maxQuestionBytes)]],
    [
      'a question that is too long',
      challengeRequestCodec,
      ['challenge', new Uint8Array(maxQuestionBytes + 1), signature],
    ],
    ['a proof of another code', challengeAnswerCodec, ['refused', 'busy', new Uint8Array(8), signature]],
    [
      'a proof of ruleset 0',
      dialBackAnswerCodec,
      [
        'dialled',
        Uint8Array.of(192, 0, 2, 7),
        1,
        [0, ''],
        [0, ''],
        [beacon, beacon.slice(0, 16), 0, true, signature],
      ],
    ],
    ['an unknown "later"', challengeAnswerCodec, ['later', 'tomorrow']],
    ['a code with a line feed', challengeAnswerCodec, ['refused', 'x\n']],
    ['a map', evidenceRequestCodec, { evidence: cid }],
  ] as unknown as [string, AnyCodec, never][])('R-MSG-1 %s is refused', (_, codec, message) => {
    expect(codec.decode(encodeCanonical(message)).is).toBe('bad')
  })

  const codecs = [
    challengeRequestCodec,
    challengeAnswerCodec,
    evidenceRequestCodec,
    evidenceAnswerCodec,
    syncRequestCodec,
    syncAnswerCodec,
  ] as unknown as AnyCodec[]
  const readers: ((bytes: Uint8Array) => unknown)[] = [
    ...codecs.map((codec) => (bytes: Uint8Array) => codec.decode(bytes)),
    decodeAttestation,
    decodeReceipt,
    decodeEvidence,
    (bytes) => decodeSigned(bytes, maxReceiptBytes),
    (bytes) =>
      validateProof(
        networkId,
        bytes,
        () => undefined,
        () => false,
      ),
  ]

  test('R-CODEC-1 no bytes make any reader throw', () => {
    const cborish = fc
      .array(
        fc.oneof(
          fc.constantFrom(
            0x80,
            0x81,
            0x82,
            0x98,
            0x9f,
            0xff,
            0xd8,
            0x2a,
            0x58,
            0x5b,
            0x9b,
            0xbb,
            0xfb,
            0xf9,
            0x1b,
            0x7f,
          ),
          fc.nat(255),
        ),
        { maxLength: 120 },
      )
      .map((bytes) => Uint8Array.from(bytes))
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 120 }), cborish), (bytes) => {
        expect(() => readers.map((read) => read(bytes))).not.toThrow()
      }),
      { numRuns: 2_000 },
    )
  })

  test('R-CODEC-1 nesting and claimed lengths cost nothing', () => {
    const started = processorMs()
    const hostile = [
      new Uint8Array(390_000).fill(0x81),
      new Uint8Array(390_000).fill(0x9f),
      Uint8Array.of(0x9b, 0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
      Uint8Array.of(0x82, 0x6c, ...new TextEncoder().encode('attestations'), 0x9a, 0xff, 0xff, 0xff, 0xff),
      Uint8Array.of(0xbb, 0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
      Uint8Array.of(0x5b, 0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
    ]
    for (const bytes of hostile) for (const read of readers) read(bytes)
    expect(processorMs() - started).toBeLessThan(5_000)
  })
})
