import {
  createStream,
  drawHops,
  drawOrder,
  equalBytes,
  maxCircuitAttempts,
  type NetworkId,
  type PrefixBits,
  type Seat,
  suspectsOf,
} from '../../protocol/index.ts'
import { createDeadline } from '../async/deadline.ts'
import { messageOf, SecnodeError } from '../errors.ts'
import { addressOfBytes } from '../net/resolve.ts'
import type { PuzzleSolver } from '../net/puzzle-solver.ts'
import type { RelayClient } from '../net/relay-client.ts'
import type { World } from '../world.ts'
import { buildCircuit, type ReachedHop, RelayBroken } from './circuit.ts'
import { circuitMs } from './deadlines.ts'
import type { RelaySeat } from './seats.ts'

export interface BroadcastOptions {
  client: Pick<RelayClient, 'peerId' | 'openRelayLink'>
  networkId: NetworkId
  transaction: Uint8Array
  /** Of the transaction, internal order: what an honest exit answers. */
  txid: Uint8Array
  /** Those that may be hops (R-RELAY-1). */
  seats: readonly RelaySeat[]
  /** Not to be drawn. */
  ownSeat: Seat | null
  hops: number
  /** Exactly these, in this order, whatever R-RELAY-1 says; then nothing is drawn, and nothing replaced. */
  path?: readonly Seat[]
  prefixBits: PrefixBits
  /** R-PROBE-2; null for a name without an address that counts. */
  addressOf(seat: RelaySeat, signal: AbortSignal): Promise<Uint8Array | null>
  solver: PuzzleSolver
  world: World
  signal: AbortSignal
  onProgress?(progress: BroadcastProgress): void
}

export type BroadcastProgress =
  | { is: 'building'; circuit: number; path: readonly RelaySeat[] }
  | { is: 'reached'; hop: ReachedHop; index: number }
  | { is: 'waiting'; exit: RelaySeat }
  | { is: 'failed'; circuit: number; reason: string }

export interface BroadcastOutcome {
  /** What the chain node of the exit has against it; null if it took it. */
  refusal: { code: number; words: string } | null
  hops: readonly ReachedHop[]
  /** How many it took, the last included. */
  circuits: number
}

/** Whoever has waited so long for an answer is told that it may take a while. */
const tellAfterMs = 3_000
/** Names looked up at a time: whoever watches the resolver sees these, and not which of them are the hops. */
const poolSize = 12

/**
 * Sends a transaction through a circuit, and through another one as often as R-RELAY-2 allows. Errors: RELAY_PATH (exit
 * code 2), RELAY_TOO_FEW (3), RELAY_FAILED when no circuit brought an answer, or the reason of the signal.
 */
export const broadcastThroughRelay = async (options: BroadcastOptions): Promise<BroadcastOutcome> => {
  const { transaction, txid, world, signal } = options
  const paths = options.path === undefined ? drawnPaths(options) : namedPath(options, options.path)
  let suspects: readonly Seat[] = []
  let last: unknown = null
  for (let circuit = 1; circuit <= maxCircuitAttempts; circuit++) {
    const drawn = await paths(suspects)
    if (drawn === null) break
    const { path, first } = drawn
    options.onProgress?.({ is: 'building', circuit, path })
    using deadline = createDeadline(world, circuitMs, signal)
    try {
      const built = await buildCircuit({
        host: options.client,
        networkId: options.networkId,
        path,
        firstAddress: { ip: addressOfBytes(first)!.ip, port: path[0]!.p2p },
        solver: options.solver,
        world,
        signal: deadline.signal,
        onHop: (hop, index) => options.onProgress?.({ is: 'reached', hop, index }),
      })
      const exit = path.at(-1)!
      const stopTelling = world.setTimer(tellAfterMs, () => options.onProgress?.({ is: 'waiting', exit }))
      const answer = await built.broadcast(transaction, signal).finally(stopTelling)
      if (answer[0] === 'node-refused') {
        return { refusal: { code: answer[1], words: answer[2] }, hops: built.hops, circuits: circuit }
      }
      if (answer[0] === 'sent' && equalBytes(answer[1], txid)) {
        return { refusal: null, hops: built.hops, circuits: circuit }
      }
      // The client has read the transaction: what an exit has against it is the exit's own trouble.
      suspects = [exit.seat]
      const what = answer[0] === 'sent' ? 'names another transaction as sent' : `says ${answer[1]}`
      last = new Error(`the exit, seat ${exit.seat} (${exit.host}), ${what}`)
    } catch (error) {
      signal.throwIfAborted()
      last = error
      const link = error instanceof RelayBroken ? error.link : null
      suspects = suspectsOf(
        path.map(({ seat }) => seat),
        link,
      )
    }
    options.onProgress?.({ is: 'failed', circuit, reason: messageOf(last) })
  }
  throw new SecnodeError('RELAY_FAILED', `no circuit brought an answer: ${messageOf(last)}`, {
    hint: 'Try again in a moment: other hops are drawn then. The transaction may have been sent all the same; to send it again is safe.',
    cause: last,
  })
}

type LocatedSeat = RelaySeat & { address: Uint8Array }

/** The next path and the address of its first hop, when these of the last one are suspects; null if there is none. */
type Paths = (suspects: readonly Seat[]) => Promise<{ path: readonly RelaySeat[]; first: Uint8Array } | null>

/** R-RELAY-1, R-RELAY-2. */
const drawnPaths = (options: BroadcastOptions): Paths => {
  const { seats, hops, world, signal } = options
  const excluded = new Set<Seat>(options.ownSeat === null ? [] : [options.ownSeat])
  const stream = createStream(world.randomBytes(32))
  const located = new Map<Seat, LocatedSeat | null>()
  let places: readonly (LocatedSeat | null)[] = Array.from({ length: hops }, () => null)

  const locate = async (seat: RelaySeat): Promise<LocatedSeat | null> => {
    const known = located.get(seat.seat)
    if (known !== undefined) return known
    const address = seat.address ?? (await options.addressOf(seat, signal))
    const found = address === null ? null : { ...seat, address }
    located.set(seat.seat, found)
    return found
  }

  return async (suspects) => {
    for (const seat of suspects) excluded.add(seat)
    places = places.map((hop) => (hop === null || excluded.has(hop.seat) ? null : hop))
    const free = seats.filter(({ seat }) => !excluded.has(seat))
    const order = drawOrder(free.length, stream)
    const candidates: LocatedSeat[] = []
    for (;;) {
      // A uniform draw from a uniform choice is a uniform draw; where all addresses are known, nothing is looked up.
      const pool = takeSome(order, free, poolSize)
      if (pool.length === 0) throw tooFew(free.length, hops)
      candidates.push(...(await Promise.all(pool.map(locate))).filter((seat) => seat !== null))
      const path = drawHops({ candidates, places, excluded, prefixBits: options.prefixBits }, stream)
      if (path === null) continue
      places = path
      return { path, first: path[0]!.address }
    }
  }
}

const takeSome = (
  order: Iterator<number, undefined>,
  seats: readonly RelaySeat[],
  size: number,
): RelaySeat[] => {
  const taken: RelaySeat[] = []
  while (taken.length < size) {
    const next = order.next()
    if (next.done === true) break
    taken.push(seats[next.value]!)
  }
  return taken
}

const namedPath = (options: BroadcastOptions, named: readonly Seat[]): Paths => {
  const bySeat = new Map(options.seats.map((seat) => [seat.seat, seat]))
  const wrong = named.find((seat, index) => !bySeat.has(seat) || named.indexOf(seat) !== index)
  if (wrong !== undefined) {
    throw new SecnodeError(
      'RELAY_PATH',
      bySeat.has(wrong)
        ? `seat ${wrong} stands in the path twice`
        : `seat ${wrong} may not be a hop: it is not active, or was not valid of late`,
      { exitCode: 2 },
    )
  }
  let isUsed = false
  return async () => {
    if (isUsed) return null
    isUsed = true
    const path = named.map((seat) => bySeat.get(seat)!)
    const first = path[0]!
    const address = first.address ?? (await options.addressOf(first, options.signal))
    if (address === null) {
      throw new SecnodeError('RELAY_PATH', `${first.host} of seat ${first.seat} has no address that counts`)
    }
    // Of the others nobody asks here: each hop looks up the next.
    return { path, first: address }
  }
}

const tooFew = (seats: number, hops: number): SecnodeError =>
  new SecnodeError('RELAY_TOO_FEW', `${seats} seats may be hops, too few in different networks for ${hops}`, {
    exitCode: 3,
    hint: 'Take fewer hops (--hops), or wait until more nodes are valid.',
  })
