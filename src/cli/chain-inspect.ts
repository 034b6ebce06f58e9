import { Command, Option } from 'commander'
import { reversedHex } from '../../protocol/index.ts'
import { hasValidMerkleRoot, readBlock } from '../chain/formats/block.ts'
import { ChainFormatError, createByteReader } from '../chain/formats/reader.ts'
import { readTransaction } from '../chain/formats/transaction.ts'
import type { Block, ChainFamily, Transaction } from '../chain/formats/types.ts'
import { readHexInput } from './hex-input.ts'
import { type CliIo, printJson } from './io.ts'

interface InspectOptions {
  tx?: boolean
  family?: ChainFamily
  json?: boolean
}

/** `secnode chain inspect`: what a block or transaction given as hex holds. */
export const chainInspectCommand = (io: CliIo): Command =>
  new Command('inspect')
    .description('parse a block or transaction and print what it holds')
    .argument('<file>', 'file with the hex of a block, or - for standard input')
    .option('--tx', 'the hex is one transaction, not a block')
    .addOption(
      new Option('--family <family>', 'wire format; without it the one that fits').choices(['zcash', 'zen']),
    )
    .option('--json', 'print a JSON object')
    .addHelpText(
      'after',
      `
A block's merkle root is computed from its transactions and compared with its header. Exit code 0: all is well;
1: the bytes are no block or transaction, bytes are left over, or the merkle root is another.

Example:
  $ zcash-cli getblock 2500000 0 | secnode chain inspect -
  $ secnode chain inspect --tx --family zen --json transaction.hex
  {"kind":"transaction","hash":"…","merkleRootOk":null,"bytesLeft":0,"transactions":[{"txid":"…","version":-3,…}]}`,
    )
    .action(async (file: string, options: InspectOptions) => {
      const bytes = await readHexInput(file, io.signal)
      const inspected = inspect(bytes, options)
      if (options.json === true) printJson(io, toJson(inspected))
      else io.stdout(toText(inspected))
      io.setExitCode(isSound(inspected) ? 0 : 1)
    })

interface Inspected {
  family: ChainFamily
  /** Null for a transaction. */
  block: Block | null
  transactions: readonly Transaction[]
  bytesLeft: number
}

const inspect = (bytes: Uint8Array, { tx, family }: InspectOptions): Inspected => {
  const read = tx === true ? inspectTransaction : inspectBlock
  if (family !== undefined) return read(bytes, family)
  // Versions 1 and 2 are the same bytes in both families; what differs is refused by one, or leaves bytes over.
  const parsed: Inspected[] = []
  const errors: ChainFormatError[] = []
  for (const each of ['zcash', 'zen'] as const) {
    try {
      parsed.push(read(bytes, each))
    } catch (error) {
      if (!(error instanceof ChainFormatError)) throw error
      errors.push(error)
    }
  }
  const best = parsed.find(isSound) ?? parsed[0]
  if (best !== undefined) return best
  // The family that came further is the one that was meant.
  throw errors.reduce((furthest, error) => (error.offset > furthest.offset ? error : furthest))
}

const inspectBlock = (bytes: Uint8Array, family: ChainFamily): Inspected => {
  const reader = createByteReader(bytes)
  const block = readBlock(reader, family)
  return { family, block, transactions: block.transactions, bytesLeft: reader.bytesLeft }
}

const inspectTransaction = (bytes: Uint8Array, family: ChainFamily): Inspected => {
  const reader = createByteReader(bytes)
  const transaction = readTransaction(reader, family)
  return { family, block: null, transactions: [transaction], bytesLeft: reader.bytesLeft }
}

const isSound = ({ block, bytesLeft }: Inspected): boolean =>
  bytesLeft === 0 && (block === null || hasValidMerkleRoot(block))

const toJson = ({ block, transactions, bytesLeft }: Inspected) => ({
  kind: block === null ? 'transaction' : 'block',
  hash: reversedHex(block?.header.hash ?? transactions[0]!.txid),
  merkleRootOk: block === null ? null : hasValidMerkleRoot(block),
  bytesLeft,
  transactions: transactions.map(toRow),
})

const toRow = (transaction: Transaction) => ({
  txid: reversedHex(transaction.txid),
  version: transaction.version,
  transparentOutputs: transaction.outputs.length,
  joinSplits: transaction.joinSplits.length,
  saplingOutputs: transaction.saplingOutputs.length,
  orchardActions: transaction.orchard?.actions.length ?? 0,
  ironwoodActions: transaction.ironwood?.actions.length ?? 0,
})

const toText = ({ family, block, transactions, bytesLeft }: Inspected): string => {
  const lines: string[] = []
  if (block === null) lines.push(`transaction (${family})`)
  else {
    const { header, certificates } = block
    lines.push(
      `block ${reversedHex(header.hash)} (${family})`,
      `  previous     ${reversedHex(header.previousHash)}`,
      `  time         ${new Date(header.time * 1000).toISOString()}`,
      `  merkle root  ${reversedHex(header.merkleRoot)} ${hasValidMerkleRoot(block) ? 'ok' : 'DOES NOT MATCH'}`,
    )
    if (certificates.length > 0) lines.push(`  certificates ${certificates.length}`)
  }
  if (bytesLeft > 0) lines.push(`  ${bytesLeft} BYTES LEFT OVER`)
  lines.push('', tableRow('txid', ['version', 'outputs', 'joinsplits', 'sapling', 'orchard', 'ironwood']))
  for (const { txid, ...counts } of transactions.map(toRow)) {
    lines.push(tableRow(txid, Object.values(counts).map(String)))
  }
  return `${lines.join('\n')}\n`
}

const tableRow = (txid: string, cells: readonly string[]): string =>
  `${txid.padEnd(64)}${cells.map((cell) => cell.padStart(11)).join('')}`
