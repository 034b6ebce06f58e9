import { randomBytes } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { RPC } from '@libp2p/gossipsub/message'
import type { Connection, Logger, PeerId, Stream } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { TopicValidatorResult } from '@libp2p/gossipsub'
import { createGossip, createRouter, type GossipOptions } from '../../src/net/gossip.ts'
import { type GossipRouter, type RouterParts } from '../../src/net/gossip/router.ts'
import { multiaddrOf } from '../../src/net/peer-address.ts'
import { realWorld } from '../../src/world.ts'

/**
 * Processor time of what comes in through the gossip router, without any validation: with the guard around it, and without,
 * in turns. Eight neighbours are passed what is accepted.
 */
export const compareRouters = async (milliseconds: number) => {
  const [guarded, bare] = [await startRouter(true), await startRouter(false)]
  const rows: object[] = []
  for (const [what, make] of Object.entries(loads)) {
    const spent = { guarded: 0, bare: 0, count: 0 }
    for (const endsMs = performance.now() + milliseconds; performance.now() < endsMs;) {
      const packets = Array.from({ length: perSlice }, make)
      const more = Array.from({ length: perSlice }, make)
      spent.bare += await bare.receive(packets)
      spent.guarded += await guarded.receive(packets)
      // The other way round, since the second one clears up behind the first.
      spent.guarded += await guarded.receive(more)
      spent.bare += await bare.receive(more)
      spent.count += packets.length + more.length
    }
    rows.push({
      case: 'router',
      what,
      guardedMicroseconds: round(spent.guarded / spent.count),
      bareMicroseconds: round(spent.bare / spent.count),
      ratio: round(spent.guarded / spent.bare),
    })
  }
  await Promise.all([guarded.stop(), bare.stop()])
  return rows
}

const round = (value: number): number => Number(value.toFixed(2))
const perSlice = 500
const neighbours = 8
const topic = `/secnode/${'ab'.repeat(16)}/attestations/1`
const encode = (rpc: Partial<RPC>): Uint8Array => RPC.encode({ subscriptions: [], messages: [], ...rpc })
const control = (what: Partial<RPC.ControlMessage>): Uint8Array =>
  encode({ control: { ihave: [], iwant: [], graft: [], prune: [], idontwant: [], ...what } })
const data = (kind: number): Uint8Array => {
  const bytes = randomBytes(300)
  bytes[0] = kind
  return bytes
}
const ids = (count: number): Uint8Array[] => Array.from({ length: count }, () => randomBytes(32))
const known = encode({ messages: [{ topic, data: data(0) }] })

const loads: Record<string, () => Uint8Array> = {
  'a message that is accepted': () => encode({ messages: [{ topic, data: data(0) }] }),
  'a message that is ignored': () => encode({ messages: [{ topic, data: data(1) }] }),
  'a message that was seen': () => known,
  'an empty packet': () => encode({}),
  '400 ids announced': () => control({ ihave: [{ topicID: topic, messageIDs: ids(400) }] }),
  '64 ids asked for': () => control({ iwant: [{ messageIDs: ids(64) }] }),
  'a graft and a prune': () =>
    control({ graft: [{ topicID: topic }], prune: [{ topicID: topic, peers: [] }] }),
}

/** Of budgets that no bench uses up. */
const ample = { burst: 1e12, everyMs: 1e-6 }

const startRouter = async (isGuarded: boolean) => {
  const options: GossipOptions = {
    topics: [{ name: topic, maxMessageBytes: 1_360 }],
    reputation: { penalise: () => undefined, points: () => 0 },
    allowLoopback: true,
    isRegistered: () => true,
    onFault: () => undefined,
    metrics: { increment: () => undefined },
    world: realWorld(),
    limits: {
      registered: ample,
      stranger: ample,
      strangers: ample,
      mostOfRegistered: ample,
      mostOfStranger: ample,
    },
  }
  const own = await generateKeyPair('Ed25519')
  const connections = new Map<string, Connection>()
  let handler: ((stream: Stream, connection: Connection) => void) | null = null
  const components = {
    privateKey: own,
    peerId: peerIdFromPrivateKey(own),
    peerStore: { merge: () => Promise.resolve() },
    registrar: {
      handle: (_protocol: string, handle: typeof handler) => Promise.resolve((handler = handle)),
      register: () => Promise.resolve('0'),
      unhandle: () => Promise.resolve(),
      unregister: () => undefined,
    },
    connectionManager: {
      getConnections: (peer: PeerId) =>
        [connections.get(peer.toString())].filter((found) => found !== undefined),
    },
    logger: { forComponent: () => silent },
  } as never
  const router = isGuarded
    ? (createGossip(options).service(components) as GossipRouter)
    : createRouter(options, components)
  await router.start()
  router.topicValidators.set(topic, (_peer, message) =>
    message.data[0] === 0 ? TopicValidatorResult.Accept : TopicValidatorResult.Ignore,
  )
  router.subscribe(topic)
  const parts = router as unknown as RouterParts

  const join = async (): Promise<{ send: (bytes: Uint8Array) => void }> => {
    const peer = peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
    const queue: Uint8Array[] = []
    let wake: () => void = () => undefined
    const inbound = {
      async *[Symbol.asyncIterator]() {
        for (;;) {
          while (queue.length > 0) yield queue.shift()!
          await new Promise<void>((resolve) => (wake = resolve))
        }
      },
      abort: () => undefined,
      close: () => Promise.resolve(),
    }
    const outbound = {
      protocol: '/meshsub/1.2.0',
      send: () => true,
      addEventListener: () => undefined,
      writeBufferLength: 0,
      close: () => Promise.resolve(),
    }
    const connection = {
      remotePeer: peer,
      remoteAddr: multiaddrOf({ ip: '192.0.2.1', port: 1 }, peer),
      direction: 'inbound',
      status: 'open',
      newStream: () => Promise.resolve(outbound),
    } as unknown as Connection
    connections.set(peer.toString(), connection)
    handler!(inbound as unknown as Stream, connection)
    return {
      send: (bytes) => {
        queue.push(withLength(bytes))
        wake()
      },
    }
  }

  const [sender, ...others] = await Promise.all(Array.from({ length: 1 + neighbours }, join))
  for (const other of [sender!, ...others])
    other.send(encode({ subscriptions: [{ topic, subscribe: true }] }))
  while (parts.mesh.get(topic)!.size < neighbours - 2) {
    await nextTurn()
    await router.heartbeat()
  }
  return {
    /** Microseconds of processor time until all was dealt with. */
    receive: async (packets: readonly Uint8Array[]): Promise<number> => {
      await router.heartbeat()
      const before = process.cpuUsage()
      for (const packet of packets) sender!.send(packet)
      for (let turn = 0; turn < 20; turn++) await nextTurn()
      const { user, system } = process.cpuUsage(before)
      return user + system
    },
    stop: () => router.stop(),
  }
}

const withLength = (bytes: Uint8Array): Uint8Array => {
  const prefix: number[] = []
  for (let length = bytes.length; ; length >>= 7) {
    prefix.push(length > 0x7f ? (length & 0x7f) | 0x80 : length)
    if (length <= 0x7f) return Uint8Array.of(...prefix, ...bytes)
  }
}

const silent: Logger = Object.assign(() => undefined, {
  error: () => undefined,
  trace: () => undefined,
  enabled: false,
  newScope: (): Logger => silent,
})
