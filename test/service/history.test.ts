import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  bytesToHex,
  type ChallengerState,
  cidOf,
  decodeQuestion,
  decodeReceipt,
  encodeReceipt,
  signPayload,
  type Week,
} from '../../protocol/index.ts'
import { encodeQuestion } from '../../protocol/question.ts'
import { createEd25519Verifier } from '../../src/keys/ed25519.ts'
import { type PreparedDevnet, prepareDevnet } from '../../src/devnet/prepare.ts'
import { assembleNode } from '../../src/service/assemble.ts'
import { createControlServer } from '../../src/web/control/server.ts'
import { formatHistory, type HistoryOwner, importHistory, parseHistory } from '../../src/service/history.ts'
import { createHistoryStore, type SignedRows } from '../../src/store/history.ts'
import { prefixes } from '../../src/store/keys.ts'
import { readReceiptRow } from '../../src/store/work.ts'
import { createMemoryStore } from '../../src/store/memory-store.ts'
import { openStore } from '../../src/store/open.ts'
import type { Store } from '../../src/store/store.ts'
import { realWorld } from '../../src/world.ts'
import { runInProcess } from '../cli/in-process.ts'
import { readyNodes } from '../fixtures/ready-nodes.ts'
import { copyOf, createFailingStore } from '../fixtures/stores.ts'
import {
  attestedBy,
  attestOtherwise,
  createTestNetwork,
  play,
  type TestNetwork,
  type TestNode,
} from '../fixtures/test-network.ts'
import { silent, until } from '../net/local-hosts.ts'
import { seedOf } from '../protocol/fixture.ts'
import { newDirectory } from '../store/directories.ts'

const world = realWorld()
const epoch = 3
const week = '2026-W47' as Week

let network: TestNetwork
let owner: HistoryOwner

beforeEach(async () => {
  network = await createTestNetwork({
    nodes: 5,
    params: { committee: 3, attestBlocks: 2, retries: 1 },
    genesis: { epochBlocks: 8, confirmations: 2 },
  })
  owner = {
    host: 'n0.devnet.test',
    networkId: network.networkId,
    family: 'zcash',
    stake: network.rows[0]!.stake,
    keys: network.keys[0]!,
    verify: createEd25519Verifier({ maxKeys: 1 }).verify,
  }
})
afterEach(() => network.stop())

/** Version 1, one input, one output. */
const transaction = Uint8Array.from(
  Buffer.from(`0100000001${'22'.repeat(32)}0000000000ffffffff0101000000000000000000000000`, 'hex'),
)

const none: SignedRows = { attestations: [], votes: [], receipts: [], work: [], evidence: [], payouts: [] }

const rowsOf = (store: Store): Promise<SignedRows> => createHistoryStore(store, 'memory').read()

/** A node that has attested, answered, voted and paid, in the middle of an epoch; it is stopped. */
const worked = async (): Promise<{ node: TestNode; others: TestNode[]; text: string }> => {
  const nodes = await readyNodes(network)
  const [node, ...others] = nodes as [TestNode, ...TestNode[]]
  await until(() => nodes.every(({ daemon }) => !daemon.isRecovering()))
  await play(nodes, network.height(epoch, 4))
  await until(async () => (await attestedBy(node, epoch - 1)) !== undefined)
  await node.daemon.checkpoints.recordVote(week, { view: 2, checkpoint: cidOf(Uint8Array.of(7)) })
  await node.stop()
  const history = createHistoryStore(node.store, 'memory')
  await history.write({ ...none, payouts: [{ week, part: 0, bytes: transaction }] })
  return { node, others, text: formatHistory(await history.read(), owner, world) }
}

const take = (store: Store, text: string) =>
  importHistory(createHistoryStore(store, 'memory'), parseHistory(text, owner), owner)

/** The file with other rows, and a checksum that fits. */
const changed = (text: string, change: (rows: SignedRows) => void): string => {
  const rows = parseHistory(text, owner)
  change(rows)
  return formatHistory(rows, owner, world)
}

describe('R-ATT-8 a history', () => {
  test('holds everything that was signed, and comes whole into another store on disk', async () => {
    const { node, text } = await worked()
    const rows = await rowsOf(node.store)
    expect(rows.attestations.length).toBeGreaterThan(0)
    expect(rows.receipts.length).toBeGreaterThan(0)
    expect(rows.votes).toHaveLength(1)
    expect(rows.work.length).toBeGreaterThan(0)
    expect(rows.payouts).toHaveLength(1)
    // Auditors ask for it two epochs later, wherever the node is by then (R-EVID-2).
    expect(rows.evidence.map((one) => one.epoch)).toEqual(rows.attestations.map((one) => one.epoch))
    const directory = newDirectory()
    await using store = await openStore({ directory, networkId: network.networkId })
    const summary = await take(store, text)
    expect(await rowsOf(store)).toEqual(rows)
    expect(summary).toMatchObject({ lastEpoch: epoch - 1, votes: 1, payouts: 1 })
    // A second time it is the same.
    await take(store, text)
    expect(await rowsOf(store)).toEqual(rows)
    expect(text).not.toContain(bytesToHex(network.keys[0]!.seed))
  })

  test('a node that goes on with it in the same epoch gives nobody a second nonce, and attests', async () => {
    const { others, text } = await worked()
    const store = createMemoryStore()
    await take(store, text)
    const moved = await network.start(0, { store, ip: network.ip(20), height: network.height(epoch, 4) })
    network.addresses.set(moved.row.host, [network.ip(20)])
    await until(() => moved.daemon.challenger.state() !== null)
    await until(() => !moved.daemon.isRecovering())
    await play([moved, ...others], network.attests(epoch))
    await until(async () => (await attestedBy(moved, epoch)) !== undefined)
    expect([...(await attestedBy(moved, epoch))!.verdicts]).toEqual([0, 0, 0])
    for (const other of others) {
      expect(await other.count('challengesAnswered', { answer: 'second-nonce' })).toBe(0)
      const nonces = new Set<string>()
      const range = { gte: Uint8Array.of(prefixes.receipt), lt: Uint8Array.of(prefixes.receipt + 1) }
      for await (const [, row] of other.store.range(range)) {
        const receipt = decodeReceipt(readReceiptRow(row, 'memory').receipt.payload)!
        if (receipt.challengerSeat === moved.row.seat && receipt.epoch === epoch) {
          nonces.add(bytesToHex(receipt.nonce))
        }
      }
      expect(nonces.size).toBeLessThanOrEqual(1)
    }
  })
})

describe('R-ATT-8 a history goes only forward', () => {
  test.each([
    ['an attestation', (rows: SignedRows) => void rows.attestations.pop()],
    ['a vote', (rows: SignedRows) => void rows.votes.pop()],
    ['a receipt of the last epoch', (rows: SignedRows) => void rows.receipts.pop()],
    ['the nonces of the last epoch', (rows: SignedRows) => void rows.work.pop()],
    ['a payout', (rows: SignedRows) => void rows.payouts.pop()],
  ])('one that lacks %s which the store knows is refused, and nothing is written', async (_what, lose) => {
    const { node, text } = await worked()
    const store = await copyOf(node.store)
    const before = await rowsOf(store)
    await expect(take(store, changed(text, lose))).rejects.toMatchObject({ code: 'HISTORY_OLDER' })
    expect(await rowsOf(store)).toEqual(before)
  })

  test('one from before the last epochs is refused', async () => {
    const { node, others, text } = await worked()
    const again = await network.start(0, { store: node.store, height: network.height(epoch, 4) })
    await until(() => !again.daemon.isRecovering())
    await play([again, ...others], network.height(epoch + 3, 2))
    await again.stop()
    await expect(take(node.store, text)).rejects.toMatchObject({ code: 'HISTORY_OLDER' })
  })

  /** What the store signed otherwise than the file says. */
  const differing = async (
    kind: keyof SignedRows,
    rows: SignedRows,
    other: TestNode,
  ): Promise<SignedRows> => {
    switch (kind) {
      case 'attestations': {
        const context = await other.context(epoch - 1)
        const { beacon } = context
        const signed = attestOtherwise(network, context, 0)
        return { ...none, attestations: [{ epoch: epoch - 1, beacon, signed }] }
      }
      case 'receipts': {
        const one = rows.receipts.at(-1)!
        const payload = encodeReceipt({ ...decodeReceipt(one.receipt.payload)!, nonce: seedOf('nonce') })
        const receipt = signPayload('receipt', network.networkId, payload, network.keys[0]!.sign)
        const asked = { ...decodeQuestion(one.question.payload)!, nonce: seedOf('nonce') }
        const question = { ...one.question, payload: encodeQuestion(asked) }
        return { ...none, receipts: [{ ...one, question, receipt }] }
      }
      case 'work':
        return { ...none, work: [{ ...rows.work.at(-1)!, secret: seedOf('secret') }] }
      case 'payouts':
        return { ...none, payouts: [{ week, part: 0, bytes: Uint8Array.of(...transaction, 1) }] }
      case 'votes':
        throw new Error('a vote for another checkpoint is another vote')
      case 'evidence':
        throw new Error('evidence is what its attestation names')
    }
  }

  test.each(['attestations', 'receipts', 'work', 'payouts'] as const)(
    '%s that differ from what the store knows are a conflict, and nothing is written',
    async (kind) => {
      const { node, others, text } = await worked()
      const store = createMemoryStore()
      await createHistoryStore(store, 'memory').write(
        await differing(kind, await rowsOf(node.store), others[0]!),
      )
      const before = await rowsOf(store)
      await expect(take(store, text)).rejects.toMatchObject({ code: 'HISTORY_CONFLICT' })
      expect(await rowsOf(store)).toEqual(before)
    },
  )

  test('what was signed with an earlier key of the node is of no account', async () => {
    const { others, text } = await worked()
    const store = createMemoryStore()
    const context = await others[0]!.context(epoch - 1)
    const signed = attestOtherwise(network, context, 1)
    const attestations = [{ epoch: epoch - 1, beacon: seedOf('beacon'), signed }]
    await createHistoryStore(store, 'memory').write({ ...none, attestations })
    expect(await take(store, text)).toMatchObject({ lastEpoch: epoch - 1 })
  })

  test('the record of an epoch at hand stays where it is further than the file', async () => {
    const { node, text } = await worked()
    const store = await copyOf(node.store)
    const { work } = await rowsOf(store)
    const further = work.map((state): ChallengerState => ({ ...state, stage: 'done' }))
    await createHistoryStore(store, 'memory').write({ ...none, work: further })
    await take(store, text)
    expect((await rowsOf(store)).work).toEqual(further)
  })

  test('a disk that gives out leaves nothing of it', async () => {
    const { text } = await worked()
    const disk = createMemoryStore()
    const failing = createFailingStore(disk)
    failing.failAfter(0, { isWritten: false })
    await expect(take(failing, text)).rejects.toMatchObject({ code: 'STORE_FULL' })
    expect(await rowsOf(disk)).toEqual(none)
  })
})

describe('R-ATT-8 a history that cannot be trusted is refused', () => {
  const damage: [string, (text: string) => string][] = [
    ['cut off', (text) => text.slice(0, -20)],
    ['another format', (text) => text.replace('secnode history 1', 'secnode history 2')],
    ['an unknown field', (text) => text.replace('{"format"', '{"more":1,"format"')],
    ['not an object', () => '[]'],
    [
      'one byte of a signature',
      (text) => text.replace(/"signature":"(.)/, (_all, one) => `"signature":"${one === 'A' ? 'B' : 'A'}`),
    ],
    [
      'an epoch less, with the old checksum',
      (text) => text.replace(/"attestations":\[\{[^}]*\},?/, '"attestations":['),
    ],
  ]
  test.each(damage)('%s: damaged', async (_what, change) => {
    const { text } = await worked()
    expect(change(text)).not.toBe(text)
    const store = createMemoryStore()
    await expect((async () => await take(store, change(text)))()).rejects.toMatchObject({
      code: 'HISTORY_DAMAGED',
      exitCode: 2,
    })
    expect(await rowsOf(store)).toEqual(none)
  })

  test('the same row twice: damaged', async () => {
    const { text } = await worked()
    const twice = changed(text, ({ votes }) => void votes.push(votes[0]!))
    expect(() => parseHistory(twice, owner)).toThrow(expect.objectContaining({ code: 'HISTORY_DAMAGED' }))
  })

  test('a payout that is not a transaction: damaged', async () => {
    const { text } = await worked()
    const bad = changed(text, ({ payouts }) => void (payouts[0]!.bytes = Uint8Array.of(1, 2, 3)))
    expect(() => parseHistory(bad, owner)).toThrow(expect.objectContaining({ code: 'HISTORY_DAMAGED' }))
  })

  test('evidence that no attestation in it names: damaged', async () => {
    const { text } = await worked()
    const file = JSON.parse(text) as { signed: { evidence: { block: string }[] }; sha256: string }
    file.signed.evidence[0]!.block = 'AAAA'
    file.sha256 = createHash('sha256').update(JSON.stringify(file.signed)).digest('hex')
    const damaged = expect.objectContaining({
      code: 'HISTORY_DAMAGED',
      message: expect.stringContaining('evidence'),
    })
    expect(() => parseHistory(JSON.stringify(file), owner)).toThrow(damaged)
  })

  test('of another key, stake or network: foreign; so is one row with a signature of another key', async () => {
    const { text } = await worked()
    const others: Partial<HistoryOwner>[] = [
      { keys: network.keys[1]! },
      { stake: network.rows[1]!.stake },
      { networkId: '00'.repeat(16) as HistoryOwner['networkId'] },
      // Whoever writes another name into the file has none of its signatures.
      { keys: { ...network.keys[1]!, peerId: network.keys[0]!.peerId } },
    ]
    for (const other of others) {
      expect(() => parseHistory(text, { ...owner, ...other })).toThrow(
        expect.objectContaining({ code: 'HISTORY_FOREIGN', exitCode: 2 }),
      )
    }
  })
})

describe('secnode history', () => {
  let dir: string
  let devnet: PreparedDevnet

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'secnode-history-'))
    devnet = await prepareDevnet(
      { nodes: 2, epochs: 3, seed: 84, with: {}, profile: 'devnet' },
      join(dir, 'net'),
      world,
    )
  })
  afterAll(async () => {
    await devnet.close()
    rmSync(dir, { recursive: true, force: true })
  })

  test('export and import: files, exit codes, and nothing overwritten', async () => {
    const { configFile, config } = devnet.nodes[0]!
    const file = join(dir, 'n0.history')
    const unknown = await runInProcess('history', 'export', '--config', configFile, '-o', file)
    expect(unknown).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('[DIR_UNKNOWN]') })

    const node = await assembleNode(config, { logger: silent, world })
    const control = createControlServer(node, config.dir, silent)
    await control.start()
    const running = await runInProcess('history', 'export', '--config', configFile, '-o', file, '--json')
    expect(JSON.parse(running.stdout)).toMatchObject({ file, isRunning: true })
    expect(statSync(file).mode & 0o077).toBe(0)
    const locked = await runInProcess('history', 'import', file, '--config', configFile)
    expect(locked).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('[STORE_LOCKED]') })
    await control.stop()
    await node.stop()

    const again = await runInProcess('history', 'export', '--config', configFile, '-o', file)
    expect(again).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('[HISTORY_IN_THE_WAY]') })
    const printed = await runInProcess('history', 'export', '--config', configFile, '-o', '-')
    expect(JSON.parse(printed.stdout)).toMatchObject({
      signed: JSON.parse(readFileSync(file, 'utf8')).signed,
    })

    const taken = await runInProcess('history', 'import', file, '--config', configFile)
    expect(taken).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('0 attestations; 0 votes') })
    const other = await runInProcess('history', 'import', file, '--config', devnet.nodes[1]!.configFile)
    expect(other).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('[HISTORY_FOREIGN]') })
  })
})
