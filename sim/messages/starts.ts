import {
  type AttendanceEvent,
  type AttendanceState,
  type Epoch,
  startAttendance,
  stepAttendance,
} from '../../protocol/index.ts'
import type { NodeChance } from './chance.ts'
import type { EpochContext } from './epoch-context.ts'
import type { EventQueue } from './events.ts'
import { kinds } from './kinds.ts'
import type { Network } from './network.ts'

/** Nodes that come up: the protocol's attendance steps (R-ATT-5), with questions to other seats as messages. */
export interface Starts {
  /** A node has come up in the last block of this epoch. */
  start(node: number, epoch: Epoch): void
  /** The epoch opens, for all nodes that are up. */
  open(context: EpochContext): void
  /** What a node may begin and attest hangs on it. */
  state(node: number): AttendanceState
  handle(kind: number, node: number, a: number, b: number): void
}

export interface StartsOptions {
  nodes: number
  isUp: Uint8Array
  /** Attestations of the seat at an index that a node would send to it, of all epochs that are open. */
  heldOf: (node: number, seatOf: number) => number
  sendAgain: (node: number) => void
  /** The node may begin the work of the running epoch. */
  goOn: (node: number) => void
}

/** One round of questions of a node, to one seat after the other. */
interface Round {
  began: Epoch
  snapshot: Uint32Array
  /** Indexes of the snapshot that were drawn. */
  drawn: number
  /** What stands where in the shuffled list of indexes, if not the index itself: nearly all rounds draw three. */
  moved: Map<number, number>
  answered: number
  /** Tells late answers from those that are awaited. */
  question: number
}

/** As the daemon asks others (src/node). */
const neededAnswers = 3
const pauseMicros = 2e6
const askMicros = 15e6
/** Two questions to each: of the last epochs, and of those that the own chain has not come to. */
const questionBytes = 2 * 160
const attestationBytes = 400

export const createStarts = (
  queue: EventQueue,
  network: Network,
  chance: NodeChance,
  options: StartsOptions,
): Starts => {
  const { nodes, isUp } = options
  const states: AttendanceState[] = Array.from({ length: nodes }, () => startAttendance)
  const rounds: (Round | null)[] = Array.from({ length: nodes }, () => null)
  let questions = 0
  let current: EpochContext | undefined

  const tell = (node: number, event: AttendanceEvent): void => {
    const step = stepAttendance(states[node]!, event)
    states[node] = step.state
    for (const effect of step.effects) {
      if (effect.is === 'ask' && effect.isAgain)
        queue.schedule(queue.now() + pauseMicros, kinds.askOwnDue, node, 0, 0)
      else if (effect.is === 'ask') beginRound(node, event.is === 'height' ? event.epoch : current!.epoch)
      else if (effect.is === 'send-again') options.sendAgain(node)
      else if (effect.is === 'go-on') options.goOn(node)
      // 'remember': each key runs on one machine here, so there is no twin to be told apart (R-ATT-7).
    }
  }

  const beginRound = (node: number, began: Epoch): void => {
    const snapshot = current!.nodeOfIndex
    rounds[node] = { began, snapshot, drawn: 0, moved: new Map(), answered: 0, question: 0 }
    askNext(node)
  }

  /** Some other node of the snapshot that was not asked in this round; undefined once all were. */
  const drawOther = (node: number, round: Round): number | undefined => {
    const { snapshot, moved } = round
    while (round.drawn < snapshot.length) {
      const first = round.drawn++
      const at = first + chance.below(node, snapshot.length - first)
      const other = snapshot[moved.get(at) ?? at]!
      moved.set(at, moved.get(first) ?? first)
      if (other !== node) return other
    }
    return undefined
  }

  const askNext = (node: number): void => {
    const round = rounds[node]!
    const { began, snapshot, answered } = round
    const isEnough = answered === Math.min(neededAnswers, snapshot.length - 1)
    const other = isEnough ? undefined : drawOther(node, round)
    if (other === undefined) {
      rounds[node] = null
      // No disk is lost in this engine, so nobody knows more than the node itself.
      const known = { learned: 0, lastOwn: null }
      tell(node, { is: 'asked', answers: { began, ended: current!.epoch, answered, isEnough, ...known } })
      return
    }
    round.question = questions = (questions + 1) >>> 0
    network.send(node, other, questionBytes, kinds.ownAsked, node, round.question)
    queue.schedule(queue.now() + askMicros, kinds.ownSilent, node, 0, round.question)
  }

  /** The round of a node if it still awaits this question's answer. */
  const roundOf = (node: number, question: number): Round | null => {
    const round = rounds[node]!
    return isUp[node] === 1 && round?.question === question ? round : null
  }

  return {
    start: (node, epoch) => {
      states[node] = startAttendance
      rounds[node] = null
      const isSeated = current !== undefined && current.indexOfNode[node] !== -1
      tell(node, { is: 'height', epoch, isSeated })
    },
    open: (context) => {
      current = context
      for (let node = 0; node < nodes; node++) {
        if (isUp[node] === 0 || states[node]!.asking === 'done') continue
        tell(node, { is: 'height', epoch: context.epoch, isSeated: context.indexOfNode[node] !== -1 })
      }
    },
    state: (node) => states[node]!,
    handle: (kind, node, a, b) => {
      switch (kind) {
        case kinds.askOwnDue:
          if (isUp[node] === 1 && states[node]!.asking === 'asking' && rounds[node] === null)
            beginRound(node, current!.epoch)
          return
        case kinds.ownAsked: {
          if (isUp[node] === 0) return
          const bytes = questionBytes + attestationBytes * options.heldOf(node, a)
          network.send(node, a, bytes, kinds.ownAnswered, 0, b)
          return
        }
        case kinds.ownAnswered: {
          const round = roundOf(node, b)
          if (round === null) return
          round.answered++
          askNext(node)
          return
        }
        case kinds.ownSilent:
          if (roundOf(node, b) !== null) askNext(node)
      }
    },
  }
}
