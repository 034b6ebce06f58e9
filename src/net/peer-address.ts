import { isIP } from 'node:net'
import { peerIdFromPublicKey } from '@libp2p/peer-id'
import { publicKeyFromRaw } from '@libp2p/crypto/keys'
import type { PeerId } from '@libp2p/interface'
import { CODE_IP4, CODE_IP6, CODE_P2P, CODE_TCP, multiaddr, type Multiaddr } from '@multiformats/multiaddr'
import { canonicalAddress, isGlobal } from './resolve.ts'

/** Where a peer listens: a literal address and a TCP port. */
export interface PeerAddress {
  ip: string
  port: number
}

/** `/ip4/…/tcp/…`, with the peer id if one is given. */
export const multiaddrOf = ({ ip, port }: PeerAddress, peer?: PeerId): Multiaddr => {
  const base = `/ip${isIP(ip) === 6 ? 6 : 4}/${ip}/tcp/${port}`
  return multiaddr(peer === undefined ? base : `${base}/p2p/${peer.toString()}`)
}

/** The address of a plain TCP multiaddr, with or without a peer id at its end; null for any other kind. */
export const addressOfMultiaddr = (address: Multiaddr): PeerAddress | null => {
  const [network, transport, peer, ...rest] = address.getComponents()
  if (network === undefined || transport === undefined || rest.length > 0) return null
  if (network.code !== CODE_IP4 && network.code !== CODE_IP6) return null
  if (transport.code !== CODE_TCP || (peer !== undefined && peer.code !== CODE_P2P)) return null
  const canonical = canonicalAddress(network.value ?? '')
  const port = Number(transport.value)
  return canonical === null || !Number.isInteger(port) ? null : { ip: canonical.ip, port }
}

/** Only literal global addresses over TCP are stored or dialled: nobody makes a node knock on its own network. */
export const isDialable = (address: Multiaddr, allowLoopback: boolean): boolean => {
  const plain = addressOfMultiaddr(address)
  if (plain === null || plain.port === 0) return false
  const canonical = canonicalAddress(plain.ip)
  return canonical !== null && isGlobal(canonical, allowLoopback)
}

/** One name for all that one owner of an address can choose from: the IPv4 address, or the /64 of an IPv6 one. */
export const addressGroup = (address: Multiaddr): string => groupsOfAddress(ipOf(address))[0]

/**
 * Names of the groups that an address belongs to, the finest first, all different: the IPv4 address and its /24, the /64
 * and the /48 of an IPv6 one. Mapped and NAT64 forms are the IPv4 address that they hold.
 */
export const groupsOfAddress = (ip: string): [address: string, network: string] => {
  const [unzoned = ''] = ip.split('%')
  const canonical = canonicalAddress(unzoned)
  if (canonical === null) return [ip, `${ip}/0`]
  const { bytes } = canonical
  if (bytes.length === 4) return [canonical.ip, `${bytes.slice(0, 3).join('.')}.0/24`]
  const hex = Buffer.from(bytes).toString('hex')
  return [`${hex.slice(0, 16)}/64`, `${hex.slice(0, 12)}/48`]
}

/** The literal address of a multiaddr of a connection; the whole text of one of another kind. */
export const ipOf = (address: Multiaddr): string => addressOfMultiaddr(address)?.ip ?? address.toString()

export const peerIdOfPeerKey = (peerKey: Uint8Array): PeerId => peerIdFromPublicKey(publicKeyFromRaw(peerKey))

/** The 32 bytes of an Ed25519 peer id; null for another kind. */
export const peerKeyOf = (peer: PeerId): Uint8Array | null =>
  peer.type === 'Ed25519' ? peer.publicKey.raw : null
