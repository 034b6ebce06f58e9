import { describe, expect, test } from 'vitest'
import { createRouter } from '../../src/net/gossip.ts'
import { rehearseGossip } from '../../src/net/gossip/rehearsal.ts'
import { realWorld } from '../../src/world.ts'

/** Time is up at once where a guard is missing: nothing else would end the wait. */
const hurried = {
  ...realWorld(),
  setTimer: (_ms: number, callback: () => void) => realWorld().setTimer(700, callback),
}

type Router = ReturnType<typeof createRouter>
const changed =
  (change: (router: Router) => void): typeof createRouter =>
  (...args) => {
    const router = createRouter(...args)
    change(router)
    return router
  }
const at = (router: object, path: readonly string[]): object =>
  path.reduce((part, name) => (part as Record<string, object>)[name]!, router)
/** As if the library called something else: what is put in its place is never used. */
const deaf = (...path: string[]) =>
  changed((router) => {
    const name = path.at(-1)!
    const owner = at(router, path.slice(0, -1))
    const value = (owner as Record<string, unknown>)[name]
    Object.defineProperty(owner, name, { get: () => value, set: (_ignored: unknown) => {} })
  })
const without = (...path: string[]) =>
  changed((router) => {
    Object.defineProperty(at(router, path.slice(0, -1)), path.at(-1)!, { value: undefined })
  })

describe('R-MSG-2 the rehearsal of the guard', () => {
  test('goes well with the router as it is', async () => {
    await expect(rehearseGossip(realWorld())).resolves.toBeUndefined()
  })

  test.each([
    [['pipePeerReadStream'], 'the messages of one sender'],
    [['seenCache'], 'what is remembered of messages'],
    [['score', 'deliveryRecords', 'ensureRecord'], 'what is remembered of messages'],
    [['doAddBackoff'], 'back-offs'],
    [['score', 'removePeer'], 'what is kept of peers that left'],
    [['handleIHave'], 'what is asked for because it was announced'],
    [['createOutboundStream'], 'waiting for a peer that does not answer'],
  ])('a router that does not use %s as it did starts no node', async (path, what) => {
    await expect(rehearseGossip(hurried, deaf(...path))).rejects.toMatchObject({
      code: 'NET_UNGUARDED',
      message: expect.stringContaining(`nothing bounds ${what}`) as string,
      hint: expect.stringContaining('npm ci') as string,
    })
  })

  test.each([
    [['decodeRpc']],
    [['handleReceivedRpc']],
    [['pushGossip']],
    [['mcache', 'put']],
    [['score', 'addPeer']],
    [['backoff']],
  ])('a router without %s starts no node', async (path) => {
    await expect(rehearseGossip(hurried, without(...path))).rejects.toMatchObject({
      code: 'NET_UNGUARDED',
      message: expect.stringContaining(`the router has no ${path.join('.')}`) as string,
    })
  })
})
