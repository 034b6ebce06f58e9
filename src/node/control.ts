import { chmod, rm } from 'node:fs/promises'
import { createAdaptorServer } from '@hono/node-server'
import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type { Logger } from 'pino'
import { formatTally } from '../../protocol/index.ts'
import { isSecnodeError, messageOf, SecnodeError } from '../errors.ts'
import { reportEpoch, tallyOfWeek } from '../tally/answers.ts'
import { answerExplain, answerVerify, queryOfPath } from '../tally/explain/answers.ts'
import { maxCaseBytes } from '../tally/explain/case-file.ts'
import { explainSourcesOfNode } from '../tally/explain/sources.ts'
import { verifierOfNode } from '../tally/explain/verifier.ts'
import type { AssembledNode } from './assemble.ts'
import { controlSocketOf } from './data-dir.ts'
import { nodeStatus } from './status.ts'

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

export const createControlServer = (node: AssembledNode, dir: string, logger: Logger): ControlServer => {
  const stopping = new AbortController()
  const app = new Hono()
  app.get('/status', async (context) => context.json(await nodeStatus(node)))
  app.get('/tally/:week', async (context) => {
    const tally = await tallyOfWeek(node.weeks, context.req.param('week'), stopping.signal)
    return context.body(formatTally(tally), 200, { 'content-type': 'application/json' })
  })
  app.get('/epoch/:epoch', async (context) =>
    context.json(await reportEpoch(node.weeks, Number(context.req.param('epoch')))),
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
      // Left behind by a daemon that was killed; the lock of the store says that none runs now.
      await rm(path, { force: true })
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
