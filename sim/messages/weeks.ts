import {
  type AnchorCandidate,
  type ChainWeeks,
  epochOfHeight,
  frameOf,
  hash,
  type Height,
  judgeFlatEpoch,
  noWeeks,
  registryRootOf,
  type Seat,
  type SeatRecord,
  stepWeeks,
  viewOpening,
  type Week,
  type WeekRecord,
} from '../../protocol/index.ts'
import type { freePlaces } from '../places.ts'
import { countView, createViewCounts, type WeekFate } from '../statistical/certification.ts'
import { type Certifying, createCertifying } from './certifying.ts'
import type { EpochContext } from './epoch-context.ts'
import type { Epochs } from './epochs.ts'
import type { Ground } from './ground.ts'
import type { Observed } from './observed.ts'
import { blsStandIn } from './stand-ins.ts'
import type { Traffic } from './traffic.ts'

/** The weeks of a run: certified by its nodes, anchored in its chain, judged. */
export interface Weeks {
  certifying: Certifying
  fates: WeekFate[]
  views: ReturnType<typeof createViewCounts>
  /** A block is mined: it takes up the memos that wait. */
  onMined(height: Height): void
  /** A block is confirmed; `opened` if it opens an epoch with a snapshot. `seatsBefore`: as they stood before it. */
  onConfirmed(height: Height, opened: EpochContext | null, seatsBefore: readonly SeatRecord[]): void
}

export interface WeeksParts {
  epochs: Epochs
  observed: Observed
  places: ReturnType<typeof freePlaces>
  traffic: Traffic
}

export const createWeeks = (ground: Ground, parts: WeeksParts): Weeks => {
  const { scenario, repeat, rules, actorOfNode, membership, account } = ground
  const { queue, network, clock, isUp, holdings } = ground
  const { genesis, params, networkId, weekOf } = rules
  const { epochs, observed, places, traffic } = parts
  const schedule = [{ from: weekOf(0), params }]
  const mempool: string[] = []
  const candidates = new Map<Height, AnchorCandidate[]>()
  let isAnchorMined = false
  const views = createViewCounts()
  const fates: WeekFate[] = []
  const capturedWeeks = new Set<Week>()
  let working: WeekRecord | null = null
  let weeks: ChainWeeks = noWeeks

  const certifying = createCertifying(queue, network, {
    rules,
    isUp,
    clock,
    holdings,
    nodeOfSeat: (seat) => membership.nodeOfSeat(seat),
    takesPart: (seat) =>
      membership.isHeld(seat) && !actorOfNode(membership.nodeOfSeat(seat)).strategies.has('stall'),
    dribbles: (seat) => actorOfNode(membership.nodeOfSeat(seat)).strategies.has('dribble'),
    canBeAsked: (node) => places.propose > 0 || actorOfNode(node).isAttacker,
    ranThrough: (node, epoch) => epochs.ranThrough(node, epoch),
    seatsOf: (epoch) => epochs.get(epoch)!.snapshot.map(({ seat }) => seat),
    take: (node, epoch, seats) => {
      const { indexOfSeat } = epochs.get(epoch)!
      traffic.take(
        node,
        epoch,
        seats.map((seat: Seat) => indexOfSeat.get(seat)!),
      )
    },
    publish: (node, certificate) => traffic.publishCertificate(node, certificate),
    post: (memo) => {
      // Who sees an anchor at the tip posts none (R-CP-5).
      if (!isAnchorMined) mempool.push(memo)
    },
    onView: (_view, seniors, certifiers) => {
      const isAttacker = (seat: Seat): boolean => actorOfNode(membership.nodeOfSeat(seat)).isAttacker
      if (countView(views, seniors, certifiers, params, isAttacker)) capturedWeeks.add(working!.week)
    },
  })

  const judge = (record: WeekRecord, checkpoint: Parameters<typeof certifying.contentsOf>[0]): void => {
    const number = epochs.numberOf(record.week)
    for (let epoch = record.first; epoch <= record.last!; epoch++) {
      const context = epochs.get(epoch)
      if (context === undefined) continue
      if (epochs.isCounted(number)) {
        const { committees, flat, ring, seats, drawn } = context
        const isListed = new Uint8Array(committees.size)
        for (const { seat } of certifying.contentsOf(checkpoint)!.get(epoch)!)
          isListed[context.indexOfSeat.get(seat)!] = 1
        for (let index = 0; index < committees.size; index++)
          flat.attests[committees.positions[index]!] = isListed[index]!
        const { outcomes } = judgeFlatEpoch(committees, flat, params)
        account.epoch(ring, seats, outcomes, drawn)
        observed.anchored(context, isListed, outcomes)
      }
    }
    if (epochs.isCounted(number)) account.weekOver(number, membership)
  }

  /** R-CP-5, R-CP-6: what the chain says of a week. */
  const settle = (record: WeekRecord): void => {
    if (record.anchor === null && !record.isPending) return
    const number = epochs.numberOf(record.week)
    const isCounted = epochs.isCounted(number)
    const fate = fates.find(({ week }) => week === number)
    const isCaptured = capturedWeeks.has(record.week)
    if (record.isPending && fate === undefined && isCounted)
      fates.push({ week: number, view: null, blocks: null, isCaptured })
    if (record.anchor === null) return
    const { view, checkpoint, week } = record.anchor
    if (week === record.week && isCounted) {
      const freeze = record.freeze!.height
      const blocks = viewOpening(genesis, params, freeze, view) - freeze
      fates.push({ week: number, view, blocks, isCaptured })
    }
    judge(record, checkpoint)
    epochs.settle(record)
  }

  /** What certifiers work on follows the chain. */
  const certify = (): void => {
    const due = weeks.records.findLast(({ freeze }) => freeze !== null && freeze.hash !== null)
    const isDue = due !== undefined && due.anchor === null && !due.isPending && due.list !== null
    if (working !== null && (!isDue || working.week !== due.week)) {
      certifying.end()
      working = null
    }
    if (isDue && working === null) {
      working = due
      isAnchorMined = false
      certifying.begin({
        frame: frameOf({ genesis, networkId, schedule }, weeks, due.week, {
          registryRoot: registryRootOf(membership.seats),
          incomeOf: () => (params.fund.kind === 'fixed' ? params.fund.amount : 0n),
          epochOf: (framed) => {
            const context = epochs.get(framed)
            return {
              beacon: context?.beacon ?? hash('simulated beacon', framed),
              seats: context?.committees.size ?? 0,
              // All nodes see one chain here: what a root is over tells nothing.
              snapshotRoot: hash('simulated snapshot', framed),
            }
          },
        }),
        freeze: due.freeze!.height,
        seniors: due.list!.seniors,
        beacon: epochs.get(due.last! + 2)!.beacon,
        params,
      })
    }
  }

  return {
    certifying,
    fates,
    views,
    onMined: (height) => {
      if (mempool.length === 0) return
      candidates.set(
        height,
        mempool.splice(0).map((memo, index) => ({ index, memo })),
      )
      isAnchorMined = true
    },
    onConfirmed: (height, opened, seatsBefore) => {
      const epoch = epochOfHeight(genesis, height)!
      const drawn = opened?.drawn
      weeks = stepWeeks(
        { genesis, networkId, schedule, voided: [] },
        weeks,
        {
          height,
          hash: drawn?.blockHash ?? hash('simulated block', scenario.seed, repeat, height),
          medianTime: rules.secondsOf(epoch),
          snapshotSeats: drawn?.committees.size ?? 0,
          seatsBefore: () => seatsBefore,
          candidates: candidates.get(height) ?? [],
        },
        blsStandIn,
      ).weeks
      candidates.delete(height)
      for (const record of weeks.records) if (!epochs.isSettled(record.week)) settle(record)
      certify()
    },
  }
}
