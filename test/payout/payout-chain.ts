import {
  bytesToHex,
  coin,
  type DigestedTally,
  epochStart,
  equalBytes,
  hash,
  hash160,
  paramsHash,
  paramsOfWeek,
  type Payer,
  reversedHex,
  threadValue,
  type Week,
} from '../../protocol/index.ts'
import { encodeWif } from '../../src/chain/address.ts'
import { multisigScript } from '../../src/chain/formats/script.ts'
import type { ChainFamily } from '../../src/chain/formats/types.ts'
import { type SigningKey, signingKeyOf } from '../../src/chain/input-signatures.ts'
import { type Network, networkOf } from '../../src/chain/profiles.ts'
import { loadNetwork } from '../../src/service/load-network.ts'
import { createRpcClient, type RpcClient } from '../../src/chain-node/rpc/client.ts'
import type { EmbeddedChain, EmbeddedChainOptions } from '../../src/devnet/chain/chain.ts'
import type { RpcMethods } from '../../src/devnet/chain/rpc/dispatch.ts'
import { NodeRpcError } from '../../src/devnet/chain/rpc/errors.ts'
import { createRpcMethods } from '../../src/devnet/chain/rpc/methods.ts'
import { createRpcServer, type RpcServer } from '../../src/devnet/chain/rpc-server.ts'
import type { Outpoint } from '../../src/payout/transactions.ts'
import { buildPayout, type BuildRequest } from '../../src/payout/build.ts'
import { createOutbox } from '../../src/payout/outbox.ts'
import type { PayoutFile } from '../../src/payout/payout-file.ts'
import { sendPayout } from '../../src/payout/send.ts'
import { isSigned, signPayout } from '../../src/payout/sign.ts'
import type { PayoutNode } from '../../src/payout/threads.ts'
import { createMemoryStore } from '../../src/store/memory-store.ts'
import type { Store } from '../../src/store/store.ts'
import { realWorld } from '../../src/world.ts'
import { createTestChain } from '../devnet/chain/test-chain.ts'
import { ownerHash, tallyOf, type TestTally, week } from '../protocol/payout/fixture.ts'

export const signal = new AbortController().signal

/** A treasury's key, or those of its coordinators. */
export interface Treasury {
  payer: Payer
  redeemScript: Uint8Array | null
  keys: readonly SigningKey[]
}

export const testKey = (...label: (string | number)[]): SigningKey => signingKeyOf(hash('key', ...label))

export const wifOf = (network: Network, { secretKey }: SigningKey): string =>
  encodeWif(network.profile.genesis.chain, { secretKey, isCompressed: true })

export const singleTreasury = (): Treasury => {
  const key = testKey('treasury')
  return { payer: { kind: 'p2pkh', hash160: hash160(key.publicKey) }, redeemScript: null, keys: [key] }
}

export const multisigTreasury = (required: number, total: number): Treasury => {
  const keys = Array.from({ length: total }, (_, i) => testKey('coordinator', i))
  const redeemScript = multisigScript(
    required,
    keys.map(({ publicKey }) => publicKey),
  )
  return { payer: { kind: 'p2sh', hash160: hash160(redeemScript) }, redeemScript, keys }
}

export interface PayoutChainOptions {
  family?: ChainFamily
  treasury?: Treasury
  /** Base units of each coin of the treasury. */
  coins?: readonly bigint[]
  chain?: Partial<EmbeddedChainOptions>
  /** Takes methods away from the node, or changes them. */
  methods?: (methods: RpcMethods) => RpcMethods
}

/** A chain with a treasury, a thread and an anchored week, served over JSON-RPC as its daemons do. */
export interface PayoutChain extends AsyncDisposable {
  chain: EmbeddedChain
  network: Network
  treasury: Treasury
  server: RpcServer
  rpc: RpcClient
  node: PayoutNode
  /** A tally of the week whose anchor is deep enough. */
  tally(amounts: readonly bigint[], changes?: Partial<TestTally>): DigestedTally
  build(tally: DigestedTally, changes?: Partial<BuildRequest>): Promise<PayoutFile>
  /** With all keys of the treasury, one after the other. */
  sign(file: PayoutFile, tally: DigestedTally, keys?: readonly SigningKey[]): Promise<PayoutFile>
  send(file: PayoutFile | null, store?: Store): ReturnType<typeof sendPayout>
  /** What the stake of a seat has got in blocks, and how often. */
  received(seat: number): { value: bigint; outputs: number }
  /** Pays the treasury another coin and mines it deep enough. */
  fund(values: readonly bigint[]): void
  /** In order of the chain: the outpoint of the thread's start, as the profile names it. */
  threadStart: Outpoint
}

export const isFullySigned = ({ account, drafts }: PayoutFile): boolean =>
  drafts.every((draft) => isSigned(account, draft))

const payerOwner = ({ kind, hash160 }: Payer) => ({ kind, hash160 })

export const startPayoutChain = async (options: PayoutChainOptions = {}): Promise<PayoutChain> => {
  const { family = 'zcash', treasury = singleTreasury(), coins = [50n * coin] } = options
  const base = (await loadNetwork(family === 'zcash' ? 'devnet' : 'zen-devnet')).profile
  const chain = createTestChain(family, { treasury: null, minerReward: 10_000n * coin, ...options.chain })
  // Up to the freeze of a week that ends with epoch 4, and beyond.
  chain.mine(epochStart(base.genesis, 6))
  const index = 0
  const start = chain.wallet.pay({
    payees: [threadValue, ...coins].map((value) => ({ ...payerOwner(treasury.payer), value })),
  })
  chain.mine(10)
  const network = networkOf({
    ...base,
    threads: [{ from: '2026-W40' as Week, txid: reversedHex(start), index }],
  })
  const server = createRpcServer({
    methods: options.methods?.(createRpcMethods(chain)) ?? createRpcMethods(chain),
    dialect: family === 'zen' ? 'zend' : 'zebrad',
    auth: { kind: 'none' },
    world: realWorld(),
  })
  await server.start()
  const rpc = createRpcClient({ url: server.url, world: realWorld() })
  const node: PayoutNode = { network, rpc, since: null, signal }
  const anchorHeight = chain.tip.height - 4

  return {
    chain,
    network,
    treasury,
    server,
    rpc,
    node,
    tally: (amounts, changes = {}) =>
      tallyOf({
        chain: network.profile.genesis.chain,
        network: network.networkId,
        amounts,
        params: bytesToHex(paramsHash(paramsOfWeek(network.profile.schedule, changes.week ?? week))),
        anchor: { height: anchorHeight, hash: reversedHex(chain.tree.at(anchorHeight)!.hash) },
        ...changes,
      }),
    build: async (tally, changes = {}) => {
      const { file } = await buildPayout({
        node,
        tally,
        redeemScript: treasury.redeemScript,
        coins: null,
        replaces: false,
        ...changes,
      })
      if (file === null) throw new Error('nothing is due')
      return file
    },
    sign: async (file, tally, keys = treasury.keys) => {
      let signed = file
      for (const key of keys) {
        signed = await signPayout({
          network,
          files: [signed],
          tally: file.payout === null ? null : tally,
          witness: { is: 'node', node },
          key,
        })
      }
      return signed
    },
    send: async (file, store = createMemoryStore()) =>
      sendPayout({ node, outbox: createOutbox(store, family), file }),
    received: (seat) => {
      const paid = [...outputsInBlocks(chain)].filter(({ owner }) =>
        equalBytes(owner, ownerHash('stake', seat)),
      )
      return { value: paid.reduce((sum, { value }) => sum + value, 0n), outputs: paid.length }
    },
    fund: (values) => {
      chain.wallet.pay({ payees: values.map((value) => ({ ...payerOwner(treasury.payer), value })) })
      chain.mine(5)
    },
    threadStart: { txid: start, index },
    [Symbol.asyncDispose]: async () => {
      await rpc.close()
      await server.stop()
    },
  }
}

/** A second node of the same chain that knows blocks and unspent outputs only, as one without indexes. */
export const startBlocksOnly = async ({
  chain,
  node,
}: PayoutChain): Promise<{ node: PayoutNode; close(): Promise<void> }> => {
  const { getaddressutxos: _utxos, getaddresstxids: _txids, ...methods } = createRpcMethods(chain)
  const server = createRpcServer({
    methods: {
      ...methods,
      getrawtransaction: {
        ...methods['getrawtransaction']!,
        run: () => {
          throw new NodeRpcError(-5, 'No such mempool transaction. Use -txindex')
        },
      },
    },
    dialect: 'zend',
    auth: { kind: 'none' },
    world: realWorld(),
  })
  await server.start()
  const rpc = createRpcClient({ url: server.url, world: realWorld() })
  return {
    node: { ...node, rpc },
    close: async () => {
      await rpc.close()
      await server.stop()
    },
  }
}

/** P2PKH outputs of the best chain; in ZEN with a reference behind. */
function* outputsInBlocks(chain: EmbeddedChain): Generator<{ owner: Uint8Array; value: bigint }> {
  for (let height = 1; height <= chain.tip.height; height++) {
    for (const { outputs } of chain.tree.parse(chain.tree.at(height)!).transactions) {
      for (const { script, value } of outputs) {
        if (script[0] === 0x76) yield { owner: script.subarray(3, 23), value }
      }
    }
  }
}

export { week }
