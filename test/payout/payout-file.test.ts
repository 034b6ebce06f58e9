import * as fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { bytesToHex, coin } from '../../protocol/index.ts'
import { parseTransaction, serializeTransaction } from '../../src/chain/formats/transaction.ts'
import type { Network } from '../../src/chain/profiles.ts'
import { isSecnodeError } from '../../src/errors.ts'
import {
  formatPayoutFile,
  parsePayoutFile,
  type PayoutFile,
  replaceDrafts,
  unsignedFile,
} from '../../src/payout/payout-file.ts'
import { txidOf } from '../../src/payout/transactions.ts'
import { multisigTreasury, startPayoutChain } from './payout-chain.ts'

interface Made {
  network: Network
  unsigned: PayoutFile
  signed: PayoutFile
}

const make = async (family: 'zcash' | 'zen'): Promise<Made> => {
  await using payout = await startPayoutChain({ family, treasury: multisigTreasury(1, 2) })
  const tally = payout.tally(Array.from({ length: 1_001 }, () => coin / 100n))
  const unsigned = await payout.build(tally)
  return { network: payout.network, unsigned, signed: await payout.sign(unsigned, tally) }
}

describe.each(['zcash', 'zen'] as const)('payout file of %s', (family) => {
  let made: Made
  beforeAll(async () => {
    made = await make(family)
  })

  test('R-PAY-3 is read as it was written, and written as it was read', () => {
    for (const file of [made.unsigned, made.signed]) {
      const text = formatPayoutFile(file, made.network)
      const read = parsePayoutFile(text, made.network, 'file')
      expect(formatPayoutFile(read, made.network)).toBe(text)
      expect(Object.keys(JSON.parse(text) as object)).toEqual([
        'branch',
        'format',
        'network',
        'payer',
        'payout',
        'redeemScript',
        'reference',
        'transactions',
      ])
    }
  })

  test('R-PAY-3 without signatures everybody has the same bytes', () => {
    const text = formatPayoutFile(unsignedFile(made.signed), made.network)
    expect(text).toBe(formatPayoutFile(made.unsigned, made.network))
  })

  test('R-PAY-3 later transactions follow the txids of those that they spend', () => {
    const { drafts } = made.signed
    const txid = txidOf(drafts[0]!.fields)
    expect(drafts[1]!.fields.inputs.map(({ previousTxid }) => bytesToHex(previousTxid))).toEqual([
      bytesToHex(txid),
      bytesToHex(txid),
    ])
    // ZIP 244: signatures are not part of a txid of Zcash. Of ZEN's they are.
    const before = bytesToHex(txidOf(made.unsigned.drafts[0]!.fields))
    expect(bytesToHex(txid) === before).toBe(family === 'zcash')
    const changed = drafts[0]!.fields.inputs.map((input) => ({ ...input, script: Uint8Array.of(0) }))
    const replaced = replaceDrafts(
      drafts,
      drafts.with(0, { ...drafts[0]!, fields: { ...drafts[0]!.fields, inputs: changed } }),
    )
    const isKept = replaced[1]!.fields.inputs.every(({ script }) => script.length > 0)
    expect(isKept).toBe(family === 'zcash')
    expect(replaced[1]!.fields.inputs[0]!.previousTxid).toEqual(txidOf(replaced[0]!.fields))
  })

  test('R-PAY-3 damaged text is refused with a code and nothing else', () => {
    const text = formatPayoutFile({ ...made.unsigned, drafts: made.unsigned.drafts.slice(1) }, made.network)
    fc.assert(
      fc.property(
        fc.nat({ max: text.length - 1 }),
        fc.constantFrom('', '0', 'f', '"', '{', '-', '\\', '9'),
        fc.nat({ max: 3 }),
        (at, put, drop) => {
          const changed = text.slice(0, at) + put + text.slice(at + drop)
          try {
            // What is read all the same is a file of another content: `sign` compares it with the tally.
            const read = parsePayoutFile(changed, made.network, 'file')
            for (const { fields } of read.drafts) {
              expect(parseTransaction(serializeTransaction(fields), family)).toMatchObject({ family })
            }
          } catch (error) {
            expect(isSecnodeError(error)).toBe(true)
            expect(error).toMatchObject({ exitCode: 2 })
          }
        },
      ),
      { numRuns: 300 },
    )
  })

  test.each([
    [
      'another network',
      (json: Record<string, unknown>) => ({ ...json, network: 'f'.repeat(32) }),
      'PAYOUT_OTHER_NETWORK',
    ],
    [
      'another format',
      (json: Record<string, unknown>) => ({ ...json, format: 'secnode payout 2' }),
      'PAYOUT_FILE',
    ],
    ['a member too many', (json: Record<string, unknown>) => ({ ...json, note: '' }), 'PAYOUT_FILE'],
    ['no transactions', (json: Record<string, unknown>) => ({ ...json, transactions: [] }), 'PAYOUT_FILE'],
    [
      'no redeem script',
      (json: Record<string, unknown>) => ({ ...json, redeemScript: null }),
      'PAYOUT_REDEEM_SCRIPT',
    ],
    ['an address of nobody', (json: Record<string, unknown>) => ({ ...json, payer: 't1x' }), 'PAYOUT_FILE'],
    [
      'the other family',
      (json: Record<string, unknown>) => ({ ...json, branch: json['branch'] === null ? '37a5165b' : null }),
      'PAYOUT_FILE',
    ],
    [
      'too few spent outputs',
      (json: Record<string, unknown>) => ({
        ...json,
        transactions: (json['transactions'] as object[]).map((each) => ({ ...each, spent: [] })),
      }),
      'PAYOUT_FILE',
    ],
  ])('R-PAY-3 refuses %s', (_what, change, code) => {
    const json = JSON.parse(formatPayoutFile(made.unsigned, made.network)) as Record<string, unknown>
    const read = () => parsePayoutFile(JSON.stringify(change(json)), made.network, 'file')
    expect(read).toThrow(expect.objectContaining({ code, exitCode: 2 }) as Error)
  })
})
