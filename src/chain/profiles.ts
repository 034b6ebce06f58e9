import { z } from 'zod'
import {
  coin,
  defaultPrefixBits,
  equalBytes,
  type Fund,
  Genesis,
  type NetworkId,
  networkIdOf,
  ParamsSchedule,
  VoidedAnchors,
  Week,
} from '../../protocol/index.ts'
import { messageOf, SecnodeError } from '../errors.ts'
import { type ChainFacts, chainFacts } from './chains.ts'
import { parseSaplingAddress, saplingAddress } from './notes/sapling-keys.ts'
import { parseSproutAddress, sproutAddress } from './notes/sprout-keys.ts'
import { parseViewingKey, type ViewingKeys } from './notes/viewing-key.ts'

/** A network: its genesis part, the schedule of the rest, and what is local taste of all its nodes. */
export const Profile = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,63}$/, { error: 'must be lower-case letters, digits and dashes' }),
  genesis: Genesis,
  schedule: ParamsSchedule,
  /** R-PAY-2: the outpoints that start the thread of payouts, in rising order of the week from which each holds. */
  threads: z
    .array(
      z.strictObject({
        from: Week,
        txid: z.string().regex(/^[0-9a-f]{64}$/, { error: 'must be a txid' }),
        index: z.int().min(0).max(0xffff_ffff),
      }),
    )
    .max(1_000)
    .default([]),
  /** R-NET-4: anchors that fix nothing, in rising order of week. */
  voided: VoidedAnchors.default([]),
  /** R-PROBE-2: devnets live on loopback addresses. */
  allowLoopback: z.boolean().default(false),
  /** R-RELAY-1: leading bits of an address in which no two hops of a circuit may agree. */
  relayPrefixBits: z
    .strictObject({ ipv4: z.int().min(0).max(32), ipv6: z.int().min(0).max(128) })
    .default(defaultPrefixBits),
  /** R-PROBE-1: PEM certificates that probes trust instead of those bundled with Node. */
  roots: z.array(z.string().min(1).max(16_384)).max(100).optional(),
  /** Hash of block 0 as people write it, if it is not that of the chain's own; null for a chain made up on the spot. */
  genesisHash: z
    .string()
    .regex(/^[0-9a-f]{64}$/, { error: 'must be a block hash' })
    .nullable()
    .optional(),
})
export type Profile = z.infer<typeof Profile>

/** A profile with what follows from it. */
export interface Network {
  name: string
  networkId: NetworkId
  profile: Profile
  facts: ChainFacts
  /** The announcement address's, parsed. */
  viewingKeys: ViewingKeys
  /** Internal order; null if any will do. */
  genesisHash: Uint8Array | null
}

export const builtInNames = ['devnet', 'zcash-regtest', 'zcash-testnet', 'zen-devnet'] as const

/** Undefined for a name that is not built in. */
export const builtInNetwork = (name: string): Network | undefined => {
  const profile = builtInProfiles.get(name)
  return profile === undefined ? undefined : networkOf(profile)
}

/** A hundred certificates and a thousand threads have half of it. */
const maxProfileCharacters = 4_000_000

/** `source` names the text in messages. */
export const parseProfile = (text: string, source: string): Profile => {
  if (text.length > maxProfileCharacters) throw invalid(source, 'is larger than a profile can be')
  let json: unknown
  try {
    json = JSON.parse(text, reviveAmount)
  } catch (error) {
    throw invalid(source, `no JSON: ${messageOf(error)}`, error)
  }
  const parsed = Profile.safeParse(json)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]!
  const field = issue.path.map(String).join('.')
  throw invalid(source, field === '' ? issue.message : `${field}: ${issue.message}`, parsed.error)
}

/** Checks what no schema sees: the key must be one, of this chain, and that of the address. */
export const networkOf = (profile: Profile): Network => {
  const { name, genesis } = profile
  const facts = chainFacts[genesis.chain]
  let viewingKeys: ReturnType<typeof parseViewingKey>
  try {
    viewingKeys = parseViewingKey(genesis.viewingKey)
  } catch (error) {
    throw invalid(name, `genesis.viewingKey: ${messageOf(error)}`, error)
  }
  const { network } = viewingKeys
  // Sprout writes regtest as test.
  const fits = network === null || network === facts.noteNetwork || isSproutOfTest(viewingKeys, facts)
  if (!fits) throw invalid(name, `genesis.viewingKey: is of ${network}, the chain is ${genesis.chain}`)
  if (!isAddressOf(genesis.announceAddress, viewingKeys)) {
    throw invalid(name, 'genesis.announceAddress: is not an address of genesis.viewingKey')
  }
  const hash = profile.genesisHash === undefined ? facts.genesisHash : profile.genesisHash
  return {
    name,
    networkId: networkIdOf(genesis),
    profile,
    facts,
    viewingKeys,
    genesisHash: hash === null ? null : new Uint8Array(Buffer.from(hash, 'hex').reverse()),
  }
}

const isSproutOfTest = (
  { network, sprout }: ReturnType<typeof parseViewingKey>,
  facts: ChainFacts,
): boolean => sprout !== undefined && network === 'test' && facts.noteNetwork === 'regtest'

/** Unified addresses are not looked into: their receivers need not all be readable with the one key. */
const isAddressOf = (text: string, keys: ViewingKeys): boolean => {
  const sapling = parseSaplingAddress(text)
  if (sapling !== null) {
    const { diversifier, transmissionKey } = sapling.address
    const own = keys.sapling === undefined ? null : saplingAddress(keys.sapling, diversifier)
    return own !== null && equalBytes(own.transmissionKey, transmissionKey)
  }
  const sprout = parseSproutAddress(text)
  if (sprout !== null) {
    if (keys.sprout === undefined) return false
    const own = sproutAddress(keys.sprout)
    const { payingKey, transmissionKey } = sprout.address
    return equalBytes(own.payingKey, payingKey) && equalBytes(own.transmissionKey, transmissionKey)
  }
  return /^u(test|regtest)?1/.test(text)
}

const invalid = (source: string, what: string, cause?: unknown): SecnodeError =>
  new SecnodeError('PROFILE_INVALID', `profile ${source}: ${what}`, {
    hint: 'All nodes of a network must use the same profile; get the file again from whoever published it.',
    exitCode: 2,
    ...(cause === undefined ? {} : { cause }),
  })

const amountFields: ReadonlySet<string> = new Set(['minStake', 'anchorBond', 'feeReserve', 'amount'])

/** JSON has no bigint: fields that hold amounts are read from their digits. */
const reviveAmount = (key: string, value: unknown): unknown => {
  if (!amountFields.has(key)) return value
  if (typeof value === 'string' && /^(0|[1-9][0-9]{0,15})$/.test(value)) return BigInt(value)
  return Number.isSafeInteger(value) ? BigInt(value as number) : value
}

/**
 * Keys of the built-in networks come from words that anybody can read here: the Sapling or Sprout spending key is
 * SHA-256 of `secnode <profile> announcements`, the secp256k1 key of a devnet's treasury SHA-256 of
 * `secnode <profile> treasury`. These are networks without money.
 */
const devnetTimes = {
  // An epoch has 8 blocks and lasts seconds: a quarter of it is left for attesting.
  attestBlocks: 2,
  viewBlocks: 4,
  anchorBlocks: 64,
  payoutConfirmations: 4,
}

const treasury = (script: string): z.input<typeof Fund> => ({
  kind: 'treasury',
  scripts: [{ from: 0, script }],
})

/** All nodes live in 127.0.0.0/8: hops are apart if their addresses differ. */
const devnetRelay = { relayPrefixBits: { ipv4: 32, ipv6: 128 } }

/** 42 epochs of 8 blocks are a week of header time at 30 minutes a block: a minute at 5.6 blocks a second. */
const devnetGenesis = {
  activationHeight: 16,
  minStake: 42n * coin,
  minSeniors: 4,
  epochBlocks: 8,
  confirmations: 2,
  announceBlocks: 1_000,
}

const inputs: z.input<typeof Profile>[] = [
  {
    name: 'devnet',
    genesis: {
      chain: 'zcash-regtest',
      announceAddress:
        'zregtestsapling1hw0xh8j2curnldf54hyj4unfmynpa6t697ug7tr0cj4jdnsc33cc9zfurwj759urswe65us7vhn',
      viewingKey: 'zivkregtestsapling1yh9twd0dtp3zc9quuj5z4p44xeqjkvh8vgjt3f94cgm6kwjjsgzqlvlf6n',
      ...devnetGenesis,
    },
    schedule: [
      {
        from: '2026-W01',
        params: { ...devnetTimes, fund: treasury('76a9143b7b15e8d977a2434c3d09bb3432535869ddd19188ac') },
      },
    ],
    allowLoopback: true,
    ...devnetRelay,
    genesisHash: null,
  },
  {
    name: 'zen-devnet',
    genesis: {
      chain: 'zen-regtest',
      announceAddress:
        'ztSQssbjzQU4gu3oVtwVt4mAh4PnBZMb7bgp8v7fWCZGGdM83Qp6BS5JSKvcsPbgyS7edYMMopxJupf3AA2kWs5nuppsZpC',
      viewingKey:
        'ZiVtRmMSrgbUiViZYw37q6mygrkK3cqRod7F7cBUFGyk5CAkNLW2CVHKgRUH6Sk7bUyFxRHVxTF3axsSfkH75y8Kgx7VX3To6',
      ...devnetGenesis,
    },
    schedule: [
      {
        from: '2026-W01',
        params: { ...devnetTimes, fund: treasury('76a914f7fed84f7d3248c628f676d2bdfd6540b6e57ceb88ac') },
      },
    ],
    allowLoopback: true,
    ...devnetRelay,
    genesisHash: null,
  },
  {
    // A zebrad or zcashd on one's own machine, blocks mined on demand.
    name: 'zcash-regtest',
    genesis: {
      chain: 'zcash-regtest',
      announceAddress:
        'zregtestsapling1qufrlt5eewwa5nsxa0k8xu6g25677wpexpx2fm0fqkgd5aes2cnzt5trm4sknemuu59s2vws25k',
      viewingKey: 'zivkregtestsapling10arwmrphewm3d9g3ajks20f6qec64d7pw9rwn86h3y09zkl7g5zsnwspzx',
      ...devnetGenesis,
      // The first coinbase matures at 101.
      activationHeight: 110,
    },
    schedule: [
      {
        from: '2026-W01',
        params: { ...devnetTimes, fund: { kind: 'fixed', amount: 100n * coin } },
      },
    ],
    allowLoopback: true,
    ...devnetRelay,
  },
  {
    name: 'zcash-testnet',
    genesis: {
      chain: 'zcash-test',
      activationHeight: 4_200_000,
      announceAddress:
        'ztestsapling1m0fnzdl2qkzgh757lj0mgul36k6csaswlzusnr60mzd0rww7rmyglhr6zqmg4gl94epjg8p2zqx',
      viewingKey: 'zivktestsapling14p2326yvhykrv7racu5pg5unj37dcpu6j6y8fa73tgwpm3ee3grs8ttmkh',
      minStake: 42n * coin,
      minSeniors: 16,
      // Four hours at 75 s.
      epochBlocks: 192,
      confirmations: 10,
      announceBlocks: 1_000,
    },
    // No coinbase of the testnet pays a treasury of ours.
    schedule: [{ from: '2026-W01', params: { fund: { kind: 'fixed', amount: 100n * coin } } }],
  },
]

const builtInProfiles: ReadonlyMap<string, Profile> = new Map(
  inputs.map((input) => [input.name, Profile.parse(input)]),
)
