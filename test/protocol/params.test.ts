import { sha256 } from '@noble/hashes/sha2.js'
import { describe, expect, test } from 'vitest'
import {
  bytesToHex,
  coin,
  encodeCanonical,
  Genesis,
  networkIdOf,
  Params,
  ParamsSchedule,
  paramsHash,
  paramsOfWeek,
  type Week,
} from '../../protocol/index.ts'
import { genesis, paramsWith } from './fixture.ts'

describe('R-NET-1', () => {
  test('R-NET-1 the network id is the head of the hash of nine values in order', () => {
    const bytes = encodeCanonical([
      'network',
      genesis.chain,
      genesis.activationHeight,
      genesis.announceAddress,
      genesis.viewingKey,
      genesis.minStake,
      genesis.minSeniors,
      genesis.epochBlocks,
      genesis.confirmations,
      genesis.announceBlocks,
    ])
    expect(networkIdOf(genesis)).toBe(bytesToHex(sha256(bytes)).slice(0, 32))
  })

  test('R-NET-1 every value of the genesis part is in it', () => {
    const changes: Partial<Genesis>[] = [
      { chain: 'zcash-test' },
      { activationHeight: 102 },
      { announceAddress: 'x' },
      { viewingKey: 'x' },
      { minStake: 1n },
      { minSeniors: 5 },
      { epochBlocks: 25 },
      { confirmations: 5 },
      { announceBlocks: 999 },
    ]
    expect(changes.map((change) => Object.keys(change)[0])).toEqual(Object.keys(Genesis.shape))
    const ids = changes.map((change) => networkIdOf(Genesis.parse({ ...genesis, ...change })))
    expect(new Set([networkIdOf(genesis), ...ids]).size).toBe(10)
  })

  test.each([
    ['chain', 'doge-main'],
    ['activationHeight', 0],
    ['epochBlocks', 3],
    ['confirmations', -1],
    ['minStake', 42],
    ['minStake', -1n],
    ['announceAddress', ''],
    ['announceAddress', 'zs1é'],
    ['viewingKey', ' zivks1'],
    ['viewingKey', 'zivks1\n'],
    ['viewingKey', 'x'.repeat(513)],
    ['extra', 1],
  ])('R-NET-1 %s = %s is no genesis', (name, value) => {
    expect(Genesis.safeParse({ ...genesis, [name]: value }).success).toBe(false)
  })
})

describe('R-NET-2', () => {
  const treasury = {
    kind: 'treasury' as const,
    scripts: [
      { from: 1, script: '76a9' },
      { from: 100, script: 'a914' },
    ],
  }

  test('R-NET-2 the hash is over sixteen parameters in order', () => {
    const params = Params.parse({ fund: treasury })
    const expected = [
      'params', 11, 64, 5_000, 2, 16, 50, 0, 8, 128, 24, 1_152, coin,
      ['treasury', [[1, Uint8Array.of(0x76, 0xa9)], [100, Uint8Array.of(0xa9, 0x14)]]],
      2n * coin, 100, 1,
    ] as const // prettier-ignore
    expect(paramsHash(params)).toEqual(sha256(encodeCanonical(expected)))
  })

  test('R-NET-2 every parameter is in the hash', () => {
    const base = paramsWith()
    const changed = Object.entries(base).map(([name, value]): Params => {
      if (name === 'fund') return { ...base, fund: treasury }
      return { ...base, [name]: typeof value === 'bigint' ? value + 1n : (value as number) + 1 }
    })
    expect(new Set([base, ...changed].map((params) => bytesToHex(paramsHash(params)))).size).toBe(17)
  })

  test.each([
    ['committee', 49],
    ['committee', 0],
    ['samples', 1_025],
    ['fund', { kind: 'treasury', scripts: [] }],
    [
      'fund',
      {
        kind: 'treasury',
        scripts: [
          { from: 5, script: '00' },
          { from: 5, script: '00' },
        ],
      },
    ],
    ['fund', { kind: 'treasury', scripts: [{ from: 5, script: '0' }] }],
    ['fund', { kind: 'fixed', amount: 1.5 }],
    ['unknown', 1],
  ])('R-NET-2 %s = %j is no parameter', (name, value) => {
    expect(Params.safeParse({ ...paramsWith(), [name]: value }).success).toBe(false)
  })

  test('R-NET-2 a row holds from its week to the next, the first before all others too', () => {
    const rows = ['2026-W10', '2026-W53', '2027-W02'].map((from, i) => ({
      from,
      params: paramsWith({ samples: i + 1 }),
    }))
    const schedule = ParamsSchedule.parse(rows)
    const samplesIn = (week: string) => paramsOfWeek(schedule, week as Week).samples
    expect(
      ['2025-W01', '2026-W10', '2026-W52', '2026-W53', '2027-W01', '2027-W02', '2040-W01'].map(samplesIn),
    ).toEqual([1, 1, 1, 2, 2, 3, 3])
  })

  test('R-NET-2 weeks of a schedule exist and rise', () => {
    const row = (from: string) => ({ from, params: paramsWith() })
    for (const rows of [
      [],
      [row('2026-W10'), row('2026-W10')],
      [row('2026-W11'), row('2026-W10')],
      [row('2025-W53')],
      [row('9999-W53')],
    ]) {
      expect(ParamsSchedule.safeParse(rows).success).toBe(false)
    }
  })

  test('R-NET-2 the reasons given for the defaults add up', () => {
    const choose = (n: number, k: number): number => (k === 0 ? 1 : (choose(n, k - 1) * (n - k + 1)) / k)
    const tail = (n: number, p: number, k: number): number =>
      Array.from(
        { length: n - k + 1 },
        (_, i) => choose(n, k + i) * p ** (k + i) * (1 - p) ** (n - k - i),
      ).reduce((a, b) => a + b)
    const { committee, samples, retries, attestBlocks, certifiers, viewBlocks, anchorBlocks } = paramsWith()
    expect(
      [tail(committee, 0.1, 6), tail(committee, 0.2, 6), tail(committee, 1 / 3, 6), tail(7, 0.2, 4)].map(
        (p) => p.toPrecision(3),
      ),
    ).toEqual(['0.000296', '0.0117', '0.122', '0.0333'])
    expect([0.9, 0.95, 0.99].map((kept) => (kept ** samples).toPrecision(2))).toEqual([
      '0.0012',
      '0.038',
      '0.53',
    ])
    expect(1 / 0.05 ** (retries + 1)).toBeCloseTo(8_000)
    expect([attestBlocks * 75, viewBlocks * 75, anchorBlocks * 75]).toEqual([1_200, 1_800, 86_400])
    const votes = Math.floor((2 * certifiers) / 3) + 1
    expect([votes, certifiers - votes + 1]).toEqual([86, 43])
    expect(
      [
        tail(128, 0.1, 43),
        tail(128, 0.25, 43),
        tail(128, 0.25, 86),
        tail(128, 1 / 3, 86),
        tail(16, 0.1, 11),
      ].map((p) => p.toPrecision(2)),
    ).toEqual(['3.7e-13', '0.018', '1.3e-23', '5.6e-15', '2.7e-8'])
    expect(tail(128, 0.1, 86)).toBeLessThan(1e-53)
  })
})
