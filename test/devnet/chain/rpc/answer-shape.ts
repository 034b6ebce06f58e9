/** What kind of text: hashes and other hex by their look, addresses by being Base58. */
const formatOf = (text: string): string => {
  if (/^[0-9a-f]{64}$/.test(text)) return 'hash'
  if (/^([0-9a-f]{2})*$/.test(text)) return 'hex'
  if (/^[1-9A-HJ-NP-Za-km-z]{35}$/.test(text)) return 'address'
  return 'text'
}

/** `path: format` of every leaf; elements of arrays and values of maps by branch id share one path. */
export const leavesOf = (value: unknown, path = ''): Set<string> => {
  if (Array.isArray(value)) {
    return new Set([`${path}: array`, ...value.flatMap((item) => [...leavesOf(item, `${path}[]`)])])
  }
  if (typeof value === 'object' && value !== null) {
    return new Set(
      Object.entries(value).flatMap(([name, item]) => [
        ...leavesOf(item, `${path}.${/^[0-9a-f]{8}$/.test(name) ? '*' : name}`),
      ]),
    )
  }
  // insta redacts what differs from run to run: `"[f64]"`.
  if (typeof value === 'string' && /^\[\w+\]$/.test(value)) return new Set([`${path}: redacted`])
  return new Set([`${path}: ${typeof value === 'string' ? formatOf(value) : typeof value}`])
}

/** Leaves that one side has and the other has not; what insta redacted is not compared. */
export const differences = (ours: unknown, recorded: unknown): string[] => {
  const [expected, given] = [leavesOf(recorded), leavesOf(ours)]
  const redacted = [...expected].filter((leaf) => leaf.endsWith(': redacted')).map(pathOf)
  const all = [
    ...[...expected].filter((leaf) => !given.has(leaf)).map((leaf) => `missing ${leaf}`),
    ...[...given].filter((leaf) => !expected.has(leaf)).map((leaf) => `too many ${leaf}`),
  ]
  return all.filter((leaf) => !redacted.some((path) => leaf.includes(` ${path}:`)))
}

/** Leaves of ours that are not in the recorded answer, but for those at the paths named. */
export const extras = (ours: unknown, recorded: unknown, otherPaths: readonly string[] = []): string[] => {
  const expected = leavesOf(recorded)
  return [...leavesOf(ours)].filter((leaf) => !expected.has(leaf) && !otherPaths.includes(pathOf(leaf)))
}

export const pathOf = (leaf: string): string => leaf.split(':')[0]!
