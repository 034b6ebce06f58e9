import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What a page of another site can do to read this one; its title tells what came of it. */
const attempts = (target: string): string => `<!doctype html>
<title>another site</title>
<iframe src="${target}/"></iframe>
<script>
  const target = ${JSON.stringify(target)}
  const textOf = async (answer) => ((await answer.text()) === '' ? 'nothing' : 'something')
  const loaded = (name, property, path) =>
    new Promise((resolve, reject) => {
      const element = document.createElement(name)
      element.rel = 'stylesheet'
      element.addEventListener('load', () => resolve('something'))
      element.addEventListener('error', reject)
      element[property] = target + path
      document.head.append(element)
    })
  const streamed = () =>
    new Promise((resolve, reject) => {
      const source = new EventSource(target + '/live')
      source.addEventListener('open', () => resolve('something'))
      source.addEventListener('error', (error) => (source.close(), reject(error)))
    })
  const ways = {
    cors: () => fetch(target + '/api/v1/status').then(textOf),
    opaque: () => fetch(target + '/', { mode: 'no-cors' }).then(textOf),
    post: () => fetch(target + '/', { method: 'POST', mode: 'no-cors', body: 'x' }).then(textOf),
    alert: () => fetch(target + '/alerts/test', { method: 'POST', mode: 'no-cors' }).then(textOf),
    image: () => loaded('img', 'src', '/assets/icon.svg'),
    script: () => loaded('script', 'src', '/assets/live.js'),
    style: () => loaded('link', 'href', '/assets/style.css'),
    stream: streamed,
  }
  const told = {}
  const tryAll = async () => {
    for (const [name, way] of Object.entries(ways)) {
      told[name] = await way().then((text) => 'read ' + text, () => 'refused')
    }
    document.title = JSON.stringify(told)
  }
  tryAll()
</script>`

/** Another origin, on an address of its own. */
export const startOtherSite = async (target: string): Promise<{ url: string; stop(): Promise<void> }> => {
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'text/html')
    response.end(attempts(target))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.61.3.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.61.3.1:${port}/`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
