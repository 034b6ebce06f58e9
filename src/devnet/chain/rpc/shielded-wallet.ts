import { hexToBytes } from '../../../../protocol/index.ts'
import { noMemo, padMemo } from '../../../chain/notes/index.ts'
import { parseAddressText } from '../addresses.ts'
import { COIN } from '../parameters.ts'
import { defaultZenFee } from '../payment.ts'
import { parseShieldedRecipient } from '../shielded-recipient.ts'
import type { ShieldedPayment } from '../shielded-outputs.ts'
import type { Payment } from '../wallet.ts'
import type { NodeContext } from './context.ts'
import type { RpcMethods } from './dispatch.ts'
import { fail } from './errors.ts'
import type { Operations } from './operations.ts'
import { optional, readAmount, readArray, readBoolean, readInteger, readObject, readText } from './params.ts'
import { payFrom } from './wallet.ts'

/**
 * Paying shielded and transparent recipients in one transaction from transparent coins, as an announcement does.
 * Shielded notes cannot be spent: that would need proofs.
 */
export const shieldedWalletMethods = (context: NodeContext, operations: Operations): RpcMethods => ({
  z_sendmany: {
    usage:
      context.dialect === 'zend'
        ? 'z_sendmany "fromaddress" [{"address":... ,"amount":...},...] ( minconf ) ( fee ) ( sendChangeToSource )'
        : 'z_sendmany "fromaddress" [{"address":... ,"amount":...},...] ( minconf ) ( fee ) ( privacyPolicy )',
    minParams: 2,
    maxParams: 5,
    run: (params) => {
      const payment = readShieldedPayment(context, params)
      const [fromAddress, amounts, minconf = 1, fee = null] = params
      return operations.start('z_sendmany', { fromaddress: fromAddress, amounts, minconf, fee }, () => ({
        txid: payFrom(context, payment),
      }))
    },
  },
  z_getoperationstatus: {
    usage: 'z_getoperationstatus ( ["operationid",...] )',
    minParams: 0,
    maxParams: 1,
    run: ([ids]) => operations.list(readIds(ids)),
  },
  z_getoperationresult: {
    usage: 'z_getoperationresult ( ["operationid",...] )',
    minParams: 0,
    maxParams: 1,
    run: ([ids]) => operations.takeFinished(readIds(ids)),
  },
  z_listoperationids: {
    usage: 'z_listoperationids ( "status" )',
    minParams: 0,
    maxParams: 1,
    run: ([status]) => {
      const wanted = optional<string | null>(status, readText, null)
      return operations
        .list(null)
        .filter((operation) => wanted === null || operation.status === wanted)
        .map(({ id }) => id)
    },
  },
})

const readIds = (ids: unknown): string[] | null =>
  optional<string[] | null>(ids, (list) => readArray(list).map(readText), null)

/** zcashd's word for "any of the wallet's transparent addresses". */
const anyTransparent = 'ANY_TADDR'

const readShieldedPayment = (
  context: NodeContext,
  [fromAddress, recipients, minConfirmations, fee, last]: readonly unknown[],
): Payment => {
  const list = readArray(recipients)
  if (list.length === 0) return fail('parameter', 'Invalid parameter, amounts array is empty.')
  const from = readSource(context, readText(fromAddress))
  const read = list.map((item) => readRecipient(context, item))
  const addresses = read.map(({ text }) => text)
  const repeated = addresses.find((text, index) => addresses.indexOf(text) !== index)
  if (repeated !== undefined) {
    return fail('parameter', `Invalid parameter, duplicated recipient address: ${repeated}`)
  }
  const payees = read.flatMap(({ payee }) => payee ?? [])
  const shielded = read.flatMap((recipient) => recipient.shielded ?? [])
  const minconf = optional(minConfirmations, readInteger, 1)
  if (minconf < 0) return fail('parameter', 'Minimum number of confirmations cannot be less than 0')
  const total = [...payees, ...shielded].reduce((sum, { value }) => sum + value, 0n)
  const payment = {
    payees,
    shielded,
    minConfirmations: minconf,
    ...(from === null ? {} : { from }),
    fee: readFee(context, fee, total),
  }
  if (context.dialect === 'zend') {
    const toSource = optional(last, readBoolean, false)
    return toSource && from !== null ? { ...payment, changeTo: from } : payment
  }
  checkPrivacyPolicy(optional(last, readText, 'LegacyCompat'), payees.length > 0)
  return payment
}

/** The owner whose coins pay; null for any. */
const readSource = ({ chain, dialect }: NodeContext, text: string): string | null => {
  if (dialect === 'zebrad' && text === anyTransparent) return null
  const address = parseAddressText(chain.parameters, text)
  if (address !== null) {
    return chain.wallet.keys.find(address.owner) === undefined
      ? fail('addressOrKey', 'From address does not belong to this node.')
      : address.owner
  }
  if (parseShieldedRecipient(text, chain.parameters, chain.tip.height + 1) !== null) {
    return fail('addressOrKey', 'From address does not belong to this node, spending key not found.')
  }
  return fail('addressOrKey', 'Invalid from address, should be a taddr or zaddr.')
}

interface ReadRecipient {
  text: string
  payee?: Payment['payees'][number]
  shielded?: ShieldedPayment
}

const readRecipient = ({ chain }: NodeContext, item: unknown): ReadRecipient => {
  const fields = readObject(item)
  const unknownKey = Object.keys(fields).find((key) => !['address', 'amount', 'memo'].includes(key))
  if (unknownKey !== undefined) return fail('parameter', `Invalid parameter, unknown key: ${unknownKey}`)
  const text = readText(fields['address'])
  const value = readAmount(fields['amount'])
  const transparent = parseAddressText(chain.parameters, text)
  if (transparent !== null) {
    if (fields['memo'] !== undefined) {
      return fail('parameter', 'Memo cannot be used with a taddr.  It can only be used with a zaddr.')
    }
    return { text, payee: { kind: transparent.kind, hash160: transparent.hash160, value } }
  }
  const recipient = parseShieldedRecipient(text, chain.parameters, chain.tip.height + 1)
  if (recipient === null) return fail('parameter', `Invalid parameter, unknown address format: ${text}`)
  return { text, shielded: { recipient, value, memo: readMemo(fields['memo']) } }
}

/** Hex of at most 512 bytes; without one the memo says that there is none (ZIP 302). */
const readMemo = (value: unknown): Uint8Array => {
  if (value === undefined) return noMemo()
  const text = readText(value)
  if (!/^([0-9a-fA-F]{2})*$/.test(text)) {
    return fail('parameter', 'Invalid parameter, expected memo data in hexadecimal format.')
  }
  return (
    padMemo(hexToBytes(text)) ??
    fail('parameter', 'Invalid parameter, size of memo is larger than maximum allowed 512')
  )
}

const readFee = ({ dialect }: NodeContext, value: unknown, total: bigint): bigint | null => {
  // zcashd: null asks for the conventional fee of ZIP 317.
  if (value === undefined || value === null) return dialect === 'zend' ? defaultZenFee : null
  const fee = readAmount(value)
  if (fee > total && fee > defaultZenFee) {
    return fail(
      'parameter',
      `Fee ${coinsText(fee)} is greater than the sum of outputs ${coinsText(total)} and also greater than the default fee`,
    )
  }
  return fee
}

const coinsText = (value: bigint): string => `${value / COIN}.${String(value % COIN).padStart(8, '0')}`

/** What each policy of zcashd's z_sendmany allows to be seen; a transparent source always shows the sender. */
const privacyPolicies: Readonly<Record<string, { sender: boolean; recipient: boolean }>> = {
  FullPrivacy: { sender: false, recipient: false },
  AllowRevealedAmounts: { sender: false, recipient: false },
  AllowRevealedRecipients: { sender: false, recipient: true },
  AllowRevealedSenders: { sender: true, recipient: false },
  AllowFullyTransparent: { sender: true, recipient: true },
  AllowLinkingAccountAddresses: { sender: true, recipient: true },
  NoPrivacy: { sender: true, recipient: true },
  LegacyCompat: { sender: true, recipient: true },
}

const checkPrivacyPolicy = (name: string, hasTransparentRecipients: boolean): void => {
  const policy = privacyPolicies[name]
  if (policy === undefined) {
    fail('parameter', `Unknown privacy policy name '${name}'`)
  } else if (!policy.sender) {
    fail('wallet', 'Insufficient funds: the privacy policy does not allow to spend transparent coins')
  } else if (hasTransparentRecipients && !policy.recipient) {
    fail(
      'wallet',
      'This transaction would have transparent recipients, which is not enabled by default because it will publicly reveal transaction recipients and amounts.',
    )
  }
}
