import { pino } from 'pino'
import { createAlerter } from '../../src/service/alerts/alerter.ts'
import { createWebhook } from '../../src/service/alerts/webhook.ts'
import { createAlertStore } from '../../src/store/alerts.ts'
import { createMemoryStore } from '../../src/store/memory-store.ts'
import { createWebServer } from '../../src/web/web-server.ts'
import { realWorld } from '../../src/world.ts'
import { type Listener, startListener } from '../service/alerts/listener.ts'
import type { PlayedPage } from './played-page.ts'

/** Another page of the same node, of which alerts go to a listener. */
export interface AlertingPage extends AsyncDisposable {
  /** `http://127.x.y.z:port`. */
  url: string
  listener: Listener
}

const logger = pino({ level: 'silent' })

export const startAlertingPage = async (played: PlayedPage, address: string): Promise<AlertingPage> => {
  const listener = await startListener()
  const node = played.devnet.running().find(({ hostName }) => hostName === played.own.host)!
  const uncounted = (): void => undefined
  const alerter = createAlerter({
    store: createAlertStore(createMemoryStore()),
    targets: [createWebhook({ url: listener.url, timeoutMs: 20_000, world: realWorld() })],
    from: 'warning',
    minIntervalMs: 0,
    node: () => ({ network: 'devnet', host: node.hostName, seat: played.ownSeat, peer: 'p' }),
    metrics: { sent: uncounted, failed: uncounted, lost: uncounted },
    logger,
    world: realWorld(),
  })
  await alerter.start()
  const server = createWebServer({ ...node, alerter }, { address, port: 0, hosts: [] }, logger)
  await server.start()
  return {
    url: server.url(),
    listener,
    async [Symbol.asyncDispose]() {
      await server.stop()
      await alerter.stop()
      await listener.close()
    },
  }
}
