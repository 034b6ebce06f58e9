import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  applyChange,
  type BlsVerifier,
  type ChainBlock,
  type ChainTransaction,
  createRegistry,
  epochStart,
  equalBytes,
  isAnnouncementCandidate,
  judgeBlock,
  outpointKey,
  peerIdOfKey,
  type Registry,
  type RegistryChange,
  revertChange,
  takeSnapshot,
} from '../../protocol/index.ts'
import { ed25519FromSeed } from '../../src/keys/ed25519.ts'
import {
  blockOf,
  genesis,
  memoOf,
  networkId,
  seedOf,
  transactionOf,
  trustingBls,
  walletOf,
} from './fixture.ts'

const { minStake, activationHeight: first } = genesis
const filler = { bls: new Uint8Array(48), pop: new Uint8Array(96) }

const memos = new Map<string, string>()
/** Rightly signed; proofs are filler, for `trustingBls`. Made once: a signature costs a millisecond. */
const memo = (label: string, at: number, host?: string): string => {
  const key = `${label} ${at} ${host}`
  let text = memos.get(key)
  if (text === undefined)
    memos.set(key, (text = memoOf(label, at, { ...filler, ...(host === undefined ? {} : { host }) })))
  return text
}

const announcing = (
  label: string,
  at: number,
  options: { value?: bigint; spends?: string[]; host?: string } = {},
) =>
  transactionOf([{ payee: walletOf(label).stake, value: options.value ?? minStake }], {
    memo: memo(label, at, options.host),
    spends: options.spends ?? [],
  })

const paying = (label: string, value: bigint, spends: string[] = []) =>
  transactionOf([{ payee: walletOf(label).stake, value }], { spends })

const spending = (...spends: string[]) => transactionOf([], { spends })
const outputOf = (transaction: ChainTransaction): string => transaction.payments[0]!.outpoint

/** Applies blocks from the activation on, each given by its transactions. */
const run = (...blocks: readonly ChainTransaction[][]): { registry: Registry; changes: RegistryChange[] } => {
  const registry = createRegistry(genesis, networkId)
  const changes = blocks.map((transactions, i) => {
    const change = judgeBlock(registry, blockOf(first + i, transactions), trustingBls)
    applyChange(registry, change)
    return change
  })
  return { registry, changes }
}

const activeOf = (registry: Registry): Record<number, number | null> =>
  Object.fromEntries(registry.seats.map((record) => [record.seat, record.activeSince]))

/** Everything a registry says, in an order that does not depend on how it came about. */
const byText = (a: unknown, b: unknown): number => (String(a) < String(b) ? -1 : 1)
const stateOf = (registry: Registry) => ({
  height: registry.height,
  seats: registry.seats,
  seatByStake: [...registry.seatByStake].toSorted(byText),
  outputs: [...registry.outputsBySeat]
    .map(([seat, outputs]) => [seat, [...outputs].toSorted(byText)])
    .toSorted(byText),
  balances: [...registry.balanceBySeat].toSorted(byText),
  seatByOutpoint: [...registry.seatByOutpoint].toSorted(byText),
})

describe('R-REG-3 seats', () => {
  test('R-REG-3 the first valid announcement of a stake gets the next seat, in chain order', () => {
    const { registry } = run([announcing('b', first), announcing('a', first)], [], [announcing('c', first)])
    expect(registry.seats.map((record) => record.stake)).toEqual(
      ['b', 'a', 'c'].map((label) => walletOf(label).stake),
    )
    expect(registry.seats.map((record) => record.announced)).toEqual([
      { height: first, index: 0 },
      { height: first, index: 1 },
      { height: first + 2, index: 0 },
    ])
  })

  test('R-REG-3 a later one replaces peer, host and ports and keeps the seat', () => {
    const { registry } = run(
      [announcing('a', first)],
      [announcing('b', first)],
      [announcing('a', first + 1, { host: 'new.devnet.test' })],
    )
    expect(registry.seats.map((record) => record.host)).toEqual(['new.devnet.test', 'nb.devnet.test'])
    expect(activeOf(registry)).toEqual({ 0: first, 1: first + 1 })
  })

  test('R-REG-3 two of one stake in one block are judged one after the other', () => {
    const { registry, changes } = run(
      [],
      [
        announcing('a', first, { host: 'one.devnet.test' }),
        announcing('a', first, { host: 'two.devnet.test' }),
        announcing('a', first + 1, { host: 'three.devnet.test' }),
      ],
    )
    expect(registry.seats.map((record) => record.host)).toEqual(['three.devnet.test'])
    expect(changes[1]!.refused).toEqual([{ index: 1, code: 'announcement-replayed' }])
  })

  test('R-REG-3 the proofs of a block are asked for together, once, and only where all else holds', () => {
    const asked: number[] = []
    const stakeOfB = walletOf('b').stake
    const bls: BlsVerifier = {
      ...trustingBls,
      verifyPossessions: (_, claims) => {
        asked.push(claims.length)
        return claims.map(({ stake }) => !equalBytes(stake, stakeOfB))
      },
    }
    const registry = createRegistry(genesis, networkId)
    const judge = (i: number, transactions: ChainTransaction[]) => {
      const change = judgeBlock(registry, blockOf(first + i, transactions), bls)
      applyChange(registry, change)
      return change.refused
    }
    const a = announcing('a', first)
    expect(judge(0, [a, announcing('b', first), announcing('c', first), announcing('a', first)])).toEqual([
      { index: 1, code: 'announcement-possession' },
      { index: 3, code: 'announcement-replayed' },
    ])
    expect(registry.seats.map(({ stake }) => stake)).toEqual([walletOf('a').stake, walletOf('c').stake])
    // A refused one of this block does not count as the last; a copy of an old one costs no proof.
    expect(judge(1, [announcing('a', first), announcing('b', first + 1), announcing('b', first)])).toEqual([
      { index: 0, code: 'announcement-replayed' },
      { index: 1, code: 'announcement-possession' },
      { index: 2, code: 'announcement-possession' },
    ])
    expect(asked).toEqual([4, 2])
  })

  test('R-REG-3 what is refused changes nothing and says why', () => {
    const thief = memo('a', first).replace(/stake=\S+/, memo('b', first).match(/stake=\S+/)![0])
    const { registry, changes } = run([
      transactionOf([{ payee: walletOf('b').stake, value: minStake }], { memo: thief }),
      transactionOf([{ payee: walletOf('a').stake, value: minStake }], { memo: 'secnode:1 peer=x' }),
      transactionOf([{ payee: walletOf('a').stake, value: minStake }], { memo: 'secnode:1 anchor week=…' }),
    ])
    expect(registry.seats).toEqual([])
    expect(changes[0]!.refused).toEqual([
      { index: 0, code: 'announcement-signature' },
      { index: 1, code: 'memo-form' },
    ])
  })

  test('R-REG-4 the same peer and host on two stakes are two seats', () => {
    const { registry } = run([
      announcing('a', first, { host: 'same.devnet.test' }),
      announcing('b', first, { host: 'same.devnet.test' }),
    ])
    expect(registry.seats.map((record) => record.host)).toEqual(['same.devnet.test', 'same.devnet.test'])
  })
})

describe('R-REG-1 the stake in the announcement', () => {
  test('R-REG-1 one output of minStake is needed, not a sum; others do not matter', () => {
    const { stake } = walletOf('a')
    const halves = transactionOf(
      [
        { payee: stake, value: minStake - 1n },
        { payee: stake, value: minStake - 1n },
      ],
      { memo: memo('a', first) },
    )
    const elsewhere = transactionOf([{ payee: walletOf('b').stake, value: minStake }], {
      memo: memo('a', first),
    })
    const among = transactionOf(
      [
        { payee: walletOf('b').stake, value: 1n },
        { payee: stake, value: 1n },
        { payee: stake, value: minStake },
      ],
      { memo: memo('a', first) },
    )
    const { registry, changes } = run([halves, elsewhere, among])
    expect(changes[0]!.refused.map(({ code }) => code)).toEqual([
      'announcement-without-stake',
      'announcement-without-stake',
    ])
    expect(registry.balanceBySeat.get(0)).toBe(minStake + 1n)
  })

  test('R-CHAIN-4 only a transaction with an output of minStake is a candidate', () => {
    expect(isAnnouncementCandidate(genesis, paying('a', minStake))).toBe(true)
    expect(isAnnouncementCandidate(genesis, paying('a', minStake - 1n))).toBe(false)
    expect(isAnnouncementCandidate(genesis, spending())).toBe(false)
  })
})

describe('R-REG-5 activity', () => {
  test('R-REG-5 outputs before the announcement do not count, later ones and coinbases do', () => {
    const before = paying('a', minStake)
    const announcement = announcing('a', first + 1)
    const { registry } = run(
      [before],
      [announcement],
      [paying('a', minStake)],
      [spending(outputOf(announcement))],
      [spending(outputOf(before))],
    )
    expect(activeOf(registry)).toEqual({ 0: first + 1 })
    expect(registry.balanceBySeat.get(0)).toBe(minStake)
  })

  test('R-REG-5 falling below retires, and only a new announcement revives', () => {
    const announcement = announcing('a', first)
    const steps: ChainTransaction[][] = [
      [announcement],
      [spending(outputOf(announcement))],
      [paying('a', minStake * 2n)],
    ]
    expect(activeOf(run(...steps).registry)).toEqual({ 0: null })
    const revived = run(...steps, [announcing('a', first + 2)])
    expect(activeOf(revived.registry)).toEqual({ 0: first + 3 })
    expect(revived.registry.balanceBySeat.get(0)).toBe(minStake)
  })

  test('R-REG-5 it is judged after the last transaction: spent and paid again in one block retires nobody', () => {
    const announcement = announcing('a', first)
    const { registry } = run([announcement], [spending(outputOf(announcement)), paying('a', minStake)])
    expect(activeOf(registry)).toEqual({ 0: first })
  })

  test('R-REG-5 announced and spent in one block it was never active', () => {
    const announcement = announcing('a', first)
    const { registry } = run([announcement, spending(outputOf(announcement))], [paying('a', minStake)])
    expect(activeOf(registry)).toEqual({ 0: null })
    expect(registry.seats).toHaveLength(1)
  })

  test('R-REG-5 a new announcement while active keeps it active without a break, and old outputs no longer count', () => {
    const announcement = announcing('a', first)
    const again = announcing('a', first + 1)
    const steps = [[announcement], [], [again]]
    expect(activeOf(run(...steps).registry)).toEqual({ 0: first })
    expect(activeOf(run(...steps, [spending(outputOf(announcement))]).registry)).toEqual({ 0: first })
    expect(activeOf(run(...steps, [spending(outputOf(again))]).registry)).toEqual({ 0: null })
  })

  test('R-REG-5 inputs of ZEN certificates spend, after the last transaction', () => {
    const registry = createRegistry(genesis, networkId)
    const announcement = announcing('a', first)
    const block = { ...blockOf(first, [announcement]), certificateSpends: [outputOf(announcement)] }
    applyChange(registry, judgeBlock(registry, block, trustingBls))
    expect(activeOf(registry)).toEqual({ 0: null })
  })

  test('R-CHAIN-1 a block that does not follow is a fault of the caller', () => {
    expect(() => judgeBlock(createRegistry(genesis, networkId), blockOf(first + 1), trustingBls)).toThrow(
      'does not follow',
    )
  })
})

describe('R-EPOCH-5 snapshot', () => {
  test('R-EPOCH-5 those active after every block from b(e − 2) to b(e − 1), as they stand after b(e − 1)', () => {
    const registry = createRegistry(genesis, networkId)
    const [b0, b1] = [epochStart(genesis, 0), epochStart(genesis, 1)]
    const leaving = announcing('leaving', b0)
    const blocks = new Map<number, ChainTransaction[]>([
      [b0, [announcing('early', b0), leaving, announcing('flapping', b0)]],
      [b0 + 1, [announcing('late', b0)]],
      [b0 + 5, [announcing('early', b0 + 5, { host: 'moved.devnet.test' })]],
      [b1, [spending(outputOf(leaving))]],
    ])
    for (let height = first; height <= b1; height++) {
      applyChange(registry, judgeBlock(registry, blockOf(height, blocks.get(height) ?? []), trustingBls))
    }
    const snapshot = takeSnapshot(registry, b0)
    expect(snapshot.map((row) => row.host)).toEqual(['moved.devnet.test', 'nflapping.devnet.test'])
    expect(snapshot.map((row) => row.seat)).toEqual([0, 2])
  })
})

// A model that keeps the whole chain and reads R-REG-3 and R-REG-5 word by word.
const labels = ['p', 'q', 'r']
interface TransactionPlan {
  payments: { to: number; value: bigint }[]
  /** Which of the outputs that exist are spent, by remainder. */
  spends: number[]
  announce: { who: number; age: number } | null
}
const plans: fc.Arbitrary<TransactionPlan[][]> = fc.array(
  fc.array(
    fc.record({
      payments: fc.array(
        fc.record({ to: fc.nat(3), value: fc.constantFrom(1n, minStake / 2n, minStake, minStake + 5n) }),
        { maxLength: 3 },
      ),
      spends: fc.array(fc.nat(20), { maxLength: 2 }),
      announce: fc.option(fc.record({ who: fc.nat(2), age: fc.nat(3) }), { freq: 2 }),
    }),
    { maxLength: 4 },
  ),
  { minLength: 1, maxLength: 12 },
)

interface ModelSeat {
  label: string
  at: number
  announced: { height: number; index: number }
  activeSince: number | null
}

/** Builds the blocks of the plans, and what the model says after each. */
const play = (plan: TransactionPlan[][]): { blocks: ChainBlock[]; expected: ModelSeat[][] } => {
  interface Output {
    outpoint: string
    label: string | null
    value: bigint
    position: { height: number; index: number }
    spent: boolean
  }
  const outputs: Output[] = []
  const seats: ModelSeat[] = []
  const blocks: ChainBlock[] = []
  const expected: ModelSeat[][] = []
  let serial = 0
  for (const [i, transactionPlans] of plan.entries()) {
    const height = first + i
    const transactions: ChainTransaction[] = []
    const announcedNow = new Set<ModelSeat>()
    for (const [index, { payments, spends, announce }] of transactionPlans.entries()) {
      const unspent = outputs.filter((output) => !output.spent)
      const spent = unspent.length === 0 ? [] : [...new Set(spends.map((n) => unspent[n % unspent.length]!))]
      for (const output of spent) output.spent = true
      const txid = seedOf('model', serial++)
      const label = announce === null ? null : labels[announce.who]!
      const at = height - (announce?.age ?? 0)
      if (
        label !== null &&
        payments.some(({ to, value }) => labels[to] === label && value >= minStake) &&
        at >= 0
      ) {
        let seat = seats.find((candidate) => candidate.label === label)
        if (seat === undefined || at > seat.at) {
          if (seat === undefined)
            seats.push((seat = { label, at, announced: { height, index }, activeSince: null }))
          seat.at = at
          seat.announced = { height, index }
          announcedNow.add(seat)
        }
      }
      transactions.push({
        spends: spent.map((output) => output.outpoint),
        payments: payments.map(({ to, value }, n) => ({
          outpoint: outpointKey(txid, n),
          payee: to < labels.length ? walletOf(labels[to]!).stake : seedOf('stranger').slice(0, 20),
          value,
        })),
        memo: label === null ? null : memo(label, at),
      })
      for (const [n, { to, value }] of payments.entries()) {
        outputs.push({
          outpoint: outpointKey(txid, n),
          label: labels[to] ?? null,
          value,
          position: { height, index },
          spent: false,
        })
      }
    }
    for (const seat of seats) {
      const sum = outputs
        .filter((output) => output.label === seat.label && !output.spent)
        .filter(
          ({ position }) =>
            position.height > seat.announced.height ||
            (position.height === seat.announced.height && position.index >= seat.announced.index),
        )
        .reduce((total, output) => total + output.value, 0n)
      if (sum < minStake) seat.activeSince = null
      else if (announcedNow.has(seat)) seat.activeSince ??= height
    }
    blocks.push(blockOf(height, transactions))
    expected.push(seats.map((seat) => ({ ...seat })))
  }
  return { blocks, expected }
}

describe('R-REG-3 and R-REG-5 against a model', () => {
  test('R-REG-5 every block leaves what the model says, and taking it back is the identity (R-CHAIN-2)', () => {
    fc.assert(
      fc.property(plans, fc.nat(12), (plan, depth) => {
        const { blocks, expected } = play(plan)
        const registry = createRegistry(genesis, networkId)
        const changes: RegistryChange[] = []
        const states = [structuredClone(stateOf(registry))]
        for (const [i, block] of blocks.entries()) {
          const before = structuredClone(stateOf(registry))
          const change = judgeBlock(registry, block, trustingBls)
          expect(stateOf(registry)).toEqual(before) // judging only reads
          applyChange(registry, change)
          changes.push(change)
          states.push(structuredClone(stateOf(registry)))
          expect(
            registry.seats.map(({ seat, stake, at, announced, activeSince }) => ({
              seat,
              stake,
              at,
              announced,
              activeSince,
            })),
          ).toEqual(
            expected[i]!.map(({ label, ...seat }, n) => ({ seat: n, stake: walletOf(label).stake, ...seat })),
          )
          for (const [seat, balance] of registry.balanceBySeat) {
            expect(balance).toBe([...registry.outputsBySeat.get(seat)!.values()].reduce((a, b) => a + b, 0n))
          }
        }
        // A reorganisation of any depth, and the same blocks again.
        const back = Math.min(depth, changes.length)
        for (let i = changes.length - 1; i >= changes.length - back; i--) {
          revertChange(registry, changes[i]!)
          expect(stateOf(registry)).toEqual(states[i])
        }
        for (let i = changes.length - back; i < changes.length; i++) {
          const change = judgeBlock(registry, blocks[i]!, trustingBls)
          expect(change.seats).toEqual(changes[i]!.seats)
          applyChange(registry, change)
        }
        expect(stateOf(registry)).toEqual(states.at(-1))
      }),
      { numRuns: 150 },
    )
  })
})

test('R-REG-3 a memo names the peer by its key', () => {
  const { registry } = run([announcing('a', first)])
  expect(registry.seats[0]!.peer).toEqual(ed25519FromSeed(seedOf('peer', 'a')).publicKey)
  expect(memo('a', first)).toContain(peerIdOfKey(registry.seats[0]!.peer))
})
