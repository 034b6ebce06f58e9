import { parse } from 'csv-parse/sync'
import { z } from 'zod'
import { bytesToHex, isHost } from '../../../protocol/index.ts'
import type { Network } from '../../chain/profiles.ts'
import { messageOf, SecnodeError } from '../../errors.ts'
import { stakeOf } from './announcing.ts'

const Port = z.string().regex(/^[1-9][0-9]{0,4}$/, { error: 'must be a port' })

const HostRow = z.strictObject({
  host: z
    .string({ error: 'is missing' })
    .refine(isHost, { error: 'must be a lower-case DNS name with a dot, at most 71 bytes' }),
  stake: z.string({ error: 'is missing' }).min(1, { error: 'is empty' }),
  /** The ports, if they are not those of the configuration that the others follow. */
  p2p: Port.or(z.literal('')).optional(),
  tls: Port.or(z.literal('')).optional(),
})

const SignatureRow = z.object({
  host: z.string({ error: 'is missing' }),
  signature: z.string({ error: 'is missing' }),
})

/** A node of many: what differs from the others. */
export interface HostEntry {
  host: string
  /** The stake's address, as the owner writes it. */
  stake: string
  p2p: number | null
  tls: number | null
}

/** Ten thousand nodes fit. */
export const maxTableCharacters = 4_000_000

/**
 * Reads `host,stake[,p2p,tls]` with a header line. Each host and each stake, however it is spelled, may stand there
 * once. Errors, with exit code 2: HOSTS_TABLE (says of every line that is wrong what is wrong with it).
 */
export const parseHostsTable = (text: string, name: string, network: Network): HostEntry[] => {
  const source: Source = { name, hint: hostsHint }
  const lineByHost = new Map<string, number>()
  const lineByStake = new Map<string, number>()
  const { rows, faults } = readRows(text, source, HostRow, ['host', 'stake'])
  const once = (lines: Map<string, number>, key: string, what: string, line: number): void => {
    const earlier = lines.get(key)
    if (earlier === undefined) lines.set(key, line)
    else faults.push({ line, what: `${what} stands in line ${earlier} already` })
  }
  const entries = rows.map(({ row, line }): HostEntry => {
    once(lineByHost, row.host, row.host, line)
    try {
      // Two spellings of one address are one stake (R-REG-3).
      once(lineByStake, bytesToHex(stakeOf(network, row.stake)), `stake ${row.stake}`, line)
    } catch (error) {
      faults.push({ line, what: messageOf(error) })
    }
    const [p2p, tls] = [row.p2p, row.tls].map((port) =>
      port === undefined || port === '' ? null : Number(port),
    )
    if ([p2p, tls].some((port) => port! > 65_535)) faults.push({ line, what: 'a port is above 65535' })
    return { host: row.host, stake: row.stake, p2p: p2p!, tls: tls! }
  })
  refuse(source, faults)
  if (entries.length === 0) refuse(source, [{ line: 1, what: 'there are no nodes in it' }])
  return entries
}

/**
 * Reads `host,…,signature`: the signatures that are there, by host, which must be one of `hosts`. Errors: HOSTS_TABLE
 * (exit code 2).
 */
export const parseSignatures = (
  text: string,
  name: string,
  hosts: ReadonlySet<string>,
): Map<string, string> => {
  const source: Source = { name, hint: signaturesHint }
  const signatures = new Map<string, string>()
  const { rows, faults } = readRows(text, source, SignatureRow, ['host', 'signature'])
  for (const { row, line } of rows) {
    if (signatures.has(row.host)) faults.push({ line, what: `${row.host} is there twice` })
    if (!hosts.has(row.host)) faults.push({ line, what: `${row.host} is none of the nodes` })
    signatures.set(row.host, row.signature)
  }
  refuse(source, faults)
  return signatures
}

interface Fault {
  line: number
  what: string
}

/** The rows that are as they should be, and what is wrong with the others. */
const readRows = <T>(
  text: string,
  source: Source,
  schema: z.ZodType<T>,
  columns: readonly string[],
): { rows: { row: T; line: number }[]; faults: Fault[] } => {
  let named: readonly string[] = columns
  let records: { record: unknown; info: { lines: number } }[]
  try {
    records = parse(text, {
      bom: true,
      columns: (header: string[]) => (named = header.map((name) => name.toLowerCase())),
      comment: '#',
      comment_no_infix: true,
      info: true,
      relax_column_count_less: true,
      skip_empty_lines: true,
      trim: true,
    }) as unknown as typeof records
  } catch (error) {
    throw new SecnodeError('HOSTS_TABLE', `${source.name}: ${messageOf(error)}`, {
      exitCode: 2,
      hint: source.hint,
      cause: error,
    })
  }
  const missing = columns.filter((column) => !named.includes(column))
  if (missing.length > 0) refuse(source, [{ line: 1, what: `it names no column ${missing.join(', ')}` }])
  const rows: { row: T; line: number }[] = []
  const faults: Fault[] = []
  for (const { record, info } of records) {
    const parsed = schema.safeParse(record)
    if (parsed.success) rows.push({ row: parsed.data, line: info.lines })
    else faults.push(...parsed.error.issues.map((issue) => ({ line: info.lines, what: whatIsWrong(issue) })))
  }
  return { rows, faults }
}

const whatIsWrong = (issue: z.core.$ZodIssue): string =>
  issue.code === 'unrecognized_keys'
    ? `unknown column ${issue.keys.join(', ')}`
    : `${issue.path.join('.')}: ${issue.message}`

/** A table as its errors speak of it. */
interface Source {
  name: string
  hint: string
}

const hostsHint =
  'Write a first line `host,stake` and below it a line for each node; columns `p2p` and `tls` may follow.'
const signaturesHint =
  'It is the table that the first call wrote, with a signature at the end of each line: `host,stake,signature`.'

/** Whoever mends a table wants to know of all that is wrong with it. */
const maxFaultsTold = 20

const refuse = ({ name, hint }: Source, faults: readonly Fault[]): void => {
  const [first] = faults
  if (first === undefined) return
  if (faults.length === 1) {
    throw new SecnodeError('HOSTS_TABLE', `${name}, line ${first.line}: ${first.what}`, {
      exitCode: 2,
      hint,
    })
  }
  const told = faults
    .toSorted((a, b) => a.line - b.line)
    .slice(0, maxFaultsTold)
    .map(({ line, what }) => `line ${line}: ${what}`)
  if (faults.length > told.length) told.push(`and ${faults.length - told.length} more`)
  throw new SecnodeError('HOSTS_TABLE', `${name}: ${faults.length} mistakes`, {
    exitCode: 2,
    hint: [...told, hint].join('\n'),
  })
}
