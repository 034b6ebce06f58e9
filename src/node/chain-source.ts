import type { Follower } from '../chain-node/follower/follower.ts'
import { isAtTip } from '../chain-node/follower/status.ts'
import { createSequence } from '../async/serial.ts'
import type { ChainEvent, ChainSource } from '../week/chain-view.ts'

/** The follower as the daemon sees it. */
export const createChainSource = (follower: Follower, onFailed: (error: unknown) => void): ChainSource => {
  let listener: (event: ChainEvent) => Promise<void> = () => Promise.resolve()
  let reading: Promise<unknown> = Promise.resolve()
  const stopping = new AbortController()
  /** One event after the other, whoever brings it. */
  const events = createSequence()
  const tell = (event: ChainEvent): Promise<void> => events.run(() => listener(event))

  const readAll = async (followed: ReturnType<Follower['events']>): Promise<void> => {
    for await (const event of followed) {
      await tell(
        event.kind === 'connected'
          ? { kind: 'connected', height: event.block.height }
          : { kind: 'disconnected', height: event.block.height - 1 },
      )
    }
  }

  /** After a restart no block may come for minutes, and yet the daemon has work to do. */
  const tellStart = async (): Promise<void> => {
    await follower.statusWhen(({ is }) => is === 'following', stopping.signal)
    await tell({ kind: 'connected', height: follower.confirmedHeight })
  }

  return {
    view: follower,
    finality: follower,
    onEvent(newListener) {
      listener = newListener
    },
    start() {
      // Subscribed before the first block is followed, so that none is missed.
      const read = readAll(follower.events()).catch(onFailed)
      const first = tellStart().catch((error: unknown) => {
        if (!stopping.signal.aborted) onFailed(error)
      })
      reading = Promise.all([read, first])
      follower.ended.catch(onFailed)
      follower.start()
      return Promise.resolve()
    },
    async stop() {
      stopping.abort(new Error('stopping'))
      await follower.stop()
      await reading
    },
    isCaughtUp: () => isAtTip(follower.status),
  }
}
