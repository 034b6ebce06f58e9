import { bytesToHex, concatBytes } from '@noble/curves/utils.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { createBase58check } from '@scure/base'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isSecnodeError } from '../../../src/errors.ts'
import { deriveOrchardKeys } from '../../../src/chain/notes/orchard-keys.ts'
import { deriveSaplingKeys, encodeSaplingViewingKey } from '../../../src/chain/notes/sapling-keys.ts'
import {
  deriveSproutKeys,
  encodeSproutAddress,
  encodeSproutSpendingKey,
  encodeSproutViewingKey,
} from '../../../src/chain/notes/sprout-keys.ts'
import { encodeUnifiedViewingKey, parseViewingKey } from '../../../src/chain/notes/viewing-key.ts'
import { encodeUnified, TYPECODE } from '../../../src/chain/notes/zip316.ts'
import { readVectorTable } from '../../vectors/read.ts'
import { optionalBytesCell, textCell } from './cells.ts'

const seed = new Uint8Array(32).fill(3)
const sprout = deriveSproutKeys(seed)
const sapling = deriveSaplingKeys(seed)
const orchard = deriveOrchardKeys(seed)

const refusal = (text: string, pool?: 'sapling' | 'orchard'): { code: string; hint: string } => {
  try {
    parseViewingKey(text, pool)
  } catch (error) {
    if (isSecnodeError(error)) return { code: error.code, hint: error.hint ?? '' }
    throw error
  }
  throw new Error('accepted')
}

describe('R-NET-1 R-CHAIN-4: every form in which a viewing key may be published', () => {
  test.each(['main', 'test', 'regtest'] as const)('Sprout of %s', (network) => {
    expect(parseViewingKey(encodeSproutViewingKey(sprout.viewingKey, network))).toEqual({
      network: network === 'main' ? 'main' : 'test',
      sprout: sprout.viewingKey,
    })
  })

  test("zend's mainnet form, which has no prefix", () => {
    const { payingKey, receivingKey } = sprout.viewingKey
    const text = createBase58check(sha256).encode(concatBytes(payingKey, receivingKey))
    expect(parseViewingKey(text)).toEqual({ network: null, sprout: sprout.viewingKey })
  })

  test.each(['main', 'test', 'regtest'] as const)('Sapling of %s', (network) => {
    expect(parseViewingKey(` ${encodeSaplingViewingKey(sapling.ivk, network)}\n`)).toEqual({
      network,
      sapling: sapling.ivk,
    })
  })

  test.each(['main', 'test', 'regtest'] as const)('unified of %s', (network) => {
    expect(parseViewingKey(encodeUnifiedViewingKey({ sapling, orchard }, network))).toEqual({
      network,
      sapling: sapling.ivk,
      orchard: orchard.ivk,
    })
    expect(parseViewingKey(encodeUnifiedViewingKey({ orchard }, network))).toEqual({
      network,
      orchard: orchard.ivk,
    })
  })

  test('hex', () => {
    const { payingKey, receivingKey } = sprout.viewingKey
    expect(parseViewingKey(bytesToHex(payingKey) + bytesToHex(receivingKey).toUpperCase())).toEqual({
      network: null,
      sprout: sprout.viewingKey,
    })
    expect(parseViewingKey(bytesToHex(sapling.ivk), 'sapling')).toEqual({
      network: null,
      sapling: sapling.ivk,
    })
    expect(parseViewingKey(bytesToHex(orchard.ivk), 'orchard')).toEqual({
      network: null,
      orchard: orchard.ivk,
    })
  })
})

describe('official vectors: uivk and uvi', () => {
  const rows = [
    ...readVectorTable('zcash-test-vectors/unified_incoming_viewing_keys.json'),
    ...readVectorTable('zcash-test-vectors/unified_viewing_keys_r2.json'),
  ]
  test.each(rows.map((row, index) => ({ row, index })))('row $index', ({ row }) => {
    const saplingItem = optionalBytesCell(row, 'sapling_ivk_bytes')
    const orchardItem = optionalBytesCell(row, 'orchard_ivk_bytes')
    const expected =
      saplingItem === null && orchardItem === null
        ? 'CHAIN_BAD_VIEWING_KEY'
        : {
            network: 'main',
            ...(saplingItem === null ? {} : { sapling: saplingItem.slice(32) }),
            ...(orchardItem === null ? {} : { orchard: orchardItem.slice(32) }),
          }
    const text = textCell(row, 'unified_ivk')
    expect(typeof expected === 'string' ? refusal(text).code : parseViewingKey(text)).toEqual(expected)
  })
})

describe('what is refused says why', () => {
  const full = encodeUnified({
    kind: 'fullViewingKey',
    network: 'main',
    revision: 0,
    items: [{ typecode: TYPECODE.orchard, data: concatBytes(orchard.ak, orchard.nk, orchard.rivk) }],
  })
  const address = encodeUnified({
    kind: 'address',
    network: 'main',
    revision: 0,
    items: [{ typecode: TYPECODE.orchard, data: new Uint8Array(43).fill(1) }],
  })
  test.each([
    ['a Sprout spending key', encodeSproutSpendingKey(sprout.spendingKey, 'main'), /never show/],
    ['a Sapling spending key', 'secret-extended-key-main1qqq', /never show/],
    ['a unified full viewing key', full, /full viewing key/],
    ['a Sapling full viewing key', 'zxviews1qqqq', /full viewing key/],
    ['a unified address', address, /address/],
    ['a Sprout address', encodeSproutAddress(sprout.address, 'main'), /ZiVK/],
    ['nothing', '', /ZiVK/],
    ['hex of another length', 'abcd', /64 bytes/],
    ['hex without a pool', bytesToHex(sapling.ivk), /pool/],
  ])('%s', (_, text, hint) => {
    expect(refusal(text)).toMatchObject({
      code: 'CHAIN_BAD_VIEWING_KEY',
      hint: expect.stringMatching(hint) as string,
    })
  })

  test('keys out of range', () => {
    expect(refusal('00'.repeat(32), 'sapling').code).toBe('CHAIN_BAD_VIEWING_KEY')
    expect(refusal('ff'.repeat(32), 'sapling').code).toBe('CHAIN_BAD_VIEWING_KEY')
    expect(refusal('00'.repeat(32), 'orchard').code).toBe('CHAIN_BAD_VIEWING_KEY')
    expect(refusal('ff'.repeat(32), 'orchard').code).toBe('CHAIN_BAD_VIEWING_KEY')
    const zero = encodeUnifiedViewingKey({ sapling: { dk: sapling.dk, ivk: new Uint8Array(32) } }, 'main')
    expect(refusal(zero).code).toBe('CHAIN_BAD_VIEWING_KEY')
  })

  test('any text gives a key or that error', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ unit: 'binary' }), fc.base64String(), fc.mixedCase(fc.constant(full))),
        (text) => {
          expect(refusal(text).code).toBe('CHAIN_BAD_VIEWING_KEY')
        },
      ),
    )
  })
})
