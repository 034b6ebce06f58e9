import { Hono } from 'hono'
import { html } from 'hono/html'
import { CID } from 'multiformats/cid'
import { z } from 'zod'
import { apiRoutes } from '../api/routes.ts'
import type { WebEnv } from '../guard.ts'
import { NumberText, PageNumber, singleValues, WeekText } from '../query.ts'
import { Refusal } from '../refusal.ts'
import type { MadeRequest, Responder } from '../respond.ts'
import {
  attestationDetail,
  blockAt,
  evidenceDetail,
  listAnnouncements,
  listAttestations,
  listBlocks,
} from '../resources/explorer/view.ts'
import { networkDetail } from '../resources/network/view.ts'
import { statusOf } from '../resources/server/view.ts'
import { listNodes, nodeDetail } from '../resources/nodes/view.ts'
import type { ViewParts } from '../view/parts.ts'
import { searchFor } from '../resources/explorer/search.ts'
import { judgedEpoch, seatEpoch, weekOrCurrent } from '../resources/history/view.ts'
import { verdictDetail } from '../resources/verdicts/view.ts'
import { listWeeks, weekDetail, weekSeats } from '../resources/weeks/view.ts'
import { alertsSection } from './alerts.ts'
import { apiPage } from './api-page.ts'
import {
  announcementsPage,
  attestationPage,
  attestationsPage,
  blockPage,
  blocksPage,
  evidencePage,
  explorerPage,
} from './explorer.ts'
import { homePage } from './home.ts'
import { type Frame, layout, type PageContent } from './layout.ts'
import { networkPage, nodesPage, searchPage } from './network.ts'
import { healthHero, healthOf, nodeSections, nodeView } from './node.ts'
import { epochPage, verdictPage } from './verdict.ts'
import { weekPage, weeksPage } from './week.ts'

/** The one thing that was searched for has a page of its own. */
class GoTo extends Error {
  readonly path: string
  constructor(path: string) {
    super('found')
    this.path = path
  }
}

/** A form sends what was left empty as well. */
const orEmpty = <T extends z.ZodType>(schema: T) =>
  z.union([z.literal('').transform(() => undefined), schema]).optional()
const page = PageNumber
const none = z.strictObject({})
const Paged = z.strictObject({ page })
const rowsPerPage = 50

interface PageRequest<Params, Query> extends MadeRequest {
  params: Params
  query: Query
}

interface PageRoute {
  path: string
  params: z.ZodObject
  query: z.ZodObject
  /** It shows what is asked of others, or of this moment. */
  isMomentary: boolean
  make(request: PageRequest<unknown, unknown>): Promise<PageContent>
}

const definePage = <Params extends z.ZodObject, Query extends z.ZodObject>(route: {
  path: string
  params: Params
  query: Query
  isMomentary?: boolean
  make(request: PageRequest<z.infer<Params>, z.infer<Query>>): Promise<PageContent>
}): PageRoute => ({
  isMomentary: false,
  ...route,
  make: async (request) => await route.make(request as PageRequest<z.infer<Params>, z.infer<Query>>),
})

const pages: readonly PageRoute[] = [
  definePage({
    path: '/',
    params: none,
    query: none,
    async make({ parts, signal }) {
      const status = await statusOf(parts, signal)
      const { seat } = status.own
      const view = seat === null ? null : await nodeView(parts, seat, undefined, signal)
      const { alerter, diagnosis } = parts.node
      const alerts = alertsSection(alerter.state(), alerter.lastTest())
      return { title: 'My node', place: '/', main: homePage(status, view, diagnosis.current(), alerts) }
    },
  }),
  definePage({
    path: '/network',
    params: none,
    query: none,
    make: async ({ parts, signal }) => ({
      title: 'Network',
      place: '/network',
      main: networkPage(await networkDetail(parts, signal)),
    }),
  }),
  definePage({
    path: '/nodes',
    params: none,
    query: z.strictObject({
      page,
      state: orEmpty(z.enum(['active', 'waiting', 'retired'])),
      standing: orEmpty(z.enum(['credited', 'valid', 'undecided', 'invalid'])),
      host: orEmpty(z.string().max(71)),
    }),
    async make({ parts, query, signal }) {
      const { page: number, state, standing, host } = query
      const filter = { state, standing, host: host?.trim().toLowerCase() }
      const nodes = await listNodes(parts, filter, { page: number, limit: rowsPerPage }, signal)
      return { title: 'Nodes', place: '/nodes', main: nodesPage(nodes, { state, standing, host }) }
    },
  }),
  definePage({
    path: '/nodes/:seat',
    params: z.strictObject({ seat: NumberText }),
    query: z.strictObject({ week: WeekText.optional() }),
    async make({ parts, params: { seat }, query, signal }) {
      const view = await nodeView(parts, seat, query.week, signal)
      const title = `Seat ${seat}`
      const hero = healthHero(`${title} is`, healthOf(view, null), view)
      return { title, place: '/nodes', main: html`${hero} ${nodeSections(view)}` }
    },
  }),
  definePage({
    path: '/nodes/:seat/epochs/:epoch',
    params: z.strictObject({ seat: NumberText, epoch: NumberText }),
    query: none,
    async make({ parts, params: { seat, epoch }, signal }) {
      const { host } = await nodeDetail(parts, seat, signal)
      const judged = await judgedEpoch(parts, epoch, signal)
      const main = epochPage(seat, host, await seatEpoch(parts, judged, seat))
      return { title: `Seat ${seat}, epoch ${epoch}`, place: '/nodes', main }
    },
  }),
  definePage({
    path: '/nodes/:seat/epochs/:epoch/by/:challenger',
    params: z.strictObject({ seat: NumberText, epoch: NumberText, challenger: NumberText }),
    query: none,
    isMomentary: true,
    make: async ({ parts, params, signal }) => ({
      title: `Seat ${params.challenger} of seat ${params.seat}, epoch ${params.epoch}`,
      place: '/nodes',
      main: verdictPage(await verdictDetail(parts, params, signal)),
    }),
  }),
  definePage({
    path: '/weeks',
    params: none,
    query: Paged,
    make: ({ parts, query }) =>
      Promise.resolve({
        title: 'Weeks',
        place: '/weeks',
        main: weeksPage(listWeeks(parts, { ...query, limit: rowsPerPage })),
      }),
  }),
  definePage({
    path: '/weeks/:week',
    params: z.strictObject({ week: WeekText }),
    query: Paged,
    async make({ parts, params: { week }, query, signal }) {
      const detail = await weekDetail(parts, week, signal)
      const view = await weekOrCurrent(parts, week, signal)
      const seats = await weekSeats(parts, view, { ...query, limit: rowsPerPage }, signal)
      return { title: `Week ${week}`, place: '/weeks', main: weekPage(detail, seats) }
    },
  }),
  definePage({
    path: '/explorer',
    params: none,
    query: none,
    async make({ parts, signal }) {
      const few = { page: 1, limit: 10 }
      const isAnyOver = (parts.node.daemon.epochs.current() ?? 0) > 0
      const newest = isAnyOver ? await listAttestations(parts, undefined, few, signal) : null
      const main = explorerPage(await listBlocks(parts, few), await listAnnouncements(parts, few), newest)
      return { title: 'Explorer', place: '/explorer', main }
    },
  }),
  definePage({
    path: '/explorer/blocks',
    params: none,
    query: Paged,
    make: async ({ parts, query }) => ({
      title: 'Blocks',
      place: '/explorer',
      main: blocksPage(await listBlocks(parts, { ...query, limit: rowsPerPage })),
    }),
  }),
  definePage({
    path: '/explorer/blocks/:height',
    params: z.strictObject({ height: NumberText }),
    query: none,
    make: async ({ parts, params: { height } }) => ({
      title: `Block ${height}`,
      place: '/explorer',
      main: blockPage(await blockAt(parts, height)),
    }),
  }),
  definePage({
    path: '/explorer/announcements',
    params: none,
    query: Paged,
    make: async ({ parts, query }) => ({
      title: 'Announcements',
      place: '/explorer',
      main: announcementsPage(await listAnnouncements(parts, { ...query, limit: rowsPerPage })),
    }),
  }),
  definePage({
    path: '/explorer/attestations',
    params: none,
    query: z.strictObject({ page, epoch: NumberText.optional() }),
    async make({ parts, query, signal }) {
      const paging = { page: query.page, limit: rowsPerPage }
      const { epoch, page: rows } = await listAttestations(parts, query.epoch, paging, signal)
      return {
        title: `Attestations of epoch ${epoch}`,
        place: '/explorer',
        main: attestationsPage(epoch, rows),
      }
    },
  }),
  definePage({
    path: '/explorer/attestations/:epoch/:seat',
    params: z.strictObject({ epoch: NumberText, seat: NumberText }),
    query: none,
    make: async ({ parts, params: { epoch, seat } }) => ({
      title: `Attestation of seat ${seat}, epoch ${epoch}`,
      place: '/explorer',
      main: attestationPage(await attestationDetail(parts, epoch, seat)),
    }),
  }),
  definePage({
    path: '/explorer/evidence/:cid',
    params: z.strictObject({ cid: z.string().regex(/^b[a-z2-7]{58}$/) }),
    query: none,
    isMomentary: true,
    async make({ parts, params }) {
      let cid: CID
      try {
        cid = CID.parse(params.cid)
      } catch {
        throw new Refusal(400, 'BAD_PARAMETER', 'that is no CID')
      }
      const main = evidencePage(await evidenceDetail(parts, cid))
      return { title: 'Block of evidence', place: '/explorer', main }
    },
  }),
  definePage({
    path: '/search',
    params: none,
    query: z.strictObject({ q: z.string().max(128) }),
    isMomentary: true,
    async make({ parts, query: { q } }) {
      const items = await searchFor(parts, q)
      const [only] = items
      if (only !== undefined && items.length === 1) throw new GoTo(only.path)
      return { title: 'Search', place: null, main: searchPage({ query: q, items }) }
    },
  }),
  definePage({
    path: '/api',
    params: none,
    query: none,
    make: () => Promise.resolve({ title: 'API', place: '/api', main: apiPage(apiRoutes) }),
  }),
]

/** Everything that people look at. */
export const createPages = (respond: Responder): Hono<WebEnv> => {
  const app = new Hono<WebEnv>()
  for (const route of pages) {
    app.get(route.path, async (context) => {
      const params = route.params.safeParse(context.req.param())
      if (!params.success) throw new Refusal(404, 'NOT_FOUND', 'there is no such page')
      const query = route.query.safeParse(singleValues(context.req.queries()))
      if (!query.success) {
        throw new Refusal(
          400,
          'BAD_PARAMETER',
          'this page does not understand what stands after the question mark',
        )
      }
      try {
        return await respond.made(context, 'text/html', route.isMomentary, async (request) =>
          layout(
            await frameOf(request.parts),
            await route.make({ ...request, params: params.data, query: query.data }),
          ),
        )
      } catch (error) {
        if (error instanceof GoTo) return context.redirect(error.path, 303)
        throw error
      }
    })
  }
  return app
}

/** What stands around every page just now. */
export const frameOf = async ({ node }: ViewParts): Promise<Frame> => {
  const { daemon, follower, network } = node
  const epoch = daemon.epochs.current()
  return {
    networkName: network.name,
    confirmedHeight: follower.confirmedHeight,
    epoch,
    week: epoch === null ? null : ((await daemon.epochs.weekOf(epoch)) ?? null),
  }
}
