import { describe, expect, test } from 'vitest'
import {
  type AttestedVerdicts,
  challengersOf,
  type Committees,
  createCommittees,
  createEpochJudging,
  hash,
  targetsOf,
  Verdict,
} from '../../protocol/index.ts'
import { finish } from '../../protocol/steps.ts'
import type { EpochContext } from '../../src/week/epoch-book.ts'
import { addressAt, judgedViewInSteps, outcomeAt } from '../../src/week/judged-epoch.ts'
import { type ClosedEpoch, relaySeats } from '../../src/relay/seats.ts'
import { paramsWith } from '../protocol/fixture.ts'

const size = 8
const seats = Array.from({ length: size }, (_, i) => ({
  seat: 2 * i,
  peer: hash('peer', i),
  host: `n${i}.example.org`,
  p2p: 9_734,
}))
const addressOf = (index: number): Uint8Array => Uint8Array.of(192, index, 2, 1)

type Attestations = (AttestedVerdicts | undefined)[]

/**
 * An epoch in which everybody says the same of each: `verdictOf(index)`; only `attesters` have attested, and `change`
 * alters what they did.
 */
const closedEpoch = (
  name: string,
  verdictOf: (index: number) => number,
  attesters: (index: number) => boolean = () => true,
  change: (attestations: Attestations, committees: Committees) => void = () => undefined,
): ClosedEpoch => {
  const params = paramsWith({ committee: 5 })
  const beacon = hash('beacon', name)
  const committees = createCommittees(beacon, size, params.committee)
  const attestations = seats.map((_, index): AttestedVerdicts | undefined => {
    if (!attesters(index)) return undefined
    const targets = targetsOf(committees, index)
    const valid = targets.filter((target) => verdictOf(target) === Verdict.valid)
    return { verdicts: Uint8Array.from(targets, verdictOf), addresses: valid.map(addressOf) }
  })
  change(attestations, committees)
  const judging = createEpochJudging(committees, params)
  for (const [index, one] of attestations.entries()) if (one !== undefined) judging.add(index, one)
  const context = { epoch: 0, beacon, snapshot: seats, committees } as unknown as EpochContext
  const how = { addresses: true, isFixed: false, isOpen: false }
  const view = finish(judgedViewInSteps(context, judging, how))
  return {
    seats,
    attested: view.attested,
    outcomeAt: (index) => outcomeAt(view, index)!,
    addressAt: (index) => addressAt(view, index),
  }
}

const allValid = (): number => Verdict.valid
const invalidBut =
  (...bad: readonly number[]) =>
  (index: number): number =>
    bad.includes(index) ? Verdict.unreachable : Verdict.valid

describe('R-RELAY-1 seats that may be hops', () => {
  test('R-RELAY-1 those valid in both epochs, with the address that challengers saw', () => {
    const drawn = relaySeats(seats, [closedEpoch('a', invalidBut(3)), closedEpoch('b', invalidBut(5))])
    expect(drawn.map(({ seat }) => seat)).toEqual([0, 2, 4, 8, 12, 14])
    for (const { seat, address } of drawn) expect(address).toEqual(addressOf(seat / 2))
  })

  test('R-RELAY-1 an epoch of which fewer than half of the attestations are at hand says nothing', () => {
    const few = closedEpoch('c', invalidBut(0, 1, 2, 3, 4), (index) => index < 3)
    expect(relaySeats(seats, [few])).toHaveLength(size)
    expect(relaySeats(seats, [few, closedEpoch('d', invalidBut(7))]).map(({ seat }) => seat)).not.toContain(
      14,
    )
    for (const { address } of relaySeats(seats, [])) expect(address).toBeNull()
  })

  test('R-RELAY-1 a seat that no epoch knows yet may be one, undecided ones may not', () => {
    const newcomer = { ...seats[0]!, seat: 99 }
    const drawn = relaySeats([...seats, newcomer], [closedEpoch('e', allValid)])
    expect(drawn.at(-1)).toEqual({ ...newcomer, address: null })
    // Three of its five challengers cannot tell.
    const target = 4
    const split = closedEpoch('f', allValid, undefined, (attestations, committees) => {
      let abstainers = 3
      for (const [index, attestation] of attestations.entries()) {
        const at = targetsOf(committees, index).indexOf(target)
        if (at < 0 || abstainers-- <= 0) continue
        attestation!.verdicts[at] = Verdict.abstain
        attestation!.addresses = attestation!.addresses.toSpliced(at, 1)
      }
    })
    const undecided = seats.flatMap((_, index) => (split.outcomeAt(index) === 'undecided' ? [index] : []))
    expect(undecided).toEqual([target])
    expect(relaySeats(seats, [split]).map(({ seat }) => seat)).not.toContain(2 * target)
  })

  test('R-RELAY-1 of several addresses the one that most challengers saw, and of as many the smallest', () => {
    const other = Uint8Array.of(10, 0, 0, 1)
    const seenAtOther = (challengers: number) =>
      closedEpoch('g', allValid, undefined, (attestations, committees) => {
        for (const [i, challenger] of challengersOf(committees, 0).entries()) {
          if (i >= challengers) continue
          const attestation = attestations[challenger]!
          attestation.addresses = attestation.addresses.with(
            targetsOf(committees, challenger).indexOf(0),
            other,
          )
        }
      })
    const addressWith = (challengers: number) => relaySeats(seats, [seenAtOther(challengers)])[0]?.address
    expect([2, 3].map(addressWith)).toEqual([addressOf(0), other])
    // Two of four: the fifth did not see it.
    const tied = closedEpoch('g', allValid, undefined, (attestations, committees) => {
      for (const [i, challenger] of challengersOf(committees, 0).entries()) {
        const attestation = attestations[challenger]!
        const at = targetsOf(committees, challenger).indexOf(0)
        if (i === 4) {
          attestation.verdicts[at] = Verdict.abstain
          attestation.addresses = attestation.addresses.toSpliced(at, 1)
        } else if (i % 2 === 0) attestation.addresses = attestation.addresses.with(at, other)
      }
    })
    expect(tied.addressAt(0)).toEqual(other)
  })
})
