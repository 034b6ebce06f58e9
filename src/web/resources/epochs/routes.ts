import { z } from 'zod'
import { defineRoute } from '../../api/route.ts'
import { none, Paged, NumberText } from '../../query.ts'
import { EpochRow, EpochPage } from './schemas.ts'
import { judgedEpoch } from '../history/view.ts'
import { epochRow, latestEpochs } from './view.ts'

export const epochsRoutes = [
  defineRoute({
    path: '/epochs',
    summary: 'Epochs that are over, the newest first',
    tag: 'history',
    params: none,
    query: Paged,
    answer: EpochPage,
    handle: ({ parts, query, signal }) => latestEpochs(parts, query, signal),
  }),
  defineRoute({
    path: '/epochs/{epoch}',
    summary: 'An epoch',
    tag: 'history',
    params: z.strictObject({ epoch: NumberText }),
    query: none,
    answer: EpochRow,
    handle: async ({ parts, params, signal }) =>
      await epochRow(parts, await judgedEpoch(parts, params.epoch, signal)),
  }),
]
