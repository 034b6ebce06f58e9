import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { z } from 'zod'
import type { Epoch, Seat } from '../../../protocol/index.ts'
import type { AssembledNode } from '../../service/assemble.ts'
import {
  formatHistory,
  type HistorySummary,
  importHistory,
  maxHistoryBytes,
  parseHistory,
} from '../../service/history.ts'

const TakeoverRequest = z.strictObject({ history: z.string().max(maxHistoryBytes).nullable() })

/** JSON. */
export interface TakeoverAnswer {
  seat: Seat
  /** Null if the other daemon's history is lost. */
  history: HistorySummary | null
  /** Nothing of an earlier epoch is signed. */
  fromEpoch: Epoch
}

/** Answers of the control socket about what was signed, and about going on in another daemon's place (R-ATT-8). */
export const takeoverRoutes = (node: AssembledNode): Hono => {
  const app = new Hono()
  const { daemon, history, historyOwner } = node
  app.get('/history', async (context) =>
    context.json({ text: formatHistory(await history.read(), historyOwner, daemon.node.world) }),
  )
  // JSON escapes nothing of a history but its quotes and its line end.
  app.post('/takeover', bodyLimit({ maxSize: 2 * maxHistoryBytes }), async (context) => {
    const { history: text } = TakeoverRequest.parse(await context.req.json())
    const rows = text === null ? null : parseHistory(text, historyOwner)
    const seat = await daemon.takeover.mayTakeOver()
    const taken = rows === null ? null : await importHistory(history, rows, historyOwner)
    await daemon.takeover.giveWord()
    const current = daemon.epochs.current() ?? 0
    const answer: TakeoverAnswer = { seat, history: taken, fromEpoch: current + 1 }
    return context.json(answer)
  })
  return app
}
