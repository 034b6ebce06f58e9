import { type ErrorCode, SecnodeError } from '../../errors.ts'

export interface RpcErrorOptions {
  method: string
  /** The node's own code and text, when it was the node that refused. */
  rpcCode?: number
  rpcMessage?: string
  /** The same call may well work a little later. */
  isTransient?: boolean
  /** The node may have carried the call out although no answer came. */
  mayHaveRun?: boolean
  hint?: string
  cause?: unknown
}

export type RpcErrorCode = Extract<ErrorCode, `RPC_${string}`>

/**
 * A call to the chain node that failed. Codes: RPC_UNREACHABLE, RPC_TIMEOUT, RPC_AUTH, RPC_COOKIE, RPC_BUSY,
 * RPC_WARMING_UP, RPC_METHOD_UNKNOWN, RPC_REFUSED (the node's own error, in `rpcCode` and `rpcMessage`),
 * RPC_TOO_LARGE, RPC_BAD_ANSWER (not JSON-RPC), RPC_WRONG_SHAPE (a field is not what the method promises),
 * RPC_OUTCOME_UNKNOWN (a call that must not be repeated was sent, but not answered), RPC_QUEUE_FULL, RPC_CLOSED.
 */
export class RpcError extends SecnodeError {
  readonly method: string
  readonly rpcCode: number | undefined
  readonly rpcMessage: string | undefined
  readonly isTransient: boolean
  readonly mayHaveRun: boolean

  constructor(code: RpcErrorCode, message: string, options: RpcErrorOptions) {
    const { hint, cause } = options
    super(code, message, {
      ...(hint === undefined ? {} : { hint }),
      ...(cause === undefined ? {} : { cause }),
    })
    this.name = 'RpcError'
    this.method = options.method
    this.rpcCode = options.rpcCode
    this.rpcMessage = options.rpcMessage
    this.isTransient = options.isTransient ?? false
    this.mayHaveRun = options.mayHaveRun ?? false
  }
}

export const isRpcError = (error: unknown, code?: string): error is RpcError =>
  error instanceof RpcError && (code === undefined || error.code === code)

/** Codes of the family that callers ask about (zcashd and zend rpc/protocol.h; zebrad uses the same). */
export const rpcCodes = {
  methodNotFound: -32_601,
  warmingUp: -28,
  alreadyInChain: -27,
  verifyRejected: -26,
  verifyError: -25,
  invalidParameter: -8,
  invalidAddressOrKey: -5,
  walletError: -4,
  misc: -1,
} as const
