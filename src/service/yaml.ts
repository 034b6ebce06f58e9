import { type Document, isAlias, isCollection, isMap, isScalar, type Node, parseDocument, visit } from 'yaml'
import { messageOf, SecnodeError } from '../errors.ts'

/** A hosts table of a devnet with two thousand nodes fits. */
export const maxYamlCharacters = 100_000
/** Of lists and groups inside one another. */
const maxDepth = 16
const maxAliases = 10

/** A configuration as it is written, for changing it, and as plain data. */
export interface Yaml {
  document: Document
  value: unknown
}

/**
 * Reads a configuration that somebody else may have written, in time that grows with its length. Left to itself the
 * library compares each key with every other, looks each alias up in the whole file, and spells out keys that are lists.
 * Errors: CONFIG_INVALID (exit code 2).
 */
export const readYaml = (text: string, path: string): Yaml => {
  if (text.length > maxYamlCharacters) {
    throw new SecnodeError('CONFIG_INVALID', `${path}: is larger than a configuration can be`, {
      exitCode: 2,
      hint: `It has ${text.length} characters of at most ${maxYamlCharacters}.`,
    })
  }
  let fault: Fault | null
  try {
    const document = parseDocument(text, { uniqueKeys: false, prettyErrors: false })
    const [first] = document.errors
    fault = first === undefined ? faultOf(document) : { what: messageOf(first), at: first.pos[0] }
    if (fault === null) return { document, value: document.toJS({ maxAliasCount: maxAliases }) as unknown }
  } catch (error) {
    // The library's reader goes as deep as the file does.
    if (error instanceof RangeError) throw invalid(path, 'is nested too deeply', error)
    // An alias of nothing, or of too much.
    throw invalid(path, messageOf(error), error)
  }
  throw invalid(path, `${fault.what} in line ${text.slice(0, fault.at).split('\n').length}`)
}

interface Fault {
  what: string
  /** Offset in the text. */
  at: number
}

const faultOf = (document: Document): Fault | null => {
  let fault: Fault | null = null
  let aliases = 0
  const stop = (what: string, { range }: Node): symbol => {
    fault = { what, at: range?.[0] ?? 0 }
    return visit.BREAK
  }
  visit(document, {
    Node(_, node, ancestors) {
      if (isAlias(node)) return ++aliases > maxAliases ? stop('too many aliases', node) : undefined
      if (!isCollection(node)) return undefined
      if (ancestors.filter(isCollection).length >= maxDepth) return stop('nested too deeply', node)
      if (!isMap(node)) return undefined
      const names = new Set<string>()
      for (const { key } of node.items) {
        if (!isScalar(key)) return stop('a key that is not text', node)
        const name = String(key.value)
        if (names.has(name)) return stop(`the key ${name} a second time`, key)
        names.add(name)
      }
      return undefined
    },
  })
  return fault
}

const invalid = (path: string, what: string, cause?: unknown): SecnodeError =>
  new SecnodeError('CONFIG_INVALID', `${path}: is no YAML: ${what}`, {
    exitCode: 2,
    hint: 'Check indentation, quotes and brackets of that line.',
    cause,
  })
