import { defineRoute } from '../../api/route.ts'
import { none } from '../../query.ts'
import { NetworkDetail } from './schemas.ts'
import { networkDetail } from './view.ts'

export const networkRoutes = [
  defineRoute({
    path: '/network',
    summary: 'Seats, outcomes of the newest epochs, concentration, versions',
    tag: 'network',
    params: none,
    query: none,
    answer: NetworkDetail,
    isMomentary: true,
    handle: ({ parts, signal }) => networkDetail(parts, signal),
  }),
]
