import {
  keyOfPeerId,
  type NetworkId,
  puzzleAnswerCodec,
  type RelayAnswer,
  relayAnswerCodec,
  relayProtocol,
  type RelayRequest,
  relayRequestCodec,
  type Seat,
} from '../../protocol/index.ts'
import { createDeadline } from '../async/deadline.ts'
import { messageOf, SecnodeError } from '../errors.ts'
import type { Host } from '../net/host.ts'
import type { PeerAddress } from '../net/peer-address.ts'
import type { PuzzleSolver } from '../net/puzzle-solver.ts'
import type { OutboundLink } from '../net/relay-links.ts'
import type { Session } from '../net/sessions.ts'
import type { World } from '../world.ts'
import { clientStepMs, exitAnswerMs } from './deadlines.ts'

/** A seat as the client needs it. */
export interface PathHop {
  seat: Seat
  /** Ed25519, 32 bytes. */
  peer: Uint8Array
  host: string
}

/** A hop that has proved its key, and how long that took: one round trip through the hops before it. */
export interface ReachedHop extends PathHop {
  roundTripMs: number
}

/** A built circuit: good for one transaction. */
export interface Circuit {
  hops: readonly ReachedHop[]
  /** What the last hop says. Errors: RELAY_BROKEN. */
  broadcast(transaction: Uint8Array, signal: AbortSignal): Promise<RelayAnswer>
  /** Tears it down. Idempotent. */
  end(): void
}

/** A circuit that failed. */
export class RelayBroken extends SecnodeError {
  /** The link that was not made, 0 from the client to the first hop; null after all were (R-RELAY-2). */
  readonly link: number | null

  constructor(link: number | null, message: string, cause: unknown) {
    super('RELAY_BROKEN', message, { cause })
    this.link = link
  }
}

export interface CircuitOptions {
  /** Of a node with throw-away keys: the first hop sees its peer id. */
  host: Pick<Host, 'peerId' | 'openRelayLink'>
  networkId: NetworkId
  path: readonly PathHop[]
  /** Where the first hop is. */
  firstAddress: PeerAddress
  solver: PuzzleSolver
  world: Pick<World, 'monotonicMs' | 'setTimer'>
  signal: AbortSignal
  onHop?: (hop: ReachedHop, index: number) => void
}

/** The price may rise while a puzzle is solved; twice is bad luck. */
const maxTolls = 3

/**
 * R-RELAY-4: link and session to the first hop, then session by session inside. Errors: RELAY_BROKEN, or the reason of
 * the signal.
 */
export const buildCircuit = async (options: CircuitOptions): Promise<Circuit> => {
  const { path, world, signal } = options
  const hops: ReachedHop[] = []
  const reached = (hop: PathHop, startMs: number): void => {
    const done = { ...hop, roundTripMs: world.monotonicMs() - startMs }
    hops.push(done)
    options.onHop?.(done, hops.length - 1)
  }
  const brokenAt = (link: number | null, hop: PathHop, error: unknown): Error => {
    if (signal.aborted) return signal.reason as Error
    const where = link === null ? 'through' : 'to'
    return new RelayBroken(
      link,
      `no circuit ${where} seat ${hop.seat} (${hop.host}): ${messageOf(error)}`,
      error,
    )
  }

  let first: { link: OutboundLink; session: Session; startMs: number }
  try {
    first = await enterCircuit(options)
  } catch (error) {
    throw brokenAt(0, path[0]!, error)
  }
  const { link } = first
  let { session } = first
  reached(path[0]!, first.startMs)
  for (const [index, hop] of path.entries()) {
    if (index === 0) continue
    try {
      using step = createDeadline(world, clientStepMs, signal)
      await ask(session, ['extend', hop.seat, hop.peer], step.signal)
      const answer = await answerOf(session, link, step.signal)
      if (answer[0] !== 'extended') throw new Refused(path[index - 1]!.seat, answer)
      const startMs = world.monotonicMs()
      session = await session.nest(hop.peer, step.signal)
      reached(hop, startMs)
    } catch (error) {
      link.end('done')
      throw brokenAt(index, hop, await whyEnded(link, error))
    }
  }

  return {
    hops,
    async broadcast(transaction, sendSignal) {
      try {
        using deadline = createDeadline(world, exitAnswerMs, sendSignal)
        for (let at = 0; at < transaction.length;) {
          const part = transaction.subarray(at, at + session.drawPartBytes())
          await ask(
            session,
            at === 0 ? ['broadcast', transaction.length, part] : ['part', part],
            deadline.signal,
          )
          at += part.length
        }
        const answer = await answerOf(session, link, deadline.signal)
        if (answer[0] === 'extended') throw new Error('the last hop answers what it was not asked')
        return answer
      } catch (error) {
        throw brokenAt(null, path.at(-1)!, await whyEnded(link, error))
      } finally {
        link.end('done')
      }
    },
    end: () => link.end('done'),
  }
}

/** Link and session to the first hop, paid for if it asks for work. */
const enterCircuit = async ({
  host,
  networkId,
  path,
  firstAddress,
  solver,
  world,
  signal,
}: CircuitOptions): Promise<{ link: OutboundLink; session: Session; startMs: number }> => {
  const { peer } = path[0]!
  let payment: Uint8Array = new Uint8Array()
  for (let tolls = 0; ; tolls++) {
    using step = createDeadline(world, clientStepMs, signal)
    const link = await host.openRelayLink(
      { peerKey: peer, address: firstAddress },
      { dialTimeoutMs: clientStepMs, timeoutMs: clientStepMs, payment, signal: step.signal },
    )
    const startMs = world.monotonicMs()
    try {
      return { link, session: await link.session(peer, step.signal), startMs }
    } catch (error) {
      link.end('done')
      const { toll, code } = await link.ended
      if (toll === null || tolls >= maxTolls) throw code === 'done' ? error : new Error(`it says ${code}`)
      const asked = puzzleAnswerCodec.decode(toll)
      if (asked.is === 'bad') throw new Error(`its puzzle is ${asked.code}`, { cause: error })
      const [, cookie, effort] = asked.value
      const client = keyOfPeerId(host.peerId)
      if (client === null) throw new Error('no peer id of our own', { cause: error })
      const puzzle = { networkId, purpose: relayProtocol, server: peer, client, cookie, effort }
      payment = await solver.solve(puzzle, { signal })
    }
  }
}

const ask = (session: Session, request: RelayRequest, signal: AbortSignal): Promise<void> =>
  session.write(relayRequestCodec.encode(request), signal)

const answerOf = async (session: Session, link: OutboundLink, signal: AbortSignal): Promise<RelayAnswer> => {
  const decoded = relayAnswerCodec.decode(await session.read(signal))
  if (decoded.is === 'ok') return decoded.value
  link.end('malformed')
  throw new Error(`an answer is ${decoded.code}`)
}

/** If a hop said why it ended the circuit, that says more than the error of whoever waited. */
const whyEnded = async (link: OutboundLink, error: unknown): Promise<unknown> => {
  link.end('done')
  if (error instanceof Refused) return error
  const { code } = await link.ended
  return code === 'done' ? error : new Error(`a hop says ${code}`, { cause: error })
}

/** A hop said in its session that it does not extend, which is more than any code at the end of a link says. */
class Refused extends Error {
  constructor(seat: Seat, answer: RelayAnswer) {
    super(`seat ${seat} answers ${answer[0] === 'refused' ? answer[1] : answer[0]}`)
  }
}
