import { multiaddrConnectionPair } from '@libp2p/utils'
import { yamux } from '@libp2p/yamux'
import { expect, test, vi } from 'vitest'
import { concatBytes } from '../../protocol/index.ts'
import { createNodeKeys } from '../../src/keys/node-key.ts'
import { type Components, createGuards, type Guards } from '../../src/net/guards/guards.ts'
import { noMetrics } from '../../src/net/counters.ts'
import { createGossip } from '../../src/net/gossip.ts'
import { createLibp2pNode } from '../../src/net/libp2p-node.ts'
import { createReputation } from '../../src/net/reputation.ts'
import { realWorld, type World } from '../../src/world.ts'
import { data, fin, frame, header, proposals, syn } from './hostile-peer.ts'
import { networkId, startHost, topics, until } from './local-hosts.ts'

// What a guard that is missing costs in time is not what is tested.
const hasty: World = { ...realWorld(), setTimer: (ms, callback) => realWorld().setTimer(ms / 20, callback) }

const unnoticed = { isRegistered: () => false, onHostile: () => undefined, onWait: () => undefined }
const guardsOf = (world: World): Guards =>
  createGuards({ networkId, negotiationTimeoutMs: 10_000, ...unnoticed, world })

const create = (guards: Guards, world: World) =>
  createLibp2pNode(
    {
      keys: createNodeKeys((length) => world.randomBytes(length)),
      networkId,
      listen: { address: '127.9.3.1', port: 0 },
      allowLoopback: true,
      topics,
    },
    {
      limits: { handshakeTimeoutMs: 10_000 },
      gater: {},
      gossip: createGossip({
        topics,
        allowLoopback: true,
        reputation: createReputation(world),
        world,
        isRegistered: () => true,
        onFault: () => undefined,
        metrics: noMetrics,
      }),
      guards,
      world,
    },
  )

test('a node with all of its guards is made', async () => {
  const node = await create(guardsOf(realWorld()), realWorld())
  await node.start()
  expect(node.status).toBe('started')
  await node.stop()
})

test.each<[keyof Guards, Partial<Guards>, string]>([
  ['upgrader', { upgrader: () => undefined }, 'a connection that comes in'],
  ['encrypter', { encrypter: (make) => make }, 'a peer that is known'],
  ['muxer', { muxer: (make) => make }, 'in answer to a stream'],
])('without the guard of the %s no node is made', async (_, removed, what) => {
  const making = create({ ...guardsOf(hasty), ...removed }, hasty)
  await expect(making).rejects.toMatchObject({
    code: 'NET_UNGUARDED',
    message: expect.stringContaining(what),
    hint: expect.stringContaining('npm ci'),
  })
})

/** What a later version of a library might do. */
const later = vi.hoisted(() => ({
  ignoresDecoder: false,
  ignoresDispatch: false,
}))

vi.mock('@libp2p/multistream-select', async (importActual) => {
  const actual = await importActual<typeof import('@libp2p/multistream-select')>()
  const handle: typeof actual.handle = (stream, protocols, { signal, ...given } = {}) =>
    actual.handle(stream, protocols, { ...(later.ignoresDecoder ? {} : given), ...(signal && { signal }) })
  return { ...actual, handle }
})

vi.mock('@libp2p/yamux', async (importActual) => {
  const actual = await importActual<typeof import('@libp2p/yamux')>()
  return {
    ...actual,
    yamux: (init: object) => () => {
      const factory = actual.yamux(init)()
      const create = factory.createStreamMuxer.bind(factory)
      factory.createStreamMuxer = (connection) => {
        // As if it got its bytes by another way than events.
        if (later.ignoresDispatch) delete (connection as { dispatchEvent?: unknown }).dispatchEvent
        return create(connection)
      }
      return factory
    },
  }
})

test.each([
  ['a negotiation that takes no decoder', 'ignoresDecoder', 'a stream that comes in'],
  ['a muxer that reads past the guard', 'ignoresDispatch', 'giant frame'],
] as const)('with %s the host does not start, and says why', async (_, change, what) => {
  later[change] = true
  try {
    const starting = startHost('127.9.3.2', { world: hasty })
    await expect(starting).rejects.toMatchObject({
      code: 'NET_UNGUARDED',
      message: expect.stringContaining(what),
    })
  } finally {
    later[change] = false
  }
  await using host = await startHost('127.9.3.2')
  // The attacks of the rehearsal are nobody's.
  expect([...host.counts]).toEqual([])
})

test('an answer of the DHT that no honest one asks for is not sent', async () => {
  const dht = `/secnode/${networkId}/kad/1.0.0`
  const components = {
    events: new EventTarget(),
    registrar: { getProtocols: () => [dht] },
  } as unknown as Components
  const factory = guardsOf(realWorld()).muxer(yamux())(components)
  const [attacker, victim] = multiaddrConnectionPair()
  const muxer = factory.createStreamMuxer(victim)
  const statuses: string[] = []
  muxer.addEventListener('stream', ({ detail: stream }) => {
    const answer = (bytes: number): void => {
      try {
        stream.send(new Uint8Array(bytes))
        statuses.push('sent')
      } catch {
        statuses.push('refused')
      }
    }
    answer(32_768)
    answer(32_769)
  })
  const bytes = proposals(header, dht)
  attacker.send(concatBytes(frame(data, syn | fin, 1, bytes)))
  await until(() => statuses.length === 2)
  expect(statuses).toEqual(['sent', 'refused'])
})
