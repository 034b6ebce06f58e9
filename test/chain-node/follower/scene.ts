import { afterEach } from 'vitest'
import type { ChainEvent } from '../../../src/chain-node/follower/events.ts'
import { follow, type Following } from './following.ts'
import { type TestChain, testNetwork } from './test-chain.ts'
import { startTestNode, type TestNode } from './test-node.ts'

/** What the follower's tests share: one network, and nodes and followers that end with the test. */

export const network = testNetwork()
export const { genesis } = network.profile
export const { activationHeight, confirmations } = genesis

const open: AsyncDisposable[] = []
afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await thing[Symbol.asyncDispose]()
})
const opened = <T extends AsyncDisposable>(thing: T): T => {
  open.push(thing)
  return thing
}

export const nodeOf = async (chain: TestChain): Promise<TestNode> => opened(await startTestNode(chain))
export const following = async (...options: Parameters<typeof follow>): Promise<Following> =>
  opened(await follow(...options))

export const mineTo = (chain: TestChain, height: number): void => {
  while (chain.tip.height < height) chain.mine()
}

/** What the follower should have reached. */
export const confirmed = (chain: TestChain): number => chain.tip.height - confirmations

/** Reads events until one fits. */
export const eventsUntil = async (
  events: AsyncIterable<ChainEvent>,
  fits: (event: ChainEvent) => boolean,
): Promise<string[]> => {
  const seen: string[] = []
  for await (const event of events) {
    seen.push(`${event.kind} ${event.block.height}`)
    if (fits(event)) break
  }
  return seen
}
