import { bytesToHex, bytesToNumberLE, hexToBytes } from '@noble/curves/utils.js'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { memoFromText } from '../../../src/chain/notes/memo.ts'
import {
  decryptOrchardNote,
  encryptOrchardAction,
  orchardNoteCommitment,
  orchardValueCommitment,
  recoverOrchardAction,
  sealOrchardNote,
} from '../../../src/chain/notes/orchard.ts'
import {
  deriveOrchardKeys,
  diversifyHashOrchard,
  orchardAddressAt,
  orchardAddressFromBytes,
  orchardInternalKey,
  orchardViewingKeys,
} from '../../../src/chain/notes/orchard-keys.ts'
import { pallasToBytes } from '../../../src/chain/notes/pallas.ts'
import { PALLAS_BASE } from '../../../src/chain/notes/pallas-curve.ts'
import { readVectorJson, readVectorTable } from '../../vectors/read.ts'
import { bytesCell, integerCell } from './cells.ts'

describe('official vectors: orchard_key_components', () => {
  // note_nf is about spending: a nullifier needs nk, which no viewing key here holds.
  const rows = readVectorTable('zcash-test-vectors/orchard_key_components.json')
  test('are there', () => expect(rows.length).toBe(10))
  test.each(rows.map((row, index) => ({ row, index })))('row $index', ({ row }) => {
    const keys = deriveOrchardKeys(bytesCell(row, 'sk'))
    const names = ['ask', 'ak', 'nk', 'rivk', 'ivk', 'ovk', 'dk'] as const
    for (const name of names) expect({ [name]: keys[name] }).toEqual({ [name]: bytesCell(row, name) })
    expect(keys.defaultAddress).toEqual({
      diversifier: bytesCell(row, 'default_d'),
      transmissionKey: bytesCell(row, 'default_pk_d'),
    })
    const internal = orchardInternalKey(keys)
    expect(internal.rivk).toEqual(bytesCell(row, 'internal_rivk'))
    expect(orchardViewingKeys(internal)).toEqual({
      ivk: bytesCell(row, 'internal_ivk'),
      ovk: bytesCell(row, 'internal_ovk'),
      dk: bytesCell(row, 'internal_dk'),
    })
    const cmx = orchardNoteCommitment(
      'orchard',
      pallasToBytes(diversifyHashOrchard(bytesCell(row, 'default_d'))),
      bytesCell(row, 'default_pk_d'),
      integerCell(row, 'note_v'),
      bytesCell(row, 'note_rho'),
      bytesCell(row, 'note_rseed'),
    )
    expect(cmx).toEqual(bytesCell(row, 'note_cmx'))
  })
})

describe('official vectors: orchard_note_encryption', () => {
  const rows = readVectorTable('zcash-test-vectors/orchard_note_encryption.json')
  test('are there', () => expect(rows.length).toBeGreaterThanOrEqual(7))
  describe.each(rows.map((row, index) => ({ row, index })))('row $index', ({ row }) => {
    const viewingKey = bytesCell(row, 'incoming_viewing_key')
    const dk = viewingKey.slice(0, 32)
    const ivk = viewingKey.slice(32)
    const action = {
      cv: bytesCell(row, 'cv_net'),
      nullifier: bytesCell(row, 'rho'),
      cmx: bytesCell(row, 'cmx'),
      ephemeralKey: bytesCell(row, 'ephemeral_key'),
      encCiphertext: bytesCell(row, 'c_enc'),
      outCiphertext: bytesCell(row, 'c_out'),
    }
    const note = {
      pool: 'orchard',
      address: { diversifier: bytesCell(row, 'default_d'), transmissionKey: bytesCell(row, 'default_pk_d') },
      value: integerCell(row, 'v'),
      randomness: bytesCell(row, 'rseed'),
      memo: bytesCell(row, 'memo'),
    }

    test('decrypts with the incoming viewing key', () => {
      expect(decryptOrchardNote(action, ivk, 'orchard')).toEqual(note)
      expect(orchardAddressAt(dk, ivk, 0n)).toEqual(note.address)
    })

    test('decrypts with the outgoing viewing key', () => {
      expect(recoverOrchardAction(action, bytesCell(row, 'ovk'), 'orchard')).toEqual(note)
    })

    test('lead byte 2 is refused in the Ironwood bundle', () => {
      expect(decryptOrchardNote(action, ivk, 'ironwood')).toBeNull()
      expect(recoverOrchardAction(action, bytesCell(row, 'ovk'), 'ironwood')).toBeNull()
    })

    test('encrypts to the same bytes', () => {
      const { address, value, memo, randomness } = note
      const payment = { address, value, memo, ovk: bytesCell(row, 'ovk'), nullifier: action.nullifier }
      const choices = { randomness, cv: action.cv, outgoingFiller: null }
      expect(sealOrchardNote(payment, 'orchard', choices)).toEqual(action)
    })
  })
})

describe('ZIP 2005: Ironwood against the orchard crate (vectors app-zcash/ironwood)', () => {
  const vectors = readVectorJson('app-zcash/ironwood.json') as {
    full_viewing_key: string
    internal_recipient: string
    external_recipient: string
    commitments: {
      value: string
      nullifier: string
      rseed: string
      cmx: string
      ephemeral_key?: string
      enc_ciphertext?: string
    }[]
  }
  const fullKey = hexToBytes(vectors.full_viewing_key)
  const external = { ak: fullKey.slice(0, 32), nk: fullKey.slice(32, 64), rivk: fullKey.slice(64) }
  const keys = orchardViewingKeys(external)!
  const internalKeys = orchardViewingKeys(orchardInternalKey(external))!
  const recipient = orchardAddressFromBytes(hexToBytes(vectors.internal_recipient))!

  test('the full viewing key gives both recipients', () => {
    expect(orchardAddressAt(internalKeys.dk, internalKeys.ivk, 0n)).toEqual(recipient)
    expect(orchardAddressAt(keys.dk, keys.ivk, 0n)).toEqual(
      orchardAddressFromBytes(hexToBytes(vectors.external_recipient)),
    )
  })

  test.each(vectors.commitments)('commitment $cmx', ({ value, nullifier, rseed, cmx }) => {
    const base = pallasToBytes(diversifyHashOrchard(recipient.diversifier))
    const computed = orchardNoteCommitment(
      'ironwood',
      base,
      recipient.transmissionKey,
      BigInt(value),
      hexToBytes(nullifier),
      hexToBytes(rseed),
    )
    expect(bytesToHex(computed!)).toBe(cmx)
  })

  test('the output encrypts to the same bytes and decrypts with the internal key, in Ironwood only', () => {
    const vector = vectors.commitments[0]!
    const action = {
      nullifier: hexToBytes(vector.nullifier),
      cmx: hexToBytes(vector.cmx),
      ephemeralKey: hexToBytes(vector.ephemeral_key!),
      encCiphertext: hexToBytes(vector.enc_ciphertext!),
    }
    const note = decryptOrchardNote(action, internalKeys.ivk, 'ironwood')
    expect(note).toEqual({
      pool: 'ironwood',
      address: recipient,
      value: 10_000n,
      randomness: hexToBytes(vector.rseed),
      memo: new Uint8Array(512),
    })
    expect(decryptOrchardNote(action, internalKeys.ivk, 'orchard')).toBeNull()
    expect(decryptOrchardNote(action, keys.ivk, 'ironwood')).toBeNull()
    const sealed = sealOrchardNote({ ...note!, ovk: null, nullifier: action.nullifier }, 'ironwood', {
      randomness: note!.randomness,
      cv: new Uint8Array(32),
      outgoingFiller: new Uint8Array(96),
    })
    expect(sealed).toMatchObject(action)
  })
})

describe.each(['orchard', 'ironwood'] as const)('R-CHAIN-4 properties: %s', (pool) => {
  const keys = deriveOrchardKeys(new Uint8Array(32).fill(1))
  const stranger = deriveOrchardKeys(new Uint8Array(32).fill(2))
  const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
  const nullifier = bytes(32).map((hash) => {
    hash[31]! &= 0x3f
    return hash
  })
  const payment = fc.record({
    value: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
    memo: bytes(512),
    nullifier,
    random: bytes(128),
  })
  type Chosen = { value: bigint; memo: Uint8Array; nullifier: Uint8Array; random: Uint8Array }
  const encrypt = ({ value, memo, nullifier, random }: Chosen) => {
    let at = 0
    return encryptOrchardAction(
      { address: keys.defaultAddress, value, memo, ovk: keys.ovk, nullifier },
      pool,
      (length) => random.slice(at, (at += length)),
    )
  }
  const example = (): Chosen => ({
    value: 42n,
    memo: memoFromText('hello')!,
    nullifier: new Uint8Array(32).fill(3),
    random: new Uint8Array(128).fill(9),
  })

  test('what is encrypted decrypts to the same memo and amount, for the receiver and the sender only', () => {
    fc.assert(
      fc.property(payment, (chosen) => {
        const action = encrypt(chosen)
        const note = decryptOrchardNote(action, keys.ivk, pool)
        expect(note).toMatchObject({ pool, value: chosen.value, memo: chosen.memo })
        expect(recoverOrchardAction(action, keys.ovk, pool)).toEqual(note)
        expect(decryptOrchardNote(action, stranger.ivk, pool)).toBeNull()
        expect(recoverOrchardAction(action, stranger.ovk, pool)).toBeNull()
        expect(decryptOrchardNote(action, keys.ivk, pool === 'orchard' ? 'ironwood' : 'orchard')).toBeNull()
      }),
      { numRuns: 12 },
    )
  })

  test('any flipped bit gives null', () => {
    const action = encrypt(example())
    const parts = ['cv', 'nullifier', 'cmx', 'ephemeralKey', 'encCiphertext', 'outCiphertext'] as const
    const place = fc
      .constantFrom(...parts)
      .chain((part) => fc.tuple(fc.constant(part), fc.nat(action[part].length * 8 - 1)))
    fc.assert(
      fc.property(place, ([part, bit]) => {
        const changed = { ...action, [part]: action[part].slice() }
        changed[part][bit >> 3]! ^= 1 << (bit & 7)
        // The receiver's way does not read cv and outCiphertext.
        const read = part !== 'cv' && part !== 'outCiphertext'
        expect(decryptOrchardNote(changed, keys.ivk, pool) === null).toBe(read)
        expect(recoverOrchardAction(changed, keys.ovk, pool)).toBeNull()
      }),
      { numRuns: 150 },
    )
  })

  test('hostile bytes give null, never an error', () => {
    const action = encrypt(example())
    const hostiles = [
      '0000000000000000000000000000000000000000000000000000000000000000', // the identity
      '0000000000000000000000000000000000000000000000000000000000000080',
      '01000000ed302d991bf94c09fc98462200000000000000000000000000000040', // the field's order
      'ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
      '',
    ]
    for (const hostile of hostiles) {
      const ephemeralKey = hexToBytes(hostile)
      expect(decryptOrchardNote({ ...action, ephemeralKey }, keys.ivk, pool)).toBeNull()
      expect(recoverOrchardAction({ ...action, ephemeralKey }, keys.ovk, pool)).toBeNull()
    }
    expect(decryptOrchardNote({ ...action, encCiphertext: new Uint8Array(3) }, keys.ivk, pool)).toBeNull()
    expect(decryptOrchardNote(action, new Uint8Array(32), pool)).toBeNull()
    expect(decryptOrchardNote(action, new Uint8Array(32).fill(0xff), pool)).toBeNull()
    expect(recoverOrchardAction(action, new Uint8Array(31), pool)).toBeNull()
    expect(recoverOrchardAction({ ...action, outCiphertext: new Uint8Array() }, keys.ovk, pool)).toBeNull()
  })

  test('a nullifier that is no field element makes no note', () => {
    expect(() => encrypt({ ...example(), nullifier: new Uint8Array(32).fill(0xff) })).toThrow(/nullifier/)
  })

  test('the value commitment of an action that spends nothing is that of the negative value', () => {
    const sum = orchardValueCommitment(-5n, 7n)
    expect(sum).not.toEqual(orchardValueCommitment(5n, 7n))
    expect(bytesToNumberLE(sum) % (1n << 255n) < PALLAS_BASE).toBe(true)
  })
})
