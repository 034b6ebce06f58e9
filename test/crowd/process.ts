import { createAsker, createPayingAsker } from './askers.ts'
import { createIdler, createSender } from './circuits.ts'
import type { CreateMember, CrowdMessage, CrowdTask, Member } from './task.ts'

/**
 * A process full of strangers, so that what they do costs the node under test no more than it costs a node on another
 * machine. It is told by its parent whom to ask, does it, and says what became of it.
 */
const memberOf: Record<CrowdTask['is'], CreateMember> = {
  ask: createAsker,
  'ask and pay': createPayingAsker,
  circuits: createIdler,
  'circuits and pay': createSender,
}

const send = (message: CrowdMessage): void => void process.send!(message)

const stopping = new AbortController()
const outcomes: Record<string, number> = {}
const count = (what: string): void => void (outcomes[what] = (outcomes[what] ?? 0) + 1)
let members: Promise<Member[]> | null = null

process.on('message', (message: CrowdTask | 'go' | 'stop') => {
  if (message === 'stop') stopping.abort()
  else if (message === 'go') {
    void members!
      .then((all) => Promise.all(all.map((member) => member.run())))
      .then(() => {
        send({ is: 'done', outcomes })
        process.exit(0)
      })
  } else {
    const create = memberOf[message.is]
    members = Promise.all(
      Array.from({ length: message.count }, (_, index) => create(message, index, count, stopping.signal)),
    )
    void members.then(() => send({ is: 'ready' }))
  }
})
process.on('disconnect', () => process.exit(1))
