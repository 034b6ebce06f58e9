import { defineConfig } from 'vitest/config'

/** The lanes, from the fastest on: `npx vitest run --project rules`. Every folder of test/ stands in one of them. */
const lanes: Readonly<Record<string, readonly string[]>> = {
  /** Rules and bytes: no sockets, no processes. `npm run test:fast`. */
  rules: ['*.test.ts', ...foldersOf('protocol async admission keys docs store chain')],
  /** Parts of the program, each by itself, with real files and real sockets. */
  parts: foldersOf('chain-node week week-io payout service web cli sim relay installed'),
  /** Hosts and roles of the daemon, over real libp2p and TLS. */
  net: foldersOf('net node hostile crowd'),
  /** Whole networks, and processes that crash. */
  weeks: foldersOf('devnet light faults'),
}

function foldersOf(names: string): string[] {
  return names.split(' ').map((name) => `${name}/**/*.test.ts`)
}

export default defineConfig({
  test: {
    projects: Object.entries(lanes).map(([name, patterns]) => ({
      extends: true as const,
      test: { name, include: patterns.map((pattern) => `test/${pattern}`) },
    })),
    exclude: ['test/zebrad/**', 'test/soak/**'],
    // Real sockets, real level and real libp2p nodes share two cores: bounded workers keep deadlines honest.
    maxWorkers: 2,
    // For what hangs, not for what is slow: no test is judged by how fast the machine is. Those that play whole weeks have
    // limits of their own.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    passWithNoTests: false,
  },
})
