import {
  bitfieldOf,
  drawUnasked,
  type Epoch,
  type ExchangeEffect,
  type ExchangeEvent,
  type ExchangeStep,
  startExchange,
  startTurn,
  stepExchange,
  stepTurn,
  type TurnState,
} from '../../protocol/index.ts'
import type { NodeChance } from './chance.ts'
import type { EpochContext } from './epoch-context.ts'
import type { EventQueue } from './events.ts'
import type { Digests, Holdings } from './holdings.ts'
import { kinds } from './kinds.ts'
import type { Network } from './network.ts'
import type { NetworkPlan } from './network-plan.ts'

/** R-SYNC-1, R-SYNC-2: every node compares what it holds with that of one other, again and again. */
export interface Sync {
  /** Begins, at a random moment of the interval, for nodes that have come up. */
  start(node: number): void
  handle(kind: number, node: number, a: number, b: number): void
  counts: { exchanges: number; fetched: number }
}

export interface SyncOptions {
  nodes: number
  plan: NetworkPlan
  isUp: Uint8Array
  holdings: Holdings
  /** Open epochs, the oldest first; none while there is none. */
  openEpochs: () => readonly EpochContext[]
  /** Takes in attestations that were fetched; gives how many were new. */
  take: (node: number, epoch: Epoch, indexes: readonly number[]) => number
  bytesOf: (epoch: Epoch, index: number) => number
}

/** What one node has under way with one other: a turn, with one exchange at a time. */
interface Exchange {
  /** Tells late messages of an exchange that was given up from those of the next. */
  nth: number
  other: number
  turn: TurnState
  /** The last one, whose effect is what the other one was asked; and what it answered. */
  step: ExchangeStep | null
  answer: ExchangeEvent | null
  /** Digests that the other one told: epoch and two words of each. */
  told: Int32Array
  toldCount: number
}

/** What a message of an exchange is, in the low bits of an event's b beside the exchange's number. */
const stages = { question: 0, answer: 1, silence: 2 } as const
const stageBits = 2

/** Bytes on the wire: a question with its frame; of an answer with roots, each row. */
const questionBytes = 160
const rootBytes = 90
const toldWords = 3
/** Deadline of one question. */
const silenceMicros = 10e6
/** Nobody signs twice in this engine, so no exchange needs chance. */
const noSecret = new Uint8Array(32)
const noBits: ExchangeEvent = {
  is: 'bits',
  theirs: null,
  own: new Uint8Array(0),
  proved: new Uint8Array(0),
  size: 0,
  isSame: false,
  hasMoved: false,
}
/** None is ever alone: that is not played here. */
const newTurn = startTurn(false).state

export const createSync = (
  queue: EventQueue,
  network: Network,
  chance: NodeChance,
  options: SyncOptions,
): Sync => {
  const { nodes, isUp, holdings, openEpochs } = options
  const intervalMicros = Math.round(options.plan.syncSeconds * 1e6)
  const exchanges = Array.from({ length: nodes }, createExchange)
  const isScheduled = new Uint8Array(nodes)
  /** Nodes that have come up and have not yet compared closed epochs. */
  const isBehind = new Uint8Array(nodes)
  const counts = { exchanges: 0, fetched: 0 }
  const nextOther = createOthers(nodes, chance)
  const { send, waitInVain } = createPost(queue, network, exchanges)
  let usual = createUsual([], holdings)

  const askNext = (node: number): void => {
    const exchange = exchanges[node]!
    exchange.nth = (exchange.nth + 1) & (2 ** (32 - stageBits) - 1)
    const open = openEpochs()
    const last = open.at(-1)
    if (last === undefined) return
    const other = nextOther(node, last)
    if (other === node) return
    exchange.other = other
    counts.exchanges++
    if (isBehind[node] === 1) {
      const first = Math.min(open[0]!.epoch, ...holdings.closed())
      return goOn(node, startExchange(first, last.epoch, noSecret, false))
    }
    if (usual.open !== open) usual = createUsual(open, holdings)
    goOn(node, usual.start)
  }

  /** Carries out effects until one is a question, or the last. */
  const goOn = (node: number, first: ExchangeStep): void => {
    const exchange = exchanges[node]!
    const step = afterComparing(holdings, usual, exchange, node, first)
    exchange.step = step
    switch (step.effect.is) {
      case 'end':
        isBehind[node] = 0
        counts.fetched += step.effect.outcome.fetched
        // So its turn is over.
        return
      case 'refuse':
        return fail(node)
      default:
        send(node, node, exchange.other, questionBytesOf(step.effect), stages.question)
    }
  }

  const fail = (node: number): void => {
    const exchange = exchanges[node]!
    const { state, effects } = stepTurn(exchange.turn, 0, 'failed', openEpochs().at(-1)!.nodeOfIndex.length)
    exchange.turn = state
    if (effects.length > 0) askNext(node)
  }

  const onAnswer = (node: number): void => {
    const exchange = exchanges[node]!
    const { step, answer } = exchange
    const isUsual = step === usual.start && answer === usual.roots
    goOn(node, isUsual ? usual.compare : stepExchange(step!.state, completed(options, exchange, node)))
  }

  return {
    counts,
    start: (node) => {
      isBehind[node] = 1
      if (isScheduled[node] === 1) return
      isScheduled[node] = 1
      const at = queue.now() + Math.floor(chance.uniform(node) * intervalMicros)
      queue.schedule(at, kinds.syncDue, node, 0, 0)
    },
    handle: (kind, node, a, b) => {
      if (kind === kinds.syncDue) {
        if (isUp[node] === 0) {
          isScheduled[node] = 0
          return
        }
        queue.schedule(queue.now() + intervalMicros, kinds.syncDue, node, 0, 0)
        exchanges[node]!.turn = newTurn
        askNext(node)
        return
      }
      const exchange = exchanges[a]!
      if (exchange.nth !== b >>> stageBits) return
      const stage = b & (2 ** stageBits - 1)
      if (isUp[node] === 0) {
        if (stage === stages.question) waitInVain(a)
        return
      }
      if (stage === stages.question) send(a, node, a, answer(options, usual, exchange, node), stages.answer)
      else if (stage === stages.answer) onAnswer(a)
      else fail(a)
    },
  }
}

const createPost = (queue: EventQueue, network: Network, exchanges: readonly Exchange[]) => {
  /** One message of the exchange of `node`. The end of its question's time if it never comes. */
  const send = (node: number, from: number, to: number, bytes: number, stage: number): void => {
    const code = exchanges[node]!.nth << stageBits
    if (!network.send(from, to, bytes, kinds.sync, node, (code | stage) >>> 0)) waitInVain(node)
  }
  const waitInVain = (node: number): void => {
    const code = exchanges[node]!.nth << stageBits
    queue.schedule(queue.now() + silenceMicros, kinds.sync, node, node, (code | stages.silence) >>> 0)
  }
  return { send, waitInVain }
}

/** Whom nodes ask: none twice before all others were asked (R-SYNC-2). */
const createOthers = (
  nodes: number,
  chance: NodeChance,
): ((node: number, context: EpochContext) => number) => {
  const wordsPerNode = Math.ceil(nodes / 32)
  /** By node, a bit for each other that it asked since it asked all. */
  const asked = new Int32Array(nodes * wordsPerNode)
  let drawer = 0
  let drawnFrom: Uint32Array = new Uint32Array(0)
  const stream = { below: (n: number) => chance.below(drawer, n) }

  const isAsked = (index: number): boolean => {
    const other = drawnFrom[index]!
    return (asked[drawer * wordsPerNode + (other >>> 5)]! & (1 << (other & 31))) !== 0
  }

  // No names are looked up here, so the first that is drawn is asked.
  return (node, { nodeOfIndex, indexOfNode }) => {
    drawer = node
    drawnFrom = nodeOfIndex
    const first = node * wordsPerNode
    const size = nodeOfIndex.length
    let index = drawUnasked(size, indexOfNode[node]!, isAsked, stream)
    if (index === -1) {
      asked.fill(0, first, first + wordsPerNode)
      index = drawUnasked(size, indexOfNode[node]!, isAsked, stream)
    }
    if (index === -1) return node
    const other = nodeOfIndex[index]!
    asked[first + (other >>> 5)]! |= 1 << (other & 31)
    return other
  }
}

/** The other one's side: what it holds at this moment, as `exchange.answer`. Gives its bytes. */
const answer = (options: SyncOptions, usual: Usual, exchange: Exchange, other: number): number => {
  const { holdings, bytesOf } = options
  const question = exchange.step!.effect
  switch (question.is) {
    case 'ask-roots': {
      exchange.answer = tellRoots(holdings, usual, exchange, other)
      return questionBytes + exchange.toldCount * rootBytes
    }
    case 'ask-bits': {
      const { epoch } = question
      const size = holdings.sizeOf(epoch)
      const theirs = size === null ? null : bitfieldOf(size, (index) => holdings.holds(other, epoch, index))
      const hasMoved = !isToldOf(holdings, exchange, other, epoch)
      exchange.answer = { ...noBits, theirs, size: size ?? 0, hasMoved }
      return questionBytes + (theirs?.length ?? 0)
    }
    case 'fetch': {
      const { epoch, indexes } = question
      exchange.answer = { is: 'fetched', fresh: 0, isWhole: true }
      return indexes.reduce((sum, index) => sum + bytesOf(epoch, index), questionBytes)
    }
    default:
      throw new Error(`nobody asks for ${question.is}`)
  }
}

const tellRoots = (holdings: Holdings, usual: Usual, exchange: Exchange, other: number): ExchangeEvent => {
  const { effect } = exchange.step!
  if (effect.is !== 'ask-roots') throw new Error(`nobody tells roots for ${effect.is}`)
  const { from, count } = effect
  if (exchange.step === usual.start) {
    exchange.toldCount = count
    for (let i = 0; i < count; i++) tell(exchange.told, i * toldWords, from + i, usual.digests[i]!, other)
    return usual.roots
  }
  const epochs: Epoch[] = []
  for (let epoch = from; epoch < from + count; epoch++) {
    const digests = holdings.digests(epoch)
    if (digests === undefined) continue
    const at = toldWords * epochs.length
    if (at === exchange.told.length) exchange.told = doubled(exchange.told)
    tell(exchange.told, at, epoch, digests, other)
    epochs.push(epoch)
  }
  exchange.toldCount = epochs.length
  return { is: 'roots', epochs }
}

/** The answer, with what its asker holds where it counts. */
const completed = ({ holdings, take }: SyncOptions, exchange: Exchange, node: number): ExchangeEvent => {
  const { step, answer: came } = exchange
  const { effect } = step!
  const event = came!
  if (event.is === 'bits' && effect.is === 'ask-bits') {
    const { epoch } = effect
    // Its week may have been fixed meanwhile.
    if (!holdings.isKnown(epoch)) return noBits
    const own = bitfieldOf(event.size, (index) => holdings.holds(node, epoch, index))
    return { ...event, own, isSame: isToldOf(holdings, exchange, node, epoch) }
  }
  if (event.is !== 'fetched' || effect.is !== 'fetch') return event
  return { ...event, fresh: take(node, effect.epoch, effect.indexes) }
}

/** Whether a node holds what the other one of an exchange told of an epoch. */
const isToldOf = (
  holdings: Holdings,
  { told, toldCount }: Exchange,
  holder: number,
  epoch: Epoch,
): boolean => {
  const digests = holdings.digests(epoch)
  if (digests === undefined) return false
  let at = 0
  while (told[at] !== epoch && at < toldCount * toldWords) at += toldWords
  return isTold(digests, holder, told, at)
}

/** Looks at what the node holds as long as that is what its exchange asks for. */
const afterComparing = (
  holdings: Holdings,
  usual: Usual,
  exchange: Exchange,
  node: number,
  first: ExchangeStep,
): ExchangeStep => {
  let step = first
  while (step.effect.is === 'compare') {
    const isUsual = step === usual.compare && isAllUsual(usual, exchange, node)
    step = isUsual
      ? usual.end
      : stepExchange(step.state, compare(holdings, exchange, node, step.effect.epochs))
  }
  return step
}

const compare = (
  holdings: Holdings,
  exchange: Exchange,
  node: number,
  epochs: readonly Epoch[],
): ExchangeEvent => {
  let agreed = 0
  const differing: Epoch[] = []
  for (const epoch of epochs) {
    if (!holdings.isKnown(epoch)) continue
    if (isToldOf(holdings, exchange, node, epoch)) agreed++
    else differing.push(epoch)
  }
  return { is: 'compared', agreed, differing }
}

/** Whether the roots of the open epochs, which are compared now, are all equal. */
const isAllUsual = (usual: Usual, { told }: Exchange, node: number): boolean => {
  for (let i = 0; i < usual.digests.length; i++)
    if (!isTold(usual.digests[i]!, node, told, i * toldWords)) return false
  return true
}

/**
 * Nearly all exchanges of some open epochs begin alike, and all their roots are equal: what the steps say of that they are
 * asked once.
 */
const createUsual = (open: readonly EpochContext[], holdings: Holdings) => {
  const epochs = open.map(({ epoch }) => epoch)
  const start = startExchange(epochs[0] ?? 0, epochs.at(-1) ?? 0, noSecret, false)
  const roots: ExchangeEvent = { is: 'roots', epochs }
  const compare = stepExchange(start.state, roots)
  const end = stepExchange(compare.state, { is: 'compared', agreed: epochs.length, differing: [] })
  const digests = epochs.map((epoch) => holdings.digests(epoch)!)
  return { open, digests, start, roots, compare, end }
}

type Usual = ReturnType<typeof createUsual>

const tell = (told: Int32Array, at: number, epoch: Epoch, { low, high }: Digests, other: number): void => {
  told[at] = epoch
  told[at + 1] = low[other]!
  told[at + 2] = high[other]!
}

const isTold = ({ low, high }: Digests, node: number, told: Int32Array, at: number): boolean =>
  low[node] === told[at + 1] && high[node] === told[at + 2]

const createExchange = (): Exchange => ({
  nth: 0,
  other: 0,
  turn: newTurn,
  step: null,
  answer: null,
  told: new Int32Array(4 * toldWords),
  toldCount: 0,
})

const questionBytesOf = (effect: ExchangeEffect): number =>
  effect.is === 'fetch' ? questionBytes + 4 * effect.indexes.length : questionBytes

const doubled = (words: Int32Array): Int32Array => {
  const larger = new Int32Array(2 * words.length)
  larger.set(words)
  return larger
}
