import {
  type ChallengerWord,
  type EpochWords,
  type Observations,
} from '../../../src/service/self-diagnosis/observations.ts'
import type { ObservedContact } from '../../../src/node/contact/contact.ts'
import { type Verdict, verdictNames } from '../../../protocol/index.ts'

export const minuteMs = 60_000
export const dayMs = 86_400_000

/** A node with which all is well; a test says what is otherwise. */
export const observed = (other: Partial<Observations> = {}): Observations => ({
  nowMs: 1_795_000_000_000,
  height: 1_000,
  seat: 7,
  host: 'n7.example.org',
  chain: { status: 'following', detail: null, sinceMs: 0, stillMs: 0, height: 1_000, tip: 1_010 },
  visits: visitsOf(11, 11, 1),
  words: [words('VVVVVVVVVVV')],
  duty: { epoch: 5, targets: 11, judged: 11, abstained: 0, reasons: [], secondNonces: 0, attested: true },
  outside: null,
  certificate: { notAfterMs: 1_795_000_000_000 + 60 * dayMs, faults: [], refused: null },
  disk: { directory: 'data', freeBytes: 100 * 1024 ** 3, totalBytes: 200 * 1024 ** 3 },
  registration: {
    is: 'announced',
    stake: 'tmStake',
    isActive: true,
    balance: 4_200_000_000n,
    minStake: 4_200_000_000n,
    differences: [],
  },
  hotWallet: { is: 'asked', address: 'tmHot', balance: 200_000_000n, needed: 100_110_000n },
  isEquivocator: false,
  twin: null,
  rival: null,
  isStandby: false,
  watched: null,
  takenOver: null,
  moved: null,
  unknownRuleset: null,
  differingCheckpoints: [],
  network: { registeredPeers: 8, otherSeats: 100, aloneMs: 0 },
  contact: contactOf({}),
  ...other,
})

/** In touch with all others; a test says what is otherwise. */
export const contactOf = (other: Partial<ObservedContact>): ObservedContact => ({
  isAlone: false,
  neighbours: 8,
  isWithoutNeighbour: false,
  hearing: { epoch: 4, heard: 99, others: 100, inARow: 0 },
  branch: { epoch: 5, is: 'ours', other: 0, seats: 100 },
  streams: { purpose: 'sync/1', unread: 0, bound: 9, isRaised: false },
  ...other,
})

export const visitsOf = (k: number, came: number, share: number): NonNullable<Observations['visits']> => ({
  epoch: 5,
  share,
  challengers: Array.from({ length: k }, (_, i) => ({
    seat: 100 + i,
    host: `c${i}.example.org`,
    came: i < came,
  })),
})

const codes: Readonly<Record<string, number | null>> = { V: 0, U: 2, T: 3, D: 4, A: 255, '-': null }

/** One letter for each challenger: Valid, Unreachable, Timeout, wrong Digest, Abstain, - silent. */
export const words = (letters: string, epoch = 5, isClosed = false): EpochWords => ({
  epoch,
  params: { ruleset: 1 },
  isClosed,
  challengers: letters.split('').map((letter, i): ChallengerWord => {
    const verdict = codes[letter]!
    const who = { seat: 100 + i, host: `c${i}.example.org` }
    if (verdict === null) return { ...who, verdict }
    return {
      ...who,
      verdict,
      signed: {
        is: 'verdict',
        epoch,
        ...who,
        verdict,
        word: verdictNames[verdict as Verdict],
        saw: 'connection refused',
        attestation: { cid: 'cid', payload: '', signature: '' },
        evidence: 'cid',
      },
    }
  }),
})
