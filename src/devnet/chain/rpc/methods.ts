import type { ChainFamily } from '../../../chain/formats/types.ts'
import { realWorld, type World } from '../../../world.ts'
import type { EmbeddedChain } from '../chain.ts'
import type { RpcDialect } from './dialect.ts'
import { addressMethods } from './addresses.ts'
import { blockchainMethods } from './blockchain.ts'
import { type RpcMethods, zcashds } from './dispatch.ts'
import { mempoolMethods } from './mempool.ts'
import { messageMethods } from './messages.ts'
import { miningMethods } from './mining.ts'
import { networkMethods } from './network.ts'
import { createOperations } from './operations.ts'
import { shieldedWalletMethods } from './shielded-wallet.ts'
import { rawTransactionMethods, transactionMethods } from './transactions.ts'
import { walletMethods } from './wallet.ts'

export interface RpcMethodsOptions {
  /** Whose answers and errors; that of the chain's family unless given. */
  dialect?: RpcDialect
  world?: Pick<World, 'now' | 'monotonicMs' | 'randomBytes'>
}

/** zend speaks for ZEN and zebrad for Zcash; the wallet's methods, which zebrad lacks, are zcashd's there. */
export const dialectOf = (family: ChainFamily): RpcDialect => (family === 'zen' ? 'zend' : 'zebrad')

/** Every method of the embedded chain's node. */
export const createRpcMethods = (chain: EmbeddedChain, options: RpcMethodsOptions = {}): RpcMethods => {
  const context = { chain, dialect: options.dialect ?? dialectOf(chain.parameters.family) }
  return {
    ...blockchainMethods(context),
    ...transactionMethods(context),
    ...addressMethods(context),
    ...mempoolMethods(context),
    ...networkMethods(context),
    ...miningMethods(context),
    ...zcashds({
      ...rawTransactionMethods(context),
      ...walletMethods(context),
      ...shieldedWalletMethods(context, createOperations(options.world ?? realWorld())),
      ...messageMethods(context),
    }),
  }
}
