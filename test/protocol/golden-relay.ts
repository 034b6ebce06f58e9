import {
  bytesToHex,
  createStream,
  defaultPrefixBits,
  drawHops,
  encodeCell,
  encodeEnd,
  encodeFrame,
  endCodeBack,
  endCodeForth,
  hash,
  type RelayCandidate,
  relayAnswerCodec,
  relayRequestCodec,
  suspectsOf,
  utf8ToBytes,
} from '../../protocol/index.ts'

const hex = bytesToHex
/** The n-th byte is n, modulo 251. */
const counted = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i % 251)

/** 24 seats in nine /16s and two /32s. */
const candidates = Array.from({ length: 24 }, (_, seat): RelayCandidate => {
  const address =
    seat % 6 === 5
      ? Uint8Array.from([0x20, 0x01, 0x07, seat % 4, ...counted(12)])
      : Uint8Array.of(100 + (seat % 9), 7, seat, 1)
  return { seat, address }
})

/** R-RELAY-2: for each link of a path that may fail, and for its failure afterwards, who is suspected and drawn next. */
const failuresOf = (seats: readonly number[]) =>
  [0, 1, 2, 3, null].map((link) => {
    const suspects = suspectsOf(seats, link)
    const seed = hash('relay failure', String(link))
    const places = seats.map((seat) => (suspects.includes(seat) ? null : candidates[seat]!))
    const next = drawHops(
      { candidates, places, excluded: new Set(suspects), prefixBits: defaultPrefixBits },
      createStream(seed),
    )!
    return { path: seats, link, suspects, seed: hex(seed), next: next.map(({ seat }) => seat) }
  })

/**
 * R-RELAY-1: the draw of three hops from each of three seeds; R-RELAY-2: what follows on failures; R-RELAY-3 and 4: cells,
 * codes at the end, a frame, messages.
 */
export const relayVector = () => {
  const txid = hash('txid')
  const extend = relayRequestCodec.encode(['extend', 300, hash('peer')])
  return {
    candidates: candidates.map(({ seat, address }) => ({ seat, address: hex(address) })),
    excluded: [3, 17],
    draws: ['a', 'b', 'c'].map((name) => {
      const seed = hash('relay draw', name)
      const path = drawHops(
        {
          candidates,
          places: [null, null, null],
          excluded: new Set([3, 17]),
          prefixBits: defaultPrefixBits,
        },
        createStream(seed),
      )!
      return { seed: hex(seed), path: path.map(({ seat }) => seat) }
    }),
    failures: failuresOf([2, 7, 15, 5]),
    payload: hex(counted(600)),
    cells: {
      data: hex(encodeCell({ kind: 'data', payload: counted(600) })),
      open: hex(encodeCell({ kind: 'open', payload: new Uint8Array() })),
      end: hex(encodeEnd('idle')),
      toll: hex(encodeCell({ kind: 'toll', payload: utf8ToBytes('puzzle') })),
    },
    endCodes: ['busy', 'toll', 'late', 'malformed', 'gone', 'done', 'idle', 'circuit-1'].map((read) => ({
      read,
      back: endCodeBack(read),
      forth: endCodeForth,
    })),
    seat: 300,
    peer: hex(hash('peer')),
    txid: hex(txid),
    messages: {
      extend: hex(extend),
      broadcast: hex(relayRequestCodec.encode(['broadcast', 900, counted(600)])),
      part: hex(relayRequestCodec.encode(['part', counted(300)])),
      sent: hex(relayAnswerCodec.encode(['sent', txid])),
      nodeRefused: hex(relayAnswerCodec.encode(['node-refused', -26, '64: dust'])),
    },
    frameBytes: 500,
    frame: hex(encodeFrame(extend, 500)),
  }
}
