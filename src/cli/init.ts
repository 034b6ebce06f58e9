import { dirname, isAbsolute, relative, resolve } from 'node:path'
import { Command } from 'commander'
import { bytesToHex, isHost } from '../../protocol/index.ts'
import { decodeWif } from '../chain/address.ts'
import { builtInNames, type Network } from '../chain/profiles.ts'
import { loadNetwork } from '../service/load-network.ts'
import { messageOf, SecnodeError } from '../errors.ts'
import { createPrivateFile } from '../keys/private-file.ts'
import { parseConfig } from '../service/config.ts'
import { stakeOf } from '../service/setup/announcing.ts'
import { type ConfigAnswers, formatConfig } from '../service/setup/config-file.ts'
import { keysIn } from '../service/setup/many-nodes.ts'
import { realWorld } from '../world.ts'
import { type CliIo, printJson } from './io.ts'

interface InitFlags {
  config: string
  profile?: string
  host?: string
  stake?: string
  dir: string
  keys: string
  listen: string
  p2p: string
  tls: string
  publicP2p?: string
  publicTls?: string
  cert?: string
  certKey?: string
  rpc?: string
  rpcCookie?: string
  rpcUser?: string
  rpcPassword?: string
  anchorFrom?: string
  json?: true
}

export const initCommand = (io: CliIo): Command =>
  new Command('init')
    .description("write a configuration and make the node's keys")
    .option('--config <file>', 'where to write it; nothing is ever overwritten', 'secnode.yaml')
    .option('--profile <profile>', `the network: ${builtInNames.join(', ')}, or the path of a JSON file`)
    .option('--host <name>', 'DNS name of this node')
    .option('--stake <address>', 'transparent address that holds the stake; never a key')
    .option('--dir <dir>', 'data directory, seen from the configuration', 'data')
    .option('--keys <file>', "file of the node's keys, seen from the configuration", 'node.key')
    .option('--listen <address>', 'address to listen on; :: for IPv6 and IPv4', '0.0.0.0')
    .option('--p2p <port>', 'port of libp2p', '9734')
    .option('--tls <port>', 'port of the TLS endpoint', '9735')
    .option('--public-p2p <port>', 'port under which others reach that of libp2p, where it is mapped')
    .option('--public-tls <port>', 'the same for the TLS endpoint')
    .option('--cert <file>', 'certificate with its chain; that of certbot for the host by default')
    .option('--cert-key <file>', 'its key')
    .option('--rpc <url>', 'JSON-RPC of the full chain node')
    .option('--rpc-cookie <file>', 'its cookie file')
    .option('--rpc-user <name>', 'its user, if it has no cookie')
    .option('--rpc-password <password>', 'its password; on a terminal it is asked for instead')
    .option('--anchor-from <address>', 'address of a small hot wallet that pays for anchors; never the stake')
    .option('--json', 'print one object')
    .addHelpText(
      'after',
      `
On a terminal it asks for what no option says. It never asks for a key of the wallet: the stake's key stays at home.

Example:
  secnode init --profile zcash-testnet --host node.example.org --stake tmYourStakeAddress \\
    --rpc http://127.0.0.1:18232 --rpc-cookie /var/lib/zebra/.cookie`,
    )
    .action(async (flags: InitFlags) => await init(io, flags))

const init = async (io: CliIo, flags: InitFlags): Promise<void> => {
  const world = realWorld()
  const configFile = resolve(flags.config)
  const base = dirname(configFile)
  const { network, answers } = await answersOf(io, flags, base)
  const text = formatConfig(answers)
  // What the daemon would refuse is refused here, before anything is written.
  const config = parseConfig(text, flags.config)
  const isNew = await createPrivateFile(configFile, text, bytesToHex(world.randomBytes(8))).catch(
    (error: unknown) => {
      throw new SecnodeError('INIT_UNWRITABLE', `cannot write ${flags.config}: ${messageOf(error)}`, {
        hint: 'Name another file with --config.',
        cause: error,
      })
    },
  )
  if (!isNew) {
    throw new SecnodeError('INIT_EXISTS', `${flags.config} exists already`, {
      exitCode: 2,
      hint: 'Nothing is overwritten: edit it, or name another file with --config.',
    })
  }
  const keys = await keysIn(resolve(base, config.keys), world)
  const next = [
    `secnode doctor --config ${flags.config} --before-announcement`,
    `secnode announce --config ${flags.config}`,
  ]
  if (flags.json === true) {
    printJson(io, {
      config: configFile,
      keys: config.keys,
      peer: keys.peerId,
      network: network.networkId,
      next,
    })
    return
  }
  io.stdout(
    `configuration  ${flags.config}\n` +
      `keys           ${config.keys}  (mode 0600; keep a copy where nobody else can read it)\n` +
      `peer           ${keys.peerId}\n\n` +
      `Next: ${next[0]}\n      and when it finds nothing,\n      ${next[1]}\n`,
  )
}

const answersOf = async (
  io: CliIo,
  flags: InitFlags,
  base: string,
): Promise<{ network: Network; answers: ConfigAnswers }> => {
  const missing: string[] = []
  const answer = async (
    flag: Exclude<keyof InitFlags, 'json'>,
    question: string,
    options: { fallback?: string; check?: (text: string) => string } = {},
  ): Promise<string> => {
    const given = flags[flag]
    const check = options.check ?? ((text: string) => text)
    if (given !== undefined) return check(given)
    if (io.ask === undefined) {
      if (options.fallback !== undefined) return check(options.fallback)
      missing.push(`--${flag.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`)
      return ''
    }
    for (;;) {
      const shown = options.fallback === undefined ? '' : ` [${options.fallback}]`
      const text = (await io.ask(`${question}${shown}: `)).trim() || (options.fallback ?? '')
      if (text === '') continue
      try {
        return check(text)
      } catch (error) {
        io.stderr(`  ${messageOf(error)}\n`)
      }
    }
  }

  const profile = await answer('profile', `Network (${builtInNames.join(', ')}, or a file)`)
  const network = profile === '' ? null : await loadNetwork(profile)
  const host = await answer('host', 'DNS name of this node', { check: checkedHost })
  const stake = await answer('stake', 'Transparent address of the stake (never a key)', {
    check: (text) => checkedAddress(network, text),
  })
  const port = network?.facts.rpcPort ?? 8_232
  const rpcUrl = await answer('rpc', 'JSON-RPC of the full chain node', {
    fallback: `http://127.0.0.1:${port}`,
  })
  const folder = `/etc/letsencrypt/live/${host}`
  const cert = await answer('cert', 'Certificate with its chain', { fallback: `${folder}/fullchain.pem` })
  const certKey = await answer('certKey', 'Its key', { fallback: `${folder}/privkey.pem` })
  if (missing.length > 0 || network === null) {
    throw new SecnodeError('USAGE', `without a terminal to ask on, it needs ${missing.join(', ')}`, {
      exitCode: 2,
      hint: 'See secnode init --help.',
    })
  }
  const ports = { p2p: checkedPort(flags.p2p, '--p2p'), tls: checkedPort(flags.tls, '--tls') }
  const anchorFrom =
    flags.anchorFrom === undefined ? null : checkedHotWallet(network, flags.anchorFrom, stake)
  return {
    network,
    answers: {
      profile: /[/\\]|\.json$/.test(profile) ? pathFrom(base, profile) : profile,
      host,
      stake,
      dir: flags.dir,
      keys: flags.keys,
      listen: { address: flags.listen, ...ports },
      public: publicPorts(flags),
      certificate: { cert: pathFrom(base, cert), key: pathFrom(base, certKey) },
      rpc: { url: rpcUrl, ...(await rpcAccess(io, flags, base)) },
      anchorFrom,
    },
  }
}

/** A path that was written as seen from here, as it is seen from the configuration. */
const pathFrom = (base: string, path: string): string =>
  isAbsolute(path) ? path : `./${relative(base, resolve(path))}`

const rpcAccess = async (
  io: CliIo,
  flags: InitFlags,
  base: string,
): Promise<{ cookie?: string; user?: string; password?: string }> => {
  const { rpcCookie, rpcUser, rpcPassword } = flags
  if (rpcCookie !== undefined) {
    if (rpcUser !== undefined || rpcPassword !== undefined)
      throw usage('--rpc-cookie does not go with --rpc-user')
    return { cookie: pathFrom(base, rpcCookie) }
  }
  if (rpcUser !== undefined) {
    const password = rpcPassword ?? (await io.ask?.('Password of the chain node: '))
    if (password === undefined || password === '') throw usage('--rpc-user and --rpc-password go together')
    return { user: rpcUser, password }
  }
  if (rpcPassword !== undefined) throw usage('--rpc-user and --rpc-password go together')
  const asked = (await io.ask?.('Cookie file of the chain node (empty: none): '))?.trim() ?? ''
  return asked === '' ? {} : { cookie: pathFrom(base, asked) }
}

const usage = (message: string): SecnodeError => new SecnodeError('USAGE', message, { exitCode: 2 })

const checkedHost = (text: string): string => {
  if (isHost(text)) return text
  throw new SecnodeError('INIT_HOST', `${text} is no lower-case DNS name with a dot, of at most 71 bytes`, {
    exitCode: 2,
    hint: 'Write it like node.example.org.',
  })
}

/** Refuses what looks like a private key before anything else is said of it. */
const checkedAddress = (network: Network | null, text: string): string => {
  if (isPrivateKey(text)) {
    throw new SecnodeError('INIT_PRIVATE_KEY', 'this is a private key, not an address', {
      exitCode: 2,
      hint:
        'Secnode never needs it, and has not kept it. It may stand in the history of this terminal: ' +
        'move the coins to a new address.',
    })
  }
  if (network !== null) stakeOf(network, text)
  return text
}

const isPrivateKey = (text: string): boolean => {
  if (/^(secret-|SK|ST)/.test(text)) return true
  try {
    decodeWif(text)
    return true
  } catch {
    return false
  }
}

const checkedHotWallet = (network: Network, text: string, stake: string): string => {
  const address = checkedAddress(network, text)
  if (bytesToHex(stakeOf(network, address)) !== bytesToHex(stakeOf(network, stake))) return address
  throw new SecnodeError('INIT_HOT_STAKE', 'the hot wallet must not be the stake', {
    exitCode: 2,
    hint: 'An anchor spends what is there: name an address of a small wallet of its own.',
  })
}

const publicPorts = ({ publicP2p, publicTls }: InitFlags): { p2p: number; tls: number } | null => {
  if (publicP2p === undefined && publicTls === undefined) return null
  if (publicP2p === undefined || publicTls === undefined) {
    throw usage('--public-p2p and --public-tls go together')
  }
  return { p2p: checkedPort(publicP2p, '--public-p2p'), tls: checkedPort(publicTls, '--public-tls') }
}

const checkedPort = (text: string, flag: string): number => {
  const port = Number(text)
  if (/^[0-9]{1,5}$/.test(text) && port >= 1 && port <= 65_535) return port
  throw usage(`${flag} takes a port from 1 to 65535`)
}
