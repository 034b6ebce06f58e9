import { bytesToNumberLE, hexToBytes } from '@noble/curves/utils.js'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { saplingGenerator } from '../../../src/chain/notes/jubjub.ts'
import { memoFromText } from '../../../src/chain/notes/memo.ts'
import {
  decryptSaplingNote,
  encryptSaplingOutput,
  recoverSaplingOutput,
  sealSaplingNote,
} from '../../../src/chain/notes/sapling.ts'
import { saplingNoteCommitment, saplingValueCommitment } from '../../../src/chain/notes/sapling-commitment.ts'
import {
  deriveSaplingKeys,
  encodeSaplingAddress,
  encodeSaplingViewingKey,
  parseSaplingAddress,
  parseSaplingViewingKey,
  saplingAddress,
  saplingIncomingViewingKey,
} from '../../../src/chain/notes/sapling-keys.ts'
import { readVectorTable } from '../../vectors/read.ts'
import { bytesCell, integerCell } from './cells.ts'

const NETWORKS = ['main', 'test', 'regtest'] as const
const ascii = (text: string): Uint8Array => new TextEncoder().encode(text)

describe('official vectors: sapling_generators', () => {
  const [row] = readVectorTable('zcash-test-vectors/sapling_generators.json')
  test.each([
    ['skb', 'Zcash_G_', new Uint8Array()],
    ['pkb', 'Zcash_H_', new Uint8Array()],
    ['npb', 'Zcash_J_', new Uint8Array()],
    ['wprb', 'Zcash_PH', ascii('r')],
    ['vcvb', 'Zcash_cv', ascii('v')],
    ['vcrb', 'Zcash_cv', ascii('r')],
    ['pb0', 'Zcash_PH', Uint8Array.of(0, 0, 0, 0)],
    ['pb1', 'Zcash_PH', Uint8Array.of(1, 0, 0, 0)],
    ['pb2', 'Zcash_PH', Uint8Array.of(2, 0, 0, 0)],
    ['pb3', 'Zcash_PH', Uint8Array.of(3, 0, 0, 0)],
  ])('%s', (column, personalization, message) => {
    expect(saplingGenerator(personalization, message).toBytes()).toEqual(bytesCell(row!, column))
  })
})

describe('official vectors: sapling_key_components', () => {
  // note_pos and note_nf are about spending: a nullifier needs nk, which no viewing key here holds.
  const rows = readVectorTable('zcash-test-vectors/sapling_key_components.json')
  test('are there', () => expect(rows.length).toBe(10))
  test.each(rows.map((row, index) => ({ row, index })))('row $index', ({ row }) => {
    const keys = deriveSaplingKeys(bytesCell(row, 'sk'))
    const names = ['ask', 'nsk', 'ovk', 'ak', 'nk', 'ivk'] as const
    for (const name of names) expect({ [name]: keys[name] }).toEqual({ [name]: bytesCell(row, name) })
    expect(saplingIncomingViewingKey(bytesCell(row, 'ak'), bytesCell(row, 'nk'))).toEqual(
      bytesCell(row, 'ivk'),
    )
    expect(keys.defaultAddress.diversifier).toEqual(bytesCell(row, 'default_d'))
    expect(keys.defaultAddress.transmissionKey).toEqual(bytesCell(row, 'default_pk_d'))
    const output = sealSaplingNote(
      {
        address: keys.defaultAddress,
        value: integerCell(row, 'note_v'),
        memo: new Uint8Array(512),
        ovk: keys.ovk,
      },
      {
        leadByte: 1,
        randomness: bytesCell(row, 'note_r'),
        ephemeralSecret: 1n,
        cv: new Uint8Array(32),
        outgoingFiller: null,
      },
    )
    expect(output.cmu).toEqual(bytesCell(row, 'note_cmu'))
  })
})

describe('official vectors: sapling_note_encryption', () => {
  const rows = readVectorTable('zcash-test-vectors/sapling_note_encryption.json')
  test('are there', () => expect(rows.length).toBeGreaterThanOrEqual(7))
  describe.each(rows.map((row, index) => ({ row, index })))('row $index', ({ row }) => {
    const output = {
      cv: bytesCell(row, 'cv'),
      cmu: bytesCell(row, 'cmu'),
      ephemeralKey: bytesCell(row, 'epk'),
      encCiphertext: bytesCell(row, 'c_enc'),
      outCiphertext: bytesCell(row, 'c_out'),
    }
    const note = {
      leadByte: 1,
      address: { diversifier: bytesCell(row, 'default_d'), transmissionKey: bytesCell(row, 'default_pk_d') },
      value: integerCell(row, 'v'),
      randomness: bytesCell(row, 'rcm'),
      memo: bytesCell(row, 'memo'),
    }

    test('R-CHAIN-4 decrypts with the incoming viewing key: lead byte 1 counts, whatever the height', () => {
      expect(decryptSaplingNote(output, bytesCell(row, 'ivk'))).toEqual(note)
      expect(saplingAddress(bytesCell(row, 'ivk'), note.address.diversifier)).toEqual(note.address)
    })

    test('decrypts with the outgoing viewing key', () => {
      expect(recoverSaplingOutput(output, bytesCell(row, 'ovk'))).toEqual(note)
    })

    test('encrypts to the same bytes', () => {
      const sealed = sealSaplingNote(
        { address: note.address, value: note.value, memo: note.memo, ovk: bytesCell(row, 'ovk') },
        {
          leadByte: 1,
          randomness: note.randomness,
          ephemeralSecret: bytesToNumberLE(bytesCell(row, 'esk')),
          cv: output.cv,
          outgoingFiller: null,
        },
      )
      expect(sealed).toEqual(output)
    })

    test('the value commitment is the one of the vector, whose trapdoor is rcm', () => {
      expect(saplingValueCommitment(note.value, bytesToNumberLE(note.randomness))).toEqual(output.cv)
    })
  })
})

describe('encodings', () => {
  const keys = deriveSaplingKeys(new Uint8Array(32).fill(7))
  test.each(NETWORKS)('address and viewing key of %s come back', (network) => {
    const address = encodeSaplingAddress(keys.defaultAddress, network)
    expect(parseSaplingAddress(address)).toEqual({ network, address: keys.defaultAddress })
    const key = encodeSaplingViewingKey(keys.ivk, network)
    expect(parseSaplingViewingKey(key)).toEqual({ network, ivk: keys.ivk })
    expect(parseSaplingAddress(key)).toBeNull()
    expect(parseSaplingViewingKey(address)).toBeNull()
  })

  test('a viewing key of 2^251 or zero is refused', () => {
    expect(parseSaplingViewingKey(encodeSaplingViewingKey(new Uint8Array(32), 'main'))).toBeNull()
    const large = new Uint8Array(32)
    large[31] = 0x08
    expect(parseSaplingViewingKey(encodeSaplingViewingKey(large, 'main'))).toBeNull()
  })

  test('an address whose key is outside of the prime-order subgroup is refused', () => {
    // (0, -1) has order 2; its ordinate is p - 1.
    const transmissionKey = hexToBytes('00000000fffffffffe5bfeff02a4bd5305d8a10908d83933487d9d2953a7ed73')
    const text = encodeSaplingAddress({ ...keys.defaultAddress, transmissionKey }, 'main')
    expect(parseSaplingAddress(text)).toBeNull()
  })
})

describe('R-CHAIN-4 properties', () => {
  const keys = deriveSaplingKeys(new Uint8Array(32).fill(1))
  const stranger = deriveSaplingKeys(new Uint8Array(32).fill(2))
  const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
  const payment = fc.record({
    value: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
    memo: bytes(512),
    random: bytes(128),
  })
  const encrypt = ({ value, memo, random }: { value: bigint; memo: Uint8Array; random: Uint8Array }) => {
    let at = 0
    return encryptSaplingOutput({ address: keys.defaultAddress, value, memo, ovk: keys.ovk }, (length) =>
      random.slice(at, (at += length)),
    )
  }

  test('what is encrypted decrypts to the same memo and amount, for the receiver and the sender only', () => {
    fc.assert(
      fc.property(payment, (chosen) => {
        const output = encrypt(chosen)
        const note = decryptSaplingNote(output, keys.ivk)
        expect(note).toMatchObject({ leadByte: 2, value: chosen.value, memo: chosen.memo })
        expect(recoverSaplingOutput(output, keys.ovk)).toEqual(note)
        expect(decryptSaplingNote(output, stranger.ivk)).toBeNull()
        expect(recoverSaplingOutput(output, stranger.ovk)).toBeNull()
      }),
      { numRuns: 15 },
    )
  })

  test('any flipped bit gives null', () => {
    const output = encrypt({ value: 42n, memo: memoFromText('hello')!, random: new Uint8Array(128).fill(9) })
    const parts = ['cv', 'cmu', 'ephemeralKey', 'encCiphertext', 'outCiphertext'] as const
    const place = fc
      .constantFrom(...parts)
      .chain((part) => fc.tuple(fc.constant(part), fc.nat(output[part].length * 8 - 1)))
    fc.assert(
      fc.property(place, ([part, bit]) => {
        const changed = output[part].slice()
        changed[bit >> 3]! ^= 1 << (bit & 7)
        // The receiver's way does not read cv and outCiphertext.
        const read = part !== 'cv' && part !== 'outCiphertext'
        expect(decryptSaplingNote({ ...output, [part]: changed }, keys.ivk) === null).toBe(read)
        expect(recoverSaplingOutput({ ...output, [part]: changed }, keys.ovk)).toBeNull()
      }),
      { numRuns: 150 },
    )
  })

  test('without an ovk nobody recovers the output, and the receiver still reads it', () => {
    let counter = 0
    const output = encryptSaplingOutput(
      { address: keys.defaultAddress, value: 5n, memo: memoFromText('x')!, ovk: null },
      (length) => new Uint8Array(length).fill(++counter),
    )
    expect(recoverSaplingOutput(output, keys.ovk)).toBeNull()
    expect(recoverSaplingOutput(output, new Uint8Array(32))).toBeNull()
    expect(decryptSaplingNote(output, keys.ivk)?.value).toBe(5n)
  })

  test('hostile ephemeral keys give null, never an error', () => {
    const output = encrypt({ value: 1n, memo: new Uint8Array(512), random: new Uint8Array(128) })
    const keysOfHostiles = [
      '0000000000000000000000000000000000000000000000000000000000000000', // order 4
      '0100000000000000000000000000000000000000000000000000000000000000', // the identity
      '0100000000000000000000000000000000000000000000000000000000000080', // ZIP 216: identity with a sign
      '00000000fffffffffe5bfeff02a4bd5305d8a10908d83933487d9d2953a7ed73', // order 2
      '01000000fffffffffe5bfeff02a4bd5305d8a10908d83933487d9d2953a7ed73', // the field's order
      'ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
    ]
    for (const hostile of keysOfHostiles) {
      expect(decryptSaplingNote({ ...output, ephemeralKey: hexToBytes(hostile) }, keys.ivk)).toBeNull()
    }
    expect(decryptSaplingNote({ ...output, ephemeralKey: new Uint8Array(31) }, keys.ivk)).toBeNull()
    expect(decryptSaplingNote({ ...output, encCiphertext: new Uint8Array(3) }, keys.ivk)).toBeNull()
    expect(decryptSaplingNote(output, new Uint8Array(32))).toBeNull()
    expect(decryptSaplingNote(output, new Uint8Array(31))).toBeNull()
    expect(recoverSaplingOutput({ ...output, outCiphertext: new Uint8Array() }, keys.ovk)).toBeNull()
  })

  test('the commitment binds the value', () => {
    const base = deriveSaplingKeys(new Uint8Array(32).fill(3)).ak
    expect(saplingNoteCommitment(base, base, 1n, 5n)).not.toEqual(saplingNoteCommitment(base, base, 2n, 5n))
  })
})
