import { sha256 } from '@noble/hashes/sha2.js'
import { z } from 'zod'
import { sampleSeed } from './beacon.ts'
import { equalBytes } from './bytes.ts'
import { decodeCanonical, encodeCanonical } from './codec.ts'
import { bytesOf, type Epoch, EpochNumber, type Height, NetworkId, type Seat, SeatNumber } from './ids.ts'
import { createStream } from './random.ts'
import { type Signed, signedBytes, type VerifyEd25519 } from './signed.ts'
import { accept, reject, type Validation } from './validation.ts'

/** One transaction that a digest reads. */
export interface Sample {
  height: Height
  /** Index of the transaction in its block. */
  index: number
}

/** Who asks whom, when, and with which nonce. */
export interface ChallengeTerms {
  networkId: NetworkId
  epoch: Epoch
  beacon: Uint8Array
  targetSeat: Seat
  /** hash160 of the target's stake. */
  targetStake: Uint8Array
  challengerSeat: Seat
  /** 32 bytes. */
  nonce: Uint8Array
}

/**
 * R-CHAL-2 step by step: `samples` times it yields a height uniform in [1, lastHeight], takes the number of that
 * block's transactions (at least 1), and draws one uniformly; returns the samples in order. `lastHeight` is b(e).
 */
export const drawSamples = function* (
  terms: ChallengeTerms,
  samples: number,
  lastHeight: Height,
): Generator<Height, Sample[], number> {
  const stream = createStream(sampleSeed(terms.beacon, terms.targetSeat, terms.challengerSeat, terms.nonce))
  const drawn: Sample[] = []
  for (let i = 0; i < samples; i++) {
    const height = 1 + stream.below(lastHeight)
    drawn.push({ height, index: stream.below(yield height) })
  }
  return drawn
}

/** R-CHAL-2 where all counts are at hand. */
export const samplesOf = (
  terms: ChallengeTerms,
  samples: number,
  lastHeight: Height,
  transactionCount: (height: Height) => number,
): Sample[] => {
  const drawing = drawSamples(terms, samples, lastHeight)
  let step = drawing.next()
  while (step.done !== true) step = drawing.next(transactionCount(step.value))
  return step.value
}

/** Takes the raw transactions in the order of the samples and gives the digest of R-CHAL-3. */
export interface DigestBuilder {
  add(rawTransaction: Uint8Array): void
  finish(): Uint8Array
}

/** R-CHAL-3: SHA-256 over the terms, then u32be length and bytes of each sampled transaction. */
export const createDigest = (terms: ChallengeTerms): DigestBuilder => {
  const digest = sha256.create()
  digest.update(
    encodeCanonical([
      'response',
      terms.networkId,
      terms.epoch,
      terms.targetSeat,
      terms.targetStake,
      terms.challengerSeat,
      terms.nonce,
    ]),
  )
  return {
    add: (rawTransaction) => {
      const length = new Uint8Array(4)
      new DataView(length.buffer).setUint32(0, rawTransaction.length)
      digest.update(length).update(rawTransaction)
    },
    finish: () => digest.digest(),
  }
}

/** What a target signs (R-CHAL-4). */
export interface Receipt extends ChallengeTerms {
  /** 32 bytes. */
  digest: Uint8Array
}

/** A receipt with its signature stays below this (R-CHAL-4). */
export const maxReceiptBytes = 512

const ReceiptRow = z.tuple([
  NetworkId,
  EpochNumber,
  bytesOf(32),
  SeatNumber,
  bytesOf(20),
  SeatNumber,
  bytesOf(32),
  bytesOf(32),
])

/** R-CHAL-4: returns the canonical payload of a receipt, without its signature. */
export const encodeReceipt = (receipt: Receipt): Uint8Array =>
  encodeCanonical([
    receipt.networkId,
    receipt.epoch,
    receipt.beacon,
    receipt.targetSeat,
    receipt.targetStake,
    receipt.challengerSeat,
    receipt.nonce,
    receipt.digest,
  ])

/** Reads the payload of a receipt; null if it is not canonical or not of that shape. */
export const decodeReceipt = (payload: Uint8Array): Receipt | null => {
  const decoded = decodeCanonical(ReceiptRow, payload, maxReceiptBytes)
  if (decoded.is === 'bad') return null
  const [networkId, epoch, beacon, targetSeat, targetStake, challengerSeat, nonce, digest] = decoded.value
  return { networkId, epoch, beacon, targetSeat, targetStake, challengerSeat, nonce, digest }
}

/**
 * R-CHAL-4: a receipt for exactly these terms, signed by the target's key. Says nothing of the digest, which only who
 * holds the chain can judge (R-CHAL-5). Accepts it, or rejects it with a code.
 */
export const checkReceipt = (
  terms: ChallengeTerms,
  targetKey: Uint8Array,
  signed: Signed,
  verify: VerifyEd25519,
): Validation<Receipt> => {
  const receipt = decodeReceipt(signed.payload)
  if (receipt === null) return reject('receipt-form')
  const isOfTerms =
    receipt.networkId === terms.networkId &&
    receipt.epoch === terms.epoch &&
    equalBytes(receipt.beacon, terms.beacon) &&
    receipt.targetSeat === terms.targetSeat &&
    equalBytes(receipt.targetStake, terms.targetStake) &&
    receipt.challengerSeat === terms.challengerSeat &&
    equalBytes(receipt.nonce, terms.nonce)
  if (!isOfTerms) return reject('receipt-terms')
  if (!verify(targetKey, signedBytes('receipt', terms.networkId, signed.payload), signed.signature)) {
    return reject('receipt-signature')
  }
  return accept(receipt)
}
