import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
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
