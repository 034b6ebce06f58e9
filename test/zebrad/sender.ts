import { spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { bytesToHex, hash160, hexToBytes, stakeOfAddress } from '../../protocol/index.ts'
import { parseTransaction } from '../../src/chain/formats/transaction.ts'
import type { Transaction } from '../../src/chain/formats/types.ts'
import type { SigningKey } from '../../src/chain/input-signatures.ts'
import { parseShieldedAddress } from '../../src/chain/notes/index.ts'
import type { KeyCoin } from './treasury.ts'
import type { ActivationHeights } from './zebrad.ts'

/** `cargo build --release --locked` in the folder `sender` makes it; SHIELDED_SENDER names it elsewhere. */
export const findSender = (environment: Readonly<Record<string, string | undefined>>): string | null => {
  const path =
    environment['SHIELDED_SENDER'] ??
    fileURLToPath(new URL('./sender/target/release/secnode-test-sender', import.meta.url))
  try {
    accessSync(path, constants.X_OK)
    return path
  } catch {
    return null
  }
}

export interface ShieldedPayment {
  /** Of the block that is to hold it. */
  height: number
  activationHeights: ActivationHeights
  key: SigningKey
  coins: readonly KeyCoin[]
  /** Transparent, Sapling or unified addresses of Regtest; of the last the Orchard receiver is taken. */
  outputs: readonly { address: string; value: bigint; memo?: string }[]
  fee: bigint
}

/** A transaction with proofs and signatures of librustzcash: what a wallet sends. Change goes back to the key. */
export const payShielded = async (payment: ShieldedPayment): Promise<Transaction> => {
  const { height, activationHeights: heights, key, coins, outputs, fee } = payment
  const total = coins.reduce((sum, { value }) => sum + value, 0n)
  const change = total - fee - outputs.reduce((sum, { value }) => sum + value, 0n)
  const own = { kind: 'p2pkh', receiver: bytesToHex(hash160(key.publicKey)), value: Number(change) }
  const json = {
    height,
    activations: {
      nu5: heights.NU5!,
      nu6: heights.NU6 ?? null,
      nu6_1: heights['NU6.1'] ?? null,
      nu6_2: heights['NU6.2'] ?? null,
      nu6_3: heights['NU6.3'] ?? null,
      nu7: heights.NU7 ?? null,
    },
    secretKey: bytesToHex(key.secretKey),
    coins: coins.map(({ txid, index, value }) => ({ txid: bytesToHex(txid), index, value: Number(value) })),
    outputs: [
      ...outputs.map(({ address, value, memo }) => ({
        ...receiverOf(address),
        value: Number(value),
        memo: memo === undefined ? null : Buffer.from(memo).toString('hex'),
      })),
      ...(change > 0n ? [own] : []),
    ],
    fee: Number(fee),
  }
  return parseTransaction(hexToBytes(await run(JSON.stringify(json))), 'zcash')
}

const receiverOf = (address: string): { kind: string; receiver: string } => {
  const stake = stakeOfAddress('zcash-regtest', address)
  if (stake !== null) return { kind: 'p2pkh', receiver: bytesToHex(stake) }
  const shielded = parseShieldedAddress(address)
  const receiver = shielded?.orchard ?? shielded?.sapling
  if (receiver === undefined) throw new Error(`no address that the sender pays to: ${address}`)
  const { diversifier, transmissionKey } = receiver
  return {
    kind: shielded?.orchard === undefined ? 'sapling' : 'orchard',
    receiver: bytesToHex(diversifier) + bytesToHex(transmissionKey),
  }
}

const run = (input: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const child = spawn(findSender(process.env)!, { stdio: ['pipe', 'pipe', 'pipe'], timeout: 170_000 })
    let [stdout, stderr] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.once('error', reject)
    child.once('close', (code) => {
      if (code === 0) resolve(stdout.trim())
      else reject(new Error(`the sender ended with ${code}: ${stderr}`))
    })
    child.stdin.end(input)
  })
