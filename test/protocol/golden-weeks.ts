import type { CID } from 'multiformats/cid'
import {
  beaconOf,
  bytesToHex,
  certifiersOfView,
  type ChainWeeks,
  cidOf,
  coin,
  encodeCheckpoint,
  type Epoch,
  epochOfHeight,
  epochRoot,
  epochStart,
  fillFrame,
  formatAnchor,
  frameOf,
  type Genesis,
  type Height,
  medianTimePast,
  networkIdOf,
  nobleBls,
  noWeeks,
  Params,
  paramsHash,
  paramsOfWeek,
  ParamsSchedule,
  registryRootOf,
  type Seat,
  type SeatRecord,
  signersOf,
  snapshotRootOf,
  stepWeeks,
  voteMessage,
  type Week,
  weeksListedBy,
  weekStateOf,
} from '../../protocol/index.ts'
import { nobleAggregateVotes, nobleSignBls } from '../../protocol/bls.ts'
import type { NetworkRules } from '../../protocol/weeks.ts'
import { blsSecretOf, secretOf } from './golden-owner.ts'

const hex = bytesToHex

/** A type, not an interface: only that fits an index signature. */
type DescribedWeek = {
  week: Week
  first: Epoch
  last: Epoch | null
  freezeHeight: Height
  listed: readonly Week[]
  /** The anchor before it. */
  previous: { checkpoint: string; height: Height; blockHash: string } | null
  handsOn: { count: number; root: string }
  /** Of view 0, by position; none if the week has no views. */
  certifiers: readonly Seat[]
  payload: string
  checkpoint: string
  anchor: { height: Height; memo: string } | null
}

/** Two epochs of eight blocks a week; epoch 0 opens on a Tuesday. */
const spacing = (7 * 86_400) / 16
const firstTime = Date.UTC(2026, 10, 17) / 1_000 + 5 * spacing
const equivocator: Seat = 3

const common = { committee: 3, samples: 8, attestBlocks: 2, viewBlocks: 4, anchorBlocks: 16, certifiers: 4 }
const schedule = ParamsSchedule.parse([
  { from: '2026-W01', params: Params.parse({ ...common, fund: { kind: 'fixed', amount: 10n * coin } }) },
  {
    from: '2026-W49',
    params: Params.parse({ ...common, minAvailability: 40, fund: { kind: 'fixed', amount: 20n * coin } }),
  },
])
const amountOf = (params: Params): bigint => (params.fund.kind === 'fixed' ? params.fund.amount : 0n)

/** The chain: who is there after each block, what stands for attestations, the checkpoint that follows. */
const worldOf = (
  genesis: Genesis,
  owners: readonly SeatRecord[],
  blockHash: (height: Height) => Uint8Array,
) => {
  const networkId = networkIdOf(genesis)
  const rules: NetworkRules = { genesis, networkId, schedule }
  const first = genesis.activationHeight
  const left: Height = first + 50
  const timeOf = (height: Height): number => firstTime + spacing * (height - first)
  const seatsAfter = (height: Height): SeatRecord[] =>
    owners.map((row) => ({
      ...row,
      blsSince: first,
      activeSince: row.seat === owners.length - 1 && height >= left ? null : first,
    }))
  const snapshotOf = (epoch: Epoch): SeatRecord[] =>
    epoch < 2
      ? []
      : seatsAfter(epochStart(genesis, epoch - 1)).filter(({ activeSince }) => activeSince !== null)
  const rowsOf = (week: Week, epoch: Epoch) =>
    snapshotOf(epoch)
      .filter(({ seat }) => (week !== '2026-W48' || seat !== equivocator) && (epoch !== 3 || seat > 1))
      .map(({ seat }) => ({ seat, cid: cidOf(secretOf(`weeks attestation ${epoch} ${seat}`)) }))
  return {
    rules,
    left,
    seatsAfter,
    snapshotOf,
    medianTimeAt: (height: Height): number =>
      medianTimePast(Array.from({ length: 11 }, (_, i) => timeOf(height - i))),
    checkpointOf: (weeks: ChainWeeks, week: Week, freeze: Height): Uint8Array => {
      const weekOf = (epoch: Epoch): Week =>
        weeks.records.find((record) => record.first <= epoch && epoch <= record.last!)!.week
      const frame = frameOf(rules, weeks, week, {
        registryRoot: registryRootOf(seatsAfter(freeze)),
        incomeOf: (listed) => amountOf(paramsOfWeek(schedule, listed)),
        epochOf: (epoch) => ({
          beacon: beaconOf(networkId, epoch, blockHash(epochStart(genesis, epoch))),
          seats: snapshotOf(epoch).length,
          snapshotRoot: snapshotRootOf(snapshotOf(epoch)),
        }),
      })
      const contentsOf = (epoch: Epoch) => {
        const rows = rowsOf(weekOf(epoch), epoch)
        return { count: rows.length, root: epochRoot(rows) }
      }
      const pagesOf = (listed: Week) => (listed === '2026-W48' ? [cidOf(secretOf('weeks page'))] : [])
      return encodeCheckpoint(fillFrame(frame, contentsOf, pagesOf))
    },
  }
}

/** The memo of a certificate of view 0 for which all its certifiers voted. */
const anchorMemo = (
  { networkId }: NetworkRules,
  week: Week,
  drawn: readonly Seat[],
  checkpoint: CID,
  freezeHash: Uint8Array,
): string => {
  const vote = { week, view: 0, checkpoint, freezeHash }
  const message = voteMessage(networkId, vote)
  const votes = drawn.map((seat) => nobleSignBls(blsSecretOf(`bls ${'abcdef'[seat]!}`), message))
  return formatAnchor({
    ...vote,
    signers: signersOf(new Set(drawn.keys()), drawn.length),
    signature: nobleAggregateVotes(votes),
  })
}

/**
 * R-CP-1, R-CP-2, R-CP-5, R-CP-6: the first week has no seniors and the second no anchor, so the checkpoint of the
 * third lists both; a seat leaves afterwards; the fourth week has the list that the third handed on. Attestations and
 * pages of proofs are stood for by ids of labels.
 */
export const weeksVector = (
  genesis: Genesis,
  owners: readonly SeatRecord[],
  blockHash: (height: Height) => Uint8Array,
) => {
  const { rules, left, seatsAfter, snapshotOf, medianTimeAt, checkpointOf } = worldOf(
    genesis,
    owners,
    blockHash,
  )
  let weeks: ChainWeeks = noWeeks
  const described: DescribedWeek[] = []
  const anchors = new Map<Height, string>()
  for (let height = genesis.activationHeight; height <= epochStart(genesis, 9); height++) {
    const memo = anchors.get(height)
    const stepped = stepWeeks(
      { ...rules, voided: [] },
      weeks,
      {
        height,
        hash: blockHash(height),
        medianTime: medianTimeAt(height),
        snapshotSeats: snapshotOf(epochOfHeight(genesis, height)!).length,
        seatsBefore: () => seatsAfter(height - 1),
        candidates: memo === undefined ? [] : [{ index: 1, memo }],
      },
      nobleBls,
    )
    if (stepped.refused.length > 0) throw new Error(stepped.refused[0]!.code)
    weeks = stepped.weeks
    const record = weeks.records.find(({ freeze }) => freeze?.height === height)
    if (record === undefined) continue
    const { week, commits } = record
    const payload = checkpointOf(weeks, week, height)
    const checkpoint = cidOf(payload)
    const certifiers = record.list === null ? [] : certifiersOfView(rules, record, 0).map(({ seat }) => seat)
    const anchorAt = height + genesis.confirmations + 1
    if (week === '2026-W49')
      anchors.set(anchorAt, anchorMemo(rules, week, certifiers, checkpoint, blockHash(height)))
    const ownMemo = anchors.get(anchorAt)
    described.push({
      week,
      first: record.first,
      last: record.last,
      freezeHeight: height,
      listed: weeksListedBy(weeks, week).map((listed) => listed.week),
      previous: commits!.previous && {
        checkpoint: commits!.previous.checkpoint.toString(),
        height: commits!.previous.height,
        blockHash: hex(commits!.previous.blockHash),
      },
      handsOn: { count: commits!.handsOn.count, root: hex(commits!.handsOn.root) },
      certifiers,
      payload: hex(payload),
      checkpoint: checkpoint.toString(),
      anchor: ownMemo === undefined ? null : { height: anchorAt, memo: ownMemo },
    })
  }
  return {
    schedule: scheduleVector(),
    spacing,
    timeOfActivation: firstTime,
    seats: owners.length,
    left: { seat: owners.length - 1, height: left },
    equivocator: { week: '2026-W48', seat: equivocator },
    weeks: described,
    states: weeks.records.map((record) => ({
      week: record.week,
      state: weekStateOf(record, false),
      fixedBy: record.anchor?.week ?? null,
    })),
  }
}

const scheduleVector = () =>
  schedule.map(({ from, params }) => ({
    from,
    params: {
      ...params,
      anchorBond: params.anchorBond.toString(),
      feeReserve: params.feeReserve.toString(),
      fund: { kind: params.fund.kind, amount: amountOf(params).toString() },
    },
    paramsHash: hex(paramsHash(params)),
  }))
