import { concatBytes, equalBytes } from '@noble/curves/utils.js'
import type { NoteNetwork } from './network.ts'
import { type OrchardAddress, orchardAddress, orchardAddressFromBytes } from './orchard-keys.ts'
import {
  parseSaplingAddress,
  type SaplingAddress,
  saplingAddress,
  saplingAddressFromBytes,
} from './sapling-keys.ts'
import { parseSproutAddress, type SproutAddress, sproutAddress } from './sprout-keys.ts'
import type { ViewingKeys } from './viewing-key.ts'
import { encodeUnified, parseUnified, TYPECODE, unifiedItem } from './zip316.ts'

/** Where a note can be paid to, by pool; an Orchard address takes Ironwood notes too. */
export interface ShieldedAddresses {
  sprout?: SproutAddress
  sapling?: SaplingAddress
  orchard?: OrchardAddress
}

/**
 * Reads a shielded address: `zc…`/`zt…` (Sprout, where `test` stands for `regtest` too), `zs…`, `ztestsapling…`,
 * `zregtestsapling…`, or a unified one (ZIP 316). Null for another text, for a unified address without a shielded
 * receiver, and where a receiver's key is no point of its group.
 */
export const parseShieldedAddress = (text: string): (ShieldedAddresses & { network: NoteNetwork }) | null => {
  const sprout = parseSproutAddress(text)
  if (sprout !== null) return { network: sprout.network, sprout: sprout.address }
  const sapling = parseSaplingAddress(text)
  if (sapling !== null) return { network: sapling.network, sapling: sapling.address }
  const unified = parseUnified(text)
  if (unified?.kind !== 'address') return null
  const addresses: ShieldedAddresses = {}
  const saplingItem = unifiedItem(unified, TYPECODE.sapling)
  if (saplingItem !== null) {
    const address = saplingAddressFromBytes(saplingItem)
    if (address === null) return null
    addresses.sapling = address
  }
  const orchardItem = unifiedItem(unified, TYPECODE.orchard)
  if (orchardItem !== null) {
    const address = orchardAddressFromBytes(orchardItem)
    if (address === null) return null
    addresses.orchard = address
  }
  if (addresses.sapling === undefined && addresses.orchard === undefined) return null
  return { network: unified.network, ...addresses }
}

/**
 * True if `keys` read what is paid to the address, whichever of its shielded receivers a wallet chooses. Networks are
 * not compared.
 */
export const readsPaymentsTo = (text: string, keys: ViewingKeys): boolean => {
  const parsed = parseShieldedAddress(text)
  if (parsed === null) return false
  const { sprout, sapling, orchard } = parsed
  const readsSprout = (address: SproutAddress): boolean => {
    if (keys.sprout === undefined) return false
    const own = sproutAddress(keys.sprout)
    return (
      equalBytes(own.payingKey, address.payingKey) && equalBytes(own.transmissionKey, address.transmissionKey)
    )
  }
  const readsDiversified = (
    { diversifier, transmissionKey }: SaplingAddress | OrchardAddress,
    ivk: Uint8Array | undefined,
    addressOf: typeof saplingAddress | typeof orchardAddress,
  ): boolean => {
    const own = ivk === undefined ? null : addressOf(ivk, diversifier)
    return own !== null && equalBytes(own.transmissionKey, transmissionKey)
  }
  return (
    (sprout === undefined || readsSprout(sprout)) &&
    (sapling === undefined || readsDiversified(sapling, keys.sapling, saplingAddress)) &&
    (orchard === undefined || readsDiversified(orchard, keys.orchard, orchardAddress))
  )
}

/** `u1…`, `utest1…`, `uregtest1…` of a Sapling and an Orchard address, or of one of them. */
export const encodeUnifiedAddress = (
  { sapling, orchard }: Pick<ShieldedAddresses, 'sapling' | 'orchard'>,
  network: NoteNetwork,
): string => {
  const items = [
    { typecode: TYPECODE.sapling, address: sapling },
    { typecode: TYPECODE.orchard, address: orchard },
  ].flatMap(({ typecode, address }) =>
    address === undefined
      ? []
      : [{ typecode, data: concatBytes(address.diversifier, address.transmissionKey) }],
  )
  return encodeUnified({ kind: 'address', network, revision: 0, items })
}
