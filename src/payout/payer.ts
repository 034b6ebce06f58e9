import {
  equalBytes,
  hash160,
  ownerOf,
  type OutputTemplate,
  type Payer,
  type PayerSpend,
} from '../../protocol/index.ts'
import { parseMultisig } from '../chain/formats/input-script.ts'
import { SecnodeError } from '../errors.ts'

/** The owner of the coins that payouts spend, with what it takes to spend them. */
export interface PayerAccount {
  payer: Payer
  /** Of P2SH: m-of-n keys; null for P2PKH. */
  redeemScript: Uint8Array | null
  spend: PayerSpend
}

/** Errors: PAYOUT_REDEEM_SCRIPT (exit code 2). */
export const payerAccountOf = (payer: Payer, redeemScript: Uint8Array | null): PayerAccount => {
  if (payer.kind === 'p2pkh') {
    if (redeemScript !== null) throw redeemScriptError('the payer is P2PKH and has no redeem script')
    return { payer, redeemScript: null, spend: { kind: 'p2pkh' } }
  }
  if (redeemScript === null) throw redeemScriptError('the payer is P2SH: its redeem script is needed')
  if (!equalBytes(hash160(redeemScript), payer.hash160)) {
    throw redeemScriptError('this redeem script is not that of the payer')
  }
  const multisig = parseMultisig(redeemScript)
  if (multisig === null) throw redeemScriptError('the redeem script is no m-of-n multisig')
  return {
    payer,
    redeemScript,
    spend: { kind: 'p2sh', required: multisig.required, redeemScriptBytes: redeemScript.length },
  }
}

export const isPayer = (to: OutputTemplate, payer: Payer): boolean => ownerOf(to) === ownerOf(payer)

const redeemScriptError = (message: string): SecnodeError =>
  new SecnodeError('PAYOUT_REDEEM_SCRIPT', message, {
    hint: 'Give what `createmultisig` or `addmultisigaddress` printed as `redeemScript`: --redeem-script <hex>.',
    exitCode: 2,
  })
