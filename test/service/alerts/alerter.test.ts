import pino from 'pino'
import { afterEach, describe, expect, test } from 'vitest'
import type { Alert } from '../../../src/service/alerts/alert.ts'
import { type Alerter, createAlerter } from '../../../src/service/alerts/alerter.ts'
import type { Finding } from '../../../src/service/alerts/finding.ts'
import { type AlertTarget, targetId } from '../../../src/service/alerts/target.ts'
import type { Telling } from '../../../src/service/alerts/telling.ts'
import { createAlertStore } from '../../../src/store/alerts.ts'
import { createMemoryStore } from '../../../src/store/memory-store.ts'
import type { Store } from '../../../src/store/store.ts'
import { realWorld, type World } from '../../../src/world.ts'
import { copyOf, createFailingStore } from '../../fixtures/stores.ts'
import { until } from '../../net/local-hosts.ts'

const finding = (code: string, subject = 'p2p'): Finding => ({
  code,
  subject,
  severity: 'critical',
  title: code,
  detail: code,
  remedy: 'mend it',
  evidence: [],
})

/** Where alerts arrive; `takes` says what becomes of one. */
interface Inbox extends AlertTarget {
  got: Alert[]
  tried: number
  takes: (alert: Alert, signal: AbortSignal) => Promise<void>
}

const createInbox = (name = 'inbox'): Inbox => {
  const inbox: Inbox = {
    kind: 'webhook',
    name,
    id: targetId('test', name),
    got: [],
    tried: 0,
    takes: () => Promise.resolve(),
    async deliver(alert, signal) {
      inbox.tried++
      await inbox.takes(alert, signal)
      inbox.got.push(alert)
    },
  }
  return inbox
}

const refuse = (): Promise<void> => Promise.reject(new Error('not now'))
const hang = (_alert: Alert, signal: AbortSignal): Promise<void> =>
  new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))

const running: Alerter[] = []
const counts = { sent: 0, failed: 0, lost: 0 }

const startAlerter = async (
  store: Store,
  targets: readonly AlertTarget[],
  options: { minIntervalMs?: number; world?: World } = {},
): Promise<Alerter> => {
  Object.assign(counts, { sent: 0, failed: 0, lost: 0 })
  const alerter = createAlerter({
    store: createAlertStore(store),
    targets,
    from: 'warning',
    minIntervalMs: options.minIntervalMs ?? 0,
    node: () => ({ network: 'n', host: 'n1.example.org', seat: 1, peer: 'p' }),
    metrics: {
      sent: () => void counts.sent++,
      failed: () => void counts.failed++,
      lost: () => void counts.lost++,
    },
    backoff: { firstMs: 5, maxMs: 20 },
    graceMs: 50,
    logger: pino({ level: 'silent' }),
    world: options.world ?? realWorld(),
  })
  running.push(alerter)
  await alerter.start()
  return alerter
}

afterEach(async () => {
  await Promise.all(running.splice(0).map((alerter) => alerter.stop()))
})

const none: ReadonlySet<string> = new Set()
const told = ({ got }: Inbox): string[] => got.map(({ is, code }) => `${is} ${code}`)
const isIdle = (alerter: Alerter): boolean => alerter.state().every(({ waiting }) => waiting === 0)

describe('alerts', () => {
  test('each finding is told once to each target, and that it is over', async () => {
    const inboxes = [createInbox('a'), createInbox('b')]
    const alerter = await startAlerter(createMemoryStore(), inboxes)
    await alerter.update([finding('one'), finding('two')], none)
    await alerter.update([finding('one'), finding('two')], none)
    await alerter.update([finding('two')], none)
    await until(() => isIdle(alerter))
    for (const inbox of inboxes) expect(told(inbox)).toEqual(['firing one', 'firing two', 'recovered one'])
    expect(counts).toEqual({ sent: 6, failed: 0, lost: 0 })
  })

  test('the same code about two subjects are two findings', async () => {
    const inbox = createInbox()
    const alerter = await startAlerter(createMemoryStore(), [inbox])
    await alerter.update([finding('unreachable', 'p2p'), finding('unreachable', 'tls')], none)
    await alerter.update([finding('unreachable', 'tls')], none)
    await until(() => isIdle(alerter))
    expect(inbox.got.map(({ is, subject }) => `${is} ${subject}`)).toEqual([
      'firing p2p',
      'firing tls',
      'recovered p2p',
    ])
  })

  test('what could not be judged is not over', async () => {
    const inbox = createInbox()
    const alerter = await startAlerter(createMemoryStore(), [inbox])
    await alerter.update([finding('one')], none)
    await alerter.update([], new Set(['one']))
    await until(() => isIdle(alerter))
    expect(told(inbox)).toEqual(['firing one'])
    await alerter.update([], none)
    await until(() => inbox.got.length === 2)
    expect(told(inbox)).toEqual(['firing one', 'recovered one'])
  })

  test('a target that fails is tried again with the same bytes; one that hangs holds up no other', async () => {
    const failing = createInbox('failing')
    const hanging = createInbox('hanging')
    const good = createInbox('good')
    const ids: string[] = []
    failing.takes = (alert) => {
      ids.push(alert.id)
      return failing.tried < 4 ? refuse() : Promise.resolve()
    }
    hanging.takes = hang
    const alerter = await startAlerter(createMemoryStore(), [failing, hanging, good])
    await alerter.update([finding('one')], none)
    await until(() => good.got.length === 1 && failing.got.length === 1)
    expect(failing.tried).toBe(4)
    expect(new Set(ids).size).toBe(1)
    expect(hanging.tried).toBe(1)
    expect(alerter.state().map(({ name, waiting }) => [name, waiting])).toEqual([
      ['failing', 0],
      ['hanging', 1],
      ['good', 0],
    ])
  })

  test('after a kill at any moment nothing is told twice and nothing is lost', async () => {
    const store = createMemoryStore()
    const inbox = createInbox()
    inbox.takes = hang
    const first = await startAlerter(store, [inbox])
    await first.update([finding('one'), finding('two')], none)
    await until(() => inbox.tried === 1)
    // As a kill leaves it: the store as it is now, and whoever was at work never finishes.
    const left = await copyOf(store)

    const second = createInbox()
    const again = await startAlerter(left, [second])
    await until(() => isIdle(again))
    expect(told(second)).toEqual(['firing one', 'firing two'])
    // It still stands, says the first look after the start.
    await again.update([finding('one'), finding('two')], none)
    const later = await copyOf(left)
    await again.stop()

    const third = createInbox()
    const last = await startAlerter(later, [third])
    await last.update([finding('two')], none)
    await until(() => isIdle(last))
    expect(told(third)).toEqual(['recovered one'])
  })

  test('a try that is under way at the stop and taken is not made again', async () => {
    const store = createMemoryStore()
    const slow = createInbox()
    const taken = Promise.withResolvers<void>()
    slow.takes = () => taken.promise
    const first = await startAlerter(store, [slow])
    await first.update([finding('one')], none)
    await until(() => slow.tried === 1)
    const stopped = first.stop()
    taken.resolve()
    await stopped
    const second = await startAlerter(store, [slow])
    expect(isIdle(second)).toBe(true)
    expect(slow.tried).toBe(1)
  })

  test('a write that fails tells nobody: neither half of it is there', async () => {
    const store = createMemoryStore()
    const failing = createFailingStore(store)
    const inbox = createInbox()
    const alerter = await startAlerter(failing, [inbox])
    failing.failAfter(0)
    await expect(alerter.update([finding('one')], none)).rejects.toMatchObject({ code: 'STORE_FULL' })
    await alerter.stop()
    const fresh = await startAlerter(store, [inbox])
    expect(inbox.tried).toBe(0)
    await fresh.update([finding('one')], none)
    await until(() => isIdle(fresh))
    expect(told(inbox)).toEqual(['firing one'])
  })

  test('at most 200 wait for a target: the oldest make room, and are counted', async () => {
    const store = createMemoryStore()
    const inbox = createInbox()
    inbox.takes = refuse
    const alerter = await startAlerter(store, [inbox])
    for (let i = 0; i < 205; i++) await alerter.update([finding(`finding ${i}`)], none)
    // 205 came, and 204 of them went.
    expect(alerter.state()[0]!.waiting).toBe(200)
    expect(counts.lost).toBe(205 + 204 - 200)
    expect(await createAlertStore(store).waiting()).toHaveLength(200)
  })

  test('what nobody took for three days is given up', async () => {
    const world = realWorld()
    let aheadMs = 0
    const inbox = createInbox()
    inbox.takes = refuse
    const clock: World = { ...world, now: () => world.now() + aheadMs }
    const alerter = await startAlerter(createMemoryStore(), [inbox], { world: clock })
    await alerter.update([finding('one')], none)
    await until(() => inbox.tried > 1)
    expect(counts.lost).toBe(0)
    aheadMs = 4 * 86_400_000
    await until(() => isIdle(alerter))
    expect(counts.lost).toBe(1)
  })

  test('what waits for a target that is not configured any more goes', async () => {
    const store = createMemoryStore()
    const old = createInbox('old')
    old.takes = refuse
    const first = await startAlerter(store, [old])
    await first.update([finding('one')], none)
    await first.stop()
    const fresh = createInbox('fresh')
    await startAlerter(store, [fresh])
    expect(await createAlertStore(store).waiting()).toEqual([])
    expect(fresh.tried).toBe(0)
  })

  test('rows that cannot be read keep nobody from starting: what stands is told again', async () => {
    const store = createMemoryStore()
    const rows = createAlertStore(store)
    await rows.write({
      findings: new Map([
        ['00'.repeat(16), 'no JSON'],
        ['11'.repeat(16), '{"finding":{}}'],
      ]),
    })
    const inbox = createInbox()
    const alerter = await startAlerter(store, [inbox])
    await alerter.update([finding('one')], none)
    await until(() => inbox.got.length === 1)
    expect(
      [...(await rows.findings()).values()].map((text) => (JSON.parse(text) as Telling).finding.code),
    ).toEqual(['one'])
  })

  test('the test button tries each target once, and says which took it', async () => {
    const good = createInbox('good')
    const bad = createInbox('bad')
    bad.takes = refuse
    const alerter = await startAlerter(createMemoryStore(), [good, bad])
    expect(await alerter.test(new AbortController().signal)).toEqual([
      { kind: 'webhook', name: 'good', error: null },
      { kind: 'webhook', name: 'bad', error: 'not now' },
    ])
    expect(told(good)).toEqual(['test test'])
    expect(alerter.lastTest()?.targets.map(({ error }) => error)).toEqual([null, 'not now'])
  })

  test('who asks for a test while one is under way gets what comes of it', async () => {
    const slow = createInbox('slow')
    const arrival = Promise.withResolvers<void>()
    slow.takes = () => arrival.promise
    const alerter = await startAlerter(createMemoryStore(), [slow])
    const before = alerter.revision()
    const tests = [1, 2, 3].map(() => alerter.test(new AbortController().signal))
    expect(alerter.lastTest()).toBeNull()
    arrival.resolve()
    for (const one of tests) expect(await one).toEqual([{ kind: 'webhook', name: 'slow', error: null }])
    expect(told(slow)).toEqual(['test test'])
    expect(alerter.revision()).not.toBe(before)
    await alerter.test(new AbortController().signal)
    expect(told(slow)).toEqual(['test test', 'test test'])
  })
})
