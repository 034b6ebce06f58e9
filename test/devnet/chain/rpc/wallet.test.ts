import { afterEach, describe, expect, test } from 'vitest'
import { bytesToHex, reversedHex } from '../../../../protocol/index.ts'
import { decodeAddress, encodeAddress } from '../../../../src/chain/address.ts'
import { parseTransaction } from '../../../../src/chain/formats/transaction.ts'
import { memosOf, memoText, type ViewingKeys } from '../../../../src/chain/notes/index.ts'
import { COIN } from '../../../../src/devnet/chain/parameters.ts'
import { families, someHash160 } from '../test-chain.ts'
import {
  chainName,
  createNodeStarter,
  minerAddress,
  newAddress,
  payeeAddress,
  saplingKeys,
  shieldedAddress,
  sproutKeys,
  untilFinished,
  type Unspent,
} from './test-node.ts'

const { start, stopAll } = createNodeStarter()
afterEach(stopAll)

describe.for(families)('%s: wallet', (family) => {
  test('listunspent filters by confirmations and address; lockunspent keeps coins from being spent', async () => {
    const node = await start(family)
    const all = (await node.call('listunspent')) as Unspent[]
    expect(all).toHaveLength(11)
    expect(await node.call('listunspent', 12)).toHaveLength(1)
    expect(await node.call('listunspent', 1, 3)).toHaveLength(2)
    expect(await node.call('listunspent', 1, 99, [await newAddress(node)])).toEqual([])
    const stake = all[0]!
    expect(await node.call('lockunspent', false, [{ txid: stake.txid, vout: stake.vout }])).toBe(true)
    expect(await node.call('listlockunspent')).toEqual([{ txid: stake.txid, vout: stake.vout }])
    expect(await node.call('listunspent')).toHaveLength(10)
    await expect(node.failure('sendmany', '', { [payeeAddress(family)]: 550 - 0.01 })).resolves.toMatchObject(
      { code: -6 },
    )
    expect(await node.call('lockunspent', true)).toBe(true)
    expect(await node.call('listlockunspent')).toEqual([])
    await node.call('sendmany', '', { [payeeAddress(family)]: 550 - 0.01 })
  })

  test('sendmany: several payees in one transaction, and its errors', async () => {
    const node = await start(family)
    const amounts = { [payeeAddress(family, 1)]: 1.5, [payeeAddress(family, 2)]: 2 }
    const txid = await node.call('sendmany', '', amounts, 1, 'a comment')
    const { transaction } = node.chain.mempool.entries()[0]!
    expect(reversedHex(transaction.txid)).toBe(txid)
    expect(transaction.outputs.slice(0, 2).map(({ value }) => value)).toEqual([150_000_000n, 2n * COIN])
    await expect(node.failure('sendmany', 'account', amounts)).resolves.toMatchObject({ code: -8 })
    await expect(node.failure('sendmany', '', { nonsense: 1 })).resolves.toMatchObject({ code: -5 })
    await expect(node.failure('sendmany', '', { [payeeAddress(family)]: 0 })).resolves.toMatchObject({
      code: -3,
    })
    await expect(node.failure('sendmany', '', { [payeeAddress(family)]: 10_000 })).resolves.toMatchObject({
      code: -6,
    })
    expect(await node.call('sendtoaddress', payeeAddress(family), 1)).toMatch(/^[0-9a-f]{64}$/)
  })

  test('keys in and out: dumpprivkey, importprivkey', async () => {
    const node = await start(family)
    const address = await newAddress(node)
    const other = await start(family, { walletSeed: new Uint8Array(32).fill(8) })
    await expect(other.failure('dumpprivkey', address)).resolves.toMatchObject({ code: -4 })
    expect(await other.call('importprivkey', await node.call('dumpprivkey', address))).toBe(address)
    expect(await other.call('dumpprivkey', address)).toBe(await node.call('dumpprivkey', address))
    await expect(other.failure('importprivkey', 'nonsense')).resolves.toMatchObject({ code: -5 })
    expect(await node.call('getbalance')).toBe(550)
  })

  test('R-REG-2 signmessage and verifymessage', async () => {
    const node = await start(family)
    const address = await newAddress(node)
    const signature = (await node.call('signmessage', address, 'grüß Gott')) as string
    expect(Buffer.from(signature, 'base64')).toHaveLength(65)
    expect(await node.call('verifymessage', address, signature, 'grüß Gott')).toBe(true)
    expect(await node.call('verifymessage', address, signature, 'gruss Gott')).toBe(false)
    expect(await node.call('verifymessage', await newAddress(node), signature, 'grüß Gott')).toBe(false)
    await expect(node.failure('signmessage', payeeAddress(family), 'x')).resolves.toEqual({
      code: -4,
      message: 'Private key not available',
    })
    await expect(node.failure('signmessage', 'nonsense', 'x')).resolves.toMatchObject({ code: -3 })
    await expect(node.failure('verifymessage', address, 'no base64!', 'x')).resolves.toMatchObject({
      code: -5,
    })
    const script = encodeAddress(chainName(family), { kind: 'p2sh', hash160: someHash160(1) })
    await expect(node.failure('signmessage', script, 'x')).resolves.toEqual({
      code: -3,
      message: 'Address does not refer to key',
    })
  })
})

describe.for(families)('%s: z_sendmany', (family) => {
  test('R-REG-1 a stake output and a memo in one transaction, found by the viewing key', async () => {
    const node = await start(family)
    const stake = await newAddress(node)
    const memo = `secnode:1 peer=x ${'y'.repeat(400)}`
    const id = await node.call('z_sendmany', await minerAddress(node), [
      { address: stake, amount: 42 },
      { address: shieldedAddress(family), amount: 0.0001, memo: Buffer.from(memo).toString('hex') },
    ])
    expect(id).toMatch(/^opid-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    const operation = await untilFinished(node, id)
    expect(operation).toMatchObject({
      id,
      status: 'success',
      method: 'z_sendmany',
      creation_time: 1_794_800_000,
    })
    const { txid } = operation['result'] as { txid: string }
    expect(await node.call('z_listoperationids')).toEqual([id])
    expect(await node.call('z_listoperationids', 'failed')).toEqual([])
    expect(await node.call('z_getoperationresult', [id])).toEqual([operation])
    expect(await node.call('z_getoperationresult')).toEqual([])
    expect(await node.call('z_getoperationstatus', [id])).toEqual([])
    await node.call('generate', 1)
    const hex = (await node.call('getrawtransaction', txid)) as string
    const mined = parseTransaction(new Uint8Array(Buffer.from(hex, 'hex')), family)
    expect(mined.outputs[0]!.value).toBe(42n * COIN)
    const keys = family === 'zen' ? { sprout: sproutKeys.viewingKey } : { sapling: saplingKeys.ivk }
    const found = memosOf(mined, keys as ViewingKeys)
    expect(found.map(({ amount, memo: bytes }) => [amount, memoText(bytes)])).toEqual([[10_000n, memo]])
    expect(await node.call('getaddressbalance', { addresses: [stake] })).toMatchObject({
      balance: 4_200_000_000,
    })
  })

  test('a failing operation says why', async () => {
    const node = await start(family)
    const id = await node.call('z_sendmany', await minerAddress(node), [
      { address: payeeAddress(family), amount: 9999 },
    ])
    expect(await untilFinished(node, id)).toMatchObject({ status: 'failed', error: { code: -6 } })
  })

  test('coins come from the named address only; any transparent one on zcashd’s word', async () => {
    const node = await start(family)
    const empty = await newAddress(node)
    const id = await node.call('z_sendmany', empty, [{ address: payeeAddress(family), amount: 1 }])
    expect(await untilFinished(node, id)).toMatchObject({ status: 'failed', error: { code: -6 } })
    if (family === 'zcash') {
      const any = await node.call(
        'z_sendmany',
        'ANY_TADDR',
        [{ address: payeeAddress(family), amount: 1 }],
        1,
        null,
      )
      expect(await untilFinished(node, any)).toMatchObject({ status: 'success' })
    } else {
      await expect(
        node.failure('z_sendmany', 'ANY_TADDR', [{ address: payeeAddress(family), amount: 1 }]),
      ).resolves.toMatchObject({ code: -5 })
    }
  })

  test('a fee that is named is paid; one above what is sent is refused', async () => {
    const node = await start(family)
    const from = await minerAddress(node)
    const id = await node.call('z_sendmany', from, [{ address: payeeAddress(family), amount: 1 }], 1, 0.001)
    expect(await untilFinished(node, id)).toMatchObject({
      status: 'success',
      params: { fee: 0.001, minconf: 1 },
    })
    expect(node.chain.mempool.entries()[0]!.fee).toBe(100_000n)
    await expect(
      node.failure('z_sendmany', from, [{ address: payeeAddress(family), amount: 0.001 }], 1, 0.01),
    ).resolves.toMatchObject({ code: -8 })
  })

  test.for([
    [[], -8],
    [[{ address: 'TRANSPARENT', amount: 1, memo: '61' }], -8],
    [[{ address: 'SHIELDED', amount: 1, memo: 'xy' }], -8],
    [[{ address: 'SHIELDED', amount: 1, memo: '61'.repeat(513) }], -8],
    [[{ address: 'SHIELDED', amount: 1, extra: 1 }], -8],
    [
      [
        { address: 'SHIELDED', amount: 1 },
        { address: 'SHIELDED', amount: 2 },
      ],
      -8,
    ],
    [[{ address: 'nonsense', amount: 1 }], -8],
    [[{ address: 'SHIELDED', amount: -1 }], -3],
    ['text', -1],
  ] as const)('recipients that are refused: %j', async ([recipients, code]) => {
    const node = await start(family)
    const named =
      typeof recipients === 'string'
        ? recipients
        : recipients.map((recipient) => ({
            ...recipient,
            address: recipient.address
              .replace('TRANSPARENT', payeeAddress(family))
              .replace('SHIELDED', shieldedAddress(family)),
          }))
    await expect(node.failure('z_sendmany', await minerAddress(node), named)).resolves.toMatchObject({ code })
    await expect(
      node.failure('z_sendmany', shieldedAddress(family), [{ address: payeeAddress(family), amount: 1 }]),
    ).resolves.toMatchObject({ code: -5 })
  })
})

test('zcash: privacy policies that cannot be kept are refused', async () => {
  const node = await start('zcash')
  const recipients = [{ address: payeeAddress('zcash'), amount: 1 }]
  const send = (policy: string) => node.failure('z_sendmany', 'ANY_TADDR', recipients, 1, null, policy)
  await expect(send('FullPrivacy')).resolves.toMatchObject({ code: -4 })
  await expect(send('AllowRevealedSenders')).resolves.toMatchObject({ code: -4 })
  await expect(send('Whatever')).resolves.toMatchObject({ code: -8 })
  expect(await node.call('z_sendmany', 'ANY_TADDR', recipients, 1, null, 'AllowFullyTransparent')).toMatch(
    /^opid-/,
  )
})

test('zen: change goes back to its source on request', async () => {
  const node = await start('zen')
  const from = await minerAddress(node)
  const id = await node.call(
    'z_sendmany',
    from,
    [{ address: payeeAddress('zen'), amount: 1 }],
    1,
    0.0001,
    true,
  )
  await untilFinished(node, id)
  const [, change] = node.chain.mempool.entries()[0]!.transaction.outputs
  expect(bytesToHex(change!.script)).toContain(bytesToHex(decodeAddress(from).hash160))
})
