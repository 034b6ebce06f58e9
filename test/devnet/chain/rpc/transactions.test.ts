import { afterEach, describe, expect, test } from 'vitest'
import { bytesToHex, hash160 } from '../../../../protocol/index.ts'
import { encodeAddress, encodeWif } from '../../../../src/chain/address.ts'
import { multisigScript, p2shScript } from '../../../../src/chain/formats/script.ts'
import { rejectionError } from '../../../../src/devnet/chain/rpc/errors.ts'
import { missingInputs } from '../../../../src/devnet/chain/rejection.ts'
import { families, firstCoin, someHash160, spendWhole } from '../test-chain.ts'
import { chainName, createNodeStarter, minerAddress, payeeAddress, type Unspent } from './test-node.ts'

const { start, stopAll } = createNodeStarter()
afterEach(stopAll)

describe.for(families)('%s: transactions', (family) => {
  test('create, sign, send: what the node makes is what it takes', async () => {
    const node = await start(family)
    const [coin] = (await node.call('listunspent')) as [Unspent]
    const created = (await node.call('createrawtransaction', [{ txid: coin.txid, vout: coin.vout }], {
      [payeeAddress(family)]: 49.9999,
      ...(family === 'zcash' ? { data: '736563' } : {}),
    })) as string
    const decoded = (await node.call('decoderawtransaction', created)) as Record<string, unknown>
    expect(decoded).toMatchObject({
      vin: [{ txid: coin.txid, vout: coin.vout, scriptSig: { hex: '' } }],
      locktime: 0,
    })
    const refused = family === 'zen' ? -26 : -25
    await expect(node.failure('sendrawtransaction', created)).resolves.toMatchObject({ code: refused })

    const signed = (await node.call('signrawtransaction', created)) as { hex: string; complete: boolean }
    expect(signed.complete).toBe(true)
    const txid = await node.call('sendrawtransaction', signed.hex)
    expect(await node.call('getrawmempool')).toEqual([txid])
    expect(await node.call('getrawtransaction', txid)).toBe(signed.hex)
    node.chain.mine()
    await expect(node.failure('sendrawtransaction', signed.hex)).resolves.toEqual(
      family === 'zen'
        ? { code: -27, message: 'transaction already in block chain' }
        : { code: -1, message: expect.stringMatching(/transaction was committed to the best chain$/) },
    )
  })

  test('signing with keys and outputs that the node does not know: an offline signer', async () => {
    const node = await start(family)
    const stranger = await start(family, { walletSeed: new Uint8Array(32).fill(8) })
    const [coin] = (await node.call('listunspent')) as [Unspent]
    const wif = await node.call('dumpprivkey', coin.address)
    const unsigned = (await node.call('createrawtransaction', [coin], {
      [payeeAddress(family)]: 49.9999,
    })) as string
    expect(await stranger.call('signrawtransaction', unsigned)).toMatchObject({
      complete: false,
      errors: [{ txid: coin.txid, vout: coin.vout, error: 'Input not found or already spent' }],
    })
    const previous = [
      { txid: coin.txid, vout: coin.vout, scriptPubKey: coin.scriptPubKey, amount: coin.amount },
    ]
    expect(await stranger.call('signrawtransaction', unsigned, previous, [])).toMatchObject({
      complete: false,
    })
    const signed = (await stranger.call('signrawtransaction', unsigned, previous, [wif])) as { hex: string }
    expect(signed).toMatchObject({ complete: true })
    await node.call('sendrawtransaction', signed.hex)
    await expect(node.failure('signrawtransaction', unsigned, previous, ['nokey'])).resolves.toMatchObject({
      code: -5,
    })
    await expect(node.failure('signrawtransaction', unsigned, [], [wif], 'SOME')).resolves.toMatchObject({
      code: -8,
    })
    await expect(node.failure('signrawtransaction', 'zz')).resolves.toMatchObject({ code: -22 })
  })

  test('a two-of-three P2SH: each co-signer adds a signature', async () => {
    const node = await start(family)
    const secrets = [11, 12, 13].map((fill) => new Uint8Array(32).fill(fill))
    const wifs = secrets.map((secretKey) => encodeWif(chainName(family), { secretKey, isCompressed: true }))
    const keys = secrets.map((secret) => node.chain.wallet.keys.add(secret, true).publicKey)
    const redeemScript = multisigScript(2, keys)
    const address = encodeAddress(chainName(family), { kind: 'p2sh', hash160: hash160(redeemScript) })
    const funding = await node.call('sendmany', '', { [address]: 10 })
    node.chain.mine()
    const [utxo] = (await node.call('getaddressutxos', { addresses: [address] })) as [
      { script: string; outputIndex: number },
    ]
    const input = { txid: funding, vout: utxo.outputIndex }
    const unsigned = (await node.call('createrawtransaction', [input], {
      [payeeAddress(family)]: 9.999,
    })) as string
    const previous = [
      { ...input, scriptPubKey: utxo.script, redeemScript: bytesToHex(redeemScript), amount: 10 },
    ]
    const byThird = (await node.call('signrawtransaction', unsigned, previous, [wifs[2]])) as {
      hex: string
      complete: boolean
    }
    expect(byThird.complete).toBe(false)
    const refused = family === 'zen' ? -26 : -25
    await expect(node.failure('sendrawtransaction', byThird.hex)).resolves.toMatchObject({ code: refused })
    const byBoth = (await node.call('signrawtransaction', byThird.hex, previous, [wifs[0]])) as {
      hex: string
      complete: boolean
    }
    expect(byBoth.complete).toBe(true)
    await node.call('sendrawtransaction', byBoth.hex)
    node.chain.mine()
    expect(await node.call('getaddressbalance', { addresses: [address] })).toMatchObject({
      balance: 0,
      received: 1_000_000_000,
    })
    expect(bytesToHex(p2shScript(hash160(redeemScript)))).toBe(utxo.script.slice(0, 46))
  })

  test('what sendrawtransaction refuses has the daemons’ codes', async () => {
    const node = await start(family)
    const { chain } = node
    const coin = firstCoin(chain)
    const hex = bytesToHex(spendWhole(chain, coin))
    const unknown = bytesToHex(spendWhole(chain, { ...coin, index: 5 }))
    await expect(node.failure('sendrawtransaction', unknown)).resolves.toEqual({
      code: -25,
      message:
        family === 'zen'
          ? 'Missing inputs'
          : expect.stringMatching(/could not find transparent input UTXO in the best chain or mempool$/),
    })
    for (const dialect of ['zend', 'zebrad'] as const) {
      expect(rejectionError(missingInputs, dialect).code).toBe(-25)
    }
    const txid = await node.call('sendrawtransaction', hex)
    const rival = bytesToHex(spendWhole(chain, coin, { to: someHash160(2) }))
    await expect(node.failure('sendrawtransaction', rival)).resolves.toEqual({
      code: family === 'zen' ? -26 : -25,
      message:
        family === 'zen'
          ? '18: txn-mempool-conflict'
          : expect.stringMatching(/another transaction in the mempool has already spent some of its inputs$/),
    })
    if (family === 'zen') expect(await node.call('sendrawtransaction', hex)).toBe(txid)
    else await expect(node.failure('sendrawtransaction', hex)).resolves.toMatchObject({ code: -1 })
    await expect(node.failure('sendrawtransaction', `${hex}00`)).resolves.toMatchObject({ code: -22 })
    await expect(node.failure('sendrawtransaction', '')).resolves.toMatchObject({ code: -22 })
  })

  test.for([
    [[{ txid: 'ab', vout: 0 }], {}, -8],
    [[{ txid: 'ab'.repeat(32) }], {}, -8],
    [[{ txid: 'ab'.repeat(32), vout: -1 }], {}, -8],
    [[], { nonsense: 1 }, -5],
    [[], { ADDRESS: -1 }, -3],
    [[], { ADDRESS: 0.123456789 }, -3],
    [[], { ADDRESS: true }, -3],
    ['text', {}, -3],
  ] as const)('createrawtransaction %j %j', async ([inputs, outputs, code]) => {
    const node = await start(family)
    const named = Object.fromEntries(
      Object.entries(outputs).map(([name, amount]) => [
        name === 'ADDRESS' ? payeeAddress(family) : name,
        amount,
      ]),
    )
    await expect(node.failure('createrawtransaction', inputs, named)).resolves.toMatchObject({ code })
  })

  test('the mempool in words', async () => {
    const node = await start(family)
    const [miner] = [await minerAddress(node)]
    const first = (await node.call('sendmany', '', { [miner]: 1 })) as string
    const verbose = (await node.call('getrawmempool', true)) as Record<string, { size: number; fee: number }>
    expect(verbose[first]).toMatchObject({ fee: 0.0001, height: 12, depends: [] })
    expect(await node.call('getmempoolinfo')).toEqual({
      size: 1,
      bytes: verbose[first]!.size,
      usage: verbose[first]!.size,
    })
  })
})
