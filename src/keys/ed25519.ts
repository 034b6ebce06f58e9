import {
  createPrivateKey,
  createPublicKey,
  sign as nativeSign,
  verify as nativeVerify,
  type KeyObject,
} from 'node:crypto'
import { LRUCache } from 'lru-cache'
import {
  concatBytes,
  hexToBytes,
  isAcceptablePublicKey,
  isIdentityEncoding,
  type Sign,
  type VerifyEd25519,
} from '../../protocol/index.ts'

/**
 * Ed25519 under R-SIG-2 at OpenSSL's speed. OpenSSL is cofactorless and checks S < L; what it leaves open, or decided
 * otherwise in earlier versions, is checked here first: the key once, R every time.
 */
export interface Ed25519Verifier {
  /** On the calling thread. */
  verify: VerifyEd25519
  /** On the thread pool: twice the rate on two cores, and the loop stays free. */
  verifyAsync(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): Promise<boolean>
  /** Keys in the cache, acceptable or not. */
  cachedKeys(): number
}

/**
 * `maxKeys`: the judged and imported keys that are kept (about 1 kB each), the least recently used going first. The
 * judgement costs 1.3 ms and the import 30 µs, so this should not be smaller than the number of seats.
 * `areRegistered`: all keys come from snapshots, so they were judged when they were announced (R-SIG-2).
 */
export const createEd25519Verifier = ({
  maxKeys,
  areRegistered = false,
}: {
  maxKeys: number
  areRegistered?: boolean
}): Ed25519Verifier => {
  // By size, not by number: room for all of `maxKeys` would be taken at once.
  const keysByBytes = new LRUCache<string, { key: KeyObject | null }>({
    maxSize: maxKeys,
    sizeCalculation: () => 1,
  })

  /** Null for a key that R-SIG-2 refuses. */
  const keyOf = (publicKey: Uint8Array): KeyObject | null => {
    const name = Buffer.from(publicKey.buffer, publicKey.byteOffset, publicKey.length).toString('latin1')
    const cached = keysByBytes.get(name)
    if (cached !== undefined) return cached.key
    const key = judgedKey(publicKey, areRegistered)
    keysByBytes.set(name, { key })
    return key
  }

  const keyFor = (publicKey: Uint8Array, signature: Uint8Array): KeyObject | null =>
    publicKey.length !== 32 || signature.length !== 64 || isIdentityEncoding(signature.subarray(0, 32))
      ? null
      : keyOf(publicKey)

  return {
    verify: (publicKey, message, signature) => {
      const key = keyFor(publicKey, signature)
      return key !== null && nativeVerify(null, message, key, signature)
    },
    verifyAsync: (publicKey, message, signature) =>
      new Promise((resolve, reject) => {
        const key = keyFor(publicKey, signature)
        if (key === null) {
          resolve(false)
          return
        }
        nativeVerify(null, message, key, signature, (error, isValid) => {
          if (error === null) resolve(isValid)
          else reject(error)
        })
      }),
    cachedKeys: () => keysByBytes.size,
  }
}

/** The signing key of a 32-byte seed (RFC 8032, 5.1.5), with its public key. */
export const ed25519FromSeed = (seed: Uint8Array): { publicKey: Uint8Array; sign: Sign } => {
  const privateKey = createPrivateKey({
    key: Buffer.from(concatBytes(pkcs8Head, seed)),
    format: 'der',
    type: 'pkcs8',
  })
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
  return {
    publicKey: new Uint8Array(spki.subarray(spkiHead.length)),
    sign: (message) => new Uint8Array(nativeSign(null, message, privateKey)),
  }
}

const judgedKey = (publicKey: Uint8Array, isRegistered: boolean): KeyObject | null =>
  isRegistered || isAcceptablePublicKey(publicKey)
    ? createPublicKey({ key: Buffer.from(concatBytes(spkiHead, publicKey)), format: 'der', type: 'spki' })
    : null

// DER around the 32 bytes of an Ed25519 key: RFC 8410, sections 4 and 7.
const spkiHead = hexToBytes('302a300506032b6570032100')
const pkcs8Head = hexToBytes('302e020100300506032b657004220420')
