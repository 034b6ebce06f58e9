import { bytesToHex } from '@noble/curves/utils.js'
import { Command, Option } from 'commander'
import { parseBlock } from '../chain/formats/block.ts'
import { parseTransaction } from '../chain/formats/transaction.ts'
import type { ChainFamily } from '../chain/formats/types.ts'
import { memosOf, memoText, parseViewingKey, type TransactionMemo } from '../chain/notes/index.ts'
import { type CliIo, printJson } from './io.ts'
import { readHexInput } from './hex-input.ts'

interface MemoOptions {
  key: string
  pool?: 'sapling' | 'orchard'
  tx?: boolean
  family: ChainFamily
  json?: boolean
}

/** `secnode chain memo`: the memos that a viewing key opens in a block or transaction given as hex. */
export const chainMemoCommand = (io: CliIo): Command =>
  new Command('memo')
    .description('print the memos that an incoming viewing key opens in a block or transaction')
    .argument('<file>', 'file with the hex of a block, or - for standard input')
    .requiredOption(
      '--key <key>',
      'incoming viewing key: ZiVK…, ZiVt…, zivks…, uivk…, uvi…, or hex (64 bytes Sprout; 32 bytes with --pool)',
    )
    .addOption(new Option('--pool <pool>', 'pool of a key of 32 bytes hex').choices(['sapling', 'orchard']))
    .option('--tx', 'the hex is one transaction, not a block')
    .addOption(new Option('--family <family>', 'wire format').choices(['zcash', 'zen']).default('zcash'))
    .option('--json', 'print a JSON list')
    .addHelpText(
      'after',
      `
The note commitment is checked, so what is printed was really paid to an address of the key. Both lead bytes
of Sapling are taken at any height, as the follower does (R-CHAIN-4).

With --json a memo is its text, or 1,024 hex digits where it is no text (a text has at most 512 characters).

Example:
  $ zcash-cli getblock 2500000 0 | secnode chain memo --key uivk1… --json -
  [{"txid":"…","pool":"orchard","index":0,"amount":"100000000","memo":"secnode:1 peer=…"}]`,
    )
    .action(async (file: string, options: MemoOptions) => {
      const keys = parseViewingKey(options.key, options.pool)
      const bytes = await readHexInput(file, io.signal)
      const transactions =
        options.tx === true
          ? [parseTransaction(bytes, options.family)]
          : parseBlock(bytes, options.family).transactions
      const found = transactions.flatMap((transaction) =>
        memosOf(transaction, keys).map((memo) => ({
          txid: bytesToHex(transaction.txid.toReversed()),
          ...memo,
        })),
      )
      if (options.json === true) printJson(io, found.map(toJson))
      else for (const memo of found) io.stdout(toText(memo))
      if (found.length === 0) io.stderr('no memo for this key\n')
    })

type FoundMemo = TransactionMemo & { txid: string }

const toJson = ({ txid, pool, index, amount, memo }: FoundMemo) => ({
  txid,
  pool,
  index,
  amount: amount.toString(),
  memo: memoText(memo) ?? bytesToHex(memo),
})

const toText = ({ txid, pool, index, amount, memo }: FoundMemo): string => {
  const coins = `${amount / 100_000_000n}.${(amount % 100_000_000n).toString().padStart(8, '0')}`
  const text = memoText(memo)
  return `${txid} ${pool} ${index} ${coins}\n  ${text === null ? bytesToHex(memo) : printable(text)}\n`
}

/** Anybody may send a memo: what could steer a terminal or hide text is shown as its code point. */
const printable = (text: string): string =>
  text.replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`)
