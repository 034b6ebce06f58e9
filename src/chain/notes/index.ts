/** The door of `src/chain/notes`: reading and making shielded notes with a memo. */
export {
  decryptSaplingNote,
  type EncryptedSaplingOutput,
  encryptSaplingOutput,
  recoverSaplingOutput,
  type SaplingLeadByte,
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
export {
  decryptSproutJoinSplit,
  decryptSproutNote,
  encryptSproutJoinSplit,
  type SproutNote,
  type SproutPayment,
} from './sprout.ts'
export {
  deriveSproutKeys,
  encodeSproutAddress,
  encodeSproutViewingKey,
  parseSproutAddress,
  type SproutAddress,
  type SproutKeys,
  type SproutViewingKey,
} from './sprout-keys.ts'
export { encodeUnified, parseUnified, TYPECODE, type Unified, unifiedItem } from './zip316.ts'
export {
  encodeUnifiedViewingKey,
  type ParsedViewingKey,
  parseViewingKey,
  type ViewingKeys,
} from './viewing-key.ts'
export {
  encodeUnifiedAddress,
  parseShieldedAddress,
  readsPaymentsTo,
  type ShieldedAddresses,
} from './payment-address.ts'
export { memosOf, type TransactionMemo } from './transaction-memos.ts'
export { memoFromText, MEMO_BYTES, memoText, noMemo, padMemo } from './memo.ts'
export type { NoteNetwork } from './network.ts'
