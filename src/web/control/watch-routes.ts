import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { z } from 'zod'
import { SecnodeError } from '../../errors.ts'
import type { AssembledNode } from '../../service/assemble.ts'
import { createFleet, maxFleet } from '../../service/fleet.ts'
import { nodeStatus, peerStatuses } from '../../service/status.ts'

const FleetRequest = z.strictObject({ stakes: z.array(z.string().min(1).max(64)).min(1).max(maxFleet) })

/** Answers of the control socket about how this node and its owner's others are: status, peers, fleet, alerts. */
export const watchRoutes = (node: AssembledNode, signal: AbortSignal): Hono => {
  const app = new Hono()
  const fleet = createFleet(node)
  app.get('/status', async (context) => context.json(await nodeStatus(node)))
  app.get('/peers', async (context) => context.json(await peerStatuses(node)))
  app.post('/fleet', bodyLimit({ maxSize: 128 * maxFleet }), async (context) => {
    const asked = FleetRequest.safeParse(await context.req.json())
    if (!asked.success) {
      throw new SecnodeError('FLEET_STAKE', `a fleet has 1 to ${maxFleet} stake addresses`, { exitCode: 2 })
    }
    return context.json(await fleet.report(asked.data.stakes, signal))
  })
  app.post('/alert/test', async (context) => {
    const tested = await node.alerter.test(signal)
    if (tested.length === 0) {
      throw new SecnodeError('ALERTS_NONE', 'no alerts are configured', {
        exitCode: 2,
        hint: 'Write for example `alerts: { webhooks: [{ url: "https://chat.example.org/hook" }] }` and start again.',
      })
    }
    return context.json(tested)
  })
  return app
}
