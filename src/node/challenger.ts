import {
  type ChallengerEffect,
  type ChallengerEvent,
  type ChallengerState,
  cidOf,
  encodeAttestation,
  encodeEvidence,
  type Epoch,
  epochStart,
  equalBytes,
  type Finding,
  indexOfSeat,
  type Question,
  resumeChallenger,
  secondNoncesIn,
  seenFault,
  signPayload,
  type SnapshotRow,
  startChallenger,
  stepChallenger,
  targetsOf,
  Verdict,
  type Verdict as VerdictCode,
  verdictNames,
  type VisitResult,
} from '../../protocol/index.ts'
import { messageOf } from '../errors.ts'
import type { NodeContext } from './context.ts'
import type { EpochContext } from '../week/epoch-book.ts'
import type { Outgoing } from './outgoing.ts'
import { drawOthers } from './recovery.ts'
import type { SyncClient } from './sync.ts'
import type { Tasks } from './tasks.ts'
import { visitTarget, type Visited } from './visit.ts'
import { createSequence, type Sequence } from '../async/serial.ts'

/** Drives the challenger's step function: one epoch's work at a time (R-CHAL-1, R-ATT-1, R-ATT-5). */
export interface Challenger {
  /** The chain moved: begins, continues and ends the work of epochs. */
  onHeight(height: number): Promise<void>
  /** A reorganisation: work under a beacon that is gone stops and accuses nobody (R-CHAIN-2). */
  forgetAbove(height: number): void
  /** Gives up the work of the epoch: nothing may be signed any more (R-ATT-7). */
  abandon(): void
  /**
   * R-ATT-5: the epoch in which the daemon started. Nothing at all is signed before `settleFence`. After it nothing of
   * that epoch is, unless it `mayAttest`, and then only from a record of work that was there when the daemon started.
   */
  setFence(epoch: Epoch): void
  settleFence(mayAttest: boolean): Promise<void>
  /** Calls back when a self-check reached no other seat (R-FAULT-1). */
  onNetworkDown(listener: () => void): void
  /** Begins nothing more and waits for what is being written or signed. */
  stop(): Promise<void>
  /** What is being done, for status pages. */
  state(): ChallengerState | null
  /** Indexes in the snapshot of what `state` is about, in its order. */
  targets(): readonly number[]
}

interface Running {
  context: EpochContext
  own: SnapshotRow
  state: ChallengerState
  targets: readonly number[]
  abort: AbortController
  /** Steps happen one after the other, each written down before its effects. */
  steps: Sequence
}

/** For the metrics. */
const wordOf = (result: VisitResult): string =>
  'finding' in result ? verdictNames[result.finding.evidence.verdict as VerdictCode] : 'later'

export const createChallenger = (
  node: NodeContext,
  outgoing: Outgoing,
  sync: SyncClient,
  tasks: Tasks,
): Challenger => {
  let running: Running | null = null
  /** Steps under way, those of an epoch that is over included. */
  const stepping = new Set<Promise<void>>()
  let fence: { epoch: Epoch; stands: 'pending' | 'open' | 'closed' } | null = null
  let height = 0
  /** The highest that was told in this run. */
  let lastTold: number | null = null

  // Where others have not been asked yet, the own chain may be an old copy too, and tell of epochs long gone.
  const isFenced = (epoch: Epoch): boolean =>
    fence !== null && (fence.stands === 'pending' || epoch <= fence.epoch)

  let onNetworkDown: () => void = () => undefined
  let isStopped = false
  /** One epoch begins, goes on or ends at a time, whoever asks for it. */
  const turns = createSequence()
  const inTurn = (work: () => Promise<void>): Promise<void> =>
    turns.run(() => (isStopped ? undefined : work()))

  const giveUp = (why: string): void => {
    running?.abort.abort(new Error(why))
    running = null
  }

  const begin = async (epoch: Epoch): Promise<void> => {
    if (running !== null && running.context.epoch === epoch) return
    if (!node.signing.maySign(epochStart(node.genesis, epoch))) return
    const context = await node.epochs.get(epoch)
    const own = context && node.ownRowIn(context)
    // Not in this epoch's snapshot, or with the key of another daemon: nothing to do (R-EPOCH-5, R-ATT-8).
    if (context === undefined || own === undefined) return
    if ((await node.attestations.ownSigned(epoch, context.beacon)) !== undefined) return
    const targets = targetsOf(context.committees, indexOfSeat(context.snapshot, own.seat))
    const recorded = await node.work.getWork(epoch, context.beacon)
    let state: ChallengerState
    if (recorded !== undefined) state = resumeChallenger(recorded, height)
    // Begun in the middle without a record: somebody may have worked here before (R-ATT-5).
    else if (isFenced(epoch) || height >= context.phases.attests) return
    else {
      state = startChallenger(
        epoch,
        context.beacon,
        context.phases,
        node.world.randomBytes(32),
        targets.length,
        context.params.retries,
      )
      // Its secret is on disk before the first nonce leaves: one nonce per target, also across crashes.
      await node.work.putWork(state, { sync: true })
    }
    if (!node.epochs.isCanonical(context) || !node.signing.maySign(context.phases.opens)) return
    running?.abort.abort(new Error('the next epoch has begun'))
    running = { context, own, state, targets, abort: new AbortController(), steps: createSequence() }
  }

  const step = (work: Running, event: ChallengerEvent): Promise<void> => {
    const done = work.steps
      .run(async () => {
        if (work !== running) return
        const before = work.state
        const { state, effects } = stepChallenger(before, event, height)
        work.state = state
        if (state !== before && state.stage !== 'done') await node.work.putWork(state)
        for (const effect of effects) await carryOut(work, effect)
        if (state.stage === 'done' && before.stage !== 'done') await node.work.putWork(state)
      })
      .catch((error: unknown) => {
        node.logger.error({ err: error, epoch: work.context.epoch }, 'the work of an epoch failed')
      })
      .finally(() => stepping.delete(done))
    stepping.add(done)
    return done
  }

  const carryOut = async (work: Running, effect: ChallengerEffect): Promise<void> => {
    switch (effect.is) {
      case 'visit': {
        const started = tasks.run('visit', (signal) => visit(work, effect.target, effect.nonce, signal))
        if (!started) visited(work, effect.target, { notBegun: true })
        return
      }
      case 'check-self': {
        const started = tasks.run('check-self', (signal) => checkSelf(work, effect.seed, signal))
        if (!started) void step(work, { is: 'self-checked', reached: 0 })
        return
      }
      case 'attest':
        await attest(work, effect.findings)
    }
  }

  const visited = (work: Running, target: number, result: VisitResult): void =>
    void step(work, { is: 'visited', target, result })

  /** R-ATT-7: a target has answered a question by the own key that is not of this epoch's work. */
  const foundSecond = async (work: Running, target: number, question: Question): Promise<void> => {
    const { host, seat } = work.context.snapshot[work.targets[target]!]!
    const says = await node.signing.foundQuestion(question, `seat ${seat} (${host})`)
    if (says === 'record-lost') void step(work, { is: 'record-lost' })
  }

  const visit = async (
    work: Running,
    target: number,
    nonce: Uint8Array,
    signal: AbortSignal,
  ): Promise<void> => {
    const begun = node.world.monotonicMs()
    const index = work.targets[target]!
    const madeUp = node.conduct.findWithoutVisit(work.context, index)
    const either = AbortSignal.any([signal, work.abort.signal])
    let result: Visited
    try {
      result =
        madeUp === undefined
          ? await visitTarget(node, work.context, work.own, index, nonce, either)
          : { finding: madeUp }
    } catch (error) {
      if (either.aborted) return
      node.logger.error({ err: error, epoch: work.context.epoch }, 'a visit failed on this side')
      const evidence = seenFault(Verdict.abstain, `own node: ${messageOf(error)}`)
      result = { finding: { evidence, address: null } }
    }
    node.metrics.visitSeconds.observe((node.world.monotonicMs() - begun) / 1_000)
    node.metrics.visits.inc({ result: wordOf(result) })
    if (result.second !== undefined) await foundSecond(work, target, result.second)
    visited(work, target, result)
  }

  const checkSelf = async (work: Running, seed: Uint8Array, signal: AbortSignal): Promise<void> => {
    const targetSeats = new Set(work.targets.map((index) => work.context.snapshot[index]!.seat))
    const strangers = work.context.snapshot.filter(({ seat }) => !targetSeats.has(seat))
    // In a network smaller than a committee all others are targets.
    const pool = strangers.length > 1 ? strangers : work.context.snapshot
    const others = drawOthers(pool, work.own.seat, seed, 3)
    const answers = await Promise.all(others.map((row) => sync.isReached(row, signal)))
    const reached = answers.filter(Boolean).length
    if (reached === 0) {
      node.logger.error(
        { epoch: work.context.epoch },
        'this node reaches nobody: its own network is down, so it abstains',
      )
      onNetworkDown()
    }
    void step(work, { is: 'self-checked', reached })
  }

  const attest = async (work: Running, findings: readonly Finding[]): Promise<void> => {
    const { context, own } = work
    if (isFenced(context.epoch) && fence?.stands !== 'open') {
      node.logger.warn(
        { epoch: context.epoch },
        'nothing is attested in the epoch of the start: other seats did not confirm that the record is complete',
      )
      return
    }
    if (!node.signing.maySign(context.phases.opens)) return
    // Never two signatures for one epoch and beacon, whatever brought us here (R-ATT-5).
    if ((await node.attestations.ownSigned(context.epoch, context.beacon)) !== undefined) return
    const said = await node.conduct.attested(context, findings)
    // What was found under a beacon that is gone accuses nobody (R-CHAIN-2).
    if (!node.epochs.isCanonical(context)) return
    const evidence = encodeEvidence({
      networkId: node.networkId,
      epoch: context.epoch,
      beacon: context.beacon,
      seat: own.seat,
      entries: said.map((finding) => finding.evidence),
    })
    const previous = await node.attestations.lastOwnBefore(context.epoch, async (epoch, beacon) => {
      const canonical = await node.epochs.beaconOf(epoch)
      return canonical !== undefined && equalBytes(canonical, beacon)
    })
    const attestation = {
      networkId: node.networkId,
      epoch: context.epoch,
      beacon: context.beacon,
      seat: own.seat,
      stake: own.stake,
      previous: previous === undefined ? null : cidOf(previous.signed.payload),
      verdicts: Uint8Array.from(said, (finding) => finding.evidence.verdict),
      addresses: said.flatMap(({ evidence: entry, address }) =>
        entry.verdict === Verdict.valid && address !== null ? [address] : [],
      ),
      evidence: cidOf(evidence),
    }
    const payload = encodeAttestation(attestation)
    const signed = signPayload('att', node.networkId, payload, node.keys.sign)
    const isFirst = await node.attestations.putOwnSigned(
      context.epoch,
      context.beacon,
      signed,
      node.evidence.putOperations(context.epoch, evidence),
    )
    if (!isFirst) return
    for (const verdict of attestation.verdicts) {
      node.metrics.verdicts.inc({ verdict: verdictNames[verdict as VerdictCode] })
    }
    node.logger.info(
      { epoch: context.epoch, verdicts: [...attestation.verdicts], cid: cidOf(payload).toString() },
      'attested',
    )
    const refusals = secondNoncesIn(findings)
    const waits = refusals > 0
    if (waits) {
      node.logger.warn(
        { epoch: context.epoch, refusals },
        'another daemon with the keys of this node came first to some targets: its attestation waits',
      )
    }
    await outgoing.add(context, signed, { waits })
  }

  const onHeight = async (newHeight: number): Promise<void> => {
    const before = lastTold ?? newHeight
    lastTold = Math.max(before, newHeight)
    height = newHeight
    const current = node.epochs.current()
    if (current === null) return
    await begin(current)
    if (running === null) return
    const { epoch, phases } = running.context
    // The end of the window waits until the others were asked; a later height ends it just as well.
    if (isFenced(epoch) && fence?.stands === 'pending' && height >= phases.attests) return
    // R-FAULT-1: a chain that stood still for half of the window and beyond its end has judged nothing.
    const isLost =
      before < phases.attests &&
      height >= phases.attests &&
      2 * (height - before) > phases.attests - phases.opens
    void step(
      running,
      isLost ? { is: 'chain-lost', why: `own chain stood still at ${before}` } : { is: 'height', height },
    )
  }

  return {
    onHeight: (newHeight) => inTurn(() => onHeight(newHeight)),
    forgetAbove(newHeight) {
      height = newHeight
      if (running !== null && epochStart(node.genesis, running.context.epoch) > newHeight) {
        giveUp('the beacon is gone')
      }
    },
    abandon: () => giveUp('nothing may be signed'),
    setFence(epoch) {
      fence = { epoch, stands: 'pending' }
    },
    async settleFence(mayAttest) {
      if (fence === null) return
      fence.stands = mayAttest ? 'open' : 'closed'
      await inTurn(() => onHeight(height))
    },
    onNetworkDown(listener) {
      onNetworkDown = listener
    },
    async stop() {
      isStopped = true
      await turns.idle()
      giveUp('stopping')
      await Promise.all(stepping)
    },
    state: () => running?.state ?? null,
    targets: () => running?.targets ?? [],
  }
}
