import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

interface Declaration {
  /** `file.ts name`. */
  place: string
  /** The text of the doc block directly above it; null without one. */
  doc: string | null
  /** From its name to the next declaration at the left margin. */
  code: string
  /** The type of a schema that has the same name: documented there. */
  isCompanion: boolean
}

/** What `package.json` shows to other programs, as lists of names. */
const doors = ['protocol', 'src/week']

/** Every declaration that a door shows. */
const declarations: Declaration[] = doors
  .flatMap((folder) =>
    [...read(`${folder}/index.ts`).matchAll(/export (?:type )?\{([^}]*)\} from '\.\/([^']+)'/g)].map(
      ([, list, file]) => [list!, `${folder}/${file!}`] as const,
    ),
  )
  .flatMap(([list, file]) => {
    const names = new Set(list.split(',').map((name) => name.trim().replace(/^type /, '')))
    const code = read(file)
    const found = [
      ...code.matchAll(
        /(?:\/\*\*((?:[^*]|\*(?!\/))*)\*\/\n)?^export (?:const|function\*?|class|interface|type) (\w+)\b/gm,
      ),
    ]
    return found
      .filter(([, , name]) => names.has(name!))
      .map(({ 0: text, 1: doc, 2: name, index }): Declaration => {
        const rest = code.slice(index + text.length)
        const end = rest.search(/\n(?=\S)(?![)}\]])/)
        const body = end === -1 ? rest : rest.slice(0, end)
        return {
          place: `${file} ${name}`,
          doc: doc ?? null,
          code: body,
          isCompanion: /^\s*=\s*(?:z\.infer<typeof|\(typeof)/.test(body),
        }
      })
  })

const placesOf = (found: readonly Declaration[]): string[] => found.map(({ place }) => place)
const documented = declarations.filter(({ doc }) => doc !== null)

describe('docstrings of the doors', () => {
  test('the reader finds the declarations', () => {
    expect(declarations.some(({ place }) => place === 'src/week/tally-bundle.ts tallyBundle')).toBe(true)
    expect(declarations.length).toBeGreaterThan(450)
    const codec = declarations.find(({ place }) => place === 'protocol/tally/document.ts createTallyOfJudged')
    expect(codec?.doc).toContain('R-TALLY')
    expect(codec?.code).toContain('return')
  })

  test('every declaration has one', () => {
    expect(placesOf(declarations.filter(({ doc, isCompanion }) => doc === null && !isCompanion))).toEqual([])
  })

  test('what can throw says so', () => {
    const silent = documented.filter(
      ({ code, doc }) => /\bthrow new\b/.test(code) && !/throw|error/i.test(doc!),
    )
    expect(placesOf(silent)).toEqual([])
  })

  test('what judges outside input says how it answers', () => {
    const silent = documented.filter(({ code, doc }) => {
      const ofFunction = /(?:^[^\n]*|\n)\): ([^\n]*) =>/.exec(code)?.[1] ?? ''
      const answers = /^(?:Validation|Decoded)<|\| (?:null|undefined)$/.test(ofFunction)
      return answers && !/accept|ignore|reject|refus|code|bad|null|undefined|unless|without|if /i.test(doc!)
    })
    expect(placesOf(silent)).toEqual([])
  })
})
