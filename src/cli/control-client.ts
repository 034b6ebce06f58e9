import { request } from 'node:http'
import type { Readable } from 'node:stream'
import { isErrorCode, SecnodeError } from '../errors.ts'
import type { AskDaemon } from '../service/setup/facts.ts'
import { ControlError } from '../web/control/schemas.ts'
import { trustedControlSocket } from '../service/control-socket.ts'

/** Without a byte: a daemon that brings a large week together, or takes one in, is silent for long. */
const silenceMs = 30 * 60_000
/** The longest answer that is kept in memory: the tally of 40,000 seats has some 30 MB. */
const maxAnswerBytes = 512 * 1024 * 1024

/**
 * Asks the daemon that has this data directory open; with a `body` it is posted. The answer is JSON of this schema.
 * Refusals are thrown as they are. Errors besides: CONTROL_UNREACHABLE, CONTROL_UNSAFE, CONTROL_ANSWER.
 */
export const askDaemon: AskDaemon = async (dir, path, schema, signal, body) => {
  const text = await textFromDaemon(dir, path, signal, body)
  try {
    return schema.parse(JSON.parse(text))
  } catch (error) {
    throw new SecnodeError(
      'CONTROL_ANSWER',
      `the daemon of ${dir} answered ${path} otherwise than expected`,
      {
        hint: 'The daemon and this program are of different versions: start the daemon again.',
        cause: error,
      },
    )
  }
}

/** The same for an answer that is a document of its own. */
export const textFromDaemon = async (
  dir: string,
  path: string,
  signal: AbortSignal,
  body?: string,
): Promise<string> => await textOf(await streamFromDaemon(dir, path, signal, body))

/** The same for an answer that is too long for the memory. A stream that breaks off ends with an error. */
export const streamFromDaemon = async (
  dir: string,
  path: string,
  signal: AbortSignal,
  body?: string,
): Promise<Readable> => {
  const socketPath = await trustedControlSocket(dir)
  return await new Promise((resolve, reject) => {
    const method = body === undefined ? 'GET' : 'POST'
    const asked = request({ socketPath, path, method, signal, timeout: silenceMs }, (response) => {
      if (response.statusCode === 200) resolve(response)
      else textOf(response).then((text) => reject(refusalOf(text)), reject)
    })
    asked.on('timeout', () => asked.destroy(new Error('the daemon did not answer in time')))
    asked.on('error', (error) => {
      reject(
        new SecnodeError('CONTROL_UNREACHABLE', `the daemon of ${dir} does not answer: ${error.message}`, {
          hint: 'It may be starting or stopping: try again in a moment.',
          cause: error,
        }),
      )
    })
    asked.end(body)
  })
}

const textOf = async (stream: Readable): Promise<string> => {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > maxAnswerBytes)
      throw new SecnodeError('CONTROL_FAILED', 'the answer of the daemon is too long')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

const refusalOf = (text: string): Error => {
  try {
    const { code, message, hint, exitCode } = ControlError.parse(JSON.parse(text))
    if (!isErrorCode(code)) return new SecnodeError('CONTROL_FAILED', `${code}: ${message}`)
    return new SecnodeError(code, message, { exitCode, ...(hint === undefined ? {} : { hint }) })
  } catch {
    return new SecnodeError('CONTROL_FAILED', `the daemon answered: ${text.slice(0, 200)}`)
  }
}
