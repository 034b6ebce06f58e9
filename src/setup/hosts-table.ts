import { parse } from 'csv-parse/sync'
import { z } from 'zod'
import { bytesToHex, isHost } from '../../protocol/index.ts'
import type { Network } from '../chain/profiles.ts'
import { messageOf, SecnodeError } from '../errors.ts'
import { stakeOf } from './announcing.ts'

const Port = z.string().regex(/^[1-9][0-9]{0,4}$/, { error: 'must be a port' })

const HostRow = z.strictObject({
  host: z.string().refine(isHost, { error: 'must be a lower-case DNS name with a dot, at most 71 bytes' }),
  stake: z.string().min(1, { error: 'must be a transparent address' }),
  /** The ports, if they are not those of the configuration that the others follow. */
  p2p: Port.or(z.literal('')).optional(),
  tls: Port.or(z.literal('')).optional(),
})

const SignatureRow = z.object({ host: z.string(), signature: z.string() })

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
 * once. Errors, with exit code 2: HOSTS_TABLE (says which line and what is wrong).
 */
export const parseHostsTable = (text: string, source: string, network: Network): HostEntry[] => {
  const lineByHost = new Map<string, number>()
  const lineByStake = new Map<string, number>()
  const once = (lines: Map<string, number>, key: string, what: string, line: number): void => {
    const earlier = lines.get(key)
    if (earlier !== undefined) throw invalid(source, line, `${what} stands in line ${earlier} already`)
    lines.set(key, line)
  }
  const entries = rowsOf(text, source, HostRow).map(({ row, line }): HostEntry => {
    once(lineByHost, row.host, row.host, line)
    let stake: Uint8Array
    try {
      stake = stakeOf(network, row.stake)
    } catch (error) {
      throw invalid(source, line, messageOf(error))
    }
    // Two spellings of one address are one stake (R-REG-3).
    once(lineByStake, bytesToHex(stake), `stake ${row.stake}`, line)
    const [p2p, tls] = [row.p2p, row.tls].map((port) =>
      port === undefined || port === '' ? null : Number(port),
    )
    if ([p2p, tls].some((port) => port! > 65_535)) throw invalid(source, line, 'a port is above 65535')
    return { host: row.host, stake: row.stake, p2p: p2p!, tls: tls! }
  })
  if (entries.length === 0) throw invalid(source, 1, 'there are no nodes in it')
  return entries
}

/** Reads `host,…,signature`: the signatures that are there, by host. Errors: HOSTS_TABLE (exit code 2). */
export const parseSignatures = (text: string, source: string): Map<string, string> => {
  const signatures = new Map<string, string>()
  for (const { row, line } of rowsOf(text, source, SignatureRow)) {
    if (signatures.has(row.host)) throw invalid(source, line, `${row.host} is there twice`)
    signatures.set(row.host, row.signature)
  }
  return signatures
}

const rowsOf = <T>(text: string, source: string, schema: z.ZodType<T>): { row: T; line: number }[] => {
  let records: { record: unknown; info: { lines: number } }[]
  try {
    records = parse(text, {
      bom: true,
      columns: (header: string[]) => header.map((name) => name.toLowerCase()),
      comment: '#',
      comment_no_infix: true,
      info: true,
      skip_empty_lines: true,
      trim: true,
    }) as unknown as typeof records
  } catch (error) {
    throw new SecnodeError('HOSTS_TABLE', `${source}: ${messageOf(error)}`, {
      exitCode: 2,
      hint,
      cause: error,
    })
  }
  return records.map(({ record, info }) => {
    const parsed = schema.safeParse(record)
    if (parsed.success) return { row: parsed.data, line: info.lines }
    const [issue] = parsed.error.issues
    const what =
      issue?.code === 'unrecognized_keys'
        ? `unknown column ${issue.keys.join(', ')}`
        : `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'is wrong'}`
    throw invalid(source, info.lines, what)
  })
}

const hint =
  'Write a first line `host,stake` and below it a line for each node; columns `p2p` and `tls` may follow.'

const invalid = (source: string, line: number, what: string): SecnodeError =>
  new SecnodeError('HOSTS_TABLE', `${source}, line ${line}: ${what}`, { exitCode: 2, hint })
