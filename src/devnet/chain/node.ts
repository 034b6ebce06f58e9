import { realWorld, type World } from '../../world.ts'
import type { EmbeddedChain } from './chain.ts'
import { addressMethods } from './rpc/addresses.ts'
import { blockchainMethods } from './rpc/blockchain.ts'
import type { NodeContext } from './rpc/context.ts'
import type { RpcMethods } from './rpc/dispatch.ts'
import { mempoolMethods } from './rpc/mempool.ts'
import { messageMethods } from './rpc/messages.ts'
import { miningMethods } from './rpc/mining.ts'
import { networkMethods } from './rpc/network.ts'
import { createOperations } from './rpc/operations.ts'
import { shieldedWalletMethods } from './rpc/shielded-wallet.ts'
import { transactionMethods } from './rpc/transactions.ts'
import { walletMethods } from './rpc/wallet.ts'
import { createRpcServer, type RpcDialect, type RpcServer, type RpcServerAuth } from './rpc-server.ts'

export interface ChainNodeOptions {
  chain: EmbeddedChain
  /** How answers look; zend for ZEN, else zebrad. The wallet's methods, which zebrad lacks, are zcashd's there. */
  dialect?: RpcDialect
  auth?: RpcServerAuth
  /** Loopback only; 127.0.0.1 unless given. */
  host?: string
  /** 0, unless given: any free port. */
  port?: number
  maxBodyBytes?: number
  world?: Pick<World, 'now' | 'monotonicMs' | 'randomBytes'>
}

/** A node of the embedded chain as a daemon sees it: its JSON-RPC server. Started and stopped by the caller. */
export const createChainNode = (options: ChainNodeOptions): RpcServer => {
  const { chain, auth = { kind: 'none' }, host, port, maxBodyBytes, world = realWorld() } = options
  const dialect = options.dialect ?? (chain.parameters.family === 'zen' ? 'zend' : 'zebrad')
  return createRpcServer({
    methods: nodeMethods({ chain, dialect }, world),
    dialect,
    auth,
    world,
    ...(host === undefined ? {} : { host }),
    ...(port === undefined ? {} : { port }),
    ...(maxBodyBytes === undefined ? {} : { maxBodyBytes }),
  })
}

/** Every method of the node. */
export const nodeMethods = (
  context: NodeContext,
  world: Pick<World, 'now' | 'monotonicMs' | 'randomBytes'>,
): RpcMethods => ({
  ...blockchainMethods(context),
  ...transactionMethods(context),
  ...addressMethods(context),
  ...mempoolMethods(context),
  ...networkMethods(context),
  ...miningMethods(context),
  ...walletMethods(context),
  ...shieldedWalletMethods(context, createOperations(world)),
  ...messageMethods(context),
})
