import { sha256 } from '@noble/hashes/sha2.js'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  answeredFault,
  type Attestation,
  type AuditedTarget,
  auditEvidence,
  type ChallengeTerms,
  cidOf,
  createStream,
  decodeEvidence,
  encodeEvidence,
  encodeReceipt,
  encodeSigned,
  type EvidenceEntry,
  hasReceipts,
  maxEvidenceBytes,
  type NetworkId,
  receiptResponse,
  seenFault,
  type Signed,
  signPayload,
  targetsOf,
  Verdict,
  verdictNames,
} from '../../protocol/index.ts'
import { auditSeed } from '../../protocol/beacon.ts'
import type { Evidence } from '../../protocol/evidence.ts'
import { createEd25519Verifier } from '../../src/keys/ed25519.ts'
import { attestationOf, epochOf, networkId, nodesOf, seedOf, type TestNode } from './fixture.ts'

const { verify } = createEd25519Verifier({ maxKeys: 100 })
const nodes = nodesOf(14)
const epoch = epochOf(nodes, 5)
const challenger = nodes[0]!
const targets = targetsOf(epoch.committees, 0).map((index): TestNode => nodes[index]!)
const audited: AuditedTarget[] = targets
const auditBeacon = seedOf('audit beacon')

const termsOf = (i: number, changes: Partial<ChallengeTerms> = {}): ChallengeTerms => ({
  networkId,
  epoch: epoch.epoch,
  beacon: epoch.beacon,
  targetSeat: targets[i]!.seat,
  targetStake: targets[i]!.stake,
  challengerSeat: challenger.seat,
  nonce: seedOf('nonce', i),
  ...changes,
})

/** What a chain would say of these terms, in place of one. */
const rightDigest = (terms: ChallengeTerms): Uint8Array => sha256(terms.nonce)

const receiptOf = (i: number, changes: Partial<ChallengeTerms> = {}, digest?: Uint8Array): Signed => {
  const terms = termsOf(i, changes)
  return signPayload(
    'receipt',
    networkId,
    encodeReceipt({ ...terms, digest: digest ?? rightDigest(terms) }),
    targets[i]!.sign,
  )
}

/** The work of an honest challenger whose i-th target behaved as `codes[i]` says. */
const honestEntry = (code: number, i: number): EvidenceEntry => {
  const k = targets.length
  switch (code) {
    case Verdict.valid:
      return { verdict: Verdict.valid, receipt: receiptOf(i) }
    case Verdict.wrongDigest:
      return answeredFault(Verdict.wrongDigest, receiptResponse(receiptOf(i, {}, seedOf('wrong'))), k)
    case Verdict.badReceipt:
      return answeredFault(Verdict.badReceipt, new TextEncoder().encode('what?'), k)
    case Verdict.tlsUnbound:
      return answeredFault(Verdict.tlsUnbound, new TextEncoder().encode('<html>'), k)
    default:
      return seenFault(code as 1, `saw ${code}`)
  }
}

interface Work {
  attestation: Attestation
  evidence: Evidence
  block: Uint8Array
}

const workOf = (entries: readonly EvidenceEntry[], changes: Partial<Evidence> = {}): Work => {
  const evidence: Evidence = {
    networkId,
    epoch: epoch.epoch,
    beacon: epoch.beacon,
    seat: challenger.seat,
    entries,
    ...changes,
  }
  const block = encodeEvidence(evidence)
  const codes = entries.map((entry) => entry.verdict)
  const attestation = attestationOf(
    epoch,
    0,
    (target) => codes[targets.findIndex((node) => node === nodes[target])]!,
    {
      evidence: cidOf(block),
    },
  )
  return { attestation, evidence, block }
}

const honestWork = (codes: readonly number[]): Work => workOf(codes.map(honestEntry))

/** The whole audit: what the block says, and then the digests, as an auditor with a chain would. */
const judge = ({ attestation, block }: { attestation: Attestation; block: Uint8Array | null }): string => {
  const audit = auditEvidence(attestation, audited, block, auditBeacon, verify)
  if (audit.is === 'bad') return audit.code
  for (const { terms, digest, mustMatch } of audit.checks) {
    const right = rightDigest(terms)
    if (digest.every((byte, i) => byte === right[i]) !== mustMatch) return `digest of ${mustMatch ? 0 : 4}`
  }
  return 'passes'
}

const allValid = targets.map(() => 0)
const codesOf = fc.array(fc.constantFrom(0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 255), {
  minLength: 11,
  maxLength: 11,
})

describe('R-EVID-1 the block', () => {
  test('R-EVID-1 decode after encode is the identity, for every code', () => {
    fc.assert(
      fc.property(codesOf, (codes) => {
        const { evidence, block } = honestWork(codes)
        expect(decodeEvidence(block)).toEqual(evidence)
      }),
      { numRuns: 50 },
    )
  })

  test.each([0, 4, 1])('R-EVID-1 48 entries of code %i at their largest fit into 16 kB', (code) => {
    const receipt = { payload: new Uint8Array(173), signature: new Uint8Array(64) }
    const entry: EvidenceEntry =
      code === 0
        ? { verdict: 0, receipt }
        : code === 4
          ? answeredFault(4, new Uint8Array(5_000), 48)
          : seenFault(1, 'x'.repeat(5_000))
    const block = encodeEvidence({
      networkId,
      epoch: 0xffff_ffff,
      beacon: epoch.beacon,
      seat: 0xffff_ffff,
      entries: Array.from({ length: 48 }, () => entry),
    })
    expect(block.length).toBeLessThanOrEqual(maxEvidenceBytes)
    expect(decodeEvidence(block)).not.toBe(null)
    if (code === 4) expect(block.length).toBe(48 * 327 + 91)
  })

  test('R-EVID-1 whatever the committee, its largest answers fit, and a signed receipt is never cut', () => {
    for (let k = 1; k <= 48; k++) {
      const entry = answeredFault(Verdict.badReceipt, new Uint8Array(2_000), k)
      const block = encodeEvidence({
        networkId,
        epoch: 1,
        beacon: epoch.beacon,
        seat: 1,
        entries: Array.from({ length: k }, () => entry),
      })
      expect(block.length).toBeLessThanOrEqual(maxEvidenceBytes)
      const wrong = receiptResponse(receiptOf(0))
      expect(answeredFault(Verdict.wrongDigest, wrong, k)).toMatchObject({
        response: wrong,
        responseHash: sha256(wrong),
      })
    }
  })

  test('R-EVID-1 what was seen is printable: escapes of a target never reach a terminal', () => {
    expect(seenFault(1, 'a\u001b[31m\u0000ü\n')).toEqual({ verdict: 1, seen: 'a?[31m???' })
    const { evidence } = honestWork(allValid)
    for (const seen of ['\u001b[31m', 'ü', '\n', 'x'.repeat(201)]) {
      const block = encodeEvidence({
        ...evidence,
        entries: [{ verdict: 1, seen }, ...evidence.entries.slice(1)],
      })
      expect(decodeEvidence(block)).toBe(null)
    }
  })

  test('R-EVID-1 no bytes make reading throw, and what is read encodes to itself', () => {
    const { block } = honestWork([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 255])
    for (let at = 0; at < block.length; at++) {
      const changed = block.map((byte, i) => (i === at ? byte ^ (1 << (at % 8)) : byte))
      const decoded = decodeEvidence(changed)
      if (decoded !== null) expect(encodeEvidence(decoded)).toEqual(changed)
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(decodeEvidence(bytes)).toBe(null)
      }),
    )
    expect(decodeEvidence(new Uint8Array(maxEvidenceBytes + 1))).toBe(null)
  })
})

describe('R-EVID-2 the audit', () => {
  test('R-EVID-2 honest work passes, whatever the targets did', () => {
    fc.assert(
      fc.property(codesOf, (codes) => {
        expect(judge(honestWork(codes))).toBe('passes')
      }),
      { numRuns: 50 },
    )
  })

  test('R-EVID-2 every code 4 is recomputed, and the one verdict 0 that the beacon draws', () => {
    const codes = [0, 4, 0, 1, 4, 0, 0, 255, 0, 0, 0]
    const { attestation, block } = honestWork(codes)
    const audit = auditEvidence(attestation, audited, block, auditBeacon, verify)
    if (audit.is !== 'recompute') throw new Error(audit.code)
    const drawn = createStream(auditSeed(auditBeacon, challenger.seat)).below(7)
    const zeros = codes.flatMap((code, i) => (code === 0 ? [i] : []))
    expect(audit.checks.map(({ terms, mustMatch }) => [terms.targetSeat, mustMatch])).toEqual([
      [targets[1]!.seat, false],
      [targets[4]!.seat, false],
      [targets[zeros[drawn]!]!.seat, true],
    ])
  })

  test('R-EVID-2 the draw falls on each verdict 0 alike', () => {
    const counts = new Uint32Array(11)
    for (let round = 0; round < 11_000; round++) {
      counts[createStream(auditSeed(seedOf('round', round), challenger.seat)).below(11)]!++
    }
    for (const count of counts)
      expect(Math.abs(count - 1_000)).toBeLessThan(4.5 * Math.sqrt(1_000 * (10 / 11)))
  })

  test('R-EVID-2 a missing block, another block and bytes that are none are caught', () => {
    const { attestation, block } = honestWork(allValid)
    expect(judge({ attestation, block: null })).toBe('evidence-missing')
    expect(judge({ attestation, block: honestWork([255, ...allValid.slice(1)]).block })).toBe(
      'evidence-other-block',
    )
    const none = Uint8Array.of(...block, 0)
    expect(judge({ attestation: { ...attestation, evidence: cidOf(none) }, block: none })).toBe(
      'evidence-form',
    )
  })

  test.each([
    ['network', { networkId: 'c'.repeat(32) as NetworkId }],
    ['epoch', { epoch: 4 }],
    ['beacon', { beacon: seedOf('branch') }],
    ['seat', { seat: nodes[1]!.seat }],
  ] as [string, Partial<Evidence>][])('R-EVID-2 a block of another %s is caught', (_, changes) => {
    expect(judge(workOf(allValid.map(honestEntry), changes))).toBe('evidence-unrelated')
  })

  test('R-EVID-2 other codes than those attested, or another number of them, are caught', () => {
    const { attestation, block } = honestWork([1, ...allValid.slice(1)])
    expect(judge({ attestation: { ...attestation, verdicts: new Uint8Array(11) }, block })).toBe(
      'evidence-unrelated',
    )
    expect(judge({ attestation: { ...attestation, verdicts: new Uint8Array(10) }, block })).toBe(
      'evidence-unrelated',
    )
    expect(auditEvidence(attestation, audited.slice(1), block, auditBeacon, verify)).toEqual({
      is: 'bad',
      code: 'evidence-unrelated',
    })
  })

  const withEntry = (i: number, entry: EvidenceEntry) =>
    workOf(allValid.map((code, j) => (i === j ? entry : honestEntry(code, j))))

  test.each([
    [
      'a "valid" without the target\'s receipt',
      () => ({ payload: new Uint8Array(0), signature: new Uint8Array(64) }),
    ],
    ['a receipt of another target', () => receiptOf(4)],
    ['a receipt for another challenger, copied', () => receiptOf(3, { challengerSeat: nodes[1]!.seat })],
    ['a receipt of another epoch', () => receiptOf(3, { epoch: 4 })],
    ['a receipt of another branch', () => receiptOf(3, { beacon: seedOf('branch') })],
    ['a receipt of another stake', () => receiptOf(3, { targetStake: challenger.stake })],
    [
      'a receipt signed by the challenger itself',
      () => signPayload('receipt', networkId, receiptOf(3).payload, challenger.sign),
    ],
    [
      'a receipt signed as something else',
      () => signPayload('att', networkId, receiptOf(3).payload, targets[3]!.sign),
    ],
  ])('R-EVID-2 %s is caught by all', (_, receipt) => {
    expect(judge(withEntry(3, { verdict: 0, receipt: receipt() }))).toBe('evidence-receipt')
  })

  test('R-EVID-2 an undue "valid" with a wrong digest is caught when it is drawn', () => {
    const drawn = createStream(auditSeed(auditBeacon, challenger.seat)).below(11)
    const lax = (i: number) => withEntry(i, { verdict: 0, receipt: receiptOf(i, {}, seedOf('wrong')) })
    expect(judge(lax(drawn))).toBe('digest of 0')
    expect(judge(lax((drawn + 1) % 11))).toBe('passes')
  })

  test('R-EVID-2 an undue "wrong digest" is caught: without the receipt, and with a right one', () => {
    const accuse = (response: Uint8Array) =>
      judge(withEntry(3, answeredFault(Verdict.wrongDigest, response, 11)))
    expect(accuse(receiptResponse(receiptOf(3)))).toBe('digest of 4')
    expect(accuse(new Uint8Array(3))).toBe('evidence-wrong-digest')
    const forged = signPayload(
      'receipt',
      networkId,
      encodeReceipt({ ...termsOf(3), digest: seedOf('wrong') }),
      challenger.sign,
    )
    expect(accuse(encodeSigned(forged))).toBe('evidence-wrong-digest')
  })

  test('R-EVID-2 a target that signs another nonce cannot convict the challenger who reports it', () => {
    const answer = receiptResponse(receiptOf(3, { nonce: seedOf('not what was asked') }))
    expect(judge(withEntry(3, answeredFault(Verdict.badReceipt, answer, 11)))).toBe('passes')
  })

  test('R-EVID-2 without a verdict 0 nothing is audited, a missing block included', () => {
    const { attestation } = honestWork(allValid.map(() => 4))
    expect(hasReceipts(attestation)).toBe(false)
    expect(auditEvidence(attestation, audited, null, auditBeacon, verify)).toEqual({
      is: 'recompute',
      checks: [],
    })
  })

  test('R-VERD-1 every code has a word and an entry', () => {
    for (const code of Object.keys(verdictNames).map(Number)) expect(honestEntry(code, 0).verdict).toBe(code)
  })
})
