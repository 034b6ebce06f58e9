/** What a process full of strangers is told to do. */
export interface CrowdTask {
  is: 'ask' | 'ask and pay' | 'circuits' | 'circuits and pay'
  /** Of the node under test; for circuits it is the first hop. */
  target: { peerKey: string; ip: string; port: number }
  /** How many strangers. */
  count: number
  /** Strangers of different blocks have different addresses. */
  block: number
  /** Of each who pays. */
  requests: number
  protocolName: string
  /** Hex. */
  request: string
  /** Of circuits. */
  path: readonly { seat: number; peerKey: string }[]
}

export type CrowdMessage =
  | { is: 'ready' }
  /** `answered`, `puzzle <code>`, or what went wrong, and how often; `worked`: how many solved a puzzle. */
  | { is: 'done'; outcomes: Record<string, number> }

export interface Member {
  /** Does what it is there for, until it has done it or the crowd is told to stop. */
  run(): Promise<void>
}

/** One stranger of a task. */
export type CreateMember = (
  task: CrowdTask,
  index: number,
  count: (outcome: string) => void,
  stopping: AbortSignal,
) => Promise<Member>

const strangersPerAddress = 4

/** Four strangers to an address, each of these in a network of its own. */
export const addressOf = (task: CrowdTask, index: number): string =>
  ownAddressOf(task, Math.floor(index / strangersPerAddress))

export const ownAddressOf = ({ block }: CrowdTask, index: number): string => `127.${142 + block}.${index}.1`

/** Between one question and the next, and before whoever was thrown out comes back. */
const pauseMs = 300

export const pause = (stopping: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, pauseMs)
    stopping.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true })
  })

/** A machine that is too busy to answer within half a second harms nobody: so few handshakes at a time. */
const maxDials = 16
let dials = 0
const inTurn: (() => void)[] = []

export const dialInTurn = async <T>(dial: () => Promise<T>): Promise<T> => {
  if (dials >= maxDials) await new Promise<void>((resolve) => inTurn.push(resolve))
  dials++
  try {
    return await dial()
  } finally {
    dials--
    inTurn.shift()?.()
  }
}
