import type { Epoch, SnapshotRow } from '../../protocol/index.ts'
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

/** As many as gossip's mesh of a topic wants (gossipsub's D). */
const wantedNeighbours = 8
/** Seats that a node asks at the same time while it is alone (R-SYNC-2). */
const askedWhenAlone = 3
/** Seats that are tried until one has answered. */
const maxTries = 3
/** For all of these: a seat that answers too slowly holds up its own turn only. */
const turnDeadlineMs = 60_000

export const createSyncTurns = (node: NodeContext, parts: SyncTurnsParts): SyncTurns => {
  const { host, logger, metrics, world } = node
  const { sync, contact } = parts
  const order = createAskingOrder(node)

  /** Gossip needs neighbours: while there are few registered peers, or those that there are do not serve, others are dialled. */
  const keepConnected = async ({ snapshot }: EpochContext, signal: AbortSignal): Promise<void> => {
    const connected = host.registeredPeers()
    const wanted = contact.isAlone() ? wantedNeighbours : Math.max(0, wantedNeighbours - connected)
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

  /** One seat after the other, until one has answered. */
  const askUntilAnswered = async (
    { snapshot, epoch }: EpochContext,
    openFrom: Epoch,
    signal: AbortSignal,
  ): Promise<boolean> => {
    using deadline = createDeadline(world, turnDeadlineMs, signal)
    const tries = Math.min(maxTries, snapshot.length)
    for (let i = 0; i < tries && !deadline.signal.aborted; i++) {
      const row = await order.next(snapshot, deadline.signal).catch(() => undefined)
      if (row === undefined) return false
      if (await ask(row, openFrom, epoch, deadline.signal)) return true
    }
    return false
  }

  return {
    async take(context, openFrom, signal) {
      contact.look()
      await keepConnected(context, signal)
      const lanes = contact.isAlone() ? askedWhenAlone : 1
      const answered = await Promise.all(
        Array.from({ length: lanes }, () => askUntilAnswered(context, openFrom, signal)),
      )
      signal.throwIfAborted()
      contact.onSyncTurn(answered.includes(true))
    },
  }
}
