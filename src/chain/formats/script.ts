import { SecnodeError } from '../../errors.ts'
import type { ChainFamily } from './types.ts'
import { createByteWriter } from './writer.ts'

/** What an output's script says, apart from ZEN's replay protection. */
export type ScriptTemplate =
  | { kind: 'p2pkh'; hash160: Uint8Array }
  | { kind: 'p2sh'; hash160: Uint8Array }
  /** OP_RETURN with one push of data, or with none (`data` is empty). */
  | { kind: 'nulldata'; data: Uint8Array }
  | { kind: 'other' }

/** The block that a ZEN output binds itself to (OP_CHECKBLOCKATHEIGHT, BIP 115). */
export interface BlockReference {
  /** Internal byte order. */
  hash: Uint8Array
  height: number
}

export type ClassifiedScript = ScriptTemplate & {
  /** Null where there is none; always null in Zcash. */
  replayProtection: BlockReference | null
}

const opcode = {
  zero: 0x00,
  pushData1: 0x4c,
  pushData2: 0x4d,
  one: 0x51,
  sixteen: 0x60,
  return: 0x6a,
  dup: 0x76,
  equal: 0x87,
  equalVerify: 0x88,
  hash160: 0xa9,
  checkSig: 0xac,
  checkMultisig: 0xae,
  checkBlockAtHeight: 0xb4,
} as const

/** MAX_SCRIPT_ELEMENT_SIZE: no longer push can be executed, so no longer redeem script can be spent. */
const maxPushBytes = 520
/** MAX_OP_RETURN_RELAY: nodes of the family do not relay more. */
const maxNullDataBytes = 80

/**
 * The template of an output's script. In ZEN `<template> <32-byte hash> <height> OP_CHECKBLOCKATHEIGHT` is the
 * template: the interpreter takes the two values off again (zend: script/interpreter.cpp). In Zcash the same bytes
 * are something else: the opcode does nothing there, the height stays on the stack as a true value, and anybody can
 * spend. So the family decides.
 *
 * The reference counts in the form that the wallets write: a direct push of 32 bytes, and a height that is not
 * negative and minimally encoded (zend refuses to spend anything else).
 */
export const classifyScript = (script: Uint8Array, family: ChainFamily): ClassifiedScript => {
  const suffixed = family === 'zen' ? splitReplayProtection(script) : null
  return suffixed ?? { ...templateOf(script), replayProtection: null }
}

export const p2pkhScript = (hash160: Uint8Array, reference: BlockReference | null = null): Uint8Array => {
  const writer = createByteWriter(64)
    .bytes(Uint8Array.of(opcode.dup, opcode.hash160, 20))
    .fixed(hash160, 20, 'hash160')
    .bytes(Uint8Array.of(opcode.equalVerify, opcode.checkSig))
  return writer.bytes(replayProtectionSuffix(reference)).finish()
}

export const p2shScript = (hash160: Uint8Array, reference: BlockReference | null = null): Uint8Array => {
  const writer = createByteWriter(64)
    .bytes(Uint8Array.of(opcode.hash160, 20))
    .fixed(hash160, 20, 'hash160')
    .u8(opcode.equal)
  return writer.bytes(replayProtectionSuffix(reference)).finish()
}

/** OP_RETURN with one push. Refuses more than 80 bytes (`CHAIN_SCRIPT_SIZE`): nodes do not relay them. */
export const nullDataScript = (data: Uint8Array, reference: BlockReference | null = null): Uint8Array => {
  if (data.length > maxNullDataBytes) {
    throw new SecnodeError(
      'CHAIN_SCRIPT_SIZE',
      `${data.length} bytes of null data exceed ${maxNullDataBytes}`,
    )
  }
  return createByteWriter(128)
    .u8(opcode.return)
    .bytes(pushData(data))
    .bytes(replayProtectionSuffix(reference))
    .finish()
}

/** m-of-n with public keys in the order given. P2SH holds at most 15 compressed keys (520 bytes). */
export const multisigScript = (required: number, publicKeys: readonly Uint8Array[]): Uint8Array => {
  const total = publicKeys.length
  if (!Number.isInteger(required) || required < 1 || required > total || total > 15) {
    throw new SecnodeError('CHAIN_SCRIPT_MULTISIG', `${required} of ${total} keys is no multisig script`)
  }
  const writer = createByteWriter().bytes(pushScriptNumber(required))
  for (const publicKey of publicKeys) {
    if (publicKey.length !== 33 && publicKey.length !== 65) {
      throw new SecnodeError('CHAIN_SCRIPT_MULTISIG', `a public key of ${publicKey.length} bytes`)
    }
    writer.bytes(pushData(publicKey))
  }
  return writer.bytes(pushScriptNumber(total)).u8(opcode.checkMultisig).finish()
}

/** Input script of P2PKH. `signature` is DER followed by the hash type byte. */
export const p2pkhInputScript = (signature: Uint8Array, publicKey: Uint8Array): Uint8Array =>
  createByteWriter().bytes(pushData(signature)).bytes(pushData(publicKey)).finish()

/**
 * Input script of P2SH multisig. Signatures (DER and hash type) stand in the order of their keys in the script. The
 * empty push in front is for the value too many that OP_CHECKMULTISIG takes.
 */
export const multisigInputScript = (
  signatures: readonly Uint8Array[],
  redeemScript: Uint8Array,
): Uint8Array => {
  const writer = createByteWriter().u8(opcode.zero)
  for (const signature of signatures) writer.bytes(pushData(signature))
  return writer.bytes(pushData(redeemScript)).finish()
}

/** The shortest push of exactly these bytes, without the one-byte opcodes for small numbers. */
export const pushData = (data: Uint8Array): Uint8Array => {
  const { length } = data
  if (length > maxPushBytes) {
    throw new SecnodeError('CHAIN_SCRIPT_SIZE', `a push of ${length} bytes exceeds ${maxPushBytes}`)
  }
  const writer = createByteWriter(length + 3)
  if (length < opcode.pushData1) writer.u8(length)
  else if (length <= 0xff) writer.u8(opcode.pushData1).u8(length)
  else
    writer
      .u8(opcode.pushData2)
      .u8(length & 0xff)
      .u8(length >>> 8)
  return writer.bytes(data).finish()
}

/** The push of a number as script writers make it (zcashd, zend: `CScript << int64_t`). */
export const pushScriptNumber = (value: number): Uint8Array => {
  if (value === 0) return Uint8Array.of(opcode.zero)
  if (value >= 1 && value <= 16) return Uint8Array.of(opcode.one + value - 1)
  return pushData(encodeScriptNumber(value))
}

/** A script number: little endian, the top bit of the last byte is the sign, zero is empty. */
export const encodeScriptNumber = (value: number): Uint8Array => {
  if (!Number.isSafeInteger(value))
    throw new SecnodeError('CHAIN_SCRIPT_NUMBER', `${value} is no script number`)
  const bytes: number[] = []
  for (let rest = Math.abs(value); rest > 0; rest = Math.floor(rest / 256)) bytes.push(rest % 256)
  const last = bytes.at(-1)
  if (last === undefined) return new Uint8Array()
  if (last >= 0x80) bytes.push(value < 0 ? 0x80 : 0)
  else if (value < 0) bytes[bytes.length - 1] = last | 0x80
  return Uint8Array.from(bytes)
}

/** The value of a script number of at most `maxBytes` (and 6) bytes; null if it is longer or not minimally encoded. */
export const decodeScriptNumber = (bytes: Uint8Array, maxBytes = 4): number | null => {
  const last = bytes.at(-1)
  if (last === undefined) return 0
  if (bytes.length > Math.min(maxBytes, 6)) return null
  // A last byte without value is needed only to keep the sign bit apart from a set top bit.
  if ((last & 0x7f) === 0 && ((bytes.at(-2) ?? 0) & 0x80) === 0) return null
  let value = 0
  for (const byte of Uint8Array.from(bytes).reverse()) value = value * 256 + byte
  const sign = 2 ** (8 * bytes.length - 1)
  return value < sign ? value : sign - value
}

const templateOf = (script: Uint8Array): ScriptTemplate => {
  const { length } = script
  if (
    length === 25 &&
    script[0] === opcode.dup &&
    script[1] === opcode.hash160 &&
    script[2] === 20 &&
    script[23] === opcode.equalVerify &&
    script[24] === opcode.checkSig
  ) {
    return { kind: 'p2pkh', hash160: script.subarray(3, 23) }
  }
  if (length === 23 && script[0] === opcode.hash160 && script[1] === 20 && script[22] === opcode.equal) {
    return { kind: 'p2sh', hash160: script.subarray(2, 22) }
  }
  if (script[0] === opcode.return) {
    if (length === 1) return { kind: 'nulldata', data: script.subarray(1) }
    const data = wholePush(script.subarray(1))
    if (data !== null) return { kind: 'nulldata', data }
  }
  return { kind: 'other' }
}

/** The data if the script is one data push and nothing else. */
const wholePush = (script: Uint8Array): Uint8Array | null => {
  const first = script[0]
  if (first === undefined) return null
  let start = 1
  let length = first
  if (first === opcode.pushData1) {
    start = 2
    length = script[1] ?? 0
  } else if (first === opcode.pushData2) {
    start = 3
    length = (script[1] ?? 0) + 256 * (script[2] ?? 0)
  } else if (first > opcode.pushData2) return null
  return script.length === start + length ? script.subarray(start) : null
}

const replayProtectionSuffix = (reference: BlockReference | null): Uint8Array => {
  if (reference === null) return new Uint8Array()
  const { hash, height } = reference
  if (!Number.isInteger(height) || height < 0 || height > 0x7fffffff) {
    throw new SecnodeError('CHAIN_SCRIPT_NUMBER', `${height} is no block height`)
  }
  return createByteWriter(48)
    .u8(32)
    .fixed(hash, 32, 'block hash')
    .bytes(pushScriptNumber(height))
    .u8(opcode.checkBlockAtHeight)
    .finish()
}

/**
 * A template followed by `20 <hash> <height> b4`. A script falls into opcodes in one way only, so of the lengths that
 * the height's push may have at most one leaves a template.
 */
const splitReplayProtection = (script: Uint8Array): ClassifiedScript | null => {
  if (script.at(-1) !== opcode.checkBlockAtHeight) return null
  for (let heightPushBytes = 1; heightPushBytes <= 5; heightPushBytes++) {
    const heightStart = script.length - 1 - heightPushBytes
    const hashStart = heightStart - 32
    if (hashStart < 2) return null
    const height = script[hashStart - 1] === 32 ? heightOf(script.subarray(heightStart, -1)) : null
    if (height === null) continue
    const template = templateOf(script.subarray(0, hashStart - 1))
    if (template.kind === 'other') continue
    return { ...template, replayProtection: { hash: script.subarray(hashStart, heightStart), height } }
  }
  return null
}

const heightOf = (push: Uint8Array): number | null => {
  const first = push[0] ?? 0xff
  if (push.length === 1 && first >= opcode.one && first <= opcode.sixteen) return first - opcode.one + 1
  if (push.length !== first + 1) return null
  const height = decodeScriptNumber(push.subarray(1))
  return height !== null && height >= 0 ? height : null
}
