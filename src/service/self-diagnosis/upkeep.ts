import { coin, newestRuleset } from '../../../protocol/index.ts'
import type { Finding } from '../alerts/finding.ts'
import { remedies } from './codes.ts'
import type { Observations } from './observations.ts'

const dayMs = 86_400_000
/** Certificates of 90 days are renewed with 30 left: with 14 the renewal has failed for two weeks. */
const warnDays = 14
const criticalDays = 3

export const judgeCertificate = ({ certificate, nowMs, host }: Observations): Finding[] | null => {
  if (certificate === null) return null
  const { notAfterMs, faults, refused } = certificate
  const findings: Finding[] = []
  if (faults.length > 0) {
    findings.push({
      code: 'certificate-wrong',
      subject: host,
      severity: 'critical',
      title: `the certificate ${faults.join(' and ')}`,
      detail:
        'Challengers say "tls invalid" of a node with such a certificate (R-PROBE-1), and every epoch is lost.',
      remedy: remedies['certificate-wrong'],
      evidence: [],
    })
  }
  const days = (notAfterMs - nowMs) / dayMs
  if (days > 0 && days < warnDays) {
    findings.push({
      code: 'certificate-expires',
      subject: host,
      severity: days < criticalDays ? 'critical' : 'warning',
      title: `the certificate ends in ${days < 2 ? `${Math.round(days * 24)} hours` : `${Math.floor(days)} days`}`,
      detail: `It is valid until ${new Date(notAfterMs).toISOString()}; a day later challengers refuse it (R-PROBE-1).`,
      remedy: remedies['certificate-expires'],
      evidence: [],
    })
  }
  if (refused !== null) {
    findings.push({
      code: 'certificate-refused',
      subject: host,
      severity: 'warning',
      title: 'a new certificate was refused, the old one stays in use',
      detail: `${refused}.`,
      remedy: remedies['certificate-refused'],
      evidence: [],
    })
  }
  return findings
}

/**
 * A week of the largest network there was is 1.7 million attestations of some 350 bytes, 0.6 GB, and the store needs
 * room to rewrite its files.
 */
const warnBytes = 2 * 1024 ** 3
const criticalBytes = 512 * 1024 ** 2

export const judgeDisk = ({ disk }: Observations): Finding[] | null => {
  if (disk === null) return null
  const { freeBytes, totalBytes, directory } = disk
  if (freeBytes >= warnBytes) return []
  return [
    {
      code: 'disk-low',
      subject: directory,
      severity: freeBytes < criticalBytes ? 'critical' : 'warning',
      title: `${mebibytes(freeBytes)} MiB are free on the disk of the data directory`,
      detail: `Of ${mebibytes(totalBytes)} MiB. A node that cannot write signs nothing and stops (R-ATT-5).`,
      remedy: remedies['disk-low'],
      evidence: [],
    },
  ]
}

const mebibytes = (bytes: number): number => Math.floor(bytes / 1024 ** 2)

/** R-CP-5: others may post the anchor as well, so that it is no more than a warning. */
export const judgeHotWallet = ({ hotWallet }: Observations): Finding[] | null => {
  if (hotWallet === null) return null
  if (hotWallet.is === 'none' || hotWallet.balance >= hotWallet.needed) return []
  const { address, balance, needed } = hotWallet
  return [
    {
      code: 'hot-wallet-low',
      subject: address,
      severity: 'warning',
      title: 'the small wallet cannot pay for an anchor',
      detail:
        `${coinsOf(balance)} coins are at ${address}, an anchor takes ${coinsOf(needed)}, most of which comes back. ` +
        'A week whose anchor nobody posts stays pending (R-CP-6).',
      remedy: remedies['hot-wallet-low'],
      evidence: [],
    },
  ]
}

/** R-REG-1…5: whether the chain has the announcement that this daemon is for, and the stake behind it. */
/** R-CP-6: anchored checkpoints that break R-CP-1 for this node. The last one tells most: others may follow from it. */
export const judgeCheckpoints = ({ differingCheckpoints }: Observations): Finding[] =>
  differingCheckpoints.slice(-1).map(({ week, checkpoint, code }) => ({
    code: 'checkpoint-differs',
    subject: checkpoint,
    severity: 'critical',
    title: `the anchored checkpoint of week ${week} says otherwise than this node: ${code}`,
    detail:
      `${whyDiffering(code)} The weeks that ${checkpoint} fixes have no tally here, and this node certifies with none ` +
      'of those who signed it.',
    remedy: remedies['checkpoint-differs'],
    evidence: [],
  }))

const whyDiffering = (code: string): string => {
  if (code === 'checkpoint-params') {
    return 'It was certified under other parameters: the profile here lacks a row of the schedule, or has one that the others do not have (R-NET-2).'
  }
  if (code === 'checkpoint-previous' || code === 'checkpoint-weeks' || code === 'checkpoint-list') {
    return 'It goes by other anchors than this node: the profile here lacks a row that voids one, or has one that the others do not have (R-NET-4). If the profiles are the same, more than two thirds of its certifiers signed what is not so.'
  }
  return 'More than two thirds of its certifiers signed what this chain does not say (R-CP-1), or the chain node here gives another chain than theirs.'
}

/** R-NET-3: whether the network goes, or will go, by rules that this version does not know. */
export const judgeRuleset = ({ unknownRuleset }: Observations): Finding[] => {
  if (unknownRuleset === null) return []
  const { ruleset, from, isInForce } = unknownRuleset
  return [
    {
      code: 'ruleset-unknown',
      subject: `ruleset ${ruleset}`,
      severity: isInForce ? 'critical' : 'warning',
      title: isInForce
        ? `the network goes by ruleset ${ruleset}, which this version does not know: this node signs nothing`
        : `from week ${from} on the network goes by ruleset ${ruleset}, which this version does not know`,
      detail:
        `The profile names it from week ${from} on, and this version knows rulesets up to ${newestRuleset}. ` +
        (isInForce
          ? 'Until it is replaced, its seat attests nothing, answers no challenge and earns nothing.'
          : 'Until then the node goes on as ever; from then on it would sign nothing, tally nothing and pay nothing.'),
      remedy: remedies['ruleset-unknown'],
      evidence: [],
    },
  ]
}

export const judgeRegistration = ({ registration, moved }: Observations): Finding[] | null => {
  if (registration === null) return null
  const { stake } = registration
  if (registration.is === 'none') {
    return [
      {
        code: 'not-announced',
        subject: stake,
        severity: 'warning',
        title: 'the stake was not announced',
        detail: `No announcement of ${stake} is in the confirmed chain: nobody challenges this node, and it earns nothing.`,
        remedy: remedies['not-announced'],
        evidence: [],
      },
    ]
  }
  const findings: Finding[] = []
  if (!registration.isActive) {
    findings.push({
      code: 'stake-spent',
      subject: stake,
      severity: 'critical',
      title: 'the stake is not there any more',
      detail:
        `${coinsOf(registration.balance)} of ${coinsOf(registration.minStake)} coins are unspent since its announcement: the seat is retired, ` +
        'and only a new announcement revives it (R-REG-5).',
      remedy: remedies['stake-spent'],
      evidence: [],
    })
  }
  const isForwarded = registration.differences.every(({ what }) => what.endsWith('port'))
  // The name and ports of another node's announcement are that node's, and its key is a finding of its own.
  if (registration.differences.length > 0 && moved === null) {
    const list = registration.differences.map(
      ({ what, announced, own }) => `${what}: announced is ${announced}, here it is ${own}`,
    )
    findings.push({
      code: 'announcement-differs',
      subject: stake,
      // Ports may be forwarded; whoever has another key or name cannot answer for this seat (R-REG-4).
      severity: isForwarded ? 'info' : 'critical',
      title: `the announcement has another ${registration.differences.map(({ what }) => what).join(', ')}`,
      detail: `${list.join('; ')}. ${isForwarded ? 'That is right if they are mapped to these: then name them as `public` in the configuration.' : 'Challengers look for what was announced.'}`,
      remedy: remedies['announcement-differs'],
      evidence: [],
    })
  }
  return findings
}

const coinsOf = (amount: bigint): string =>
  `${amount / coin}.${(amount % coin).toString().padStart(8, '0').replace(/0+$/, '') || '0'}`
