import { secp256k1 } from '@noble/curves/secp256k1.js'
import { base64 } from '@scure/base'
import * as fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { bytesToHex, ChainName, hash160, hexToBytes, messageDigest } from '../../protocol/index.ts'
import { encodeAddress } from '../../src/chain/address.ts'
import { signMessage, verifyMessage } from '../../src/chain/message.ts'
import { readVectorJson } from '../vectors/read.ts'

const code = (expected: string): Error => expect.objectContaining({ code: expected }) as Error

const { vectors: zencashjs } = readVectorJson('zen/zencashjs_signmessage.json') as {
  vectors: {
    address: string
    private_key_test_only: string
    compressed: boolean
    message: string
    signature: string
  }[]
}
const { vectors: openssl } = readVectorJson('derived/signmessage.json') as {
  vectors: {
    network: string
    compressed: boolean
    message: string
    pubkey: string
    address: string
    signature: string
    digest: string
  }[]
}

describe('vectors', () => {
  test.each(zencashjs)(
    'zencashjs: $address',
    ({ address, private_key_test_only, compressed, message, signature }) => {
      expect(verifyMessage(address, signature, message)).toBe(true)
      expect(signMessage(hexToBytes(private_key_test_only), message, compressed)).toBe(signature)
    },
  )

  test.each(openssl)(
    'OpenSSL: $network $address',
    ({ address, signature, message, digest, pubkey, compressed }) => {
      expect(bytesToHex(messageDigest(message))).toBe(digest)
      expect(verifyMessage(address, signature, message)).toBe(true)
      expect(hexToBytes(pubkey)).toHaveLength(compressed ? 33 : 65)
      expect(verifyMessage(address, signature, `${message} `)).toBe(false)
    },
  )

  test('all of them, each against the address of every other', () => {
    const all = [...zencashjs, ...openssl]
    expect(all).toHaveLength(17)
    for (const { address, signature, message } of all) {
      const takers = all.filter((other) => verifyMessage(other.address, signature, message))
      expect(takers.map((taker) => taker.address)).toEqual([address])
    }
  })
})

const secretKey = new Uint8Array(32).fill(0x42)
const keyAddress = (chain: ChainName, isCompressed: boolean): string =>
  encodeAddress(chain, { kind: 'p2pkh', hash160: hash160(secp256k1.getPublicKey(secretKey, isCompressed)) })

describe('properties', () => {
  it('what is signed verifies, on every chain, for both forms of the key, and for no other text', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...ChainName.options),
        fc.string({ unit: 'binary', maxLength: 300 }),
        fc.boolean(),
        (chain, message, isCompressed) => {
          const signature = signMessage(secretKey, message, isCompressed)
          expect(signature).toHaveLength(88)
          expect(verifyMessage(keyAddress(chain, isCompressed), signature, message)).toBe(true)
          expect(verifyMessage(keyAddress(chain, !isCompressed), signature, message)).toBe(false)
          expect(verifyMessage(keyAddress(chain, isCompressed), signature, `${message}.`)).toBe(false)
        },
      ),
      { numRuns: 40 },
    )
  })

  it('a signature with the other s verifies too: it is no identifier', () => {
    const bytes = base64.decode(signMessage(secretKey, 'text', true))
    const s = BigInt(`0x${bytesToHex(bytes.subarray(33))}`)
    const twin = Uint8Array.from(bytes)
    twin.set(hexToBytes((secp256k1.Point.Fn.ORDER - s).toString(16).padStart(64, '0')), 33)
    twin[0] = 31 + ((bytes[0]! - 31) ^ 1)
    expect(verifyMessage(keyAddress('zen-main', true), base64.encode(twin), 'text')).toBe(true)
  })

  it('no single changed bit verifies', () => {
    const bytes = base64.decode(signMessage(secretKey, 'text', true))
    for (let bit = 0; bit < bytes.length * 8; bit += 7) {
      const changed = bytes.map((byte, at) => (at === bit >>> 3 ? byte ^ (1 << (bit & 7)) : byte))
      expect(verifyMessage(keyAddress('zen-main', true), base64.encode(changed), 'text')).toBe(false)
    }
  })

  it.each([
    ['', 'nothing'],
    ['A'.repeat(88), 'zeros'],
    [`${'A'.repeat(87)}!`, 'a character that is none of Base64'],
    ['A'.repeat(84), 'a byte too few'],
    [base64.encode(new Uint8Array(65).fill(0xff)), 'r and s beyond the order'],
    [base64.encode(Uint8Array.of(31, ...new Uint8Array(64))), 'r and s zero'],
    ['A'.repeat(1_000_000), 'a million characters'],
  ])('%# is not valid: %s', (signature) => {
    expect(verifyMessage(keyAddress('zcash-main', true), signature, 'text')).toBe(false)
  })

  it('P2SH has no key, and no address is no address', () => {
    const p2sh = encodeAddress('zcash-main', { kind: 'p2sh', hash160: new Uint8Array(20) })
    expect(() => verifyMessage(p2sh, signMessage(secretKey, '', true), '')).toThrow(
      code('CHAIN_ADDRESS_NO_KEY'),
    )
    expect(() => verifyMessage('t1', signMessage(secretKey, '', true), '')).toThrow(
      code('CHAIN_ADDRESS_INVALID'),
    )
  })
})
