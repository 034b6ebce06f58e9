import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  bitfieldOf,
  createProof,
  encodeProof,
  epochRoot,
  maxSyncEpochs,
  maxSyncProofs,
  protocols,
  type Signed,
  type SyncAnswer,
  syncAnswerCodec,
  type SyncRequest,
  syncRequestCodec,
} from '../../protocol/index.ts'
import { prefixes } from '../../src/store/keys.ts'
import {
  ask,
  attest,
  attestOtherwise,
  createTestNetwork,
  type TestNetwork,
  type TestNode,
} from '../fixtures/test-network.ts'
import { type LocalHost, until } from '../net/local-hosts.ts'
import { seedOf } from '../protocol/fixture.ts'

const epoch = 2
const seats = 6

let network: TestNetwork

beforeEach(async () => {
  network = await createTestNetwork({ nodes: seats, params: { committee: 3 }, epochsPerWeek: 3 })
})
afterEach(() => network.stop())

const signal = (): AbortSignal => AbortSignal.timeout(90_000)
const exchange = async (from: TestNode, to: TestNode, first = epoch, last = epoch) =>
  await from.daemon.sync.exchange(to.row, first, last, signal())

const take = async (node: TestNode, ...signed: { bytes: Uint8Array }[]): Promise<void> => {
  for (const { bytes } of signed) await node.daemon.collector.take(bytes, 'sync')
}

const rootOf = async (node: TestNode) => await node.daemon.collector.rootOf(await node.context(epoch))

const storedRows = async (node: TestNode): Promise<number> => {
  let count = 0
  const range = { gte: Uint8Array.of(prefixes.attestation), lt: Uint8Array.of(prefixes.attestation + 1) }
  for await (const _row of node.store.range(range)) count++
  return count
}

describe('R-SYNC-1 nodes that hold different things', () => {
  test('fetch from one another what gossip lost, until their roots are equal', async () => {
    const [a, b] = [await network.start(0), await network.start(1)]
    const context = await a.context(epoch)
    await take(a, attest(network, context, 2), attest(network, context, 3))
    await take(b, attest(network, context, 3), attest(network, context, 4), attest(network, context, 5))
    expect(await exchange(a, b)).toEqual({ agreed: 0, differing: 1, fetched: 2 })
    expect(await exchange(b, a)).toEqual({ agreed: 1, differing: 0, fetched: 1 })
    expect(await exchange(a, b)).toEqual({ agreed: 1, differing: 0, fetched: 0 })
    expect(await rootOf(a)).toEqual(await rootOf(b))
    expect(await rootOf(a)).toMatchObject({ count: 4 })
  })

  test('do so by themselves', async () => {
    const a = await network.start(0, { syncIntervalMs: 50 })
    const b = await network.start(1, { syncIntervalMs: 50 })
    const context = await a.context(epoch)
    await take(a, attest(network, context, 2))
    await take(b, attest(network, context, 3))
    await until(async () => (await rootOf(a)).count === 2 && (await rootOf(b)).count === 2)
    expect(await rootOf(a)).toEqual(await rootOf(b))
    await until(async () => (await a.count('syncExchanges', { outcome: 'agreed' })) > 0)
    // The other seats are not there: that is no agreement.
    await until(async () => (await a.count('syncExchanges', { outcome: 'failed' })) > 0)
  })

  test('R-ATT-3 learn of an equivocation that split them, and neither payload stands', async () => {
    const [a, b] = [await network.start(0), await network.start(1)]
    const context = await a.context(epoch)
    await take(a, attest(network, context, 3), attest(network, context, 4))
    await take(b, attestOtherwise(network, context, 3), attest(network, context, 4))
    // The same seats on both sides: only the payloads differ.
    await exchange(a, b)
    await exchange(b, a)
    for (const node of [a, b]) {
      const proofs = await node.daemon.collector.equivocators(context.week)
      expect([...proofs.keys()]).toEqual([network.rows[3]!.seat])
    }
    expect(await rootOf(a)).toEqual(await rootOf(b))
    expect(await rootOf(a)).toMatchObject({ count: 1 })
  })

  test('R-ATT-3 pass proofs on to nodes that hold neither payload', async () => {
    const [a, b] = [await network.start(0), await network.start(1)]
    const context = await a.context(epoch)
    await take(a, attest(network, context, 3), attestOtherwise(network, context, 3))
    await exchange(b, a)
    expect(await b.count('equivocations')).toBe(1)
    expect(await rootOf(b)).toMatchObject({ count: 0 })
    expect(await exchange(b, a)).toMatchObject({ agreed: 1, differing: 0 })
  })

  test('whatever each of them got, in whatever order: all agree after a round', async () => {
    const nodes = [await network.start(0), await network.start(1), await network.start(2)]
    const context = await nodes[0]!.context(epoch)
    // In each run another epoch would be another beacon; here each run has other seats' attestations.
    const all = [3, 4, 5].flatMap((i) => [attest(network, context, i), attestOtherwise(network, context, i)])
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(2), fc.nat(all.length - 1)), { maxLength: 6 }),
        async (given) => {
          for (const [to, which] of given) await take(nodes[to]!, all[which]!)
          for (let round = 0; round < 2; round++) {
            for (const from of nodes) for (const to of nodes) if (from !== to) await exchange(from, to)
          }
          const roots = await Promise.all(nodes.map(rootOf))
          expect(roots[1]).toEqual(roots[0])
          expect(roots[2]).toEqual(roots[0])
        },
      ),
      { numRuns: 8 },
    )
  })

  test('of more proofs than an answer holds, all arrive', async () => {
    await network.stop()
    const many = maxSyncProofs + 12
    network = await createTestNetwork({ nodes: many, params: { committee: 3 }, epochsPerWeek: 6 })
    const [a, b] = [
      await network.start(0, { height: network.height(3) }),
      await network.start(1, { height: network.height(3) }),
    ]
    for (const e of [2, 3]) {
      const context = await a.context(e)
      for (let i = 2 + (e - 2) * 37; i < Math.min(many, 39 + (e - 2) * 37); i++) {
        await a.daemon.collector.takeProof(
          encodeProof(createProof(attest(network, context, i), attestOtherwise(network, context, i))),
        )
      }
    }
    const week = (await a.context(2)).week
    const wanted = (await a.daemon.collector.equivocators(week)).size
    expect(wanted).toBeGreaterThan(maxSyncProofs)
    await b.context(2)
    await exchange(b, a, 2, 3)
    expect((await b.daemon.collector.equivocators(week)).size).toBe(wanted)
  })
})

describe('R-SYNC-1 what a week’s end closes', () => {
  test('sync takes nothing of a week half an epoch after its freeze, and compares none of it', async () => {
    const a = await network.start(0)
    // Weeks of three epochs: 0, 1, 2 and then 3, 4, 5. The first is frozen at b(4).
    const context = await a.context(epoch)
    const closes = network.height(4, network.genesis.epochBlocks / 2)
    await a.chain.advance(closes - 1)
    expect(await a.daemon.collector.take(attest(network, context, 2).bytes, 'sync')).toMatchObject({
      is: 'accept',
    })
    await a.chain.advance(closes)
    expect(await a.daemon.collector.take(attest(network, context, 3).bytes, 'sync')).toMatchObject({
      is: 'ignore',
      code: 'attestation-late',
    })
    const proof = encodeProof(createProof(attest(network, context, 4), attestOtherwise(network, context, 4)))
    expect(await a.daemon.collector.takeProof(proof)).toMatchObject({
      is: 'ignore',
      code: 'equivocation-late',
    })

    const stranger = await network.startPeer({})
    const roots = await question(stranger, a, ['roots', 0, 5])
    expect(roots[0] === 'roots' && roots[1].map(([e]) => e)).toEqual([3, 4])
    expect(await question(stranger, a, ['held', epoch, context.beacon])).toEqual(['refused', 'beacon'])
    // Whoever rebuilds the week is given what he names.
    expect(
      await question(stranger, a, ['fetch', epoch, context.beacon, [network.rows[2]!.seat]]),
    ).toMatchObject(['attestations', [expect.anything()]])
  })

  test('before the chain was followed to its end nothing is taken and nothing compared', async () => {
    const b = await network.start(1)
    const context = await b.context(epoch)
    await take(b, attest(network, context, 2))
    const { createTestChain } = await import('../fixtures/test-chain.ts')
    const chain = createTestChain(network.blocks, network.height(2))
    chain.isBehind = true
    const a = await network.start(0, { chain })
    await a.context(epoch)
    expect(await a.daemon.collector.take(attest(network, context, 2).bytes, 'sync')).toMatchObject({
      is: 'ignore',
      code: 'attestation-late',
    })
    const stranger = await network.startPeer({})
    expect(await question(stranger, a, ['roots', 0, 10])).toEqual(['roots', []])
  })
})

const question = async (peer: LocalHost, node: TestNode, request: SyncRequest): Promise<SyncAnswer> => {
  const bytes = await ask(peer, node.target, protocols.sync, syncRequestCodec.encode(request))
  expect(bytes.length).toBeLessThanOrEqual(syncAnswerCodec.maxBytes)
  const answer = syncAnswerCodec.decode(bytes)
  if (answer.is === 'bad') throw new Error(answer.code)
  return answer.value
}

describe('R-SYNC-1 what a stranger may ask', () => {
  test('bounded answers, whatever the numbers', async () => {
    const a = await network.start(0)
    const stranger = await network.startPeer({})
    const top = 0xffff_ffff
    const { beacon } = await a.context(epoch)
    expect(await question(stranger, a, ['roots', top, maxSyncEpochs])).toEqual(['roots', []])
    expect(await question(stranger, a, ['proofs', top, maxSyncEpochs])).toEqual(['proofs', []])
    expect(await question(stranger, a, ['of-seat', top, top, maxSyncEpochs])).toEqual(['attestations', []])
    expect(await question(stranger, a, ['held', top, beacon])).toEqual(['refused', 'beacon'])
    expect(await question(stranger, a, ['held', epoch, seedOf('beacon')])).toEqual(['refused', 'beacon'])
    expect(await question(stranger, a, ['fetch', top, beacon, [top]])).toEqual(['attestations', []])
    const wrapped = await question(stranger, a, ['of-seat', network.rows[1]!.seat, top, maxSyncEpochs])
    expect(wrapped).toEqual(['attestations', []])
  })

  test('the bits are those of what stands', async () => {
    const a = await network.start(0)
    const context = await a.context(epoch)
    await take(
      a,
      attest(network, context, 2),
      attest(network, context, 3),
      attestOtherwise(network, context, 3),
    )
    const stranger = await network.startPeer({})
    expect(await question(stranger, a, ['held', epoch, context.beacon])).toEqual([
      'held',
      bitfieldOf(seats, (index) => index === 2),
    ])
    const roots = await question(stranger, a, ['roots', epoch, 1])
    const standing = await Array.fromAsync(a.daemon.collector.standing(context))
    expect(roots).toEqual(['roots', [[epoch, context.beacon, 1, epochRoot(standing)]]])
  })

  test('too many questions at once are "busy", one at a time is answered', async () => {
    const a = await network.start(0)
    const stranger = await network.startPeer({})
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => question(stranger, a, ['roots', 0, 64]).catch(() => ['reset'])),
    )
    expect(answers.filter(([is]) => is === 'roots').length).toBeGreaterThan(0)
    expect((await question(stranger, a, ['roots', epoch, 1]))[1]).toHaveLength(1)
    expect(await a.penalties()).toBe(0)
  })
})

describe('R-SYNC-1 a peer that lies is refused and pays for it', () => {
  let victim: TestNode
  let liar: LocalHost
  const lying = 1

  const rowsOf = async (): Promise<{ beacon: Uint8Array; bits: Uint8Array }> => ({
    beacon: (await victim.context(epoch)).beacon,
    bits: bitfieldOf(seats, () => true),
  })

  /** Answers by the kind of question; what is not given is answered as if it held nothing. */
  const startLiar = async (
    answers: Partial<
      Record<SyncRequest[0], SyncAnswer | Uint8Array | ((request: SyncRequest) => SyncAnswer)>
    >,
  ): Promise<void> => {
    liar = await network.startPeer({ index: lying })
    const limits = {
      maxRequestBytes: 10_000,
      maxResponseBytes: 500_000,
      timeoutMs: 60_000,
      maxConcurrentPerPeer: 8,
      maxConcurrent: 8,
    }
    await liar.handle(protocols.sync, limits, (bytes) => {
      const request = syncRequestCodec.decode(bytes)
      if (request.is === 'bad') throw new Error(request.code)
      const answer = answers[request.value[0]]
      const honest: Record<string, SyncAnswer> = { roots: ['roots', []], proofs: ['proofs', []] }
      const value =
        typeof answer === 'function'
          ? answer(request.value)
          : (answer ?? honest[request.value[0]] ?? ['attestations', []])
      return Promise.resolve(value instanceof Uint8Array ? value : syncAnswerCodec.encode(value))
    })
  }

  beforeEach(async () => {
    // Of a stake without a seat: it asks when the test says so, and never by itself.
    victim = await network.start(0, { stake: seedOf('nobody').slice(0, 20) })
  })

  const exchanged = () => victim.daemon.sync.exchange(network.rows[lying]!, epoch, epoch, signal())
  /** How an exchange with the liar ends; `code` names the metric. */
  const refusal = async (code: string) => ({
    error: await exchanged().then(
      () => 'none',
      (error: { code: string }) => error.code,
    ),
    counted: await victim.count('messages', { kind: 'sync', outcome: 'reject', code }),
    penalties: await victim.penalties(),
    stored: await storedRows(victim),
  })
  const refused = { error: 'SYNC_INVALID', counted: 1, penalties: 1, stored: 0 }

  const root = seedOf('root')

  test('garbage', async () => {
    await startLiar({ proofs: Uint8Array.of(0xff, 0xff) })
    expect(await refusal('not-cbor')).toEqual(refused)
  })

  test('an answer to another question', async () => {
    await startLiar({ proofs: ['roots', []] })
    expect(await refusal('other-answer')).toEqual(refused)
  })

  test('roots of epochs that nobody asked for', async () => {
    const { beacon } = await rowsOf()
    await startLiar({ roots: ['roots', [[epoch + 1, beacon, 0, root]]] })
    expect(await refusal('other-answer')).toEqual(refused)
  })

  test('one epoch twice', async () => {
    const { beacon } = await rowsOf()
    await startLiar({
      roots: [
        'roots',
        [
          [epoch, beacon, 0, root],
          [epoch, beacon, 0, root],
        ],
      ],
      held: ['held', bitfieldOf(seats, () => false)],
    })
    expect(await refusal('other-answer')).toEqual(refused)
  })

  test('bits for other than the seats that there are', async () => {
    const { beacon } = await rowsOf()
    await startLiar({
      roots: ['roots', [[epoch, beacon, 1, root]]],
      held: ['held', new Uint8Array(60_000).fill(0xff)],
    })
    expect(await refusal('other-answer')).toEqual(refused)
  })

  test('bits without the attestations behind them', async () => {
    const { beacon, bits } = await rowsOf()
    await startLiar({
      roots: ['roots', [[epoch, beacon, 6, root]]],
      held: ['held', bits],
      fetch: ['attestations', []],
    })
    expect(await refusal('withheld')).toEqual(refused)
  })

  const row = ({ payload, signature }: Signed): [Uint8Array, Uint8Array] => [payload, signature]

  test('an attestation with a wrong signature', async () => {
    const { beacon, bits } = await rowsOf()
    const context = await victim.context(epoch)
    const good = attest(network, context, 2)
    const forged = { payload: good.payload, signature: attestOtherwise(network, context, 2).signature }
    await startLiar({
      roots: ['roots', [[epoch, beacon, 6, root]]],
      held: ['held', bits],
      fetch: ['attestations', [row(forged)]],
    })
    expect(await refusal('attestation-signature')).toEqual(refused)
  })

  test('attestations that were not asked for', async () => {
    const { beacon } = await rowsOf()
    const context = await victim.context(epoch)
    await startLiar({
      roots: ['roots', [[epoch, beacon, 1, root]]],
      held: ['held', bitfieldOf(seats, (i) => i === 2)],
      fetch: ['attestations', [row(attest(network, context, 3))]],
    })
    expect(await refusal('other-answer')).toEqual(refused)
  })

  test('a proof that proves nothing', async () => {
    const context = await victim.context(epoch)
    const first = attest(network, context, 2)
    const forged = { payload: attestOtherwise(network, context, 2).payload, signature: first.signature }
    await startLiar({ proofs: ['proofs', [encodeProof(createProof(first, forged))]] })
    expect(await refusal('equivocation-signature')).toEqual(refused)
    expect((await victim.daemon.collector.equivocators(context.week)).size).toBe(0)
  })

  test('a made-up root costs a bounded number of questions, and changes nothing', async () => {
    const context = await victim.context(epoch)
    await take(victim, attest(network, context, 2), attest(network, context, 3))
    let questions = 0
    const counted = (answer: SyncAnswer) => () => (questions++, answer)
    await startLiar({
      roots: counted(['roots', [[epoch, context.beacon, 2, root]]]),
      held: counted(['held', bitfieldOf(seats, (i) => i === 2 || i === 3)]),
      fetch: counted(['attestations', [2, 3].map((i) => row(attest(network, context, i)))]),
    })
    expect(await exchanged()).toEqual({ agreed: 0, differing: 1, fetched: 0 })
    expect(questions).toBe(3)
    expect(await victim.penalties()).toBe(0)
  })

  test('a peer on another branch is no liar', async () => {
    await startLiar({ roots: ['roots', [[epoch, seedOf('beacon'), 3, root]]] })
    expect(await exchanged()).toEqual({ agreed: 0, differing: 0, fetched: 0 })
    expect(await victim.penalties()).toBe(0)
  })
})
