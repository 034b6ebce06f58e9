import { asciiToBytes, bytesToHex, concatBytes, hexToBytes } from '@noble/curves/utils.js'
import { bech32m } from '@scure/base'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { f4Jumble, f4JumbleInverse } from '../../../src/chain/notes/f4-jumble.ts'
import { prfExpand } from '../../../src/chain/notes/note-cipher.ts'
import { orchardAddressAt, orchardViewingKeys } from '../../../src/chain/notes/orchard-keys.ts'
import { saplingAddressAt, saplingIncomingViewingKey } from '../../../src/chain/notes/sapling-keys.ts'
import {
  encodeUnified,
  parseUnified,
  TYPECODE,
  type Unified,
  type UnifiedItem,
  unifiedItem,
  type UnifiedKind,
} from '../../../src/chain/notes/zip316.ts'
import { readVectorTable, type VectorRow } from '../../vectors/read.ts'
import { bytesCell, integerCell, optionalBytesCell, textCell } from './cells.ts'

const table = (name: string) => readVectorTable(`zcash-test-vectors/${name}.json`)
const numbered = (rows: readonly VectorRow[]) => rows.map((row, index) => ({ row, index }))

/** Items of those columns that a row fills. */
const itemsOf = (row: VectorRow, columns: readonly (readonly [string, number])[]): UnifiedItem[] =>
  columns
    .flatMap(([column, typecode]) => {
      const data = optionalBytesCell(row, column)
      return data === null ? [] : [{ typecode, data }]
    })
    .toSorted((a, b) => a.typecode - b.typecode)

const unknownItems = (row: VectorRow, typecode: string, bytes: string): UnifiedItem[] => {
  const data = optionalBytesCell(row, bytes)
  return data === null ? [] : [{ typecode: Number(integerCell(row, typecode)), data }]
}

const bothWays = (text: string, unified: Unified) => ({
  parsed: parseUnified(text),
  text: encodeUnified({ ...unified, items: unified.items.toReversed() }),
})

describe('official vectors: f4jumble', () => {
  const rows = table('f4jumble')
  test('are there', () => expect(rows.length).toBeGreaterThan(5))
  test.each(numbered(rows))('row $index', ({ row }) => {
    expect(f4Jumble(bytesCell(row, 'normal'))).toEqual(bytesCell(row, 'jumbled'))
    expect(f4JumbleInverse(bytesCell(row, 'jumbled'))).toEqual(bytesCell(row, 'normal'))
  })
})

describe('official vectors: unified_address', () => {
  const rows = table('unified_address')
  test('are there', () => expect(rows.length).toBe(60))
  test.each(numbered(rows))('row $index', ({ row }) => {
    const text = textCell(row, 'unified_addr')
    const parsed: Unified = {
      kind: 'address',
      network: 'main',
      revision: 0,
      items: [
        ...itemsOf(row, [
          ['p2pkh_bytes', TYPECODE.p2pkh],
          ['p2sh_bytes', TYPECODE.p2sh],
          ['sapling_raw_addr', TYPECODE.sapling],
          ['orchard_raw_addr', TYPECODE.orchard],
        ]),
        ...unknownItems(row, 'unknown_typecode', 'unknown_bytes'),
      ],
    }
    expect(bothWays(text, parsed)).toEqual({ parsed, text })
  })
})

describe('official vectors: unified_incoming_viewing_keys', () => {
  const rows = table('unified_incoming_viewing_keys')
  test('are there', () => expect(rows.length).toBe(20))
  test.each(numbered(rows))('row $index', ({ row }) => {
    const text = textCell(row, 'unified_ivk')
    const parsed: Unified = {
      kind: 'incomingViewingKey',
      network: 'main',
      revision: 0,
      items: [
        ...itemsOf(row, [
          ['t_key_bytes', TYPECODE.p2pkh],
          ['sapling_ivk_bytes', TYPECODE.sapling],
          ['orchard_ivk_bytes', TYPECODE.orchard],
        ]),
        ...unknownItems(row, 'unknown_ivk_typecode', 'unknown_ivk_bytes'),
      ],
    }
    expect(bothWays(text, parsed)).toEqual({ parsed, text })
  })

  test('and the addresses that unified_address lists for the same account follow from them', () => {
    let compared = 0
    for (const address of table('unified_address')) {
      const key = rows.find((row) => integerCell(row, 'account') === integerCell(address, 'account'))
      const index = integerCell(address, 'diversifier_index')
      const pools = [
        [key && optionalBytesCell(key, 'sapling_ivk_bytes'), 'sapling_raw_addr', saplingAddressAt],
        [key && optionalBytesCell(key, 'orchard_ivk_bytes'), 'orchard_raw_addr', orchardAddressAt],
      ] as const
      for (const [ivk, column, addressAt] of pools) {
        const raw = optionalBytesCell(address, column)
        if (ivk === null || ivk === undefined || raw === null) continue
        const { diversifier, transmissionKey } = addressAt(ivk.slice(0, 32), ivk.slice(32), index)!
        expect(concatBytes(diversifier, transmissionKey)).toEqual(raw)
        compared++
      }
    }
    expect(compared).toBeGreaterThan(30)
  })
})

describe.each([
  { name: 'zcash-test-vectors/unified_full_viewing_keys.json', textOf: (cell: string) => cell },
  // zcashd's copy holds the text as hex.
  {
    name: 'zcashd/unified_full_viewing_keys.json',
    textOf: (cell: string) => new TextDecoder().decode(hexToBytes(cell)),
  },
])('official vectors: $name', ({ name, textOf }) => {
  const rows = readVectorTable(name)
  test('are there', () => expect(rows.length).toBeGreaterThanOrEqual(10))
  test.each(numbered(rows))('row $index', ({ row }) => {
    const text = textOf(textCell(row, 'unified_fvk'))
    const parsed: Unified = {
      kind: 'fullViewingKey',
      network: 'main',
      revision: 0,
      items: [
        ...itemsOf(row, [
          ['t_key_bytes', TYPECODE.p2pkh],
          ['sapling_fvk_bytes', TYPECODE.sapling],
          ['orchard_fvk_bytes', TYPECODE.orchard],
        ]),
        ...unknownItems(row, 'unknown_fvk_typecode', 'unknown_fvk_bytes'),
      ],
    }
    expect(bothWays(text, parsed)).toEqual({ parsed, text })
  })
})

/** dk || ivk of a Sapling item of a full viewing key: ak, nk, ovk, dk. */
const saplingIvkItem = (fvk: Uint8Array): Uint8Array =>
  concatBytes(fvk.slice(96), saplingIncomingViewingKey(fvk.slice(0, 32), fvk.slice(32, 64)))

/** dk || ivk of an Orchard item of a full viewing key: ak, nk, rivk. */
const orchardIvkItem = (fvk: Uint8Array): Uint8Array => {
  const { dk, ivk } = orchardViewingKeys({
    ak: fvk.slice(0, 32),
    nk: fvk.slice(32, 64),
    rivk: fvk.slice(64),
  })!
  return concatBytes(dk, ivk)
}

describe('official vectors: unified_viewing_keys_r2', () => {
  const rows = table('unified_viewing_keys_r2')
  test('are there', () => expect(rows.length).toBe(20))
  describe.each(numbered(rows))('row $index', ({ row }) => {
    const metadata = (): UnifiedItem[] => {
      const bytes = (column: string, length: number): Uint8Array => {
        const data = new Uint8Array(8)
        new DataView(data.buffer).setBigUint64(0, integerCell(row, column), true)
        return data.slice(0, length)
      }
      return [
        ...(row['expiry_height'] === null
          ? []
          : [{ typecode: TYPECODE.expiryHeight, data: bytes('expiry_height', 4) }]),
        ...(row['expiry_time'] === null
          ? []
          : [{ typecode: TYPECODE.expiryTime, data: bytes('expiry_time', 8) }]),
      ]
    }
    const unified = (kind: UnifiedKind, columns: readonly (readonly [string, number])[]): Unified => ({
      kind,
      network: 'main',
      revision: 2,
      items: [...itemsOf(row, columns), ...metadata()],
    })

    test('full viewing key', () => {
      const columns = [
        ['t_p2pkh_fvk_bytes', TYPECODE.p2pkh],
        ['p2sh_fvk_bytes', TYPECODE.p2sh],
        ['sapling_fvk_bytes', TYPECODE.sapling],
        ['orchard_fvk_bytes', TYPECODE.orchard],
      ] as const
      const text = textCell(row, 'unified_fvk')
      const parsed: Unified = unified('fullViewingKey', columns)
      expect(bothWays(text, parsed)).toEqual({ parsed, text })
    })

    test('incoming viewing key, and it follows from the full one', () => {
      const columns = [
        ['t_p2pkh_ivk_bytes', TYPECODE.p2pkh],
        ['p2sh_ivk_bytes', TYPECODE.p2sh],
        ['sapling_ivk_bytes', TYPECODE.sapling],
        ['orchard_ivk_bytes', TYPECODE.orchard],
      ] as const
      const text = textCell(row, 'unified_ivk')
      const parsed: Unified = unified('incomingViewingKey', columns)
      expect(bothWays(text, parsed)).toEqual({ parsed, text })
      const full = parseUnified(textCell(row, 'unified_fvk'))!
      const sapling = unifiedItem(full, TYPECODE.sapling)
      const orchard = unifiedItem(full, TYPECODE.orchard)
      expect(sapling && saplingIvkItem(sapling)).toEqual(optionalBytesCell(row, 'sapling_ivk_bytes'))
      expect(orchard && orchardIvkItem(orchard)).toEqual(optionalBytesCell(row, 'orchard_ivk_bytes'))
    })

    test('address, and it follows from the incoming viewing key', () => {
      const columns = [
        ['p2pkh_addr', TYPECODE.p2pkh],
        ['p2sh_addr', TYPECODE.p2sh],
        ['sapling_raw_addr', TYPECODE.sapling],
        ['orchard_raw_addr', TYPECODE.orchard],
      ] as const
      const text = textCell(row, 'derived_ua')
      const parsed: Unified = unified('address', columns)
      expect(bothWays(text, parsed)).toEqual({ parsed, text })
      const incoming = parseUnified(textCell(row, 'unified_ivk'))!
      const index = integerCell(row, 'diversifier_index')
      const raw = (
        typecode: number,
        addressAt: typeof saplingAddressAt | typeof orchardAddressAt,
      ): Uint8Array | null => {
        const item = unifiedItem(incoming, typecode)
        if (item === null) return null
        const address = addressAt(item.slice(0, 32), item.slice(32), index)!
        return concatBytes(address.diversifier, address.transmissionKey)
      }
      expect(raw(TYPECODE.sapling, saplingAddressAt)).toEqual(optionalBytesCell(row, 'sapling_raw_addr'))
      expect(raw(TYPECODE.orchard, orchardAddressAt)).toEqual(optionalBytesCell(row, 'orchard_raw_addr'))
    })
  })
})

/*
 * The next three tables are about transparent keys, of which Secnode holds none: BIP 32 derivation (bip_0032), the
 * outgoing viewing keys of a transparent account (zip_0316), addresses for transparent senders (zip_0320). Used here
 * is what they say about PRF^expand, and that their texts are not taken for unified ones.
 */
describe.each(['zip_0316', 'bip_0032'])('official vectors: %s', (name) => {
  const rows = table(name)
  test('are there', () => expect(rows.length).toBe(10))
  test.each(numbered(rows))('row $index: the ovks are PRF^expand of the account key', ({ row }) => {
    const ovks = prfExpand(bytesCell(row, 'c'), 0xd0, bytesCell(row, 'pk'))
    expect(ovks.slice(0, 32)).toEqual(bytesCell(row, 'external_ovk'))
    expect(ovks.slice(32)).toEqual(bytesCell(row, 'internal_ovk'))
  })
})

describe('official vectors: zip_0320', () => {
  const rows = table('zip_0320')
  test('are there', () => expect(rows.length).toBe(15))
  test.each(numbered(rows))('row $index: a TEX address is no unified encoding', ({ row }) => {
    expect(bech32m.decodeToBytes(textCell(row, 'tex_addr')).bytes).toEqual(bytesCell(row, 'p2pkh_bytes'))
    expect(parseUnified(textCell(row, 'tex_addr'))).toBeNull()
    expect(parseUnified(textCell(row, 't_addr'))).toBeNull()
  })
})

describe('rules of ZIP 316', () => {
  const sapling = { typecode: TYPECODE.sapling, data: new Uint8Array(64).fill(1) }
  const transparent = { typecode: TYPECODE.p2pkh, data: new Uint8Array(65).fill(2) }
  const key = (items: UnifiedItem[], revision: 0 | 2 = 0): Unified => ({
    kind: 'incomingViewingKey',
    network: 'main',
    revision,
    items,
  })
  /** Encodes what `encodeUnified` would refuse. */
  const forge = (prefix: string, ...items: readonly Uint8Array[]): string => {
    const end = new Uint8Array(16)
    end.set(asciiToBytes(prefix))
    return bech32m.encode(prefix, bech32m.toWords(f4Jumble(concatBytes(...items, end))), false)
  }
  const item = (typecode: number, data: Uint8Array): Uint8Array =>
    concatBytes(Uint8Array.of(typecode, data.length), data)

  test.each(['main', 'test', 'regtest'] as const)('every form of %s comes back', (network) => {
    for (const kind of ['address', 'incomingViewingKey', 'fullViewingKey'] as const) {
      for (const revision of [0, 2] as const) {
        const length = { address: 43, incomingViewingKey: 64, fullViewingKey: 128 }[kind]
        const unified = {
          kind,
          network,
          revision,
          items: [{ typecode: TYPECODE.sapling, data: new Uint8Array(length).fill(7) }],
        }
        expect(parseUnified(encodeUnified(unified))).toEqual(unified)
      }
    }
  })

  test('what the prefix of a published form is', () => {
    expect(encodeUnified(key([sapling]))).toMatch(/^uivk1/)
    expect(encodeUnified({ ...key([sapling], 2), network: 'regtest' })).toMatch(/^uviregtest1/)
  })

  test('a forged text reads like an honest one when it keeps the rules', () => {
    expect(parseUnified(forge('uivk', item(2, sapling.data)))).toEqual(key([sapling]))
  })

  test.each([
    ['transparent only, revision 0', forge('uivk', item(0, transparent.data))],
    ['out of order', forge('uivk', item(3, sapling.data), item(2, sapling.data))],
    ['twice the same', forge('uivk', item(2, sapling.data), item(2, sapling.data))],
    [
      'P2PKH and P2SH',
      forge('u', item(0, new Uint8Array(20)), item(1, new Uint8Array(20)), item(2, new Uint8Array(43))),
    ],
    ['a wrong length', forge('uivk', item(2, new Uint8Array(63)))],
    [
      'metadata only',
      forge(
        'uvi',
        item(0xe0, new Uint8Array(4)),
        item(0xe1, new Uint8Array(8)),
        item(0xc1, new Uint8Array(9)),
      ),
    ],
    [
      'must-understand metadata in revision 0',
      forge('uivk', item(2, sapling.data), item(0xe0, new Uint8Array(4))),
    ],
    ['unknown must-understand metadata', forge('uvi', item(2, sapling.data), item(0xe5, new Uint8Array(4)))],
    ['a length beyond the end', forge('uivk', item(2, sapling.data), Uint8Array.of(0xfc, 200, 1, 2))],
    [
      'a typecode in more bytes than it needs',
      forge('uivk', concatBytes(Uint8Array.of(0xfd, 2, 0, 64), sapling.data)),
    ],
    [
      'a 64-bit length',
      forge('uivk', item(2, sapling.data), Uint8Array.of(0xfc, 0xff, 1, 0, 0, 0, 0, 0, 0, 0, 9)),
    ],
    ['zu with a transparent receiver', forge('zu', item(0, new Uint8Array(20)), item(2, new Uint8Array(43)))],
    ['tu without one', forge('tu', item(2, new Uint8Array(43)))],
  ])('refused: %s', (_, text) => {
    expect(parseUnified(text)).toBeNull()
  })

  test('refused: the padding of another prefix', () => {
    const words = bech32m.decode(encodeUnified(key([sapling])) as `${string}1${string}`, false).words
    expect(parseUnified(bech32m.encode('uivktest', words, false))).toBeNull()
  })

  test('refused: too short for F4Jumble, too long to be worth reading, empty', () => {
    expect(parseUnified(bech32m.encode('uivk', bech32m.toWords(new Uint8Array(20)), false))).toBeNull()
    expect(parseUnified(`uivk1${'q'.repeat(20_000)}`)).toBeNull()
    expect(parseUnified('')).toBeNull()
  })

  test('encodeUnified refuses what parseUnified would', () => {
    expect(() => encodeUnified(key([transparent]))).toThrow(/ZIP 316/)
    expect(() => encodeUnified(key([sapling, sapling]))).toThrow(/ZIP 316/)
  })

  test('any text gives a result or null, and F4Jumble has its inverse', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 38, maxLength: 400 }), (bytes) => {
        expect(bytesToHex(f4JumbleInverse(f4Jumble(bytes)))).toBe(bytesToHex(bytes))
        expect(parseUnified(bech32m.encode('uvi', bech32m.toWords(bytes), false))).toBeNull()
      }),
      { numRuns: 100 },
    )
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => parseUnified(text) === null))
  })
})
