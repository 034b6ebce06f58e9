import {
  type AttestedVerdicts,
  bytesToHex,
  createCommittees,
  createStream,
  hash,
  hexToBytes,
  Verdict,
} from '../../protocol/index.ts'
import { judgedWords } from './judged.ts'

const seats = 24

/** R-TALLY-0…4: epochs with everything that an attestation may say, and what they give each seat. */
export const judgingVector = () =>
  [
    { committee: 4, maxPerPrefix: 0 },
    { committee: 5, maxPerPrefix: 2 },
    { committee: 7, maxPerPrefix: 0 },
    { committee: 11, maxPerPrefix: 3 },
    { committee: 3, maxPerPrefix: 0, hosts: neighbours },
    { committee: 3, maxPerPrefix: 1, hosts: neighbours },
    { committee: 3, maxPerPrefix: 2, hosts: neighbours },
  ].map(({ hosts, ...params }, number) => {
    const beacon = hash('judging', number)
    const attestations =
      hosts === undefined
        ? attestationsOf(beacon, params.committee)
        : truthsAbout(hosts, beacon, params.committee)
    const { outcomes, attested } = judgedWords({ beacon, attestations }, { ruleset: 1, ...params })
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

/** Addresses of seats, in order: what R-TALLY-3 takes for one, and what a prefix holds. The last byte of IPv6 is free. */
const neighbours = [
  // One address, twice.
  '0a010101',
  '0a010101',
  // One /24, then one /16.
  '0a010102',
  '0a010203',
  '0a010304',
  '0a020101',
  // One /64 by two machines, then one /48, then another.
  '20010db8000100010000000000000000',
  '20010db8000100010000000100000000',
  '20010db8000100020000000000000000',
  '20010db8000100030000000000000000',
  '20010db8000200010000000000000000',
  '20010db8000200020000000000000000',
].map(hexToBytes)

/** Everybody says of all seats that they are valid, and where; each sees another machine of an IPv6 /64. */
const truthsAbout = (
  hosts: readonly Uint8Array[],
  beacon: Uint8Array,
  committee: number,
): AttestedVerdicts[] => {
  const { k, ring, positions } = createCommittees(beacon, hosts.length, committee)
  return hosts.map((_, index) => ({
    verdicts: new Uint8Array(k),
    addresses: Array.from({ length: k }, (_target, i) => {
      const host = hosts[ring[(positions[index]! + 1 + i) % hosts.length]!]!
      return host.length === 4 ? host : host.with(15, index)
    }),
  }))
}

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
