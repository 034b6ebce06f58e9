import { CID } from 'multiformats/cid'
import { z } from 'zod'
import { NumberText, PageNumber, WeekText } from '../query.ts'
import {
  attestationDetail,
  blockAt,
  evidenceDetail,
  listAnnouncements,
  listAttestations,
  listBlocks,
} from '../view/explorer.ts'
import { listNodes, nodeDetail, readRegister, seatsOfStakes, tlsStateOf } from '../view/nodes.ts'
import { findingsOf, networkDetail, serverInfo, statusOf } from '../view/network.ts'
import { noSuchWeek, pageOf } from '../view/parts.ts'
import { searchFor } from '../view/search.ts'
import {
  challengesOfEpoch,
  challengesOfSeat,
  downtimesOf,
  earningsOf,
  exceptionsOf,
  judgedEpoch,
  requireSeat,
  weekOrCurrent,
  withTimes,
} from '../view/seat-history.ts'
import { verdictDetail } from '../view/verdict.ts'
import { epochRow, latestEpochs, listWeeks, weekDetail, weekSeats } from '../view/weeks.ts'
import { type ApiRoute, defineRoute } from './route.ts'
import * as schemas from './schemas.ts'

const none = z.strictObject({})
const CidText = z
  .string()
  .regex(/^b[a-z2-7]{58}$/, { error: 'must be a CID in base32' })
  .transform((text, context) => {
    try {
      return CID.parse(text)
    } catch {
      context.addIssue({ code: 'custom', message: 'must be a CID in base32' })
      return z.NEVER
    }
  })
/** Own nodes: as many as a wallet has. */
const Stakes = z
  .string()
  .regex(/^[1-9A-HJ-NP-Za-km-z]{20,64}(,[1-9A-HJ-NP-Za-km-z]{20,64}){0,19}$/, {
    error: 'must be up to 20 addresses with commas between them',
  })
  .transform((text) => text.split(','))

export const maxLimit = 200
const paging = {
  page: PageNumber,
  limit: NumberText.refine((limit) => limit >= 1 && limit <= maxLimit, {
    error: `must be from 1 to ${maxLimit}`,
  }).default(50),
}
const Paged = z.strictObject(paging)
const OfSeat = z.strictObject({ seat: NumberText })
const OfWeek = z.strictObject({ week: WeekText })
const WeekPaged = z.strictObject({ ...paging, week: WeekText.optional() })

/** Errors: NotFound, for a week of which nothing can be told. */
export const apiRoutes: readonly ApiRoute[] = [
  defineRoute({
    path: '/status',
    summary: 'This node, its chain, its network',
    tag: 'server',
    params: none,
    query: none,
    answer: schemas.Status,
    isMomentary: true,
    handle: ({ parts, signal }) => statusOf(parts, signal),
  }),
  defineRoute({
    path: '/findings',
    summary: 'What this node found to be wrong with itself, worst first, with what to do about it',
    tag: 'server',
    params: none,
    query: Paged,
    answer: schemas.FindingPage,
    isMomentary: true,
    handle: ({ parts, query }) => pageOf(findingsOf(parts), query, (finding) => finding),
  }),
  defineRoute({
    path: '/server',
    summary: 'Statistics of this server',
    tag: 'server',
    params: none,
    query: none,
    answer: schemas.ServerInfo,
    isMomentary: true,
    handle: ({ parts, counts }) => serverInfo(parts, counts),
  }),
  defineRoute({
    path: '/network',
    summary: 'Seats, outcomes of the newest epochs, concentration, versions',
    tag: 'network',
    params: none,
    query: none,
    answer: schemas.NetworkDetail,
    isMomentary: true,
    handle: ({ parts, signal }) => networkDetail(parts, signal),
  }),
  defineRoute({
    path: '/nodes',
    summary: 'Nodes, by seat',
    description: '`stake` names own nodes by the addresses of their stakes.',
    tag: 'nodes',
    params: none,
    query: z.strictObject({
      ...paging,
      state: z.enum(['active', 'waiting', 'retired']).optional(),
      standing: z.enum(['credited', 'valid', 'undecided', 'invalid']).optional(),
      host: z
        .string()
        .regex(/^[a-z0-9.-]{1,71}$/, { error: 'must be part of a host name' })
        .optional(),
      stake: Stakes.optional(),
    }),
    answer: schemas.NodePage,
    handle: ({ parts, query: { page, limit, stake, ...filter }, signal }) =>
      listNodes(parts, { ...filter, stakes: stake }, { page, limit }, signal),
  }),
  defineRoute({
    path: '/nodes/{seat}',
    summary: 'A node',
    tag: 'nodes',
    params: OfSeat,
    query: none,
    answer: schemas.NodeDetail,
    handle: ({ parts, params, signal }) => nodeDetail(parts, params.seat, signal),
  }),
  defineRoute({
    path: '/nodes/{seat}/challenges',
    summary: 'What challengers said of a node in a week',
    tag: 'nodes',
    params: OfSeat,
    query: WeekPaged,
    answer: schemas.ChallengePage,
    async handle({ parts, params: { seat }, query, signal }) {
      await requireSeat(parts, seat)
      return await challengesOfSeat(parts, await weekOrCurrent(parts, query.week, signal), seat, query)
    },
  }),
  defineRoute({
    path: '/nodes/{seat}/exceptions',
    summary: 'What was not as it should be with a node in a week',
    tag: 'nodes',
    params: OfSeat,
    query: WeekPaged,
    answer: schemas.ExceptionPage,
    async handle({ parts, params: { seat }, query, signal }) {
      await requireSeat(parts, seat)
      const week = await weekOrCurrent(parts, query.week, signal)
      const page = pageOf(exceptionsOf(week.epochs, week, seat), query, (exception) => exception)
      return await withTimes(parts, page)
    },
  }),
  defineRoute({
    path: '/nodes/{seat}/downtimes',
    summary: 'When a node was not valid in a week: start, end and reason',
    tag: 'nodes',
    params: OfSeat,
    query: WeekPaged,
    answer: schemas.DowntimePage,
    async handle({ parts, params: { seat }, query, signal }) {
      await requireSeat(parts, seat)
      const week = await weekOrCurrent(parts, query.week, signal)
      return await downtimesOf(parts, week.epochs, query, signal, seat)
    },
  }),
  defineRoute({
    path: '/nodes/{seat}/earnings',
    summary: 'What the newest weeks brought a node',
    tag: 'nodes',
    params: OfSeat,
    query: Paged,
    answer: schemas.EarningPage,
    async handle({ parts, params: { seat }, query, signal }) {
      await requireSeat(parts, seat)
      return pageOf(await earningsOf(parts, [seat], signal), query, (earning) => earning)
    },
  }),
  defineRoute({
    path: '/nodes/{seat}/epochs/{epoch}/verdicts/{challenger}',
    summary: 'One verdict with its signed attestation, the evidence behind it, and every check',
    description: 'The evidence is asked of the challenger if this node does not have it.',
    tag: 'nodes',
    params: z.strictObject({ seat: NumberText, epoch: NumberText, challenger: NumberText }),
    query: none,
    answer: schemas.VerdictDetail,
    isMomentary: true,
    handle: ({ parts, params, signal }) => verdictDetail(parts, params, signal),
  }),
  defineRoute({
    path: '/challenges',
    summary: 'What all challengers of an epoch said',
    tag: 'history',
    params: none,
    query: z.strictObject({ ...paging, epoch: NumberText.optional() }),
    answer: schemas.ChallengePage,
    handle: async ({ parts, query, signal }) =>
      await challengesOfEpoch(parts, await judgedEpoch(parts, query.epoch, signal), query),
  }),
  defineRoute({
    path: '/exceptions',
    summary:
      'What was not as it should be in an epoch: failed verdicts, faults of chains, silence, double signatures',
    tag: 'history',
    params: none,
    query: z.strictObject({ ...paging, epoch: NumberText.optional() }),
    answer: schemas.ExceptionPage,
    async handle({ parts, query, signal }) {
      const judged = await judgedEpoch(parts, query.epoch, signal)
      const week = await parts.weekViews.get(judged.context.week, signal)
      if (week === undefined) throw noSuchWeek(judged.context.week)
      const page = pageOf(exceptionsOf([judged], week), query, (exception) => exception)
      return await withTimes(parts, page)
    },
  }),
  defineRoute({
    path: '/downtimes',
    summary: 'When nodes were not valid in a week: start, end and reason, the newest first',
    tag: 'history',
    params: none,
    query: WeekPaged,
    answer: schemas.DowntimePage,
    async handle({ parts, query, signal }) {
      const week = await weekOrCurrent(parts, query.week, signal)
      return await downtimesOf(parts, week.epochs, query, signal)
    },
  }),
  defineRoute({
    path: '/earnings',
    summary: 'What the newest weeks brought own nodes',
    tag: 'money',
    params: none,
    query: z.strictObject({ ...paging, stake: Stakes }),
    answer: schemas.EarningPage,
    async handle({ parts, query, signal }) {
      const seats = seatsOfStakes(parts, query.stake)
      return pageOf(await earningsOf(parts, seats, signal), query, (earning) => earning)
    },
  }),
  defineRoute({
    path: '/payments',
    summary: 'What the chain shows of the payout of a week, seat by seat',
    description:
      '`stake` names own nodes; what all weeks brought them, and how it was paid, says `/earnings`.',
    tag: 'money',
    params: none,
    query: z.strictObject({ ...paging, week: WeekText, stake: Stakes.optional() }),
    answer: schemas.PaymentPage,
    async handle({ parts, query, signal }) {
      const { bySeat } = await parts.payouts.get(query.week, signal)
      const { registered } = await readRegister(parts, signal)
      const own = query.stake === undefined ? null : new Set(seatsOfStakes(parts, query.stake))
      const wanted = [...bySeat].filter(([seat]) => own === null || own.has(seat))
      return pageOf(wanted, query, ([seat, { due, paid, state, txids }]) => {
        const record = registered.seats[seat]
        return {
          week: query.week,
          seat,
          stake: record === undefined ? '' : registered.addressOf(record),
          due: due.toString(),
          paid: paid.toString(),
          state,
          txids: [...txids],
        }
      })
    },
  }),
  defineRoute({
    path: '/certificates',
    summary: 'TLS certificates of nodes, as their challengers found them in an epoch',
    tag: 'nodes',
    params: none,
    query: z.strictObject({ ...paging, epoch: NumberText.optional() }),
    answer: schemas.TlsPage,
    async handle({ parts, query, signal }) {
      const judged = await judgedEpoch(parts, query.epoch, signal)
      return pageOf(judged.snapshot, query, ({ seat }) => tlsStateOf(judged, seat)!)
    },
  }),
  defineRoute({
    path: '/weeks',
    summary: 'Weeks, the newest first',
    tag: 'weeks',
    params: none,
    query: Paged,
    answer: schemas.WeekPage,
    handle: ({ parts, query }) => listWeeks(parts, query),
  }),
  defineRoute({
    path: '/weeks/{week}',
    summary: 'A week: state, certificate, anchor, tally, payout',
    tag: 'weeks',
    params: OfWeek,
    query: none,
    answer: schemas.WeekDetail,
    handle: ({ parts, params, signal }) => weekDetail(parts, params.week, signal),
  }),
  defineRoute({
    path: '/weeks/{week}/seats',
    summary: 'The tally of a week, seat by seat',
    tag: 'weeks',
    params: OfWeek,
    query: Paged,
    answer: schemas.WeekSeatPage,
    async handle({ parts, params, query, signal }) {
      return await weekSeats(parts, await weekOrCurrent(parts, params.week, signal), query, signal)
    },
  }),
  defineRoute({
    path: '/epochs',
    summary: 'Epochs that are over, the newest first',
    tag: 'history',
    params: none,
    query: Paged,
    answer: schemas.EpochPage,
    handle: ({ parts, query, signal }) => latestEpochs(parts, query, signal),
  }),
  defineRoute({
    path: '/epochs/{epoch}',
    summary: 'An epoch',
    tag: 'history',
    params: z.strictObject({ epoch: NumberText }),
    query: none,
    answer: schemas.EpochRow,
    handle: async ({ parts, params, signal }) =>
      await epochRow(parts, await judgedEpoch(parts, params.epoch, signal)),
  }),
  defineRoute({
    path: '/attestations',
    summary: 'Attestations of an epoch',
    tag: 'explorer',
    params: none,
    query: z.strictObject({ ...paging, epoch: NumberText.optional() }),
    answer: schemas.AttestationPage,
    handle: async ({ parts, query, signal }) =>
      (await listAttestations(parts, query.epoch, query, signal)).page,
  }),
  defineRoute({
    path: '/attestations/{epoch}/{seat}',
    summary: 'A signed attestation',
    tag: 'explorer',
    params: z.strictObject({ epoch: NumberText, seat: NumberText }),
    query: none,
    answer: schemas.AttestationDetail,
    handle: ({ parts, params }) => attestationDetail(parts, params.epoch, params.seat),
  }),
  defineRoute({
    path: '/evidence/{cid}',
    summary: 'A block of evidence that this node has',
    tag: 'explorer',
    params: z.strictObject({ cid: CidText }),
    query: none,
    answer: schemas.EvidenceDetail,
    isMomentary: true,
    handle: ({ parts, params }) => evidenceDetail(parts, params.cid),
  }),
  defineRoute({
    path: '/blocks',
    summary: 'Confirmed blocks, the newest first',
    tag: 'explorer',
    params: none,
    query: Paged,
    answer: schemas.BlockPage,
    handle: ({ parts, query }) => listBlocks(parts, query),
  }),
  defineRoute({
    path: '/blocks/{height}',
    summary: 'A confirmed block',
    tag: 'explorer',
    params: z.strictObject({ height: NumberText }),
    query: none,
    answer: schemas.BlockRow,
    handle: ({ parts, params }) => blockAt(parts, params.height),
  }),
  defineRoute({
    path: '/announcements',
    summary: 'Announcements in force, the newest first',
    tag: 'explorer',
    params: none,
    query: Paged,
    answer: schemas.AnnouncementPage,
    handle: ({ parts, query }) => listAnnouncements(parts, query),
  }),
  defineRoute({
    path: '/search',
    summary: 'Seats, hosts, stakes, peers, weeks, epochs, blocks, evidence',
    tag: 'explorer',
    params: none,
    query: z.strictObject({ q: z.string().min(1).max(128) }),
    answer: schemas.FoundList,
    isMomentary: true,
    handle: async ({ parts, query }) => ({ query: query.q, items: await searchFor(parts, query.q) }),
  }),
]
