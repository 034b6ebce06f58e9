import type { CID } from 'multiformats/cid'
import {
  type Attestation,
  type Checkpoint,
  cidOf,
  decodeCheckpoint,
  equalBytes,
  networkIdOf,
  paramsHash,
  paramsOfWeek,
  type Seat,
  validateProof,
} from '../../../protocol/index.ts'
import type { CaseFile } from './case-file.ts'
import type { CaseLine, CaseSetting, VerifiedCase, VerifierFacts } from './verified-case.ts'
import { verifyCaseEpoch } from './verify-epoch.ts'

/** R-CASE-2, R-CASE-3: checks all that a case file says against the verifier's own chain. Nothing in it is believed. */
export const verifyCase = async (
  facts: VerifierFacts,
  file: CaseFile,
  signal: AbortSignal,
): Promise<VerifiedCase> => {
  const lines: CaseLine[] = []
  const line: CaseSetting['line'] = (is, subject, detail, epoch) =>
    void lines.push({ is, epoch: epoch ?? null, subject, detail })
  // Under another network's id not one signature can hold.
  if (verifyNetwork(facts, file, line)) {
    const anchor = await facts.anchorOf?.(file.week)
    const setting: CaseSetting = {
      file,
      facts,
      equivocators: await verifyProofs(facts, file, line),
      checkpoint: verifyCheckpoint(file, anchor, line),
      isAnchored: anchor !== undefined && anchor !== null,
      line,
    }
    if (!setting.isAnchored) {
      line('assumed', 'week', `that all that counts is shown: no anchor that fixes ${file.week} is at hand`)
    }
    let last = -1
    for (const epoch of file.epochs) {
      if (epoch.epoch <= last) line('fails', 'epochs', 'are not in rising order', epoch.epoch)
      last = epoch.epoch
      await verifyCaseEpoch(setting, epoch)
      signal.throwIfAborted()
    }
  }
  return { result: resultOf(lines), lines }
}

const resultOf = (lines: readonly CaseLine[]): VerifiedCase['result'] => {
  const has = (is: CaseLine['is']): boolean => lines.some((one) => one.is === is)
  if (has('fails')) return 'fails'
  if (has('missing')) return 'incomplete'
  return has('assumed') ? 'follows' : 'holds'
}

/** R-NET-1, R-NET-2. False if it is another network. */
const verifyNetwork = ({ network }: VerifierFacts, file: CaseFile, line: CaseSetting['line']): boolean => {
  const isOurs = file.network === network.networkId
  line(
    isOurs ? 'holds' : 'fails',
    'network',
    isOurs ? `${file.network}, profile ${network.name}` : `is ${file.network}, not ${network.networkId}`,
  )
  const isGenesis = networkIdOf(file.genesis) === file.network
  line(
    isGenesis ? 'holds' : 'fails',
    'genesis',
    isGenesis ? 'gives that network id' : 'gives another network id',
  )
  const params = paramsOfWeek(network.profile.schedule, file.week)
  const isParams = equalBytes(paramsHash(file.params), paramsHash(params))
  line(
    isParams ? 'holds' : 'fails',
    'params',
    isParams ? `are those of the profile for ${file.week}` : `are not those of the profile for ${file.week}`,
  )
  return isOurs
}

/** R-ATT-3: the seats of which the file proves that they signed twice. */
const verifyProofs = async (
  facts: VerifierFacts,
  file: CaseFile,
  line: CaseSetting['line'],
): Promise<Set<Seat>> => {
  const equivocators = new Set<Seat>()
  for (const [i, bytes] of file.proofs.entries()) {
    const subject = `proof ${i + 1}`
    const about = aboutOf(facts, file, bytes)
    const context = about === null ? undefined : await facts.epochs.get(about.epoch)
    if (about !== null && context === undefined) {
      line('missing', subject, `epoch ${about.epoch} is not in the chain data`)
      continue
    }
    const isOfWeek =
      about !== null &&
      context !== undefined &&
      context.week === file.week &&
      equalBytes(context.beacon, about.beacon)
    const checked = validateProof(
      file.network,
      bytes,
      ({ seat }) => (isOfWeek ? context.rowOf(seat)?.peer : undefined),
      facts.verify,
    )
    if (checked.is === 'accept') {
      const { seat, epoch } = checked.value.about
      if (equivocators.has(seat)) line('fails', subject, `there is one of seat ${seat} already`)
      else line('holds', subject, `seat ${seat} signed two attestations of epoch ${epoch}`)
      equivocators.add(seat)
    } else line('fails', subject, isOfWeek ? checked.code : 'is not about this week of this chain')
  }
  return equivocators
}

/** The attestation that a proof is about, unchecked; null for what is no proof. */
const aboutOf = (facts: VerifierFacts, file: CaseFile, bytes: Uint8Array): Attestation | null => {
  let about: Attestation | null = null
  const look = (attestation: Attestation): undefined => void (about = attestation)
  validateProof(file.network, bytes, look, facts.verify)
  return about
}

/** R-CP-1, R-CP-5: the checkpoint of the file is the one that the chain names. */
const verifyCheckpoint = (
  file: CaseFile,
  anchor: CID | null | undefined,
  line: CaseSetting['line'],
): Checkpoint | null => {
  if (file.checkpoint === null) {
    if (anchor !== undefined && anchor !== null) {
      line('missing', 'checkpoint', `${anchor.toString()}, which fixes the week`)
    }
    return null
  }
  const decoded = decodeCheckpoint(file.checkpoint)
  if (decoded.is === 'bad') {
    line('fails', 'checkpoint', `cannot be read: ${decoded.code}`)
    return null
  }
  const cid = cidOf(file.checkpoint)
  const isOfWeek =
    decoded.value.networkId === file.network && decoded.value.weeks.some(({ week }) => week === file.week)
  if (!isOfWeek) {
    line('fails', 'checkpoint', `does not list ${file.week} of this network`)
    return null
  }
  if (anchor === undefined) line('unchecked', 'checkpoint', `whether ${cid.toString()} is anchored`)
  else if (anchor === null) line('fails', 'checkpoint', `no anchor of ${file.week} is in the chain`)
  else if (anchor.equals(cid)) line('holds', 'checkpoint', `${cid.toString()} is anchored`)
  else line('fails', 'checkpoint', `is not the anchored one, ${anchor.toString()}`)
  return decoded.value
}
