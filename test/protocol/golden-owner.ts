import { secp256k1 } from '@noble/curves/secp256k1.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { base64 } from '@scure/base'
import {
  addressOfStake,
  announcementMessage,
  bytesToHex,
  type ChainTransaction,
  formatMemo,
  formatUnsignedMemo,
  type Genesis,
  hash160,
  messageDigest,
  networkIdOf,
  outpointKey,
  peerIdOfKey,
  type Sign,
  utf8ToBytes,
} from '../../protocol/index.ts'
import { blsPublicKey, nobleProvePossession } from '../../protocol/bls.ts'
import { ed25519FromSeed } from '../../src/keys/ed25519.ts'

/** A value of a vector file: byte strings are hex, amounts decimal. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json }

const hex = bytesToHex

/** All secrets of the vectors: SHA-256 of a label. The first byte of BLS secrets is 0, so that they are below the order. */
export const secretOf = (label: string): Uint8Array => sha256(utf8ToBytes(`secnode vectors ${label}`))
export const blsSecretOf = (label: string): Uint8Array => secretOf(label).fill(0, 0, 1)

/** Who announces in the vectors. */
export interface Owner {
  stake: Uint8Array
  peer: Uint8Array
  sign: Sign
  memo: string
  vector: Json
}

export interface OwnerOptions {
  label: string
  /** The `at` of its announcement. */
  at: number
  /** Of its voting key, if it is not the label's. */
  blsLabel?: string
}

/** An owner with keys that follow from its label, and a valid announcement (R-REG-1, R-REG-2). */
export const createOwner = (genesis: Genesis, { label, at, blsLabel = label }: OwnerOptions): Owner => {
  const networkId = networkIdOf(genesis)
  const walletSecret = secretOf(`wallet ${label}`)
  const stake = hash160(secp256k1.getPublicKey(walletSecret, true))
  const node = ed25519FromSeed(secretOf(`node ${label}`))
  const blsSecret = blsSecretOf(`bls ${blsLabel}`)
  const bls = blsPublicKey(blsSecret)
  const pop = nobleProvePossession(networkId, blsSecret, stake)
  const host = `${label}.example.org`
  const unsigned = formatUnsignedMemo({
    peer: peerIdOfKey(node.publicKey),
    host,
    p2p: 9_000,
    tls: 443,
    at,
    stake: addressOfStake(genesis.chain, stake),
    bls,
    pop,
  })
  const message = announcementMessage(networkId, unsigned)
  const digest = messageDigest(message)
  const compact = secp256k1.sign(digest, walletSecret, { prehash: false, format: 'recovered' })
  const signature = Uint8Array.of(31 + compact[0]!, ...compact.subarray(1))
  const memo = formatMemo(unsigned, base64.encode(signature))
  return {
    stake,
    peer: node.publicKey,
    sign: node.sign,
    memo,
    vector: {
      walletSecret: hex(walletSecret),
      nodeSeed: hex(secretOf(`node ${label}`)),
      blsSecret: hex(blsSecret),
      stake: hex(stake),
      stakeAddress: addressOfStake(genesis.chain, stake),
      peerKey: hex(node.publicKey),
      peer: peerIdOfKey(node.publicKey),
      host,
      bls: hex(bls),
      pop: hex(pop),
      signedText: message,
      messageDigest: hex(digest),
      signature: hex(signature),
      memo,
    },
  }
}

/** A transaction that pays `value` to the owner's stake in its first output, with or without the memo. */
export const payingTo = (
  owner: Owner,
  label: string,
  value: bigint,
  memo: string | null,
): ChainTransaction => ({
  spends: [],
  payments: [{ outpoint: outpointKey(secretOf(`transaction ${label}`), 0), payee: owner.stake, value }],
  memo,
})

export const transactionVector = (transaction: ChainTransaction): Json => ({
  spends: transaction.spends,
  payments: transaction.payments.map(({ outpoint, payee, value }) => ({
    outpoint,
    payee: hex(payee),
    value: value.toString(),
  })),
  memo: transaction.memo,
})
