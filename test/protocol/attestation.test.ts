import * as fc from 'fast-check'
import type { CID } from 'multiformats/cid'
import { describe, expect, test } from 'vitest'
import {
  type Attestation,
  type AttestingEpoch,
  authenticAttestations,
  bytesToHex,
  cidOf,
  createProof,
  decodeAttestation,
  decodeSigned,
  encodeAttestation,
  encodeProof,
  encodeSigned,
  isRetried,
  maxAttestationBytes,
  maxProofBytes,
  type NetworkId,
  type Signed,
  validateAttestation,
  validateProof,
  verdictNames,
} from '../../protocol/index.ts'
import {
  decodeAttestationBySchema,
  decodeAttestationQuickly,
  isWellFormed,
} from '../../protocol/attestation.ts'
import type { LinkedAttestation } from '../../protocol/authenticity.ts'
import { isObservedAddress } from '../../protocol/observed-address.ts'
import { decodeSignedBySchema } from '../../protocol/signed.ts'
import { isVerdict } from '../../protocol/verdict.ts'
import { createEd25519Verifier } from '../../src/keys/ed25519.ts'
import { attestationOf, epochOf, networkId, nodesOf, seedOf, signAttestation } from './fixture.ts'

const { verify } = createEd25519Verifier({ maxKeys: 100 })
const nodes = nodesOf(14)
const epoch = epochOf(nodes, 5)

const cids = fc.uint8Array({ minLength: 4, maxLength: 4 }).map((bytes) => cidOf(bytes))
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
/** Whatever the shape allows, well formed or not. */
const attestations: fc.Arbitrary<Attestation> = fc.record({
  networkId: bytes(16).map((id) => bytesToHex(id) as NetworkId),
  epoch: fc.oneof(fc.nat(30), fc.integer({ min: 0, max: 0xffff_ffff })),
  beacon: bytes(32),
  seat: fc.oneof(fc.nat(300), fc.integer({ min: 0, max: 0xffff_ffff })),
  stake: bytes(20),
  previous: fc.option(cids),
  verdicts: fc.uint8Array({ maxLength: 48 }),
  addresses: fc.array(fc.oneof(bytes(4), bytes(16), fc.uint8Array({ maxLength: 16 })), { maxLength: 48 }),
  evidence: cids,
})

describe('R-ATT-1', () => {
  test('R-ATT-1 decode after encode is the identity, by the fast reader and by the schema', () => {
    fc.assert(
      fc.property(attestations, (attestation) => {
        const payload = encodeAttestation(attestation)
        for (const decode of [decodeAttestationQuickly, decodeAttestationBySchema]) {
          const decoded = decode(payload)
          expect(decoded).not.toBe(null)
          expect(encodeAttestation(decoded!)).toEqual(payload)
          expect({ ...decoded, previous: null, evidence: null }).toEqual({
            ...attestation,
            previous: null,
            evidence: null,
          })
          expect(decoded!.evidence.equals(attestation.evidence)).toBe(true)
          expect(decoded!.previous === null ? null : decoded!.previous.toString()).toBe(
            attestation.previous?.toString() ?? null,
          )
        }
      }),
    )
  })

  test('R-CODEC-1 the fast reader takes nothing that the schema refuses, in every byte', () => {
    const payload = encodeAttestation(attestationOf(epoch, 0, (target) => target % 3))
    for (let at = 0; at < payload.length; at++) {
      for (let value = 0; value < 256; value++) {
        const changed = Uint8Array.from(payload)
        changed[at] = value
        const fast = decodeAttestationQuickly(changed)
        if (fast === null) continue
        const slow = decodeAttestationBySchema(changed)
        expect(encodeAttestation(fast)).toEqual(changed)
        expect(slow === null ? null : encodeAttestation(slow)).toEqual(changed)
      }
    }
  })

  test('R-CODEC-1 cut short, prolonged or with two bytes changed it is refused or encodes to itself', () => {
    fc.assert(
      fc.property(attestations, fc.nat(), fc.nat(), fc.nat(255), fc.nat(255), (attestation, a, b, x, y) => {
        const payload = encodeAttestation(attestation)
        expect(decodeAttestation(payload.subarray(0, a % payload.length))).toBe(null)
        expect(decodeAttestation(Uint8Array.of(...payload, x))).toBe(null)
        const changed = Uint8Array.from(payload)
        changed[a % payload.length] = x
        changed[b % payload.length] = y
        const [fast, slow] = [decodeAttestationQuickly(changed), decodeAttestationBySchema(changed)]
        expect(fast === null).toBe(slow === null)
        for (const decoded of [fast, slow, decodeAttestation(changed)]) {
          if (decoded !== null) expect(encodeAttestation(decoded)).toEqual(changed)
        }
      }),
      { numRuns: 1_000 },
    )
  })

  test('R-ATT-1 the largest committee fits, and what exceeds the limit is refused', () => {
    const largest: Attestation = {
      ...attestationOf(epoch, 0),
      epoch: 0xffff_ffff,
      seat: 0xffff_ffff,
      previous: cidOf(seedOf('previous')),
      verdicts: new Uint8Array(48),
      addresses: Array.from({ length: 48 }, () => new Uint8Array(16)),
    }
    expect(encodeAttestation(largest)).toHaveLength(1_055)
    expect(decodeAttestation(encodeAttestation(largest))).not.toBe(null)
    expect(decodeAttestation(new Uint8Array(maxAttestationBytes + 1))).toBe(null)
    expect(decodeAttestation(encodeAttestation({ ...largest, verdicts: new Uint8Array(49) }))).toBe(null)
    expect(decodeAttestation(encodeAttestation({ ...largest, addresses: [new Uint8Array(17)] }))).toBe(null)
  })

  test('R-CODEC-1 R-ATT-1 seats and epochs end at 2^32 − 1; how many verdicts and addresses there are is no shape', () => {
    const whole = attestationOf(epoch, 0)
    const above = 0x1_0000_0000
    for (const decode of [decodeAttestation, decodeAttestationBySchema]) {
      expect(decode(encodeAttestation({ ...whole, epoch: above }))).toBe(null)
      expect(decode(encodeAttestation({ ...whole, seat: above }))).toBe(null)
      const odd = { ...whole, verdicts: Uint8Array.of(77), addresses: [new Uint8Array(5), new Uint8Array(0)] }
      expect(decode(encodeAttestation(odd))).toMatchObject({ seat: whole.seat })
    }
  })

  test('R-SIG-1 a signed pair is read alike by both readers, from a Buffer too, without sharing memory', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 400 }),
        bytes(64),
        fc.nat(),
        fc.nat(255),
        (payload, signature, at, byte) => {
          const framed = encodeSigned({ payload, signature })
          expect(decodeSigned(framed, 400)).toEqual({ is: 'ok', value: { payload, signature } })
          expect(decodeSignedBySchema(framed, 400)).toEqual({ is: 'ok', value: { payload, signature } })
          const buffer = Buffer.from(framed)
          const decoded = decodeSigned(buffer, 400)
          buffer.fill(0)
          expect(decoded).toEqual({ is: 'ok', value: { payload, signature } })
          if (payload.length > 0) expect(decodeSigned(framed, payload.length - 1).is).toBe('bad')
          framed[at % framed.length] = byte
          expect(decodeSigned(framed, 400)).toEqual(decodeSignedBySchema(framed, 400))
        },
      ),
      { numRuns: 500 },
    )
  })
})

describe('R-VERD-1', () => {
  test('R-VERD-1 the codes, and which are tried again', () => {
    const known = Array.from({ length: 256 }, (_, code) => code).filter(isVerdict)
    expect(known).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 255])
    expect(known.filter(isRetried)).toEqual([1, 2, 3, 6])
    expect(Object.keys(verdictNames).map(Number)).toEqual(known)
  })
})

describe('R-PROBE-2 observed addresses', () => {
  test.each([
    ['IPv4', [192, 0, 2, 1], true],
    ['IPv6', [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], true],
    ['IPv4 mapped', [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1], false],
    ['NAT64', [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, 192, 0, 2, 1], false],
    ['the neighbour of NAT64', [0, 0x64, 0xff, 0x9b, 0, 1, 0, 0, 0, 0, 0, 0, 192, 0, 2, 1], true],
    ['nothing', [], false],
    ['five bytes', [1, 2, 3, 4, 5], false],
    ['fifteen bytes', Array.from({ length: 15 }, () => 1), false],
  ])('R-PROBE-2 %s', (_, address, isOne) => {
    expect(isObservedAddress(Uint8Array.from(address))).toBe(isOne)
    expect(isWellFormed({ verdicts: Uint8Array.of(0, 3), addresses: [Uint8Array.from(address)] })).toBe(isOne)
  })
})

const open: AttestingEpoch = {
  beacon: epoch.beacon,
  k: epoch.committees.k,
  identityOf: (seat) => nodes.find((node) => node.seat === seat),
}
const validate = (
  signed: Signed,
  known?: CID,
  epochOfNumber: (e: number) => AttestingEpoch | { closed: string } = (e) =>
    e === 5 ? open : { closed: 'early' },
) => {
  const result = validateAttestation(networkId, encodeSigned(signed), epochOfNumber, () => known, verify)
  return result.is === 'accept' ? 'accept' : `${result.is} ${result.code}`
}

describe('R-ATT-6 validation', () => {
  const good = signAttestation(attestationOf(epoch, 0), nodes[0]!.sign)
  const changed = (changes: Partial<Attestation>, signer = 0): Signed =>
    signAttestation(
      attestationOf(epoch, 0, () => 0, changes),
      nodes[signer]!.sign,
    ).signed

  test('R-ATT-6 a right one is accepted, with its id and key', () => {
    const result = validateAttestation(
      networkId,
      encodeSigned(good.signed),
      () => open,
      () => undefined,
      verify,
    )
    expect(result).toMatchObject({ is: 'accept', value: { signed: good.signed, isSecond: false } })
    if (result.is === 'accept') expect(result.value.cid.equals(good.cid)).toBe(true)
  })

  test.each([
    [
      'bytes that are nothing',
      () =>
        validateAttestation(
          networkId,
          Uint8Array.of(0xff),
          () => open,
          () => undefined,
          verify,
        ),
      'reject',
      'attestation-not-cbor',
    ],
    [
      'a payload that is none',
      () =>
        validateAttestation(
          networkId,
          encodeSigned({ payload: Uint8Array.of(0x80), signature: new Uint8Array(64) }),
          () => open,
          () => undefined,
          verify,
        ),
      'reject',
      'attestation-form',
    ],
    [
      'too many bytes',
      () =>
        validateAttestation(
          networkId,
          new Uint8Array(5_000),
          () => open,
          () => undefined,
          verify,
        ),
      'reject',
      'attestation-too-long',
    ],
  ])('R-ATT-6 %s: refused', (_, validation, is, code) => {
    expect(validation()).toMatchObject({ is, code })
  })

  test.each([
    ['another network', { networkId: 'a'.repeat(32) as NetworkId }, 'reject attestation-network'],
    ['an epoch that is not open', { epoch: 6 }, 'ignore attestation-early'],
    ['a seat that is not in the snapshot', { seat: 2 }, 'reject attestation-seat'],
    ['another stake', { stake: nodes[1]!.stake }, 'reject attestation-stake'],
    ['too few verdicts', { verdicts: new Uint8Array(10) }, 'reject attestation-committee'],
    [
      'an unknown code',
      { verdicts: new Uint8Array(11).fill(10), addresses: [] },
      'reject attestation-verdicts',
    ],
    [
      'an address too many',
      { verdicts: new Uint8Array(11).fill(3), addresses: [Uint8Array.of(1, 2, 3, 4)] },
      'reject attestation-verdicts',
    ],
    ['no addresses', { addresses: [] }, 'reject attestation-verdicts'],
  ] as [string, Partial<Attestation>, string][])('R-ATT-6 %s', (_, changes, expected) => {
    expect(validate(changed(changes))).toBe(expected)
  })

  test('R-ATT-2 one of another branch is ignored, not rejected, before its seat or signature is looked at', () => {
    expect(validate(changed({ beacon: seedOf('branch') }))).toBe('ignore attestation-beacon')
    expect(validate(changed({ beacon: seedOf('branch'), seat: 2 }, 1))).toBe('ignore attestation-beacon')
  })

  test("R-ATT-6 a wrong signature, or another key's, is refused", () => {
    expect(validate(changed({}, 1))).toBe('reject attestation-signature')
    expect(
      validate({
        ...good.signed,
        signature: good.signed.signature.map((byte, i) => (i === 40 ? byte ^ 1 : byte)),
      }),
    ).toBe('reject attestation-signature')
  })

  test('R-ATT-6 the one that is held is ignored; a second payload is verified, for the proof', () => {
    expect(validate(good.signed, good.cid)).toBe('ignore attestation-known')
    const second = changed({ previous: good.cid })
    expect(validate(second, good.cid)).toBe('accept')
    const result = validateAttestation(
      networkId,
      encodeSigned(second),
      () => open,
      () => good.cid,
      verify,
    )
    expect(result.is === 'accept' && result.value.isSecond).toBe(true)
  })

  test('R-ATT-6 no bytes make validation throw', () => {
    const framed = encodeSigned(good.signed)
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 400 }),
          fc
            .tuple(fc.nat(framed.length - 1), fc.nat(255))
            .map(([at, byte]) => framed.map((old, i) => (i === at ? byte : old))),
        ),
        (input) => {
          const result = validateAttestation(
            networkId,
            input,
            (e) => (e === 5 ? open : { closed: 'early' }),
            () => undefined,
            verify,
          )
          if (result.is === 'ignore') return
          expect(result.is).toBe(Buffer.compare(input, framed) === 0 ? 'accept' : 'reject')
        },
      ),
      { numRuns: 1_000 },
    )
  })
})

describe('R-ATT-3 equivocation', () => {
  const one = signAttestation(attestationOf(epoch, 0), nodes[0]!.sign)
  const two = signAttestation(
    attestationOf(epoch, 0, () => 3),
    nodes[0]!.sign,
  )
  const proof = createProof(one.signed, two.signed)
  const keyOf = (attestation: Attestation) => nodes.find((node) => node.seat === attestation.seat)?.peer
  const judge = (bytes: Uint8Array) => {
    const result = validateProof(networkId, bytes, keyOf, verify)
    return result.is === 'accept' ? `accept ${result.value.about.seat}` : `${result.is} ${result.code}`
  }

  test('R-ATT-3 two payloads of one seat, epoch and beacon prove it, in whatever order they came', () => {
    expect(judge(encodeProof(proof))).toBe(`accept ${nodes[0]!.seat}`)
    expect(encodeProof(createProof(two.signed, one.signed))).toEqual(encodeProof(proof))
    expect(encodeProof(proof).length).toBeLessThan(maxProofBytes)
  })

  test('R-ATT-3 nothing else of the payloads is judged: no verdicts, addresses of any length, another stake', () => {
    const odd = {
      ...attestationOf(epoch, 0),
      stake: new Uint8Array(20),
      verdicts: new Uint8Array(),
      addresses: [new Uint8Array(5)],
    }
    const three = signAttestation(odd, nodes[0]!.sign)
    expect(judge(encodeProof(createProof(one.signed, three.signed)))).toBe(`accept ${nodes[0]!.seat}`)
  })

  test('R-ATT-3 the same payload twice, or the other order, is no proof', () => {
    expect(judge(encodeProof({ first: one.signed, second: one.signed }))).toBe('reject equivocation-order')
    expect(judge(encodeProof({ first: proof.second, second: proof.first }))).toBe('reject equivocation-order')
  })

  test('R-ATT-3 of two epochs, beacons, seats or networks there is nothing to prove', () => {
    const others: Partial<Attestation>[] = [
      { epoch: 6 },
      { beacon: seedOf('branch') },
      { seat: nodes[1]!.seat },
      { networkId: 'b'.repeat(32) as NetworkId },
    ]
    for (const change of others) {
      const other = signAttestation(
        attestationOf(epoch, 0, () => 3, change),
        nodes[0]!.sign,
      )
      expect(judge(encodeProof(createProof(one.signed, other.signed)))).toBe('reject equivocation-unrelated')
    }
  })

  test('R-ATT-3 nobody can prove it of another seat', () => {
    const forged = signAttestation(
      attestationOf(epoch, 0, () => 4),
      nodes[1]!.sign,
    )
    expect(judge(encodeProof(createProof(one.signed, forged.signed)))).toBe('reject equivocation-signature')
  })

  test('R-ATT-3 of a seat that is not known here nothing is said', () => {
    const stranger = epochOf(nodesOf(15), 5).nodes[14]!
    const [a, b] = [3, 4].map((code) =>
      signAttestation(
        attestationOf(epoch, 0, () => code, { seat: stranger.seat }),
        stranger.sign,
      ),
    )
    expect(judge(encodeProof(createProof(a!.signed, b!.signed)))).toBe('ignore equivocation-unknown-seat')
  })

  test('R-ATT-3 every changed byte is refused', () => {
    const framed = encodeProof(proof)
    for (let at = 0; at < framed.length; at++) {
      const bytes = framed.map((byte, i) => (i === at ? byte ^ (1 << (at % 8)) : byte))
      expect(judge(bytes)).toMatch(/^(reject|ignore)/)
    }
  })
})

describe('R-ATT-4 authenticity by links', () => {
  const row = (n: number, previous: number | null, key = 1): LinkedAttestation => ({
    cid: cidOf(seedOf('link', n)),
    previous: previous === null ? null : cidOf(seedOf('link', previous)),
    publicKey: seedOf('key', key),
  })
  const judge = (rows: LinkedAttestation[], signed: readonly number[]) => {
    const asked: number[] = []
    const flags = authenticAttestations(rows, (i) => {
      asked.push(i)
      return signed.includes(i)
    })
    return { authentic: flags.flatMap((flag, i) => (flag ? [i] : [])), asked }
  }

  test('R-ATT-4 a week of unbroken links costs one signature', () => {
    const rows = Array.from({ length: 42 }, (_, n) => row(n, n === 0 ? 99 : n - 1))
    expect(judge(rows, [41])).toEqual({ authentic: rows.map((_, i) => i), asked: [41] })
  })

  test('R-ATT-4 a gap or a wrong link only costs another check', () => {
    const rows = [row(0, null), row(1, 0), row(3, 2), row(4, 3), row(5, 77)]
    expect(judge(rows, [4, 3, 1])).toEqual({ authentic: [0, 1, 2, 3, 4], asked: [4, 3, 1] })
  })

  test('R-ATT-4 a link of another key, or of one that is not authentic, shows nothing', () => {
    expect(judge([row(0, null, 1), row(1, 0, 2)], [1]).authentic).toEqual([1])
    expect(judge([row(0, null), row(1, 0)], []).authentic).toEqual([])
    expect(judge([row(0, null), row(1, 0), row(2, 1)], [0]).authentic).toEqual([0])
    expect(judge([], []).authentic).toEqual([])
  })

  test('R-ATT-4 the result is the least set, whatever the order of the rows', () => {
    const links = fc.array(
      fc.record({ previous: fc.option(fc.nat(9)), key: fc.nat(1), signed: fc.boolean() }),
      { minLength: 1, maxLength: 10 },
    )
    fc.assert(
      fc.property(links, fc.infiniteStream(fc.nat()), (links, keys) => {
        const rows = links.map(({ previous, key }, n) => row(n, previous, key))
        // By definition, to the fixed point.
        const least = links.map(({ signed }) => signed)
        for (let changed = true; changed;) {
          changed = false
          for (const [i, { previous, key }] of links.entries()) {
            if (!least[i] || previous === null || previous >= links.length || links[previous]!.key !== key)
              continue
            if (!least[previous]) changed = least[previous] = true
          }
        }
        expect(authenticAttestations(rows, (i) => links[i]!.signed)).toEqual(least)
        const order = rows.map((_, i) => i).toSorted(() => (keys.next().value % 3) - 1)
        const shuffled = authenticAttestations(
          order.map((i) => rows[i]!),
          (i) => links[order[i]!]!.signed,
        )
        expect(
          order
            .map((i, at) => [i, shuffled[at]])
            .toSorted(([a], [b]) => Number(a) - Number(b))
            .map(([, flag]) => flag),
        ).toEqual(least)
      }),
      { numRuns: 500 },
    )
  })
})
