import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type AttestedVerdicts,
  createCommittees,
  createFlatEpoch,
  hash,
  judgeFlatEpoch,
  outcomeNames,
} from '../../../protocol/index.ts'
import { createAddressNumbers } from '../../../protocol/tally/address-numbers.ts'
import { judgedWords } from '../judged.ts'
import { judgeInWords } from '../oracle/judge-epoch.ts'

const bytesOfAddress = (address: number): Uint8Array =>
  Uint8Array.of(address >>> 24, address >>> 16, address >>> 8, address)

/** An address of `anEpoch` as it is, in 0.0.0.0/8, or in a /64 of one of two /48, in which `host` tells hosts apart. */
const eitherFamily = (address: number, host: number): Uint8Array => {
  const [, a, b, c] = bytesOfAddress(address) as unknown as [number, number, number, number]
  if (c < 3) return Uint8Array.of(10, a, b, c)
  if (c === 3) return Uint8Array.of(0, a, b, c)
  return Uint8Array.of(0x20, 0x01, 0x0d, 0xb8, 0, a, b, c, 0, 0, 0, 0, 0, 0, 0, 1 + (host % 3))
}

/** Few addresses in few prefixes, so that hosts and prefixes collide; codes with all that is odd. */
const anEpoch = fc
  .record({
    size: fc.integer({ min: 0, max: 40 }),
    committee: fc.integer({ min: 1, max: 15 }),
    maxPerPrefix: fc.integer({ min: 0, max: 3 }),
    beacon: fc.nat(1_000_000),
    honesty: fc.constantFrom(0, 50, 85, 97),
    rolls: fc.infiniteStream(fc.nat(99)),
  })
  .map(({ size, committee, maxPerPrefix, beacon, honesty, rolls }) => {
    const committees = createCommittees(hash('test', beacon), size, committee)
    const { k, ring } = committees
    const flat = createFlatEpoch(committees)
    const roll = (): number => rolls.next().value as number
    const addressOf = (r: number): number => (10 * 2 ** 24 + (r % 2) * 65_536 + (r % 3) * 256 + (r % 7)) >>> 0
    const own = Array.from({ length: size }, () => addressOf(roll() + 100 * roll()))
    for (let position = 0; position < size; position++) {
      flat.attests[position] = roll() < 90 ? 1 : 0
      for (let i = 0; i < k; i++) {
        const target = (position + 1 + i) % size
        const odd = roll()
        flat.verdicts[position * k + i] =
          roll() < honesty ? 0 : odd === 0 ? 77 : odd < 20 ? 255 : odd < 50 ? 0 : odd % 10
        flat.addresses[position * k + i] = roll() < 90 ? own[target]! : addressOf(roll())
      }
    }
    const attestations: (AttestedVerdicts | undefined)[] = Array.from({ length: size })
    for (let position = 0; position < size; position++) {
      if (flat.attests[position] === 0) continue
      const verdicts = flat.verdicts.slice(position * k, position * k + k)
      const addresses = Array.from(verdicts.keys())
        .filter((i) => verdicts[i] === 0)
        .map((i) => bytesOfAddress(flat.addresses[position * k + i]!))
      attestations[ring[position]!] = { verdicts, addresses }
    }
    return { committees, flat, attestations, beacon: hash('test', beacon), committee, maxPerPrefix }
  })

describe('an epoch in typed arrays', () => {
  test('R-TALLY-0 R-TALLY-1 R-TALLY-2 R-TALLY-3 R-TALLY-4 is judged as the oracle judges it, attestation by attestation as well', () => {
    const seen = new Set<string>()
    fc.assert(
      fc.property(anEpoch, ({ committees, flat, attestations, beacon, committee, maxPerPrefix }) => {
        const general = judgeInWords({ beacon, attestations }, { committee, maxPerPrefix })
        const judged = judgeFlatEpoch(committees, flat, { ruleset: 1, committee, maxPerPrefix })
        const outcomes = Array.from(judged.outcomes, (code) => outcomeNames[code])
        for (const outcome of outcomes) seen.add(outcome!)
        expect({ outcomes, attested: judged.attested }).toEqual(general)
        const params = { ruleset: 1, committee, maxPerPrefix }
        expect(judgedWords({ beacon, attestations }, params)).toEqual(general)
      }),
      { numRuns: 600, seed: 20261122 },
    )
    // The property would be hollow if the epochs never came to these.
    expect([...outcomeNames].filter((outcome) => !seen.has(outcome))).toEqual([])
  })

  test('R-TALLY-3 with addresses of both families as well', () => {
    const seen = new Set<string>()
    fc.assert(
      fc.property(anEpoch, fc.nat(20), ({ committees, flat, beacon, committee, maxPerPrefix }, salt) => {
        const { k, ring, size } = committees
        const { numberOf, addressOf, prefixes } = createAddressNumbers()
        const attestations: (AttestedVerdicts | undefined)[] = Array.from({ length: size })
        for (let position = 0; position < size; position++) {
          if (flat.attests[position] === 0) continue
          const verdicts = flat.verdicts.slice(position * k, position * k + k)
          const addresses: Uint8Array[] = []
          for (let at = position * k; at < position * k + k; at++) {
            if (flat.verdicts[at] !== 0) continue
            const address = eitherFamily(flat.addresses[at]!, at + salt)
            const number = numberOf(address)
            addresses.push(address)
            flat.addresses[at] = number
            expect(addressOf(number).slice(0, 8)).toEqual(address.slice(0, 8))
          }
          attestations[ring[position]!] = { verdicts, addresses }
        }
        const judged = judgeFlatEpoch(committees, flat, { ruleset: 1, committee, maxPerPrefix }, prefixes)
        const outcomes = Array.from(judged.outcomes, (code) => outcomeNames[code]!)
        for (const outcome of outcomes) seen.add(outcome)
        const general = judgeInWords({ beacon, attestations }, { committee, maxPerPrefix })
        expect({ outcomes, attested: judged.attested }).toEqual(general)
      }),
      { numRuns: 600, seed: 20261122 },
    )
    expect([...outcomeNames].filter((outcome) => !seen.has(outcome))).toEqual([])
  })

  test('the words of its codes are all different', () => {
    expect(new Set(outcomeNames).size).toBe(outcomeNames.length)
  })
})
