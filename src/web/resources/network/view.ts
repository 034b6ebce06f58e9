import type { Concentration, NetworkDetail, Versions } from './schemas.ts'
import { addressAt, type JudgedView } from '../../../week/judged-epoch.ts'
import type { ViewParts } from '../../view/parts.ts'
import { latestEpochs } from '../epochs/view.ts'
import { statusOf } from '../server/view.ts'

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
