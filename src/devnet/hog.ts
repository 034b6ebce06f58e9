import { connect } from 'node:net'
import { bytesToHex, protocols, relayProtocol, type SnapshotRow } from '../../protocol/index.ts'
import { type BarePeer, type BareStream, startBarePeer } from '../net/bare-peer.ts'
import { resolveObservedAddress } from '../net/resolve.ts'
import type { Conduct } from '../node/conduct.ts'
import type { NodeContext } from '../node/context.ts'
import type { Daemon, DaemonOptions } from '../node/daemon.ts'

/**
 * A node that holds places at every node that is no hog, from the first snapshot on: idle and unfinished streams under
 * the key of its seat, and idle sockets at both ports. Their number is bounded, and what is lost is taken again. Its
 * daemon is an honest one, and the hog leaves it the places that its duties need.
 */
export interface Hog {
  conduct: NonNullable<DaemonOptions['conduct']>
  start(daemon: Daemon): Promise<void>
  stop(): Promise<void>
}

export interface HogOptions {
  /** Loopback addresses that it connects from. */
  ips: readonly string[]
  /** Keys (hex) of all hogs, itself included: they leave one another alone. */
  hogs: ReadonlySet<string>
}

/**
 * Streams on each protocol. A node takes four of one registered peer, two on `sync/1` and `propose/1`; the hog's own
 * daemon gets one of them, on the first two protocols by having its way made.
 */
const streamsByProtocol = new Map<string, number>([
  [protocols.challenge, 4],
  [protocols.evidence, 4],
  [protocols.propose, 1],
  [protocols.sync, 1],
  [protocols.checkpoint, 3],
  [relayProtocol, 4],
])
const protocolsOfVisits: readonly string[] = [protocols.challenge, protocols.evidence]
/** Half of what a node takes of one peer: the hog's own daemon needs the rest. */
const connectionsPerVictim = 2
/** Of all hogs together at one victim: its TLS endpoint has places for 256. */
const tlsSockets = 288
const p2pSockets = 96
/** What was lost is taken again at the next tick, so many at a time: 100 a second. */
const tickMs = 20
const maxPerTick = 2
/** Says that 64 bytes follow, of which one does. */
const unfinishedRequest = Uint8Array.of(64, 0x85)

interface Place {
  /** Key (hex) of the node that it is at. */
  victim: string
  /** Whether the hog gives it up while its own daemon visits the victim. */
  makesWay: boolean
  /** Takes it; resolves when it is lost, rejects if it cannot be had. */
  take(): Promise<void>
  giveUp(): void
}

export const createHog = ({ ips, hogs }: HogOptions): Hog => {
  const known = new Set<string>()
  const places: Place[] = []
  let lost: Place[] = []
  /** Victims that the own daemon visits, by index in the snapshot. */
  const visited = new Map<number, string>()
  let running: { node: NodeContext; peer: BarePeer; cancel: () => void } | null = null

  const findVictims = async (node: NodeContext, peer: BarePeer): Promise<void> => {
    const current = node.epochs.current()
    const context = current === null ? undefined : await node.epochs.get(current)
    for (const row of context?.snapshot ?? []) {
      const victim = bytesToHex(row.peer)
      if (known.has(victim) || hogs.has(victim)) continue
      known.add(victim)
      const found = await placesAt(row, node, peer, { ips, hogs })
      places.push(...found)
      lost.push(...found)
    }
  }

  const hold = async (place: Place): Promise<void> => {
    // A victim that lets nobody in is asked again, like one that ended what was held.
    await place.take().catch(() => undefined)
    lost.push(place)
  }

  const tick = (daemon: Daemon): void => {
    const { node, challenger } = daemon
    running!.cancel = node.world.setTimer(tickMs, () => {
      if (running === null) return
      void findVictims(node, running.peer).catch((error: unknown) => node.logger.error({ err: error }, 'hog'))
      const visits = challenger.state()?.targets ?? []
      const targets = challenger.targets().filter((_, i) => visits[i]?.is === 'visiting')
      for (const index of visited.keys()) if (!targets.includes(index)) visited.delete(index)
      const isFree = ({ makesWay, victim }: Place): boolean =>
        !makesWay || ![...visited.values()].includes(victim)
      const due = lost.filter(isFree).slice(0, maxPerTick)
      lost = lost.filter((place) => !due.includes(place))
      for (const place of due) void hold(place)
      tick(daemon)
    })
  }

  const makeWay = (victim: string, index: number): void => {
    visited.set(index, victim)
    for (const place of places) if (place.makesWay && place.victim === victim) place.giveUp()
  }

  return {
    conduct: (): Partial<Conduct> => ({
      findWithoutVisit: (context, target) => {
        makeWay(bytesToHex(context.snapshot[target]!.peer), target)
        return undefined
      },
    }),
    async start(daemon) {
      const { node } = daemon
      const peer = await startBarePeer(node.keys.seed, ips[0]!, node.world)
      running = { node, peer, cancel: () => undefined }
      tick(daemon)
    },
    async stop() {
      const stopped = running
      running = null
      stopped?.cancel()
      for (const place of places) place.giveUp()
      await stopped?.peer.stop()
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
  const victim = bytesToHex(peerKey)
  const streams = [...streamsByProtocol].flatMap(([protocol, count]) =>
    Array.from({ length: count }, (_, i) => {
      const open = (): Promise<BareStream> =>
        peer.openStream(
          { peerKey, address: { ip, port: p2p } },
          i % connectionsPerVictim,
          `/secnode/${node.networkId}/${protocol}`,
        )
      const makesWay = i === 0 && protocolsOfVisits.includes(protocol)
      return streamPlace(victim, makesWay, open, i >= count / 2)
    }),
  )
  const socketsAt = (port: number, ofAll: number): Place[] =>
    Array.from({ length: Math.ceil(ofAll / hogs.size) }, (_, i) =>
      socketPlace(victim, { host: ip, port, localAddress: ips[i % ips.length]! }),
    )
  return [...streams, ...socketsAt(tls, tlsSockets), ...socketsAt(p2p, p2pSockets)]
}

const streamPlace = (
  victim: string,
  makesWay: boolean,
  open: () => Promise<BareStream>,
  isUnfinished: boolean,
): Place => {
  let held: BareStream | null = null
  return {
    victim,
    makesWay,
    async take() {
      held = await open()
      if (isUnfinished) held.send(unfinishedRequest)
      await held.ended
      held = null
    },
    giveUp: () => held?.end(),
  }
}

const socketPlace = (victim: string, to: { host: string; port: number; localAddress: string }): Place => {
  let giveUp = (): void => undefined
  return {
    victim,
    makesWay: false,
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
