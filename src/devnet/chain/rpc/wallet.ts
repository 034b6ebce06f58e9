import { bytesToHex, hexToBytes, reversedHex } from '../../../../protocol/index.ts'
import { isSecnodeError } from '../../../errors.ts'
import { addressText, parseAddressText, parseSecretKeyText, secretKeyText } from '../addresses.ts'
import { outpointKey } from '../coins.ts'
import { maxMoney } from '../parameters.ts'
import type { Payment, WalletCoin } from '../wallet.ts'
import type { WalletKey } from '../wallet-keys.ts'
import { coinsJson } from './amount-json.ts'
import type { NodeContext } from './context.ts'
import type { RpcMethods } from './dispatch.ts'
import { fail } from './errors.ts'
import {
  checkTypes,
  optional,
  readAmount,
  readArray,
  readBoolean,
  readHash,
  readInteger,
  readObject,
  readText,
} from './params.ts'

/** The transparent side of the node's wallet. */
// long: a table of methods, a few lines each
export const walletMethods = (context: NodeContext): RpcMethods => {
  const { chain } = context
  const { parameters, wallet } = chain
  const textOf = (key: WalletKey): string => addressText(parameters, 'p2pkh', key.hash160)
  return {
    getnewaddress: {
      usage: 'getnewaddress ( "" )',
      minParams: 0,
      maxParams: 1,
      run: ([account]) => {
        // Accounts are gone from the family; only the default one is left.
        if (optional(account, readText, '') !== '') return fail('parameter', 'Accounts are unsupported')
        return textOf(wallet.keys.next())
      },
    },
    getaddressesbyaccount: {
      usage: 'getaddressesbyaccount ""',
      minParams: 1,
      maxParams: 1,
      run: () => wallet.keys.all().map(textOf),
    },
    getbalance: {
      usage: 'getbalance ( "" minconf )',
      minParams: 0,
      maxParams: 3,
      run: ([, minConfirmations]) =>
        coinsJson(sumOf(wallet.coins({ minConfirmations: optional(minConfirmations, readInteger, 1) }))),
    },
    listunspent: {
      usage: 'listunspent ( minconf maxconf ["address",...] )',
      minParams: 0,
      maxParams: 3,
      run: (params) => {
        checkTypes(params, ['number', 'number', 'array'])
        const addresses = optional(params[2], readArray, [])
        const coins = wallet.coins({
          minConfirmations: optional(params[0], readInteger, 1),
          maxConfirmations: optional(params[1], readInteger, 9_999_999),
          ...(addresses.length === 0 ? {} : { owners: addresses.map((text) => ownerOf(context, text)) }),
        })
        return coins.map((coin) => coinJson(context, coin))
      },
    },
    lockunspent: {
      usage: 'lockunspent unlock [{"txid":"txid","vout":n},...]',
      minParams: 1,
      maxParams: 2,
      run: (params) => {
        checkTypes(params, ['boolean', 'array'])
        const unlock = readBoolean(params[0])
        if (params[1] === undefined) {
          if (unlock) wallet.unlockAll()
          return true
        }
        const outpoints = readArray(params[1]).map((item) => {
          const { txid, vout } = readObject(item)
          const index = readInteger(vout)
          if (index < 0) return fail('parameter', 'Invalid parameter, vout must be positive')
          return outpointKey(readHash(txid, 'txid'), index)
        })
        for (const outpoint of outpoints) {
          if (unlock) wallet.unlock(outpoint)
          else wallet.lock(outpoint)
        }
        return true
      },
    },
    listlockunspent: {
      usage: 'listlockunspent',
      minParams: 0,
      maxParams: 0,
      run: () =>
        wallet.locked().map((outpoint) => {
          const [txid, index] = outpoint.split(':')
          return { txid: reversedHex(hexToBytes(txid!)), vout: Number(index) }
        }),
    },
    sendtoaddress: {
      usage: 'sendtoaddress "address" amount',
      minParams: 2,
      maxParams: 5,
      run: ([address, amount]) =>
        payFrom(context, { payees: [readPayee(context, readText(address), amount)] }),
    },
    sendmany: {
      usage: 'sendmany "" {"address":amount,...} ( minconf "comment" ["address",...] )',
      minParams: 2,
      maxParams: 5,
      run: ([account, amounts, minConfirmations]) => {
        if (readText(account) !== '') return fail('parameter', 'Accounts are unsupported')
        const payees = Object.entries(readObject(amounts)).map(([address, amount]) =>
          readPayee(context, address, amount),
        )
        return payFrom(context, { payees, minConfirmations: optional(minConfirmations, readInteger, 1) })
      },
    },
    dumpprivkey: {
      usage: 'dumpprivkey "t-addr"',
      minParams: 1,
      maxParams: 1,
      run: ([address]) => {
        const key = keyOf(context, readText(address))
        return secretKeyText(parameters, key.secretKey, key.publicKey.length === 33)
      },
    },
    importprivkey: {
      usage: 'importprivkey "privkey" ( "label" rescan )',
      minParams: 1,
      maxParams: 3,
      run: ([text]) => {
        const key = parseSecretKeyText(parameters, readText(text))
        if (key === null) return fail('addressOrKey', 'Invalid private key encoding')
        return textOf(wallet.keys.add(key.secretKey, key.isCompressed))
      },
    },
  }
}

/** The wallet's key of an address. */
export const keyOf = ({ chain, dialect }: NodeContext, text: string): WalletKey => {
  const address = parseAddressText(chain.parameters, text)
  // rpc/misc.cpp: -3 for what is no address, -3 again for a script, -4 for a key that is not ours.
  if (address === null) {
    return fail(
      'type',
      dialect === 'zend' ? 'Invalid Horizen transparent address' : 'Invalid Zcash transparent address',
    )
  }
  if (address.kind !== 'p2pkh') return fail('type', 'Address does not refer to key')
  return chain.wallet.keys.find(address.owner) ?? fail('wallet', 'Private key not available')
}

export const readPayee = (
  { chain, dialect }: NodeContext,
  text: string,
  amount: unknown,
): Payment['payees'][number] => {
  const address = parseAddressText(chain.parameters, text)
  if (address === null) {
    return fail('addressOrKey', `Invalid ${dialect === 'zend' ? 'Horizen' : 'Zcash'} address: ${text}`)
  }
  const value = readAmount(amount)
  if (value <= 0n || value > maxMoney) return fail('type', 'Invalid amount for send')
  return { kind: address.kind, hash160: address.hash160, value }
}

/** Pays and answers the txid; what the wallet throws gets the daemons' codes. */
export const payFrom = ({ chain }: NodeContext, payment: Payment): string => {
  try {
    return reversedHex(chain.wallet.pay(payment))
  } catch (error) {
    if (isSecnodeError(error, 'WALLET_INSUFFICIENT_FUNDS')) {
      return fail('insufficientFunds', `Insufficient funds: ${error.message}`)
    }
    if (isSecnodeError(error, 'WALLET_REJECTED')) return fail('wallet', `Error: ${error.message}`)
    throw error
  }
}

const ownerOf = ({ chain }: NodeContext, text: unknown): string => {
  const address = parseAddressText(chain.parameters, readText(text))
  return address?.owner ?? fail('addressOrKey', `Invalid address: ${String(text)}`)
}

const coinJson = ({ chain, dialect }: NodeContext, coin: WalletCoin): unknown => ({
  txid: reversedHex(coin.txid),
  vout: coin.index,
  ...(dialect === 'zend' ? { isCert: false } : {}),
  generated: coin.isCoinbase,
  address: addressText(chain.parameters, 'p2pkh', chain.wallet.keys.find(coin.owner)!.hash160),
  account: '',
  scriptPubKey: bytesToHex(coin.script),
  amount: coinsJson(coin.value),
  ...(dialect === 'zend' ? { satoshis: Number(coin.value) } : { amountZat: Number(coin.value) }),
  confirmations: coin.confirmations,
  spendable: true,
})

const sumOf = (coins: readonly WalletCoin[]): bigint => coins.reduce((sum, { value }) => sum + value, 0n)
