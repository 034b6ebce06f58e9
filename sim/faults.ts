import type { z } from 'zod'

const nouns: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'fields and their values',
  record: 'names and their values',
}

/** What to write where a schema has no words of its own; for `safeParse`. */
export const whatToWrite = (issue: z.core.$ZodRawIssue): string | undefined => {
  switch (issue.code) {
    case 'invalid_type': {
      const wanted = nouns[issue.expected]
      return wanted === undefined ? undefined : `write ${wanted}`
    }
    case 'too_small':
      return `write ${sizeOf(issue.origin, `at least ${issue.minimum}`)}`
    case 'too_big':
      return `write ${sizeOf(issue.origin, `at most ${issue.maximum}`)}`
    case 'unrecognized_keys':
      return `there is no such field here: write one of ${fieldsOf(issue.inst).join(', ')}`
    default:
      return undefined
  }
}

const sizeOf = (origin: string, size: string): string => {
  if (origin === 'array') return `${size} of them`
  return origin === 'string' ? `${size} characters` : `a number of ${size}`
}

const fieldsOf = (schema: unknown): string[] =>
  Object.keys((schema as { def?: { shape?: object } } | undefined)?.def?.shape ?? {})

/** Faults by their paths, a field that does not exist by its own. */
export const faultTexts = (issues: readonly z.core.$ZodIssue[]): string[] =>
  issues.flatMap((issue) => {
    const paths =
      issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...issue.path, key]) : [issue.path]
    return paths.map(
      (path) => `${path.length === 0 ? '(whole file)' : path.map(String).join('.')}: ${issue.message}`,
    )
  })
