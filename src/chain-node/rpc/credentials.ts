import { readFile } from 'node:fs/promises'
import { messageOf } from '../../errors.ts'
import { RpcError } from './errors.ts'

/** How the node lets us in. A cookie file is rewritten by the node at each of its starts. */
export type RpcAuth =
  { kind: 'none' } | { kind: 'password'; user: string; password: string } | { kind: 'cookie'; path: string }

export interface Credentials {
  /** The Authorization header, or undefined without authentication. Throws RPC_COOKIE. */
  header(method: string): Promise<string | undefined>
  /** After a refusal: reads the cookie anew. True if it is another one, so that a second try makes sense. */
  renew(method: string): Promise<boolean>
  /** The next call reads the cookie anew. */
  forget(): void
}

export const createCredentials = (auth: RpcAuth): Credentials => {
  if (auth.kind !== 'cookie') {
    const header = auth.kind === 'none' ? undefined : basic(`${auth.user}:${auth.password}`)
    return { header: async () => header, renew: async () => false, forget: () => undefined }
  }
  let known: string | undefined
  const read = async (method: string): Promise<string> => {
    let cookie: string
    try {
      cookie = (await readFile(auth.path, 'utf8')).trim()
    } catch (error) {
      throw new RpcError('RPC_COOKIE', `the node's cookie file cannot be read: ${messageOf(error)}`, {
        method,
        // The node writes the file when it starts: until then it is missing.
        isTransient: true,
        hint: 'Is the node running, and may this user read its data directory? Otherwise use --rpc-user and --rpc-password.',
        cause: error,
      })
    }
    return basic(cookie)
  }
  return {
    header: async (method) => (known ??= await read(method)),
    renew: async (method) => {
      const before = known
      known = await read(method)
      return known !== before
    },
    forget: () => {
      known = undefined
    },
  }
}

const basic = (userAndPassword: string): string =>
  `Basic ${Buffer.from(userAndPassword, 'utf8').toString('base64')}`
