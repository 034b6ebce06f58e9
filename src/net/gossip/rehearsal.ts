import { generateKeyPair } from '@libp2p/crypto/keys'
import { RPC } from '@libp2p/gossipsub/message'
import type { Connection, Logger, PeerId, Stream, Topology } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { lpStream, streamPair } from '@libp2p/utils'
import { bytesToHex, ignoreUnverified } from '../../../protocol/index.ts'
import { createDeadline } from '../../async/deadline.ts'
import { nextTurn } from '../../async/slices.ts'
import { messageOf } from '../../errors.ts'
import type { World } from '../../world.ts'
import { type createRouter, createGossip, joinTopic } from '../gossip.ts'
import { multiaddrOf, peerKeyOf } from '../peer-address.ts'
import { maxMessagesPerRpc } from './guard.ts'
import { type GossipRouter, partsOf, unguarded } from './router.ts'

/**
 * Attacks a router of its own, over streams in memory, as every node's is made. What the guard relies on is not promised by
 * the library: should a later version take it away, no node starts with it. Errors: NET_UNGUARDED.
 */
export const rehearseGossip = async (world: World, make?: typeof createRouter): Promise<void> => {
  using deadline = createDeadline(world, deadlineMs)
  const cast: Cast = { own: await newPeer(), stranger: await newPeer(), seat: await newPeer() }
  for (const [what, attack] of Object.entries(attacks)) {
    try {
      await onStage(world, deadline.signal, cast, make, attack)
    } catch (error) {
      throw unguarded(`nothing bounds ${what}: ${messageOf(error)}`, error)
    }
  }
}

// As in the rehearsal of the guards below: long, so that a busy machine starts.
const deadlineMs = 60_000
const topic = 'rehearsal'
const maxOwn = 4
const maxRemembered = 3
const maxBackoffMs = 60_000

/** A node under attack. */
interface Stage {
  /** With the budget of a stranger, which is used up after four units. */
  stranger: Actor
  seat: Actor
  parts: ReturnType<typeof partsOf>
  router: GossipRouter
  entries: () => Record<string, number>
  /** Messages that came as far as the validator. */
  judged: () => number
  dropped: () => number
  /** Waits; fails when time is up. */
  until: (what: string, condition: () => boolean) => Promise<void>
}

interface Actor {
  id: string
  /** Comes, with a stream of its own, and answers the node's unless told otherwise. */
  join(isAnswering?: boolean): Promise<void>
  send(rpc: Partial<RPC>): void
  leave(): void
  /** What the node sent to it. */
  received: RPC[]
}

const messageOfNumber = (number: number): RPC.Message => ({ topic, data: Uint8Array.of(number) })
const control = (what: Partial<RPC.ControlMessage>): Partial<RPC> => ({
  control: { ihave: [], iwant: [], graft: [], prune: [], idontwant: [], ...what },
})
const announce = (count: number): Partial<RPC> =>
  control({
    ihave: [
      { topicID: topic, messageIDs: Array.from({ length: count }, (_, i) => Uint8Array.of(i >> 8, i & 255)) },
    ],
  })
const assert = (isHeld: boolean, otherwise: string): void => {
  if (!isHeld) throw new Error(otherwise)
}

const attacks: Record<string, (stage: Stage) => Promise<void>> = {
  'the messages of one sender': async ({ stranger, judged, dropped, until }) => {
    await stranger.join()
    stranger.send({ messages: Array.from({ length: 2 * maxOwn }, (_, i) => messageOfNumber(i)) })
    await until('dropping messages', () => dropped() > 0 && judged() > 0)
    assert(judged() <= maxOwn, `${judged()} messages were judged`)
  },
  'what is remembered of messages': async ({ seat, judged, entries, until }) => {
    await seat.join()
    for (let i = 0; i < 2 * maxRemembered; i++) seat.send({ messages: [messageOfNumber(i)] })
    await until('judging', () => judged() === 2 * maxRemembered)
    const { ids = Infinity, deliveries = Infinity } = entries()
    assert(ids <= maxRemembered, `${ids} ids were remembered`)
    assert(deliveries <= maxRemembered, `${deliveries} deliveries were remembered`)
  },
  'back-offs': async ({ seat, parts, router, until }) => {
    await seat.join()
    seat.send(control({ prune: [{ topicID: topic, peers: [], backoff: 4_000_000_000 }] }))
    const end = (): number | undefined => parts.backoff.get(topic)?.get(seat.id)
    await until('a back-off', () => end() !== undefined)
    assert(end()! - Date.now() <= maxBackoffMs, 'a back-off has no end')
    seat.leave()
    await router.heartbeat()
    assert(end() === undefined, 'a back-off outlived its peer')
  },
  'what is kept of peers that left': async ({ stranger, router, entries, until }) => {
    await stranger.join()
    stranger.send({ subscriptions: [{ topic, subscribe: true }] })
    await until('a subscription', () => entries()['subscriptions'] === 1)
    stranger.leave()
    await router.heartbeat()
    const kept = ['peers', 'scores', 'cached scores', 'addresses', 'subscriptions'].filter(
      (kind) => entries()[kind] !== 0,
    )
    assert(kept.length === 0, `kept: ${kept.join(', ')}`)
  },
  'what is asked for because it was announced': async ({ seat, stranger, until }) => {
    for (const actor of [stranger, seat]) {
      await actor.join()
      await until('a stream', () => actor.received.length > 0)
      actor.send(announce(2 * maxMessagesPerRpc))
    }
    const asked = ({ received }: Actor): number[] =>
      received.flatMap((rpc) => rpc.control?.iwant.map(({ messageIDs }) => messageIDs.length) ?? [])
    await until('asking', () => asked(seat).length > 0)
    assert(
      asked(seat).every((count) => count <= maxMessagesPerRpc),
      `${asked(seat).join(', ')} ids at once`,
    )
    assert(asked(stranger).length === 0, 'a stranger was asked')
  },
  'waiting for a peer that does not answer': async ({ stranger, seat, router, until }) => {
    // Without it, no stream is opened a second time.
    router.heartbeat = () => Promise.resolve()
    await stranger.join(false)
    await seat.join()
    await until('a stream to the other peer', () => seat.received.length > 0)
  },
}

const onStage = async (
  world: World,
  signal: AbortSignal,
  cast: Cast,
  make: typeof createRouter | undefined,
  attack: (stage: Stage) => Promise<void>,
): Promise<void> => {
  const seatKey = bytesToHex(peerKeyOf(cast.seat.peer)!)
  let judged = 0
  let dropped = 0
  const bucket = { burst: maxOwn, everyMs: 3_600_000 }
  const ample = { burst: 1_000, everyMs: 1 }
  const metrics = { increment: (counter: string) => void (counter === 'gossip_dropped' && dropped++) }
  const gossip = createGossip(
    {
      topics: [{ name: topic, maxMessageBytes: 1_024 }],
      reputation: { penalise: () => undefined, points: () => 0 },
      allowLoopback: true,
      isRegistered: (peer) => peer === seatKey,
      onFault: () => undefined,
      metrics,
      world,
      limits: {
        registered: ample,
        stranger: bucket,
        strangers: ample,
        mostOfRegistered: ample,
        mostOfStranger: ample,
      },
      memory: {
        seen: {
          maxAccepted: maxRemembered,
          acceptedMs: 60_000,
          maxOther: maxRemembered,
          otherMs: 60_000,
        },
        maxDeliveries: maxRemembered,
        maxGone: 1,
        maxBackoffMs,
        maxUnsentBytes: 1_000_000,
      },
    },
    make,
  )
  const network = createNetwork()
  const router = gossip.service({
    privateKey: cast.own.key,
    peerId: cast.own.peer,
    peerStore: { merge: () => Promise.resolve() } as never,
    registrar: network.registrar as never,
    connectionManager: network.connectionManager as never,
    logger: { forComponent: () => silentLog },
  }) as GossipRouter
  await router.start()
  joinTopic(router, {
    topic: { name: topic, maxMessageBytes: 1_024 },
    validate: () => {
      judged++
      return ignoreUnverified('rehearsal')
    },
    guard: gossip.guard(),
    metrics,
    logger: { error: () => undefined } as never,
    onReject: () => undefined,
  })
  const until = async (what: string, condition: () => boolean): Promise<void> => {
    while (!condition()) {
      if (signal.aborted) throw new Error(`${what} was not seen`)
      await nextTurn()
    }
  }
  try {
    await attack({
      stranger: network.createActor(cast.stranger.peer, signal),
      seat: network.createActor(cast.seat.peer, signal),
      parts: partsOf(router),
      router,
      entries: () => gossip.guard().memory.entries(),
      judged: () => judged,
      dropped: () => dropped,
      until,
    })
  } finally {
    network.close()
    await router.stop()
  }
}

/** Keys of those on the stage, made once. */
type Cast = Record<'own' | 'stranger' | 'seat', Awaited<ReturnType<typeof newPeer>>>

const newPeer = async () => {
  const key = await generateKeyPair('Ed25519')
  return { key, peer: peerIdFromPrivateKey(key) }
}

/** What the router sees of libp2p: its handlers are called, and streams end in memory. */
const createNetwork = () => {
  const handlers: ((stream: Stream, connection: Connection) => void)[] = []
  const topologies: Topology[] = []
  const connections = new Map<string, Connection>()
  const streams: Stream[] = []
  const ended = new Error('the rehearsal is over')

  const createActor = (peer: PeerId, signal: AbortSignal): Actor => {
    const id = peer.toString()
    const received: RPC[] = []
    let sending: ReturnType<typeof lpStream> | null = null

    const pair = async (): Promise<[Stream, Stream]> => {
      const both = await streamPair({ protocol: protocols[0]! })
      streams.push(...both)
      return both
    }

    const read = async (stream: Stream): Promise<void> => {
      const packets = lpStream(stream)
      for (;;) received.push(RPC.decode(await packets.read({ signal })))
    }

    return {
      id,
      received,
      join: async (isAnswering = true) => {
        const connection = {
          remotePeer: peer,
          remoteAddr: multiaddrOf({ ip: '192.0.2.1', port: 1 }, peer),
          direction: 'inbound',
          status: 'open',
          newStream: async () => {
            if (!isAnswering) return await new Promise<Stream>(() => undefined)
            const [outbound, inbound] = await pair()
            // It ends with the rehearsal.
            read(inbound).catch(() => undefined)
            return outbound
          },
        } as unknown as Connection
        connections.set(id, connection)
        const [outbound, inbound] = await pair()
        sending = lpStream(outbound)
        handlers[0]!(inbound, connection)
      },
      send: (rpc) => {
        const bytes = RPC.encode({ subscriptions: [], messages: [], ...rpc })
        sending!.write(bytes, { signal }).catch(() => undefined)
      },
      leave: () => {
        connections.delete(id)
        for (const topology of topologies) void topology.onDisconnect?.(peer)
      },
    }
  }

  return {
    createActor,
    registrar: {
      handle: (_protocol: string, handler: (typeof handlers)[number]) => {
        handlers.push(handler)
        return Promise.resolve()
      },
      register: (_protocol: string, topology: Topology) => {
        topologies.push(topology)
        return Promise.resolve(`${topologies.length}`)
      },
      unhandle: () => Promise.resolve(),
      unregister: () => undefined,
      getTopologies: () => topologies,
    },
    connectionManager: {
      getConnections: (peer: PeerId) =>
        [connections.get(peer.toString())].filter((found) => found !== undefined),
    },
    close: () => streams.forEach((stream) => stream.abort(ended)),
  }
}

const protocols = ['/meshsub/1.2.0']

const silentLog: Logger = Object.assign(() => undefined, {
  error: () => undefined,
  trace: () => undefined,
  enabled: false,
  newScope: (): Logger => silentLog,
})
