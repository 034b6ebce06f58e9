import type { ChainName } from '../../../protocol/index.ts'
import type { ChainFamily } from '../../chain/formats/types.ts'
import type { NoteNetwork } from '../../chain/notes/network.ts'

/** Network upgrades of Zcash in order, with their consensus branch ids (ZIP 200 and the ZIPs of each upgrade). */
export const upgradeTable = [
  { name: 'Overwinter', branchId: 0x5ba81b19 },
  { name: 'Sapling', branchId: 0x76b809bb },
  { name: 'Blossom', branchId: 0x2bb40e60 },
  { name: 'Heartwood', branchId: 0xf5b9230b },
  { name: 'Canopy', branchId: 0xe9ff75a6 },
  { name: 'NU5', branchId: 0xc2d6d0b4 },
  { name: 'NU6', branchId: 0xc8e71055 },
  { name: 'NU6.1', branchId: 0x4dec4df0 },
  { name: 'NU6.2', branchId: 0x5437f330 },
  { name: 'NU6.3', branchId: 0x37a5165b },
  { name: 'NU7', branchId: 0x77190ad9 },
] as const

export type UpgradeName = (typeof upgradeTable)[number]['name']

export interface Upgrade {
  name: UpgradeName
  branchId: number
  height: number
}

/** What the coinbase must pay to whom, in base units per block. */
export interface Treasury {
  script: Uint8Array
  amountPerBlock: bigint
}

/** OP_CHECKBLOCKATHEIGHT of ZEN (zend: CBH_DELTA_HEIGHT, -cbhminage, -cbhsafedepth). All in blocks. */
export interface ReplayRules {
  /** How far below the tip the wallet's outputs refer. */
  referenceDepth: number
  /** Outputs that refer to a younger block are not relayed. */
  minAge: number
  /** References to deeper blocks are not looked up. */
  safeDepth: number
}

/** Everything that nodes of one embedded chain must agree on. */
export interface ChainParameters {
  family: ChainFamily
  network: NoteNetwork
  /** Family and network, as addresses are named by. */
  chainName: ChainName
  /** Time of the genesis block in seconds since 1970. */
  startTime: number
  /** Seconds between blocks when the caller of `mine` names no time. */
  spacingSeconds: number
  /** Blocks on top of a coinbase before its outputs may be spent (100 on every real network). */
  coinbaseMaturity: number
  /** Base units of new money per block for the miner, beside the treasury's amount. */
  minerReward: bigint
  treasury: Treasury | null
  /** Ascending by height. Empty for ZEN. */
  upgrades: readonly Upgrade[]
  replay: ReplayRules
}

export interface ChainParameterOptions {
  family: ChainFamily
  network?: NoteNetwork
  startTime: number
  spacingSeconds?: number
  coinbaseMaturity?: number
  minerReward?: bigint
  treasury?: Treasury | null
  /** Zcash: heights of activation; an upgrade left out activates with the next one named, or never. */
  upgradeHeights?: Partial<Record<UpgradeName, number>>
  replay?: Partial<ReplayRules>
}

export const COIN = 100_000_000n
/** MAX_MONEY of zcashd and zend. */
export const maxMoney = 21_000_000n * COIN
/** MAX_BLOCK_SIZE of Zcash; ZEN's is larger since its sidechains, which the embedded chain does not have. */
export const maxBlockBytes = 2_000_000
/** zcashd MAX_TX_SIZE_AFTER_SAPLING is a block; zend MAX_TX_SIZE is 100,000. */
export const maxTransactionBytes = (family: ChainFamily): number =>
  family === 'zen' ? 100_000 : maxBlockBytes
/** nBits of the regtest networks: proof of work is off, so every block has the same and the longest chain has most work. */
export const regtestBits = 0x200f0f0f

/** Zcash spaces its blocks by 75 s since Blossom, ZEN by 150 s. */
const defaultSpacingSeconds = { zcash: 75, zen: 150 } as const

/** zend: CBH_DELTA_HEIGHT 300, DEFAULT_CBH_MIN_AGE 99, safe depth 320 on regtest. */
const zendReplay: ReplayRules = { referenceDepth: 300, minAge: 99, safeDepth: 320 }

export const resolveParameters = (options: ChainParameterOptions): ChainParameters => {
  const network = options.network ?? 'regtest'
  const coinbaseMaturity = options.coinbaseMaturity ?? 100
  const parameters: ChainParameters = {
    family: options.family,
    network,
    chainName: `${options.family}-${network}`,
    startTime: options.startTime,
    spacingSeconds: options.spacingSeconds ?? defaultSpacingSeconds[options.family],
    coinbaseMaturity,
    minerReward: options.minerReward ?? 50n * COIN,
    treasury: options.treasury ?? null,
    upgrades: options.family === 'zcash' ? upgradeSchedule(options.upgradeHeights) : [],
    replay: {
      ...zendReplay,
      // The first coin that can be spent at all must be spendable with a reference to the genesis block.
      minAge: Math.min(zendReplay.minAge, coinbaseMaturity),
      ...options.replay,
    },
  }
  check(isCount(parameters.startTime) && parameters.startTime > 0, 'startTime is seconds since 1970')
  check(isCount(parameters.spacingSeconds) && parameters.spacingSeconds > 0, 'spacingSeconds is at least 1')
  check(isCount(coinbaseMaturity) && coinbaseMaturity > 0, 'coinbaseMaturity is at least 1')
  const subsidy = parameters.minerReward + (parameters.treasury?.amountPerBlock ?? 0n)
  check(
    parameters.minerReward >= 0n && (parameters.treasury?.amountPerBlock ?? 0n) >= 0n && subsidy <= maxMoney,
    'the subsidy of a block is 0 to 21 million coins',
  )
  return parameters
}

/** Upgrades in force at `height`. Zcash activates at the named height, the genesis block has none. */
export const isUpgradeActive = (parameters: ChainParameters, name: UpgradeName, height: number): boolean =>
  parameters.upgrades.some((upgrade) => upgrade.name === name && upgrade.height <= height)

/** The consensus branch of a block at `height`; 0 before Overwinter and in ZEN. */
export const branchIdAt = (parameters: ChainParameters, height: number): number =>
  parameters.upgrades.findLast((upgrade) => upgrade.height <= height)?.branchId ?? 0

/** The last upgrade of a chain for which no heights are named. */
const lastByDefault: UpgradeName = 'NU6.3'

/** Everything up to NU6.3 is active from block 1 on, unless heights are named. (zebrad's default ends at Canopy.) */
const upgradeSchedule = (heights: Partial<Record<UpgradeName, number>> | undefined): Upgrade[] => {
  if (heights === undefined) return upgradeSchedule({ [lastByDefault]: 1 })
  const schedule: Upgrade[] = []
  let next = Infinity
  for (const upgrade of upgradeTable.toReversed()) {
    const height = heights[upgrade.name] ?? next
    check(height <= next, `${upgrade.name} cannot activate after a later upgrade`)
    next = height
    if (height === Infinity) continue
    check(isCount(height) && height > 0, `${upgrade.name} activates at a height of at least 1`)
    schedule.unshift({ ...upgrade, height })
  }
  return schedule
}

const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0

const check = (holds: boolean, message: string): void => {
  if (!holds) throw new RangeError(message)
}
