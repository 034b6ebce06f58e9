import type { z } from 'zod'

/** A path with `{name}` as the server's router has it. */
export const routerPath = (path: string): string => path.replaceAll(/\{(\w+)\}/g, ':$1')

/** Parameters or a body as a schema reads them, or what is wrong with them. */
export const readBy = (
  schema: z.ZodType,
  values: unknown,
): { is: 'read'; value: unknown } | { is: 'refused'; fault: string } => {
  const parsed = schema.safeParse(values)
  if (parsed.success) return { is: 'read', value: parsed.data }
  const issue = parsed.error.issues[0]!
  const isUnknown = issue.code === 'unrecognized_keys'
  const name = isUnknown ? issue.keys.join(', ') : issue.path.join('.')
  return { is: 'refused', fault: `${name.slice(0, 64)}: ${isUnknown ? 'is not known' : issue.message}` }
}
