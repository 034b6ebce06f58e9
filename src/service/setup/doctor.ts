import { unlessAborted } from '../../async/abort.ts'
import { createDeadline } from '../../async/deadline.ts'
import { messageOf } from '../../errors.ts'
import { certificateCheck, endpointCheck } from './check-certificate.ts'
import { chainCheck } from './check-chain.ts'
import { configCheck, diskCheck, keysCheck } from './check-machine.ts'
import { ipv6Check, nameServersCheck, namesCheck } from './check-names.ts'
import { clockCheck, outsideCheck } from './check-outside.ts'
import { announcementCheck, hotWalletCheck, stakeCheck } from './check-stake.ts'
import { twinCheck } from './check-twin.ts'
import type { Check } from './check.ts'
import { createFacts } from './fact-finder.ts'
import type { DoctorOptions, Facts } from './facts.ts'
import { type Finding, finding, findingOfError, withoutExplained } from './findings.ts'

export interface CheckReport {
  check: string
  /** `skipped`: it needs what another check could not find out. */
  is: 'ok' | 'found' | 'skipped'
  /** What was seen, or which check it waits for. */
  detail: string
  findings: readonly Finding[]
  ms: number
}

export interface DoctorReport {
  /** False if there is a failure; warnings are none. */
  isHealthy: boolean
  checks: readonly CheckReport[]
}

/** In the order in which they are shown. */
const checks: readonly Check[] = [
  configCheck,
  keysCheck,
  diskCheck,
  chainCheck,
  clockCheck,
  namesCheck,
  nameServersCheck,
  certificateCheck,
  endpointCheck,
  twinCheck,
  ipv6Check,
  outsideCheck,
  announcementCheck,
  stakeCheck,
  hotWalletCheck,
]

export interface DoctorProgress {
  /** Of `all` checks so many have ended; these are under way. */
  done: number
  all: number
  running: readonly string[]
}

/**
 * Looks at everything that a challenger will look at, and more, each check on its own, all at the same time and each
 * within its own bound. Rejects only if `signal` is aborted.
 */
export const runDoctor = async (
  options: DoctorOptions,
  onProgress: (progress: DoctorProgress) => void = () => undefined,
): Promise<DoctorReport> => {
  const due = options.scope === 'inside' ? checks.filter(({ isInside }) => isInside) : checks
  const facts = createFacts(options)
  const running = new Set(due.map(({ name }) => name))
  const progress = (): void => {
    onProgress({ done: due.length - running.size, all: due.length, running: [...running] })
  }
  progress()
  try {
    const reports = await Promise.all(
      due.map(async (check) => {
        const report = await reportOf(check, facts)
        running.delete(check.name)
        progress()
        return report
      }),
    )
    options.signal.throwIfAborted()
    return reportWithout(reports)
  } finally {
    await facts.close()
  }
}

const reportOf = async (check: Check, facts: Facts): Promise<CheckReport> => {
  const { world, signal, logger } = facts.options
  const startMs = world.monotonicMs()
  const report = (is: CheckReport['is'], detail: string, findings: readonly Finding[] = []): CheckReport => ({
    check: check.name,
    is,
    detail,
    findings,
    ms: Math.round(world.monotonicMs() - startMs),
  })
  const timeoutMs = Math.min(check.timeoutMs, facts.options.checkMs ?? Infinity)
  using deadline = createDeadline(world, timeoutMs, signal)
  try {
    // A check that does not heed its signal keeps nobody waiting.
    const { findings, detail } = await unlessAborted(check.run(facts, deadline.signal), deadline.signal)
    return report(findings.length === 0 ? 'ok' : 'found', detail, findings)
  } catch (error) {
    if (deadline.hasPassed()) {
      const message = `${check.name}: not finished within ${timeoutMs / 1_000} s`
      return report('found', '', [finding('CHECK_TIMEOUT', message)])
    }
    const owner = facts.ownerOf(error)
    if (owner !== undefined && owner !== check.name) return report('skipped', `needs ${owner}`)
    logger.debug({ err: error, check: check.name }, messageOf(error))
    return report('found', '', [findingOfError(error)])
  }
}

const reportWithout = (reports: readonly CheckReport[]): DoctorReport => {
  const kept = new Set(withoutExplained(reports.flatMap(({ findings }) => findings)))
  const firstByCode = new Map<string, string>()
  const told = reports.map((report): CheckReport => {
    const findings = report.findings.filter((each) => {
      // What two checks see is told by the first.
      if (!firstByCode.has(each.code)) firstByCode.set(each.code, report.check)
      return kept.has(each) && firstByCode.get(each.code) === report.check
    })
    return { ...report, findings, is: report.is === 'found' && findings.length === 0 ? 'ok' : report.is }
  })
  return {
    isHealthy: told.every(({ findings }) => findings.every(({ severity }) => severity !== 'failure')),
    checks: told,
  }
}
