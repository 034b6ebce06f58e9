import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createRpcClient, type RpcClient } from '../../src/chain-node/rpc/client.ts'
import type { RpcAuth } from '../../src/chain-node/rpc/credentials.ts'
import { getBlockCount } from '../../src/chain-node/rpc/methods.ts'
import { realWorld } from '../../src/world.ts'

/** Names of upgrades as zebrad's configuration has them; those before Canopy are active from block 1. */
export type ActivationHeights = Partial<
  Record<'Canopy' | 'NU5' | 'NU6' | 'NU6.1' | 'NU6.2' | 'NU6.3' | 'NU7', number>
>

export interface ZebradSettings {
  /** An upgrade that is not named comes with the next one that is, or never: zebrad's own default ends at Canopy. */
  activationHeights: ActivationHeights
  /** Who gets what blocks pay, and what a shielded coinbase says to him. */
  miner: { address: string; memo?: string }
  /** Without one the node takes every call. */
  hasCookie: boolean
  /** host:port of nodes to sync from. */
  peers: readonly string[]
}

/** A node of its own on loopback: data directory, ports and process go with it. */
export interface Zebrad extends AsyncDisposable {
  readonly url: string
  /** host:port where other nodes may reach it. */
  readonly peerAddress: string
  readonly cookiePath: string
  readonly auth: RpcAuth
  /** Of this harness; tests of the client make their own. */
  readonly rpc: RpcClient
  readonly processId: number
  /** What it printed since its last start. */
  log(): string
  /** Ends it as an operator would; `kill` as a power cut does. What it has on disk stays. */
  stop(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>
  /** The same node again, at the same addresses, with changes to its configuration. */
  start(changes?: Partial<ZebradSettings>): Promise<void>
}

/** All that zebrad 7 knows for its Regtest, from the first block on that its templates can be made for. */
export const allUpgrades: ActivationHeights = { NU5: 1, NU6: 1, 'NU6.1': 1, 'NU6.2': 1, 'NU6.3': 1 }

const startMs = 120_000
const stopMs = 30_000

/** Regtest: no proof of work, blocks on demand. */
export const startZebrad = async (
  settings: Partial<ZebradSettings> & Pick<ZebradSettings, 'miner'>,
): Promise<Zebrad> => {
  const binary = process.env['ZEBRAD']
  if (binary === undefined) throw new Error('these tests are started by `npm run test:zebrad`')
  const directory = mkdtempSync(join(tmpdir(), 'secnode-zebrad-'))
  const cookiePath = join(directory, '.cookie')
  let current: ZebradSettings = { activationHeights: allUpgrades, hasCookie: false, peers: [], ...settings }
  let child: ChildProcess | null = null
  let output = ''
  let rpcAddress = '127.0.0.1:0'
  let peerAddress = '127.0.0.1:0'
  let rpc: RpcClient | null = null
  const auth = (): RpcAuth => (current.hasCookie ? { kind: 'cookie', path: cookiePath } : { kind: 'none' })

  const start = async (changes: Partial<ZebradSettings> = {}): Promise<void> => {
    if (child !== null) throw new Error('it runs already')
    current = { ...current, ...changes }
    const configPath = join(directory, 'zebrad.toml')
    writeFileSync(configPath, configuration(current, { directory, rpcAddress, peerAddress }))
    output = ''
    const started = spawn(binary, ['--config', configPath, 'start'], {
      stdio: ['ignore', 'pipe', 'pipe'],
      // Nothing of the environment may change the configuration.
      env: { PATH: process.env['PATH'] ?? '', HOME: directory },
    })
    child = started
    started.once('exit', () => {
      if (child === started) child = null
    })
    const hasRpc = new Promise<void>((resolve, reject) => {
      const look = (text: string): void => {
        output += text
        if (output.length > 4_000_000) output = output.slice(-2_000_000)
        const rpcAt = /Opened RPC endpoint at (127\.0\.0\.1:\d+)/.exec(output)?.[1]
        const peersAt = /Opened Zcash protocol endpoint at (127\.0\.0\.1:\d+)/.exec(output)?.[1]
        if (peersAt !== undefined) peerAddress = peersAt
        if (rpcAt !== undefined) {
          rpcAddress = rpcAt
          resolve()
        }
      }
      started.stdout.setEncoding('utf8').on('data', look)
      started.stderr.setEncoding('utf8').on('data', look)
      started.once('error', reject)
      started.once('exit', (code) => reject(new Error(`zebrad ended with ${code}:\n${output.slice(-4_000)}`)))
      AbortSignal.timeout(startMs).addEventListener('abort', () =>
        reject(new Error(`no RPC endpoint within ${startMs} ms:\n${output.slice(-4_000)}`)),
      )
    })
    try {
      await hasRpc
      await rpc?.close()
      rpc = createRpcClient({ url: `http://${rpcAddress}/`, auth: auth(), world: realWorld() })
      // It listens before its genesis block is in place.
      await untilTrue(async () => (await getBlockCount(rpc!).catch(() => -1)) >= 0, startMs)
    } catch (error) {
      await stop('SIGKILL')
      throw error
    }
  }

  const stop = async (signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> => {
    const stopped = child
    if (stopped === null) return
    const ended = new Promise<void>((resolve) => stopped.once('exit', () => resolve()))
    stopped.kill(signal)
    const timer = setTimeout(() => stopped.kill('SIGKILL'), stopMs)
    await ended
    clearTimeout(timer)
  }

  const dispose = async (): Promise<void> => {
    process.off('exit', killNow)
    await rpc?.close()
    await stop()
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
  }
  // A test run that ends in the middle leaves no node behind.
  const killNow = (): void => {
    child?.kill('SIGKILL')
    if (existsSync(directory)) rmSync(directory, { recursive: true, force: true })
  }
  process.on('exit', killNow)

  try {
    await start()
  } catch (error) {
    await dispose()
    throw error
  }
  return {
    get url() {
      return `http://${rpcAddress}/`
    },
    get peerAddress() {
      return peerAddress
    },
    cookiePath,
    get auth() {
      return auth()
    },
    get rpc() {
      return rpc!
    },
    get processId() {
      return child?.pid ?? -1
    },
    log: () => output,
    stop,
    start,
    [Symbol.asyncDispose]: dispose,
  }
}

/** Looks again every 50 ms; throws when it takes longer. */
export const untilTrue = async (isTrue: () => Promise<boolean>, timeoutMs: number): Promise<void> => {
  const deadline = performance.now() + timeoutMs
  while (!(await isTrue())) {
    if (performance.now() > deadline) throw new Error(`it did not come true within ${timeoutMs} ms`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

const configuration = (
  { activationHeights, miner, hasCookie, peers }: ZebradSettings,
  places: { directory: string; rpcAddress: string; peerAddress: string },
): string => {
  const text = (value: string): string => JSON.stringify(value)
  return `[network]
network = "Regtest"
listen_addr = ${text(places.peerAddress)}
initial_mainnet_peers = []
initial_testnet_peers = [${peers.map(text).join(', ')}]
peerset_initial_target_size = 1
cache_dir = false

[network.testnet_parameters.activation_heights]
${Object.entries({ Canopy: 1, ...activationHeights })
  .map(([name, height]) => `${text(name)} = ${height}`)
  .join('\n')}

[state]
cache_dir = ${text(join(places.directory, 'state'))}
# Every block is on disk before it is told of: what a test mined is there after a restart.
debug_skip_non_finalized_state_backup_task = true

[rpc]
listen_addr = ${text(places.rpcAddress)}
cookie_dir = ${text(places.directory)}
enable_cookie_auth = ${hasCookie}

[mining]
miner_address = ${text(miner.address)}
${miner.memo === undefined ? '' : `miner_memo = ${text(miner.memo)}`}

[tracing]
use_color = false
`
}
