import { type IncomingHttpHeaders, request, type RequestOptions } from 'node:http'
import { connect } from 'node:net'

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  body: string
}

/** One request as it is written, with nothing made canonical. */
export const ask = async (
  base: string,
  path: string,
  options: Pick<RequestOptions, 'method' | 'headers' | 'localAddress'> & { body?: string } = {},
): Promise<Answer> =>
  await new Promise((resolve, reject) => {
    const { hostname, port } = new URL(base)
    const { body, ...rest } = options
    const asked = request({ hostname, port, path, agent: false, ...rest }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks).toString('utf8'),
        }),
      )
      response.on('error', reject)
    })
    asked.on('error', reject)
    asked.setTimeout(90_000, () => asked.destroy(new Error(`no answer to ${path.slice(0, 80)}`)))
    asked.end(body)
  })

/** Bytes as they are; resolves with the first line of the answer, or an empty text if there was none. */
export const askRaw = async (base: string, bytes: string): Promise<string> =>
  await new Promise((resolve, reject) => {
    const { hostname, port } = new URL(base)
    let answer = ''
    const socket = connect(Number(port), hostname, () => socket.write(bytes))
    socket.setTimeout(90_000, () => socket.destroy(new Error('no answer')))
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1')
      if (answer.includes('\r\n')) socket.destroy()
    })
    socket.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ECONNRESET' ? resolve(answer) : reject(error),
    )
    socket.on('close', () => resolve(answer.split('\r\n', 1)[0] ?? ''))
  })

/** A stream of events that stays open until it is closed. */
export interface OpenStream {
  status: number
  headers: IncomingHttpHeaders
  /** Everything that came so far. */
  received(): string
  close(): void
}

export const openStream = async (
  base: string,
  path: string,
  localAddress?: string,
  headers: Record<string, string> = {},
): Promise<OpenStream> =>
  await new Promise((resolve, reject) => {
    const { hostname, port } = new URL(base)
    const from = localAddress === undefined ? {} : { localAddress }
    const asked = request({ hostname, port, path, agent: false, headers, ...from }, (response) => {
      let received = ''
      response.on('data', (chunk: Buffer) => (received += chunk.toString('utf8')))
      response.on('error', () => undefined)
      resolve({
        status: response.statusCode ?? 0,
        headers: response.headers,
        received: () => received,
        close: () => asked.destroy(),
      })
    })
    asked.on('error', reject)
    asked.end()
  })
