import { base58btc } from 'multiformats/bases/base58'
import { concatBytes } from './bytes.ts'
import { isAcceptablePublicKey } from './signed.ts'

// An Ed25519 peer id is the identity multihash (00, 24 hex bytes) of the protobuf key: type 1 (08 01), 32 bytes (12 20).
const head = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20)

/** The peer id, in base58btc, of a 32-byte Ed25519 public key. */
export const peerIdOfKey = (publicKey: Uint8Array): string =>
  base58btc.baseEncode(concatBytes(head, publicKey))

/** The Ed25519 public key of a peer id in base58btc; null if it is another kind, or a key that R-REG-6 refuses. */
export const keyOfPeerId = (peerId: string): Uint8Array | null => {
  if (peerId.length > 64) return null
  let bytes: Uint8Array
  try {
    bytes = base58btc.baseDecode(peerId)
  } catch {
    return null
  }
  if (bytes.length !== head.length + 32 || !head.every((byte, i) => bytes[i] === byte)) return null
  const key = bytes.slice(head.length)
  return isAcceptablePublicKey(key) && peerIdOfKey(key) === peerId ? key : null
}
