import { verdictNames, type Verdict } from '../../protocol/index.ts'
import type { AssembledNode } from './assemble.ts'

/** What a daemon says of itself. */
export interface NodeStatus {
  network: string
  peerId: string
  seat: number | null
  chain: { status: string; confirmedHeight: number; detail: string | null }
  epoch: number | null
  week: string | null
  /** Its own challenges of the current epoch. */
  work: { stage: string; targets: { seat: number; host: string; state: string }[] } | null
  attestations: { epoch: number; held: number; seats: number }[]
  peers: { total: number; registered: number }
}

export const nodeStatus = async ({ daemon, network, follower }: AssembledNode): Promise<NodeStatus> => {
  const { epochs, collector, challenger, host, node } = daemon
  const { status } = follower
  const epoch = epochs.current()
  const recent = []
  const last = epoch ?? -1
  for (let e = Math.max(0, last - 2); e <= last; e++) {
    const context = await epochs.get(e)
    if (context === undefined) continue
    recent.push({
      epoch: e,
      held: await collector.countOf(context),
      seats: context.snapshot.length,
    })
  }
  const work = challenger.state()
  const context = work === null ? undefined : await epochs.get(work.epoch)
  const peers = host.peers()
  return {
    network: network.networkId,
    peerId: host.peerId,
    seat: node.ownSeat() ?? null,
    chain: {
      status: status.is,
      confirmedHeight: follower.confirmedHeight,
      detail: 'error' in status && status.error instanceof Error ? status.error.message : null,
    },
    epoch,
    week: epoch === null ? null : ((await epochs.weekOf(epoch)) ?? null),
    work:
      work === null || context === undefined
        ? null
        : {
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
          },
    attestations: recent,
    peers: { total: peers.length, registered: peers.filter(({ isRegistered }) => isRegistered).length },
  }
}
