import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RelayAnswer } from '../../protocol/index.ts'
import { createPuzzleSolver } from '../../src/net/puzzle-solver.ts'
import { type BroadcastProgress, broadcastThroughRelay } from '../../src/relay/broadcast.ts'
import { realWorld } from '../../src/world.ts'
import { createStoppedClock } from '../fixtures/stopped-clock.ts'
import { type LocalHost, networkId } from '../net/local-hosts.ts'
import { type RelayNetwork, startRelayNetwork } from './relay-network.ts'

const transaction = Uint8Array.from({ length: 400 }, (_, i) => i % 251)
const refusal: RelayAnswer = ['node-refused', -25, 'could not find an input']

// Circuits with the limits that nodes have, and time that stands still but for the test.
const clock = createStoppedClock()
let network: RelayNetwork
let client: LocalHost
let atWork = Promise.withResolvers<void>()
let answer = Promise.withResolvers<RelayAnswer>()

beforeAll(async () => {
  network = await startRelayNetwork({
    hops: 3,
    block: 9,
    timers: clock,
    exit: () => {
      atWork.resolve()
      return answer.promise
    },
  })
  client = await network.client()
})
afterAll(() => network[Symbol.asyncDispose]())

/** The hops look at their circuits each 5 seconds. */
const passBySweeps = (ms: number): void => {
  for (let passed = 0; passed < ms; passed += 5_000) clock.pass(5_000)
}

describe('a chain node that takes its time', () => {
  test('R-RELAY-5 R-RELAY-6 no hop ends the circuit while the exit waits, and its refusal comes to the client', async () => {
    const progress: BroadcastProgress[] = []
    const outcome = broadcastThroughRelay({
      client,
      networkId,
      transaction,
      txid: transaction.slice(0, 32),
      seats: network.hops.map(({ seat }) => ({
        ...network.pathOf([seat])[0]!,
        p2p: network.addressOf(seat).port,
        address: Uint8Array.from(network.addressOf(seat).ip.split('.').map(Number)),
      })),
      ownSeat: null,
      hops: 3,
      path: [0, 1, 2],
      prefixBits: { ipv4: 32, ipv6: 128 },
      addressOf: () => Promise.reject(new Error('nothing is looked up')),
      solver: createPuzzleSolver({ world: realWorld(), maxEffort: 2 ** 20 }),
      world: { ...realWorld(), setTimer: clock.setTimer },
      signal: AbortSignal.timeout(60_000),
      onProgress: (one) => progress.push(one),
    })
    await atWork.promise
    passBySweeps(75_000)
    answer.resolve(refusal)
    expect(await outcome).toMatchObject({
      refusal: { code: -25, words: 'could not find an input' },
      circuits: 1,
    })
    expect(progress.map(({ is }) => is)).toEqual(['building', 'reached', 'reached', 'reached', 'waiting'])
    expect(progress.at(-1)).toMatchObject({ exit: { seat: 2 } })
  })

  test('R-RELAY-6 a circuit on which nothing moves for longer than that is ended', async () => {
    atWork = Promise.withResolvers<void>()
    answer = Promise.withResolvers<RelayAnswer>()
    const circuit = await network.build(client, [0, 1, 2])
    const broken = circuit.broadcast(transaction, new AbortController().signal)
    await atWork.promise
    passBySweeps(95_000)
    await expect(broken).rejects.toThrow('a hop says idle')
    answer.resolve(refusal)
  })
})
