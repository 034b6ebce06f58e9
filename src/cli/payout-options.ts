import { InvalidArgumentError, type Command } from 'commander'
import type { Outpoint } from '../payout/transactions.ts'
import type { Network } from '../chain/profiles.ts'
import type { RpcClient } from '../chain-node/rpc/client.ts'
import type { PayoutNode } from '../payout/threads.ts'
import type { CliIo } from './io.ts'

/** What all payout commands take. */
export interface PayoutOptions {
  profile: string
  since?: number
  json?: true
}

export const withPayoutOptions = (command: Command): Command =>
  command
    .requiredOption('--profile <name or file>', 'the network: a built-in profile or a JSON file')
    .option(
      '--since <height>',
      'look for the thread from this block on, if the node has no -txindex',
      parseHeight,
    )
    .option('--json', 'print a JSON object')

/** The chain node of a command, with progress on standard error while blocks are read. */
export const payoutNode = (
  io: CliIo,
  network: Network,
  rpc: RpcClient,
  { since }: PayoutOptions,
): PayoutNode => ({
  network,
  rpc,
  since: since ?? null,
  signal: io.signal,
  onProgress: (height, tipHeight) => {
    const text = `following the thread: block ${height} of ${tipHeight}`
    io.stderr(io.isTerminal ? `\r\u001b[K${text}` : `${text}\n`)
  },
})

/** `<txid>:<index>` as people write it. */
export const parseOutpoint = (text: string): Outpoint => {
  const [, txid, index] = /^([0-9a-f]{64}):(0|[1-9][0-9]{0,8})$/.exec(text) ?? []
  if (txid === undefined) throw new InvalidArgumentError('It must be like <txid>:<index>.')
  return { txid: new Uint8Array(Buffer.from(txid, 'hex').reverse()), index: Number(index) }
}

export const collectOutpoints = (text: string, before: readonly Outpoint[] | undefined): Outpoint[] => [
  ...(before ?? []),
  parseOutpoint(text),
]

/** Of at most 520 bytes, as P2SH takes them. */
export const parseScriptHex = (text: string): Uint8Array => {
  if (!/^([0-9a-f]{2}){1,520}$/.test(text)) throw new InvalidArgumentError('It must be a script in hex.')
  return new Uint8Array(Buffer.from(text, 'hex'))
}

const parseHeight = (text: string): number => {
  const height = Number(text)
  if (!/^[0-9]{1,10}$/.test(text) || height > 0x7fff_ffff) {
    throw new InvalidArgumentError('It must be a height.')
  }
  return height
}
