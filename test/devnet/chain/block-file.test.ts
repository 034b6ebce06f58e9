import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openBlockFile } from '../../../src/devnet/chain/block-file.ts'
import { COIN } from '../../../src/devnet/chain/parameters.ts'
import { isSecnodeError } from '../../../src/errors.ts'
import { createTestChain, families, someHash160 } from './test-chain.ts'

let directory = ''
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'secnode-blocks-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

describe.for(families)('%s: block file', (family) => {
  /** A chain with payments and a reorganisation, all of it written to the file. */
  const writeChain = (path: string) => {
    const chain = createTestChain(family)
    const file = openBlockFile(path, chain)
    chain.mine(10)
    chain.wallet.pay({ payees: [{ kind: 'p2pkh', hash160: someHash160(1), value: COIN }] })
    chain.mine(2)
    chain.reorganise(2, 4)
    chain.mine(1)
    chain.reorganise(1, 1)
    file.close()
    return chain
  }

  test('a chain that is written and read again is the same, side branches included', () => {
    const path = join(directory, 'blocks.dat')
    const written = writeChain(path)
    const chain = createTestChain(family)
    const file = openBlockFile(path, chain)
    expect(chain.tip.hash).toEqual(written.tip.hash)
    expect([...chain.tree.entries()].map(({ hash }) => hash)).toEqual(
      [...written.tree.entries()].map(({ hash }) => hash),
    )
    expect(file.blocksRead).toBe([...written.tree.entries()].length - 1)
    expect(chain.wallet.coins()).toEqual(written.wallet.coins())
    // The key that got the change is not handed out a second time.
    expect(chain.wallet.keys.next().owner).toBe(written.wallet.keys.next().owner)
    chain.mine(3)
    file.close()
    const again = createTestChain(family)
    openBlockFile(path, again).close()
    expect(again.tip.hash).toEqual(chain.tip.hash)
  })

  test('a block that a crash cut short is cut off and mining goes on', () => {
    const path = join(directory, 'blocks.dat')
    const written = writeChain(path)
    truncateSync(path, readFileSync(path).length - 5)
    const chain = createTestChain(family)
    const file = openBlockFile(path, chain)
    expect(file.blocksRead).toBe([...written.tree.entries()].length - 2)
    chain.mine(2)
    file.close()
    const again = createTestChain(family)
    openBlockFile(path, again).close()
    expect(again.tip.hash).toEqual(chain.tip.hash)
  })

  test('another chain’s file, and one that is no block file, are refused', () => {
    const path = join(directory, 'blocks.dat')
    writeChain(path)
    const refused = expect.toSatisfy((error) => isSecnodeError(error, 'DEVNET_BLOCK_FILE'))
    const other = createTestChain(family, { startTime: 1_600_000_000 })
    expect(() => openBlockFile(path, other)).toThrow(refused)
    writeFileSync(path, 'no blocks at all')
    expect(() => openBlockFile(path, createTestChain(family))).toThrow(refused)
  })
})
