import {
  bytesToHex,
  challengersOf,
  type CertifierState,
  nextCertifiers,
  indexOfSeat,
  type Seat,
  type SeatRecord,
} from '../../protocol/index.ts'
import type { EpochContext } from '../week/epoch-book.ts'
import type { Duty } from '../net/service.ts'
import type { NodeContext } from './context.ts'

/** R-ADM-1: whom this node owes answers now, by key (hex). Asked at the opening of every stream, so lookups only. */
export type DutyOf = (peer: string) => Duty

const none: Duty = { is: 'none' }

/** The challengers of this node's seat in the running epoch, who are its auditors too. */
export const challengerDuty = (node: Pick<NodeContext, 'epochs' | 'ownRowIn'>): DutyOf => {
  const peersByContext = new WeakMap<EpochContext, ReadonlySet<string>>()
  return (peer) => {
    const current = node.epochs.current()
    const context = current === null ? undefined : node.epochs.peek(current)
    const own = context && node.ownRowIn(context)
    if (context === undefined || own === undefined) return none
    let peers = peersByContext.get(context)
    if (peers === undefined) peersByContext.set(context, (peers = challengerPeers(context, own.seat)))
    return peers.has(peer) ? { is: 'owed', rank: 0 } : none
  }
}

const challengerPeers = ({ snapshot, committees }: EpochContext, ownSeat: Seat): ReadonlySet<string> => {
  const own = indexOfSeat(snapshot, ownSeat)
  return new Set(
    own === -1 ? [] : challengersOf(committees, own).map((index) => bytesToHex(snapshot[index]!.peer)),
  )
}

/** What a certifier's duty hangs on. */
export interface Certifying {
  state: CertifierState
  seats: readonly SeatRecord[]
}

/**
 * Certifiers drawn in the next view and the two newest, those of the newest first, in the order in which they propose.
 * `others`: what all others are owed while a week is being certified.
 */
export const certifierDuty = (certifying: () => Certifying | null, others: Duty): DutyOf => {
  const ranksByViews = new WeakMap<object, ReadonlyMap<string, number>>()
  return (peer) => {
    const work = certifying()
    if (work === null) return none
    const { views } = work.state
    let ranks = ranksByViews.get(views)
    if (ranks === undefined) ranksByViews.set(views, (ranks = certifierRanks(work)))
    const rank = ranks.get(peer)
    return rank === undefined ? others : { is: 'owed', rank }
  }
}

const certifierRanks = ({ state, seats }: Certifying): ReadonlyMap<string, number> => {
  const [newest = [], older = []] = state.views.toReversed()
  const drawn = [...newest, ...older, ...nextCertifiers(state)]
  const ranks = new Map<string, number>()
  for (const [rank, { seat }] of drawn.entries()) {
    const peer = seats[seat]?.peer
    // Several seats may share a key: the first of them counts.
    const name = peer === undefined ? null : bytesToHex(peer)
    if (name !== null && !ranks.has(name)) ranks.set(name, rank)
  }
  return ranks
}
