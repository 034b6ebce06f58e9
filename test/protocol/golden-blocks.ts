import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, type ChainName, coin, Genesis, networkIdOf, utf8ToBytes } from '../../protocol/index.ts'
import { parseTransaction, serializeTransaction } from '../../src/chain/formats/transaction.ts'
import type { Transaction } from '../../src/chain/formats/types.ts'
import {
  deriveSaplingKeys,
  deriveSproutKeys,
  encodeSaplingAddress,
  encodeSaplingViewingKey,
  encodeSproutAddress,
  encodeSproutViewingKey,
  encodeUnifiedAddress,
  encodeUnifiedViewingKey,
  memoFromText,
  memosOf,
  memoText,
  parseViewingKey,
} from '../../src/chain/notes/index.ts'
import { deriveOrchardKeys } from '../../src/chain/notes/orchard-keys.ts'
import { parseBlock } from '../../src/chain/formats/block.ts'
import { assembleBlock } from '../../src/devnet/chain/block-assembly.ts'
import { newTransaction, transactionVersionAt } from '../../src/devnet/chain/new-transaction.ts'
import { type ChainParameters, resolveParameters } from '../../src/devnet/chain/parameters.ts'
import { outputTo } from '../../src/devnet/chain/payment.ts'
import { createShieldedParts, type ShieldedPayment } from '../../src/devnet/chain/shielded-outputs.ts'
import { parseShieldedRecipient } from '../../src/devnet/chain/shielded-recipient.ts'
import { createOwner, secretOf } from './golden-owner.ts'

const hex = bytesToHex

export type VectorPool = 'sprout' | 'sapling' | 'orchard' | 'ironwood'

const activationHeight = 200
const startTime = Date.UTC(2026, 10, 18, 12) / 1_000

/** Bytes that follow from the label, however they are asked for. */
const bytesFrom = (label: string): ((length: number) => Uint8Array) => {
  let count = 0
  return (length) => {
    const chunks = Array.from({ length: Math.ceil(length / 32) }, () =>
      sha256(utf8ToBytes(`${label} ${count++}`)),
    )
    return new Uint8Array(Buffer.concat(chunks)).slice(0, length)
  }
}

interface PoolFacts {
  chain: ChainName
  /** What the chain has at the height of the block: Orchard gives way to Ironwood in NU6.3. */
  newest: 'NU6.2' | 'NU6.3'
  address: string
  viewingKey: string
}

const seed = secretOf('announcements')
const orchard = deriveOrchardKeys(seed)
const unified = {
  address: encodeUnifiedAddress({ orchard: orchard.defaultAddress }, 'regtest'),
  viewingKey: encodeUnifiedViewingKey({ orchard }, 'regtest'),
}

const factsOf: Readonly<Record<VectorPool, PoolFacts>> = {
  sprout: {
    chain: 'zen-regtest',
    newest: 'NU6.3',
    address: encodeSproutAddress(deriveSproutKeys(seed).address, 'regtest'),
    viewingKey: encodeSproutViewingKey(deriveSproutKeys(seed).viewingKey, 'regtest'),
  },
  sapling: {
    chain: 'zcash-regtest',
    newest: 'NU6.3',
    address: encodeSaplingAddress(deriveSaplingKeys(seed).defaultAddress, 'regtest'),
    viewingKey: encodeSaplingViewingKey(deriveSaplingKeys(seed).ivk, 'regtest'),
  },
  orchard: { chain: 'zcash-regtest', newest: 'NU6.2', ...unified },
  ironwood: { chain: 'zcash-regtest', newest: 'NU6.3', ...unified },
}

/**
 * R-CHAIN-1, R-CHAIN-4, R-REG-1: a raw block for each pool, of a network of its own, whose second transaction announces
 * a seat. The first of its notes is a greeting, and the third transaction shows an announcement but no stake. Proofs
 * and signatures are filler: neither is read here.
 */
export const blocksVector = () =>
  (['sprout', 'sapling', 'orchard', 'ironwood'] as const).map((pool) => {
    const { chain, newest, address, viewingKey } = factsOf[pool]
    const genesis = Genesis.parse({
      chain,
      activationHeight,
      announceAddress: address,
      viewingKey,
      minStake: 42n * coin,
      minSeniors: 4,
      epochBlocks: 8,
      confirmations: 2,
      announceBlocks: 1_000,
    })
    const parameters = resolveParameters({
      family: chain.startsWith('zen') ? 'zen' : 'zcash',
      startTime,
      upgradeHeights: { [newest]: 1 },
    })
    const owner = createOwner(genesis, { label: pool, at: activationHeight - 1 })
    const other = createOwner(genesis, { label: `${pool} other`, at: activationHeight - 1 })
    const transactions = [
      transactionOf(parameters, address, pool, {
        stake: owner.stake,
        value: genesis.minStake,
        texts: ['secnode greets', owner.memo],
      }),
      transactionOf(parameters, address, `${pool} other`, {
        stake: other.stake,
        value: genesis.minStake - 1n,
        texts: [other.memo],
      }),
    ]
    const bytes = assembleBlock(parameters, {
      previousHash: secretOf(`block ${activationHeight - 1}`),
      height: activationHeight,
      time: startTime,
      minerScript: outputTo('p2pkh', secretOf('miner').slice(0, 20), 0n, null).script,
      entries: transactions.map((transaction) => ({ transaction, fee: 0n })),
      extraNonce: 0,
    })
    const block = parseBlock(bytes, parameters.family)
    const keys = parseViewingKey(viewingKey)
    return {
      pool,
      networkId: networkIdOf(genesis),
      genesis: { ...genesis, minStake: genesis.minStake.toString() },
      height: activationHeight,
      block: hex(bytes),
      hash: hex(block.header.hash),
      previousHash: hex(block.header.previousHash),
      merkleRoot: hex(block.header.merkleRoot),
      time: block.header.time,
      transactions: block.transactions.map((transaction) => ({
        version: transaction.version,
        txid: hex(transaction.txid),
        length: transaction.bytes.length,
        notes: memosOf(transaction, keys).map((note) => ({
          pool: note.pool,
          index: note.index,
          amount: note.amount.toString(),
          memo: memoText(note.memo),
        })),
      })),
      announcement: { transaction: 1, stake: hex(owner.stake), memo: owner.memo },
    }
  })

/** A transaction that spends a made-up coin, shows a stake and has a note for each text; the amounts are 0, 1, …. */
const transactionOf = (
  parameters: ChainParameters,
  address: string,
  label: string,
  { stake, value, texts }: { stake: Uint8Array; value: bigint; texts: readonly string[] },
): Transaction => {
  const recipient = parseShieldedRecipient(address, parameters, activationHeight)!
  const payments = texts.map((text, i): ShieldedPayment => ({
    recipient,
    value: BigInt(i),
    memo: memoFromText(text)!,
  }))
  const { fields } = createShieldedParts(payments, bytesFrom(`secnode vectors notes ${label}`))
  const newest = transactionVersionAt(parameters, activationHeight)
  const version = fields.joinSplits.length > 0 ? -3 : fields.ironwood === null ? newest : 6
  const reference = { hash: secretOf('block 100'), height: 100 }
  return parseTransaction(
    serializeTransaction({
      ...newTransaction(parameters, activationHeight, version),
      ...fields,
      inputs: [
        {
          previousTxid: secretOf(`coin ${label}`),
          previousIndex: 1,
          script: secretOf(`script ${label}`),
          sequence: 0xffffffff,
        },
      ],
      outputs: [outputTo('p2pkh', stake, value, parameters.family === 'zen' ? reference : null)],
    }),
    parameters.family,
  )
}
