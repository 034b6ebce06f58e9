import { bytesToHex, reversedHex } from '../../../../protocol/index.ts'
import { parseUnified } from '../../../chain/notes/index.ts'

import { parseAddressText, type TransparentOwner } from '../addresses.ts'
import type { AddressEvent } from '../address-index.ts'
import type { Coin } from '../coin.ts'
import { outputTo } from '../payment.ts'
import { parseShieldedRecipient } from '../shielded-recipient.ts'
import { replayReference } from '../wallet.ts'
import type { RpcDialect } from './dialect.ts'
import type { NodeContext } from './context.ts'
import type { RpcMethods } from './dispatch.ts'
import { fail } from './errors.ts'
import { isObject, optional, readArray, readInteger, readText } from './params.ts'

/** What belongs to addresses, and what an address is. */
export const addressMethods = (context: NodeContext): RpcMethods => {
  const { chain, dialect } = context
  const { addresses } = chain.tree.coins
  return {
    getaddressbalance: {
      usage: 'getaddressbalance {"addresses":["taddr",...]}',
      minParams: 1,
      maxParams: dialect === 'zend' ? 2 : 1,
      run: ([query]) => {
        const owners = readAddresses(context, query).map(({ owner }) => owner)
        const balance = owners
          .flatMap((owner) => addresses.unspent(owner))
          .reduce((sum, { value }) => sum + value, 0n)
        const received = owners
          .flatMap((owner) => addresses.events(owner))
          .flatMap(({ deltas }) => deltas)
          .reduce((sum, delta) => (delta > 0n ? sum + delta : sum), 0n)
        // zend's `immature` counts backward transfers of sidechains, which this chain does not have.
        const immature = dialect === 'zend' ? { immature: 0 } : {}
        return { balance: Number(balance), received: Number(received), ...immature }
      },
    },
    getaddressutxos: {
      usage: 'getaddressutxos {"addresses":["taddr",...], ("chainInfo":true|false)}',
      minParams: 1,
      maxParams: dialect === 'zend' ? 2 : 1,
      run: ([query]) => {
        const utxos = readAddresses(context, query)
          .flatMap(({ owner, text }) => addresses.unspent(owner).map((coin) => ({ coin, text })))
          .sort((a, b) => inChainOrder(a.coin, b.coin))
          .map(({ coin, text }) => utxoJson(context, coin, text))
        const wantsChainInfo = isObject(query) && query['chainInfo'] === true
        return wantsChainInfo ? { utxos, hash: reversedHex(chain.tip.hash), height: chain.tip.height } : utxos
      },
    },
    getaddresstxids: {
      usage: 'getaddresstxids {"addresses":["taddr",...], ("start":n), ("end":n)}',
      minParams: 1,
      maxParams: 1,
      run: ([query]) => {
        const { start, end } = readRange(query, chain.tip.height, dialect)
        const events = readAddresses(context, query).flatMap(({ owner }) => addresses.events(owner))
        return txidsOf(
          context,
          events.filter(({ height }) => height >= start && height <= end),
        )
      },
    },
    validateaddress: {
      usage: 'validateaddress "address"',
      minParams: 1,
      maxParams: 1,
      run: ([address]) => validateAddress(context, readText(address)),
    },
    z_validateaddress: {
      usage: 'z_validateaddress "address"',
      minParams: 1,
      maxParams: 1,
      run: ([address]) => validateShieldedAddress(context, readText(address)),
    },
  }
}

interface NamedOwner extends TransparentOwner {
  /** As the caller wrote it. */
  text: string
}

/** The bare address will do as well. */
const readAddresses = ({ chain, dialect }: NodeContext, query: unknown): NamedOwner[] => {
  const list = typeof query === 'string' ? [query] : listOf(query, dialect)
  const owners = list.map((text): NamedOwner => {
    const address = typeof text === 'string' ? parseAddressText(chain.parameters, text) : null
    if (address !== null) return { ...address, text: text as string }
    return fail(
      'addressOrKey',
      dialect === 'zebrad' ? 'parse error: invalid Bech32 encoding' : 'Invalid address',
    )
  })
  return [...new Map(owners.map((owner) => [owner.owner, owner])).values()]
}

const listOf = (query: unknown, dialect: RpcDialect): unknown[] => {
  if (!isObject(query) || query['addresses'] === undefined) {
    return dialect === 'zebrad'
      ? fail('misc', 'Invalid params')
      : fail('addressOrKey', 'Addresses is expected to be an array')
  }
  return readArray(query['addresses'])
}

/** Without both ends: the whole chain. An end above the tip is the tip; for zebrad so is a start. */
const readRange = (
  query: unknown,
  tipHeight: number,
  dialect: RpcDialect,
): { start: number; end: number } => {
  if (!isObject(query)) return { start: 0, end: tipHeight }
  const start = optional(query['start'], readInteger, 0)
  const end = optional(query['end'], readInteger, 0)
  if (dialect === 'zebrad') {
    const range = { start: Math.min(start, tipHeight), end: end === 0 ? tipHeight : Math.min(end, tipHeight) }
    if (range.start <= range.end) return range
    const { start: from, end: to } = range
    return fail('misc', `start Height(${from}) must be less than or equal to end Height(${to})`)
  }
  if (start < 0 || end < 0) return fail('parameter', 'Start and end are expected to be greater than zero')
  if (end > 0 && end < start) return fail('parameter', 'End value is expected to be greater than start')
  return { start, end: end === 0 ? tipHeight : end }
}

/** In chain order, each once. */
const txidsOf = ({ chain }: NodeContext, events: readonly AddressEvent[]): string[] => {
  const places = new Map<string, { height: number; position: number }>()
  for (const { txid, height } of events) {
    places.set(reversedHex(txid), { height, position: chain.tree.locate(txid)!.position })
  }
  return [...places]
    .sort(([, a], [, b]) => a.height - b.height || a.position - b.position)
    .map(([txid]) => txid)
}

const inChainOrder = (a: Coin, b: Coin): number =>
  a.height - b.height || a.position - b.position || a.index - b.index

const utxoJson = ({ dialect }: NodeContext, coin: Coin, address: string): unknown => ({
  address,
  txid: reversedHex(coin.txid),
  outputIndex: coin.index,
  script: bytesToHex(coin.script),
  satoshis: Number(coin.value),
  height: coin.height,
  // Maturity is that of backward transfers here; ordinary outputs, and coinbases too, have height 0.
  ...(dialect === 'zend'
    ? { mature: true, maturityHeight: 0, blocksToMaturity: 0, backwardTransfer: false }
    : {}),
})

const validateAddress = ({ chain, dialect }: NodeContext, text: string): unknown => {
  const address = parseAddressText(chain.parameters, text)
  if (address === null) return { isvalid: false }
  const isScript = address.kind === 'p2sh'
  if (dialect === 'zebrad') return { isvalid: true, address: text, isscript: isScript }
  const key = chain.wallet.keys.find(address.owner)
  return {
    isvalid: true,
    address: text,
    // zend: with a reference to a block, so it changes with the tip.
    scriptPubKey: bytesToHex(outputTo(address.kind, address.hash160, 0n, replayReference(chain.tree)).script),
    ismine: key !== undefined,
    iswatchonly: false,
    isscript: isScript,
    ...(key === undefined
      ? {}
      : { pubkey: bytesToHex(key.publicKey), iscompressed: key.publicKey.length === 33, account: '' }),
  }
}

const validateShieldedAddress = (context: NodeContext, text: string): unknown => {
  const { chain, dialect } = context
  const transparent = dialect === 'zebrad' ? parseAddressText(chain.parameters, text) : null
  if (transparent !== null) {
    return { isvalid: true, address: text, address_type: transparent.kind, ismine: false }
  }
  const recipient = parseShieldedRecipient(text, chain.parameters, chain.tip.height + 1)
  if (recipient === null) return { isvalid: false }
  const type = parseUnified(text) === null ? recipient.pool : 'unified'
  return dialect === 'zebrad'
    ? { isvalid: true, address: text, address_type: type, ismine: false }
    : { isvalid: true, address: text, type, ismine: false }
}
