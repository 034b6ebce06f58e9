import { equalBytes } from '../../../protocol/index.ts'
import type { Transaction } from '../../chain/formats/types.ts'
import type { Coin } from './coin.ts'
import { type CoinView, nullifierKeys, outpointKey, shieldedDeltas } from './coins.ts'
import { isJoinSplitSignatureGood } from './joinsplit-signature.ts'
import {
  branchIdAt,
  type ChainParameters,
  isUpgradeActive,
  maxMoney,
  maxTransactionBytes,
} from './parameters.ts'
import { invalid, missingInputs, obsolete, type Rejection } from './rejection.ts'
import { checkReplayReferences } from './replay-protection.ts'
import type { RuleContext } from './rule-context.ts'
import { checkInputScripts } from './script-check.ts'

/**
 * The rules of zcashd and zend for one transaction, with their reject reasons. What stands on a zero-knowledge
 * proof is not checked, because the embedded chain neither makes nor verifies proofs: so that no money can be made
 * of nothing all the same, nothing may leave a shielded pool (`checkShielded`).
 */

/** What needs no coins: form, version, amounts, lock time, expiry. Null if it may stand in a block at `context.height`. */
export const checkTransaction = (transaction: Transaction, context: RuleContext): Rejection | null =>
  checkForm(transaction, context.parameters) ??
  checkVersion(transaction, context) ??
  checkAmounts(transaction) ??
  checkShielded(transaction, context) ??
  checkFinality(transaction, context) ??
  checkReplay(transaction, context) ??
  checkJoinSplits(transaction, context)

export type SpendVerdict =
  { is: 'accept'; fee: bigint; spent: Coin[] } | { is: 'reject'; rejection: Rejection }

/** What needs coins: each input is there once, mature and signed for, and no more goes out than comes in. */
export const checkSpends = (transaction: Transaction, view: CoinView, context: RuleContext): SpendVerdict => {
  const reject = (rejection: Rejection): SpendVerdict => ({ is: 'reject', rejection })
  const spent: Coin[] = []
  for (const input of transaction.inputs) {
    const coin = view.coin(outpointKey(input.previousTxid, input.previousIndex))
    if (coin === undefined) return reject(missingInputs)
    spent.push(coin)
  }
  for (const nullifier of nullifierKeys(transaction)) {
    if (view.hasNullifier(nullifier)) return reject(invalid('bad-txns-duplicate-nullifier'))
  }
  const { coinbaseMaturity } = context.parameters
  if (spent.some((coin) => coin.isCoinbase && context.height - coin.height < coinbaseMaturity)) {
    return reject(invalid('bad-txns-premature-spend-of-coinbase'))
  }
  const shielded = Object.values(shieldedDeltas(transaction)).reduce((sum, delta) => sum + delta, 0n)
  const fee = sumOf(spent) - sumOf(transaction.outputs) - shielded
  if (fee < 0n) return reject(invalid('bad-txns-in-belowout'))
  const badScript = checkInputScripts(transaction, spent, context)
  return badScript === null ? { is: 'accept', fee, spent } : reject(badScript)
}

const checkForm = (transaction: Transaction, parameters: ChainParameters): Rejection | null => {
  const { inputs, outputs, joinSplits, saplingSpends, saplingOutputs, orchard, ironwood } = transaction
  const actions = (orchard?.actions.length ?? 0) + (ironwood?.actions.length ?? 0)
  if (inputs.length + joinSplits.length + saplingSpends.length + actions === 0)
    return invalid('bad-txns-vin-empty')
  if (outputs.length + joinSplits.length + saplingOutputs.length + actions === 0) {
    return invalid('bad-txns-vout-empty')
  }
  if (transaction.bytes.length > maxTransactionBytes(parameters.family)) return invalid('bad-txns-oversize')
  const outpoints = inputs.map((input) => outpointKey(input.previousTxid, input.previousIndex))
  if (new Set(outpoints).size < outpoints.length) return invalid('bad-txns-inputs-duplicate')
  if (transaction.isCoinbase) {
    const length = inputs[0]?.script.length ?? 0
    if (length < 2 || length > 100) return invalid('bad-cb-length')
    if (joinSplits.length + saplingSpends.length > 0) return invalid('bad-cb-has-shielded-spend')
  } else if (inputs.some(isNullInput)) return invalid('bad-txns-prevout-null')
  const nullifiers = nullifierKeys(transaction)
  if (new Set(nullifiers).size < nullifiers.length) return invalid('bad-txns-duplicate-nullifier')
  return null
}

const checkVersion = (transaction: Transaction, { parameters, height }: RuleContext): Rejection | null => {
  const { version, versionGroupId, consensusBranchId } = transaction
  if (parameters.family === 'zen') {
    // Transparent 1, and -3 for JoinSplits with Groth16 (zend from height 455,555). Sidechains (-4) are not modelled.
    return version === 1 || version === -3 ? null : invalid('bad-tx-version-unexpected')
  }
  const isActive = (name: Parameters<typeof isUpgradeActive>[1]): boolean =>
    isUpgradeActive(parameters, name, height)
  if (!isActive('Overwinter')) return versionGroupId === null ? null : obsolete('tx-overwinter-not-active')
  if (versionGroupId === null) return obsolete('tx-overwintered-flag-not-set')
  // ZIP 2003: version 4 is gone since NU7.
  const lowest = isActive('NU7') ? 5 : isActive('Sapling') ? 4 : 3
  const highest = isActive('NU6.3') ? 6 : isActive('NU5') ? 5 : lowest
  if (version < lowest) return obsolete('bad-tx-version-too-low')
  if (version > highest) return obsolete('bad-tx-version-too-high')
  return consensusBranchId === null || consensusBranchId === branchIdAt(parameters, height)
    ? null
    : invalid('bad-tx-consensus-branch-id-mismatch')
}

const checkAmounts = (transaction: Transaction): Rejection | null => {
  const { outputs, joinSplits, saplingValueBalance, orchard, ironwood } = transaction
  let total = 0n
  for (const { value } of outputs) {
    if (value < 0n) return invalid('bad-txns-vout-negative')
    if (value > maxMoney) return invalid('bad-txns-vout-toolarge')
    total += value
  }
  for (const { publicOld, publicNew } of joinSplits) {
    if (publicOld > maxMoney) return invalid('bad-txns-vpub_old-toolarge')
    if (publicNew > maxMoney) return invalid('bad-txns-vpub_new-toolarge')
    if (publicOld > 0n && publicNew > 0n) return invalid('bad-txns-vpubs-both-nonzero')
    total += publicOld
  }
  for (const balance of [saplingValueBalance, orchard?.valueBalance ?? 0n, ironwood?.valueBalance ?? 0n]) {
    if (balance > maxMoney || balance < -maxMoney) return invalid('bad-txns-valuebalance-toolarge')
    if (balance < 0n) total -= balance
  }
  return total > maxMoney ? invalid('bad-txns-txouttotal-toolarge') : null
}

const checkShielded = (transaction: Transaction, context: RuleContext): Rejection | null => {
  const { joinSplits, saplingSpends, saplingOutputs, saplingValueBalance } = transaction
  if (saplingValueBalance !== 0n && saplingSpends.length + saplingOutputs.length === 0) {
    return invalid('bad-txns-valuebalance-nonzero')
  }
  // ZIP 211: since Canopy no money enters Sprout.
  if (isUpgradeActive(context.parameters, 'Canopy', context.height)) {
    if (joinSplits.some(({ publicOld }) => publicOld > 0n)) return invalid('bad-tx-has-vpub_old-nonzero')
  }
  // Our own rule: only a proof could show that the notes spent here exist.
  if (saplingSpends.length > 0 || joinSplits.some(({ publicNew }) => publicNew > 0n)) return unprovable
  if (Object.values(shieldedDeltas(transaction)).some((delta) => delta < 0n)) return unprovable
  return null
}

/** Reason of the embedded chain alone; a real node would look at the proof. */
const unprovable = invalid('bad-txns-shielded-spend-not-provable-here')

/** ZEN: every output but a coinbase's refers to a block of this chain. */
const checkReplay = (transaction: Transaction, context: RuleContext): Rejection | null =>
  context.parameters.family === 'zen' && !transaction.isCoinbase
    ? checkReplayReferences(transaction.outputs, context)
    : null

const checkJoinSplits = (transaction: Transaction, { parameters, height }: RuleContext): Rejection | null =>
  transaction.joinSplits.length === 0 || isJoinSplitSignatureGood(transaction, branchIdAt(parameters, height))
    ? null
    : invalid('bad-txns-invalid-joinsplit-signature')

const finalSequence = 0xffffffff
/** Lock times below are heights, from here on seconds since 1970. */
const lockTimeThreshold = 500_000_000

const checkFinality = (transaction: Transaction, context: RuleContext): Rejection | null => {
  const { lockTime, expiryHeight, inputs } = transaction
  if (transaction.isCoinbase) return null
  if (lockTime !== 0 && inputs.some(({ sequence }) => sequence !== finalSequence)) {
    const limit = lockTime < lockTimeThreshold ? context.height : context.medianTime
    if (lockTime >= limit) return invalid('bad-txns-nonfinal')
  }
  // ZIP 203.
  if (expiryHeight >= lockTimeThreshold) return invalid('bad-tx-expiry-height-too-high')
  if (expiryHeight !== 0 && context.height > expiryHeight) return invalid('tx-overwinter-expired')
  return null
}

const nullTxid = new Uint8Array(32)

const isNullInput = ({ previousTxid, previousIndex }: Transaction['inputs'][number]): boolean =>
  previousIndex === 0xffffffff && equalBytes(previousTxid, nullTxid)

const sumOf = (parts: readonly { value: bigint }[]): bigint =>
  parts.reduce((sum, { value }) => sum + value, 0n)
