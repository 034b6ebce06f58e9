import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RelayAnswer } from '../../protocol/index.ts'
import type { RelayBroken } from '../../src/relay/circuit.ts'
import { type LocalHost, until } from '../net/local-hosts.ts'
import { type RelayNetwork, startRelayNetwork, withinIdleMs } from './relay-network.ts'

const forever = new AbortController().signal
const transaction = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 7) % 251)

let network: RelayNetwork
let client: LocalHost
/** What came out at exits. */
let sent: Uint8Array[] = []
/** What the next exit says; the transaction's first 32 bytes as txid unless told otherwise. */
let exit: (bytes: Uint8Array, signal: AbortSignal) => Promise<RelayAnswer>
const plainExit = (bytes: Uint8Array): Promise<RelayAnswer> => {
  sent.push(bytes)
  return Promise.resolve(['sent', bytes.slice(0, 32)])
}

beforeAll(async () => {
  exit = plainExit
  network = await startRelayNetwork({ hops: 4, block: 1, exit: (...args) => exit(...args) })
  client = await network.client()
})
afterAll(() => network[Symbol.asyncDispose]())

const noStreamsLeft = (): Promise<void> => until(() => network.openStreams() === 0, withinIdleMs)

const brokenBy = async (work: Promise<unknown>): Promise<RelayBroken> => {
  try {
    await work
  } catch (error) {
    expect(error).toMatchObject({ code: 'RELAY_BROKEN' })
    return error as RelayBroken
  }
  throw new Error('the circuit was built')
}

describe('R-RELAY-4 circuits', () => {
  test('R-RELAY-4 the largest transaction goes through three hops, and the answer comes back', async () => {
    sent = []
    const bytes = transaction(100_000)
    const circuit = await network.build(client, [0, 1, 2])
    expect(circuit.hops.map(({ seat }) => seat)).toEqual([0, 1, 2])
    for (const { roundTripMs } of circuit.hops) expect(roundTripMs).toBeGreaterThan(0)
    expect(await circuit.broadcast(bytes, forever)).toEqual(['sent', bytes.slice(0, 32)])
    expect(sent).toEqual([bytes])
    await noStreamsLeft()
  })

  test('R-RELAY-4 one hop, and two, are circuits too', async () => {
    for (const path of [[3], [2, 0]]) {
      const circuit = await network.build(client, path)
      expect(await circuit.broadcast(transaction(300), forever)).toEqual([
        'sent',
        transaction(300).slice(0, 32),
      ])
    }
  })

  test('R-RELAY-3 eight hops are as many as there may be, though a client asks for more', async () => {
    const eight = [0, 1, 2, 3, 0, 1, 2, 3]
    const circuit = await network.build(client, eight)
    const bytes = transaction(2_000)
    expect(await circuit.broadcast(bytes, forever)).toEqual(['sent', bytes.slice(0, 32)])
    const broken = await brokenBy(network.build(client, [...eight, 0]))
    expect(broken.link).toBe(8)
    expect(broken.message).toContain('too-many-cells')
    await noStreamsLeft()
    // Nobody is to blame but the client, whom nobody knows.
    for (const { host } of network.hops)
      expect(host.counts.get('penalties malformed-exchange')).toBeUndefined()
  })

  test('R-RELAY-5 refusals of the exit and of its node come as they are', async () => {
    for (const answer of [
      ['node-refused', -26, '64: dust'],
      ['refused', 'malformed-transaction'],
    ] as const) {
      exit = () => Promise.resolve([...answer])
      const circuit = await network.build(client, [1, 2, 3])
      expect(await circuit.broadcast(transaction(300), forever)).toEqual(answer)
    }
    exit = plainExit
    await noStreamsLeft()
  })

  test('R-RELAY-4 no hop extends to a stranger, with another key, to itself or back', async () => {
    const stranger = { ...network.pathOf([1])[0]!, seat: 99 }
    const otherKey = { ...network.pathOf([1])[0]!, peer: client.peerKey }
    for (const [second, code] of [
      [stranger, 'unknown-seat'],
      [otherKey, 'other-key'],
      [network.pathOf([0])[0]!, 'not-onwards'],
    ] as const) {
      const broken = await brokenBy(network.build(client, [...network.pathOf([0]), second]))
      expect(broken.link).toBe(1)
      expect(broken.message).toContain(code)
    }
    const back = await brokenBy(network.build(client, [0, 1, 0]))
    expect(back.link).toBe(2)
    expect(back.message).toContain('not-onwards')
    await noStreamsLeft()
  })

  test(
    'R-RELAY-4 a thousand circuits, eight at a time, leave no stream behind',
    { timeout: 900_000 },
    async () => {
      sent = []
      let left = 1_000
      const paths = [[0, 1, 2], [3, 2], [1], [0]]
      const work = async (): Promise<void> => {
        while (left > 0) {
          const number = left--
          const circuit = await network.build(client, paths[number % paths.length]!)
          // Some are torn down unused.
          if (number % 5 === 0) circuit.end()
          else await circuit.broadcast(transaction(300), forever)
        }
      }
      await Promise.all(Array.from({ length: 8 }, work))
      expect(sent).toHaveLength(800)
      await noStreamsLeft()
      for (const { hop, gate } of network.hops) {
        const { circuits } = hop.status()
        expect([circuits.strangers, circuits.registered, gate.status().inside]).toEqual([0, 0, 0])
        expect(circuits.sinceStart).toBeGreaterThanOrEqual(250)
      }
    },
  )
})

describe('R-RELAY-2 hops that fail', () => {
  test('R-RELAY-2 a hop that is gone breaks the link to it, at every place', async () => {
    const { hops } = network
    await hops[3]!.host.stop()
    for (const [path, link] of [
      [[3, 0, 1], 0],
      [[0, 3, 1], 1],
      [[0, 1, 3], 2],
    ] as const) {
      expect((await brokenBy(network.build(client, path))).link).toBe(link)
    }
    await noStreamsLeft()
    await hops[3]!.host.start()
  })

  test('R-RELAY-2 a hop that dies while its exit works breaks the circuit as a whole', async () => {
    for (const dying of [0, 1, 2]) {
      const atWork = Promise.withResolvers<void>()
      exit = (_, signal) => {
        atWork.resolve()
        return new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(new Error('gone')), { once: true })
        })
      }
      const circuit = await network.build(client, [0, 1, 2])
      const answer = brokenBy(circuit.broadcast(transaction(300), forever))
      await atWork.promise
      await network.hops[dying]!.host.stop()
      expect((await answer).link).toBeNull()
      await network.hops[dying]!.host.start()
      await noStreamsLeft()
    }
    exit = plainExit
    const circuit = await network.build(client, [0, 1, 2])
    expect(await circuit.broadcast(transaction(300), forever)).toEqual([
      'sent',
      transaction(300).slice(0, 32),
    ])
  })

  test('R-RELAY-2 a client that gives up tears everything down', async () => {
    const giveUp = new AbortController()
    const building = network.build(client, [0, 1, 2], giveUp.signal)
    await until(() => network.hops[1]!.hop.status().circuits.registered > 0)
    giveUp.abort(new Error('enough'))
    await expect(building).rejects.toThrow('enough')
    await noStreamsLeft()
  })
})
