import { Command, InvalidArgumentError } from 'commander'
import {
  certificateCapture,
  certificateStall,
  chainCoverage,
  circuitBothEndsEven,
  committeeCapture,
  committeeStall,
  grindingGain,
  linkedAtLeastOnce,
  majoritySucceeds,
} from '../closed-forms.ts'
import { defaultHops, maxHops } from '../../protocol/index.ts'
import { SimulationError } from '../errors.ts'
import { Scenario } from '../scenario.ts'
import type { SimIo } from './io.ts'
import { exampleText, numberText, tableText } from './text.ts'

interface MathFlags {
  nodes: number
  share: number
  committee: number
  certifiers: number
  samples: number
  kept: number
  hops: number
  perPrefix: number
  transactions: number
  json?: boolean
}

export const numberFrom =
  (least: number, most: number, isWhole: boolean) =>
  (text: string): number => {
    const value = Number(text)
    if (text === '' || !(value >= least && value <= most) || (isWhole && !Number.isInteger(value))) {
      throw new InvalidArgumentError(`write a ${isWhole ? 'whole ' : ''}number from ${least} to ${most}`)
    }
    return value
  }

/** The defaults of the protocol stand in its schema. */
const { committee, certifiers, samples } = Scenario.shape.protocol.parse({})

export const mathCommand = (io: SimIo): Command =>
  new Command('math')
    .description('closed forms: what can be computed without simulating')
    .requiredOption('--nodes <n>', 'seats of the network', numberFrom(4, 1_000_000, true))
    .requiredOption(
      '--share <f>',
      'share of the attacker, of seats and of mining',
      numberFrom(0, 0.99, false),
    )
    .option('--committee <k>', 'challengers of a seat', numberFrom(1, 48, true), committee)
    .option('--certifiers <c>', 'certifiers of a view', numberFrom(1, 1_024, true), certifiers)
    .option('--samples <m>', 'transactions in a challenge', numberFrom(1, 1_024, true), samples)
    .option('--kept <share>', 'share of the chain that he keeps', numberFrom(0, 1, false), 0.9)
    .option('--hops <h>', 'hops of a circuit', numberFrom(2, maxHops, true), defaultHops)
    .option('--per-prefix <s>', 'seats in each /16, for circuits', numberFrom(1, 65_536, true), 1)
    .option('--transactions <n>', 'sent by a user through circuits', numberFrom(1, 1_000_000, true), 20)
    .option('--json', 'print JSON')
    .addHelpText('after', exampleText('sim math --nodes 40000 --share 0.2 --committee 11'))
    .action((flags: MathFlags) => {
      const forms = closedForms(flags)
      io.stdout(
        flags.json === true
          ? `${JSON.stringify(Object.fromEntries(forms))}\n`
          : tableText(forms.map(([name, value]) => [name, numberText(value)])),
      )
    })

const closedForms = (flags: MathFlags): [name: string, value: number][] => {
  const { nodes, share, committee, certifiers, samples, kept, hops, perPrefix, transactions } = flags
  if (committee >= nodes) {
    throw new SimulationError(
      'bad-committee',
      `a committee of ${committee} is impossible with ${nodes} seats`,
      `write --committee at most ${nodes - 1}`,
    )
  }
  const attackers = Math.round(nodes * share)
  const answers = chainCoverage(kept, samples)
  if (hops * perPrefix > nodes) {
    throw new SimulationError(
      'bad-circuit',
      `${nodes} seats of which ${perPrefix} share a /16 stand in too few /16s for ${hops} hops`,
      `write --per-prefix at most ${Math.floor(nodes / hops)}`,
    )
  }
  const bothEnds = circuitBothEndsEven(nodes, attackers, perPrefix)
  return [
    ['attackers', attackers],
    ['committee captured', committeeCapture(nodes, attackers, committee)],
    ['committee stalled', committeeStall(nodes, attackers, committee)],
    ['certificate captured in one view', certificateCapture(nodes, attackers, certifiers)],
    ['certificate stalled in one view', certificateStall(nodes, attackers, certifiers)],
    ['gain of a grinding miner, at most', grindingGain(share)],
    [`who keeps ${kept} of the chain answers a challenge`, answers],
    [`who keeps ${kept} of the chain is valid in an epoch`, majoritySucceeds(answers, committee)],
    ['first and last hop of a circuit', bothEnds],
    [
      `a user linked at least once in ${transactions} transactions`,
      linkedAtLeastOnce(bothEnds, transactions),
    ],
  ]
}
