import { isSecnodeError, messageOf } from '../../errors.ts'

/** What the doctor found to be wrong. */
export interface Finding {
  /** Stable; docs/operators.md has a row for each. */
  code: string
  /** A failure costs credits or keeps the node from running; a warning will, or may. */
  severity: 'failure' | 'warning'
  /** What is wrong, in one line. */
  message: string
  /** What to do about it. */
  hint: string
  /** True if running the node makes no sense before this is mended: `secnode start` refuses. */
  stops: boolean
}

interface Kind {
  severity: Finding['severity']
  hint: string
  stops?: true
}

/** Every code of the doctor's own, with what to do. Codes of errors (CONFIG_…, KEY_FILE_…, RPC_…) come besides. */
export const kinds = {
  CONFIG_EXPOSED: {
    severity: 'warning',
    hint: 'It holds the password of the chain node. Run: chmod 600 on it.',
  },
  CERT_KEY_EXPOSED: {
    severity: 'warning',
    hint: 'Whoever reads it can pass for this host. Run: chmod o-rwx on it.',
  },
  RULESET_UNKNOWN: {
    severity: 'failure',
    hint: 'Install a version of Secnode that knows the ruleset (docs/incidents.md).',
  },
  DIR_UNUSABLE: {
    severity: 'failure',
    stops: true,
    hint: 'Check `dir`, who owns it, and whether its disk is mounted read-only.',
  },
  DISK_FULL: {
    severity: 'failure',
    stops: true,
    hint: 'Free space or enlarge the disk: a node that cannot write signs nothing and stops.',
  },
  DISK_LOW: { severity: 'warning', hint: 'Free space or enlarge the disk before it is full.' },
  DNS_UNABLE: {
    severity: 'failure',
    hint: 'Check the name servers of this machine (/etc/resolv.conf), and those of the domain.',
  },
  DNS_NO_ADDRESS: {
    severity: 'failure',
    hint: 'Make an A record (or AAAA) for the host that names the address of this node.',
  },
  DNS_NOT_GLOBAL: {
    severity: 'failure',
    hint: 'Challengers dial global addresses only: put the public address of this node into its record.',
  },
  DNS_SEVERAL_ADDRESSES: {
    severity: 'warning',
    hint: 'Challengers dial the numerically lowest IPv4 address only (R-PROBE-2). Leave one record.',
  },
  DNS_DIFFERS: {
    severity: 'warning',
    hint: 'Challengers that dial another address than most lose credits over it, and where no address has a majority the node gets none (R-TALLY-2, R-TALLY-3). Leave one record: no pool from which each answer is drawn, no answers by region, no old name server with old records. Just after a change, wait until old answers have expired.',
  },
  DNS_IPV6_ONLY: {
    severity: 'warning',
    hint: 'If your host puts machines of others into this /64, one with a lower seat takes this node’s credits. Get an IPv4 address, or a /64 of your own.',
  },
  DNS_IPV6_BROKEN: {
    severity: 'warning',
    hint: 'Listen on :: and open the ports for IPv6, or remove the AAAA record.',
  },
  DNS_OTHER_ADDRESS: {
    severity: 'failure',
    hint: 'Put the address of this node into the A record, or mend the forwarding.',
  },
  CERT_EXPIRED: { severity: 'failure', hint: 'Renew the certificate into the same files.' },
  CERT_NOT_YET_VALID: {
    severity: 'failure',
    hint: 'Check the clock of whoever issued it, and of this machine.',
  },
  CERT_EXPIRES_SOON: {
    severity: 'warning',
    hint: 'Renew it into the same files, and check the timer of the renewal: it should have run by now.',
  },
  CERT_WRONG_NAME: {
    severity: 'failure',
    hint: 'Get a certificate for exactly this host, or announce the host that it is for.',
  },
  CERT_SELF_SIGNED: {
    severity: 'failure',
    hint: 'Challengers trust public authorities only: get one from, for example, Let’s Encrypt.',
  },
  CERT_UNTRUSTED: {
    severity: 'failure',
    hint: 'Put the whole chain into the file (fullchain.pem, not cert.pem), from an authority that browsers trust.',
  },
  TLS_VERSION: {
    severity: 'failure',
    hint: 'Something else ends the connection: challengers must reach the node itself, which speaks TLS 1.3.',
  },
  TLS_UNBOUND: {
    severity: 'failure',
    hint:
      'Somebody else ends the TLS connections: a content network, a proxy, or another program on this port. ' +
      'Forward the port as plain TCP to the node.',
  },
  TLS_NOT_SERVED: {
    severity: 'failure',
    hint: 'Look into the log of the node: its TLS endpoint does not answer.',
  },
  TLS_REFUSED: {
    severity: 'failure',
    hint: 'Challengers will say "tls invalid". The words of the other node say what is wrong.',
  },
  ANOTHER_RUNS: {
    severity: 'failure',
    stops: true,
    hint: 'Stop that daemon for good first: two with the same keys cost the week. If it is this node itself, run this as its user.',
  },
  P2P_CANNOT_LISTEN: {
    severity: 'failure',
    stops: true,
    hint: 'Stop the program that has this port, or choose another `listen.p2p` and announce again. If it is the node itself, run this as its user.',
  },
  TLS_CANNOT_LISTEN: {
    severity: 'failure',
    stops: true,
    hint: 'Stop the program that has this port, or choose another `listen.tls` and announce again. If it is the node itself, run this as its user.',
  },
  P2P_UNREACHABLE: {
    severity: 'failure',
    hint: 'Open this TCP port in the firewall, and forward it in the router, to this machine.',
  },
  TLS_UNREACHABLE: {
    severity: 'failure',
    hint: 'Open this TCP port in the firewall, and forward it in the router, to this machine.',
  },
  OUTSIDE_NOT_CHECKED: {
    severity: 'warning',
    hint: 'Name an announced node with --peer host:port/PEERID, or run this again when the node runs.',
  },
  CHAIN_WRONG_NETWORK: {
    severity: 'failure',
    stops: true,
    hint: 'Check `profile` and `rpc.url`: each network has its own chain node.',
  },
  CHAIN_PRUNED: {
    severity: 'failure',
    stops: true,
    hint: 'Challenges sample the whole chain: run the chain node without -prune and let it download everything.',
  },
  CHAIN_BEHIND: {
    severity: 'failure',
    hint: 'Let the chain node synchronise; check its peers and its disk. Until then this node abstains.',
  },
  CLOCK_OFF: {
    severity: 'failure',
    hint: 'Set the clock, and keep it right with NTP (timedatectl set-ntp true).',
  },
  ANNOUNCEMENT_MISSING: {
    severity: 'failure',
    hint: 'Announce the node: secnode announce. Before that, --before-announcement leaves this out.',
  },
  ANNOUNCEMENT_REFUSED: {
    severity: 'failure',
    hint: 'Announce again: secnode announce checks everything before you pay.',
  },
  ANNOUNCEMENT_PENDING: { severity: 'warning', hint: 'Wait until it is confirmed.' },
  ANNOUNCEMENT_DIFFERS: {
    severity: 'failure',
    hint: 'Announce again with secnode announce, or run with what was announced.',
  },
  ANNOUNCEMENT_NOT_CHECKED: {
    severity: 'warning',
    hint: 'A chain node with an address index (zebrad; zcashd -insightexplorer; zend -addressindex) can tell, or the node once it has followed the chain.',
  },
  STAKE_TOO_SMALL: {
    severity: 'failure',
    hint: 'One output must pay the whole stake to its address, in the transaction with the memo: announce again.',
  },
  STAKE_SPENT: {
    severity: 'failure',
    hint: 'Announce again: that pays the stake anew. Then lock the output (docs/wallets.md).',
  },
  STAKE_SHIELDED: {
    severity: 'failure',
    hint: 'The wallet shields what it finds. Keep the stake in one that does not (docs/wallets.md), and announce again.',
  },
  STAKE_KEY_ON_NODE: {
    severity: 'warning',
    hint: 'Whoever breaks into this machine can spend the stake. Keep its key in a wallet at home.',
  },
  HOT_WALLET_IS_STAKE: {
    severity: 'failure',
    stops: true,
    hint: 'An anchor would spend the stake. Name an address of a small wallet of its own in `anchor.from`.',
  },
  HOT_WALLET_EMPTY: {
    severity: 'warning',
    hint: 'Send it some more: the bond comes back, the fee does not. Without it this node posts no anchors.',
  },
  HOT_WALLET_FOREIGN: {
    severity: 'warning',
    hint: 'Name an address of the chain node’s own wallet in `anchor.from`.',
  },
  HOT_WALLET_NO_WALLET: {
    severity: 'warning',
    hint: 'Point `rpc` at a node with a wallet (zcashd, zend), or remove `anchor`: `secnode anchor` posts by hand.',
  },
  CHECK_FAILED: { severity: 'warning', hint: 'Run it again with --verbose and report what it prints.' },
  CHECK_TIMEOUT: { severity: 'warning', hint: 'Run it again; if it stays so, look at what this check asks.' },
} as const satisfies Record<string, Kind>
export type DoctorCode = keyof typeof kinds
/** Those that are thrown, too, when a start is refused. */
export type StoppingCode = {
  [C in DoctorCode]: (typeof kinds)[C] extends { stops: true } ? C : never
}[DoctorCode]

export const finding = (code: DoctorCode, message: string, changes: Partial<Finding> = {}): Finding => {
  const { severity, hint, ...rest }: Kind = kinds[code]
  return { code, severity, message, hint, stops: rest.stops === true, ...changes }
}

/** Errors under which running makes no sense, besides the kinds above that say so. */
const stoppingErrors = /^(CONFIG_|PROFILE_|STAKE_ADDRESS$|KEY_FILE_|TLS_BAD_CERTIFICATE$|RPC_AUTH$)/

/** Errors that have a code of the doctor's own. */
const kindOfError: Readonly<Record<string, DoctorCode>> = {
  NET_CANNOT_LISTEN: 'P2P_CANNOT_LISTEN',
  TLS_CANNOT_LISTEN: 'TLS_CANNOT_LISTEN',
}

/** An error that is an answer: what it says is what is wrong. */
export const findingOfError = (error: unknown): Finding => {
  if (!isSecnodeError(error)) return finding('CHECK_FAILED', messageOf(error))
  const { code, message } = error
  const kind = kindOfError[code]
  if (kind !== undefined) return finding(kind, message)
  const hint = error.hint ?? 'See docs/operators.md.'
  return { code, severity: 'failure', message, hint, stops: stoppingErrors.test(code) }
}

/**
 * One fault shows in several places: an expired certificate is refused from outside, too. Codes that are left out where
 * one of those behind them was found.
 */
const explainedBy: Partial<Record<DoctorCode, readonly (string | RegExp)[]>> = {
  TLS_REFUSED: [/^CERT_(?!EXPIRES|KEY)/, 'TLS_VERSION', 'TLS_BAD_CERTIFICATE'],
  TLS_UNREACHABLE: ['TLS_BAD_CERTIFICATE'],
  CERT_UNTRUSTED: ['CERT_SELF_SIGNED'],
  ANNOUNCEMENT_MISSING: ['STAKE_TOO_SMALL'],
}

export const withoutExplained = (findings: readonly Finding[]): Finding[] => {
  const codes = findings.map(({ code }) => code)
  const isExplained = (code: string): boolean =>
    (explainedBy[code as DoctorCode] ?? []).some((cause) =>
      codes.some((other) => (typeof cause === 'string' ? other === cause : cause.test(other))),
    )
  return findings.filter(({ code }) => !isExplained(code))
}
