import { z } from 'zod'
import type { AssembledNode } from '../../../service/assemble.ts'
import { explainSourcesOfNode, verifierOfNode } from '../../../service/explaining.ts'
import { maxCaseBytes } from '../../../week/explain/case-file.ts'
import { answerExplain, answerVerify, queryOfPath } from '../../../week/explain/explain-answers.ts'
import { defineSocketRoute, type SocketRoute } from '../../api/route.ts'
import { none } from '../../query.ts'
import { CaseAnswer } from '../schemas.ts'

const Part = z.string().max(512).optional()

/** Why a seat got what it got, and whether a case file holds. */
export const explainRoutes = (node: AssembledNode): SocketRoute[] => [
  defineSocketRoute({
    path: '/explain/{week}',
    summary: 'An explanation, or a case file as it is written',
    params: z.strictObject({ week: z.string().max(64) }),
    query: z.strictObject({ epochs: Part, as: Part, seat: Part, host: Part, stake: Part }),
    body: null,
    answer: { media: 'application/json' },
    handle: async ({ params: { week }, query, signal }) =>
      await answerExplain(explainSourcesOfNode(node, signal), queryOfPath(week, query), signal),
  }),
  defineSocketRoute({
    path: '/explain/verify',
    summary: 'Checks a case file',
    params: none,
    query: none,
    body: { schema: z.string(), maxBytes: maxCaseBytes, isText: true },
    answer: CaseAnswer,
    handle: ({ body, signal }) => answerVerify(verifierOfNode(node, signal), body, signal),
  }),
]
