import { anchorWindowEnd, isAnchorMemo, lastView, parseAnchor, viewOpening } from './anchor.ts'
import { beaconOf } from './beacon.ts'
import type { BlsVerifier } from './bls.ts'
import { type Certificate, checkCertificate } from './certificate.ts'
import {
  type CheckpointFrame,
  type FramedEpoch,
  type FramedWeek,
  maxCheckpointEpochs,
  type NamedAnchor,
} from './checkpoint.ts'
import { epochOfHeight, epochStart } from './epoch.ts'
import type { Epoch, Height, NetworkId, Week } from './ids.ts'
import { type Genesis, type ParamsSchedule, paramsHash, paramsOfWeek } from './params.ts'
import type { SeatRecord } from './registry.ts'
import {
  certifiersOf,
  commitmentOf,
  handedOnBy,
  type ListCommitment,
  listOf,
  type Senior,
  seniorityStart,
  type SeniorList,
  seniorListInSteps,
  takeSeniors,
} from './seniors.ts'
import { finish, type Steps } from './steps.ts'
import type { WeekState } from './tally/input.ts'
import { ignore, reject, type Validation } from './validation.ts'
import { isVoided, type VoidedAnchor } from './voided.ts'
import { weekOfTime } from './week.ts'

/** What holds for a whole network. */
export interface NetworkRules {
  genesis: Genesis
  networkId: NetworkId
  schedule: ParamsSchedule
}

/** What the weeks of a chain follow from, besides its blocks. */
export interface WeekRules extends NetworkRules {
  /** R-NET-4: anchors that fix nothing. */
  voided: readonly VoidedAnchor[]
}

/** The certificate that fixed a week, and where it stands in the chain (R-CP-5). */
export interface Anchor extends NamedAnchor {
  /** Index of its transaction in the block. */
  index: number
  /** The week whose checkpoint it is: a later one for weeks that were pending. */
  week: Week
  view: number
}

/** A week as the chain has it up to some block. Never changed in place. */
export interface WeekRecord {
  week: Week
  first: Epoch
  /** Null while the week runs. */
  last: Epoch | null
  /** F = b(last + 2) (R-CP-1), and the hash of block F once it is there. Null while the week runs. */
  freeze: { height: Height; hash: Uint8Array | null } | null
  /** Its own seniors: from its end for as long as it can be certified; null before and after. */
  own: SeniorList | null
  /** The list that its certifiers are drawn from (R-CP-2): from block F for as long as it can be certified. */
  list: SeniorList | null
  /** What its checkpoint says besides its weeks; fixed by block F. */
  commits: { previous: NamedAnchor | null; handsOn: ListCommitment } | null
  /** Earlier weeks that its checkpoint lists, in rising order; fixed by block F. */
  covers: readonly Week[]
  anchor: Anchor | null
  /** No anchor of its own can come any more (R-CP-6). */
  isPending: boolean
}

/** All weeks that have begun, in rising order. Changed records are new objects, the others stay the same. */
export interface ChainWeeks {
  records: readonly WeekRecord[]
  /** First epoch whose snapshot had `minSeniors` seats (R-CP-2). */
  fullFrom: Epoch | null
  /** What the checkpoint hands on whose anchor came last; null without one. */
  handedOn: HandedOn | null
}

/** The last week that an anchor of its own checkpoint fixed, and the list that this hands on (R-CP-2). */
export interface HandedOn {
  week: Week
  anchor: NamedAnchor
  list: SeniorList
}

/** The weeks of a chain before the activation height. */
export const noWeeks: ChainWeeks = { records: [], fullFrom: null, handedOn: null }

/** A transaction inside an anchor window that passes `isAnchorCandidate`, with the memo that counts. */
export interface AnchorCandidate {
  /** Index of the transaction in its block. */
  index: number
  memo: string
}

/** What the weeks see of a confirmed block. */
export interface WeekBlock {
  height: Height
  hash: Uint8Array
  /** MTP(height), in seconds. Read at the first block of an epoch only. */
  medianTime: number
  /** Seats in snapshot(e) if this is block b(e). */
  snapshotSeats: number
  /** All seats as they stood before this block. Asked for only where a week ends. */
  seatsBefore(): Iterable<SeatRecord>
  /** In block order; none needed outside of `anchorWindowAt`. */
  candidates: readonly AnchorCandidate[]
}

export interface WeeksStep {
  weeks: ChainWeeks
  /** Anchors of this block that were refused, for the log of whoever wonders. */
  refused: readonly { index: number; code: string }[]
}

/** R-CP-1…6: the weeks after one more block. Blocks come in order, from the activation on. */
export const stepWeeks = (...step: Parameters<typeof stepWeeksInSteps>): WeeksStep =>
  finish(stepWeeksInSteps(...step))

/** The same with pauses: where a week ends, the root over all its seniors is computed. */
export const stepWeeksInSteps = function* (
  rules: WeekRules,
  weeks: ChainWeeks,
  block: WeekBlock,
  bls: Pick<BlsVerifier, 'verifyAggregate'>,
): Steps<WeeksStep> {
  const judged = judgeAnchors(rules, weeks, block, bls)
  // Anchors in block F still count, so both come before the freeze looks for weeks without one.
  const closed = closeWindow(rules, judged.weeks, block.height)
  const turned = yield* turnWeek(rules, closed, block)
  return { weeks: freezeWeek(rules, turned, block), refused: judged.refused }
}

/** The week whose anchor may stand in a block at this height, or null: only then are memos tried (R-CHAIN-4). */
export const anchorWindowAt = (rules: NetworkRules, weeks: ChainWeeks, height: Height): WeekRecord | null => {
  const index = indexOfCertifiable(weeks)
  if (index === -1) return null
  const record = weeks.records[index]!
  const params = paramsOfWeek(rules.schedule, record.week)
  const from = viewOpening(rules.genesis, params, record.freeze!.height, 0)
  return height >= from && height <= windowEnd(rules, weeks, index) ? record : null
}

/** R-CP-4, R-CP-5: whether a certificate could be anchored in a block at this height. */
export const checkAnchor = (
  rules: WeekRules,
  weeks: ChainWeeks,
  certificate: Certificate,
  height: Height,
  bls: Pick<BlsVerifier, 'verifyAggregate'>,
  /** Certifiers of a view, if they are at hand. */
  certifiers: (record: WeekRecord, view: number) => readonly Senior[] = (record, view) =>
    certifiersOfView(rules, record, view),
): Validation => {
  const index = indexOfCertifiable(weeks)
  const record = weeks.records[index]
  if (record === undefined || record.week !== certificate.week) return ignore('anchor-not-awaited')
  if (isVoided(rules.voided, certificate.week, certificate.checkpoint)) return ignore('anchor-voided')
  const params = paramsOfWeek(rules.schedule, record.week)
  if (certificate.view > lastView(params)) return reject('anchor-no-such-view')
  if (height < viewOpening(rules.genesis, params, record.freeze!.height, certificate.view)) {
    return reject('anchor-early')
  }
  if (height > windowEnd(rules, weeks, index)) return reject('anchor-late')
  return checkCertificate(
    rules.networkId,
    certificate,
    certifiers(record, certificate.view),
    record.freeze!.hash!,
    bls,
  )
}

/** R-CP-2: the certifiers of a view of a frozen week, by position. Throws for a week that has no list. */
export const certifiersOfView = (rules: NetworkRules, record: WeekRecord, view: number): Senior[] => {
  if (record.list === null) throw new Error(`week ${record.week} cannot be certified`)
  return certifiersOf(
    record.list.seniors,
    beaconOf(rules.networkId, record.last! + 2, record.freeze!.hash!),
    view,
    paramsOfWeek(rules.schedule, record.week).certifiers,
  )
}

/** Where a week stands. `isCertified`: a valid certificate of it is known, whether it is in the chain or not. */
export const weekStateOf = (record: WeekRecord, isCertified: boolean): WeekState => {
  if (record.anchor !== null) return 'anchored'
  if (record.isPending) return 'pending'
  if (record.freeze === null || record.freeze.hash === null) return 'open'
  return isCertified ? 'certified' : 'frozen'
}

/** The height up to which an anchor of a frozen week counts (R-CP-5), as far as it is known. */
export const anchorableUntil = (rules: NetworkRules, weeks: ChainWeeks, week: Week): Height => {
  const index = weeks.records.findLastIndex((record) => record.week === week)
  if (index === -1 || weeks.records[index]!.freeze === null) throw new Error(`week ${week} still runs`)
  return windowEnd(rules, weeks, index)
}

/** What a frame needs besides the weeks. */
export interface FrameFacts {
  /** Over the seats as they stand after block F. */
  registryRoot: Uint8Array
  /** What came in for a listed week, in base units, before `feeReserve`. */
  incomeOf: (week: Week) => bigint
  epochOf: (epoch: Epoch) => Omit<FramedEpoch, 'epoch'>
}

/** The weeks that the checkpoint of a frozen week lists, in rising order. */
export const weeksListedBy = (weeks: ChainWeeks, week: Week): WeekRecord[] => {
  const names = new Set([...(weeks.records.findLast((found) => found.week === week)?.covers ?? []), week])
  return weeks.records.filter((found) => names.has(found.week))
}

/** R-CP-1: what the chain fixes of the checkpoint of a frozen week. Throws for a week that is not frozen. */
export const frameOf = (
  rules: NetworkRules,
  weeks: ChainWeeks,
  week: Week,
  { registryRoot, incomeOf, epochOf }: FrameFacts,
): CheckpointFrame => {
  const record = weeks.records.findLast((found) => found.week === week)
  const freezeHash = record?.freeze?.hash
  if (!record?.commits || !freezeHash) throw new Error(`week ${week} is not frozen`)
  const framed = weeksListedBy(weeks, week).map((found): FramedWeek => ({
    week: found.week,
    paramsHash: paramsHash(paramsOfWeek(rules.schedule, found.week)),
    income: incomeOf(found.week),
    epochs: Array.from({ length: epochsIn(found) }, (_, i) => ({
      epoch: found.first + i,
      ...epochOf(found.first + i),
    })),
  }))
  return { networkId: rules.networkId, week, freezeHash, registryRoot, ...record.commits, weeks: framed }
}

/** Epochs of a week that is over. */
const epochsIn = (record: WeekRecord): number => record.last! - record.first + 1

const replaceRecord = (weeks: ChainWeeks, index: number, record: WeekRecord): ChainWeeks => ({
  ...weeks,
  records: weeks.records.map((old, i) => (i === index ? record : old)),
})

/** Of the frozen weeks at most the last can still be certified: a window ends where the next freeze begins. */
const indexOfCertifiable = (weeks: ChainWeeks): number => {
  const index = weeks.records.findLastIndex(({ freeze }) => freeze !== null && freeze.hash !== null)
  const record = weeks.records[index]
  return record === undefined || record.anchor !== null || record.isPending ? -1 : index
}

const windowEnd = (rules: NetworkRules, weeks: ChainWeeks, index: number): Height => {
  const record = weeks.records[index]!
  const next = weeks.records[index + 1]?.freeze?.height ?? null
  return anchorWindowEnd(paramsOfWeek(rules.schedule, record.week), record.freeze!.height, next)
}

/** R-CP-5: the first valid anchor in chain order fixes the week, and with it those that it covers. */
const judgeAnchors = (
  rules: WeekRules,
  before: ChainWeeks,
  block: WeekBlock,
  bls: Pick<BlsVerifier, 'verifyAggregate'>,
): WeeksStep => {
  let weeks = before
  const refused: { index: number; code: string }[] = []
  const known = new Map<number, Senior[]>()
  const certifiers = (record: WeekRecord, view: number): Senior[] => {
    // A block may hold a thousand forgeries: each view is drawn once.
    let drawn = known.get(view)
    if (drawn === undefined) known.set(view, (drawn = certifiersOfView(rules, record, view)))
    return drawn
  }
  for (const { index, memo } of block.candidates) {
    if (!isAnchorMemo(memo)) continue
    const parsed = parseAnchor(memo)
    const checked =
      parsed.is === 'accept' ? checkAnchor(rules, weeks, parsed.value, block.height, bls, certifiers) : parsed
    if (parsed.is !== 'accept' || checked.is !== 'accept') {
      refused.push({ index, code: checked.is === 'accept' ? '' : checked.code })
      continue
    }
    const { week, view, checkpoint } = parsed.value
    weeks = anchored(rules, weeks, {
      height: block.height,
      blockHash: block.hash,
      index,
      week,
      view,
      checkpoint,
    })
  }
  return { weeks, refused }
}

const anchored = (rules: NetworkRules, weeks: ChainWeeks, anchor: Anchor): ChainWeeks => {
  const { week, checkpoint, height, blockHash } = anchor
  const certified = weeks.records.find((record) => record.week === week)!
  const fixed = new Set([...certified.covers, week])
  return {
    ...weeks,
    records: weeks.records.map((record) =>
      fixed.has(record.week) ? { ...record, anchor, own: null, list: null } : record,
    ),
    handedOn: {
      week,
      anchor: { checkpoint, height, blockHash },
      list: handedOnBy(certified.own!, certified.list!, rules.genesis.minSeniors),
    },
  }
}

/** R-EPOCH-2: at b(e) a week may end; its seniors are those of the block before (R-CP-2). */
const turnWeek = function* (rules: NetworkRules, before: ChainWeeks, block: WeekBlock): Steps<ChainWeeks> {
  const { genesis } = rules
  const epoch = epochOfHeight(genesis, block.height)
  if (epoch === null || epochStart(genesis, epoch) !== block.height) return before
  const fullFrom = before.fullFrom ?? (block.snapshotSeats >= genesis.minSeniors ? epoch : null)
  const week = weekOfTime(block.medianTime)
  const running = before.records.at(-1)
  if (running?.week === week) return fullFrom === before.fullFrom ? before : { ...before, fullFrom }
  const begun: WeekRecord = {
    week,
    first: epoch,
    last: null,
    freeze: null,
    own: null,
    list: null,
    commits: null,
    covers: [],
    anchor: null,
    isPending: false,
  }
  if (running === undefined) return { ...before, records: [begun], fullFrom }
  const last = epoch - 1
  const previousFirst = before.records.at(-2)?.first ?? null
  const from = seniorityStart(genesis, { first: running.first, last }, previousFirst, fullFrom)
  const over: WeekRecord = {
    ...running,
    last,
    freeze: { height: epochStart(genesis, last + 2), hash: null },
    own: yield* seniorListInSteps(from === null ? [] : takeSeniors(block.seatsBefore(), from)),
  }
  return { ...before, records: [...before.records.slice(0, -1), over, begun], fullFrom }
}

/** R-CP-1, R-CP-2: block F fixes what the checkpoint covers, the list of its certifiers and the one that it hands on. */
const freezeWeek = (rules: NetworkRules, weeks: ChainWeeks, block: WeekBlock): ChainWeeks => {
  const index = weeks.records.findLastIndex(({ freeze }) => freeze?.height === block.height)
  if (index === -1) return weeks
  const record = weeks.records[index]!
  const { minSeniors } = rules.genesis
  const own = record.own!
  const list = listOf(own, handedOnTo(weeks, index))
  let epochs = epochsIn(record)
  // R-CP-2: too few seniors, no views. A week too long for any checkpoint stays out of all of them.
  const isCertifiable = list.seniors.length >= minSeniors && epochs <= maxCheckpointEpochs
  const covers: Week[] = []
  for (const earlier of weeks.records.slice(0, index)) {
    if (earlier.anchor !== null || epochs + epochsIn(earlier) > maxCheckpointEpochs) continue
    epochs += epochsIn(earlier)
    covers.push(earlier.week)
  }
  return replaceRecord(weeks, index, {
    ...record,
    freeze: { height: block.height, hash: block.hash },
    own: isCertifiable ? own : null,
    list: isCertifiable ? list : null,
    commits: {
      previous: weeks.handedOn?.anchor ?? null,
      handsOn: commitmentOf(handedOnBy(own, list, minSeniors)),
    },
    covers,
    isPending: !isCertifiable,
  })
}

/** What the last anchored checkpoint hands on to the week at `index`, and how many weeks lie between. */
const handedOnTo = (
  { records, handedOn }: ChainWeeks,
  index: number,
): { list: SeniorList; weeksBetween: number } | null =>
  handedOn === null
    ? null
    : {
        list: handedOn.list,
        weeksBetween: index - records.findIndex(({ week }) => week === handedOn.week) - 1,
      }

/** R-CP-6: a week whose window has ended without an anchor waits for the next week's checkpoint. */
const closeWindow = (rules: NetworkRules, weeks: ChainWeeks, height: Height): ChainWeeks => {
  const index = indexOfCertifiable(weeks)
  if (index === -1 || height < windowEnd(rules, weeks, index)) return weeks
  return replaceRecord(weeks, index, { ...weeks.records[index]!, own: null, list: null, isPending: true })
}
