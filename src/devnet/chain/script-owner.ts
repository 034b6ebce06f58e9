import { bytesToHex } from '../../../protocol/index.ts'
import { classifyScript } from '../../chain/formats/script.ts'
import type { ChainFamily } from '../../chain/formats/types.ts'

/** Who can spend an output: template and hash, whatever block a ZEN output refers to. A key for maps. */
export type ScriptOwner = `${'p2pkh' | 'p2sh'}:${string}`

export const ownerKey = (kind: 'p2pkh' | 'p2sh', hash160: Uint8Array): ScriptOwner =>
  `${kind}:${bytesToHex(hash160)}`

/** Null for scripts without an address. */
export const scriptOwner = (script: Uint8Array, family: ChainFamily): ScriptOwner | null => {
  const classified = classifyScript(script, family)
  return classified.kind === 'p2pkh' || classified.kind === 'p2sh'
    ? ownerKey(classified.kind, classified.hash160)
    : null
}
