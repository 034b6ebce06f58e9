import { z } from 'zod'
import { defineRoute } from '../../api/route.ts'
import { none, CidParameter, paging, Paged, NumberText } from '../../query.ts'
import {
  AttestationPage,
  AttestationDetail,
  EvidenceDetail,
  BlockRow,
  BlockPage,
  AnnouncementPage,
  FoundList,
} from './schemas.ts'
import { searchFor } from './search.ts'
import {
  listAnnouncements,
  listBlocks,
  blockAt,
  listAttestations,
  attestationDetail,
  evidenceDetail,
} from './view.ts'

export const explorerRoutes = [
  defineRoute({
    path: '/attestations',
    summary: 'Attestations of an epoch',
    tag: 'explorer',
    params: none,
    query: z.strictObject({ ...paging, epoch: NumberText.optional() }),
    answer: AttestationPage,
    handle: async ({ parts, query, signal }) =>
      (await listAttestations(parts, query.epoch, query, signal)).page,
  }),
  defineRoute({
    path: '/attestations/{epoch}/{seat}',
    summary: 'A signed attestation',
    tag: 'explorer',
    params: z.strictObject({ epoch: NumberText, seat: NumberText }),
    query: none,
    answer: AttestationDetail,
    handle: ({ parts, params }) => attestationDetail(parts, params.epoch, params.seat),
  }),
  defineRoute({
    path: '/evidence/{cid}',
    summary: 'A block of evidence that this node has',
    tag: 'explorer',
    params: z.strictObject({ cid: CidParameter }),
    query: none,
    answer: EvidenceDetail,
    isMomentary: true,
    handle: ({ parts, params }) => evidenceDetail(parts, params.cid),
  }),
  defineRoute({
    path: '/blocks',
    summary: 'Confirmed blocks, the newest first',
    tag: 'explorer',
    params: none,
    query: Paged,
    answer: BlockPage,
    handle: ({ parts, query }) => listBlocks(parts, query),
  }),
  defineRoute({
    path: '/blocks/{height}',
    summary: 'A confirmed block',
    tag: 'explorer',
    params: z.strictObject({ height: NumberText }),
    query: none,
    answer: BlockRow,
    handle: ({ parts, params }) => blockAt(parts, params.height),
  }),
  defineRoute({
    path: '/announcements',
    summary: 'Announcements in force, the newest first',
    tag: 'explorer',
    params: none,
    query: Paged,
    answer: AnnouncementPage,
    handle: ({ parts, query }) => listAnnouncements(parts, query),
  }),
  defineRoute({
    path: '/search',
    summary: 'Seats, hosts, stakes, peers, weeks, epochs, blocks, evidence',
    tag: 'explorer',
    params: none,
    query: z.strictObject({ q: z.string().min(1).max(128) }),
    answer: FoundList,
    isMomentary: true,
    handle: async ({ parts, query }) => ({ query: query.q, items: await searchFor(parts, query.q) }),
  }),
]
