import { hash } from 'node:crypto'
import { blake2b } from '@noble/hashes/blake2.js'
import { utf8ToBytes } from '../../../protocol/index.ts'

export const doubleSha256 = (bytes: Uint8Array): Uint8Array =>
  new Uint8Array(hash('sha256', hash('sha256', bytes, 'buffer'), 'buffer'))

/** BLAKE2b-256 of the parts in a row, with a personalisation of 16 bytes, given as text where it is text. */
export const personalBlake2b256 = (
  personalization: string | Uint8Array,
  parts: readonly Uint8Array[] = [],
): Uint8Array => {
  const hasher = blake2b.create({
    dkLen: 32,
    personalization: typeof personalization === 'string' ? utf8ToBytes(personalization) : personalization,
  })
  for (const part of parts) hasher.update(part)
  return hasher.digest()
}
