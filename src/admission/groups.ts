/** The groups of one level: who is in each, in the order in which they came, and which groups are how large. */
export interface Groups<Member> {
  membersOf(group: string): ReadonlySet<Member>
  /** The sizes that there are, and the groups of each. */
  bySize(): Iterable<[size: number, groups: ReadonlySet<string>]>
  add(group: string, member: Member): void
  remove(group: string, member: Member): void
}

export const createGroups = <Member>(): Groups<Member> => {
  const membersByGroup = new Map<string, Set<Member>>()
  const groupsBySize = new Map<number, Set<string>>()

  const move = (group: string, from: number, to: number): void => {
    const left = groupsBySize.get(from)
    left?.delete(group)
    if (left?.size === 0) groupsBySize.delete(from)
    if (to > 0) groupsBySize.set(to, (groupsBySize.get(to) ?? new Set()).add(group))
  }

  return {
    membersOf: (group) => membersByGroup.get(group) ?? none,
    bySize: () => groupsBySize,
    add: (group, member) => {
      const members = membersByGroup.get(group) ?? new Set()
      membersByGroup.set(group, members)
      move(group, members.size, members.add(member).size)
    },
    remove: (group, member) => {
      const members = membersByGroup.get(group)
      if (members?.delete(member) !== true) return
      move(group, members.size + 1, members.size)
      if (members.size === 0) membersByGroup.delete(group)
    },
  }
}

const none: ReadonlySet<never> = new Set()
