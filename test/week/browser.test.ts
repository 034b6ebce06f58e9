import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'
import { beforeAll, describe, expect, test } from 'vitest'
import { createTallyOfJudged } from '../../protocol/index.ts'
import { bundleParts, exportBundle } from '../../src/week/bundle.ts'
import { verifyWeek } from '../../src/week/verify-week.ts'
import { sha256 } from '../../src/week-io/native.ts'
import { nativeEngine } from '../../src/week-io/worker-pool.ts'
import { isBrowserAtHand, startBrowser } from '../fixtures/browser.ts'
import { networkId, nodesOf, seedOf } from '../protocol/fixture.ts'
import { createAnchoredSet, earlierWeek, params, week } from './anchored-set.ts'
import { type Given, textOf } from './in-browser.ts'

const weekFolder = fileURLToPath(new URL('../../src/week', import.meta.url))
const inBrowser = fileURLToPath(new URL('in-browser.ts', import.meta.url))

/** One script for a browser with every file of src/week in it, and what the bundler had to say. */
const buildForBrowser = async () => {
  const files = readdirSync(weekFolder, { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.ts'),
  )
  const entry = [
    ...files.map((file) => `import ${JSON.stringify(join(weekFolder, file))}`),
    `export * from ${JSON.stringify(inBrowser)}`,
  ].join('\n')
  const said: string[] = []
  const build = await rolldown({
    input: 'entry',
    platform: 'browser',
    treeshake: false,
    plugins: [
      {
        name: 'entry',
        resolveId: (id) => (id === 'entry' ? '\0entry' : null),
        load: (id) => (id === '\0entry' ? entry : null),
      },
    ],
    onLog: (_, { code, message }) => said.push(`${code}: ${message}`),
  })
  const { output } = await build.generate({ format: 'iife', name: 'built' })
  await build.close()
  return { files, chunks: output.filter((one) => one.type === 'chunk'), said }
}

let built: Awaited<ReturnType<typeof buildForBrowser>>
beforeAll(async () => {
  built = await buildForBrowser()
})

describe('src/week in a browser', () => {
  test('is built as it is, without anything from outside', () => {
    const [chunk, ...others] = built.chunks
    expect(others).toEqual([])
    expect(built.said).toEqual([])
    expect(chunk!.imports).toEqual([])
    expect(built.files.length).toBeGreaterThan(40)
    for (const file of built.files) expect(chunk!.moduleIds).toContain(join(weekFolder, file))
    const own = chunk!.moduleIds.filter((id) => !id.includes('/node_modules/'))
    expect(own.filter((id) => /\/src\/(?!week\/|async\/|errors|error-codes)/.test(id))).toEqual([])
  })

  test.skipIf(!isBrowserAtHand())(
    'R-CP-8, R-TALLY-7 a real browser verifies a bundle and comes to the digest of the command line',
    async () => {
      const set = createAnchoredSet({
        seats: 9,
        epochs: [
          [earlierWeek, [5, 6]],
          [week, [7, 8, 9, 10]],
        ],
        equivocators: [4],
        attests: (epoch, index) => !(epoch === 8 && index === 2),
      })
      const chunks: Uint8Array[] = []
      await exportBundle(
        set.source,
        week,
        async (bytes) => {
          for await (const chunk of bytes) chunks.push(chunk)
        },
        { sha256, withEvidence: true },
      )
      const given: Given = {
        bundle: new Uint8Array(Buffer.concat(chunks)),
        anchored: set.chain.anchored,
        frame: set.chain.frame,
        snapshot: nodesOf(9),
        params,
        week,
        anchor: { height: 1_000, hash: seedOf('anchor') },
        fund: 1_000_000n,
      }
      const native = await verifyWeek(bundleParts(set.source, week, { sha256 }), set.chain, nativeEngine(0))
      const { digest } = createTallyOfJudged({
        networkId,
        chain: 'zcash-regtest',
        week,
        state: 'anchored',
        params,
        checkpoint: given.anchored,
        anchor: given.anchor,
        fund: given.fund,
        ...native.weeks.get(week)!,
      })
      const started = await startBrowser()
      try {
        const page = await started.browser.newPage()
        await page.addScriptTag({ content: built.chunks[0]!.code })
        const tally = async (one: Given): Promise<unknown> =>
          await page.evaluate(`built.tallyGiven(${JSON.stringify(textOf(one))})`)
        expect(await page.evaluate('[typeof process, typeof Buffer, typeof require]')).toEqual(
          Array(3).fill('undefined'),
        )
        expect(await tally(given)).toBe(digest)
        const damaged = given.bundle.slice()
        damaged[damaged.length >> 1]! ^= 1
        await expect(tally({ ...given, bundle: damaged })).rejects.toThrow(/block [0-9]+ at byte [0-9]+/)
      } finally {
        await started.close()
      }
    },
  )
})
