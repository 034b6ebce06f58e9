/**
 * Why a block or transaction was refused. Codes and reasons are those of zcashd and zend
 * (consensus/validation.h: REJECT_*), so that a client sees what a real node would say.
 */
export interface Rejection {
  /** 0x10 invalid, 0x11 obsolete, 0x12 duplicate, 0x40 nonstandard, 0x42 insufficient fee, 0x44 (ZEN) no replay protection. */
  code: number
  /** Stable, e.g. `bad-txns-in-belowout`. */
  reason: string
}

export const invalid = (reason: string): Rejection => ({ code: 0x10, reason })
export const obsolete = (reason: string): Rejection => ({ code: 0x11, reason })
export const duplicate = (reason: string): Rejection => ({ code: 0x12, reason })
export const nonstandard = (reason: string): Rejection => ({ code: 0x40, reason })
export const insufficientFee = (reason: string): Rejection => ({ code: 0x42, reason })

/** zend REJECT_CHECKBLOCKATHEIGHT_NOT_FOUND. */
export const replayProtectionNeeded: Rejection = { code: 0x44, reason: 'op-checkblockatheight-needed' }
/** An input is unknown or spent; nodes answer sendrawtransaction with RPC error -25 instead of -26. */
export const missingInputs: Rejection = invalid('bad-txns-inputs-missingorspent')
/** sendrawtransaction answers -27. */
export const alreadyInChain: Rejection = duplicate('txn-already-known')

/** As the daemons print it: `16: bad-txns-in-belowout`. */
export const rejectionText = ({ code, reason }: Rejection): string => `${code}: ${reason}`
