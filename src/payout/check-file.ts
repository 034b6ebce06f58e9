import {
  bytesToHex,
  type DigestedTally,
  dustLimit,
  epochStart,
  equalBytes,
  type Height,
  markerDigest,
  markerOf,
  maxPayoutInputs,
  type OutpointKey,
  outpointKey,
  paramsHash,
  paramsOfWeek,
  payoutFee,
  plannedOutputs,
  type PayoutOutput,
  type PayoutPlan,
  type PlanResult,
  planPayout,
  type TallyDocument,
  unknownRulesetOf,
} from '../../protocol/index.ts'
import { classifyScript } from '../chain/formats/script.ts'
import { serializeTransaction } from '../chain/formats/transaction.ts'
import type { TransactionOutput } from '../chain/formats/types.ts'
import type { Network } from '../chain/profiles.ts'
import { SecnodeError } from '../errors.ts'
import { rulesetUnknown } from '../week/gather.ts'
import { coinKey } from './coins.ts'
import { isPayer, type PayerAccount } from './payer.ts'
import type { PayoutFile } from './payout-file.ts'
import {
  type Outpoint,
  payoutTransactionOf,
  txidOf,
  unsignedTransaction,
  withoutScripts,
} from './transactions.ts'

/** The plan of a week for a payer. Errors: PAYOUT_VOIDED, RULESET_UNKNOWN, PAYOUT_NOT_ANCHORED, PAYOUT_NOT_DEEP (exit code 3), PAYOUT_TALLY. */
export const planOf = (
  network: Network,
  tally: DigestedTally,
  { payer }: Pick<PayerAccount, 'payer'>,
  tipHeight: Height | null,
): PayoutPlan => {
  const { document } = tally
  if (document.network !== network.networkId) {
    throw new SecnodeError('PAYOUT_OTHER_NETWORK', `the tally is of network ${document.network}`, {
      hint: `The profile ${network.name} is network ${network.networkId}.`,
      exitCode: 2,
    })
  }
  const { genesis, schedule, voided } = network.profile
  const params = paramsOfWeek(schedule, document.week)
  if (document.checkpoint !== null && voided.some(({ checkpoint }) => checkpoint === document.checkpoint)) {
    throw new SecnodeError(
      'PAYOUT_VOIDED',
      `the tally of week ${document.week} goes by checkpoint ${document.checkpoint}, which the profile ${network.name} voids`,
      { hint: 'Wait for the anchor that fixes the week anew, and make the tally again (docs/incidents.md).' },
    )
  }
  const ruleset = unknownRulesetOf(schedule, document.week)
  if (ruleset !== null) throw rulesetUnknown(document.week, ruleset)
  if (document.params !== bytesToHex(paramsHash(params))) {
    throw planError({
      is: 'bad',
      fault: 'unsound',
      what: `its parameters are not those of the profile ${network.name} for ${document.week}`,
    })
  }
  if (document.ruleset !== params.ruleset) {
    const what = `it goes by ruleset ${document.ruleset}, week ${document.week} by ruleset ${params.ruleset}`
    throw planError({ is: 'bad', fault: 'unsound', what })
  }
  const result = planPayout({ tally, chain: genesis.chain, params, payer, tipHeight })
  if (result.is === 'ok') return result.plan
  throw planError(result)
}

const planError = ({ fault, what }: Extract<PlanResult, { is: 'bad' }>): SecnodeError => {
  if (fault === 'not-anchored') {
    return new SecnodeError('PAYOUT_NOT_ANCHORED', what, {
      hint: 'Wait for the anchor, and make the tally anew with `secnode tally --week <week> --json`.',
      exitCode: 3,
    })
  }
  if (fault === 'not-deep') {
    return new SecnodeError('PAYOUT_NOT_DEEP', what, { hint: 'Wait for these blocks.', exitCode: 3 })
  }
  return new SecnodeError('PAYOUT_TALLY', `the tally cannot be paid: ${what}`, {
    hint: 'Make it anew with `secnode tally --week <week> --json`.',
  })
}

/** F of a week (R-CP-1), which its payout refers to on ZEN. */
export const freezeHeightOf = (network: Network, document: TallyDocument): Height => {
  const last = document.epochs.at(-1)
  if (last === undefined) throw planError({ is: 'bad', fault: 'unsound', what: 'it has no epoch' })
  return epochStart(network.profile.genesis, last.epoch + 2)
}

/** What a checked file spends that it does not make itself. */
export interface FileInputs {
  /** Input 0 of its first transaction; null if it only joins coins. */
  thread: Outpoint | null
  /** All others. */
  coins: readonly (Outpoint & { output: TransactionOutput })[]
}

/**
 * Compares every byte of a payout file but its signatures with what follows from one's own tally (R-PAY-3). Whether
 * its thread input is the thread's, and whether its coins are what it says, is the chain's to tell. Errors:
 * PAYOUT_MISMATCH, and those of `planOf`.
 */
export const checkPayoutFile = (
  file: PayoutFile,
  network: Network,
  tally: DigestedTally,
  tipHeight: Height | null,
): FileInputs & { plan: PayoutPlan } => {
  const { payout, account, drafts, format } = file
  const { document, digest } = tally
  if (payout === null) throw mismatch('it pays no week')
  if (payout.week !== document.week)
    throw mismatch(`it pays week ${payout.week}, the tally is of ${document.week}`)
  if (payout.digest !== digest)
    throw mismatch(`it pays a tally with the digest ${payout.digest}, yours is ${digest}`)
  const plan = planOf(network, tally, account, tipHeight)
  const { anchor } = plan
  if (payout.anchor.height !== anchor.height || payout.anchor.hash !== anchor.hash) {
    throw mismatch('it names another anchor than the tally')
  }
  if (format.reference !== null && format.reference.height !== freezeHeightOf(network, document)) {
    throw mismatch(
      `its outputs refer to block ${format.reference.height}, not to the one that froze the week`,
    )
  }
  const first = drafts[0] === undefined ? null : markerOf(viewOf(drafts[0].fields))
  const planned = first === null ? [] : plan.transactions.slice(first.part - 1)
  if (planned.length === 0 || planned.length !== drafts.length) {
    throw mismatch(`it has ${drafts.length} transactions; the plan has ${plan.transactions.length}`)
  }
  for (const [i, { fields, spent }] of drafts.entries()) {
    const part = planned[i]!
    const rest = fields.outputs[part.payees.length + 2]
    const change = rest?.value ?? 0n
    const name = `part ${part.marker.part}`
    if (rest !== undefined && change < dustLimit) throw mismatch(`the change of ${name} is dust`)
    const outputs = plannedOutputs(part, account.payer, change)
    if (!areBytesOf(file, i, outputs)) throw mismatch(`${name} is not the transaction that the plan makes`)
    const fee = totalOf(spent) - totalOf(fields.outputs)
    const exact = feeOf(account, fields.inputs.length, outputs)
    const withChange = feeOf(account, fields.inputs.length, plannedOutputs(part, account.payer, 1n))
    const isFeeRight = change > 0n ? fee === exact : fee >= exact && fee < withChange + dustLimit
    if (!isFeeRight) throw mismatch(`the fee of ${name} is ${fee} base units instead of ${exact}`)
  }
  return { plan, ...inputsOf(file, true, mismatch) }
}

/** Transactions in a file that joins coins: 5,000 coins become 100. More are joined by another. */
export const maxJoins = 100

/** A file that joins coins: all it pays goes back to the payer. Errors: PAYOUT_MISMATCH. */
export const checkConsolidation = (file: PayoutFile): FileInputs => {
  const { account, drafts } = file
  if (file.payout !== null) throw notJoining('it is a payout')
  if (drafts.length > maxJoins)
    throw notJoining(`it has ${drafts.length} transactions of at most ${maxJoins}`)
  for (const [i, { fields, spent }] of drafts.entries()) {
    const name = `transaction ${i + 1}`
    const value = fields.outputs[0]?.value ?? 0n
    const outputs = [{ value, to: account.payer }]
    if (!areBytesOf(file, i, outputs)) throw notJoining(`${name} does not pay the payer alone`)
    if (totalOf(spent) - value !== feeOf(account, fields.inputs.length, outputs)) {
      throw notJoining(`the fee of ${name} is not that of ZIP 317`)
    }
  }
  return inputsOf(file, false, notJoining)
}

/**
 * Compares what a payout file says of itself with its transactions, which alone are signed: week, digest, payer, branch
 * or block of reference. Whether they pay what is due only a tally can tell. Errors: PAYOUT_ENVELOPE.
 */
export const checkEnvelope = (file: PayoutFile, payout: NonNullable<PayoutFile['payout']>): void => {
  const { drafts } = file
  const markers = drafts.map(({ fields }) => markerOf(viewOf(fields)))
  for (const [i, { fields }] of drafts.entries()) {
    const name = `transaction ${i + 1}`
    const marker = markers[i]!
    if (marker === null) throw contradiction(`${name} has no payout marker`)
    if (marker.week !== payout.week) {
      throw contradiction(`it says that it pays ${payout.week}, but ${name} pays ${marker.week}`)
    }
    if (marker.digest !== markerDigest(payout.digest)) {
      throw contradiction(`${name} pays a tally with another digest than the file says`)
    }
    if (marker.part !== markers[0]!.part + i || marker.parts !== markers[0]!.parts) {
      throw contradiction(`${name} is part ${marker.part} of ${marker.parts}, which is out of order`)
    }
    const { outputs } = viewOf(fields)
    const isForeign = outputs.some(
      ({ to }, index) => to.kind === 'other' || (to.kind === 'nulldata' && index !== 1),
    )
    if (isForeign || !areBytesOf(file, i, outputs)) {
      throw contradiction(`${name} is not written in the format that the file says`)
    }
  }
  inputsOf(file, true, contradiction)
}

const feeOf = ({ spend }: PayerAccount, inputs: number, outputs: readonly PayoutOutput[]): bigint =>
  payoutFee(
    spend,
    inputs,
    outputs.map(({ to }) => to),
  )

/** Version, branch, lock time, expiry, sequences, outputs: all that signatures cover but the inputs' outpoints. */
const areBytesOf = ({ drafts, format }: PayoutFile, i: number, outputs: readonly PayoutOutput[]): boolean => {
  const { fields } = drafts[i]!
  const inputs = fields.inputs.map(({ previousTxid, previousIndex }) => ({
    txid: previousTxid,
    index: previousIndex,
  }))
  const expected = serializeTransaction(unsignedTransaction(format, inputs, outputs))
  return equalBytes(serializeTransaction(withoutScripts(fields)), expected)
}

const inputsOf = (
  { account, drafts }: PayoutFile,
  hasThread: boolean,
  fault: (what: string) => SecnodeError,
): FileInputs => {
  const made = new Map<OutpointKey, TransactionOutput>()
  const seen = new Set<OutpointKey>()
  const coins: (Outpoint & { output: TransactionOutput })[] = []
  let thread: Outpoint | null = null
  let previousTxid: Uint8Array | null = null
  for (const [i, { fields, spent }] of drafts.entries()) {
    const name = `transaction ${i + 1}`
    if (fields.inputs.length > maxPayoutInputs) throw fault(`${name} has ${fields.inputs.length} inputs`)
    for (const [index, input] of fields.inputs.entries()) {
      const output = spent[index]!
      const outpoint = { txid: input.previousTxid, index: input.previousIndex }
      const key = coinKey(outpoint)
      if (seen.has(key)) throw fault(`${name} spends an output twice`)
      seen.add(key)
      if (!isPayer(classifyScript(output.script, fields.family), account.payer)) {
        throw fault(`input ${index} of ${name} is not the payer's`)
      }
      const own = made.get(key)
      if (own !== undefined && (own.value !== output.value || !equalBytes(own.script, output.script))) {
        throw fault(`input ${index} of ${name} is not worth what it says`)
      }
      const isThread = hasThread && index === 0
      if (isThread && previousTxid !== null && key !== outpointKey(previousTxid, 0)) {
        throw fault(`${name} does not continue the thread of the one before it`)
      }
      if (isThread && i === 0) thread = outpoint
      else if (own === undefined) coins.push({ ...outpoint, output })
    }
    previousTxid = txidOf(fields)
    for (const [index, output] of fields.outputs.entries()) made.set(outpointKey(previousTxid, index), output)
  }
  return { thread, coins }
}

const viewOf = (fields: PayoutFile['drafts'][number]['fields']) =>
  payoutTransactionOf({ ...fields, txid: txidOf(fields) })

const totalOf = (outputs: readonly { value: bigint }[]): bigint =>
  outputs.reduce((sum, { value }) => sum + value, 0n)

const mismatch = (what: string): SecnodeError =>
  new SecnodeError('PAYOUT_MISMATCH', `this payout file is not what your tally says: ${what}`, {
    hint: 'Do not sign it. Compare `secnode tally` with whoever built it, then build anew.',
  })

const notJoining = (what: string): SecnodeError =>
  new SecnodeError('PAYOUT_MISMATCH', `this file does more than join coins of the payer: ${what}`, {
    hint: 'Do not sign it. Make one with `secnode payout consolidate`.',
  })

const contradiction = (what: string): SecnodeError =>
  new SecnodeError('PAYOUT_ENVELOPE', `this payout file contradicts itself: ${what}`, {
    hint: 'It was changed after it was built: get it again from a coordinator who signed it.',
    exitCode: 2,
  })
