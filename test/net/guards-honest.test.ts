import { createServer, connect, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { cidOf, concatBytes } from '../../protocol/index.ts'
import { maxAddressesTold, maxProvidersTold } from '../../src/net/guards/stream-rules.ts'
import type { PeerAddress } from '../../src/net/peer-address.ts'
import {
  data,
  dialFrames,
  frame,
  header,
  type HostileConnection,
  proposals,
  provision,
  syn,
} from './hostile-peer.ts'
import { type LocalHost, networkId, registerAll, startHost, until } from './local-hosts.ts'

const limits = {
  maxRequestBytes: 1_600_000,
  maxResponseBytes: 1_600_000,
  timeoutMs: 120_000,
  maxConcurrentPerPeer: 64,
  maxConcurrent: 64,
}
const asked = { timeoutMs: 120_000, maxResponseBytes: 1_600_000 }

/** A way of 125 ms in each direction, on which bytes come in the pieces of a telephone line. */
const startSlowWay = async (address: string, to: PeerAddress) => {
  const sockets = new Set<Socket>()
  const pass = (from: Socket, into: Socket): void => {
    sockets.add(from)
    from.on('data', (bytes: Buffer) => {
      for (let i = 0; i < bytes.length; i += 1_400) {
        const piece = bytes.subarray(i, i + 1_400)
        setTimeout(() => into.writable && into.write(piece), 125)
      }
    })
    from.on('close', () => setTimeout(() => into.destroy(), 125))
    from.on('error', () => undefined)
  }
  const server = createServer((socket) => {
    const onward = connect({ host: to.ip, port: to.port, localAddress: address })
    pass(socket, onward)
    pass(onward, socket)
  })
  await new Promise<void>((resolve) => server.listen(0, address, resolve))
  const bound = server.address()
  if (bound === null || typeof bound === 'string') throw new Error('no port')
  return {
    address: { ip: address, port: bound.port },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

let alice: LocalHost
let bob: LocalHost
beforeEach(async () => {
  alice = await startHost('127.9.4.1', { limits: { maxNewPerSecondPerAddress: 1_000 } })
  bob = await startHost('127.9.4.2')
  registerAll(alice, bob)
  await alice.handle('echo/1', limits, async (bytes) => bytes)
})
afterEach(async () => {
  await Promise.all([alice.stop(), bob.stop()])
})

/** Whether anybody was cut off, or lost some of its name. */
const faultsOf = (...hosts: readonly LocalHost[]): string[] =>
  hosts.flatMap(({ counts }) => [...counts.keys()]).filter((name) => /^(?:hostile|penalties|bans)/.test(name))

const numbered = (i: number, length = 2): Uint8Array => new Uint8Array(length).fill(i % 251)

test('64 requests at once, a proposal of the largest size, and the DHT over a way of 250 ms', async () => {
  await using way = await startSlowWay('127.9.4.3', alice.target().address!)
  const target = { peerKey: alice.peerKey, address: way.address }
  const requests = Array.from({ length: 64 }, (_, i) => numbered(i))
  const answers = await Promise.all(requests.map((bytes) => bob.request(target, 'echo/1', bytes, asked)))
  expect(answers).toEqual(requests)
  const large = numbered(7, 1_572_896)
  expect(await bob.request(target, 'echo/1', large, asked)).toEqual(large)
  const content = cidOf(Uint8Array.of(1))
  await until(async () => (await bob.provide(content, { timeoutMs: 30_000 })) > 0)
  expect(await alice.findProviders(content, { timeoutMs: 30_000 })).toHaveLength(1)
  expect(faultsOf(alice, bob)).toEqual([])
})

test('two thousand requests one after another, eight at a time, as fast as they are answered', async () => {
  let left = 2_000
  const work = async (): Promise<void> => {
    while (left-- > 0) {
      const bytes = numbered(left)
      expect(await bob.request(alice.target(), 'echo/1', bytes, asked)).toEqual(bytes)
    }
  }
  await Promise.all(Array.from({ length: 8 }, work))
  expect(faultsOf(alice, bob)).toEqual([])
})

test('the answers of a sync of 40,000 seats', async () => {
  // 42 epochs of a week with 40 answers each would say nothing that those of one do not.
  await alice.handle('sync/1', limits, async (bytes) => numbered(bytes[0]!, 400_000))
  for (let i = 0; i < 40; i += 2) {
    const answers = [i, i + 1].map((n) => bob.request(alice.target(), 'sync/1', numbered(n), asked))
    for (const answer of await Promise.all(answers)) expect(answer).toHaveLength(400_000)
  }
  expect(faultsOf(alice, bob)).toEqual([])
})

test('gossip of 400 messages a second', async () => {
  const seconds = 5
  let heard = 0
  for (const host of [alice, bob]) {
    host.subscribe('attestations', () => {
      if (host === alice) heard++
      return { is: 'accept', value: undefined }
    })
  }
  await bob.dial(alice.target())
  await until(() => bob.gossipPeers('attestations') === 1)
  const startMs = performance.now()
  for (let i = 0; i < 400 * seconds; i++) {
    await until(() => performance.now() - startMs >= i / 0.4)
    await bob.publish('attestations', Uint8Array.from([i >> 8, i & 255, ...numbered(i, 212)]))
  }
  await until(() => heard === 400 * seconds)
  expect(faultsOf(alice, bob)).toEqual([])
})

test('more providers of a content, and more of their addresses, than fit into an answer of the DHT', async () => {
  const content = cidOf(Uint8Array.of(2))
  const connections: HostileConnection[] = []
  const dht = `/secnode/${networkId}/kad/1.0.0`
  for (let i = 1; i <= maxProvidersTold + 6; i++) {
    const connection = await dialFrames(alice.target().address!, `127.9.5.${i}`)
    const message = provision(content, connection.peerKey, `127.9.5.${i}`, 12)
    connection.frames.send(frame(data, syn, 1, concatBytes(proposals(header, dht), message)))
    connections.push(connection)
  }
  await bob.dial(alice.target())
  let found: { addresses: readonly PeerAddress[] }[] = []
  await until(async () => {
    found = await bob.findProviders(content, { timeoutMs: 30_000, maxProviders: 200 })
    return found.length >= maxProvidersTold
  })
  expect(found).toHaveLength(maxProvidersTold)
  for (const { addresses } of found) expect(addresses).toHaveLength(maxAddressesTold)
  expect(faultsOf(alice, bob)).toEqual([])
  for (const { raw } of connections) raw.abort(new Error('over'))
})
