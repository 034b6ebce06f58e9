import { asciiToBytes, concatBytes, equalBytes } from '@noble/curves/utils.js'
import { bech32m } from '@scure/base'
import { F4_JUMBLE_MIN_BYTES, f4Jumble, f4JumbleInverse } from './f4-jumble.ts'
import type { NoteNetwork } from './network.ts'

/** Unified addresses and viewing keys, revisions 0 and 2: ZIP 316. */

export type UnifiedKind = 'address' | 'incomingViewingKey' | 'fullViewingKey'

export interface UnifiedItem {
  typecode: number
  data: Uint8Array
}

export interface Unified {
  kind: UnifiedKind
  network: NoteNetwork
  revision: 0 | 2
  /** In ascending order of typecode, each once; unknown ones are kept. */
  items: readonly UnifiedItem[]
}

export const TYPECODE = {
  p2pkh: 0x00,
  p2sh: 0x01,
  sapling: 0x02,
  /** Ironwood has no typecode of its own: it shares Orchard's keys and addresses. */
  orchard: 0x03,
  expiryHeight: 0xe0,
  expiryTime: 0xe1,
} as const

/** Bounds the work on hostile text: real encodings are below 1,000 characters. */
const UNIFIED_MAX_CHARACTERS = 16_384

/** Null for a text that is no unified encoding, or breaks a rule of ZIP 316. */
export const parseUnified = (text: string): Unified | null => {
  if (text.length > UNIFIED_MAX_CHARACTERS) return null
  const decoded = bech32m.decodeUnsafe(text, false)
  if (decoded === undefined) return null
  const form = FORMS.find(({ prefix }) => prefix === decoded.prefix)
  const jumbled = bech32m.fromWordsUnsafe(decoded.words)
  if (form === undefined || !(jumbled instanceof Uint8Array) || jumbled.length < F4_JUMBLE_MIN_BYTES)
    return null
  const bytes = f4JumbleInverse(jumbled)
  const end = bytes.length - PADDING_BYTES
  if (!equalBytes(bytes.subarray(end), padding(form.prefix))) return null
  const items = parseItems(bytes.subarray(0, end))
  if (items === null) return null
  const { kind, network, revision } = form
  const unified = { kind, network, revision, items }
  return isValid(unified) && prefixOf(unified) === form.prefix ? unified : null
}

/** The text of a unified encoding; items in any order. Throws when they break a rule of ZIP 316. */
export const encodeUnified = (unified: Unified): string => {
  const items = unified.items.toSorted((a, b) => a.typecode - b.typecode)
  const ordered = { ...unified, items }
  if (!isValid(ordered)) throw new RangeError('these items make no unified encoding of ZIP 316')
  const prefix = prefixOf(ordered)
  const encoded = items.map(({ typecode, data }) =>
    concatBytes(compactSize(typecode), compactSize(data.length), data),
  )
  return bech32m.encode(prefix, bech32m.toWords(f4Jumble(concatBytes(...encoded, padding(prefix)))), false)
}

/** The bytes of the item with a typecode, or null. */
export const unifiedItem = (unified: Unified, typecode: number): Uint8Array | null =>
  unified.items.find((item) => item.typecode === typecode)?.data ?? null

interface Form {
  prefix: string
  kind: UnifiedKind
  network: NoteNetwork
  revision: 0 | 2
  /** Revision 2 tells addresses with a transparent receiver (`tu`) from those without (`zu`). */
  transparent?: boolean
}

const FORMS: readonly Form[] = (
  [
    { prefix: 'u', kind: 'address', revision: 0 },
    { prefix: 'uivk', kind: 'incomingViewingKey', revision: 0 },
    { prefix: 'uview', kind: 'fullViewingKey', revision: 0 },
    { prefix: 'zu', kind: 'address', revision: 2, transparent: false },
    { prefix: 'tu', kind: 'address', revision: 2, transparent: true },
    { prefix: 'uvi', kind: 'incomingViewingKey', revision: 2 },
    { prefix: 'uvf', kind: 'fullViewingKey', revision: 2 },
  ] as const
).flatMap((form) => [
  { ...form, network: 'main' as const },
  { ...form, network: 'test' as const, prefix: `${form.prefix}test` },
  { ...form, network: 'regtest' as const, prefix: `${form.prefix}regtest` },
])

const prefixOf = ({ kind, network, revision, items }: Unified): string => {
  const transparent = items.some(({ typecode }) => isTransparent(typecode))
  const form = FORMS.find(
    (form) =>
      form.kind === kind &&
      form.network === network &&
      form.revision === revision &&
      (form.transparent === undefined || form.transparent === transparent),
  )
  if (form === undefined) throw new RangeError('no such unified encoding')
  return form.prefix
}

const LENGTHS: Record<UnifiedKind, Readonly<Record<number, number>>> = {
  address: { [TYPECODE.p2pkh]: 20, [TYPECODE.p2sh]: 20, [TYPECODE.sapling]: 43, [TYPECODE.orchard]: 43 },
  // Chain code and public key; dk and ivk; dk and ivk.
  incomingViewingKey: { [TYPECODE.p2pkh]: 65, [TYPECODE.sapling]: 64, [TYPECODE.orchard]: 64 },
  // Chain code and public key; ak, nk, ovk, dk; ak, nk, rivk.
  fullViewingKey: { [TYPECODE.p2pkh]: 65, [TYPECODE.sapling]: 128, [TYPECODE.orchard]: 96 },
}

const METADATA_LENGTHS: Readonly<Record<number, number>> = {
  [TYPECODE.expiryHeight]: 4,
  [TYPECODE.expiryTime]: 8,
}

const isTransparent = (typecode: number): boolean => typecode === TYPECODE.p2pkh || typecode === TYPECODE.p2sh

const isMetadata = (typecode: number): boolean => typecode >= 0xc0 && typecode <= 0xfc

/** Metadata that a reader must refuse unless it knows it: revision 2 only. */
const mustBeUnderstood = (typecode: number): boolean => typecode >= 0xe0 && typecode <= 0xfc

const isValid = ({ kind, revision, items }: Unified): boolean => {
  for (const [i, { typecode, data }] of items.entries()) {
    const previous = items[i - 1]
    if (previous !== undefined && previous.typecode >= typecode) return false
    const length = METADATA_LENGTHS[typecode] ?? LENGTHS[kind][typecode]
    if (length !== undefined && data.length !== length) return false
    if (mustBeUnderstood(typecode) && (revision === 0 || !(typecode in METADATA_LENGTHS))) return false
  }
  const has = (test: (typecode: number) => boolean): boolean => items.some(({ typecode }) => test(typecode))
  if (has((typecode) => typecode === TYPECODE.p2pkh) && has((typecode) => typecode === TYPECODE.p2sh)) {
    return false
  }
  // Revision 0: not only transparent items. Revision 2: not only metadata.
  return has((typecode) => !isMetadata(typecode) && (revision === 2 || !isTransparent(typecode)))
}

const PADDING_BYTES = 16

const padding = (prefix: string): Uint8Array => {
  const bytes = new Uint8Array(PADDING_BYTES)
  bytes.set(asciiToBytes(prefix))
  return bytes
}

/** ZIP 316 bounds typecodes and lengths as Bitcoin's CompactSize does. */
const MAX_COMPACT_SIZE = 0x02000000

const compactSize = (value: number): Uint8Array => {
  if (value < 0xfd) return Uint8Array.of(value)
  if (value <= 0xffff) return Uint8Array.of(0xfd, value & 0xff, value >> 8)
  const bytes = new Uint8Array(5)
  bytes[0] = 0xfe
  new DataView(bytes.buffer).setUint32(1, value, true)
  return bytes
}

const parseItems = (bytes: Uint8Array): UnifiedItem[] | null => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let at = 0
  const readCompactSize = (): number | null => {
    const first = bytes[at]
    if (first === undefined) return null
    const length = first < 0xfd ? 1 : first === 0xfd ? 3 : first === 0xfe ? 5 : null
    if (length === null || at + length > bytes.length) return null
    const value =
      length === 1 ? first : length === 3 ? view.getUint16(at + 1, true) : view.getUint32(at + 1, true)
    at += length
    return value > MAX_COMPACT_SIZE || compactSize(value).length !== length ? null : value
  }
  const items: UnifiedItem[] = []
  while (at < bytes.length) {
    const typecode = readCompactSize()
    const length = readCompactSize()
    if (typecode === null || length === null || at + length > bytes.length) return null
    items.push({ typecode, data: bytes.slice(at, at + length) })
    at += length
  }
  return items
}
