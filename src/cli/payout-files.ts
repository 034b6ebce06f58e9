import { link, open, rm } from 'node:fs/promises'
import { type DigestedTally, readTally } from '../../protocol/index.ts'
import type { Network } from '../chain/profiles.ts'
import { isSecnodeError, messageOf, SecnodeError } from '../errors.ts'
import { formatPayoutFile, parsePayoutFile, type PayoutFile } from '../payout/payout-file.ts'
import { readTextInput } from './text-input.ts'

/** A tally of 40,000 seats and 42 epochs has about 30 MB; 9,999 payout transactions would have 700 MB. */
const maxTallyBytes = 256 * 1024 * 1024
const maxPayoutBytes = 256 * 1024 * 1024

/**
 * Somebody's tally as `secnode tally --json` printed it, its digest checked. Errors, with exit code 2: CLI_CANNOT_READ,
 * PAYOUT_TALLY_FILE.
 */
export const readTallyFile = async (path: string, signal: AbortSignal): Promise<DigestedTally> => {
  const text = await readTextInput(path, { maxCharacters: maxTallyBytes, signal })
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    throw tallyError(path, `no JSON: ${messageOf(error)}`)
  }
  const read = readTally(json)
  if (read.is === 'bad') throw tallyError(path, `${read.path} [${read.code}]`)
  return read.tally
}

export const readPayoutFile = async (
  path: string,
  network: Network,
  signal: AbortSignal,
): Promise<PayoutFile> =>
  parsePayoutFile(await readTextInput(path, { maxCharacters: maxPayoutBytes, signal }), network, path)

/** A new file that appears whole or not at all. Errors, with exit code 2: PAYOUT_OUT_EXISTS, PAYOUT_OUT. */
export const writePayoutFile = async (path: string, file: PayoutFile, network: Network): Promise<void> => {
  const unfinished = `${path}.${process.pid}.part`
  try {
    const handle = await open(unfinished, 'wx')
    try {
      await handle.writeFile(formatPayoutFile(file, network))
      await handle.sync()
    } finally {
      await handle.close()
    }
    // Unlike a renaming this never takes the place of another file.
    await link(unfinished, path)
  } catch (error) {
    if (isSecnodeError(error)) throw error
    const exists = (error as NodeJS.ErrnoException).code === 'EEXIST'
    throw new SecnodeError(
      exists ? 'PAYOUT_OUT_EXISTS' : 'PAYOUT_OUT',
      exists ? `${path} is there already` : `cannot write ${path}: ${messageOf(error)}`,
      { hint: 'Name a new file with --out.', cause: error, exitCode: 2 },
    )
  } finally {
    await rm(unfinished, { force: true })
  }
}

const tallyError = (path: string, what: string): SecnodeError =>
  new SecnodeError('PAYOUT_TALLY_FILE', `${path} is no tally: ${what}`, {
    hint: 'Make it with `secnode tally --week <week> --json` on a node of your own.',
    exitCode: 2,
  })
