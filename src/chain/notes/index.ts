/** The door of `src/chain/notes`: reading and making shielded notes with a memo. */
export {
  decryptSaplingNote,
  type EncryptedSaplingOutput,
  encryptSaplingOutput,
  recoverSaplingOutput,
  type SaplingLeadByte,
  saplingLeadBytes,
  type SaplingNote,
  type SaplingPayment,
} from './sapling.ts'
export {
  deriveSaplingKeys,
  encodeSaplingAddress,
  encodeSaplingViewingKey,
  parseSaplingAddress,
  parseSaplingViewingKey,
  type SaplingAddress,
  saplingAddress,
  saplingAddressAt,
  type SaplingKeys,
} from './sapling-keys.ts'
export {
  decryptOrchardNote,
  type EncryptedOrchardAction,
  encryptOrchardAction,
  type OrchardNote,
  type OrchardPayment,
  type OrchardPool,
  recoverOrchardAction,
} from './orchard.ts'
export { deriveOrchardKeys, type OrchardAddress, orchardAddressAt, type OrchardKeys } from './orchard-keys.ts'
export { memoFromText, MEMO_BYTES, memoText, noMemo, padMemo } from './memo.ts'
export type { NoteNetwork } from './network.ts'
