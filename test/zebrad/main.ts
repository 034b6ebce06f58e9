import { startVitest } from 'vitest/node'
import { findSender } from './sender.ts'
import { findZebrad, zebradVersion } from './find-zebrad.ts'

/** These need transactions with shielded outputs, which zebrad has no wallet to make. */
const needSender = ['test/zebrad/announcements.test.ts', 'test/zebrad/daemons.test.ts']

/**
 * `npm run test:zebrad -- [files]`: the tests of this folder against a real zebrad. They are no part of `npm test`.
 * Exit code 0: green, or skipped for want of a zebrad; 1: failed, or ZEBRAD names nothing that runs.
 */
const line = '='.repeat(100)
const found = findZebrad(process.env)
if (found.is === 'missing') {
  process.stderr.write(
    `${line}\nSKIPPED: the tests against a real chain node DID NOT RUN. There is no zebrad on PATH, and ZEBRAD names none.\n` +
      `README.md says how to get one ("A real chain node").\n${line}\n`,
  )
} else if (found.is === 'unusable') {
  process.stderr.write(
    `${line}\nFAILED: ZEBRAD names ${found.path}, which does not run: ${found.why}\n${line}\n`,
  )
  process.exitCode = 1
} else {
  process.stderr.write(`${line}\n${zebradVersion(found.path)} (${found.path})\n${line}\n`)
  process.env['ZEBRAD'] = found.path
  const hasSender = findSender(process.env) !== null
  if (!hasSender) {
    process.stderr.write(
      `SKIPPED: ${needSender.join(', ')} DID NOT RUN: there is no sender of shielded payments.\n` +
        `Build it with \`cargo build --release --locked\` in test/zebrad/sender, or name it by SHIELDED_SENDER.\n${line}\n`,
    )
  }
  const vitest = await startVitest(
    'test',
    process.argv.slice(2),
    {
      config: false,
      watch: false,
      include: ['test/zebrad/**/*.test.ts'],
      exclude: hasSender ? [] : needSender,
      // A node proves shielded coinbases on all cores: one at a time keeps deadlines honest.
      maxWorkers: 1,
      testTimeout: 180_000,
      hookTimeout: 180_000,
      passWithNoTests: false,
    },
    {},
  )
  await vitest.close()
}
