import type { OutputTemplate } from './outputs.ts'

/** Base units for each logical action (ZIP 317). */
export const marginalFee = 5_000n
/** Actions that every transaction pays for. */
const graceActions = 2
/** Bytes of inputs, and of outputs, that make one action: a P2PKH input and a P2PKH output. */
const inputBytesPerAction = 150
const outputBytesPerAction = 34

/**
 * The conventional fee of ZIP 317 for a transaction without shielded parts, in base units. `inputBytes` and
 * `outputBytes` are the serialised sizes of all inputs and of all outputs, without their counts.
 */
export const conventionalFee = (inputBytes: number, outputBytes: number): bigint =>
  marginalFee *
  BigInt(
    Math.max(
      graceActions,
      Math.ceil(inputBytes / inputBytesPerAction),
      Math.ceil(outputBytes / outputBytesPerAction),
    ),
  )

/** How the payer's outputs are spent, as far as sizes go. */
export type PayerSpend = { kind: 'p2pkh' } | { kind: 'p2sh'; required: number; redeemScriptBytes: number }

/** A signature as it is pushed: DER with low s has at most 71 bytes, the hash type one, the push one. */
const signaturePushBytes = 1 + 71 + 1
const compressedKeyPushBytes = 1 + 33

/** Bytes of an input with the longest signatures there can be, so that no signature makes the fee fall short. */
export const signedInputBytes = (spend: PayerSpend): number => {
  const scriptBytes =
    spend.kind === 'p2pkh'
      ? signaturePushBytes + compressedKeyPushBytes
      : // The empty push is for the value too many that OP_CHECKMULTISIG takes.
        1 + spend.required * signaturePushBytes + pushBytes(spend.redeemScriptBytes)
  return 36 + compactSizeBytes(scriptBytes) + scriptBytes + 4
}

/** Bytes of an output without ZEN's replay protection: payouts cost the same on both chains. */
export const templateOutputBytes = (to: OutputTemplate): number => {
  const scriptBytes = templateBytes(to)
  return 8 + compactSizeBytes(scriptBytes) + scriptBytes
}

/** What a transaction of so many inputs of the payer and these outputs costs (R-PAY-3). */
export const payoutFee = (spend: PayerSpend, inputs: number, outputs: readonly OutputTemplate[]): bigint =>
  conventionalFee(
    inputs * signedInputBytes(spend),
    outputs.reduce((sum, to) => sum + templateOutputBytes(to), 0),
  )

const templateBytes = (to: OutputTemplate): number => {
  if (to.kind === 'p2pkh') return 25
  if (to.kind === 'p2sh') return 23
  if (to.kind === 'nulldata') return 1 + pushBytes(to.data.length)
  throw new RangeError('no transaction of ours pays to a script without a template')
}

const pushBytes = (length: number): number => length + (length < 0x4c ? 1 : length <= 0xff ? 2 : 3)

const compactSizeBytes = (value: number): number => (value < 0xfd ? 1 : 3)
