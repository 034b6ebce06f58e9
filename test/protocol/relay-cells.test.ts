import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type Cell,
  cellBytes,
  cellPayloadBytes,
  createStream,
  decodeCell,
  drawFrameBound,
  drawFrameBytes,
  encodeCell,
  encodeEnd,
  encodeFrame,
  endCodeBack,
  endCodeForth,
  endCodeOf,
  hash,
  maxCellsForth,
  maxFrameBytes,
  maxHops,
  maxTransactionBytes,
  messageOfFrame,
  partBytesIn,
  refusalText,
  relayAnswerCodec,
  relayRequestCodec,
} from '../../protocol/index.ts'
import {
  cellKinds,
  endCodesBack,
  frameHeadBytes,
  minFrameBound,
  sessionBytes,
} from '../../protocol/relay-cells.ts'

const payloads = fc.uint8Array({ minLength: 1, maxLength: cellPayloadBytes })

describe('R-RELAY-3 cells', () => {
  test('R-RELAY-3 a cell has 1,024 bytes whatever is in it, and reads back', () => {
    fc.assert(
      fc.property(fc.constantFrom('data', 'open', 'toll'), payloads, (kind, payload) => {
        const cell: Cell = { kind: kind as Cell['kind'], payload }
        const bytes = encodeCell(cell)
        expect(bytes.length).toBe(1_024)
        expect((bytes[0]! << 8) | bytes[1]!).toBe(1_024 * cellKinds.indexOf(cell.kind) + payload.length)
        expect(decodeCell(bytes)).toEqual({ is: 'ok', value: cell })
      }),
    )
    expect(() => encodeCell({ kind: 'data', payload: new Uint8Array(1_023) })).toThrow(RangeError)
  })

  test('R-RELAY-3 everything else is refused: size, kind, length, padding, code', () => {
    const cell = encodeCell({ kind: 'data', payload: new Uint8Array(10).fill(7) })
    const changed = (...changes: [at: number, value: number][]): Uint8Array => {
      const copy = cell.slice()
      for (const [at, value] of changes) copy[at] = value
      return copy
    }
    expect(decodeCell(cell.subarray(1))).toEqual({ is: 'bad', code: 'cell-size' })
    expect(decodeCell(changed([0, 4 << 2]))).toEqual({ is: 'bad', code: 'cell-kind' })
    expect(decodeCell(changed([0, 0], [1, 0]))).toEqual({ is: 'bad', code: 'cell-length' })
    expect(decodeCell(changed([0, 3], [1, 0xff]))).toEqual({ is: 'bad', code: 'cell-length' })
    expect(decodeCell(changed([1_023, 1]))).toEqual({ is: 'bad', code: 'cell-padding' })
    expect(decodeCell(changed([12, 1]))).toEqual({ is: 'bad', code: 'cell-padding' })
    expect(decodeCell(encodeEnd('Not a code'))).toEqual({ is: 'bad', code: 'cell-code' })
    expect(decodeCell(encodeEnd(''))).toEqual({ is: 'bad', code: 'cell-code' })
    const end = decodeCell(encodeEnd('idle'))
    expect(end.is === 'ok' && endCodeOf(end.value.payload)).toBe('idle')
  })

  test('R-RELAY-3 of what a hop reads at the end of the next link, four codes at the most go back', () => {
    expect(endCodesBack.map(endCodeBack)).toEqual(endCodesBack)
    expect(endCodesBack).toHaveLength(4)
    expect(endCodeBack('toll')).toBe('busy')
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z0-9-]{1,48}$/), (code) => {
        expect(endCodesBack).toContain(endCodeBack(code))
      }),
    )
    expect(endCodesBack).toContain(endCodeForth)
  })

  test('R-RELAY-3 whatever a cell holds, it is read or refused, and what is read is canonical', () => {
    let read = 0
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: cellBytes, maxLength: cellBytes }),
        fc.nat(40),
        (bytes, zeros) => {
          bytes.fill(0, 2 + zeros)
          bytes[0]! %= 20
          const cell = decodeCell(bytes)
          if (cell.is === 'bad') return
          read++
          expect(encodeCell(cell.value)).toEqual(bytes)
        },
      ),
    )
    expect(read).toBeGreaterThan(0)
  })
})

describe('R-RELAY-4 frames and messages', () => {
  test('R-RELAY-4 a frame through as many sessions as there may be hops fills one cell', () => {
    expect(maxFrameBytes + maxHops * sessionBytes).toBe(cellPayloadBytes)
    expect(maxFrameBytes).toBe(878)
  })

  test('R-RELAY-4 a frame of any size gives its message back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: maxFrameBytes - frameHeadBytes }), fc.nat(), (message, seed) => {
        const chance = createStream(hash('frames', seed))
        const bound = drawFrameBound(chance)
        const bytes = drawFrameBytes(message.length, bound, chance)
        const frame = encodeFrame(message, bytes)
        expect(frame.length).toBe(bytes)
        expect((frame[0]! << 8) | frame[1]!).toBe(bytes - 2)
        expect(messageOfFrame(frame.subarray(2))).toEqual(message)
        if (message.length + frameHeadBytes <= bound) {
          expect(bytes).toBeLessThanOrEqual(bound)
          expect(bytes).toBeGreaterThanOrEqual(bound >>> 1)
        }
      }),
    )
    expect(() => encodeFrame(new Uint8Array(10), 13)).toThrow(RangeError)
    expect(() => encodeFrame(new Uint8Array(10), 879)).toThrow(RangeError)
  })

  test('R-RELAY-4 frames that are none are refused', () => {
    expect(messageOfFrame(Uint8Array.of(0))).toBeNull()
    expect(messageOfFrame(Uint8Array.of(0, 2, 1))).toBeNull()
    expect(messageOfFrame(Uint8Array.of(0, 1, 1, 1))).toBeNull()
    expect(messageOfFrame(new Uint8Array(maxFrameBytes - 1))).toBeNull()
    expect(messageOfFrame(Uint8Array.of(0, 1, 1, 0))).toEqual(Uint8Array.of(1))
  })

  test('R-RELAY-4 the largest transaction takes fewer cells than a link carries, at the worst', () => {
    const leastPart = partBytesIn(minFrameBound >>> 1)
    expect(Math.ceil(maxTransactionBytes / leastPart)).toBe(391)
    expect(391 + 30).toBeLessThan(maxCellsForth)
  })

  test('R-RELAY-4 messages are read strictly', () => {
    const part = Uint8Array.of(1, 2, 3)
    const key = new Uint8Array(32).fill(5)
    for (const request of [
      ['extend', 7, key],
      ['broadcast', 3, part],
      ['part', part],
    ] as const) {
      expect(relayRequestCodec.decode(relayRequestCodec.encode(request as never))).toEqual({
        is: 'ok',
        value: request,
      })
    }
    const bad = (message: unknown): string => {
      const decoded = relayRequestCodec.decode(relayRequestCodec.encode(message as never))
      return decoded.is === 'bad' ? decoded.code : 'ok'
    }
    expect(bad(['extend', 7, key.subarray(1)])).toBe('wrong-shape')
    expect(bad(['extend', -1, key])).toBe('wrong-shape')
    expect(bad(['broadcast', 0, part])).toBe('wrong-shape')
    expect(bad(['broadcast', maxTransactionBytes + 1, part])).toBe('wrong-shape')
    expect(bad(['broadcast', 3, new Uint8Array()])).toBe('wrong-shape')
    expect(bad(['part', new Uint8Array(maxFrameBytes)])).toBe('too-long')
    expect(bad(['part', part, 1])).toBe('wrong-shape')
    expect(bad(['extended'])).toBe('wrong-shape')
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const decoded = relayRequestCodec.decode(bytes)
        if (decoded.is === 'ok') expect(relayRequestCodec.encode(decoded.value)).toEqual(bytes)
      }),
    )
  })
})

describe('R-RELAY-5 what a refusal says', () => {
  test('R-RELAY-5 words of a chain node are printable and bounded', () => {
    expect(refusalText('64: dust')).toBe('64: dust')
    expect(refusalText('a\u001B[2Jb\nc')).toBe('a?[2Jb?c')
    expect(refusalText('x'.repeat(2_000))).toHaveLength(512)
    const answer = ['node-refused', -26, refusalText('é'.repeat(2_000))] as const
    expect(relayAnswerCodec.decode(relayAnswerCodec.encode([...answer]))).toEqual({
      is: 'ok',
      value: [...answer],
    })
  })
})
