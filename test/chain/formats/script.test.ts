import { secp256k1 } from '@noble/curves/secp256k1.js'
import * as fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { bytesToHex, hash160, hexToBytes } from '../../../protocol/index.ts'
import { parseBlock } from '../../../src/chain/formats/block.ts'
import {
  type BlockReference,
  classifyScript,
  decodeScriptNumber,
  encodeScriptNumber,
  multisigInputScript,
  multisigScript,
  nullDataScript,
  p2pkhInputScript,
  p2pkhScript,
  p2shScript,
  pushData,
  pushScriptNumber,
} from '../../../src/chain/formats/script.ts'
import { originalSignatureHash } from '../../../src/chain/formats/sighash.ts'
import { parseTransaction } from '../../../src/chain/formats/transaction.ts'
import { decodeAddress, scriptOfAddress } from '../../../src/chain/address.ts'
import { realBlocks, zcashdValidTransactions } from './real-bytes.ts'

const hash = fc.uint8Array({ minLength: 20, maxLength: 20 })
const reference: fc.Arbitrary<BlockReference> = fc.record({
  hash: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  height: fc.oneof(
    fc.nat(0x7fffffff),
    fc.nat(300),
    fc.constantFrom(0, 1, 16, 17, 127, 128, 255, 256, 32767, 32768, 8388607, 8388608, 0x7fffffff),
  ),
})

describe("R-REG-5 ZEN's replay protection", () => {
  // npm zencashjs 2.2.0, test/transaction.js: block hash in display order, height, script.
  const blockHash = hexToBytes('0da5ee723b7923feb580518541c6f098206330dbc711a6678922c11f2ccf1abb')
  test.each([
    [
      1005,
      'a0140c3e2e9bc72469924092afa4e23a4f4770b4b570fd4102eb7cd4b1ef8408',
      '76a91485dc608e2036a336e26e6da6aa2b807d0ac5206388ac20a0140c3e2e9bc72469924092afa4e23a4f4770b4b570fd4102eb7cd4b1ef840802ed03b4',
    ],
  ])('the script that zencashjs makes for height %i', (height, internalHash, script) => {
    const address = decodeAddress('ztfMkdeBW116Q7KRaiGL2qG1kSKGya85NHA')
    const made = scriptOfAddress(address, { hash: hexToBytes(internalHash), height })
    expect(bytesToHex(made)).toBe(script)
    expect(classifyScript(hexToBytes(script), 'zen')).toEqual({
      kind: 'p2pkh',
      hash160: address.hash160,
      replayProtection: { hash: hexToBytes(internalHash), height },
    })
  })

  test.each([
    [33, '0121b4'],
    [65678, '038e0001b4'],
    [0, '00b4'],
    [1, '51b4'],
    [16, '60b4'],
    [128, '028000b4'],
  ])('height %i ends the script as %s', (height, end) => {
    const script = p2pkhScript(new Uint8Array(20), { hash: blockHash, height })
    expect(bytesToHex(script.subarray(25 + 33))).toBe(end)
  })

  it('is the template in ZEN and something else in Zcash', () => {
    fc.assert(
      fc.property(hash, reference, (hash160, replayProtection) => {
        for (const [kind, script] of [
          ['p2pkh', p2pkhScript(hash160, replayProtection)],
          ['p2sh', p2shScript(hash160, replayProtection)],
        ] as const) {
          expect(classifyScript(script, 'zen')).toEqual({ kind, hash160, replayProtection })
          expect(classifyScript(script, 'zcash')).toEqual({ kind: 'other', replayProtection: null })
        }
      }),
    )
  })

  it.each([
    ['a hash of 31 bytes', `76a914${'11'.repeat(20)}88ac1f${'22'.repeat(31)}02ed03b4`],
    ['a height that is not minimal', `76a914${'11'.repeat(20)}88ac20${'22'.repeat(32)}03ed0300b4`],
    ['a negative height', `76a914${'11'.repeat(20)}88ac20${'22'.repeat(32)}02ed83b4`],
    ['a height of five bytes', `76a914${'11'.repeat(20)}88ac20${'22'.repeat(32)}050000000001b4`],
    ['no height', `76a914${'11'.repeat(20)}88ac20${'22'.repeat(32)}b4`],
    ['another opcode at the end', `76a914${'11'.repeat(20)}88ac20${'22'.repeat(32)}02ed03b3`],
    ['something behind it', `76a914${'11'.repeat(20)}88ac20${'22'.repeat(32)}02ed03b461`],
  ])('with %s is no template', (_, script) => {
    expect(classifyScript(hexToBytes(script), 'zen')).toEqual({ kind: 'other', replayProtection: null })
  })

  it('stands on the outputs of a real block', () => {
    const { bytes } = realBlocks.find(({ family }) => family === 'zen')!
    const classified = parseBlock(bytes, 'zen').transactions.flatMap(({ outputs, isCoinbase }) =>
      outputs.map(({ script }) => ({ isCoinbase, ...classifyScript(script, 'zen') })),
    )
    expect(classified.every(({ kind }) => kind === 'p2pkh' || kind === 'p2sh')).toBe(true)
    // Outputs of a coinbase need no protection.
    for (const { isCoinbase, replayProtection } of classified)
      expect(replayProtection === null).toBe(isCoinbase)
  })
})

describe('R-REG-5 templates', () => {
  it('without a reference are the same in both families', () => {
    fc.assert(
      fc.property(hash, fc.constantFrom('zcash' as const, 'zen' as const), (hash160, family) => {
        expect(classifyScript(p2pkhScript(hash160), family)).toEqual({
          kind: 'p2pkh',
          hash160,
          replayProtection: null,
        })
        expect(classifyScript(p2shScript(hash160), family)).toEqual({
          kind: 'p2sh',
          hash160,
          replayProtection: null,
        })
      }),
    )
  })

  it('null data comes back, with and without a reference, whatever it holds', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.option(reference), (data, replayProtection) => {
        const script = nullDataScript(data, replayProtection)
        expect(classifyScript(script, 'zen')).toEqual({ kind: 'nulldata', data, replayProtection })
        expect(classifyScript(nullDataScript(data), 'zcash')).toEqual({
          kind: 'nulldata',
          data,
          replayProtection: null,
        })
      }),
    )
    expect(classifyScript(Uint8Array.of(0x6a), 'zcash')).toEqual({
      kind: 'nulldata',
      data: new Uint8Array(),
      replayProtection: null,
    })
    expect(() => nullDataScript(new Uint8Array(81))).toThrow(
      expect.objectContaining({ code: 'CHAIN_SCRIPT_SIZE' }) as Error,
    )
  })

  it('R-PAY-2 R-PAY-4 null data may be pushed by more than the shortest push, not by several, and nothing follows', () => {
    const data = new Uint8Array(65).fill(7)
    for (const push of ['41', '4c41', '4d4100']) {
      const script = new Uint8Array([0x6a, ...hexToBytes(push), ...data])
      expect(classifyScript(script, 'zcash')).toMatchObject({ kind: 'nulldata', data })
      expect(classifyScript(Uint8Array.of(...script, 0), 'zcash').kind).toBe('other')
    }
    const byPushData4 = new Uint8Array([0x6a, 0x4e, 65, 0, 0, 0, ...data])
    expect(classifyScript(byPushData4, 'zcash').kind).toBe('other')
  })

  it.each(['', '6a0102b4', '6a01', '6a51', '6a4c', '6a4d01', '76a914', 'b4', '6a01016a', '00'])(
    '%s is no template, or none in Zcash',
    (hex) => {
      expect(classifyScript(hexToBytes(hex), 'zcash').kind).toBe('other')
    },
  )

  it('of real transparent outputs are P2PKH and P2SH nearly always', () => {
    const kinds = realBlocks
      .filter(({ family }) => family === 'zcash')
      .flatMap(({ bytes }) => parseBlock(bytes, 'zcash').transactions)
      .flatMap(({ outputs }) => outputs.map(({ script }) => classifyScript(script, 'zcash').kind))
    expect(kinds.length).toBeGreaterThan(200)
    expect(kinds.filter((kind) => kind === 'other').length).toBeLessThan(10)
  })
})

describe('script numbers', () => {
  // Bitcoin's own examples of CScriptNum: src/test/scriptnum_tests.cpp and the wiki's table of pushes.
  test.each([
    [0, ''],
    [1, '01'],
    [-1, '81'],
    [127, '7f'],
    [128, '8000'],
    [-128, '8080'],
    [255, 'ff00'],
    [256, '0001'],
    [-255, 'ff80'],
    [65535, 'ffff00'],
    [2147483647, 'ffffff7f'],
    [-2147483647, 'ffffffff'],
  ])('%i is %s', (value, hex) => {
    expect(bytesToHex(encodeScriptNumber(value))).toBe(hex)
    expect(decodeScriptNumber(hexToBytes(hex))).toBe(value)
  })

  it('come back, in one spelling only', () => {
    fc.assert(
      fc.property(fc.integer({ min: -(2 ** 39) + 1, max: 2 ** 39 - 1 }), (value) => {
        expect(decodeScriptNumber(encodeScriptNumber(value), 5)).toBe(value)
      }),
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 4 }), (bytes) => {
        const value = decodeScriptNumber(bytes)
        fc.pre(value !== null)
        expect(bytesToHex(encodeScriptNumber(value))).toBe(bytesToHex(bytes))
      }),
    )
  })

  it.each(['00', '80', '0100', '0180', 'ff0000', '0000000001'])('%s is refused', (hex) => {
    expect(decodeScriptNumber(hexToBytes(hex))).toBeNull()
  })
})

describe('input scripts', () => {
  it('pushes are the shortest', () => {
    for (const [length, head] of [
      [0, '00'],
      [75, '4b'],
      [76, '4c4c'],
      [255, '4cff'],
      [256, '4d0001'],
      [520, '4d0802'],
    ] as const) {
      expect(bytesToHex(pushData(new Uint8Array(length)))).toBe(head + '00'.repeat(length))
    }
    expect(() => pushData(new Uint8Array(521))).toThrow(
      expect.objectContaining({ code: 'CHAIN_SCRIPT_SIZE' }) as Error,
    )
    expect(bytesToHex(pushScriptNumber(17))).toBe('0111')
  })

  it('P2PKH: rebuilt from a real one', () => {
    const { bytes } = realBlocks.find(({ name }) => name === 'block-main-0-347-499.txt')!
    const scripts = parseBlock(bytes, 'zcash')
      .transactions.filter(({ isCoinbase }) => !isCoinbase)
      .flatMap(({ inputs }) => inputs.map(({ script }) => script))
      .filter((script) => script.length === 2 + script[0]! + (script[1 + script[0]!] ?? 0))
    expect(scripts.length).toBeGreaterThan(5)
    for (const script of scripts) {
      const signature = script.subarray(1, 1 + script[0]!)
      expect(bytesToHex(p2pkhInputScript(signature, script.subarray(2 + signature.length)))).toBe(
        bytesToHex(script),
      )
    }
  })

  it('multisig: rebuilt from the P2SH example of tx_valid, and its signatures verify in order', () => {
    const { bytes, spent } = zcashdValidTransactions.find(({ spent: [first] }) =>
      first?.[2].includes('b1ce99298d5f07364b57b1e5c9cc00be0b04a954'),
    )!
    const transaction = parseTransaction(bytes, 'zcash')
    const { script } = transaction.inputs[0]!
    const [, ...pushes] = pushesOf(script)
    const redeemScript = pushes.at(-1)!
    const signatures = pushes.slice(0, -1)
    expect(bytesToHex(multisigInputScript(signatures, redeemScript))).toBe(bytesToHex(script))
    expect(spent[0]![2]).toContain(bytesToHex(hash160(redeemScript)))
    expect(classifyScript(p2shScript(hash160(redeemScript)), 'zcash').kind).toBe('p2sh')

    const publicKeys = pushesOf(redeemScript.subarray(1, -2))
    expect(bytesToHex(multisigScript(signatures.length, publicKeys))).toBe(bytesToHex(redeemScript))
    const signers = signatures.map((signature) => {
      const digest = originalSignatureHash(transaction, 0, redeemScript, signature.at(-1)!)
      const options = { prehash: false, lowS: false, format: 'der' } as const
      return publicKeys.findIndex((key) => secp256k1.verify(signature.subarray(0, -1), digest, key, options))
    })
    expect(signers.includes(-1)).toBe(false)
    expect(signers).toEqual([...signers].sort((a, b) => a - b))
  })

  it('multisig: impossible numbers and keys are refused', () => {
    const key = secp256k1.getPublicKey(new Uint8Array(32).fill(1))
    for (const [required, keys] of [
      [0, [key]],
      [2, [key]],
      [1, []],
      [1, Array.from({ length: 16 }, () => key)],
      [1, [key.subarray(1)]],
    ] as const) {
      expect(() => multisigScript(required, keys)).toThrow(
        expect.objectContaining({ code: 'CHAIN_SCRIPT_MULTISIG' }) as Error,
      )
    }
    expect(
      multisigScript(
        15,
        Array.from({ length: 15 }, () => key),
      ),
    ).toHaveLength(513)
  })
})

/** The data of a script of pushes. */
const pushesOf = (script: Uint8Array): Uint8Array[] => {
  const pushes: Uint8Array[] = []
  for (let at = 0; at < script.length;) {
    const first = script[at]!
    const [head, length] =
      first === 0x4c
        ? [2, script[at + 1]!]
        : first === 0x4d
          ? [3, script[at + 1]! + 256 * script[at + 2]!]
          : [1, first]
    pushes.push(script.subarray(at + head, at + head + length))
    at += head + length
  }
  return pushes
}
