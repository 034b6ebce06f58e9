import { secp256k1 } from '@noble/curves/secp256k1.js'
import {
  addressOfStake,
  announcementMessage,
  coin,
  formatMemo,
  formatUnsignedMemo,
  type Genesis,
  hash,
  hash160,
  type Height,
  peerIdOfKey,
} from '../../../protocol/index.ts'
import { blsPublicKey, nobleProvePossession } from '../../../protocol/bls.ts'
import { parseBlock, serializeBlock } from '../../../src/chain/formats/block.ts'
import { emptyTransaction } from '../../../src/chain/formats/empty-transaction.ts'
import { merkleRoot } from '../../../src/chain/formats/merkle.ts'
import { p2pkhScript } from '../../../src/chain/formats/script.ts'
import { parseTransaction, serializeTransaction } from '../../../src/chain/formats/transaction.ts'
import type {
  Block,
  Transaction,
  TransactionFields,
  TransactionInput,
  TransactionOutput,
} from '../../../src/chain/formats/types.ts'
import { signMessage } from '../../../src/chain/message.ts'
import { memoFromText } from '../../../src/chain/notes/memo.ts'
import { encryptSproutJoinSplit } from '../../../src/chain/notes/sprout.ts'
import {
  deriveSproutKeys,
  encodeSproutAddress,
  encodeSproutViewingKey,
} from '../../../src/chain/notes/sprout-keys.ts'
import { type Network, networkOf, Profile } from '../../../src/chain/profiles.ts'
import { ed25519FromSeed } from '../../../src/keys/ed25519.ts'

/** 32 bytes that depend on the label alone. */
export const seedOf = (...label: (string | number)[]): Uint8Array => hash('follower test', ...label)

const announceKeys = deriveSproutKeys(seedOf('announcements'))

/** A small ZEN network: its Sprout memos decrypt fast. Epochs of 4 blocks from height 12 on. */
export const testNetwork = (changes: Partial<Genesis> = {}): Network =>
  networkOf(
    Profile.parse({
      name: 'test',
      genesis: {
        chain: 'zen-regtest',
        activationHeight: 12,
        announceAddress: encodeSproutAddress(announceKeys.address, 'regtest'),
        viewingKey: encodeSproutViewingKey(announceKeys.viewingKey, 'regtest'),
        minStake: 42n * coin,
        minSeniors: 4,
        epochBlocks: 4,
        confirmations: 2,
        announceBlocks: 1_000,
        ...changes,
      },
      schedule: [{ from: '2026-W01', params: { fund: { kind: 'fixed', amount: 100n * coin } } }],
      genesisHash: null,
    }),
  )

/** An owner with a stake address, and the node that he announces. */
export interface Owner {
  secretKey: Uint8Array
  stake: Uint8Array
  /** The secret of a voting key; the first one has number 0. */
  votingSecret(key: number): Uint8Array
  /** The text of an announcement of this owner; `generation` gives it another peer key and host. */
  memo(network: Network, at: Height, generation: number, key?: number): string
}

const owners = new Map<number, Owner>()

export const ownerOf = (number: number): Owner => {
  const known = owners.get(number)
  if (known !== undefined) return known
  const secretKey = seedOf('stake', number)
  const stake = hash160(secp256k1.getPublicKey(secretKey, true))
  const votingSecret = (key: number): Uint8Array => {
    const secret = key === 0 ? seedOf('bls', number) : seedOf('bls', number, key)
    // Below the order of the group.
    secret[0]! &= 0x3f
    return secret
  }
  const owner: Owner = {
    secretKey,
    stake,
    votingSecret,
    memo: (network, at, generation, key = 0) => {
      const blsSecret = votingSecret(key)
      const unsigned = formatUnsignedMemo({
        peer: peerIdOfKey(ed25519FromSeed(seedOf('peer', number, generation)).publicKey),
        host: `n${number}-${generation}.devnet.test`,
        p2p: 9_000,
        tls: 9_001,
        at,
        stake: addressOfStake(network.profile.genesis.chain, stake),
        bls: blsPublicKey(blsSecret),
        pop: nobleProvePossession(network.networkId, blsSecret, stake),
      })
      return formatMemo(
        unsigned,
        signMessage(secretKey, announcementMessage(network.networkId, unsigned), true),
      )
    },
  }
  owners.set(number, owner)
  return owner
}

const empty = emptyTransaction('zen', 1)

const built = (fields: TransactionFields): Transaction =>
  parseTransaction(serializeTransaction(fields), fields.family)

let uniqueInputs = 0

/** An input that spends nothing that the tests know. */
const someInput = (): TransactionInput => ({
  previousTxid: seedOf('input', ++uniqueInputs),
  previousIndex: 0,
  script: new Uint8Array(),
  sequence: 0xffff_ffff,
})

export const spendOf = (transaction: Transaction, index: number): TransactionInput => ({
  ...someInput(),
  previousTxid: transaction.txid,
  previousIndex: index,
})

export const pay = (to: Uint8Array, value: bigint): TransactionOutput => ({ value, script: p2pkhScript(to) })

export const transferOf = (
  outputs: readonly TransactionOutput[],
  inputs: readonly TransactionInput[] = [someInput()],
): Transaction => built({ ...empty, inputs, outputs })

/** A transaction whose JoinSplit pays the announcement address with this memo. */
export const memoTransaction = (
  memo: string,
  outputs: readonly TransactionOutput[],
  inputs: readonly TransactionInput[] = [someInput()],
): Transaction => {
  const label = ++uniqueInputs
  let drawn = 0
  const random = (length: number): Uint8Array => {
    const bytes = new Uint8Array(length)
    for (let i = 0; i < length; i += 32)
      bytes.set(seedOf('random', label, drawn++).subarray(0, length - i), i)
    return bytes
  }
  const joinSplitPublicKey = random(32)
  const payment = { address: announceKeys.address, value: 1_000n, memo: memoFromText(memo)! }
  const sealed = encryptSproutJoinSplit([payment, null], [random(32), random(32)], joinSplitPublicKey, random)
  const joinSplit = {
    ...sealed,
    publicOld: 1_000n,
    publicNew: 0n,
    anchor: random(32),
    macs: [random(32), random(32)] as const,
    proof: random(192),
  }
  return built({
    ...empty,
    version: -3,
    inputs,
    outputs,
    joinSplits: [joinSplit],
    joinSplitPublicKey,
    joinSplitSignature: random(64),
  })
}

/** One transaction that announces the owner's node and holds his stake in output 0. */
export const announcementOf = (
  network: Network,
  owner: Owner,
  at: Height,
  generation = 0,
  value = network.profile.genesis.minStake,
  key = 0,
): Transaction => memoTransaction(owner.memo(network, at, generation, key), [pay(owner.stake, value)])

export interface TestBlock {
  height: Height
  bytes: Uint8Array
  block: Block
}

/** Raw blocks, of which `best` is the chain that the node shows. */
export interface TestChain {
  readonly best: readonly TestBlock[]
  readonly tip: TestBlock
  /** Puts a block with these transactions on the tip. */
  mine(transactions?: readonly Transaction[], time?: number): TestBlock
  /** Takes off the `depth` highest blocks. */
  rollBack(depth: number): void
}

const startTime = Date.UTC(2026, 10, 16) / 1_000
const spacing = 1_800

/** Chains of different variants differ from block 0 on. */
export const createTestChain = (variant = 0): TestChain => {
  const best: TestBlock[] = []
  let made = 0
  const mine: TestChain['mine'] = (transactions = [], time) => {
    const height = best.length
    const coinbase = built({
      ...empty,
      inputs: [
        {
          previousTxid: new Uint8Array(32),
          previousIndex: 0xffff_ffff,
          script: Uint8Array.of(4, height & 0xff, height >>> 8, ++made & 0xff, (made >>> 8) & 0xff),
          sequence: 0xffff_ffff,
        },
      ],
      outputs: [pay(seedOf('miner').subarray(0, 20), 10n * coin)],
    })
    const all = [coinbase, ...transactions]
    const bytes = serializeBlock({
      family: 'zen',
      header: {
        version: 536_870_912,
        previousHash: best.at(-1)?.block.header.hash ?? new Uint8Array(32),
        merkleRoot: merkleRoot(all.map(({ txid }) => txid)).root,
        commitment: new Uint8Array(32),
        time: time ?? startTime + height * spacing,
        bits: 0x200f0f0f,
        nonce: seedOf('nonce', variant, made),
        solution: new Uint8Array(36),
      },
      transactions: all,
      certificates: [],
    })
    const mined = { height, bytes, block: parseBlock(bytes, 'zen') }
    best.push(mined)
    return mined
  }
  mine()
  return {
    best,
    get tip() {
      return best.at(-1)!
    },
    mine,
    rollBack: (depth) => void best.splice(best.length - depth),
  }
}
