import {
  attestationMessage,
  cidOfDigest,
  createCommittees,
  createEpochJudging,
  type Epoch,
  equalBytes,
  type ListedEpoch,
  type NetworkId,
  type JudgingParams,
  type Signed,
  type Snapshot,
  type Week,
} from '../../protocol/index.ts'
import { SecnodeError } from '../errors.ts'
import { checkEpoch } from './bundle.ts'
import type { BundlePlace } from './car.ts'
import type { WeekCrypto } from './ports.ts'

/** One epoch of an anchored set, in a form that threads hand over without copying. */
export interface EpochJob {
  networkId: NetworkId
  week: Week
  listed: ListedEpoch
  params: JudgingParams
  snapshot: PackedSnapshot
  /** Seats with a listed proof in the week: none of theirs may stand under the root. */
  equivocators: Uint32Array
  blocks: readonly JobBlock[]
}

export interface JobBlock {
  place: BundlePlace | null
  /** SHA-256 that the block's CID names. */
  digest: Uint8Array
  bytes: Uint8Array
}

/** What a verifier reads of a snapshot, row after row. */
export interface PackedSnapshot {
  seats: Uint32Array
  /** 32 bytes each. */
  peers: Uint8Array
  /** 20 bytes each. */
  stakes: Uint8Array
}

/** What an epoch says, without its signatures. Rows are the attestations in rising order of seat. */
export interface EpochReading {
  /** Of each row, its index in the snapshot. */
  indexes: Uint32Array
  /** Of each row, the SHA-256 of its payload: 32 bytes. */
  digests: Uint8Array
  /** Of each row, the SHA-256 of the payload that it names as its previous one; zeros if none. */
  previous: Uint8Array
  /** At each index of the snapshot, a code of `outcomeNames`. */
  outcomes: Uint8Array
  attested: number
}

/** An epoch that was read, until its signatures are checked. */
export interface ReadEpoch {
  reading: EpochReading
  /** The rows of these numbers whose own signature does not verify. */
  checkSignatures(rows: Uint32Array): Uint32Array
}

export const packSnapshot = (snapshot: Snapshot): PackedSnapshot => {
  const packed = {
    seats: new Uint32Array(snapshot.length),
    peers: new Uint8Array(32 * snapshot.length),
    stakes: new Uint8Array(20 * snapshot.length),
  }
  for (const [i, { seat, peer, stake }] of snapshot.entries()) {
    packed.seats[i] = seat
    packed.peers.set(peer, 32 * i)
    packed.stakes.set(stake, 20 * i)
  }
  return packed
}

/** Reads epochs one after the other. */
export const createEpochReader =
  (engine: WeekCrypto) =>
  (job: EpochJob): ReadEpoch =>
    readEpoch(job, engine)

/**
 * Blocks, rows, root and seats of one epoch, and its outcomes (R-TALLY-0…4). Errors: as of `checkEpoch`, and
 * WEEK_BREAKS_RULES for a set that no honest certifier voted for (R-CP-1).
 */
const readEpoch = (job: EpochJob, { sha256, verify }: WeekCrypto): ReadEpoch => {
  const { listed, snapshot, networkId } = job
  const size = snapshot.seats.length
  const equivocators = new Set(job.equivocators)
  const check = checkEpoch(sha256, { networkId }, listed)
  const reading = {
    indexes: new Uint32Array(listed.count),
    digests: new Uint8Array(32 * listed.count),
    previous: new Uint8Array(32 * listed.count),
  }
  const rows: Signed[] = []
  const committees = createCommittees(listed.beacon, size, job.params.committee)
  const judging = createEpochJudging(committees, job.params)
  let index = 0
  for (const [number, { place, digest, bytes }] of job.blocks.entries()) {
    for (const { attestation, cid, signed } of check.add({
      place,
      cid: cidOfDigest(digest),
      bytes,
      number,
    })) {
      const { seat, stake, previous } = attestation
      // Both rise, so the snapshot is walked once.
      while (index < size && snapshot.seats[index]! < seat) index++
      if (snapshot.seats[index] !== seat)
        throw breaksRules(listed.epoch, `seat ${seat} is not in the snapshot`)
      if (!equalBytes(stake, snapshot.stakes.subarray(20 * index, 20 * index + 20))) {
        throw breaksRules(listed.epoch, `seat ${seat} has another stake`)
      }
      if (equivocators.has(seat)) throw breaksRules(listed.epoch, `seat ${seat} is listed as an equivocator`)
      const row = rows.push(signed) - 1
      reading.indexes[row] = index
      reading.digests.set(cid.multihash.digest, 32 * row)
      if (previous !== null) reading.previous.set(previous.multihash.digest, 32 * row)
      judging.add(index, attestation)
    }
  }
  check.end()
  const { outcomes, attested } = judging.judge()
  return {
    reading: { ...reading, outcomes, attested },
    checkSignatures: (wanted) =>
      wanted.filter((row) => {
        const { payload, signature } = rows[row]!
        const at = 32 * reading.indexes[row]!
        const publicKey = snapshot.peers.subarray(at, at + 32)
        return !verify(publicKey, attestationMessage(networkId, payload), signature)
      }),
  }
}

export const breaksRules = (epoch: Epoch | null, what: string): SecnodeError =>
  new SecnodeError(
    'WEEK_BREAKS_RULES',
    epoch === null ? what : `epoch ${epoch} of the anchored set: ${what}`,
    { hint: 'More than a third of its certifiers signed what the rules forbid: the week has no digest.' },
  )
