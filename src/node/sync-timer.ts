import type { Epoch } from '../../protocol/index.ts'
import type { NodeContext } from './context.ts'
import type { Role } from './role.ts'
import type { SyncTurns } from './sync-turns.ts'
import type { Tasks } from './tasks.ts'

export interface SyncTimerParts {
  turns: SyncTurns
  tasks: Tasks
  intervalMs: number
  isCaughtUp(): boolean
  /** The first epoch that sync still compares; Infinity before the chain was followed to its end. */
  openFrom(): Epoch
}

/** R-SYNC-1: takes a turn of sync again and again, one at a time. */
export const createSyncTimer = (node: NodeContext, parts: SyncTimerParts): Role => {
  const { turns, tasks } = parts
  let cancel: (() => void) | null = null
  let isExchanging = false
  let isStopped = false

  const takeTurn = async (signal: AbortSignal): Promise<void> => {
    const current = node.epochs.current()
    const context = current === null ? undefined : await node.epochs.get(current)
    if (context === undefined || parts.openFrom() === Infinity) return
    await turns.take(context, parts.openFrom(), signal)
  }

  const onTime = (): void => {
    if (isStopped) return
    schedule()
    if (isExchanging || !parts.isCaughtUp()) return
    isExchanging = true
    tasks.run('sync', async (signal) => {
      try {
        await takeTurn(signal)
      } finally {
        isExchanging = false
      }
    })
  }

  const schedule = (): void => {
    cancel = node.world.setTimer(parts.intervalMs, onTime)
  }

  return {
    start: schedule,
    stop() {
      isStopped = true
      cancel?.()
      return Promise.resolve()
    },
  }
}
