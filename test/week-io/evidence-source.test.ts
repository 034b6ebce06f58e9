import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  bytesToHex,
  type EvidenceAnswer,
  evidenceAnswerCodec,
  evidenceRequestCodec,
  protocols,
} from '../../protocol/index.ts'
import type { Host } from '../../src/net/host.ts'
import { createEvidenceStore } from '../../src/store/evidence.ts'
import { createMemoryStore } from '../../src/store/memory-store.ts'
import { createEvidenceSource } from '../../src/week-io/evidence-source.ts'
import { hostAddress, keysOfSeat, playSmallWeek, type SmallWeek, storeOf } from '../fixtures/small-week.ts'
import { type LocalHost, startHost } from '../net/local-hosts.ts'
import { explanationOf, never, sourcesOf } from '../week/explain/sources.ts'

let small: SmallWeek
/** Nodes of seats 2 to 5, at the addresses where the week's challengers saw them. */
const nodes = new Map<number, LocalHost>()
const answers = new Map<number, (cid: string) => EvidenceAnswer>()
let asked: string[] = []

beforeAll(async () => {
  small = await playSmallWeek({ nodes: 6, epochs: 4 })
  for (const seat of [2, 3, 4, 5]) {
    const node = await startHost(hostAddress(seat), {
      networkId: small.network.networkId,
      keys: keysOfSeat(seat),
      listen: { address: hostAddress(seat), port: 9_000 },
      topics: [],
    })
    nodes.set(seat, node)
    await node.handle(
      protocols.evidence,
      {
        maxRequestBytes: evidenceRequestCodec.maxBytes,
        maxResponseBytes: evidenceAnswerCodec.maxBytes,
        timeoutMs: 5_000,
        maxConcurrentPerPeer: 4,
        maxConcurrent: 16,
      },
      (bytes) => {
        const request = evidenceRequestCodec.decode(bytes)
        if (request.is === 'bad') throw new Error(request.code)
        const cid = request.value[1].toString()
        asked.push(`${seat} ${cid}`)
        return Promise.resolve(evidenceAnswerCodec.encode(answers.get(seat)!(cid)))
      },
    )
  }
})
afterAll(async () => {
  for (const node of nodes.values()) await node.stop()
})

const blockOf = (seat: number, cid: string): Uint8Array =>
  small.played.find(
    ({ attestation }) => attestation.seat === seat && attestation.evidence.toString() === cid,
  )!.block

describe('evidence that is not in the store', () => {
  test('R-EVID-1 comes from the challengers that hold it, at the addresses where they were seen, and is kept', async () => {
    for (const seat of nodes.keys()) answers.set(seat, (cid) => ['evidence', blockOf(seat, cid)])
    // Another block than was asked for, one that they do not have, and a refusal.
    answers.set(3, () => ['evidence', small.playedBy(2, 4).block])
    answers.set(4, () => ['unknown'])
    answers.set(5, () => ['refused', 'busy'])
    asked = []
    const store = await storeOf(small, { own: 1, evidence: () => false })
    const sources = await sourcesOf(small, store)
    try {
      const { challengers } = (await explanationOf(sources, { epochs: 3 })).details[0]!
      const evidenceOf = (seat: number) => {
        const { evidence, checks } = challengers.find((challenger) => challenger.seat === seat)!
        return { from: evidence!.from, check: checks.find(({ about }) => about === 'evidence') }
      }
      expect(evidenceOf(2)).toMatchObject({ from: 'network', check: { is: 'holds' } })
      expect(evidenceOf(3).check).toMatchObject({
        is: 'missing',
        detail: 'it serves another block than its own',
      })
      expect(evidenceOf(4).check).toMatchObject({
        is: 'missing',
        detail: 'it says that it does not have the block',
      })
      expect(evidenceOf(5).check).toMatchObject({ is: 'missing', detail: 'it refuses: busy' })
      // Nobody listens there.
      expect(evidenceOf(0).check).toMatchObject({
        is: 'missing',
        detail: expect.stringContaining('127.77.0.1'),
      })
      expect(new Set(asked).size).toBe(4)

      const { attestation, block } = small.playedBy(3, 2)
      const kept = await createEvidenceStore(store).get(attestation.evidence)
      expect(bytesToHex(kept!)).toBe(bytesToHex(block))
      asked = []
      const again = (await explanationOf(await sourcesOf(small, store), { epochs: 3 })).details[0]!
      expect(again.challengers.find(({ seat }) => seat === 2)!.evidence!.from).toBe('store')
      expect(asked.filter((one) => one.startsWith('2 '))).toEqual([])
    } finally {
      await sources.close()
    }
  })

  test('whoever cannot be reached is asked once for a whole week', async () => {
    let dialled = 0
    const host = {
      request: () => {
        dialled++
        return Promise.reject(new Error('refused'))
      },
    } as unknown as Host
    const source = createEvidenceSource({
      evidence: createEvidenceStore(createMemoryStore()),
      host: () => Promise.resolve(host),
      resolveHost: () => Promise.resolve(['127.0.0.9']),
      allowLoopback: true,
    })
    for (const epoch of [2, 3]) {
      const { attestation, context } = small.playedBy(epoch, 2)
      const found = await source.find(attestation, context.rowOf(2)!, '127.77.0.3', never)
      expect(found).toEqual({ is: 'missing', why: 'refused' })
    }
    // Where its name leads, and where it was seen.
    expect(dialled).toBe(2)
  })

  test('an abort is no answer', async () => {
    const abort = new AbortController()
    const source = createEvidenceSource({
      evidence: createEvidenceStore(createMemoryStore()),
      host: () => {
        abort.abort(new Error('enough'))
        return Promise.reject(new Error('no host'))
      },
      resolveHost: () => Promise.resolve(['127.0.0.9']),
      allowLoopback: true,
    })
    const { attestation, context } = small.playedBy(2, 2)
    await expect(source.find(attestation, context.rowOf(2)!, undefined, abort.signal)).rejects.toThrow(
      'enough',
    )
  })
})
