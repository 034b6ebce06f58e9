import { hexToBytes } from '@noble/curves/utils.js'
import { x25519 as nobleX25519 } from '@noble/curves/ed25519.js'
import { sha256 } from '@noble/hashes/sha2.js'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { memoFromText } from '../../../src/chain/notes/memo.ts'
import {
  decryptSproutJoinSplit,
  decryptSproutNote,
  encryptSproutJoinSplit,
  sealSproutNotes,
  sproutHSig,
} from '../../../src/chain/notes/sprout.ts'
import {
  deriveSproutKeys,
  encodeSproutAddress,
  encodeSproutSpendingKey,
  encodeSproutViewingKey,
  parseSproutAddress,
  parseSproutSpendingKey,
  parseSproutViewingKey,
  prfRho,
  sha256Compress,
  sproutAddress,
  x25519,
} from '../../../src/chain/notes/sprout-keys.ts'
import { readVectorJson, readVectorText } from '../../vectors/read.ts'

const reversed = (hex: string): Uint8Array => hexToBytes(hex).reverse()
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })

describe('official constants: derived/sprout_hsig', () => {
  const { vectors } = readVectorJson('derived/sprout_hsig.json') as { vectors: string[][] }
  test('are there', () => expect(vectors.length).toBe(4))
  test.each(vectors.map((row, index) => ({ row, index })))('row $index', ({ row }) => {
    const [randomSeed, nf1, nf2, publicKey, hSig] = row.map(reversed)
    expect(sproutHSig(randomSeed!, [nf1!, nf2!], publicKey!)).toEqual(hSig)
  })
})

describe('derived/sprout_keys: what wallets printed', () => {
  const { vectors } = readVectorJson('derived/sprout_keys.json') as {
    vectors: { spending_key: string; viewing_key: string; payment_address: string }[]
  }
  test('are there', () => expect(vectors.length).toBe(5))
  test.each(vectors)('$payment_address', ({ spending_key, viewing_key, payment_address }) => {
    const { network, spendingKey } = parseSproutSpendingKey(spending_key)!
    expect(network).toBe('main')
    const keys = deriveSproutKeys(spendingKey)
    expect(keys.spendingKey).toEqual(spendingKey)
    expect(encodeSproutSpendingKey(spendingKey, 'main')).toBe(spending_key)
    expect(encodeSproutViewingKey(keys.viewingKey, 'main')).toBe(viewing_key)
    expect(encodeSproutAddress(keys.address, 'main')).toBe(payment_address)
    expect(parseSproutViewingKey(viewing_key)).toEqual({ network: 'main', viewingKey: keys.viewingKey })
    expect(parseSproutAddress(payment_address)).toEqual({ network: 'main', address: keys.address })
  })
})

describe('derived/sprout_note_encryption: an independent implementation', () => {
  interface Output {
    value: string
    rho: string
    r: string
    memo: string
    mine: boolean
    ciphertext: string
  }
  // Amounts stay exact: every integer becomes a string.
  const { vectors } = JSON.parse(
    readVectorText('derived/sprout_note_encryption.json').replaceAll(/("value": )(\d+)/g, '$1"$2"'),
  ) as {
    vectors: {
      viewing_key: string
      payment_address: string
      joinsplit_pubkey: string
      random_seed: string
      nullifiers: [string, string]
      h_sig: string
      epk: string
      commitments: [string, string]
      outputs: [Output, Output]
    }[]
  }
  test('are there', () => expect(vectors.length).toBe(5))
  describe.each(vectors.map((vector, index) => ({ vector, index })))('JoinSplit $index', ({ vector }) => {
    const { viewingKey } = parseSproutViewingKey(vector.viewing_key)!
    const publicKey = hexToBytes(vector.joinsplit_pubkey)
    const joinSplit = {
      nullifiers: [hexToBytes(vector.nullifiers[0]), hexToBytes(vector.nullifiers[1])] as const,
      commitments: [hexToBytes(vector.commitments[0]), hexToBytes(vector.commitments[1])] as const,
      randomSeed: hexToBytes(vector.random_seed),
      ephemeralKey: hexToBytes(vector.epk),
      ciphertexts: [
        hexToBytes(vector.outputs[0].ciphertext),
        hexToBytes(vector.outputs[1].ciphertext),
      ] as const,
    }

    test('hSig', () => {
      expect(sproutHSig(joinSplit.randomSeed, joinSplit.nullifiers, publicKey)).toEqual(
        hexToBytes(vector.h_sig),
      )
    })

    test.each([0, 1] as const)('output %i decrypts if it is ours', (index) => {
      const output = vector.outputs[index]
      const expected = {
        address: parseSproutAddress(vector.payment_address)!.address,
        value: BigInt(output.value),
        rho: hexToBytes(output.rho),
        randomness: hexToBytes(output.r),
        memo: hexToBytes(output.memo),
      }
      const note = decryptSproutNote(joinSplit, publicKey, viewingKey, index)
      expect(note).toEqual(output.mine ? expected : null)
    })
  })
})

describe('primitives against the plain library', () => {
  test('SHA256Compress of a padded empty message is the hash of the empty message', () => {
    const block = new Uint8Array(64)
    block[0] = 0x80
    expect(sha256Compress(block)).toEqual(sha256(new Uint8Array()))
  })

  test('X25519', () => {
    fc.assert(
      fc.property(bytes(32), bytes(32), (secret, publicKey) => {
        expect(x25519(secret, publicKey)).toEqual(nobleX25519.getSharedSecret(secret, publicKey))
      }),
      { numRuns: 30, examples: [[new Uint8Array(32).fill(1), new Uint8Array(32).fill(0xff)]] },
    )
  })

  test('PRF^rho separates the outputs and ignores the top four bits of phi', () => {
    const hSig = new Uint8Array(32).fill(4)
    const phi = new Uint8Array(32).fill(0x0a)
    expect(prfRho(phi, 0, hSig)).not.toEqual(prfRho(phi, 1, hSig))
    expect(prfRho(phi.with(0, 0xfa), 0, hSig)).toEqual(prfRho(phi, 0, hSig))
  })
})

describe('encodings', () => {
  const keys = deriveSproutKeys(new Uint8Array(32).fill(0xff))

  test.each(['main', 'test', 'regtest'] as const)('%s', (network) => {
    const read = network === 'main' ? 'main' : 'test'
    expect(parseSproutAddress(encodeSproutAddress(keys.address, network))?.network).toBe(read)
    expect(encodeSproutViewingKey(keys.viewingKey, network)).toMatch(read === 'main' ? /^ZiVK/ : /^ZiVt/)
    expect(parseSproutViewingKey(encodeSproutViewingKey(keys.viewingKey, network))?.network).toBe(read)
    expect(parseSproutSpendingKey(encodeSproutSpendingKey(keys.spendingKey, network))?.network).toBe(read)
  })

  test('one is not read as another, and a changed letter is refused', () => {
    const address = encodeSproutAddress(keys.address, 'main')
    expect(parseSproutViewingKey(address)).toBeNull()
    expect(parseSproutSpendingKey(address)).toBeNull()
    expect(parseSproutAddress(`${address.slice(0, -1)}${address.endsWith('2') ? '3' : '2'}`)).toBeNull()
    expect(parseSproutAddress('')).toBeNull()
    expect(parseSproutSpendingKey(encodeSproutSpendingKey(new Uint8Array(32).fill(0x10), 'main'))).toBeNull()
  })
})

describe('R-CHAIN-4 properties', () => {
  const keys = deriveSproutKeys(new Uint8Array(32).fill(1))
  const stranger = deriveSproutKeys(new Uint8Array(32).fill(2))
  const publicKey = new Uint8Array(32).fill(7)
  const nullifiers = [new Uint8Array(32).fill(5), new Uint8Array(32).fill(6)] as const
  const amount = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n })
  const source = (random: Uint8Array) => {
    let at = 0
    return (length: number) => random.slice(at, (at += length))
  }

  test('what is encrypted decrypts to the same memo and amount, for its receiver only', () => {
    fc.assert(
      fc.property(amount, bytes(512), bytes(256), (value, memo, random) => {
        const joinSplit = encryptSproutJoinSplit(
          [null, { address: keys.address, value, memo }],
          nullifiers,
          publicKey,
          source(random),
        )
        const [dummy, note] = decryptSproutJoinSplit(joinSplit, publicKey, keys.viewingKey)
        expect(dummy).toBeNull()
        expect(note).toMatchObject({ address: keys.address, value, memo })
        expect(decryptSproutJoinSplit(joinSplit, publicKey, stranger.viewingKey)).toEqual([null, null])
        // Another transaction's key: the ciphertexts cannot be moved.
        expect(decryptSproutJoinSplit(joinSplit, nullifiers[0], keys.viewingKey)).toEqual([null, null])
      }),
      { numRuns: 30 },
    )
  })

  test('any flipped bit gives null', () => {
    const payment = { address: keys.address, value: 42n, memo: memoFromText('hello')! }
    const joinSplit = encryptSproutJoinSplit(
      [payment, payment],
      nullifiers,
      publicKey,
      source(new Uint8Array(256).fill(9)),
    )
    const flip = (value: Uint8Array, bit: number): Uint8Array =>
      value.with(bit >> 3, value[bit >> 3]! ^ (1 << (bit & 7)))
    const one = ([first, second]: readonly [Uint8Array, Uint8Array], bit: number) =>
      [flip(first, bit % (8 * first.length)), second] as const
    const change = fc.constantFrom(
      (bit: number) => ({ ...joinSplit, commitments: one(joinSplit.commitments, bit) }),
      (bit: number) => ({ ...joinSplit, nullifiers: one(joinSplit.nullifiers, bit) }),
      (bit: number) => ({ ...joinSplit, ciphertexts: one(joinSplit.ciphertexts, bit) }),
      (bit: number) => ({ ...joinSplit, ephemeralKey: flip(joinSplit.ephemeralKey, bit % 256) }),
      (bit: number) => ({ ...joinSplit, randomSeed: flip(joinSplit.randomSeed, bit % 256) }),
    )
    fc.assert(
      fc.property(change, fc.nat(8 * 601 - 1), (changed, bit) => {
        expect(decryptSproutNote(changed(bit), publicKey, keys.viewingKey, 0)).toBeNull()
      }),
      { numRuns: 300 },
    )
  })

  test('small-order ephemeral keys and odd lengths give null, never an error', () => {
    const joinSplit = encryptSproutJoinSplit([null, null], nullifiers, publicKey, source(new Uint8Array(400)))
    const hostiles = [
      '0000000000000000000000000000000000000000000000000000000000000000',
      '0100000000000000000000000000000000000000000000000000000000000000',
      'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
      'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
      '00',
    ]
    for (const hostile of hostiles) {
      const ephemeralKey = hexToBytes(hostile)
      expect(decryptSproutJoinSplit({ ...joinSplit, ephemeralKey }, publicKey, keys.viewingKey)).toEqual([
        null,
        null,
      ])
    }
    const ciphertexts = [new Uint8Array(5), new Uint8Array(602)] as const
    expect(decryptSproutJoinSplit({ ...joinSplit, ciphertexts }, publicKey, keys.viewingKey)).toEqual([
      null,
      null,
    ])
  })

  test('a note whose commitment belongs to another paying key is refused', () => {
    // Same transmission key, so the ciphertext opens; the commitment then decides.
    const address = { ...keys.address, payingKey: stranger.address.payingKey }
    const note = {
      address,
      value: 1n,
      rho: new Uint8Array(32),
      randomness: new Uint8Array(32),
      memo: new Uint8Array(512),
    }
    const joinSplit = sealSproutNotes(
      [note, note],
      nullifiers,
      publicKey,
      publicKey,
      new Uint8Array(32).fill(8),
    )
    expect(decryptSproutNote(joinSplit, publicKey, keys.viewingKey, 0)).toBeNull()
    const right = { ...keys.viewingKey, payingKey: stranger.address.payingKey }
    expect(decryptSproutNote(joinSplit, publicKey, right, 0)?.value).toBe(1n)
    expect(sproutAddress(right)).toEqual(address)
  })
})
