import { isIP } from 'node:net'
import { peerIdFromString } from '@libp2p/peer-id'
import {
  CODE_DNS,
  CODE_DNS4,
  CODE_DNS6,
  CODE_IP4,
  CODE_IP6,
  CODE_P2P,
  CODE_TCP,
  multiaddr,
} from '@multiformats/multiaddr'
import { peerKeyOf } from './peer-address.ts'

/** A peer as people name it. */
export interface NamedPeer {
  /** Ed25519, 32 bytes. */
  peerKey: Uint8Array
  /** A DNS name or a literal address. */
  host: string
  port: number
}

/**
 * `/ip4/192.0.2.7/tcp/9734/p2p/12D3…` (ip4, ip6, dns, dns4, dns6) or `node.example.org:9734/12D3…`, a literal IPv6
 * address in brackets; null for anything else.
 */
export const parseNamedPeer = (text: string): NamedPeer | null =>
  text.startsWith('/') ? ofMultiaddr(text) : ofHostAndPort(text)

const hostCodes: readonly number[] = [CODE_IP4, CODE_IP6, CODE_DNS, CODE_DNS4, CODE_DNS6]

const ofMultiaddr = (text: string): NamedPeer | null => {
  try {
    const [network, transport, peer, ...rest] = multiaddr(text).getComponents()
    if (network === undefined || !hostCodes.includes(network.code)) return null
    if (transport?.code !== CODE_TCP || peer?.code !== CODE_P2P || rest.length > 0) return null
    return namedPeerOf(network.value ?? '', transport.value ?? '', peer.value ?? '')
  } catch {
    return null
  }
}

const ofHostAndPort = (text: string): NamedPeer | null => {
  const [, bracketed, plain, port, peer] = /^(?:\[([^\]]+)\]|([^:/]+)):([0-9]+)\/([^/]+)$/.exec(text) ?? []
  if (bracketed !== undefined && isIP(bracketed) !== 6) return null
  const host = bracketed ?? plain
  return host === undefined ? null : namedPeerOf(host, port!, peer!)
}

const namedPeerOf = (host: string, portText: string, peer: string): NamedPeer | null => {
  const port = Number(portText)
  if (host === '' || !Number.isInteger(port) || port < 1 || port > 65_535) return null
  try {
    const peerKey = peerKeyOf(peerIdFromString(peer))
    return peerKey === null ? null : { peerKey, host, port }
  } catch {
    return null
  }
}
