import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/zebrad/**', 'test/soak/**'],
    // Real sockets, real level and real libp2p nodes share two cores: bounded workers keep deadlines honest.
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    passWithNoTests: false,
  },
})
