import { stringify } from 'yaml'

/** What `secnode init` asks for: everything of a configuration that has no good default. */
export interface ConfigAnswers {
  profile: string
  host: string
  stake: string
  dir: string
  keys: string
  listen: { address: string; p2p: number; tls: number }
  /** The announced ports, where they are mapped to others. */
  public: { p2p: number; tls: number } | null
  certificate: { cert: string; key: string }
  rpc: { url: string; cookie?: string | undefined; user?: string | undefined; password?: string | undefined }
  anchorFrom: string | null
}

/** The text of a configuration file, with comments for whoever opens it again in a year. */
export const formatConfig = (answers: ConfigAnswers): string => {
  const { rpc } = answers
  const access =
    rpc.cookie !== undefined
      ? [`  cookie: ${yaml(rpc.cookie)}`]
      : rpc.user !== undefined
        ? [`  user: ${yaml(rpc.user)}`, `  password: ${yaml(rpc.password ?? '')}`]
        : ['  # cookie: /var/lib/zebra/.cookie   # or user: and password:']
  return [
    '# Configuration of a Secnode node. Relative paths are seen from the folder of this file.',
    '# Check it with:  secnode doctor --config THIS-FILE',
    '',
    '# The network: a built-in profile, or the path of a JSON file.',
    `profile: ${yaml(answers.profile)}`,
    '',
    '# The data directory: one node, one directory. It may grow to some gigabytes.',
    `dir: ${yaml(answers.dir)}`,
    '',
    '# The name under which the node is announced. It must resolve to an address of its own.',
    '# After a change announce again: secnode announce',
    `host: ${yaml(answers.host)}`,
    '',
    '# The transparent address that holds the stake. Its key stays in the wallet at home: never write it here.',
    `stake: ${yaml(answers.stake)}`,
    '',
    '# Where the node listens. Others reach it at these very ports, under the name above, unless `public` says otherwise.',
    'listen:',
    `  address: ${yaml(answers.listen.address)}`,
    `  p2p: ${answers.listen.p2p}`,
    `  tls: ${answers.listen.tls}`,
    '',
    '# The ports under which others reach it, where a container or a router maps them to those above. They are what is',
    '# announced: after a change announce again.',
    ...(answers.public === null
      ? ['# public:', '#   p2p: 9033', '#   tls: 9034']
      : ['public:', `  p2p: ${answers.public.p2p}`, `  tls: ${answers.public.tls}`]),
    '',
    '# Certificate with its whole chain, and its key. Renewed files are picked up without a restart.',
    'certificate:',
    `  cert: ${yaml(answers.certificate.cert)}`,
    `  key: ${yaml(answers.certificate.key)}`,
    '',
    "# The node's own keys, made by `secnode init`. They can sign for the node, but spend nothing. Keep a copy.",
    `keys: ${yaml(answers.keys)}`,
    '',
    '# The full chain node: not pruned, on this machine or in a network that you trust.',
    'rpc:',
    `  url: ${yaml(rpc.url)}`,
    ...access,
    '',
    '# A small hot wallet of the chain node, which pays for anchors (a coin that comes back, and a fee). Optional.',
    '# Never the stake.',
    ...(answers.anchorFrom === null
      ? ['# anchor:', '#   from: ADDRESS']
      : ['anchor:', `  from: ${yaml(answers.anchorFrom)}`]),
    '',
    '# Who is told what is wrong with the node (docs/monitoring.md); `secnode alert test` tries it. Optional.',
    '# alerts:',
    '#   webhooks: [{ url: "https://hooks.example.org/..." }]',
    '#   commands: [[/usr/local/bin/page-me]]',
    '',
    '# The page and the JSON API, for this machine only (docs/page-and-api.md); `web: false` serves none.',
    'web:',
    '  address: 127.0.0.1',
    '  port: 9736',
    '',
    '# How much is logged: trace, debug, info, warn, error, silent.',
    'log: info',
    '',
  ].join('\n')
}

/** A scalar as YAML wants it, quoted where it must be. */
const yaml = (text: string): string => stringify(text, { lineWidth: 0 }).trimEnd()
