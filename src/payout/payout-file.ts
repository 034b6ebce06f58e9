import { z } from 'zod'
import {
  bytesToHex,
  canonicalJson,
  equalBytes,
  HeightNumber,
  hexToBytes,
  isWeek,
  NetworkId,
  Week,
} from '../../protocol/index.ts'
import { decodeAddressOf, encodeAddress } from '../chain/address.ts'
import { ChainFormatError } from '../chain/formats/reader.ts'
import { parseTransaction, serializeTransaction } from '../chain/formats/transaction.ts'
import type { TransactionFields, TransactionOutput } from '../chain/formats/types.ts'
import type { Network } from '../chain/profiles.ts'
import { hashText } from '../chain-node/rpc/values.ts'
import { isSecnodeError, messageOf, SecnodeError } from '../errors.ts'
import { type PayerAccount, payerAccountOf } from './payer.ts'
import { type PayoutFormat, txidOf, withoutScripts } from './transactions.ts'

/** A transaction to be signed, with the outputs that its inputs spend. */
export interface Draft {
  fields: TransactionFields
  spent: readonly TransactionOutput[]
}

/** What coordinators hand around: transactions with as many signatures as there are, and what they are for. */
export interface PayoutFile {
  network: NetworkId
  /** The week that is paid; null if coins of the payer are only joined. */
  payout: { week: Week; digest: string; anchor: { height: number; hash: string } } | null
  account: PayerAccount
  format: PayoutFormat
  /** In the order in which they are to be sent: later ones may spend what earlier ones make. */
  drafts: readonly Draft[]
}

const Hex = z.string().regex(/^([0-9a-f]{2})*$/)
const Hex32 = z.string().regex(/^[0-9a-f]{64}$/)
const AmountText = z.string().regex(/^(0|[1-9][0-9]{0,15})$/)
const Block = z.strictObject({ height: HeightNumber.max(0x7fff_ffff), hash: Hex32 })

/** Twice a block of 2 MB in hex: no transaction is larger. */
const maxTransactionHex = 4_000_000
/** 9,999 parts; consolidations are fewer. */
const maxDrafts = 9_999
const maxInputsRead = 1_000

const FileJson = z.strictObject({
  format: z.literal('secnode payout 1'),
  network: NetworkId,
  payout: z
    .strictObject({
      week: Week.refine(isWeek, { error: 'must be a week that exists' }),
      digest: Hex32,
      anchor: Block,
    })
    .nullable(),
  /** Address of the owner of all coins that are spent. */
  payer: z.string().max(100),
  redeemScript: Hex.max(1_040).nullable(),
  /** Zcash: the consensus branch that signatures are for. */
  branch: z
    .string()
    .regex(/^[0-9a-f]{8}$/)
    .nullable(),
  /** ZEN: block F, which outputs refer to. */
  reference: Block.nullable(),
  transactions: z
    .array(
      z.strictObject({
        hex: Hex.max(maxTransactionHex),
        spent: z.array(z.strictObject({ value: AmountText, script: Hex.max(20_000) })).max(maxInputsRead),
      }),
    )
    .min(1)
    .max(maxDrafts),
})

/** Canonical: two files of the same content are the same bytes. */
export const formatPayoutFile = (file: PayoutFile, network: Network): string => {
  const { account, format, payout } = file
  const json: z.input<typeof FileJson> = {
    format: 'secnode payout 1',
    network: file.network,
    payout,
    payer: encodeAddress(network.profile.genesis.chain, account.payer),
    redeemScript: account.redeemScript === null ? null : bytesToHex(account.redeemScript),
    branch: format.branchId === null ? null : format.branchId.toString(16).padStart(8, '0'),
    reference:
      format.reference === null
        ? null
        : { height: format.reference.height, hash: hashText(format.reference.hash) },
    transactions: file.drafts.map(({ fields, spent }) => ({
      hex: bytesToHex(serializeTransaction(fields)),
      spent: spent.map(({ value, script }) => ({ value: value.toString(), script: bytesToHex(script) })),
    })),
  }
  return `${canonicalJson(json)}\n`
}

/**
 * Reads somebody's file: its form only, not whether it pays what it should. Errors, with exit code 2: PAYOUT_FILE,
 * PAYOUT_OTHER_NETWORK, PAYOUT_REDEEM_SCRIPT.
 */
export const parsePayoutFile = (text: string, network: Network, name: string): PayoutFile => {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    throw fileError(name, `no JSON: ${messageOf(error)}`)
  }
  const parsed = FileJson.safeParse(json)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!
    throw fileError(name, `${issue.path.map(String).join('.')}: ${issue.message}`)
  }
  const { data } = parsed
  if (data.network !== network.networkId) {
    throw new SecnodeError('PAYOUT_OTHER_NETWORK', `${name} is of network ${data.network}`, {
      hint: `The profile's is ${network.networkId}.`,
      exitCode: 2,
    })
  }
  const { family } = network.facts
  if ((data.branch === null) !== (family === 'zen') || (data.reference === null) !== (family === 'zcash')) {
    throw fileError(name, `branch or reference are not those of ${family}`)
  }
  return {
    network: data.network,
    payout: data.payout,
    account: payerAccountOf(
      payerOfAddress(data.payer, network, name),
      data.redeemScript === null ? null : hexToBytes(data.redeemScript),
    ),
    format: {
      family,
      branchId: data.branch === null ? null : parseInt(data.branch, 16),
      reference:
        data.reference === null
          ? null
          : { height: data.reference.height, hash: hexToBytes(data.reference.hash).reverse() },
    },
    drafts: data.transactions.map(({ hex, spent }, i) => {
      const fields = fieldsOf(hex, network, name, i)
      if (spent.length !== fields.inputs.length) {
        throw fileError(
          name,
          `transactions.${i}: ${spent.length} spent outputs for ${fields.inputs.length} inputs`,
        )
      }
      return {
        fields,
        spent: spent.map(({ value, script }) => ({ value: BigInt(value), script: hexToBytes(script) })),
      }
    }),
  }
}

const payerOfAddress = (text: string, network: Network, name: string) => {
  try {
    const { kind, hash160 } = decodeAddressOf(network.profile.genesis.chain, text)
    return { kind, hash160 }
  } catch (error) {
    if (isSecnodeError(error)) throw fileError(name, `payer: ${error.message}`)
    throw error
  }
}

const fieldsOf = (hex: string, network: Network, name: string, i: number): TransactionFields => {
  try {
    return parseTransaction(hexToBytes(hex), network.facts.family)
  } catch (error) {
    if (error instanceof ChainFormatError) throw fileError(name, `transactions.${i}.hex: ${error.message}`)
    throw error
  }
}

/**
 * Drafts in the place of others of the same transactions with other input scripts. Where that changes a txid (ZEN,
 * whose txids cover signatures), the inputs of later drafts that spend it follow, and lose their signatures.
 */
export const replaceDrafts = (before: readonly Draft[], after: readonly Draft[]): Draft[] => {
  const renamed = new Map<string, Uint8Array>()
  return after.map((draft, i) => {
    const { fields, spent } = draft
    const moved = fields.inputs.map((input) => {
      const txid = renamed.get(bytesToHex(input.previousTxid))
      return txid === undefined ? input : { ...input, previousTxid: txid }
    })
    const isMoved = moved.some((input, index) => input !== fields.inputs[index])
    if (!isMoved && draft === before[i]) return draft
    const next = isMoved ? withoutScripts({ ...fields, inputs: moved }) : fields
    const txid = txidOf(next)
    const txidBefore = txidOf(before[i]!.fields)
    if (!equalBytes(txid, txidBefore)) renamed.set(bytesToHex(txidBefore), txid)
    return { fields: next, spent }
  })
}

/** The file without its signatures: what coordinators must agree on. */
export const unsignedFile = (file: PayoutFile): PayoutFile => ({
  ...file,
  drafts: replaceDrafts(
    file.drafts,
    file.drafts.map(({ fields, spent }) => ({ fields: withoutScripts(fields), spent })),
  ),
})

const fileError = (name: string, what: string): SecnodeError =>
  new SecnodeError('PAYOUT_FILE', `${name} is no payout file: ${what}`, {
    hint: 'Payout files are made by `secnode payout build`, `consolidate` and `sign`; get it again.',
    exitCode: 2,
  })
