import {
  applyChange,
  bytesToHex,
  type ChainBlock,
  type ChainTransaction,
  createRegistry,
  epochStart,
  type Genesis,
  judgeBlock,
  networkIdOf,
  nobleBls,
  type Snapshot,
  takeSnapshot,
} from '../../protocol/index.ts'
import { createOwner, type Json, payingTo, transactionVector } from './golden-owner.ts'

const hex = bytesToHex

/** What happens to four stakes, by height above the activation: each case of R-REG-3 and R-REG-5 once. */
const storyOf = (genesis: Genesis): ReadonlyMap<number, readonly ChainTransaction[]> => {
  const { activationHeight: first, minStake } = genesis
  const announcing = (label: string, at: number, blsLabel = label) => {
    const owner = createOwner(genesis, { label, at: first + at, blsLabel })
    return payingTo(owner, `${label} ${at}`, minStake, owner.memo)
  }
  const paying = (label: string, name: string) =>
    payingTo(createOwner(genesis, { label, at: first - 1 }), `${label} ${name}`, minStake, null)
  const spending = (...spent: readonly ChainTransaction[]): ChainTransaction => ({
    spends: spent.map(({ payments }) => payments[0]!.outpoint),
    payments: [],
    memo: null,
  })
  const founders = ['a', 'b', 'c', 'd'].map((label) => announcing(label, -1))
  const [a, b, c, d] = founders as [ChainTransaction, ChainTransaction, ChainTransaction, ChainTransaction]
  const revived = announcing('b', 8)
  const again = announcing('b', 13)
  return new Map([
    [0, founders],
    // Spent and paid again in one block: never below.
    [3, [spending(c), paying('c', 'back')]],
    [4, [spending(b)]],
    // To another key and back in one block: the key has not changed.
    [5, [announcing('a', 3, 'a second'), announcing('a', 4)]],
    // A payment revives nobody, and does not count for a later announcement.
    [6, [paying('b', 'late')]],
    [7, [announcing('d', 6, 'd second')]],
    // Copied from the chain: `at` does not rise, so nothing changes.
    [8, [{ ...d, payments: announcing('d', 7).payments }]],
    [9, [revived]],
    [12, [spending(revived)]],
    // Spent by its own announcement, which pays the stake again.
    [14, [again]],
    [15, [{ ...announcing('a', 14), spends: [a.payments[0]!.outpoint] }]],
    // Two outputs count; one of them goes.
    [17, [paying('b', 'more')]],
    [18, [spending(again)]],
  ])
}

/** R-REG-3, R-REG-5, R-EPOCH-5: who is active after each block, and what the registry holds in the end. */
export const revivalVector = (genesis: Genesis, blockHash: (height: number) => Uint8Array) => {
  const registry = createRegistry(genesis, networkIdOf(genesis))
  const first = genesis.activationHeight
  const story = storyOf(genesis)
  const blocks: Json[] = []
  const snapshots: { epoch: number; rows: Snapshot }[] = []
  for (let height = first; height <= epochStart(genesis, 3); height++) {
    const block: ChainBlock = {
      height,
      hash: blockHash(height),
      previousHash: blockHash(height - 1),
      time: height,
      transactions: story.get(height - first) ?? [],
      certificateSpends: [],
    }
    applyChange(registry, judgeBlock(registry, block, nobleBls))
    blocks.push({
      height,
      transactions: block.transactions.map(transactionVector),
      active: registry.seats.filter(({ activeSince }) => activeSince !== null).map(({ seat }) => seat),
    })
    for (const epoch of [2, 3, 4]) {
      if (height === epochStart(genesis, epoch - 1))
        snapshots.push({ epoch, rows: takeSnapshot(registry, epochStart(genesis, epoch - 2)) })
    }
  }
  return {
    blocks,
    seats: registry.seats.map(({ seat, stake, host, bls, at, blsSince, activeSince }) => ({
      seat,
      stake: hex(stake),
      host,
      bls: hex(bls),
      at,
      keySince: blsSince,
      activeSince,
    })),
    snapshots: snapshots.map(({ epoch, rows }) => ({
      epoch,
      rows: rows.map(({ seat, bls }) => ({ seat, bls: hex(bls) })),
    })),
  }
}
