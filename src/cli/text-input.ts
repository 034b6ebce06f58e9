import { createReadStream } from 'node:fs'
import { messageOf, SecnodeError } from '../errors.ts'

export interface TextInputOptions {
  maxCharacters: number
  signal: AbortSignal
  encoding?: 'utf8' | 'latin1'
}

/** How messages name an input. */
export const inputName = (path: string): string => (path === '-' ? 'standard input' : path)

/** A whole file, or standard input for `-`. Errors: CLI_CANNOT_READ (exit code 2). */
export const readTextInput = async (path: string, options: TextInputOptions): Promise<string> => {
  const { maxCharacters, signal, encoding = 'utf8' } = options
  const stream = path === '-' ? process.stdin : createReadStream(path, { signal })
  const abort = (): void => void stream.destroy(new Error('interrupted'))
  signal.addEventListener('abort', abort)
  let text = ''
  try {
    for await (const chunk of stream.setEncoding(encoding)) {
      text += chunk as string
      if (text.length > maxCharacters) throw new Error(`more than ${maxCharacters} characters`)
    }
  } catch (error) {
    signal.throwIfAborted()
    throw new SecnodeError('CLI_CANNOT_READ', `Cannot read ${inputName(path)}: ${messageOf(error)}`, {
      hint: 'Give the path of a readable file, or - for standard input.',
      cause: error,
      exitCode: 2,
    })
  } finally {
    signal.removeEventListener('abort', abort)
  }
  return text
}
