import {
  type AttestedVerdicts,
  bytesToHex,
  createStream,
  hash,
  type Params,
} from '../../../protocol/index.ts'
import type { TallyEpoch } from '../../../protocol/tally/input.ts'
import type { AttestedInput } from '../judged.ts'

/** A seat's week as SPEC.md tells it, from maps and fractions, with nothing of `protocol/tally`. */
export interface NaiveSeat {
  outcomes: (string | null)[]
  score: number
  amount: bigint
}

const words = [
  'valid',
  'unresolvable',
  'unreachable',
  'timeout',
  'wrong digest',
  'bad receipt',
  'tls unreachable',
  'tls invalid',
  'tls unbound',
  'evidence invalid',
]

const isBadAddress = (address: Uint8Array): boolean => {
  if (address.length === 4) return false
  if (address.length !== 16) return true
  const hex = bytesToHex(address)
  return hex.startsWith('00000000000000000000ffff') || hex.startsWith('0064ff9b0000000000000000')
}

/** R-TALLY-0. */
const isAbsent = (attestation: AttestedVerdicts, k: number): boolean => {
  const codes = [...attestation.verdicts]
  return (
    codes.length !== k ||
    codes.some((code) => code >= 10 && code <= 254) ||
    codes.filter((code) => code === 0).length !== attestation.addresses.length ||
    attestation.addresses.some(isBadAddress)
  )
}

interface Said {
  by: number
  code: number
  /** The IPv4 address or IPv6 /64 that is named with a code 0, in hex. */
  address: string | null
}

const judge = (epoch: TallyEpoch, equivocators: ReadonlySet<number>, params: Params): string[] => {
  const n = epoch.snapshot.length
  const k = n < 2 ? 0 : Math.min(params.committee, n - 1)
  // R-COM-1
  const ring = Array.from({ length: n }, (_, i) => i)
  const stream = createStream(hash('shuffle', epoch.beacon))
  for (let i = n - 1; i >= 1; i--) {
    const j = stream.below(i + 1)
    ;[ring[i], ring[j]] = [ring[j]!, ring[i]!]
  }
  const present = new Map<number, AttestedVerdicts>()
  for (const [index, attestation] of epoch.attestations.entries()) {
    if (attestation === undefined || equivocators.has(epoch.snapshot[index]!.seat)) continue
    if (!isAbsent(attestation, k)) present.set(index, attestation)
  }
  const saidOf = new Map<number, Said[]>(ring.map((index) => [index, []]))
  for (const [position, by] of ring.entries()) {
    const attestation = present.get(by)
    if (attestation === undefined) continue
    const addresses = [...attestation.addresses]
    for (const [i, code] of [...attestation.verdicts].entries()) {
      const target = ring[(position + i + 1) % n]!
      const named = code === 0 ? addresses.shift()! : null
      const address = named === null ? null : bytesToHex(named.length === 16 ? named.slice(0, 8) : named)
      saidOf.get(target)!.push({ by, code, address })
    }
  }
  // R-TALLY-1
  const classes = new Map<number, 'valid' | 'undecided' | number>()
  for (const [index, said] of saidOf) {
    const counts = new Map<number, number>()
    for (const { code } of said) counts.set(code, (counts.get(code) ?? 0) + 1)
    const invalid = [...counts].filter(([code]) => code >= 1 && code <= 9)
    const invalidCount = invalid.reduce((sum, [, count]) => sum + count, 0)
    if ((counts.get(0) ?? 0) > k / 2) classes.set(index, 'valid')
    else if (invalidCount > k / 2) {
      const most = Math.max(...invalid.map(([, count]) => count))
      classes.set(index, Math.min(...invalid.filter(([, count]) => count === most).map(([code]) => code)))
    } else classes.set(index, 'undecided')
  }
  // R-TALLY-2
  const majorityAddressOf = (target: number): string | null => {
    const named = saidOf.get(target)!.flatMap(({ address }) => (address === null ? [] : [address]))
    return named.find((one) => named.filter((other) => other === one).length > k / 2) ?? null
  }
  const agrees = (by: number): boolean => {
    const counted: boolean[] = []
    for (const [target, said] of saidOf) {
      const own = said.find((one) => one.by === by)
      const is = classes.get(target)!
      if (own === undefined || own.code === 255 || is === 'undecided') continue
      const address = majorityAddressOf(target)
      if (is !== 'valid') counted.push(own.code !== 0)
      else if (own.code !== 0) counted.push(false)
      else if (address !== null) counted.push(own.address === address)
    }
    return counted.filter(Boolean).length >= counted.length / 2
  }
  // R-TALLY-3
  const late = new Map<number, string>()
  let named: { index: number; address: string; by: number }[] = []
  for (let index = 0; index < n; index++) {
    if (classes.get(index) !== 'valid') continue
    const counts = new Map<string, number>()
    for (const { address } of saidOf.get(index)!) {
      if (address !== null) counts.set(address, (counts.get(address) ?? 0) + 1)
    }
    const found = [...counts].filter(([, count]) => count > k / 2)
    if (found.length === 0) late.set(index, 'undecided: no address')
    else named.push({ index, address: found[0]![0], by: found[0]![1] })
  }
  const keep = (prefixOf: (address: string) => string | null, most: number, word: string): void => {
    const kept: typeof named = []
    for (const one of named.toSorted((a, b) => b.by - a.by || a.index - b.index)) {
      const prefix = prefixOf(one.address)
      const before = kept.filter((other) => prefixOf(other.address) === prefix).length
      if (prefix === null || before < most) kept.push(one)
      else late.set(one.index, word)
    }
    named = kept
  }
  keep((address) => address, 1, 'invalid: address shared')
  if (params.maxPerPrefix > 0) {
    keep(
      (address) => (address.length === 8 ? address.slice(0, 6) : null),
      params.maxPerPrefix,
      'invalid: prefix full',
    )
    keep(
      (address) => (address.length === 8 ? address.slice(0, 4) : null),
      params.maxPerPrefix,
      'invalid: prefix full',
    )
    keep(
      (address) => (address.length === 16 ? address.slice(0, 12) : null),
      params.maxPerPrefix,
      'invalid: prefix full',
    )
  }
  // R-TALLY-4
  return Array.from({ length: n }, (_, index) => {
    const is = classes.get(index)!
    if (is === 'undecided') return 'undecided'
    if (is !== 'valid') return `invalid: ${words[is]}`
    const fault = late.get(index)
    if (fault !== undefined) return fault
    if (n < 4) return 'valid: too few seats'
    if (2 * present.size < n) return 'credited'
    const own = present.get(index)
    if (own === undefined) return 'valid: not attested'
    if ([...own.verdicts].filter((code) => code === 255).length > k / 2) return 'valid: abstained'
    return agrees(index) ? 'credited' : 'valid: disagrees'
  })
}

export const naiveTally = (
  input: AttestedInput,
): { seats: Map<number, NaiveSeat>; paid: bigint; fund: bigint } => {
  const seats = new Map<number, NaiveSeat>()
  for (const [e, epoch] of input.epochs.entries()) {
    for (const [index, outcome] of judge(epoch, input.equivocators, input.params).entries()) {
      const { seat } = epoch.snapshot[index]!
      const row = seats.get(seat) ?? { outcomes: input.epochs.map(() => null), score: 0, amount: 0n }
      row.outcomes[e] = outcome
      seats.set(seat, row)
    }
  }
  // R-TALLY-5
  const epochsOf = (row: NaiveSeat) => row.outcomes.filter((outcome) => outcome !== null).length
  for (const [seat, row] of seats) {
    row.score = input.equivocators.has(seat)
      ? 0
      : row.outcomes.filter((outcome) => outcome === 'credited').length
  }
  const scored = [...seats.values()].filter((row) => row.score > 0)
  const fund = input.fund < input.params.feeReserve ? 0n : input.fund - input.params.feeReserve
  if (scored.length === 0) return { seats, paid: 0n, fund }
  const byAvailability = scored.toSorted((a, b) => a.score / epochsOf(a) - b.score / epochsOf(b))
  const median = byAvailability[Math.ceil(scored.length / 2) - 1]!
  const isPaid = (row: NaiveSeat): boolean =>
    BigInt(row.score) * 100n * BigInt(epochsOf(median)) >=
    BigInt(input.params.minAvailability) * BigInt(median.score) * BigInt(epochsOf(row))
  // R-TALLY-6
  const paidRows = scored.filter(isPaid)
  const total = paidRows.reduce((sum, row) => sum + row.score, 0)
  for (const row of paidRows) row.amount = (fund * BigInt(row.score)) / BigInt(total)
  return { seats, paid: paidRows.reduce((sum, row) => sum + row.amount, 0n), fund }
}
