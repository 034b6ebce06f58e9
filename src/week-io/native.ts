import { hash } from 'node:crypto'
import { Readable, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createEd25519Verifier } from '../keys/ed25519.ts'
import type { ByteSink, Sha256, WeekCrypto } from '../week/ports.ts'

export const sha256: Sha256 = (bytes) => hash('sha256', bytes, 'buffer')

/** Every key of the largest network there ever was. */
const maxKeys = 50_000

/** OpenSSL's, with a cache of keys of its own. */
export const nativeCrypto = (): WeekCrypto => ({
  sha256,
  verify: createEd25519Verifier({ maxKeys, areRegistered: true }).verify,
})

/** Writes into a stream of Node and ends it. */
export const sinkOf =
  (out: Writable): ByteSink =>
  (bytes, signal) =>
    pipeline(Readable.from(bytes), out, { signal })
