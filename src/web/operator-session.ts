import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { bytesToHex } from '../../protocol/index.ts'
import type { World } from '../world.ts'

/**
 * The operator's own way in. Every program of this machine may read the page, so all share one allowance; the key of the
 * session is told over the control socket only, and requests with it have an allowance, streams and sockets of their own.
 */
export interface OperatorSession {
  /** Path and query of the address that begins a session. Holds until the server stops. */
  entry: string
  /** Whether a request belongs to the session, or begins it. */
  isOwn(request: Pick<IncomingMessage, 'url' | 'headers'>): boolean
  /** The header by which a browser keeps the session. The name tells nodes of one machine apart: cookies know no ports. */
  cookie(port: number): string
}

export const entryPath = '/session'

export const createOperatorSession = (world: Pick<World, 'randomBytes'>): OperatorSession => {
  const key = bytesToHex(world.randomBytes(32))
  const entry = `${entryPath}?key=${key}`
  const isKey = (text: string): boolean => timingSafeEqual(digestOf(text), digestOf(key))
  return {
    entry,
    isOwn: ({ url = '', headers }) =>
      (url.startsWith(`${entryPath}?key=`) && isKey(url.slice(`${entryPath}?key=`.length))) ||
      keysIn(headers.cookie).some(isKey),
    cookie: (port) => `secnode-${port}=${key}; Path=/; HttpOnly; SameSite=Strict`,
  }
}

/** Of any node of this machine. */
const keysIn = (cookies = ''): string[] =>
  [...cookies.matchAll(/(?:^|;\s*)secnode-[0-9]{1,5}=([0-9a-f]{64})(?=;|$)/g)].map(([, key = '']) => key)

const digestOf = (text: string): Buffer => createHash('sha256').update(text).digest()
