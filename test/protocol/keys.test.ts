import { bls12_381 } from '@noble/curves/bls12-381.js'
import { publicKeyFromRaw } from '@libp2p/crypto/keys'
import { peerIdFromPublicKey, peerIdFromString } from '@libp2p/peer-id'
import { base64 } from '@scure/base'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  addressOfStake,
  type BlsVerifier,
  bytesToHex,
  type ChainName,
  chains,
  hash160,
  hexToBytes,
  isAcceptablePublicKey,
  keyOfPeerId,
  messageDigest,
  nobleBls,
  peerIdOfKey,
  recoverHash160,
  stakeOfAddress,
} from '../../protocol/index.ts'
import { blsPublicKey, isAcceptableBlsKey, nobleProvePossession } from '../../protocol/bls.ts'
import { createBls } from '../../src/keys/bls.ts'
import { ed25519FromSeed } from '../../src/keys/ed25519.ts'
import { readVectorJson } from '../vectors/read.ts'
import { networkId, seedOf, walletOf } from './fixture.ts'

describe('R-REG-6 peer ids', () => {
  test('R-REG-6 are those of libp2p, read and written', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (seed) => {
        const { publicKey } = ed25519FromSeed(seed)
        const theirs = peerIdFromPublicKey(publicKeyFromRaw(publicKey)).toString()
        expect(peerIdOfKey(publicKey)).toBe(theirs)
        expect(keyOfPeerId(theirs)).toEqual(publicKey)
      }),
      { numRuns: 30 },
    )
  })

  test.each([
    // Peer ids of other kinds, as libp2p reads them: RSA (a SHA-256 multihash) and secp256k1.
    'QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N',
    '16Uiu2HAm6q7yFsFNDBD1D6XLkF4Z1ZuR3LkgaT4uYFoXfj3nUJd7',
    '',
    '1',
    'l0OI',
  ])('R-REG-6 %j is no Ed25519 peer id', (peerId) => {
    expect(keyOfPeerId(peerId)).toBe(null)
  })

  test('R-REG-6 a peer id around a key of small order, a non-canonical one or with a longer form is refused', () => {
    const identity = hexToBytes('01' + '00'.repeat(31))
    const orderEight = hexToBytes('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05')
    const nonCanonical = hexToBytes('ee' + 'ff'.repeat(30) + '7f') // y = p + 1
    for (const key of [identity, orderEight, nonCanonical]) {
      expect(isAcceptablePublicKey(key)).toBe(false)
      expect(keyOfPeerId(peerIdOfKey(key))).toBe(null)
    }
    const good = peerIdOfKey(ed25519FromSeed(seedOf('good')).publicKey)
    expect(keyOfPeerId(good)).not.toBe(null)
    expect(keyOfPeerId(`z${good}`)).toBe(null) // the multibase form
    expect(keyOfPeerId(peerIdFromString(good).toCID().toString())).toBe(null)
    expect(keyOfPeerId(`${good}1`)).toBe(null)
  })
})

describe('R-REG-3 a stake is a hash160, not a spelling', () => {
  const zcashd = readVectorJson('zcashd/base58_keys_valid.json') as [
    string,
    string,
    { isPrivkey: boolean; chain: string },
  ][]
  const zen = readVectorJson('zen/base58_keys_valid.json') as [
    string,
    string,
    { isPrivkey: boolean; isTestnet: boolean; addrType?: string },
  ][]

  test('R-REG-3 addresses of zcashd: P2PKH gives its hash160, everything else nothing', () => {
    const chainOf: Record<string, ChainName> = {
      mainnet: 'zcash-main',
      testnet: 'zcash-test',
      main: 'zcash-main',
      test: 'zcash-test',
      regtest: 'zcash-regtest',
    }
    let stakes = 0
    for (const [text, hex, about] of zcashd) {
      const chain = chainOf[about.chain]!
      const isP2pkh = !about.isPrivkey && hex.startsWith('76a914')
      const stake = stakeOfAddress(chain, text)
      expect(stake === null ? null : bytesToHex(stake)).toBe(isP2pkh ? hex.slice(6, 46) : null)
      if (stake !== null) {
        stakes++
        expect(addressOfStake(chain, stake)).toBe(text)
      }
    }
    expect(stakes).toBeGreaterThan(5)
  })

  test('R-REG-3 addresses of zend, and the old spelling of the same stake', () => {
    let stakes = 0
    for (const [text, hex, about] of zen) {
      const chain = about.isTestnet ? 'zen-test' : 'zen-main'
      const isP2pkh = !about.isPrivkey && about.addrType === 'pubkey'
      const stake = stakeOfAddress(chain, text)
      expect(stake === null ? null : bytesToHex(stake)).toBe(isP2pkh ? hex : null)
      if (stake === null) continue
      stakes++
      expect(addressOfStake(chain, stake)).toBe(text)
      const old = addressOfStake(about.isTestnet ? 'zcash-test' : 'zcash-main', stake)
      expect(old).not.toBe(text)
      expect(stakeOfAddress(chain, old)).toEqual(stake)
      expect(stakeOfAddress(about.isTestnet ? 'zen-main' : 'zen-test', text)).toBe(null)
    }
    expect(stakes).toBeGreaterThan(5)
  })

  test('R-REG-3 what is no address gives nothing', () => {
    for (const [text] of readVectorJson('zcashd/base58_keys_invalid.json') as [string][]) {
      for (const chain of Object.keys(chains) as ChainName[]) expect(stakeOfAddress(chain, text)).toBe(null)
    }
    fc.assert(
      fc.property(fc.string({ maxLength: 80 }), (text) => {
        stakeOfAddress('zcash-main', text)
      }),
    )
  })
})

describe('R-REG-2 message signatures', () => {
  interface Vector {
    address: string
    message: string
    signature: string
    compressed: boolean
    digest?: string
    network?: string
  }
  const own = readVectorJson('derived/signmessage.json') as { vectors: Vector[] }
  const zencash = readVectorJson('zen/zencashjs_signmessage.json') as { vectors: Vector[] }
  const chainOf = (address: string): ChainName =>
    address.startsWith('t1')
      ? 'zcash-main'
      : address.startsWith('tm')
        ? 'zcash-test'
        : address.startsWith('zn')
          ? 'zen-main'
          : 'zen-test'

  test.each(
    [...own.vectors, ...zencash.vectors].map(
      (vector) => [vector.address, vector.message.slice(0, 20), vector] as const,
    ),
  )('R-REG-2 %s over %j', (address, _, vector) => {
    const digest = messageDigest(vector.message)
    if (vector.digest !== undefined) expect(bytesToHex(digest)).toBe(vector.digest)
    const stake = stakeOfAddress(chainOf(address), address)
    expect(stake).not.toBe(null)
    const signature = base64.decode(vector.signature)
    expect(recoverHash160(signature, digest)).toEqual(stake)
    expect(recoverHash160(signature, messageDigest(`${vector.message} `))).not.toEqual(stake)
  })

  test('R-REG-2 hash160 of the empty string, as OpenSSL has it', () => {
    expect(bytesToHex(hash160(new Uint8Array(0)))).toBe('b472a266d0bd89c13706a4132ccfb16f7c3b9fcb')
  })

  test('R-REG-2 both values of s give the signer, as in the wallets', () => {
    const wallet = walletOf('s')
    const digest = messageDigest('hello')
    const signature = base64.decode(wallet.signMessage('hello'))
    const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
    const s = BigInt(`0x${bytesToHex(signature.subarray(33))}`)
    const other = Uint8Array.of(
      // The other s goes with the other parity of R.
      31 + ((signature[0]! - 31) ^ 1),
      ...signature.subarray(1, 33),
      ...hexToBytes((order - s).toString(16).padStart(64, '0')),
    )
    expect(recoverHash160(signature, digest)).toEqual(wallet.stake)
    expect(recoverHash160(other, digest)).toEqual(wallet.stake)
  })

  test('R-REG-2 whatever bytes come as a signature, nothing throws', () => {
    const digest = messageDigest('')
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 0, maxLength: 70 }), (bytes) => {
        const found = recoverHash160(bytes, digest)
        if (bytes.length !== 65) expect(found).toBe(null)
      }),
    )
    for (const r of [0n, 0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffn]) {
      const bytes = Uint8Array.of(31, ...hexToBytes(r.toString(16).padStart(64, '0')), ...seedOf('s'))
      expect(recoverHash160(bytes, digest)).toBe(null)
    }
  })
})

describe('R-REG-6 BLS keys and proofs', () => {
  const blst = createBls()
  const none = new Uint8Array(0)
  const isProved = (bls: BlsVerifier, key: Uint8Array, stake: Uint8Array, pop: Uint8Array) =>
    bls.verifyPossessions(networkId, [{ bls: key, stake, pop }])[0]

  const field =
    0x1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaabn
  const flagsOf = (bytes: Uint8Array) => bytes[0]! & 0xe0
  const withX = (bytes: Uint8Array, x: bigint, at: number) => {
    const out = Uint8Array.from(bytes)
    out.set(hexToBytes(x.toString(16).padStart(96, '0')), at)
    out[at] = out[at]! | (at === 0 ? flagsOf(bytes) : 0)
    return out
  }
  const xOf = (bytes: Uint8Array, at: number) => {
    const part = Uint8Array.from(bytes.subarray(at, at + 48))
    if (at === 0) part[0] = part[0]! & 0x1f
    return BigInt(`0x${bytesToHex(part)}`)
  }

  test('R-REG-6 encodings that reduce to a good point are refused by both libraries alike', () => {
    let tried = 0
    for (let i = 1; i < 60; i++) {
      const secret = new Uint8Array(32)
      secret[31] = i
      const key = blsPublicKey(secret)
      const stake = seedOf('stake', i).slice(0, 20)
      if (xOf(key, 0) + field < 2n ** 381n) {
        tried++
        const odd = withX(key, xOf(key, 0) + field, 0)
        expect(isAcceptableBlsKey(key)).toBe(true)
        expect(isAcceptableBlsKey(odd)).toBe(false)
        const proof = nobleProvePossession(networkId, secret, stake)
        expect(isProved(blst, odd, stake, proof)).toBe(false)
        expect(isProved(nobleBls, odd, stake, proof)).toBe(false)
        const at = [0, 48].find((at) => xOf(proof, at) + field < (at === 0 ? 2n ** 381n : 2n ** 384n))!
        const oddProof = withX(proof, xOf(proof, at) + field, at)
        expect(isProved(blst, key, stake, oddProof)).toBe(false)
        expect(isProved(nobleBls, key, stake, oddProof)).toBe(false)
      }
      if (tried === 3) break
    }
    expect(tried).toBe(3)
  })

  test('R-REG-6 flags: uncompressed, infinity with a rest, a sign that does not fit', () => {
    const key = blsPublicKey(seedOf('flags').fill(0, 0, 1))
    const flip = (mask: number) => Uint8Array.from(key, (byte, i) => (i === 0 ? byte ^ mask : byte))
    expect(isAcceptableBlsKey(flip(0x80))).toBe(false)
    expect(isAcceptableBlsKey(flip(0x40))).toBe(false)
    // The other sign is another good point, whose proof is another.
    expect(isAcceptableBlsKey(flip(0x20))).toBe(true)
    const infinity = new Uint8Array(48)
    infinity[0] = 0xc0
    expect(isAcceptableBlsKey(infinity)).toBe(false)
    infinity[0] = 0xe0
    expect(isAcceptableBlsKey(infinity)).toBe(false)
    expect(isAcceptableBlsKey(bls12_381.G1.Point.BASE.toBytes(false))).toBe(false)
    expect(isAcceptableBlsKey(bls12_381.G1.Point.BASE.toBytes(true))).toBe(true)
  })

  test('R-REG-6 arbitrary bytes neither pass nor throw', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 48, maxLength: 48 }),
        fc.uint8Array({ minLength: 96, maxLength: 96 }),
        (key, proof) => {
          expect(isProved(nobleBls, key, none, proof)).toBe(false)
          expect(isProved(blst, key, none, proof)).toBe(false)
        },
      ),
      { numRuns: 50 },
    )
  })
})
