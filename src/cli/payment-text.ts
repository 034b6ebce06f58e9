import { renderUnicodeCompact } from 'uqr'
import { bytesToHex, utf8ToBytes } from '../../protocol/index.ts'
import { paymentUri, type UriPayment } from '../chain/payment-uri.ts'
import type { Network } from '../chain/profiles.ts'
import { coins } from './week-table.ts'

/** One transaction to be made by a wallet, in the forms that wallets take. */
export interface PaymentText {
  /** ZIP 321; null on ZEN, whose wallets know no such thing. */
  uri: string | null
  /** For the command line of zcashd, Zallet and zend. */
  call: string
}

export const paymentText = ({ facts }: Network, payments: readonly UriPayment[]): PaymentText => {
  const recipients = payments.map(({ address, amount, memo }) => ({
    address,
    amount: coins(amount.toString()),
    ...(memo === undefined ? {} : { memo: bytesToHex(utf8ToBytes(memo)) }),
  }))
  return {
    uri: facts.family === 'zcash' ? paymentUri(payments) : null,
    call: `z_sendmany "<from>" '${JSON.stringify(recipients)}' 1`,
  }
}

/** The same for people, with a QR code. */
export const formatPayment = ({ uri, call }: PaymentText): string =>
  uri === null
    ? `by the node's own wallet\n${call}\n`
    : `payment (ZIP 321)\n${uri}\n\n${renderUnicodeCompact(uri)}\n\nor by the node's own wallet\n${call}\n`
