import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { peerIdOfKey } from '../../protocol/index.ts'
import { parseNamedPeer } from '../../src/net/named-peer.ts'
import { nodesOf } from '../protocol/fixture.ts'

const peerKey = nodesOf(1)[0]!.peer
const peerId = peerIdOfKey(peerKey)

test('a peer is named by a multiaddr, or by host, port and peer id', () => {
  for (const [text, host, port] of [
    [`/ip4/192.0.2.7/tcp/9734/p2p/${peerId}`, '192.0.2.7', 9_734],
    [`/ip6/2001:db8::7/tcp/9734/p2p/${peerId}`, '2001:db8::7', 9_734],
    [`/dns4/node.example.org/tcp/1/p2p/${peerId}`, 'node.example.org', 1],
    [`node.example.org:65535/${peerId}`, 'node.example.org', 65_535],
    [`192.0.2.7:9734/${peerId}`, '192.0.2.7', 9_734],
    [`[2001:db8::7]:9734/${peerId}`, '2001:db8::7', 9_734],
  ] as const) {
    expect(parseNamedPeer(text)).toEqual({ peerKey, host, port })
  }
})

test('nothing else is a named peer', () => {
  for (const text of [
    '',
    peerId,
    'node.example.org:9734',
    `node.example.org/${peerId}`,
    `node.example.org:0/${peerId}`,
    `node.example.org:65536/${peerId}`,
    `[node.example.org]:9734/${peerId}`,
    `2001:db8::7:9734/${peerId}`,
    `node.example.org:9734/${peerId}/more`,
    // A key that is no Ed25519 key (libp2p's specification of peer ids, an RSA one).
    'node.example.org:9734/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N',
    '/ip4/192.0.2.7/tcp/9734',
    `/ip4/192.0.2.7/udp/9734/p2p/${peerId}`,
    `/ip4/192.0.2.7/tcp/9734/ws/p2p/${peerId}`,
    `/ip4/192.0.2.7/tcp/9734/p2p/${peerId}/p2p-circuit`,
    `/p2p/${peerId}`,
  ]) {
    expect([text, parseNamedPeer(text)]).toEqual([text, null])
  }
})

test('whatever is typed is a named peer with a port, or null', () => {
  const units = [...'/:[]ip4tcp0129.'.split(''), '/tcp/', '/p2p/', '/ip4/', '127.0.0.1', peerId]
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...units)), (parts) => {
      const port = parseNamedPeer(parts.join(''))?.port ?? 1
      expect(port).toBeGreaterThan(0)
      expect(port).toBeLessThan(65_536)
    }),
  )
})
