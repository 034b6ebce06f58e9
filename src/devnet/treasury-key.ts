import { secp256k1 } from '@noble/curves/secp256k1.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { utf8ToBytes } from '../../protocol/index.ts'

/** The key that a devnet's treasury belongs to: anybody can read here how it is made. */
export const treasuryKey = (profileName: string): { secretKey: Uint8Array; publicKey: Uint8Array } => {
  const secretKey = sha256(utf8ToBytes(`secnode ${profileName} treasury`))
  return { secretKey, publicKey: secp256k1.getPublicKey(secretKey) }
}
