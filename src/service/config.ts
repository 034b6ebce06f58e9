import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { z } from 'zod'
import { type Genesis, isHost, stakeOfAddress } from '../../protocol/index.ts'
import { severities } from './alerts/finding.ts'
import { isWebhookUrl } from './alerts/webhook.ts'
import { messageOf, SecnodeError } from '../errors.ts'
import { readYaml, type Yaml } from './yaml.ts'

const Port = z.int({ error: 'must be a port from 1 to 65535' }).min(1).max(65_535)
const Text = (what: string, maxLength = 4_096) => z.string({ error: what }).min(1).max(maxLength)
const Path = Text('must be the path of a file')
const Address = z.union([z.ipv4(), z.ipv6()], { error: 'must be an IPv4 or IPv6 address' })
const Seconds = (min: number, max: number) =>
  z
    .number({ error: `must be a number of seconds from ${min} to ${max}` })
    .min(min)
    .max(max)
const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const

/** The configuration of a daemon. Relative paths are seen from the file's own folder. */
export const Config = z.strictObject({
  /** Name of a built-in profile, or path of a JSON file. */
  profile: Text('must be the name of a profile, or the path of one'),
  /** Data directory: one daemon, one directory. */
  dir: Text('must be the path of a directory').default('data'),
  /** The announced DNS name of this node. */
  host: z
    .string({ error: 'must be a DNS name' })
    .refine(isHost, { error: 'must be a lower-case DNS name with a dot, at most 71 bytes' }),
  /** The stake's transparent address. Its key stays in the wallet at home. */
  stake: Text('must be a transparent address', 64),
  listen: z
    .strictObject({
      address: Address.default('0.0.0.0'),
      p2p: Port.default(9_734),
      tls: Port.default(9_735),
    })
    .refine(({ p2p, tls }) => p2p !== tls, { error: 'must be another port than p2p', path: ['tls'] })
    .prefault({}),
  /** The ports under which others reach the node, where a container or a router maps them to those of `listen`. */
  public: z
    .strictObject({ p2p: Port, tls: Port })
    .refine(({ p2p, tls }) => p2p !== tls, { error: 'must be another port than p2p', path: ['tls'] })
    .optional(),
  certificate: z.strictObject({ cert: Path, key: Path }),
  /** File of the node's own keys, made by `secnode init`. */
  keys: Path.default('node.key'),
  rpc: z
    .strictObject({
      url: z.url({ protocol: /^https?$/, error: 'must be like http://127.0.0.1:8232' }),
      user: Text('must be text: put it in quotes').optional(),
      password: Text('must be text: put it in quotes').optional(),
      cookie: Path.optional(),
    })
    .refine(({ user, password }) => (user === undefined) === (password === undefined), {
      error: 'user and password go together',
    })
    .refine(({ user, cookie }) => user === undefined || cookie === undefined, {
      error: 'takes user and password, or a cookie file, not both',
    }),
  /** An address of a small hot wallet of the chain node's, which pays for anchors. Never the stake. */
  anchor: z.strictObject({ from: Text('must be a transparent address', 64) }).optional(),
  /** Who is told what the daemon finds to be wrong with itself (docs/monitoring.md). */
  alerts: z
    .strictObject({
      /** The least severe that is told. */
      from: z.enum(severities, { error: `must be one of ${severities.join(', ')}` }).default('warning'),
      /** Between two alerts of the same finding, however often it comes and goes. */
      minIntervalSeconds: Seconds(0, 604_800).default(3_600),
      /** For one try of one alert. */
      timeoutSeconds: Seconds(0.1, 300).default(10),
      webhooks: z
        .array(
          z.strictObject({
            url: z.string().max(2_048).refine(isWebhookUrl, {
              error: 'must be an https address, or http to this machine, without user and password',
            }),
            secret: Text('must be text: put it in quotes').optional(),
          }),
        )
        .max(8, { error: 'at most 8' })
        .default([]),
      /** Program and arguments; no shell looks at them. */
      commands: z
        .array(
          z.array(Text('must be text: put it in quotes')).min(1, { error: 'must name a program' }).max(64),
        )
        .max(8, { error: 'at most 8' })
        .default([]),
    })
    .optional(),
  /** Names that need no DNS. Devnets only: a profile that forbids loopback addresses forbids this. */
  hosts: z.record(z.string(), Address).optional(),
  /** How often other nodes are asked what gossip did not bring (R-SYNC-2). */
  syncSeconds: Seconds(0.1, 3_600).default(30),
  /** An attestation goes out at a random moment of this span: five minutes for 40,000 nodes are 133 a second. */
  spreadSeconds: Seconds(0, 900).default(300),
  /** How often the chain node is asked for new blocks. */
  pollSeconds: Seconds(0.02, 600).default(5),
  /** The operator's page, the JSON API and metrics, for this machine unless told otherwise; `false` serves none. */
  web: z
    .union(
      [
        z.literal(false),
        z.strictObject({
          address: Address.default('127.0.0.1'),
          port: Port.default(9_736),
          /** Further names that browsers and collectors of metrics may ask it by, with or without a port. */
          hosts: z
            .array(z.string().regex(/^[a-z0-9.-]{1,253}(:[0-9]{1,5})?$/))
            .max(16)
            .default([]),
        }),
      ],
      { error: 'must be `false`, or a group of address, port and hosts' },
    )
    .prefault({}),
  log: z.enum(logLevels, { error: `must be one of ${logLevels.join(', ')}` }).default('info'),
})
export type Config = z.infer<typeof Config>

/** hash160 of the stake's address. Errors: CONFIG_INVALID (exit code 2). */
export const stakeOf = (chain: Genesis['chain'], address: string): Uint8Array => {
  const stake = stakeOfAddress(chain, address)
  if (stake !== null) return stake
  throw new SecnodeError('CONFIG_INVALID', `stake: ${address} is no P2PKH address of ${chain}`, {
    exitCode: 2,
    hint: 'Write the transparent address that holds the stake, as the wallet shows it.',
  })
}

/** The ports that are announced: where challengers and other nodes come. */
export const publicPortsOf = (config: Pick<Config, 'listen' | 'public'>): { p2p: number; tls: number } => {
  const { p2p, tls } = config.public ?? config.listen
  return { p2p, tls }
}

/** What people write for a field, where the schema's own words do not say it. */
const examples: Readonly<Record<string, string>> = {
  profile: 'profile: zcash-testnet',
  dir: 'dir: /var/lib/secnode',
  keys: 'keys: /etc/secnode/node.key',
  listen: 'listen: { address: 0.0.0.0, p2p: 9734, tls: 9735 }',
  hosts: 'hosts: { n1.devnet.test: 127.0.0.2 }',
  host: 'host: node.example.org',
  stake: 'stake: tmYourStakeAddress',
  'listen.p2p': 'listen: { p2p: 9734 }',
  'listen.tls': 'listen: { tls: 9735 }',
  'listen.address': 'listen: { address: 0.0.0.0 }',
  public: 'public: { p2p: 9033, tls: 9034 }',
  certificate: 'certificate: { cert: fullchain.pem, key: privkey.pem }',
  'certificate.cert': 'certificate: { cert: fullchain.pem, key: privkey.pem }',
  'certificate.key': 'certificate: { cert: fullchain.pem, key: privkey.pem }',
  rpc: 'rpc: { url: "http://127.0.0.1:8232", cookie: /path/to/.cookie }',
  'rpc.url': 'rpc: { url: "http://127.0.0.1:8232", cookie: /path/to/.cookie }',
  'rpc.user': 'rpc: { url: "http://127.0.0.1:8232", user: "secnode", password: "secret" }',
  'rpc.password': 'rpc: { url: "http://127.0.0.1:8232", user: "secnode", password: "secret" }',
  anchor: 'anchor: { from: tmAddressOfASmallHotWallet }',
  'anchor.from': 'anchor: { from: tmAddressOfASmallHotWallet }',
  alerts:
    'alerts: { webhooks: [{ url: "https://chat.example.org/hook" }], commands: [[/usr/local/bin/notify]] }',
  syncSeconds: 'syncSeconds: 30',
  spreadSeconds: 'spreadSeconds: 300',
  pollSeconds: 'pollSeconds: 5',
  web: 'web: { address: 127.0.0.1, port: 9736 }',
  log: 'log: info',
}

const fieldNames = Object.keys(Config.shape).join(', ')

/** `hosts.n1.example` has no example of its own, but `hosts` has. */
const exampleOf = (field: string): string | undefined => examples[field] ?? examples[field.split('.')[0]!]

const invalid = (path: string, field: string, what: string, cause?: unknown): SecnodeError => {
  const name = field === '' ? '' : `${field}: `
  const example = exampleOf(field)
  return new SecnodeError('CONFIG_INVALID', `${path}: ${name}${what}`, {
    exitCode: 2,
    hint: example === undefined ? `The fields are: ${fieldNames}.` : `Write for example \`${example}\`.`,
    cause,
  })
}

/** What zod found, in the words of somebody who has the file before him. */
const whatIsWrong = (issue: z.core.$ZodIssue, raw: unknown): string => {
  if (issue.code === 'unrecognized_keys') return `unknown field ${issue.keys.join(', ')}`
  const value = issue.path.reduce<unknown>((inside, key) => Object(inside)[key] as unknown, raw)
  if (value === undefined) return 'is missing'
  if (value === null || value === '') return 'is empty'
  const isGroup =
    issue.code === 'invalid_type' && (issue.expected === 'object' || issue.expected === 'record')
  return isGroup ? 'must be a group of fields' : issue.message
}

/**
 * Reads a YAML (or JSON) configuration. Errors, all with exit code 2: CONFIG_MISSING, CONFIG_INVALID, which names the
 * field, what is wrong with it and what to write.
 */
export const loadConfig = async (path: string): Promise<Config> => {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    throw new SecnodeError('CONFIG_MISSING', `cannot read ${path}: ${messageOf(error)}`, {
      exitCode: 2,
      hint: 'Name the file with --config FILE.',
      cause: error,
    })
  }
  return parseConfig(text, path)
}

export const parseConfig = (text: string, path: string): Config => configOf(readYaml(text, path), path)

/** The same of a text that was read already. */
export const configOf = ({ value: raw }: Yaml, path: string): Config => {
  const parsed = Config.safeParse(raw)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!
    throw invalid(path, issue.path.join('.'), whatIsWrong(issue, raw), parsed.error)
  }
  return absolute(parsed.data, dirname(resolve(path)))
}

const absolute = (config: Config, base: string): Config => ({
  ...config,
  profile: /[/\\]|\.json$/.test(config.profile) ? resolve(base, config.profile) : config.profile,
  dir: resolve(base, config.dir),
  keys: resolve(base, config.keys),
  certificate: { cert: resolve(base, config.certificate.cert), key: resolve(base, config.certificate.key) },
  ...(config.alerts === undefined ? {} : { alerts: absoluteCommands(config.alerts, base) }),
  rpc:
    config.rpc.cookie === undefined
      ? config.rpc
      : { ...config.rpc, cookie: resolve(base, config.rpc.cookie) },
})

/** A program with a slash in its name is a file; one without is looked for in PATH. */
const absoluteCommands = (alerts: NonNullable<Config['alerts']>, base: string): Config['alerts'] => ({
  ...alerts,
  commands: alerts.commands.map(([program, ...args]) => [
    program!.includes('/') ? resolve(base, program!) : program!,
    ...args,
  ]),
})
