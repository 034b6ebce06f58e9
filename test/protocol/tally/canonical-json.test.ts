import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type CanonicalJson, canonicalJson } from '../../../protocol/index.ts'
import { readVectorJson } from '../../vectors/read.ts'

describe('R-TALLY-7 RFC 8785', () => {
  const vectors = readVectorJson('rfc8785/testdata.json') as { name: string; input: string; output: string }[]

  test.each(vectors)("R-TALLY-7 the RFC author's file $name", ({ input, output }) => {
    expect(canonicalJson(JSON.parse(input) as CanonicalJson)).toBe(output)
  })

  test('R-TALLY-7 the literals and escapes of RFC 8785, 3.2.2', () => {
    const text = '\u20ac$\u000f\u000aA\'\u0042\u0022\u005c\\"/'
    expect(canonicalJson([text, null, true, false])).toBe(
      String.raw`["€$\u000f\nA'B\"\\\\\"/",null,true,false]`,
    )
  })

  test('R-TALLY-7 numbers are integers: -0 is 0, fractions and what a double cannot hold are a fault of ours', () => {
    expect(canonicalJson([0, -0, -1, 9_007_199_254_740_991])).toBe('[0,0,-1,9007199254740991]')
    for (const number of [0.5, 1e21, 2 ** 53, Number.NaN, Infinity])
      expect(() => canonicalJson(number)).toThrow(RangeError)
  })

  test('R-TALLY-7 is JSON of the same value, and its own canonical form', () => {
    const values = fc.letrec<{ value: CanonicalJson }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 3 },
        fc.maxSafeInteger(),
        fc.string({ unit: 'grapheme' }),
        fc.boolean(),
        fc.constant(null),
        fc.array(tie('value')),
        fc.dictionary(fc.string(), tie('value')),
      ),
    })).value
    fc.assert(
      fc.property(values, (value) => {
        const text = canonicalJson(value)
        const parsed = JSON.parse(text) as CanonicalJson
        expect(parsed).toEqual(JSON.parse(JSON.stringify(value)))
        expect(canonicalJson(parsed)).toBe(text)
      }),
    )
  })
})
