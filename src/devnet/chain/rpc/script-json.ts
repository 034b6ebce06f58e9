import { bytesToHex } from '../../../../protocol/index.ts'
import { classifyScript, decodeScriptNumber } from '../../../chain/formats/script.ts'
import { addressText } from '../addresses.ts'
import type { ChainParameters } from '../parameters.ts'

/** `scriptPubKey` of an output: ScriptPubKeyToJSON of zcashd and zend. */
export const scriptPublicKeyJson = (
  script: Uint8Array,
  parameters: ChainParameters,
): Record<string, unknown> => {
  const classified = classifyScript(script, parameters.family)
  const head = { asm: scriptAssembly(script), hex: bytesToHex(script) }
  // zend calls templates with a reference to a block `pubkeyhashreplay` and so on.
  const suffix = classified.replayProtection === null ? '' : 'replay'
  if (classified.kind !== 'p2pkh' && classified.kind !== 'p2sh') {
    return { ...head, type: classified.kind === 'nulldata' ? `nulldata${suffix}` : 'nonstandard' }
  }
  return {
    ...head,
    reqSigs: 1,
    type: `${classified.kind === 'p2pkh' ? 'pubkeyhash' : 'scripthash'}${suffix}`,
    addresses: [addressText(parameters, classified.kind, classified.hash160)],
  }
}

/** Opcodes that scripts of this chain are made of; script/script.cpp has the names. */
const opcodeNames: Readonly<Record<number, string>> = {
  0x4f: '-1',
  0x6a: 'OP_RETURN',
  0x76: 'OP_DUP',
  0x87: 'OP_EQUAL',
  0x88: 'OP_EQUALVERIFY',
  0xa9: 'OP_HASH160',
  0xac: 'OP_CHECKSIG',
  0xae: 'OP_CHECKMULTISIG',
  0xb1: 'OP_CHECKLOCKTIMEVERIFY',
  0xb4: 'OP_CHECKBLOCKATHEIGHT',
}

/** CScript::ToString: pushes in hex, or as a number up to 4 bytes; opcodes by name. */
export const scriptAssembly = (script: Uint8Array): string => {
  const words: string[] = []
  for (let at = 0; at < script.length;) {
    const opcode = script[at++]!
    if (opcode >= 0x51 && opcode <= 0x60) {
      words.push(String(opcode - 0x50))
      continue
    }
    if (opcode > 0x4e) {
      words.push(opcodeNames[opcode] ?? 'OP_UNKNOWN')
      continue
    }
    const lengthBytes = opcode < 0x4c ? 0 : 2 ** (opcode - 0x4c)
    const length =
      lengthBytes === 0 ? opcode : littleEndian(script.subarray(at, (at += lengthBytes)), lengthBytes)
    const data = script.subarray(at, at + length)
    at += length
    if (data.length < length) return [...words, '[error]'].join(' ')
    words.push(pushText(data))
  }
  return words.join(' ')
}

const littleEndian = (bytes: Uint8Array, length: number): number =>
  bytes.length < length ? Infinity : bytes.reduceRight((value, byte) => value * 256 + byte, 0)

const pushText = (data: Uint8Array): string => {
  if (data.length > 4) return bytesToHex(data)
  const number = decodeScriptNumber(data)
  return number === null ? bytesToHex(data) : String(number)
}
