import {
  createStream,
  type Epoch,
  epochOfHeight,
  type Height,
  protocols,
  type Seat,
  shuffledIndexes,
  topicsOf,
} from '../../../protocol/index.ts'
import type { EpochContext } from '../../week/epoch-book.ts'
import type { NodeContext } from '../context.ts'
import {
  type BranchState,
  type BranchVerdict,
  branchVerdict,
  drawnSeats,
  isLookedAt,
  noBranch,
  stepBranch,
} from './branch.ts'
import { type HearingEvent, type HearingState, noHearing, stepHearing } from './hearing.ts'
import { emptyLevel, type Level, stepLevel } from './level.ts'
import { isOutOfTouch, stepTouch, type TouchState, wasInTouch } from './touch.ts'

/** Streams on which no request has come, of the protocol with most for its places. */
export interface UnreadStreams {
  /** The name of the protocol. */
  purpose: string
  unread: number
  /** So many are more than honest peers need. */
  bound: number
}

/** What a daemon knows of its contact with the others: whether it is alone, and in what way. */
export interface Contact {
  /** After each confirmed height. `heardOf` counts other seats whose attestation was held by mustHold. */
  onHeight(
    height: Height,
    isCaughtUp: boolean,
    heardOf: (context: EpochContext) => Promise<number>,
  ): Promise<void>
  /** A reorganisation: blocks above `height` are gone. */
  forgetAbove(height: Height): void
  /** A turn of sync is over (R-SYNC-2); `isAnswered` if a seat that was asked answered. */
  onSyncTurn(isAnswered: boolean): void
  /** Whether it is to be known under which beacon this seat works. */
  isLookedAt(context: EpochContext, seat: Seat): boolean
  /** See `BranchEvent`. */
  saw(context: EpochContext, seat: Seat, isOurs: boolean, isDrawn: boolean): void
  /** Looks at gossip and at the streams of others: at every height, and between them by whoever wants to know. */
  look(): void
  /** Whether gossip, or the other seats, do not reach this node, or its chain is another one than theirs. */
  isAlone(): boolean
  /**
   * R-CP-3: whether it was in touch with others from `opens` to `closes` of an epoch and heard enough of its attestations;
   * false for epochs before the start.
   */
  wasInTouch(context: Pick<EpochContext, 'epoch' | 'params' | 'phases'>): boolean
  observed(): ObservedContact
}

/** JSON. */
export interface ObservedContact {
  isAlone: boolean
  /** Neighbours in the mesh of the topic that has fewest; null before the start. */
  neighbours: number | null
  /** Whether registered peers were connected for two minutes and none was a neighbour in some topic. */
  isWithoutNeighbour: boolean
  /** The last epoch that was judged; null if none of the last two was. */
  hearing: { epoch: Epoch; heard: number; others: number; inARow: number } | null
  branch: BranchVerdict | null
  /** `isRaised`: for two minutes there were as many as the bound. */
  streams: UnreadStreams & { isRaised: boolean }
}

/** Longer than any restart of a peer and three back-offs of the router's mesh; what `isolated` takes as well. */
const fullMs = 120_000

export const createContact = (
  node: Pick<NodeContext, 'genesis' | 'networkId' | 'epochs' | 'ownSeat' | 'world' | 'host'>,
): Contact => {
  const { genesis, epochs, world, host } = node
  const topics = Object.values(topicsOf(node.networkId)).map(({ name }) => name)
  let hearing: HearingState = noHearing
  let touch: TouchState | null = null
  let branch: BranchState = noBranch
  let mesh: Level = emptyLevel
  let streams: Level = emptyLevel
  /** In the mesh of each topic; none before the first look. */
  let neighbours: readonly number[] = []
  /** Turns of sync since the start, and whether a seat has answered since the last height. */
  let turns = 0
  let wasAnswered = false
  /** Of the running epoch (R-CP-3). */
  let attestBlocks = 0

  const look = (): void => {
    const nowMs = world.monotonicMs()
    const registered = host.registeredPeers()
    neighbours = topics.map((topic) => host.gossipNeighbours(topic))
    // Without any peer it is `isolated`, and the mesh is empty for that reason.
    mesh = stepLevel(mesh, registered === 0 ? null : neighbours.includes(0), nowMs, fullMs)
    const { unread, bound } = mostUnread(host)
    streams = stepLevel(streams, unread >= bound, nowMs, fullMs)
  }

  /** Draws by own chance whose beacons are looked at. */
  const drawSeats = (context: EpochContext): void => {
    if (branch.epochs.some(({ epoch }) => epoch === context.epoch)) return
    const others = othersOf(context)
    const order = shuffledIndexes(createStream(world.randomBytes(32)), others.length)
    const drawn = [...order.subarray(0, drawnSeats)].map((index) => others[index]!)
    branch = stepBranch(branch, { is: 'epoch', epoch: context.epoch, drawn })
  }

  const othersOf = ({ snapshot }: EpochContext): Seat[] => {
    const own = node.ownSeat()
    return snapshot.flatMap(({ seat }) => (seat === own ? [] : [seat]))
  }

  const hear = (event: HearingEvent): readonly Epoch[] => {
    const stepped = stepHearing(hearing, event)
    hearing = stepped.state
    return stepped.due
  }

  const onHeight: Contact['onHeight'] = async (height, isCaughtUp, heardOf) => {
    const current = epochOfHeight(genesis, height)
    const context = current === null ? undefined : await epochs.get(current)
    look()
    if (context !== undefined) attestBlocks = context.params.attestBlocks
    const hasOthers = context !== undefined && othersOf(context).length > 0
    const isInTouch = isCaughtUp && (!hasOthers || wasAnswered || neighbours.some((count) => count > 0))
    wasAnswered = false
    const hasPaused = touch !== null && height - touch.height > attestBlocks
    if (isCaughtUp || touch !== null) touch = stepTouch(touch, { height, isInTouch }, attestBlocks)
    if (!isCaughtUp || hasPaused) hear({ is: 'break' })
    if (!isCaughtUp || context === undefined) return
    drawSeats(context)
    const before = context.epoch === 0 ? undefined : await epochs.get(context.epoch - 1)
    const running = [before, context].filter((one) => one !== undefined)
    const due = hear({
      is: 'height',
      height,
      turns,
      epochs: running.map(({ epoch, phases: { attests, mustHold } }) => ({ epoch, attests, mustHold })),
    })
    for (const one of running.filter(({ epoch }) => due.includes(epoch))) {
      hear({
        is: 'heard',
        epoch: one.epoch,
        heard: await heardOf(one),
        others: othersOf(one).length,
      })
    }
  }

  /** Of an epoch long ago it says nothing of now. */
  const lastHearing = (): ObservedContact['hearing'] => {
    const current = epochs.current()
    return hearing.last === null || current === null || hearing.last.epoch < current - 2 ? null : hearing.last
  }

  const isAlone = (): boolean =>
    mesh.isRaised ||
    isOutOfTouch(touch, attestBlocks) ||
    (lastHearing()?.inARow ?? 0) > 0 ||
    branchVerdict(branch)?.is === 'other'

  return {
    onHeight,
    forgetAbove(height) {
      const from = (epochOfHeight(genesis, height) ?? -1) + 1
      hear({ is: 'reorganised', from })
      branch = stepBranch(branch, { is: 'reorganised', from })
    },
    onSyncTurn(isAnswered) {
      turns++
      wasAnswered ||= isAnswered
    },
    isLookedAt: ({ epoch }, seat) => isLookedAt(branch, epoch, seat),
    saw({ epoch }, seat, isOurs, isDrawn) {
      if (seat === node.ownSeat()) return
      branch = stepBranch(branch, { is: 'saw', epoch, seat, isOurs, isDrawn })
    },
    look,
    isAlone,
    wasInTouch: ({ epoch, params, phases }) =>
      !hearing.few.includes(epoch) && wasInTouch(touch, phases.opens, phases.closes, params.attestBlocks),
    observed() {
      return {
        isAlone: isAlone(),
        neighbours: neighbours.length === 0 ? null : Math.min(...neighbours),
        isWithoutNeighbour: mesh.isRaised,
        hearing: lastHearing(),
        branch: branchVerdict(branch),
        streams: { ...mostUnread(host), isRaised: streams.isRaised },
      }
    },
  }
}

/** Eight proposers may send at the same time, over slow links (R-CP-3); everything else is read within a round trip. */
const mostSlow = 8

const mostUnread = (host: Pick<NodeContext['host'], 'held'>): UnreadStreams =>
  host
    .held()
    .map(({ purpose, reading, places }) => ({
      purpose,
      unread: reading,
      bound: Math.max(mostSlow + 1, Math.ceil(places / 2)),
    }))
    .reduce((most, one) => (one.unread * most.bound > most.unread * one.bound ? one : most), {
      purpose: protocols.challenge,
      unread: 0,
      bound: mostSlow + 1,
    } as UnreadStreams)
