import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  type ChallengeAnswer,
  type ChallengeTerms,
  checkReceipt,
  cidOf,
  evidenceAnswerCodec,
  evidenceRequestCodec,
  type NetworkId,
  protocols,
  type Question,
  type Signed,
  signedBytes,
  syncAnswerCodec,
} from '../../protocol/index.ts'
import type { Receipt } from '../../protocol/challenge.ts'
import { createEd25519Verifier } from '../../src/keys/ed25519.ts'
import { digestOf } from '../../src/week/digests.ts'
import { prefixes } from '../../src/store/keys.ts'
import { createMemoryStore } from '../../src/store/memory-store.ts'
import type { Store } from '../../src/store/store.ts'
import {
  ask,
  askChallenge,
  challengersIn,
  createTestNetwork,
  questionBy,
  type TestNetwork,
  type TestNode,
} from '../fixtures/test-network.ts'
import { until } from '../net/local-hosts.ts'
import { startRawPeer } from '../net/raw-peer.ts'
import { seedOf } from '../protocol/fixture.ts'

const verifier = createEd25519Verifier({ maxKeys: 16 })
const target = 0
const epoch = 2

let network: TestNetwork
let node: TestNode
let store: Store
/** How often a receipt was looked for. */
let reads: number

beforeEach(async () => {
  network = await createTestNetwork({ nodes: 7, params: { committee: 3 } })
  store = createMemoryStore()
  reads = 0
  const get = store.get.bind(store)
  store.get = (key) => {
    if (key[0] === prefixes.receipt) reads++
    return get(key)
  }
  node = await network.start(target, { store })
})
afterEach(() => network.stop())

const nonce = seedOf('nonce')

/** Indexes of an assigned challenger and of a seat that is none. */
const roles = async (): Promise<{ challenger: number; stranger: number }> => {
  const { challengers, others } = challengersIn(await node.context(epoch), target)
  return { challenger: challengers[0]!, stranger: others[0]! }
}

const requestOf = (challenger: number, changes: Partial<Question> = {}): Signed =>
  questionBy(network, challenger, target, epoch, { nonce, ...changes })

const receiptsStored = async (): Promise<number> => {
  let count = 0
  const range = { gte: Uint8Array.of(prefixes.receipt), lt: Uint8Array.of(prefixes.receipt + 1) }
  for await (const _row of store.range(range)) count++
  return count
}

const receiptOf = async (answer: ChallengeAnswer, challenger: number): Promise<Receipt> => {
  if (answer[0] !== 'receipt') throw new Error(`no receipt but ${answer.join(' ')}`)
  const terms: ChallengeTerms = {
    networkId: network.networkId,
    epoch,
    beacon: network.beacon(epoch),
    targetSeat: network.rows[target]!.seat,
    targetStake: network.rows[target]!.stake,
    challengerSeat: network.rows[challenger]!.seat,
    nonce,
  }
  const signed = { payload: answer[1], signature: answer[2] }
  const checked = checkReceipt(terms, node.row.peer, signed, verifier.verify)
  if (checked.is !== 'accept') throw new Error(checked.code)
  const expected = await digestOf(
    network.genesis,
    terms,
    network.params.samples,
    node.chain.view,
    AbortSignal.timeout(90_000),
  )
  expect(checked.value.digest).toEqual(expected)
  return checked.value
}

/** An assigned challenger gets its receipt, whatever came before. */
const isUnharmed = async (): Promise<void> => {
  const { challenger } = await roles()
  const honest = await network.startPeer({ index: challenger })
  await receiptOf(await askChallenge(honest, node.target, requestOf(challenger)), challenger)
  await honest.stop()
}

describe('R-CHAL-1 what is asked of a target', () => {
  const refusals: [string, (challenger: number, stranger: number) => Signed, string[]][] = [
    [
      'another network',
      (c) => requestOf(c, { networkId: 'f'.repeat(32) as NetworkId }),
      ['refused', 'wrong-network'],
    ],
    ['an epoch that is over', (c) => requestOf(c, { epoch: 0 }), ['refused', 'epoch-over']],
    ['an epoch to come', (c) => requestOf(c, { epoch: 3 }), ['later', 'not-yet']],
    ['another beacon', (c) => requestOf(c, { beacon: seedOf('beacon') }), ['later', 'behind']],
    [
      "another's seat (R-REG-4)",
      (c, s) => requestOf(c, { targetSeat: network.rows[s]!.seat }),
      ['refused', 'wrong-seat'],
    ],
    ['a seat that nobody has', (c) => requestOf(c, { challengerSeat: 2 }), ['refused', 'not-a-challenger']],
    [
      "in another challenger's name",
      (c, s) => requestOf(c, { challengerSeat: network.rows[s]!.seat }),
      ['refused', 'not-a-challenger'],
    ],
  ]
  const lies = ['another network', 'a seat that nobody has', "in another challenger's name"]

  test.each(refusals)('%s: a code, a count, nothing stored', async (name, request, answer) => {
    const { challenger, stranger } = await roles()
    const peer = await network.startPeer({ index: challenger })
    expect(await askChallenge(peer, node.target, request(challenger, stranger))).toEqual(answer)
    expect(await node.count('challengesAnswered', { answer: answer[1] })).toBe(1)
    expect(await receiptsStored()).toBe(0)
    expect(await node.penalties('false-data')).toBe(lies.includes(name) ? 1 : 0)
    await peer.stop()
    await isUnharmed()
  })

  test('a registered seat that is not among the challengers is refused and loses its name', async () => {
    const { stranger } = await roles()
    const peer = await network.startPeer({ index: stranger })
    expect(await askChallenge(peer, node.target, requestOf(stranger))).toEqual([
      'refused',
      'not-a-challenger',
    ])
    expect(await node.penalties('false-data')).toBe(1)
    expect(await receiptsStored()).toBe(0)
    await isUnharmed()
  })

  test('a stranger who names the seat of a challenger is refused and loses its name', async () => {
    const { challenger } = await roles()
    const peer = await network.startPeer({})
    expect(await askChallenge(peer, node.target, requestOf(challenger))).toEqual([
      'refused',
      'not-a-challenger',
    ])
    expect(await node.penalties('false-data')).toBe(1)
    await isUnharmed()
  })

  test('R-REG-4 a daemon whose configuration names another stake answers for nobody', async () => {
    await node.stop()
    node = await network.start(target, { store, stake: seedOf('another stake').slice(0, 20) })
    const { challenger } = await roles()
    const peer = await network.startPeer({ index: challenger })
    expect(await askChallenge(peer, node.target, requestOf(challenger))).toEqual(['refused', 'wrong-seat'])
  })

  test('one nonce for each challenger: the same receipt again, bit for bit, also after a restart', async () => {
    const { challenger } = await roles()
    const peer = await network.startPeer({ index: challenger })
    const first = await askChallenge(peer, node.target, requestOf(challenger))
    await receiptOf(first, challenger)
    expect(await askChallenge(peer, node.target, requestOf(challenger))).toEqual(first)
    const second = requestOf(challenger, { nonce: seedOf('another nonce') })
    // The other question is shown, so that the challenger knows what the refusal is about.
    const shown = ['refused', 'second-nonce', ...Object.values(requestOf(challenger))]
    expect(await askChallenge(peer, node.target, second)).toEqual(shown)

    await node.stop()
    node = await network.start(target, { store })
    expect(await askChallenge(peer, node.target, requestOf(challenger))).toEqual(first)
    expect(await askChallenge(peer, node.target, second)).toEqual(shown)
    expect(await receiptsStored()).toBe(1)
    // A challenger may have lost its data: a second nonce is no lie.
    expect(await node.penalties()).toBe(0)
  })

  test('nonces that come at once: one is signed, whichever was first to be refused or put off', async () => {
    const { challenger } = await roles()
    const peer = await network.startPeer({ index: challenger })
    const nonces = [0, 1, 2, 3].map((i) => seedOf('nonce', i))
    const stale = requestOf(challenger, { beacon: seedOf('beacon') })
    const answers = await Promise.all([
      askChallenge(peer, node.target, stale),
      ...nonces.slice(1).map((one) => askChallenge(peer, node.target, requestOf(challenger, { nonce: one }))),
    ])
    expect(answers.filter(([is]) => is === 'receipt')).toHaveLength(1)
    expect(answers.filter(([, code]) => code === 'second-nonce')).toHaveLength(2)
    expect(await receiptsStored()).toBe(1)
  })

  test('"behind" while its own chain cannot be read, and a receipt as soon as it can', async () => {
    const { challenger } = await roles()
    const peer = await network.startPeer({ index: challenger })
    node.chain.isReadable = false
    expect(await askChallenge(peer, node.target, requestOf(challenger))).toEqual(['later', 'behind'])
    expect(await receiptsStored()).toBe(0)
    node.chain.isReadable = true
    await receiptOf(await askChallenge(peer, node.target, requestOf(challenger)), challenger)
  })

  test('"behind" where its chain has not come to the epoch, and says so', async () => {
    const { challenger } = await roles()
    const peer = await network.startPeer({ index: challenger })
    node.chain.isBehind = true
    expect(await askChallenge(peer, node.target, requestOf(challenger, { epoch: 3 }))).toEqual([
      'later',
      'behind',
    ])
  })

  test('an epoch is over when the one after the next begins: a challenger whose chain lags is answered', async () => {
    const { challenger } = await roles()
    const peer = await network.startPeer({ index: challenger })
    await node.chain.advance(network.height(4) - 1)
    await receiptOf(await askChallenge(peer, node.target, requestOf(challenger)), challenger)
    await node.chain.advance(network.height(4))
    expect(await askChallenge(peer, node.target, requestOf(challenger))).toEqual(['refused', 'epoch-over'])
  })

  describe('R-SIG-1 a question without the signature of its challenger is refused before anything is read', () => {
    const forgeries: [string, string, (challenger: number, stranger: number) => Signed][] = [
      ['no signature', 'question-signature', (c) => ({ ...requestOf(c), signature: new Uint8Array(64) })],
      [
        'that of another seat',
        'question-signature',
        (c, s) => ({ ...requestOf(c), signature: requestOf(s, { challengerSeat: seatOf(c) }).signature }),
      ],
      [
        'that of another question',
        'question-signature',
        (c) => ({ ...requestOf(c), signature: requestOf(c, { nonce: seedOf('another nonce') }).signature }),
      ],
      ...(['att', 'receipt', 'probe'] as const).map((kind): (typeof forgeries)[number] => [
        `one of the kind ${kind}`,
        'question-signature',
        (c) => {
          const { payload } = requestOf(c)
          return { payload, signature: network.keys[c]!.sign(signedBytes(kind, network.networkId, payload)) }
        },
      ]),
      ['what is no question', 'question-form', (c) => ({ ...requestOf(c), payload: Uint8Array.of(0x80) })],
    ]
    const seatOf = (index: number): number => network.rows[index]!.seat

    test.each(forgeries)('%s', async (_what, code, forge) => {
      const { challenger, stranger } = await roles()
      const peer = await network.startPeer({ index: challenger })
      const answer = await askChallenge(peer, node.target, forge(challenger, stranger))
      expect(answer).toEqual(['refused', code])
      expect(await receiptsStored()).toBe(0)
      expect(reads).toBe(0)
      expect(await node.penalties('false-data')).toBe(1)
      expect(node.daemon.askedBy(epoch).size).toBe(0)
      await peer.stop()
      await isUnharmed()
      expect(reads).toBeGreaterThan(0)
    })
  })

  test('a flood from one peer is "busy" for that peer alone', async () => {
    const { challengers } = challengersIn(await node.context(epoch), target)
    const [flooding, quiet] = [challengers[0]!, challengers[1]!]
    const begun = Promise.withResolvers<void>()
    const released = Promise.withResolvers<void>()
    await node.stop()
    node = await network.start(target, {
      store,
      conduct: (honest) => ({
        readTransaction: async (height, index, signal) => {
          begun.resolve()
          await released.promise
          return await honest.readTransaction(height, index, signal)
        },
      }),
    })
    const peer = await network.startPeer({ index: flooding })
    const flood = Array.from({ length: 12 }, (_, i) =>
      askChallenge(peer, node.target, requestOf(flooding, { nonce: seedOf('flood', i) })).catch(() => [
        'reset',
      ]),
    )
    await begun.promise
    const honest = await network.startPeer({ index: quiet })
    const quietly = askChallenge(honest, node.target, requestOf(quiet))
    released.resolve()
    await receiptOf(await quietly, quiet)
    const answers = await Promise.all(flood)
    expect(answers.filter(([is]) => is === 'receipt')).toHaveLength(1)
    expect(answers.filter(([, code]) => code === 'busy' || code === 'second-nonce')).not.toHaveLength(0)
    expect(await receiptsStored()).toBe(2)
  })
})

test('R-CHAL-1 strangers who hold every stream they may do not keep a challenger out', async () => {
  const { challenger } = await roles()
  // 16 peers with 4 streams each are as many as are served of registered peers, and none of them says anything.
  const strangers = await Promise.all(Array.from({ length: 16 }, (_, i) => startRawPeer(network.ip(120 + i))))
  const served = node.daemon.metrics.registry.getSingleMetric('secnode_net_requests_served_total')!
  try {
    await Promise.all(
      strangers.flatMap((peer) =>
        Array.from({ length: 4 }, async () => {
          const connection = await peer.connect(node.target.address!)
          return await connection.newStream(`/secnode/${network.networkId}/${protocols.challenge}`)
        }),
      ),
    )
    const honest = await network.startPeer({ index: challenger })
    await receiptOf(await askChallenge(honest, node.target, requestOf(challenger)), challenger)
    const { values } = await served.get()
    expect(values.find(({ labels }) => Reflect.get(labels, 'is') === 'ok')?.value).toBe(1)
  } finally {
    await Promise.all(strangers.map((peer) => peer[Symbol.asyncDispose]()))
  }
})

describe('garbage on every request protocol', () => {
  const garbage: [string, Uint8Array][] = [
    ['nothing', new Uint8Array(0)],
    ['no CBOR', Uint8Array.of(0xff, 0x00, 0x13)],
    ['another shape', Uint8Array.of(0x80)],
    ['a map', Uint8Array.of(0xa1, 0x61, 0x61, 0x01)],
    ['a float', Uint8Array.of(0x81, 0xfb, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0)],
    ['nested arrays', new Uint8Array(64).fill(0x81)],
    [
      'a long form of a small number',
      Uint8Array.of(0x83, 0x65, 0x72, 0x6f, 0x6f, 0x74, 0x73, 0x18, 0x01, 0x01),
    ],
  ]
  const asked = [protocols.challenge, protocols.evidence, protocols.sync]

  test.each(garbage)(
    'R-MSG-1 %s: refused with a code, counted, and the peer loses its name',
    async (_name, bytes) => {
      for (const [i, protocol] of asked.entries()) {
        // A name of its own each time: refusals of one peer end in a ban.
        const peer = await network.startPeer({ address: network.ip(100 + i) })
        const answer = await ask(peer, node.target, protocol, bytes)
        const text = new TextDecoder('latin1').decode(answer)
        expect(text).toContain('refused')
        const code = /too-long|not-cbor|wrong-shape|not-canonical/.exec(text)?.[0]
        expect(code).toBeDefined()
        const kind = protocol.split('/')[0]
        expect(await node.count('messages', { kind, outcome: 'reject', code })).toBe(1)
        expect(await node.penalties('malformed-exchange')).toBe(i + 1)
        await peer.stop()
      }
      await isUnharmed()
    },
  )

  test('R-MSG-1 more than a request may hold is cut off unread', async () => {
    const peer = await network.startPeer({})
    for (const protocol of asked) {
      await expect(ask(peer, node.target, protocol, new Uint8Array(100_000))).rejects.toMatchObject({
        code: expect.stringMatching(/^NET_(CLOSED|TIMEOUT)$/) as string,
      })
    }
    await isUnharmed()
  })

  test('a peer that goes on is shut out, and nobody else is', async () => {
    const peer = await network.startPeer({})
    let refusals = 0
    const isShutOut = async (): Promise<boolean> => {
      try {
        await ask(peer, node.target, protocols.sync, Uint8Array.of(0x80), 2_000)
        refusals++
        return false
      } catch {
        return true
      }
    }
    await until(isShutOut)
    // 10 points each, 90 are too many; they halve every ten minutes.
    expect(refusals).toBeLessThanOrEqual(10)
    await isUnharmed()
  })
})

describe('R-EVID-1 evidence', () => {
  test('is served by CID to anybody, and what is not held is unknown', async () => {
    const block = seedOf('a block')
    await node.daemon.node.evidence.put(epoch, block)
    const stranger = await network.startPeer({})
    const get = async (cid: ReturnType<typeof cidOf>) => {
      const bytes = await ask(
        stranger,
        node.target,
        protocols.evidence,
        evidenceRequestCodec.encode(['evidence', cid]),
      )
      const answer = evidenceAnswerCodec.decode(bytes)
      return answer.is === 'ok' ? answer.value : answer
    }
    expect(await get(cidOf(block))).toEqual(['evidence', block])
    expect(await get(cidOf(seedOf('another')))).toEqual(['unknown'])
    // To ask for what is not there is no lie.
    expect(await node.penalties()).toBe(0)
  })
})

test('R-SYNC-1 an answer of sync to a stranger is within its bound', async () => {
  const stranger = await network.startPeer({})
  const bytes = await ask(
    stranger,
    node.target,
    protocols.sync,
    Uint8Array.of(0x83, 0x65, 0x72, 0x6f, 0x6f, 0x74, 0x73, 0x00, 0x18, 0x40),
  )
  const answer = syncAnswerCodec.decode(bytes)
  expect(answer).toMatchObject({ is: 'ok', value: ['roots', expect.any(Array)] })
})
