import type { ByteReader } from './reader.ts'
import type { TransactionInput, TransactionOutput } from './types.ts'
import type { ByteWriter } from './writer.ts'

/** Previous txid 32, index 4, empty script 1, sequence 4. */
const minInputBytes = 41
/** Value 8, empty script 1. */
const minOutputBytes = 9

export const readInputs = (reader: ByteReader): TransactionInput[] =>
  reader.vector(minInputBytes, () => ({
    previousTxid: reader.bytes(32),
    previousIndex: reader.u32(),
    script: reader.variableBytes(),
    sequence: reader.u32(),
  }))

export const readOutputs = (reader: ByteReader): TransactionOutput[] =>
  reader.vector(minOutputBytes, () => ({ value: reader.i64(), script: reader.variableBytes() }))

export const writeOutpoint = (writer: ByteWriter, input: TransactionInput): ByteWriter =>
  writer.fixed(input.previousTxid, 32, 'previousTxid').u32(input.previousIndex)

export const writeInput = (writer: ByteWriter, input: TransactionInput): ByteWriter =>
  writeOutpoint(writer, input).variableBytes(input.script).u32(input.sequence)

export const writeOutput = (writer: ByteWriter, output: TransactionOutput): ByteWriter =>
  writer.i64(output.value).variableBytes(output.script)

/** A coinbase has one input, which refers to no output: txid zero, index 2^32 − 1. */
export const isCoinbaseInputs = (inputs: readonly TransactionInput[]): boolean => {
  const [first] = inputs
  return (
    inputs.length === 1 &&
    first !== undefined &&
    first.previousIndex === 0xffffffff &&
    first.previousTxid.every((byte) => byte === 0)
  )
}
