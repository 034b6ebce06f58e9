import { expect, test } from 'vitest'
import { bytesToHex, leastAskedEffort, relayProtocol } from '../../protocol/index.ts'
import { heapInUse, startCrowd } from '../crowd/start.ts'
import { until } from '../net/local-hosts.ts'
import { startRelayNetwork } from './relay-network.ts'

const transaction = new Uint8Array(300).fill(7)
const never = new AbortController().signal
const places = 8
const maxWaiting = 32
/** A flood is one when so many were told to pay; how many come in a minute is the machine's affair. */
const leastRefused = 20

test('R-PUZ-5 500 strangers want circuits at once: 20 who pay send their transactions, registered peers as ever, memory is bounded', async () => {
  await using network = await startRelayNetwork({
    hops: 4,
    block: 43,
    gate: { places, maxWaiting, holdMs: 2_000, waitMs: 4_000 },
    // As a daemon has them.
    hostLimits: {},
    exit: async (bytes) => ['sent', bytes.slice(0, 32)],
  })
  const [entry, , exit, registered] = network.hops
  const { address, peerKey } = entry!.host.target()
  const task = {
    target: { peerKey: bytesToHex(peerKey), ...address! },
    protocolName: relayProtocol,
    request: bytesToHex(transaction),
    path: [entry!, exit!].map(({ seat, host }) => ({ seat, peerKey: bytesToHex(host.peerKey) })),
  }
  /** Milliseconds that a registered peer's circuit took: through the hop that is flooded, or through another one. */
  const send = async (first: 0 | 1): Promise<number> => {
    const startMs = performance.now()
    const circuit = await network.build(registered!.host, [first, 2])
    expect((await circuit.broadcast(transaction, never))[0]).toBe('sent')
    return performance.now() - startMs
  }
  const inbound = () =>
    entry!.host.peers().filter(({ isRegistered, direction }) => !isRegistered && direction === 'inbound')
      .length

  await using flood = await startCrowd({ ...task, is: 'circuits', count: 500, block: 4, requests: 0 })
  await using payers = await startCrowd({ ...task, is: 'circuits and pay', count: 20, block: 5, requests: 1 })
  await send(0)
  await send(1)
  const heapBefore = heapInUse()
  const flooded = flood.go()
  await until(() => entry!.gate.status().effort >= leastAskedEffort)
  const over = new AbortController()
  const paying = payers.go().finally(() => over.abort())
  const tookMs = { flooded: 0, control: 0 }
  const most = { inside: 0, waiting: 0, strangers: 0, circuits: 0 }
  while (!over.signal.aborted || (entry!.hop.status().refusals['unpaid'] ?? 0) < leastRefused) {
    tookMs.flooded += await send(0)
    tookMs.control += await send(1)
    tookMs.control += await send(1)
    tookMs.flooded += await send(0)
    const { inside, waiting } = entry!.gate.status()
    const now = { inside, waiting, strangers: inbound(), circuits: entry!.hop.status().circuits.strangers }
    for (const name of Object.keys(now) as (keyof typeof now)[]) most[name] = Math.max(most[name], now[name])
  }
  const heapGrowth = heapInUse() - heapBefore
  const paid = await paying
  flood.stop()
  const unpaid = await flooded

  expect(paid['answered']).toBe(20)
  // In a quiet second the price may be nothing for a moment, and the busier the machine is, the more of them there are.
  expect(paid['worked']).toBeGreaterThanOrEqual(1)
  expect(unpaid['puzzle unpaid']).toBeGreaterThanOrEqual(1)
  expect(tookMs.flooded / tookMs.control).toBeLessThan(3)
  expect(most.inside).toBeLessThanOrEqual(places)
  expect(most.waiting).toBeLessThanOrEqual(maxWaiting)
  expect(most.strangers).toBeLessThanOrEqual(128)
  expect(most.circuits).toBeLessThanOrEqual(places)
  expect(heapGrowth).toBeLessThan(50_000_000)
  // Nothing of it stays.
  await until(() => {
    const { inside, waiting } = entry!.gate.status()
    return entry!.hop.status().circuits.strangers + inside + waiting === 0
  })
}, 400_000)
