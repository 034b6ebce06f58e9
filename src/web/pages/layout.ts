import { html } from 'hono/html'
import { count, type Markup } from './markup.ts'

/** What stands around every page. */
export interface Frame {
  networkName: string
  confirmedHeight: number
  epoch: number | null
  week: string | null
}

export interface PageContent {
  title: string
  /** Of `places`; null for a page that is below none of them. */
  place: string | null
  main: Markup
}

const places = [
  ['/', 'My node'],
  ['/network', 'Network'],
  ['/nodes', 'Nodes'],
  ['/weeks', 'Weeks'],
  ['/explorer', 'Explorer'],
  ['/api', 'API'],
] as const

export const layout = (frame: Frame, { title, place, main }: PageContent): Markup =>
  html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${title} · Secnode</title>
        <link rel="icon" href="/assets/icon.svg" type="image/svg+xml" />
        <link rel="stylesheet" href="/assets/style.css" />
        <script src="/assets/live.js" defer></script>
      </head>
      <body>
        <a class="skip" href="#main">Skip to the content</a>
        <header>
          <div class="wide">
            <p class="brand"><a href="/">Secnode</a> <span>${frame.networkName}</span></p>
            <nav aria-label="Pages">
              <ul>
                ${places.map(
                  ([path, name]) =>
                    html`<li>
                      <a href="${path}" ${path === place ? html`aria-current="page"` : ''}>${name}</a>
                    </li>`,
                )}
              </ul>
            </nav>
            <form role="search" action="/search">
              <label class="hidden" for="q">Search: seat, host, stake, peer, week, block</label>
              <input
                id="q"
                name="q"
                type="search"
                maxlength="128"
                required
                placeholder="Seat, host, stake, peer …"
              />
              <button>Search</button>
            </form>
          </div>
        </header>
        <main id="main" class="wide" tabindex="-1">${main}</main>
        <footer>
          <div class="wide" id="foot" data-live>
            <p>
              Block ${count(Math.max(0, frame.confirmedHeight))} confirmed ·
              ${
                frame.epoch === null
                  ? 'before the activation'
                  : html`epoch ${frame.epoch} · week ${frame.week ?? '–'}`
              }
            </p>
            <p class="muted">What this node knows. Times are those of the chain.</p>
          </div>
        </footer>
      </body>
    </html>`
