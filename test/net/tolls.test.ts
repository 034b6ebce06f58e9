import type { Stream } from '@libp2p/interface'
import { lpStream } from '@libp2p/utils'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  encodePaidRequest,
  leastAskedEffort,
  maxEffort,
  nonceBytes,
  paidProtocols,
  type PuzzleAnswer,
  puzzleAnswerCodec,
  readPaidRequest,
  searchSolution,
} from '../../protocol/index.ts'
import { encodeSolution } from '../../protocol/puzzle.ts'
import type { HandlerLimits } from '../../src/net/service.ts'
import { realWorld } from '../../src/world.ts'
import { networkId, startHost, until, type LocalHost } from './local-hosts.ts'
import { startRawPeer, type RawPeer } from './raw-peer.ts'

const limits: HandlerLimits = {
  maxRequestBytes: 100,
  maxResponseBytes: 100,
  timeoutMs: 60_000,
  maxConcurrentPerPeer: 4,
  maxConcurrent: 8,
}
const asked = { timeoutMs: 60_000, maxResponseBytes: 100 }
const hello = Uint8Array.of(7, 7, 7)
const real = realWorld()
let offsetMs = 0
const world = { ...real, monotonicMs: () => real.monotonicMs() + offsetMs }

describe('R-PUZ-3 a node that strangers pay', () => {
  let server: LocalHost
  let alice: RawPeer
  let mallory: RawPeer
  let served = 0
  beforeAll(async () => {
    server = await startHost('127.142.3.1', { world })
    for (const protocol of [...paidProtocols, 'free/1']) {
      await server.handle(protocol, limits, async (request) => {
        served++
        return request
      })
    }
    alice = await startRawPeer('127.142.3.2')
    mallory = await startRawPeer('127.142.3.3')
  })
  afterAll(async () => {
    await Promise.all([server.stop(), alice[Symbol.asyncDispose](), mallory[Symbol.asyncDispose]()])
  })

  const exchange = async (peer: RawPeer, bytes: Uint8Array, protocol = 'sync/1'): Promise<Uint8Array> => {
    const stream = await peer.open(server.target().address!, protocol)
    const messages = lpStream(stream)
    await messages.write(bytes)
    const answer = Uint8Array.from((await messages.read()).subarray())
    await stream.close()
    return answer
  }
  const puzzleOf = (answer: Uint8Array): PuzzleAnswer => {
    const decoded = puzzleAnswerCodec.decode(answer)
    if (decoded.is === 'bad') throw new Error(`no puzzle but ${Buffer.from(answer).toString('hex')}`)
    return decoded.value
  }
  /** Anybody who is refused gets one. */
  const cookie = async (protocol = 'sync/1'): Promise<Uint8Array> =>
    puzzleOf(await exchange(mallory, encodePaidRequest(new Uint8Array(3), hello), protocol))[1]
  let drawn = 0
  const solve = (
    of: RawPeer,
    given: Uint8Array,
    effort = leastAskedEffort,
    purpose = 'sync/1',
  ): Uint8Array => {
    const nonce = Buffer.alloc(nonceBytes)
    nonce.writeUInt32BE(++drawn)
    const puzzle = { networkId, purpose, server: server.peerKey, client: of.peerKey, cookie: given, effort }
    return searchSolution(puzzle, nonce, 1_000_000)!
  }

  test('R-PUZ-1 without load a bare request is answered, a paid one as well, and the handler sees no difference', async () => {
    expect(await exchange(alice, hello)).toEqual(hello)
    const solution = solve(alice, await cookie())
    expect(await exchange(alice, encodePaidRequest(solution, hello))).toEqual(hello)
    // A registered peer that was a stranger a moment ago pays for nothing, and is answered.
    server.setRegistered(new Set([Buffer.from(alice.peerKey).toString('hex')]))
    expect(await exchange(alice, encodePaidRequest(new Uint8Array(3), hello))).toEqual(hello)
    server.setRegistered(new Set())
    // On other protocols there is no such thing.
    const paid = encodePaidRequest(new Uint8Array(3), hello)
    expect(await exchange(alice, paid, 'free/1')).toEqual(paid)
  })

  test('R-PUZ-3 replayed, wrong peer, wrong purpose, too light, malformed, stale: refused with the code, and no work is done', async () => {
    const given = await cookie()
    const used = solve(alice, given)
    await exchange(alice, encodePaidRequest(used, hello))
    const before = served
    const lucky = encodeSolution(
      {
        networkId,
        purpose: 'sync/1',
        server: server.peerKey,
        client: alice.peerKey,
        cookie: given,
        effort: maxEffort,
      },
      new Uint8Array(nonceBytes),
    )
    const wrong: [Uint8Array, string, string][] = [
      [used, 'sync/1', 'replayed'],
      [solve(mallory, given), 'sync/1', 'wrong-peer'],
      [solve(alice, given, leastAskedEffort, 'evidence/1'), 'sync/1', 'wrong-purpose'],
      [solve(alice, given, leastAskedEffort, 'evidence/1'), 'evidence/1', 'stale'],
      [lucky, 'sync/1', 'too-light'],
      [new Uint8Array(0), 'sync/1', 'malformed'],
    ]
    for (const [solution, protocol, code] of wrong) {
      const refusal = puzzleOf(await exchange(alice, encodePaidRequest(solution, hello), protocol))
      expect(refusal).toEqual(['puzzle', expect.any(Uint8Array), leastAskedEffort, code])
    }
    const old = solve(alice, given)
    offsetMs += 120_000
    expect(puzzleOf(await exchange(alice, encodePaidRequest(old, hello)))[3]).toBe('stale')
    expect(served).toBe(before)
    expect(server.gates().every(({ inside, waiting }) => inside + waiting === 0)).toBe(true)
  })

  test('R-PUZ-3 what no honest client sends costs its name; to be late or light does not', async () => {
    await using eve = await startRawPeer('127.142.3.4')
    const counted = () => server.counts.get('penalties malformed-exchange') ?? 0
    const given = await cookie()
    const honest = [
      solve(eve, new Uint8Array(16)),
      solve(eve, given),
      encodeSolution(
        {
          networkId,
          purpose: 'sync/1',
          server: server.peerKey,
          client: eve.peerKey,
          cookie: given,
          effort: 1,
        },
        new Uint8Array(nonceBytes),
      ),
    ]
    const before = counted()
    for (const solution of honest) await exchange(eve, encodePaidRequest(solution, hello))
    expect(counted()).toBe(before)
    for (let faults = 0; faults < 8; faults++) {
      await exchange(eve, encodePaidRequest(solve(mallory, given), hello))
    }
    expect(counted()).toBe(before + 8)
    const isShutOut = async (): Promise<boolean> => {
      await exchange(eve, encodePaidRequest(solve(mallory, given), hello)).catch(() => null)
      return server.counts.get('bans stranger') === 1
    }
    await until(isShutOut)
    expect(counted()).toBeLessThanOrEqual(before + 10)
  })
})

describe('R-PUZ-4 a node that is asked to pay', () => {
  let client: LocalHost
  const long: number[] = []
  beforeAll(async () => {
    client = await startHost('127.142.3.10', {
      maxEffort: 2 ** 24,
      onToll: ({ expectedMs }) => void long.push(expectedMs),
    })
  })
  afterAll(() => client.stop())

  /** A server that says whatever the test likes, and remembers what it was asked. */
  const startServer = async (ip: string, say: (solution: Uint8Array | null, times: number) => Uint8Array) => {
    const peer = await startRawPeer(ip)
    const heard: { solution: Uint8Array | null; request: Uint8Array }[] = []
    await peer.handle('sync/1', (stream: Stream) => {
      const messages = lpStream(stream)
      void (async () => {
        const asking = readPaidRequest(Uint8Array.from((await messages.read()).subarray()), 100)!
        heard.push(asking)
        await messages.write(say(asking.solution, heard.length))
        await stream.close()
      })().catch(() => undefined)
    })
    return {
      heard,
      target: { peerKey: peer.peerKey, address: peer.address() },
      [Symbol.asyncDispose]: () => peer[Symbol.asyncDispose](),
    }
  }
  const tell = (effort: number, code = 'unpaid', cookie = new Uint8Array(16)): Uint8Array =>
    puzzleAnswerCodec.encode(['puzzle', cookie, effort, code])

  test('R-PUZ-1 does the work, asks again with the same request, and pays the next one at once', async () => {
    await using server = await startServer('127.142.3.11', (solution) =>
      solution === null ? tell(50) : hello,
    )
    expect(await client.request(server.target, 'sync/1', hello, asked)).toEqual(hello)
    expect(await client.request(server.target, 'sync/1', hello, asked)).toEqual(hello)
    expect(server.heard.map(({ solution }) => solution !== null)).toEqual([false, true, true])
    expect(server.heard.every(({ request }) => Buffer.compare(request, hello) === 0)).toBe(true)
    expect(server.heard[1]!.solution).not.toEqual(server.heard[2]!.solution)
    expect(client.counts.get('puzzles solved')).toBe(2)
  })

  test('R-PUZ-5 does twice as much when it was outbid', async () => {
    const efforts: number[] = []
    await using server = await startServer('127.142.3.12', (solution, times) => {
      if (solution !== null)
        efforts.push(new DataView(solution.buffer, solution.byteOffset).getUint32(solution.length - 13))
      return times < 4 ? tell(10, times === 1 ? 'unpaid' : 'outbid') : hello
    })
    expect(await client.request(server.target, 'sync/1', hello, asked)).toEqual(hello)
    expect(efforts).toEqual([10, 20, 40])
  })

  test.each([
    ['that takes no work for its answer', 6, () => tell(2)],
    [
      'that blames the work',
      2,
      (solution: Uint8Array | null) => tell(2, solution === null ? 'unpaid' : 'wrong-peer'),
    ],
  ])('R-PUZ-4 is not exploited by a server %s', async (_what, exchanges, say) => {
    await using server = await startServer(`127.142.3.${20 + exchanges}`, say)
    await expect(client.request(server.target, 'sync/1', hello, asked)).rejects.toMatchObject({
      code: 'NET_PUZZLE_REFUSED',
      hint: expect.any(String),
    })
    expect(server.heard).toHaveLength(exchanges)
  })

  test('R-PUZ-4 does no more than it is ready to do, in all or for one request', async () => {
    await using server = await startServer('127.142.3.13', () => tell(2 ** 24 + 1))
    const dear = { code: 'NET_PUZZLE_DEAR', hint: expect.stringContaining('load') }
    await expect(client.request(server.target, 'sync/1', hello, asked)).rejects.toMatchObject(dear)
    await using cheap = await startServer('127.142.3.14', () => tell(10))
    const none = { ...asked, maxEffort: 9 }
    await expect(client.request(cheap.target, 'sync/1', hello, none)).rejects.toMatchObject(dear)
    expect([...server.heard, ...cheap.heard].every(({ solution }) => solution === null)).toBe(true)
  })

  test('R-PUZ-4 says so when it takes long, does other things meanwhile, and stops when it is told to', async () => {
    await using server = await startServer('127.142.3.15', () => tell(2 ** 24))
    const aborting = new AbortController()
    const request = client.request(server.target, 'sync/1', hello, { ...asked, signal: aborting.signal })
    const outcome = request.catch((error: { code: string }) => error.code)
    await until(() => long.length === 1)
    expect(long[0]).toBeGreaterThan(2_000)
    // Between slices everything else has its turn.
    let turns = 0
    await until(() => ++turns > 5)
    await using other = await startServer('127.142.3.16', () => hello)
    expect(await client.request(other.target, 'sync/1', hello, asked)).toEqual(hello)
    aborting.abort()
    expect(await outcome).toBe('NET_ABORTED')

    const stopping = await startHost('127.142.3.17', { maxEffort: 2 ** 24, onToll: () => void long.push(0) })
    const stopped = stopping
      .request(server.target, 'sync/1', hello, asked)
      .catch((error: { code: string }) => error.code)
    await until(() => long.length === 2)
    await stopping.stop()
    expect(await stopped).toBe('NET_STOPPED')
  })

  test('R-PUZ-1 an answer that only looks like a puzzle is an answer, and on other protocols every one is', async () => {
    const odd = [tell(0), tell(2, 'No code'), tell(2).slice(0, -1)]
    await using server = await startServer('127.142.3.18', (_solution, times) => odd[times - 1]!)
    for (const answer of odd)
      expect(await client.request(server.target, 'sync/1', hello, asked)).toEqual(answer)
    await using free = await startHost('127.142.3.19')
    await free.handle('free/1', limits, async () => tell(2))
    expect(await client.request(free.target(), 'free/1', hello, asked)).toEqual(tell(2))
  })
})
