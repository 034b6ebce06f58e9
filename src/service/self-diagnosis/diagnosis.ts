import type { Logger } from 'pino'
import { unseated, Verdict } from '../../../protocol/index.ts'
import { type Finding, findingKey } from '../alerts/finding.ts'
import type { Alerter } from '../alerts/alerter.ts'
import { messageOf } from '../../errors.ts'
import { type Config, publicPortsOf } from '../config.ts'
import { noStake } from '../../node/daemon.ts'
import type { DialBackQuestion } from '../../node/dial-back.ts'
import { askOutside, type ObservedOutside, type OutsideAnswer } from '../../node/ask-outside.ts'
import { createSelfGauges } from './gauges.ts'
import { judge, type Judgement } from './judge.ts'
import type { Observations } from './observations.ts'
import { createObserver, type ObserverOptions } from './observe.ts'

export interface DiagnosisOptions extends ObserverOptions {
  alerter: Alerter
  logger: Logger
  /** Between two looks while no block comes. */
  intervalMs?: number
}

/** What a daemon finds to be wrong with itself, looked at after every block and now and then. */
export interface Diagnosis {
  start(): void
  /** Waits for the look that is under way. Idempotent. */
  stop(): Promise<void>
  /** The last look; null before the first. */
  current(): Diagnosed | null
  /** Changes whenever what is found does. */
  revision(): number
  /** Looks once more, and resolves when that is done. */
  look(): Promise<Diagnosed>
}

export interface Diagnosed extends Judgement {
  observations: Observations
}

const defaultIntervalMs = 15_000
/** Others are asked so often in an epoch at most, while they do not get through: in a real network every hour. */
const asksPerEpoch = 4

export const createDiagnosis = (options: DiagnosisOptions): Diagnosis => {
  const { daemon, alerter, logger, config } = options
  const { node, epochs } = daemon
  const { world, genesis } = node
  const observer = createObserver(options)
  const gauges = createSelfGauges(daemon, genesis.confirmations, config.dir)
  const stopping = new AbortController()
  const { signal } = stopping
  const isDue = (judgement: Judgement, height: number): boolean =>
    (node.isStandby || isInDoubt(judgement)) &&
    isAskDue(asked, doubtsOf(judgement), height, genesis.epochBlocks)
  let outside: ObservedOutside | null = null
  let asked: Asked | null = null
  let last: Diagnosed | null = null
  const findingLog = createFindingLog(logger)
  let cancelTimer: (() => void) | null = null
  let looking: Promise<Diagnosed> | null = null
  let isWanted = false

  /** True if anybody answered. */
  const ask = async (judgement: Judgement): Promise<boolean> => {
    const own = node.isStandby ? strangerOf(config) : options.follower.standingOf(node.stake)?.record
    const current = epochs.current()
    const context = current === null ? undefined : await epochs.get(current)
    const atHeight = daemon.handledHeight()
    if (own === undefined || context === undefined || !isDue(judgement, atHeight)) return false
    const answer = await askOutside(daemon.node, context, own, signal)
    const isFine = answer.views.length > 0 && answer.views.every(isReached)
    asked = { atHeight, why: doubtsOf(judgement), isFine }
    if (answer.views.length === 0) return false
    outside = answer
    return true
  }

  const lookOnce = async (): Promise<Diagnosed> => {
    let observations = await observer.observe(outside, signal)
    let judgement = judge(observations)
    if (await ask(judgement)) {
      observations = { ...observations, outside }
      judgement = judge(observations)
    }
    const diagnosed = { ...judgement, observations }
    last = diagnosed
    findingLog.write(judgement)
    await alerter.update(judgement.findings, judgement.unknown)
    await gauges.set(observations, judgement, alerter.state())
    return diagnosed
  }

  const look = (): Promise<Diagnosed> => {
    looking ??= lookOnce().finally(() => {
      looking = null
      if (isWanted && !signal.aborted) request()
    })
    return looking
  }

  /** Blocks that come while a look is under way call for one more, not for as many. */
  const request = (): void => {
    isWanted = looking !== null
    if (isWanted || signal.aborted) return
    look().catch((error: unknown) => {
      if (!signal.aborted) logger.error({ err: error, reason: messageOf(error) }, 'the self-diagnosis failed')
    })
  }

  const schedule = (): void => {
    cancelTimer = world.setTimer(options.intervalMs ?? defaultIntervalMs, () => {
      if (signal.aborted) return
      request()
      schedule()
    })
  }

  return {
    start() {
      if (cancelTimer !== null || signal.aborted) return
      daemon.onHandled(request)
      schedule()
      request()
    },
    async stop() {
      stopping.abort(new Error('stopping'))
      cancelTimer?.()
      await looking?.catch(() => undefined)
    },
    current: () => last,
    revision: findingLog.revision,
    async look() {
      await looking?.catch(() => undefined)
      return await look()
    },
  }
}

/** When others were asked last, what for, and whether all of them got through. */
interface Asked {
  atHeight: number
  why: string
  isFine: boolean
}

/** A standby has no challengers whose words would tell: it asks without a doubt. */
const isInDoubt = (judgement: Judgement): boolean =>
  doubtsOf(judgement) !== '' || judgement.findings.some(({ code }) => code === 'unreachable')

const isAskDue = (asked: Asked | null, why: string, height: number, epochBlocks: number): boolean => {
  // A height below the last one means that the chain was reorganised.
  if (asked === null || height < asked.atHeight) return true
  // Who was told that all get through asks again for a new reason, or in the next epoch.
  const everyBlocks = Math.max(1, Math.floor(epochBlocks / asksPerEpoch))
  return height - asked.atHeight >= (asked.isFine && why === asked.why ? epochBlocks : everyBlocks)
}

/** What says that this node may not be reached: then others are asked. Empty if nothing does. */
const doubtsOf = ({ findings }: Judgement): string =>
  findings
    .map(({ code }) => code)
    .filter((code) => code === 'visits-missing' || code === 'verdicts-bad')
    .join(' ')

/** Writes a finding once when it comes, gets worse or goes; alerts keep their own book, over restarts. */
const createFindingLog = (logger: Logger) => {
  let logged = new Map<string, Finding>()
  let revision = 0
  const write = ({ findings, unknown }: Judgement): void => {
    const standing = new Map(findings.map((finding) => [findingKey(finding), finding]))
    for (const [key, finding] of standing) {
      if (logged.get(key)?.detail !== finding.detail) revision++
      if (logged.get(key)?.severity === finding.severity) continue
      const { code, subject, severity, title, detail, remedy, evidence } = finding
      const level = severity === 'info' ? 'info' : severity === 'warning' ? 'warn' : 'error'
      logger[level]({ code, subject, detail, remedy, evidence }, title)
    }
    for (const [key, finding] of logged) {
      if (standing.has(key)) continue
      if ((unknown as ReadonlySet<string>).has(finding.code)) standing.set(key, finding)
      else {
        revision++
        logger.info({ code: finding.code, subject: finding.subject }, `no longer so: ${finding.title}`)
      }
    }
    logged = standing
  }
  return { write, revision: () => revision }
}

/** As what a standby wants to be found: under its own name and ports, and of no seat. */
const strangerOf = (config: Pick<Config, 'host' | 'listen' | 'public'>): DialBackQuestion => ({
  host: config.host,
  ...publicPortsOf(config),
  seat: unseated,
  stake: noStake,
})

const isReached = ({ p2p, tls }: OutsideAnswer): boolean =>
  p2p.verdict === Verdict.valid && tls.verdict === Verdict.valid
