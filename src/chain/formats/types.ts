/**
 * Parsed forms of blocks and transactions of the Zcash family. All 32-byte strings are in serialisation
 * (internal) byte order. `Uint8Array`s are views into the parsed buffer: do not write to them.
 */

/** Wire-format family: ZEN differs from Zcash in transaction versions, certificates and replay-protected scripts. */
export type ChainFamily = 'zcash' | 'zen'

export interface BlockHeaderFields {
  /** Signed 32-bit. */
  version: number
  previousHash: Uint8Array
  merkleRoot: Uint8Array
  /** Zcash: final Sapling root or block commitments. ZEN: scTxsCommitment. */
  commitment: Uint8Array
  /** Seconds since 1970. */
  time: number
  bits: number
  nonce: Uint8Array
  /** Of Equihash; 1,344 bytes on the main networks. */
  solution: Uint8Array
}

export interface BlockHeader extends BlockHeaderFields {
  /** Double SHA-256 of `bytes`. */
  hash: Uint8Array
  /** The whole serialised header with its solution. */
  bytes: Uint8Array
}

export interface TransactionInput {
  previousTxid: Uint8Array
  /** 0xffffffff in a coinbase. */
  previousIndex: number
  script: Uint8Array
  sequence: number
}

export interface TransactionOutput {
  /** Base units. */
  value: bigint
  script: Uint8Array
}

export interface JoinSplit {
  publicOld: bigint
  publicNew: bigint
  anchor: Uint8Array
  nullifiers: readonly [Uint8Array, Uint8Array]
  commitments: readonly [Uint8Array, Uint8Array]
  ephemeralKey: Uint8Array
  randomSeed: Uint8Array
  macs: readonly [Uint8Array, Uint8Array]
  /** 192 bytes (Groth16) or 296 (PHGR13). */
  proof: Uint8Array
  /** 601 bytes each. */
  ciphertexts: readonly [Uint8Array, Uint8Array]
}

export interface SaplingSpend {
  cv: Uint8Array
  anchor: Uint8Array
  nullifier: Uint8Array
  rk: Uint8Array
  proof: Uint8Array
  signature: Uint8Array
}

export interface SaplingOutput {
  cv: Uint8Array
  cmu: Uint8Array
  ephemeralKey: Uint8Array
  /** 580 bytes. */
  encCiphertext: Uint8Array
  /** 80 bytes. */
  outCiphertext: Uint8Array
  proof: Uint8Array
}

/** An action of Orchard, or of Ironwood, which has the same shape. */
export interface OrchardAction {
  cv: Uint8Array
  nullifier: Uint8Array
  rk: Uint8Array
  cmx: Uint8Array
  ephemeralKey: Uint8Array
  /** 580 bytes. */
  encCiphertext: Uint8Array
  /** 80 bytes. */
  outCiphertext: Uint8Array
  signature: Uint8Array
}

export interface OrchardBundle {
  actions: readonly OrchardAction[]
  flags: number
  valueBalance: bigint
  anchor: Uint8Array
  proof: Uint8Array
  bindingSignature: Uint8Array
}

/** What a transaction is built from: everything that is serialised. */
export interface TransactionFields {
  family: ChainFamily
  /**
   * 1, 2, 3, 4, 5, 6 for Zcash (without the overwintered bit); 1, 2, -3, -4 for ZEN. Both chains once took any
   * positive number without the overwintered bit, serialised as 2 from 2 on.
   */
  version: number
  /** Null before v3 (Zcash) and in ZEN. */
  versionGroupId: number | null
  /** v5 and later. */
  consensusBranchId: number | null
  inputs: readonly TransactionInput[]
  outputs: readonly TransactionOutput[]
  lockTime: number
  /** Zcash v3 and later; 0 otherwise. */
  expiryHeight: number
  joinSplits: readonly JoinSplit[]
  /** 32 bytes if there are JoinSplits. */
  joinSplitPublicKey: Uint8Array | null
  joinSplitSignature: Uint8Array | null
  saplingValueBalance: bigint
  saplingSpends: readonly SaplingSpend[]
  saplingOutputs: readonly SaplingOutput[]
  saplingBindingSignature: Uint8Array | null
  orchard: OrchardBundle | null
  /** v6. */
  ironwood: OrchardBundle | null
  /**
   * ZEN version -4: its four sidechain vectors (ceased withdrawals, creations, forward transfers, backward transfer
   * requests) exactly as serialised. Null elsewhere.
   */
  sidechain: Uint8Array | null
}

export interface Transaction extends TransactionFields {
  /** Internal byte order. */
  txid: Uint8Array
  /** The transaction exactly as serialised. */
  bytes: Uint8Array
  isCoinbase: boolean
}

/** A ZEN sidechain certificate (version -5): it spends and pays, but is no transaction for the rules. */
export interface Certificate {
  /** Double SHA-256 of `bytes`. */
  hash: Uint8Array
  bytes: Uint8Array
  inputs: readonly TransactionInput[]
  outputs: readonly TransactionOutput[]
  backwardTransfers: readonly { value: bigint; publicKeyHash: Uint8Array }[]
}

export interface Block {
  family: ChainFamily
  header: BlockHeader
  transactions: readonly Transaction[]
  certificates: readonly Certificate[]
  /** Merkle root computed over the txids (and certificate hashes); compare with the header's. */
  computedMerkleRoot: Uint8Array
  /** True if two neighbours in the merkle tree are equal: another list would have the same root. */
  isMerkleTreeMutated: boolean
}
