import { resolve } from 'node:path'
import { Command } from 'commander'
import { renderUnicodeCompact } from 'uqr'
import { paramsOfWeek, utf8ToBytes, type Week } from '../../protocol/index.ts'
import { decodeAddressOf } from '../chain/address.ts'
import { paymentUri } from '../chain/payment-uri.ts'
import { networkOfDirectory } from '../node/data-dir.ts'
import { askDaemon } from './control-client.ts'
import { type CliIo, printJson } from './io.ts'
import { coins } from './week-table.ts'

/** What a daemon says of the certificate that waits for its anchor. */
export interface DueAnchor {
  week: string
  memo: string
}

/** Paid to the announcement address with the memo: any amount will do. */
const shieldedAmount = 10_000n

/** `secnode anchor`: what an operator without a hot wallet needs to post a certificate by hand. */
export const anchorCommand = (io: CliIo): Command =>
  new Command('anchor')
    .description('show the memo that anchors the certified week, and a payment that carries it')
    .option('--dir <dir>', 'data directory of the running node', 'data')
    .requiredOption('--bond-to <address>', 'transparent address of your own that the bond goes to')
    .option('--json', 'print one object')
    .addHelpText(
      'after',
      `
Anybody may post a certificate; the first one in the chain fixes the week. The bond comes back to --bond-to: never name
the stake's address, and pay from a small wallet of its own, not from the one that holds the stake.
Exit code 3: no certificate waits for its anchor.

Example:
  secnode anchor --dir data --bond-to tmYourOwnAddress`,
    )
    .action(async (flags: { dir: string; bondTo: string; json?: true }) => {
      const dir = resolve(flags.dir)
      const { profile, facts } = await networkOfDirectory(dir)
      const { chain, announceAddress } = profile.genesis
      decodeAddressOf(chain, flags.bondTo)
      const due = JSON.parse(await askDaemon(dir, '/anchor', io.signal)) as DueAnchor
      const { anchorBond } = paramsOfWeek(profile.schedule, due.week as Week)
      // ZIP 321 is Zcash's; wallets of the ZEN family take the call of their own.
      const uri =
        facts.family === 'zcash'
          ? paymentUri([
              { address: announceAddress, amount: shieldedAmount, memo: due.memo },
              { address: flags.bondTo, amount: anchorBond },
            ])
          : null
      const recipients = [
        {
          address: announceAddress,
          amount: coins(shieldedAmount.toString()),
          memo: Buffer.from(utf8ToBytes(due.memo)).toString('hex'),
        },
        { address: flags.bondTo, amount: coins(anchorBond.toString()) },
      ]
      const call = `z_sendmany "<from>" '${JSON.stringify(recipients)}' 1`
      if (flags.json === true) {
        printJson(io, { week: due.week, memo: due.memo, uri, call })
        return
      }
      io.stdout(`week ${due.week} is certified and waits for its anchor\n\nmemo\n${due.memo}\n\n`)
      if (uri !== null) io.stdout(`payment (ZIP 321)\n${uri}\n\n${renderUnicodeCompact(uri)}\n\n`)
      io.stdout(`or by the node's own wallet\n${call}\n`)
    })
