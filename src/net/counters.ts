/** Everything that src/net counts: name, what it says, and what its one label tells apart. */
export const netCounters = {
  gossip_messages: { help: 'Gossip messages judged', label: 'verdict and code' },
  gossip_dropped: {
    help: 'Gossip dropped unread because its sender was above its budget, in whole or in part',
    label: 'stranger or registered',
  },
  gossip_published: { help: 'Own gossip messages sent', label: 'topic' },
  requests_sent: { help: 'Requests made of other nodes', label: 'ok, or the code of the error' },
  requests_served: { help: 'Requests of other nodes', label: 'ok, busy, or what broke' },
  streams_refused: { help: 'Requests of other nodes ended unread or displaced', label: 'protocol and why' },
  dials: { help: 'Connections opened for a request', label: 'ok, or the code of the error' },
  connections_refused: { help: 'Incoming connections refused', label: 'door and why' },
  connections_displaced: {
    help: 'Connections that gave way to others',
    label: 'door, and how far they had come',
  },
  penalties: { help: 'Penalties given to peers', label: 'code' },
  gate_refusals: { help: 'Requests of strangers that were not let in', label: 'code' },
  puzzles: { help: 'Puzzles of other nodes met by this one', label: 'solved, or the code of the error' },
  hostile_connections: {
    help: 'Connections ended for bytes that no honest peer sends',
    label: 'what was sent, and registered, stranger, or unknown before the handshake',
  },
  reading_slowed: {
    help: 'Times that a peer was read from more slowly for a moment',
    label: 'stranger or registered',
  },
  bans: { help: 'Peers shut out for a time', label: 'stranger or registered' },
} as const

export type NetCounter = keyof typeof netCounters

/** Where the counts go; the daemon hands in its metrics, and a test what it reads afterwards. */
export interface NetMetrics {
  increment(counter: NetCounter, label: string): void
}

export const noMetrics: NetMetrics = { increment: () => undefined }
