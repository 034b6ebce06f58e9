import { createReadStream } from 'node:fs'
import { chmod, rm } from 'node:fs/promises'
import { PassThrough, Readable } from 'node:stream'
import { createAdaptorServer } from '@hono/node-server'
import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type { Logger } from 'pino'
import { z } from 'zod'
import { formatTally } from '../../../protocol/index.ts'
import { isSecnodeError, messageOf, SecnodeError } from '../../errors.ts'
import { reportEpoch, resolveWeek, tallyOfWeek } from '../../week/answers.ts'
import { checkpointOf, exportBundle, type WeekData } from '../../week/bundle.ts'
import { answerExplain, answerVerify, queryOfPath } from '../../week/explain/explain-answers.ts'
import { maxCaseBytes } from '../../week/explain/case-file.ts'
import { explainSourcesOfNode, verifierOfNode } from '../../service/explaining.ts'
import { sha256, sinkOf } from '../../week-io/native.ts'
import { importAnchored, importAnswerOf, type ImportTarget } from '../../week-io/import-bundle.ts'
import { weekDataOf } from '../../week/week-data.ts'
import type { AssembledNode } from '../../service/assemble.ts'
import { controlSocketOf, prepareControlSocket } from '../../service/control-socket.ts'
import { daemonStanding, outsideSights, SightRequest } from '../../service/doctor-answers.ts'
import { relayRoutes } from './relay-routes.ts'
import { takeoverRoutes } from './takeover-routes.ts'
import { watchRoutes } from './watch-routes.ts'

/**
 * The daemon's answers to the command line of its own machine, over a socket in the data directory that only its
 * owner may open: the store itself can be open once only.
 */
export interface ControlServer {
  start(): Promise<void>
  stop(): Promise<void>
}

/** What a refusal looks like: the parts of a SecnodeError. */
export interface ControlError {
  code: string
  message: string
  hint?: string
  exitCode: 1 | 2 | 3
}

/** An absolute path: the socket's owner is the daemon's own user, who may read what the daemon may. */
const ImportRequest = z.strictObject({ file: z.string().min(1).max(4_096) })

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

/** `pageUrl`: where the operator finds the page of this node; null if none is served. */
export const createControlServer = (
  node: AssembledNode,
  dir: string,
  logger: Logger,
  pageUrl: () => string | null = () => null,
): ControlServer => {
  const stopping = new AbortController()
  const app = new Hono()
  app.route('/', watchRoutes(node, stopping.signal))
  app.route('/', relayRoutes(node, stopping.signal))
  app.route('/', takeoverRoutes(node))
  app.get('/tally/:week', async (context) => {
    const tally = await tallyOfWeek(node.weeks, context.req.param('week'), stopping.signal)
    return context.body(formatTally(tally), 200, { 'content-type': 'application/json' })
  })
  app.get('/epoch/:epoch', async (context) =>
    context.json(await reportEpoch(node.weeks, Number(context.req.param('epoch')), stopping.signal)),
  )
  app.get('/explain/:week', async (context) => {
    const query = queryOfPath(context.req.param('week'), context.req.query())
    const sources = explainSourcesOfNode(node, stopping.signal)
    const answer = await answerExplain(sources, query, stopping.signal)
    return context.body(answer, 200, { 'content-type': 'application/json' })
  })
  app.post('/explain/verify', bodyLimit({ maxSize: maxCaseBytes }), async (context) => {
    const facts = verifierOfNode(node, stopping.signal)
    return context.json(await answerVerify(facts, await context.req.text(), stopping.signal))
  })
  app.get('/anchor', (context) => {
    const due = node.daemon.finality.dueAnchor()
    if (due === null) {
      throw new SecnodeError('ANCHOR_NOT_DUE', 'no certificate waits for its anchor', {
        exitCode: 3,
        hint: '`secnode tally --week last` says where the week stands.',
      })
    }
    return context.json(due)
  })
  app.get('/page', (context) => {
    const url = pageUrl()
    if (url === null) {
      throw new SecnodeError('WEB_OFF', 'this node serves no page', {
        exitCode: 3,
        hint: 'Write `web: {}` into its configuration; if it has that, the log says why there is no page.',
      })
    }
    return context.json({ url })
  })
  app.get('/standing', (context) => context.json(daemonStanding(node)))
  app.post('/dial-back', bodyLimit({ maxSize: 4_096 }), async (context) => {
    const request = SightRequest.parse(await context.req.json())
    return context.json(await outsideSights(node, request, stopping.signal))
  })
  app.get('/bundle/:week', async (context) => {
    const week = await resolveWeek(node.weeks, context.req.param('week'))
    const data = weekDataOfNode(node, stopping.signal)
    // Refused before the first byte: afterwards a fault can only break the stream off.
    await checkpointOf(data, week)
    const out = new PassThrough()
    const withEvidence = context.req.query('evidence') !== undefined
    exportBundle(data, week, sinkOf(out), { sha256, withEvidence, signal: stopping.signal }).catch(
      (error: unknown) => {
        if (!stopping.signal.aborted) logger.warn({ week, reason: messageOf(error) }, 'an export broke off')
        out.destroy(error instanceof Error ? error : new Error(messageOf(error)))
      },
    )
    const body = Readable.toWeb(out) as ReadableStream<Uint8Array>
    return context.body(body, 200, { 'content-type': 'application/vnd.ipld.car; version=1' })
  })
  app.post('/bundle/import', bodyLimit({ maxSize: 16 * 1024 }), async (context) => {
    const { file } = ImportRequest.parse(await context.req.json())
    const options = { signal: stopping.signal }
    const taken = await importAnchored(importTargetOfNode(node), () => createReadStream(file), options)
    return context.json(importAnswerOf(taken))
  })
  app.onError((error, context) => {
    if (!isSecnodeError(error)) logger.error({ err: error }, 'a question of the command line failed')
    const answer: ControlError = isSecnodeError(error)
      ? {
          code: error.code,
          message: error.message,
          exitCode: error.exitCode,
          ...(error.hint === undefined ? {} : { hint: error.hint }),
        }
      : { code: 'CONTROL_FAILED', message: messageOf(error), exitCode: 1 }
    return context.json(answer, 500)
  })
  const server = createAdaptorServer({ fetch: app.fetch })
  const path = controlSocketOf(dir)
  return {
    async start() {
      await prepareControlSocket(dir)
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen(path, resolve)
      })
      await chmod(path, 0o600)
    },
    async stop() {
      stopping.abort(new Error('stopping'))
      await new Promise<void>((resolve) => {
        server.close(() => resolve())
        if ('closeAllConnections' in server) server.closeAllConnections()
      })
      await rm(path, { force: true })
    },
  }
}
