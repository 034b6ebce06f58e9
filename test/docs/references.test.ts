import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const docs = join(root, 'docs')
const spec = readFileSync(join(root, 'protocol/SPEC.md'), 'utf8')
const pages = [
  ...readdirSync(docs, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(docs, name)),
  join(root, 'README.md'),
]

test.each(pages.map((page) => [page.slice(root.length), page]))(
  '%s names only rules that SPEC.md has',
  (_name, page) => {
    const named = new Set(readFileSync(page, 'utf8').match(/\bR-[A-Z]+-\d+/g) ?? [])
    expect([...named].filter((rule) => !spec.includes(`**${rule}**`))).toEqual([])
  },
)

test.each(pages.map((page) => [page.slice(root.length), page]))(
  '%s links only to files that there are',
  (_name, page) => {
    const links = [...readFileSync(page, 'utf8').matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map(
      ([, target]) => target!,
    )
    const missing = links.filter((target) => !existsSync(join(page, '..', target)))
    expect(missing).toEqual([])
  },
)
