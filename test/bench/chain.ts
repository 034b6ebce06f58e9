import { parseArgs } from 'node:util'
import { chacha20poly1305 } from '@noble/ciphers/chacha.js'
import { weierstrass } from '@noble/curves/abstract/weierstrass.js'
import { x25519 } from '@noble/curves/ed25519.js'
import { jubjub } from '@noble/curves/misc.js'
import { asciiToBytes, bytesToNumberLE, concatBytes, numberToBytesLE } from '@noble/curves/utils.js'
import { blake2b } from '@noble/hashes/blake2.js'
import type { JoinSplit } from '../../src/chain/formats/types.ts'
import {
  decryptOrchardNote,
  decryptSaplingNote,
  decryptSproutJoinSplit,
  deriveOrchardKeys,
  deriveSaplingKeys,
  deriveSproutKeys,
  encryptOrchardAction,
  encryptSaplingOutput,
  encryptSproutJoinSplit,
  memoFromText,
} from '../../src/chain/notes/index.ts'
import { PALLAS_BASE, PALLAS_CURVE } from '../../src/chain/notes/pallas-curve.ts'

/**
 * Trial decryption of outputs that are not ours, which is what a follower does all day, on one thread. The reference
 * does the same with the noble libraries alone: decode the ephemeral key, agree on a key, derive, open.
 * Options: `--seconds <n>` per case (2), half of them for the reference.
 */
export const run = async (options: string[]): Promise<void> => {
  const { values } = parseArgs({ args: options, options: { seconds: { type: 'string', default: '2' } } })
  const milliseconds = Number(values.seconds) * 1000
  if (!(milliseconds > 0)) throw new RangeError('--seconds takes a number above 0')
  for (const { name, trial, reference, ours } of [sproutCase(), saplingCase(), orchardCase()]) {
    // Both must find the note that is ours, or they would not do the same work.
    if (!trial(ours) || !reference(ours)) throw new Error(`${name}: the own note was not found`)
    const rates = compare(trial, reference, milliseconds)
    process.stdout.write(`${JSON.stringify({ bench: 'chain', case: name, ...rates })}\n`)
  }
}

/** Number of outputs that are not ours, numbered from 0; the one that is ours is the next. */
const OUTPUTS = 64

interface Case {
  name: string
  /** True if output `index` is ours. */
  trial: (index: number) => boolean
  reference: (index: number) => boolean
  ours: number
}

/** Takes turns, so that whatever else the machine does meets both alike. */
const compare = (trial: Case['trial'], reference: Case['reference'], milliseconds: number) => {
  const turn = (task: Case['trial'], forMs: number): { count: number; elapsedMs: number } => {
    const start = performance.now()
    let count = 0
    let elapsedMs = 0
    for (; elapsedMs < forMs; elapsedMs = performance.now() - start) task(count++ % OUTPUTS)
    return { count, elapsedMs }
  }
  turn(trial, milliseconds / 20)
  turn(reference, milliseconds / 20)
  const totals = [trial, reference].map((task) => ({ task, count: 0, elapsedMs: 0 }))
  for (let round = 0; round < 10; round++) {
    for (const total of totals) {
      const { count, elapsedMs } = turn(total.task, milliseconds / 20)
      total.count += count
      total.elapsedMs += elapsedMs
    }
  }
  const [perSecond, referencePerSecond] = totals.map(({ count, elapsedMs }) => (1000 * count) / elapsedMs)
  return {
    perSecond: Math.round(perSecond!),
    referencePerSecond: Math.round(referencePerSecond!),
    ratio: Math.round((100 * perSecond!) / referencePerSecond!) / 100,
  }
}

const memo = memoFromText('secnode:1 ')!
const ourSeed = new Uint8Array(32).fill(1)
const otherSeed = new Uint8Array(32).fill(2)

/** At most 128 bytes a call that repeat from run to run. */
const createRandomBytes = (): ((length: number) => Uint8Array) => {
  let counter = 0
  const block = (): Uint8Array => blake2b(numberToBytesLE(counter++, 8))
  return (length) => concatBytes(block(), block()).slice(0, length)
}

const sproutCase = (): Case => {
  const randomBytes = createRandomBytes()
  const keys = deriveSproutKeys(ourSeed)
  const publicKey = randomBytes(32)
  const joinSplits = receivers(keys.address, deriveSproutKeys(otherSeed).address).map((address) => {
    const payment = { address, value: 1n, memo }
    return encryptSproutJoinSplit(
      [payment, payment],
      [randomBytes(32), randomBytes(32)],
      publicKey,
      randomBytes,
    )
  })
  return {
    name: 'sprout joinsplit',
    ours: OUTPUTS,
    trial: (index) => decryptSproutJoinSplit(joinSplits[index]!, publicKey, keys.viewingKey)[0] !== null,
    reference: (index) =>
      nobleSprout(joinSplits[index]!, publicKey, keys.viewingKey.receivingKey, keys.address.transmissionKey),
  }
}

const saplingCase = (): Case => {
  const randomBytes = createRandomBytes()
  const { ivk, defaultAddress } = deriveSaplingKeys(ourSeed)
  const outputs = receivers(defaultAddress, deriveSaplingKeys(otherSeed).defaultAddress).map((address) =>
    encryptSaplingOutput({ address, value: 1n, memo, ovk: null }, randomBytes),
  )
  const scalar = bytesToNumberLE(ivk)
  return {
    name: 'sapling output',
    ours: OUTPUTS,
    trial: (index) => decryptSaplingNote(outputs[index]!, ivk) !== null,
    reference: (index) => nobleSapling(outputs[index]!.ephemeralKey, outputs[index]!.encCiphertext, scalar),
  }
}

const orchardCase = (): Case => {
  const randomBytes = createRandomBytes()
  const { ivk, defaultAddress } = deriveOrchardKeys(ourSeed)
  const actions = receivers(defaultAddress, deriveOrchardKeys(otherSeed).defaultAddress).map((address) => {
    const nullifier = randomBytes(32)
    nullifier[31]! &= 0x3f
    return encryptOrchardAction({ address, value: 1n, memo, ovk: null, nullifier }, 'ironwood', randomBytes)
  })
  const scalar = bytesToNumberLE(ivk)
  return {
    name: 'orchard or ironwood action',
    ours: OUTPUTS,
    trial: (index) => decryptOrchardNote(actions[index]!, ivk, 'ironwood') !== null,
    reference: (index) => nobleOrchard(actions[index]!.ephemeralKey, actions[index]!.encCiphertext, scalar),
  }
}

const receivers = <Address>(ours: Address, other: Address): Address[] => [
  ...Array.from({ length: OUTPUTS }, () => other),
  ours,
]

const nobleSprout = (
  joinSplit: Pick<JoinSplit, 'nullifiers' | 'ephemeralKey' | 'randomSeed' | 'ciphertexts'>,
  publicKey: Uint8Array,
  receivingKey: Uint8Array,
  transmissionKey: Uint8Array,
): boolean => {
  const { nullifiers, ephemeralKey, randomSeed, ciphertexts } = joinSplit
  const shared = x25519.getSharedSecret(receivingKey, ephemeralKey)
  const hSig = nobleHash(asciiToBytes('ZcashComputehSig'), randomSeed, ...nullifiers, publicKey)
  return ciphertexts
    .map((ciphertext, index) => {
      const personalization = concatBytes(asciiToBytes('ZcashKDF'), Uint8Array.of(index, 0, 0, 0, 0, 0, 0, 0))
      return nobleOpens(nobleHash(personalization, hSig, shared, ephemeralKey, transmissionKey), ciphertext)
    })
    .includes(true)
}

const nobleSapling = (ephemeralKey: Uint8Array, ciphertext: Uint8Array, ivk: bigint): boolean => {
  const point = jubjub.Point.fromBytes(ephemeralKey)
  if (point.isSmallOrder()) return false
  const shared = point.multiplyUnsafe(ivk).clearCofactor()
  return nobleOpens(nobleHash(asciiToBytes('Zcash_SaplingKDF'), shared.toBytes(), ephemeralKey), ciphertext)
}

const PlainPallas = weierstrass(PALLAS_CURVE)

const nobleOrchard = (ephemeralKey: Uint8Array, ciphertext: Uint8Array, ivk: bigint): boolean => {
  const { Fp } = PlainPallas
  const encoded = bytesToNumberLE(ephemeralKey)
  const x = encoded & ((1n << 255n) - 1n)
  const root = Fp.sqrt(Fp.add(Fp.mul(Fp.sqr(x), x), 5n))
  const y = (root & 1n) === encoded >> 255n ? root : PALLAS_BASE - root
  const shared = PlainPallas.fromAffine({ x, y }).multiplyUnsafe(ivk).toAffine()
  const bytes = numberToBytesLE(shared.x | ((shared.y & 1n) << 255n), 32)
  return nobleOpens(nobleHash(asciiToBytes('Zcash_OrchardKDF'), bytes, ephemeralKey), ciphertext)
}

const nobleHash = (personalization: Uint8Array, ...parts: Uint8Array[]): Uint8Array =>
  blake2b(concatBytes(...parts), { personalization, dkLen: 32 })

const nobleOpens = (key: Uint8Array, ciphertext: Uint8Array): boolean => {
  try {
    chacha20poly1305(key, new Uint8Array(12)).decrypt(ciphertext)
    return true
  } catch {
    return false
  }
}
