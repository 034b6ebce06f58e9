/** A process that follows into a data directory and tells each event, until it is killed or has caught up. */
import { openStore } from '../../../src/store/open.ts'
import { follow } from './following.ts'
import { testNetwork } from './test-chain.ts'

const [, , directory, url] = process.argv
const network = testNetwork({ activationHeight: 30 })
const store = await openStore({ directory: directory!, networkId: network.networkId })
const { follower } = await follow(network, url!, { store, isStarted: false, maxBatchBlocks: 4 })
const events = follower.events()
const tell = async (): Promise<void> => {
  for await (const { kind, block } of events) process.send!(`${kind} ${block.height}`)
}
const telling = tell()
follower.start()
await follower.statusWhen((status) => status.is === 'following', AbortSignal.timeout(600_000))
await follower.stop()
await telling
await store.close()
process.exit(0)
