import { existsSync } from 'node:fs'

/**
 * `npm run bench -- <name> [options]` runs one benchmark: a module of this folder that exports
 * `run(options: string[]): Promise<void>` and prints JSON lines, each with a reference measured in the same run.
 */
const names = [
  'announcements',
  'chain',
  'daemon',
  'embedded-chain',
  'formats',
  'gossip',
  'page',
  'puzzles',
  'tally',
  'relay',
  'sim',
].filter((name) => existsSync(fileOf(name)))

function fileOf(name: string): URL {
  return new URL(`./${name}.ts`, import.meta.url)
}

const [name, ...options] = process.argv.slice(2)
if (name === undefined || !names.includes(name)) {
  process.stderr.write(`usage: npm run bench -- <name> [options]\nbenchmarks: ${names.join(', ')}\n`)
  process.exitCode = 2
} else {
  const bench = (await import(fileOf(name).href)) as { run: (options: string[]) => Promise<void> }
  await bench.run(options)
}
