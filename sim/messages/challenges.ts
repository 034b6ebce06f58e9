import {
  type AttendanceState,
  type ChallengerEvent,
  type ChallengerState,
  createStream,
  type Epoch,
  type Finding,
  type Height,
  mayAttest,
  nextWork,
  seenFault,
  shuffledIndexes,
  startChallenger,
  stepChallenger,
  targetsOf,
  Verdict,
} from '../../protocol/index.ts'
import type { ActorStream } from '../actor-stream.ts'
import type { ChainClock } from './chain-clock.ts'
import type { NodeChance } from './chance.ts'
import type { EpochContext } from './epoch-context.ts'
import type { EventQueue } from './events.ts'
import { kinds } from './kinds.ts'
import type { Network } from './network.ts'

/** Every node's work as a challenger: the protocol's step function, with visits as messages. */
export interface Challenges {
  /** The epoch opens: nodes that are up, in its snapshot and may, begin. */
  open(context: EpochContext): void
  /** A node may begin now, if it has not and the epoch's work is its own (R-ATT-5). */
  begin(node: number): void
  close(): void
  handle(kind: number, node: number, a: number, b: number): void
}

export interface ChallengeOptions {
  nodes: number
  retries: number
  responseMs: number
  confirmations: number
  serviceMs: number
  /** Questions that a target works on at a time where this challenger asks; one more is told "busy". */
  placesFor: (target: number, challenger: number) => number
  isUp: Uint8Array
  /** R-ATT-5. */
  attendanceOf: (node: number) => AttendanceState
  /** Chance that a visit of this node fails on the way, before any retry. */
  missRateOf: (node: number) => number
  /** Four bytes of each node's address. */
  addressOf: (node: number) => Uint8Array
  /** 32 bytes for each epoch. */
  secretsOf: (node: number) => ActorStream
  clock: ChainClock
  onAttest: (node: number, context: EpochContext, findings: readonly Finding[]) => void
}

/** A challenge, a probe and an audit: what a visit moves in each direction. */
const askedBytes = 2_000
const answeredBytes = 8_000
const busyBytes = 20
/** R-FAULT-1. */
const selfCheckSeats = 3

/** Nothing in the model reads a receipt; what is said is its verdict. */
const noReceipt = { payload: new Uint8Array(0), signature: new Uint8Array(0) }
const unreachable: Finding = { evidence: seenFault(Verdict.unreachable, 'no connection'), address: null }
const timeout: Finding = { evidence: seenFault(Verdict.timeout, 'no answer in time'), address: null }

const targetBits = 6
const targetMask = 2 ** targetBits - 1

export const createChallenges = (
  queue: EventQueue,
  network: Network,
  chance: NodeChance,
  options: ChallengeOptions,
): Challenges => {
  const { nodes, retries, confirmations, isUp, clock } = options
  const responseMicros = options.responseMs * 1_000
  const serviceMicros = Math.round(options.serviceMs * 1_000)
  const states: (ChallengerState | null)[] = Array.from({ length: nodes }, () => null)
  const targets: (readonly number[])[] = Array.from({ length: nodes }, () => [])
  const streams: (ActorStream | undefined)[] = Array.from({ length: nodes })
  const hasAttested = new Uint8Array(nodes)
  /** Confirmed height at which the node is woken next. */
  const wakesAt = new Float64Array(nodes).fill(Infinity)
  /** Questions that a node works on, of those that others can be told "busy" for. */
  const serving = new Uint16Array(nodes)
  /** Numbers of visits; of each target the one that is awaited, or −1. */
  let visits = 0
  const awaited = new Map<number, number>()
  let current: EpochContext | null = null

  const takesPlace = (target: number, challenger: number): boolean =>
    options.placesFor(target, challenger) < Infinity

  const heightOf = (node: number): Height => clock.confirmedBy(node, queue.now())

  /** Where nothing is due, a step at a new height would change nothing: the node sleeps until then. */
  const sleep = (node: number, state: ChallengerState): void => {
    if (state.stage !== 'visiting') return
    let due: Height = state.phases.attests
    for (const work of state.targets) if (work.is === 'waiting' && work.at < due) due = work.at
    if (due >= wakesAt[node]!) return
    wakesAt[node] = due
    const heard = clock.heardAt(node, due + confirmations)
    queue.schedule(Math.max(queue.now(), heard), kinds.challengerDue, node, current!.epoch, due)
  }

  const step = (node: number, event: ChallengerEvent): void => {
    const state = states[node]
    if (state === null || state === undefined) return
    const stepped = stepChallenger(state, event, heightOf(node))
    states[node] = stepped.state
    for (const effect of stepped.effects) {
      if (effect.is === 'visit') visit(node, effect.target)
      else if (effect.is === 'check-self') checkSelf(node, effect.seed)
      else {
        states[node] = null
        hasAttested[node] = 1
        if (mayAttest(options.attendanceOf(node), current!.epoch))
          options.onAttest(node, current!, effect.findings)
      }
    }
    if (states[node] !== null) sleep(node, stepped.state)
  }

  const visit = (node: number, target: number): void => {
    const nth = visits++ & (2 ** (32 - targetBits) - 1)
    const id = ((nth << targetBits) | target) >>> 0
    awaited.set(node * (targetMask + 1) + target, id)
    queue.schedule(queue.now() + responseMicros, kinds.visitOver, node, 0, id)
    const rate = options.missRateOf(node)
    if (rate > 0 && chance.uniform(node) < rate) return
    network.send(node, targets[node]![target]!, askedBytes, kinds.visitAsked, node, id)
  }

  type VisitResult = Extract<ChallengerEvent, { is: 'visited' }>['result']

  const visited = (node: number, id: number, result: VisitResult): void => {
    const target = id & targetMask
    const key = node * (targetMask + 1) + target
    if (awaited.get(key) !== id) return
    awaited.delete(key)
    step(node, { is: 'visited', target, result })
  }

  const checkSelf = (node: number, seed: Uint8Array): void => {
    const { size } = current!.committees
    const known = new Set([node, ...targets[node]!])
    const all = Array.from({ length: size }, (_, index) => current!.nodeOfIndex[index]!)
    const strangers = all.filter((other) => !known.has(other))
    const pool = strangers.length > 1 ? strangers : all.filter((other) => other !== node)
    const order = shuffledIndexes(createStream(seed), pool.length)
    let reached = 0
    for (const index of order.subarray(0, selfCheckSeats)) {
      const other = pool[index]!
      if (isUp[other] === 1 && !network.isCut(node, other)) reached++
    }
    queue.schedule(queue.now() + responseMicros, kinds.selfChecked, node, reached, current!.epoch)
  }

  const begin = (node: number): void => {
    if (current === null || isUp[node] === 0 || states[node] !== null) return
    const { epoch, beacon, phases, committees, indexOfNode, nodeOfIndex } = current
    const index = indexOfNode[node]!
    if (index === -1) return
    // The record of an epoch's work is in memory here: a node that comes up comes up for whole epochs.
    const record = { isSigned: hasAttested[node] === 1, isRecorded: false }
    if (nextWork(options.attendanceOf(node), epoch, phases, heightOf(node), record) !== 'begin') return
    targets[node] = targetsOf(committees, index).map((target) => nodeOfIndex[target]!)
    const secret = (streams[node] ??= options.secretsOf(node)).bytes()
    const state = startChallenger(epoch, beacon, phases, secret, committees.k, retries)
    states[node] = state
    sleep(node, state)
  }

  return {
    open: (context) => {
      current = context
      awaited.clear()
      wakesAt.fill(Infinity)
      states.fill(null)
      hasAttested.fill(0)
      for (let node = 0; node < nodes; node++) begin(node)
    },
    begin,
    close: () => {
      current = null
      states.fill(null)
    },
    handle: (kind, node, a, b) => {
      switch (kind) {
        case kinds.challengerDue: {
          if (!isOf(current, a) || isUp[node] === 0 || wakesAt[node] !== b) return
          wakesAt[node] = Infinity
          step(node, { is: 'height', height: heightOf(node) })
          return
        }
        case kinds.visitAsked:
          if (serving[node]! >= options.placesFor(node, a)) {
            if (isUp[node] === 1) network.send(node, a, busyBytes, kinds.visitBusy, 0, b)
            return
          }
          if (takesPlace(node, a)) serving[node]!++
          queue.schedule(queue.now() + serviceMicros, kinds.visitServed, node, a, b)
          return
        case kinds.visitServed:
          if (takesPlace(node, a)) serving[node]!--
          if (isUp[node] === 1) network.send(node, a, answeredBytes, kinds.visitAnswered, 0, b)
          return
        case kinds.visitAnswered: {
          const target = targets[node]![b & targetMask]
          if (isUp[node] === 0 || target === undefined || current === null) return
          const evidence = { verdict: Verdict.valid, receipt: noReceipt }
          visited(node, b, { finding: { evidence, address: options.addressOf(target) } })
          return
        }
        case kinds.visitBusy:
          if (isUp[node] === 1 && current !== null) visited(node, b, { later: 'busy' })
          return
        case kinds.visitOver: {
          const target = targets[node]![b & targetMask]
          if (isUp[node] === 0 || target === undefined || current === null) return
          const isThere = isUp[target] === 1 && !network.isCut(node, target)
          visited(node, b, { finding: isThere ? timeout : unreachable })
          return
        }
        case kinds.selfChecked:
          if (isOf(current, b)) step(node, { is: 'self-checked', reached: a })
      }
    },
  }
}

const isOf = (context: EpochContext | null, epoch: Epoch): boolean => context?.epoch === epoch
