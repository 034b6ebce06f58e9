import type {
  JoinSplit,
  OrchardAction,
  OrchardBundle,
  SaplingOutput,
  TransactionFields,
} from '../../chain/formats/types.ts'
import {
  encryptOrchardAction,
  encryptSaplingOutput,
  encryptSproutJoinSplit,
  type OrchardPool,
  type SproutPayment,
} from '../../chain/notes/index.ts'
import { ed25519FromSeed } from '../../keys/ed25519.ts'
import { joinSplitSignatureHash } from './joinsplit-signature.ts'
import type { ShieldedRecipient } from './shielded-recipient.ts'

/**
 * Shielded outputs as a wallet makes them: the note commitments, value commitments and ciphertexts are real, so that
 * whoever has the viewing key finds value and memo and can check them. Proofs, and the signatures and anchors that
 * only mean something beside a proof, are filler (`fillerText`): the embedded chain has no proving system and its
 * rules do not look at them.
 */
const fillerText = 'filler of the embedded chain, no proof; '

export interface ShieldedPayment {
  recipient: ShieldedRecipient
  /** Base units. */
  value: bigint
  /** 512 bytes. */
  memo: Uint8Array
}

export type RandomBytes = (length: number) => Uint8Array

type ShieldedFields = Pick<
  TransactionFields,
  | 'joinSplits'
  | 'joinSplitPublicKey'
  | 'joinSplitSignature'
  | 'saplingValueBalance'
  | 'saplingOutputs'
  | 'saplingBindingSignature'
  | 'orchard'
  | 'ironwood'
>

export interface ShieldedParts {
  fields: ShieldedFields
  /** Base units that leave the transparent side. */
  total: bigint
  /** The transaction with its JoinSplits signed, once everything but input scripts is in place. */
  sign(fields: TransactionFields, branchId: number): TransactionFields
}

/** The shielded side of a transaction that makes these payments from transparent coins. */
export const createShieldedParts = (
  payments: readonly ShieldedPayment[],
  randomBytes: RandomBytes,
): ShieldedParts => {
  const saplingOutputs = payments.flatMap((payment) => saplingOutputOf(payment, randomBytes))
  const saplingTotal = totalOf(payments, 'sapling')
  const hasSprout = payments.some(({ recipient }) => recipient.pool === 'sprout')
  // One key for the JoinSplits of one transaction.
  const joinSplitKey = hasSprout ? ed25519FromSeed(randomBytes(32)) : null
  const joinSplits =
    joinSplitKey === null ? [] : createJoinSplits(payments, joinSplitKey.publicKey, randomBytes)
  return {
    total: payments.reduce((sum, { value }) => sum + value, 0n),
    fields: {
      joinSplits,
      joinSplitPublicKey: joinSplitKey?.publicKey ?? null,
      joinSplitSignature: joinSplitKey === null ? null : new Uint8Array(64),
      saplingValueBalance: -saplingTotal,
      saplingOutputs,
      saplingBindingSignature: saplingOutputs.length > 0 ? filler(64) : null,
      orchard: createBundle(payments, 'orchard', randomBytes),
      ironwood: createBundle(payments, 'ironwood', randomBytes),
    },
    sign: (fields, branchId) =>
      joinSplitKey === null
        ? fields
        : { ...fields, joinSplitSignature: joinSplitKey.sign(joinSplitSignatureHash(fields, branchId)) },
  }
}

const totalOf = (payments: readonly ShieldedPayment[], pool: ShieldedRecipient['pool']): bigint =>
  payments.reduce((sum, { recipient, value }) => (recipient.pool === pool ? sum + value : sum), 0n)

const saplingOutputOf = (
  { recipient, value, memo }: ShieldedPayment,
  randomBytes: RandomBytes,
): SaplingOutput[] => {
  if (recipient.pool !== 'sapling') return []
  const encrypted = encryptSaplingOutput({ address: recipient.address, value, memo, ovk: null }, randomBytes)
  return [{ ...encrypted, proof: filler(192) }]
}

/** The flags of a bundle that spends and makes notes (ZIP 225). */
const bothFlags = 0b11

const createBundle = (
  payments: readonly ShieldedPayment[],
  pool: OrchardPool,
  randomBytes: RandomBytes,
): OrchardBundle | null => {
  const actions = payments.flatMap(({ recipient, value, memo }): OrchardAction[] => {
    if (recipient.pool !== pool) return []
    const nullifier = randomNullifier(randomBytes)
    const payment = { address: recipient.address, value, memo, ovk: null, nullifier }
    const encrypted = encryptOrchardAction(payment, pool, randomBytes)
    // rk must be a point; nobody signs with it, so the value commitment serves.
    return [{ ...encrypted, rk: encrypted.cv, signature: filler(64) }]
  })
  if (actions.length === 0) return null
  return {
    actions,
    flags: bothFlags,
    valueBalance: -totalOf(payments, pool),
    anchor: new Uint8Array(32),
    // Size of a Halo 2 proof of that many actions (ZIP 225).
    proof: filler(2720 + 2272 * actions.length),
    bindingSignature: filler(64),
  }
}

/** A canonical element of Pallas' base field, which is a little larger than 2^254. */
const randomNullifier = (randomBytes: RandomBytes): Uint8Array => {
  const nullifier = Uint8Array.from(randomBytes(32))
  nullifier[31]! &= 0x3f
  return nullifier
}

/** Two payments to a JoinSplit; what is left over is an output of zero that nobody can read. */
const createJoinSplits = (
  payments: readonly ShieldedPayment[],
  publicKey: Uint8Array,
  randomBytes: RandomBytes,
): JoinSplit[] => {
  const sprout = payments.flatMap(({ recipient, value, memo }): SproutPayment[] =>
    recipient.pool === 'sprout' ? [{ address: recipient.address, value, memo }] : [],
  )
  const joinSplits: JoinSplit[] = []
  for (let first = 0; first < sprout.length; first += 2) {
    const pair = [sprout[first] ?? null, sprout[first + 1] ?? null] as const
    const sealed = encryptSproutJoinSplit(pair, [randomBytes(32), randomBytes(32)], publicKey, randomBytes)
    joinSplits.push({
      ...sealed,
      publicOld: (pair[0]?.value ?? 0n) + (pair[1]?.value ?? 0n),
      publicNew: 0n,
      anchor: new Uint8Array(32),
      macs: [randomBytes(32), randomBytes(32)],
      proof: filler(192),
    })
  }
  return joinSplits
}

const filler = (length: number): Uint8Array => {
  const text = fillerText.repeat(Math.ceil(length / fillerText.length))
  return new TextEncoder().encode(text.slice(0, length))
}
