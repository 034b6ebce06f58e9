import { bytesToHex, reversedHex } from '../../../../protocol/index.ts'
import type { JoinSplit, OrchardBundle, Transaction } from '../../../chain/formats/types.ts'
import { authDigest } from '../auth-digest.ts'
import type { BlockEntry } from '../block-tree.ts'
import type { ChainParameters } from '../parameters.ts'
import { coinsJson } from './amount-json.ts'
import { scriptAssembly, scriptPublicKeyJson } from './script-json.ts'

type Json = Record<string, unknown>

/** Where a transaction is: its block and what that block has on top; null in the mempool. */
export interface TransactionPlace {
  entry: BlockEntry
  confirmations: number
  isActive: boolean
}

/** TxToJSON of zend (chain-formats: `vjoinsplit` always, hashes reversed, proofs and ciphertexts as on the wire). */
export const zendTransactionJson = (transaction: Transaction, parameters: ChainParameters): Json => ({
  txid: reversedHex(transaction.txid),
  size: transaction.bytes.length,
  version: transaction.version,
  locktime: transaction.lockTime,
  vin: inputsJson(transaction),
  vout: outputsJson(transaction, parameters),
  vjoinsplit: transaction.joinSplits.map(joinSplitJson),
})

/** What `getrawtransaction` of zend adds; off the chain the height is -1. */
export const zendPlaceJson = (place: TransactionPlace | null): Json =>
  place === null
    ? { height: -1, confirmations: 0 }
    : {
        blockhash: reversedHex(place.entry.hash),
        height: place.isActive ? place.entry.height : -1,
        confirmations: place.confirmations,
        time: place.entry.header.time,
        blocktime: place.entry.header.time,
      }

/** The transaction object of zebrad (zebra-rpc TransactionObject), also inside `getblock` with verbosity 2. */
export const zebradTransactionJson = (
  transaction: Transaction,
  place: TransactionPlace | null,
  parameters: ChainParameters,
): Json => {
  const { version, versionGroupId, saplingOutputs, saplingSpends, saplingBindingSignature } = transaction
  const isOverwintered = versionGroupId !== null
  return {
    ...(place === null ? {} : { in_active_chain: place.isActive }),
    hex: bytesToHex(transaction.bytes),
    ...(place === null ? {} : { height: place.entry.height, confirmations: place.confirmations }),
    vin: inputsJson(transaction),
    vout: outputsJson(transaction, parameters),
    vShieldedSpend: saplingSpends.map((spend) => ({
      cv: reversedHex(spend.cv),
      anchor: reversedHex(spend.anchor),
      nullifier: reversedHex(spend.nullifier),
      rk: reversedHex(spend.rk),
      proof: bytesToHex(spend.proof),
      spendAuthSig: bytesToHex(spend.signature),
    })),
    vShieldedOutput: saplingOutputs.map((output) => ({
      cv: reversedHex(output.cv),
      cmu: reversedHex(output.cmu),
      ephemeralKey: reversedHex(output.ephemeralKey),
      encCiphertext: bytesToHex(output.encCiphertext),
      outCiphertext: bytesToHex(output.outCiphertext),
      proof: bytesToHex(output.proof),
    })),
    vjoinsplit: transaction.joinSplits.map(joinSplitJson),
    ...(saplingBindingSignature === null ? {} : { bindingSig: bytesToHex(saplingBindingSignature) }),
    orchard: bundleJson(transaction.orchard),
    ...(version === 6 ? { ironwood: bundleJson(transaction.ironwood) } : {}),
    valueBalance: coinsJson(transaction.saplingValueBalance),
    valueBalanceZat: Number(transaction.saplingValueBalance),
    size: transaction.bytes.length,
    ...(place === null ? {} : { time: place.entry.header.time }),
    txid: reversedHex(transaction.txid),
    ...(version >= 5 ? { authdigest: reversedHex(authDigest(transaction)) } : {}),
    overwintered: isOverwintered,
    version,
    ...(isOverwintered ? { versiongroupid: versionGroupId.toString(16).padStart(8, '0') } : {}),
    locktime: transaction.lockTime,
    ...(isOverwintered ? { expiryheight: transaction.expiryHeight } : {}),
    ...(place === null
      ? {}
      : { blockhash: reversedHex(place.entry.hash), blocktime: place.entry.header.time }),
  }
}

const inputsJson = (transaction: Transaction): Json[] =>
  transaction.inputs.map(({ previousTxid, previousIndex, script, sequence }) =>
    transaction.isCoinbase
      ? { coinbase: bytesToHex(script), sequence }
      : {
          txid: reversedHex(previousTxid),
          vout: previousIndex,
          scriptSig: { asm: scriptAssembly(script), hex: bytesToHex(script) },
          sequence,
        },
  )

const outputsJson = (transaction: Transaction, parameters: ChainParameters): Json[] =>
  transaction.outputs.map(({ value, script }, n) => ({
    value: coinsJson(value),
    valueZat: Number(value),
    n,
    scriptPubKey: scriptPublicKeyJson(script, parameters),
  }))

const joinSplitJson = (joinSplit: JoinSplit): Json => ({
  vpub_old: coinsJson(joinSplit.publicOld),
  vpub_oldZat: Number(joinSplit.publicOld),
  vpub_new: coinsJson(joinSplit.publicNew),
  vpub_newZat: Number(joinSplit.publicNew),
  anchor: reversedHex(joinSplit.anchor),
  nullifiers: joinSplit.nullifiers.map(reversedHex),
  commitments: joinSplit.commitments.map(reversedHex),
  onetimePubKey: reversedHex(joinSplit.ephemeralKey),
  randomSeed: reversedHex(joinSplit.randomSeed),
  macs: joinSplit.macs.map(reversedHex),
  proof: bytesToHex(joinSplit.proof),
  ciphertexts: joinSplit.ciphertexts.map(bytesToHex),
})

/** zebrad prints the parts of actions as they stand on the wire. */
const bundleJson = (bundle: OrchardBundle | null): Json => ({
  actions: (bundle?.actions ?? []).map((action) => ({
    cv: bytesToHex(action.cv),
    nullifier: bytesToHex(action.nullifier),
    rk: bytesToHex(action.rk),
    cmx: bytesToHex(action.cmx),
    ephemeralKey: bytesToHex(action.ephemeralKey),
    encCiphertext: bytesToHex(action.encCiphertext),
    spendAuthSig: bytesToHex(action.signature),
    outCiphertext: bytesToHex(action.outCiphertext),
  })),
  valueBalance: coinsJson(bundle?.valueBalance ?? 0n),
  valueBalanceZat: Number(bundle?.valueBalance ?? 0n),
  ...(bundle === null
    ? {}
    : {
        flags: {
          enableSpends: (bundle.flags & 1) !== 0,
          enableOutputs: (bundle.flags & 2) !== 0,
        },
        anchor: bytesToHex(bundle.anchor),
        proof: bytesToHex(bundle.proof),
        bindingSig: bytesToHex(bundle.bindingSignature),
      }),
})
