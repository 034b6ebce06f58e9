import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bytesToHex, coin, type DigestedTally, hexToBytes, type Week } from '../../protocol/index.ts'
import { encodeWif } from '../../src/chain/address.ts'
import { loadNetwork } from '../../src/service/load-network.ts'
import { isSecnodeError } from '../../src/errors.ts'
import { consolidateCoins } from '../../src/payout/consolidate.ts'
import { readKeyFile } from '../../src/payout/key-file.ts'
import { formatPayoutFile, parsePayoutFile, type PayoutFile } from '../../src/payout/payout-file.ts'
import { signatureCounts, signPayout, type SignRequest } from '../../src/payout/sign.ts'
import { newDirectory } from '../store/directories.ts'
import {
  isFullySigned,
  multisigTreasury,
  type PayoutChain,
  singleTreasury,
  startPayoutChain,
  testKey,
  week,
  wifOf,
} from './payout-chain.ts'

const request = (
  payout: PayoutChain,
  files: readonly PayoutFile[],
  tally: DigestedTally | null,
  changes: Partial<SignRequest> = {},
): SignRequest => ({
  network: payout.network,
  files,
  tally,
  witness: { is: 'node', node: payout.node },
  key: payout.treasury.keys[0]!,
  ...changes,
})

/** What another coordinator gets: the file as text, read again. */
const handOver = (payout: PayoutChain, file: PayoutFile): PayoutFile =>
  parsePayoutFile(formatPayoutFile(file, payout.network), payout.network, 'payout.json')

const withDraft = (
  file: PayoutFile,
  change: (draft: PayoutFile['drafts'][number]) => object,
): PayoutFile => ({
  ...file,
  drafts: file.drafts.map((draft, i) => (i === 0 ? { ...draft, ...change(draft) } : draft)),
})

describe('payout sign', () => {
  test('R-PAY-3 2 of 3: two sign apart, their signatures are put together, any two will do', async () => {
    await using payout = await startPayoutChain({ treasury: multisigTreasury(2, 3) })
    const tally = payout.tally([coin, 2n * coin])
    const file = await payout.build(tally)
    const [anna, ben, carl] = payout.treasury.keys
    const signedBy = async (key: typeof anna): Promise<PayoutFile> =>
      handOver(payout, await signPayout(request(payout, [handOver(payout, file)], tally, { key: key! })))
    const byAnna = await signedBy(anna)
    const byBen = await signedBy(ben)
    const byCarl = await signedBy(carl)
    expect(signatureCounts(byAnna)).toEqual([{ signatures: 1, required: 2 }])
    await expect(payout.send(byAnna)).rejects.toMatchObject({ code: 'PAYOUT_UNSIGNED', exitCode: 2 })
    for (const pair of [
      [byAnna, byBen],
      [byCarl, byAnna],
      [byBen, byCarl, byBen],
    ]) {
      const merged = await signPayout(request(payout, pair, tally, { key: null }))
      expect(isFullySigned(merged)).toBe(true)
    }
    // In turn, too, and signing twice changes nothing.
    const inTurn = await signPayout(request(payout, [byCarl], tally, { key: ben! }))
    expect(isFullySigned(inTurn)).toBe(true)
    const again = await signPayout(request(payout, [inTurn], tally, { key: ben! }))
    expect(formatPayoutFile(again, payout.network)).toBe(formatPayoutFile(inTurn, payout.network))
    await payout.send(inTurn)
    payout.chain.mine(1)
    expect(payout.received(1)).toEqual({ value: 2n * coin, outputs: 1 })
  })

  test('R-PAY-3 ZEN, 2 of 3, three parts: each is signed once the one before it has all its signatures', async () => {
    await using payout = await startPayoutChain({ family: 'zen', treasury: multisigTreasury(2, 3) })
    const amounts = Array.from({ length: 2_001 }, () => 10_000n)
    const tally = payout.tally(amounts)
    const [anna, ben] = payout.treasury.keys
    let file = await payout.build(tally)
    const counts: number[][] = []
    for (const key of [anna, ben, anna, ben]) {
      file = handOver(payout, await signPayout(request(payout, [file], tally, { key: key! })))
      counts.push(signatureCounts(file).map(({ signatures }) => signatures))
    }
    // The second who signs a part begins the next one too.
    expect(counts).toEqual([
      [1, 0, 0],
      [2, 1, 0],
      [2, 2, 1],
      [2, 2, 2],
    ])
    await payout.send(file)
    payout.chain.mine(1)
    for (const seat of [0, 999, 1_000, 2_000]) expect(payout.received(seat).outputs).toBe(1)
  })

  test('R-PAY-3 refuses whatever is not the payout of the own tally', async () => {
    await using payout = await startPayoutChain({ coins: [50n * coin, 3n * coin] })
    const tally = payout.tally([coin, 2n * coin])
    const file = await payout.build(tally)
    const refused = async (wrong: PayoutFile, own = tally) =>
      expect(signPayout(request(payout, [wrong], own))).rejects.toMatchObject({ code: 'PAYOUT_MISMATCH' })
    await refused(file, payout.tally([coin, 2n * coin + 1n]))
    await refused(file, payout.tally([coin, 2n * coin], { week: '2026-W48' as Week }))
    await refused(file, payout.tally([coin, 2n * coin], { stakeOf: (seat) => new Uint8Array(20).fill(seat) }))
    await refused({ ...file, payout: { ...file.payout!, digest: '00'.repeat(32) } })
    await refused({ ...file, payout: { ...file.payout!, anchor: { height: 1, hash: '00'.repeat(32) } } })
    await refused({ ...file, drafts: [...file.drafts, ...file.drafts] })
    const { fields, spent } = file.drafts[0]!
    const last = fields.outputs.length - 1
    const outputs = {
      'another amount': fields.outputs.with(2, { ...fields.outputs[2]!, value: coin + 1n }),
      'another order': fields.outputs.with(2, fields.outputs[3]!).with(3, fields.outputs[2]!),
      'one less': fields.outputs.toSpliced(3, 1),
      'change to somebody else': fields.outputs.with(last, {
        ...fields.outputs[last]!,
        script: fields.outputs[2]!.script,
      }),
      'change to the miner': fields.outputs.with(last, { ...fields.outputs[last]!, value: coin }),
      'thread to somebody else': fields.outputs.with(0, {
        ...fields.outputs[0]!,
        script: fields.outputs[2]!.script,
      }),
      'a thinner thread': fields.outputs.with(0, { ...fields.outputs[0]!, value: 99_999n }),
      'no marker': fields.outputs.toSpliced(1, 1),
    }
    for (const changed of Object.values(outputs)) {
      await refused(withDraft(file, () => ({ fields: { ...fields, outputs: changed } })))
    }
    for (const changed of [{ lockTime: 1 }, { expiryHeight: 10_000 }, { consensusBranchId: 0xc8e71055 }]) {
      await refused(withDraft(file, () => ({ fields: { ...fields, ...changed } })))
    }
    const inputs = fields.inputs.with(1, { ...fields.inputs[1]!, sequence: 0 })
    await refused(withDraft(file, () => ({ fields: { ...fields, inputs } })))
    // One coin more that goes to the miner.
    const lying = spent.with(1, { ...spent[1]!, value: spent[1]!.value + coin })
    await refused(withDraft(file, () => ({ spent: lying })))
  })

  test('R-PAY-2 R-PAY-3 refuses a payout beside the thread: it could pay the week twice', async () => {
    await using payout = await startPayoutChain({ coins: [50n * coin, 3n * coin] })
    const tally = payout.tally([coin])
    const file = await payout.build(tally)
    const { fields, spent } = file.drafts[0]!
    // A coin of the payer in the place of the thread output, with change made right.
    const swapped = withDraft(file, () => ({
      fields: { ...fields, inputs: fields.inputs.toReversed() },
      spent: spent.toReversed(),
    }))
    await expect(signPayout(request(payout, [swapped], tally))).rejects.toMatchObject({
      code: 'PAYOUT_NOT_THE_THREAD',
    })
    const witness = { is: 'outpoint', outpoint: payout.threadStart } as const
    await expect(signPayout(request(payout, [swapped], tally, { witness }))).rejects.toMatchObject({
      code: 'PAYOUT_NOT_THE_THREAD',
    })
    // After the payout, the thread stands elsewhere.
    await payout.send(await payout.sign(file, tally))
    payout.chain.mine(1)
    await expect(signPayout(request(payout, [file], tally))).rejects.toMatchObject({
      code: 'PAYOUT_NOT_THE_THREAD',
    })
  })

  test('R-PAY-3 refuses coins that are not what the file says', async () => {
    await using payout = await startPayoutChain({ family: 'zen', coins: [50n * coin] })
    const tally = payout.tally([coin])
    const file = await payout.build(tally)
    const { spent, fields } = file.drafts[0]!
    const last = fields.outputs.length - 1
    // ZEN's signatures do not cover it: half of the coin would go to the miner.
    const lying = withDraft(file, () => ({
      spent: spent.with(1, { ...spent[1]!, value: 25n * coin }),
      fields: {
        ...fields,
        outputs: fields.outputs.with(last, {
          ...fields.outputs[last]!,
          value: fields.outputs[last]!.value - 25n * coin,
        }),
      },
    }))
    await expect(signPayout(request(payout, [lying], tally))).rejects.toMatchObject({ code: 'PAYOUT_COIN' })
    const witness = { is: 'outpoint', outpoint: payout.threadStart } as const
    await expect(signPayout(request(payout, [file], tally, { witness }))).rejects.toMatchObject({
      code: 'PAYOUT_ZEN_OFFLINE',
    })
    const otherBlock = { ...file.format, reference: { height: 64, hash: new Uint8Array(32).fill(1) } }
    const unspendable = parsePayoutFile(
      formatPayoutFile(file, payout.network)
        .replaceAll(bytesToHex(file.format.reference!.hash), bytesToHex(otherBlock.reference.hash))
        .replaceAll(
          Buffer.from(file.format.reference!.hash).reverse().toString('hex'),
          bytesToHex(otherBlock.reference.hash),
        ),
      payout.network,
      'payout.json',
    )
    await expect(signPayout(request(payout, [unspendable], tally))).rejects.toMatchObject({
      code: 'PAYOUT_MISMATCH',
      message: expect.stringContaining('block 64') as string,
    })
  })

  test('R-PAY-3 on a machine without a node, whoever signs vouches for the thread', async () => {
    await using payout = await startPayoutChain()
    const tally = payout.tally([coin])
    const file = await payout.build(tally)
    const witness = { is: 'outpoint', outpoint: payout.threadStart } as const
    const signed = await signPayout(request(payout, [file], tally, { witness }))
    await payout.send(signed)
    const elsewhere = { is: 'outpoint', outpoint: { ...payout.threadStart, index: 5 } } as const
    await expect(signPayout(request(payout, [file], tally, { witness: elsewhere }))).rejects.toMatchObject({
      code: 'PAYOUT_NOT_THE_THREAD',
    })
  })

  test('R-PAY-3 refuses keys that may not spend, other files, and payouts without a tally', async () => {
    await using payout = await startPayoutChain({ treasury: multisigTreasury(2, 3) })
    const tally = payout.tally([coin])
    const file = await payout.build(tally)
    await expect(signPayout(request(payout, [file], tally, { key: testKey('thief') }))).rejects.toMatchObject(
      {
        code: 'PAYOUT_WRONG_KEY',
      },
    )
    await expect(signPayout(request(payout, [file], null))).rejects.toMatchObject({ code: 'PAYOUT_NO_TALLY' })
    const other = payout.tally([2n * coin])
    await expect(signPayout(request(payout, [file, await payout.build(other)], tally))).rejects.toMatchObject(
      { code: 'PAYOUT_OTHER_FILE' },
    )
    await expect(payout.build(tally, { redeemScript: null })).rejects.toMatchObject({
      code: 'PAYOUT_REDEEM_SCRIPT',
    })
    await expect(
      payout.build(tally, { redeemScript: multisigTreasury(1, 3).redeemScript }),
    ).rejects.toMatchObject({ code: 'PAYOUT_REDEEM_SCRIPT' })
  })

  test('R-PAY-1 joined coins are signed without a tally, and go nowhere but to the payer', async () => {
    await using payout = await startPayoutChain({ coins: [coin, coin, coin] })
    const join = await consolidateCoins({ node: payout.node, week, redeemScript: null, coins: null })
    expect(isFullySigned(await signPayout(request(payout, [join], null)))).toBe(true)
    const { fields } = join.drafts[0]!
    const stolen = withDraft(join, () => ({
      fields: {
        ...fields,
        outputs: [{ ...fields.outputs[0]!, script: hexToBytes(`76a914${'09'.repeat(20)}88ac`) }],
      },
    }))
    await expect(signPayout(request(payout, [stolen], null))).rejects.toMatchObject({
      code: 'PAYOUT_MISMATCH',
    })
    // The thread output must not be joined away.
    const witness = { is: 'node', node: payout.node } as const
    const inputs = fields.inputs.with(0, {
      ...fields.inputs[0]!,
      previousTxid: payout.threadStart.txid,
      previousIndex: payout.threadStart.index,
    })
    const cutting = withDraft(join, () => ({ fields: { ...fields, inputs } }))
    await expect(signPayout(request(payout, [cutting], null, { witness }))).rejects.toMatchObject({
      code: 'PAYOUT_COIN',
      message: expect.stringContaining('is a thread output') as string,
    })
  })

  test('R-PAY-3 no bit of a payout can be changed unseen', async () => {
    await using payout = await startPayoutChain()
    const tally = payout.tally([coin, 3n * coin])
    const text = formatPayoutFile(await payout.build(tally), payout.network)
    const json = JSON.parse(text) as { transactions: { hex: string; spent: { script: string }[] }[] }
    const { hex } = json.transactions[0]!
    const witness = { is: 'outpoint', outpoint: payout.threadStart } as const
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: hex.length * 4 - 1 }), async (bit) => {
        const bytes = hexToBytes(hex)
        bytes[bit >> 3]! ^= 1 << (bit & 7)
        const changed = text.replace(hex, bytesToHex(bytes))
        try {
          const file = parsePayoutFile(changed, payout.network, 'payout.json')
          // Which coin it is besides the thread only the node can tell: its signature covers the value (ZIP 244).
          const { inputs } = file.drafts[0]!.fields
          const original = parsePayoutFile(text, payout.network, 'payout.json').drafts[0]!.fields.inputs
          const isOtherCoin =
            bytesToHex(inputs[1]!.previousTxid) !== bytesToHex(original[1]!.previousTxid) ||
            inputs[1]!.previousIndex !== original[1]!.previousIndex
          await signPayout(request(payout, [file], tally, isOtherCoin ? {} : { witness }))
        } catch (error) {
          expect(isSecnodeError(error)).toBe(true)
          return
        }
        // What is left are input scripts, which are no signatures.
        throw new Error(`bit ${bit} was changed unseen`)
      }),
      { numRuns: 150 },
    )
  })
})

describe('R-PAY-3 key file', () => {
  const directory = newDirectory()
  const path = join(directory, 'payer.key')

  test('R-PAY-3 one key in wallet import format, mode 0600', async () => {
    const network = await loadNetwork('devnet')
    const [key] = singleTreasury().keys
    await writeFile(path, `${wifOf(network, key!)}\n`, { mode: 0o600 })
    expect(await readKeyFile(path, network)).toEqual(key)
    for (const mode of [0o640, 0o604, 0o660, 0o602]) {
      await chmod(path, mode)
      await expect(readKeyFile(path, network)).rejects.toMatchObject({ code: 'PAYOUT_KEY_MODE', exitCode: 2 })
    }
  })

  test('R-PAY-3 no other chain, no uncompressed key, nothing else; and the key is never repeated in a message', async () => {
    const network = await loadNetwork('devnet')
    const { secretKey } = singleTreasury().keys[0]!
    const read = async (text: string) => {
      await writeFile(path, text)
      await chmod(path, 0o600)
      return readKeyFile(path, network)
    }
    const other = encodeWif('zcash-main', { secretKey, isCompressed: true })
    await expect(read(other)).rejects.toMatchObject({ code: 'PAYOUT_KEY_CHAIN' })
    const uncompressed = encodeWif('zcash-regtest', { secretKey, isCompressed: false })
    await expect(read(uncompressed)).rejects.toMatchObject({ code: 'PAYOUT_KEY_UNCOMPRESSED' })
    const damaged = `${other.slice(0, -1)}1`
    await expect(read(damaged)).rejects.toMatchObject({ code: 'CHAIN_KEY_INVALID' })
    await expect(read(damaged)).rejects.not.toMatchObject({
      message: expect.stringContaining(damaged.slice(0, 20)) as string,
    })
    await expect(read('x'.repeat(1_000))).rejects.toMatchObject({ code: 'PAYOUT_KEY_FILE' })
    await expect(readKeyFile(join(directory, 'none'), network)).rejects.toMatchObject({
      code: 'PAYOUT_KEY_FILE',
    })
  })
})
