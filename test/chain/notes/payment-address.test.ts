import { hexToBytes } from '@noble/curves/utils.js'
import { describe, expect, test } from 'vitest'
import { deriveOrchardKeys } from '../../../src/chain/notes/orchard-keys.ts'
import {
  encodeUnifiedAddress,
  parseShieldedAddress,
  readsPaymentsTo,
} from '../../../src/chain/notes/payment-address.ts'
import { deriveSaplingKeys, encodeSaplingAddress } from '../../../src/chain/notes/sapling-keys.ts'
import { deriveSproutKeys, encodeSproutAddress } from '../../../src/chain/notes/sprout-keys.ts'
import { encodeUnified, TYPECODE } from '../../../src/chain/notes/zip316.ts'
import { readVectorTable } from '../../vectors/read.ts'
import { optionalBytesCell, textCell } from './cells.ts'

const seed = new Uint8Array(32).fill(5)
const sprout = deriveSproutKeys(seed).address
const sapling = deriveSaplingKeys(seed).defaultAddress
const orchard = deriveOrchardKeys(seed).defaultAddress

describe.each(['main', 'test', 'regtest'] as const)('shielded addresses of %s', (network) => {
  test('Sprout', () => {
    expect(parseShieldedAddress(encodeSproutAddress(sprout, network))).toEqual({
      network: network === 'main' ? 'main' : 'test',
      sprout,
    })
  })

  test('Sapling', () => {
    expect(parseShieldedAddress(encodeSaplingAddress(sapling, network))).toEqual({ network, sapling })
  })

  test('unified', () => {
    expect(parseShieldedAddress(encodeUnifiedAddress({ sapling, orchard }, network))).toEqual({
      network,
      sapling,
      orchard,
    })
    expect(parseShieldedAddress(encodeUnifiedAddress({ orchard }, network))).toEqual({ network, orchard })
  })
})

describe('official vectors: unified_address', () => {
  const rows = readVectorTable('zcash-test-vectors/unified_address.json')
  test.each(rows.map((row, index) => ({ row, index })))('row $index: its receivers are points', ({ row }) => {
    const parsed = parseShieldedAddress(textCell(row, 'unified_addr'))
    expect(parsed?.sapling !== undefined).toBe(optionalBytesCell(row, 'sapling_raw_addr') !== null)
    expect(parsed?.orchard !== undefined).toBe(optionalBytesCell(row, 'orchard_raw_addr') !== null)
  })
})

describe('R-CHAIN-4: a viewing key reads what is paid to its address', () => {
  const keys = {
    sprout: deriveSproutKeys(seed).viewingKey,
    sapling: deriveSaplingKeys(seed).ivk,
    orchard: deriveOrchardKeys(seed).ivk,
  }
  const stranger = new Uint8Array(32).fill(6)
  const otherOrchard = deriveOrchardKeys(stranger).defaultAddress

  test.each([
    [
      'Sprout',
      encodeSproutAddress(sprout, 'test'),
      { sprout: keys.sprout },
      { sprout: deriveSproutKeys(stranger).viewingKey },
    ],
    [
      'Sapling',
      encodeSaplingAddress(sapling, 'test'),
      { sapling: keys.sapling },
      { sapling: deriveSaplingKeys(stranger).ivk },
    ],
    [
      'Orchard',
      encodeUnifiedAddress({ orchard }, 'test'),
      { orchard: keys.orchard },
      { orchard: deriveOrchardKeys(stranger).ivk },
    ],
  ])('%s', (_, text, own, other) => {
    expect(readsPaymentsTo(text, own)).toBe(true)
    expect(readsPaymentsTo(text, keys)).toBe(true)
    expect(readsPaymentsTo(text, other)).toBe(false)
    expect(readsPaymentsTo(text, {})).toBe(false)
  })

  test('every receiver of a unified address, because the sender chooses', () => {
    const both = encodeUnifiedAddress({ sapling, orchard }, 'main')
    expect(readsPaymentsTo(both, keys)).toBe(true)
    expect(readsPaymentsTo(both, { sapling: keys.sapling })).toBe(false)
    expect(readsPaymentsTo(encodeUnifiedAddress({ sapling, orchard: otherOrchard }, 'main'), keys)).toBe(
      false,
    )
  })

  test('what is no address is not read', () => {
    expect(readsPaymentsTo('nonsense', keys)).toBe(false)
  })
})

describe('refused', () => {
  const unified = (typecode: number, data: Uint8Array): string =>
    encodeUnified({ kind: 'address', network: 'main', revision: 0, items: [{ typecode, data }] })
  test.each([
    ['a key that is no Pallas point', unified(TYPECODE.orchard, new Uint8Array(43).fill(0xff))],
    ['a key that is no Jubjub point', unified(TYPECODE.sapling, new Uint8Array(43).fill(0xff))],
    ['an unknown receiver alone', unified(0x1234, hexToBytes('00'.repeat(43)))],
    [
      'a viewing key',
      encodeUnified({
        kind: 'incomingViewingKey',
        network: 'main',
        revision: 0,
        items: [{ typecode: TYPECODE.sapling, data: new Uint8Array(64) }],
      }),
    ],
    ['a transparent address', 't1V9mnyk5Z5cTNMCkLbaDwSskgJZucTLdgW'],
    ['nothing', ''],
  ])('%s', (_, text) => {
    expect(parseShieldedAddress(text)).toBeNull()
  })
})
