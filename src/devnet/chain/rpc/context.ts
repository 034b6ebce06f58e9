import type { EmbeddedChain } from '../chain.ts'
import type { RpcDialect } from './dialect.ts'

/** What the methods work on. The dialect decides the shape of answers where zend and zebrad differ. */
export interface NodeContext {
  chain: EmbeddedChain
  dialect: RpcDialect
}
