import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'
import { SecnodeError } from '../errors.ts'

/** A certificate authority for local networks and tests. Its keys live in memory and die with it. */
export interface DevnetCa {
  /** Certificate of the root: what a profile lists as the only root of its network. */
  caPem: string
  issue(request: CertificateRequest): Promise<CertifiedKey>
  /** An authority below this one. Its certificates carry their whole chain but the root. */
  issueAuthority(request?: { notBefore?: Date; notAfter?: Date; pathLength?: number }): Promise<DevnetCa>
}

export interface CertificateRequest {
  /** DNS name; the only subject alternative name. */
  host: string
  /** A day before `now` by default. */
  notBefore?: Date
  /** 90 days after `now` by default. */
  notAfter?: Date
  /** Purposes; a TLS server by default. */
  extendedKeyUsage?: readonly string[]
}

export interface CertifiedKey {
  /** The certificate, then the authorities up to but without the root. */
  certPem: string
  /** PKCS#8. */
  keyPem: string
}

const dayMs = 86_400_000
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

/** `now` in milliseconds since 1970: the root is valid from two days before to ten years after it. */
export const createDevnetCa = async (now: number, name = 'Secnode devnet'): Promise<DevnetCa> => {
  const keys = await newKeys()
  const root = await x509.X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: newSerialNumber(),
      name: `CN=${name} root`,
      notBefore: new Date(now - 2 * dayMs),
      notAfter: new Date(now + 3_650 * dayMs),
      keys,
      signingAlgorithm: algorithm,
      extensions: await authorityExtensions(keys.publicKey, undefined),
    },
    provider,
  )
  return authority({ certificate: root, keys, chainPem: '', rootPem: root.toString('pem'), name, now })
}

interface Issuer {
  certificate: x509.X509Certificate
  keys: CryptoKeyPair
  /** What a server sends after a certificate of this issuer. */
  chainPem: string
  rootPem: string
  name: string
  now: number
}

type CryptoKeyPair = Awaited<ReturnType<typeof newKeys>>

const authority = (issuer: Issuer): DevnetCa => {
  const validity = (request: { notBefore?: Date; notAfter?: Date }) => ({
    notBefore: request.notBefore ?? new Date(issuer.now - dayMs),
    notAfter: request.notAfter ?? new Date(issuer.now + 90 * dayMs),
  })
  const certify = async (
    publicKey: CryptoKeyPair['publicKey'],
    subject: string,
    dates: { notBefore: Date; notAfter: Date },
    extensions: x509.Extension[],
  ) =>
    x509.X509CertificateGenerator.create(
      {
        serialNumber: newSerialNumber(),
        subject,
        issuer: issuer.certificate.subject,
        ...dates,
        publicKey,
        signingKey: issuer.keys.privateKey,
        signingAlgorithm: algorithm,
        extensions: [
          ...extensions,
          await x509.AuthorityKeyIdentifierExtension.create(issuer.keys.publicKey, false, provider),
        ],
      },
      provider,
    )
  return {
    caPem: issuer.rootPem,
    issue: async (request) => {
      if (request.host.length > 253) {
        throw new SecnodeError('DEVNET_BAD_HOST', `host name too long: ${request.host.slice(0, 80)}…`)
      }
      const keys = await newKeys()
      const certificate = await certify(
        keys.publicKey,
        `CN=${request.host.slice(0, 64)}`,
        validity(request),
        [
          new x509.BasicConstraintsExtension(false, undefined, true),
          new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
          new x509.ExtendedKeyUsageExtension([
            ...(request.extendedKeyUsage ?? [x509.ExtendedKeyUsage.serverAuth]),
          ]),
          new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: request.host }]),
          await x509.SubjectKeyIdentifierExtension.create(keys.publicKey, false, provider),
        ],
      )
      const pkcs8 = await provider.subtle.exportKey('pkcs8', keys.privateKey)
      return {
        certPem: `${certificate.toString('pem')}\n${issuer.chainPem}`,
        keyPem: `${x509.PemConverter.encode(pkcs8, 'PRIVATE KEY')}\n`,
      }
    },
    issueAuthority: async (request = {}) => {
      const keys = await newKeys()
      const name = `${issuer.name} authority`
      const certificate = await certify(
        keys.publicKey,
        `CN=${name}`,
        validity(request),
        await authorityExtensions(keys.publicKey, request.pathLength),
      )
      const chainPem = `${certificate.toString('pem')}\n${issuer.chainPem}`
      return authority({ certificate, keys, chainPem, rootPem: issuer.rootPem, name, now: issuer.now })
    },
  }
}

const authorityExtensions = async (
  publicKey: CryptoKeyPair['publicKey'],
  pathLength: number | undefined,
): Promise<x509.Extension[]> => [
  new x509.BasicConstraintsExtension(true, pathLength, true),
  new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
  await x509.SubjectKeyIdentifierExtension.create(publicKey, false, provider),
]

// The library's types ask for the DOM's Crypto, which Node's is.
const provider = webcrypto as unknown as typeof globalThis.crypto

const newKeys = async () => provider.subtle.generateKey(algorithm, true, ['sign', 'verify'])

/** 16 random bytes, positive. */
const newSerialNumber = (): string => {
  const bytes = webcrypto.getRandomValues(new Uint8Array(16))
  bytes[0] = (bytes[0]! & 0x3f) | 0x40
  return Buffer.from(bytes).toString('hex')
}
