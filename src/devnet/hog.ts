import { connect } from 'node:net'
import { bytesToHex, protocols, relayProtocol, type SnapshotRow } from '../../protocol/index.ts'
import { type BarePeer, type BareStream, startBarePeer } from '../net/bare-peer.ts'
import { resolveObservedAddress } from '../net/resolve.ts'
import type { NodeContext } from '../node/context.ts'

/** What a hog does beside its daemon, which is an honest one. */
export interface Hog {
  stop(): Promise<void>
}

export interface HogOptions {
  /** Loopback addresses that it connects from. */
  ips: readonly string[]
  /** Keys (hex) of all hogs, itself included: they leave one another alone. */
  hogs: ReadonlySet<string>
}

/** As many as a node takes of one registered peer. Where that is all, the hog's own daemon is told "busy" as well. */
const streamsByProtocol: ReadonlyMap<string, number> = new Map([
  [protocols.challenge, 4],
  [protocols.evidence, 4],
  [protocols.checkpoint, 4],
  [protocols.propose, 2],
  [protocols.sync, 2],
  [relayProtocol, 4],
])
/** Half of what a node takes of one peer: the hog's own daemon needs the rest for its duties. */
const connectionsPerVictim = 2
/** Of all hogs together at one victim: its TLS endpoint has places for 256. */
const tlsSockets = 288
const p2pSockets = 96
/** What was lost is taken again at the next tick; of all hogs together so many a second at most. */
const tickMs = 100
const streamsPerSecond = 200
const socketsPerSecond = 400
/** Says that 64 bytes follow, of which one does. */
const unfinishedRequest = Uint8Array.of(64, 0x85)

interface Place {
  is: 'stream' | 'socket'
  /** Takes it; resolves when it is lost, rejects if it cannot be had. */
  take(): Promise<void>
  giveUp(): void
}

/**
 * Holds places at every node that is not a hog, from the first snapshot on: idle and unfinished streams under the key of
 * its seat, and idle sockets at both ports. Their number is bounded, and what is lost is taken again.
 */
export const startHog = async (node: NodeContext, options: HogOptions): Promise<Hog> => {
  const { ips, hogs } = options
  const peer = await startBarePeer(node.keys.seed, ips[0]!, node.world)
  const known = new Set<string>()
  const places: Place[] = []
  const lost = { stream: [] as Place[], socket: [] as Place[] }
  const perTick = (ofAll: number): number => Math.ceil((ofAll * tickMs) / 1_000 / hogs.size)

  const findVictims = async (): Promise<void> => {
    const current = node.epochs.current()
    const context = current === null ? undefined : await node.epochs.get(current)
    for (const row of context?.snapshot ?? []) {
      const name = bytesToHex(row.peer)
      if (known.has(name) || hogs.has(name)) continue
      known.add(name)
      for (const place of await placesAt(row, node, peer, options)) {
        places.push(place)
        lost[place.is].push(place)
      }
    }
  }

  const hold = async (place: Place): Promise<void> => {
    // A victim that refused is asked again, like one that ended what was held.
    await place.take().catch(() => undefined)
    lost[place.is].push(place)
  }

  let isStopped = false
  let cancel = (): void => undefined
  const tick = (): void => {
    if (isStopped) return
    findVictims().catch((error: unknown) => node.logger.error({ err: error }, 'the hog found no victims'))
    const due = [
      ...lost.stream.splice(0, perTick(streamsPerSecond)),
      ...lost.socket.splice(0, perTick(socketsPerSecond)),
    ]
    for (const place of due) void hold(place)
    cancel = node.world.setTimer(tickMs, tick)
  }
  tick()
  return {
    stop: async () => {
      isStopped = true
      cancel()
      for (const place of places) place.giveUp()
      await peer.stop()
    },
  }
}

const placesAt = async (
  { host, peer: peerKey, p2p, tls }: SnapshotRow,
  node: NodeContext,
  peer: BarePeer,
  { ips, hogs }: HogOptions,
): Promise<Place[]> => {
  const resolution = await resolveObservedAddress(host, node.resolveHost, {
    allowLoopback: node.allowLoopback,
  })
  if (resolution.is !== 'ok') return []
  const { ip } = resolution.address
  const target = { peerKey, address: { ip, port: p2p } }
  const streams = [...streamsByProtocol].flatMap(([protocol, count]) =>
    Array.from({ length: count }, (_, i) => {
      const name = `/secnode/${node.networkId}/${protocol}`
      return streamPlace(() => peer.openStream(target, i % connectionsPerVictim, name), i >= count / 2)
    }),
  )
  const socketsAt = (port: number, ofAll: number): Place[] =>
    Array.from({ length: Math.ceil(ofAll / hogs.size) }, (_, i) =>
      socketPlace({ host: ip, port, localAddress: ips[i % ips.length]! }),
    )
  return [...streams, ...socketsAt(tls, tlsSockets), ...socketsAt(p2p, p2pSockets)]
}

const streamPlace = (open: () => Promise<BareStream>, isUnfinished: boolean): Place => {
  let held: BareStream | null = null
  return {
    is: 'stream',
    async take() {
      held = await open()
      if (isUnfinished) held.send(unfinishedRequest)
      await held.ended
    },
    giveUp: () => held?.end(),
  }
}

const socketPlace = (to: { host: string; port: number; localAddress: string }): Place => {
  let giveUp = (): void => undefined
  return {
    is: 'socket',
    take: () =>
      new Promise((resolve) => {
        const socket = connect(to)
        giveUp = () => void socket.destroy()
        socket.on('error', giveUp)
        socket.once('close', () => resolve())
      }),
    giveUp: () => giveUp(),
  }
}
