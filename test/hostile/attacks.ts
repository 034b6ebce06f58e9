import type { Attack } from './attack.ts'
import { socketAttacks } from './attacks/sockets.ts'
import { streamAttacks } from './attacks/streams.ts'

export const attacks: readonly Attack[] = [...socketAttacks, ...streamAttacks]
