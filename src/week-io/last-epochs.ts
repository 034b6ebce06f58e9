import pino from 'pino'
import {
  createStream,
  encodeSigned,
  type Seat,
  shuffledIndexes,
  type SnapshotRow,
} from '../../protocol/index.ts'
import type { Network } from '../chain/profiles.ts'
import { messageOf } from '../errors.ts'
import { resolveObservedAddress, type ResolveHost } from '../net/resolve.ts'
import { fetchAttestations } from '../week/asking.ts'
import type { EpochContext } from '../week/epoch-book.ts'
import type { Provider } from '../week/ports.ts'
import type { World } from '../world.ts'
import { startAskingHost } from './asking-host.ts'
import type { StoredWeeks } from './stored-week.ts'

export interface LastEpochsOptions {
  network: Network
  weeks: Pick<StoredWeeks, 'standing' | 'admit'>
  /** Of which attestations are wanted, each verified with the keys of its snapshot. */
  contexts: readonly EpochContext[]
  resolveHost: ResolveHost
  world: World
  signal: AbortSignal
  /** Called when a seat could not be asked. */
  onTrouble?: (host: string, reason: string) => void
}

/** Above it the attestations of an epoch are some 2.5 MB: more than a client wants to fetch to send a transaction. */
export const maxSeatsToFetch = 8_192
/** Seats that are asked before the client makes do with what it has. */
const maxAsked = 8
/**
 * Seats that must have answered, if anything is missing: who is the only one to be asked may keep back what speaks for
 * others, so that he is drawn more often himself.
 */
const leastAnswers = 2
const askTimeoutMs = 5_000

/**
 * Fetches the attestations of epochs from seats drawn at random, until all are at hand, or most of each and two have
 * answered, or eight were asked (R-SYNC-1). What nobody gives is missing afterwards, and no error.
 */
export const fetchLastEpochs = async (options: LastEpochsOptions): Promise<void> => {
  const { network, weeks, contexts, world, signal } = options
  const wanted: { context: EpochContext; missing: Seat[] }[] = []
  for (const context of contexts) {
    if (context.snapshot.length > maxSeatsToFetch) continue
    const held = new Set((await Array.fromAsync(weeks.standing(context))).map(({ seat }) => seat))
    const missing = context.snapshot.map(({ seat }) => seat).filter((seat) => !held.has(seat))
    if (4 * held.size < 3 * context.snapshot.length) wanted.push({ context, missing })
  }
  const [newest] = wanted
  if (newest === undefined) return
  const host = await startAskingHost({ network, logger: pino({ level: 'silent' }), world })
  const fetch = async (row: SnapshotRow): Promise<void> => {
    const { allowLoopback } = network.profile
    const found = await resolveObservedAddress(row.host, options.resolveHost, { allowLoopback, signal })
    if (found.is !== 'ok') throw new Error(found.detail)
    const target = { peerKey: row.peer, address: { ip: found.address.ip, port: row.p2p } }
    const provider: Pick<Provider, 'ask'> = {
      ask: (protocol, request, maxResponseBytes, asked) =>
        host.request(target, protocol, request, { timeoutMs: askTimeoutMs, maxResponseBytes, signal: asked }),
    }
    for (const { context, missing } of wanted) {
      for await (const given of fetchAttestations(provider, context, [...missing], signal)) {
        if (given === null) throw new Error('no attestations')
        for (const signed of given) await weeks.admit(context, encodeSigned(signed))
      }
      const held = new Set((await Array.fromAsync(weeks.standing(context))).map(({ seat }) => seat))
      missing.splice(0, missing.length, ...missing.filter((seat) => !held.has(seat)))
    }
  }
  try {
    const { snapshot } = newest.context
    const order = shuffledIndexes(createStream(world.randomBytes(32)), snapshot.length)
    let answers = 0
    for (const index of order.subarray(0, maxAsked)) {
      if (wanted.every(({ missing }) => missing.length === 0)) return
      const isEnough = wanted.every(({ context, missing }) => 4 * missing.length <= context.snapshot.length)
      if (isEnough && answers >= leastAnswers) return
      const row = snapshot[index]!
      try {
        await fetch(row)
        answers++
      } catch (error) {
        signal.throwIfAborted()
        options.onTrouble?.(row.host, messageOf(error))
      }
    }
  } finally {
    await host.stop()
  }
}
