import { hexToBytes, reversedHex } from '../../../../protocol/index.ts'
import type { BlockEntry } from '../block-tree.ts'
import type { NodeContext } from './context.ts'
import type { RpcMethods } from './dispatch.ts'
import { fail } from './errors.ts'
import { hexProblem, readHash, readHex, readInteger, readText } from './params.ts'

/** Blocks in one call, 10 s of work; a client's request should not hold the node for minutes. */
const maxGenerate = 20_000

/** Making and judging blocks, as regtest nodes offer it. */
export const miningMethods = ({ chain, dialect }: NodeContext): RpcMethods => {
  /** `zebradWords` of a hash that zebrad does not know. */
  const entryOf = (hash: unknown, zebradWords: (hash: string) => string): BlockEntry => {
    if (dialect === 'zend') {
      return chain.tree.entry(readHash(hash, 'blockhash')) ?? fail('addressOrKey', 'Block not found')
    }
    const text = readText(hash)
    const problem = hexProblem(text, 32)
    if (problem !== null) return fail('parameter', `string was not hex: ${problem}`)
    return chain.tree.entry(hexToBytes(text).reverse()) ?? fail('misc', zebradWords(text))
  }
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
        if (dialect === 'zebrad' && hexProblem(readText(hex), null) !== null)
          return fail('misc', 'Invalid params')
        const verdict = chain.submitBlock(readHex(hex, 'hexdata'))
        if (verdict.is === 'accept') return null
        const { reason } = verdict.rejection
        // All that zebrad says; its log has the reason.
        if (dialect === 'zebrad') return reason === 'duplicate' ? reason : 'rejected'
        return reason === 'bad-blk-encoding' ? fail('deserialization', 'Block decode failed') : reason
      },
    },
    invalidateblock: {
      usage: 'invalidateblock "hash"',
      minParams: 1,
      maxParams: 1,
      run: ([hash]) => {
        const entry = entryOf(hash, (text) => `block hash ${text} not found in any non-finalized chain`)
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
        chain.tree.reconsider(
          entryOf(hash, (text) => `Block with hash ${text} was not previously invalidated`),
        )
        return null
      },
    },
  }
}
