import { encode } from '@ipld/dag-cbor'
import * as fc from 'fast-check'
import type { CID } from 'multiformats/cid'
import { beforeAll, describe, expect, test } from 'vitest'
import {
  type Checkpoint,
  cidOf,
  concatBytes,
  decodeCheckpoint,
  encodeCheckpoint,
  type Epoch,
  type SnapshotLeaf,
} from '../../protocol/index.ts'
import { type PlayedWeeks, playWeeks, weekNames } from './play.ts'
import {
  type Headers,
  type LightCheckpoint,
  LightError,
  type LightTallies,
  readCar,
  verifyLight,
} from './verifier.ts'

const names = weekNames(6)
const [, second, pending, fourth, fifth, newest] = names

let played: PlayedWeeks
beforeAll(async () => {
  played = await playWeeks(6, [pending!])
}, 120_000)

const digestsOf = (tallies: LightTallies['tallies'] | PlayedWeeks['tallies']) =>
  Object.fromEntries([...tallies].map(([week, { digest }]) => [week, digest]))

/** What it says of the same weeks with one thing changed. */
const codeOf = (
  change: (checkpoints: LightCheckpoint[], headers: Map<number, Uint8Array>) => void,
  from = played,
): string => {
  const headers = new Map(from.headers)
  const checkpoints = from.checkpoints.map((one) => ({ ...one }))
  change(checkpoints, headers)
  try {
    verifyLight(from.network, headers as Headers, checkpoints)
    return 'verified'
  } catch (error) {
    if (error instanceof LightError) return error.code
    throw error
  }
}

describe('R-CP-1 what checkpoints commit to is enough without a chain', () => {
  test('R-CP-6 R-TALLY-7 the digests of a pending week and of the others are those of a node', () => {
    const { network, headers, checkpoints, tallies } = played
    const light = verifyLight(network, headers, checkpoints)
    expect([...light.tallies.keys()]).toEqual([second, pending, fourth, fifth, newest])
    const { [names[0]!]: _, ...expected } = digestsOf(tallies)
    expect(digestsOf(light.tallies)).toEqual(expected)
    expect(light.provisional).toEqual(new Set([newest]))
  })

  test('the weeks are not all alike: a seat that joins, one that leaves, one that equivocates, one that is down', () => {
    const seats = names.slice(1).map((week) => played.tallies.get(week)!.document.seats)
    expect(seats.map(({ length }) => length)).toEqual([7, 7, 8, 7, 7])
    expect(seats.map((rows) => rows.filter(({ equivocator }) => equivocator).length)).toEqual([0, 1, 0, 0, 0])
    const outcomes = new Set(seats.flat().flatMap((row) => row.outcomes))
    expect(outcomes).toContain('invalid: unreachable')
    expect(outcomes).toContain('valid: not attested')
    expect(outcomes).toContain(null)
  })

  test('R-CP-2 after two pending weeks it does not follow: who certifies then, nothing commits to', async () => {
    const stalled = await playWeeks(6, [pending!, fourth!])
    expect(codeOf(() => undefined, stalled)).toBe('way-out')
    const before = codeOf((checkpoints) => checkpoints.splice(2), stalled)
    expect(before).toBe('verified')
  })
})

describe('R-CP-1 to R-CP-8 what a verifier without a chain is given is not believed', () => {
  const freezeOf = (number: number): number =>
    played.checkpoints[number]!.anchor.height - played.network.genesis.confirmations - 1

  type Change = Parameters<typeof codeOf>[0]
  const changes: [string, string, Change][] = [
    ['another checkpoint to begin with', 'not-trusted', (given) => given.shift()],
    ['an anchored checkpoint that is left out', 'checkpoint-previous', (given) => given.splice(1, 1)],
    [
      'an anchor in another block',
      'checkpoint-previous',
      (given) => (given[1] = { ...given[1]!, anchor: { ...given[1]!.anchor, height: freezeOf(1) + 2 } }),
    ],
    [
      'an anchor before its view was open',
      'anchor-window',
      (given) => (given[4] = { ...given[4]!, anchor: { ...given[4]!.anchor, height: freezeOf(4) + 1 } }),
    ],
    ['another block F', 'checkpoint-freeze', (_, headers) => headers.set(freezeOf(2), new Uint8Array(32))],
    [
      'another beacon',
      'beacon',
      (_, headers) => headers.set(played.network.genesis.activationHeight + 8 * 3, new Uint8Array(32)),
    ],
    [
      'other money',
      'anchor-of-another',
      (given) => {
        const last = rewritten(given[4]!.payload, (checkpoint) => ({
          ...checkpoint,
          weeks: checkpoint.weeks.map((week) => ({ ...week, income: week.income + 1n })),
        }))
        given[4] = { ...given[4]!, payload: last }
      },
    ],
    [
      'a vote that is not there',
      'certificate',
      // Bit 1 of five: four votes are needed, and there are four.
      (given) => (given[1] = withMemo(given[1]!, (memo) => memo.replace('signers=Hg==', 'signers=HA=='))),
    ],
    [
      'a certificate of another view',
      'certifiers-branch',
      (given) => (given[1] = withMemo(given[1]!, (memo) => memo.replace('view=0', 'view=1'), 4)),
    ],
    [
      'certifiers in another order',
      'certifiers-branch',
      (given) => (given[1] = { ...given[1]!, certifiers: given[1]!.certifiers.toReversed() }),
    ],
    [
      'a certifier with another key',
      'certifiers-branch',
      (given) => {
        const [one, ...others] = given[1]!.certifiers
        given[1] = { ...given[1]!, certifiers: [{ ...one!, bls: others[0]!.bls }, ...others] }
      },
    ],
    [
      'a certifier too few',
      'certifiers-count',
      (given) => (given[1] = { ...given[1]!, certifiers: given[1]!.certifiers.slice(1) }),
    ],
    ['a snapshot without one of its seats', 'snapshot', withSnapshot((rows) => rows.slice(1))],
    [
      'a snapshot with another host',
      'snapshot',
      withSnapshot(([row, ...rows]) => [{ ...row!, host: 'evil.devnet.test' }, ...rows]),
    ],
    [
      'the bundle of another checkpoint',
      'bundle-of-another',
      (given) => (given[1] = { ...given[1]!, bundle: given[3]!.bundle }),
    ],
    [
      'a bundle that is cut',
      'bundle-cut',
      (given) => (given[1] = { ...given[1]!, bundle: given[1]!.bundle.subarray(0, -500) }),
    ],
  ]

  test.each(changes)('%s: %s', (_, code, change) => {
    expect(codeOf(change)).toBe(code)
  })

  test('R-CP-8 whatever byte of a bundle is changed', () => {
    const { bundle } = played.checkpoints[1]!
    fc.assert(
      fc.property(fc.nat(bundle.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const changed = bundle.slice()
        changed[at]! ^= change
        expect(codeOf((given) => given.splice(1, 4, { ...given[1]!, bundle: changed }))).toMatch(/^bundle-/)
      }),
      { numRuns: 25 },
    )
  })

  test('R-ATT-4 a signature that is asked for', () => {
    const { bundle, payload } = played.checkpoints[1]!
    const forged = rewriteBlocks(bundle, cidOf(payload), (block, number) => {
      // The first block of attestations is that of the last epoch; its last bytes are a signature.
      if (number === 1) block[block.length - 1]! ^= 1
    })
    expect(codeOf((given) => given.splice(1, 4, { ...given[1]!, bundle: forged }))).toBe('not-authentic')
  })
})

const rewritten = (payload: Uint8Array, change: (checkpoint: Checkpoint) => Checkpoint): Uint8Array => {
  const decoded = decodeCheckpoint(payload)
  if (decoded.is === 'bad') throw new Error(decoded.code)
  return encodeCheckpoint(change(decoded.value))
}

const withMemo = (given: LightCheckpoint, change: (memo: string) => string, later = 0): LightCheckpoint => {
  const memo = change(given.anchor.memo)
  if (memo === given.anchor.memo) throw new Error('nothing changed')
  return { ...given, anchor: { height: given.anchor.height + later, memo } }
}

/** Of the first epoch of the first checkpoint after the trusted one. */
function withSnapshot(change: (rows: readonly SnapshotLeaf[]) => readonly SnapshotLeaf[]) {
  return (given: LightCheckpoint[]): void => {
    const [[epoch, rows]] = [...given[1]!.snapshots] as [[Epoch, readonly SnapshotLeaf[]]]
    given[1] = { ...given[1]!, snapshots: new Map([...given[1]!.snapshots, [epoch, change(rows)]]) }
  }
}

/** The bundle with changed blocks under ids that fit them. */
const rewriteBlocks = (
  bundle: Uint8Array,
  root: CID,
  change: (block: Uint8Array, number: number) => void,
): Uint8Array => {
  const parts = [encode({ roots: [root], version: 1 })]
  let number = 0
  for (const { bytes } of readCar(bundle, root)) {
    const block = bytes.slice()
    change(block, number++)
    parts.push(concatBytes(cidOf(block).bytes, block))
  }
  return concatBytes(...parts.flatMap((part) => [lengthOf(part.length), part]))
}

const lengthOf = (length: number): Uint8Array => {
  const bytes: number[] = []
  for (let rest = length; ; rest >>= 7) {
    bytes.push(rest < 128 ? rest : (rest & 127) | 128)
    if (rest < 128) return Uint8Array.from(bytes)
  }
}
