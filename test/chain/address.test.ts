import { base58 } from '@scure/base'
import * as fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { addressOfStake, bytesToHex, ChainName, hexToBytes, stakeOfAddress } from '../../protocol/index.ts'
import {
  addressOfScript,
  decodeAddress,
  decodeAddressOf,
  decodeWif,
  encodeAddress,
  encodeWif,
  scriptOfAddress,
} from '../../src/chain/address.ts'
import { isSecnodeError } from '../../src/errors.ts'
import { readVectorJson, readVectorTable } from '../vectors/read.ts'

const code = (expected: string): Error => expect.objectContaining({ code: expected }) as Error

interface ZcashKey {
  isPrivkey: boolean
  isCompressed?: boolean
  chain: 'mainnet' | 'testnet'
}
interface ZenKey {
  isPrivkey: boolean
  isCompressed?: boolean
  isTestnet: boolean
  addrType?: 'pubkey' | 'script'
}
type Row<T> = [text: string, payload: string, properties: T]

const zcashKeys = readVectorJson('zcashd/base58_keys_valid.json') as Row<ZcashKey>[]
const zenKeys = readVectorJson('zen/base58_keys_valid.json') as Row<ZenKey>[]
const invalid = ['zcashd', 'zen'].flatMap((folder) =>
  (readVectorJson(`${folder}/base58_keys_invalid.json`) as [string][]).map(([text]) => ({ folder, text })),
)
const chainsOf = (family: 'zcash' | 'zen', isTestnet: boolean): ChainName[] =>
  isTestnet ? [`${family}-test`, `${family}-regtest`] : [`${family}-main`]

describe('vectors of zcashd', () => {
  test.each(zcashKeys.filter(([, , { isPrivkey }]) => !isPrivkey))('%s', (text, script, { chain }) => {
    const address = decodeAddress(text)
    expect(bytesToHex(scriptOfAddress(address))).toBe(script)
    for (const name of chainsOf('zcash', chain === 'testnet')) {
      expect(encodeAddress(name, address)).toBe(text)
      expect(addressOfScript(name, hexToBytes(script))).toBe(text)
      expect(decodeAddressOf(name, text)).toEqual(address)
    }
    for (const name of chainsOf('zcash', chain !== 'testnet')) {
      expect(() => decodeAddressOf(name, text)).toThrow(code('CHAIN_ADDRESS_OTHER_CHAIN'))
    }
  })

  test.each(zcashKeys.filter(([, , { isPrivkey }]) => isPrivkey))(
    'key %s',
    (text, hex, { chain, isCompressed }) => {
      const key = decodeWif(text)
      expect(bytesToHex(key.secretKey)).toBe(hex)
      expect(key.isCompressed).toBe(isCompressed)
      for (const name of chainsOf('zcash', chain === 'testnet')) {
        expect(encodeWif(name, key)).toBe(text)
        expect(key.chains).toContain(name)
      }
    },
  )

  test('the Base58 below is the same', () => {
    const rows = readVectorJson('zcashd/base58_encode_decode.json') as [string, string][]
    expect(rows).toHaveLength(12)
    for (const [hex, text] of rows) {
      expect(base58.encode(hexToBytes(hex))).toBe(text)
      expect(bytesToHex(base58.decode(text))).toBe(hex)
    }
  })
})

describe('vectors of zend', () => {
  test.each(zenKeys.filter(([, , { isPrivkey }]) => !isPrivkey))(
    '%s',
    (text, hash160, { isTestnet, addrType }) => {
      const address = decodeAddress(text)
      expect(bytesToHex(address.hash160)).toBe(hash160)
      expect(address.kind).toBe(addrType === 'script' ? 'p2sh' : 'p2pkh')
      expect(address.chains).toEqual(chainsOf('zen', isTestnet))
      for (const name of address.chains) expect(encodeAddress(name, address)).toBe(text)
    },
  )

  test.each(zenKeys.filter(([, , { isPrivkey }]) => isPrivkey))(
    'key %s',
    (text, hex, { isTestnet, isCompressed }) => {
      const key = decodeWif(text)
      expect(bytesToHex(key.secretKey)).toBe(hex)
      expect(key.isCompressed).toBe(isCompressed)
      for (const name of chainsOf('zen', isTestnet)) expect(encodeWif(name, key)).toBe(text)
    },
  )

  test('all rows were used', () => {
    expect([zcashKeys.length, zenKeys.length, invalid.length]).toEqual([50, 50, 100])
  })
})

describe('invalid vectors of both', () => {
  test.each(invalid)('$folder: $text', ({ text }) => {
    expect(() => decodeAddress(text)).toThrow(code('CHAIN_ADDRESS_INVALID'))
    expect(() => decodeWif(text)).toThrow(code('CHAIN_KEY_INVALID'))
  })
})

describe('ZIP 320', () => {
  test.each(readVectorTable('zcash-test-vectors/zip_0320.json'))('$tex_addr', (row) => {
    const tex = decodeAddress(String(row['tex_addr']))
    expect(bytesToHex(tex.hash160)).toBe(row['p2pkh_bytes'])
    expect(tex.kind).toBe('p2pkh')
    expect(tex.chains).toEqual(['zcash-main'])
    expect(encodeAddress('zcash-main', tex)).toBe(row['t_addr'])
  })
})

describe('properties', () => {
  const chain = fc.constantFrom(...ChainName.options)
  const hash160 = fc.uint8Array({ minLength: 20, maxLength: 20 })

  it('addresses come back on every chain', () => {
    fc.assert(
      fc.property(chain, hash160, fc.constantFrom('p2pkh' as const, 'p2sh' as const), (name, hash, kind) => {
        const text = encodeAddress(name, { kind, hash160: hash })
        expect(text).toHaveLength(35)
        expect(decodeAddressOf(name, text)).toMatchObject({ kind, hash160: hash })
      }),
    )
  })

  it('the protocol names stakes by the same addresses', () => {
    fc.assert(
      fc.property(chain, hash160, (name, hash) => {
        const text = encodeAddress(name, { kind: 'p2pkh', hash160: hash })
        expect(addressOfStake(name, hash)).toBe(text)
        expect(stakeOfAddress(name, text)).toEqual(hash)
        expect(stakeOfAddress(name, encodeAddress(name, { kind: 'p2sh', hash160: hash }))).toBeNull()
      }),
    )
  })

  it('ZEN takes the old spellings, and writes the new ones', () => {
    fc.assert(
      fc.property(hash160, (hash) => {
        const old = encodeAddress('zcash-main', { kind: 'p2pkh', hash160: hash })
        const address = decodeAddressOf('zen-main', old)
        expect(encodeAddress('zen-main', address)).toMatch(/^zn/)
      }),
    )
  })

  it('a wrong character is noticed', () => {
    fc.assert(
      fc.property(hash160, fc.nat(34), fc.nat(57), (hash, at, other) => {
        const text = encodeAddress('zcash-main', { kind: 'p2pkh', hash160: hash })
        const alphabet = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
        fc.pre(text[at] !== alphabet[other])
        const changed = text.slice(0, at) + alphabet[other] + text.slice(at + 1)
        expect(() => decodeAddress(changed)).toThrow(code('CHAIN_ADDRESS_INVALID'))
      }),
    )
  })

  it('any text gives an address or an error with a code, and keys are not repeated in errors', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ minLength: 1000, maxLength: 5000 })), (text) => {
        for (const decode of [decodeAddress, decodeWif]) {
          const error = thrownBy(() => decode(text))
          expect(isSecnodeError(error)).toBe(true)
        }
      }),
    )
    const key = 'Kz6UJmQACJmLtaQj5A3JAge4kVTNQ8gbvXuwbmCj7bsaabudb3RE'
    expect(String(thrownBy(() => decodeWif(key)))).not.toContain('Kz6U')
  })

  it('hashes and keys of a wrong size are not written', () => {
    expect(() => encodeAddress('zen-main', { kind: 'p2pkh', hash160: new Uint8Array(19) })).toThrow(
      code('CHAIN_ADDRESS_INVALID'),
    )
    expect(() => encodeWif('zen-main', { secretKey: new Uint8Array(32), isCompressed: true })).toThrow(
      code('CHAIN_KEY_INVALID'),
    )
  })
})

const thrownBy = (run: () => unknown): unknown => {
  try {
    run()
  } catch (error) {
    return error
  }
  return null
}
