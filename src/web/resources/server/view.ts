import type { Finding, ServerInfo, Status } from './schemas.ts'
import { certificateUntil, heldLately, peerCounts } from '../../../service/status.ts'
import { daemonVersion } from '../../../node/daemon.ts'
import { addressOfStake, epochStart } from '../../../../protocol/index.ts'
import { isAtTip } from '../../../chain-node/follower/status.ts'
import { readRegister, stateOf } from '../nodes/view.ts'
import type { ViewParts } from '../../view/parts.ts'

export const statusOf = async (parts: ViewParts, signal: AbortSignal): Promise<Status> => {
  const { daemon, network, follower } = parts.node
  const { epochs, node, challenger, host } = daemon
  const { genesis } = network.profile
  const { registered, present } = await readRegister(parts, signal)
  const seats = { active: 0, waiting: 0, retired: 0 }
  for (const seat of registered.seats) seats[stateOf(seat, present)]++
  const seat = node.ownSeat()
  const epoch = epochs.current()
  const work = challenger.state()
  const { status } = follower
  return {
    network: network.networkId,
    networkName: network.name,
    version: daemonVersion,
    chain: {
      state: isAtTip(status) ? 'following' : status.is,
      confirmedHeight: follower.confirmedHeight,
      tip: 'tip' in status ? status.tip : null,
      confirmations: genesis.confirmations,
    },
    epoch,
    week: epoch === null ? null : ((await epochs.weekOf(epoch)) ?? null),
    epochEnds: epoch === null ? null : epochStart(genesis, epoch + 1) - follower.confirmedHeight,
    own: {
      seat: seat ?? null,
      isStandby: node.isStandby,
      stake: addressOfStake(genesis.chain, node.stake),
      host: seat === undefined ? null : (registered.seats[seat]?.host ?? null),
      peer: host.peerId,
      certificateUntil: certificateUntil(daemon),
    },
    seats,
    peers: peerCounts(daemon),
    work:
      work === null
        ? null
        : {
            stage: work.stage,
            targets: work.targets.length,
            done: work.targets.filter(({ is }) => is === 'found').length,
          },
  }
}

/** What is wrong with this node as far as it knows, worst first. */
export const findingsOf = ({ node }: ViewParts): Finding[] =>
  (node.diagnosis.current()?.findings ?? []).map((finding) => ({
    ...finding,
    evidence: [...finding.evidence],
  }))

/** What the web server counts of itself. */
export interface ServerCounts {
  startedMs: number
  requests: number
  refused: number
  live: number
  maxLive: number
}

export const serverInfo = async (parts: ViewParts, counts: ServerCounts): Promise<ServerInfo> => {
  const { daemon } = parts.node
  const { world } = daemon.node
  return {
    uptimeSeconds: Math.floor((world.monotonicMs() - counts.startedMs) / 1_000),
    memoryBytes: process.memoryUsage.rss(),
    requests: counts.requests,
    refused: counts.refused,
    liveConnections: counts.live,
    maxLiveConnections: counts.maxLive,
    peers: peerCounts(daemon),
    attestations: await heldLately(daemon),
    verdicts: await countsOf(daemon.metrics.verdicts),
    challengesAnswered: await countsOf(daemon.metrics.challengesAnswered),
  }
}

/** The series of a counter with one label, by its value. */
const countsOf = async (counter: {
  get(): Promise<{ values: { value: number; labels: Partial<Record<string, string | number>> }[] }>
}): Promise<Record<string, number>> => {
  const { values } = await counter.get()
  return Object.fromEntries(
    values.map(({ value, labels }) => [String(Object.values(labels)[0] ?? 'all'), value]),
  )
}
