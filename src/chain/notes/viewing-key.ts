import { concatBytes, hexToBytes } from '@noble/curves/utils.js'
import { SecnodeError } from '../../errors.ts'
import type { NoteNetwork } from './network.ts'
import { orchardIvkScalar } from './orchard-keys.ts'
import { parseSaplingViewingKey, saplingIvkScalar } from './sapling-keys.ts'
import {
  parseSproutSpendingKey,
  parseSproutViewingKey,
  type SproutViewingKey,
  sproutViewingKeyFromBytes,
} from './sprout-keys.ts'
import { encodeUnified, parseUnified, TYPECODE, unifiedItem } from './zip316.ts'

/** The incoming viewing keys of one announcement address, by pool. */
export interface ViewingKeys {
  sprout?: SproutViewingKey
  /** 32 bytes. */
  sapling?: Uint8Array
  /** 32 bytes; serves Orchard and Ironwood. */
  orchard?: Uint8Array
}

export interface ParsedViewingKey extends ViewingKeys {
  /** Null for raw hex and zend's mainnet form, which name none. Sprout's `test` stands for `regtest` too. */
  network: NoteNetwork | null
}

/**
 * Reads an incoming viewing key in any form that a network may publish: `ZiVK…`/`ZiVt…` (Sprout, ZEN), `zivks…`,
 * `zivktestsapling…`, `zivkregtestsapling…`, `uivk…` and `uvi…` (ZIP 316, revisions 0 and 2), 64 bytes of hex
 * (Sprout: a_pk || sk_enc), or 32 bytes of hex with `pool` given.
 * Throws SecnodeError CHAIN_BAD_VIEWING_KEY, with a hint when the text is another kind of key.
 */
export const parseViewingKey = (text: string, pool?: 'sapling' | 'orchard'): ParsedViewingKey => {
  const trimmed = text.trim()
  if (/^(?:[0-9a-f]{2})+$/i.test(trimmed)) return parseHex(hexToBytes(trimmed), pool)
  const sprout = parseSproutViewingKey(trimmed)
  if (sprout !== null) return { network: sprout.network, sprout: sprout.viewingKey }
  const sapling = parseSaplingViewingKey(trimmed)
  if (sapling !== null) return { network: sapling.network, sapling: sapling.ivk }
  const unified = parseUnified(trimmed)
  if (unified?.kind === 'incomingViewingKey') {
    const keys = {
      ...usable('sapling', ivkOf(unifiedItem(unified, TYPECODE.sapling)), saplingIvkScalar),
      ...usable('orchard', ivkOf(unifiedItem(unified, TYPECODE.orchard)), orchardIvkScalar),
    }
    if (keys.sapling === undefined && keys.orchard === undefined) {
      throw badKey(
        'The unified viewing key holds no Sapling or Orchard key',
        'Memos travel in shielded notes only.',
      )
    }
    return { network: unified.network, ...keys }
  }
  throw badKey('This is not an incoming viewing key', hintFor(trimmed))
}

/**
 * `uivk…` of the Sapling and Orchard keys of one address. `dk` are the diversifier keys that ZIP 316 puts beside
 * them; whoever only decrypts needs none.
 */
export const encodeUnifiedViewingKey = (
  keys: {
    sapling?: { dk: Uint8Array; ivk: Uint8Array }
    orchard?: { dk: Uint8Array; ivk: Uint8Array }
  },
  network: NoteNetwork,
): string => {
  const items = [
    { typecode: TYPECODE.sapling, key: keys.sapling },
    { typecode: TYPECODE.orchard, key: keys.orchard },
  ].flatMap(({ typecode, key }) =>
    key === undefined ? [] : [{ typecode, data: concatBytes(key.dk, key.ivk) }],
  )
  return encodeUnified({ kind: 'incomingViewingKey', network, revision: 0, items })
}

const parseHex = (bytes: Uint8Array, pool: 'sapling' | 'orchard' | undefined): ParsedViewingKey => {
  if (bytes.length === 64) return { network: null, sprout: sproutViewingKeyFromBytes(bytes) }
  if (bytes.length !== 32) {
    throw badKey(
      `A viewing key in hex has 32 or 64 bytes, not ${bytes.length}`,
      '64 bytes are a Sprout key (a_pk and sk_enc), 32 a Sapling or Orchard key.',
    )
  }
  if (pool === undefined) {
    throw badKey('32 bytes of hex do not say which pool they are for', 'Name the pool: sapling or orchard.')
  }
  const keys =
    pool === 'sapling'
      ? usable('sapling', bytes, saplingIvkScalar)
      : usable('orchard', bytes, orchardIvkScalar)
  return { network: null, ...keys }
}

/** dk is the first half of a unified item. */
const ivkOf = (item: Uint8Array | null): Uint8Array | null => item?.slice(32) ?? null

const usable = <Pool extends 'sapling' | 'orchard'>(
  pool: Pool,
  ivk: Uint8Array | null,
  scalarOf: (ivk: Uint8Array) => bigint | null,
): { [key in Pool]?: Uint8Array } => {
  if (ivk === null) return {}
  if (scalarOf(ivk) === null) throw badKey(`The ${pool} key is zero or out of range`, 'Copy the key again.')
  return { [pool]: ivk } as { [key in Pool]?: Uint8Array }
}

const badKey = (message: string, hint: string): SecnodeError =>
  new SecnodeError('CHAIN_BAD_VIEWING_KEY', message, { hint, exitCode: 2 })

const hintFor = (text: string): string => {
  if (parseSproutSpendingKey(text) !== null || text.startsWith('secret-')) {
    return 'This is a spending key: never show it to anybody. Take the incoming viewing key.'
  }
  if (parseUnified(text)?.kind === 'fullViewingKey' || text.startsWith('zxview')) {
    return 'This is a full viewing key, which also shows what the address sends. Take the incoming one (uivk…, zivks…).'
  }
  if (parseUnified(text)?.kind === 'address')
    return 'This is an address. Take its incoming viewing key (uivk…).'
  return 'It takes ZiVK… or ZiVt…, zivks…, uivk… or uvi…, or hex; check that the text is complete.'
}
