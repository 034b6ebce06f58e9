import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'
import { describe, expect, test } from 'vitest'
import type { CertifiedKey } from '../../src/devnet/certificates.ts'
import { createProbeRoots } from '../../src/net/certificate-chain.ts'
import { at, dayMs, host, hourMs, probe, startEndpoint, startTls } from './tls-world.ts'

// A chain that OpenSSL refuses for its dates alone is judged by our own code. So each case here is put twice: fresh,
// where OpenSSL judges, and expired for an hour, where we do. Ours may be stricter, never more lenient.

type Algorithm = webcrypto.EcKeyGenParams | webcrypto.RsaHashedKeyGenParams
const p256: Algorithm = { name: 'ECDSA', namedCurve: 'P-256' }
const rsa = (modulusLength: number): Algorithm => ({
  name: 'RSASSA-PKCS1-v1_5',
  hash: 'SHA-256',
  modulusLength,
  publicExponent: Uint8Array.of(1, 0, 1),
})

interface Dates {
  notBefore: Date
  notAfter: Date
}
const fresh: Dates = { notBefore: at(-dayMs), notAfter: at(30 * dayMs) }
const expired: Dates = { notBefore: at(-30 * dayMs), notAfter: at(-hourMs) }
const longExpired: Dates = { notBefore: at(-30 * dayMs), notAfter: at(-dayMs - hourMs) }
const early: Dates = { notBefore: at(hourMs), notAfter: at(30 * dayMs) }

interface Party {
  certificate: x509.X509Certificate
  keys: { publicKey: webcrypto.CryptoKey; privateKey: webcrypto.CryptoKey }
}

interface Plan extends Partial<Dates> {
  subject: string
  algorithm?: Algorithm
  hash?: string
  extensions?: x509.Extension[]
}

const ecHash = (hash: string) => ({ name: 'ECDSA', hash })

const make = async (plan: Plan, issuer?: Party): Promise<Party> => {
  const keys = (await webcrypto.subtle.generateKey(plan.algorithm ?? p256, true, [
    'sign',
    'verify',
  ])) as Party['keys']
  const signer = issuer?.keys.privateKey ?? keys.privateKey
  const certificate = await x509.X509CertificateGenerator.create(
    {
      serialNumber: Buffer.from(webcrypto.getRandomValues(new Uint8Array(8)))
        .toString('hex')
        .replace(/^./, '4'),
      subject: plan.subject,
      issuer: issuer?.certificate.subject ?? plan.subject,
      notBefore: plan.notBefore ?? fresh.notBefore,
      notAfter: plan.notAfter ?? fresh.notAfter,
      publicKey: keys.publicKey,
      signingKey: signer,
      signingAlgorithm:
        signer.algorithm.name === 'ECDSA'
          ? ecHash(plan.hash ?? 'SHA-256')
          : { name: signer.algorithm.name, hash: plan.hash ?? 'SHA-256' },
      extensions: plan.extensions ?? [],
    },
    webcrypto as unknown as typeof globalThis.crypto,
  )
  return { certificate, keys }
}

const authority = (pathLength?: number): x509.Extension[] => [
  new x509.BasicConstraintsExtension(true, pathLength, true),
  new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
]
const forHost = (name = host): x509.Extension[] => [
  new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: name }]),
  new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
]

const root = await make({ subject: 'CN=Root', extensions: authority() })
const rootPem = root.certificate.toString('pem')
const roots = createProbeRoots([rootPem])

const pairOf = async (...chain: readonly Party[]): Promise<CertifiedKey> => {
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', chain[0]!.keys.privateKey)
  return {
    certPem: chain.map(({ certificate }) => certificate.toString('pem')).join('\n'),
    keyPem: x509.PemConverter.encode(pkcs8, 'PRIVATE KEY'),
  }
}

const verdictOn = async (pair: CertifiedKey, trusted = roots) => {
  await using endpoint = await startEndpoint(pair)
  const result = await probe(endpoint.port(), { roots: trusted })
  return result.is === 'failed' ? result.code : result.is
}

/** Of a server that offers what our own endpoint would not: a weak key, a broken hash. */
const verdictOnAny = async (pair: CertifiedKey) => {
  const options = { cert: pair.certPem, key: pair.keyPem, ciphers: 'DEFAULT@SECLEVEL=0' }
  await using server = await startTls(options, () => undefined)
  const result = await probe(server.port, { roots })
  return result.is === 'failed' ? result.code : result.is
}

type Build = (dates: Dates) => Promise<CertifiedKey>

const leafPlan = (dates: Dates): Plan => ({ subject: `CN=${host}`, ...dates, extensions: forHost() })

const sound: [string, Build][] = [
  ['a leaf below the root', async (dates) => pairOf(await make(leafPlan(dates), root))],
  [
    'a leaf below an authority',
    async (dates) => {
      const middle = await make({ subject: 'CN=Middle', extensions: authority() }, root)
      return pairOf(await make(leafPlan(dates), middle), middle)
    },
  ],
  ['a chain that contains its root', async (dates) => pairOf(await make(leafPlan(dates), root), root)],
  [
    'two authorities, as many as the upper allows',
    async (dates) => {
      const upper = await make({ subject: 'CN=Upper', extensions: authority(1) }, root)
      const lower = await make({ subject: 'CN=Lower', extensions: authority(0) }, upper)
      return pairOf(await make(leafPlan(dates), lower), lower, upper)
    },
  ],
  [
    'an RSA key of 2048 bits',
    async (dates) => pairOf(await make({ ...leafPlan(dates), algorithm: rsa(2_048) }, root)),
  ],
  [
    'no purposes named',
    async (dates) =>
      pairOf(
        await make(
          {
            ...leafPlan(dates),
            extensions: [new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: host }])],
          },
          root,
        ),
      ),
  ],
]

const unsound: [string, Build][] = [
  [
    'an untrusted root',
    async (dates) => {
      const other = await make({ subject: 'CN=Other', extensions: authority() })
      return pairOf(await make(leafPlan(dates), other), other)
    },
  ],
  [
    'a root of the same name with another key',
    async (dates) => {
      const double = await make({ subject: 'CN=Root', extensions: authority() })
      return pairOf(await make(leafPlan(dates), double), double)
    },
  ],
  ['itself as its issuer', async (dates) => pairOf(await make(leafPlan(dates)))],
  [
    'an authority that is not sent',
    async (dates) => {
      const middle = await make({ subject: 'CN=Middle', extensions: authority() }, root)
      return pairOf(await make(leafPlan(dates), middle))
    },
  ],
  [
    'another server certificate as its authority',
    async (dates) => {
      const middle = await make({ subject: 'CN=n9.devnet.test', extensions: forHost('n9.devnet.test') }, root)
      return pairOf(await make(leafPlan(dates), middle), middle)
    },
  ],
  [
    'an authority that says it is none',
    async (dates) => {
      const middle = await make(
        { subject: 'CN=Middle', extensions: [new x509.BasicConstraintsExtension(false, undefined, true)] },
        root,
      )
      return pairOf(await make(leafPlan(dates), middle), middle)
    },
  ],
  [
    'an authority that may not sign certificates',
    async (dates) => {
      const middle = await make(
        {
          subject: 'CN=Middle',
          extensions: [
            new x509.BasicConstraintsExtension(true, undefined, true),
            new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
          ],
        },
        root,
      )
      return pairOf(await make(leafPlan(dates), middle), middle)
    },
  ],
  [
    'more authorities than the upper allows',
    async (dates) => {
      const upper = await make({ subject: 'CN=Upper', extensions: authority(0) }, root)
      const lower = await make({ subject: 'CN=Lower', extensions: authority() }, upper)
      return pairOf(await make(leafPlan(dates), lower), lower, upper)
    },
  ],
  [
    'an authority for clients only',
    async (dates) => {
      const middle = await make(
        {
          subject: 'CN=Middle',
          extensions: [
            ...authority(),
            new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth]),
          ],
        },
        root,
      )
      return pairOf(await make(leafPlan(dates), middle), middle)
    },
  ],
  [
    'a certificate for clients only',
    async (dates) =>
      pairOf(
        await make(
          {
            ...leafPlan(dates),
            extensions: [
              new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: host }]),
              new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth]),
            ],
          },
          root,
        ),
      ),
  ],
  [
    'a certificate for another name',
    async (dates) => pairOf(await make({ ...leafPlan(dates), extensions: forHost('n2.devnet.test') }, root)),
  ],
  [
    'an authority with a key of 1024 bits',
    async (dates) => {
      const middle = await make(
        { subject: 'CN=Middle', algorithm: rsa(1_024), extensions: authority() },
        root,
      )
      return pairOf(await make(leafPlan(dates), middle), middle)
    },
  ],
  [
    'an authority signed with SHA-1',
    async (dates) => {
      const middle = await make({ subject: 'CN=Middle', hash: 'SHA-1', extensions: authority() }, root)
      return pairOf(await make(leafPlan(dates), middle), middle)
    },
  ],
  [
    'a critical extension that nobody knows',
    async (dates) => {
      const unknown = new x509.Extension('1.2.3.4.5', true, Uint8Array.of(5, 0).buffer)
      return pairOf(await make({ ...leafPlan(dates), extensions: [...forHost(), unknown] }, root))
    },
  ],
  [
    'a signature that is not the authority’s',
    async (dates) => {
      const middle = await make({ subject: 'CN=Middle', extensions: authority() }, root)
      const double = await make({ subject: 'CN=Middle', extensions: authority() }, root)
      return pairOf(await make(leafPlan(dates), double), middle)
    },
  ],
]

describe('R-PROBE-1 a clock that is wrong by less than a day', () => {
  test.each(sound)(
    '%s passes, fresh or expired for an hour or not yet valid for one',
    async (_what, build) => {
      expect(await verdictOn(await build(fresh))).toBe('ok')
      expect(await verdictOn(await build(expired))).toBe('ok')
      expect(await verdictOn(await build(early))).toBe('ok')
      expect(await verdictOn(await build(longExpired))).toBe(7)
    },
  )

  test.each(unsound)(
    '%s is refused, fresh or expired for an hour or not yet valid for one',
    async (_what, build) => {
      expect(await verdictOnAny(await build(fresh))).toBe(7)
      expect(await verdictOnAny(await build(expired))).toBe(7)
      expect(await verdictOnAny(await build(early))).toBe(7)
    },
  )

  test.each([
    ['an hour', expired, 'ok'],
    ['more than a day', longExpired, 7],
  ] as const)('an authority that expired %s ago', async (_what, dates, verdict) => {
    const middle = await make({ subject: 'CN=Middle', extensions: authority(), ...dates }, root)
    expect(await verdictOn(await pairOf(await make(leafPlan(fresh), middle), middle))).toBe(verdict)
    expect(await verdictOn(await pairOf(await make(leafPlan(expired), middle), middle))).toBe(verdict)
  })

  test.each([
    ['an hour', expired, 'ok'],
    ['more than a day', longExpired, 7],
  ] as const)('a root that expired %s ago', async (_what, dates, verdict) => {
    const old = await make({ subject: 'CN=Old root', extensions: authority(), ...dates })
    const trusted = createProbeRoots([old.certificate.toString('pem')])
    expect(await verdictOn(await pairOf(await make(leafPlan(fresh), old)), trusted)).toBe(verdict)
  })

  test('name constraints are not understood, so a chain with them gets no such day', async () => {
    // permittedSubtrees [0] { GeneralSubtree { dNSName [2] "devnet.test" } }
    const name = Buffer.from('devnet.test')
    const subtree = Buffer.concat([Buffer.from([0x30, name.length + 2, 0x82, name.length]), name])
    const permitted = Buffer.concat([Buffer.from([0xa0, subtree.length]), subtree])
    const value = Uint8Array.from(Buffer.concat([Buffer.from([0x30, permitted.length]), permitted]))
    const constraint = new x509.Extension('2.5.29.30', true, value.buffer)
    const middle = await make({ subject: 'CN=Middle', extensions: [...authority(), constraint] }, root)
    expect(await verdictOn(await pairOf(await make(leafPlan(fresh), middle), middle))).toBe('ok')
    expect(await verdictOn(await pairOf(await make(leafPlan(expired), middle), middle))).toBe(7)
  })

  test('the tolerance is that of the caller, from the clock of the caller', async () => {
    const pair = await pairOf(await make(leafPlan(expired), root))
    await using endpoint = await startEndpoint(pair)
    const strict = await probe(endpoint.port(), { roots, clockToleranceSeconds: 60 })
    expect(strict).toMatchObject({ is: 'failed', code: 7, detail: expect.stringContaining('expired') })
    const later = await probe(endpoint.port(), { roots, now: Date.now() + 2 * dayMs })
    expect(later).toMatchObject({ is: 'failed', code: 7 })
  })
})

test('R-PROBE-1 without roots of a profile the ones bundled with Node are trusted, and no private one', async () => {
  const bundled = createProbeRoots()
  expect(bundled.certificates.length).toBeGreaterThan(100)
  expect(await verdictOn(await pairOf(await make(leafPlan(fresh), root), root), bundled)).toBe(7)
  expect(await verdictOn(await pairOf(await make(leafPlan(expired), root), root), bundled)).toBe(7)
})
