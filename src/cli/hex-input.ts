import { SecnodeError } from '../errors.ts'
import { inputName, readTextInput } from './text-input.ts'

/** A ZEN block has at most 4,000,000 bytes: 8 million digits, and white space. */
const MAX_CHARACTERS = 16 * 1024 * 1024

/** The bytes of a file that holds one hex string (white space does not count), or of standard input for `-`. */
export const readHexInput = async (path: string, signal: AbortSignal): Promise<Uint8Array> => {
  const read = await readTextInput(path, { maxCharacters: MAX_CHARACTERS, signal, encoding: 'latin1' })
  const text = read.replaceAll(/\s+/g, '')
  if (text === '' || text.length % 2 === 1 || /[^0-9a-f]/i.test(text)) {
    throw new SecnodeError('CLI_NOT_HEX', `${inputName(path)} holds no hex string`, {
      hint: 'It takes what `getblock <height> 0` or `getrawtransaction <txid>` prints, without quotes.',
      exitCode: 2,
    })
  }
  return new Uint8Array(Buffer.from(text, 'hex'))
}
