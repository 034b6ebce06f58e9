import { readdirSync } from 'node:fs'
import { hexToBytes } from '../../../protocol/index.ts'
import type { ChainFamily } from '../../../src/chain/formats/types.ts'
import { readVectorHex, readVectorJson, readVectorTable, type VectorRow } from '../../vectors/read.ts'

/** Bytes from outside: a real block, or a transaction that is real or from an official vector. */
export interface Sample {
  name: string
  family: ChainFamily
  bytes: Uint8Array
}

export const realBlocks: readonly Sample[] = [
  ...readdirSync(new URL('../../vectors/zebra-blocks/', import.meta.url)).map((file) => ({
    name: file,
    family: 'zcash' as const,
    bytes: readVectorHex(`zebra-blocks/${file}`),
  })),
  {
    name: 'block_with_v0_and_v1_certificates.hex',
    family: 'zen',
    bytes: readVectorHex('zen/block_with_v0_and_v1_certificates.hex'),
  },
]

export const officialTables = ['zip_0143', 'zip_0243', 'zip_0244'] as const

export const officialRows = (table: (typeof officialTables)[number]): VectorRow[] =>
  readVectorTable(`zcash-test-vectors/${table}.json`)

/** A cell that holds hex. */
export const hexCell = (row: VectorRow, column: string): Uint8Array => hexToBytes(String(row[column]))

interface V6Vectors {
  confirmed: { txid: string; hex: string; spent_value: string; spent_script: string }[]
  empty: { hex: string; digest: string }
  ironwood: {
    output_value: string
    output_script: string
    cv: string
    nullifier: string
    rk: string
    cmx: string
    flags: number
    value_balance: string
    anchors: string[]
    signature_hash: string
  }
}

export const v6Vectors = readVectorJson('derived/transaction_v6.json') as V6Vectors

/** Rows of zcashd's tx_valid: the scripts of the outputs that are spent are in its own notation. */
export const zcashdValidTransactions = (
  readVectorJson('zcashd/tx_valid.json') as (string[] | [[string, number, string][], string, string])[]
).flatMap((row) =>
  row.length === 3 && Array.isArray(row[0]) ? [{ spent: row[0], bytes: hexToBytes(row[1]) }] : [],
)

/** ZEN transactions of version -3. */
export const sproutTransactions = (
  readVectorJson('derived/sprout_note_encryption.json') as {
    vectors: { zen_tx: string; zen_txid: string; joinsplit: string }[]
  }
).vectors

const zenFiles = ['blanktx.hex', 'tx394b54bb.hex', 'txcreatesign.hex']

/** Whole transactions that are no part of the blocks above. */
export const looseTransactions: readonly Sample[] = [
  ...officialTables.flatMap((table) =>
    officialRows(table).map((row, index) => ({
      name: `${table} row ${index}`,
      family: 'zcash' as const,
      bytes: hexCell(row, 'tx'),
    })),
  ),
  ...zcashdValidTransactions.map(({ bytes }, index) => ({
    name: `tx_valid row ${index}`,
    family: 'zcash' as const,
    bytes,
  })),
  ...zenFiles.map((file) => ({ name: file, family: 'zen' as const, bytes: readVectorHex(`zen/${file}`) })),
  ...sproutTransactions.map(({ zen_tx, zen_txid }) => ({
    name: `Sprout ${zen_txid}`,
    family: 'zen' as const,
    bytes: hexToBytes(zen_tx),
  })),
  ...v6Vectors.confirmed.map(({ txid, hex }) => ({
    name: `v6 ${txid}`,
    family: 'zcash' as const,
    bytes: hexToBytes(hex),
  })),
  { name: 'v6 empty', family: 'zcash', bytes: hexToBytes(v6Vectors.empty.hex) },
]
