import { request } from 'node:http'
import { SecnodeError } from '../errors.ts'
import type { ControlError } from '../node/control.ts'
import { controlSocketOf } from '../node/data-dir.ts'

const timeoutMs = 120_000

/** Asks the daemon that has this data directory open; with a `body` it is posted. Refusals are thrown as they are. */
export const askDaemon = async (
  dir: string,
  path: string,
  signal: AbortSignal,
  body?: string,
): Promise<string> =>
  await new Promise((resolve, reject) => {
    const method = body === undefined ? 'GET' : 'POST'
    const asked = request(
      { socketPath: controlSocketOf(dir), path, method, signal, timeout: timeoutMs },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8')
          if (response.statusCode === 200) resolve(text)
          else reject(refusalOf(text))
        })
      },
    )
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

const refusalOf = (text: string): Error => {
  try {
    const { code, message, hint, exitCode } = JSON.parse(text) as ControlError
    return new SecnodeError(code, message, { exitCode, ...(hint === undefined ? {} : { hint }) })
  } catch {
    return new SecnodeError('CONTROL_FAILED', `the daemon answered: ${text.slice(0, 200)}`)
  }
}
