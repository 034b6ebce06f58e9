import type { Logger } from 'pino'
import type { AssembledNode } from '../service/assemble.ts'
import type { Config } from '../service/config.ts'
import { createControlServer } from './control/server.ts'
import { startWebServer, type WebServer } from './web-server.ts'

/** Where a running node answers: the control socket of its machine, and its page with API and metrics. */
export interface Doors {
  /** Null if no page is served. */
  readonly web: WebServer | null
  /** Idempotent. */
  stop(): Promise<void>
}

export const openDoors = async (node: AssembledNode, config: Config, logger: Logger): Promise<Doors> => {
  let web: WebServer | null = null
  const control = createControlServer(node, config.dir, logger, () => web?.operatorUrl() ?? null)
  const stop = async (): Promise<void> => {
    await web?.stop()
    await control.stop()
  }
  try {
    await control.start()
    web = await startWebServer(node, config.web, logger)
  } catch (error) {
    await stop()
    throw error
  }
  return { web, stop }
}
