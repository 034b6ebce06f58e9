import { parseArgs } from 'node:util'
import {
  cidOf,
  createCommittees,
  encodeAttestation,
  type Epoch,
  epochPhases,
  hash,
  type HeldAttestation,
  indexOfSeat,
  judgeEpoch,
  tallyWeek,
  targetsOf,
  Verdict,
} from '../../protocol/index.ts'
import type { EpochContext } from '../../src/week/epoch-book.ts'
import { attestedOf, type WeekSources } from '../../src/week/gather.ts'
import type { JudgedView } from '../../src/week/judged-epoch.ts'
import { createJudgedEpochs } from '../../src/week/judged-epochs.ts'
import { exceptionsOf } from '../../src/web/resources/history/view.ts'
import type { WeekView } from '../../src/web/view/week-view.ts'
import { beaconOfEpoch, madeNetwork, madeParams, madeWeek, snapshotOfWeek } from './tally-week.ts'

/**
 * What the page works out of a large network: an epoch judged and kept, a week tallied of what was kept, the exceptions
 * of an epoch. The reference is R-TALLY-0…4 alone, on the same epoch in the same run.
 *
 * Options: `--seats <n>` (40,000), `--epochs <n>` (4).
 */
export const run = async (options: string[]): Promise<void> => {
  const { values } = parseArgs({
    args: options,
    options: { seats: { type: 'string', default: '40000' }, epochs: { type: 'string', default: '4' } },
  })
  const [seats, epochs] = [Number(values.seats), Number(values.epochs)]
  const sources = sourcesWith(seats)
  const judged = createJudgedEpochs(sources)
  const { signal } = new AbortController()
  const print = (name: string, ms: number, more: object = {}): void => {
    process.stdout.write(`${JSON.stringify({ bench: `page ${name}`, seats, ms: Math.round(ms), ...more })}\n`)
  }

  const first = (await sources.epochs.get(0))!
  const gathered = {
    beacon: first.beacon,
    attestations: (await Array.fromAsync(sources.standing(first))).map(attestedOf),
  }
  // A daemon has contexts and attestations anyway: making them up is none of the page's work.
  for (let epoch = 0; epoch < epochs; epoch++)
    await Array.fromAsync(sources.standing((await sources.epochs.get(epoch))!))
  const referenceMs = timeOf(() => judgeEpoch(gathered, madeParams))
  print('reference', referenceMs)
  const views: JudgedView[] = []
  globalThis.gc?.()
  const before = process.memoryUsage()
  const start = performance.now()
  for (let epoch = 0; epoch < epochs; epoch++) views.push((await judged.get(epoch, signal))!)
  const perEpochMs = (performance.now() - start) / epochs
  globalThis.gc?.()
  const after = process.memoryUsage()
  const kept = after.heapUsed + after.external - before.heapUsed - before.external
  print('epoch', perEpochMs, {
    ratio: Number((perEpochMs / referenceMs).toFixed(2)),
    // Only with --expose-gc is it what stays.
    bytesPerSeat: globalThis.gc === undefined ? null : Math.round(kept / epochs / seats),
  })
  const again = performance.now()
  for (let epoch = 0; epoch < epochs; epoch++) await judged.get(epoch, signal)
  print('epoch that is known', (performance.now() - again) / epochs)
  const week = {
    networkId: madeNetwork,
    chain: 'zcash-main' as const,
    week: madeWeek,
    state: 'open' as const,
    params: madeParams,
    checkpoint: null,
    anchor: null,
    equivocators: new Set<number>(),
    fund: 0n,
    epochs: views,
  }
  print(
    'tally of what is kept',
    timeOf(() => tallyWeek(week)),
    { epochs },
  )
  const tally = tallyWeek(week)
  const view = { tally, week: madeWeek } as WeekView
  print(
    'exceptions of an epoch',
    timeOf(() => exceptionsOf([views[0]!], view)),
  )
}

const timeOf = (work: () => unknown): number => {
  const start = performance.now()
  work()
  return performance.now() - start
}

/** Made-up epochs: nine of ten seats are valid for all, the others are down. */
const sourcesWith = (seats: number): WeekSources => {
  const peers = new Uint8Array(32 * seats).map((_, i) => (i * 2_654_435_761) >>> 24)
  const snapshot = snapshotOfWeek(peers)
  const shape = { activationHeight: 1, epochBlocks: 192, confirmations: 10 }
  const contextOf = (epoch: Epoch): EpochContext => {
    const beacon = beaconOfEpoch(epoch)
    return {
      epoch,
      week: madeWeek,
      params: madeParams,
      beacon,
      snapshot,
      committees: createCommittees(beacon, seats, madeParams.committee),
      phases: epochPhases(shape, madeParams.attestBlocks, epoch),
      rowOf: (seat) => snapshot[indexOfSeat(snapshot, seat)],
    }
  }
  const contexts = new Map<Epoch, EpochContext>()
  const get = async (epoch: Epoch): Promise<EpochContext> => {
    const known = contexts.get(epoch) ?? contextOf(epoch)
    contexts.set(epoch, known)
    return known
  }
  const evidence = cidOf(hash('bench evidence'))
  const standingOf = (context: EpochContext): HeldAttestation[] =>
    snapshot.map(({ seat, stake }) => {
      const targets = targetsOf(context.committees, seat)
      const verdicts = Uint8Array.from(targets, (target) =>
        target % 10 === 0 ? Verdict.unreachable : Verdict.valid,
      )
      const addresses = targets
        .filter((target) => target % 10 !== 0)
        .map((target) => Uint8Array.of(11, target >> 16, target >> 8, target))
      const { epoch, beacon } = context
      const fields = { networkId: madeNetwork, epoch, beacon, seat, stake, previous: null }
      const payload = encodeAttestation({ ...fields, verdicts, addresses, evidence })
      return { seat, cid: evidence, signed: { payload, signature: new Uint8Array(64) }, heldAt: 0 }
    })
  const made = new Map<Epoch, HeldAttestation[]>()
  const standing = async function* (context: EpochContext): AsyncGenerator<HeldAttestation> {
    const known = made.get(context.epoch) ?? standingOf(context)
    made.set(context.epoch, known)
    yield* known
  }
  const sources: Partial<WeekSources> = {
    epochs: { get, current: () => 1_000, isCanonical: () => true } as unknown as WeekSources['epochs'],
    confirmedHeight: () => 192_000,
    fixedAtHand: () => null,
    changeOf: () => 0,
    standing,
    equivocators: async () => new Map(),
  }
  return sources as WeekSources
}
