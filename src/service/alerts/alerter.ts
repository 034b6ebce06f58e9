import { createHash } from 'node:crypto'
import type { Logger } from 'pino'
import { z } from 'zod'
import { bytesToHex } from '../../../protocol/index.ts'
import { messageOf } from '../../errors.ts'
import type { AlertChange, AlertStore } from '../../store/alerts.ts'
import type { World } from '../../world.ts'
import { type Alert, type AlertingNode, alertOf, testFinding } from './alert.ts'
import {
  type AlertMetrics,
  createDelivery,
  type Delivery,
  type DeliveryOptions,
  type DeliveryState,
} from './delivery.ts'
import { type Finding, findingKey, severities } from './finding.ts'
import type { AlertTarget } from './target.ts'
import { stepTelling, type Telling, type TellingRules } from './telling.ts'
import { createSequence } from '../../async/serial.ts'

export interface AlerterOptions extends TellingRules, Pick<DeliveryOptions, 'backoff' | 'graceMs'> {
  store: AlertStore
  targets: readonly AlertTarget[]
  /** Asked anew for each alert: the seat comes with the announcement. */
  node(): AlertingNode
  metrics: AlertMetrics
  logger: Logger
  world: World
}

/** Tells others what a daemon found, once each, and when it is over. */
export interface Alerter {
  /** Reads what an earlier run left to be delivered and goes on with it. */
  start(): Promise<void>
  /** What stands now. Findings whose code is `unknown` could not be judged: of them nothing changes. */
  update(findings: readonly Finding[], unknown: ReadonlySet<string>): Promise<void>
  /** Sends a test to every target at once and waits for it; who asks meanwhile gets what comes of the same one. */
  test(signal: AbortSignal): Promise<TestedTarget[]>
  /** What came of the last test of this run; null if there was none. */
  lastTest(): AlertTest | null
  state(): DeliveryState[]
  /** Changes whenever `state` or `lastTest` does. */
  revision(): number
  /** What was not delivered stays for the next start. Idempotent. */
  stop(): Promise<void>
}

export interface AlertTest {
  atMs: number
  targets: readonly TestedTarget[]
}

export interface TestedTarget {
  kind: AlertTarget['kind']
  name: string
  /** Null if it was taken. */
  error: string | null
}

export const createAlerter = (options: AlerterOptions): Alerter => {
  const { store, targets, logger, world } = options
  /** By key of the finding. */
  const tellings = new Map<string, Telling>()
  let revision = 0
  const onChange = (): void => void revision++
  const deliveries: Delivery[] = targets.map((target) => createDelivery(target, { ...options, onChange }))
  let testing: Promise<TestedTarget[]> | null = null
  let lastTest: AlertTest | null = null
  let isStarted = false
  /** One update after the other: each is a read and a write of the same rows. */
  const updates = createSequence()

  const newAlert = (is: Alert['is'], finding: Finding, nowMs: number, sinceMs: number): Alert =>
    alertOf(is, finding, { id: bytesToHex(world.randomBytes(16)), nowMs, sinceMs, node: options.node() })

  const update = async (findings: readonly Finding[], unknown: ReadonlySet<string>): Promise<void> => {
    const nowMs = world.now()
    const present = new Map(findings.map((finding) => [findingKey(finding), finding]))
    const changed = new Map<string, Telling | null>()
    const alerts: Alert[] = []
    for (const key of new Set([...tellings.keys(), ...present.keys()])) {
      const before = tellings.get(key) ?? null
      const finding = present.get(key) ?? null
      if (finding === null && before !== null && unknown.has(before.finding.code)) continue
      const { telling, say } = stepTelling(before, finding, nowMs, options)
      if (say !== null) {
        alerts.push(newAlert(say, finding ?? before!.finding, nowMs, telling?.sinceMs ?? nowMs))
      }
      if (say !== null || telling?.isFiring !== before?.isFiring) changed.set(key, telling)
      // Evidence that grows while it stands is for the next message, not for the disk.
      else if (telling !== null) tellings.set(key, telling)
    }
    if (changed.size === 0) return
    // Remembered and enqueued in one write: a crash tells it neither twice nor never.
    const queued = deliveries.map((delivery) => ({ delivery, change: delivery.enqueue(alerts) }))
    await store.write({
      findings: new Map(
        [...changed].map(([key, telling]) => [
          rowName(key),
          telling === null ? null : JSON.stringify(telling),
        ]),
      ),
      add: queued.flatMap(({ change }) => change.add),
      remove: queued.flatMap(({ change }) => change.remove),
    } satisfies AlertChange)
    for (const [key, telling] of changed) {
      if (telling === null) tellings.delete(key)
      else tellings.set(key, telling)
    }
    for (const { delivery, change } of queued) delivery.accept(change)
  }

  const test = async (signal: AbortSignal): Promise<TestedTarget[]> => {
    const atMs = world.now()
    const alert = newAlert('test', testFinding, atMs, atMs)
    const tested = await Promise.all(targets.map((target) => tryTarget(target, alert, signal)))
    lastTest = { atMs, targets: tested }
    onChange()
    return tested
  }

  return {
    async start() {
      if (isStarted) return
      isStarted = true
      await readTellings(store, tellings, logger)
      const waiting = await store.waiting()
      const orphans = waiting.filter(({ target: id }) => !targets.some((target) => isOf(target, id)))
      if (orphans.length > 0) {
        logger.warn(
          { alerts: orphans.length },
          'alerts for targets that are no longer configured are dropped',
        )
        await store.write({ remove: orphans })
      }
      for (const [i, delivery] of deliveries.entries()) {
        delivery.start(waiting.filter(({ target: id }) => isOf(targets[i]!, id)))
      }
    },
    update(findings, unknown) {
      if (targets.length === 0) return Promise.resolve()
      return updates.run(() => update(findings, unknown))
    },
    test(signal) {
      testing ??= test(signal).finally(() => (testing = null))
      return testing
    },
    lastTest: () => lastTest,
    revision: () => revision,
    state: () => deliveries.map((delivery) => delivery.state()),
    async stop() {
      await updates.idle()
      await Promise.all(deliveries.map((delivery) => delivery.stop()))
    },
  }
}

const tryTarget = async (target: AlertTarget, alert: Alert, signal: AbortSignal): Promise<TestedTarget> => {
  const { kind, name } = target
  try {
    await target.deliver(alert, signal)
    return { kind, name, error: null }
  } catch (error) {
    signal.throwIfAborted()
    return { kind, name, error: messageOf(error) }
  }
}

/** What an earlier run told, by key of the finding. */
const readTellings = async (
  store: AlertStore,
  tellings: Map<string, Telling>,
  logger: Logger,
): Promise<void> => {
  const unreadable = new Map<string, null>()
  for (const [name, text] of await store.findings()) {
    const telling = readTelling(text)
    if (telling === null) unreadable.set(name, null)
    else tellings.set(findingKey(telling.finding), telling)
  }
  if (unreadable.size === 0) return
  // Of another version: what stands is found again, and told again.
  logger.warn({ findings: unreadable.size }, 'what was told of some findings cannot be read')
  await store.write({ findings: unreadable })
}

const isOf = (target: AlertTarget, id: Uint8Array): boolean => bytesToHex(target.id) === bytesToHex(id)

const rowName = (key: string): string => createHash('sha256').update(key).digest('hex').slice(0, 32)

const Told = z.looseObject({
  finding: z.looseObject({ code: z.string(), subject: z.string(), severity: z.enum(severities) }),
  isFiring: z.boolean(),
  sinceMs: z.number(),
  told: z.enum(severities).nullable(),
  toldAtMs: z.number().nullable(),
})

const readTelling = (text: string): Telling | null => {
  try {
    return Told.parse(JSON.parse(text)) as unknown as Telling
  } catch {
    return null
  }
}
