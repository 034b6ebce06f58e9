/** What events of the message engine mean: (kind, node, a, b). `node` is where it happens. */
export const kinds = {
  /** A copy of message a comes from node b. */
  gossip: 0,
  heartbeat: 1,
  /** Node a names b & 0xffff messages of its log from position b >>> 16 on. */
  ihave: 2,
  /** Node a asks for the messages of list b. */
  iwant: 3,
  /** Time to compare with a random seat. */
  syncDue: 4,
  /** A step of exchange b of node a. */
  sync: 5,
  /** Something is due for the challenger. */
  challengerDue: 6,
  /** Node a asks; b is the visit. */
  visitAsked: 7,
  /** The answer to visit b of node a is ready. */
  visitServed: 15,
  /** The answer to visit b has come. */
  visitAnswered: 8,
  /** The word that all places are taken has come as the answer to visit b. */
  visitBusy: 17,
  /** Too late for the answer to visit b. */
  visitOver: 9,
  /** The three other seats were tried; a of them were reached. */
  selfChecked: 10,
  /** The moment has come at which message a, the attestation of epoch b, goes out. */
  publish: 11,
  /** An attestation that was withheld is released. */
  release: 18,
  /** Node a, which has come up, asks for its own attestations; b is the question. */
  ownAsked: 19,
  /** The answer to question b has come. */
  ownAnswered: 20,
  /** No answer to question b in time. */
  ownSilent: 21,
  /** Time to ask once more. */
  askOwnDue: 22,
  /** A new block, for whoever certifies. */
  certifierDue: 12,
  /** Message b between certifiers has come. */
  certifier: 13,
  /** No answer to message b in time. */
  certifierSilence: 14,
  /** A block is mined. */
  block: 16,
} as const
