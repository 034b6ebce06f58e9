import { decodeAddressOf, decodeWif, encodeAddress, encodeWif } from '../../chain/address.ts'
import { isSecnodeError } from '../../errors.ts'
import type { ChainParameters } from './parameters.ts'
import { ownerKey, type ScriptOwner } from './script-owner.ts'

/** Transparent addresses and keys of one chain as text; null where a text is none of its own. */

export interface TransparentOwner {
  kind: 'p2pkh' | 'p2sh'
  hash160: Uint8Array
  owner: ScriptOwner
}

export const addressText = (
  { chainName }: ChainParameters,
  kind: 'p2pkh' | 'p2sh',
  hash160: Uint8Array,
): string => encodeAddress(chainName, { kind, hash160 })

export const parseAddressText = ({ chainName }: ChainParameters, text: string): TransparentOwner | null =>
  nullIfRefused(() => {
    const { kind, hash160 } = decodeAddressOf(chainName, text)
    return { kind, hash160, owner: ownerKey(kind, hash160) }
  })

export const secretKeyText = (
  { chainName }: ChainParameters,
  secretKey: Uint8Array,
  isCompressed: boolean,
): string => encodeWif(chainName, { secretKey, isCompressed })

export const parseSecretKeyText = (
  { chainName }: ChainParameters,
  text: string,
): { secretKey: Uint8Array; isCompressed: boolean } | null =>
  nullIfRefused(() => {
    const key = decodeWif(text)
    return key.chains.includes(chainName) ? key : null
  })

const nullIfRefused = <T>(read: () => T): T | null => {
  try {
    return read()
  } catch (error) {
    if (isSecnodeError(error)) return null
    throw error
  }
}
