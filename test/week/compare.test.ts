import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatTally, tallyDigest, type TallyDocument } from '../../protocol/index.ts'
import { type ClaimedTally, compareTallies, readClaimedTally } from '../../src/week/compare.ts'
import { attestationOf, epochOf, networkId, nodesOf, paramsWith } from '../protocol/fixture.ts'
import { week } from './anchored-set.ts'
import { createTally } from '../protocol/judged.ts'

const nodes = nodesOf(5)
const epochs = [10, 11].map((number) => {
  const epoch = epochOf(nodes, number, 3)
  return {
    epoch: number,
    beacon: epoch.beacon,
    snapshot: nodes,
    attestations: nodes.map((_, index) => attestationOf(epoch, index)),
  }
})
const own = createTally({
  networkId,
  chain: 'zcash-regtest',
  week,
  state: 'frozen',
  params: paramsWith({ committee: 3 }),
  checkpoint: null,
  anchor: null,
  equivocators: new Set(),
  fund: 1_000_000_007n,
  epochs,
})

const claimed = (document: TallyDocument, digest = tallyDigest(document)): ClaimedTally => ({
  document,
  digest: tallyDigest(document),
  claimed: digest,
})

test('R-TALLY-7 a tally is the same as itself, printed and read', () => {
  const read = readClaimedTally(formatTally(own))
  expect(read.is).toBe('ok')
  if (read.is !== 'ok') return
  expect(compareTallies(own, read.claimed)).toEqual({
    result: 'match',
    own: own.digest,
    theirs: own.digest,
    claimed: own.digest,
    document: [],
    seats: [],
  })
})

test('R-TALLY-7 a document under a digest that is not its own does not match, though nothing in it differs', () => {
  const comparison = compareTallies(own, claimed(own.document, '00'.repeat(32)))
  expect(comparison).toMatchObject({ result: 'mismatch', document: [], seats: [] })
  const { digest: _, ...without } = JSON.parse(formatTally(own)) as Record<string, unknown>
  const read = readClaimedTally(JSON.stringify(without))
  expect(read).toMatchObject({ is: 'ok', claimed: { digest: own.digest, claimed: null } })
})

test('R-TALLY-7 every change of a seat is found, with its member, and no other seat', () => {
  const changes = fc.record({
    index: fc.nat({ max: nodes.length - 1 }),
    change: fc.constantFrom<{ member: string; to: Partial<TallyDocument['seats'][number]>; theirs: string }>(
      { member: 'amount', to: { amount: '7' }, theirs: '"7"' },
      { member: 'host', to: { host: 'x.example.org' }, theirs: '"x.example.org"' },
      { member: 'equivocator', to: { equivocator: true }, theirs: 'true' },
      { member: 'outcomes.1', to: { outcomes: ['credited', null] }, theirs: 'null' },
      { member: 'outcomes.2', to: { outcomes: ['credited', 'credited', 'x'] }, theirs: '"x"' },
    ),
  })
  fc.assert(
    fc.property(changes, ({ index, change }) => {
      const seats = own.document.seats.map((row, i) => (i === index ? { ...row, ...change.to } : row))
      const comparison = compareTallies(own, claimed({ ...own.document, seats }))
      expect(comparison).toMatchObject({ result: 'mismatch', document: [] })
      expect(comparison.seats).toMatchObject([
        {
          seat: nodes[index]!.seat,
          is: 'differs',
          differences: [{ member: change.member, theirs: change.theirs }],
        },
      ])
    }),
  )
})

test('R-TALLY-7 seats that only one side has, and members of the document, are named', () => {
  const [first, ...others] = own.document.seats
  const stranger = { ...first!, seat: 99 }
  const totals = { ...own.document.totals, paid: '1' }
  const changed = { ...own.document, state: 'anchored' as const, totals, seats: [...others, stranger] }
  expect(compareTallies(own, claimed(changed))).toMatchObject({
    document: [
      { member: 'state', own: '"frozen"', theirs: '"anchored"' },
      { member: 'totals.paid', own: JSON.stringify(own.document.totals.paid), theirs: '"1"' },
    ],
    seats: [
      { seat: first!.seat, is: 'missing' },
      { seat: 99, is: 'stranger' },
    ],
  })
})

test('what is no tally is refused with the place', () => {
  expect(readClaimedTally('{')).toMatchObject({ is: 'bad' })
  expect(readClaimedTally('[]')).toMatchObject({ is: 'bad' })
  const broken = { ...own.document, totals: { ...own.document.totals, fund: '-1' } }
  expect(readClaimedTally(JSON.stringify(broken))).toMatchObject({
    detail: expect.stringContaining('totals.fund'),
  })
})
