import type { EvidenceEntry } from './evidence.ts'
import { seenFault } from './evidence.ts'
import type { EpochPhases } from './epoch.ts'
import { hash } from './codec.ts'
import type { Epoch, Height } from './ids.ts'
import { createStream } from './random.ts'
import { isRetried, Verdict } from './verdict.ts'

/**
 * One challenger's work of one epoch as a step function (R-CHAL-1, R-VERD-1, R-FAULT-1). The shell feeds it heights
 * and what its visits found, and carries out the effects. `secret` (32 random bytes) is all the chance there is, so
 * a state read back from disk goes on with the same nonces and the same moments.
 */
export interface ChallengerState {
  epoch: Epoch
  beacon: Uint8Array
  phases: Pick<EpochPhases, 'opens' | 'attests'>
  secret: Uint8Array
  retries: number
  /** In ring order. */
  targets: readonly TargetWork[]
  stage: 'visiting' | 'checking-self' | 'done'
}

/** How far a challenger is with one of its targets. */
export type TargetWork =
  /** To be visited at `at`. */
  ({ is: 'waiting'; at: Height } & Tried) | ({ is: 'visiting' } & Tried) | { is: 'found'; finding: Finding }

/** What visits brought so far. */
interface Tried {
  /** Visits that failed, the last as `failed` says. */
  tried: number
  failed: Finding | null
  /** The last answer, if it was "later". */
  later: string | null
  /** How often the target said that it is busy. */
  busy: number
}

/** What a visit found: a verdict with what stands behind it. */
export interface Finding {
  evidence: EvidenceEntry
  /** For verdict 0: the observed address, 4 or 16 bytes. */
  address: Uint8Array | null
}

/** What a challenger hears during one epoch. */
export type ChallengerEvent =
  /** The height of the last confirmed block. */
  | { is: 'height'; height: Height }
  | { is: 'visited'; target: number; result: VisitResult }
  /** How many of the three other seats answered (R-FAULT-1). */
  | { is: 'self-checked'; reached: number }
  /** The own chain node is behind or gone: nothing can be judged (R-FAULT-1). */
  | { is: 'chain-lost'; why: string }
  /** The epoch was worked on before, and the record of it is gone: nothing is attested (R-ATT-7). */
  | { is: 'record-lost' }

/** What a visit found, that the target wants to be asked later (R-CHAL-1), or that this side had no time for the visit. */
export type VisitResult = { finding: Finding } | { later: string } | { notBegun: true }

/** What a challenger is to do, in the order given. */
export type ChallengerEffect =
  | { is: 'visit'; target: number; nonce: Uint8Array }
  /** Try to reach three other seats, chosen with this seed. */
  | { is: 'check-self'; seed: Uint8Array }
  | { is: 'attest'; findings: readonly Finding[] }

export interface ChallengerStep {
  state: ChallengerState
  effects: readonly ChallengerEffect[]
}

/** R-CHAL-1: one nonce per target, epoch and beacon. 32 bytes. */
export const nonceOf = (state: Pick<ChallengerState, 'secret' | 'beacon'>, target: number): Uint8Array =>
  hash('nonce', state.secret, state.beacon, target)

/** A height uniform in [from, to), or `from` if that is empty. */
const momentBetween = (
  secret: Uint8Array,
  target: number,
  visit: number,
  from: Height,
  to: Height,
): Height => (to <= from ? from : from + createStream(hash('moment', secret, target, visit)).below(to - from))

/** Height before which every first visit falls: the last quarter of the window is left to second and third ones. */
export const firstVisitsEnd = (phases: ChallengerState['phases']): Height =>
  phases.attests - Math.floor((phases.attests - phases.opens) / 4)

/**
 * Returns the state of a challenger whose epoch opens. `secret` is 32 bytes that only this node knows: nonces and
 * moments of visits follow from it.
 */
export const startChallenger = (
  epoch: Epoch,
  beacon: Uint8Array,
  phases: ChallengerState['phases'],
  secret: Uint8Array,
  targets: number,
  retries: number,
): ChallengerState => ({
  epoch,
  beacon,
  phases,
  secret,
  retries,
  targets: Array.from({ length: targets }, (_, target): TargetWork => ({
    is: 'waiting',
    at: momentBetween(secret, target, 0, phases.opens, firstVisitsEnd(phases)),
    tried: 0,
    failed: null,
    later: null,
    busy: 0,
  })),
  stage: 'visiting',
})

/** A state read back after a crash: visits under way are to be made again, with the same nonce. */
export const resumeChallenger = (state: ChallengerState, height: Height): ChallengerState => ({
  ...state,
  stage: state.stage === 'checking-self' ? 'visiting' : state.stage,
  targets: state.targets.map((work) =>
    work.is === 'visiting' ? { ...work, is: 'waiting', at: Math.max(height, state.phases.opens) } : work,
  ),
})

const replaceTarget = (state: ChallengerState, target: number, work: TargetWork): ChallengerState => ({
  ...state,
  targets: state.targets.map((old, i) => (i === target ? work : old)),
})

/** Why a target is abstained on that no visit came to. */
export const neverVisited = 'never visited'

const abstention = (why: string): Finding => ({ evidence: seenFault(Verdict.abstain, why), address: null })

/** What is said of a target whose window is over. */
const closingFinding = (work: TargetWork): Finding => {
  if (work.is === 'found') return work.finding
  if (work.failed !== null) return work.failed
  // Who answers "later" to the very end has not answered (R-CHAL-1).
  if (work.later !== null) {
    return { evidence: seenFault(Verdict.timeout, `answered "${work.later}" to the end`), address: null }
  }
  return abstention(neverVisited)
}

/** R-FAULT-1: a target counts as reached if its verdict cannot come from this side's network or firewall. */
const isReached = (finding: Finding): boolean =>
  finding.evidence.verdict !== Verdict.abstain && !isRetried(finding.evidence.verdict)

/** R-FAULT-1: who reaches fewer than half of his targets looks at three other seats before he says so of theirs. */
export const reachesEnough = (reached: number, targets: number): boolean => 2 * reached >= targets

const done = (state: ChallengerState, findings: readonly Finding[]): ChallengerState => ({
  ...state,
  stage: 'done',
  targets: findings.map((finding): TargetWork => ({ is: 'found', finding })),
})

const attest = (state: ChallengerState, findings: readonly Finding[]): ChallengerStep => ({
  state: done(state, findings),
  effects: [{ is: 'attest', findings }],
})

const close = (state: ChallengerState): ChallengerStep => {
  const findings = state.targets.map(closingFinding)
  const reached = findings.filter(isReached).length
  if (reachesEnough(reached, findings.length)) return attest(state, findings)
  return {
    state: {
      ...state,
      stage: 'checking-self',
      targets: findings.map((finding): TargetWork => ({ is: 'found', finding })),
    },
    effects: [{ is: 'check-self', seed: hash('self-check', state.secret, state.beacon) }],
  }
}

const onHeight = (state: ChallengerState, height: Height): ChallengerStep => {
  if (height >= state.phases.attests) return close(state)
  const effects: ChallengerEffect[] = []
  const targets = state.targets.map((work, target): TargetWork => {
    if (work.is !== 'waiting' || height < work.at) return work
    effects.push({ is: 'visit', target, nonce: nonceOf(state, target) })
    const { at: _, ...tried } = work
    return { ...tried, is: 'visiting' }
  })
  return { state: { ...state, targets }, effects }
}

/** R-CHAL-1: so often a target may say to each challenger of an epoch that it is busy. */
export const maxBusyAnswers = 2

/** R-CHAL-1: so that those who were told "later" together do not come back together. */
const laterMoment = (state: ChallengerState, target: number, height: Height): Height => {
  const span = Math.max(1, Math.ceil((state.phases.attests - height) / 8))
  return height + 1 + createStream(hash('later', state.secret, target, height)).below(span)
}

const onVisited = (
  state: ChallengerState,
  target: number,
  result: VisitResult,
  height: Height,
): ChallengerState => {
  const work = state.targets[target]
  if (work === undefined || work.is !== 'visiting') return state
  if ('notBegun' in result) return replaceTarget(state, target, { ...work, is: 'waiting', at: height + 1 })
  if ('finding' in result) return onFinding(state, target, work, result.finding, height)
  const busy = work.busy + (result.later === 'busy' ? 1 : 0)
  if (busy > maxBusyAnswers && result.later === 'busy') {
    const finding = { evidence: seenFault(Verdict.timeout, 'answered "busy" too often'), address: null }
    return onFinding(state, target, work, finding, height)
  }
  const at = laterMoment(state, target, height)
  return replaceTarget(state, target, { ...work, is: 'waiting', at, later: result.later, busy })
}

const onFinding = (
  state: ChallengerState,
  target: number,
  work: Tried,
  finding: Finding,
  height: Height,
): ChallengerState => {
  const tried = work.tried + 1
  if (!isRetried(finding.evidence.verdict) || tried > state.retries) {
    return replaceTarget(state, target, { is: 'found', finding })
  }
  return replaceTarget(state, target, {
    is: 'waiting',
    at: momentBetween(state.secret, target, tried, height + 1, state.phases.attests),
    tried,
    failed: finding,
    later: null,
    busy: work.busy,
  })
}

/** R-FAULT-1: a chain that stood still for half of the window and beyond its end has judged nothing. */
export const standstill = (phases: ChallengerState['phases'], before: Height, height: Height): boolean =>
  before < phases.attests && height >= phases.attests && 2 * (height - before) > phases.attests - phases.opens

/** One step; `height` is the last confirmed height known when the event happened. */
export const stepChallenger = (
  state: ChallengerState,
  event: ChallengerEvent,
  height: Height,
): ChallengerStep => {
  if (state.stage === 'done') return { state, effects: [] }
  switch (event.is) {
    case 'chain-lost':
      return attest(
        state,
        state.targets.map(() => abstention(event.why)),
      )
    case 'record-lost':
      return { state: done(state, state.targets.map(closingFinding)), effects: [] }
    case 'self-checked': {
      if (state.stage !== 'checking-self') return { state, effects: [] }
      const findings = state.targets.map(closingFinding)
      return attest(
        state,
        event.reached > 0 ? findings : findings.map(() => abstention('own network is down')),
      )
    }
    case 'visited':
      return state.stage === 'visiting'
        ? { state: onVisited(state, event.target, event.result, height), effects: [] }
        : { state, effects: [] }
    case 'height':
      return state.stage === 'visiting' ? onHeight(state, event.height) : { state, effects: [] }
  }
}
