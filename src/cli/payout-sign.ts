import { Command } from 'commander'
import { loadNetwork } from '../service/load-network.ts'
import { hashText } from '../chain-node/rpc/values.ts'
import { SecnodeError } from '../errors.ts'
import { readKeyFile } from '../payout/key-file.ts'
import { signatureCounts, signPayout, type ThreadWitness } from '../payout/sign.ts'
import { type Outpoint, txidOf } from '../payout/transactions.ts'
import { realWorld } from '../world.ts'
import { type CliIo, printJson } from './io.ts'
import { readPayoutFile, readTallyFile, writePayoutFile } from './payout-files.ts'
import { parseOutpoint, payoutNode, type PayoutOptions, withPayoutOptions } from './payout-options.ts'
import { openRpcClient, type RpcOptions, withOptionalRpc } from './rpc-options.ts'

interface SignOptions extends PayoutOptions, Omit<RpcOptions, 'rpc'> {
  rpc?: string
  tally?: string
  key?: string
  thread?: Outpoint
  out: string
}

/** `secnode payout sign`: checks a payout against one's own tally, then signs it. */
export const payoutSignCommand = (io: CliIo): Command =>
  withPayoutOptions(withOptionalRpc(new Command('sign'), 'to check the thread and the coins with'))
    .description(
      'check a payout against your own tally and sign it; put the signatures of several files together',
    )
    .argument('<files...>', 'the payout, or the same payout as several coordinators signed it')
    .option('--tally <file>', 'your own tally, from your own node; not needed for joined coins')
    .option(
      '--key <file>',
      'file with your key in wallet import format, mode 0600; without it signatures are only put together',
    )
    .option(
      '--thread <txid:index>',
      'on a machine without a node: where the thread stands, as `secnode payout status` says elsewhere',
      parseOutpoint,
    )
    .requiredOption('--out <file>', 'write the signed payout there')
    .addHelpText(
      'after',
      `
Refuses every payout that is not, byte for byte, what your tally and the rules make of it, that does not continue the
thread, or whose coins are not what it says; and payouts and joined coins that would cut a thread. With --thread every
output 0 of exactly 0.001 coin counts as one that might. Keys of P2PKH and of m-of-n multisig (P2SH) are known. On ZEN a node is
needed, and of a series with several signers each part can be signed once the one before it has all its signatures.

Example:
  $ secnode payout sign payout.json --profile zcash-testnet --rpc http://127.0.0.1:18232 \\
      --tally my-tally.json --key anna.key --out payout-anna.json
  transaction 1: 1 of 2 signatures
  written to payout-anna.json; more signatures are needed`,
    )
    .action(async (paths: string[], options: SignOptions) => {
      const network = await loadNetwork(options.profile)
      const files = []
      for (const path of paths) files.push(await readPayoutFile(path, network, io.signal))
      const tally = options.tally === undefined ? null : await readTallyFile(options.tally, io.signal)
      const key = options.key === undefined ? null : await readKeyFile(options.key, network)
      await using rpc =
        options.rpc === undefined ? null : openRpcClient({ ...options, rpc: options.rpc }, realWorld())
      const node = rpc === null ? null : payoutNode(io, network, rpc, options)
      const signed = await signPayout({ network, files, tally, witness: witnessOf(node, options), key })
      await writePayoutFile(options.out, signed, network)
      const counts = signatureCounts(signed)
      const isComplete = counts.every(({ signatures, required }) => signatures === required)
      if (options.json === true) {
        const transactions = signed.drafts.map(({ fields }, i) => ({
          txid: hashText(txidOf(fields)),
          ...counts[i]!,
        }))
        printJson(io, { isComplete, transactions, file: options.out })
        return
      }
      for (const [i, { signatures, required }] of counts.entries()) {
        io.stdout(`transaction ${i + 1}: ${signatures} of ${required} signatures\n`)
      }
      const next = isComplete
        ? `next, with --profile and --rpc: secnode payout send ${options.out} --dir DIR`
        : 'more signatures are needed'
      io.stdout(`written to ${options.out}; ${next}\n`)
    })

const witnessOf = (
  node: Extract<ThreadWitness, { is: 'node' }>['node'] | null,
  { thread }: SignOptions,
): ThreadWitness => {
  if (node !== null && thread === undefined) return { is: 'node', node }
  if (node === null && thread !== undefined) return { is: 'outpoint', outpoint: thread }
  throw new SecnodeError('USAGE', 'either --rpc or --thread must say where the thread stands', {
    hint: 'With --rpc the node does; --thread is for a machine without one.',
    exitCode: 2,
  })
}
