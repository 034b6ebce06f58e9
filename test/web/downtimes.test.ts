import { describe, expect, test } from 'vitest'
import { outcomeNames, type Outcome } from '../../protocol/index.ts'
import type { JudgedView } from '../../src/week/judged-epoch.ts'
import type { ViewParts } from '../../src/web/view/parts.ts'
import { downtimesOf } from '../../src/web/resources/history/view.ts'

const signal = new AbortController().signal
const down = 'invalid: unreachable' as const
const up = 'credited' as const

/** Outcomes of seat 7 from epoch 0 on; the epoch after the last one is under way. */
const historyOf = (outcomes: readonly Outcome[]) => {
  const judged = outcomes.map((outcome, epoch) => {
    const code = outcomeNames.indexOf(outcome)
    const snapshot = [{ seat: 7, host: 'n7.example.org' }]
    return { epoch, snapshot, outcomes: Uint8Array.of(code) } as unknown as JudgedView
  })
  const asked: number[] = []
  const parts = {
    node: {
      daemon: { epochs: { current: () => outcomes.length } },
      network: { profile: { genesis: { activationHeight: 0, epochBlocks: 10 } } },
      follower: { medianTimeAt: (height: number) => Promise.resolve(1_800_000_000 + 60 * height) },
      weeks: {
        judged: {
          get: (epoch: number) => {
            asked.push(epoch)
            return Promise.resolve(judged[epoch])
          },
        },
      },
    },
  } as unknown as ViewParts
  /** Of the list of epochs from `first` to `last`. */
  const of = async (first: number, last: number) =>
    (await downtimesOf(parts, judged.slice(first, last + 1), { page: 1, limit: 50 }, signal)).items
  return { of, asked }
}

describe('downtimes', () => {
  test('are intervals with start, end and reason, the newest first; what differs in reason is another one', async () => {
    const { of, asked } = historyOf([
      up,
      down,
      down,
      'invalid: tls invalid',
      up,
      'valid: abstained',
      down,
      up,
    ])
    const found = await of(0, 7)
    expect(found.map(({ reason, epochs, start, end }) => [reason, epochs, start.epoch, end?.epoch])).toEqual([
      [down, 1, 6, 7],
      ['invalid: tls invalid', 1, 3, 4],
      [down, 2, 1, 3],
    ])
    expect(found[2]).toMatchObject({
      seat: 7,
      host: 'n7.example.org',
      start: { height: 10, time: '2027-01-15T08:10:00.000Z' },
      end: { height: 30, time: '2027-01-15T08:30:00.000Z' },
      isCutAtStart: false,
      isCutAtEnd: false,
    })
    // No other epoch need be judged for one that lies inside the list.
    expect(asked).toEqual([])
  })

  test('one that lasts has no end', async () => {
    const { of } = historyOf([up, down, down])
    expect(await of(0, 2)).toMatchObject([{ end: null, epochs: 2, isCutAtStart: false, isCutAtEnd: false }])
  })

  test('one that a week cuts says where', async () => {
    const { of } = historyOf([up, down, down, down, down, up])
    expect(await of(2, 3)).toMatchObject([
      { start: { epoch: 2 }, end: { epoch: 4 }, epochs: 2, isCutAtStart: true, isCutAtEnd: true },
    ])
    expect(await of(0, 2)).toMatchObject([{ isCutAtStart: false, isCutAtEnd: true }])
    expect(await of(3, 5)).toMatchObject([{ isCutAtStart: true, isCutAtEnd: false, end: { epoch: 5 } }])
    // For another reason it is another downtime.
    const other = historyOf(['invalid: tls invalid', down, 'undecided'])
    expect(await other.of(1, 1)).toMatchObject([{ isCutAtStart: false, isCutAtEnd: false }])
  })
})
