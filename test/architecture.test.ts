import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import * as door from '../protocol/index.ts'
import { rulesets } from '../protocol/tally/rulesets.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Files below a folder, as paths from the root; without what is built or installed. */
const filesBelow = (folder: string): string[] =>
  readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .filter((path) => !path.split('/').some((part) => ignoredFolders.has(part)))

const ignoredFolders: ReadonlySet<string> = new Set([
  'node_modules',
  'dist',
  '.git',
  '.devnet',
  'coverage',
  'bench-data',
])
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

/** Without comments; texts stay, so that specifiers can be read. */
const withoutComments = (code: string): string =>
  code.replaceAll(
    /("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`)|\/\/[^\n]*|\/\*[\s\S]*?\*\//g,
    (_, text: string | undefined) => text ?? ' ',
  )

/** Without comments and texts: what is left is code. What stands in `${…}` of a template is kept. */
const codeOnly = (code: string): string =>
  withoutComments(code)
    .replaceAll(/`(?:[^`\\]|\\.)*`/g, (template) =>
      [...template.matchAll(/\$\{([^}]*)\}/g)].map(([, inner]) => inner).join(';'),
    )
    .replaceAll(/"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/g, "''")

const specifierPattern =
  /(?:^|[;\n}])\s*(?:import|export)\s[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]|\bimport\s*\(\s*['"]([^'"]+)['"]|(?:^|[;\n}])\s*import\s*['"]([^'"]+)['"]|\bnew URL\(\s*['"]([^'"]+\.ts)['"]/g

/** Everything that a file names in import, export from, import() or as a worker's URL. */
const specifiersOf = (code: string): string[] =>
  [...withoutComments(code).matchAll(specifierPattern)].map(
    ([, from, dynamic, bare, url]) => (from ?? dynamic ?? bare ?? url)!,
  )

/** Those of them that are still there when types were stripped: `import type` and `export type` go whole. */
const valueSpecifiersOf = (code: string): string[] =>
  specifiersOf(
    withoutComments(code).replaceAll(
      /(^|[;\n}])\s*(?:import|export)\s+type\s[^'"`;]*?\bfrom\s*['"][^'"]+['"]/g,
      '$1',
    ),
  )

interface Edge {
  from: string
  /** A path from the root, or the name of a package or of a module of Node. */
  to: string
}

const edgesOf = (path: string, specifiers = specifiersOf): Edge[] =>
  specifiers(read(path)).map((specifier) => ({
    from: path,
    to: specifier.startsWith('.') ? join(dirname(path), specifier) : specifier,
  }))

const isSource = (path: string): boolean => path.endsWith('.ts')
const sources = ['protocol', 'src', 'sim'].flatMap(filesBelow).filter(isSource)
const edges = sources.flatMap((path) => edgesOf(path))
const isOwn = (to: string): boolean => /^(?:protocol|src|sim|test)\//.test(to)

/** `protocol`, `sim`, `sim/shell`, `src/chain`, `src/errors`: the first column of the table. */
const areaOf = (path: string): string => {
  const [top = '', second = ''] = path.split('/')
  if (top === 'src') return `src/${second.replace(/\.ts$/, '')}`
  return top === 'sim' && (second === 'shell' || second === 'cli.ts') ? 'sim/shell' : top
}

describe('the reader of imports', () => {
  test('finds every form of import, and none in comments', () => {
    const code = `
      import a from 'one'
      import {
        b,
        type C,
      } from "two"
      export * from './three.ts'
      export { d } from './four.ts'
      import 'five'
      const six = await import('six')
      const worker = new Worker(new URL('./seven.ts', import.meta.url))
      // import x from 'no'
      /* import y from 'no' */
      export const list = Array.from('no')
      const text = "import z from 'no'"
    `
    expect(specifiersOf(code)).toEqual(['one', 'two', './three.ts', './four.ts', 'five', 'six', './seven.ts'])
  })

  test('tells types from what is loaded', () => {
    const code = `
      import type { A } from 'one'
      import type {
        B,
      } from 'two'
      import { type C, d } from 'three'
      export type { E } from 'four'
      export * from 'five'
    `
    expect(valueSpecifiersOf(code)).toEqual(['three', 'five'])
  })

  test('leaves code without comments and texts', () => {
    expect(codeOnly("a('Date') // Date\n/* Date */ `Date ${now}`")).toBe("a('')  \n  now")
  })

  test('reads the whole tree', () => {
    expect(sources.length).toBeGreaterThan(100)
    expect(edges.length).toBeGreaterThan(500)
  })
})

/** The table of docs/architecture.md: what each folder may import. */
const table = new Map<string, ReadonlySet<string>>()
for (const line of read('docs/architecture.md').split('\n')) {
  const cells = line.split('|').map((cell) => cell.trim())
  const folder = /^`([a-z/.-]+)`$/.exec(cells[1] ?? '')?.[1]
  if (folder === undefined || cells.length < 5) continue
  const names = [...cells[3]!.matchAll(/`([^`]+)`/g)].map(([, name]) => name!.replace(/\/$/, ''))
  table.set(folder.replace(/\/$|\.ts$/, ''), new Set(names))
}

describe('docs/architecture.md', () => {
  test('has a row for every folder, and a folder for most rows', () => {
    const areas = new Set(sources.map(areaOf))
    expect([...areas].filter((area) => !table.has(area))).toEqual([])
    expect(table.size).toBeGreaterThanOrEqual(10)
  })

  test('every import inside the repository is one that the table allows', () => {
    const forbidden = edges
      .filter(({ from, to }) => isOwn(to) && areaOf(from) !== areaOf(to))
      .filter(({ from, to }) => !table.get(areaOf(from))!.has(areaOf(to)))
    expect(forbidden).toEqual([])
  })

  test('a row imports only from rows above it: rooms form no circle', () => {
    const rows = [...table.keys()]
    const upwards = [...table].flatMap(([folder, allowed], place) =>
      [...allowed]
        .filter((name) => table.has(name) && name !== folder && rows.indexOf(name) > place)
        .map((name) => `${folder} → ${name}`),
    )
    expect(upwards).toEqual([])
  })

  test('protocol/ is entered by its door only', () => {
    const throughTheWall = edges.filter(
      ({ from, to }) =>
        !from.startsWith('protocol/') && to.startsWith('protocol/') && to !== 'protocol/index.ts',
    )
    expect(throughTheWall).toEqual([])
  })

  const isPackageOf = (area: string, to: string): boolean =>
    [...table.get(area)!].some(
      (name) =>
        to === name ||
        to.startsWith(`${name.replace(/\/\*$/, '')}/`) ||
        (name.endsWith(':') && to.startsWith(name)),
    )

  test('protocol/, sim/ and src/week import the packages of their rows, and nothing of Node', () => {
    const packages = edges.filter(({ from, to }) => !isOwn(to) && /^(?:protocol|sim|src\/week)\//.test(from))
    expect(packages.filter(({ from, to }) => !isPackageOf(areaOf(from), to))).toEqual([])
  })

  test('all that src/week loads, however far away, is of a few rooms and packages, and nothing of Node', () => {
    const rooms = ['protocol', 'src/async', 'src/error-codes', 'src/errors', 'src/week']
    const reached = new Set(sources.filter((path) => areaOf(path) === 'src/week'))
    const outside: Edge[] = []
    for (const path of reached) {
      for (const edge of edgesOf(path, valueSpecifiersOf)) {
        const { to } = edge
        if (isOwn(to) && rooms.includes(areaOf(to))) reached.add(to)
        else if (!rooms.some((room) => isPackageOf(room, to))) outside.push(edge)
      }
    }
    expect(reached.size).toBeGreaterThan(80)
    expect(outside).toEqual([])
  })

  test('src/chain reads bytes: of Node it uses the cryptography only', () => {
    const ofNode = edges.filter(({ from, to }) => from.startsWith('src/chain/') && to.startsWith('node:'))
    expect(ofNode.filter(({ to }) => to !== 'node:crypto')).toEqual([])
  })

  test('src and sim never meet, and nothing imports the tests', () => {
    const meetings = edges.filter(
      ({ from, to }) =>
        (from.startsWith('src/') && to.startsWith('sim/')) ||
        (from.startsWith('sim/') && to.startsWith('src/')),
    )
    expect(meetings).toEqual([])
    expect(edges.filter(({ to }) => to.startsWith('test/'))).toEqual([])
  })

  test.each([
    [
      'libp2p',
      /^(?:libp2p|@libp2p\/.*|@chainsafe\/libp2p-.*|@multiformats\/multiaddr)(?:\/.*)?$/,
      ['src/net'],
    ],
    ['level', /^(?:level|classic-level|abstract-level)(?:\/.*)?$/, ['src/store']],
    ['commander', /^commander$/, ['src/cli', 'sim/shell']],
    ['blst', /^@chainsafe\/blst$/, ['src/keys']],
    [
      'the formats of the chain',
      /^src\/chain\/formats\//,
      [
        'src/chain',
        'src/devnet',
        'src/relay',
        'src/payout',
        'src/chain-node',
        'src/week',
        'src/week-io',
        'src/cli',
      ],
    ],
  ])('only its own folders import %s', (_, pattern, folders) => {
    const users = edges.filter(({ to }) => pattern.test(to)).map(({ from }) => areaOf(from))
    expect(users.length).toBeGreaterThan(0)
    expect([...new Set(users)].filter((area) => !folders.includes(area))).toEqual([])
  })
})

describe('the door of protocol/', () => {
  const names = (list: string): string[] =>
    list
      .split(',')
      .map((name) => name.trim().replace(/^type /, ''))
      .filter((name) => name !== '')
  const shown = [
    ...withoutComments(read('protocol/index.ts')).matchAll(/export (?:type )?\{([^}]*)\}/g),
  ].flatMap(([, list]) => names(list!))

  test('names what it shows, and shows what the product or a stranger to it uses: tests import the rest from its file', () => {
    expect(read('protocol/index.ts')).not.toContain('export *')
    expect(shown.length).toBeGreaterThan(300)
    const users = [...sources.filter((path) => !path.startsWith('protocol/')), ...filesBelow('test/light')]
    const used = new Set(
      users.flatMap((path) =>
        [
          ...read(path).matchAll(/import (?:type )?\{([^}]*)\} from '(?:\.\.\/)+protocol\/index\.ts'/g),
        ].flatMap(([, list]) => names(list!).map((name) => name.replace(/ as .*/, ''))),
      ),
    )
    expect(shown.filter((name) => !used.has(name))).toEqual([])
  })
})

describe('rulesets', () => {
  test('R-NET-3 the door of protocol/ shows no ruleset and no function of one: only judging by the parameters of a week', () => {
    const doorValues = new Set<unknown>(Object.values(door))
    for (const ruleset of rulesets) {
      expect(doorValues.has(ruleset)).toBe(false)
      for (const rule of Object.values(ruleset)) {
        if (typeof rule === 'function') expect(doorValues.has(rule)).toBe(false)
      }
    }
    expect(doorValues.has(rulesets)).toBe(false)
    const inside = edges.filter(({ to }) => to.startsWith('protocol/tally/v'))
    expect(inside.length).toBeGreaterThan(0)
    // A later ruleset may build on an earlier one; besides them, the table alone imports them.
    expect(
      inside.filter(
        ({ from }) => from !== 'protocol/tally/rulesets.ts' && !from.startsWith('protocol/tally/v'),
      ),
    ).toEqual([])
  })

  test('R-NET-3 nobody outside protocol/ names a ruleset by its number', () => {
    const named = sources
      .filter((path) => !path.startsWith('protocol/'))
      .flatMap((path) =>
        codeOnly(read(path))
          .split('\n')
          .filter((line) => /\bruleset\s*(?::|===?|!==?)\s*\d/.test(line))
          .map((line) => `${path}: ${line.trim()}`),
      )
    expect(named).toEqual([])
  })
})

describe('purity', () => {
  const impure =
    /(?<![.\w])(?:Date|process|performance|setTimeout|setInterval|setImmediate|queueMicrotask|fetch|crypto|Buffer|console|globalThis|require)\b(?!\s*:)|\bMath\.random\b|\bnew WeakRef\b|\bIntl\b|\.toLocale\w*|\.localeCompare\b/

  test.each(['protocol', 'sim', 'src/week'])(
    '%s/ uses no clock, no chance, no locale and nothing of Node',
    (folder) => {
      const found = sources
        .filter((path) => areaOf(path) === folder)
        .flatMap((path) =>
          codeOnly(read(path))
            .split('\n')
            .filter((line) => impure.test(line))
            .map((line) => `${path}: ${line.trim()}`),
        )
      expect(found).toEqual([])
    },
  )

  test('the pattern finds what it is for', () => {
    for (const line of [
      'Date.now()',
      'new Date()',
      'Math.random()',
      'process.env',
      'crypto.subtle',
      'a.localeCompare(b)',
    ]) {
      expect(impure.test(line)).toBe(true)
    }
    for (const line of ['schema.process', 'dateOf()', 'processed', 'Buffered', '{ process: 1 }'])
      expect(impure.test(line)).toBe(false)
  })
})

describe('time', () => {
  const bare =
    /\bAbortSignal\.(?:any|timeout)\b|(?<![.\w])(?:setTimeout|setInterval|setImmediate)\s*\(|\bperformance\.now\b|\bDate\.now\b|\bnew Date\(\)/
  /** The router's own times are of the machine's clock: what it keeps is compared with that. */
  const allowed = new Set(['src/world.ts', 'src/net/gossip/rehearsal.ts'])

  test('all waiting goes through src/async, and every clock is that of World', () => {
    const files = sources.filter(
      (path) => path.startsWith('src/') && !path.startsWith('src/async/') && !allowed.has(path),
    )
    const found = files.flatMap((path) =>
      codeOnly(read(path))
        .split('\n')
        .filter((line) => bare.test(line))
        .map((line) => `${path}: ${line.trim()}`),
    )
    expect(found).toEqual([])
    expect(edges.filter(({ from, to }) => from.startsWith('src/') && to === 'node:timers/promises')).toEqual(
      [],
    )
  })

  test('maps are bounded by lru-cache, and names by an allowance', () => {
    const handmade = /\.keys\(\)\.next\(\)\.value|\[\w+\] = [\w.]+\.keys\(\)/
    const found = sources
      .filter((path) => path.startsWith('src/') && !path.startsWith('src/async/'))
      .filter((path) => handmade.test(codeOnly(read(path))))
    expect(found).toEqual([])
  })

  test('the pattern finds what it is for', () => {
    for (const line of ['setTimeout(f, 1)', 'AbortSignal.timeout(5)', 'const now = Date.now()']) {
      expect(bare.test(line)).toBe(true)
    }
    for (const line of ['world.setTimeout(f)', 'resetTimeout(f)']) expect(bare.test(line)).toBe(false)
  })
})

describe('a clone alone is enough', () => {
  test("no file names a place of somebody's machine", () => {
    const machine = new RegExp(
      ['/work/', '/root/', '/home/[a-z]', '/Users/[A-Za-z]', '/tmp/[a-z]']
        .map((path) => `(?<![\\w.~-])${path}`)
        .join('|'),
    )
    const texts = filesBelow('.').filter((path) =>
      /\.(?:ts|mts|js|mjs|json|md|py|sh|ya?ml|toml|html|css)$|^\.ci\//.test(path),
    )
    expect(texts.length).toBeGreaterThan(100)
    const found = texts
      .filter((path) => path !== 'test/architecture.test.ts' && path !== 'package-lock.json')
      .flatMap((path) =>
        read(path)
          .split('\n')
          .filter((line) => machine.test(line))
          .map((line) => `${path}: ${line.trim().slice(0, 120)}`),
      )
    expect(found).toEqual([])
  })
})
