import { describe, expect, test } from 'vitest'
import {
  type AttestedVerdicts,
  createCommittees,
  hash,
  judgeEpoch,
  targetsOf,
  Verdict,
} from '../../protocol/index.ts'
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

/** An epoch in which everybody says the same of each: `verdictOf(index)`; only `attesters` have attested. */
const closedEpoch = (
  name: string,
  verdictOf: (index: number) => number,
  attesters: (index: number) => boolean = () => true,
): ClosedEpoch => {
  const beacon = hash('beacon', name)
  const committees = createCommittees(beacon, size, 5)
  const attestations = seats.map((_, index): AttestedVerdicts | undefined => {
    if (!attesters(index)) return undefined
    const targets = targetsOf(committees, index)
    const valid = targets.filter((target) => verdictOf(target) === Verdict.valid)
    return { verdicts: Uint8Array.from(targets, verdictOf), addresses: valid.map(addressOf) }
  })
  const { outcomes } = judgeEpoch({ beacon, attestations }, paramsWith({ committee: 5 }))
  return { seats, committees, attestations, outcomes }
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
    const split = closedEpoch('f', allValid)
    const target = 4
    let abstainers = 3
    for (const [index, attestation] of split.attestations.entries()) {
      const at = targetsOf(split.committees, index).indexOf(target)
      if (at < 0 || abstainers-- <= 0) continue
      attestation!.verdicts[at] = Verdict.abstain
      attestation!.addresses = attestation!.addresses.toSpliced(at, 1)
    }
    const { outcomes } = judgeEpoch(
      { beacon: hash('beacon', 'f'), attestations: split.attestations },
      paramsWith({ committee: 5 }),
    )
    expect(outcomes.filter((outcome) => outcome === 'undecided')).toEqual([outcomes[target]])
    expect(relaySeats(seats, [{ ...split, outcomes }]).map(({ seat }) => seat)).not.toContain(2 * target)
  })
})
