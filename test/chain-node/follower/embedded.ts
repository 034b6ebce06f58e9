import {
  announcementMessage,
  coin,
  formatMemo,
  formatUnsignedMemo,
  peerIdOfKey,
  stakeOfAddress,
  utf8ToBytes,
} from '../../../protocol/index.ts'
import { blsPublicKey, nobleProvePossession } from '../../../protocol/bls.ts'
import type { Network } from '../../../src/chain/profiles.ts'
import { loadNetwork } from '../../../src/service/load-network.ts'
import { createRpcClient, type RpcClient } from '../../../src/chain-node/rpc/client.ts'
import {
  getNewAddress,
  sendMany,
  signMessage,
  zGetOperationStatus,
  zSendMany,
} from '../../../src/chain-node/rpc/methods.ts'
import { createEmbeddedChain, type EmbeddedChain } from '../../../src/devnet/chain/chain.ts'
import { createRpcMethods } from '../../../src/devnet/chain/rpc/methods.ts'
import { createRpcServer } from '../../../src/devnet/chain/rpc-server.ts'
import { ed25519FromSeed } from '../../../src/keys/ed25519.ts'
import { realWorld } from '../../../src/world.ts'
import { seedOf } from './test-chain.ts'

export interface Embedded extends AsyncDisposable {
  network: Network
  chain: EmbeddedChain
  url: string
  user: string
  password: string
  rpc: RpcClient
  /** Announces a node with a stake of its own through the wallet of the node; its stake address. */
  announce(number: number): Promise<string>
}

/** The embedded chain behind its RPC server, mined to just below the activation, with a purse for each of ten nodes. */
export const startEmbedded = async (profile: 'devnet' | 'zen-devnet'): Promise<Embedded> => {
  const network = await loadNetwork(profile)
  const { genesis } = network.profile
  const chain = createEmbeddedChain({
    family: network.facts.family,
    network: network.facts.noteNetwork,
    startTime: Date.UTC(2026, 10, 16) / 1_000,
    spacingSeconds: 1_800,
    coinbaseMaturity: 2,
    minerReward: 1_000n * coin,
    walletSeed: seedOf('wallet', profile),
  })
  const [user, password] = ['follower', 'secret']
  const server = createRpcServer({
    methods: createRpcMethods(chain),
    dialect: network.facts.family === 'zen' ? 'zend' : 'zebrad',
    auth: { kind: 'password', user, password },
    world: realWorld(),
  })
  await server.start()
  const auth = { kind: 'password', user, password } as const
  const rpc = createRpcClient({ url: server.url, auth, world: realWorld() })
  const purses: string[] = []
  for (let i = 0; i < 10; i++) purses.push(await getNewAddress(rpc))
  chain.mine(genesis.activationHeight - 2)
  await sendMany(rpc, Object.fromEntries(purses.map((purse) => [purse, 44n * coin])), 1)
  chain.mine(1)

  const announce = async (number: number): Promise<string> => {
    const address = await getNewAddress(rpc)
    const stake = stakeOfAddress(genesis.chain, address)!
    const blsSecret = seedOf('embedded bls', number)
    blsSecret[0]! &= 0x3f
    const unsigned = formatUnsignedMemo({
      peer: peerIdOfKey(ed25519FromSeed(seedOf('embedded peer', number)).publicKey),
      host: `n${number}.devnet.test`,
      p2p: 9_000,
      tls: 9_001,
      at: chain.tip.height,
      stake: address,
      bls: blsPublicKey(blsSecret),
      pop: nobleProvePossession(network.networkId, blsSecret, stake),
    })
    const signature = await signMessage(rpc, address, announcementMessage(network.networkId, unsigned))
    const operation = await zSendMany(rpc, {
      from: purses[number]!,
      recipients: [
        { address, amount: genesis.minStake },
        {
          address: genesis.announceAddress,
          amount: 100_000n,
          memo: utf8ToBytes(formatMemo(unsigned, signature)),
        },
      ],
    })
    for (;;) {
      const [status] = await zGetOperationStatus(rpc, [operation])
      if (status?.status === 'success') return address
      if (status?.status === 'failed') throw new Error(`the announcement failed: ${status.error?.message}`)
    }
  }
  return {
    network,
    chain,
    url: server.url,
    user,
    password,
    rpc,
    announce,
    [Symbol.asyncDispose]: async () => {
      await rpc.close()
      await server.stop()
    },
  }
}
