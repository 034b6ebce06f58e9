import { type ByteReader, createByteReader } from './reader.ts'
import { readOrchardBundle, writeOrchardBundle } from './orchard.ts'
import {
  noSapling,
  readBindingSignature,
  readSaplingV4,
  readSaplingV5,
  writeBindingSignature,
  writeSaplingV4,
  writeSaplingV5,
} from './sapling.ts'
import { readJoinSplits, type SproutProof, writeJoinSplits } from './sprout.ts'
import { isCoinbaseInputs, readInputs, readOutputs, writeInput, writeOutput } from './transparent.ts'
import { transactionId } from './txid.ts'
import type { ChainFamily, Transaction, TransactionFields } from './types.ts'
import { type ByteWriter, createByteWriter } from './writer.ts'
import { readSidechainPart } from './zen-sidechain.ts'

/** Version group ids of the overwintered formats (ZIP 202, ZIP 243, ZIP 225, ZIP 229). */
export const versionGroupIds: Readonly<Record<number, number>> = {
  3: 0x03c48270,
  4: 0x892f2085,
  5: 0x26a7270a,
  6: 0xd884b698,
}

/** Parses exactly one transaction. Throws `ChainFormatError` and nothing else. */
export const parseTransaction = (bytes: Uint8Array, family: ChainFamily): Transaction => {
  const reader = createByteReader(bytes)
  const transaction = readTransaction(reader, family)
  reader.end()
  return transaction
}

/** Reads the transaction at the cursor and leaves the cursor behind it. */
export const readTransaction = (reader: ByteReader, family: ChainFamily): Transaction => {
  const start = reader.offset
  const fields = family === 'zcash' ? readZcash(reader) : readZen(reader)
  const bytes = reader.since(start)
  return { ...fields, bytes, txid: transactionId(fields, bytes), isCoinbase: isCoinbaseInputs(fields.inputs) }
}

/**
 * The bytes of a transaction. A field that its version does not have must be empty, and every byte string of its
 * proper length, or it throws `ChainFormatError` with code `CHAIN_FORMAT_FIELD` or `CHAIN_FORMAT_VERSION`.
 */
export const serializeTransaction = (fields: TransactionFields): Uint8Array => {
  const writer = createByteWriter()
  if (fields.versionGroupId === null) writePlain(writer, fields)
  else writeOverwintered(writer, fields)
  return writer.finish()
}

const readZcash = (reader: ByteReader): TransactionFields => {
  const start = reader.offset
  const header = reader.u32()
  const version = header & 0x7fffffff
  if (header === version) return readPlain(reader, 'zcash', version, start)
  const versionGroupId = reader.u32()
  if (versionGroupIds[version] !== versionGroupId) {
    reader.fail(
      'CHAIN_FORMAT_VERSION',
      `no version ${version} in group ${versionGroupId.toString(16)}`,
      start,
    )
  }
  return version <= 4 ? readV3V4(reader, version, versionGroupId) : readV5V6(reader, version, versionGroupId)
}

const readZen = (reader: ByteReader): TransactionFields => {
  const start = reader.offset
  return readPlain(reader, 'zen', reader.i32(), start)
}

/** Formats without a version group: Zcash and ZEN 1 and 2, ZEN -3 and -4. */
const readPlain = (
  reader: ByteReader,
  family: ChainFamily,
  version: number,
  start: number,
): TransactionFields => {
  if (!isPlainVersion(family, version)) {
    reader.fail('CHAIN_FORMAT_VERSION', `no transaction of version ${version} in ${family}`, start)
  }
  const inputs = readInputs(reader)
  const outputs = readOutputs(reader)
  const sidechain = version === -4 ? readSidechainPart(reader) : null
  const lockTime = reader.u32()
  const sproutProof = plainSproutProof(version)
  return {
    ...noSapling,
    ...(sproutProof === null ? noSprout : readJoinSplits(reader, sproutProof)),
    family,
    version,
    versionGroupId: null,
    consensusBranchId: null,
    inputs,
    outputs,
    lockTime,
    expiryHeight: 0,
    orchard: null,
    ironwood: null,
    sidechain,
  }
}

const writePlain = (writer: ByteWriter, fields: TransactionFields): void => {
  const { family, version } = fields
  if (!isPlainVersion(family, version)) {
    writer.fail('CHAIN_FORMAT_VERSION', `no version ${version} without a group in ${family}`)
  }
  const sproutProof = plainSproutProof(version)
  refuse(
    writer,
    'a consensus branch or expiry',
    fields.consensusBranchId !== null || fields.expiryHeight !== 0,
  )
  refuse(writer, 'JoinSplits', sproutProof === null && hasSprout(fields))
  refuse(writer, 'Sapling', hasSapling(fields))
  refuse(writer, 'Orchard or Ironwood', fields.orchard !== null || fields.ironwood !== null)
  refuse(writer, 'sidechain vectors', fields.sidechain !== null && version !== -4)
  if (version === -4 && fields.sidechain === null) {
    writer.fail('CHAIN_FORMAT_FIELD', 'version -4 needs its sidechain vectors')
  }
  writer.i32(version)
  writeTransparent(writer, fields)
  if (fields.sidechain !== null) writer.bytes(fields.sidechain)
  writer.u32(fields.lockTime)
  if (sproutProof !== null) writeJoinSplits(writer, sproutProof, fields)
}

/** The formats of Overwinter (ZIP 202) and Sapling (ZIP 243, protocol section 7.1). */
const readV3V4 = (reader: ByteReader, version: number, versionGroupId: number): TransactionFields => {
  const inputs = readInputs(reader)
  const outputs = readOutputs(reader)
  const lockTime = reader.u32()
  const expiryHeight = reader.u32()
  const sapling = version === 4 ? readSaplingV4(reader) : noSapling
  const sprout = readJoinSplits(reader, version === 4 ? 'groth16' : 'phgr13')
  const isShielded = sapling.saplingSpends.length + sapling.saplingOutputs.length > 0
  return {
    ...sapling,
    ...sprout,
    saplingBindingSignature: isShielded ? readBindingSignature(reader) : null,
    family: 'zcash',
    version,
    versionGroupId,
    consensusBranchId: null,
    inputs,
    outputs,
    lockTime,
    expiryHeight,
    orchard: null,
    ironwood: null,
    sidechain: null,
  }
}

/** ZIP 225, and ZIP 229, which adds a second bundle at the end. */
const readV5V6 = (reader: ByteReader, version: number, versionGroupId: number): TransactionFields => {
  const consensusBranchId = reader.u32()
  const lockTime = reader.u32()
  const expiryHeight = reader.u32()
  return {
    inputs: readInputs(reader),
    outputs: readOutputs(reader),
    ...readSaplingV5(reader),
    orchard: readOrchardBundle(reader),
    ironwood: version === 6 ? readOrchardBundle(reader) : null,
    ...noSprout,
    family: 'zcash',
    version,
    versionGroupId,
    consensusBranchId,
    lockTime,
    expiryHeight,
    sidechain: null,
  }
}

const writeOverwintered = (writer: ByteWriter, fields: TransactionFields): void => {
  const { version, versionGroupId, consensusBranchId } = fields
  if (fields.family !== 'zcash' || versionGroupId === null || versionGroupIds[version] !== versionGroupId) {
    return writer.fail('CHAIN_FORMAT_VERSION', `no version ${version} in this group`)
  }
  refuse(writer, 'sidechain vectors', fields.sidechain !== null)
  refuse(writer, 'an Ironwood bundle', version < 6 && fields.ironwood !== null)
  writer.u32(0x80000000 + version).u32(versionGroupId)
  if (version <= 4) {
    refuse(writer, 'a consensus branch', consensusBranchId !== null)
    refuse(writer, 'an Orchard bundle', fields.orchard !== null)
    refuse(writer, 'Sapling', version === 3 && hasSapling(fields))
    writeTransparent(writer, fields)
    writer.u32(fields.lockTime).u32(fields.expiryHeight)
    if (version === 4) writeSaplingV4(writer, fields)
    writeJoinSplits(writer, version === 4 ? 'groth16' : 'phgr13', fields)
    if (fields.saplingSpends.length + fields.saplingOutputs.length > 0) {
      writeBindingSignature(writer, fields.saplingBindingSignature)
    }
    return
  }
  refuse(writer, 'JoinSplits', hasSprout(fields))
  if (consensusBranchId === null) {
    return writer.fail('CHAIN_FORMAT_FIELD', 'from v5 on a transaction names its consensus branch')
  }
  writer.u32(consensusBranchId).u32(fields.lockTime).u32(fields.expiryHeight)
  writeTransparent(writer, fields)
  writeSaplingV5(writer, fields)
  writeOrchardBundle(writer, fields.orchard)
  if (version === 6) writeOrchardBundle(writer, fields.ironwood)
}

const writeTransparent = (writer: ByteWriter, fields: TransactionFields): void => {
  writer.vector(fields.inputs, (input) => writeInput(writer, input))
  writer.vector(fields.outputs, (output) => writeOutput(writer, output))
}

const noSprout = { joinSplits: [], joinSplitPublicKey: null, joinSplitSignature: null } as const

const hasSprout = (fields: TransactionFields): boolean => fields.joinSplits.length > 0

const hasSapling = (fields: TransactionFields): boolean =>
  fields.saplingSpends.length + fields.saplingOutputs.length > 0 || fields.saplingValueBalance !== 0n

const isPlainVersion = (family: ChainFamily, version: number): boolean =>
  version >= 1 || (family === 'zen' && (version === -3 || version === -4))

/** zend: `nVersion >= PHGR_TX_VERSION || nVersion == GROTH_TX_VERSION`; zcashd: `nVersion >= 2`. */
const plainSproutProof = (version: number): SproutProof | null => {
  if (version === -3) return 'groth16'
  return version >= 2 ? 'phgr13' : null
}

const refuse = (writer: ByteWriter, what: string, isThere: boolean): void => {
  if (isThere) writer.fail('CHAIN_FORMAT_FIELD', `this transaction version does not have ${what}`)
}
