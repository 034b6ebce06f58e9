import { bytesToHex, equalBytes, hash160, outpointText, type DigestedTally } from '../../protocol/index.ts'
import { type SigningKey, signaturesIn, signaturesOf } from '../chain/input-signatures.ts'
import { parseMultisig } from '../chain/formats/input-script.ts'
import type { Network } from '../chain/profiles.ts'
import { getTxOut } from '../chain-node/rpc/methods.ts'
import { SecnodeError } from '../errors.ts'
import { checkAnchorBlock, payoutFormatOf, threadCut } from './build.ts'
import type { ChainThread } from './chain-thread.ts'
import { checkConsolidation, checkPayoutFile, type FileInputs } from './check-file.ts'
import { coinError, coinKey } from './coins.ts'
import type { PayerAccount } from './payer.ts'
import { type Draft, formatPayoutFile, type PayoutFile, replaceDrafts, unsignedFile } from './payout-file.ts'
import {
  type PayoutNode,
  readThreadOfWeek,
  refuseReserved,
  reservedOffline,
  reservedOutputs,
} from './threads.ts'
import { type Outpoint, txidOf } from './transactions.ts'

/**
 * Who vouches for what a file alone cannot show, that its input 0 is the thread's: a chain node, or the coordinator
 * himself who looked it up elsewhere and signs on a machine without one.
 */
export type ThreadWitness = { is: 'node'; node: PayoutNode } | { is: 'outpoint'; outpoint: Outpoint }

export interface SignRequest {
  network: Network
  /** The same payout with signatures of different people; at least one. */
  files: readonly PayoutFile[]
  /** The coordinator's own; null only for files that join coins. */
  tally: DigestedTally | null
  witness: ThreadWitness
  /** Null to put signatures together only. */
  key: SigningKey | null
}

/**
 * R-PAY-3: refuses what is not the payout of one's own tally, then signs it and puts the signatures of all files
 * together. Errors: PAYOUT_MISMATCH, PAYOUT_OTHER_FILE, PAYOUT_WRONG_KEY, PAYOUT_NO_TALLY, PAYOUT_NOT_THE_THREAD,
 * PAYOUT_COIN, PAYOUT_STALE_BRANCH, PAYOUT_ZEN_OFFLINE, and those of `planOf` and `readThread`.
 */
export const signPayout = async (request: SignRequest): Promise<PayoutFile> => {
  const { files, network, key } = request
  const [first] = files
  if (first === undefined) throw new RangeError('no file to sign')
  assertSame(files, network)
  await checkAgainstTally(first, request)
  if (key !== null) assertMaySign(first.account, key)
  return signFile(first, files, key)
}

interface SignatureCount {
  signatures: number
  required: number
}

/** Signatures that each transaction has of those that it needs, its least signed input counting. */
export const signatureCounts = ({ account, drafts }: PayoutFile): SignatureCount[] =>
  drafts.map((draft) => signatureCount(account, draft))

/** Whether the very bytes of a transaction would be taken for signed by a node. */
export const isSigned = (account: PayerAccount, draft: Draft): boolean => {
  const { signatures, required } = signatureCount(account, draft)
  return signatures === required
}

/** Of one transaction. */
export const signatureCount = ({ redeemScript }: PayerAccount, { fields, spent }: Draft): SignatureCount => {
  const counts = fields.inputs.map((_, inputIndex) =>
    signaturesIn({ fields, inputIndex, spentOutputs: spent, redeemScript }),
  )
  // Without inputs there is nothing that a signature could be for.
  const [first = { signatures: 0, required: 1 }, ...others] = counts
  return others.reduce((least, each) => (each.signatures < least.signatures ? each : least), first)
}

const assertSame = (files: readonly PayoutFile[], network: Network): void => {
  const texts = new Set(files.map((file) => formatPayoutFile(unsignedFile(file), network)))
  if (texts.size === 1) return
  throw new SecnodeError('PAYOUT_OTHER_FILE', 'the files do not hold the same transactions', {
    hint: 'Only signatures of one and the same payout can be put together.',
    exitCode: 2,
  })
}

const assertMaySign = ({ payer, redeemScript }: PayerAccount, { publicKey }: SigningKey): void => {
  const maySign =
    payer.kind === 'p2pkh'
      ? equalBytes(hash160(publicKey), payer.hash160)
      : parseMultisig(redeemScript!)!.publicKeys.some((each) => equalBytes(each, publicKey))
  if (maySign) return
  throw new SecnodeError('PAYOUT_WRONG_KEY', 'this key is none of those that may spend for the payer', {
    hint: 'Check the key file, or the redeem script that the payout was built with.',
    exitCode: 2,
  })
}

const checkAgainstTally = async (
  file: PayoutFile,
  { network, tally, witness }: SignRequest,
): Promise<void> => {
  if (file.payout !== null && tally === null) {
    throw new SecnodeError('PAYOUT_NO_TALLY', 'a payout is signed against your own tally only', {
      hint: 'Make it with `secnode tally --week <week> --json` on your own node, and name it with --tally.',
      exitCode: 2,
    })
  }
  if (witness.is === 'outpoint') {
    if (network.facts.family === 'zen') {
      throw new SecnodeError(
        'PAYOUT_ZEN_OFFLINE',
        'signatures of ZEN do not cover what the coins are worth',
        {
          hint: 'Sign with --rpc, so that the node can say; else a false amount would go to the miner.',
          exitCode: 2,
        },
      )
    }
    const inputs =
      file.payout === null ? checkConsolidation(file) : checkPayoutFile(file, network, tally!, null)
    assertThread(inputs, file, witness.outpoint)
    refuseReserved(inputs.coins, reservedOffline(network, witness.outpoint))
    return
  }
  await checkWithNode(file, witness.node, tally)
}

const checkWithNode = async (
  file: PayoutFile,
  node: PayoutNode,
  tally: DigestedTally | null,
): Promise<void> => {
  const { network } = node
  let inputs: FileInputs
  let chain: ChainThread | null = null
  if (file.payout === null) inputs = checkConsolidation(file)
  else {
    chain = await readThreadOfWeek(node, file.payout.week)
    const checked = checkPayoutFile(file, network, tally!, chain.tipHeight)
    inputs = checked
    await checkAnchorBlock(node, checked.plan)
    if (chain.tip === null) throw threadCut(chain.thread)
    assertThread(inputs, file, chain.tip)
    const { value, script } = chain.tip.output
    const claimed = file.drafts[0]!.spent[0]!
    if (claimed.value !== value || !equalBytes(claimed.script, script)) {
      throw coinError(chain.tip, 'is not worth what the file says', rebuild)
    }
  }
  await checkCoins(inputs, node, chain)
  await checkFormat(file, node)
}

const assertThread = ({ thread }: FileInputs, file: PayoutFile, expected: Outpoint): void => {
  if (file.payout === null || (thread !== null && coinKey(thread) === coinKey(expected))) return
  throw new SecnodeError(
    'PAYOUT_NOT_THE_THREAD',
    `the payout spends ${thread === null ? 'nothing' : outpointText(coinKey(thread))} as its thread, which stands at ${outpointText(coinKey(expected))}`,
    { hint: 'Sent like this it could pay the week twice: do not sign it, build it anew.' },
  )
}

const rebuild = { hint: 'Build the payout anew.' }

const checkCoins = async (
  { coins }: FileInputs,
  node: PayoutNode,
  chain: ChainThread | null,
): Promise<void> => {
  const { rpc, signal } = node
  refuseReserved(coins, await reservedOutputs(node, chain))
  for (const coin of coins) {
    const found = await getTxOut(rpc, coin.txid, coin.index, { includeMempool: false, signal })
    if (found === null) throw coinError(coin, 'is not there any more', rebuild)
    const { value, script } = coin.output
    if (found.value !== value || !equalBytes(found.scriptPubKey.hex, script)) {
      throw coinError(coin, 'is not worth what the file says', rebuild)
    }
  }
}

/** The branch of the next block, or the hash of the block that outputs refer to. */
const checkFormat = async (file: PayoutFile, node: PayoutNode): Promise<void> => {
  const { reference, branchId } = file.format
  const now = await payoutFormatOf(node, reference?.height ?? 0)
  if (now.branchId !== branchId) {
    throw new SecnodeError(
      'PAYOUT_STALE_BRANCH',
      'the chain has gone over to another consensus branch since the payout was built: its signatures would be void',
      { hint: 'Build it anew; it will spend the same thread output.' },
    )
  }
  if (reference !== null && !equalBytes(reference.hash, now.reference!.hash)) {
    throw new SecnodeError(
      'PAYOUT_MISMATCH',
      `block ${reference.height} of the node is not the one that outputs refer to`,
      {
        hint: 'Sent like this nobody could ever spend them: do not sign it, build it anew.',
      },
    )
  }
}

/**
 * In order. On ZEN a transaction can be signed only when those whose outputs it spends are signed in full, since only
 * then their txids stand; what has to wait is left without signatures.
 */
const signFile = (file: PayoutFile, files: readonly PayoutFile[], key: SigningKey | null): PayoutFile => {
  let drafts: Draft[] = [...file.drafts]
  const unfinished = new Set<string>()
  for (const [i] of drafts.entries()) {
    const { fields, spent } = drafts[i]!
    const waits = fields.inputs.some(({ previousTxid }) => unfinished.has(bytesToHex(previousTxid)))
    let isFinished = !waits
    const inputs = fields.inputs.map((input, inputIndex) => {
      if (waits) return { ...input, script: new Uint8Array() }
      const scripts = files.map(({ drafts: theirs }) => theirs[i]!.fields.inputs[inputIndex]!.script)
      const spending = { fields, inputIndex, spentOutputs: spent, redeemScript: file.account.redeemScript }
      const { script, signatures, required } = signaturesOf(spending, scripts, key)
      isFinished &&= signatures === required
      return { ...input, script }
    })
    const signed: Draft = { fields: { ...fields, inputs }, spent }
    drafts = replaceDrafts(drafts, drafts.with(i, signed))
    if (!isFinished && file.format.family === 'zen') unfinished.add(bytesToHex(txidOf(signed.fields)))
  }
  return { ...file, drafts }
}
