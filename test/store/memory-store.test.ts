import { createMemoryStore } from '../../src/store/memory-store.ts'
import { storeCompliance } from './compliance.ts'

storeCompliance('memory', async () => createMemoryStore())
