import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  coin,
  type DigestedTally,
  formatTally,
  hash160,
  type OutputTemplate,
  reversedHex,
  threadValue,
  type Week,
  bytesToHex,
  paramsHash,
  paramsOfWeek,
} from '../../protocol/index.ts'
import { multisigScript } from '../../src/chain/formats/script.ts'
import type { Network } from '../../src/chain/profiles.ts'
import {
  getBlockCount,
  getBlockHash,
  invalidateBlock,
  sendRawTransaction,
} from '../../src/chain-node/rpc/methods.ts'
import { profileJson } from '../../src/service/data-dir.ts'
import { tallyOf } from '../protocol/payout/fixture.ts'
import { newDirectory } from '../store/directories.ts'
import { wifOf } from '../payout/payout-chain.ts'
import { mine } from './blocks.ts'
import { runSecnode } from './command.ts'
import { addressOf, keyOf, regtestWith } from './networks.ts'
import { startProxy } from './proxy.ts'
import { matureCoins, mineIn, spend } from './treasury.ts'
import { startZebrad, untilTrue, type Zebrad } from './zebrad.ts'

const branchId = 0x37a5165b
const payees = 50
const minerKey = keyOf('miner')
/** Two of three coordinators spend for the treasury. */
const coordinators = [0, 1, 2].map((number) => keyOf('coordinator', number))
const redeemScript = multisigScript(
  2,
  coordinators.map(({ publicKey }) => publicKey),
)
const treasury: OutputTemplate = { kind: 'p2sh', hash160: hash160(redeemScript) }

const folder = newDirectory()
const file = (name: string): string => join(folder, name)

let zebrad: Zebrad
let network: Network
let node: string[]

/** A tally whose anchor lies in a block of this chain, deep enough. */
const tallyFor = async (week: string, amounts: readonly bigint[]): Promise<DigestedTally> => {
  const height = (await getBlockCount(zebrad.rpc)) - 10
  const tally = tallyOf({
    network: network.networkId,
    week: week as Week,
    amounts,
    params: bytesToHex(paramsHash(paramsOfWeek(network.profile.schedule, week as Week))),
    anchor: { height, hash: reversedHex((await getBlockHash(zebrad.rpc, height))!) },
  })
  writeFileSync(file(`${week}.json`), `${formatTally(tally)}\n`)
  return tally
}

beforeAll(async () => {
  zebrad = await startZebrad({ miner: { address: addressOf(minerKey) } })
  const { rpc } = zebrad
  await mine(rpc, 180)
  // The thread's first output and three coins of the treasury, from coinbases by way of the miner's key.
  const coins = (await matureCoins(rpc, minerKey)).slice(0, 60)
  const values = [threadValue, 100n * coin, 100n * coin, 100n * coin]
  const change =
    coins.reduce((sum, { value }) => sum + value, 0n) - values.reduce((a, b) => a + b) - 1_000_000n
  const funding = spend({
    key: minerKey,
    coins,
    outputs: [
      ...values.map((value) => ({ value, to: treasury })),
      { value: change, to: { kind: 'p2pkh', hash160: hash160(minerKey.publicKey) } },
    ],
    branchId,
  })
  await sendRawTransaction(rpc, funding.bytes, funding.txid)
  await mineIn(rpc, funding.txid)
  await mine(rpc, 10)
  network = await regtestWith({
    threads: [{ from: '2026-W40' as Week, txid: reversedHex(funding.txid), index: 0 }],
  })
  writeFileSync(file('profile.json'), profileJson(network.profile))
  for (const [i, key] of coordinators.entries()) {
    writeFileSync(file(`key-${i}`), wifOf(network, key), { mode: 0o600 })
  }
  mkdirSync(file('outbox'))
  node = ['--profile', file('profile.json'), '--rpc', zebrad.url]
})
afterAll(async () => zebrad?.[Symbol.asyncDispose]())

const payout = (args: readonly string[]) => runSecnode(['payout', ...args])

const buildAndSign = async (week: string, name: string): Promise<string> => {
  const tally = ['--tally', file(`${week}.json`)]
  const script = Buffer.from(redeemScript).toString('hex')
  const unsigned = file(`${name}.json`)
  const built = await payout([
    'build',
    ...node,
    ...tally,
    '--redeem-script',
    script,
    '--out',
    unsigned,
    '--json',
  ])
  expect(built).toMatchObject({ exitCode: 0, stderr: '' })
  expect(JSON.parse(built.stdout)).toMatchObject({ week, parts: 1, firstPart: 1, leftOut: [] })
  let signed = unsigned
  for (const i of [0, 2]) {
    const next = file(`${name}-${i}.json`)
    const sign = await payout(['sign', signed, ...node, ...tally, '--key', file(`key-${i}`), '--out', next])
    expect(sign).toMatchObject({ exitCode: 0, stderr: '' })
    signed = next
  }
  return signed
}

const verify = async (week: string): Promise<Record<string, unknown>> => {
  const verified = await payout(['verify', ...node, '--tally', file(`${week}.json`), '--json'])
  return { exitCode: verified.exitCode, ...(JSON.parse(verified.stdout) as Record<string, unknown>) }
}

const send = (signed: string, week: string, rest: readonly string[] = []) =>
  payout(['send', signed, ...node, '--dir', file('outbox'), '--tally', file(`${week}.json`), ...rest])

describe('payouts on a real chain', () => {
  test('R-PAY-1 … R-PAY-4 50 payees are paid along the thread by two coordinators, and verified', async () => {
    await tallyFor(
      '2026-W47',
      Array.from({ length: payees }, (_, seat) => coin + BigInt(seat)),
    )
    const before = await verify('2026-W47')
    expect(before).toMatchObject({ exitCode: 1, isMatch: false, paid: '0' })

    const signed = await buildAndSign('2026-W47', 'first')
    const sent = await send(signed, '2026-W47')
    expect(sent).toMatchObject({ exitCode: 0, stderr: '' })
    const txid = /^2026-W47 1\/1 sent ([0-9a-f]{64})\n$/.exec(sent.stdout)![1]!
    // Sending again, as after a crash, is no error while it waits.
    expect(await send(signed, '2026-W47')).toMatchObject({ exitCode: 0, stdout: sent.stdout })
    await mineIn(zebrad.rpc, new Uint8Array(Buffer.from(txid, 'hex').reverse()))
    expect(await send(signed, '2026-W47')).toMatchObject({
      exitCode: 0,
      stdout: `2026-W47 1/1 confirmed ${txid}\n`,
    })

    const after = await verify('2026-W47')
    expect(after).toMatchObject({
      exitCode: 0,
      isMatch: true,
      isThreadChecked: true,
      due: (50n * coin + 1_225n).toString(),
      paid: (50n * coin + 1_225n).toString(),
      strangers: [],
      transactions: [{ txid, part: 1, faults: [] }],
      missingParts: [],
    })
    const rows = after['payees'] as { state: string }[]
    expect(rows).toHaveLength(payees)
    expect(new Set(rows.map(({ state }) => state))).toEqual(new Set(['exact']))
    // It is never built again.
    const again = await payout([
      'build',
      ...node,
      '--tally',
      file('2026-W47.json'),
      '--redeem-script',
      Buffer.from(redeemScript).toString('hex'),
      '--out',
      file('again.json'),
    ])
    expect(again.exitCode).toBe(1)
    expect(again.stderr).toContain('[PAYOUT_PAID]')
  })

  test('R-PAY-2 a second payout of another week goes on from the first; its twin spends the same thread and is refused', async () => {
    await tallyFor('2026-W48', [coin, 2n * coin])
    const one = await buildAndSign('2026-W48', 'one')
    const script = Buffer.from(redeemScript).toString('hex')
    const sent = await send(one, '2026-W48')
    expect(sent.exitCode).toBe(0)
    // While it waits, no other is built by mistake.
    const waiting = await payout([
      'build',
      ...node,
      '--tally',
      file('2026-W48.json'),
      '--redeem-script',
      script,
      '--out',
      file('twin.json'),
    ])
    expect(waiting.stderr).toContain('[PAYOUT_WAITING]')
    // A twin with other coins, signed by others who know nothing of the first: the node takes only one.
    await tallyFor('2026-W49', [3n * coin])
    const built = await payout([
      'build',
      ...node,
      '--tally',
      file('2026-W49.json'),
      '--redeem-script',
      script,
      '--replace',
      '--out',
      file('other.json'),
    ])
    expect(built).toMatchObject({ exitCode: 0, stderr: '' })
    let signed = file('other.json')
    for (const i of [0, 1]) {
      const next = file(`other-${i}.json`)
      const sign = await payout([
        'sign',
        signed,
        ...node,
        '--tally',
        file('2026-W49.json'),
        '--key',
        file(`key-${i}`),
        '--out',
        next,
      ])
      expect(sign).toMatchObject({ exitCode: 0, stderr: '' })
      signed = next
    }
    mkdirSync(file('outbox-2'))
    const refused = await payout(['send', signed, ...node, '--dir', file('outbox-2')])
    expect(refused.exitCode).toBe(1)
    expect(refused.stderr).toContain('[PAYOUT_REFUSED]')
    expect(refused.stderr).toContain(
      'another transaction in the mempool has already spent some of its inputs',
    )
    const txid = /sent ([0-9a-f]{64})/.exec(sent.stdout)![1]!
    await mineIn(zebrad.rpc, new Uint8Array(Buffer.from(txid, 'hex').reverse()))
    expect(await verify('2026-W48')).toMatchObject({ exitCode: 0, isMatch: true })
    expect(await verify('2026-W49')).toMatchObject({ exitCode: 1, isMatch: false, paid: '0' })
  })

  test('R-PAY-3 after a reorganisation the same bytes are sent again and mined again', async () => {
    await tallyFor('2026-W50', [coin])
    const signed = await buildAndSign('2026-W50', 'reorganised')
    const sent = await send(signed, '2026-W50')
    const txid = /sent ([0-9a-f]{64})/.exec(sent.stdout)![1]!
    await mineIn(zebrad.rpc, new Uint8Array(Buffer.from(txid, 'hex').reverse()))
    expect(await verify('2026-W50')).toMatchObject({ isMatch: true })
    const tip = await getBlockCount(zebrad.rpc)
    await invalidateBlock(zebrad.rpc, (await getBlockHash(zebrad.rpc, tip))!)
    // zebrad answers a moment before its tip has changed for others.
    await untilTrue(async () => (await getBlockCount(zebrad.rpc)) === tip - 1, 10_000)
    expect(await verify('2026-W50')).toMatchObject({ isMatch: false, paid: '0' })
    const again = await payout(['send', ...node, '--dir', file('outbox'), '--week', '2026-W50'])
    expect(again).toMatchObject({ exitCode: 0, stderr: '', stdout: `2026-W50 1/1 sent ${txid}\n` })
    await mineIn(zebrad.rpc, new Uint8Array(Buffer.from(txid, 'hex').reverse()))
    expect(await verify('2026-W50')).toMatchObject({ isMatch: true })
  })

  test('secnode payout status reads the whole thread; what it asks of the node', async () => {
    await using proxy = await startProxy(zebrad.url)
    const begun = performance.now()
    const status = await payout([
      'status',
      '--profile',
      file('profile.json'),
      '--rpc',
      proxy.url,
      '--tally',
      ...['2026-W47', '2026-W48', '2026-W50'].map((week) => file(`${week}.json`)),
      '--json',
    ])
    expect(status).toMatchObject({ exitCode: 0, stderr: '' })
    expect(JSON.parse(status.stdout)).toMatchObject({
      weeks: [{ payout: 'paid' }, { payout: 'paid' }, { payout: 'paid' }],
    })
    process.stderr.write(
      `payout status: ${JSON.stringify(Object.fromEntries(proxy.calls))}, ${Math.round(performance.now() - begun)} ms\n`,
    )
  })
})
