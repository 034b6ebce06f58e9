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
import { createTasks } from './tasks.ts'

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
  let presence: Presence = absent
  let isCompleting = false

  const interrupt = (): void => {
    presence = interrupted(presence)
  }

  /** R-CP-3: what was run through, in touch with others, is recorded as soon as it closes, so that a restart forgets none of it. */
  const onPresent = async (height: Height): Promise<void> => {
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
  }

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

  const checkWallet = async (memo: string, turn: Height | null, signal: AbortSignal): Promise<void> => {
    if (wallet === null) {
      logger.warn({ memo, turn }, 'a certificate is known; without a wallet here, post this memo as it is')
      return
    }
    const balance = await wallet.balance(signal)
    const detail = { turn, balance: balance.toString(), needed: wallet.needed.toString() }
    if (balance < wallet.needed) logger.warn({ ...detail, memo }, 'the hot wallet cannot pay for the anchor')
    else logger.info(detail, 'a certificate is known; this node posts it when its turn comes')
  }

  const postAnchor = async (memo: string, signal: AbortSignal): Promise<void> => {
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
  }

  const certifier = createCertifierRole(node, {
    collector,
    data: createCheckpointData(node, collector, checkpoints, (epoch) => view.registryAt(epoch)),
    checkpoints,
    tasks,
    bls,
    frame,
    onAnchorDue: (memo, turn) => void tasks.run('check wallet', (signal) => checkWallet(memo, turn, signal)),
    postAnchor,
  })

  const completeAnchored = (): void => {
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

  return {
    start: () => certifier.start(),
    async onHeight(height, isCaughtUp) {
      if (!isCaughtUp) return interrupt()
      await onPresent(height)
      await certifier.onHeight()
      completeAnchored()
    },
    interrupt,
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
