import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'
import { isHost } from '../../protocol/index.ts'
import { messageOf, SecnodeError } from '../errors.ts'

const Port = z.int({ error: 'must be a port from 1 to 65535' }).min(1).max(65_535)
const Path = z.string().min(1).max(4_096)

/** The configuration of a daemon. Relative paths are seen from the file's own folder. */
export const Config = z.strictObject({
  /** Name of a built-in profile, or path of a JSON file. */
  profile: z.string().min(1),
  /** Data directory: one daemon, one directory. */
  dir: Path.default('data'),
  /** The announced DNS name of this node. */
  host: z.string().refine(isHost, { error: 'must be a lower-case DNS name with a dot, at most 71 bytes' }),
  /** The stake's transparent address. Its key stays in the wallet at home. */
  stake: z.string().min(1).max(64),
  listen: z
    .strictObject({
      address: z.union([z.ipv4(), z.ipv6()]).default('0.0.0.0'),
      p2p: Port.default(9_734),
      tls: Port.default(9_735),
    })
    .prefault({}),
  certificate: z.strictObject({ cert: Path, key: Path }),
  /** File of the node's own keys, made by `secnode init`. */
  keys: Path.default('node.key'),
  rpc: z.strictObject({
    url: z.url({ protocol: /^https?$/, error: 'must be like http://127.0.0.1:8232' }),
    user: z.string().optional(),
    password: z.string().optional(),
    cookie: Path.optional(),
  }),
  /** An address of a small hot wallet of the chain node's, which pays for anchors. Never the stake. */
  anchor: z.strictObject({ from: z.string().min(1).max(64) }).optional(),
  /** Names that need no DNS. Devnets only: a profile that forbids loopback addresses forbids this. */
  hosts: z.record(z.string(), z.union([z.ipv4(), z.ipv6()])).optional(),
  /** How often the store is compared with a random peer's. */
  syncSeconds: z.number().min(0.1).max(3_600).default(30),
  /** An attestation goes out at a random moment of this span: five minutes for 40,000 nodes are 133 a second. */
  spreadSeconds: z.number().min(0).max(900).default(300),
  /** How often the chain node is asked for new blocks. */
  pollSeconds: z.number().min(0.02).max(600).default(5),
  log: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
})
export type Config = z.infer<typeof Config>

/** What people write for a field, where the schema's own words do not say it. */
const examples: Readonly<Record<string, string>> = {
  profile: 'profile: zcash-testnet',
  host: 'host: node.example.org',
  stake: 'stake: tmYourStakeAddress',
  'listen.p2p': 'listen: { p2p: 9734 }',
  'listen.tls': 'listen: { tls: 9735 }',
  'listen.address': 'listen: { address: 0.0.0.0 }',
  certificate: 'certificate: { cert: fullchain.pem, key: privkey.pem }',
  'certificate.cert': 'certificate: { cert: fullchain.pem, key: privkey.pem }',
  'certificate.key': 'certificate: { cert: fullchain.pem, key: privkey.pem }',
  rpc: 'rpc: { url: "http://127.0.0.1:8232", cookie: /path/to/.cookie }',
  'rpc.url': 'rpc: { url: "http://127.0.0.1:8232", cookie: /path/to/.cookie }',
  anchor: 'anchor: { from: tmAddressOfASmallHotWallet }',
  'anchor.from': 'anchor: { from: tmAddressOfASmallHotWallet }',
  syncSeconds: 'syncSeconds: 30',
  spreadSeconds: 'spreadSeconds: 300',
  pollSeconds: 'pollSeconds: 5',
  log: 'log: info',
}

/** Largest configuration file: a hosts table of a devnet with a thousand nodes fits. */
const maxConfigBytes = 1_000_000

const invalid = (path: string, field: string, what: string, cause?: unknown): SecnodeError => {
  const name = field === '' ? '' : `${field}: `
  const example = examples[field]
  return new SecnodeError('CONFIG_INVALID', `${path}: ${name}${what}`, {
    exitCode: 2,
    hint:
      example === undefined
        ? 'The fields are: ' + Object.keys(Config.shape).join(', ') + '.'
        : `Write for example \`${example}\`.`,
    cause,
  })
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
  if (text.length > maxConfigBytes) throw invalid(path, '', 'is larger than a configuration can be')
  return parseConfig(text, path)
}

export const parseConfig = (text: string, path: string): Config => {
  let raw: unknown
  try {
    // A few aliases are nobody's need, and a billion of them are an attack.
    raw = parse(text, { maxAliasCount: 10 })
  } catch (error) {
    throw invalid(path, '', `is no YAML: ${messageOf(error)}`, error)
  }
  const parsed = Config.safeParse(raw)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!
    const what = issue.code === 'unrecognized_keys' ? `unknown field ${issue.keys.join(', ')}` : issue.message
    throw invalid(path, issue.path.join('.'), what, parsed.error)
  }
  return absolute(parsed.data, dirname(resolve(path)))
}

const absolute = (config: Config, base: string): Config => ({
  ...config,
  profile: /[/\\]|\.json$/.test(config.profile) ? resolve(base, config.profile) : config.profile,
  dir: resolve(base, config.dir),
  keys: resolve(base, config.keys),
  certificate: { cert: resolve(base, config.certificate.cert), key: resolve(base, config.certificate.key) },
  rpc:
    config.rpc.cookie === undefined
      ? config.rpc
      : { ...config.rpc, cookie: resolve(base, config.rpc.cookie) },
})
