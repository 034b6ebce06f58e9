import { createHash } from 'node:crypto'
import { z } from 'zod'
import {
  attestationMessage,
  bytesToHex,
  type ChallengerState,
  cidOf,
  cidOfDigest,
  decodeAttestation,
  decodeQuestion,
  decodeReceipt,
  type Epoch,
  equalBytes,
  hexToBytes,
  isWeek,
  maxEvidenceBytes,
  type NetworkId,
  type Signed,
  signedBytes,
  type VerifyEd25519,
} from '../../protocol/index.ts'
import type { Network } from '../chain/profiles.ts'
import { loadNetwork } from './load-network.ts'
import { SecnodeError } from '../errors.ts'
import { createEd25519Verifier } from '../keys/ed25519.ts'
import { loadNodeKeyFile, type NodeKeys } from '../keys/node-key.ts'
import { createHistoryStore, type HistoryStore, type SignedRows } from '../store/history.ts'
import { openStore } from '../store/open.ts'
import { decodeWork, encodeWork, type GivenReceipt } from '../store/work.ts'
import { isTransaction } from '../payout/outbox.ts'
import type { World } from '../world.ts'
import { type Config, stakeOf } from './config.ts'
import { makeDirectory, writeProfile } from './data-dir.ts'

/** Base64 without line breaks, as Node writes it. */
const Base64 = (maxBytes: number) =>
  z
    .string()
    .max(Math.ceil(maxBytes / 3) * 4)
    .regex(/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/)
    .transform((text) => new Uint8Array(Buffer.from(text, 'base64')))
const SignedPair = z
  .strictObject({ payload: Base64(2_048), signature: Base64(64).refine(({ length }) => length === 64) })
  .transform((signed): Signed => signed)
const WeekName = z.string().refine(isWeek)
const U32 = z.int().min(0).max(0xffff_ffff)

/**
 * What a node has signed, in a file: whoever goes on in its place signs nothing a second time (R-ATT-8). It holds no key,
 * but the secret of the nonces of the epoch at hand.
 */
const HistoryFile = z.strictObject({
  format: z.literal('secnode history 1'),
  /** For people. */
  madeAt: z.iso.datetime(),
  host: z.string().max(255),
  network: z.string(),
  peer: z.string().max(128),
  signed: z.strictObject({
    attestations: z.array(SignedPair).max(100_000),
    votes: z
      .array(z.strictObject({ week: WeekName, view: U32, checkpoint: z.string().regex(/^[0-9a-f]{64}$/) }))
      .max(100_000),
    receipts: z.array(z.strictObject({ question: SignedPair, receipt: SignedPair })).max(100_000),
    work: z.array(Base64(1_000_000)).max(64),
    evidence: z.array(z.strictObject({ epoch: U32, block: Base64(maxEvidenceBytes) })).max(64),
    payouts: z
      .array(z.strictObject({ week: WeekName, part: U32, transaction: Base64(4_000_000) }))
      .max(100_000),
  }),
  /** SHA-256 of `signed` as JSON: a copy that was damaged on its way says so. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
})

/** Of five years, and payouts of some weeks. */
export const maxHistoryBytes = 64_000_000

/** The node that a history is of. */
export interface HistoryOwner {
  host: string
  networkId: NetworkId
  family: Network['facts']['family']
  /** hash160 of the stake. */
  stake: Uint8Array
  keys: Pick<NodeKeys, 'peerId' | 'peerKey'>
  verify: VerifyEd25519
}

/** JSON. */
export interface HistorySummary {
  attestations: number
  /** Newest epoch that was attested; null if none was. */
  lastEpoch: Epoch | null
  votes: number
  receipts: number
  payouts: number
}

export const summaryOf = ({ attestations, votes, receipts, payouts }: SignedRows): HistorySummary => ({
  attestations: attestations.length,
  lastEpoch: attestations.reduce<Epoch | null>((last, { epoch }) => Math.max(last ?? epoch, epoch), null),
  votes: votes.length,
  receipts: receipts.length,
  payouts: payouts.length,
})

/** Without what was signed with an earlier key of the node: that cannot be signed again. */
const withThisKey = (rows: SignedRows, owner: HistoryOwner): SignedRows => {
  const attestations = rows.attestations.filter(({ signed }) => isOwnAttestation(signed, owner))
  return {
    ...rows,
    attestations,
    evidence: rows.evidence.filter((row) => attestations.some(({ signed }) => namesEvidence(signed, row))),
    receipts: rows.receipts.filter((given) => isOwnReceipt(given, owner)),
  }
}

const namesEvidence = ({ payload }: Signed, { epoch, block }: SignedRows['evidence'][number]): boolean => {
  const attestation = decodeAttestation(payload)
  return attestation?.epoch === epoch && attestation.evidence.equals(cidOf(block))
}

/** The text of a history file. */
export const formatHistory = (all: SignedRows, owner: HistoryOwner, world: Pick<World, 'now'>): string => {
  const rows = withThisKey(all, owner)
  const signed = {
    attestations: rows.attestations.map(pairOf),
    votes: rows.votes.map(({ week, view, checkpoint }) => ({
      week,
      view,
      checkpoint: bytesToHex(checkpoint.multihash.digest),
    })),
    receipts: rows.receipts.map(({ question, receipt }) => ({
      question: pairOf({ signed: question }),
      receipt: pairOf({ signed: receipt }),
    })),
    work: rows.work.map((state) => base64(encodeWork(state))),
    evidence: rows.evidence.map(({ epoch, block }) => ({ epoch, block: base64(block) })),
    payouts: rows.payouts.map(({ week, part, bytes }) => ({ week, part, transaction: base64(bytes) })),
  }
  const file: z.input<typeof HistoryFile> = {
    format: 'secnode history 1',
    madeAt: new Date(world.now()).toISOString(),
    host: owner.host,
    network: owner.networkId,
    peer: owner.keys.peerId,
    signed,
    sha256: checksumOf(signed),
  }
  return `${JSON.stringify(file)}\n`
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
const pairOf = ({ signed }: { signed: Signed }) => ({
  payload: base64(signed.payload),
  signature: base64(signed.signature),
})
const checksumOf = (signed: unknown): string =>
  createHash('sha256').update(JSON.stringify(signed)).digest('hex')

const isOwnAttestation = ({ payload, signature }: Signed, owner: HistoryOwner): boolean => {
  const attestation = decodeAttestation(payload)
  return (
    attestation?.networkId === owner.networkId &&
    equalBytes(attestation.stake, owner.stake) &&
    owner.verify(owner.keys.peerKey, attestationMessage(owner.networkId, payload), signature)
  )
}

/** With the question that it answers; whose signature that has is for the challenger to say. */
const isOwnReceipt = (given: GivenReceipt, owner: HistoryOwner): boolean => {
  const { payload, signature } = given.receipt
  const receipt = decodeReceipt(payload)
  const question = decodeQuestion(given.question.payload)
  return (
    receipt?.networkId === owner.networkId &&
    equalBytes(receipt.targetStake, owner.stake) &&
    question !== null &&
    equalBytes(question.nonce, receipt.nonce) &&
    owner.verify(owner.keys.peerKey, signedBytes('receipt', owner.networkId, payload), signature)
  )
}

/**
 * Reads a history file, every signature of it verified. Errors, with exit code 2: HISTORY_DAMAGED; HISTORY_FOREIGN if it is
 * of another network, stake or key.
 */
export const parseHistory = (text: string, owner: HistoryOwner): SignedRows => {
  let raw: unknown
  try {
    raw = JSON.parse(text)
  } catch (error) {
    throw damaged('it is not JSON', error)
  }
  const parsed = HistoryFile.safeParse(raw)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw damaged(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not a history'}`, parsed.error)
  }
  if (checksumOf((raw as { signed: unknown }).signed) !== parsed.data.sha256) {
    throw damaged('its checksum does not match')
  }
  const { network, peer, signed } = parsed.data
  if (network !== owner.networkId) throw foreign(`it is of network ${network}`)
  if (peer !== owner.keys.peerId)
    throw foreign(`it is of peer ${peer}, and the keys here are of ${owner.keys.peerId}`)
  const rows: SignedRows = {
    attestations: signed.attestations.map((pair) => {
      if (!isOwnAttestation(pair, owner)) throw foreign('an attestation in it is not of this stake and key')
      const { epoch, beacon } = decodeAttestation(pair.payload)!
      return { epoch, beacon, signed: pair }
    }),
    votes: signed.votes.map(({ week, view, checkpoint }) => ({
      week,
      view,
      checkpoint: cidOfDigest(hexToBytes(checkpoint)),
    })),
    receipts: signed.receipts.map((given) => {
      if (!isOwnReceipt(given, owner)) throw foreign('a receipt in it is not of this stake and key')
      const { epoch, beacon, challengerSeat: challenger } = decodeReceipt(given.receipt.payload)!
      return { epoch, beacon, challenger, ...given }
    }),
    work: signed.work.map((row): ChallengerState => {
      const state = decodeWork(row)
      if (state === null) throw damaged('a record of work in it cannot be read')
      return state
    }),
    evidence: signed.evidence.map((row) => {
      if (signed.attestations.some((pair) => namesEvidence(pair, row))) return row
      throw damaged(`evidence of epoch ${row.epoch} in it is not what an attestation names`)
    }),
    payouts: signed.payouts.map(({ week, part, transaction: bytes }) => {
      if (!isTransaction(bytes, owner.family)) {
        throw damaged(`part ${part} of the payout of ${week} is not a transaction`)
      }
      return { week, part, bytes }
    }),
  }
  if (new Set(contentsOf(rows).keys()).size !== countOf(rows)) throw damaged('it has a row twice')
  return rows
}

const damaged = (why: string, cause?: unknown): SecnodeError =>
  new SecnodeError('HISTORY_DAMAGED', `the history cannot be used: ${why}`, {
    exitCode: 2,
    hint: 'Export it again with `secnode history export`, or take another copy.',
    cause,
  })

const foreign = (why: string): SecnodeError =>
  new SecnodeError('HISTORY_FOREIGN', `the history is not of this node: ${why}`, {
    exitCode: 2,
    hint: 'Use the configuration and the keys of the node that it was exported from.',
  })

const countOf = (rows: SignedRows): number =>
  rows.attestations.length + rows.votes.length + rows.receipts.length + rows.work.length + rows.payouts.length

/** What was signed, by what must not be signed again. */
const contentsOf = (rows: SignedRows): Map<string, { content: string; epoch: Epoch | null }> => {
  const contents = new Map<string, { content: string; epoch: Epoch | null }>()
  for (const { epoch, beacon, signed } of rows.attestations) {
    contents.set(`the attestation of epoch ${epoch} under beacon ${bytesToHex(beacon)}`, {
      content: bytesToHex(signed.payload),
      epoch: null,
    })
  }
  for (const { week, view, checkpoint } of rows.votes) {
    contents.set(`the vote of ${week} in view ${view} for ${checkpoint.toString()}`, {
      content: '',
      epoch: null,
    })
  }
  for (const { epoch, beacon, challenger, receipt } of rows.receipts) {
    const key = `the receipt of epoch ${epoch} for seat ${challenger} under beacon ${bytesToHex(beacon)}`
    contents.set(key, { content: bytesToHex(decodeReceipt(receipt.payload)!.nonce), epoch })
  }
  for (const { epoch, beacon, secret } of rows.work) {
    const key = `the nonces of epoch ${epoch} under beacon ${bytesToHex(beacon)}`
    contents.set(key, { content: bytesToHex(secret), epoch })
  }
  for (const { week, part, bytes } of rows.payouts) {
    contents.set(`part ${part} of the payout of ${week}`, { content: bytesToHex(bytes), epoch: null })
  }
  return contents
}

/**
 * Takes a history into a store, all or nothing, and only forward. Errors: HISTORY_OLDER if the store knows more than the
 * file, HISTORY_CONFLICT if both know, and differ.
 */
export const importHistory = async (
  store: HistoryStore,
  rows: SignedRows,
  owner: HistoryOwner,
): Promise<HistorySummary> => {
  const known = withThisKey(await store.read(), owner)
  const inStore = contentsOf(known)
  const inFile = contentsOf(rows)
  // Receipts and nonces of older epochs are in no file.
  const newest = Math.max(
    -1,
    ...rows.receipts.map(({ epoch }) => epoch),
    ...rows.work.map(({ epoch }) => epoch),
  )
  for (const [what, { content, epoch }] of inStore) {
    const other = inFile.get(what)
    if (other !== undefined && other.content !== content) throw conflict(what)
    if (other === undefined && (epoch === null || epoch >= newest)) throw older(what)
  }
  // What the store knows of an epoch's work may be further than the file.
  const work = rows.work.filter(
    ({ epoch, beacon }) => !known.work.some((one) => one.epoch === epoch && equalBytes(one.beacon, beacon)),
  )
  await store.write({ ...rows, work })
  return summaryOf(rows)
}

const older = (what: string): SecnodeError =>
  new SecnodeError('HISTORY_OLDER', `this node has signed what the history lacks: ${what}`, {
    hint: 'The file is older than this data directory. Export a newer one from the node that ran last.',
  })

const conflict = (what: string): SecnodeError =>
  new SecnodeError('HISTORY_CONFLICT', `the history and this data directory differ in ${what}`, {
    hint: 'Two daemons have signed with these keys. Stop all but one, and go on with the data directory of that one.',
  })

/** The history of a node that does not run, in its data directory. */
export interface ClosedHistory extends AsyncDisposable {
  read(): Promise<string>
  take(text: string): Promise<HistorySummary>
}

/**
 * Opens the data directory of a configuration; one that is not there yet is made. Errors: STORE_LOCKED if the node runs, and
 * those of `loadNetwork`, `loadNodeKeyFile`, `openStore`.
 */
export const openHistory = async (config: Config, world: Pick<World, 'now'>): Promise<ClosedHistory> => {
  const network = await loadNetwork(config.profile)
  const owner = historyOwnerOf(config, network, await loadNodeKeyFile(config.keys))
  await makeDirectory(config.dir)
  const store = await openStore({ directory: config.dir, networkId: network.networkId })
  const history = createHistoryStore(store, config.dir)
  return {
    read: async () => formatHistory(await history.read(), owner, world),
    async take(text) {
      const rows = parseHistory(text, owner)
      // A directory that says whose it is can be read without a configuration.
      await writeProfile(config.dir, network.profile)
      return await importHistory(history, rows, owner)
    },
    [Symbol.asyncDispose]: () => store.close(),
  }
}

export const historyOwnerOf = (
  { host, stake: address }: Pick<Config, 'host' | 'stake'>,
  { networkId, facts, profile }: Network,
  keys: NodeKeys,
): HistoryOwner => ({
  host,
  networkId,
  family: facts.family,
  stake: stakeOf(profile.genesis.chain, address),
  keys,
  verify: createEd25519Verifier({ maxKeys: 1 }).verify,
})
