import { secp256k1 } from '@noble/curves/secp256k1.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { bech32m, createBase58check } from '@scure/base'
import { type ChainName, chains, concatBytes } from '../../protocol/index.ts'
import { SecnodeError } from '../errors.ts'
import { type BlockReference, classifyScript, p2pkhScript, p2shScript } from './formats/script.ts'

/** A transparent address. */
export interface TransparentAddress {
  kind: 'p2pkh' | 'p2sh'
  hash160: Uint8Array
  /** The chains that take this spelling: test and regtest write alike, and ZEN takes Zcash's prefixes too. */
  chains: readonly ChainName[]
}

/** A private key as wallets export it (WIF). */
export interface WalletKey {
  secretKey: Uint8Array
  /** True if the key's address is that of the compressed public key (33 bytes). */
  isCompressed: boolean
  chains: readonly ChainName[]
}

interface AddressParameters {
  /** Two bytes each; the first is the one that is written today. (chainparams of zcashd and zend) */
  p2sh: readonly (readonly [number, number])[]
  wif: number
  /** Human-readable part of addresses that take transparent funds only (ZIP 320). */
  tex?: string
}

/** The prefixes of P2PKH are the protocol's, because stakes are named by such addresses. */
const parameters: Record<ChainName, AddressParameters> = {
  'zcash-main': { p2sh: [[0x1c, 0xbd]], wif: 0x80, tex: 'tex' },
  'zcash-test': { p2sh: [[0x1c, 0xba]], wif: 0xef, tex: 'textest' },
  'zcash-regtest': { p2sh: [[0x1c, 0xba]], wif: 0xef, tex: 'texregtest' },
  'zen-main': {
    p2sh: [
      [0x20, 0x96],
      [0x1c, 0xbd],
    ],
    wif: 0x80,
  },
  'zen-test': {
    p2sh: [
      [0x20, 0x92],
      [0x1c, 0xba],
    ],
    wif: 0xef,
  },
  'zen-regtest': {
    p2sh: [
      [0x20, 0x92],
      [0x1c, 0xba],
    ],
    wif: 0xef,
  },
}

const chainNames = Object.keys(parameters) as ChainName[]
const base58check = createBase58check(sha256)
/** Longer than every address and key here: Base58 takes quadratic time. */
const maxCharacters = 100

/**
 * Reads P2PKH and P2SH addresses of every chain, and TEX addresses (ZIP 320), which are P2PKH to the chain. Errors:
 * `CHAIN_ADDRESS_INVALID`.
 */
export const decodeAddress = (text: string): TransparentAddress => {
  const address = decodeBase58Address(text) ?? decodeTexAddress(text)
  if (address === null) {
    throw new SecnodeError('CHAIN_ADDRESS_INVALID', 'this is no transparent address of the Zcash family', {
      hint: 'It takes t1…, t3…, tm…, t2… (Zcash) and zn…, zs…, zt…, zr… (ZEN); check for a typing error.',
    })
  }
  return address
}

/** As `decodeAddress`, for one chain. Errors: `CHAIN_ADDRESS_INVALID`, `CHAIN_ADDRESS_OTHER_CHAIN`. */
export const decodeAddressOf = (chain: ChainName, text: string): TransparentAddress => {
  const address = decodeAddress(text)
  if (!address.chains.includes(chain)) {
    throw new SecnodeError(
      'CHAIN_ADDRESS_OTHER_CHAIN',
      `this address is of ${address.chains.join(', ')}, not ${chain}`,
    )
  }
  return address
}

/** The chain's present spelling. `hash160` has 20 bytes. */
export const encodeAddress = (
  chain: ChainName,
  { kind, hash160 }: Pick<TransparentAddress, 'kind' | 'hash160'>,
): string => {
  if (hash160.length !== 20) {
    throw new SecnodeError('CHAIN_ADDRESS_INVALID', `a hash of ${hash160.length} bytes instead of 20`)
  }
  return base58check.encode(concatBytes(Uint8Array.from(prefixesOf(chain, kind)[0]!), hash160))
}

/** The address that an output pays to, null if its script is neither P2PKH nor P2SH. */
export const addressOfScript = (chain: ChainName, script: Uint8Array): string | null => {
  const classified = classifyScript(script, chains[chain].family)
  return classified.kind === 'p2pkh' || classified.kind === 'p2sh' ? encodeAddress(chain, classified) : null
}

/** The script that pays to an address. `reference` is ZEN's replay protection; Zcash has none. */
export const scriptOfAddress = (
  { kind, hash160 }: Pick<TransparentAddress, 'kind' | 'hash160'>,
  reference: BlockReference | null = null,
): Uint8Array => (kind === 'p2pkh' ? p2pkhScript(hash160, reference) : p2shScript(hash160, reference))

/** Reads a private key in wallet import format. Errors: `CHAIN_KEY_INVALID`; the text is never repeated in them. */
export const decodeWif = (text: string): WalletKey => {
  const bytes = decodeBase58(text)
  const isCompressed = bytes?.length === 34 && bytes[33] === 1
  const secretKey = bytes?.slice(1, 33)
  const known = chainNames.filter((chain) => parameters[chain].wif === bytes?.[0])
  if (
    secretKey === undefined ||
    known.length === 0 ||
    (bytes?.length !== 33 && !isCompressed) ||
    !secp256k1.utils.isValidSecretKey(secretKey)
  ) {
    throw new SecnodeError('CHAIN_KEY_INVALID', 'this is no private key in wallet import format', {
      hint: 'It takes what `dumpprivkey` prints.',
    })
  }
  return { secretKey, isCompressed, chains: known }
}

export const encodeWif = (
  chain: ChainName,
  { secretKey, isCompressed }: Omit<WalletKey, 'chains'>,
): string => {
  if (!secp256k1.utils.isValidSecretKey(secretKey)) {
    throw new SecnodeError('CHAIN_KEY_INVALID', 'this is no private key of secp256k1')
  }
  const suffix = isCompressed ? Uint8Array.of(1) : new Uint8Array()
  return base58check.encode(concatBytes(Uint8Array.of(parameters[chain].wif), secretKey, suffix))
}

const prefixesOf = (
  chain: ChainName,
  kind: TransparentAddress['kind'],
): readonly (readonly [number, number])[] => (kind === 'p2pkh' ? chains[chain].p2pkh : parameters[chain].p2sh)

const decodeBase58 = (text: string): Uint8Array | null => {
  if (text.length > maxCharacters) return null
  try {
    return base58check.decode(text)
  } catch {
    return null
  }
}

const decodeBase58Address = (text: string): TransparentAddress | null => {
  const bytes = decodeBase58(text)
  if (bytes?.length !== 22) return null
  for (const kind of ['p2pkh', 'p2sh'] as const) {
    const known = chainNames.filter((chain) =>
      prefixesOf(chain, kind).some(([first, second]) => first === bytes[0] && second === bytes[1]),
    )
    if (known.length > 0) return { kind, hash160: bytes.slice(2), chains: known }
  }
  return null
}

const decodeTexAddress = (text: string): TransparentAddress | null => {
  if (text.length > maxCharacters) return null
  try {
    const { prefix, bytes } = bech32m.decodeToBytes(text)
    const known = chainNames.filter((chain) => parameters[chain].tex === prefix)
    return bytes.length === 20 && known.length > 0 ? { kind: 'p2pkh', hash160: bytes, chains: known } : null
  } catch {
    return null
  }
}
