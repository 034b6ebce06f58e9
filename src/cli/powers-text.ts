import { lineOf } from '../errors.ts'
import type { Powers } from '../service/powers.ts'

/** A line for each thing that a node does to its machine and to others because its configuration says so. */
export const powersText = ({ rpc, cookie, commands, webhooks, page, dialsLoopback }: Powers): string[] =>
  [
    `asks the chain node at ${rpc}${cookie === null ? '' : ` and sends it what ${cookie} holds`}`,
    ...commands.map((argv) => `runs ${argv.map(wordOf).join(' ')}`),
    ...webhooks.map((origin) => `sends alerts to ${origin}`),
    ...(page === null ? [] : [`serves its page at ${page}`]),
    ...(dialsLoopback
      ? ['dials ports of this machine that other nodes announce, as its profile allows']
      : []),
  ].map((line) => lineOf(line))

/** Shows where an argument begins and ends. */
const wordOf = (word: string): string => (/^[\w./:=@%+-]+$/.test(word) ? word : JSON.stringify(word))
