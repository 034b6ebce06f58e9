import { open } from 'node:fs/promises'
import { decodeWif } from '../chain/address.ts'
import { type SigningKey, signingKeyOf } from '../chain/input-signatures.ts'
import type { Network } from '../chain/profiles.ts'
import { messageOf, SecnodeError } from '../errors.ts'

/** A private key in wallet import format has 52 characters; the rest is white space. */
const maxKeyFileBytes = 256

/**
 * Reads the one key, in wallet import format, of a file that nobody else may read. Errors, with exit code 2:
 * PAYOUT_KEY_FILE, PAYOUT_KEY_MODE (others may read it), CHAIN_KEY_INVALID, PAYOUT_KEY_CHAIN, PAYOUT_KEY_UNCOMPRESSED.
 */
export const readKeyFile = async (path: string, network: Network): Promise<SigningKey> => {
  const text = await readPrivateFile(path)
  const { secretKey, isCompressed, chains } = decodeWif(text.trim())
  const { chain } = network.profile.genesis
  if (!chains.includes(chain)) {
    throw new SecnodeError(
      'PAYOUT_KEY_CHAIN',
      `the key in ${path} is of ${chains.join(', ')}, not ${chain}`,
      {
        hint: 'Is this the profile that you meant?',
        exitCode: 2,
      },
    )
  }
  if (!isCompressed) {
    throw new SecnodeError(
      'PAYOUT_KEY_UNCOMPRESSED',
      `the key in ${path} is one of an uncompressed public key`,
      {
        hint: 'Fees are reckoned for compressed keys: move the money to an address of one.',
        exitCode: 2,
      },
    )
  }
  return signingKeyOf(secretKey)
}

const readPrivateFile = async (path: string): Promise<string> => {
  let file
  try {
    file = await open(path)
    const { mode, size } = await file.stat()
    // Windows has no such bits.
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      throw new SecnodeError('PAYOUT_KEY_MODE', `others than you may read or write the key file ${path}`, {
        hint: `Run \`chmod 600 ${path}\`; if others use this machine, take a new key.`,
        exitCode: 2,
      })
    }
    if (size > maxKeyFileBytes) throw new Error(`${size} bytes are more than one key`)
    return await file.readFile('latin1')
  } catch (error) {
    if (error instanceof SecnodeError) throw error
    throw new SecnodeError('PAYOUT_KEY_FILE', `cannot read the key file ${path}: ${messageOf(error)}`, {
      hint: 'It holds one private key as `dumpprivkey` prints it.',
      cause: error,
      exitCode: 2,
    })
  } finally {
    await file?.close()
  }
}
