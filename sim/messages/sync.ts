import { bitfieldOf, type Epoch, hasBit, maxSyncAttestations } from '../../protocol/index.ts'
import type { NodeChance } from './chance.ts'
import type { EpochContext } from './epoch-context.ts'
import type { EventQueue } from './events.ts'
import type { Holdings } from './holdings.ts'
import { kinds } from './kinds.ts'
import type { Network } from './network.ts'
import type { NetworkPlan } from './network-plan.ts'

/** R-SYNC-1: every node compares what it holds with that of a random seat, again and again. */
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
  /** Epochs that are compared, the oldest first; undefined while there is none. */
  openEpochs: () => readonly EpochContext[]
  /** An attestation that was fetched: takes it in. */
  take: (node: number, context: EpochContext, index: number) => void
  bytesOf: (context: EpochContext, index: number) => number
}

/**
 * What one node has under way with one other: there is one exchange at a time. Nearly all end with the comparison of
 * roots, so only what comes after it is worth a function for each step.
 */
interface Exchange {
  /** Tells late messages of an exchange that was given up from those of the next. */
  nth: number
  other: number
  step: (() => void) | null
}

/** Stages of an exchange, in the low bits of an event's b beside its number. */
const stages = { roots: 0, rootsTold: 1, step: 2 } as const
const stageBits = 2

/** Bytes on the wire: a question with its frame; of an answer with roots, each row. */
const questionBytes = 160
const rootBytes = 90
/** Epochs that can be open at a time. */
const toldEpochs = 4

export const createSync = (
  queue: EventQueue,
  network: Network,
  chance: NodeChance,
  options: SyncOptions,
): Sync => {
  const { nodes, isUp, holdings, openEpochs, take, bytesOf } = options
  const intervalMicros = Math.round(options.plan.syncSeconds * 1e6)
  const exchanges: Exchange[] = Array.from({ length: nodes }, () => ({ nth: 0, other: 0, step: null }))
  const isScheduled = new Uint8Array(nodes)
  /** Nodes that have come up and have not yet asked for closed epochs. */
  const isBehind = new Uint8Array(nodes)
  const counts = { exchanges: 0, fetched: 0 }

  /** What the other one told of open epochs: two words of each, at most `toldEpochs` of them. */
  const toldOf = new Int32Array(nodes * toldEpochs * 3)
  const toldCount = new Uint8Array(nodes)

  const tell = (node: number, from: number, to: number, bytes: number, stage: number): void => {
    const { nth } = exchanges[node]!
    network.send(from, to, bytes, kinds.sync, node, ((nth << stageBits) | stage) >>> 0)
  }

  /** Sends one message of the exchange of `node`; `next` runs where it comes in. */
  const send = (
    node: number,
    from: number,
    to: number,
    bytes: number,
    exchange: Exchange,
    next: () => void,
  ): void => {
    exchange.step = next
    tell(node, from, to, bytes, stages.step)
  }

  const begin = (node: number): void => {
    const exchange = exchanges[node]!
    exchange.nth = (exchange.nth + 1) & (2 ** (32 - stageBits) - 1)
    exchange.step = null
    const context = openEpochs().at(-1)
    if (context === undefined) return
    const { nodeOfIndex } = context
    const other = nodeOfIndex[chance.below(node, nodeOfIndex.length)]!
    if (other === node) return
    exchange.other = other
    counts.exchanges++
    tell(node, node, other, questionBytes, stages.roots)
  }

  /** The other one's side: what it holds at this moment. */
  const tellRoots = (other: number, node: number): void => {
    let told = 0
    for (const { epoch } of openEpochs()) {
      if (told === toldEpochs) break
      const at = (node * toldEpochs + told++) * 3
      const [low, high] = holdings.digest(other, epoch)
      toldOf[at] = epoch
      toldOf[at + 1] = low
      toldOf[at + 2] = high
    }
    toldCount[node] = told
    tell(node, other, node, questionBytes + told * rootBytes, stages.rootsTold)
  }

  const compareRoots = (node: number): void => {
    let differing: EpochContext[] | null = null
    for (const open of openEpochs()) {
      for (let i = 0; i < toldCount[node]!; i++) {
        const at = (node * toldEpochs + i) * 3
        if (toldOf[at] !== open.epoch) continue
        const [low, high] = holdings.digest(node, open.epoch)
        if (low !== toldOf[at + 1] || high !== toldOf[at + 2]) (differing ??= []).push(open)
      }
    }
    if (differing !== null || isBehind[node] === 1) reconcile(node, exchanges[node]!, differing ?? [])
  }

  /** Epoch after epoch; then, once after it has come up, those that have closed. */
  const reconcile = (node: number, exchange: Exchange, left: readonly EpochContext[]): void => {
    const [open, ...rest] = left
    if (open === undefined) {
      if (isBehind[node] === 1) catchUp(node, exchange)
      return
    }
    const { other } = exchange
    send(node, node, other, questionBytes, exchange, () => {
      if (!holdings.isOpen(open.epoch)) return
      const bits = bitfieldOf(open.committees.size, (index) => holdings.holds(other, open.epoch, index))
      send(node, other, node, questionBytes + bits.length, exchange, () => {
        if (!holdings.isOpen(open.epoch)) return
        const missing: number[] = []
        for (let index = 0; index < open.committees.size; index++)
          if (hasBit(bits, index) && !holdings.holds(node, open.epoch, index)) missing.push(index)
        fetchSome(node, exchange, open, missing, () => reconcile(node, exchange, rest))
      })
    })
  }

  const fetchSome = (
    node: number,
    exchange: Exchange,
    open: EpochContext,
    missing: readonly number[],
    then: () => void,
  ): void => {
    if (missing.length === 0) {
      then()
      return
    }
    const some = missing.slice(0, maxSyncAttestations)
    const { other } = exchange
    send(node, node, other, questionBytes + 4 * some.length, exchange, () => {
      const bytes = some.reduce((sum, index) => sum + bytesOf(open, index), questionBytes)
      send(node, other, node, bytes, exchange, () => {
        if (!holdings.isOpen(open.epoch)) return
        for (const index of some) take(node, open, index)
        counts.fetched += some.length
        fetchSome(node, exchange, open, missing.slice(maxSyncAttestations), then)
      })
    })
  }

  /** Closed epochs whose week is not fixed yet, all in one: a node that was away needs them to certify. */
  const catchUp = (node: number, exchange: Exchange): void => {
    const { other } = exchange
    send(node, node, other, questionBytes, exchange, () => {
      const missing: [Epoch, number[]][] = []
      let bytes = questionBytes
      for (const epoch of holdings.closed()) {
        const indexes = holdings.missing(node, other, epoch)
        if (indexes.length > 0) missing.push([epoch, indexes])
        bytes += rootBytes + indexes.length * attestationBytes
      }
      send(node, other, node, bytes, exchange, () => {
        isBehind[node] = 0
        const closed = new Set(holdings.closed())
        for (const [epoch, indexes] of missing) {
          if (!closed.has(epoch)) continue
          holdings.addLate(node, epoch, indexes)
          counts.fetched += indexes.length
        }
      })
    })
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
        begin(node)
        return
      }
      const exchange = exchanges[a]!
      if (isUp[node] === 0 || exchange.nth !== b >>> stageBits) return
      const stage = b & (2 ** stageBits - 1)
      if (stage === stages.roots) tellRoots(node, a)
      else if (stage === stages.rootsTold) compareRoots(a)
      else {
        const { step } = exchange
        exchange.step = null
        step?.()
      }
    },
  }
}

/** Of an attestation of a closed epoch, with its signature: what one with eleven verdicts takes. */
const attestationBytes = 400
