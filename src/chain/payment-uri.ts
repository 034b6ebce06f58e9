import { base64urlnopad } from '@scure/base'
import { utf8ToBytes } from '../../protocol/index.ts'

export interface UriPayment {
  address: string
  /** Base units. */
  amount: bigint
  /** Text for a shielded recipient. */
  memo?: string
}

/** Coins in decimal, without zeros at the end: `1`, `0.0001`. */
const coinsOf = (amount: bigint): string => {
  const fraction = (amount % 100_000_000n).toString().padStart(8, '0').replace(/0+$/, '')
  const whole = (amount / 100_000_000n).toString()
  return fraction === '' ? whole : `${whole}.${fraction}`
}

/** ZIP 321: one transaction that makes all of these payments. The first has no index, the others are `.1`, `.2` … */
export const paymentUri = (payments: readonly UriPayment[]): string => {
  const parameters = payments.flatMap(({ address, amount, memo }, i) => {
    const index = i === 0 ? '' : `.${i}`
    return [
      `address${index}=${address}`,
      `amount${index}=${coinsOf(amount)}`,
      ...(memo === undefined ? [] : [`memo${index}=${base64urlnopad.encode(utf8ToBytes(memo))}`]),
    ]
  })
  return `zcash:?${parameters.join('&')}`
}
