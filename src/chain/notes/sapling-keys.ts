import { asciiToBytes, bytesToNumberLE, concatBytes, numberToBytesLE } from '@noble/curves/utils.js'
import { blake2s } from '@noble/hashes/blake2.js'
import { bech32 } from '@scure/base'
import { diversifierAt } from './diversifier.ts'
import {
  diversifyHashSapling,
  JUBJUB_ORDER,
  jubjubKeyFromBytes,
  multiplyJubjub,
  saplingGenerator,
} from './jubjub.ts'
import type { NoteNetwork } from './network.ts'
import { prfExpand, reduceTo } from './note-cipher.ts'

/** Keys and addresses of Sapling: Zcash protocol specification 4.2.2, 5.6.3, ZIP 32. */

export interface SaplingAddress {
  /** d, 11 bytes. */
  diversifier: Uint8Array
  /** pk_d, 32 bytes. */
  transmissionKey: Uint8Array
}

/** All 32 bytes, as the specification encodes them. */
export interface SaplingKeys {
  spendingKey: Uint8Array
  ask: Uint8Array
  nsk: Uint8Array
  ak: Uint8Array
  nk: Uint8Array
  /** Decrypts what is paid to every address of these keys; public for an announcement address. */
  ivk: Uint8Array
  /** Decrypts what these keys sent. */
  ovk: Uint8Array
  /** Turns an index into a diversifier (ZIP 32); part of a unified viewing key. */
  dk: Uint8Array
  /** The address that comes from the spending key alone (4.2.2), without an index. */
  defaultAddress: SaplingAddress
}

/** Every key that follows from a 32-byte spending key (any 32 random bytes). */
export const deriveSaplingKeys = (spendingKey: Uint8Array): SaplingKeys => {
  const ask = reduceTo(JUBJUB_ORDER, prfExpand(spendingKey, 0x00))
  const nsk = reduceTo(JUBJUB_ORDER, prfExpand(spendingKey, 0x01))
  const ak = multiplyJubjub(saplingGenerator('Zcash_G_', new Uint8Array()), ask).toBytes()
  const nk = multiplyJubjub(saplingGenerator('Zcash_H_', new Uint8Array()), nsk).toBytes()
  const ivk = saplingIncomingViewingKey(ak, nk)
  return {
    spendingKey,
    ask: numberToBytesLE(ask, 32),
    nsk: numberToBytesLE(nsk, 32),
    ak,
    nk,
    ivk,
    ovk: prfExpand(spendingKey, 0x02).slice(0, 32),
    dk: prfExpand(spendingKey, 0x10).slice(0, 32),
    defaultAddress: defaultAddressOf(spendingKey, ivk),
  }
}

/** CRH^ivk of a full viewing key: 251 bits of BLAKE2s. */
export const saplingIncomingViewingKey = (ak: Uint8Array, nk: Uint8Array): Uint8Array => {
  const ivk = blake2s(concatBytes(ak, nk), { personalization: asciiToBytes('Zcashivk'), dkLen: 32 })
  ivk[31]! &= 0x07
  return ivk
}

/** The scalar of an incoming viewing key, or null when it is not 32 bytes of a number in [1, 2^251). */
export const saplingIvkScalar = (ivk: Uint8Array): bigint | null => {
  if (ivk.length !== 32) return null
  const scalar = bytesToNumberLE(ivk)
  return scalar === 0n || scalar >> 251n !== 0n ? null : scalar
}

/** The address of an incoming viewing key at a diversifier; null for a diversifier without a base or a bad key. */
export const saplingAddress = (ivk: Uint8Array, diversifier: Uint8Array): SaplingAddress | null => {
  const scalar = saplingIvkScalar(ivk)
  if (scalar === null || diversifier.length !== 11) return null
  const base = diversifyHashSapling(diversifier)
  return base === null ? null : { diversifier, transmissionKey: multiplyJubjub(base, scalar).toBytes() }
}

/** The address of (dk, ivk) at an index below 2^88 (ZIP 32); null at the half of the indices that have none. */
export const saplingAddressAt = (dk: Uint8Array, ivk: Uint8Array, index: bigint): SaplingAddress | null =>
  saplingAddress(ivk, diversifierAt(dk, index))

const ADDRESS_PREFIXES: Record<NoteNetwork, string> = {
  main: 'zs',
  test: 'ztestsapling',
  regtest: 'zregtestsapling',
}

const VIEWING_KEY_PREFIXES: Record<NoteNetwork, string> = {
  main: 'zivks',
  test: 'zivktestsapling',
  regtest: 'zivkregtestsapling',
}

/** `zs1…`, `ztestsapling1…`, `zregtestsapling1…` */
export const encodeSaplingAddress = (address: SaplingAddress, network: NoteNetwork): string =>
  bech32.encode(
    ADDRESS_PREFIXES[network],
    bech32.toWords(concatBytes(address.diversifier, address.transmissionKey)),
    false,
  )

/** Null for a text that is no Sapling address, or whose diversifier or key is no point of the subgroup. */
export const parseSaplingAddress = (
  text: string,
): { network: NoteNetwork; address: SaplingAddress } | null => {
  const decoded = decodeBech32(text, ADDRESS_PREFIXES, 43)
  if (decoded === null) return null
  const address = saplingAddressFromBytes(decoded.bytes)
  return address === null ? null : { network: decoded.network, address }
}

/** `zivks1…`, `zivktestsapling1…`, `zivkregtestsapling1…` */
export const encodeSaplingViewingKey = (ivk: Uint8Array, network: NoteNetwork): string =>
  bech32.encode(VIEWING_KEY_PREFIXES[network], bech32.toWords(ivk), false)

/** Null for a text that is no Sapling incoming viewing key. */
export const parseSaplingViewingKey = (text: string): { network: NoteNetwork; ivk: Uint8Array } | null => {
  const decoded = decodeBech32(text, VIEWING_KEY_PREFIXES, 32)
  if (decoded === null || saplingIvkScalar(decoded.bytes) === null) return null
  return { network: decoded.network, ivk: decoded.bytes }
}

/** An address from its 43 raw bytes (11 + 32), or null. */
export const saplingAddressFromBytes = (bytes: Uint8Array): SaplingAddress | null => {
  if (bytes.length !== 43) return null
  const diversifier = bytes.slice(0, 11)
  const transmissionKey = bytes.slice(11)
  if (diversifyHashSapling(diversifier) === null) return null
  return jubjubKeyFromBytes(transmissionKey) === null ? null : { diversifier, transmissionKey }
}

const defaultAddressOf = (spendingKey: Uint8Array, ivk: Uint8Array): SaplingAddress => {
  for (let i = 0; i < 256; i++) {
    const address = saplingAddress(ivk, prfExpand(spendingKey, 0x03, Uint8Array.of(i)).slice(0, 11))
    if (address !== null) return address
  }
  // Each try fails with probability 1/2.
  throw new Error('no diversifier of this Sapling spending key has a base')
}

const decodeBech32 = (
  text: string,
  prefixes: Record<NoteNetwork, string>,
  length: number,
): { network: NoteNetwork; bytes: Uint8Array } | null => {
  const decoded = bech32.decodeUnsafe(text, false)
  if (decoded === undefined) return null
  const network = (['main', 'test', 'regtest'] as const).find((name) => prefixes[name] === decoded.prefix)
  const bytes = bech32.fromWordsUnsafe(decoded.words)
  return network === undefined || !(bytes instanceof Uint8Array) || bytes.length !== length
    ? null
    : { network, bytes }
}
