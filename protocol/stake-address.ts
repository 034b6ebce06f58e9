import { sha256 } from '@noble/hashes/sha2.js'
import { createBase58check } from '@scure/base'
import { concatBytes } from './bytes.ts'
import { type ChainName, chains } from './params.ts'

const base58check = createBase58check(sha256)

/** The hash160 (20 bytes) of a P2PKH address of this chain, old spellings included; null for anything else. */
export const stakeOfAddress = (chain: ChainName, address: string): Uint8Array | null => {
  if (address.length > 64) return null
  let bytes: Uint8Array
  try {
    bytes = base58check.decode(address)
  } catch {
    return null
  }
  if (bytes.length !== 22) return null
  const known = chains[chain].p2pkh.some(([first, second]) => bytes[0] === first && bytes[1] === second)
  return known ? bytes.slice(2) : null
}

/** The chain's present spelling of a stake's P2PKH address. */
export const addressOfStake = (chain: ChainName, stake: Uint8Array): string =>
  base58check.encode(concatBytes(Uint8Array.from(chains[chain].p2pkh[0]), stake))
