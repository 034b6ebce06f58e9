import { createReadStream } from 'node:fs'
import { access, constants, stat } from 'node:fs/promises'
import { messageOf, SecnodeError } from '../errors.ts'

/** A bundle on the disk; `open` begins at its first byte each time. */
export interface BundleFile {
  bytes: number
  open(): AsyncIterable<Uint8Array>
}

const chunkBytes = 256 * 1024

/** Errors: CLI_CANNOT_READ (exit code 2). */
export const openBundleFile = async (path: string): Promise<BundleFile> => {
  try {
    await access(path, constants.R_OK)
    const { size } = await stat(path)
    return { bytes: size, open: () => createReadStream(path, { highWaterMark: chunkBytes }) }
  } catch (error) {
    throw new SecnodeError('CLI_CANNOT_READ', `Cannot read ${path}: ${messageOf(error)}`, {
      hint: 'Name a file that `secnode bundle export` wrote.',
      cause: error,
      exitCode: 2,
    })
  }
}
