import { sha256 } from '@noble/hashes/sha2.js'
import { base64 } from '@scure/base'
import { CID } from 'multiformats/cid'
import {
  type CheckpointFrame,
  type Params,
  type Snapshot,
  verifyEd25519,
  type Week,
} from '../../protocol/index.ts'
import { createLocalThread, tallyBundle } from '../../src/week/index.ts'

/** A bundle, and what a chain says of its week: what a page that verifies it is given. */
export interface Given {
  bundle: Uint8Array
  anchored: CID
  frame: CheckpointFrame
  /** Of every epoch. */
  snapshot: Snapshot
  params: Params
  week: Week
  anchor: { height: number; hash: Uint8Array }
  fund: bigint
}

/** Verifies and tallies with what a browser has, and nothing injected but pure functions. */
export const tallyGiven = async (text: string): Promise<string> => {
  const { bundle, anchored, frame, snapshot, params, week, anchor, fund } = revive(text)
  async function* stream(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bundle.length; at += 4_096) {
      yield await Promise.resolve(bundle.subarray(at, at + 4_096))
    }
  }
  const engine = { sha256, verify: verifyEd25519 }
  const { digest } = await tallyBundle(
    stream(),
    {
      anchored,
      frame,
      week,
      anchor,
      fund,
      chain: 'zcash-regtest',
      snapshotOf: () => Promise.resolve(snapshot),
      paramsOf: () => params,
    },
    { ...engine, openThreads: () => [createLocalThread(engine)] },
  )
  return digest
}

export const textOf = (given: object): string =>
  JSON.stringify(given, (_, value: unknown) => {
    if (value instanceof Uint8Array) return { bytes: base64.encode(new Uint8Array(value)) }
    return typeof value === 'bigint' ? { integer: value.toString() } : value
  })

const revive = (text: string): Given =>
  JSON.parse(text, (_, value: Record<string, unknown> | null) => {
    if (typeof value?.['bytes'] === 'string') return base64.decode(value['bytes'])
    if (typeof value?.['integer'] === 'string') return BigInt(value['integer'])
    // As a CID writes itself (DAG-JSON).
    return typeof value?.['/'] === 'string' ? CID.parse(value['/']) : value
  }) as Given
