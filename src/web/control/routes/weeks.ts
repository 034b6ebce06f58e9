import { createReadStream } from 'node:fs'
import { PassThrough, Readable } from 'node:stream'
import type { Logger } from 'pino'
import { z } from 'zod'
import { formatTally } from '../../../../protocol/index.ts'
import { messageOf } from '../../../errors.ts'
import type { AssembledNode } from '../../../service/assemble.ts'
import { reportEpoch, resolveWeek, tallyOfWeek } from '../../../week/answers.ts'
import { checkpointOf, exportBundle, type WeekData } from '../../../week/bundle.ts'
import { weekDataOf } from '../../../week/week-data.ts'
import { sha256, sinkOf } from '../../../week-io/native.ts'
import { importAnchored, importAnswerOf, type ImportTarget } from '../../../week-io/import-bundle.ts'
import { defineSocketRoute, type SocketRoute } from '../../api/route.ts'
import { none } from '../../query.ts'
import { EpochAnswer, ImportedAnswer } from '../schemas.ts'

/** An absolute path: the socket's owner is the daemon's own user, who may read what the daemon may. */
const ImportRequest = z.strictObject({ file: z.string().min(1).max(4_096) })

/** What week is meant is read where it is answered, which says what is wrong with it. */
const Named = z.strictObject({ week: z.string().max(64) })

/** The data of anchored weeks, as a running daemon has it. */
export const weekDataOfNode = ({ daemon }: AssembledNode, signal: AbortSignal): WeekData =>
  weekDataOf(
    {
      anchored: daemon.finality.anchored,
      epochs: daemon.epochs,
      checkpoints: daemon.checkpoints,
      evidence: daemon.node.evidence,
      heldOf: (context, seats) => daemon.collector.heldOf(context, seats),
    },
    signal,
  )

const importTargetOfNode = ({ daemon, network, follower }: AssembledNode): ImportTarget => ({
  networkId: network.networkId,
  weeks: () => follower.weeks(),
  epochs: daemon.epochs,
  checkpoints: daemon.checkpoints,
  evidence: daemon.node.evidence,
  admit: (context, bytes) => daemon.collector.takeAnchored(context, bytes),
})

/** Tallies, epochs and bundles. */
export const weekRoutes = (node: AssembledNode, logger: Logger): SocketRoute[] => [
  defineSocketRoute({
    path: '/tally/{week}',
    summary: 'The tally of a week, in its canonical form',
    params: Named,
    query: none,
    body: null,
    answer: { media: 'application/json' },
    handle: async ({ params: { week }, signal }) => formatTally(await tallyOfWeek(node.weeks, week, signal)),
  }),
  defineSocketRoute({
    path: '/epoch/{epoch}',
    summary: 'What challengers said of each seat in an epoch',
    params: z.strictObject({ epoch: z.string().max(64) }),
    query: none,
    body: null,
    answer: EpochAnswer,
    handle: ({ params: { epoch }, signal }) => reportEpoch(node.weeks, Number(epoch), signal),
  }),
  defineSocketRoute({
    path: '/bundle/{week}',
    summary: 'The bundle of an anchored week',
    params: Named,
    query: z.strictObject({ evidence: z.string().optional() }),
    body: null,
    answer: { media: 'application/vnd.ipld.car; version=1' },
    async handle({ params, query: { evidence }, signal }) {
      const week = await resolveWeek(node.weeks, params.week)
      const data = weekDataOfNode(node, signal)
      // Refused before the first byte: afterwards a fault can only break the stream off.
      await checkpointOf(data, week)
      const out = new PassThrough()
      const withEvidence = evidence !== undefined
      exportBundle(data, week, sinkOf(out), { sha256, withEvidence, signal }).catch((error: unknown) => {
        if (!signal.aborted) logger.warn({ week, reason: messageOf(error) }, 'an export broke off')
        out.destroy(error instanceof Error ? error : new Error(messageOf(error)))
      })
      return Readable.toWeb(out) as ReadableStream<Uint8Array>
    },
  }),
  defineSocketRoute({
    path: '/bundle/import',
    summary: 'Takes in the bundle of an anchored week',
    params: none,
    query: none,
    body: { schema: ImportRequest, maxBytes: 16 * 1024 },
    answer: ImportedAnswer,
    handle: async ({ body: { file }, signal }) =>
      importAnswerOf(
        await importAnchored(importTargetOfNode(node), () => createReadStream(file), { signal }),
      ),
  }),
]
