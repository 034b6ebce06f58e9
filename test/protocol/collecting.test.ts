import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  cidOf,
  type CollectedSeat,
  type CollectingChain,
  type CollectingEvent,
  type CollectingSource,
  epochPhases,
  epochStart,
  hash,
  stepCollecting,
  stepProof,
  whyClosed,
  whyNoProofTaken,
  whyNotTaken,
} from '../../protocol/index.ts'
import { genesis } from './fixture.ts'

const cid = cidOf(hash('payload', 1))
const other = cidOf(hash('payload', 2))
const seatOf = (held: CollectedSeat['cid'], flags: Partial<CollectedSeat> = {}): CollectedSeat => ({
  cid: held,
  isProved: false,
  isOwn: false,
  ...flags,
})

describe('R-ATT-3 R-ATT-6 what becomes of an attestation', () => {
  const own = { isOwn: true }
  const proved = { isProved: true }
  /** Event, what is known of its seat, effects, and what is said of it. */
  const steps: [CollectingEvent, CollectedSeat | null, string, string][] = [
    ['read', seatOf(undefined), 'verify', ''],
    ['read', seatOf(undefined, own), 'verify', ''],
    ['read', seatOf(cid), '', 'attestation-known'],
    ['read', seatOf(other), 'verify', ''],
    ['read', seatOf(other, proved), '', 'attestation-of-equivocator'],
    // Its first payload is taken whatever it is proved of (R-ATT-6).
    ['read', seatOf(undefined, proved), 'verify', ''],
    ['verified', seatOf(undefined), 'hold store', 'accept'],
    ['verified', seatOf(undefined, own), 'hold record-own store', 'accept'],
    ['verified', seatOf(cid), '', 'attestation-known'],
    ['verified', seatOf(cid, own), '', 'attestation-known'],
    ['verified', seatOf(other), 'prove', 'attestation-equivocation'],
    ['verified', seatOf(other, own), 'record-own prove', 'attestation-equivocation'],
    ['forged', seatOf(undefined), '', 'attestation-signature'],
    ['forged', null, '', 'attestation-signature'],
    // R-CHAIN-2: the beacon is gone while the signature was verified.
    ['verified', null, '', 'attestation-beacon'],
    ['anchored', null, '', 'attestation-beacon'],
    ['own', null, '', 'attestation-beacon'],
    // R-CP-5: what an anchor fixed stands, whatever was held.
    ['anchored', seatOf(undefined), 'hold store', 'accept'],
    ['anchored', seatOf(other), 'hold store', 'accept'],
    ['anchored', seatOf(cid), 'hold store', 'accept'],
    ['anchored', seatOf(other, own), 'hold record-own store', 'accept'],
    // R-ATT-5: not published while another payload of its seat is held, and no reason to accuse oneself.
    ['own', seatOf(undefined, own), 'hold record-own store', 'accept'],
    ['own', seatOf(cid, own), '', 'attestation-known'],
    ['own', seatOf(other, own), '', 'attestation-other-held'],
  ]

  test.each(steps)('%s of %o: %s, %s', (event, seat, effects, said) => {
    const step = stepCollecting(event, cid, seat)
    expect(step.effects.join(' ')).toBe(effects)
    const { validation } = step
    expect(validation === null ? '' : validation.is === 'accept' ? 'accept' : validation.code).toBe(said)
  })

  const anySeat = fc.record({
    cid: fc.constantFrom(undefined, cid, other),
    isProved: fc.boolean(),
    isOwn: fc.boolean(),
  })
  const anyEvent = fc.constantFrom<CollectingEvent>('read', 'verified', 'forged', 'anchored', 'own')

  test('R-ATT-4 R-ATT-5 nothing is held or proves anything without a signature that was verified; what is held is stored; an own one is recorded before', () => {
    fc.assert(
      fc.property(anyEvent, fc.option(anySeat), (event, seat) => {
        const { effects, validation } = stepCollecting(event, cid, seat)
        const changes = effects.filter((effect) => effect !== 'verify')
        if (event === 'read' || event === 'forged' || seat === null) expect(changes).toEqual([])
        expect(effects.includes('store')).toBe(effects.includes('hold'))
        // At once, before anything that takes time: of two at a time only one is the first.
        expect(effects.indexOf('hold')).toBeLessThan(1)
        const isRecorded = seat?.isOwn === true && changes.length > 0
        expect(effects.includes('record-own')).toBe(isRecorded)
        if (isRecorded) expect(effects.at(-1)).not.toBe('record-own')
        expect(validation === null).toBe(effects.includes('verify'))
        expect(validation?.is === 'accept').toBe(effects.includes('hold'))
        if (validation?.is === 'reject') expect(event).toBe('forged')
      }),
    )
  })

  test('R-SYNC-1 of whatever comes of a seat, in whatever order, the first is held and stays; any other makes a proof', () => {
    const payloads = [cid, other, cidOf(hash('payload', 3))]
    fc.assert(
      fc.property(fc.array(fc.nat(2), { minLength: 1, maxLength: 12 }), (course) => {
        let held: CollectedSeat['cid']
        let proofs = 0
        for (const which of course) {
          const { effects } = stepCollecting('verified', payloads[which]!, seatOf(held))
          if (effects.includes('hold')) held = payloads[which]
          if (effects.includes('prove')) proofs++
        }
        expect(held).toBe(payloads[course[0]!])
        expect(proofs).toBe(course.filter((which) => which !== course[0]).length)
      }),
    )
  })
})

describe('R-ATT-3 what becomes of a proof', () => {
  test('one of a seat and week is enough; the own key in one is recorded before it is kept', () => {
    expect(stepProof('read', seatOf(undefined))).toEqual({ effects: ['verify'], validation: null })
    expect(stepProof('read', seatOf(undefined, { isProved: true }))).toEqual({
      effects: [],
      validation: { is: 'ignore', code: 'equivocation-known', isUnverified: true },
    })
    expect(stepProof('verified', seatOf(undefined)).effects).toEqual(['keep'])
    expect(stepProof('verified', seatOf(undefined, { isOwn: true })).effects).toEqual(['record-own', 'keep'])
  })
})

describe('R-ATT-6 of which epochs something is taken', () => {
  const epoch = 5
  const phases = epochPhases(genesis, 2, epoch)
  const chainAt = (confirmedHeight: number, openFrom: number, isYoung: boolean): CollectingChain => ({
    genesis,
    confirmedHeight,
    tip: () => ({
      height: confirmedHeight + genesis.confirmations,
      ageSeconds: isYoung ? 0 : null,
      spacingSeconds: 75,
    }),
    isCompared: (e) => e >= openFrom,
  })
  const inIt = chainAt(phases.opens, 0, true)

  test('gossip from opens to closes, sync until the week is fixed, a certifier always', () => {
    const sources: CollectingSource[] = ['gossip', 'sync', 'certifier']
    const said = (chain: CollectingChain) => sources.map((source) => whyNotTaken(source, epoch, true, chain))
    expect(said(inIt)).toEqual([null, null, null])
    expect(said(chainAt(phases.closes - 1, epoch, true))).toEqual([null, null, null])
    expect(said(chainAt(phases.closes, epoch, true))).toEqual([{ closed: 'late' }, null, null])
    expect(said(chainAt(phases.closes, epoch + 1, true))).toEqual([
      { closed: 'late' },
      { closed: 'late' },
      null,
    ])
    // Before the chain was followed to its end sync compares nothing.
    expect(said(chainAt(phases.opens, Infinity, true))).toEqual([null, { closed: 'late' }, null])
  })

  test('an epoch that is not at hand is read if it runs, and never if it cannot be taken', () => {
    expect(whyNotTaken('gossip', epoch, false, inIt)).toEqual({ closed: 'unknown' })
    expect(whyNotTaken('sync', epoch, false, inIt)).toEqual({ closed: 'unknown' })
    const over = chainAt(phases.closes, 0, true)
    for (const source of ['gossip', 'sync', 'certifier'] as const) {
      expect(whyNotTaken(source, epoch, false, over)).toEqual({ closed: 'late' })
      expect(whyNotTaken(source, epoch, false, chainAt(phases.opens - 1, 0, false))).toEqual({
        closed: 'early',
      })
    }
  })

  test('an epoch that no honest peer can mean is rejected in gossip, with proofs and attestations alike, and only there', () => {
    const far = epoch + 9
    const impossible = 2 ** 32 - 1
    const young = chainAt(phases.opens, 0, true)
    for (const refuse of [
      whyNoProofTaken,
      (source: CollectingSource, e: number, chain: CollectingChain) => whyNotTaken(source, e, false, chain),
    ]) {
      expect(refuse('gossip', far, young)).toEqual({ refused: 'ahead' })
      expect(refuse('gossip', impossible, young)).toEqual({ refused: 'impossible' })
      for (const source of ['sync', 'certifier'] as const)
        expect(refuse(source, far, young) ?? {}).not.toHaveProperty('refused')
    }
    expect(whyNotTaken('gossip', far, false, chainAt(phases.opens, 0, false))).toEqual({ closed: 'early' })
  })

  test('proofs are taken from gossip as long as from sync: to the end of what is compared', () => {
    fc.assert(
      fc.property(
        fc.constantFrom<CollectingSource>('gossip', 'sync', 'certifier'),
        fc.nat(20),
        fc.nat(20),
        (source, e, openFrom) => {
          const why = whyNoProofTaken(source, e, chainAt(epochStart(genesis, 20), openFrom, false))
          expect(why).toEqual(source !== 'certifier' && e < openFrom ? { closed: 'late' } : null)
        },
      ),
    )
  })

  test('whatever the height: gossip takes of an epoch at hand exactly while it is open', () => {
    fc.assert(
      fc.property(fc.integer({ min: phases.opens - 20, max: phases.closes + 20 }), (height) => {
        const why = whyNotTaken('gossip', epoch, true, chainAt(height, 0, false))
        const closed = whyClosed(genesis, epoch, height)
        expect(why).toEqual(closed === null ? null : { closed })
      }),
    )
  })
})
