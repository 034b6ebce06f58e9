import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  decodeSigned,
  type Epoch,
  protocols,
  syncAnswerCodec,
  syncRequestCodec,
} from '../../protocol/index.ts'
import type { Network } from '../../src/chain/profiles.ts'
import { fetchLastEpochs, type LastEpochsOptions } from '../../src/week-io/last-epochs.ts'
import { realWorld } from '../../src/world.ts'
import { type LocalHost, networkId, startHost } from '../net/local-hosts.ts'
import { seedOf } from '../protocol/fixture.ts'

type EpochContext = LastEpochsOptions['contexts'][number]

const size = 4
const limits = {
  maxRequestBytes: syncRequestCodec.maxBytes,
  maxResponseBytes: syncAnswerCodec.maxBytes,
  timeoutMs: 10_000,
  maxConcurrentPerPeer: 4,
  maxConcurrent: 8,
}

const hosts: LocalHost[] = []
/** Of whose attestations a seat that is asked gives nothing. */
let keptBack: (seat: number) => boolean
/** Seats that were asked, and those of them that did not answer in time: this machine may be busy. */
let asked: Set<number>
let late: Set<number>
const answered = (): number => [...asked].filter((seat) => !late.has(seat)).length

beforeAll(async () => {
  for (let seat = 0; seat < size; seat++) {
    const host = await startHost(`127.41.62.${seat + 1}`)
    await host.handle(protocols.sync, limits, (request) => {
      const decoded = syncRequestCodec.decode(request)
      if (decoded.is === 'bad' || decoded.value[0] !== 'fetch') throw new Error('not asked for attestations')
      asked.add(seat)
      // The seat stands for its attestation: what is admitted is the store's affair.
      const rows = decoded.value[3]
        .filter((one) => !keptBack(one))
        .map((one): [Uint8Array, Uint8Array] => [Uint8Array.of(one), new Uint8Array(64)])
      return Promise.resolve(syncAnswerCodec.encode(['attestations', rows]))
    })
    hosts.push(host)
  }
})
afterAll(() => Promise.all(hosts.map((host) => host[Symbol.asyncDispose]())))

/** The seats that are held afterwards. */
const fetchFrom = async (isKeptBack: (seat: number) => boolean): Promise<number[]> => {
  keptBack = isKeptBack
  asked = new Set()
  late = new Set()
  const snapshot = hosts.map((host, seat) => {
    const { peerKey, address } = host.target()
    return { seat, peer: peerKey, host: address!.ip, p2p: address!.port }
  })
  const held: number[] = []
  const weeks = {
    async *standing() {
      yield* held.map((seat) => ({ seat }))
    },
    admit: (_: EpochContext, bytes: Uint8Array) => {
      const signed = decodeSigned(bytes, 1)
      if (signed.is === 'ok') held.push(signed.value.payload[0]!)
      return Promise.resolve()
    },
  }
  await fetchLastEpochs({
    network: { networkId, profile: { allowLoopback: true } } as Network,
    weeks: weeks as unknown as LastEpochsOptions['weeks'],
    contexts: [{ epoch: 3 as Epoch, beacon: seedOf('beacon'), snapshot } as unknown as EpochContext],
    resolveHost: (name) => Promise.resolve([name]),
    world: realWorld(),
    signal: AbortSignal.timeout(60_000),
    onTrouble: (host) => late.add(snapshot.find((row) => row.host === host)!.seat),
  })
  return held.sort((a, b) => a - b)
}

describe('R-RELAY-1 who was valid lately, as others tell', () => {
  test('R-RELAY-1 one who gives all is enough', async () => {
    expect(await fetchFrom(() => false)).toEqual([0, 1, 2, 3])
    expect(answered()).toBe(1)
  })

  test('R-RELAY-1 what one keeps back is asked of a second', async () => {
    expect(await fetchFrom((seat) => seat === 2)).toEqual([0, 1, 3])
    expect(answered()).toBe(2)
  })

  test('R-RELAY-1 who gives too little is followed by others', async () => {
    expect(await fetchFrom((seat) => seat < 2)).toEqual([2, 3])
    expect(new Set([...asked, ...late]).size).toBe(size)
  })
})
