#!/usr/bin/env node
import { enableCompileCache } from 'node:module'

// What is compiled once is kept among the user's temporary files: later starts take half the time.
enableCompileCache()
const { main } = await import('./program.ts')
await main(process.argv)
