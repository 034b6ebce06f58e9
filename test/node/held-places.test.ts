import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import type { Stream } from '@libp2p/interface'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  checkpointAnswerCodec,
  checkpointRequestCodec,
  cidOf,
  evidenceAnswerCodec,
  evidenceRequestCodec,
  proposalAnswerCodec,
  proposalRequestCodec,
  protocols,
  syncAnswerCodec,
  syncRequestCodec,
} from '../../protocol/index.ts'
import {
  ask,
  askChallenge,
  questionBy,
  challengersIn,
  createTestNetwork,
  type TestNetwork,
  type TestNode,
} from '../fixtures/test-network.ts'
import { type LocalHost, until } from '../net/local-hosts.ts'
import { type RawPeer, startRawPeer } from '../net/raw-peer.ts'
import { seedOf } from '../protocol/fixture.ts'

const target = 0
const epoch = 2

let network: TestNetwork
let node: TestNode
let honest: LocalHost
let challenger: number
let hogs: RawPeer[] = []

beforeEach(async () => {
  network = await createTestNetwork({ nodes: 24, params: { committee: 3 } })
  node = await network.start(target)
  challenger = challengersIn(await node.context(epoch), target).challengers[0]!
  honest = await network.startPeer({ index: challenger })
})
afterEach(async () => {
  for (const hog of hogs) await hog[Symbol.asyncDispose]()
  hogs = []
  await network.stop()
})

/** Sixteen seats, whoever they are, each with four streams that it keeps unfinished in its way. */
const holdStreams = async (
  protocolName: string,
  leaveUnfinished: (stream: Stream) => void,
): Promise<Stream[]> => {
  const seats = Array.from({ length: 24 }, (_, i) => i).filter((i) => i !== target && i !== challenger)
  const streams: Stream[] = []
  for (const index of seats.slice(0, 16)) {
    const hog = await startRawPeer(
      network.ip(index),
      await generateKeyPairFromSeed('Ed25519', network.keys[index]!.seed),
    )
    hogs.push(hog)
    for (let i = 0; i < 4; i++) {
      const connection = await hog.connect(node.target.address!)
      const stream = await connection.newStream(`/secnode/${network.networkId}/${protocolName}`)
      leaveUnfinished(stream)
      streams.push(stream)
    }
  }
  return streams
}

const challengeOf = (index: number) => questionBy(network, index, target, epoch)

interface Codec<T> {
  encode(value: T): Uint8Array
  decode(bytes: Uint8Array): { is: 'ok'; value: T } | { is: 'bad'; code: string }
}

const put = async <Q, A>(
  protocolName: string,
  { encode }: Pick<Codec<Q>, 'encode'>,
  { decode }: Pick<Codec<A>, 'decode'>,
  question: Q,
): Promise<A | string> => {
  const answer = decode(await ask(honest, node.target, protocolName, encode(question)))
  return answer.is === 'ok' ? answer.value : answer.code
}

/** What the honest seat asks on each protocol, and what it is answered by a node that has the time. */
const questions: [protocolName: string, ask: () => Promise<unknown>, answer: unknown][] = [
  [
    protocols.challenge,
    async () => (await askChallenge(honest, node.target, challengeOf(challenger))).slice(0, 1),
    ['receipt'],
  ],
  [
    protocols.evidence,
    () =>
      put(protocols.evidence, evidenceRequestCodec, evidenceAnswerCodec, [
        'evidence',
        cidOf(seedOf('no evidence')),
      ]),
    ['unknown'],
  ],
  [
    protocols.sync,
    () => put(protocols.sync, syncRequestCodec, syncAnswerCodec, ['of-seat', 3, 0, 4]),
    ['attestations', []],
  ],
  [
    protocols.checkpoint,
    () =>
      put(protocols.checkpoint, checkpointRequestCodec, checkpointAnswerCodec, [
        'checkpoint',
        cidOf(seedOf('no checkpoint')),
      ]),
    ['unknown'],
  ],
  [
    protocols.propose,
    () =>
      put(protocols.propose, proposalRequestCodec, proposalAnswerCodec, [
        'propose',
        0,
        network.rows[challenger]!.seat,
        new Uint8Array(10),
      ]),
    ['later', 'not-frozen'],
  ],
]

const nothing = (): void => undefined
const onlyLength = (stream: Stream): void => void stream.send(Uint8Array.of(40))
const half = (stream: Stream): void => void stream.send(Uint8Array.of(40, 0x87, 0x69))

describe('R-ADM-1 sixteen seats hold 64 unfinished requests, and each honest question is answered', () => {
  /** Unfinished requests that a peer may have there; its newest displace its oldest, at no fault. */
  const cases: [
    protocolName: string,
    way: string,
    leaveUnfinished: (stream: Stream) => void,
    perPeer: number,
  ][] = [
    [protocols.challenge, 'silent', nothing, 4],
    [protocols.challenge, 'a length and nothing more', onlyLength, 4],
    [protocols.evidence, 'half a request', half, 4],
    [protocols.sync, 'silent', nothing, 2],
    [protocols.checkpoint, 'half a request', half, 4],
    [protocols.propose, 'a length and nothing more', onlyLength, 2],
  ]

  test.each(cases)('R-ADM-3 on %s: %s', async (protocolName, _, leaveUnfinished, perPeer) => {
    const [, asking, answer] = questions.find(([name]) => name === protocolName)!
    const streams = await holdStreams(protocolName, leaveUnfinished)
    for (let i = 0; i < 12; i++) expect(await asking()).toEqual(answer)
    // Charged is what reached its deadline unread, and nothing else.
    await until(() => streams.every(({ status }) => status !== 'open'))
    await until(async () => (await node.penalties('flood')) === 16 * perPeer)
    expect(await asking()).toEqual(answer)
    expect(await node.penalties()).toBe(16 * perPeer)
  })
})
