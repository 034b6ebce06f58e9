import type { Logger } from 'pino'
import { pause } from '../../async/deadline.ts'
import { type Backoff, backoffMs } from '../../chain-node/rpc/backoff.ts'
import { messageOf } from '../../errors.ts'
import type { AlertStore, WaitingAlert } from '../../store/alerts.ts'
import type { World } from '../../world.ts'
import type { Alert } from './alert.ts'
import type { AlertTarget } from './target.ts'

/** What is counted, by kind of target. */
export interface AlertMetrics {
  sent(kind: AlertTarget['kind']): void
  /** One try that the target did not take. */
  failed(kind: AlertTarget['kind']): void
  /** An alert that nobody will get: given up, or no room for it. */
  lost(kind: AlertTarget['kind']): void
}

export interface DeliveryOptions {
  store: Pick<AlertStore, 'write'>
  metrics: AlertMetrics
  logger: Logger
  world: World
  /** Between tries of the same alert. */
  backoff?: Backoff
  /** For a try that is under way when the daemon stops: one that was taken need not be sent again. */
  graceMs?: number
  /** What `state` says has changed. */
  onChange: () => void
}

/** The way to one target: its alerts one after the other, each tried until it is taken. A slow one holds up no other. */
export interface Delivery {
  /** Goes on with what an earlier run left. */
  start(waiting: readonly Queued[]): void
  /** What is to be written before these can be accepted; the oldest go where there is no room. */
  enqueue(alerts: readonly Alert[]): QueueChange
  accept(change: QueueChange): void
  state(): DeliveryState
  /** What is under way then and not taken soon is sent again by the next run. */
  stop(): Promise<void>
}

export interface Queued extends WaitingAlert {
  text: string
}

export interface QueueChange {
  add: readonly Queued[]
  remove: readonly WaitingAlert[]
}

/** JSON. */
export interface DeliveryState {
  kind: AlertTarget['kind']
  name: string
  waiting: number
  /** Of the last try; null if it was taken, or if there was none. */
  lastError: string | null
}

/** A few findings an hour: this many wait when nobody has looked for days. */
const maxWaiting = 200
/** A chat service that was gone for longer has lost older messages too. */
const maxAgeMs = 3 * 86_400_000
const defaultGraceMs = 1_000
const defaultBackoff: Backoff = { firstMs: 2_000, maxMs: 600_000 }

export const createDelivery = (target: AlertTarget, options: DeliveryOptions): Delivery => {
  const { store, metrics, logger, world, onChange } = options
  const { kind, name } = target
  const backoff = options.backoff ?? defaultBackoff
  const stopping = new AbortController()
  const { signal } = stopping
  const breakingOff = new AbortController()
  let queue: Queued[] = []
  let lastNumber = 0
  let lastError: string | null = null
  let arrival = Promise.withResolvers<void>()
  const stopped = Promise.withResolvers<never>()
  stopped.promise.catch(() => undefined)
  let running: Promise<void> = Promise.resolve()

  const forget = async (done: Queued): Promise<void> => {
    await store.write({ remove: [done] })
    queue = queue.filter((one) => one !== done)
    onChange()
  }

  /** One try; true if the target took it. */
  const isTaken = async (alert: Alert, attempt: number): Promise<boolean> => {
    try {
      await target.deliver(alert, breakingOff.signal)
    } catch (error) {
      breakingOff.signal.throwIfAborted()
      lastError = messageOf(error)
      onChange()
      metrics.failed(kind)
      logger.warn({ alert: alert.code, to: name, attempt, reason: lastError }, 'an alert was not taken')
      return false
    }
    metrics.sent(kind)
    lastError = null
    return true
  }

  /** Until it was taken, is too old or had to make room. */
  const send = async (queued: Queued): Promise<void> => {
    const alert = JSON.parse(queued.text) as Alert
    for (let attempt = 1; queue.includes(queued); attempt++) {
      if (await isTaken(alert, attempt)) return await forget(queued)
      if (Math.abs(world.now() - Date.parse(alert.at)) > maxAgeMs) {
        metrics.lost(kind)
        logger.error({ alert: alert.code, to: name }, 'an alert is given up: nobody took it for days')
        return await forget(queued)
      }
      await pause(world, backoffMs(backoff, attempt, world), signal)
    }
  }

  const run = async (): Promise<void> => {
    for (;;) {
      signal.throwIfAborted()
      const [next] = queue
      if (next === undefined) {
        await Promise.race([arrival.promise, stopped.promise])
        arrival = Promise.withResolvers()
      } else await send(next)
    }
  }

  return {
    start(waiting) {
      queue = [...waiting]
      lastNumber = waiting.at(-1)?.number ?? 0
      running = run().catch((error: unknown) => {
        if (!signal.aborted) logger.error({ err: error, to: name }, 'alerts to this target have ended')
      })
    },
    enqueue(alerts) {
      const add = alerts.map((alert): Queued => ({
        target: target.id,
        number: ++lastNumber,
        text: JSON.stringify(alert),
      }))
      const remove = queue.slice(0, Math.max(0, queue.length + add.length - maxWaiting))
      return { add, remove }
    },
    accept({ add, remove }) {
      if (remove.length > 0) {
        for (const _one of remove) metrics.lost(kind)
        logger.error({ to: name, alerts: remove.length }, 'too many alerts wait: the oldest are dropped')
      }
      queue = [...queue.filter((one) => !remove.includes(one)), ...add]
      onChange()
      arrival.resolve()
    },
    state: () => ({ kind, name, waiting: queue.length, lastError }),
    async stop() {
      const reason = new Error('stopping')
      stopping.abort(reason)
      stopped.reject(reason)
      const cancel = world.setTimer(options.graceMs ?? defaultGraceMs, () => breakingOff.abort(reason))
      await running
      cancel()
    },
  }
}
