import type { MessageStream } from '@libp2p/interface'
import { createAllowance } from '../../async/allowance.ts'
import type { World } from '../../world.ts'
import { HostileBytesError, type HostileSign } from './hostile.ts'
import { type Inspector, watch } from './watch.ts'
import { createWork } from './work.ts'

export interface SendersOptions {
  isRegistered: (peer: string) => boolean
  /**
   * A peer (hex of its key) sent what no honest one sends, and its connection is over. Null before it has proved who it is.
   */
  onHostile: (peer: string | null, sign: HostileSign, detail: { address: string; message: string }) => void
  /** A peer is read from more slowly for some moments. */
  onWait: (isRegistered: boolean) => void
  world: World
}

/** The other end of a connection, with what it may still do. */
export interface Sender {
  /** Ends the connection, and reports that once. */
  end: (error: HostileBytesError) => void
  /** 0 if the units of work are paid, else the units, which are owed. */
  charge: (units: number) => number
  /** True if one more frame may come that answers nothing: a ping each half minute, and what races with the end of a stream. */
  takeUnasked: () => boolean
  /** True if it may reset one more stream before its protocol was agreed upon, as lookups do that end while they ask. */
  takeReset: () => boolean
  /** Has all looked at that a connection or a stream of this sender delivers. */
  watch: (stream: MessageStream, inspect: Inspector) => void
}

export interface Senders {
  of(connection: Pick<MessageStream, 'abort'>, peer: string | null, address: string): Sender
  /** While it runs allowances are new and tiny, and reports go to the rehearsal alone. */
  rehearse: (run: () => Promise<void>, onHostile: SendersOptions['onHostile']) => Promise<void>
  isRehearsing(): boolean
}

/** By peer. */
const createAllowances = (world: World, burst = 256) => {
  const limits = { burst, everyMs: 1_000 / 16, maxNames: 4_096 }
  return {
    work: createWork(world, burst / 256),
    unasked: createAllowance(limits, world),
    resets: createAllowance(limits, world),
  }
}

/** Used up by a few frames. */
const rehearsalBurst = 4

export const createSenders = (options: SendersOptions): Senders => {
  const { world } = options
  /** The error that ends a connection ends its streams, too, which report to another sender of the same. */
  const reported = new WeakSet<Error>()
  let allowances = createAllowances(world)
  let rehearsal: SendersOptions['onHostile'] | null = null

  return {
    of: (connection, peer, address) => {
      const name = peer ?? address
      const isRegistered = (): boolean => peer !== null && options.isRegistered(peer)
      const pay = (units: number): boolean => allowances.work.pay(name, isRegistered(), units)
      let hasEnded = false
      const end = (error: HostileBytesError): void => {
        if (hasEnded || reported.has(error)) return
        hasEnded = true
        reported.add(error)
        connection.abort(error)
        const report = rehearsal ?? options.onHostile
        report(peer, error.sign, { address, message: error.message })
      }
      return {
        end,
        charge: (units) => (pay(units) ? 0 : units),
        takeUnasked: () => allowances.unasked.take(name),
        takeReset: () => allowances.resets.take(name),
        watch: (stream, inspect) =>
          watch(stream, {
            inspect,
            pay,
            onHostile: end,
            onWait: () => rehearsal ?? options.onWait(isRegistered()),
            world,
          }),
      }
    },
    rehearse: async (run, onHostile) => {
      const real = allowances
      allowances = createAllowances(world, rehearsalBurst)
      rehearsal = onHostile
      try {
        await run()
      } finally {
        rehearsal = null
        allowances = real
      }
    },
    isRehearsing: () => rehearsal !== null,
  }
}
