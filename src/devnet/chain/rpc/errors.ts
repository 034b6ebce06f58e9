import { type Rejection, alreadyInChain, missingInputs, rejectionText } from '../rejection.ts'

/** Codes of the family's rpc/protocol.h, and of JSON-RPC 2.0. */
export const rpcCode = {
  parseError: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  misc: -1,
  type: -3,
  wallet: -4,
  addressOrKey: -5,
  insufficientFunds: -6,
  parameter: -8,
  deserialization: -22,
  verify: -25,
  rejected: -26,
  alreadyInChain: -27,
  warmingUp: -28,
} as const

/** What a call answers instead of a result. */
export class NodeRpcError extends Error {
  readonly code: number

  constructor(code: number, message: string) {
    super(message)
    this.name = 'NodeRpcError'
    this.code = code
  }
}

export const fail = (code: keyof typeof rpcCode, message: string): never => {
  throw new NodeRpcError(rpcCode[code], message)
}

/** How sendrawtransaction reports a refusal (rpc/rawtransaction.cpp of zcashd and zend). */
export const rejectionError = (rejection: Rejection): NodeRpcError => {
  if (rejection === missingInputs) return new NodeRpcError(rpcCode.verify, 'Missing inputs')
  if (rejection === alreadyInChain) {
    return new NodeRpcError(rpcCode.alreadyInChain, 'transaction already in block chain')
  }
  return new NodeRpcError(rpcCode.rejected, rejectionText(rejection))
}
