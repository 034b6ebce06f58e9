import { testCa } from '../fixtures/certificates.ts'
import { createTestNetwork, type TestNode } from '../fixtures/test-network.ts'
import { networkOptions, type Measurement, type VictimCommand } from './parties.ts'

/** The attacked daemon, with its default limits and in a process of its own. It does what it is told over IPC. */

/** The most processor time that the main thread used between two turns of a timer of 10 ms. */
const watchLoop = () => {
  let mostMs = 0
  let before = process.threadCpuUsage()
  setInterval(() => {
    const used = process.threadCpuUsage(before)
    before = process.threadCpuUsage()
    mostMs = Math.max(mostMs, (used.user + used.system) / 1_000)
  }, 10).unref()
  return {
    take(): number {
      const most = mostMs
      mostMs = 0
      return Math.round(most)
    },
  }
}

const loop = watchLoop()
let cpu = process.cpuUsage()

const measure = (): Measurement => {
  const used = process.cpuUsage(cpu)
  cpu = process.cpuUsage()
  const heldMs = loop.take()
  globalThis.gc?.()
  const { rss, heapUsed, external } = process.memoryUsage()
  loop.take()
  return {
    heldMs,
    cpuMs: Math.round((used.user + used.system) / 1_000),
    rss: mb(rss),
    heap: mb(heapUsed),
    external: mb(external),
  }
}

const mb = (bytes: number): number => Math.round(bytes / 1_048_576)

/** Counters of the host by what they say against peers. */
const accusations = async (node: TestNode): Promise<Record<string, number>> => {
  const named: Record<string, number> = {}
  for (const name of ['penalties', 'bans', 'streams_refused', 'connections_refused', 'connections_trimmed']) {
    const metric = node.daemon.metrics.registry.getSingleMetric(`secnode_net_${name}_total`)
    for (const { labels, value } of (await metric?.get())?.values ?? [])
      if (value > 0) named[`${name} ${Object.values(labels).join(' ')}`] = value
  }
  return named
}

const network = await createTestNetwork(networkOptions)
const node = await network.start(0, { hostLimits: {} })
process.on('message', (command: VictimCommand) => {
  void (async () => {
    switch (command.is) {
      case 'measure':
        return process.send!(measure())
      case 'accusations':
        return process.send!(await accusations(node))
      case 'stop':
        await network.stop()
        process.exit(0)
    }
  })()
})
process.on('disconnect', () => process.exit(0))
// Probers trust its certificate by this.
process.send!({ is: 'ready', caPem: testCa.caPem })
