import * as fc from 'fast-check'
import { versionGroupIds } from '../../../src/chain/formats/transaction.ts'
import type {
  JoinSplit,
  OrchardBundle,
  SaplingOutput,
  SaplingSpend,
  TransactionFields,
} from '../../../src/chain/formats/types.ts'

/** Byte strings are filled from a drawn seed: what matters here is where they end, not what they say. */
const bytes = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.nat(255).map((seed) => Uint8Array.from({ length }, (_, index) => (seed + 7 * index) & 0xff))

const pair = (length: number): fc.Arbitrary<[Uint8Array, Uint8Array]> =>
  fc.tuple(bytes(length), bytes(length))
const u32 = fc.integer({ min: 0, max: 0xffffffff })
const i64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
/** Lengths on both sides of where CompactSize grows. */
const script = fc.oneof(
  { weight: 30, arbitrary: fc.uint8Array({ maxLength: 40 }) },
  { weight: 3, arbitrary: fc.constantFrom(252, 253, 254).chain((length) => bytes(length)) },
  { weight: 1, arbitrary: fc.constantFrom(65535, 65536).chain((length) => bytes(length)) },
)

const inputs = fc.array(fc.record({ previousTxid: bytes(32), previousIndex: u32, script, sequence: u32 }), {
  maxLength: 4,
})
const outputs = fc.array(fc.record({ value: i64, script }), { maxLength: 4 })

const joinSplit = (proofBytes: 192 | 296): fc.Arbitrary<JoinSplit> =>
  fc.record({
    publicOld: u64,
    publicNew: u64,
    anchor: bytes(32),
    nullifiers: pair(32),
    commitments: pair(32),
    ephemeralKey: bytes(32),
    randomSeed: bytes(32),
    macs: pair(32),
    proof: bytes(proofBytes),
    ciphertexts: pair(601),
  })

type Sprout = Pick<TransactionFields, 'joinSplits' | 'joinSplitPublicKey' | 'joinSplitSignature'>

const noSprout: Sprout = { joinSplits: [], joinSplitPublicKey: null, joinSplitSignature: null }

const sprout = (proofBytes: 192 | 296): fc.Arbitrary<Sprout> =>
  fc.oneof(
    fc.constant(noSprout),
    fc.record({
      joinSplits: fc.array(joinSplit(proofBytes), { minLength: 1, maxLength: 2 }),
      joinSplitPublicKey: bytes(32),
      joinSplitSignature: bytes(64),
    }),
  )

const spend: fc.Arbitrary<SaplingSpend> = fc.record({
  cv: bytes(32),
  anchor: bytes(32),
  nullifier: bytes(32),
  rk: bytes(32),
  proof: bytes(192),
  signature: bytes(64),
})

const output: fc.Arbitrary<SaplingOutput> = fc.record({
  cv: bytes(32),
  cmu: bytes(32),
  ephemeralKey: bytes(32),
  encCiphertext: bytes(580),
  outCiphertext: bytes(80),
  proof: bytes(192),
})

type Sapling = Pick<
  TransactionFields,
  'saplingValueBalance' | 'saplingSpends' | 'saplingOutputs' | 'saplingBindingSignature'
>

const noSapling: Sapling = {
  saplingValueBalance: 0n,
  saplingSpends: [],
  saplingOutputs: [],
  saplingBindingSignature: null,
}

const someSapling: fc.Arbitrary<Sapling> = fc
  .record({
    saplingValueBalance: i64,
    saplingSpends: fc.array(spend, { maxLength: 2 }),
    saplingOutputs: fc.array(output, { maxLength: 2 }),
    saplingBindingSignature: bytes(64),
  })
  .filter(({ saplingSpends, saplingOutputs }) => saplingSpends.length + saplingOutputs.length > 0)

const saplingV4: fc.Arbitrary<Sapling> = fc.oneof(
  // v4 has a balance even without a bundle.
  i64.map((saplingValueBalance) => ({ ...noSapling, saplingValueBalance })),
  someSapling,
)

const saplingV5: fc.Arbitrary<Sapling> = fc.oneof(
  fc.constant(noSapling),
  fc.tuple(someSapling, bytes(32)).map(([sapling, anchor]) => ({
    ...sapling,
    saplingSpends: sapling.saplingSpends.map((each) => ({ ...each, anchor })),
  })),
)

const bundle: fc.Arbitrary<OrchardBundle | null> = fc.option(
  fc.record({
    actions: fc.array(
      fc.record({
        cv: bytes(32),
        nullifier: bytes(32),
        rk: bytes(32),
        cmx: bytes(32),
        ephemeralKey: bytes(32),
        encCiphertext: bytes(580),
        outCiphertext: bytes(80),
        signature: bytes(64),
      }),
      { minLength: 1, maxLength: 2 },
    ),
    flags: fc.nat(255),
    valueBalance: i64,
    anchor: bytes(32),
    proof: fc.constantFrom(0, 252, 2720 + 2272).chain((length) => bytes(length)),
    bindingSignature: bytes(64),
  }),
)

const transparent = fc.record({ inputs, outputs, lockTime: u32 })

const plain = {
  ...noSapling,
  ...noSprout,
  versionGroupId: null,
  consensusBranchId: null,
  expiryHeight: 0,
  orchard: null,
  ironwood: null,
  sidechain: null,
}

const plainTransaction = (
  family: 'zcash' | 'zen',
  version: number,
  sproutPart: fc.Arbitrary<Sprout>,
): fc.Arbitrary<TransactionFields> =>
  fc
    .tuple(transparent, sproutPart)
    .map(([parts, sprouts]) => ({ ...plain, ...parts, ...sprouts, family, version }))

/** Four empty vectors, and one forward transfer. */
const sidechain = fc.oneof(
  fc.constant(new Uint8Array(4)),
  bytes(92).map((transfer) => Uint8Array.of(0, 0, 1, ...transfer, 0)),
)

const overwintered = (
  version: 3 | 4 | 5 | 6,
  parts: {
    sprout?: fc.Arbitrary<Sprout>
    sapling?: fc.Arbitrary<Sapling>
    consensusBranchId?: fc.Arbitrary<number>
    orchard?: fc.Arbitrary<OrchardBundle | null>
    ironwood?: fc.Arbitrary<OrchardBundle | null>
  },
): fc.Arbitrary<TransactionFields> =>
  fc
    .record({
      transparent,
      expiryHeight: u32,
      sprout: parts.sprout ?? fc.constant(noSprout),
      sapling: parts.sapling ?? fc.constant(noSapling),
      consensusBranchId: parts.consensusBranchId ?? fc.constant(null),
      orchard: parts.orchard ?? fc.constant(null),
      ironwood: parts.ironwood ?? fc.constant(null),
    })
    .map((drawn) => ({
      family: 'zcash' as const,
      version,
      versionGroupId: versionGroupIds[version]!,
      consensusBranchId: drawn.consensusBranchId,
      ...drawn.transparent,
      expiryHeight: drawn.expiryHeight,
      ...drawn.sprout,
      ...drawn.sapling,
      orchard: drawn.orchard,
      ironwood: drawn.ironwood,
      sidechain: null,
    }))

/** Transactions of every version, by name. */
export const arbitraryTransactions: Readonly<Record<string, fc.Arbitrary<TransactionFields>>> = {
  'Zcash v1': plainTransaction('zcash', 1, fc.constant(noSprout)),
  'Zcash v2': plainTransaction('zcash', 2, sprout(296)),
  'Zcash v3': overwintered(3, { sprout: sprout(296) }),
  'Zcash v4': overwintered(4, { sprout: sprout(192), sapling: saplingV4 }),
  'Zcash v5': overwintered(5, { sapling: saplingV5, consensusBranchId: u32, orchard: bundle }),
  'Zcash v6': overwintered(6, {
    sapling: saplingV5,
    consensusBranchId: u32,
    orchard: bundle,
    ironwood: bundle,
  }),
  // Consensus of both chains took any positive number once; the bytes are those of v2.
  'Zcash v7 without a group': plainTransaction('zcash', 7, sprout(296)),
  'ZEN v1': plainTransaction('zen', 1, fc.constant(noSprout)),
  'ZEN v2': plainTransaction('zen', 2, sprout(296)),
  'ZEN v-3': plainTransaction('zen', -3, sprout(192)),
  'ZEN v-4': fc
    .tuple(transparent, sidechain)
    .map(([parts, vectors]) => ({ ...plain, ...parts, family: 'zen', version: -4, sidechain: vectors })),
}
