import type { Concentration, Finding, NetworkDetail, ServerInfo, Status, Versions } from '../api/schemas.ts'
import { daemonVersion } from '../../node/daemon.ts'
import { addressOfStake, epochStart } from '../../../protocol/index.ts'
import { addressAt, type JudgedView } from '../../week/judged-epoch.ts'
import { isAtTip } from '../../chain-node/follower/status.ts'
import { readRegister, stateOf } from './nodes.ts'
import type { ViewParts } from './parts.ts'
import { latestEpochs } from './weeks.ts'

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
  const peers = host.peers()
  const { status } = follower
  const certificate = daemon.certificate()
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
      certificateUntil: certificate === null ? null : new Date(certificate.notAfterMs).toISOString(),
    },
    seats,
    peers: { total: peers.length, registered: peers.filter(({ isRegistered }) => isRegistered).length },
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

export const networkDetail = async (parts: ViewParts, signal: AbortSignal): Promise<NetworkDetail> => {
  const { network } = parts.node
  const epochs = await latestEpochs(parts, { page: 1, limit: epochsShown }, signal)
  return {
    id: network.networkId,
    name: network.name,
    chain: network.profile.genesis.chain,
    status: await statusOf(parts, signal),
    epochs: epochs.items,
    concentration: concentrationOf(await parts.node.weeks.judged.latest(signal)),
    versions: versionsOf(parts),
  }
}

/** A week of epochs of four hours. */
const epochsShown = 42
const largestShown = 10

/** How many seats stand together in one prefix: what an operator of many nodes in one place looks like. */
export const concentrationOf = (judged: JudgedView | undefined): Concentration => {
  if (judged === undefined) return { epoch: null, seats: 0, prefixes: [] }
  let known = concentrations.get(judged)
  if (known === undefined) concentrations.set(judged, (known = countPrefixes(judged)))
  return known
}

/** The page is asked for again and again, and an epoch that is over seldom changes. */
const concentrations = new WeakMap<JudgedView, Concentration>()

const countPrefixes = (judged: JudgedView): Concentration => {
  const counts = { '/24': new Map(), '/16': new Map(), '/48': new Map(), '/32': new Map() } as Record<
    Concentration['prefixes'][number]['length'],
    Map<string, number>
  >
  let seats = 0
  for (let index = 0; index < judged.snapshot.length; index++) {
    const address = addressAt(judged, index)
    if (address === null) continue
    seats++
    for (const [length, prefix] of prefixesOf(address)) {
      counts[length].set(prefix, (counts[length].get(prefix) ?? 0) + 1)
    }
  }
  return {
    epoch: judged.epoch,
    seats,
    prefixes: Object.entries(counts).flatMap(([length, byPrefix]) =>
      byPrefix.size === 0
        ? []
        : [
            {
              length: length as keyof typeof counts,
              distinct: byPrefix.size,
              top: [...byPrefix]
                .map(([prefix, number]) => ({ prefix, seats: number }))
                .sort((a, b) => b.seats - a.seats || (a.prefix < b.prefix ? -1 : 1))
                .slice(0, largestShown),
            },
          ],
    ),
  }
}

type Prefix = readonly [length: Concentration['prefixes'][number]['length'], prefix: string]

const prefixesOf = (bytes: Uint8Array): Prefix[] => {
  if (bytes.length === 4) {
    const [a = 0, b = 0, c = 0] = bytes
    return [
      ['/24', `${a}.${b}.${c}.0/24`],
      ['/16', `${a}.${b}.0.0/16`],
    ]
  }
  const group = (i: number): string => ((bytes[2 * i]! << 8) | bytes[2 * i + 1]!).toString(16)
  return [
    ['/48', `${group(0)}:${group(1)}:${group(2)}::/48`],
    ['/32', `${group(0)}:${group(1)}::/32`],
  ]
}

const versionsOf = ({ node }: ViewParts): Versions => {
  const counts = new Map<string, number>()
  let probed = 0
  for (const { version } of node.daemon.node.versions.all()) {
    counts.set(version, (counts.get(version) ?? 0) + 1)
    probed++
  }
  return {
    probed,
    rulesets: node.daemon.node.versions.readiness().map(({ ruleset, ready }) => ({ ruleset, seats: ready })),
    versions: [...counts]
      .map(([version, seats]) => ({ version, seats }))
      .sort((a, b) => b.seats - a.seats || (a.version < b.version ? -1 : 1)),
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
  const peers = daemon.host.peers()
  const current = daemon.epochs.current()
  const attestations = []
  for (let epoch = Math.max(0, (current ?? 0) - 2); epoch <= (current ?? -1); epoch++) {
    const context = await daemon.epochs.get(epoch)
    if (context === undefined) continue
    const held = await daemon.collector.countOf(context)
    attestations.push({ epoch, held, seats: context.snapshot.length })
  }
  return {
    uptimeSeconds: Math.floor((world.monotonicMs() - counts.startedMs) / 1_000),
    memoryBytes: process.memoryUsage.rss(),
    requests: counts.requests,
    refused: counts.refused,
    liveConnections: counts.live,
    maxLiveConnections: counts.maxLive,
    peers: { total: peers.length, registered: peers.filter(({ isRegistered }) => isRegistered).length },
    attestations,
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
