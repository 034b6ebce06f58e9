import { decodeScriptNumber } from './script.ts'

/** Reading the two kinds of scripts that spend: pushes of data, and the m-of-n that a P2SH hides. */

/** The data that a script pushes, in order; null if it does anything else or breaks off. */
export const parsePushes = (script: Uint8Array): Uint8Array[] | null => {
  const pushes: Uint8Array[] = []
  for (let at = 0; at < script.length;) {
    const opcode = script[at]!
    if (opcode >= 0x51 && opcode <= 0x60) {
      pushes.push(Uint8Array.of(opcode - 0x50))
      at++
      continue
    }
    const lengthBytes = opcode < 0x4c ? 0 : opcode - 0x4b
    if (lengthBytes > 2 || at + 1 + lengthBytes > script.length) return null
    const length =
      lengthBytes === 0
        ? opcode
        : lengthBytes === 1
          ? script[at + 1]!
          : script[at + 1]! + 256 * script[at + 2]!
    const start = at + 1 + lengthBytes
    if (start + length > script.length) return null
    pushes.push(script.subarray(start, start + length))
    at = start + length
  }
  return pushes
}

export interface Multisig {
  required: number
  publicKeys: Uint8Array[]
}

const checkMultisigOpcode = 0xae

/** `<m> <key>… <n> OP_CHECKMULTISIG`; null for any other script. */
export const parseMultisig = (script: Uint8Array): Multisig | null => {
  if (script.at(-1) !== checkMultisigOpcode) return null
  const pushes = parsePushes(script.subarray(0, -1))
  if (pushes === null || pushes.length < 3) return null
  const required = decodeScriptNumber(pushes[0]!)
  const total = decodeScriptNumber(pushes.at(-1)!)
  const publicKeys = pushes.slice(1, -1)
  const isWellFormed =
    required !== null &&
    required >= 1 &&
    required <= publicKeys.length &&
    total === publicKeys.length &&
    publicKeys.every(({ length }) => length === 33 || length === 65)
  return isWellFormed ? { required, publicKeys } : null
}
