import { bytesToHex, hexToBytes } from '@noble/curves/utils.js'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseBlock } from '../../../src/chain/formats/block.ts'
import { parseTransaction } from '../../../src/chain/formats/transaction.ts'
import type { JoinSplit, OrchardBundle, SaplingOutput } from '../../../src/chain/formats/types.ts'
import { memoFromText, memoText } from '../../../src/chain/notes/memo.ts'
import {
  encryptOrchardAction,
  type OrchardPool,
  recoverOrchardAction,
} from '../../../src/chain/notes/orchard.ts'
import { deriveOrchardKeys } from '../../../src/chain/notes/orchard-keys.ts'
import { encryptSaplingOutput, recoverSaplingOutput } from '../../../src/chain/notes/sapling.ts'
import { deriveSaplingKeys, saplingAddress } from '../../../src/chain/notes/sapling-keys.ts'
import { encryptSproutJoinSplit } from '../../../src/chain/notes/sprout.ts'
import { deriveSproutKeys } from '../../../src/chain/notes/sprout-keys.ts'
import { memosOf } from '../../../src/chain/notes/transaction-memos.ts'
import { parseViewingKey, type ViewingKeys } from '../../../src/chain/notes/viewing-key.ts'
import { readVectorHex, readVectorJson } from '../../vectors/read.ts'

const ANYBODY = new Uint8Array(32)
const seed = new Uint8Array(32).fill(3)
const sprout = deriveSproutKeys(seed)
const sapling = deriveSaplingKeys(seed)
const orchard = deriveOrchardKeys(seed)
const keys: ViewingKeys = { sprout: sprout.viewingKey, sapling: sapling.ivk, orchard: orchard.ivk }

describe('ZIP 213: shielded coinbases of real blocks, which anybody can read with the all-zero ovk', () => {
  test.each([
    { file: 'block-main-0-949-496', leadByte: 1 },
    { file: 'block-main-0-975-066', leadByte: 1 },
    { file: 'block-test-0-914-678', leadByte: 1 },
    { file: 'block-test-1-101-629', leadByte: 2 },
  ])('$file', ({ file, leadByte }) => {
    const block = parseBlock(readVectorHex(`zebra-blocks/${file}.txt`), 'zcash')
    const coinbase = block.transactions[0]!
    expect(coinbase.isCoinbase).toBe(true)
    expect(coinbase.saplingOutputs.length).toBeGreaterThan(0)
    const notes = coinbase.saplingOutputs.map((output) => recoverSaplingOutput(output, ANYBODY))
    expect(notes).not.toContain(null)
    // What a shielded coinbase creates is what its value balance takes out of the transparent pool.
    expect(notes.reduce((sum, note) => sum + note!.value, 0n)).toBe(-coinbase.saplingValueBalance)
    expect(new Set(notes.map((note) => note!.leadByte))).toEqual(new Set([leadByte]))
  })
})

describe('real outputs that are not ours', () => {
  test.each([
    'block-main-0-419-201.txt',
    'block-main-1-046-401.hex',
    'block-main-1-687-106.txt',
    'block-main-1-687-108.txt',
    'block-main-1-687-118.txt',
  ])('R-CHAIN-4: %s holds no memo for these keys', (file) => {
    const block = parseBlock(readVectorHex(`zebra-blocks/${file}`), 'zcash')
    const shielded = block.transactions.filter(
      ({ joinSplits, saplingOutputs, orchard }) =>
        joinSplits.length + saplingOutputs.length > 0 || orchard !== null,
    )
    expect(shielded.length).toBeGreaterThan(0)
    for (const transaction of shielded) expect(memosOf(transaction, keys)).toEqual([])
  })

  test('nor does the all-zero ovk open what was not sent with it', () => {
    const block = parseBlock(readVectorHex('zebra-blocks/block-main-1-687-118.txt'), 'zcash')
    const actions = block.transactions.flatMap(({ orchard }) => orchard?.actions ?? [])
    expect(actions.length).toBeGreaterThan(0)
    for (const action of actions) expect(recoverOrchardAction(action, ANYBODY, 'orchard')).toBeNull()
  })
})

describe('R-CHAIN-4: memosOf', () => {
  let counter = 0
  const randomBytes = (length: number): Uint8Array => new Uint8Array(length).fill(++counter % 251)
  const payment = (text: string, value: bigint) => ({ value, memo: memoFromText(text)!, ovk: null })
  const saplingOutput = (text: string, value: bigint): SaplingOutput => ({
    ...encryptSaplingOutput({ ...payment(text, value), address: sapling.defaultAddress }, randomBytes),
    proof: new Uint8Array(192),
  })
  const strangerOutput: SaplingOutput = {
    ...encryptSaplingOutput(
      { ...payment('not for us', 1n), address: deriveSaplingKeys(new Uint8Array(32)).defaultAddress },
      randomBytes,
    ),
    proof: new Uint8Array(192),
  }
  const bundle = (pool: OrchardPool, texts: readonly string[]): OrchardBundle => ({
    actions: texts.map((text, i) => ({
      ...encryptOrchardAction(
        {
          ...payment(text, BigInt(i)),
          address: orchard.defaultAddress,
          nullifier: new Uint8Array(32).fill(i + 1),
        },
        pool,
        randomBytes,
      ),
      rk: new Uint8Array(32),
      signature: new Uint8Array(64),
    })),
    flags: 3,
    valueBalance: 0n,
    anchor: new Uint8Array(32),
    proof: new Uint8Array(),
    bindingSignature: new Uint8Array(64),
  })
  const joinSplitPublicKey = new Uint8Array(32).fill(9)
  const joinSplit = (texts: readonly [string | null, string | null]): JoinSplit => {
    const nullifiers = [randomBytes(32), randomBytes(32)] as const
    const [first, second] = texts.map((text) =>
      text === null ? null : { address: sprout.address, value: 7n, memo: memoFromText(text)! },
    )
    return {
      ...encryptSproutJoinSplit([first ?? null, second ?? null], nullifiers, joinSplitPublicKey, randomBytes),
      publicOld: 0n,
      publicNew: 0n,
      anchor: new Uint8Array(32),
      macs: [new Uint8Array(32), new Uint8Array(32)],
      proof: new Uint8Array(192),
    }
  }
  const transaction = {
    joinSplits: [joinSplit([null, 'sprout 1']), joinSplit(['sprout 2', null])],
    joinSplitPublicKey,
    saplingOutputs: [strangerOutput, saplingOutput('sapling 1', 11n), saplingOutput('sapling 2', 12n)],
    orchard: bundle('orchard', ['orchard 0']),
    ironwood: bundle('ironwood', ['ironwood 0', 'ironwood 1']),
  }
  const listed = (someKeys: ViewingKeys) =>
    memosOf(transaction, someKeys).map(({ pool, index, amount, memo }) => [
      pool,
      index,
      amount,
      memoText(memo),
    ])

  test('pool order Sprout, Sapling, Orchard, Ironwood; order of the transaction within a pool', () => {
    expect(listed(keys)).toEqual([
      ['sprout', 1, 7n, 'sprout 1'],
      ['sprout', 2, 7n, 'sprout 2'],
      ['sapling', 1, 11n, 'sapling 1'],
      ['sapling', 2, 12n, 'sapling 2'],
      ['orchard', 0, 0n, 'orchard 0'],
      ['ironwood', 0, 0n, 'ironwood 0'],
      ['ironwood', 1, 1n, 'ironwood 1'],
    ])
  })

  test('only the pools whose key is known; one Orchard key serves Orchard and Ironwood', () => {
    expect(listed({ orchard: orchard.ivk }).map(([pool]) => pool)).toEqual([
      'orchard',
      'ironwood',
      'ironwood',
    ])
    expect(listed({ sapling: sapling.ivk }).map(([pool]) => pool)).toEqual(['sapling', 'sapling'])
    expect(listed({})).toEqual([])
  })

  test('whatever the bytes and their lengths, there is a list and no error', () => {
    const bytes = fc.oneof(fc.uint8Array({ maxLength: 700 }), fc.uint8Array({ minLength: 32, maxLength: 32 }))
    const pair = fc.tuple(bytes, bytes)
    const hostile = fc.record({
      joinSplits: fc.array(
        fc.record({
          nullifiers: pair,
          commitments: pair,
          ephemeralKey: bytes,
          randomSeed: bytes,
          ciphertexts: pair,
        }),
        { maxLength: 2 },
      ),
      joinSplitPublicKey: fc.option(bytes),
      saplingOutputs: fc.array(fc.record({ cmu: bytes, ephemeralKey: bytes, encCiphertext: bytes }), {
        maxLength: 2,
      }),
      actions: fc.array(
        fc.record({ nullifier: bytes, cmx: bytes, ephemeralKey: bytes, encCiphertext: bytes }),
        { maxLength: 2 },
      ),
    })
    fc.assert(
      fc.property(hostile, ({ actions, joinSplits, joinSplitPublicKey, saplingOutputs }) => {
        const [action] = bundle('orchard', ['x']).actions
        const full = {
          ...bundle('orchard', []),
          actions: actions.map((fields) => ({ ...action!, ...fields })),
        }
        const found = memosOf(
          {
            joinSplits: joinSplits.map((fields) => ({ ...transaction.joinSplits[0]!, ...fields })),
            joinSplitPublicKey,
            saplingOutputs: saplingOutputs.map((fields) => ({ ...strangerOutput, ...fields })),
            orchard: full,
            ironwood: full,
          },
          keys,
        )
        expect(found).toEqual([])
      }),
      { numRuns: 60 },
    )
  })

  test('R-CHAIN-4 a note of 0 to any diversified address of the key counts', () => {
    const other = Array.from({ length: 256 }, (_, i) =>
      saplingAddress(sapling.ivk, new Uint8Array(11).fill(i)),
    ).find((address) => address !== null)!
    expect(other.diversifier).not.toEqual(sapling.defaultAddress.diversifier)
    const sealed = encryptSaplingOutput({ ...payment('elsewhere', 0n), address: other }, randomBytes)
    const saplingOutputs = [{ ...sealed, proof: new Uint8Array(192) }]
    const [found] = memosOf({ ...transaction, saplingOutputs }, { sapling: sapling.ivk })
    expect(found).toMatchObject({ amount: 0n, memo: memoFromText('elsewhere') })
  })

  test('an Orchard note in the Ironwood bundle is none, and the reverse', () => {
    const swapped = { ...transaction, orchard: transaction.ironwood, ironwood: transaction.orchard }
    expect(memosOf(swapped, { orchard: orchard.ivk })).toEqual([])
  })
})

describe('ZEN transactions of an independent implementation (derived/sprout_note_encryption)', () => {
  const { vectors } = readVectorJson('derived/sprout_note_encryption.json') as {
    vectors: {
      viewing_key: string
      zen_tx: string
      zen_txid: string
      outputs: { memo: string; mine: boolean }[]
    }[]
  }
  test.each(vectors)('$zen_txid', ({ viewing_key, zen_tx, zen_txid, outputs }) => {
    const transaction = parseTransaction(hexToBytes(zen_tx), 'zen')
    expect(bytesToHex(transaction.txid.toReversed())).toBe(zen_txid)
    const mine = outputs.flatMap(({ mine, memo }, index) => (mine ? [{ index, memo }] : []))
    const found = memosOf(transaction, parseViewingKey(viewing_key))
    expect(found.map(({ index, memo }) => ({ index, memo: bytesToHex(memo) }))).toEqual(mine)
  })
})
