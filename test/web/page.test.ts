import { afterAll, beforeAll } from 'vitest'
import { describeApi } from './api-suite.ts'
import { describeBrowser } from './browser-suite.ts'
import { describeHostile } from './hostile-suite.ts'
import { type PlayedPage, playPage } from './played-page.ts'
import { describeStart } from './start-suite.ts'

/** One devnet for all: it plays its week once, and its page is looked at from every side. */
let played: PlayedPage

beforeAll(async () => {
  played = await playPage()
}, 900_000)

afterAll(async () => {
  await played?.stop()
})

describeApi(() => played)
describeHostile(() => played)
describeStart(() => played)
describeBrowser(() => played)
