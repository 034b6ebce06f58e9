import { expect, test } from 'vitest'
import { startHost, until } from './local-hosts.ts'
import { utf8ToBytes } from '../../protocol/index.ts'

const limits = {
  maxRequestBytes: 1_000,
  maxResponseBytes: 100_000,
  timeoutMs: 2_000,
  maxConcurrentPerPeer: 4,
  maxConcurrent: 8,
}
const ask = { timeoutMs: 3_000, maxResponseBytes: 100_000 }

test('a request is answered by the peer at that address, over a connection dialled to it', async () => {
  await using alice = await startHost('127.3.0.1')
  await using bob = await startHost('127.3.0.2')
  await bob.handle('echo/1', limits, async (request, { peerKey }) => {
    expect(peerKey).toEqual(alice.peerKey)
    return Uint8Array.of(...request, 4)
  })
  expect(await alice.request(bob.target(), 'echo/1', Uint8Array.of(1, 2, 3), ask)).toEqual(
    Uint8Array.of(1, 2, 3, 4),
  )
  expect(bob.peers().map((peer) => peer.address?.ip)).toEqual(['127.3.0.1'])
  await until(() => alice.counts.get('requests_sent ok') === 1)
})
