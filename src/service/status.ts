import { type Epoch, type UnknownRuleset, verdictNames, type Verdict } from '../../protocol/index.ts'
import type { DeliveryState } from './alerts/delivery.ts'
import type { Finding } from './alerts/finding.ts'
import { isAtTip } from '../chain-node/follower/status.ts'
import type { AssembledNode } from './assemble.ts'
import type { ObservedContact } from '../node/contact/contact.ts'
import { type Daemon, daemonVersion } from '../node/daemon.ts'
import type { Readiness } from '../node/seen-versions.ts'
import { type EpochStanding, standingOf } from './self-diagnosis/verdicts.ts'
import type { TwinSighting } from '../store/signing.ts'
import type { MovedSeat, Takeover, WatchedSeat } from '../node/takeover.ts'

/** What a daemon says of itself. JSON. */
export interface NodeStatus {
  network: string
  version: string
  peer: string
  host: string
  seat: number | null
  /** Of the stake, as of the last confirmed block. */
  stake: 'active' | 'retired' | 'not announced'
  /**
   * Whether it attests and votes; or how another daemon with its keys was noticed (R-ATT-7), or that it stands by, with what
   * is known of the seat, or that the chain gives the seat to another node's key (R-ATT-8); or that it does not know the
   * ruleset in force (R-NET-3).
   */
  signing:
    | { is: 'on' }
    | ({ is: 'stopped' } & TwinSighting & WatchedSeat)
    | ({ is: 'standby' } & WatchedSeat)
    | ({ is: 'moved' } & MovedSeat)
    | ({ is: 'outdated' } & UnknownRuleset)
  chain: { status: string; confirmedHeight: number; tip: number | null; detail: string | null }
  epoch: number | null
  week: string | null
  /** Its own challenges of the current epoch. */
  work: { stage: string; targets: { seat: number; host: string; state: string }[] } | null
  /** What its challengers say of it in the last epochs, newest first. */
  said: ({ epoch: Epoch } & EpochStanding)[]
  attestations: { epoch: number; held: number; seats: number }[]
  /** Of the seats that it has probed lately, how many know each ruleset (R-PROBE-1). */
  rulesets: Readiness[]
  peers: { total: number; registered: number }
  /** Whether gossip and the other seats reach it, and its chain is theirs. */
  contact: ObservedContact
  /** End of the TLS certificate in use, ISO 8601. */
  certificateUntil: string | null
  diskFreeBytes: number | null
  /** What is wrong with it, worst first; `unknown` codes could not be judged at the last look. */
  findings: readonly Finding[]
  unknown: string[]
  /** Where alerts go, and how they get there. */
  alerts: DeliveryState[]
}

export const nodeStatus = async (node: AssembledNode): Promise<NodeStatus> => {
  const { daemon, network, follower, diagnosis, alerter } = node
  const { epochs, host } = daemon
  const { status } = follower
  const epoch = epochs.current()
  const standing = follower.standingOf(daemon.node.stake)
  const diagnosed = diagnosis.current()
  const twin = daemon.node.signing.twin()
  return {
    network: network.networkId,
    version: daemonVersion,
    peer: host.peerId,
    host: node.hostName,
    seat: daemon.node.ownSeat() ?? null,
    stake:
      standing === undefined ? 'not announced' : standing.record.activeSince === null ? 'retired' : 'active',
    signing: signingOf(daemon.takeover, twin, daemon.node.isStandby, await daemon.unknownRuleset()),
    chain: {
      status: isAtTip(status) ? 'following' : status.is,
      confirmedHeight: follower.confirmedHeight,
      tip: 'tip' in status ? status.tip : null,
      detail: 'error' in status && status.error instanceof Error ? status.error.message : null,
    },
    epoch,
    week: epoch === null ? null : ((await epochs.weekOf(epoch)) ?? null),
    work: await workOf(node),
    said: (diagnosed?.observations.words ?? []).map((words) => ({
      epoch: words.epoch,
      ...standingOf(words),
    })),
    attestations: await heldLately(daemon),
    rulesets: daemon.node.versions.readiness(),
    peers: peerCounts(daemon),
    contact: daemon.contact.observed(),
    certificateUntil: certificateUntil(daemon),
    diskFreeBytes: diagnosed?.observations.disk?.freeBytes ?? null,
    findings: diagnosed?.findings ?? [],
    unknown: [...(diagnosed?.unknown ?? [])],
    alerts: alerter.state(),
  }
}

/** How many attestations are held of the present epoch and the two before it. */
export const heldLately = async ({ epochs, collector }: Daemon): Promise<NodeStatus['attestations']> => {
  const held = []
  const last = epochs.current() ?? -1
  for (let epoch = Math.max(0, last - 2); epoch <= last; epoch++) {
    const context = await epochs.get(epoch)
    if (context === undefined) continue
    held.push({ epoch, held: await collector.countOf(context), seats: context.snapshot.length })
  }
  return held
}

export const peerCounts = ({ host }: Daemon): NodeStatus['peers'] => {
  const peers = host.peers()
  return { total: peers.length, registered: peers.filter(({ isRegistered }) => isRegistered).length }
}

export const certificateUntil = (daemon: Daemon): string | null => {
  const certificate = daemon.certificate()
  return certificate === null ? null : new Date(certificate.notAfterMs).toISOString()
}

const signingOf = (
  takeover: Takeover,
  twin: TwinSighting | null,
  isStandby: boolean,
  unknown: UnknownRuleset | null,
): NodeStatus['signing'] => {
  if (unknown?.isInForce === true) return { is: 'outdated', ...unknown }
  const watched = takeover.watched()
  if (watched !== null && (twin === null || isStandby)) return { is: 'standby', ...watched }
  const moved = takeover.moved()
  if (moved !== null) return { is: 'moved', ...moved }
  return watched === null || twin === null ? { is: 'on' } : { is: 'stopped', ...twin, ...watched }
}

const workOf = async ({ daemon }: AssembledNode): Promise<NodeStatus['work']> => {
  const { challenger, epochs } = daemon
  const work = challenger.state()
  const context = work === null ? undefined : await epochs.get(work.epoch)
  if (work === null || context === undefined) return null
  return {
    stage: work.stage,
    targets: challenger.targets().map((index, i) => {
      const target = work.targets[i]!
      const row = context.snapshot[index]!
      return {
        seat: row.seat,
        host: row.host,
        state:
          target.is === 'found'
            ? verdictNames[target.finding.evidence.verdict as Verdict]
            : target.is === 'waiting' && target.later !== null
              ? `asked later: ${target.later}`
              : target.is,
      }
    }),
  }
}

/** A connected peer, with the seat behind it if it has one in the current epoch. JSON. */
export interface PeerStatus {
  peer: string
  seat: number | null
  host: string | null
  address: string | null
  direction: 'inbound' | 'outbound'
  connections: number
  isRegistered: boolean
  /** Of the gossip router: below 0 is bad. */
  score: number
}

export const peerStatuses = async ({ daemon }: AssembledNode): Promise<PeerStatus[]> => {
  const current = daemon.epochs.current()
  const context = current === null ? undefined : await daemon.epochs.get(current)
  const rowByPeer = new Map(context?.snapshot.map((row) => [Buffer.from(row.peer).toString('hex'), row]))
  return daemon.host
    .peers()
    .map(({ peerKey, peerId, isRegistered, address, direction, connections, score }): PeerStatus => {
      const row = rowByPeer.get(Buffer.from(peerKey).toString('hex'))
      return {
        peer: peerId,
        seat: row?.seat ?? null,
        host: row?.host ?? null,
        address:
          address === null
            ? null
            : `${address.ip.includes(':') ? `[${address.ip}]` : address.ip}:${address.port}`,
        direction,
        connections,
        isRegistered,
        score,
      }
    })
    .sort((a, b) => (a.seat ?? Infinity) - (b.seat ?? Infinity) || (a.peer < b.peer ? -1 : 1))
}
