import type { ApiRoute } from './route.ts'
import { serverRoutes } from '../resources/server/routes.ts'
import { networkRoutes } from '../resources/network/routes.ts'
import { nodesRoutes } from '../resources/nodes/routes.ts'
import { verdictsRoutes } from '../resources/verdicts/routes.ts'
import { historyRoutes } from '../resources/history/routes.ts'
import { epochsRoutes } from '../resources/epochs/routes.ts'
import { moneyRoutes } from '../resources/money/routes.ts'
import { weeksRoutes } from '../resources/weeks/routes.ts'
import { explorerRoutes } from '../resources/explorer/routes.ts'

/** The JSON API, resource by resource. Errors: NotFound, for a week of which nothing can be told. */
export const apiRoutes: readonly ApiRoute[] = [
  ...serverRoutes,
  ...networkRoutes,
  ...nodesRoutes,
  ...verdictsRoutes,
  ...historyRoutes,
  ...epochsRoutes,
  ...moneyRoutes,
  ...weeksRoutes,
  ...explorerRoutes,
]
