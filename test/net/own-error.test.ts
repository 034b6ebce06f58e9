import { describe, expect, test } from 'vitest'
import { hasWayTo, isOwnError } from '../../src/net/own-error.ts'

const withWay = (): Promise<boolean> => Promise.resolve(true)
const withoutWay = (): Promise<boolean> => Promise.resolve(false)

describe('R-FAULT-1 whose fault a failed dial is', () => {
  test.each(['EMFILE', 'EADDRNOTAVAIL', 'EINVAL', 'ENETDOWN'])('%s: of this side', async (code) => {
    expect(await isOwnError(code, '192.0.2.1', withWay)).toBe(true)
  })

  test.each([undefined, 'ECONNREFUSED', 'EHOSTUNREACH', 'ETIMEDOUT'])(
    '%s: not of this side',
    async (code) => {
      expect(await isOwnError(code, '192.0.2.1', withoutWay)).toBe(false)
    },
  )

  test.each(['ENETUNREACH', 'EACCES'])(
    '%s: of this side only if it knows no way, since the other one can answer so',
    async (code) => {
      expect(await isOwnError(code, '192.0.2.1', withoutWay)).toBe(true)
      expect(await isOwnError(code, '192.0.2.1', withWay)).toBe(false)
      expect(await isOwnError(code, undefined, withWay)).toBe(true)
    },
  )

  test.each([
    ['127.0.0.1', true],
    ['255.255.255.255', false],
  ])('a way to %s: %s', async (ip, has) => {
    expect(await hasWayTo(ip)).toBe(has)
  })
})
