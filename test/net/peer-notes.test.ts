import type { Peer, PeerId, PeerStore } from '@libp2p/interface'
import { expect, test } from 'vitest'
import { noteLess } from '../../src/net/peer-notes.ts'

const named = (name: string): PeerId => ({ equals: (other: unknown) => other === name, name }) as never
const [self, other] = ['self', 'other'] as unknown as [PeerId, PeerId]

test('streams of our own protocols alone are not noted; all else is', async () => {
  const noted: unknown[] = []
  const store: Pick<PeerStore, 'merge'> = {
    merge: (peer, data) => {
      noted.push([peer, data])
      return Promise.resolve({} as Peer)
    },
  }
  noteLess(store, named('self'), (protocol) => protocol.startsWith('/ours/'))
  const given = [
    [other, { protocols: ['/ours/ask'] }],
    [other, { protocols: ['/meshsub/1.2.0'] }],
    [other, { protocols: ['/ours/ask', '/ping'] }],
    [other, { protocols: ['/ours/ask'], tags: {} }],
    [other, { metadata: {} }],
    [self, { protocols: ['/ours/ask'] }],
  ] as const
  for (const [peer, data] of given) await store.merge(peer, data as never)
  expect(noted).toEqual(given.slice(1))
})
