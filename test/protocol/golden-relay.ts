import {
  bytesToHex,
  createStream,
  defaultPrefixBits,
  drawHops,
  encodeCell,
  encodeEnd,
  encodeFrame,
  hash,
  type RelayCandidate,
  relayAnswerCodec,
  relayRequestCodec,
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

/** R-RELAY-1: the draw of three hops from each of three seeds; R-RELAY-3 and 4: cells, a frame, messages. */
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
    payload: hex(counted(600)),
    cells: {
      data: hex(encodeCell({ kind: 'data', payload: counted(600) })),
      open: hex(encodeCell({ kind: 'open', payload: new Uint8Array() })),
      end: hex(encodeEnd('idle')),
      toll: hex(encodeCell({ kind: 'toll', payload: utf8ToBytes('puzzle') })),
    },
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
