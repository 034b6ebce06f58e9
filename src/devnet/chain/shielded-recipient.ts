import {
  type OrchardAddress,
  parseSaplingAddress,
  parseSproutAddress,
  parseUnified,
  type SaplingAddress,
  type SproutAddress,
  TYPECODE,
  unifiedItem,
} from '../../chain/notes/index.ts'
import { orchardAddressFromBytes } from '../../chain/notes/orchard-keys.ts'
import { saplingAddressFromBytes } from '../../chain/notes/sapling-keys.ts'
import { type ChainParameters, isUpgradeActive } from './parameters.ts'

/** Where a shielded payment goes. */
export type ShieldedRecipient =
  | { pool: 'sprout'; address: SproutAddress }
  | { pool: 'sapling'; address: SaplingAddress }
  | { pool: 'orchard' | 'ironwood'; address: OrchardAddress }

/**
 * The recipient that an address names on this chain for a block at `height`, or null when it is no shielded address
 * of it. A unified address gets the newest pool that it has a receiver for; since NU6.3 Orchard keys are paid in
 * Ironwood, because an Orchard note can no longer be sent to somebody else.
 */
export const parseShieldedRecipient = (
  text: string,
  parameters: ChainParameters,
  height: number,
): ShieldedRecipient | null => {
  const { family, network } = parameters
  const sprout = parseSproutAddress(text)
  if (sprout !== null) {
    // Test and regtest write Sprout addresses alike.
    const isOfThisNetwork = (sprout.network === 'main') === (network === 'main')
    return isOfThisNetwork ? { pool: 'sprout', address: sprout.address } : null
  }
  if (family === 'zen') return null
  const sapling = parseSaplingAddress(text)
  if (sapling !== null) {
    return sapling.network === network ? { pool: 'sapling', address: sapling.address } : null
  }
  const unified = parseUnified(text)
  if (unified === null || unified.kind !== 'address' || unified.network !== network) return null
  const orchardBytes = unifiedItem(unified, TYPECODE.orchard)
  const orchard = orchardBytes === null ? null : orchardAddressFromBytes(orchardBytes)
  if (orchard !== null && isUpgradeActive(parameters, 'NU5', height)) {
    const pool = isUpgradeActive(parameters, 'NU6.3', height) ? 'ironwood' : 'orchard'
    return { pool, address: orchard }
  }
  const saplingBytes = unifiedItem(unified, TYPECODE.sapling)
  const receiver = saplingBytes === null ? null : saplingAddressFromBytes(saplingBytes)
  return receiver === null ? null : { pool: 'sapling', address: receiver }
}
