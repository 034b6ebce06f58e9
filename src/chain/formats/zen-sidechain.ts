import { doubleSha256 } from './hashes.ts'
import type { ByteReader } from './reader.ts'
import { readInputs, readOutputs } from './transparent.ts'
import type { Certificate } from './types.ts'

/** zend: SC_CERT_VERSION, primitives/transaction.h. */
const certificateVersion = -5

/**
 * Walks over the four sidechain vectors of a ZEN version -4 transaction and returns them as they stand: the rules
 * read none of them, but their lengths decide where the transaction goes on. (zend: primitives/transaction.h)
 */
export const readSidechainPart = (reader: ByteReader): Uint8Array => {
  const start = reader.offset
  skipVector(reader, 96, skipCeasedWithdrawal)
  skipVector(reader, 66, skipCreation)
  // Value, address, sidechain, return address.
  skipVector(reader, 92, () => void reader.bytes(92))
  skipVector(reader, 61, skipBackwardTransferRequest)
  return reader.since(start)
}

/** A certificate (zend: primitives/certificate.h). */
export const readCertificate = (reader: ByteReader): Certificate => {
  const start = reader.offset
  const version = reader.i32()
  if (version !== certificateVersion) {
    reader.fail('CHAIN_FORMAT_VERSION', `a certificate of version ${version}`, start)
  }
  // Sidechain id, epoch number, quality.
  reader.bytes(32 + 4 + 8)
  // Root of the epoch's cumulative commitment tree, proof.
  reader.variableBytes()
  reader.variableBytes()
  skipVector(reader, 1, () => void reader.variableBytes())
  skipVector(reader, 1, () => void reader.variableBytes())
  // Fees of forward transfers and backward transfer requests.
  reader.bytes(8 + 8)
  const inputs = readInputs(reader)
  const outputs = readOutputs(reader)
  const backwardTransfers = reader.vector(28, () => ({
    value: reader.i64(),
    publicKeyHash: reader.bytes(20),
  }))
  const bytes = reader.since(start)
  return { hash: doubleSha256(bytes), bytes, inputs, outputs, backwardTransfers }
}

const skipVector = (reader: ByteReader, minBytes: number, skip: (reader: ByteReader) => void): void => {
  for (let left = reader.count(minBytes); left > 0; left--) skip(reader)
}

const skipCeasedWithdrawal = (reader: ByteReader): void => {
  // Value, sidechain id.
  reader.bytes(8 + 32)
  reader.variableBytes() // nullifier
  reader.bytes(20) // public key hash
  reader.variableBytes() // proof
  reader.variableBytes() // hash of the active certificate's data
  reader.variableBytes() // root of the commitment tree when it ceased
  reader.variableBytes() // redeem script
}

const skipCreation = (reader: ByteReader): void => {
  // Sidechain version and epoch length, value, address.
  reader.bytes(4 + 8 + 32)
  reader.variableBytes() // custom data
  skipOptional(reader) // constant
  reader.variableBytes() // verification key of certificates
  skipOptional(reader) // verification key of ceased withdrawals
  reader.variableBytes() // a byte per custom field
  skipVector(reader, 8, () => void reader.bytes(8)) // sizes per bit vector field
  // Two fees, length of a request's data.
  reader.bytes(8 + 8 + 1)
}

const skipBackwardTransferRequest = (reader: ByteReader): void => {
  reader.bytes(32) // sidechain id
  skipVector(reader, 1, () => void reader.variableBytes())
  reader.bytes(20 + 8) // public key hash, fee
}

/** boost::optional as zend serialises it: a byte 0, or 1 and the value. */
const skipOptional = (reader: ByteReader): void => {
  const start = reader.offset
  const flag = reader.u8()
  if (flag > 1) reader.fail('CHAIN_FORMAT_FIELD', `an optional field marked ${flag}`, start)
  if (flag === 1) reader.variableBytes()
}
