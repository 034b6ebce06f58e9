import type { Attack } from './attack.ts'
import { frameAttacks } from './attacks/frames.ts'
import { gossipAttacks } from './attacks/gossip.ts'
import { socketAttacks } from './attacks/sockets.ts'
import { streamAttacks } from './attacks/streams.ts'

export const attacks: readonly Attack[] = [
  ...socketAttacks,
  ...frameAttacks,
  ...streamAttacks,
  ...gossipAttacks,
]
