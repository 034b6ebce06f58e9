import { stat } from 'node:fs/promises'
import type { ProbeResult } from '../../net/probe.ts'
import type { Check } from './check.ts'
import { type DoctorCode, type Finding, finding } from './findings.ts'

const dayMs = 86_400_000
/** Certificates of 90 days are renewed with 30 left: with 14 the renewal has failed for two weeks. */
const soonDays = 14

/** What the files themselves show: dates, name, key. */
export const certificateCheck: Check = {
  name: 'certificate',
  timeoutMs: 5_000,
  isInside: true,
  run: async (facts) => {
    const { certificate } = await facts.certificate()
    const { host, certificate: files } = await facts.config()
    const now = facts.options.world.now()
    const [from, to] = [certificate.validFromDate.getTime(), certificate.validToDate.getTime()]
    const findings: Finding[] = []
    if (to <= now)
      findings.push(finding('CERT_EXPIRED', `${files.cert} has expired on ${certificate.validTo}`))
    else if (to - now < soonDays * dayMs) {
      const days = Math.floor((to - now) / dayMs)
      findings.push(
        finding('CERT_EXPIRES_SOON', `${files.cert} ends in ${days} days, on ${certificate.validTo}`),
      )
    }
    if (from > now) {
      findings.push(
        finding('CERT_NOT_YET_VALID', `${files.cert} is not valid before ${certificate.validFrom}`),
      )
    }
    if (certificate.checkHost(host, { subject: 'never' }) === undefined) {
      const names = certificate.subjectAltName ?? 'nobody'
      findings.push(
        finding('CERT_WRONG_NAME', `${files.cert} is for ${names.slice(0, 200)}, not for ${host}`),
      )
    }
    if (certificate.verify(certificate.publicKey)) {
      findings.push(finding('CERT_SELF_SIGNED', `${files.cert} is signed by its own key`))
    }
    if (((await stat(files.key)).mode & 0o004) !== 0) {
      findings.push(finding('CERT_KEY_EXPOSED', `everybody may read ${files.key}`))
    }
    return { findings, detail: `valid until ${certificate.validTo}` }
  },
}

/** The TLS endpoint as a challenger meets it, seen from this machine: version, chain, exporter binding (R-PROBE-1). */
export const endpointCheck: Check = {
  name: 'endpoint',
  timeoutMs: 15_000,
  isInside: false,
  run: async (facts, signal) => {
    const { listen } = await facts.config()
    const endpoints = await facts.endpoints()
    const result = await endpoints.probe(endpoints.localIp, listen.tls, signal)
    return {
      findings: findingsOfProbe(result, `${endpoints.localIp} port ${listen.tls}`),
      detail: 'TLS 1.3, trusted, bound to the node’s key',
    }
  },
}

/** What a probe from this machine says. Dates and name are what the files show, and told there. */
const findingsOfProbe = (result: ProbeResult, where: string): Finding[] => {
  if (result.is === 'ok') return []
  const message = `${where}: ${result.detail}`
  if (result.is === 'unable' || result.code === 6) return [finding('TLS_NOT_SERVED', message)]
  if (result.code === 8) return [finding('TLS_UNBOUND', message)]
  const code = tlsFaultCode(result.detail)
  return code === null ? [] : [finding(code, message)]
}

/** The code for the words of R-PROBE-1's code 7; null for what the certificate's own check tells. */
export const tlsFaultCode = (detail: string): DoctorCode | null => {
  if (/TLS 1\.3|PROTOCOL/.test(detail)) return 'TLS_VERSION'
  if (detail.startsWith('DEPTH_ZERO_SELF_SIGNED_CERT')) return 'CERT_SELF_SIGNED'
  const isOfFiles = /^(expired on|not valid before|ERR_TLS_CERT_ALTNAME_INVALID|Hostname)/.test(detail)
  return isOfFiles ? null : 'CERT_UNTRUSTED'
}
