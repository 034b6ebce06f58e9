import { equalBytes } from '../../../protocol/index.ts'
import { type BlockReference, classifyScript } from '../../chain/formats/script.ts'
import type { TransactionOutput } from '../../chain/formats/types.ts'
import { nonstandard, type Rejection, replayProtectionNeeded } from './rejection.ts'
import type { RuleContext } from './rule-context.ts'

/**
 * OP_CHECKBLOCKATHEIGHT of ZEN (BIP 115; zend script/standard.cpp and interpreter.cpp): each output of a
 * transaction that is no coinbase names a block of its own chain, so that it is worth nothing on another.
 */
export const checkReplayReferences = (
  outputs: readonly TransactionOutput[],
  context: RuleContext,
): Rejection | null => {
  for (const { script } of outputs) {
    const { replayProtection } = classifyScript(script, 'zen')
    if (replayProtection === null || !isReferenceGood(replayProtection, context))
      return replayProtectionNeeded
  }
  return null
}

/** Not relayed: a reference so young that a small reorganisation would make the output worthless. */
export const checkReferenceAges = (
  outputs: readonly TransactionOutput[],
  { height, parameters }: RuleContext,
): Rejection | null => {
  const isTooYoung = outputs.some(({ script }) => {
    const { replayProtection } = classifyScript(script, 'zen')
    return replayProtection !== null && height - replayProtection.height < parameters.replay.minAge
  })
  return isTooYoung ? nonstandard('scriptpubkey checkblockatheight: referenced block too recent') : null
}

/** True if the block is on this chain, or so deep that nobody looks (the opcode's result when a coin is spent). */
export const isReferenceGood = (reference: BlockReference, context: RuleContext): boolean => {
  const tipHeight = context.height - 1
  if (reference.height > tipHeight) return false
  if (reference.height <= tipHeight - context.parameters.replay.safeDepth) return true
  const hash = context.blockHashAt(reference.height)
  return hash !== undefined && equalBytes(hash, reference.hash)
}
