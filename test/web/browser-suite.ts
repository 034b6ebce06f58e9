import { mkdir, readFile, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { AxeResults, RunOptions } from 'axe-core'
import type { BrowserContext, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ServerInfo } from '../../src/web/resources/server/schemas.ts'
import { isBrowserAtHand, startBrowser, type StartedBrowser } from '../fixtures/browser.ts'
import { startAlertingPage } from './alerting-page.ts'
import { ask } from './ask.ts'
import { startOtherSite } from './other-site.ts'
import type { PlayedPage } from './played-page.ts'

/** Not in git: for people to look at after a run. */
const screenshots = fileURLToPath(new URL('screenshots', import.meta.url))

const looks = {
  light: { colorScheme: 'light', viewport: { width: 1180, height: 900 } },
  dark: { colorScheme: 'dark', viewport: { width: 1180, height: 900 } },
  phone: { colorScheme: 'light', viewport: { width: 375, height: 760 }, hasTouch: true },
} as const satisfies Record<string, BrowserContextOptions>

/** What of a browser's own names is used by the functions that run in the page. */
declare const axe: { run(options: RunOptions): Promise<AxeResults> }
declare const getComputedStyle: (element: object) => { outlineStyle: string; outlineWidth: string }
declare const document: {
  documentElement: { scrollWidth: number; clientWidth: number }
  activeElement: { id: string; innerText: string; getAttribute(name: string): string | null }
  title: string
}

export const describeBrowser = (played: () => PlayedPage): void => {
  describe.runIf(isBrowserAtHand())('in a browser', () => {
    let started: StartedBrowser
    let axeSource: string
    const complaints: string[] = []

    beforeAll(async () => {
      started = await startBrowser()
      axeSource = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
      await rm(screenshots, { recursive: true, force: true })
      await mkdir(screenshots, { recursive: true })
    })
    afterAll(async () => {
      await started?.close()
    })

    const open = async (options: BrowserContextOptions = looks.light): Promise<BrowserContext> => {
      const context = await started.browser.newContext({ baseURL: played().url, ...options })
      context.setDefaultTimeout(90_000)
      context.on('console', (message) => {
        if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
      })
      context.on('weberror', (error) => complaints.push(String(error.error())))
      return context
    }
    const shoot = async (page: Page, look: string | null, name: string): Promise<void> => {
      if (look === null) return
      await page.screenshot({ path: join(screenshots, `${look}-${name}.png`), fullPage: true })
    }

    /** The way of an operator: from the own node to a failing one, down to what was signed, and to the week. */
    const walk = async (page: Page, look: string | null): Promise<string> => {
      const { failing, rebuilt, devnet, own } = played()
      const { week } = devnet.prepared.plan
      const host = devnet.document.seats.find(({ seat }) => seat === failing)!.host
      await page.goto('/')
      expect(await page.locator('h1').innerText()).toMatch(/My node is (well|without credit)/)
      expect(await page.getByText(own.host).first().isVisible()).toBe(true)
      await shoot(page, look, 'home')

      await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Network' }).click()
      await page.getByRole('heading', { name: 'Concentration of addresses' }).waitFor()
      await shoot(page, look, 'network')

      await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Nodes' }).click()
      await page.getByLabel('Last epoch').selectOption('invalid')
      await page.getByRole('button', { name: 'Show' }).click()
      await page.waitForURL(/standing=invalid/)
      expect(await page.locator('tbody tr').count()).toBe(1)
      await shoot(page, look, 'nodes')

      await page.getByRole('link', { name: host }).click()
      expect(await page.locator('h1').innerText()).toBe(`Seat ${failing} is not well`)
      expect(await page.locator('.heat .cell.bad').count()).toBeGreaterThan(3)
      await shoot(page, look, 'node')

      await page
        .locator('#who .said a')
        .filter({ hasNotText: `seat ${rebuilt}:` })
        .first()
        .click()
      await page.waitForURL(/\/by\/[0-9]+$/)
      expect(await page.locator('h1').innerText()).toContain('unreachable')
      const checks = await page.locator('.checks').innerText()
      expect(checks).toContain('signature: holds')
      expect(checks).toContain('evidence: holds')
      const signed = await page.getByRole('region', { name: 'The signed attestation' }).innerText()
      expect(signed).toMatch(/bafyrei[a-z2-7]{52}/)
      await shoot(page, look, 'verdict')

      await page.getByRole('link', { name: 'All entries of the block' }).click()
      await page.getByRole('heading', { name: 'Block of evidence' }).waitFor()
      expect(await page.locator('tbody').innerText()).toContain('unreachable')
      await shoot(page, look, 'evidence')

      await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Weeks' }).click()
      await page.getByRole('link', { name: week }).click()
      await page.getByRole('heading', { name: `Week ${week} anchored` }).waitFor()
      expect(await page.locator('#fixed').innerText()).toContain(devnet.digest)
      await shoot(page, look, 'week')
      return await page.locator('#payout').innerText()
    }

    const isPaid = /State\s+✓\s*paid/
    test.each(Object.keys(looks) as (keyof typeof looks)[])(
      'a failing node is found and followed to the signed evidence, and the week seen anchored and paid: %s',
      async (look) => {
        await using context = await open(looks[look])
        expect(await walk(await context.newPage(), look)).toMatch(isPaid)
      },
    )

    test('without scripts it works the same', async () => {
      await using context = await open({ ...looks.light, javaScriptEnabled: false })
      expect(await walk(await context.newPage(), null)).toMatch(isPaid)
    })

    const pages = (): string[] => {
      const { failing, ownSeat, epoch, devnet } = played()
      const { week } = devnet.prepared.plan
      const fixed = '/ /network /nodes /weeks /explorer /explorer/blocks /explorer/blocks/16'
      const others = '/explorer/announcements /search?q=devnet /search?q=nothing-like-it /api'
      return [
        ...`${fixed} ${others}`.split(' '),
        `/nodes/${failing}`,
        `/nodes/${ownSeat}?week=${week}`,
        `/nodes/${failing}/epochs/${epoch}`,
        `/nodes/${failing}/epochs/${epoch}/by/${ownSeat}`,
        `/weeks/${week}`,
        `/explorer/attestations?epoch=${epoch}`,
        `/explorer/attestations/${epoch}/${ownSeat}`,
      ]
    }

    /** Colours are all that the dark look changes, and places all that the phone's does. */
    test.each([
      ['light', {}],
      ['dark', { runOnly: ['color-contrast'] }],
      ['phone', { runOnly: ['scrollable-region-focusable', 'target-size'] }],
    ] as const)('axe finds nothing on any page, and nothing is cut off: %s', async (look, options) => {
      await using context = await open(looks[look])
      await context.addInitScript({ content: axeSource })
      const page = await context.newPage()
      for (const path of pages()) {
        await page.goto(path)
        const { violations } = await page.evaluate(
          (chosen) => axe.run({ ...chosen, resultTypes: ['violations'] }),
          options as RunOptions,
        )
        const found = violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html ?? ''}`)
        expect(found, path).toEqual([])
        const [width, room] = await page.evaluate(() => {
          const { scrollWidth, clientWidth } = document.documentElement
          return [scrollWidth, clientWidth] as const
        })
        expect(width, path).toBeLessThanOrEqual(room)
        expect(await page.title()).toMatch(/ · Secnode$/)
      }
    })

    test('by keyboard alone: skip link, menu, a node, a verdict', async () => {
      await using context = await open()
      const page = await context.newPage()
      const focused = (): Promise<{ text: string; outline: string; href: string | null }> =>
        page.evaluate(() => {
          const element = document.activeElement
          const { outlineStyle, outlineWidth } = getComputedStyle(element)
          return {
            text: element.innerText.trim(),
            outline: `${outlineStyle} ${outlineWidth}`,
            href: element.getAttribute('href'),
          }
        })
      /** Goes on with Tab until a link fits; each stop on the way can be seen. */
      const tabTo = async (fits: (href: string) => boolean): Promise<void> => {
        for (let i = 0; i < 80; i++) {
          await page.keyboard.press('Tab')
          const { href, outline, text } = await focused()
          expect(outline, text).toMatch(/^(solid|auto) [1-9]/)
          if (href !== null && fits(href)) return
        }
        throw new Error(`no link that fits on ${page.url()}`)
      }
      await page.goto('/nodes')
      await page.keyboard.press('Tab')
      expect((await focused()).text).toBe('Skip to the content')
      await page.keyboard.press('Enter')
      expect(await page.evaluate(() => document.activeElement.id)).toBe('main')
      const { failing } = played()
      await tabTo((href) => href === `/nodes/${failing}`)
      await page.keyboard.press('Enter')
      await page.waitForURL(`**/nodes/${failing}`)
      await tabTo((href) => /\/epochs\/[0-9]+$/.test(href))
      await page.keyboard.press('Enter')
      await page.waitForURL(/\/epochs\/[0-9]+$/)
      await tabTo((href) => /\/by\/[0-9]+$/.test(href))
      await page.keyboard.press('Enter')
      await page.waitForURL(/\/by\/[0-9]+$/)
      expect(await page.locator('.checks').innerText()).toContain('signature: holds')
    })

    test('a search leads to what is the only match', async () => {
      await using context = await open()
      const page = await context.newPage()
      const { own, ownSeat, devnet } = played()
      for (const text of [own.host, own.address, own.keys.peerId]) {
        await page.goto('/')
        await page.getByRole('searchbox').fill(text)
        await page.keyboard.press('Enter')
        await page.waitForURL(`**/nodes/${ownSeat}`)
      }
      await page.goto(`/search?q=${devnet.prepared.plan.week}`)
      expect(new URL(page.url()).pathname).toBe(`/weeks/${devnet.prepared.plan.week}`)
    })

    test('a new block comes to an open page by itself', async () => {
      await using context = await open()
      const page = await context.newPage()
      const streamed = page.waitForResponse((response) => response.url().endsWith('/live'))
      await page.goto('/')
      await streamed
      const foot = (): Promise<string> => page.locator('#foot').innerText()
      const before = await foot()
      await played().devnet.control.mineOne()
      await expect.poll(foot, { timeout: 90_000 }).not.toBe(before)
    })

    test.each([true, false])(
      'the button sends a test alert, and the page says what came of it (scripts: %s)',
      async (javaScriptEnabled) => {
        await using alerting = await startAlertingPage(played(), '127.61.5.3')
        const { url, listener } = alerting
        await using context = await open({ ...looks.light, baseURL: url, javaScriptEnabled })
        await context.addInitScript({ content: axeSource })
        const page = await context.newPage()
        await page.goto('/')
        const alerts = page.locator('#alerts')
        expect(await alerts.innerText()).toContain('none since the start')
        await alerts.getByRole('button', { name: 'Send a test' }).click()
        await alerts.getByText('taken').waitFor()
        expect(new URL(page.url()).pathname + new URL(page.url()).hash).toBe('/#alerts')
        expect(listener.taken.map(({ alert }) => [alert.is, alert.node.host])).toEqual([
          ['test', played().own.host],
        ])
        // To load the page again sends nothing.
        await page.reload()
        expect(listener.taken).toHaveLength(1)
        await shoot(page, javaScriptEnabled ? 'light' : null, 'alerts')

        listener.answer = 503
        await page.locator('#alerts').getByRole('button').press('Enter')
        await alerts.getByText('503').waitFor()
        expect(listener.refused).toHaveLength(1)
        if (javaScriptEnabled) {
          const { violations } = await page.evaluate(() => axe.run({ resultTypes: ['violations'] }))
          expect(violations.map(({ id }) => id)).toEqual([])
        }
      },
    )

    const refusedSoFar = async (): Promise<number> => {
      const answer = await ask(played().url, '/api/v1/server', { localAddress: '127.61.4.1' })
      return (JSON.parse(answer.body) as ServerInfo).refused
    }

    test('another site reads nothing of it, in no way that a browser has', async () => {
      const other = await startOtherSite(played().url)
      await using context = await started.browser.newContext()
      try {
        const page = await context.newPage()
        const before = await refusedSoFar()
        await page.goto(other.url)
        await expect.poll(() => page.title(), { timeout: 90_000 }).toMatch(/^[{]/)
        const outcomes = JSON.parse(await page.title()) as Record<string, string>
        expect(Object.keys(outcomes)).toEqual([
          'cors',
          'opaque',
          'post',
          'alert',
          'image',
          'script',
          'style',
          'stream',
        ])
        for (const [way, outcome] of Object.entries(outcomes)) {
          // An opaque answer is empty, whatever it was.
          expect(['refused', 'read nothing'], way).toContain(outcome)
        }
        const framed = page.frames().find((frame) => frame !== page.mainFrame())!
        await framed.waitForLoadState()
        expect(await framed.content()).not.toContain('My node')
        // Each way, and the frame, came to this server and was turned away there.
        expect((await refusedSoFar()) - before).toBeGreaterThanOrEqual(Object.keys(outcomes).length + 1)
      } finally {
        await other.stop()
      }
    })

    test('the console stayed empty all the while', () => {
      expect(complaints).toEqual([])
    })
  })
}
