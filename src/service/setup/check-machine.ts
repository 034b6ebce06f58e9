import { constants } from 'node:fs'
import { access, stat, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { messageOf } from '../../errors.ts'
import { newestRuleset, nextUnknownRuleset, weekOfTime } from '../../../protocol/index.ts'
import type { Check } from './check.ts'
import type { Facts } from './facts.ts'
import { type Finding, finding } from './findings.ts'

/** The file itself, the profile and the stake that it names. */
export const configCheck: Check = {
  name: 'config',
  timeoutMs: 5_000,
  isInside: true,
  run: async (facts) => {
    const config = await facts.config()
    const { name, networkId } = await facts.network()
    await facts.stake()
    const { configFile } = facts.options
    const findings: Finding[] = []
    const { mode } = await stat(configFile)
    if (config.rpc.password !== undefined && (mode & 0o044) !== 0) {
      findings.push(finding('CONFIG_EXPOSED', `others may read ${configFile}`))
    }
    if (config.hosts !== undefined && !(await facts.network()).profile.allowLoopback) {
      const hint = 'Remove the field; it is for devnets.'
      const message = `hosts: profile ${name} resolves names by DNS only`
      findings.push({ code: 'CONFIG_INVALID', severity: 'failure', stops: true, message, hint })
    }
    findings.push(...(await rulesetFindings(facts)))
    const { voided } = (await facts.network()).profile
    const voids = voided.length === 0 ? '' : `, voids ${voided.length} anchors`
    return { findings, detail: `network ${name} (${networkId})${voids}` }
  },
}

/** R-NET-3: judged by this machine's week, which a check of its own compares with the chain's. */
const rulesetFindings = async (facts: Facts): Promise<Finding[]> => {
  const { schedule } = (await facts.network()).profile
  const unknown = nextUnknownRuleset(schedule, weekOfTime(Math.floor(facts.options.world.now() / 1_000)))
  if (unknown === null) return []
  const { ruleset, from, isInForce } = unknown
  const message = `from week ${from} on the network goes by ruleset ${ruleset}; this version knows rulesets up to ${newestRuleset}`
  return [finding('RULESET_UNKNOWN', message, isInForce ? {} : { severity: 'warning' })]
}

/** The node's own keys: there, whole, and for nobody else to read. */
export const keysCheck: Check = {
  name: 'keys',
  timeoutMs: 5_000,
  isInside: true,
  run: async (facts) => ({ findings: [], detail: `peer ${(await facts.keys()).peerId}` }),
}

/** As the running daemon warns (docs/monitoring.md): a week of the largest network there was is 0.6 GB. */
const lowBytes = 2 * 1024 ** 3
const fullBytes = 512 * 1024 ** 2

/** The data directory may be written to, and there is room. */
export const diskCheck: Check = {
  name: 'disk',
  timeoutMs: 5_000,
  isInside: true,
  run: async (facts) => {
    const { dir } = await facts.config()
    const place = await nearestExisting(dir)
    try {
      await access(place, constants.W_OK)
      if (!(await stat(place)).isDirectory()) throw new Error('it is no directory')
    } catch (error) {
      return {
        findings: [finding('DIR_UNUSABLE', `cannot write to the data directory ${dir}: ${messageOf(error)}`)],
        detail: '',
      }
    }
    const free = await (facts.options.freeBytes ?? freeBytesOf)(place)
    const detail = `${Math.floor(free / 1024 ** 2)} MiB free for ${dir}`
    const findings =
      free < fullBytes ? [finding('DISK_FULL', detail)] : free < lowBytes ? [finding('DISK_LOW', detail)] : []
    return { findings, detail }
  },
}

const freeBytesOf = async (dir: string): Promise<number> => {
  const { bavail, bsize } = await statfs(dir)
  return bavail * bsize
}

/** The directory itself, or the one below which it will be made. */
const nearestExisting = async (dir: string): Promise<string> => {
  for (let place = dir; ; place = dirname(place)) {
    const isThere = await stat(place).then(
      () => true,
      () => false,
    )
    if (isThere || dirname(place) === place) return place
  }
}
