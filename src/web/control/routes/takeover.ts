import { z } from 'zod'
import type { AssembledNode } from '../../../service/assemble.ts'
import { formatHistory, importHistory, maxHistoryBytes, parseHistory } from '../../../service/history.ts'
import { defineSocketRoute, type SocketRoute } from '../../api/route.ts'
import { none } from '../../query.ts'
import { HistoryAnswer, TakeoverAnswer } from '../schemas.ts'

const TakeoverRequest = z.strictObject({ history: z.string().max(maxHistoryBytes).nullable() })

/** What was signed, and going on in another daemon's place (R-ATT-8). */
export const takeoverRoutes = ({ daemon, history, historyOwner }: AssembledNode): SocketRoute[] => [
  defineSocketRoute({
    path: '/history',
    summary: 'What this node signed, as a history file',
    params: none,
    query: none,
    body: null,
    answer: HistoryAnswer,
    handle: async () => ({
      text: formatHistory(await history.read(), historyOwner, daemon.node.world),
    }),
  }),
  defineSocketRoute({
    path: '/takeover',
    summary: "Goes on in another daemon's place",
    params: none,
    query: none,
    // JSON escapes nothing of a history but its quotes and its line end.
    body: { schema: TakeoverRequest, maxBytes: 2 * maxHistoryBytes },
    answer: TakeoverAnswer,
    async handle({ body: { history: text } }) {
      const rows = text === null ? null : parseHistory(text, historyOwner)
      const seat = await daemon.takeover.mayTakeOver()
      const taken = rows === null ? null : await importHistory(history, rows, historyOwner)
      await daemon.takeover.giveWord()
      return { seat, history: taken, fromEpoch: (daemon.epochs.current() ?? 0) + 1 }
    },
  }),
]
