import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concatBytes } from '../../protocol/index.ts'
import { createEnvelopeInspector } from '../../src/net/guards/envelope.ts'
import { createFrameInspector } from '../../src/net/guards/frames.ts'
import { lengthWithin, negotiationLengths } from '../../src/net/guards/lengths.ts'
import { createMessageInspector } from '../../src/net/guards/messages.ts'
import type { Inspector } from '../../src/net/guards/watch.ts'
import { createWork } from '../../src/net/guards/work.ts'
import { data, frame, ping, rst, syn, update, varint } from './hostile-peer.ts'

const prefixOf = (bytes: Uint8Array) => ({ byteLength: bytes.length, get: (index: number) => bytes[index]! })

describe('a length', () => {
  test('is what was encoded, byte by byte, and never asks for more than it may have', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 28 - 1 }), (length) => {
        const encoded = varint(length)
        const decode = lengthWithin(4)
        for (let i = 1; i < encoded.length; i++) {
          expect(() => decode(prefixOf(encoded.subarray(0, i)))).toThrow(RangeError)
        }
        expect(decode(prefixOf(encoded))).toBe(length)
      }),
    )
    expect(lengthWithin(4)(prefixOf(varint(2 ** 28 - 1)))).toBe(2 ** 28 - 1)
  })

  test.each([1, 2, 4])('of more than %i bytes is hostile, and no call for more', (maxBytes) => {
    const endless = new Uint8Array(maxBytes).fill(0x80)
    expect(() => lengthWithin(maxBytes)(prefixOf(endless))).toThrow(
      expect.objectContaining({ sign: 'endless prefix' }) as Error,
    )
  })

  test('of a negotiation: sixteen, and the seventeenth is reported and refused', () => {
    const reported: string[] = []
    const decode = negotiationLengths(({ sign }) => void reported.push(sign))
    for (let i = 0; i < 16; i++) expect(decode(prefixOf(Uint8Array.of(3)))).toBe(3)
    expect(reported).toEqual([])
    expect(() => decode(prefixOf(Uint8Array.of(3)))).toThrow('proposals')
    expect(reported).toEqual(['long negotiation'])
  })
})

/** Hands bytes over in pieces; what may not pass yet is handed over again, as when its work was paid. */
const feed = (inspect: Inspector, bytes: Uint8Array, cuts: readonly number[]) => {
  const waits: number[] = []
  const ends = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b)
  let from = 0
  for (const to of [...ends, bytes.length]) {
    let piece = bytes.subarray(from, to)
    from = to
    while (piece.length > 0) {
      const held = inspect(piece)
      if (held === null) break
      expect(held.passes).toBeGreaterThan(0)
      expect(held.owes).toBeGreaterThan(0)
      waits.push(held.owes)
      piece = piece.subarray(held.passes)
    }
  }
  return waits
}

const pieces = fc.array(fc.nat(), { maxLength: 20 })

describe('frames', () => {
  interface Sent {
    bytes: Uint8Array
    units: number
  }
  const sent: fc.Arbitrary<Sent> = fc.oneof(
    fc.nat({ max: 63 }).map((length) => ({ bytes: frame(data, 0, 1, new Uint8Array(length)), units: 1 })),
    fc.integer({ min: 64, max: 500 }).map((length) => ({
      bytes: frame(data, 0, 1, new Uint8Array(length).fill(0xff)),
      units: 0,
    })),
    fc.nat({ max: 100 }).map((length) => ({ bytes: frame(data, syn, 3, new Uint8Array(length)), units: 16 })),
    fc.constant({ bytes: frame(update, syn, 5), units: 16 }),
    fc.constant({ bytes: frame(update, 0, 5, 70_000), units: 0 }),
    fc.constant({ bytes: frame(update, rst, 5), units: 0 }),
    fc.constant({ bytes: frame(ping, syn, 0, 9), units: 0 }),
  )

  test('are priced alike, however the bytes come and whether there is an allowance or not', () => {
    fc.assert(
      fc.property(fc.array(sent, { maxLength: 40 }), pieces, fc.boolean(), (frames, cuts, isPaid) => {
        const charged: number[] = []
        const { inspect } = createFrameInspector({
          maxDataBytes: 500,
          charge: (units) => {
            charged.push(units)
            return isPaid ? 0 : units
          },
          takeUnasked: () => true,
        })
        const waits = feed(inspect, concatBytes(...frames.map(({ bytes }) => bytes)), cuts)
        const priced = frames.map(({ units }) => units).filter((units) => units > 0)
        expect(charged).toEqual(priced)
        expect(waits).toEqual(isPaid ? [] : priced)
      }),
    )
  })

  test('a data frame above the bound is found at its header, wherever that is', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 501, max: 2 ** 32 - 1 }),
        fc.array(sent, { maxLength: 5 }),
        pieces,
        (length, before, cuts) => {
          const { inspect } = createFrameInspector({
            maxDataBytes: 500,
            charge: () => 0,
            takeUnasked: () => true,
          })
          const bytes = concatBytes(...before.map(({ bytes }) => bytes), frame(data, 0, 1, length))
          expect(() => feed(inspect, bytes, cuts)).toThrow(
            expect.objectContaining({ sign: 'giant frame' }) as Error,
          )
        },
      ),
    )
  })

  test('that answer what was sent, or end what was opened, are never a storm; one more is', () => {
    fc.assert(
      fc.property(fc.nat({ max: 50 }), fc.nat({ max: 50 }), (dataFrames, streams) => {
        const frames = createFrameInspector({ maxDataBytes: 500, charge: () => 0, takeUnasked: () => false })
        for (let i = 0; i < dataFrames; i++) frames.sentData()
        for (let i = 0; i < streams; i++) frames.inspect(frame(update, syn, 2 * i + 1))
        for (let i = 0; i < 2 * (dataFrames + streams); i++) frames.inspect(frame(update, 0, 1, 10))
        expect(() => frames.inspect(frame(update, 0, 1, 10))).toThrow(
          expect.objectContaining({ sign: 'control storm' }) as Error,
        )
      }),
    )
  })
})

describe('messages', () => {
  test('of any length within the bound pass in any pieces, and each is priced by its length', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 400 }), { maxLength: 20 }), pieces, (lengths, cuts) => {
        const charged: number[] = []
        const inspect = createMessageInspector({ maxMessageBytes: 400, isWork: true }, (units) => {
          charged.push(units)
          return units
        })
        const bytes = lengths.map((length) => concatBytes(varint(length), new Uint8Array(length).fill(0xff)))
        expect(feed(inspect, concatBytes(...bytes), cuts)).toEqual(charged)
        expect(charged).toEqual(lengths.map((length) => 32 + length / 8))
      }),
    )
  })

  test.each([
    ['large message', varint(401)],
    ['endless prefix', new Uint8Array(4).fill(0xff)],
    ['many messages', new Uint8Array(3)],
  ])('%s', (sign, bytes) => {
    const inspect = createMessageInspector({ maxMessageBytes: 400, maxMessages: 2 }, () => 0)
    expect(() => inspect(bytes)).toThrow(expect.objectContaining({ sign }) as Error)
  })
})

describe('what is encrypted', () => {
  /** As bytes on the wire, and what is in them. */
  const packet = fc.integer({ min: 12, max: 65_519 })

  test('with content, in packets of any honest size, costs nothing, however it comes', () => {
    fc.assert(
      fc.property(
        fc.array(packet, { maxLength: 200 }),
        fc.integer({ min: 1, max: 65_536 }),
        (contents, chunk) => {
          let charged = 0
          const inspector = createEnvelopeInspector((units) => (charged += units))
          let waiting = 0
          const left = [...contents]
          const total = contents.reduce((sum, content) => sum + content + 18, 0)
          for (let read = 0; read < total; read += chunk) {
            const bytes = Math.min(chunk, total - read)
            inspector.inspect(new Uint8Array(bytes))
            for (waiting += bytes; left.length > 0 && waiting >= left[0]! + 18;) {
              const content = left.shift()!
              waiting -= content + 18
              inspector.contains(content)
            }
          }
          expect(charged).toBe(0)
        },
      ),
    )
  })

  test('without content is charged for from four thousand packets on', () => {
    let units = 0
    const inspector = createEnvelopeInspector((charged) => {
      units += charged
      return 0
    })
    for (let i = 0; i < 3_600; i++) inspector.inspect(new Uint8Array(18))
    expect(units).toBe(0)
    for (let i = 0; i < 6_400; i++) inspector.inspect(new Uint8Array(18))
    expect(units).toBeGreaterThan(3_000)
    expect(units).toBeLessThan(3_300)
  })
})

describe('an allowance of work', () => {
  test('of one peer, and a surplus for all: who uses that up leaves the others what is theirs', () => {
    let nowMs = 0
    const work = createWork({ monotonicMs: () => nowMs })
    const spend = (peer: string, isRegistered: boolean): number => {
      let spent = 0
      while (work.pay(peer, isRegistered, 16)) spent += 16
      return spent
    }
    expect(spend('greedy', false)).toBe(1_024 + 4_096)
    expect(spend('stranger', false)).toBe(1_024)
    expect(spend('seat', true)).toBe(1_024)
    nowMs += 500
    expect(spend('greedy', false)).toBe(64 + 4_096)
    expect(spend('seat', true)).toBe(256)
    expect(spend('stranger', false)).toBe(64)
  })
})
