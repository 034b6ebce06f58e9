import { readFile, stat } from 'node:fs/promises'
import type { DigestedTally } from '../../protocol/index.ts'
import { messageOf, SecnodeError } from '../errors.ts'
import { type ClaimedTally, compareTallies, readClaimedTally, type TallyComparison } from '../week/compare.ts'
import { type CliIo, printJson } from './io.ts'

/** A tally of 40,000 seats and 42 epochs has about 30 MB. */
const maxBytes = 256 * 1024 * 1024

/** Somebody's tally, as `secnode tally --json` prints it. Errors, with exit code 2: CLI_CANNOT_READ, TALLY_FILE. */
export const readClaimedFile = async (path: string): Promise<ClaimedTally> => {
  let text: string
  try {
    const { size } = await stat(path)
    if (size > maxBytes) throw new Error(`more than ${maxBytes} bytes`)
    text = await readFile(path, 'utf8')
  } catch (error) {
    throw new SecnodeError('CLI_CANNOT_READ', `Cannot read ${path}: ${messageOf(error)}`, {
      hint: 'Give the path of a readable file.',
      cause: error,
      exitCode: 2,
    })
  }
  const read = readClaimedTally(text)
  if (read.is === 'ok') return read.claimed
  throw new SecnodeError('TALLY_FILE', `${path} is no tally: ${read.detail}`, {
    hint: 'Name a document that `secnode tally --week <week> --json` printed.',
    exitCode: 2,
  })
}

/** Prints where they differ, seat by seat, and sets the exit code. */
export const printComparison = (
  io: CliIo,
  own: DigestedTally,
  theirs: ClaimedTally,
  asJson: boolean,
): void => {
  const comparison = compareTallies(own, theirs)
  if (asJson) printJson(io, comparison)
  else io.stdout(formatComparison(own, comparison))
  io.setExitCode(comparison.result === 'match' ? 0 : 1)
}

const formatComparison = ({ document }: DigestedTally, found: TallyComparison): string => {
  const hosts = new Map(document.seats.map(({ seat, host }) => [seat, host]))
  const lines = [`week ${document.week}  state ${document.state}`, `own digest    ${found.own}`]
  lines.push(`their digest  ${found.theirs}`)
  if (found.claimed !== found.theirs) {
    lines.push(`they claim    ${found.claimed ?? 'none'}: not the digest of their document`)
  }
  for (const { member, own, theirs } of found.document) lines.push(`${member}: own ${own}, theirs ${theirs}`)
  for (const row of found.seats) {
    const name = `seat ${row.seat} ${hosts.get(row.seat) ?? ''}`.trimEnd()
    if (row.is === 'missing') lines.push(`${name}: theirs has it not`)
    else if (row.is === 'stranger') lines.push(`${name}: only theirs has it`)
    else {
      for (const { member, own, theirs } of row.differences) {
        lines.push(`${name}: ${member}: own ${own}, theirs ${theirs}`)
      }
    }
  }
  const seats = `${found.seats.length} ${found.seats.length === 1 ? 'seat differs' : 'seats differ'}`
  lines.push(found.result === 'match' ? 'match' : `mismatch: ${seats}`, '')
  return lines.join('\n')
}
