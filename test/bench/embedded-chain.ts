import { parseArgs } from 'node:util'
import { doubleSha256 } from '../../src/chain/formats/hashes.ts'
import {
  deriveSaplingKeys,
  deriveSproutKeys,
  encryptSaplingOutput,
  encryptSproutJoinSplit,
  memoFromText,
} from '../../src/chain/notes/index.ts'
import { createEmbeddedChain, type EmbeddedChain } from '../../src/devnet/chain/chain.ts'
import { COIN } from '../../src/devnet/chain/parameters.ts'
import type { ShieldedPayment } from '../../src/devnet/chain/shielded-outputs.ts'
import { realWorld } from '../../src/world.ts'

/**
 * How fast the embedded chain goes: an empty block (goal: under 2 ms, so that a week of 8,064 blocks takes seconds)
 * and an announcement from choosing coins to the mempool (goal: well under 100 ms). References in the same run: the
 * block's hash alone a thousand times, and the encryption of the same outputs alone.
 * Options: `--blocks <n>` (1000), `--payments <n>` (50).
 */
export const run = async (options: string[]): Promise<void> => {
  const { values } = parseArgs({
    args: options,
    options: { blocks: { type: 'string', default: '1000' }, payments: { type: 'string', default: '50' } },
  })
  const blocks = Number(values.blocks)
  const payments = Number(values.payments)
  if (!(blocks > payments && payments > 0))
    throw new RangeError('more blocks than payments, and more than none')
  for (const family of ['zcash', 'zen'] as const) {
    const world = realWorld()
    const chain = createEmbeddedChain({
      family,
      startTime: 1_794_787_200,
      coinbaseMaturity: 2,
      walletSeed: new Uint8Array(32).fill(1),
      world,
    })
    chain.mine(100)
    print(`${family}: empty block`, {
      ms: timeEach(blocks, () => chain.mine(1)),
      referenceMs: timeEach(blocks, () => {
        for (let i = 0; i < 1000; i++) doubleSha256(chain.tip.header.bytes)
      }),
    })
    const payment = announcementOn(chain)
    print(`${family}: announcement`, {
      ms: timeEach(payments, () => {
        const payees = [{ kind: 'p2pkh' as const, hash160: new Uint8Array(20).fill(2), value: 42n * COIN }]
        chain.wallet.pay({ payees, shielded: [payment] })
      }),
      referenceMs: timeEach(payments, () => encryptAlone(payment, (length) => world.randomBytes(length))),
    })
  }
}

const announcementOn = (chain: EmbeddedChain): ShieldedPayment => {
  const secret = new Uint8Array(32).fill(3)
  const memo = memoFromText(`secnode:1 ${'x'.repeat(490)}`)!
  return chain.parameters.family === 'zen'
    ? { recipient: { pool: 'sprout', address: deriveSproutKeys(secret).address }, value: 1000n, memo }
    : {
        recipient: { pool: 'sapling', address: deriveSaplingKeys(secret).defaultAddress },
        value: 1000n,
        memo,
      }
}

const encryptAlone = (
  { recipient, value, memo }: ShieldedPayment,
  randomBytes: (length: number) => Uint8Array,
): void => {
  if (recipient.pool === 'sprout') {
    const nullifiers = [randomBytes(32), randomBytes(32)] as const
    const note = { address: recipient.address, value, memo }
    encryptSproutJoinSplit([note, null], nullifiers, randomBytes(32), randomBytes)
  } else if (recipient.pool === 'sapling') {
    encryptSaplingOutput({ address: recipient.address, value, memo, ovk: null }, randomBytes)
  }
}

const timeEach = (times: number, work: () => void): number => {
  const start = performance.now()
  for (let i = 0; i < times; i++) work()
  return (performance.now() - start) / times
}

const print = (name: string, { ms, referenceMs }: { ms: number; referenceMs: number }): void => {
  const line = {
    bench: 'embedded-chain',
    case: name,
    ms: round(ms),
    referenceMs: round(referenceMs),
    ratio: round(ms / referenceMs),
  }
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

const round = (value: number): number => Number(value.toPrecision(3))
