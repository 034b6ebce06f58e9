import { rm } from 'node:fs/promises'
import { createHash } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  bytesToHex,
  type ChallengeAnswer,
  challengeAnswerCodec,
  type ChallengeTerms,
  cidOf,
  decodeReceipt,
  decodeSigned,
  encodeEvidence,
  encodeReceipt,
  type EvidenceAnswer,
  evidenceAnswerCodec,
  type EvidenceEntry,
  type NetworkId,
  protocols,
  puzzleAnswerCodec,
  type Question,
  secondNonceSeen,
  type Signed,
  signPayload,
  targetsOf,
  Verdict,
  type VisitResult,
} from '../../protocol/index.ts'
import { createDevnetCa } from '../../src/devnet/certificates.ts'
import { ed25519FromSeed } from '../../src/keys/ed25519.ts'
import { digestOf } from '../../src/week/digests.ts'
import { visitTarget } from '../../src/node/visit.ts'
import {
  attest,
  createTestNetwork,
  instanceOf,
  questionBy,
  type TestNetwork,
  type TestNode,
} from '../fixtures/test-network.ts'
import { type LocalHost } from '../net/local-hosts.ts'
import { seedOf } from '../protocol/fixture.ts'
import { writeCertificate } from '../fixtures/certificates.ts'

const own = 0
const target = 1
const nonce = seedOf('nonce')

let network: TestNetwork
let node: TestNode

beforeEach(async () => {
  network = await createTestNetwork({ nodes: 4 })
})
afterEach(() => network.stop())

const startChallenger = async (epoch = 2): Promise<void> => {
  // Of a stake without a seat: it dials when the test says so, and never by itself.
  const stake = seedOf('nobody').slice(0, 20)
  node = await network.start(own, { height: network.height(epoch), stake })
}

const visit = async (epoch = 2): Promise<VisitResult> =>
  await visitTarget(
    node.daemon.node,
    await node.context(epoch),
    network.rows[own]!,
    target,
    nonce,
    AbortSignal.timeout(90_000),
  )

const verdictOf = (result: VisitResult): number => {
  if (!('finding' in result)) throw new Error(JSON.stringify(result))
  return result.finding.evidence.verdict
}

const seenOf = (result: VisitResult): string => {
  if (!('finding' in result) || !('seen' in result.finding.evidence)) throw new Error(JSON.stringify(result))
  return result.finding.evidence.seen
}

/** The head of the answer that stands behind a verdict, checked against its hash if it is whole. */
const responseOf = (result: VisitResult): Uint8Array => {
  if (!('finding' in result) || !('response' in result.finding.evidence))
    throw new Error(JSON.stringify(result))
  const { response, responseHash } = result.finding.evidence
  if (response.length < 1_000) {
    expect(responseHash).toEqual(new Uint8Array(createHash('sha256').update(response).digest()))
  }
  return response
}

const termsOf = (challenger: number, targetIndex: number, epoch = 2): ChallengeTerms => ({
  networkId: network.networkId,
  epoch,
  beacon: network.beacon(epoch),
  targetSeat: network.rows[targetIndex]!.seat,
  targetStake: network.rows[targetIndex]!.stake,
  challengerSeat: network.rows[challenger]!.seat,
  nonce,
})

const receiptFor = async (terms: ChallengeTerms, index: number, digest?: Uint8Array): Promise<Signed> => {
  const right = await digestOf(
    network.genesis,
    terms,
    network.params.samples,
    node.chain.view,
    AbortSignal.timeout(90_000),
  )
  const payload = encodeReceipt({ ...terms, digest: digest ?? right })
  return signPayload('receipt', network.networkId, payload, network.keys[index]!.sign)
}

const limits = {
  maxRequestBytes: 1_000,
  maxResponseBytes: 50_000,
  timeoutMs: 60_000,
  maxConcurrentPerPeer: 8,
  maxConcurrent: 8,
}

/** In place of the target's daemon: answers challenges with these bytes, or not at all. */
const startTarget = async (answer: () => Promise<Uint8Array>): Promise<LocalHost> => {
  const peer = await network.startPeer({ index: target })
  await peer.handle(protocols.challenge, limits, answer)
  return peer
}

const answering = (answer: ChallengeAnswer) => () => Promise.resolve(challengeAnswerCodec.encode(answer))

describe('R-VERD-1 a verdict for each situation, with what stands behind it', () => {
  test('0 valid: receipt and observed address', async () => {
    await startChallenger()
    await network.start(target)
    const result = await visit()
    expect(result).toMatchObject({ finding: { evidence: { verdict: Verdict.valid } } })
    if (!('finding' in result) || result.finding.evidence.verdict !== Verdict.valid)
      throw new Error('not valid')
    expect(result.finding.address).toEqual(Uint8Array.from(network.ip(target).split('.').map(Number)))
    expect(decodeReceipt(result.finding.evidence.receipt.payload)?.nonce).toEqual(nonce)
  })

  test.each([
    ['no address at all', []],
    ['no address that is global', ['10.0.0.1', '192.168.0.9', 'fe80::1']],
  ])('1 unresolvable: %s', async (_name, ips) => {
    await startChallenger()
    network.addresses.set(network.rows[target]!.host, ips)
    const result = await visit()
    expect(verdictOf(result)).toBe(Verdict.unresolvable)
    expect(seenOf(result)).toContain(network.rows[target]!.host)
  })

  test('2 unreachable: nobody listens', async () => {
    await startChallenger()
    const result = await visit()
    expect(verdictOf(result)).toBe(Verdict.unreachable)
    expect(seenOf(result)).toContain(network.ip(target))
  })

  test('2 unreachable: somebody else lives there', async () => {
    await startChallenger()
    const row = network.rows[target]!
    const stranger = await network.startPeer({ keys: network.keys[2]!, address: network.ip(target) })
    row.p2p = stranger.addresses()[0]!.port
    expect(verdictOf(await visit())).toBe(Verdict.unreachable)
  })

  test('3 timeout: connected, and no answer in time', async () => {
    await network.stop()
    network = await createTestNetwork({ nodes: 4, params: { responseMs: 1_000 } })
    await startChallenger()
    await startTarget(() => new Promise(() => undefined))
    const result = await visit()
    expect(verdictOf(result)).toBe(Verdict.timeout)
    expect(seenOf(result)).toMatch(/time/)
  })

  test('3 timeout: the stream is reset instead of an answer', async () => {
    await startChallenger()
    await startTarget(() => Promise.reject(new Error('no')))
    expect(verdictOf(await visit())).toBe(Verdict.timeout)
  })

  test('4 wrong digest: the signed receipt is the evidence', async () => {
    await startChallenger()
    await network.start(target, {
      conduct: () => ({ readTransaction: () => Promise.resolve(new Uint8Array(100)) }),
    })
    const result = await visit()
    expect(verdictOf(result)).toBe(Verdict.wrongDigest)
    const signed = decodeSigned(responseOf(result), 512)
    if (signed.is === 'bad') throw new Error(signed.code)
    expect(decodeReceipt(signed.value.payload)).toMatchObject({
      nonce,
      targetSeat: network.rows[target]!.seat,
    })
  })

  const badAnswers: [string, () => Promise<Uint8Array>][] = [
    ['garbage', () => Promise.resolve(Uint8Array.of(0xff, 1, 2))],
    ['a refusal', () => answering(['refused', 'wrong-seat'])()],
    ['a refusal with a code of its own', () => answering(['refused', 'no-time'])()],
    [
      'a receipt over another nonce',
      async () => {
        const { payload, signature } = await receiptFor(
          { ...termsOf(own, target), nonce: seedOf('other') },
          target,
        )
        return answering(['receipt', payload, signature])()
      },
    ],
    [
      'a receipt for another challenger',
      async () => {
        const { payload, signature } = await receiptFor(termsOf(2, target), target)
        return answering(['receipt', payload, signature])()
      },
    ],
    [
      "a receipt signed by another's key",
      async () => {
        const { payload, signature } = await receiptFor(termsOf(own, target), 2)
        return answering(['receipt', payload, signature])()
      },
    ],
    ['more than an answer may hold', () => Promise.resolve(new Uint8Array(20_000))],
  ]
  test.each(badAnswers)('5 bad receipt: %s', async (_name, answer) => {
    await startChallenger()
    await startTarget(answer)
    const result = await visit()
    expect(verdictOf(result)).toBe(Verdict.badReceipt)
    expect(responseOf(result).length).toBeGreaterThan(0)
  })

  test('5 bad receipt: the announced peer does not speak the protocol', async () => {
    await startChallenger()
    await network.startPeer({ index: target })
    expect(verdictOf(await visit())).toBe(Verdict.badReceipt)
  })

  test('6 tls unreachable: a good receipt, and no endpoint', async () => {
    await startChallenger()
    const { payload, signature } = await receiptFor(termsOf(own, target), target)
    await startTarget(answering(['receipt', payload, signature]))
    const result = await visit()
    expect(verdictOf(result)).toBe(Verdict.tlsUnreachable)
    expect(seenOf(result)).toMatch(/ECONNREFUSED/)
  })

  test.each([
    ['another host', 'other.devnet.test', false],
    ['an authority that nobody knows', null, true],
  ])('7 tls invalid: a certificate of %s', async (_name, host, isForeign) => {
    await startChallenger()
    const files = await writeCertificate(
      host ?? network.rows[target]!.host,
      isForeign ? await createDevnetCa(Date.now()) : undefined,
    )
    try {
      await network.start(target, { certificate: files })
      expect(verdictOf(await visit())).toBe(Verdict.tlsInvalid)
    } finally {
      await rm(files.dir, { recursive: true })
    }
  })

  test('8 tls unbound: who ends the TLS connection has not the key of the node', async () => {
    await startChallenger()
    await network.start(target, { signProbe: ed25519FromSeed(seedOf('somebody')).sign })
    const result = await visit()
    expect(verdictOf(result)).toBe(Verdict.tlsUnbound)
    expect(JSON.parse(new TextDecoder().decode(responseOf(result)))).toMatchObject({
      seat: network.rows[target]!.seat,
    })
  })

  test('1 unresolvable: its name servers fail, and those of others answer', async () => {
    await startChallenger()
    network.addresses.delete(network.rows[target]!.host)
    const result = await visit()
    expect(verdictOf(result)).toBe(Verdict.unresolvable)
    expect(seenOf(result)).toContain('SERVFAIL')
  })

  describe('255 abstain: what this side cannot judge (R-FAULT-1)', () => {
    test('its resolver fails', async () => {
      await startChallenger()
      network.addresses.clear()
      const result = await visit()
      expect(verdictOf(result)).toBe(Verdict.abstain)
      expect(seenOf(result)).toContain('SERVFAIL')
    })

    test('it has no way to that address family', async () => {
      await startChallenger()
      // It dials from its own IPv4 address.
      network.addresses.set(network.rows[target]!.host, ['::1'])
      expect(verdictOf(await visit())).toBe(Verdict.abstain)
    })

    test('its own chain cannot be read', async () => {
      await startChallenger()
      await network.start(target)
      node.chain.isReadable = false
      const result = await visit()
      expect(verdictOf(result)).toBe(Verdict.abstain)
      expect(seenOf(result)).toMatch(/^own chain/)
    })

    test('"second-nonce" with a question by its own key that it did not ask', async () => {
      await startChallenger()
      const shown = questionBy(network, own, target, 2, { nonce: seedOf('another nonce') })
      await startTarget(answering(['refused', 'second-nonce', shown.payload, shown.signature]))
      const result = await visit()
      expect(result).toMatchObject({ second: { nonce: seedOf('another nonce'), instance: instanceOf(own) } })
      expect(verdictOf(result)).toBe(Verdict.abstain)
      expect(seenOf(result)).toBe(secondNonceSeen)
    })
  })

  describe('5 a refusal without proof costs nobody but the target', () => {
    const asked = (changes: Partial<Question> = {}, by = own) =>
      questionBy(network, by, target, 2, { nonce: seedOf('another nonce'), ...changes })
    const refusals: [string, () => Extract<ChallengeAnswer, readonly ['refused', ...unknown[]]>][] = [
      ['epoch-over', () => ['refused', 'epoch-over']],
      ['wrong-seat', () => ['refused', 'wrong-seat']],
      ['not-a-challenger', () => ['refused', 'not-a-challenger']],
      ['second-nonce without a question', () => ['refused', 'second-nonce']],
      ...(
        [
          ['the very question that was asked', () => asked({ nonce })],
          ['one of an old epoch', () => asked({ epoch: 1, beacon: network.beacon(1) })],
          ['one under another beacon', () => asked({ beacon: seedOf('beacon') })],
          ['one to another target', () => asked({ targetSeat: network.rows[2]!.seat })],
          ['one of another challenger', () => asked({}, 2)],
          ['one in its name by another key', () => asked({ challengerSeat: network.rows[own]!.seat }, 2)],
          ['one of another network', () => asked({ networkId: 'f'.repeat(32) as NetworkId })],
          ['one that is not signed', () => ({ ...asked(), signature: new Uint8Array(64) })],
          ['no question', () => ({ ...asked(), payload: Uint8Array.of(0x80) })],
          ...(['att', 'receipt', 'probe', 'vote'] as const).map(
            (kind) =>
              [
                `one signed as ${kind}`,
                () => {
                  const { payload } = asked()
                  return signPayload(kind, network.networkId, payload, network.keys[own]!.sign)
                },
              ] as const,
          ),
        ] as const
      ).map(([what, show]): (typeof refusals)[number] => [
        `second-nonce with ${what}`,
        () => {
          const { payload, signature } = show()
          return ['refused', 'second-nonce', payload, signature]
        },
      ]),
    ]

    test.each(refusals)('%s', async (_what, refusal) => {
      await startChallenger()
      const answer = refusal()
      await startTarget(answering(answer))
      const result = await visit()
      expect(verdictOf(result)).toBe(Verdict.badReceipt)
      expect(responseOf(result)).toEqual(challengeAnswerCodec.encode(answer))
      expect(result).not.toHaveProperty('second')
    })
  })

  test.each(['not-yet', 'behind', 'busy'] as const)('R-CHAL-1 "%s" is no verdict', async (code) => {
    await startChallenger()
    await startTarget(answering(['later', code]))
    expect(await visit()).toEqual({ later: code })
  })
})

describe('R-EVID-2 the audit of an attestation of two epochs before', () => {
  const audited = 2
  const auditing = 4

  /** What the target attested in the audited epoch, with receipts of its targets; `wrong` spoils the entry at that index. */
  const evidenceOf = async (
    spoil: (entry: EvidenceEntry, i: number) => Promise<EvidenceEntry> | EvidenceEntry,
  ) => {
    const context = await node.context(audited)
    const entries: EvidenceEntry[] = []
    for (const [i, index] of targetsOf(context.committees, target).entries()) {
      const receipt = await receiptFor(termsOf(target, index, audited), index)
      entries.push(await spoil({ verdict: Verdict.valid, receipt }, i))
    }
    return encodeEvidence({
      networkId: network.networkId,
      epoch: audited,
      beacon: context.beacon,
      seat: network.rows[target]!.seat,
      entries,
    })
  }

  /** The challenger holds the target's attestation that names this block. */
  const hold = async (block: Uint8Array, verdicts?: Uint8Array, heldAt?: number): Promise<void> => {
    const context = await node.context(audited)
    const { payload, signature, attestation } = attest(network, context, target, {
      evidence: cidOf(block),
      ...(verdicts === undefined
        ? {}
        : {
            verdicts,
            addresses: [...verdicts].flatMap((v) => (v === 0 ? [Uint8Array.of(127, 0, 0, 1)] : [])),
          }),
    })
    await node.daemon.node.attestations.put(audited, context.beacon, [
      {
        seat: attestation.seat,
        cid: cidOf(payload),
        signed: { payload, signature },
        heldAt: heldAt ?? context.phases.attests,
      },
    ])
  }

  const startTargetWith = async (block: Uint8Array | null): Promise<void> => {
    const peer = await network.start(target, { height: network.height(auditing) })
    if (block !== null) await peer.daemon.node.evidence.put(audited, block)
  }

  test('whole evidence passes', async () => {
    await startChallenger(auditing)
    const block = await evidenceOf((entry) => entry)
    await hold(block)
    await startTargetWith(block)
    expect(verdictOf(await visit(auditing))).toBe(Verdict.valid)
  })

  test('9 the block is not to be had', async () => {
    await startChallenger(auditing)
    await hold(await evidenceOf((entry) => entry))
    await startTargetWith(null)
    const result = await visit(auditing)
    expect(verdictOf(result)).toBe(Verdict.evidenceInvalid)
    expect(seenOf(result)).toContain('evidence-missing')
  })

  test('9 a receipt that its target never signed', async () => {
    await startChallenger(auditing)
    const block = await evidenceOf(async (entry, i) =>
      i === 0 && entry.verdict === Verdict.valid
        ? { ...entry, receipt: { payload: entry.receipt.payload, signature: new Uint8Array(64).fill(7) } }
        : entry,
    )
    await hold(block)
    await startTargetWith(block)
    expect(seenOf(await visit(auditing))).toContain('evidence-receipt')
  })

  test('9 a verdict 0 on a receipt whose digest is wrong does not recompute', async () => {
    await startChallenger(auditing)
    const context = await node.context(audited)
    const indexes = targetsOf(context.committees, target)
    const block = await evidenceOf(async (_entry, i) => ({
      verdict: Verdict.valid,
      receipt: await receiptFor(termsOf(target, indexes[i]!, audited), indexes[i]!, seedOf('made up')),
    }))
    await hold(block)
    await startTargetWith(block)
    expect(seenOf(await visit(auditing))).toMatch(/verdict 0 of seat \d+ does not recompute/)
  })

  test('9 a verdict 4 on a receipt whose digest is right does not recompute', async () => {
    await startChallenger(auditing)
    const context = await node.context(audited)
    const block = await evidenceOf((entry, i) => {
      if (i !== 0 || entry.verdict !== Verdict.valid) return entry
      const response = new Uint8Array(challengeResponse(entry.receipt))
      return {
        verdict: Verdict.wrongDigest,
        response,
        responseHash: new Uint8Array(createHash('sha256').update(response).digest()),
      }
    })
    const verdicts = new Uint8Array(context.committees.k)
    verdicts[0] = Verdict.wrongDigest
    await hold(block, verdicts)
    await startTargetWith(block)
    expect(seenOf(await visit(auditing))).toMatch(/verdict 4 of seat \d+ does not recompute/)
  })

  test('what came after the epoch had closed is not audited, nor is what shows no receipt', async () => {
    await startChallenger(auditing)
    const context = await node.context(audited)
    const block = await evidenceOf((entry) => entry)
    await startTargetWith(null)
    await hold(block, undefined, context.phases.closes)
    expect(verdictOf(await visit(auditing))).toBe(Verdict.valid)

    await hold(seedOf('no block'), new Uint8Array(context.committees.k).fill(Verdict.unreachable))
    expect(verdictOf(await visit(auditing))).toBe(Verdict.valid)
  })

  /** In place of the target's daemon: a good receipt, a good endpoint, and this answer for the evidence. */
  const startWholeTarget = async (evidence: () => EvidenceAnswer | Uint8Array): Promise<void> => {
    const row = network.rows[target]!
    const peer = await startTarget(async () => {
      const { payload, signature } = await receiptFor(termsOf(own, target, auditing), target)
      return challengeAnswerCodec.encode(['receipt', payload, signature])
    })
    await peer.handle(protocols.evidence, limits, () => {
      const answer = evidence()
      return Promise.resolve(answer instanceof Uint8Array ? answer : evidenceAnswerCodec.encode(answer))
    })
    await network.startEndpoint(target, {
      peer: network.keys[target]!.peerId,
      seat: row.seat,
      stake: bytesToHex(row.stake),
      version: '0',
      instance: instanceOf('another'),
      ruleset: 1,
      signs: true,
    })
  }

  test('a node that strangers keep busy is asked later', async () => {
    await startChallenger(auditing)
    await hold(await evidenceOf((entry) => entry))
    await startWholeTarget(() => ['refused', 'busy'])
    expect(await visit(auditing)).toEqual({ later: 'busy' })
  })

  test('R-PUZ-1 a node that wants work of a registered peer gets none, and is asked later', async () => {
    await startChallenger(auditing)
    await hold(await evidenceOf((entry) => entry))
    await startWholeTarget(() => puzzleAnswerCodec.encode(['puzzle', new Uint8Array(16), 1, 'unpaid']))
    expect(await visit(auditing)).toEqual({ later: 'behind' })
    const puzzles = node.daemon.metrics.registry.getSingleMetric('secnode_net_puzzles_total')!
    const { values } = await puzzles.get()
    expect(values.map(({ labels }) => Reflect.get(labels, 'is'))).toEqual(['NET_PUZZLE_DEAR'])
  })

  test('9 it refuses to show the block', async () => {
    await startChallenger(auditing)
    await hold(await evidenceOf((entry) => entry))
    await startWholeTarget(() => ['refused', 'private'])
    expect(verdictOf(await visit(auditing))).toBe(Verdict.evidenceInvalid)
  })

  test('255 the own chain cannot be read when the audit needs it', async () => {
    await startChallenger(auditing)
    const block = await evidenceOf((entry) => entry)
    await hold(block)
    await startWholeTarget(() => {
      node.chain.isReadable = false
      return ['evidence', block]
    })
    const result = await visit(auditing)
    expect(verdictOf(result)).toBe(Verdict.abstain)
    expect(seenOf(result)).toMatch(/^own chain/)
  })
})

const challengeResponse = (receipt: Signed): Uint8Array => {
  const head = Uint8Array.of(0x82, 0x58, receipt.payload.length)
  const middle = Uint8Array.of(0x58, 64)
  return new Uint8Array(Buffer.concat([head, receipt.payload, middle, receipt.signature]))
}
