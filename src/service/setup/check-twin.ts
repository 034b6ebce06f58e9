import { chooseAddress } from '../../net/resolve.ts'
import { publicPortsOf } from '../config.ts'
import type { Check } from './check.ts'
import { finding } from './findings.ts'

/** Whether another daemon answers at the announced address with the keys of this node (R-ATT-7). */
export const twinCheck: Check = {
  name: 'twin',
  timeoutMs: 30_000,
  isInside: true,
  run: async (facts, signal) => {
    if ((await facts.daemon()) !== null) return { findings: [], detail: 'the running node looks itself' }
    const config = await facts.config()
    const { allowLoopback } = (await facts.network()).profile
    const { ipv4, ipv6 } = await facts.addresses()
    const chosen = chooseAddress([...ipv4, ...ipv6], allowLoopback)
    if (chosen === null) return { findings: [], detail: `unknown: ${config.host} has no address` }
    const announced = await facts.announced().catch(() => null)
    const { host, tls } =
      announced?.is === 'found' ? announced : { host: config.host, tls: publicPortsOf(config).tls }
    // Where the doctor serves the ports, it is to meet itself there.
    if (facts.options.scope !== 'inside') await facts.endpoints().catch(() => undefined)
    const at = { host, ip: chosen.ip, port: tls }
    const seen = await (await facts.selfLook()).look(at, signal)
    const where = `${at.ip} port ${at.port}`
    if (seen.is === 'another' && facts.options.isStandby === true) {
      return { findings: [], detail: `the seat answers at ${where}` }
    }
    if (seen.is === 'another') {
      return { findings: [finding('ANOTHER_RUNS', `a node with these keys answers at ${where}`)], detail: '' }
    }
    return {
      findings: [],
      detail: seen.is === 'self' ? `only this one, at ${where}` : `unknown: ${where}: ${seen.why}`,
    }
  },
}
