import { z } from 'zod'
import { parseBlock, serializeBlock } from '../../src/chain/formats/block.ts'
import { merkleRoot } from '../../src/chain/formats/merkle.ts'
import { parseTransaction } from '../../src/chain/formats/transaction.ts'
import type { Block } from '../../src/chain/formats/types.ts'
import type { RpcClient } from '../../src/chain-node/rpc/client.ts'
import { generate, submitBlock } from '../../src/chain-node/rpc/methods.ts'
import { Bytes, Hash } from '../../src/chain-node/rpc/values.ts'
import { authDataRoot, authDigest, blockCommitment } from '../../src/devnet/chain/auth-digest.ts'

const TemplateTransaction = z.looseObject({ data: Bytes, hash: Hash, authdigest: Hash })

/** Answer of `getblocktemplate` (BIP 22), as far as a block is made from it. */
const Template = z.looseObject({
  version: z.int(),
  height: z.int(),
  previousblockhash: Hash,
  defaultroots: z.looseObject({
    merkleroot: Hash,
    chainhistoryroot: Hash,
    authdataroot: Hash,
    blockcommitmentshash: Hash,
  }),
  transactions: z.array(TemplateTransaction),
  coinbasetxn: TemplateTransaction,
  bits: z.string().regex(/^[0-9a-f]{8}$/),
  mintime: z.int(),
  curtime: z.int(),
  maxtime: z.int(),
})
export type Template = z.infer<typeof Template>

/** A shielded coinbase is proved for it, which takes seconds; and just after a block it serves none at all. */
export const getTemplate = async (rpc: RpcClient): Promise<Template> =>
  rpc.call('getblocktemplate', [], Template, { attemptMs: 120_000, deadlineMs: 120_000 })

export interface AssembledBlock {
  bytes: Uint8Array
  block: Block
  height: number
  /** What our own code makes of the transactions, and what the node says of them. */
  roots: Record<'merkle' | 'authData' | 'commitment', { ours: Uint8Array; theirs: Uint8Array }>
}

/**
 * The block of a template, with roots computed here. Proof of work is off on Regtest: the solution is zeros. `time` in
 * seconds since 1970; the template's own if not given. From NU5 on: before, a header commits to something else.
 */
export const assembleFromTemplate = (template: Template, time = template.curtime): AssembledBlock => {
  const { defaultroots } = template
  const transactions = [template.coinbasetxn, ...template.transactions].map(({ data }) =>
    parseTransaction(data, 'zcash'),
  )
  const merkle = merkleRoot(transactions.map(({ txid }) => txid)).root
  const authData = authDataRoot(transactions.map(authDigest))
  const commitment = blockCommitment(defaultroots.chainhistoryroot, authData)
  const bytes = serializeBlock({
    family: 'zcash',
    header: {
      version: template.version,
      previousHash: template.previousblockhash,
      merkleRoot: merkle,
      commitment,
      time,
      bits: Number.parseInt(template.bits, 16),
      nonce: new Uint8Array(32),
      solution: new Uint8Array(1_344),
    },
    transactions,
    certificates: [],
  })
  return {
    bytes,
    block: parseBlock(bytes, 'zcash'),
    height: template.height,
    roots: {
      merkle: { ours: merkle, theirs: defaultroots.merkleroot },
      authData: { ours: authData, theirs: defaultroots.authdataroot },
      commitment: { ours: commitment, theirs: defaultroots.blockcommitmentshash },
    },
  }
}

/** Throws what the node says if it does not take the block. */
export const submit = async (rpc: RpcClient, { bytes, height }: AssembledBlock): Promise<void> => {
  const refusal = await submitBlock(rpc, bytes)
  if (refusal !== null) throw new Error(`block ${height}: ${refusal}`)
}

/** Empty blocks by the node's own means; each has coinbase data, and a memo if it is shielded, of random bytes. */
export const mine = async (rpc: RpcClient, count: number): Promise<Uint8Array[]> =>
  generate(rpc, count, { attemptMs: 170_000, deadlineMs: 170_000 })
