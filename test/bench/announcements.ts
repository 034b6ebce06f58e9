import { parseArgs } from 'node:util'
import { bls12_381 } from '@noble/curves/bls12-381.js'
import {
  applyChange,
  type BlsVerifier,
  type ChainBlock,
  createRegistry,
  judgeBlock,
  possessionMessage,
} from '../../protocol/index.ts'
import { signatureTag } from '../../protocol/bls.ts'
import { parseBlock } from '../../src/chain/formats/block.ts'
import { chainBlockOf } from '../../src/chain-node/follower/chain-block.ts'
import { createBls } from '../../src/keys/bls.ts'
import { announcementOf, createTestChain, ownerOf, testNetwork } from '../chain-node/follower/test-chain.ts'

/**
 * What a follower does for each announcement: reads the raw block, decrypts the memo, verifies the wallet's signature and
 * the proof of possession. The reference is the check of proofs by pairings of noble. ZEN's Sprout memos decrypt fastest,
 * so the share of the proof is the largest there is. Options: `--count <n>` (1,000), `--in-block <n>` (50).
 */
export const run = async (options: string[]): Promise<void> => {
  const { values } = parseArgs({
    args: options,
    options: { count: { type: 'string', default: '1000' }, 'in-block': { type: 'string', default: '50' } },
  })
  const count = Number(values.count)
  const inBlock = Number(values['in-block'])
  if (!(count >= 1 && inBlock >= 1)) throw new RangeError('--count and --in-block take numbers from 1')
  const { readMs, blocks } = await readAnnouncements(count, inBlock)
  const referenceMs = readMs + judge(blocks, pairingsOfNoble)
  for (const [name, bls] of Object.entries({ 'verified together': blst, 'one by one': oneByOne })) {
    const proofMs = proofsMs(blocks, bls)
    const ms = readMs + judge(blocks, bls)
    const share = { proofMs: round(proofMs / count), proofShare: round(proofMs / ms), goal: 0.2 }
    const line = { bench: 'announcements', case: name, count, ms: round(ms), referenceMs: round(referenceMs) }
    process.stdout.write(`${JSON.stringify({ ...line, ratio: round(referenceMs / ms), ...share })}\n`)
  }
}

const network = testNetwork()
const { genesis } = network.profile

const readAnnouncements = async (
  count: number,
  inBlock: number,
): Promise<{ readMs: number; blocks: readonly ChainBlock[] }> => {
  const chain = createTestChain()
  while (chain.best.length < genesis.activationHeight) chain.mine()
  for (let made = 0; made < count; made += inBlock) {
    const owners = Array.from({ length: Math.min(inBlock, count - made) }, (_, i) => ownerOf(made + i))
    const at = chain.tip.height
    chain.mine(owners.map((owner) => announcementOf(network, owner, at)))
  }
  const blocks: ChainBlock[] = []
  const begunMs = performance.now()
  for (const { height, bytes } of chain.best.slice(genesis.activationHeight)) {
    const block = parseBlock(bytes, network.facts.family)
    blocks.push((await chainBlockOf(network, block, height, null)).chainBlock)
  }
  return { readMs: performance.now() - begunMs, blocks }
}

/** Milliseconds for judging all blocks, wallets' signatures included; the registry must end with all seats. */
const judge = (blocks: readonly ChainBlock[], bls: BlsVerifier): number => {
  const registry = createRegistry(genesis, network.networkId)
  const begunMs = performance.now()
  for (const block of blocks) applyChange(registry, judgeBlock(registry, block, bls))
  const tookMs = performance.now() - begunMs
  const announced = blocks.reduce((sum, { transactions }) => sum + transactions.length - 1, 0)
  if (registry.seats.length !== announced) throw new Error(`${registry.seats.length} seats of ${announced}`)
  return tookMs
}

/** Milliseconds of these that the proofs take. */
const proofsMs = (blocks: readonly ChainBlock[], bls: BlsVerifier): number => {
  let tookMs = 0
  judge(blocks, {
    ...bls,
    verifyPossessions: (networkId, claims) => {
      const begunMs = performance.now()
      const verdicts = bls.verifyPossessions(networkId, claims)
      tookMs += performance.now() - begunMs
      return verdicts
    },
  })
  return tookMs
}

const blst = createBls()

const oneByOne: BlsVerifier = {
  ...blst,
  verifyPossessions: (networkId, claims) =>
    claims.map((claim) => blst.verifyPossessions(networkId, [claim])[0] === true),
}

const { Point: G1 } = bls12_381.G1
const negatedGenerator = G1.BASE.negate()

/** e(key, H(message)) = e(g, proof), as a product of two pairings with one final exponentiation. */
const pairingsOfNoble: BlsVerifier = {
  ...blst,
  verifyPossessions: (networkId, claims) =>
    claims.map(({ bls, stake, pop }) => {
      const message = possessionMessage(networkId, bls, stake)
      const product = bls12_381.pairingBatch([
        { g1: G1.fromBytes(bls), g2: bls12_381.longSignatures.hash(message, signatureTag) },
        { g1: negatedGenerator, g2: bls12_381.G2.Point.fromBytes(pop) },
      ])
      return bls12_381.fields.Fp12.eql(product, bls12_381.fields.Fp12.ONE)
    }),
}

const round = (value: number): number => Math.round(1_000 * value) / 1_000
