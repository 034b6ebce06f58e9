import {
  anchorWindowEnd,
  certifiersOf,
  epochStart,
  type Genesis,
  handedOnBy,
  isEnough,
  lastView,
  listOf,
  type Params,
  type Seat,
  type Senior,
  type SeniorList,
  seniorityStart,
  takeSeniors,
  viewOpening,
} from '../../protocol/index.ts'
import { certificateCapture, certificateStall } from '../closed-forms.ts'
import type { FreePlaces } from '../places.ts'
import type { Actor, Population } from '../population.ts'
import type { Availability } from './availability.ts'
import type { Membership } from './membership.ts'

/** How a week was fixed. */
export interface WeekFate {
  week: number
  /** View that certified it; null if its window went by: it waits for the next week's checkpoint. */
  view: number | null
  /** Blocks from the freeze to the certificate. */
  blocks: number | null
  /** A view in which attackers alone could have certified anything. */
  isCaptured: boolean
}

/** How the certifiers of all opened views were drawn, beside the chance of it. */
export interface ViewCounts {
  opened: number
  /** Views in which attackers alone make a certificate, or alone keep one from being made. */
  captured: number
  stalled: number
  /** Sums of the hypergeometric chances of both. */
  expectedCaptured: number
  expectedStalled: number
}

export const createViewCounts = (): ViewCounts => ({
  opened: 0,
  captured: 0,
  stalled: 0,
  expectedCaptured: 0,
  expectedStalled: 0,
})

/** Counts a view with these certifiers, drawn from these seniors; true if attackers alone make a certificate in it. */
export const countView = (
  views: ViewCounts,
  seniors: readonly Senior[],
  certifiers: readonly Senior[],
  params: Pick<Params, 'certifiers'>,
  isAttacker: (seat: Seat) => boolean,
): boolean => {
  const attackersOf = (rows: readonly Senior[]): number =>
    rows.reduce((sum, { seat }) => sum + (isAttacker(seat) ? 1 : 0), 0)
  const attackers = attackersOf(certifiers)
  const owned = attackersOf(seniors)
  const isCaptured = isEnough(attackers, certifiers.length)
  views.opened++
  views.captured += isCaptured ? 1 : 0
  views.stalled += isEnough(certifiers.length - attackers, certifiers.length) ? 0 : 1
  views.expectedCaptured += certificateCapture(seniors.length, owned, params.certifiers)
  views.expectedStalled += certificateStall(seniors.length, owned, params.certifiers)
  return isCaptured
}

/** A week with its epochs, the last included. */
export interface SimulatedWeek {
  week: number
  first: number
  last: number
}

/** Nobody verifies a list here, so its root stays empty. */
const seniorListOf = (seniors: readonly Senior[]): SeniorList => ({ seniors, root: new Uint8Array() })

interface Frozen {
  week: number
  freezeHeight: number
  own: SeniorList
  /** From which its certifiers are drawn. */
  list: SeniorList
  beacon: Uint8Array
  nextView: number
  isCaptured: boolean
}

/** Certificates of weeks, view by view, while nodes come and go (R-CP-1 … R-CP-6). */
export interface Certification {
  fates: WeekFate[]
  views: ViewCounts
  /** After the last epoch of a week: its seniors are those that stand now. */
  weekOver(week: SimulatedWeek, previousFirst: number | null): void
  /** Opens the views of this epoch. */
  step(epoch: number, beacon: Uint8Array, availability: Availability): void
}

export const createCertification = (
  genesis: Genesis,
  params: Params,
  membership: Membership,
  population: Population,
  places: Pick<FreePlaces, 'propose'>,
): Certification => {
  const fates: WeekFate[] = []
  const views = createViewCounts()
  const over: { week: SimulatedWeek; seniors: readonly Senior[] }[] = []
  let frozen: Frozen | null = null
  let handedOn: { week: number; list: SeniorList } | null = null
  const current = (): Frozen | null => frozen

  const settle = (fate: Omit<WeekFate, 'week' | 'isCaptured'>): void => {
    const { week, own, list, isCaptured } = frozen!
    fates.push({ week, ...fate, isCaptured })
    // What is certified is taken to be anchored at once.
    if (fate.view !== null) handedOn = { week, list: handedOnBy(own, list, genesis.minSeniors) }
    frozen = null
  }

  const actorOfSeat = (seat: Seat): Actor =>
    population.actors[population.actorOf[membership.nodeOfSeat(seat)]!]!

  const openView = (view: number, availability: Availability): void => {
    const {
      list: { seniors },
      beacon,
      freezeHeight,
    } = frozen!
    const certifiers = certifiersOf(seniors, beacon, view, params.certifiers)
    // A proposer hears the votes of his own side only.
    const votes = [0, 0]
    for (const { seat } of certifiers) {
      const node = membership.nodeOfSeat(seat)
      const actor = actorOfSeat(seat)
      const isOnline = availability.up[node] === 1 || actor.strategies.has('absent')
      // Where hogs hold all places of honest nodes, no proposal comes in there.
      const isAsked = places.propose > 0 || actor.isAttacker
      if (isOnline && isAsked && membership.isHeld(seat) && !actor.strategies.has('stall')) {
        votes[availability.sides?.[node] ?? 0]!++
      }
    }
    if (countView(views, seniors, certifiers, params, (seat) => actorOfSeat(seat).isAttacker))
      frozen!.isCaptured = true
    if (isEnough(Math.max(...votes), certifiers.length)) {
      settle({ view, blocks: viewOpening(genesis, params, freezeHeight, view) - freezeHeight })
    }
  }

  return {
    fates,
    views,
    weekOver: (week, previousFirst) => {
      // The first two snapshots are empty (R-EPOCH-5): the network is full from epoch 2 on.
      const from = seniorityStart(genesis, week, previousFirst, 2)
      over.push({ week, seniors: from === null ? [] : takeSeniors(membership.seats, from) })
    },
    step: (epoch, beacon, availability) => {
      const next = over[0]
      const start = epochStart(genesis, epoch)
      if (next !== undefined && next.week.last + 2 === epoch) {
        over.shift()
        if (frozen !== null) settle({ view: null, blocks: null })
        const { week } = next.week
        const own = seniorListOf(next.seniors)
        const list = listOf(
          own,
          handedOn === null ? null : { list: handedOn.list, weeksBetween: week - handedOn.week - 1 },
        )
        frozen = {
          week,
          freezeHeight: start,
          own,
          list,
          beacon,
          nextView: 0,
          isCaptured: false,
        }
        if (list.seniors.length < genesis.minSeniors) settle({ view: null, blocks: null })
      }
      const end = epochStart(genesis, epoch + 1)
      for (let open = current(); open !== null; open = current()) {
        const view = open.nextView
        const windowEnd = anchorWindowEnd(params, open.freezeHeight, null)
        const opening = viewOpening(genesis, params, open.freezeHeight, view)
        if (view > lastView(params) || opening > windowEnd) {
          settle({ view: null, blocks: null })
          break
        }
        if (opening >= end) break
        open.nextView++
        openView(view, availability)
      }
    },
  }
}
