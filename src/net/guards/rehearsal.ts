import { noise } from '@chainsafe/libp2p-noise'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { MessageStream, MultiaddrConnection, PrivateKey, StreamMessageEvent } from '@libp2p/interface'
import { handle as negotiate } from '@libp2p/multistream-select'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddrConnectionPair } from '@libp2p/utils'
import { bytesToHex, concatBytes, type NetworkId, utf8ToBytes } from '../../../protocol/index.ts'
import { createDeadline } from '../../async/deadline.ts'
import { nextTurn } from '../../async/slices.ts'
import { messageOf, SecnodeError } from '../../errors.ts'
import type { World } from '../../world.ts'
import { multiaddrOf } from '../peer-address.ts'
import { dataType, pingType, synFlag, writeHeader } from './frames.ts'
import type { Components, Guards } from './guards.ts'
import type { HostileSign } from './hostile.ts'
import { dhtProtocolOf, identifyPushProtocol, pingProtocol } from './stream-rules.ts'

export interface RehearsalOptions {
  guards: Guards
  components: Components
  networkId: NetworkId
  world: World
}

/**
 * Attacks the node's own parts, over connections in memory, before it listens. What a guard relies on is partly not promised
 * by the libraries: should a later version take it away, no node starts with it. Errors: NET_UNGUARDED.
 */
export const rehearse = async (options: RehearsalOptions): Promise<void> => {
  using deadline = createDeadline(options.world, deadlineMs)
  const privateKey = await generateKeyPair('Ed25519')
  for (const attack of attacksOf(options.networkId)) {
    try {
      await tryOut(attack, options, privateKey, deadline.signal)
    } catch (error) {
      throw new SecnodeError('NET_UNGUARDED', `no guard against ${attack.what}: ${messageOf(error)}`, {
        hint: 'A library has another version than this program was made for. Install those of package-lock.json (npm ci).',
        cause: error,
      })
    }
  }
}

const tryOut = async (
  attack: Attack,
  { guards, components }: RehearsalOptions,
  privateKey: PrivateKey,
  signal: AbortSignal,
): Promise<void> => {
  const ends = { inbound: { remoteAddr: nowhere }, outbound: { remoteAddr: nowhere } }
  const [outbound, inbound] = multiaddrConnectionPair(ends)
  const [victim, attacker] = attack.isOnDial === true ? [outbound, inbound] : [inbound, outbound]
  const reported: string[] = []
  let name: string | void = undefined
  const run = async (): Promise<void> => {
    const held = attack.sign === null ? isHeldBack(victim, signal) : hasEnded(victim, signal)
    name = await attack.run({ victim, attacker, privateKey, components, signal })
    await held
  }
  try {
    await guards.rehearse(run, (peer, sign) => reported.push(`${sign} of ${peer ?? 'unknown'}`))
  } finally {
    const over = new Error('the rehearsal is over')
    victim.abort(over)
    attacker.abort(over)
  }
  const expected = attack.sign === null ? '' : `${attack.sign} of ${name ?? 'unknown'}`
  if (reported.join() !== expected) throw new Error(`"${reported.join()}" was reported, not "${expected}"`)
}

// Each attack takes some milliseconds of a processor. Only where a guard is missing does anything wait to the end; on a machine
// that is busy for seconds none must be missed for that.
const deadlineMs = 60_000
/** Of documentation (RFC 5737): no peer comes from there. */
const nowhere = multiaddrOf({ ip: '192.0.2.1', port: 1 })

interface Stage {
  victim: MultiaddrConnection
  attacker: MultiaddrConnection
  /** The attacker's. */
  privateKey: PrivateKey
  components: Components
  signal: AbortSignal
}

interface Attack {
  what: string
  /** For what the connection must end; null if it must be read from more slowly. */
  sign: HostileSign | null
  /** The victim has dialled the attacker. */
  isOnDial?: boolean
  /** Gives the name (hex of its key) that the attacker proved, if it did. */
  run: (stage: Stage) => Promise<string> | void
}

const attacksOf = (networkId: NetworkId): Attack[] => [
  {
    what: 'an endless length on a connection that comes in',
    sign: 'endless prefix',
    run: ({ victim, attacker, components, signal }) => {
      void components.upgrader.upgradeInbound(victim, { signal }).catch(() => undefined)
      attacker.send(endless)
    },
  },
  {
    what: 'an endless length on a connection that goes out',
    sign: 'endless prefix',
    isOnDial: true,
    run: ({ victim, attacker, components, signal }) => {
      void components.upgrader.upgradeOutbound(victim, { signal }).catch(() => undefined)
      attacker.send(endless)
    },
  },
  {
    what: 'endless proposals of protocols',
    sign: 'long negotiation',
    run: ({ victim, attacker, components, signal }) => {
      void components.upgrader.upgradeInbound(victim, { signal }).catch(() => undefined)
      attacker.send(concatBytes(...Array.from({ length: 100 }, () => withLength('ls\n'))))
    },
  },
  {
    what: 'an endless length in answer to a stream that this node opens',
    sign: 'endless prefix',
    isOnDial: true,
    run: (stage) =>
      meet(stage, (connection) => {
        connection.send(concatBytes(writeHeader(dataType, 0, 1, endless.length), endless))
      }),
  },
  {
    what: 'a giant frame of a peer that is known',
    sign: 'giant frame',
    isOnDial: true,
    run: (stage) =>
      meet(stage, (connection) => void connection.send(writeHeader(dataType, 0, 1, 0xffff_ffff))),
  },
  {
    what: 'an endless length on a stream that comes in',
    sign: 'endless prefix',
    run: (stage) => sendFrames(stage, writeHeader(dataType, synFlag, 1, endless.length), endless),
  },
  {
    what: 'a giant frame',
    sign: 'giant frame',
    run: (stage) => sendFrames(stage, writeHeader(dataType, 0, 1, 0xffff_ffff)),
  },
  {
    what: 'a storm of pings',
    sign: 'control storm',
    run: (stage) => sendFrames(stage, ...repeat(100, writeHeader(pingType, synFlag, 0, 1))),
  },
  {
    what: 'a storm of small frames',
    sign: null,
    run: (stage) => sendFrames(stage, ...repeat(100, writeHeader(dataType, 0, 1, 0))),
  },
  {
    what: 'a large message of the DHT',
    sign: 'large message',
    run: (stage) => sendOnStream(stage, dhtProtocolOf(networkId), largeLength),
  },
  {
    what: 'a large message of identify',
    sign: 'large message',
    run: (stage) => sendOnStream(stage, identifyPushProtocol, largeLength),
  },
  {
    what: 'a ping without end',
    sign: 'large message',
    run: (stage) => sendOnStream(stage, pingProtocol, new Uint8Array(8_192)),
  },
]

const endless = new Uint8Array(16).fill(0xff)
/** A megabyte. */
const largeLength = Uint8Array.of(0x80, 0x80, 0x40)
const repeat = (count: number, bytes: Uint8Array): Uint8Array[] => Array.from({ length: count }, () => bytes)

/** As negotiations are written: short texts, each with its length in front. */
const withLength = (text: string): Uint8Array => concatBytes(Uint8Array.of(text.length), utf8ToBytes(text))

/** The muxer reads what is already deciphered. */
const sendFrames = ({ victim, attacker, components }: Stage, ...frames: readonly Uint8Array[]): void => {
  const [factory] = components.upgrader.getStreamMuxers().values()
  const muxer = factory!.createStreamMuxer(victim)
  muxer.addEventListener('stream', ({ detail }) => detail.addEventListener('message', () => undefined))
  attacker.send(concatBytes(...frames))
}

const sendOnStream = (stage: Stage, protocol: string, bytes: Uint8Array): void => {
  const content = concatBytes(withLength('/multistream/1.0.0\n'), withLength(`${protocol}\n`), bytes)
  sendFrames(stage, writeHeader(dataType, synFlag, 1, content.length), content)
}

/** Does what an honest peer does until the victim opens its first stream, which identify does at once. */
const meet = async (
  { victim, attacker, privateKey, components, signal }: Stage,
  onStream: (connection: MessageStream) => void,
): Promise<string> => {
  const { logger, upgrader } = components
  const own = noise()({ logger, upgrader, privateKey, peerId: peerIdFromPrivateKey(privateKey) })
  void upgrader.upgradeOutbound(victim, { signal }).catch(() => undefined)
  await negotiate(attacker, own.protocol, { signal })
  const { connection } = await own.secureInbound(attacker, { skipStreamMuxerNegotiation: true, signal })
  const [muxer] = upgrader.getStreamMuxers().keys()
  await negotiate(connection as MultiaddrConnection, muxer!, { signal })
  const onFrame = ({ data }: StreamMessageEvent): void => {
    // A ping comes first.
    if (data.subarray()[1] === pingType) return
    connection.removeEventListener('message', onFrame)
    onStream(connection)
  }
  connection.addEventListener('message', onFrame)
  return bytesToHex(privateKey.publicKey.raw)
}

/** By turns of the event loop, which keep the process alive, as a timer of the world does not. */
const until = async (condition: () => boolean, signal: AbortSignal, otherwise: string): Promise<void> => {
  while (!condition()) {
    if (signal.aborted) throw new Error(otherwise)
    await nextTurn()
  }
}

const hasEnded = async (victim: MultiaddrConnection, signal: AbortSignal): Promise<void> => {
  let isOver = false
  victim.addEventListener('close', () => void (isOver = true))
  await until(() => isOver, signal, 'the connection goes on')
}

const isHeldBack = async (victim: MultiaddrConnection, signal: AbortSignal): Promise<void> => {
  let bytesHeld = 0
  const pause = victim.pause.bind(victim)
  victim.pause = () => {
    pause()
    // What is held is put back behind this call, and may be taken again before the next turn of the loop.
    queueMicrotask(() => (bytesHeld = Math.max(bytesHeld, victim.readBufferLength)))
  }
  await until(() => bytesHeld > 0, signal, 'all of it is read at once')
}
