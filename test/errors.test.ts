import { encode } from '@ipld/dag-cbor'
import { CID } from 'multiformats/cid'
import { identity } from 'multiformats/hashes/identity'
import { expect, test } from 'vitest'
import { parseProfile } from '../src/chain/profiles.ts'
import { loadNetwork } from '../src/service/load-network.ts'
import { isSecnodeError, messageOf, SecnodeError } from '../src/errors.ts'
import { parseNodeKeys } from '../src/keys/node-key.ts'
import { restoreBackup } from '../src/service/backup.ts'
import { parseConfig } from '../src/service/config.ts'
import { parseHostsTable, parseSignatures } from '../src/service/setup/hosts-table.ts'
import { readCase } from '../src/week/explain/case-file.ts'
import { parsePayoutFile } from '../src/payout/payout-file.ts'
import { readBundle } from '../src/week/read-bundle.ts'
import { realWorld } from '../src/world.ts'
import { sha256 } from '../src/week-io/native.ts'

const escape = '\u001b[2J'
const long = `${escape}\u202e\u2028${'k'.repeat(60_000)}`
const network = await loadNetwork('devnet')

test('messages and hints are lines of bounded length that move no cursor', () => {
  const error = new SecnodeError('USAGE', `one\ntwo ${long}`, { hint: `first ${escape}\n  second ${long}` })
  expect(error.message).toMatch(/^one\?two \?\[2J\?\?k+…$/)
  expect(error.message).toHaveLength(1_000)
  expect(error.hint).toMatch(/^first \?\[2J\n {2}second \?\[2J\?\?k+…$/)
  expect(messageOf(new Error(`${long}\nmore`))).toHaveLength(1_000)
  expect(messageOf('Zürich: “schön”')).toBe('Zürich: “schön”')
  const hint = Array.from({ length: 10_000 }, () => 'x'.repeat(100)).join('\n')
  expect(new SecnodeError('USAGE', 'x', { hint }).hint!.length).toBeLessThanOrEqual(8_000)
})

/** A CAR file whose first block has an id that holds a megabyte. */
const bundleOfLongId = (): Uint8Array => {
  const varint = (value: number): number[] =>
    value < 128 ? [value] : [(value % 128) | 128, ...varint(value >> 7)]
  const root = CID.parse('bafyreigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi')
  const header = encode({ version: 1, roots: [root] })
  const id = CID.createV1(0x71, identity.digest(new Uint8Array(1_000_000))).bytes
  return Uint8Array.from([...varint(header.length), ...header, ...varint(id.length + 1), ...id, 1])
}

const drain = async (bundle: AsyncIterable<unknown>): Promise<void> => {
  for await (const part of bundle) void part
}

const object = JSON.stringify({ [long]: 1 })
const readers: Record<string, () => unknown> = {
  'payout file': () => parsePayoutFile(object, network, 'x'),
  profile: () => parseProfile(object, 'x'),
  'profile, not JSON': () => parseProfile(long, 'x'),
  configuration: () => parseConfig(`${JSON.stringify(long)}: 1`, 'x'),
  'configuration, an alias': () => parseConfig(`a: *${'k'.repeat(60_000)}`, 'x'),
  'table of hosts, a column': () => parseHostsTable(`host,stake,${long}\na.b,c,1`, 'x', network),
  'table of hosts, a host': () => parseHostsTable(`host,stake\n${long},c`, 'x', network),
  'table of hosts, stakes': () => parseHostsTable(`host,stake\na.b,${long}\nc.d,${long}`, 'x', network),
  'table of signatures': () => parseSignatures(`host,signature\n${long},c\n${long},d`, 'x', new Set()),
  'key file': () => parseNodeKeys(object, 'x'),
  backup: () => restoreBackup(object, { to: '/nowhere', world: realWorld() }),
  bundle: () =>
    drain(
      readBundle(
        (async function* () {
          yield await Promise.resolve(bundleOfLongId())
        })(),
        { sha256 },
      ),
    ),
}

test.each(Object.entries(readers))(
  "what a stranger's %s holds does not flood or steer a terminal",
  async (_name, read) => {
    const error: unknown = await Promise.resolve()
      .then(read)
      .catch((thrown: unknown) => thrown)
    expect(isSecnodeError(error)).toBe(true)
    const { message, hint } = error as SecnodeError
    for (const text of [message, ...(hint ?? '').split('\n')]) expectLine(text)
  },
)

test('nor does what is wrong with a case file', () => {
  const read = readCase(object)
  expect(read.is).toBe('bad')
  expectLine(read.is === 'bad' ? read.detail : '')
})

const expectLine = (text: string): void => {
  expect(text.length).toBeLessThanOrEqual(1_000)
  expect(text).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
}
