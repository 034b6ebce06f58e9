import { Command } from 'commander'
import { verifyMessage } from '../chain/message.ts'
import { type CliIo, printJson } from './io.ts'

/** `secnode chain verify-message`: whether an address signed a text; exit code 0 if it did and 1 if not. */
export const chainVerifyMessageCommand = (io: CliIo): Command =>
  new Command('verify-message')
    .description("check a wallet's signmessage signature")
    .argument('<address>', 'P2PKH address of any chain of the family: t1…, tm…, zn…, zt…')
    .argument('<signature>', 'what signmessage printed: base64 of 65 bytes')
    .argument('<message>', 'the text that was signed, exactly')
    .option('--json', 'print {"valid":true} or {"valid":false}')
    .addHelpText(
      'after',
      `
Exit code 0: the address signed this text; 1: it did not, or it is no such address. Nothing is asked of a node.

Example:
  $ secnode chain verify-message ztWAkLGMCURSFb4sGhqXFQwUYHhEWNjVApJ \\
      HyfEVMrykkS0ogn55bXscQs9WrJtxZMPL+ZetbBSSbcXScyUDMybHtjXpT6Lmz4OuxYWvXtia9etbH5wAw133A8= ciao
  valid`,
    )
    .action((address: string, signature: string, message: string, options: { json?: boolean }) => {
      const valid = verifyMessage(address, signature, message)
      if (options.json === true) printJson(io, { valid })
      else io.stdout(valid ? 'valid\n' : 'not valid: another key signed, or another text\n')
      io.setExitCode(valid ? 0 : 1)
    })
