import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Connection, PrivateKey, Stream } from '@libp2p/interface'
import type { Libp2p } from 'libp2p'
import { createBareNode } from '../../src/net/bare-peer.ts'
import { addressOfMultiaddr, multiaddrOf, type PeerAddress } from '../../src/net/peer-address.ts'
import { networkId } from './local-hosts.ts'

/** A libp2p node without any of our code above it: it sends whatever a test likes. */
export interface RawPeer extends AsyncDisposable {
  node: Libp2p
  peerKey: Uint8Array
  address(): PeerAddress
  connect(address: PeerAddress): Promise<Connection>
  open(address: PeerAddress, protocolName: string): Promise<Stream>
  /** Answers streams as the test likes. */
  handle(protocolName: string, onStream: (stream: Stream) => void): Promise<void>
}

export const protocolOf = (protocolName: string): string => `/secnode/${networkId}/${protocolName}`

export const startRawPeer = async (address: string, privateKey?: PrivateKey): Promise<RawPeer> => {
  const key = privateKey ?? (await generateKeyPair('Ed25519'))
  const node = await createBareNode(key, { from: address, isListening: true })
  const connections = new Map<string, Connection>()
  return {
    node,
    peerKey: key.publicKey.raw,
    address: () => addressOfMultiaddr(node.getMultiaddrs()[0]!)!,
    connect: (to) => node.dial(multiaddrOf(to)),
    open: async (to, protocolName) => {
      const name = `${to.ip} ${to.port}`
      let connection = connections.get(name)
      if (connection?.status !== 'open') {
        connection = await node.dial(multiaddrOf(to))
        connections.set(name, connection)
      }
      return connection.newStream(protocolOf(protocolName))
    },
    handle: (protocolName, onStream) => node.handle(protocolOf(protocolName), onStream),
    [Symbol.asyncDispose]: async () => {
      await node.stop()
    },
  }
}
