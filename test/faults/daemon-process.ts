import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { fileURLToPath } from 'node:url'
import { controlSocketOf } from '../../src/service/control-socket.ts'
import type { NodeStatus } from '../../src/service/status.ts'
import type { PreparedNode } from '../../src/devnet/prepare.ts'

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))

/** `secnode start` of a prepared node in a process of its own. */
export class DaemonProcess {
  readonly node: PreparedNode
  #child: ChildProcess | null = null
  #log = ''

  constructor(node: PreparedNode) {
    this.node = node
  }

  get isRunning(): boolean {
    return this.#child !== null
  }

  /** The last lines that it logged. */
  get log(): string {
    return this.#log.slice(-4_000)
  }

  start(): void {
    const child = spawn(process.execPath, [main, 'start', '--config', this.node.configFile], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    child.stderr.on(
      'data',
      (chunk: Buffer) => (this.#log = (this.#log + chunk.toString('utf8')).slice(-20_000)),
    )
    child.once('exit', () => {
      if (this.#child === child) this.#child = null
    })
    this.#child = child
  }

  /** SIGKILL: nothing is written, closed or said. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  async stop(): Promise<void> {
    await this.#end('SIGTERM')
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child
    if (child === null) return
    const exited = once(child, 'exit')
    child.kill(signal)
    await exited
    this.#child = null
  }

  /** Only while it does not run. */
  async copyData(to: string): Promise<void> {
    await rm(to, { recursive: true, force: true })
    await cp(this.node.config.dir, to, { recursive: true, filter: (path) => !path.endsWith('.sock') })
  }

  async restoreData(from: string): Promise<void> {
    await rm(this.node.config.dir, { recursive: true, force: true })
    await cp(from, this.node.config.dir, { recursive: true })
  }

  /** Null while it does not answer. */
  async status(): Promise<NodeStatus | null> {
    const text = await this.#ask('/status')
    return text === null ? null : (JSON.parse(text) as NodeStatus)
  }

  /** What it makes of a week just now; null while it does not answer. */
  tally(week: string): Promise<string | null> {
    return this.#ask(`/tally/${week}`)
  }

  #ask(path: string): Promise<string | null> {
    return new Promise((resolve) => {
      const asked = request(
        { socketPath: controlSocketOf(this.node.config.dir), path, timeout: 60_000 },
        (response) => {
          let text = ''
          response.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')))
          response.on('end', () => resolve(response.statusCode === 200 ? text : null))
          response.on('error', () => resolve(null))
        },
      )
      asked.on('timeout', () => asked.destroy())
      asked.on('error', () => resolve(null))
      asked.end()
    })
  }
}
