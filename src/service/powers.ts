import type { Profile } from '../chain/profiles.ts'
import type { Config } from './config.ts'

/** What a configuration makes the machine run, reach and read once a node is started with it. */
export interface Powers {
  /** Where the chain node is asked; without credentials. */
  rpc: string
  /** Sent to the chain node as a password. */
  cookie: string | null
  /** Programs with their arguments, started for alerts. */
  commands: readonly (readonly string[])[]
  /** Where alerts are sent; without paths, which hold tokens. */
  webhooks: readonly string[]
  /** Address and port of the operator's page; null if none is served. */
  page: string | null
  /** Whether ports of this machine are dialled that others announce. */
  dialsLoopback: boolean
}

export const powersOf = (
  { rpc, alerts, web }: Config,
  { allowLoopback }: Pick<Profile, 'allowLoopback'>,
): Powers => ({
  rpc: new URL(rpc.url).origin,
  cookie: rpc.cookie ?? null,
  commands: alerts?.commands ?? [],
  webhooks: (alerts?.webhooks ?? []).map(({ url }) => new URL(url).origin),
  page: web === false ? null : `${web.address.includes(':') ? `[${web.address}]` : web.address}:${web.port}`,
  dialsLoopback: allowLoopback,
})
