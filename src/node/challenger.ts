import {
  type ChallengerState,
  type Epoch,
  epochStart,
  type Height,
  indexOfSeat,
  isHeldBack,
  nextWork,
  resumeChallenger,
  standstill,
  startChallenger,
  targetsOf,
} from '../../protocol/index.ts'
import { createSequence } from '../async/serial.ts'
import type { EpochContext } from '../week/epoch-book.ts'
import type { Attendance } from './attendance.ts'
import type { NodeContext } from './context.ts'
import { createEpochWork, type EpochWork } from './epoch-work.ts'
import type { Outgoing } from './outgoing.ts'
import type { Role, Tip } from './role.ts'
import type { SyncClient } from './sync.ts'
import type { Tasks } from './tasks.ts'

/** Begins, continues and ends the work of epochs, one at a time (R-CHAL-1, R-ATT-1, R-ATT-5). */
export interface Challenger extends Role {
  onHeight(tip: Tip): Promise<void>
  /** A reorganisation: work under a beacon that is gone stops and accuses nobody (R-CHAIN-2). */
  forgetAbove(height: Height): void
  /** Gives up the work of the epoch: nothing may be signed any more (R-ATT-7). */
  abandon(): void
  /** Calls back when a self-check reached no other seat (R-FAULT-1). */
  onNetworkDown(listener: () => void): void
  /** Begins nothing more and waits for what is being written or signed. */
  stop(): Promise<void>
  /** What is being done, for status pages. */
  state(): ChallengerState | null
  /** Indexes in the snapshot of what `state` is about, in its order. */
  targets(): readonly number[]
}

export interface ChallengerParts {
  attendance: Attendance
  outgoing: Outgoing
  sync: SyncClient
  tasks: Tasks
}

export const createChallenger = (node: NodeContext, parts: ChallengerParts): Challenger => {
  const { attendance } = parts
  let running: EpochWork | null = null
  /** Steps under way, those of an epoch that is over included. */
  const stepping = new Set<Promise<void>>()
  let height = 0
  /** The highest that was told in this run. */
  let lastTold: Height | null = null
  let onNetworkDown: () => void = () => undefined
  let isStopped = false
  /** One epoch begins, goes on or ends at a time, whoever asks for it. */
  const turns = createSequence()
  const inTurn = (work: () => Promise<void>): Promise<void> =>
    turns.run(() => (isStopped ? undefined : work()))

  const giveUp = (why: string): void => {
    running?.giveUp(why)
    running = null
  }

  const begin = async (epoch: Epoch): Promise<void> => {
    if (running !== null && running.context.epoch === epoch) return
    if (!node.signing.maySign(epochStart(node.genesis, epoch))) return
    const context = await node.epochs.get(epoch)
    const own = context && node.ownRowIn(context)
    // Not in this epoch's snapshot, or with the key of another daemon: nothing to do (R-EPOCH-5, R-ATT-8).
    if (context === undefined || own === undefined) return
    const targets = targetsOf(context.committees, indexOfSeat(context.snapshot, own.seat))
    const state = await startOf(context, targets.length)
    if (state === null) return
    if (!node.epochs.isCanonical(context) || !node.signing.maySign(context.phases.opens)) return
    running?.giveUp('the next epoch has begun')
    running = createEpochWork(
      node,
      { ...parts, stepping, height: () => height, onNetworkDown: () => onNetworkDown() },
      { context, own, state, targets },
    )
  }

  /** A new state of work, or the recorded one; null if there is to be no work. */
  const startOf = async (context: EpochContext, targets: number): Promise<ChallengerState | null> => {
    const { epoch, beacon, phases, params } = context
    const isSigned = (await node.attestations.ownSigned(epoch, beacon)) !== undefined
    const recorded = isSigned ? undefined : await node.work.getWork(epoch, beacon)
    const record = { isSigned, isRecorded: recorded !== undefined }
    const next = nextWork(attendance.state(), epoch, phases, height, record)
    if (next === 'none') return null
    if (recorded !== undefined) return resumeChallenger(recorded, height)
    const secret = node.world.randomBytes(32)
    const state = startChallenger(epoch, beacon, phases, secret, targets, params.retries)
    // Its secret is on disk before the first nonce leaves: one nonce per target, also across crashes.
    await node.work.putWork(state, { sync: true })
    return state
  }

  const goOn = async (newHeight: Height): Promise<void> => {
    const before = lastTold ?? newHeight
    lastTold = Math.max(before, newHeight)
    height = newHeight
    const current = node.epochs.current()
    if (current === null) return
    await begin(current)
    if (running === null) return
    const { phases } = running.context
    if (isHeldBack(attendance.state(), phases, height)) return
    const why = `own chain stood still at ${before}`
    void running.tell(
      standstill(phases, before, height) ? { is: 'chain-lost', why } : { is: 'height', height },
    )
  }

  attendance.onSettled(() => inTurn(() => goOn(height)))

  return {
    onHeight: ({ height: newHeight }) => inTurn(() => goOn(newHeight)),
    forgetAbove(newHeight) {
      height = newHeight
      if (running !== null && epochStart(node.genesis, running.context.epoch) > newHeight) {
        giveUp('the beacon is gone')
      }
    },
    abandon: () => giveUp('nothing may be signed'),
    onNetworkDown(listener) {
      onNetworkDown = listener
    },
    async stop() {
      isStopped = true
      await turns.idle()
      giveUp('stopping')
      await Promise.all(stepping)
    },
    state: () => running?.state() ?? null,
    targets: () => running?.targets ?? [],
  }
}
