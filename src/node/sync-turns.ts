import {
  type Epoch,
  isTurnAnswered,
  neighboursToDial,
  type SnapshotRow,
  startTurn,
  stepTurn,
  syncTurnMs,
  type TurnEffect,
  type TurnEvent,
} from '../../protocol/index.ts'
import { createDeadline } from '../async/deadline.ts'
import type { EpochContext } from '../week/epoch-book.ts'
import { messageOf } from '../errors.ts'
import { createAskingOrder } from './asking-order.ts'
import { dialSeat } from './ask-seat.ts'
import type { Contact } from './contact/contact.ts'
import type { NodeContext } from './context.ts'
import { drawOthers } from './recovery.ts'
import type { SyncClient } from './sync.ts'

/** R-SYNC-2: what a node asks of others by itself, however much gossip brings. */
export interface SyncTurns {
  /** One turn, with the epochs that are open. Fails only if `signal` is aborted. */
  take(context: EpochContext, openFrom: Epoch, signal: AbortSignal): Promise<void>
}

export interface SyncTurnsParts {
  sync: SyncClient
  contact: Contact
  /** Asks a seat for the certificate that this node lacks, if it lacks one. */
  askCertificate: (row: SnapshotRow, signal: AbortSignal) => Promise<void>
}

export const createSyncTurns = (node: NodeContext, parts: SyncTurnsParts): SyncTurns => {
  const { host, logger, metrics, world } = node
  const { sync, contact } = parts
  const order = createAskingOrder(node)

  /** Gossip needs neighbours: while there are few registered peers, or those that there are do not serve, others are dialled. */
  const keepConnected = async ({ snapshot }: EpochContext, signal: AbortSignal): Promise<void> => {
    const wanted = neighboursToDial(contact.isAlone(), host.registeredPeers())
    const others = drawOthers(snapshot, node.ownSeat(), world.randomBytes(32), wanted)
    const dials = others.map((row) =>
      dialSeat(node, row, signal).catch((error: unknown) => {
        logger.debug({ host: row.host, reason: messageOf(error) }, 'could not connect')
      }),
    )
    await Promise.all(dials)
  }

  /** True if the seat answered everything. */
  const ask = async (
    row: SnapshotRow,
    openFrom: Epoch,
    current: Epoch,
    signal: AbortSignal,
  ): Promise<boolean> => {
    try {
      const outcome = await sync.exchange(row, openFrom, current, signal)
      metrics.syncExchanges.inc({ outcome: outcome.differing === 0 ? 'agreed' : 'differing' })
      if (outcome.fetched > 0) logger.debug({ host: row.host, ...outcome }, 'sync brought attestations')
      await parts.askCertificate(row, signal)
      return true
    } catch (error) {
      if (node.stopping.aborted) return false
      metrics.syncExchanges.inc({ outcome: 'failed' })
      logger.debug({ host: row.host, reason: messageOf(error) }, 'sync failed')
      return false
    }
  }

  /** What becomes of the next seat. */
  const askNext = async (
    { snapshot, epoch }: EpochContext,
    openFrom: Epoch,
    signal: AbortSignal,
  ): Promise<TurnEvent> => {
    const row = await order.next(snapshot, signal).catch(() => undefined)
    if (row === undefined) return 'over'
    if (await ask(row, openFrom, epoch, signal)) return 'answered'
    return signal.aborted ? 'over' : 'failed'
  }

  /** True if any seat answered. */
  const askSeats = async (context: EpochContext, openFrom: Epoch, signal: AbortSignal): Promise<boolean> => {
    using deadline = createDeadline(world, syncTurnMs, signal)
    const started = startTurn(contact.isAlone())
    let { state } = started
    const carryOut = async (effects: readonly TurnEffect[]): Promise<void> => {
      await Promise.all(
        effects.map(async ({ lane }) => {
          const event = await askNext(context, openFrom, deadline.signal)
          const step = stepTurn(state, lane, event, context.snapshot.length)
          state = step.state
          await carryOut(step.effects)
        }),
      )
    }
    await carryOut(started.effects)
    return isTurnAnswered(state)
  }

  return {
    async take(context, openFrom, signal) {
      contact.look()
      await keepConnected(context, signal)
      const isAnswered = await askSeats(context, openFrom, signal)
      signal.throwIfAborted()
      contact.onSyncTurn(isAnswered)
    },
  }
}
