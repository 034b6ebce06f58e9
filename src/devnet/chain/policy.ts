import { classifyScript } from '../../chain/formats/script.ts'
import type { Transaction } from '../../chain/formats/types.ts'
import { isAbsurdFee, isDust, logicalActions, relayFee, unpaidActions } from './fees.ts'
import { insufficientFee, invalid, nonstandard, type Rejection } from './rejection.ts'
import { checkReferenceAges } from './replay-protection.ts'
import type { RuleContext } from './rule-context.ts'

/** zcashd TX_EXPIRING_SOON_THRESHOLD: blocks that a transaction must still have to live when it comes in. */
const expiringSoonBlocks = 3

/** What nodes do not relay although a block may hold it: odd scripts, dust, low fees, what expires soon. */
export const checkPolicy = (
  transaction: Transaction,
  fee: bigint,
  context: RuleContext,
  allowHighFees: boolean,
): Rejection | null =>
  checkStandard(transaction, context) ?? checkFee(transaction, fee, context, allowHighFees)

const checkStandard = (transaction: Transaction, context: RuleContext): Rejection | null => {
  const { expiryHeight, outputs } = transaction
  const { family } = context.parameters
  if (expiryHeight !== 0 && context.height + expiringSoonBlocks > expiryHeight)
    return invalid('tx-expiring-soon')
  const kinds = outputs.map(({ script }) => classifyScript(script, family).kind)
  if (kinds.includes('other')) return nonstandard('scriptpubkey')
  const tooMuchData = outputs.some(
    ({ script }, index) => kinds[index] === 'nulldata' && script.length > maxDataScriptBytes[family],
  )
  if (tooMuchData) return nonstandard('scriptpubkey')
  if (kinds.filter((kind) => kind === 'nulldata').length > 1) return nonstandard('multi-op-return')
  if (outputs.some(isDust)) return nonstandard('dust')
  return family === 'zen' ? checkReferenceAges(outputs, context) : null
}

/** MAX_OP_RETURN_RELAY: opcode, push and 80 bytes; in ZEN with the reference to a block behind it. */
const maxDataScriptBytes = { zcash: 83, zen: 83 + 39 } as const

const checkFee = (
  transaction: Transaction,
  fee: bigint,
  { parameters: { family } }: RuleContext,
  allowHighFees: boolean,
): Rejection | null => {
  if (!allowHighFees && isAbsurdFee(family, transaction, fee))
    return { code: 0x100, reason: 'absurdly-high-fee' }
  if (family === 'zen') {
    return fee < relayFee(transaction.bytes.length) ? insufficientFee('insufficient fee') : null
  }
  const unpaid = unpaidActions(logicalActions(transaction), fee)
  return unpaid === 0
    ? null
    : insufficientFee(`tx-unpaid-action-limit-exceeded: ${unpaid} action(s) exceeds limit of 0`)
}
