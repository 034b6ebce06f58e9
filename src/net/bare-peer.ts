import { noise } from '@chainsafe/libp2p-noise'
import type { Connection, PrivateKey, Stream } from '@libp2p/interface'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p, type Libp2p } from 'libp2p'
import { bytesToHex } from '../../protocol/index.ts'
import { createDeadline } from '../async/deadline.ts'
import { createSerial } from '../async/serial.ts'
import type { World } from '../world.ts'
import { dialTimeoutMs } from './libp2p-node.ts'
import type { DialTarget } from './links.ts'
import { multiaddrOf, peerIdOfPeerKey } from './peer-address.ts'

/** Opens connections and streams as a hostile peer does: none of a host's protocols, limits or deadlines is above it. */
export interface BarePeer {
  /**
   * Opens a stream on the connection of this number to the target, which is dialled if it is not open. Rejects if
   * either fails.
   */
  openStream(target: DialTarget, connection: number, protocol: string): Promise<BareStream>
  stop(): Promise<void>
}

export interface BareStream {
  send(bytes: Uint8Array): void
  end(): void
  /** Resolves when either side ends the stream. */
  ended: Promise<void>
}

/** `seed` is that of its Ed25519 key. It listens nowhere and dials from `address`. */
export const startBarePeer = async (seed: Uint8Array, address: string, world: World): Promise<BarePeer> => {
  const node = await createBareNode(await generateKeyPairFromSeed('Ed25519', seed), { from: address })
  const connectionsByName = new Map<string, Connection>()
  const dials = createSerial()

  const connect = async ({ peerKey, address: to }: DialTarget, name: string): Promise<Connection> => {
    const open = connectionsByName.get(name)
    if (open?.status === 'open') return open
    using deadline = createDeadline(world, dialTimeoutMs)
    const dialled = await node.dial(multiaddrOf(to, peerIdOfPeerKey(peerKey)), {
      signal: deadline.signal,
      force: true,
    })
    connectionsByName.set(name, dialled)
    return dialled
  }

  return {
    openStream: async (target, number, protocol) => {
      const peer = bytesToHex(target.peerKey)
      // libp2p joins dials of one peer that are under way together.
      const connection = await dials.run(peer, () => connect(target, `${peer} ${number}`))
      using deadline = createDeadline(world, dialTimeoutMs)
      const stream = await connection.newStream(protocol, { signal: deadline.signal })
      return {
        send: (bytes) => void stream.send(bytes),
        end: () => stream.abort(new Error('no longer held')),
        ended: endOf(stream),
      }
    },
    stop: async () => {
      await node.stop()
    },
  }
}

const endOf = (stream: Stream): Promise<void> =>
  stream.status === 'open'
    ? new Promise((resolve) => stream.addEventListener('close', () => resolve(), { once: true }))
    : Promise.resolve()

/** A started libp2p node that speaks no protocol. */
export const createBareNode = async (
  privateKey: PrivateKey,
  { from, isListening = false }: { from: string; isListening?: boolean },
): Promise<Libp2p> =>
  createLibp2p({
    privateKey,
    addresses: { listen: isListening ? [multiaddrOf({ ip: from, port: 0 }).toString()] : [] },
    // An option of net.connect; the types of the transport leave it out.
    transports: [tcp({ dialOpts: { localAddress: from } as object })],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionGater: { denyDialMultiaddr: () => false },
    connectionManager: { inboundConnectionThreshold: 1_000 },
  })
