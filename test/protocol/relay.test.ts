import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  createStream,
  defaultPrefixBits,
  drawHops,
  drawOrder,
  hash,
  lastClassOf,
  mayBeHop,
  saysEnough,
  type RelayCandidate,
  shuffledIndexes,
  suspectsOf,
} from '../../protocol/index.ts'
import { isApart } from '../../protocol/relay.ts'
import { uniformityTest } from '../../src/cli/chi-square.ts'

const streamOf = (...parts: (string | number)[]) => createStream(hash('relay test', ...parts))
const v4 = (seat: number, ...address: number[]): RelayCandidate => ({
  seat,
  address: Uint8Array.from(address),
})
const v6 = (seat: number, ...head: number[]): RelayCandidate => ({
  seat,
  address: Uint8Array.from({ length: 16 }, (_, i) => head[i] ?? 0),
})
const none: ReadonlySet<number> = new Set()
const empty = (hops: number): null[] => Array.from({ length: hops }, () => null)

const addresses = fc.oneof(
  fc.tuple(fc.nat(3), fc.nat(3), fc.nat(255), fc.nat(255)).map((bytes) => Uint8Array.from(bytes)),
  fc
    .tuple(fc.nat(1), fc.nat(1), fc.nat(1), fc.nat(1), fc.nat(255))
    .map((head) => Uint8Array.from({ length: 16 }, (_, i) => head[i] ?? 0)),
)
const populations = fc
  .array(addresses, { maxLength: 40 })
  .map((list): RelayCandidate[] => list.map((address, i) => ({ seat: 3 * i, address })))

const prefixOf = ({ address }: RelayCandidate): string =>
  address.length === 4 ? `4 ${address.slice(0, 2).join('.')}` : `6 ${address.slice(0, 4).join('.')}`

describe('R-RELAY-1 the choice of hops', () => {
  test('R-RELAY-1 all that is known of the last epochs must be valid', () => {
    expect(mayBeHop(['valid', 'valid'])).toBe(true)
    expect(mayBeHop([null, 'valid'])).toBe(true)
    expect(mayBeHop([null, null])).toBe(true)
    expect(mayBeHop(['valid', 'invalid'])).toBe(false)
    expect(mayBeHop(['undecided', 'valid'])).toBe(false)
  })

  test('R-RELAY-1 the class is that of R-TALLY-1 and R-TALLY-3, whatever was credited; half of an epoch says enough', () => {
    expect(lastClassOf('credited')).toBe('valid')
    expect(lastClassOf('valid: disagrees')).toBe('valid')
    expect(lastClassOf('valid: not attested')).toBe('valid')
    expect(lastClassOf('invalid: timeout')).toBe('invalid')
    expect(lastClassOf('invalid: address shared')).toBe('invalid')
    expect(lastClassOf('invalid: prefix full')).toBe('invalid')
    expect(lastClassOf('undecided: no address')).toBe('undecided')
    expect(saysEnough(5, 10)).toBe(true)
    expect(saysEnough(4, 10)).toBe(false)
  })

  test('R-RELAY-1 the lazy order is the shuffle of R-COM-1 from its end, word by word', () => {
    fc.assert(
      fc.property(fc.nat(200), fc.nat(), (size, seed) => {
        const whole = [...shuffledIndexes(streamOf(seed), size)].reverse()
        // The shuffle takes no word for its last place, and `below(1)` takes none either.
        expect([...drawOrder(size, streamOf(seed))]).toEqual(whole)
      }),
    )
  })

  test('R-RELAY-1 no two hops share a /16 or /32; none is excluded or drawn twice; kept hops stay', () => {
    fc.assert(
      fc.property(
        populations,
        fc.integer({ min: 1, max: 8 }),
        fc.nat(),
        fc.array(fc.nat(40)),
        (candidates, hops, seed, out) => {
          const excluded = new Set(out.map((i) => 3 * i))
          const keptPlace = seed % hops
          const kept = candidates[seed % Math.max(1, candidates.length)] ?? null
          const places = empty(hops).map((_, i) => (i === keptPlace ? kept : null))
          const path = drawHops(
            { candidates, places, excluded, prefixBits: defaultPrefixBits },
            streamOf(seed),
          )
          const fit = candidates.filter(({ seat }) => !excluded.has(seat))
          const classes = new Set([...fit, ...(kept === null ? [] : [kept])].map(prefixOf))
          if (path === null) {
            expect(classes.size).toBeLessThan(hops)
            return
          }
          expect(path).toHaveLength(hops)
          expect(new Set(path.map(prefixOf)).size).toBe(hops)
          if (kept !== null) expect(path[keptPlace]).toBe(kept)
          for (const hop of path) if (hop !== kept) expect(fit).toContain(hop)
        },
      ),
      { numRuns: 300 },
    )
  })

  test('R-RELAY-1 the first hop is uniform over the seats, the second over those outside its prefix', () => {
    const candidates = [v4(0, 10, 0), v4(1, 10, 0, 9), v4(2, 10, 1), v4(3, 11), v6(4, 10)].map((one) =>
      one.seat === 4
        ? one
        : { ...one, address: Uint8Array.from({ length: 4 }, (_, i) => one.address[i] ?? 0) },
    )
    const first = new Uint32Array(5)
    const second = new Uint32Array(3)
    let fromPair = 0
    for (let i = 0; i < 40_000; i++) {
      const [a, b] = drawHops(
        { candidates, places: empty(2), excluded: none, prefixBits: defaultPrefixBits },
        streamOf('uniform', i),
      )!
      first[a!.seat]!++
      if (a!.seat > 1) continue
      second[b!.seat - 2]!++
      fromPair++
    }
    expect(uniformityTest(first, 40_000).pValue).toBeGreaterThan(1e-3)
    expect(uniformityTest(second, fromPair).pValue).toBeGreaterThan(1e-3)
  })

  test('R-RELAY-1 prefixes of the profile: devnets ask for different addresses only', () => {
    const [a, b] = [v4(0, 127, 1, 2, 3), v4(1, 127, 1, 2, 4)]
    expect(isApart(a.address, [b.address], defaultPrefixBits)).toBe(false)
    expect(isApart(a.address, [b.address], { ipv4: 32, ipv6: 128 })).toBe(true)
    expect(isApart(a.address, [a.address], { ipv4: 32, ipv6: 128 })).toBe(false)
    // A length that is no whole number of bytes: 127.1.2.3 and 127.1.2.4 part in bit 30.
    expect(isApart(a.address, [b.address], { ipv4: 29, ipv6: 0 })).toBe(false)
    expect(isApart(a.address, [b.address], { ipv4: 30, ipv6: 0 })).toBe(true)
    // A length of 0 lets a family have one hop.
    expect(isApart(v6(0, 0x20).address, [v6(1, 0x30).address], { ipv4: 0, ipv6: 0 })).toBe(false)
    expect(isApart(a.address, [v6(1, 127, 1, 2, 3).address], { ipv4: 0, ipv6: 0 })).toBe(true)
  })

  test('R-RELAY-1 a draw from the largest network takes a few words', () => {
    const candidates = Array.from({ length: 40_000 }, (_, i) => v4(i, i >>> 8, i & 255, 0, 1))
    const stream = streamOf('words')
    let words = 0
    const counting = { below: (n: number) => (words++, stream.below(n)) }
    const draw = { candidates, places: empty(3), excluded: none, prefixBits: defaultPrefixBits }
    expect(drawHops(draw, counting)).toHaveLength(3)
    expect(words).toBeLessThan(10)
  })
})

describe('R-RELAY-2 replacement', () => {
  test('R-RELAY-2 all hops up to the far end of a link that was not made are suspects, and all of a circuit that died', () => {
    const path = [5, 6, 7]
    expect(suspectsOf(path, 0)).toEqual([5])
    expect(suspectsOf(path, 1)).toEqual([5, 6])
    expect(suspectsOf(path, 2)).toEqual([5, 6, 7])
    expect(suspectsOf(path, null)).toEqual([5, 6, 7])
  })

  test('R-RELAY-2 wherever a hop lets a circuit fail that had come to it, it is a suspect', () => {
    const path = [5, 6, 7, 8, 9]
    for (const [at, seat] of path.entries()) {
      for (let link = at; link < path.length; link++) expect(suspectsOf(path, link)).toContain(seat)
      expect(suspectsOf(path, null)).toContain(seat)
      // Nobody is blamed for a link that lies before.
      for (let link = 0; link < at; link++) expect(suspectsOf(path, link)).not.toContain(seat)
    }
  })
})
