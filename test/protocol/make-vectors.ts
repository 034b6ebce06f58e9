// Writes protocol/vectors/*.json. Run it only when a rule was changed on purpose: `node test/protocol/make-vectors.ts`.
import { writeFileSync } from 'node:fs'
import { goldenVectors } from './golden.ts'

for (const [name, value] of goldenVectors()) {
  const file = new URL(`../../protocol/vectors/${name}.json`, import.meta.url)
  writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`)
  process.stdout.write(`${name}.json\n`)
}
