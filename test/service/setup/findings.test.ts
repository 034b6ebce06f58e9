import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { RpcError } from '../../../src/chain-node/rpc/errors.ts'
import { SecnodeError } from '../../../src/errors.ts'
import {
  finding,
  findingOfError,
  kinds,
  type DoctorCode,
  withoutExplained,
} from '../../../src/service/setup/findings.ts'

const codes = Object.keys(kinds) as DoctorCode[]

test('every code of the doctor has a row in docs/operators.md, with its severity', () => {
  const page = readFileSync(new URL('../../../docs/operators.md', import.meta.url), 'utf8')
  const rows = page.split('\n').filter((line) => line.startsWith('| `'))
  for (const code of codes) {
    const row = rows.find((line) => line.split('|')[1]!.includes(`\`${code}\``))
    expect(row, code).toBeDefined()
    const { severity, stops } = finding(code, '')
    const told = row!.split('|')[3]!.trim()
    expect(told, code).toBe(stops ? `${severity}, stops` : severity)
  }
})

test('what the doctor cannot use at all stops a start, what may come by itself does not', () => {
  const stops = (error: unknown): boolean => findingOfError(error).stops
  expect(stops(new SecnodeError('CONFIG_INVALID', 'x'))).toBe(true)
  expect(stops(new SecnodeError('KEY_FILE_MISSING', 'x'))).toBe(true)
  expect(stops(new RpcError('RPC_AUTH', 'x', { method: 'getblockcount' }))).toBe(true)
  // A chain node that starts later than this one, as after a reboot.
  expect(stops(new RpcError('RPC_UNREACHABLE', 'x', { method: 'getblockcount' }))).toBe(false)
  expect(stops(new RpcError('RPC_COOKIE', 'x', { method: 'getblockcount' }))).toBe(false)
  expect(findingOfError(new SecnodeError('NET_CANNOT_LISTEN', 'x')).code).toBe('P2P_CANNOT_LISTEN')
  expect(findingOfError(new TypeError('x'))).toMatchObject({ code: 'CHECK_FAILED', severity: 'warning' })
})

test('one fault is told once, and a warning explains no failure', () => {
  const of = (...those: DoctorCode[]) =>
    withoutExplained(those.map((code) => finding(code, 'x'))).map(({ code }) => code)
  expect(of('CERT_EXPIRED', 'TLS_REFUSED')).toEqual(['CERT_EXPIRED'])
  expect(of('CERT_SELF_SIGNED', 'CERT_UNTRUSTED', 'TLS_REFUSED')).toEqual(['CERT_SELF_SIGNED'])
  expect(of('CERT_EXPIRES_SOON', 'TLS_REFUSED')).toEqual(['CERT_EXPIRES_SOON', 'TLS_REFUSED'])
  expect(of('CERT_KEY_EXPOSED', 'TLS_REFUSED')).toEqual(['CERT_KEY_EXPOSED', 'TLS_REFUSED'])
  expect(of('P2P_UNREACHABLE', 'TLS_UNREACHABLE')).toEqual(['P2P_UNREACHABLE', 'TLS_UNREACHABLE'])
})
