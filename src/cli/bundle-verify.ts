import { Command } from 'commander'
import type { Anchor } from '../../protocol/index.ts'
import { anchorOfBundle, headOfBundle } from '../week/anchor-of.ts'
import { readBundle } from '../week/read-bundle.ts'
import { type VerifiedWeek, verifyWeek } from '../week/verify-week.ts'
import { sha256 } from '../week-io/native.ts'
import { nativeEngine } from '../week-io/worker-pool.ts'
import { realWorld } from '../world.ts'
import { openBundleFile } from './bundle-file.ts'
import { type FollowedOptions, withCacheOption, withFollowedWeeks } from './followed-weeks.ts'
import { type CliIo, printJson } from './io.ts'
import { createProgress } from './progress.ts'
import { withRpcOptions } from './rpc-options.ts'

interface VerifyOptions extends FollowedOptions {
  json?: true
}

/** `secnode bundle verify`: whether a file is all that an anchor fixes, and nothing else. */
export const bundleVerifyCommand = (io: CliIo): Command =>
  withCacheOption(withRpcOptions(new Command('verify')))
    .description('check that a file is all that an anchor on the chain fixes')
    .argument('<file>', 'the bundle, as `secnode bundle export` wrote it')
    .requiredOption(
      '--profile <name or file>',
      'the network that you trust: a built-in profile or a JSON file',
    )
    .option('--json', 'print a JSON object')
    .addHelpText(
      'after',
      `
Nothing in the file is believed: the chain is followed, the certificate in the anchor's memo is verified with it, and
every block, root, proof and attestation with the keys that the chain has. What is wrong names its block and byte.
Exit code 0: all of it holds; 1: damaged, cut, padded or foreign; 3: the chain has no anchor for it yet.

Example:
  $ secnode bundle verify week.car --rpc http://127.0.0.1:18232 --profile zcash-testnet
  week 2026-W47: checkpoint bafyrei… is anchored in block 4211203
  1680000 attestations are authentic, by 40000 signatures`,
    )
    .action(async (path: string, options: VerifyOptions) => {
      const file = await openBundleFile(path)
      // What is no bundle at all is refused before a chain is followed for it.
      const head = await headOfBundle(file.open(), sha256)
      const { anchor, verified } = await withFollowedWeeks(io, options, async (weeks) => {
        const named = anchorOfBundle(weeks.networkId, weeks.weeks(), head)
        const progress = createProgress(io, realWorld())
        try {
          const checked = await verifyWeek(
            readBundle(file.open(), { sha256, anchored: named.checkpoint, signal: io.signal }),
            await weeks.chainOf(named, io.signal),
            nativeEngine(),
            {
              signal: io.signal,
              onProgress: ({ attestations, total }) =>
                progress.show(`verifying: ${attestations} of ${total} attestations`, attestations / total),
            },
          )
          return { anchor: named, verified: checked }
        } finally {
          progress.end()
        }
      })
      const result = toJson(anchor, verified, file.bytes)
      if (options.json === true) printJson(io, result)
      else io.stdout(toText(result))
    })

const toJson = (anchor: Anchor, { checkpoint, attestations, signatures }: VerifiedWeek, bytes: number) => ({
  result: 'holds',
  week: checkpoint.week,
  weeks: checkpoint.weeks.map(({ week }) => week),
  checkpoint: anchor.checkpoint.toString(),
  anchor: anchor.height,
  attestations,
  signatures,
  bytes,
})

const toText = (found: ReturnType<typeof toJson>): string =>
  [
    `week ${found.week}: checkpoint ${found.checkpoint} is anchored in block ${found.anchor}`,
    ...(found.weeks.length > 1 ? [`it fixes the weeks ${found.weeks.join(', ')}`] : []),
    `${found.attestations} attestations are authentic, by ${found.signatures} signatures`,
    '',
  ].join('\n')
