import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { markerDigest, utf8ToBytes, weekOfTime } from '../../../protocol/index.ts'
import { formatMarker, markerBytes, maxPayoutParts, parseMarker } from '../../../protocol/payout/marker.ts'
import { week } from './fixture.ts'

const digest = '0123456789abcdef'.repeat(4)
const marker = { week, part: 2, parts: 40, digest: markerDigest(digest) }

describe('R-PAY-2 marker of a payout transaction', () => {
  test('R-PAY-2 reads `secnode pay <week> <i>/<n> <32 hex digits of the digest>`', () => {
    expect(formatMarker(marker)).toBe('secnode pay 2026-W47 2/40 0123456789abcdef0123456789abcdef')
    expect(parseMarker(markerBytes(marker))).toEqual(marker)
  })

  test('R-PAY-2 what is written is read again, and fits the 80 bytes that nodes relay', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 0xffff_ffff }),
        fc.integer({ min: 1, max: maxPayoutParts }),
        fc.integer({ min: 0, max: maxPayoutParts - 1 }),
        fc.uint8Array({ minLength: 16, maxLength: 16 }),
        (time, parts, before, bytes) => {
          const each = {
            week: weekOfTime(time),
            part: 1 + (before % parts),
            parts,
            digest: Buffer.from(bytes).toString('hex'),
          }
          const data = markerBytes(each)
          expect(parseMarker(data)).toEqual(each)
          expect(data.length).toBeLessThanOrEqual(80)
        },
      ),
    )
  })

  test.each([
    ['another word', 'secnode paid 2026-W47 1/1 0123456789abcdef0123456789abcdef'],
    ['a week that does not exist', 'secnode pay 2025-W53 1/1 0123456789abcdef0123456789abcdef'],
    ['part 0', 'secnode pay 2026-W47 0/1 0123456789abcdef0123456789abcdef'],
    ['a part beyond the last', 'secnode pay 2026-W47 2/1 0123456789abcdef0123456789abcdef'],
    ['a leading zero', 'secnode pay 2026-W47 01/1 0123456789abcdef0123456789abcdef'],
    ['five digits', 'secnode pay 2026-W47 1/10000 0123456789abcdef0123456789abcdef'],
    ['capital digits', 'secnode pay 2026-W47 1/1 0123456789ABCDEF0123456789abcdef'],
    ['a short digest', 'secnode pay 2026-W47 1/1 0123456789abcdef0123456789abcde'],
    ['a long digest', 'secnode pay 2026-W47 1/1 0123456789abcdef0123456789abcdef0'],
    ['two spaces', 'secnode pay  2026-W47 1/1 0123456789abcdef0123456789abcdef'],
    ['a line end', 'secnode pay 2026-W47 1/1 0123456789abcdef0123456789abcdef\n'],
    ['nothing', ''],
  ])('R-PAY-2 refuses %s', (_what, text) => {
    expect(parseMarker(utf8ToBytes(text))).toBeNull()
  })

  test('R-PAY-2 any other bytes are no marker: one changed bit is another marker or none', () => {
    const bytes = markerBytes(marker)
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = Uint8Array.from(bytes)
      changed[bit >> 3]! ^= 1 << (bit & 7)
      const read = parseMarker(changed)
      expect(read).not.toEqual(marker)
      if (read !== null) expect(markerBytes(read)).toEqual(changed)
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (data) => {
        const read = parseMarker(data)
        expect(read === null || Buffer.from(markerBytes(read)).equals(Buffer.from(data))).toBe(true)
      }),
    )
  })
})
