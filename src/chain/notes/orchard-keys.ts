import { asciiToBytes, bytesToNumberLE, numberToBytesLE } from '@noble/curves/utils.js'
import { diversifierAt } from './diversifier.ts'
import { prfExpand, reduceTo } from './note-cipher.ts'
import {
  extractX,
  multiplyPallas,
  pallasBaseFromBytes,
  pallasFromBytes,
  pallasGroupHash,
  type PallasPoint,
  pallasToBytes,
} from './pallas.ts'
import { PALLAS_BASE, PALLAS_ORDER } from './pallas-curve.ts'
import { sinsemillaShortCommit } from './sinsemilla.ts'

/** Keys and addresses of Orchard, which Ironwood shares: Zcash protocol specification 4.2.3, 5.6.4. */

export interface OrchardAddress {
  /** d, 11 bytes. */
  diversifier: Uint8Array
  /** pk_d, 32 bytes. */
  transmissionKey: Uint8Array
}

export interface OrchardFullViewingKey {
  ak: Uint8Array
  nk: Uint8Array
  rivk: Uint8Array
}

/** What a full viewing key gives for one scope, all 32 bytes. */
export interface OrchardViewingKeys {
  /** Decrypts what is paid to every address; public for an announcement address. */
  ivk: Uint8Array
  /** Decrypts what was sent. */
  ovk: Uint8Array
  /** Turns an index into a diversifier. */
  dk: Uint8Array
}

export interface OrchardKeys extends OrchardFullViewingKey, OrchardViewingKeys {
  spendingKey: Uint8Array
  ask: Uint8Array
  /** The address at index 0. */
  defaultAddress: OrchardAddress
}

/** Every key that follows from a 32-byte spending key. One in about 2^254 is no valid key: then it throws. */
export const deriveOrchardKeys = (spendingKey: Uint8Array): OrchardKeys => {
  const secret = reduceTo(PALLAS_ORDER, prfExpand(spendingKey, 0x06))
  if (secret === 0n) throw new RangeError('not an Orchard spending key')
  const point = multiplyPallas(pallasGroupHash('z.cash:Orchard', asciiToBytes('G')), secret)
  const odd = (point.toAffine().y & 1n) === 1n
  const full = {
    ak: numberToBytesLE(extractX(point), 32),
    nk: numberToBytesLE(reduceTo(PALLAS_BASE, prfExpand(spendingKey, 0x07)), 32),
    rivk: numberToBytesLE(reduceTo(PALLAS_ORDER, prfExpand(spendingKey, 0x08)), 32),
  }
  const viewing = orchardViewingKeys(full)
  if (viewing === null) throw new RangeError('not an Orchard spending key')
  const defaultAddress = orchardAddressAt(viewing.dk, viewing.ivk, 0n)
  if (defaultAddress === null) throw new Error('a derived incoming viewing key has an address at every index')
  return {
    spendingKey,
    ask: numberToBytesLE(odd ? PALLAS_ORDER - secret : secret, 32),
    ...full,
    ...viewing,
    defaultAddress,
  }
}

/** Incoming and outgoing viewing key and diversifier key of the external scope, or null for a bad key. */
export const orchardViewingKeys = ({ ak, nk, rivk }: OrchardFullViewingKey): OrchardViewingKeys | null => {
  const x = pallasBaseFromBytes(ak)
  const nullifierKey = pallasBaseFromBytes(nk)
  const trapdoor = bytesToNumberLE(rivk)
  if (x === null || nullifierKey === null || rivk.length !== 32 || trapdoor >= PALLAS_ORDER) return null
  const message = { value: x | (nullifierKey << 255n), bits: 510 }
  const ivk = sinsemillaShortCommit('z.cash:Orchard-CommitIvk', message, trapdoor)
  if (ivk === 0n) return null
  const expanded = prfExpand(rivk, 0x82, ak, nk)
  return { ivk: numberToBytesLE(ivk, 32), dk: expanded.slice(0, 32), ovk: expanded.slice(32) }
}

/** The full viewing key of the internal scope, for change (ZIP 316). */
export const orchardInternalKey = ({ ak, nk, rivk }: OrchardFullViewingKey): OrchardFullViewingKey => ({
  ak,
  nk,
  rivk: numberToBytesLE(reduceTo(PALLAS_ORDER, prfExpand(rivk, 0x83, ak, nk)), 32),
})

/** The scalar of an incoming viewing key, or null when it is not 32 bytes of a number in [1, q_P). */
export const orchardIvkScalar = (ivk: Uint8Array): bigint | null => {
  const scalar = pallasBaseFromBytes(ivk)
  return scalar === 0n ? null : scalar
}

/** The address of an incoming viewing key at a diversifier (11 bytes); null for a bad key. */
export const orchardAddress = (ivk: Uint8Array, diversifier: Uint8Array): OrchardAddress | null => {
  const scalar = orchardIvkScalar(ivk)
  if (scalar === null || diversifier.length !== 11) return null
  const key = multiplyPallas(diversifyHashOrchard(diversifier), scalar)
  return { diversifier, transmissionKey: pallasToBytes(key) }
}

/** The address of (dk, ivk) at an index below 2^88; null for a bad key. Every index has one. */
export const orchardAddressAt = (dk: Uint8Array, ivk: Uint8Array, index: bigint): OrchardAddress | null =>
  orchardAddress(ivk, diversifierAt(dk, index))

/** An address from its 43 raw bytes (11 + 32), or null. */
export const orchardAddressFromBytes = (bytes: Uint8Array): OrchardAddress | null => {
  if (bytes.length !== 43) return null
  const transmissionKey = bytes.slice(11)
  return pallasFromBytes(transmissionKey) === null
    ? null
    : { diversifier: bytes.slice(0, 11), transmissionKey }
}

/** DiversifyHash^Orchard: the base g_d of a diversifier (11 bytes). */
export const diversifyHashOrchard = (diversifier: Uint8Array): PallasPoint => {
  const base = pallasGroupHash('z.cash:Orchard-gd', diversifier)
  return base.is0() ? pallasGroupHash('z.cash:Orchard-gd', new Uint8Array()) : base
}
