import { type Rejection, alreadyInChain, missingInputs, nonstandard, rejectionText } from '../rejection.ts'
import type { RpcDialect } from './dialect.ts'

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

/** A parameter that is not of the JSON type that a method takes. */
export class WrongParam extends NodeRpcError {
  constructor(code: 'misc' | 'type', message: string) {
    super(rpcCode[code], message)
    this.name = 'WrongParam'
  }
}

export const fail = (code: keyof typeof rpcCode, message: string): never => {
  throw new NodeRpcError(rpcCode[code], message)
}

/** How sendrawtransaction reports a refusal. */
export const rejectionError = (rejection: Rejection, dialect: RpcDialect): NodeRpcError =>
  dialect === 'zebrad' ? zebradRejection(rejection) : zcashdRejection(rejection)

/** rpc/rawtransaction.cpp of zcashd and zend. */
const zcashdRejection = (rejection: Rejection): NodeRpcError => {
  if (rejection === missingInputs) return new NodeRpcError(rpcCode.verify, 'Missing inputs')
  if (rejection === alreadyInChain) {
    return new NodeRpcError(rpcCode.alreadyInChain, 'transaction already in block chain')
  }
  return new NodeRpcError(rpcCode.rejected, rejectionText(rejection))
}

/** Words of zebrad 7's verifier (zebra-consensus error.rs), by the reason that zcashd gives. */
const zebradWords: Readonly<Record<string, string>> = {
  'bad-tx-consensus-branch-id-mismatch': 'transaction uses an incorrect consensus branch id',
  'bad-txns-in-belowout': 'could not calculate the transaction fee',
  'bad-txns-premature-spend-of-coinbase':
    'could not contextually validate transaction on best chain: immature transparent coinbase spend: spends are invalid before the block 100 after it',
  [missingInputs.reason]: 'could not find transparent input UTXO in the best chain or mempool',
}

const nonstandardCode = nonstandard('').code

/** zebrad has one code for refusals by its verifier, and another for what its memory pool knows already. */
const zebradRejection = (rejection: Rejection): NodeRpcError => {
  const { reason } = rejection
  if (rejection === alreadyInChain) {
    return new NodeRpcError(
      rpcCode.misc,
      'any transaction with the same effects will be rejected from the mempool until a chain reset: transaction was committed to the best chain',
    )
  }
  if (reason === 'txn-already-in-mempool') {
    return new NodeRpcError(rpcCode.misc, 'transaction already exists in mempool')
  }
  if (reason === 'txn-mempool-conflict') {
    return new NodeRpcError(
      rpcCode.verify,
      'any transaction with the same effects will be rejected from the mempool until the next chain tip block: transaction rejected because another transaction in the mempool has already spent some of its inputs',
    )
  }
  if (rejection.code === nonstandardCode)
    return new NodeRpcError(rpcCode.verify, 'transaction is non-standard')
  return new NodeRpcError(
    rpcCode.verify,
    `failed to validate tx: WtxId("private"), error: transaction did not pass consensus validation: ${verifierWords(reason)}`,
  )
}

const verifierWords = (reason: string): string => {
  if (reason.startsWith('tx-unpaid-action-limit-exceeded')) {
    return 'failed to verify ZIP-317 transaction rules, transaction was not inserted to mempool: Unpaid actions is higher than the limit'
  }
  if (reason.includes('script-verify-flag')) {
    return 'could not verify a transparent script: script verification failed'
  }
  return zebradWords[reason] ?? reason
}
