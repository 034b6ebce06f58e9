import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { createTestNetwork, challengersIn, type TestNetworkOptions } from '../fixtures/test-network.ts'

/** All processes build the same network from it: keys, seats and addresses follow from the numbers of the nodes. */
export const networkOptions: TestNetworkOptions = { nodes: 48, params: { committee: 11 }, block: '127.63.1' }

export const epoch = 2

export type VictimCommand = { is: 'measure' | 'accusations' | 'stop' }

/** Processor time in milliseconds and memory in MiB, since the last measurement and after a collection of garbage. */
export interface Measurement {
  /** Longest turn of the event loop, in processor time. */
  heldMs: number
  cpuMs: number
  rss: number
  heap: number
  external: number
}

/** A child process that answers each command with one message. */
export interface Party extends AsyncDisposable {
  /** What it said when it was ready. */
  ready: { caPem?: string }
  ask<T>(command: object): Promise<T>
}

/** Starts `<name>.ts` of this folder; done when it says that it is ready. Its errors go to the error stream. */
export const startParty = async (name: 'victim' | 'attacker', ...args: string[]): Promise<Party> => {
  const child = fork(fileURLToPath(new URL(`./${name}.ts`, import.meta.url)), args, {
    execArgv: ['--expose-gc', '--disable-warning=ExperimentalWarning'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const ready = (await nextMessage(child)) as Party['ready']
  return {
    ready,
    ask: async <T>(command: object) => {
      const answer = nextMessage(child)
      child.send(command)
      return (await answer) as T
    },
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode !== null) return
      const ended = new Promise((resolve) => child.once('exit', resolve))
      if (child.connected) child.send({ is: 'stop' })
      // A victim that does not answer any more is ended.
      const timer = setTimeout(() => child.kill('SIGKILL'), 10_000)
      await ended
      clearTimeout(timer)
    },
  }
}

const nextMessage = (child: ChildProcess): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const onExit = (code: number | null) => reject(new Error(`${child.spawnfile} ended with ${code}`))
    child.once('exit', onExit)
    child.once('message', (message) => {
      child.off('exit', onExit)
      resolve(message)
    })
  })

/** Indexes of seats: those that challenge the victim, and 16 others for the attacker. */
export const rolesOf = async (): Promise<{ challengers: number[]; hogs: number[] }> => {
  const network = await createTestNetwork(networkOptions)
  const node = await network.start(1)
  try {
    const { challengers, others } = challengersIn(await node.context(epoch), 0)
    return { challengers, hogs: others.filter((index) => index !== 1).slice(0, 16) }
  } finally {
    await network.stop()
  }
}
