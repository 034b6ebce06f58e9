import { reversedHex } from '../../../../protocol/index.ts'
import type { BlockEntry } from '../block-tree.ts'
import type { NodeContext } from './context.ts'
import type { RpcMethods } from './dispatch.ts'
import { fail } from './errors.ts'
import { readHash, readHex, readInteger } from './params.ts'

/** Blocks in one call, 10 s of work; a client's request should not hold the node for minutes. */
const maxGenerate = 20_000

/** Making and judging blocks, as regtest nodes offer it. */
export const miningMethods = ({ chain }: NodeContext): RpcMethods => {
  const entryOf = (hash: unknown): BlockEntry =>
    chain.tree.entry(readHash(hash, 'blockhash')) ?? fail('addressOrKey', 'Block not found')
  return {
    generate: {
      usage: 'generate numblocks',
      minParams: 1,
      maxParams: 1,
      run: ([count]) => {
        const blocks = readInteger(count)
        if (blocks < 0 || blocks > maxGenerate) return fail('parameter', 'Invalid number of blocks')
        return chain.mine(blocks).map(({ hash }) => reversedHex(hash))
      },
    },
    submitblock: {
      usage: 'submitblock "hexdata" ( "jsonparametersobject" )',
      minParams: 1,
      maxParams: 2,
      run: ([hex]) => {
        const verdict = chain.submitBlock(readHex(hex, 'hexdata'))
        if (verdict.is === 'accept') return null
        const { reason } = verdict.rejection
        return reason === 'bad-blk-encoding' ? fail('deserialization', 'Block decode failed') : reason
      },
    },
    invalidateblock: {
      usage: 'invalidateblock "hash"',
      minParams: 1,
      maxParams: 1,
      run: ([hash]) => {
        const entry = entryOf(hash)
        if (entry.height === 0) return fail('parameter', 'The genesis block cannot be invalidated')
        chain.tree.invalidate(entry)
        return null
      },
    },
    reconsiderblock: {
      usage: 'reconsiderblock "hash"',
      minParams: 1,
      maxParams: 1,
      run: ([hash]) => {
        chain.tree.reconsider(entryOf(hash))
        return null
      },
    },
  }
}
