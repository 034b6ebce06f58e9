import { equalBytes } from '../../../protocol/index.ts'
import { doubleSha256 } from './hashes.ts'
import { merkleRoot } from './merkle.ts'
import { type ByteReader, createByteReader } from './reader.ts'
import { readTransaction } from './transaction.ts'
import type { Block, BlockHeader, BlockHeaderFields, ChainFamily } from './types.ts'
import { createByteWriter } from './writer.ts'
import { readCertificate } from './zen-sidechain.ts'

/**
 * The smallest transaction of a block has one input (of 41 bytes) and one output (of 9) with empty scripts. As a
 * bound on the count it keeps what is allocated for a block within a small multiple of its bytes.
 */
const minTransactionBytes = 4 + 1 + 41 + 1 + 9 + 4
/** ZEN: blocks of this version carry certificates after the transactions. */
const sidechainBlockVersion = 3
/** Version, epoch, quality and the rest of a certificate with every vector empty. */
const minCertificateBytes = 71

/** Parses exactly one block. Throws `ChainFormatError` and nothing else; does not judge the header's merkle root. */
export const parseBlock = (bytes: Uint8Array, family: ChainFamily): Block => {
  const reader = createByteReader(bytes)
  const block = readBlock(reader, family)
  reader.end()
  return block
}

/** Parses exactly one header with its solution. */
export const parseBlockHeader = (bytes: Uint8Array): BlockHeader => {
  const reader = createByteReader(bytes)
  const header = readBlockHeader(reader)
  reader.end()
  return header
}

/** Reads the block at the cursor and leaves the cursor behind it. */
export const readBlock = (reader: ByteReader, family: ChainFamily): Block => {
  const header = readBlockHeader(reader)
  const transactions = reader.vector(minTransactionBytes, () => readTransaction(reader, family))
  const hasCertificates = family === 'zen' && header.version === sidechainBlockVersion
  const certificates = hasCertificates
    ? reader.vector(minCertificateBytes, () => readCertificate(reader))
    : []
  const { root, isMutated } = merkleRoot([
    ...transactions.map((transaction) => transaction.txid),
    ...certificates.map((certificate) => certificate.hash),
  ])
  return {
    family,
    header,
    transactions,
    certificates,
    computedMerkleRoot: root,
    isMerkleTreeMutated: isMutated,
  }
}

export const readBlockHeader = (reader: ByteReader): BlockHeader => {
  const start = reader.offset
  const fields = {
    version: reader.i32(),
    previousHash: reader.bytes(32),
    merkleRoot: reader.bytes(32),
    commitment: reader.bytes(32),
    time: reader.u32(),
    bits: reader.u32(),
    nonce: reader.bytes(32),
    solution: reader.variableBytes(),
  }
  const bytes = reader.since(start)
  return { ...fields, bytes, hash: doubleSha256(bytes) }
}

/** True if the header commits to these transactions (and certificates) and to no other list of the same root. */
export const hasValidMerkleRoot = (block: Block): boolean =>
  !block.isMerkleTreeMutated && equalBytes(block.computedMerkleRoot, block.header.merkleRoot)

export const serializeBlockHeader = (header: BlockHeaderFields): Uint8Array =>
  createByteWriter(1536)
    .i32(header.version)
    .fixed(header.previousHash, 32, 'previousHash')
    .fixed(header.merkleRoot, 32, 'merkleRoot')
    .fixed(header.commitment, 32, 'commitment')
    .u32(header.time)
    .u32(header.bits)
    .fixed(header.nonce, 32, 'nonce')
    .variableBytes(header.solution)
    .finish()

/** What a block is built from: header fields and the serialised transactions and certificates. */
export interface BlockParts {
  family: ChainFamily
  header: BlockHeaderFields
  transactions: readonly { bytes: Uint8Array }[]
  certificates: readonly { bytes: Uint8Array }[]
}

export const serializeBlock = (block: BlockParts): Uint8Array => {
  const header = serializeBlockHeader(block.header)
  const writer = createByteWriter(4096).bytes(header)
  writer.vector(block.transactions, (transaction) => writer.bytes(transaction.bytes))
  if (block.family === 'zen' && block.header.version === sidechainBlockVersion) {
    writer.vector(block.certificates, (certificate) => writer.bytes(certificate.bytes))
  }
  return writer.finish()
}
