import { expect, test } from 'vitest'
import { leastAskedEffort } from '../../protocol/index.ts'
import type { RelayClient } from '../../src/net/relay-client.ts'
import { startRelayClient } from '../../src/net/relay-client.ts'
import { realWorld } from '../../src/world.ts'
import { networkId, until } from '../net/local-hosts.ts'
import { startRelayNetwork } from './relay-network.ts'

const world = realWorld()
const forever = new AbortController().signal
const strangers = 30
const payers = 5
const places = 2
/** All of them share this process with the hops: a link costs it some two milliseconds. */
const pauseMs = 200

test('R-RELAY-6 a flood of strangers at one hop: those who pay get through, circuits of nodes as ever, places are kept', async () => {
  await using network = await startRelayNetwork({
    hops: 3,
    block: 20,
    exit: (bytes) => Promise.resolve(['sent', bytes.slice(0, 32)]),
    gate: { places, maxWaiting: 4, waitMs: 8_000 },
    // A place that nobody uses is free again soon.
    limits: { stepTimeoutMs: 3_000, maxPerStranger: 4 },
  })
  const clients = await Promise.all(
    Array.from({ length: strangers + payers + 1 }, (_, i) =>
      startRelayClient({ networkId, allowLoopback: true, localAddress: `127.41.20.${100 + i}`, world }),
    ),
  )
  await using stack = new AsyncDisposableStack()
  for (const client of clients) stack.use(client)
  const flooding = clients.slice(0, strangers)
  const paying = clients.slice(strangers, strangers + payers)
  const byRegistered = clients.at(-1)!
  const stopping = new AbortController()
  const { hop, gate } = network.hops[0]!

  const sendRegistered = async (): Promise<void> => {
    const circuit = await network.buildFrom(byRegistered, [1, 0, 2])
    await circuit.broadcast(new Uint8Array(300), forever)
  }
  // Nodes have their connections already.
  await sendRegistered()

  /** Opens links and never pays, nor says a word on one that is admitted. */
  const flood = async (client: RelayClient): Promise<void> => {
    while (!stopping.signal.aborted) {
      try {
        const link = await client.openRelayLink(
          { peerKey: network.hops[0]!.host.peerKey, address: network.addressOf(0) },
          { dialTimeoutMs: 5_000, timeoutMs: 5_000, payment: new Uint8Array(), signal: stopping.signal },
        )
        await link.ended
      } catch {
        // Reset, refused or over: once more.
      }
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
    }
  }
  const flooded = flooding.map(flood)
  await until(() => gate.status().effort >= leastAskedEffort)

  const most = { strangers: 0, waiting: 0 }
  const watching = setInterval(() => {
    const { circuits, waiting } = hop.status()
    most.strangers = Math.max(most.strangers, circuits.strangers)
    most.waiting = Math.max(most.waiting, waiting)
  }, 5)
  /** As a tool does: what is asked for is done, and whoever is not let in tries again. */
  const send = async (client: RelayClient, path: readonly number[]): Promise<void> => {
    for (let tries = 1; ; tries++) {
      try {
        const circuit = await network.buildFrom(client, path)
        expect(await circuit.broadcast(new Uint8Array(300), forever)).toMatchObject([
          'sent',
          expect.anything(),
        ])
        return
      } catch (error) {
        if (tries === 20) throw error
      }
    }
  }
  await Promise.all([
    ...paying.map((client) => send(client, [0, 1, 2])),
    // Hop 1 is a node that hop 0 knows: these are not asked for anything, and none fails.
    (async () => {
      for (let i = 0; i < 5; i++) await sendRegistered()
    })(),
  ])
  clearInterval(watching)
  stopping.abort()
  await Promise.all(flooded)
  expect(hop.status().refusals['unpaid']).toBeGreaterThan(strangers)
  expect(most.strangers).toBeLessThanOrEqual(places)
  expect(most.waiting).toBeLessThanOrEqual(4)
}, 60_000)
