import type { Transaction, TransactionFields, TransactionOutput } from '../../chain/formats/types.ts'
import type { ChainFamily } from '../../chain/formats/types.ts'

/** ZIP 317: base units per logical action, actions that are free of counting, sizes that make one action. */
const marginalFee = 5000n
/** What zebrad asks for since 7.0, on every network (zebra-chain MARGINAL_FEE; its `getstandardfee`). */
const relayedMarginalFee = 1000n
const graceActions = 2
const inputBytesPerAction = 150
const outputBytesPerAction = 34

/** minRelayTxFee of zcashd and zend: base units per 1,000 bytes. */
export const relayFeePerKilobyte = 100

/** zcashd maxTxFee: 0.1 coin. */
const maxFeeZcash = 10_000_000n
/** zend refuses a fee of more than this many times the least. */
const maxFeeFactorZen = 10_000n

/** The number of logical actions of ZIP 317. */
export const logicalActions = (
  fields: Pick<
    TransactionFields,
    'inputs' | 'outputs' | 'joinSplits' | 'saplingSpends' | 'saplingOutputs' | 'orchard' | 'ironwood'
  >,
): number => {
  const inputBytes = fields.inputs.reduce((sum, { script }) => sum + inputSize(script.length), 0)
  const outputBytes = fields.outputs.reduce((sum, output) => sum + outputSize(output), 0)
  return (
    Math.max(Math.ceil(inputBytes / inputBytesPerAction), Math.ceil(outputBytes / outputBytesPerAction)) +
    2 * fields.joinSplits.length +
    Math.max(fields.saplingSpends.length, fields.saplingOutputs.length) +
    (fields.orchard?.actions.length ?? 0) +
    (fields.ironwood?.actions.length ?? 0)
  )
}

export const conventionalFee = (actions: number): bigint =>
  marginalFee * BigInt(Math.max(graceActions, actions))

/** How many of its actions a fee does not pay for; relayed only when 0 (zebrad; zcashd -txunpaidactionlimit). */
export const unpaidActions = (actions: number, fee: bigint): number =>
  Math.max(0, Math.max(graceActions, actions) - Number(fee / relayedMarginalFee))

/** CFeeRate::GetFee. */
export const relayFee = (bytes: number): bigint =>
  BigInt(Math.max(1, Math.floor((relayFeePerKilobyte * bytes) / 1000)))

/** What sendrawtransaction refuses unless `allowhighfees` is given. */
export const isAbsurdFee = (family: ChainFamily, transaction: Transaction, fee: bigint): boolean =>
  fee > (family === 'zcash' ? maxFeeZcash : relayFee(transaction.bytes.length) * maxFeeFactorZen)

/** An output is dust if spending it (148 bytes more) costs over a third of its value; CTxOut::GetDustThreshold. */
export const isDust = (output: TransactionOutput): boolean =>
  output.script[0] !== 0x6a &&
  output.value < 3n * BigInt(Math.floor((relayFeePerKilobyte * (outputSize(output) + 148)) / 1000))

const inputSize = (scriptBytes: number): number => 32 + 4 + compactSizeLength(scriptBytes) + scriptBytes + 4

const outputSize = ({ script }: TransactionOutput): number =>
  8 + compactSizeLength(script.length) + script.length

const compactSizeLength = (value: number): number => (value < 0xfd ? 1 : value <= 0xffff ? 3 : 5)
