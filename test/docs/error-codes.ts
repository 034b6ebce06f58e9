import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { errorCodes } from '../../src/error-codes.ts'

/** `npm run docs:codes` writes docs/error-codes.md; a test compares it. */
export const errorCodesFile = fileURLToPath(new URL('../../docs/error-codes.md', import.meta.url))

const head = `# Error codes

An error has a code that does not change, a line that says what happened, and a hint that says what to do. The command line
prints \`message [CODE]\` and the hint; logs, \`--json\` and the page's API carry the code. Findings have codes of their own:
those of a running node in [monitoring.md](monitoring.md), those of \`secnode doctor\` in [operators.md](operators.md).

This page is made of [\`src/error-codes.ts\`](../src/error-codes.ts) by \`npm run docs:codes\`.

| code | meaning |
|---|---|
`

export const errorCodesPage = (): string =>
  head +
  Object.entries(errorCodes)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([code, meaning]) => `| \`${code}\` | ${meaning.replaceAll('|', '\\|')} |\n`)
    .join('')

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const page = errorCodesPage()
  if (readFileSync(errorCodesFile, { encoding: 'utf8', flag: 'a+' }) !== page)
    writeFileSync(errorCodesFile, page)
}
