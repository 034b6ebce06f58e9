import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import type { DevnetCa } from './certificates.ts'

/** What a devnet keeps ready for a node that somebody sets up by hand, as he would anywhere else (docs/devnet.md). */
export interface GuestFiles {
  /** `user:password` of the chain node, as its own cookie file would have it. */
  cookieFile: string
  /** The chain node's address, for scripts: a devnet takes a free port each time. */
  urlFile: string
  certFile: string
  keyFile: string
  /** The treasury's key in wallet import format: whoever pays a week by hand is its coordinator. */
  treasuryFile: string
  /** What the configuration that `secnode init` writes needs besides, in this network of made-up names and fast blocks. */
  settingsFile: string
}

/** How nodes of a devnet keep up with blocks a second apart. */
export const devnetTiming = { syncSeconds: 1, spreadSeconds: 0, pollSeconds: 0.05 }

/** Writes them below `dir`; `hosts` are the names of the network, the guest's among them. */
export const writeGuestFiles = async (
  dir: string,
  guest: { host: string },
  hosts: Readonly<Record<string, string>>,
  ca: DevnetCa,
  rpc: { url: string; user: string; password: string },
  treasuryWif: string,
): Promise<GuestFiles> => {
  const folder = join(dir, 'guest')
  const files: GuestFiles = {
    cookieFile: join(dir, 'rpc.cookie'),
    urlFile: join(dir, 'rpc.url'),
    certFile: join(folder, 'cert.pem'),
    keyFile: join(folder, 'key.pem'),
    treasuryFile: join(dir, 'treasury.key'),
    settingsFile: join(folder, 'settings.yaml'),
  }
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const { certPem, keyPem } = await ca.issue(guest)
  await writeFile(files.cookieFile, `${rpc.user}:${rpc.password}`, { mode: 0o600 })
  await writeFile(files.urlFile, `${rpc.url}\n`)
  await writeFile(files.treasuryFile, `${treasuryWif}\n`, { mode: 0o600 })
  await writeFile(files.certFile, certPem)
  await writeFile(files.keyFile, keyPem, { mode: 0o600 })
  await writeFile(
    files.settingsFile,
    '\n# Of the devnet: names that no DNS has, and intervals for blocks a second apart.\n' +
      stringify({ hosts, ...devnetTiming }),
  )
  return files
}
