import {
  type AttestedVerdicts,
  bytesToHex,
  createCommittees,
  createStream,
  hash,
  judgeEpoch,
  Verdict,
} from '../../protocol/index.ts'

const seats = 24

/** R-TALLY-0…4: epochs with everything that an attestation may say, and what they give each seat. */
export const judgingVector = () =>
  [
    { committee: 4, maxPerPrefix: 0 },
    { committee: 5, maxPerPrefix: 2 },
    { committee: 7, maxPerPrefix: 0 },
    { committee: 11, maxPerPrefix: 3 },
  ].map((params, number) => {
    const beacon = hash('judging', number)
    const attestations = attestationsOf(beacon, params.committee)
    const { outcomes, attested } = judgeEpoch({ beacon, attestations }, params)
    return {
      ...params,
      beacon: bytesToHex(beacon),
      attestations: attestations.map((attestation) =>
        attestation === undefined
          ? null
          : {
              verdicts: bytesToHex(attestation.verdicts),
              addresses: attestation.addresses.map((address) => bytesToHex(address)).join(' '),
            },
      ),
      attested,
      outcomes,
    }
  })

/** Kinds of seats, as those who challenge them find them: most are well. */
const kinds = [...Array.from({ length: 9 }, () => 'well' as const), 'down', 'torn', 'split'] as const

const attestationsOf = (beacon: Uint8Array, committee: number): (AttestedVerdicts | undefined)[] => {
  const { k, ring, positions } = createCommittees(beacon, seats, committee)
  const stream = createStream(hash('judging', beacon))
  const below = (n: number): number => stream.below(n)
  const kindOf = Array.from({ length: seats }, () => kinds[below(kinds.length)]!)
  const hostOf = Array.from({ length: seats }, () => below(4 * seats))
  const liars = new Set([below(seats), below(seats), below(seats)])
  return Array.from({ length: seats }, (_, index) => {
    const addresses: Uint8Array[] = []
    const verdicts = Uint8Array.from({ length: k }, (_, i) => {
      const target = ring[(positions[index]! + 1 + i) % seats]!
      const roll = below(20)
      const isDown = kindOf[target] === 'down' || (kindOf[target] === 'torn' && below(2) === 0)
      const verdict = roll === 0 ? Verdict.abstain : isDown || roll === 1 ? 1 + below(9) : Verdict.valid
      const host = hostOf[target]! + (kindOf[target] === 'split' ? below(3) : 0)
      if (verdict === Verdict.valid) addresses.push(addressOf(liars.has(index) ? 100 + index : host, index))
      return verdict
    })
    switch (below(24)) {
      case 0:
        return undefined
      case 1:
        return { verdicts: verdicts.fill(Verdict.abstain), addresses: [] }
      case 2:
        return { verdicts, addresses: [...addresses, addressOf(0, 0)] }
      case 3:
        return { verdicts, addresses: addresses.map(() => mapped) }
      default:
        return { verdicts, addresses }
    }
  })
}

const mapped = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 1)

/** Every third host has IPv6: a /64 in which each challenger sees another address. */
const addressOf = (host: number, challenger: number): Uint8Array =>
  host % 3 === 0
    ? Uint8Array.of(0x20, 1, 0xd, 0xb8, 0, host % 5, 0, host, 0, 0, 0, 0, 0, 0, 0, challenger)
    : Uint8Array.of(10, 0, host % 7, host)
