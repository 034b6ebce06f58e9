import {
  addressOfStake,
  bytesToHex,
  type ChainName,
  type DigestedTally,
  hash,
  type NetworkId,
  type OutputTemplate,
  type Payer,
  type PayoutOutput,
  type PayoutTransaction,
  type OutpointKey,
  tallyDigest,
  type TallyDocument,
  type Week,
} from '../../../protocol/index.ts'

export const week = '2026-W47' as Week
export const networkId = '0123456789abcdef0123456789abcdef' as NetworkId

const owners = new Map<string, Uint8Array>()

/** 20 bytes that depend on the label alone. */
export const ownerHash = (...label: (string | number)[]): Uint8Array => {
  const key = label.join(' ')
  const known = owners.get(key) ?? hash('owner', ...label).slice(0, 20)
  owners.set(key, known)
  return known
}

export const payer: Payer = { kind: 'p2sh', hash160: ownerHash('payer') }

export interface TestTally {
  chain?: ChainName
  network?: NetworkId
  week?: Week
  /** Of seats 0, 1, …, in base units. */
  amounts: readonly bigint[]
  state?: TallyDocument['state']
  anchor?: TallyDocument['anchor']
  lastEpoch?: number
  /** Hash of the parameters in hex. */
  params?: string
  /** hash160 of a seat's stake. */
  stakeOf?: (seat: number) => Uint8Array
  changes?: Partial<TallyDocument>
}

/** A tally as `secnode tally --json` prints it: anchored in block 200 unless told otherwise. */
export const tallyOf = ({
  chain = 'zcash-regtest',
  amounts,
  state = 'anchored',
  anchor = { height: 200, hash: 'ab'.repeat(32) },
  lastEpoch = 4,
  params = '11'.repeat(32),
  stakeOf = (seat) => ownerHash('stake', seat),
  changes = {},
  ...options
}: TestTally): DigestedTally => {
  const paid = amounts.reduce((sum, amount) => sum + amount, 0n)
  const document: TallyDocument = {
    network: options.network ?? networkId,
    week: options.week ?? week,
    state,
    ruleset: 1,
    params,
    checkpoint: null,
    anchor,
    epochs: [{ epoch: lastEpoch, beacon: '22'.repeat(32), seats: amounts.length, attested: amounts.length }],
    totals: {
      fund: paid.toString(),
      paid: paid.toString(),
      undistributed: '0',
      seats: amounts.length,
      paidSeats: amounts.filter((amount) => amount > 0n).length,
      score: amounts.length,
    },
    seats: amounts.map((amount, seat) => ({
      seat,
      stake: addressOfStake(chain, stakeOf(seat)),
      host: `n${seat}.devnet.test`,
      outcomes: ['credited'],
      epochs: 1,
      score: 1,
      equivocator: false,
      amount: amount.toString(),
    })),
    ...changes,
  }
  return { document, digest: tallyDigest(document) }
}

/** A transaction as the rules see it; its txid depends on what it is. */
export const transactionOf = (
  spends: readonly OutpointKey[],
  outputs: readonly PayoutOutput[],
): PayoutTransaction => ({
  txid: hash(
    'tx',
    [...spends],
    outputs.map(({ value, to }) => [value, templateKey(to)]),
  ),
  spends,
  outputs,
})

const templateKey = (to: OutputTemplate): string =>
  to.kind === 'nulldata'
    ? `data ${bytesToHex(to.data)}`
    : to.kind === 'other'
      ? to.kind
      : `${to.kind} ${bytesToHex(to.hash160)}`

export const paying = (hash160: Uint8Array, value: bigint): PayoutOutput => ({
  value,
  to: { kind: 'p2pkh', hash160 },
})
