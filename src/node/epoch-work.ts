import {
  type ChallengerEffect,
  type ChallengerEvent,
  type ChallengerState,
  cidOf,
  type Finding,
  type Height,
  mayAttest,
  secondNoncesIn,
  seenFault,
  type SnapshotRow,
  stepChallenger,
  Verdict,
  type Verdict as VerdictCode,
  verdictNames,
  type VisitResult,
} from '../../protocol/index.ts'
import { eitherOf } from '../async/abort.ts'
import { messageOf } from '../errors.ts'
import type { EpochContext } from '../week/epoch-book.ts'
import type { Attendance } from './attendance.ts'
import type { NodeContext } from './context.ts'
import { drive } from './drive.ts'
import type { Outgoing } from './outgoing.ts'
import { drawOthers } from './recovery.ts'
import { signAttestation } from './sign-attestation.ts'
import type { SyncClient } from './sync.ts'
import type { Tasks } from './tasks.ts'
import { visitTarget, type Visited } from './visit.ts'

/** The challenger's work of one epoch: drives the challenger's steps (R-CHAL-1, R-ATT-1). */
export interface EpochWork {
  readonly context: EpochContext
  /** Indexes in the snapshot of what `state` is about, in its order. */
  readonly targets: readonly number[]
  state(): ChallengerState
  /** Steps happen one after the other, each written down before its effects. Never rejects. */
  tell(event: ChallengerEvent): Promise<void>
  /** Aborts its visits; what it is told from now on changes nothing. */
  giveUp(why: string): void
}

/** What epochs' work acts through. */
export interface EpochWorkParts {
  attendance: Pick<Attendance, 'state'>
  outgoing: Pick<Outgoing, 'add'>
  sync: Pick<SyncClient, 'isReached'>
  tasks: Tasks
  /** Steps under way, of all epochs; a stop waits for them. */
  stepping: Set<Promise<void>>
  /** The confirmed height as the challenger knows it. */
  height(): Height
  onNetworkDown(): void
}

/** What one epoch's work is about. */
export interface EpochTask {
  context: EpochContext
  own: SnapshotRow
  state: ChallengerState
  targets: readonly number[]
}

/** Seats that a self-check tries (R-FAULT-1). */
const selfCheckSeats = 3

/** For the metrics. */
const nameOf = (result: VisitResult): string =>
  'finding' in result ? verdictNames[result.finding.evidence.verdict as VerdictCode] : 'later'

export const createEpochWork = (node: NodeContext, parts: EpochWorkParts, task: EpochTask): EpochWork => {
  const { context, own, targets } = task
  const { epoch, snapshot } = context
  const abort = new AbortController()

  const carryOut = async (effect: ChallengerEffect): Promise<void> => {
    switch (effect.is) {
      case 'visit': {
        const { target, nonce } = effect
        const started = parts.tasks.run('visit', (signal) => visit(target, nonce, signal))
        if (!started) void tell({ is: 'visited', target, result: { notBegun: true } })
        return
      }
      case 'check-self': {
        const started = parts.tasks.run('check-self', (signal) => checkSelf(effect.seed, signal))
        if (!started) void tell({ is: 'self-checked', reached: 0 })
        return
      }
      case 'attest':
        await attest(effect.findings)
    }
  }

  const driver = drive<ChallengerState, ChallengerEvent, ChallengerEffect>({
    start: task.state,
    step: (state, event) =>
      abort.signal.aborted ? { state, effects: [] } : stepChallenger(state, event, parts.height()),
    carryOut,
    record: {
      async before(state, previous) {
        if (state !== previous && state.stage !== 'done') await node.work.putWork(state)
      },
      async after(state, previous) {
        if (state.stage === 'done' && previous.stage !== 'done') await node.work.putWork(state)
      },
    },
  })

  const tell = (event: ChallengerEvent): Promise<void> => {
    const told = driver
      .tell(event)
      .catch((error: unknown) => {
        node.logger.error({ err: error, epoch }, 'the work of an epoch failed')
      })
      .finally(() => parts.stepping.delete(told))
    parts.stepping.add(told)
    return told
  }

  const visit = async (target: number, nonce: Uint8Array, signal: AbortSignal): Promise<void> => {
    const begun = node.world.monotonicMs()
    const either = eitherOf(signal, abort.signal)
    const result = await find(targets[target]!, nonce, either)
    if (result === null) return
    node.metrics.visitSeconds.observe((node.world.monotonicMs() - begun) / 1_000)
    node.metrics.visits.inc({ result: nameOf(result) })
    if (result.second !== undefined) {
      // R-ATT-7: the target has answered a question by the own key that is not of this epoch's work.
      const { host, seat } = snapshot[targets[target]!]!
      const says = await node.signing.foundQuestion(result.second, `seat ${seat} (${host})`)
      if (says === 'record-lost') void tell({ is: 'record-lost' })
    }
    void tell({ is: 'visited', target, result })
  }

  /** What a visit finds; null once it is given up. */
  const find = async (index: number, nonce: Uint8Array, signal: AbortSignal): Promise<Visited | null> => {
    const madeUp = node.conduct.findWithoutVisit(context, index)
    if (madeUp !== undefined) return { finding: madeUp }
    try {
      return await visitTarget(node, context, own, index, nonce, signal)
    } catch (error) {
      if (signal.aborted) return null
      node.logger.error({ err: error, epoch }, 'a visit failed on this side')
      const evidence = seenFault(Verdict.abstain, `own node: ${messageOf(error)}`)
      return { finding: { evidence, address: null } }
    }
  }

  const checkSelf = async (seed: Uint8Array, signal: AbortSignal): Promise<void> => {
    const targetSeats = new Set(targets.map((index) => snapshot[index]!.seat))
    const strangers = snapshot.filter(({ seat }) => !targetSeats.has(seat))
    // In a network smaller than a committee all others are targets.
    const pool = strangers.length > 1 ? strangers : snapshot
    const others = drawOthers(pool, own.seat, seed, selfCheckSeats)
    const answers = await Promise.all(others.map((row) => parts.sync.isReached(row, signal)))
    const reached = answers.filter(Boolean).length
    if (reached === 0) {
      node.logger.error({ epoch }, 'this node reaches nobody: its own network is down, so it abstains')
      parts.onNetworkDown()
    }
    void tell({ is: 'self-checked', reached })
  }

  const attest = async (findings: readonly Finding[]): Promise<void> => {
    if (!mayAttest(parts.attendance.state(), epoch)) {
      node.logger.warn(
        { epoch },
        'nothing is attested in the epoch of the start: other seats did not confirm that the record is complete',
      )
      return
    }
    if (!node.signing.maySign(context.phases.opens)) return
    const attestation = await signAttestation(node, context, own, findings)
    if (attestation === null) return
    const { signed, verdicts } = attestation
    for (const verdict of verdicts) {
      node.metrics.verdicts.inc({ verdict: verdictNames[verdict as VerdictCode] })
    }
    node.logger.info({ epoch, verdicts: [...verdicts], cid: cidOf(signed.payload).toString() }, 'attested')
    const refusals = secondNoncesIn(findings)
    if (refusals > 0) {
      node.logger.warn(
        { epoch, refusals },
        'another daemon with the keys of this node came first to some targets: its attestation waits',
      )
    }
    await parts.outgoing.add(context, signed, { waits: refusals > 0 })
  }

  return {
    context,
    targets,
    state: () => driver.state(),
    tell,
    giveUp: (why) => abort.abort(new Error(why)),
  }
}
