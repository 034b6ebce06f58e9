import { SecnodeError } from '../errors.ts'

export type Lie = 'unreadable-block' | 'other-block' | 'wrong-merkle-root' | 'broken-link'

const whatItDid: Readonly<Record<Lie, string>> = {
  'unreadable-block': 'gave bytes that are no block',
  'other-block': 'gave another block than the one asked for',
  'wrong-merkle-root': 'gave a block whose transactions are not those of its header',
  'broken-link': 'gave a block that does not follow the one before it',
}

/** The chain node contradicts itself (R-CHAIN-1): nothing of such an answer is stored. */
export class NodeLiesError extends SecnodeError {
  readonly lie: Lie
  readonly height: number

  constructor(lie: Lie, height: number, cause?: unknown) {
    super('CHAIN_NODE_LIES', `the chain node ${whatItDid[lie]}, at height ${height}`, {
      hint: 'Its database may be damaged, or something between it and this program changes answers; check it with -checkblocks or another node.',
      ...(cause === undefined ? {} : { cause }),
    })
    this.name = 'NodeLiesError'
    this.lie = lie
    this.height = height
  }
}

/** The node follows a chain that has nothing in common with ours. Never a reason to throw our own rows away. */
export const otherChain = (what: string): SecnodeError =>
  new SecnodeError('CHAIN_OTHER_CHAIN', `the chain node serves another chain: ${what}`, {
    hint: 'Check --rpc and --profile; after a change of the chain itself, start with a new --dir.',
  })
