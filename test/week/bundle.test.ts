import { PassThrough, Writable } from 'node:stream'
import { CarReader } from '@ipld/car/reader'
import { CarWriter } from '@ipld/car/writer'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  cidOf,
  decodeCheckpoint,
  encodeCheckpoint,
  encodeCanonical,
  epochRoot,
  maxAttestationBytes,
} from '../../protocol/index.ts'
import {
  decodeAttestationBlock,
  decodeBySchema,
  encodeAttestationBlock,
  maxAttestationBlockBytes,
  rowsPerBlock,
} from '../../src/week/attestation-block.ts'
import {
  exportBundle,
  importBundle,
  verifyBundle,
  type VerifyBundleOptions,
  type WeekData,
} from '../../src/week/bundle.ts'
import { readBundle } from '../../src/week/read-bundle.ts'
import { createRoot } from '../../src/week/root.ts'
import { sha256, sinkOf } from '../../src/week-io/native.ts'
import { seedOf } from '../protocol/fixture.ts'
import { type AnchoredSet, createAnchoredSet, earlierWeek, week } from './anchored-set.ts'

const bundleOf = async (source: WeekData, withEvidence = false): Promise<Uint8Array> => {
  const chunks: Uint8Array[] = []
  const out = new Writable({
    write: (chunk: Uint8Array, _, done) => {
      chunks.push(chunk)
      done()
    },
  })
  await exportBundle(source, week, sinkOf(out), { sha256, withEvidence })
  return new Uint8Array(Buffer.concat(chunks))
}

/** A file in pieces of any size, as a disk or a network gives it. */
async function* inPieces(bytes: Uint8Array, size = 1_000): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < bytes.length; offset += size) yield bytes.subarray(offset, offset + size)
}

const codeOf = async (
  bytes: Uint8Array,
  options: Omit<VerifyBundleOptions, 'sha256'> = {},
): Promise<string> => {
  try {
    await verifyBundle(inPieces(bytes), { sha256, ...options })
    return 'ok'
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  }
}

const messageOf = async (bytes: Uint8Array): Promise<string> => {
  try {
    await verifyBundle(inPieces(bytes), { sha256 })
    return 'ok'
  } catch (error) {
    return (error as Error).message
  }
}

interface CarBlock {
  cid: ReturnType<typeof cidOf>
  bytes: Uint8Array
}

const blocksOf = async (bytes: Uint8Array): Promise<CarBlock[]> => {
  const reader = await CarReader.fromBytes(bytes)
  const blocks: CarBlock[] = []
  for await (const block of reader.blocks()) blocks.push(block as CarBlock)
  return blocks
}

const carOf = async (root: CarBlock['cid'], blocks: readonly CarBlock[]): Promise<Uint8Array> => {
  const { writer, out } = CarWriter.create([root])
  const written = (async () => {
    for (const block of blocks) await writer.put(block)
    await writer.close()
  })()
  const chunks: Uint8Array[] = []
  for await (const chunk of out) chunks.push(chunk)
  await written
  return new Uint8Array(Buffer.concat(chunks))
}

const small = createAnchoredSet({
  epochs: [
    [earlierWeek, [5, 6]],
    [week, [7, 8, 9]],
  ],
  equivocators: [2],
})

describe('R-CP-8 a bundle', () => {
  test('is a CAR file whose one root is the checkpoint, and whose blocks are what their CIDs say', async () => {
    const bytes = await bundleOf(small.source)
    const reader = await CarReader.fromBytes(bytes)
    expect((await reader.getRoots()).map(String)).toEqual([small.chain.anchored.toString()])
    const blocks = await blocksOf(bytes)
    expect(blocks.every((block) => cidOf(block.bytes).equals(block.cid))).toBe(true)
    expect(blocks[0]!.cid.equals(small.chain.anchored)).toBe(true)
    // Checkpoint, a page of proofs, and one block for each of five epochs, from the last to the first.
    expect(blocks).toHaveLength(7)
    const epochs = blocks.slice(2).map((block) => decodeAttestationBlock(block.bytes)!.epoch)
    expect(epochs).toEqual([9, 8, 7, 6, 5])
  })

  test('is verified as it was written, whatever pieces it comes in', async () => {
    const bytes = await bundleOf(small.source)
    for (const size of [1, 7, 64, 4_096, bytes.length]) {
      const summary = await verifyBundle(inPieces(bytes, size), { sha256, anchored: small.chain.anchored })
      expect(summary).toMatchObject({ weeks: [earlierWeek, week], blocks: 7, attestations: 25, evidence: 0 })
    }
  })

  test('has the same bytes whoever writes it', async () => {
    const again = createAnchoredSet({
      epochs: [
        [earlierWeek, [5, 6]],
        [week, [7, 8, 9]],
      ],
      equivocators: [2],
    })
    expect(await bundleOf(again.source)).toEqual(await bundleOf(small.source))
  })

  test('of more than a block an epoch is cut into full blocks', async () => {
    const big = createAnchoredSet({ seats: rowsPerBlock + 3, epochs: [[week, [10]]] })
    const bytes = await bundleOf(big.source)
    const blocks = await blocksOf(bytes)
    expect(blocks.slice(1).map((block) => decodeAttestationBlock(block.bytes)!.rows.length)).toEqual([512, 3])
    expect(await codeOf(bytes)).toBe('ok')
  })

  test('with evidence holds each block after the attestations that name it', async () => {
    const bytes = await bundleOf(small.source, true)
    const summary = await verifyBundle(inPieces(bytes), { sha256 })
    expect(summary).toMatchObject({ attestations: 25, evidence: 25, blocks: 32 })
    const seen = new Map<string, number>()
    await importBundle(
      () => inPieces(bytes),
      {
        evidence: async ({ epoch }, cid, block) => {
          expect(cidOf(block).equals(cid)).toBe(true)
          seen.set(cid.toString(), epoch)
        },
      },
      { sha256 },
    )
    expect(seen.size).toBe(25)
  })

  test('without some of the evidence is still whole: evidence is kept for some weeks only', async () => {
    const source = { ...small.source, block: withoutEvidence(small) }
    const summary = await verifyBundle(inPieces(await bundleOf(source, true)), { sha256 })
    expect(summary).toMatchObject({ attestations: 25, evidence: 0 })
  })

  test('of an epoch in which nobody attested has no block for it', async () => {
    const silent = createAnchoredSet({ attests: (epoch) => epoch !== 11 })
    const bytes = await bundleOf(silent.source)
    expect(await verifyBundle(inPieces(bytes), { sha256 })).toMatchObject({ blocks: 3, attestations: 12 })
  })
})

/** Pages of proofs only. */
const withoutEvidence =
  ({ source }: AnchoredSet): WeekData['block'] =>
  async (cid) => {
    const block = await source.block(cid)
    return block !== undefined && Buffer.from(block).includes('proofs') ? block : undefined
  }

describe('R-CP-8 a bundle that is not whole', () => {
  test('cut anywhere, it is said to be cut', async () => {
    const bytes = await bundleOf(small.source, true)
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: bytes.length - 1 }), async (length) => {
        expect(await codeOf(bytes.subarray(0, length))).toBe('BUNDLE_CUT')
      }),
      { numRuns: 60 },
    )
  })

  test('damaged in the head of an id, it is never taken for whole', async () => {
    const bytes = await bundleOf(small.source)
    // Version, codec, hash and length of each CID: not among the bytes that are hashed.
    const head = Uint8Array.of(0x01, 0x71, 0x12, 0x20)
    const starts: number[] = []
    for (
      let at = Buffer.from(bytes).indexOf(head);
      at !== -1;
      at = Buffer.from(bytes).indexOf(head, at + 1)
    ) {
      starts.push(at)
    }
    expect(starts.length).toBeGreaterThan(3)
    for (const at of starts.flatMap((start) => [start, start + 1, start + 2, start + 3])) {
      const damaged = bytes.slice()
      damaged[at]! ^= 1
      const code = await codeOf(damaged, { anchored: small.chain.anchored })
      expect(code).toMatch(/^BUNDLE_(?:DAMAGED|CUT|PADDED|FOREIGN)$/)
    }
  })

  test('damaged anywhere, it is never taken for whole', async () => {
    const bytes = await bundleOf(small.source)
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
        const damaged = bytes.slice()
        damaged[at]! ^= change
        const code = await codeOf(damaged, { anchored: small.chain.anchored })
        expect(code).toMatch(/^BUNDLE_(?:DAMAGED|CUT|PADDED|FOREIGN)$/)
      }),
      { numRuns: 150 },
    )
  })

  test('the block is named by number and byte', async () => {
    const bytes = await bundleOf(small.source)
    const blocks = await blocksOf(bytes)
    const damaged = bytes.slice()
    const place = Buffer.from(bytes).indexOf(blocks[4]!.bytes)
    damaged[place + 300]! ^= 1
    expect(await messageOf(damaged)).toMatch(/^block 4 at byte \d+: its bytes are not those of bafyrei/)
  })

  test('padded with another block, or the same twice, it is padded', async () => {
    const bytes = await bundleOf(small.source)
    const blocks = await blocksOf(bytes)
    const extra = encodeCanonical(['evidence', 'of nobody'])
    const root = small.chain.anchored
    const padding = { cid: cidOf(extra), bytes: extra }
    expect(await codeOf(await carOf(root, [...blocks, padding]))).toBe('BUNDLE_PADDED')
    expect(await codeOf(await carOf(root, [...blocks, blocks.at(-1)!]))).toBe('BUNDLE_PADDED')
    expect(await codeOf(await carOf(root, [...blocks.slice(0, 4), padding, ...blocks.slice(4)]))).toBe(
      'BUNDLE_PADDED',
    )
    expect(await codeOf(new Uint8Array([...bytes, 0]))).toBe('BUNDLE_CUT')
    expect(await codeOf(new Uint8Array([...bytes, 0x25]))).toBe('BUNDLE_CUT')
    expect(await codeOf(new Uint8Array([...bytes, ...new Uint8Array(64)]))).toBe('BUNDLE_DAMAGED')
  })

  test('evidence twice, or before what names it, is padding', async () => {
    const bytes = await bundleOf(small.source, true)
    const blocks = await blocksOf(bytes)
    const root = small.chain.anchored
    const at = blocks.findIndex((block) => Buffer.from(block.bytes).includes('evidence'))
    const twice = [...blocks.slice(0, at + 1), blocks[at]!, ...blocks.slice(at + 1)]
    expect(await codeOf(await carOf(root, twice))).toBe('BUNDLE_PADDED')
    const later = [...blocks.slice(0, at), blocks[at + 1]!, blocks[at]!, ...blocks.slice(at + 2)]
    expect(await codeOf(await carOf(root, later))).toBe('BUNDLE_PADDED')
  })

  test('with blocks of something else, or in another order, it is foreign or damaged', async () => {
    const bytes = await bundleOf(small.source)
    const blocks = await blocksOf(bytes)
    const root = small.chain.anchored
    const swapped = [...blocks.slice(0, 2), blocks[3]!, blocks[2]!, ...blocks.slice(4)]
    expect(await codeOf(await carOf(root, swapped))).toBe('BUNDLE_FOREIGN')
    expect(await codeOf(await carOf(root, [blocks[1]!, blocks[0]!, ...blocks.slice(2)]))).toBe(
      'BUNDLE_DAMAGED',
    )
    expect(await codeOf(await carOf(blocks[2]!.cid, blocks))).toBe('BUNDLE_DAMAGED')
    expect(await codeOf(await carOf(root, [blocks[0]!, ...blocks.slice(2)]))).toBe('BUNDLE_FOREIGN')
    expect(await codeOf(bytes, { anchored: cidOf(seedOf('another')) })).toBe('BUNDLE_FOREIGN')
    const rows = decodeAttestationBlock(blocks[3]!.bytes)!
    const reordered = encodeAttestationBlock({ ...rows, rows: rows.rows.toReversed() })
    const exchanged = blocks.map((block, i) =>
      i === 3 ? { cid: cidOf(reordered), bytes: reordered } : block,
    )
    expect(await codeOf(await carOf(root, exchanged))).toBe('BUNDLE_DAMAGED')
  })

  test('with another attestation of a seat in its place, the root shows it', async () => {
    const other = createAnchoredSet({ isLinked: () => false })
    const honest = createAnchoredSet({})
    const blocks = await blocksOf(await bundleOf(honest.source))
    const foreign = await blocksOf(await bundleOf(other.source))
    const mixed = blocks.map((block, i) => (i === 1 ? foreign[1]! : block))
    expect(await codeOf(await carOf(honest.chain.anchored, mixed))).toBe('BUNDLE_DAMAGED')
    expect(await messageOf(await carOf(honest.chain.anchored, mixed))).toContain('does not have the root')
  })

  test('an epoch of no attestations with a root of some is damaged', async () => {
    const silent = createAnchoredSet({ attests: (epoch) => epoch !== 11 })
    const payload = (await silent.source.checkpointOf(week))!
    const decoded = decodeCheckpoint(payload)
    if (decoded.is === 'bad') throw new Error(decoded.code)
    const [listed] = decoded.value.weeks
    const lying = encodeCheckpoint({
      ...decoded.value,
      weeks: [
        {
          ...listed!,
          epochs: listed!.epochs.map((row) => (row.count === 0 ? { ...row, root: seedOf('some') } : row)),
        },
      ],
    })
    const blocks = await blocksOf(await bundleOf(silent.source))
    const car = await carOf(cidOf(lying), [{ cid: cidOf(lying), bytes: lying }, ...blocks.slice(1)])
    expect(await codeOf(car)).toBe('BUNDLE_DAMAGED')
  })

  test('a length that nobody can mean is refused before anything is gathered', async () => {
    const bytes = await bundleOf(small.source)
    const [, first] = await blocksOf(bytes)
    const start = Buffer.from(bytes).indexOf(first!.cid.bytes) - 2
    // A section of 2^42 bytes, followed by as much as anybody cares to send.
    const huge = Uint8Array.of(0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01)
    let sent = 0
    async function* endless(): AsyncGenerator<Uint8Array> {
      yield bytes.subarray(0, start)
      yield huge
      yield first!.cid.bytes
      for (;;) {
        sent += 65_536
        if (sent > 64 * 1_048_576) throw new Error('the reader gathers without end')
        yield new Uint8Array(65_536)
      }
    }
    await expect(verifyBundle(endless(), { sha256 })).rejects.toMatchObject({ code: 'BUNDLE_DAMAGED' })
    expect(sent).toBeLessThan(4 * 1_048_576)
  })

  test('lengths are in their shortest form, and the header has one form', async () => {
    const bytes = await bundleOf(small.source)
    const [first] = await blocksOf(bytes)
    const header = bytes.subarray(0, Buffer.from(bytes).indexOf(first!.bytes) - 38)
    expect(header).toHaveLength(59)
    // The header's length, and the first block's, with a group of zeros behind.
    for (const at of [0, header.length]) {
      const end = bytes.findIndex((byte, i) => i >= at && byte < 0x80)
      const longer = Uint8Array.of(...bytes.subarray(at, end), bytes[end]! | 0x80, 0)
      const changed = new Uint8Array([...bytes.subarray(0, at), ...longer, ...bytes.subarray(end + 1)])
      expect(await codeOf(changed)).toBe('BUNDLE_DAMAGED')
    }
    // What readers of CAR in general take: the members in the other order, a root more.
    const hex = (text: string): Buffer => Buffer.from(text, 'hex')
    const [roots, version, root] = [
      hex('65726f6f7473'),
      hex('6776657273696f6e01'),
      encodeCanonical(first!.cid),
    ]
    const others = [
      Buffer.concat([hex('a2'), version, roots, hex('81'), root]),
      Buffer.concat([hex('a2'), roots, hex('82'), root, root, version]),
    ]
    for (const other of others) {
      const changed = new Uint8Array([other.length, ...other, ...bytes.subarray(header.length)])
      expect(await codeOf(changed)).toBe('BUNDLE_DAMAGED')
    }
  })

  test('nothing, text and a CAR of version 2 are no bundles', async () => {
    expect(await codeOf(new Uint8Array(0))).toBe('BUNDLE_CUT')
    expect(await codeOf(Buffer.from('{"week":"2026-W47"}, and so on and so forth'))).toMatch(
      /^BUNDLE_(?:CUT|DAMAGED)$/,
    )
    const pragma = Buffer.from('0aa16776657273696f6e02', 'hex')
    expect(await codeOf(new Uint8Array([...pragma, ...new Uint8Array(64)]))).toBe('BUNDLE_DAMAGED')
  })
})

describe('R-CP-8 what cannot be exported', () => {
  test('a week without a checkpoint, a missing page, a missing attestation', async () => {
    const codeFor = async (changes: Partial<WeekData>): Promise<string> => {
      const out = new PassThrough().resume()
      try {
        await exportBundle({ ...small.source, ...changes }, week, sinkOf(out), { sha256 })
        return 'ok'
      } catch (error) {
        expect(out.destroyed).toBe(true)
        return (error as { code: string }).code
      }
    }
    expect(await codeFor({})).toBe('ok')
    await expect(
      exportBundle(
        { ...small.source, checkpointOf: async () => undefined },
        week,
        sinkOf(new PassThrough()),
        { sha256 },
      ),
    ).rejects.toMatchObject({ code: 'BUNDLE_NO_CHECKPOINT', exitCode: 3 })
    expect(await codeFor({ block: async () => undefined })).toBe('BUNDLE_INCOMPLETE')
    expect(
      await codeFor({
        async *attestations(name, listed) {
          let skipped = false
          for await (const signed of small.source.attestations(name, listed)) {
            if (skipped) yield signed
            skipped = true
          }
        },
      }),
    ).toBe('BUNDLE_INCOMPLETE')
  })

  test('a disk that is full ends it with the error of the disk', async () => {
    const full = new Writable({
      write: (_, __, done) => done(Object.assign(new Error('no space left'), { code: 'ENOSPC' })),
    })
    await expect(exportBundle(small.source, week, sinkOf(full), { sha256 })).rejects.toMatchObject({
      code: 'ENOSPC',
    })
  })

  test('an abort ends it, and reading too', async () => {
    const controller = new AbortController()
    const slow = new Writable({ highWaterMark: 1, write: () => controller.abort(new Error('enough')) })
    await expect(
      exportBundle(small.source, week, sinkOf(slow), { sha256, signal: controller.signal }),
    ).rejects.toThrow('enough')
    const bytes = await bundleOf(small.source)
    await expect(verifyBundle(inPieces(bytes), { sha256, signal: controller.signal })).rejects.toThrow(
      'enough',
    )
  })
})

test('R-CP-8 an import sees nothing of a file that is not whole', async () => {
  const bytes = await bundleOf(small.source)
  const rows: number[] = []
  const sink = {
    attestations: async (_: unknown, { epoch }: { epoch: number }) => {
      rows.push(epoch)
    },
  }
  await expect(
    importBundle(() => inPieces(bytes.subarray(0, bytes.length - 1)), sink, { sha256 }),
  ).rejects.toMatchObject({ code: 'BUNDLE_CUT' })
  expect(rows).toEqual([])
  await importBundle(() => inPieces(bytes), sink, { sha256 })
  expect(rows).toEqual([9, 8, 7, 6, 5])
})

describe('R-CP-8 blocks of attestations', () => {
  const rows = [...small.rows.get(7)!].map(({ signed }) => signed)
  const bytes = encodeAttestationBlock({ epoch: 7, rows })

  test('the quick reader and the schema agree, whatever byte is changed', () => {
    expect(decodeBySchema(bytes)).toEqual({ epoch: 7, rows })
    expect(decodeAttestationBlock(bytes)).toEqual({ epoch: 7, rows })
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const changed = bytes.slice()
        changed[at]! ^= change
        expect(decodeAttestationBlock(changed)).toEqual(decodeBySchema(changed))
      }),
      { numRuns: 1_000 },
    )
    for (let length = 0; length < 40; length++)
      expect(decodeAttestationBlock(bytes.subarray(0, length))).toBeNull()
  })

  test('the largest fits its limit', () => {
    const largest = Array.from({ length: rowsPerBlock }, () => ({
      payload: new Uint8Array(maxAttestationBytes),
      signature: new Uint8Array(64),
    }))
    const encoded = encodeAttestationBlock({ epoch: 0xffff_ffff, rows: largest })
    expect(encoded.length).toBeLessThanOrEqual(maxAttestationBlockBytes)
    expect(decodeAttestationBlock(encoded)?.rows).toHaveLength(rowsPerBlock)
    expect(
      decodeAttestationBlock(encodeAttestationBlock({ epoch: 0, rows: [...largest, largest[0]!] })),
    ).toBeNull()
    expect(decodeAttestationBlock(encodeAttestationBlock({ epoch: 0, rows: [] }))).toBeNull()
  })
})

test('R-SYNC-1 the fast root is that of the rule', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.integer({ min: 0, max: 0xffff_ffff }), { maxLength: 70 }), (seats) => {
      const leaves = seats.sort((a, b) => a - b).map((seat) => ({ seat, cid: cidOf(seedOf(seat)) }))
      const fast = createRoot(sha256)
      for (const { seat, cid } of leaves) fast.add(seat, cid.multihash.digest)
      expect(fast.count).toBe(leaves.length)
      expect(fast.root()).toEqual(epochRoot(leaves))
    }),
    { numRuns: 200 },
  )
  for (const edge of [0, 23, 24, 255, 256, 65_535, 65_536, 0xffff_ffff]) {
    const fast = createRoot(sha256)
    fast.add(edge, cidOf(seedOf(edge)).multihash.digest)
    expect(fast.root()).toEqual(epochRoot([{ seat: edge, cid: cidOf(seedOf(edge)) }]))
  }
})

test('R-CP-8 a reader that stops early stops the file', async () => {
  const bytes = await bundleOf(small.source)
  let isClosed = false
  async function* file(): AsyncGenerator<Uint8Array> {
    try {
      yield* inPieces(bytes, 100)
    } finally {
      isClosed = true
    }
  }
  for await (const part of readBundle(file(), { sha256 })) if (part.is === 'page') break
  expect(isClosed).toBe(true)
})
