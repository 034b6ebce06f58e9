import { parseArgs } from 'node:util'
import { type LocalHost, until } from '../net/local-hosts.ts'
import { type RelayNetwork, startRelayNetwork } from '../relay/relay-network.ts'

/**
 * The relay (R-RELAY): what building a circuit and sending a transaction through it takes for 1 to 3 hops, and circuits a
 * second, all hops and the client in this one process, connections made before, on loopback addresses, beside a request on a direct libp2p stream
 * of the same hosts in the same run. Afterwards no stream may be left. Options: `--rounds <n>` per case (40), `--circuits
 * <n>` for the rate and the count of streams (1000).
 */
export const run = async (options: string[]): Promise<void> => {
  const { values } = parseArgs({
    args: options,
    options: { rounds: { type: 'string', default: '40' }, circuits: { type: 'string', default: '1000' } },
  })
  const rounds = Number(values.rounds)
  const circuits = Number(values.circuits)
  if (!(rounds >= 1) || !(circuits >= 1)) throw new RangeError('--rounds and --circuits take numbers from 1')
  await using network = await startRelayNetwork({
    hops: 3,
    block: 8,
    exit: (bytes) => Promise.resolve(['sent', bytes.slice(0, 32)]),
  })
  const client = await network.client()
  await network.hops[0]!.host.handle('direct/1', directLimits, (request) =>
    Promise.resolve(request.slice(0, 32)),
  )
  const direct = await directCosts(network, client, rounds, circuits)
  print({ case: 'direct stream', ...direct })
  for (const hops of [1, 2, 3]) {
    const path = [0, 1, 2].slice(0, hops)
    for (let i = 0; i < 10; i++) await once(network, client, path)
    const built: number[] = []
    const sent: number[] = []
    for (let round = 0; round < rounds; round++) {
      const startMs = performance.now()
      const circuit = await network.build(client, path)
      const builtMs = performance.now()
      await circuit.broadcast(transaction, forever)
      built.push(builtMs - startMs)
      sent.push(performance.now() - builtMs)
    }
    const { perSecond, cpuMs } = await rateOf(circuits, () => once(network, client, path))
    await until(() => network.openStreams() === 0)
    const sendMs = median(sent)
    print({
      case: `${hops} hops`,
      buildMs: round(median(built)),
      buildMsPerHop: round(median(built) / hops),
      sendMs: round(sendMs),
      // To send a transaction is to build a circuit and use it once.
      addedMsPerHop: round((median(built) + sendMs - direct.requestMs) / hops),
      circuitsPerSecond: perSecond,
      cpuMsPerCircuit: cpuMs,
      timesDirect: round(cpuMs / direct.cpuMsPerRequest),
      streamsLeft: network.openStreams(),
    })
  }
}

const forever = new AbortController().signal
const transaction = Uint8Array.from({ length: 400 }, (_, i) => i % 251)
/** Whoever builds circuits all the time builds so many at once. */
const concurrent = 8
const directLimits = {
  maxRequestBytes: 1_000,
  maxResponseBytes: 1_000,
  timeoutMs: 10_000,
  maxConcurrentPerPeer: 2 * concurrent,
  maxConcurrent: 2 * concurrent,
}

const once = async (network: RelayNetwork, client: LocalHost, path: readonly number[]): Promise<void> => {
  const circuit = await network.build(client, path)
  await circuit.broadcast(transaction, forever)
}

const directCosts = async (network: RelayNetwork, client: LocalHost, rounds: number, requests: number) => {
  const target = network.hops[0]!.host.target()
  const ask = async (): Promise<void> => {
    await client.request(target, 'direct/1', transaction, { timeoutMs: 10_000, maxResponseBytes: 1_000 })
  }
  for (let i = 0; i < rounds; i++) await ask()
  const took: number[] = []
  for (let round = 0; round < rounds; round++) {
    const startMs = performance.now()
    await ask()
    took.push(performance.now() - startMs)
  }
  const { perSecond, cpuMs } = await rateOf(requests, ask)
  return { requestMs: round(median(took)), requestsPerSecond: perSecond, cpuMsPerRequest: cpuMs }
}

/** Both hold for all hops and the client together; the processor time hardly depends on what else the machine does. */
const rateOf = async (count: number, work: () => Promise<void>) => {
  let left = count
  const startMs = performance.now()
  const startCpu = process.cpuUsage()
  await Promise.all(
    Array.from({ length: concurrent }, async () => {
      while (left-- > 0) await work()
    }),
  )
  const { user, system } = process.cpuUsage(startCpu)
  return {
    perSecond: round((1_000 * count) / (performance.now() - startMs)),
    cpuMs: round((user + system) / 1_000 / count),
  }
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >>> 1]!
const round = (value: number): number => Math.round(value * 100) / 100
const print = (line: object): void =>
  void process.stdout.write(`${JSON.stringify({ bench: 'relay', ...line })}\n`)
