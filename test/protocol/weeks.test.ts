import { base64 } from '@scure/base'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type AnchorCandidate,
  anchorWindowAt,
  beaconOf,
  type Certificate,
  certifiersOf,
  type ChainWeeks,
  cidOf,
  coin,
  epochStart,
  formatAnchor,
  frameOf,
  type Height,
  isAnchorCandidate,
  noWeeks,
  paramsHash,
  parseAnchor,
  type Seat,
  type SeatRecord,
  signersOf,
  startOfWeek,
  stepWeeks,
  voteMessage,
  type Week,
  weekAfter,
  weekStateOf,
  type WeekRecord,
  VoidedAnchors,
  type VoidedAnchor,
} from '../../protocol/index.ts'
import { maxMemoBytes } from '../../protocol/announcement.ts'
import { maxCheckpointEpochs } from '../../protocol/checkpoint.ts'
import { seniorListOf } from '../../protocol/seniors.ts'
import { anchorableUntil, type WeekRules } from '../../protocol/weeks.ts'
import { aggregateVotes, blsPublicKeyOf, blsSecretKeyOf, createBls, signVote } from '../../src/keys/bls.ts'
import { genesis, networkId, paramsWith, seedOf } from './fixture.ts'

const bls = createBls()
const week1 = '2026-W10' as Week
const week2 = weekAfter(week1)
const week3 = weekAfter(week2)
const params = paramsWith({ viewBlocks: 8, anchorBlocks: 40, certifiers: 6 })
const rules: WeekRules = { genesis, networkId, schedule: [{ from: week1, params }], voided: [] }

const secretOf = (seat: Seat): Uint8Array => blsSecretKeyOf(seedOf('bls secret', seat))
const recordOf = (seat: Seat, changes: Partial<SeatRecord> = {}): SeatRecord => ({
  seat,
  stake: seedOf('stake', seat).slice(0, 20),
  peer: seedOf('peer', seat),
  host: `n${seat}.devnet.test`,
  p2p: 9_000,
  tls: 9_001,
  bls: blsPublicKeyOf(secretOf(seat)),
  blsSince: 101,
  at: 100,
  announced: { height: 101, index: seat },
  activeSince: 101,
  ...changes,
})
const sevenSeats = Array.from({ length: 7 }, (_, seat) => recordOf(seat))
const hashAt = (height: Height): Uint8Array => seedOf('hash', height)

interface TestChain {
  weeks: ChainWeeks
  height: Height
  refused: { height: Height; code: string }[]
}

interface ChainOptions {
  /** Of each epoch, in order; the last goes on for ever. */
  weekByEpoch: readonly Week[]
  seats?: readonly SeatRecord[]
  snapshotSeats?: (epoch: number) => number
  voided?: readonly VoidedAnchor[]
}

const start = (): TestChain => ({ weeks: noWeeks, height: genesis.activationHeight - 1, refused: [] })

/** One more block. */
const step = (
  chain: TestChain,
  options: ChainOptions,
  candidates: readonly AnchorCandidate[] = [],
): TestChain => {
  const height = chain.height + 1
  const epoch = Math.floor((height - genesis.activationHeight) / genesis.epochBlocks)
  const week = options.weekByEpoch[Math.min(epoch, options.weekByEpoch.length - 1)]!
  const stepped = stepWeeks(
    { ...rules, voided: options.voided ?? [] },
    chain.weeks,
    {
      height,
      hash: hashAt(height),
      medianTime: startOfWeek(week) + epoch,
      snapshotSeats: options.snapshotSeats?.(epoch) ?? (epoch < 2 ? 0 : 7),
      seatsBefore: () => options.seats ?? sevenSeats,
      candidates,
    },
    bls,
  )
  const refused = stepped.refused.map(({ code }) => ({ height, code }))
  return { weeks: stepped.weeks, height, refused: [...chain.refused, ...refused] }
}

const runTo = (from: TestChain, height: Height, options: ChainOptions): TestChain => {
  let chain = from
  while (chain.height < height) chain = step(chain, options)
  return chain
}

const recordOfWeek = (chain: TestChain, week: Week): WeekRecord =>
  chain.weeks.records.find((record) => record.week === week)!

/** A real certificate for the week that can be certified now; `voters` by position. */
const certify = (
  chain: TestChain,
  week: Week,
  view: number,
  label = 'checkpoint',
  voters?: readonly number[],
): Certificate => {
  const record = recordOfWeek(chain, week)
  const freezeHash = record.freeze!.hash!
  const beacon = beaconOf(networkId, record.last! + 2, freezeHash)
  const certifiers = certifiersOf(record.list!.seniors, beacon, view, params.certifiers)
  const positions = voters ?? certifiers.map((_, position) => position)
  const checkpoint = cidOf(seedOf(label))
  const message = voteMessage(networkId, { week, view, checkpoint, freezeHash })
  return {
    week,
    view,
    checkpoint,
    signers: signersOf(new Set(positions), certifiers.length),
    signature: aggregateVotes(
      positions.map((position) => signVote(secretOf(certifiers[position]!.seat), message)),
    )!,
  }
}

const candidate = (certificate: Certificate, index = 1): AnchorCandidate => ({
  index,
  memo: formatAnchor(certificate),
})

/** Epochs 0 to 4 are week 1, 5 to 8 week 2, then week 3. */
const options: ChainOptions = {
  weekByEpoch: [...Array.from({ length: 5 }, () => week1), ...Array.from({ length: 4 }, () => week2), week3],
}
const f1 = epochStart(genesis, 6)
const f2 = epochStart(genesis, 10)
const opening = (view: number): Height => f1 + genesis.confirmations + view * params.viewBlocks

describe('R-CP-5 the memo', () => {
  const certificate: Certificate = {
    week: week1,
    view: 12,
    checkpoint: cidOf(seedOf('checkpoint')),
    signers: Uint8Array.of(0xff, 0x07),
    signature: new Uint8Array(96).fill(0xa5),
  }

  test('is read as it was written', () => {
    const memo = formatAnchor(certificate)
    expect(memo).toMatch(
      /^secnode:1 anchor week=2026-W10 view=12 checkpoint=bafyrei[a-z2-7]{52} signers=\S+ sig=\S{128}$/,
    )
    expect(parseAnchor(memo)).toEqual({ is: 'accept', value: certificate })
  })

  test('fits with 128 certifiers and with 1,024', () => {
    const lengthWith = (certifiers: number): number =>
      formatAnchor({ ...certificate, view: 65_535, signers: new Uint8Array(certifiers / 8).fill(255) }).length
    expect(formatAnchor({ ...certificate, signers: new Uint8Array(16) })).toHaveLength(275)
    expect(lengthWith(1_024)).toBe(426)
    expect(lengthWith(1_024)).toBeLessThanOrEqual(maxMemoBytes)
    expect(parseAnchor(formatAnchor({ ...certificate, signers: new Uint8Array(129) })).is).toBe('reject')
  })

  test('has one spelling: spare bits, padding, spaces, zeros and other encodings are refused', () => {
    const memo = formatAnchor(certificate)
    const signers = base64.encode(certificate.signers)
    const cid = certificate.checkpoint.toString()
    for (const other of [
      memo.replace('view=12', 'view=012'),
      memo.replace('view=12', 'view=70000'),
      memo.replace('week=2026-W10', 'week=2025-W53'),
      memo.replace(' view', '  view'),
      `${memo} `,
      memo.replace(`signers=${signers}`, `signers=${signers.replace('=', '')}`),
      memo.replace(`signers=${signers}`, 'signers=/wd='),
      memo.replace(cid, certificate.checkpoint.toString().toUpperCase()),
      memo.replace(cid, `${cid.slice(0, -1)}${cid.endsWith('b') ? 'a' : 'b'}`),
      memo.replace(cid, `b${'a'.repeat(58)}`),
      memo.replace('secnode:1', 'secnode:2'),
    ]) {
      expect(other).not.toBe(memo)
      expect(parseAnchor(other).is).toBe('reject')
    }
  })

  test('whatever is accepted is written back alike', () => {
    const memo = formatAnchor(certificate)
    fc.assert(
      fc.property(fc.nat(memo.length - 1), fc.integer({ min: 32, max: 126 }), (at, code) => {
        const changed = memo.slice(0, at) + String.fromCharCode(code) + memo.slice(at + 1)
        const parsed = parseAnchor(changed)
        return parsed.is !== 'accept' || formatAnchor(parsed.value) === changed
      }),
      { numRuns: 2_000 },
    )
    expect(parseAnchor(memo).is).toBe('accept')
  })

  test('R-CHAIN-4 only transactions that show the bond are tried', () => {
    expect(isAnchorCandidate(params, coin)).toBe(true)
    expect(isAnchorCandidate(params, coin - 1n)).toBe(false)
  })
})

describe('R-CP-1 weeks of a chain', () => {
  test('end with the first block of a later one and freeze an epoch after that', () => {
    const chain = runTo(start(), f1, options)
    expect(recordOfWeek(chain, week1)).toMatchObject({
      first: 0,
      last: 4,
      freeze: { height: f1, hash: hashAt(f1) },
    })
    expect(recordOfWeek(runTo(start(), f1 - 1, options), week1).freeze).toEqual({ height: f1, hash: null })
    expect(recordOfWeek(chain, week2)).toMatchObject({ first: 5, last: null, freeze: null })
  })

  test('have their states', () => {
    const stateAt = (height: Height, isCertified = false) =>
      weekStateOf(recordOfWeek(runTo(start(), height, options), week1), isCertified)
    expect(stateAt(epochStart(genesis, 3))).toBe('open')
    expect(stateAt(f1 - 1)).toBe('open')
    expect(stateAt(f1)).toBe('frozen')
    expect(stateAt(f1, true)).toBe('certified')
    expect(stateAt(f1 + params.anchorBlocks - 1)).toBe('frozen')
    expect(stateAt(f1 + params.anchorBlocks)).toBe('pending')
  })

  test('records that a block does not change stay the same objects', () => {
    const chain = runTo(start(), f1 + 5, options)
    const next = step(chain, options)
    expect(next.weeks).toBe(chain.weeks)
  })

  test('R-CHAIN-4 memos are tried inside of an anchor window only', () => {
    const isTried = (height: Height): boolean =>
      anchorWindowAt(rules, runTo(start(), height - 1, options).weeks, height) !== null
    expect(isTried(opening(0) - 1)).toBe(false)
    expect(isTried(opening(0))).toBe(true)
    expect(isTried(f1 + params.anchorBlocks)).toBe(true)
    expect(isTried(f1 + params.anchorBlocks + 1)).toBe(false)
  })

  test('the frame names the weeks that a checkpoint lists, with their own parameters', () => {
    const chain = runTo(start(), f2, options)
    const frame = frameOf(rules, chain.weeks, week2, {
      registryRoot: seedOf('root'),
      incomeOf: (week) => (week === week1 ? 1n : 2n),
      epochOf: (epoch) => ({
        beacon: seedOf('beacon', epoch),
        seats: epoch,
        snapshotRoot: seedOf('snapshot', epoch),
      }),
    })
    expect(frame).toMatchObject({
      networkId,
      week: week2,
      freezeHash: hashAt(f2),
      previous: null,
      registryRoot: seedOf('root'),
      handsOn: { count: 7, root: seniorListOf(sevenSeats).root },
    })
    expect(frame.weeks.map(({ income }) => income)).toEqual([1n, 2n])
    expect(frame.weeks.map(({ week, epochs }) => [week, epochs.map(({ epoch }) => epoch)])).toEqual([
      [week1, [0, 1, 2, 3, 4]],
      [week2, [5, 6, 7, 8]],
    ])
    expect(frame.weeks[0]!.paramsHash).toEqual(paramsHash(params))
    expect(frame.weeks[0]!.epochs[3]).toEqual({
      epoch: 3,
      beacon: seedOf('beacon', 3),
      seats: 3,
      snapshotRoot: seedOf('snapshot', 3),
    })
  })

  test('R-CP-1 what is too long for one checkpoint waits for the next, the oldest weeks first', () => {
    const frozen = (week: Week, first: number, length: number): WeekRecord => ({
      week,
      first,
      last: first + length - 1,
      freeze: { height: 1, hash: seedOf(week) },
      own: null,
      list: null,
      commits: null,
      covers: [],
      anchor: null,
      isPending: true,
    })
    const old = [
      frozen('2020-W01' as Week, 0, maxCheckpointEpochs - 4),
      frozen('2020-W02' as Week, maxCheckpointEpochs - 4, 5),
      frozen('2020-W03' as Week, maxCheckpointEpochs + 1, 2),
    ]
    const first = maxCheckpointEpochs + 3
    const freeze = epochStart(genesis, first + 3)
    const ending: WeekRecord = {
      ...frozen(week1, first, 2),
      freeze: { height: freeze, hash: null },
      own: seniorListOf(sevenSeats),
      isPending: false,
    }
    const running: WeekRecord = { ...frozen(week2, first + 2, 1), last: null, freeze: null, isPending: false }
    const chain: TestChain = {
      weeks: { records: [...old, ending, running], fullFrom: 2, handedOn: null },
      height: freeze - 1,
      refused: [],
    }
    const { covers } = recordOfWeek(step(chain, { weekByEpoch: [week2] }), week1)
    // 2 + 8,188 fit; with 5 more they would not; with 2 more they do.
    expect(covers).toEqual(['2020-W01', '2020-W03'])
  })
})

describe('R-CP-5 anchors', () => {
  const atOpening = runTo(start(), opening(0) - 1, options)

  test('the first valid one fixes the week, and a second one in the same block is refused', () => {
    const first = certify(atOpening, week1, 0)
    const second = certify(atOpening, week1, 0, 'another', [0, 1, 2, 3, 4])
    const chain = step(atOpening, options, [candidate(first, 3), candidate(second, 9)])
    expect(recordOfWeek(chain, week1).anchor).toEqual({
      height: opening(0),
      blockHash: hashAt(opening(0)),
      index: 3,
      week: week1,
      view: 0,
      checkpoint: first.checkpoint,
    })
    expect(chain.refused).toEqual([{ height: opening(0), code: 'anchor-not-awaited' }])
    expect(weekStateOf(recordOfWeek(chain, week1), false)).toBe('anchored')
    // In the other order the other one counts: nothing but the chain decides.
    const swapped = step(atOpening, options, [candidate(second, 3), candidate(first, 9)])
    expect(recordOfWeek(swapped, week1).anchor!.checkpoint.equals(second.checkpoint)).toBe(true)
  })

  test('count from the opening of their view to the end of the window, in both cases inclusive', () => {
    const codeAt = (height: Height, view: number): string => {
      const before = runTo(atOpening, height - 1, options)
      const record = recordOfWeek(before, week1)
      // Certificates are made while the week can be certified; later ones are the same bytes.
      const certificate = certify(record.list === null ? atOpening : before, week1, view)
      const chain = step(before, options, [candidate(certificate)])
      return chain.refused[0]?.code ?? 'accept'
    }
    expect(codeAt(opening(0), 0)).toBe('accept')
    expect(codeAt(opening(0), 1)).toBe('anchor-early')
    expect(codeAt(opening(1) - 1, 1)).toBe('anchor-early')
    expect(codeAt(opening(1), 1)).toBe('accept')
    expect(codeAt(opening(3), 0)).toBe('accept')
    expect(codeAt(f1 + params.anchorBlocks, 4)).toBe('accept')
    expect(codeAt(f1 + params.anchorBlocks + 1, 4)).toBe('anchor-not-awaited')
    expect(codeAt(opening(2), 6)).toBe('anchor-no-such-view')
  })

  test('before the opening of view 0 none counts', () => {
    const early = runTo(start(), opening(0) - 2, options)
    const chain = step(early, options, [candidate(certify(early, week1, 0))])
    expect(chain.refused).toEqual([{ height: opening(0) - 1, code: 'anchor-early' }])
  })

  test('forgeries are refused, each with its reason', () => {
    const right = certify(atOpening, week1, 0)
    const codeOf = (changes: Partial<Certificate>): string =>
      step(atOpening, options, [candidate({ ...right, ...changes })]).refused[0]?.code ?? 'accept'
    expect(codeOf({})).toBe('accept')
    // Six certifiers: two spare bits.
    expect(codeOf({ signers: Uint8Array.of(0b0111_1111) })).toBe('certificate-spare-bits')
    expect(codeOf({ signers: Uint8Array.of(0b0011_1111, 0) })).toBe('certificate-bitmap-length')
    expect(codeOf({ signers: new Uint8Array(0) })).toBe('anchor-form')
    expect(codeOf({ signers: Uint8Array.of(0b0001_1111) })).toBe('certificate-signature')
    expect(codeOf({ signers: Uint8Array.of(0b0000_1111) })).toBe('certificate-too-few')
    expect(codeOf({ checkpoint: cidOf(seedOf('x')) })).toBe('certificate-signature')
    expect(codeOf({ week: week2 })).toBe('anchor-not-awaited')
    expect(codeOf({ signature: new Uint8Array(96) })).toBe('certificate-signature')
    expect(step(atOpening, options, [{ index: 0, memo: `${formatAnchor(right)}x` }]).refused[0]!.code).toBe(
      'anchor-form',
    )
    // An announcement, or somebody's text, is no anchor at all.
    expect(step(atOpening, options, [{ index: 0, memo: 'secnode:1 peer=x' }]).refused).toEqual([])
  })

  test('R-CP-4 four of six are not more than two thirds, five are', () => {
    const four = certify(atOpening, week1, 0, 'x', [0, 1, 2, 3])
    const five = certify(atOpening, week1, 0, 'x', [0, 1, 2, 3, 5])
    expect(step(atOpening, options, [candidate(four)]).refused[0]!.code).toBe('certificate-too-few')
    expect(step(atOpening, options, [candidate(five)]).refused).toEqual([])
  })

  test('a certificate of one view does not pass for another', () => {
    const before = runTo(atOpening, opening(1) - 1, options)
    const moved = { ...certify(before, week1, 0), view: 1 }
    expect(step(before, options, [candidate(moved)]).refused[0]!.code).toBe('certificate-signature')
  })

  test('the votes are bound to block F: those of another branch anchor nothing', () => {
    const record = recordOfWeek(atOpening, week1)
    const branch: TestChain = {
      ...atOpening,
      weeks: {
        ...atOpening.weeks,
        records: atOpening.weeks.records.map((row) =>
          row === record ? { ...row, freeze: { height: f1, hash: seedOf('another F') } } : row,
        ),
      },
    }
    const chain = step(atOpening, options, [candidate(certify(branch, week1, 0))])
    expect(recordOfWeek(chain, week1).anchor).toBeNull()
  })
})

describe('R-CP-6 a pending week', () => {
  test('is listed by the next checkpoint and fixed by its anchor', () => {
    const before = runTo(start(), f2 + genesis.confirmations - 1, options)
    expect(recordOfWeek(before, week2).covers).toEqual([week1])
    const chain = step(before, options, [candidate(certify(before, week2, 0))])
    const [one, two] = [recordOfWeek(chain, week1), recordOfWeek(chain, week2)]
    expect(one.anchor).toBe(two.anchor)
    expect(weekStateOf(one, false)).toBe('anchored')
  })

  test('an anchor in the very block of the next freeze still counts, and then nothing is left to list', () => {
    // Week 2 has one epoch, so its freeze comes before the anchor window of week 1 is over.
    const short: ChainOptions = {
      weekByEpoch: [...Array.from({ length: 5 }, () => week1), week2, week3],
    }
    const nextFreeze = epochStart(genesis, 7)
    expect(nextFreeze).toBeLessThan(f1 + params.anchorBlocks)
    const before = runTo(start(), nextFreeze - 1, short)
    expect(anchorableUntil(rules, before.weeks, week1)).toBe(nextFreeze)
    const anchoredChain = step(before, short, [candidate(certify(before, week1, 1))])
    expect(weekStateOf(recordOfWeek(anchoredChain, week1), false)).toBe('anchored')
    expect(recordOfWeek(anchoredChain, week2).covers).toEqual([])
    const without = step(before, short)
    expect(weekStateOf(recordOfWeek(without, week1), false)).toBe('pending')
    expect(recordOfWeek(without, week2).covers).toEqual([week1])
    // A block later it is too late.
    const late = step(without, short, [candidate(certify(before, week1, 1))])
    expect(weekStateOf(recordOfWeek(late, week1), false)).toBe('pending')
  })

  test('an anchored week is not listed again', () => {
    const atOpening = runTo(start(), opening(0) - 1, options)
    const anchored = step(atOpening, options, [candidate(certify(atOpening, week1, 0))])
    expect(recordOfWeek(runTo(anchored, f2, options), week2).covers).toEqual([])
  })
})

describe('R-NET-4 a voided anchor', () => {
  const atOpening = runTo(start(), opening(0) - 1, options)
  const voidOf = ({ week, checkpoint }: Certificate): VoidedAnchor => ({
    week,
    checkpoint: checkpoint.toString(),
  })

  test('fixes nothing, in whatever view: the next valid one in the window counts', () => {
    const captured = certify(atOpening, week1, 0)
    const with1 = { ...options, voided: [voidOf(captured)] }
    const other = certify(atOpening, week1, 0, 'another')
    const chain = step(atOpening, with1, [candidate(captured, 3), candidate(other, 9)])
    expect(chain.refused).toEqual([{ height: opening(0), code: 'anchor-voided' }])
    expect(recordOfWeek(chain, week1).anchor).toMatchObject({ index: 9, checkpoint: other.checkpoint })
    expect(chain.weeks.handedOn).toMatchObject({
      week: week1,
      anchor: { checkpoint: other.checkpoint },
    })
    const later = runTo(atOpening, opening(1) - 1, with1)
    const again = step(later, with1, [candidate(certify(later, week1, 1))])
    expect(again.refused.map(({ code }) => code)).toEqual(['anchor-voided'])
    // Of another week the row says nothing.
    const elsewhere = { ...options, voided: [{ ...voidOf(captured), week: week2 }] }
    expect(step(atOpening, elsewhere, [candidate(captured)]).refused).toEqual([])
  })

  test('leaves its week and the weeks behind it pending: the next checkpoint lists them all, and goes by no list of it', () => {
    const before = runTo(start(), f2 + genesis.confirmations - 1, options)
    const captured = certify(before, week2, 0)
    const anchored = step(before, options, [candidate(captured)])
    expect(recordOfWeek(anchored, week1).anchor?.checkpoint).toEqual(captured.checkpoint)
    // The next week has three epochs, and freezes an epoch after its end.
    const weekByEpoch = [...options.weekByEpoch.slice(0, 9), week3, week3, week3, weekAfter(week3)]
    const under = { weekByEpoch, voided: [voidOf(captured)] }
    const replayed = runTo(
      step(runTo(start(), before.height, under), under, [candidate(captured)]),
      epochStart(genesis, 13),
      under,
    )
    expect(replayed.refused.map(({ code }) => code)).toEqual(['anchor-voided'])
    expect(weekStateOf(recordOfWeek(replayed, week1), false)).toBe('pending')
    expect(weekStateOf(recordOfWeek(replayed, week2), false)).toBe('pending')
    expect(recordOfWeek(replayed, week3).covers).toEqual([week1, week2])
    expect(recordOfWeek(replayed, week3).commits).toMatchObject({ previous: null })
    expect(replayed.weeks.handedOn).toBe(null)
  })

  test('rows are existing weeks and CIDs of checkpoints, in rising order, none twice', () => {
    const row = (label: string, week: Week = week1): VoidedAnchor => ({
      week,
      checkpoint: cidOf(seedOf(label)).toString(),
    })
    const [a, b] = [row('a'), row('b')].sort((x, y) => (x.checkpoint < y.checkpoint ? -1 : 1))
    expect(VoidedAnchors.safeParse([a, b, row('a', week2)]).success).toBe(true)
    for (const bad of [
      [b, a],
      [a, a],
      [row('a', week2), a],
      [{ ...a!, week: '2026-W54' }],
      [{ ...a!, checkpoint: a!.checkpoint.toUpperCase() }],
      [{ ...a!, checkpoint: 'bafy' }],
      [{ ...a!, checkpoint: `${a!.checkpoint}a` }],
    ]) {
      expect(VoidedAnchors.safeParse(bad).success).toBe(false)
    }
  })
})

describe('R-CP-2 who may certify', () => {
  test('with fewer seniors than minSeniors there are no views, and the week is pending at once', () => {
    const few = { ...options, seats: sevenSeats.slice(0, 3) }
    const chain = runTo(start(), f1, few)
    expect(recordOfWeek(chain, week1)).toMatchObject({ isPending: true, own: null, list: null })
    expect(anchorWindowAt(rules, chain.weeks, opening(0))).toBeNull()
  })

  test('a network whose snapshots were never full has none', () => {
    const small = { ...options, snapshotSeats: () => 3 }
    expect(recordOfWeek(runTo(start(), f1, small), week1).isPending).toBe(true)
    const lateFull = { ...options, snapshotSeats: (epoch: number) => (epoch < 5 ? 3 : 4) }
    expect(recordOfWeek(runTo(start(), f1, lateFull), week1).isPending).toBe(true)
    const lastFull = { ...options, snapshotSeats: (epoch: number) => (epoch < 4 ? 3 : 4) }
    expect(recordOfWeek(runTo(start(), f1, lastFull), week1).isPending).toBe(false)
  })

  test('stake that came during the week before, or left for one block, certifies nothing', () => {
    const bought = epochStart(genesis, 6)
    const seats = [
      ...sevenSeats.slice(0, 5),
      recordOf(5, { activeSince: bought }),
      recordOf(6, { blsSince: bought }),
      recordOf(7, { activeSince: epochStart(genesis, 1) }),
    ]
    const chain = runTo(start(), f2, { ...options, seats })
    // Week 2 asks back to b(0), the first block of week 1; but the first full snapshot shows b(1).
    expect(recordOfWeek(chain, week2).list!.seniors.map(({ seat }) => seat)).toEqual([0, 1, 2, 3, 4, 7])
  })

  test('seniors are those of the block before the week turned', () => {
    let asked: Height | null = null
    let chain = runTo(start(), epochStart(genesis, 5) - 1, options)
    const height = chain.height + 1
    const stepped = stepWeeks(
      rules,
      chain.weeks,
      {
        height,
        hash: hashAt(height),
        medianTime: startOfWeek(week2),
        snapshotSeats: 7,
        seatsBefore: () => {
          asked = height - 1
          return sevenSeats
        },
        candidates: [],
      },
      bls,
    )
    chain = { ...chain, weeks: stepped.weeks, height }
    expect(asked).toBe(epochStart(genesis, 5) - 1)
    expect(recordOfWeek(chain, week1).own!.seniors).toHaveLength(7)
  })
})
