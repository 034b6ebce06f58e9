import 'reflect-metadata'
import { X509Certificate } from 'node:crypto'
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls'
import * as x509 from '@peculiar/x509'

/** The roots that a probe trusts, parsed once. */
export interface ProbeRoots {
  secureContext: SecureContext
  certificates: readonly X509Certificate[]
}

/**
 * `pems`: the roots of a profile; without them the ones bundled with Node, whatever else this machine trusts, so that
 * two challengers judge alike.
 */
export const createProbeRoots = (pems: readonly string[] = getCACertificates('bundled')): ProbeRoots => ({
  // TLS 1.2 is understood, to say that it was offered; nothing is asked over it.
  secureContext: createSecureContext({ ca: [...pems], minVersion: 'TLSv1.2' }),
  certificates: pems.map((pem) => new X509Certificate(pem)),
})

/**
 * R-PROBE-1 allows for a clock that is wrong by a day, which OpenSSL cannot: it reports the dates last, over whatever
 * else is wrong. So a chain that OpenSSL refuses for its dates is judged again here, in full and more narrowly: only
 * plain chains pass (RSA of 2048 bits or an elliptic curve, no SHA-1, no extension whose meaning is not checked here).
 * Returns what is wrong, or null. The host name is not looked at.
 */
export const chainFault = (
  leaf: X509Certificate,
  roots: readonly X509Certificate[],
  options: { now: number; toleranceMs: number },
): string | null => {
  const chain = chainToRoot(leaf, roots)
  if (chain === null) return 'the chain does not lead to a trusted root'
  for (const [depth, certificate] of chain.entries()) {
    const isRoot = depth === chain.length - 1
    const fault =
      dateFault(certificate, options.now, options.toleranceMs) ??
      // What a root says of itself is no evidence: it is trusted by being in the list.
      (isRoot ? null : (keyFault(certificate) ?? extensionFault(certificate, depth)))
    if (fault !== null) return depth === 0 ? fault : `authority ${depth}: ${fault}`
  }
  return null
}

// Real chains have three or four certificates; the limit ends a walk around a loop.
const maxChainLength = 8

/** From the leaf to a root of the list, every link checked: names, key identifiers, right to sign, signature. */
const chainToRoot = (leaf: X509Certificate, roots: readonly X509Certificate[]): X509Certificate[] | null => {
  const chain = [leaf]
  for (let current = leaf; chain.length < maxChainLength;) {
    const child = current
    const root = roots.find((candidate) => isIssuedBy(child, candidate))
    if (root !== undefined) return [...chain, root]
    const issuer = child.issuerCertificate
    if (issuer === undefined || !isIssuedBy(child, issuer)) return null
    chain.push(issuer)
    current = issuer
  }
  return null
}

const isIssuedBy = (child: X509Certificate, issuer: X509Certificate): boolean =>
  issuer.ca &&
  child.fingerprint256 !== issuer.fingerprint256 &&
  child.checkIssued(issuer) &&
  verifies(child, issuer)

const verifies = (child: X509Certificate, issuer: X509Certificate): boolean => {
  try {
    return child.verify(issuer.publicKey)
  } catch {
    return false
  }
}

const dateFault = (certificate: X509Certificate, now: number, toleranceMs: number): string | null => {
  if (certificate.validToDate.getTime() + toleranceMs < now) return `expired on ${certificate.validTo}`
  if (certificate.validFromDate.getTime() - toleranceMs > now)
    return `not valid before ${certificate.validFrom}`
  return null
}

// What OpenSSL's security level 2, the default, asks for.
const keyFault = (certificate: X509Certificate): string | null => {
  const { asymmetricKeyType, asymmetricKeyDetails } = certificate.publicKey
  if (asymmetricKeyType === 'rsa' && (asymmetricKeyDetails?.modulusLength ?? 0) < 2_048)
    return 'RSA key too short'
  if (!['rsa', 'ec', 'ed25519'].includes(asymmetricKeyType ?? '')) return `key of type ${asymmetricKeyType}`
  return /sha1|md5/i.test(certificate.signatureAlgorithm ?? 'md5') ? 'signed with a broken hash' : null
}

const serverAuth = '1.3.6.1.5.5.7.3.1'
const understood = {
  basicConstraints: '2.5.29.19',
  keyUsage: '2.5.29.15',
  extendedKeyUsage: '2.5.29.37',
  subjectAlternativeName: '2.5.29.17',
  nameConstraints: '2.5.29.30',
}

/** `depth` is 0 for the leaf; an authority's path length counts the authorities below it, so `depth` − 1. */
const extensionFault = (certificate: X509Certificate, depth: number): string | null => {
  let parsed: x509.X509Certificate
  try {
    parsed = new x509.X509Certificate(new Uint8Array(certificate.raw))
  } catch {
    return 'certificate not understood'
  }
  const known: readonly string[] = Object.values(understood)
  const unknown = parsed.extensions.find((extension) => extension.critical && !known.includes(extension.type))
  if (unknown !== undefined) return `critical extension ${unknown.type} not understood`
  if (parsed.getExtension(understood.nameConstraints) !== null) return 'name constraints are not understood'

  // getExtension of a class looks at the class, so it is null both if absent and if malformed under its number.
  const purposes = parsed.getExtension(x509.ExtendedKeyUsageExtension)
  if (purposes !== null && !purposes.usages.includes(serverAuth)) return 'not for TLS servers'
  const usages = parsed.getExtension(x509.KeyUsagesExtension)
  if (depth === 0) {
    const maySign = usages === null || (usages.usages & x509.KeyUsageFlags.digitalSignature) !== 0
    return maySign ? null : 'not for signing handshakes'
  }
  const constraints = parsed.getExtension(x509.BasicConstraintsExtension)
  if (constraints?.ca !== true) return 'not an authority'
  if (usages !== null && (usages.usages & x509.KeyUsageFlags.keyCertSign) === 0)
    return 'may not sign certificates'
  return constraints.pathLength !== undefined && depth - 1 > constraints.pathLength ? 'chain too long' : null
}
