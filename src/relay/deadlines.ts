/** The relay's deadlines from the inside out: whoever waits for another one waits a little longer than that one does. */

/**
 * An exit for its chain node. zebrad waits a minute for an input that it does not find, since the transaction that makes
 * it may be on its way, and refuses only then (docs/chain-nodes.md); a quarter of a minute more is for a busy one.
 */
export const nodeAnswerMs = 75_000

/** A client for a link, a handshake, an extension: each goes through all hops before it. */
export const clientStepMs = 10_000
/** A client for a circuit, from the first link to the last session. */
export const circuitMs = 45_000
/** A client for what the exit says, from the first part of the transaction on: its way there, the node, the way back. */
export const exitAnswerMs = nodeAnswerMs + 2 * clientStepMs

/** A hop for the next cell of a circuit: there is none while the exit waits for its node. */
export const idleMs = nodeAnswerMs + 15_000
/** A hop for a whole circuit, however busy it is. */
export const maxAgeMs = circuitMs + exitAnswerMs + 10_000
