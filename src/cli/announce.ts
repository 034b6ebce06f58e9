import { rename, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import type { Height } from '../../protocol/index.ts'
import type { Network } from '../chain/profiles.ts'
import { loadNetwork } from '../service/load-network.ts'
import { getBlockCount } from '../chain-node/rpc/methods.ts'
import { isSecnodeError, messageOf, SecnodeError } from '../errors.ts'
import { loadNodeKeyFile, type NodeKeys } from '../keys/node-key.ts'
import { createPrivateFile } from '../keys/private-file.ts'
import { createRpc } from '../service/assemble.ts'
import { type Config, loadConfig } from '../service/config.ts'
import { powersOf } from '../service/powers.ts'
import { announcementPayments, signedMemo, type UnsignedAnnouncement } from '../service/setup/announcing.ts'
import { draftIn, keptDraft, lastHeightOf, textFile } from '../service/setup/draft.ts'
import { maxTableCharacters, parseHostsTable, parseSignatures } from '../service/setup/hosts-table.ts'
import {
  draftsOf,
  type NodeFolder,
  prepareFolders,
  type SignedNode,
  signedNodes,
} from '../service/setup/many-nodes.ts'
import { realWorld } from '../world.ts'
import { type CliIo, printError, printJson } from './io.ts'
import { formatPayment, paymentText } from './payment-text.ts'
import { powersText } from './powers-text.ts'
import { readTextInput } from './text-input.ts'
import { formatTable } from './week-table.ts'

/** Of whatever makes an announcement of one node. */
export interface AnnounceOneFlags {
  config: string
  at?: Height
  signature?: string
  json?: true
}

interface AnnounceFlags extends AnnounceOneFlags {
  nodes?: string
  out: string
  signatures?: string
}

export const announceCommand = (io: CliIo): Command =>
  new Command('announce')
    .description('make the announcement of a node, or of many: text to sign, memo, payment')
    .requiredOption(
      '--config <file>',
      'configuration of the node; with --nodes, the one that all others follow',
    )
    .option('--signature <text>', 'what the wallet made of the text; - reads it from standard input')
    .option('--at <height>', 'height of the announcement; that of the chain by default', heightOf)
    .option('--nodes <file>', 'many nodes at once: a table with a first line host,stake')
    .option('--out <dir>', 'with --nodes: a folder for each node is made in it', 'nodes')
    .option('--signatures <file>', 'with --nodes: the table of signatures, filled in; - reads standard input')
    .option('--json', 'print one object')
    .addHelpText(
      'after',
      `
The first call prints the text that the stake's wallet signs (signmessage) and keeps it beside the configuration; the
second takes the signature, checks it, and prints the one payment that announces the node: the stake to its own address
and a little with the memo to the network's address. On a terminal the first call asks for the signature at once.

Examples:
  secnode announce --config secnode.yaml
  secnode announce --config secnode.yaml --signature H9qS...=
  secnode announce --config secnode.yaml --nodes hosts.csv --out nodes
  secnode announce --config secnode.yaml --nodes hosts.csv --out nodes --signatures nodes/signatures.csv`,
    )
    .action(async (flags: AnnounceFlags) => {
      const config = await loadConfig(flags.config)
      const network = await loadNetwork(config.profile)
      if (flags.nodes !== undefined) await announceMany(io, network, config, flags, flags.nodes)
      else if (flags.signatures !== undefined) throw usage('--signatures goes with --nodes')
      else {
        const keys = await loadNodeKeyFile(config.keys)
        await announceOne(io, network, config, keys, flags, { command: 'announce', next: lockIt })
      }
    })

/** What to say for a command that makes an announcement. */
export interface AnnouncingWords {
  /** That is called again with the signature. */
  command: string
  /** After the payment. */
  next: string
}

export const lockIt =
  'Then lock the output that pays the stake, so that no wallet spends it (docs/wallets.md).\n'

/** The text to sign, or with a signature the payment, of one node under these keys. */
export const announceOne = async (
  io: CliIo,
  network: Network,
  config: Config,
  keys: NodeKeys,
  flags: AnnounceOneFlags,
  words: AnnouncingWords,
): Promise<void> => {
  const folder = dirname(resolve(flags.config))
  if (flags.signature !== undefined) {
    const tip = flags.at ?? (await tipOrNull(io, config))
    const draft = await keptDraft(folder, network, config, keys, tip)
    const signature =
      flags.signature === '-'
        ? await readTextInput('-', { maxCharacters: 1_000, signal: io.signal })
        : flags.signature
    finish(io, network, draft, signedMemo(network, draft, signature), flags, words)
    return
  }
  const draft = await draftIn(folder, network, config, keys, flags.at ?? (await tipOf(io, config)))
  const last = lastHeightOf(network, draft)
  if (flags.json === true) {
    const { host, stake, at, text } = draft
    printJson(io, { host, stake, at, lastHeight: last, text, textFile: textFile(folder) })
    return
  }
  io.stdout(
    `Sign this text with ${draft.stake}: three lines, no line break at the end.\n\n${draft.text}\n\n` +
      `It also stands in ${textFile(folder)}. On the command line of the wallet:\n` +
      `${signCall(network, draft, textFile(folder))}\n\n`,
  )
  if (io.ask !== undefined) {
    for (;;) {
      const signature = (await io.ask('Signature (empty: later): ')).trim()
      if (signature === '') break
      try {
        finish(io, network, draft, signedMemo(network, draft, signature), flags, words)
        return
      } catch (error) {
        if (!isSecnodeError(error)) throw error
        printError(io, error, false)
      }
    }
  }
  io.stdout(
    `Then, so that it is mined by block ${last}:\n  secnode ${words.command} --config ${flags.config} --signature SIGNATURE\n`,
  )
}

const finish = (
  io: CliIo,
  network: Network,
  draft: UnsignedAnnouncement,
  memo: string,
  flags: AnnounceOneFlags,
  words: AnnouncingWords,
): void => {
  const payment = paymentText(network, announcementPayments(network, draft, memo))
  const lastHeight = lastHeightOf(network, draft)
  if (flags.json === true) {
    printJson(io, { host: draft.host, stake: draft.stake, at: draft.at, lastHeight, memo, ...payment })
    return
  }
  io.stdout(
    `The signature is good. One transaction with both payments announces the node; it must be mined by block ${lastHeight}.\n\n` +
      `memo\n${memo}\n\n${formatPayment(payment)}\n` +
      words.next,
  )
}

const announceMany = async (
  io: CliIo,
  network: Network,
  template: Config,
  flags: AnnounceFlags,
  table: string,
): Promise<void> => {
  if (flags.signature !== undefined) throw usage('--signature is for one node; many take --signatures FILE')
  const out = resolve(flags.out)
  const input = { maxCharacters: maxTableCharacters, signal: io.signal }
  const entries = parseHostsTable(await readTextInput(table, input), table, network)
  const folders = await prepareFolders(entries, template, out, realWorld())
  if (flags.signatures === undefined) {
    await prepareMany(io, network, template, folders, out, flags)
    return
  }
  const hosts = new Set(entries.map(({ host }) => host))
  const signatures = parseSignatures(await readTextInput(flags.signatures, input), flags.signatures, hosts)
  const tip = flags.at ?? (await tipOrNull(io, template))
  const nodes = await signedNodes(network, folders, signatures, tip)
  const rows: string[][] = []
  const results: object[] = []
  for (const node of nodes) {
    const { host, stake } = node.node.entry
    if (node.is === 'signed') await writePayment(network, node)
    rows.push([host, stake, ...stateOf(node)])
    results.push(
      node.is === 'signed'
        ? { host, stake, is: node.is, memo: node.memo, ...paymentText(network, node.payments) }
        : {
            host,
            stake,
            is: node.is,
            ...(node.is === 'wrong' ? { code: node.error.code, why: node.error.message } : {}),
          },
    )
  }
  const isWhole = nodes.every(({ is }) => is === 'signed')
  if (!isWhole) io.setExitCode(1)
  if (flags.json === true) {
    printJson(io, { nodes: results })
    return
  }
  io.stdout(`${formatTable(['host', 'stake', 'signature', 'next'], rows, new Set())}\n`)
  if (isWhole) io.stdout('Each payment is a transaction of its own: an announcement has room for one node.\n')
}

const stateOf = (node: SignedNode): [string, string] => {
  if (node.is === 'signed') return ['good', `pay as ${paymentFile(node.node)} says`]
  return node.is === 'unsigned'
    ? ['missing', 'sign its text']
    : ['wrong', `${node.error.message} [${node.error.code}]`]
}

const paymentFile = ({ folder }: NodeFolder): string => join(folder, 'payment.txt')

const writePayment = async (
  network: Network,
  { node, memo, payments }: Extract<SignedNode, { is: 'signed' }>,
): Promise<void> => {
  const path = paymentFile(node)
  await writeFile(`${path}.new`, `memo\n${memo}\n\n${formatPayment(paymentText(network, payments))}`)
  await rename(`${path}.new`, path)
}

/** The texts to sign, and a table that takes the signatures. */
const prepareMany = async (
  io: CliIo,
  network: Network,
  template: Config,
  folders: readonly NodeFolder[],
  out: string,
  flags: AnnounceFlags,
): Promise<void> => {
  const drafts = await draftsOf(network, folders, flags.at ?? (await tipOf(io, template)))
  const signaturesFile = join(out, 'signatures.csv')
  const lines = drafts.map(({ host, stake }) => `${host},${stake},`)
  // One that is being filled in is not touched.
  await createPrivateFile(signaturesFile, `host,stake,signature\n${lines.join('\n')}\n`, `${process.pid}`)
  if (flags.json === true) {
    const nodes = drafts.map((draft, i) => ({
      host: draft.host,
      stake: draft.stake,
      peer: folders[i]!.keys.peerId,
      at: draft.at,
      text: draft.text,
      textFile: textFile(folders[i]!.folder),
    }))
    printJson(io, { signatures: signaturesFile, nodes })
    return
  }
  const rows = drafts.map(({ host, stake }, i) => [host, stake, textFile(folders[i]!.folder)])
  io.stdout(
    `${formatTable(['host', 'stake', 'text to sign'], rows, new Set())}\n` +
      `Sign each text with its stake, write the signatures into ${signaturesFile}, and call this again with\n` +
      `--signatures ${signaturesFile}. On the command line of the wallet:\n\n` +
      `${drafts.map((draft, i) => signCall(network, draft, textFile(folders[i]!.folder))).join('\n')}\n\n` +
      `What the nodes do once they are started, as their configurations say:\n${powersOfAll(network, folders).join('')}`,
  )
}

/** Of the template, and of folders that were there already. */
const powersOfAll = ({ profile }: Network, folders: readonly NodeFolder[]): string[] => [
  ...new Set(
    folders.flatMap(({ config }) => powersText(powersOf(config, profile)).map((line) => `  ${line}\n`)),
  ),
]

/** `$(cat …)` drops line breaks at the end and keeps those between. */
const signCall = ({ facts }: Network, { stake }: UnsignedAnnouncement, file: string): string =>
  `${facts.family === 'zen' ? 'zen-cli' : 'zcash-cli'} signmessage "${stake}" "$(cat '${file}')"`

const tipOf = async (io: CliIo, config: Config): Promise<Height> => {
  await using rpc = createRpc(config, realWorld())
  return await getBlockCount(rpc, { signal: io.signal, deadlineMs: 15_000 })
}

/** The signature can be checked without the chain node; whether it comes in time cannot. */
const tipOrNull = async (io: CliIo, config: Config): Promise<Height | null> => {
  try {
    return await tipOf(io, config)
  } catch (error) {
    io.signal.throwIfAborted()
    io.stderr(`the chain node was not asked whether the text is still young enough: ${messageOf(error)}\n`)
    return null
  }
}

const usage = (message: string): SecnodeError => new SecnodeError('USAGE', message, { exitCode: 2 })

export const heightOf = (text: string): Height => {
  const height = Number(text)
  if (!/^[0-9]{1,10}$/.test(text) || height > 0xffff_ffff) throw new InvalidArgumentError('it is no height.')
  return height
}
