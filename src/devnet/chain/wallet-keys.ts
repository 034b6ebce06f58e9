import { hkdfSync } from 'node:crypto'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { hash160 } from '../../../protocol/index.ts'
import { p2pkhScript } from '../../chain/formats/script.ts'
import { ownerKey, type ScriptOwner } from './script-owner.ts'

export interface WalletKey {
  secretKey: Uint8Array
  /** 33 bytes, or 65 for an imported key that is used uncompressed. */
  publicKey: Uint8Array
  hash160: Uint8Array
  /** Of the P2PKH outputs that it can spend. */
  owner: ScriptOwner
}

/** Keys by the owner key of their P2PKH outputs. */
export interface KeyRing {
  find(owner: string): WalletKey | undefined
  all(): WalletKey[]
  add(secretKey: Uint8Array, isCompressed: boolean): WalletKey
}

/** The keys of the node's wallet: those that follow from its seed, in order, and imported ones. */
export interface WalletKeys extends KeyRing {
  /** The next key of the seed that was not handed out. */
  next(): WalletKey
  /** The script that a new chain's blocks pay to: the seed's first key. */
  miningScript(): Uint8Array
  /** Hands out every key up to the last one that `isUsed`; a wallet that was loaded again must not reuse keys. */
  catchUp(isUsed: (owner: ScriptOwner) => boolean): void
}

/** How many unused keys in a row end the search for used ones (BIP 44). */
const gapLimit = 20

export const createKeyRing = (): KeyRing => {
  const keys = new Map<string, WalletKey>()
  return {
    find: (owner) => keys.get(owner),
    all: () => [...keys.values()],
    add: (secretKey, isCompressed) => {
      const key = keyOf(secretKey, isCompressed)
      const known = keys.get(key.owner)
      if (known !== undefined) return known
      keys.set(key.owner, key)
      return key
    },
  }
}

export const createWalletKeys = (seed: Uint8Array): WalletKeys => {
  if (seed.length !== 32) throw new RangeError('a wallet seed is 32 bytes')
  const ring = createKeyRing()
  let handedOut = 0
  const next = (): WalletKey => ring.add(deriveSecret(seed, handedOut++), true)
  const miningKey = next()
  return {
    ...ring,
    next,
    miningScript: () => p2pkhScript(miningKey.hash160),
    catchUp: (isUsed) => {
      for (let unused = 0; unused < gapLimit; unused++) {
        const candidate = keyOf(deriveSecret(seed, handedOut + unused), true)
        if (!isUsed(candidate.owner)) continue
        while (unused >= 0) {
          next()
          unused--
        }
      }
    },
  }
}

const deriveSecret = (seed: Uint8Array, index: number): Uint8Array => {
  const info = `secnode embedded chain wallet key ${index}`
  // 48 bytes reduced below the order of the curve: the bias is 2^-128.
  const wide = new Uint8Array(hkdfSync('sha256', seed, new Uint8Array(), info, 48))
  return secp256k1.utils.randomSecretKey(wide)
}

const keyOf = (secretKey: Uint8Array, isCompressed: boolean): WalletKey => {
  const publicKey = secp256k1.getPublicKey(secretKey, isCompressed)
  const hash = hash160(publicKey)
  return { secretKey, publicKey, hash160: hash, owner: ownerKey('p2pkh', hash) }
}
