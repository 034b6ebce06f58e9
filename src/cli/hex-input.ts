import { createReadStream } from 'node:fs'
import { messageOf, SecnodeError } from '../errors.ts'

/** A ZEN block has at most 4,000,000 bytes: 8 million digits, and white space. */
const MAX_CHARACTERS = 16 * 1024 * 1024

/** The bytes of a file that holds one hex string (white space does not count), or of standard input for `-`. */
export const readHexInput = async (path: string, signal: AbortSignal): Promise<Uint8Array> => {
  const text = (await readText(path, signal)).replaceAll(/\s+/g, '')
  if (text === '' || text.length % 2 === 1 || /[^0-9a-f]/i.test(text)) {
    throw new SecnodeError('CLI_NOT_HEX', `${nameOf(path)} holds no hex string`, {
      hint: 'It takes what `getblock <height> 0` or `getrawtransaction <txid>` prints, without quotes.',
      exitCode: 2,
    })
  }
  return new Uint8Array(Buffer.from(text, 'hex'))
}

const nameOf = (path: string): string => (path === '-' ? 'standard input' : path)

const readText = async (path: string, signal: AbortSignal): Promise<string> => {
  const stream = path === '-' ? process.stdin : createReadStream(path, { signal })
  const abort = (): void => void stream.destroy(new Error('interrupted'))
  signal.addEventListener('abort', abort)
  let text = ''
  try {
    for await (const chunk of stream.setEncoding('latin1')) {
      text += chunk as string
      if (text.length > MAX_CHARACTERS) throw new Error(`more than ${MAX_CHARACTERS} characters`)
    }
  } catch (error) {
    throw new SecnodeError('CLI_CANNOT_READ', `Cannot read ${nameOf(path)}: ${messageOf(error)}`, {
      hint: 'Give the path of a readable file, or - for standard input.',
      cause: error,
      exitCode: 2,
    })
  } finally {
    signal.removeEventListener('abort', abort)
  }
  return text
}
