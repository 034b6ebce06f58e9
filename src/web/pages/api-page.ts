import { html } from 'hono/html'
import type { ApiRoute } from '../api/route.ts'
import { code, facts, type Markup } from './markup.ts'

export const apiPage = (routes: readonly ApiRoute[]): Markup => html`
  <h1>API</h1>
  <p>
    Read-only JSON below <code>/api/v1</code>, described by
    <a href="/api/v1/openapi.json">an OpenAPI 3.1 document</a>. Lists take <code>page</code> and
    <code>limit</code>; answers have ETags; amounts are base units as texts.
    <a href="/metrics">Metrics</a> are for Prometheus.
  </p>
  ${facts(routes.map((route) => [pathOf(route), route.summary]))}
`

/** A link where nothing is left to be filled in. */
const pathOf = ({ path, query }: ApiRoute): Markup =>
  path.includes('{') || !query.safeParse({}).success
    ? code(path)
    : html`<a href="/api/v1${path}">${code(path)}</a>`

export const errorPage = (message: string, hint: string | undefined): Markup => html`
  <section class="hero none" aria-labelledby="error">
    <span class="mark" aria-hidden="true">?</span>
    <div>
      <h1 id="error">${message}</h1>
      ${hint === undefined ? '' : html`<p>${hint}</p>`}
      <p><a href="/">Back to my node</a></p>
    </div>
  </section>
`
