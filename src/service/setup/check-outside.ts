import { Verdict, type Verdict as VerdictCode } from '../../../protocol/index.ts'
import { chooseAddress } from '../../net/resolve.ts'
import { publicPortsOf } from '../config.ts'
import type { OutsideSight } from '../doctor-answers.ts'
import { tlsFaultCode } from './check-certificate.ts'
import type { Check } from './check.ts'
import type { Facts } from './facts.ts'
import { type Finding, finding } from './findings.ts'

type Dialled = Extract<OutsideSight['outcome'], { is: 'dialled' }>
interface Sight {
  from: string
  outcome: Dialled
}

const isDialled = (sight: OutsideSight): sight is Sight => sight.outcome.is === 'dialled'

/** The ports as others reach them: one that gets through is enough, what keeps another out is on its own way. */
export const outsideCheck: Check = {
  name: 'outside',
  timeoutMs: 60_000,
  isInside: false,
  run: async (facts, signal) => {
    const sights = await facts.sights()
    const dialled = sights.filter(isDialled)
    if (dialled.length === 0) return { findings: [await notChecked(facts, sights)], detail: '' }
    const { host } = await facts.config()
    const { ipv4, ipv6 } = await facts.addresses()
    const { allowLoopback } = (await facts.network()).profile
    const chosen = chooseAddress([...ipv4, ...ipv6], allowLoopback)
    const here = dialled.filter(({ outcome }) => outcome.address === chosen?.ip)
    if (here.length === 0 && chosen !== null) {
      // What was dialled is not what challengers dial; whether the latter leads here, only this machine can try.
      const { outcome } = dialled[0]!
      const announced = await facts.announced().catch(() => null)
      const { tls } = announced?.is === 'found' ? announced : publicPortsOf(await facts.config())
      const own = await (await facts.endpoints()).probe(chosen.ip, tls, signal)
      const message = `${host} is ${chosen.ip}, but this node's connections come from ${outcome.address}`
      return {
        findings: [
          own.is === 'ok'
            ? finding('DNS_OTHER_ADDRESS', `${message}: others could not try the ports of ${chosen.ip}`, {
                severity: 'warning',
                hint: 'From here that address leads to this node; try it from another network, too.',
              })
            : finding('DNS_OTHER_ADDRESS', `${message}, and ${chosen.ip} does not lead here`),
        ],
        detail: '',
      }
    }
    const judged = here.length === 0 ? dialled : here
    const findings = [...portFinding(judged, 'p2p'), ...portFinding(judged, 'tls')]
    return { findings, detail: `reached by ${judged.map(({ from }) => from).join(', ')}` }
  },
}

const notChecked = async (facts: Facts, sights: readonly OutsideSight[]): Promise<Finding> => {
  const why = sights.flatMap(({ from, outcome }) =>
    outcome.is === 'not-dialled' ? [`${from}: ${outcome.why}`] : [],
  )
  await facts.config()
  const message =
    why.length === 0
      ? 'no announced node is known to be asked'
      : `nobody dialled back (${why.slice(0, 3).join('; ')})`
  return finding('OUTSIDE_NOT_CHECKED', message)
}

const portFinding = (sights: readonly Sight[], port: 'p2p' | 'tls'): Finding[] => {
  const told = sights.filter(({ outcome }) => outcome[port].verdict !== Verdict.abstain)
  const [first] = told
  if (first === undefined || told.some(({ outcome }) => outcome[port].verdict === Verdict.valid)) return []
  const { verdict, seen } = first.outcome[port]
  const message = `${first.from}, at ${first.outcome.address}: ${seen}`
  if (port === 'p2p') return [finding('P2P_UNREACHABLE', message)]
  if ((verdict as VerdictCode) === Verdict.tlsUnreachable) return [finding('TLS_UNREACHABLE', message)]
  if ((verdict as VerdictCode) === Verdict.tlsUnbound) return [finding('TLS_UNBOUND', message)]
  return [finding(tlsFaultCode(seen) === 'TLS_VERSION' ? 'TLS_VERSION' : 'TLS_REFUSED', message)]
}

/** R-PROBE-1 forgives a day; logs, epochs that seem late, and others' certificates suffer long before. */
const maxClockSeconds = 600

/** This machine's clock against those of other nodes, and against the headers of the chain. */
export const clockCheck: Check = {
  name: 'clock',
  timeoutMs: 60_000,
  isInside: true,
  run: async (facts) => {
    const chain = await facts.chain().catch(() => null)
    const isAsked = facts.options.scope !== 'inside'
    const seen: readonly OutsideSight[] = isAsked ? await facts.sights().catch(() => []) : []
    const sights = seen.filter(isDialled)
    const now = facts.options.world.now() / 1_000
    const others = sights.map(({ outcome }) => outcome.clock - now).sort((a, b) => a - b)
    const off = others[Math.floor(others.length / 2)]
    if (off !== undefined && Math.abs(off) > maxClockSeconds) {
      const minutes = Math.round(Math.abs(off) / 60)
      const message = `the clock is ${minutes} minutes ${off > 0 ? 'behind' : 'ahead of'} that of ${sights.length} other nodes`
      return { findings: [finding('CLOCK_OFF', message)], detail: '' }
    }
    // Miners' clocks may be ahead by two hours, so only a tip in the future says something of this one.
    const ahead = chain?.isRealTime === true ? chain.tipTime - now : 0
    if (off === undefined && ahead > maxClockSeconds) {
      const message = `the chain's last block is ${Math.round(ahead / 60)} minutes in this clock's future`
      return { findings: [finding('CLOCK_OFF', message)], detail: '' }
    }
    const detail = off === undefined ? 'nobody to compare it with' : `${Math.round(Math.abs(off))} s off`
    return { findings: [], detail }
  },
}
