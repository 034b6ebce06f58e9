import { bytesToHex, type Epoch, paramsOfWeek, weekBefore } from '../../protocol/index.ts'
import type { FinalityView } from '../week/chain-view.ts'
import type { FundBook } from '../week-io/fund.ts'
import type { Collector } from './collector.ts'
import type { NodeContext } from './context.ts'
import type { Role, Tip } from './role.ts'
import type { Tasks } from './tasks.ts'

export interface UpkeepParts {
  collector: Collector
  finality: FinalityView
  fund: FundBook
  tasks: Tasks
}

/** What every height and every new epoch asks for: open epochs in memory, old ones deleted, income added up. */
export const createUpkeep = (node: NodeContext, parts: UpkeepParts): Role => {
  const { epochs, metrics } = node
  const { collector, tasks } = parts
  let lastEpoch: Epoch | null = null

  const openRunning = async (current: Epoch): Promise<void> => {
    for (let epoch = Math.max(0, current - 2); epoch <= current; epoch++) {
      const context = await epochs.get(epoch)
      if (context !== undefined) await collector.open(context)
    }
  }

  const recentlyHeldCount = async (current: Epoch): Promise<number> => {
    let held = 0
    for (const epoch of [current - 1, current]) {
      const context = await epochs.get(epoch)
      if (context !== undefined) held += await collector.countOf(context)
    }
    return held
  }

  const onNewEpoch = async ({ epoch, openFrom }: Tip): Promise<void> => {
    lastEpoch = epoch
    metrics.epoch.set(epoch)
    const context = await epochs.get(epoch)
    if (context !== undefined) {
      node.host.setRegistered(new Set(context.snapshot.map((row) => bytesToHex(row.peer))))
    }
    collector.closeBefore(Math.min(epoch - 2, openFrom))
    await prune(epoch)
    tasks.run('income', (signal) => addUpIncome(epoch, signal))
  }

  const addUpIncome = async (current: Epoch, signal: AbortSignal): Promise<void> => {
    const week = await epochs.weekOf(current)
    if (week === undefined) return
    for (let epoch = await epochs.firstEpochFrom(weekBefore(week)); epoch < current; epoch++) {
      const itsWeek = await epochs.weekOf(epoch)
      if (itsWeek === undefined) continue
      await parts.fund.ofEpoch(paramsOfWeek(node.schedule, itsWeek).fund, epoch, signal)
    }
  }

  /**
   * R-EVID-1: evidence for `evidenceWeeks` before this one; what it belongs to goes with it. But attestations of a week
   * without an anchor stay: a later checkpoint lists them (R-CP-6).
   */
  const prune = async (epoch: Epoch): Promise<void> => {
    const context = await epochs.get(epoch)
    if (context === undefined) return
    let oldest = context.week
    for (let weeks = 0; weeks < context.params.evidenceWeeks; weeks++) oldest = weekBefore(oldest)
    const before = await epochs.firstEpochFrom(oldest)
    const unanchored = parts.finality.weeks().records.find(({ anchor }) => anchor === null)
    await node.evidence.pruneBefore(before)
    await node.work.pruneBefore(before)
    await node.attestations.pruneBefore(Math.min(before, unanchored?.first ?? before))
  }

  return {
    async onHeight(tip) {
      await openRunning(tip.epoch)
      metrics.attestationsHeld.set(await recentlyHeldCount(tip.epoch))
      if (tip.epoch !== lastEpoch) await onNewEpoch(tip)
    },
    forgetAbove() {
      lastEpoch = null
    },
  }
}
