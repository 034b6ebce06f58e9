import { z } from 'zod'
import {
  type ChallengerState,
  type Canonical,
  decodeCanonical,
  type Epoch,
  encodeCanonical,
  type EvidenceEntry,
  type Finding,
  type Seat,
  type Signed,
  type TargetWork,
  Verdict,
} from '../../protocol/index.ts'
import { storeDamaged } from './errors.ts'
import { deleteRange } from './attestations.ts'
import { keyOf, prefixes, u32 } from './keys.ts'
import { type BatchOptions, put, type Store } from './store.ts'

export interface GivenReceipt {
  /** As the challenger signed it: shown to it if it asks with another nonce. */
  question: Signed
  receipt: Signed
}

/** What this node does in an epoch: its own challenges, and the receipts that it gave as a target. */
export interface WorkStore {
  getWork(epoch: Epoch, beacon: Uint8Array): Promise<ChallengerState | undefined>
  /** `sync` for the first record of an epoch: its secret must outlive the nonces that leave (R-CHAL-1). */
  putWork(state: ChallengerState, options?: BatchOptions): Promise<void>
  /** The one question of a challenger that was answered, and the receipt it got (R-CHAL-1). */
  getReceipt(epoch: Epoch, beacon: Uint8Array, challenger: Seat): Promise<GivenReceipt | undefined>
  /** Durable before it returns: only then may the receipt leave. */
  putReceipt(epoch: Epoch, beacon: Uint8Array, challenger: Seat, given: GivenReceipt): Promise<void>
  pruneBefore(epoch: Epoch): Promise<void>
}

export const createWorkStore = (store: Store, directory: string): WorkStore => ({
  async getWork(epoch, beacon) {
    const row = await store.get(keyOf(prefixes.work, u32(epoch), beacon))
    if (row === undefined) return undefined
    const state = decodeWork(row)
    if (state === null) throw storeDamaged(directory, `the record of work of epoch ${epoch} cannot be read`)
    return state
  },
  putWork: (state, options = {}) =>
    store.batch([put(keyOf(prefixes.work, u32(state.epoch), state.beacon), encodeWork(state))], options),
  async getReceipt(epoch, beacon, challenger) {
    const row = await store.get(keyOf(prefixes.receipt, u32(epoch), beacon, u32(challenger)))
    if (row === undefined) return undefined
    return readReceiptRow(row, directory)
  },
  putReceipt: (epoch, beacon, challenger, given) => {
    const key = keyOf(prefixes.receipt, u32(epoch), beacon, u32(challenger))
    return store.batch([put(key, receiptRow(given))], { sync: true })
  },
  async pruneBefore(epoch) {
    for (const prefix of [prefixes.work, prefixes.receipt]) {
      await deleteRange(store, { gte: keyOf(prefix), lt: keyOf(prefix, u32(epoch)) })
    }
  },
})

// Own rows: the shape is checked so that a damaged store is noticed, not because somebody else wrote them.
const Bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array)

export const receiptRow = ({ question, receipt }: GivenReceipt): Uint8Array =>
  encodeCanonical([question.payload, question.signature, receipt.payload, receipt.signature])

const ReceiptRow = z.tuple([Bytes, Bytes, Bytes, Bytes])

export const readReceiptRow = (row: Uint8Array, directory: string): GivenReceipt => {
  const decoded = decodeCanonical(ReceiptRow, row, 10_000)
  if (decoded.is === 'bad') throw storeDamaged(directory, 'a receipt in it cannot be read')
  const [question, questionSignature, receipt, signature] = decoded.value
  return {
    question: { payload: question, signature: questionSignature },
    receipt: { payload: receipt, signature },
  }
}

const entryRow = (entry: EvidenceEntry): Canonical => {
  if (entry.verdict === Verdict.valid) return [0, entry.receipt.payload, entry.receipt.signature]
  if ('response' in entry) return [1, entry.verdict, entry.response, entry.responseHash]
  return [2, entry.verdict, entry.seen]
}

const findingRow = (finding: Finding): Canonical => [entryRow(finding.evidence), finding.address]

const targetRow = (work: TargetWork): Canonical => {
  if (work.is === 'found') return ['found', findingRow(work.finding)]
  const failed = work.failed === null ? null : findingRow(work.failed)
  return work.is === 'waiting'
    ? ['waiting', work.at, work.tried, failed, work.later, work.busy]
    : ['visiting', work.tried, failed, work.later, work.busy]
}

export const encodeWork = (state: ChallengerState): Uint8Array =>
  encodeCanonical([
    state.epoch,
    state.beacon,
    state.phases.opens,
    state.phases.attests,
    state.secret,
    state.retries,
    state.targets.map(targetRow),
    state.stage,
  ])

const EntryRow = z.union([
  z.tuple([z.literal(0), Bytes, Bytes]).transform(([, payload, signature]) => ({
    verdict: Verdict.valid,
    receipt: { payload, signature },
  })),
  z
    .tuple([z.literal(1), z.int(), Bytes, Bytes])
    .transform(([, verdict, response, responseHash]) => ({ verdict, response, responseHash })),
  z.tuple([z.literal(2), z.int(), z.string()]).transform(([, verdict, seen]) => ({ verdict, seen })),
])
const FindingRow = z
  .tuple([EntryRow, Bytes.nullable()])
  .transform(([evidence, address]) => ({ evidence, address }) as Finding)
// Rows of before it was counted lack it.
const Busy = z.int().optional().default(0)
const TargetRow = z.union([
  z.tuple([z.literal('found'), FindingRow]).transform(([is, finding]): TargetWork => ({ is, finding })),
  z
    .tuple([z.literal('waiting'), z.int(), z.int(), FindingRow.nullable(), z.string().nullable(), Busy])
    .transform(([is, at, tried, failed, later, busy]): TargetWork => ({
      is,
      at,
      tried,
      failed,
      later,
      busy,
    })),
  z
    .tuple([z.literal('visiting'), z.int(), FindingRow.nullable(), z.string().nullable(), Busy])
    .transform(([is, tried, failed, later, busy]): TargetWork => ({ is, tried, failed, later, busy })),
])
const WorkRow = z
  .tuple([
    z.int(),
    Bytes,
    z.int(),
    z.int(),
    Bytes,
    z.int(),
    z.array(TargetRow),
    z.enum(['visiting', 'checking-self', 'done']),
  ])
  .transform(([epoch, beacon, opens, attests, secret, retries, targets, stage]): ChallengerState => ({
    epoch,
    beacon,
    phases: { opens, attests },
    secret,
    retries,
    targets,
    stage,
  }))

/** Null for what is not a record of work. */
export const decodeWork = (row: Uint8Array): ChallengerState | null => {
  const decoded = decodeCanonical(WorkRow, row, 1_000_000)
  return decoded.is === 'ok' ? decoded.value : null
}
