import type { CID } from 'multiformats/cid'
import type { Logger } from 'pino'
import {
  absent,
  hasRunThrough,
  type Height,
  interrupted,
  type Presence,
  presentAt,
  type Week,
  type WeekState,
  weekStateOf,
  paramsOfWeek,
} from '../../protocol/index.ts'
import { messageOf } from '../errors.ts'
import type { Bls } from '../keys/bls.ts'
import type { CheckpointStore } from '../store/checkpoints.ts'
import type { AnchorWallet } from './anchor-wallet.ts'
import type { FrameParts } from '../week/anchored-frame.ts'
import type { FundBook } from '../week-io/fund.ts'
import { type AnchoredWeeks, createAnchoredWeeks } from '../week/anchored-weeks.ts'
import { providerOfSeat } from './ask-seat.ts'
import { type CertifierRole, createCertifierRole } from './certifier.ts'
import { createCheckpointData } from './checkpoint-data.ts'
import type { Contact } from './contact/contact.ts'
import type { FinalityView } from '../week/chain-view.ts'
import type { Collector } from './collector.ts'
import type { NodeContext } from './context.ts'
import { createProviders } from '../week-io/providers.ts'
import { drawOthers } from './recovery.ts'
import { createTasks, type Tasks } from './tasks.ts'

/** From the freeze of a week to everything that its anchor fixes (R-CP-1…6). */
export interface Finality {
  start(): Promise<void>
  /** After each confirmed block, caught up or not. */
  onHeight(height: Height, isCaughtUp: boolean): Promise<void>
  /** The epochs that are open now were not run through (R-CP-3): this node was cut off, or its chain was reorganised. */
  interrupt(): void
  stop(): Promise<void>
  readonly anchored: AnchoredWeeks
  readonly certifier: CertifierRole
  stateOf(week: Week): WeekState | undefined
  /** The memo of a certificate that is known and not in the chain yet; null if there is none. */
  dueAnchor(): { week: Week; memo: string } | null
}

/** Certifiers are asked all at once: 128 of them, and what they ask back. */
const maxTasks = 64
const maxWaitingTasks = 1_024
/** Peers that are asked for one thing before the next attempt. */
const maxAsked = 8
const askTimeoutMs = 20_000

export const createFinality = (
  node: NodeContext,
  collector: Collector,
  checkpoints: CheckpointStore,
  view: FinalityView,
  bls: Bls,
  wallet: AnchorWallet | null,
  fund: Pick<FundBook, 'ofWeek'>,
  contact: Pick<Contact, 'wasInTouch'>,
  logger: Logger,
): Finality => {
  const tasks = createTasks(logger, maxTasks, maxWaitingTasks)
  const presence = createPresence(node, contact)
  const posting = createPosting(node, wallet, logger)

  const providers = createProviders(node.host, node.world)
  const provide = (checkpoint: CID): void => {
    tasks.run('provide', async (signal) => {
      const told = await node.host.provide(checkpoint, { signal })
      logger.debug({ checkpoint: checkpoint.toString(), told }, 'the DHT knows that this node has the week')
    })
  }

  const frame: FrameParts = {
    genesis: node.genesis,
    networkId: node.networkId,
    schedule: node.schedule,
    epochs: node.epochs,
    weeks: () => view.weeks(),
    seatsAfter: (epoch) => view.registryAt(epoch),
    snapshotSummaryOf: (epoch) => node.chain.snapshotSummaryOf(epoch),
    incomeOf: (week, { first, last }, signal) =>
      fund.ofWeek(paramsOfWeek(node.schedule, week).fund, first, last, signal),
  }

  const anchored = createAnchoredWeeks({
    ...frame,
    epochs: node.epochs,
    checkpoints,
    held: (context) => collector.held(context),
    verify: node.verifier.verify,
    onComplete: ({ anchor }) => provide(anchor.checkpoint),
    peers: {
      async *draw(checkpoint, signal) {
        const context = await node.epochs.get(node.epochs.current() ?? 0)
        const seats =
          context === undefined
            ? []
            : drawOthers(context.snapshot, node.ownSeat(), node.world.randomBytes(32), maxAsked)
        for (const seat of seats) yield providerOfSeat(node, seat, askTimeoutMs)
        // They may all be new, or have lost it: whoever has it told the DHT.
        yield* providers.of(checkpoint, signal)
      },
      take: (context, bytes) => collector.takeAnchored(context, bytes),
    },
    logger,
  })

  const certifier = createCertifierRole(node, {
    collector,
    data: createCheckpointData(node, collector, checkpoints, (epoch) => view.registryAt(epoch)),
    checkpoints,
    tasks,
    bls,
    frame,
    onAnchorDue: (memo, turn) =>
      void tasks.run('check wallet', (signal) => posting.check(memo, turn, signal)),
    postAnchor: (memo, signal) => posting.post(memo, signal),
  })

  const completeAnchored = createCompleting(view, anchored, tasks)

  return {
    start: () => certifier.start(),
    async onHeight(height, isCaughtUp) {
      if (!isCaughtUp) return presence.interrupt()
      await presence.onHeight(height)
      await certifier.onHeight()
      completeAnchored()
    },
    interrupt: () => presence.interrupt(),
    async stop() {
      await certifier.stop()
      await tasks.stop()
    },
    anchored,
    certifier,
    dueAnchor() {
      const certified = certifier.certified()
      const record = view.weeks().records.findLast(({ week }) => week === certified?.week)
      return record === undefined || record.anchor !== null || record.isPending ? null : certified
    },
    stateOf(week) {
      const record = view.weeks().records.findLast((found) => found.week === week)
      return record === undefined ? undefined : weekStateOf(record, certifier.certified()?.week === week)
    },
  }
}

/** R-CP-3: which epochs this node ran through, in touch with others. */
const createPresence = (node: NodeContext, contact: Pick<Contact, 'wasInTouch'>) => {
  let presence: Presence = absent

  return {
    interrupt() {
      presence = interrupted(presence)
    },
    /** Recorded as soon as an epoch closes, so that a restart forgets none of it. */
    async onHeight(height: Height): Promise<void> {
      const current = node.epochs.current()
      const context = current === null ? undefined : await node.epochs.get(current)
      if (current === null || context === undefined) return
      const { last } = presence
      presence = presentAt(presence, height, context.params.attestBlocks)
      for (let epoch = Math.max(0, current - 2); epoch <= current; epoch++) {
        const one = await node.epochs.get(epoch)
        if (one === undefined || last === null || last >= one.phases.closes) continue
        if (!hasRunThrough(presence, one.phases) || !contact.wasInTouch(one)) continue
        await node.attestations.putRanThrough(epoch, one.beacon)
      }
    },
  }
}

/** The anchor of a certified week, paid for by this node's hot wallet if it has one. */
const createPosting = (node: NodeContext, wallet: AnchorWallet | null, logger: Logger) => ({
  async check(memo: string, turn: Height | null, signal: AbortSignal): Promise<void> {
    if (wallet === null) {
      logger.warn({ memo, turn }, 'a certificate is known; without a wallet here, post this memo as it is')
      return
    }
    const balance = await wallet.balance(signal)
    const detail = { turn, balance: balance.toString(), needed: wallet.needed.toString() }
    if (balance < wallet.needed) logger.warn({ ...detail, memo }, 'the hot wallet cannot pay for the anchor')
    else logger.info(detail, 'a certificate is known; this node posts it when its turn comes')
  },

  async post(memo: string, signal: AbortSignal): Promise<void> {
    if (wallet === null) return
    try {
      await wallet.post(memo, signal)
      node.metrics.anchorsPosted.inc({ outcome: 'posted' })
      logger.info({ memo }, 'the anchor was posted')
    } catch (error) {
      signal.throwIfAborted()
      node.metrics.anchorsPosted.inc({ outcome: 'failed' })
      logger.error({ err: error, memo }, messageOf(error))
    }
  },
})

/** Brings together what anchors fix, if anything of it is missing: one such task at a time. */
const createCompleting = (view: FinalityView, anchored: AnchoredWeeks, tasks: Tasks): (() => void) => {
  let isCompleting = false
  return () => {
    const isMissing = view
      .weeks()
      .records.some(({ week, anchor }) => anchor !== null && anchored.get(week) === undefined)
    if (!isMissing || isCompleting) return
    isCompleting = true
    tasks.run('anchored weeks', async (signal) => {
      try {
        await anchored.complete(signal)
      } finally {
        isCompleting = false
      }
    })
  }
}
