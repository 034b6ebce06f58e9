import type { Follower } from '../chain/follower/follower.ts'
import type { ChainEvent, ChainSource } from './chain-view.ts'

/** The follower as the daemon sees it. */
export const createChainSource = (follower: Follower, onFailed: (error: unknown) => void): ChainSource => {
  let listener: (event: ChainEvent) => Promise<void> = () => Promise.resolve()
  let reading: Promise<void> = Promise.resolve()

  const read = async (events: ReturnType<Follower['events']>): Promise<void> => {
    for await (const event of events) {
      await listener(
        event.kind === 'connected'
          ? { kind: 'connected', height: event.block.height }
          : { kind: 'disconnected', height: event.block.height - 1 },
      )
    }
  }

  return {
    view: follower,
    onEvent(newListener) {
      listener = newListener
    },
    start() {
      // Subscribed before the first block is followed, so that none is missed.
      reading = read(follower.events()).catch(onFailed)
      follower.ended.catch(onFailed)
      follower.start()
      return Promise.resolve()
    },
    async stop() {
      await follower.stop()
      await reading
    },
    isCaughtUp() {
      const { status } = follower
      return status.is === 'following' || (status.is === 'catching-up' && status.height >= status.target)
    },
  }
}
