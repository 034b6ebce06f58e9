import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { coin, type DigestedTally, formatTally, ownerOf, reversedHex } from '../../protocol/index.ts'
import { parseTransaction } from '../../src/chain/formats/transaction.ts'
import { profileJson } from '../../src/service/data-dir.ts'
import { payTo, spendCoins } from '../devnet/chain/test-chain.ts'
import { newDirectory } from '../store/directories.ts'
import { multisigTreasury, type PayoutChain, startPayoutChain, wifOf } from '../payout/payout-chain.ts'
import { type Run, runAsProcess, runInProcess } from './in-process.ts'

const run = (args: readonly string[]): Promise<Run> => runInProcess('payout', ...args)
const runProcess = (args: readonly string[]): Promise<Run> => runAsProcess(['payout', ...args])

describe('secnode payout', () => {
  const folder = newDirectory()
  const file = (name: string): string => join(folder, name)
  let payout: PayoutChain
  let tally: DigestedTally
  let node: string[]

  const writeTally = async (name: string, each: DigestedTally): Promise<string> => {
    await writeFile(file(name), `${formatTally(each)}\n`)
    return file(name)
  }

  beforeAll(async () => {
    payout = await startPayoutChain({ treasury: multisigTreasury(2, 3) })
    tally = payout.tally([coin, 2n * coin, 17n])
    await writeFile(file('profile.json'), profileJson(payout.network.profile))
    await writeTally('tally.json', tally)
    for (const [i, key] of payout.treasury.keys.entries()) {
      await writeFile(file(`key-${i}`), wifOf(payout.network, key), { mode: 0o600 })
    }
    node = ['--profile', file('profile.json'), '--rpc', payout.server.url]
    await mkdir(file('outbox'))
  })
  afterAll(async () => {
    await payout[Symbol.asyncDispose]()
  })

  const redeemScript = (): string => Buffer.from(payout.treasury.redeemScript!).toString('hex')

  test('R-PAY-1 … R-PAY-4 a week from tally to verification, by two coordinators', async () => {
    const nothing = await run(['verify', ...node, '--tally', file('tally.json'), '--json'])
    expect(nothing).toMatchObject({ exitCode: 1, stderr: '' })
    expect(JSON.parse(nothing.stdout)).toMatchObject({ isMatch: false, due: '300000000', paid: '0' })

    const built = await run([
      'build',
      ...node,
      '--tally',
      file('tally.json'),
      '--redeem-script',
      redeemScript(),
      '--out',
      file('payout.json'),
      '--json',
    ])
    expect(built).toMatchObject({ exitCode: 0, stderr: '' })
    expect(JSON.parse(built.stdout)).toEqual({
      week: '2026-W47',
      digest: tally.digest,
      anchor: tally.document.anchor,
      total: '300000000',
      payees: 2,
      parts: 1,
      firstPart: 1,
      leftOut: [{ seat: 2, amount: '17', why: 'dust' }],
      transactions: [
        { txid: expect.stringMatching(/^[0-9a-f]{64}$/) as string, inputs: 2, outputs: 5, fee: '30000' },
      ],
      file: file('payout.json'),
    })

    const first = await run([
      'sign',
      file('payout.json'),
      ...node,
      '--tally',
      file('tally.json'),
      '--key',
      file('key-0'),
      '--out',
      file('anna.json'),
    ])
    expect(first).toMatchObject({ exitCode: 0, stderr: '' })
    expect(first.stdout).toBe(
      `transaction 1: 1 of 2 signatures\nwritten to ${file('anna.json')}; more signatures are needed\n`,
    )
    const early = await run(['send', file('anna.json'), ...node, '--dir', file('outbox')])
    expect(early).toMatchObject({ exitCode: 2, stdout: '' })
    expect(early.stderr).toContain('[PAYOUT_UNSIGNED]')

    // The second signs on a machine without a node, and vouches for the thread.
    const thread = `${reversedHex(payout.threadStart.txid)}:${payout.threadStart.index}`
    const second = await run([
      'sign',
      file('payout.json'),
      '--profile',
      file('profile.json'),
      '--thread',
      thread,
      '--tally',
      file('tally.json'),
      '--key',
      file('key-2'),
      '--out',
      file('carl.json'),
    ])
    expect(second).toMatchObject({ exitCode: 0, stderr: '' })
    const merged = await run([
      'sign',
      file('anna.json'),
      file('carl.json'),
      ...node,
      '--tally',
      file('tally.json'),
      '--out',
      file('signed.json'),
      '--json',
    ])
    expect(JSON.parse(merged.stdout)).toMatchObject({
      isComplete: true,
      transactions: [{ signatures: 2, required: 2 }],
    })

    const sent = await run([
      'send',
      file('signed.json'),
      ...node,
      '--dir',
      file('outbox'),
      '--tally',
      file('tally.json'),
    ])
    expect(sent).toMatchObject({ exitCode: 0, stderr: '' })
    expect(sent.stdout).toMatch(/^2026-W47 1\/1 sent [0-9a-f]{64}\n$/)
    payout.chain.mine(1)
    const again = await run(['send', ...node, '--dir', file('outbox'), '--json'])
    expect(JSON.parse(again.stdout)).toMatchObject([
      { week: '2026-W47', part: 1, parts: 1, state: 'confirmed' },
    ])

    const verified = await run(['verify', ...node, '--tally', file('tally.json')])
    expect(verified).toEqual({
      exitCode: 0,
      stderr: '',
      stdout: 'week 2026-W47: 2 of 2 payees exact, paid 3.00000000 of 3.00000000\nmatch\n',
    })
    // Without a chain, from the bytes themselves.
    const { hex } = (
      JSON.parse(await readFile(file('signed.json'), 'utf8')) as { transactions: { hex: string }[] }
    ).transactions[0]!
    await writeFile(file('tx.hex'), hex)
    const offline = await run([
      'verify',
      file('tx.hex'),
      '--profile',
      file('profile.json'),
      '--tally',
      file('tally.json'),
      '--json',
    ])
    expect(offline.exitCode).toBe(0)
    expect(JSON.parse(offline.stdout)).toMatchObject({ isMatch: true, isThreadChecked: false })

    const status = await run(['status', ...node, '--tally', file('tally.json')])
    expect(status).toMatchObject({ exitCode: 0, stderr: '' })
    expect(status.stdout).toMatch(
      /2026-W47 {2}anchored {2}paid +3\.00000000 {2}3\.00000000 {2}0\.00000000 +1\n/,
    )

    const twice = await run([
      'build',
      ...node,
      '--tally',
      file('tally.json'),
      '--redeem-script',
      redeemScript(),
      '--out',
      file('again.json'),
    ])
    expect(twice.exitCode).toBe(1)
    expect(twice.stderr).toContain('[PAYOUT_PAID]')
    await expect(stat(file('again.json'))).rejects.toThrow('ENOENT')
  })

  test('R-PAY-4 another tally is no match, and says what differs', async () => {
    const other = await writeTally('other.json', payout.tally([coin, 3n * coin]))
    const verified = await runProcess(['verify', ...node, '--tally', other])
    expect(verified.exitCode).toBe(1)
    expect(verified.stdout).toContain('seat 1: short, paid 2.00000000 of 3.00000000\n')
    expect(verified.stdout).toContain(': wrong marker\n')
    expect(verified.stdout).toMatch(/NO MATCH\n$/)
    const status = await run(['status', ...node, '--tally', other, '--json'])
    expect(status.exitCode).toBe(1)
    expect(JSON.parse(status.stdout)).toMatchObject({
      weeks: [
        {
          week: '2026-W47',
          payout: 'differs',
          due: '400000000',
          paid: '300000000',
          difference: '-100000000',
        },
      ],
      threads: [{ from: '2026-W40', payouts: 1, unmarked: [] }],
    })
  })

  test('R-PAY-4 what was paid beside the thread is said, and is no match if it marks the week', async () => {
    await using other = await startPayoutChain({ coins: [50n * coin, 20n * coin, 10n * coin] })
    const { chain, network, treasury } = other
    const week = other.tally([coin, 2n * coin])
    const signed = await other.sign(await other.build(week), week)
    await other.send(signed)
    chain.mine(1)
    await writeFile(file('profile-2.json'), profileJson(network.profile))
    const args = ['verify', '--profile', file('profile-2.json'), '--rpc', other.server.url]
    args.push('--tally', await writeTally('tally-2.json', week))
    const quiet = JSON.parse((await run([...args, '--json'])).stdout) as { beside: unknown }
    expect(quiet.beside).toEqual([])

    chain.wallet.keys.add(treasury.keys[0]!.secretKey, true)
    const spend = (value: bigint, outputs: Parameters<typeof spendCoins>[1]['outputs']): string => {
      const owned = chain.tree.coins.addresses.unspent(ownerOf(treasury.payer)!)
      const coins = owned.filter((each) => each.value === value)
      const bytes = spendCoins(chain, { coins, outputs })
      expect(chain.submitTransaction(bytes, { allowHighFees: true }).is).toBe('accept')
      chain.mine(1)
      return reversedHex(parseTransaction(bytes, 'zcash').txid)
    }
    const gift = spend(20n * coin, [payTo(chain, new Uint8Array(20).fill(9), 19n * coin)])
    const told = await run(args)
    expect(told).toEqual({
      exitCode: 0,
      stderr: '',
      stdout:
        'week 2026-W47: 2 of 2 payees exact, paid 3.00000000 of 3.00000000\n' +
        `beside the thread: ${gift} pays 0.00000000 to seats of the week (0), 19.00000000 to others\nmatch\n`,
    })
    const again = spend(10n * coin, signed.drafts[0]!.fields.outputs.slice(0, 4))
    const twice = await run(args)
    expect(twice.exitCode).toBe(1)
    expect(twice.stdout).toContain(
      `beside the thread: ${again}, marked 2026-W47 1/1, pays 3.00000000 to seats of the week (2), 0.00000000 to others\n`,
    )
    expect(twice.stdout).toMatch(/\nmatch on the thread, PAID BESIDE IT TOO\n$/)
    expect(JSON.parse((await run([...args, '--json'])).stdout)).toMatchObject({
      isMatch: true,
      beside: [
        { txid: gift, week: null, seats: [], toSeats: '0', toOthers: '1900000000', isOpaque: false },
        { txid: again, week: '2026-W47', seats: [0, 1], toSeats: '300000000', toOthers: '0' },
      ],
    })
  })

  test('R-PAY-3 wrong use ends with exit code 2 and says what to do', async () => {
    const forged = { ...JSON.parse(formatTally(tally)), week: '2026-W46' } as object
    await writeFile(file('forged.json'), JSON.stringify(forged))
    const cases: [string[], string][] = [
      [['verify', ...node, '--tally', file('forged.json')], '[PAYOUT_TALLY_FILE]'],
      [['verify', ...node, '--tally', file('none.json')], '[CLI_CANNOT_READ]'],
      [['verify', '--profile', file('profile.json'), '--tally', file('tally.json')], '[PAYOUT_NO_NODE]'],
      [['sign', file('payout.json'), '--profile', file('profile.json'), '--out', file('x.json')], '[USAGE]'],
      [['sign', file('tally.json'), ...node, '--out', file('x.json')], '[PAYOUT_FILE]'],
      [['sign', file('payout.json'), ...node, '--out', file('x.json')], '[PAYOUT_NO_TALLY]'],
      [['status', '--profile', 'devnet', '--rpc', payout.server.url], '[PAYOUT_NO_THREAD]'],
      [['build', ...node, '--tally', file('tally.json')], '--out'],
    ]
    for (const [args, text] of cases) {
      const { exitCode, stdout, stderr } = await run(args)
      expect([args[0], exitCode, stdout]).toEqual([args[0], 2, ''])
      expect(stderr).toContain(text)
    }
    await chmod(file('key-0'), 0o644)
    const open = await run([
      'sign',
      file('payout.json'),
      ...node,
      '--tally',
      file('tally.json'),
      '--key',
      file('key-0'),
      '--out',
      file('x.json'),
    ])
    expect(open.exitCode).toBe(2)
    expect(open.stderr).toContain('[PAYOUT_KEY_MODE]')
    await expect(stat(file('x.json'))).rejects.toThrow('ENOENT')
  })

  test('every command shows an example', async () => {
    for (const name of ['build', 'consolidate', 'sign', 'send', 'verify', 'status']) {
      const { exitCode, stdout } = await run([name, '--help'])
      expect(exitCode).toBe(0)
      expect(stdout).toContain(`$ secnode payout ${name}`)
      expect(stdout).toContain('--json')
    }
  })
})
