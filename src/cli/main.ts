#!/usr/bin/env node
import module from 'node:module'

// Before anything is loaded that an older Node cannot read. `npm run` finds the right one by itself.
const least = 24
if (Number.parseInt(process.versions.node, 10) < least) {
  process.stderr.write(
    `secnode: this is Node ${process.versions.node}, and it needs ${least} or later [NODE_VERSION]\n`,
  )
  process.stderr.write(
    '  In a checkout, `npm run -s secnode -- …` takes the one that came with the packages.\n',
  )
  process.exit(1)
}
if (process.argv.slice(2).find((argument) => !argument.startsWith('-')) === 'start') {
  const { runSparingly } = await import('./sparing.ts')
  runSparingly()
}
// What is compiled once is kept among the user's temporary files: later starts take half the time.
module.enableCompileCache()
const { main } = await import('./program.ts')
await main(process.argv)
