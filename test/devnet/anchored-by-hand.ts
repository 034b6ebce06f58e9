import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type DigestedTally, type Epoch, epochStart, type Week } from '../../protocol/index.ts'
import { createPace } from '../../src/devnet/pace.ts'
import { type PreparedDevnet, type PreparedNode, prepareDevnet } from '../../src/devnet/prepare.ts'
import { createAnchorWallet } from '../../src/node/anchor-wallet.ts'
import { type AssembledNode, assembleNode } from '../../src/service/assemble.ts'
import { realWorld } from '../../src/world.ts'
import { silent, until } from '../net/local-hosts.ts'

const hostLimits = { maxNewPerSecondPerAddress: 500, maxStrangersPerAddress: 500, maxPendingPerAddress: 500 }

/** A devnet of real daemons of which the test says which week is anchored, and when. */
export interface DevnetByHand {
  devnet: PreparedDevnet
  dir: string
  nodeAt(index: number): AssembledNode
  /** Stops a node and starts it again, with its configuration changed meanwhile. */
  restart(index: number, change: (config: PreparedNode['config']) => void): Promise<void>
  /** The height of a block of an epoch. */
  at(epoch: Epoch, offset?: number): number
  /** Mines until the block is confirmed and all nodes have come to rest. */
  mineTo(height: number): Promise<void>
  /** Waits until all nodes have come to rest at the height. */
  rest(height: number): Promise<void>
  /** Posts the certificate that a node knows of this week, and mines it; the memo. */
  anchor(node: AssembledNode, week: Week): Promise<string>
  tally(node: AssembledNode, week: Week): Promise<DigestedTally>
  close(): Promise<void>
}

/** Five nodes and weeks of three epochs; the first has the epochs 2 to 4, those before are of a week without seats. */
export const startByHand = async (seed: number, signal: AbortSignal): Promise<DevnetByHand> => {
  const world = realWorld()
  const dir = mkdtempSync(join(tmpdir(), 'secnode-by-hand-'))
  const pace = createPace(world)
  const running = new Map<PreparedNode, AssembledNode>()
  const wallets: string[] = []
  const devnet = await prepareDevnet(
    { nodes: 5, epochs: 3, seed, with: {}, profile: 'devnet' },
    join(dir, 'net'),
    world,
  )
  const { confirmations } = devnet.network.profile.genesis

  const start = async (node: PreparedNode): Promise<void> => {
    const assembled = await assembleNode(node.config, { logger: silent, world, daemon: { hostLimits } })
    running.set(node, assembled)
    await assembled.start()
  }
  const rest = (height: number): Promise<void> => pace.untilQuiet(() => [...running.values()], height, signal)
  const mineTo = async (height: number): Promise<void> => {
    while (devnet.chain.tip.height < height + confirmations) {
      devnet.chain.mine(1)
      await rest(devnet.chain.tip.height - confirmations)
    }
  }

  for (const node of devnet.nodes) {
    wallets.push(node.config.anchor!.from)
    delete node.config.anchor
    await devnet.announce(node)
  }
  await Promise.all(devnet.nodes.map(start))

  return {
    devnet,
    dir,
    nodeAt: (index) => running.get(devnet.nodes[index]!)!,
    restart: async (index, change) => {
      const node = devnet.nodes[index]!
      await running.get(node)!.stop()
      change(node.config)
      await start(node)
    },
    at: (epoch, offset = 0) => epochStart(devnet.network.profile.genesis, epoch) + offset,
    mineTo,
    rest,
    anchor: async (node, week) => {
      await until(() => node.daemon.finality.dueAnchor()?.week === week)
      const { memo } = node.daemon.finality.dueAnchor()!
      const { anchorBond } = devnet.network.profile.schedule[0]!.params
      // A wallet has coins for one anchor: its change is too young for the next.
      await createAnchorWallet(devnet.network, devnet.rpc, wallets.shift()!, anchorBond, world).post(
        memo,
        signal,
      )
      await mineTo(devnet.chain.tip.height + 1)
      return memo
    },
    tally: async (node, week) => await node.weeks.tally(week, signal),
    close: async () => {
      await Promise.all([...running.values()].map((node) => node.stop()))
      await devnet.close()
      rmSync(dir, { recursive: true, force: true })
    },
  }
}
