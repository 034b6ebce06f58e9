import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { defaultPrefixBits, type RelayAnswer } from '../../protocol/index.ts'
import { createPuzzleSolver } from '../../src/net/puzzle-solver.ts'
import { type BroadcastOptions, broadcastThroughRelay } from '../../src/relay/broadcast.ts'
import type { RelaySeat } from '../../src/relay/seats.ts'
import { realWorld } from '../../src/world.ts'
import { type LocalHost, networkId, until } from '../net/local-hosts.ts'
import { type RelayNetwork, startRelayNetwork, withinIdleMs } from './relay-network.ts'

const world = realWorld()
const transaction = Uint8Array.from({ length: 400 }, (_, i) => i % 251)
const txid = transaction.slice(0, 32)

let network: RelayNetwork
let client: LocalHost
/** What each exit answers, by the order of calls; then `sent`. */
let answers: RelayAnswer[] = []
let calls = 0

beforeAll(async () => {
  network = await startRelayNetwork({
    hops: 7,
    block: 7,
    exit: (bytes) => {
      calls++
      return Promise.resolve(answers.shift() ?? ['sent', bytes.slice(0, 32)])
    },
  })
  client = await network.client()
})
afterAll(() => network[Symbol.asyncDispose]())

/** All live in one /24: apart by their whole address. */
const prefixBits = { ipv4: 32, ipv6: 128 }

const seats = (): RelaySeat[] =>
  network.hops.map(({ seat, address }) => ({
    ...network.pathOf([seat])[0]!,
    p2p: network.addressOf(seat).port,
    address: Uint8Array.from(address.split('.').map(Number)),
  }))

const broadcast = async (changes: Partial<BroadcastOptions> = {}) => {
  const paths: number[][] = []
  const reasons: string[] = []
  const work = broadcastThroughRelay({
    client,
    networkId,
    transaction,
    txid,
    seats: seats(),
    ownSeat: null,
    hops: 3,
    prefixBits,
    addressOf: () => Promise.reject(new Error('nothing is looked up')),
    solver: createPuzzleSolver({ world, maxEffort: 2 ** 20 }),
    world,
    signal: AbortSignal.timeout(180_000),
    onProgress(progress) {
      if (progress.is === 'building') paths.push(progress.path.map(({ seat }) => seat))
      if (progress.is === 'failed') reasons.push(progress.reason)
    },
    ...changes,
  })
  const outcome = await work.catch((error: unknown) => error)
  await until(() => network.openStreams() === 0, withinIdleMs)
  return { outcome, paths, reasons }
}

describe('R-RELAY-2 one circuit after the other', () => {
  test('R-RELAY-2 the suspects of a link that is not made are replaced, the others keep their places', async () => {
    const dead = [3, 4, 5]
    await Promise.all(dead.map((seat) => network.hops[seat]!.host.stop()))
    for (let round = 0; round < 6; round++) {
      const { outcome, paths, reasons } = await broadcast({ hops: 2 })
      for (const [i, path] of paths.entries()) {
        const next = paths[i + 1]
        if (next === undefined) continue
        const [first, second] = path as [number, number]
        const [nextFirst, nextSecond] = next as [number, number]
        expect(dead.includes(first) || dead.includes(second)).toBe(true)
        if (dead.includes(first)) {
          // The client could not reach the first hop: the second is not to blame.
          expect(nextFirst).not.toBe(first)
          expect(nextSecond).toBe(second)
        } else {
          expect([nextFirst, nextSecond]).not.toContain(first)
          expect([nextFirst, nextSecond]).not.toContain(second)
        }
      }
      if (paths.length <= 4 && !(outcome instanceof Error)) {
        expect(outcome).toMatchObject({ refusal: null, circuits: paths.length })
        expect(paths.at(-1)!.some((seat) => dead.includes(seat))).toBe(false)
      } else {
        expect((outcome as { code: string }).code).toMatch(/^RELAY_(FAILED|TOO_FEW)$/)
      }
      expect(reasons).toHaveLength(outcome instanceof Error ? paths.length : paths.length - 1)
    }
    await Promise.all(dead.map((seat) => network.hops[seat]!.host.start()))
  })

  test('R-RELAY-2 an exit that refuses, or names another transaction, is replaced alone', async () => {
    answers = [
      ['refused', 'node-unavailable'],
      ['sent', new Uint8Array(32)],
      ['refused', 'malformed-transaction'],
    ]
    const { outcome, paths, reasons } = await broadcast()
    expect(outcome).toMatchObject({ refusal: null, circuits: 4 })
    expect(paths).toHaveLength(4)
    for (const path of paths) expect(path.slice(0, 2)).toEqual(paths[0]!.slice(0, 2))
    expect(new Set(paths.map((path) => path[2])).size).toBe(4)
    expect(reasons[0]).toContain('node-unavailable')
    expect(reasons[1]).toContain('another transaction')
  })

  test('R-RELAY-2 after four circuits the client gives up and says why', async () => {
    answers = Array.from({ length: 4 }, () => ['refused', 'node-unavailable'])
    const { outcome, paths } = await broadcast()
    expect(outcome).toMatchObject({
      code: 'RELAY_FAILED',
      message: expect.stringContaining('node-unavailable') as string,
    })
    expect(paths).toHaveLength(4)
  })

  test("R-RELAY-5 the node's own refusal is an answer, and nobody else is asked", async () => {
    calls = 0
    answers = [['node-refused', -26, '64: dust']]
    const { outcome } = await broadcast()
    expect(outcome).toMatchObject({ refusal: { code: -26, words: '64: dust' }, circuits: 1 })
    expect(calls).toBe(1)
  })

  test('a client that is interrupted stops at once', async () => {
    const giveUp = new AbortController()
    const { outcome } = await broadcast({
      signal: giveUp.signal,
      onProgress: () => giveUp.abort(new Error('interrupted')),
    })
    expect(outcome).toMatchObject({ message: 'interrupted' })
  })
})

describe('R-RELAY-1 whom the client draws', () => {
  test('R-RELAY-1 not itself, and no two of one network', async () => {
    for (let round = 0; round < 3; round++) {
      const { outcome, paths } = await broadcast({ ownSeat: 2, hops: 6 })
      expect(outcome).toMatchObject({ refusal: null })
      expect(new Set(paths[0])).toEqual(new Set([0, 1, 3, 4, 5, 6]))
    }
    // All in one /16.
    const { outcome } = await broadcast({ prefixBits: defaultPrefixBits })
    expect(outcome).toMatchObject({ code: 'RELAY_TOO_FEW', exitCode: 3 })
  })

  test('R-RELAY-1 names are looked up a dozen at a time, so that whoever watches does not see the hops', async () => {
    const asked: number[] = []
    const address = new Map(seats().map((seat) => [seat.seat, seat.address]))
    // 35 seats of which 28 have no address.
    const unknown = Array.from({ length: 35 }, (_, i) => ({ ...seats()[i % 7]!, seat: i, address: null }))
    const { outcome, paths } = await broadcast({
      seats: unknown,
      addressOf: ({ seat }) => {
        asked.push(seat)
        return Promise.resolve(seat < 7 ? address.get(seat)! : null)
      },
    })
    expect(outcome).toMatchObject({ refusal: null })
    expect(asked.length % 12 === 0 || asked.length === 35).toBe(true)
    expect(new Set(asked).size).toBe(asked.length)
    for (const seat of paths[0]!) expect(asked).toContain(seat)
  })
})
