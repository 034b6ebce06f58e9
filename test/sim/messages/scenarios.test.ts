import { describe, expect, test } from 'vitest'
import { meansOf } from '../built-in.ts'

/** Epochs of a day, seven a week, and fewer nodes: seeds are fixed, so each figure is the same on every machine. */
const quick = [
  'repeats=1',
  'protocol.epochBlocks=1152',
  'population.honest.nodes=96',
  'network={"syncSeconds":120,"spreadSeconds":120}',
]
const withholding = [...quick, 'attackers.late.nodes=24']
const eclipse = [...quick, 'attackers.neighbours.nodes=12']

describe('built-in scenarios of the message engine: what each shows, and a control without the attack', () => {
  test('withholding R-CP-3: what is released as an epoch closes splits certifiers, and is left out without delay', () => {
    const means = meansOf('withholding', ...withholding)
    expect(means['withheld.released']).toBe(7 * 24)
    expect(means['withheld.splitShare']).toBeGreaterThan(0.7)
    expect(means['withheld.anchoredShare']).toBeLessThan(0.05)
    expect(means['creditRate.late']).toBeLessThan(0.05)
    expect(means['answers.split']).toBeGreaterThan(0.1)
    expect(means['certificate.payloads']).toBeGreaterThan(1)
    expect(means['weeks.delayed']).toBe(0)
    expect(means['weeks.pending']).toBe(0)
    expect(means['honestUp.wronglyFailed']).toBe(0)
    // At the first bound instead: the gap between the two keeps honest nodes from disagreeing.
    const first = meansOf('withholding', ...withholding, 'attackers.late.strategies.withhold.until=must-hold')
    expect(first['withheld.splitShare']).toBeGreaterThan(0.7)
    expect(first['answers.split']).toBe(0)
    expect(first['withheld.anchoredShare']).toBe(1)
    expect(first['creditRate.late']).toBe(1)
    const none = meansOf('withholding', ...withholding, 'attackers.late.nodes=0')
    expect(none['answers.split']).toBe(0)
    expect(none['held.byMustHold']).toBe(1)
    expect(none['withheld.released']).toBeUndefined()
  })

  test('dribble R-CP-3: certifiers that miss another of their own late attestations in each round delay nothing', () => {
    const means = meansOf('dribble', ...quick, 'attackers.dribblers.nodes=24')
    expect(means['answers.split']).toBeGreaterThan(0.1)
    expect(means['withheld.anchoredShare']).toBeLessThan(0.05)
    expect(means['certificate.payloads']).toBeLessThan(7)
    expect(means['weeks.delayed']).toBe(0)
    expect(means['weeks.pending']).toBe(0)
    expect(means['creditRate.dribblers']).toBeLessThan(0.05)
  })

  test('R-ATT-5: what waits to go out is shown to nobody, so gossip brings it to all, however often sync asks', () => {
    const network = 'network={"syncSeconds":10,"spreadSeconds":300}'
    const means = meansOf('baseline', 'engine=messages', 'weeks=1', ...quick, network)
    expect(means['propagation.p100Ms']).toBeLessThan(1_000)
    expect(means['sync.fetchedPerNodeAndEpoch']).toBeLessThan(96 / 20)
    expect(means['held.byMustHold']).toBe(1)
    expect(means['creditRate.honest']).toBeGreaterThan(0.9)
  })

  test('eclipse R-SYNC-1: sync with random seats gives back what the neighbours keep from a node', () => {
    const means = meansOf('eclipse', ...eclipse)
    expect(means['victims.heldByGossip']).toBe(0)
    expect(means['victims.heldByMustHold']).toBe(1)
    expect(means['victims.ownHeldByOthers']).toBe(1)
    expect(means['victims.creditRate']).toBe(1)
    // R-FAULT-1: who is cut off altogether abstains, is unreachable for the others, and is paid nothing.
    const cut = meansOf('eclipse', ...eclipse, 'attackers.neighbours.strategies.eclipse.of=all')
    expect(cut['victims.heldByMustHold']).toBeLessThan(0.05)
    expect(cut['victims.creditRate']).toBe(0)
    expect(cut['weeks.pending']).toBe(0)
    const none = meansOf('eclipse', ...eclipse, 'attackers.neighbours.strategies=[]')
    expect(none['victims.creditRate']).toBeUndefined()
    expect(none['creditRate.honest']).toBeGreaterThanOrEqual(cut['creditRate.honest']! + 0.05)
  })

  test('hog R-CHAL-1 R-CP-3, with every message: common places are gone, and those by duty are not', () => {
    const settings = [
      'engine=messages',
      'weeks=1',
      ...quick,
      'population.honest.nodes=60',
      // Two views, so that a week that cannot be certified is soon over.
      'protocol.anchorBlocks=24',
    ]
    const hog = 'attackers.hogs.strategies.hog'
    const means = meansOf('hog', ...settings)
    expect(means['creditRate.honest']).toBe(0)
    expect(means['payoutShare.hogs']).toBe(1)
    const fewer = meansOf('hog', ...settings, 'attackers.hogs.nodes=15')
    // Hogs that were told "busy" are most of few nodes' challengers.
    expect(fewer['honestUp.wronglyFailed']).toBeLessThan(0.03)
    expect(fewer['payoutShare.hogs']).toBe(0)
    const proposing = meansOf('hog', ...settings, `${hog}.on=propose`, 'attackers.hogs.nodes=8')
    expect(proposing['weeks.pending']).toBe(1)
    expect(proposing['answers.later']).toBeGreaterThan(0.5)
    const byDuty = meansOf('hog', ...settings, `${hog}.places=by-duty`, `${hog}.on=both`)
    expect(byDuty).toEqual(meansOf('hog', ...settings, 'attackers.hogs.strategies=[]'))
    expect(byDuty['honestUp.wronglyFailed']).toBe(0)
    expect(byDuty['weeks.pending']).toBe(0)
  })

  test('partition R-CP-3, with every message: a fifth cut off delays nothing, near halves split the week after they have healed, until it is listed again', () => {
    const settings = [
      'engine=messages',
      'repeats=1',
      'weeks=1',
      'protocol.epochBlocks=1152',
      'population.honest.nodes=100',
      // Two views, so that a week that cannot be certified is soon over.
      'protocol.anchorBlocks=24',
      'network={"syncSeconds":600}',
      'incidents.0.from=4',
      'incidents.0.epochs=8',
    ]
    const third = meansOf('partition', ...settings, 'incidents.0.share=0.2')
    expect(third['weeks.pending']).toBe(0)
    expect(third['honestUp.wronglyFailed']).toBeGreaterThan(0.02)
    const half = [...settings, 'incidents.0.share=0.45']
    // Over days before the week freezes, it still splits those who certify: each side has the other's attestations of
    // those days too late, and its own must be listed. The statistical engine, without messages, does not see that.
    const over = ['incidents.0.from=1', 'incidents.0.epochs=3']
    const healed = meansOf('partition', ...half, ...over)
    expect(healed['weeks.pending']).toBe(1)
    expect(healed['answers.split']).toBeGreaterThan(0.3)
    // Listed again in the next week's checkpoint, of the union of both sides nothing comes too late.
    expect(meansOf('partition', ...half, ...over, 'weeks=2')['weeks.pending']).toBe(1)
    const withoutMessages = half.filter((setting) => !/^(?:engine|network)=/.test(setting))
    expect(meansOf('partition', ...withoutMessages, ...over)['weeks.pending']).toBe(0)
    const none = meansOf('partition', ...half, ...over, 'incidents.0.share=0')
    expect(none['weeks.pending']).toBe(0)
  })
})
