import { z } from 'zod'
import { defineRoute } from '../../api/route.ts'
import { none, NumberText } from '../../query.ts'
import { VerdictDetail } from './schemas.ts'
import { verdictDetail } from './view.ts'

export const verdictsRoutes = [
  defineRoute({
    path: '/nodes/{seat}/epochs/{epoch}/verdicts/{challenger}',
    summary: 'One verdict with its signed attestation, the evidence behind it, and every check',
    description: 'The evidence is asked of the challenger if this node does not have it.',
    tag: 'nodes',
    params: z.strictObject({ seat: NumberText, epoch: NumberText, challenger: NumberText }),
    query: none,
    answer: VerdictDetail,
    isMomentary: true,
    handle: ({ parts, params, signal }) => verdictDetail(parts, params, signal),
  }),
]
