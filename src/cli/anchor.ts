import { resolve } from 'node:path'
import { Command } from 'commander'
import { paramsOfWeek } from '../../protocol/index.ts'
import { decodeAddressOf } from '../chain/address.ts'
import { networkOfDirectory } from '../service/data-dir.ts'
import { AnchorAnswer } from '../web/control/schemas.ts'
import { askDaemon } from './control-client.ts'
import { type CliIo, printJson } from './io.ts'
import { formatPayment, paymentText } from './payment-text.ts'

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
      const network = await networkOfDirectory(dir)
      const { profile } = network
      const { chain, announceAddress } = profile.genesis
      decodeAddressOf(chain, flags.bondTo)
      const due = await askDaemon(dir, '/anchor', AnchorAnswer, io.signal)
      const { anchorBond } = paramsOfWeek(profile.schedule, due.week)
      const payment = paymentText(network, [
        { address: announceAddress, amount: shieldedAmount, memo: due.memo },
        { address: flags.bondTo, amount: anchorBond },
      ])
      if (flags.json === true) {
        printJson(io, { week: due.week, memo: due.memo, ...payment })
        return
      }
      io.stdout(`week ${due.week} is certified and waits for its anchor\n\nmemo\n${due.memo}\n\n`)
      io.stdout(formatPayment(payment))
    })
