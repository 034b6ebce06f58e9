import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseDocument } from 'yaml'
import { bytesToHex, type Height } from '../../../protocol/index.ts'
import type { UriPayment } from '../../chain/payment-uri.ts'
import type { Network } from '../../chain/profiles.ts'
import { isSecnodeError, messageOf, SecnodeError } from '../../errors.ts'
import { createNodeKeyFile, loadNodeKeyFile, type NodeKeys } from '../../keys/node-key.ts'
import { createPrivateFile } from '../../keys/private-file.ts'
import { Config, parseConfig } from '../config.ts'
import type { World } from '../../world.ts'
import { announcementPayments, signedMemo, type UnsignedAnnouncement } from './announcing.ts'
import { formatConfig } from './config-file.ts'
import { draftIn, keptDraft } from './draft.ts'
import type { HostEntry } from './hosts-table.ts'

/** One node of many, with its folder made: configuration, keys, text to sign. */
export interface NodeFolder {
  entry: HostEntry
  folder: string
  config: Config
  keys: NodeKeys
}

/**
 * Makes a folder for each node: a configuration that follows `template` but for host, stake, ports and files, and keys.
 * `{host}` in the template's certificate files becomes the node's name. What is there already stays: keys are never
 * made twice. Errors: NODES_FOLDER (with what cannot be written), NODES_OTHER (a folder holds another node's
 * configuration), those of key files.
 */
export const prepareFolders = async (
  entries: readonly HostEntry[],
  template: Config,
  out: string,
  world: World,
): Promise<NodeFolder[]> => {
  const folders: NodeFolder[] = []
  for (const entry of entries) {
    const folder = join(out, entry.host)
    const configFile = join(folder, 'secnode.yaml')
    const text = configFor(entry, template)
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 })
      await createPrivateFile(configFile, text, bytesToHex(world.randomBytes(8)))
    } catch (error) {
      throw new SecnodeError('NODES_FOLDER', `cannot write ${configFile}: ${messageOf(error)}`, {
        hint: 'Name a folder of your own with --out.',
        cause: error,
      })
    }
    const config = parseConfig(await readFile(configFile, 'utf8'), configFile)
    if (config.host !== entry.host || config.stake !== entry.stake) {
      throw new SecnodeError(
        'NODES_OTHER',
        `${configFile} is of host ${config.host} and stake ${config.stake}, the table says otherwise`,
        { exitCode: 2, hint: 'Mend the table, or move the folder away to have it made anew, with new keys.' },
      )
    }
    folders.push({ entry, folder, config, keys: await keysIn(config.keys, world) })
  }
  return folders
}

/** All that the template says beyond what makes a node this node: who is told, the page, the log, intervals. */
const configFor = (entry: HostEntry, template: Config): string => {
  const document = parseDocument(formatConfig(answersFor(entry, template)))
  document.set('web', template.web)
  document.set('log', template.log)
  if (template.alerts !== undefined) document.set('alerts', template.alerts)
  if (template.hosts !== undefined) document.set('hosts', template.hosts)
  for (const name of ['syncSeconds', 'spreadSeconds', 'pollSeconds'] as const) {
    if (template[name] !== Config.shape[name].parse(undefined)) document.set(name, template[name])
  }
  return document.toString({ lineWidth: 0 })
}

const answersFor = (entry: HostEntry, template: Config) => ({
  profile: template.profile,
  host: entry.host,
  stake: entry.stake,
  dir: 'data',
  keys: 'node.key',
  // The ports of the table are announced: those that are listened on, unless they are mapped to these.
  ...(template.public === undefined
    ? { listen: { ...template.listen, ...portsOf(entry, template.listen) }, public: null }
    : { listen: template.listen, public: portsOf(entry, template.public) }),
  certificate: {
    cert: template.certificate.cert.replaceAll('{host}', entry.host),
    key: template.certificate.key.replaceAll('{host}', entry.host),
  },
  rpc: template.rpc,
  anchorFrom: template.anchor?.from ?? null,
})

const portsOf = (entry: HostEntry, others: { p2p: number; tls: number }) => ({
  p2p: entry.p2p ?? others.p2p,
  tls: entry.tls ?? others.tls,
})

/** The keys of that file, made if there are none. Errors: those of key files. */
export const keysIn = async (path: string, world: World): Promise<NodeKeys> => {
  try {
    return await createNodeKeyFile(path, (length) => world.randomBytes(length))
  } catch (error) {
    if (!isSecnodeError(error, 'KEY_FILE_EXISTS')) throw error
    return await loadNodeKeyFile(path)
  }
}

export const draftsOf = async (
  network: Network,
  folders: readonly NodeFolder[],
  tip: Height,
): Promise<UnsignedAnnouncement[]> => {
  const drafts: UnsignedAnnouncement[] = []
  for (const { folder, config, keys } of folders)
    drafts.push(await draftIn(folder, network, config, keys, tip))
  return drafts
}

/** What became of a node's signature. */
export type SignedNode = { node: NodeFolder } & (
  | { is: 'signed'; memo: string; payments: UriPayment[] }
  | { is: 'unsigned' }
  | { is: 'wrong'; error: SecnodeError }
)

/** Checks the signatures that came back, each on its own: one that is wrong keeps no other node waiting. */
export const signedNodes = async (
  network: Network,
  folders: readonly NodeFolder[],
  signatureByHost: ReadonlyMap<string, string>,
  tip: Height | null,
): Promise<SignedNode[]> => {
  const nodes: SignedNode[] = []
  for (const node of folders) {
    const signature = signatureByHost.get(node.entry.host) ?? ''
    if (signature === '') {
      nodes.push({ node, is: 'unsigned' })
      continue
    }
    try {
      const draft = await keptDraft(node.folder, network, node.config, node.keys, tip)
      const memo = signedMemo(network, draft, signature)
      nodes.push({ node, is: 'signed', memo, payments: announcementPayments(network, draft, memo) })
    } catch (error) {
      if (!isSecnodeError(error)) throw error
      nodes.push({ node, is: 'wrong', error })
    }
  }
  return nodes
}
