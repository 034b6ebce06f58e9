import { describe, expect, test } from 'vitest'
import { coin, type DigestedTally, threadValue, type Week, weekAfter } from '../../protocol/index.ts'
import { parsePushes } from '../../src/chain/formats/input-script.ts'
import { pushData } from '../../src/chain/formats/script.ts'
import { parseTransaction, serializeTransaction } from '../../src/chain/formats/transaction.ts'
import type { Transaction } from '../../src/chain/formats/types.ts'
import { signaturesOf } from '../../src/chain/input-signatures.ts'
import { type Network, networkOf } from '../../src/chain/profiles.ts'
import type { RpcMethods } from '../../src/devnet/chain/rpc/dispatch.ts'
import { NodeRpcError } from '../../src/devnet/chain/rpc/errors.ts'
import { createMemoryStore } from '../../src/store/memory-store.ts'
import type { Store } from '../../src/store/store.ts'
import { consolidateCoins } from '../../src/payout/consolidate.ts'
import { createOutbox } from '../../src/payout/outbox.ts'
import { formatPayoutFile, parsePayoutFile, type PayoutFile } from '../../src/payout/payout-file.ts'
import { signatureCounts, signPayout } from '../../src/payout/sign.ts'
import type { Outpoint } from '../../src/payout/transactions.ts'
import { ownerHash } from '../protocol/payout/fixture.ts'
import {
  isFullySigned,
  multisigTreasury,
  type PayoutChain,
  startBlocksOnly,
  startPayoutChain,
  week,
} from './payout-chain.ts'

const nextWeek = weekAfter(week)

interface FileJson {
  payout: { week: string; digest: string } | null
  payer: string
  branch: string
  transactions: unknown[]
}

/** What another gets: the file as text, read again, with what was changed on its way. */
const handOver = (
  { network }: PayoutChain,
  file: PayoutFile,
  change: (json: FileJson) => void = () => undefined,
): PayoutFile => {
  const json = JSON.parse(formatPayoutFile(file, network)) as FileJson
  change(json)
  return parsePayoutFile(JSON.stringify(json), network, 'payout.json')
}

const transactionsOf = (file: PayoutFile): Transaction[] =>
  file.drafts.map(({ fields }) => parseTransaction(serializeTransaction(fields), fields.family))

const join = async ({ node, treasury }: PayoutChain): Promise<PayoutFile> =>
  consolidateCoins({ node, week, redeemScript: treasury.redeemScript, coins: null })

/** The last input of the first transaction is another coin of the payer; what is left over follows. */
const spendingInstead = (file: PayoutFile, { txid, index }: Outpoint, value: bigint): PayoutFile => {
  const { fields, spent } = file.drafts[0]!
  const last = fields.inputs.length - 1
  const change = fields.outputs.length - 1
  const inputs = fields.inputs.with(last, {
    ...fields.inputs[last]!,
    previousTxid: txid,
    previousIndex: index,
  })
  const outputs = fields.outputs.with(change, {
    ...fields.outputs[change]!,
    value: fields.outputs[change]!.value - spent[last]!.value + value,
  })
  const draft = {
    fields: { ...fields, inputs, outputs },
    spent: spent.with(last, { ...spent[last]!, value }),
  }
  return { ...file, drafts: [draft, ...file.drafts.slice(1)] }
}

/** With a further thread, which starts at another output of the same transaction. */
const withThread = ({ profile }: Network, from: string, index: number): Network =>
  networkOf({
    ...profile,
    threads: [...profile.threads, { ...profile.threads[0]!, from: from as Week, index }],
  })

const signOffline = async (
  payout: PayoutChain,
  file: PayoutFile,
  tally: DigestedTally | null,
  network = payout.network,
): Promise<PayoutFile> =>
  signPayout({
    network,
    files: [handOver(payout, file)],
    tally,
    witness: { is: 'outpoint', outpoint: payout.threadStart },
    key: payout.treasury.keys[0]!,
  })

/** As a coordinator signs whose program asks nothing. */
const signBlindly = ({ treasury }: PayoutChain, file: PayoutFile): PayoutFile => ({
  ...file,
  drafts: file.drafts.map(({ fields, spent }) => ({
    fields: {
      ...fields,
      inputs: fields.inputs.map((input, inputIndex) => ({
        ...input,
        script: signaturesOf(
          { fields, inputIndex, spentOutputs: spent, redeemScript: treasury.redeemScript },
          [],
          treasury.keys[0]!,
        ).script,
      })),
    },
    spent,
  })),
})

const aThreadOutput = {
  code: 'PAYOUT_COIN',
  message: expect.stringContaining('is a thread output') as string,
}
const perhapsOne = {
  code: 'PAYOUT_COIN',
  message: expect.stringContaining('may be a thread output') as string,
}

describe('R-PAY-3 a coin that would cut a thread', () => {
  test('R-PAY-3 offline: the thread output that the signer names, among joined coins', async () => {
    await using payout = await startPayoutChain({
      treasury: multisigTreasury(2, 3),
      coins: [5n * coin, coin, coin],
    })
    const cutting = spendingInstead(await join(payout), payout.threadStart, threadValue)
    await expect(signOffline(payout, cutting, null)).rejects.toMatchObject(aThreadOutput)
  })

  test('R-PAY-3 offline: the start of any thread of the profile, past and future', async () => {
    await using payout = await startPayoutChain({ coins: [5n * coin, 2n * coin, coin] })
    const file = await join(payout)
    expect(file.drafts[0]!.fields.inputs.map(({ previousIndex }) => previousIndex)).toContain(3)
    for (const from of ['2026-W30', '2027-W20']) {
      const network = withThread(payout.network, from, 3)
      await expect(signOffline(payout, file, null, network)).rejects.toMatchObject(aThreadOutput)
    }
    expect(isFullySigned(await signOffline(payout, file, null))).toBe(true)
  })

  test('R-PAY-3 offline: what may be where a thread stands, as that of a payout which waits to be mined', async () => {
    await using payout = await startPayoutChain({ coins: [50n * coin, coin, coin] })
    const [{ txid }] = transactionsOf(await payout.build(payout.tally([coin]))) as [Transaction]
    const file = await join(payout)
    const cutting = spendingInstead(file, { txid, index: 0 }, threadValue)
    await expect(signOffline(payout, cutting, null)).rejects.toMatchObject(perhapsOne)
    await signOffline(payout, spendingInstead(file, { txid, index: 1 }, threadValue), null)
    await signOffline(payout, spendingInstead(file, { txid, index: 0 }, threadValue + 1n), null)
  })

  test('R-PAY-3 further inputs of a payout: threads of other rows, offline and with a node', async () => {
    // The first coin alone lacks a fee, so the second goes in, too.
    await using payout = await startPayoutChain({ coins: [2n * coin, coin] })
    const tally = payout.tally([2n * coin - 10_000n])
    const file = await payout.build(tally)
    expect(file.drafts[0]!.fields.inputs).toHaveLength(3)
    const network = withThread(payout.network, '2027-W20', 2)
    await expect(signOffline(payout, file, tally, network)).rejects.toMatchObject(aThreadOutput)
    const [key] = payout.treasury.keys
    const witness = { is: 'node', node: { ...payout.node, network } } as const
    await expect(signPayout({ network, files: [file], tally, witness, key: key! })).rejects.toMatchObject(
      aThreadOutput,
    )
    const perhaps = spendingInstead(file, { txid: new Uint8Array(32).fill(7), index: 0 }, threadValue)
    await expect(signOffline(payout, perhaps, tally)).rejects.toMatchObject(perhapsOne)
    expect(isFullySigned(await signOffline(payout, file, tally))).toBe(true)
  })

  test('R-PAY-3 with a node that cannot say where a thread stands: whatever may be its output', async () => {
    await using payout = await startPayoutChain({ coins: [50n * coin, coin, coin] })
    const tally = payout.tally([coin])
    const signed = await payout.sign(await payout.build(tally), tally)
    await payout.send(signed)
    payout.chain.mine(5)
    const [{ txid }] = transactionsOf(signed) as [Transaction]
    const cutting = spendingInstead(await join(payout), { txid, index: 0 }, threadValue)
    const { network, treasury } = payout
    const sign = async (node: PayoutChain['node']): Promise<PayoutFile> =>
      signPayout({
        network,
        files: [cutting],
        tally: null,
        witness: { is: 'node', node },
        key: treasury.keys[0]!,
      })
    await expect(sign(payout.node)).rejects.toMatchObject(aThreadOutput)
    const server = await startBlocksOnly(payout)
    try {
      await expect(sign(server.node)).rejects.toMatchObject(perhapsOne)
    } finally {
      await server.close()
    }
  })

  test('R-PAY-1 joined coins in more transactions than `consolidate` makes are not signed', async () => {
    await using payout = await startPayoutChain({ coins: [5n * coin, coin, coin] })
    const file = await join(payout)
    const many = { ...file, drafts: Array.from({ length: 101 }, () => file.drafts[0]!) }
    await expect(signOffline(payout, many, null)).rejects.toMatchObject({
      code: 'PAYOUT_MISMATCH',
      message: expect.stringContaining('101 transactions') as string,
    })
  })

  test('R-PAY-3 what was signed blindly is not sent', async () => {
    await using payout = await startPayoutChain({ coins: [5n * coin, coin, coin] })
    const cutting = signBlindly(payout, spendingInstead(await join(payout), payout.threadStart, threadValue))
    expect(isFullySigned(cutting)).toBe(true)
    await expect(payout.send(cutting)).rejects.toMatchObject(aThreadOutput)
    payout.chain.mine(1)
    await payout.build(payout.tally([coin]))
  })
})

const withScripts = (file: PayoutFile, change: (script: Uint8Array) => Uint8Array): PayoutFile => ({
  ...file,
  drafts: file.drafts.map(({ fields, spent }) => ({
    fields: {
      ...fields,
      inputs: fields.inputs.map((input) => ({ ...input, script: change(input.script) })),
    },
    spent,
  })),
})

const pushes = (...each: Uint8Array[]): Uint8Array =>
  Uint8Array.from(each.flatMap((data) => [...pushData(data)]))
const junk = (length: number): Uint8Array => new Uint8Array(length).fill(3)
/** A push with a length byte of its own, where one is not needed. */
const longPushes = (...each: Uint8Array[]): Uint8Array =>
  Uint8Array.from(each.flatMap((data) => [0x4c, data.length, ...data]))

type Tampering = (first: Uint8Array, ...rest: Uint8Array[]) => Uint8Array
const ofMultisig: Record<string, Tampering> = {
  'signatures in another order': (zero, a, b, redeem) => pushes(zero, b!, a!, redeem!),
  'another redeem script': (zero, a, b) => pushes(zero, a!, b!, Uint8Array.of(0x51)),
  'a first push that is not empty': (_, a, b, redeem) => pushes(junk(1), a!, b!, redeem!),
  'a push more': (zero, a, b, redeem) => pushes(zero, a!, b!, junk(3), redeem!),
  'a push that is longer than it need be': (zero, a, b, redeem) => longPushes(zero, a!, b!, redeem!),
  'bytes behind': (...all) => Uint8Array.of(...pushes(...all), 0x61),
  'the same signature twice': (zero, a, _, redeem) => pushes(zero, a!, a!, redeem!),
}
const ofOneKey: Record<string, Tampering> = {
  'a push that is longer than it need be': (...all) => longPushes(...all),
  'a push more': (signature, key) => pushes(junk(1), signature, key!),
  'bytes behind': (...all) => Uint8Array.of(...pushes(...all), 0x61),
}
const tampered = [
  ...Object.entries(ofMultisig).map(([name, change]) => ({ name, change, keys: 3 })),
  ...Object.entries(ofOneKey).map(([name, change]) => ({ name, change, keys: 1 })),
]

const startFor = async (keys: number, methods?: (methods: RpcMethods) => RpcMethods): Promise<PayoutChain> =>
  startPayoutChain({
    coins: [50n * coin],
    ...(keys === 1 ? {} : { treasury: multisigTreasury(2, keys) }),
    ...(methods === undefined ? {} : { methods }),
  })

const bytesOf = async (store: Store, of: Week): Promise<Uint8Array[]> =>
  (await createOutbox(store, 'zcash').ofWeek(of)).map(({ transaction }) => transaction.bytes)

/** The methods of a node that takes or shows other bytes than it should. */
const nodeThat =
  (method: string, says: (params: readonly unknown[]) => unknown) =>
  (methods: RpcMethods): RpcMethods => {
    const real = methods[method]!
    return {
      ...methods,
      [method]: { ...real, run: (params) => says(params) ?? real.run(params) },
    }
  }

describe('R-PAY-3 signatures are judged by the bytes that would be sent', () => {
  test.each(tampered)(
    'R-PAY-3 input scripts with $name ($keys keys): not signed, not stored, and nothing is lost',
    async ({ change, keys }) => {
      await using payout = await startFor(keys)
      const tally = payout.tally([10_000n, 20_000n])
      const good = await payout.sign(await payout.build(tally), tally)
      const bad = handOver(
        payout,
        withScripts(good, (script) => change(...(parsePushes(script) as [Uint8Array]))),
      )
      expect(signatureCounts(bad)).toEqual([{ signatures: 0, required: keys === 1 ? 1 : 2 }])
      const store = createMemoryStore()
      await expect(payout.send(bad, store)).rejects.toMatchObject({ code: 'PAYOUT_UNSIGNED' })
      expect(await bytesOf(store, week)).toEqual([])
      expect(await payout.send(good, store)).toMatchObject([{ state: 'sent' }])
    },
  )

  test('R-PAY-3 `sign` mends what others wrote around good signatures', async () => {
    await using payout = await startFor(3)
    const tally = payout.tally([10_000n])
    const good = await payout.sign(await payout.build(tally), tally)
    const bad = withScripts(good, (script) =>
      ofMultisig['another redeem script']!(...(parsePushes(script) as [Uint8Array])),
    )
    expect(formatPayoutFile(await payout.sign(bad, tally), payout.network)).toBe(
      formatPayoutFile(good, payout.network),
    )
  })

  test.each(tampered)(
    'R-PAY-3 stored bytes with $name ($keys keys) give way to the right ones',
    async ({ change, keys }) => {
      await using payout = await startFor(keys)
      const tally = payout.tally([10_000n])
      const good = await payout.sign(await payout.build(tally), tally)
      const bad = withScripts(good, (script) => change(...(parsePushes(script) as [Uint8Array])))
      const store = createMemoryStore()
      await createOutbox(store, 'zcash').put(week, [{ part: 1, transaction: transactionsOf(bad)[0]! }])
      expect(await payout.send(good, store)).toMatchObject([{ state: 'sent' }])
      expect(await bytesOf(store, week)).toEqual(transactionsOf(good).map(({ bytes }) => bytes))
      payout.chain.mine(1)
      expect(payout.received(0)).toEqual({ value: 10_000n, outputs: 1 })
    },
  )

  test('R-PAY-3 stored bytes that the node refuses give way, though their signatures are good', async () => {
    let refused = ''
    await using payout = await startFor(
      3,
      nodeThat('sendrawtransaction', ([hex]) => {
        if (hex === refused) throw new NodeRpcError(-26, 'another reason')
      }),
    )
    const tally = payout.tally([10_000n])
    const [anna, ben, carl] = payout.treasury.keys
    const file = await payout.build(tally)
    const one = await payout.sign(file, tally, [anna!, ben!])
    const other = await payout.sign(file, tally, [ben!, carl!])
    refused = Buffer.from(transactionsOf(one)[0]!.bytes).toString('hex')
    const store = createMemoryStore()
    await expect(payout.send(one, store)).rejects.toMatchObject({ code: 'PAYOUT_REFUSED' })
    expect(await payout.send(other, store)).toMatchObject([{ state: 'sent' }])
    expect(await bytesOf(store, week)).toEqual(transactionsOf(other).map(({ bytes }) => bytes))
  })

  test('R-PAY-3 stored bytes that the node has stay, however they are written', async () => {
    let known: Transaction | null = null
    await using payout = await startFor(
      3,
      nodeThat('getrawtransaction', ([txid]) =>
        known !== null && txid === Buffer.from(known.txid).reverse().toString('hex')
          ? Buffer.from(known.bytes).toString('hex')
          : undefined,
      ),
    )
    const tally = payout.tally([10_000n])
    const good = await payout.sign(await payout.build(tally), tally)
    const other = withScripts(good, (script) =>
      ofMultisig['a push that is longer than it need be']!(...(parsePushes(script) as [Uint8Array])),
    )
    known = transactionsOf(other)[0]!
    const store = createMemoryStore()
    await createOutbox(store, 'zcash').put(week, [{ part: 1, transaction: known }])
    await payout.send(good, store).catch(() => undefined)
    expect(await bytesOf(store, week)).toEqual([known.bytes])
  })

  test('R-PAY-3 a transaction that spends nothing is not signed', async () => {
    await using payout = await startFor(1)
    const tally = payout.tally([10_000n])
    const signed = await payout.sign(await payout.build(tally), tally)
    const { fields } = signed.drafts[0]!
    const empty = { ...signed, drafts: [{ fields: { ...fields, inputs: [] }, spent: [] }] }
    await expect(payout.send(empty)).rejects.toMatchObject({ code: 'PAYOUT_UNSIGNED' })
  })

  test('R-PAY-3 a script longer or fuller than nodes relay is not searched for signatures', async () => {
    await using payout = await startFor(3)
    const tally = payout.tally([10_000n])
    const one = await payout.sign(await payout.build(tally), tally, [payout.treasury.keys[0]!])
    const { fields, spent } = one.drafts[0]!
    const { redeemScript } = payout.treasury
    const count = (script: Uint8Array): number =>
      signaturesOf({ fields, inputIndex: 0, spentOutputs: spent, redeemScript }, [script], null).signatures
    const [zero, signature, redeem] = parsePushes(fields.inputs[0]!.script) as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ]
    expect(count(pushes(zero, signature, junk(72), junk(72), redeem))).toBe(1)
    expect(count(pushes(zero, signature, junk(72), junk(72), junk(72), redeem))).toBe(0)
    expect(count(pushes(junk(520), signature, junk(520), junk(350), redeem))).toBe(1)
    expect(count(pushes(junk(520), signature, junk(520), junk(520), redeem))).toBe(0)
  })
})

describe('R-PAY-3 what a payout file says of itself is compared with what is signed', () => {
  const changes: Record<string, (json: FileJson) => void> = {
    'another week': (json) => (json.payout!.week = nextWeek),
    'another digest': (json) => (json.payout!.digest = 'ab'.repeat(32)),
    'another branch': (json) => (json.branch = 'deadbeef'),
    'parts in another order': (json) => json.transactions.reverse(),
    'a part twice': (json) => json.transactions.push(json.transactions[1]),
    'a part left out': (json) => json.transactions.splice(1, 1),
    'no payout at all': (json) => (json.payout = null),
  }

  test('R-PAY-3 nothing of it is stored or sent when they differ', async () => {
    await using payout = await startPayoutChain({ coins: [50n * coin] })
    const tally = payout.tally(Array.from({ length: 2_001 }, () => 5_000n))
    const signed = await payout.sign(await payout.build(tally), tally)
    expect(signed.drafts).toHaveLength(3)
    const store = createMemoryStore()
    const refusals: Record<string, unknown> = {}
    for (const [name, change] of Object.entries(changes)) {
      const sent = payout.send(handOver(payout, signed, change), store)
      refusals[name] = await sent.then(
        () => 'sent',
        (error: { code: string }) => error.code,
      )
    }
    expect(refusals).toEqual({
      ...Object.fromEntries(Object.keys(changes).map((name) => [name, 'PAYOUT_ENVELOPE'])),
      'no payout at all': 'PAYOUT_MISMATCH',
    })
    expect(await createOutbox(store, 'zcash').weeks()).toEqual([])
    expect(payout.chain.mempool.entries()).toEqual([])
    expect(await payout.send(handOver(payout, signed), store)).toHaveLength(3)
  })

  test('R-PAY-3 a transaction of another week in the store holds nothing up once it is mined', async () => {
    await using payout = await startPayoutChain({ coins: [50n * coin, 50n * coin] })
    const first = payout.tally([10_000n])
    const second = payout.tally([30_000n], { week: nextWeek, stakeOf: (seat) => ownerHash('next', seat) })
    const signed = await payout.sign(await payout.build(first), first)
    const store = createMemoryStore()
    await payout.send(signed)
    await createOutbox(store, 'zcash').put(nextWeek, [{ part: 1, transaction: transactionsOf(signed)[0]! }])
    payout.chain.mine(4)
    expect(await payout.send(null, store)).toMatchObject([{ week, state: 'confirmed' }])
    const next = await payout.sign(await payout.build(second), second)
    expect(await payout.send(next, store)).toMatchObject([{ week: nextWeek, state: 'sent' }])
  })
})
