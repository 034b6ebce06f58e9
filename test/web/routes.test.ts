import pino from 'pino'
import { expect, test } from 'vitest'
import type { AssembledNode } from '../../src/service/assemble.ts'
import { apiRoutes } from '../../src/web/api/routes.ts'
import { openApiOf } from '../../src/web/api/openapi.ts'
import { socketRoutes } from '../../src/web/control/server.ts'

/** Routes are described before a node runs: none is asked here. */
const node = { network: { profile: {} } } as AssembledNode
const onSocket = socketRoutes(node, pino({ level: 'silent' }), () => null)

test('every route says where it is reached, and no path of the socket is on the port', () => {
  expect(new Set(apiRoutes.map(({ reach }) => reach))).toEqual(new Set(['port']))
  expect(new Set(onSocket.map(({ reach }) => reach))).toEqual(new Set(['socket']))
  const document = openApiOf(apiRoutes) as { paths: Record<string, object> }
  expect(Object.keys(document.paths).sort()).toEqual(apiRoutes.map(({ path }) => path).sort())
  // What is posted, and what holds a key, a history or the operator's own paths, is for the socket alone.
  const secret = ['/takeover', '/history', '/page', '/alert/test', '/bundle/import', '/fleet', '/dial-back']
  for (const path of secret) {
    expect(onSocket.some((route) => route.path === path)).toBe(true)
    expect(document.paths[path]).toBeUndefined()
  }
})

test('the port is only read', () => {
  const document = openApiOf(apiRoutes) as { paths: Record<string, object> }
  for (const operations of Object.values(document.paths)) expect(Object.keys(operations)).toEqual(['get'])
})

test('no path is described twice', () => {
  for (const routes of [apiRoutes, onSocket]) {
    const paths = routes.map(({ path }) => path)
    expect(new Set(paths).size).toBe(paths.length)
  }
})
