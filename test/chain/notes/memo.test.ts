import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { memoFromText, memoText, noMemo, padMemo } from '../../../src/chain/notes/memo.ts'

const memo = (...bytes: number[]): Uint8Array => padMemo(Uint8Array.from(bytes))!

describe('R-CHAIN-4 ZIP 302: what of a memo is text', () => {
  test('text goes in and out', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 60 }), (text) => {
        const withoutZeros = text.replace(/\0+$/, '')
        expect(memoText(memoFromText(text)!)).toBe(withoutZeros)
      }),
    )
  })

  test('512 bytes of text need no terminator, 513 do not fit', () => {
    expect(memoText(memoFromText('x'.repeat(512))!)).toBe('x'.repeat(512))
    expect(memoFromText('x'.repeat(513))).toBeNull()
    expect(memoFromText(`${'x'.repeat(511)}é`)).toBeNull()
  })

  test.each([
    ['all zero is the empty text', memo(), ''],
    ['zeros inside stay', memo(0x61, 0, 0x62), 'a\0b'],
    ['a byte order mark stays', memo(0xef, 0xbb, 0xbf, 0x61), '\ufeffa'],
    ['the last code point', memo(0xf4, 0x8f, 0xbf, 0xbf), '\u{10ffff}'],
    ['no memo', noMemo(), null],
    ['0xF6 with other bytes', memo(0xf6, 1), null],
    ['0xF5', memo(0xf5), null],
    ['arbitrary data', memo(0xff, 0x61), null],
    ['a cut code point', memo(0x61, 0xc3), null],
    ['an overlong form', memo(0xc0, 0x80), null],
    ['a surrogate', memo(0xed, 0xa0, 0x80), null],
    ['beyond the last code point', memo(0xf4, 0x90, 0x80, 0x80), null],
  ])('%s', (_, bytes, text) => {
    expect(memoText(bytes)).toBe(text)
  })

  test('a memo of another length is no text, a lone surrogate makes no memo', () => {
    expect(memoText(new Uint8Array(511))).toBeNull()
    expect(memoFromText('\ud800')).toBeNull()
  })
})
