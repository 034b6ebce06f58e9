import { closeSync, existsSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import { messageOf, SecnodeError } from '../../errors.ts'
import type { EmbeddedChain } from './chain.ts'
import { rejectionText } from './rejection.ts'

/**
 * A file of blocks as zcashd's blk*.dat and -loadblock have it: magic, length (u32 little endian), block, and again.
 * Blocks stand in the order in which the chain took them, side branches included, so that reading it gives the same
 * tree and the same tip. What `invalidate` put aside is back after reading, as the file holds blocks and no opinions.
 */
export interface BlockFile {
  /** Blocks that were read from the file. */
  readonly blocksRead: number
  /** Stops adding new blocks. */
  close(): void
}

/** Message start bytes of the regtest networks (chainparams of zcashd and zend). */
const magics = {
  zcash: Buffer.from('aae83f5f', 'hex'),
  zen: Buffer.from('2f54cc9d', 'hex'),
} as const

const headBytes = 8

/**
 * Feeds the file's blocks to the chain, which judges each, then adds every new block to it. A last block that was cut
 * short by a crash is cut off. Errors: DEVNET_BLOCK_FILE if it is no such file or holds another chain's blocks.
 */
export const openBlockFile = (path: string, chain: EmbeddedChain): BlockFile => {
  const magic = magics[chain.parameters.family]
  const bytes = existsSync(path) ? readFileSync(path) : Buffer.alloc(0)
  let blocksRead = 0
  let end = 0
  while (bytes.length - end >= headBytes) {
    if (!bytes.subarray(end, end + 4).equals(magic)) throw damaged(path, `no block begins at byte ${end}`)
    const length = bytes.readUInt32LE(end + 4)
    const start = end + headBytes
    if (bytes.length - start < length) break
    const verdict = chain.submitBlock(bytes.subarray(start, start + length))
    if (verdict.is === 'reject' && verdict.rejection.reason !== 'duplicate') {
      throw damaged(path, `block ${blocksRead} was refused: ${rejectionText(verdict.rejection)}`)
    }
    blocksRead++
    end = start + length
  }
  chain.wallet.keys.catchUp((owner) => chain.tree.coins.addresses.events(owner).length > 0)

  let file: number
  try {
    file = openSync(path, existsSync(path) ? 'r+' : 'w+')
  } catch (error) {
    throw new SecnodeError('DEVNET_BLOCK_FILE', `${path} cannot be written: ${messageOf(error)}`, {
      cause: error,
    })
  }
  ftruncateSync(file, end)
  const append = (block: Uint8Array): void => {
    const head = Buffer.alloc(headBytes)
    magic.copy(head)
    head.writeUInt32LE(block.length, 4)
    end += writeSync(file, Buffer.concat([head, block]), 0, headBytes + block.length, end)
  }
  const onBlock = ({ bytes: block }: { bytes: Uint8Array }): void => append(block)
  chain.events.on('block', onBlock)
  return {
    blocksRead,
    close: () => {
      chain.events.off('block', onBlock)
      closeSync(file)
    },
  }
}

const damaged = (path: string, what: string): SecnodeError =>
  new SecnodeError('DEVNET_BLOCK_FILE', `${path}: ${what}`, {
    hint: 'It was written by a chain with other parameters, or is damaged; use another directory.',
  })
