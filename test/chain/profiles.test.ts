import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bytesToHex, coin, hash160 } from '../../protocol/index.ts'
import { chainFacts } from '../../src/chain/chains.ts'
import { parseBlockHeader } from '../../src/chain/formats/block.ts'
import { p2pkhScript } from '../../src/chain/formats/script.ts'
import {
  deriveSaplingKeys,
  encodeSaplingAddress,
  encodeSaplingViewingKey,
} from '../../src/chain/notes/sapling-keys.ts'
import {
  deriveSproutKeys,
  encodeSproutAddress,
  encodeSproutViewingKey,
} from '../../src/chain/notes/sprout-keys.ts'
import { builtInNames, networkOf, parseProfile, Profile } from '../../src/chain/profiles.ts'
import { loadNetwork } from '../../src/service/load-network.ts'
import { hashText } from '../../src/chain-node/rpc/values.ts'
import { isSecnodeError } from '../../src/errors.ts'
import { readVectorHex } from '../vectors/read.ts'

const wordKey = (words: string): Uint8Array => new Uint8Array(createHash('sha256').update(words).digest())

/** JSON as somebody would write it: amounts as strings of digits. */
const jsonOf = (profile: Profile): string =>
  JSON.stringify(profile, (_key, value: unknown) => (typeof value === 'bigint' ? value.toString() : value), 2)

test('R-NET-1 R-NET-2 the profile of docs/implementers.md is one, and each of its members is described there', async () => {
  const text = await readFile(new URL('../../docs/implementers.md', import.meta.url), 'utf8')
  const profile = parseProfile(/```json\n([^`]*)```/.exec(text)![1]!, 'docs/implementers.md')
  expect(networkOf(profile).networkId).toMatch(/^[0-9a-f]{32}$/)
  expect(profile.schedule.map(({ params }) => [params.committee, params.fund.kind])).toEqual([
    [11, 'fixed'],
    [15, 'treasury'],
  ])
  for (const member of Object.keys(Profile.shape)) expect(text).toContain(`| \`${member}\` |`)
})

describe('built-in profiles', () => {
  test('R-NET-1 each is valid and a network of its own', async () => {
    const networks = await Promise.all(builtInNames.map(async (name) => loadNetwork(name)))
    expect(networks.map(({ name }) => name)).toEqual([...builtInNames])
    expect(new Set(networks.map(({ networkId }) => networkId)).size).toBe(builtInNames.length)
    for (const { networkId } of networks) expect(networkId).toMatch(/^[0-9a-f]{32}$/)
  })

  test('their keys come from the words that the source names', async () => {
    for (const [name, written] of [
      ['devnet', 'regtest'],
      ['zcash-regtest', 'regtest'],
      ['zcash-testnet', 'test'],
    ] as const) {
      const { profile, viewingKeys } = await loadNetwork(name)
      const keys = deriveSaplingKeys(wordKey(`secnode ${name} announcements`))
      expect(profile.genesis.announceAddress).toBe(encodeSaplingAddress(keys.defaultAddress, written))
      expect(profile.genesis.viewingKey).toBe(encodeSaplingViewingKey(keys.ivk, written))
      expect(viewingKeys.sapling).toEqual(keys.ivk)
    }
    const { profile, viewingKeys } = await loadNetwork('zen-devnet')
    const keys = deriveSproutKeys(wordKey('secnode zen-devnet announcements'))
    expect(profile.genesis.announceAddress).toBe(encodeSproutAddress(keys.address, 'regtest'))
    expect(profile.genesis.viewingKey).toBe(encodeSproutViewingKey(keys.viewingKey, 'regtest'))
    expect(viewingKeys.sprout).toEqual(keys.viewingKey)
  })

  test.each(['devnet', 'zen-devnet'])('the treasury of %s is the key of its words', async (name) => {
    const { profile } = await loadNetwork(name)
    const publicKey = secp256k1.getPublicKey(wordKey(`secnode ${name} treasury`), true)
    expect(profile.schedule[0]!.params.fund).toEqual({
      kind: 'treasury',
      scripts: [{ from: 0, script: bytesToHex(p2pkhScript(hash160(publicKey))) }],
    })
  })

  test('a devnet takes any block 0, the others the one of their chain', async () => {
    expect((await loadNetwork('devnet')).genesisHash).toBeNull()
    const { genesisHash } = await loadNetwork('zcash-testnet')
    expect(hashText(genesisHash!)).toBe(chainFacts['zcash-test'].genesisHash)
  })

  test('the known block 0 of mainnet is that of the real block', () => {
    const header = parseBlockHeader(
      readVectorHex('zebra-blocks/block-main-0-000-000.txt').subarray(0, 140 + 3 + 1344),
    )
    expect(hashText(header.hash)).toBe(chainFacts['zcash-main'].genesisHash)
  })
})

describe('profiles from a file', () => {
  let directory: string
  let devnet: Profile
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'secnode-profiles-'))
    devnet = (await loadNetwork('devnet')).profile
  })
  afterAll(async () => rm(directory, { recursive: true }))

  const fileOf = async (text: string): Promise<string> => {
    const path = join(directory, `${createHash('sha256').update(text).digest('hex')}.json`)
    await writeFile(path, text)
    return path
  }
  const changed = (change: (json: Record<string, never>) => void): string => {
    const json = JSON.parse(jsonOf(devnet)) as Record<string, never>
    change(json)
    return JSON.stringify(json)
  }

  test('what a built-in says, written as JSON, is the same network', async () => {
    const network = await loadNetwork(await fileOf(jsonOf(devnet)))
    expect(network.profile).toEqual(devnet)
    expect(network.networkId).toBe((await loadNetwork('devnet')).networkId)
  })

  test('amounts are base units, as digits or as an integer', () => {
    for (const minStake of ['4200000000', 4_200_000_000]) {
      const profile = parseProfile(
        changed((json: { genesis?: { minStake?: unknown } }) => (json.genesis!.minStake = minStake)),
        'test',
      )
      expect(profile.genesis.minStake).toBe(42n * coin)
    }
  })

  type Json = {
    name?: unknown
    genesis?: Record<string, unknown>
    schedule?: Record<string, unknown>[]
  } & Record<string, unknown>
  const wrong: [string, RegExp, (json: Json) => void][] = [
    ['a missing field', /genesis\.epochBlocks/, (json) => delete json.genesis!['epochBlocks']],
    ['a field too many', /colour/, (json) => (json['colour'] = 'red')],
    ['an amount in coins', /genesis\.minStake/, (json) => (json.genesis!['minStake'] = 42.5)],
    ['a negative amount', /genesis\.minStake/, (json) => (json.genesis!['minStake'] = '-1')],
    ['an amount of a word', /genesis\.minStake/, (json) => (json.genesis!['minStake'] = 'much')],
    ['an unknown chain', /genesis\.chain/, (json) => (json.genesis!['chain'] = 'dogecoin')],
    ['a name with a slash', /name/, (json) => (json.name = '../x')],
    ['an empty schedule', /schedule/, (json) => (json.schedule = [])],
    ['a week that is none', /schedule/, (json) => (json.schedule![0]!['from'] = '2026-W54')],
    [
      'a parameter out of range',
      /schedule\.0\.params/,
      (json) => (json.schedule![0]!['params'] = { committee: 0 }),
    ],
    ['a key that is none', /genesis\.viewingKey/, (json) => (json.genesis!['viewingKey'] = 'zivks1nothing')],
    [
      'an address that is none',
      /genesis\.announceAddress/,
      (json) => (json.genesis!['announceAddress'] = 'zs1nothing'),
    ],
  ]
  test.each(wrong)('%s is PROFILE_INVALID and named', async (_name, field, change) => {
    const path = await fileOf(changed(change as never))
    await expect(loadNetwork(path)).rejects.toSatisfy(
      (error) =>
        isSecnodeError(error, 'PROFILE_INVALID') && error.exitCode === 2 && field.test(error.message),
    )
  })

  test('a key of another network, and an address of another key, are refused', async () => {
    const other = deriveSaplingKeys(wordKey('another'))
    const withGenesis = (change: Partial<Profile['genesis']>) => () =>
      networkOf({ ...devnet, genesis: { ...devnet.genesis, ...change } })
    expect(withGenesis({ viewingKey: encodeSaplingViewingKey(other.ivk, 'main') })).toThrow(
      /viewingKey: is of main/,
    )
    expect(withGenesis({ viewingKey: encodeSaplingViewingKey(other.ivk, 'regtest') })).toThrow(
      /announceAddress: is not an address of genesis.viewingKey/,
    )
    const sprout = deriveSproutKeys(wordKey('sprout'))
    expect(withGenesis({ announceAddress: encodeSproutAddress(sprout.address, 'regtest') })).toThrow(
      /announceAddress/,
    )
  })

  test('a file that is not there, or is no JSON, says so', async () => {
    await expect(loadNetwork(join(directory, 'none.json'))).rejects.toSatisfy(
      (error) => isSecnodeError(error, 'PROFILE_UNKNOWN') && error.hint?.includes('zen-devnet') === true,
    )
    await expect(loadNetwork(await fileOf('{'))).rejects.toSatisfy((error) =>
      isSecnodeError(error, 'PROFILE_INVALID'),
    )
  })
})
