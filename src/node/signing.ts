import type { Logger } from 'pino'
import {
  type Epoch,
  firstRemembered,
  type Height,
  isOfTwin,
  type Question,
  type SecondQuestionSays,
  secondQuestionSays,
} from '../../protocol/index.ts'
import type { SigningRecord, SigningStore, TwinSighting } from '../store/signing.ts'
import type { World } from '../world.ts'

/**
 * Whether this daemon signs attestations and votes. It stops for good, until the operator acts, once another daemon is
 * known to have the same keys (R-ATT-7); a standby never does (R-ATT-8).
 */
export interface Signing {
  /** Reads the record; before that nothing is signed. */
  load(): Promise<void>
  /** False while nothing may be signed, or sent that was signed before. */
  isOn(): boolean
  /** Whether anything of an epoch or week that began at this confirmed height may be signed. */
  maySign(beganAt: Height): boolean
  /** The other daemon that was noticed. */
  twin(): TwinSighting | null
  /** From this epoch on the store holds everything that this machine signed (`firstRemembered`). */
  remembers(from: Epoch): void
  /** The chain was not followed block by block: what came meanwhile says nothing of a twin. */
  loseSight(): void
  /** It is followed again, up to this epoch. */
  regainSight(current: Epoch): void
  /** An attestation by the own key that this store did not sign. Durable before it resolves. */
  foundForeign(epoch: Epoch, cid: string): Promise<void>
  /** Another daemon proved, at the announced address, that it holds the own key. Durable before it resolves. */
  foundElsewhere(epoch: Epoch, address: string): Promise<void>
  /**
   * A target (`by`) has answered another question by the own key, and shown it. Stops signing, unless the process that
   * asked it is the one that stops; durable before it resolves.
   */
  foundQuestion(question: Question, by: string): Promise<SecondQuestionSays>
  /** Another daemon that stops by R-ATT-7, as it was seen last; null if none was since the start. */
  rival(): TwinSighting | null
  /** Called once signing has stopped. */
  onStop(listener: () => void): void
  /** The epoch in which the operator said that the other daemon is stopped (R-ATT-8). */
  saidIn(): Epoch | null
  /** The operator says so; null takes it back. Durable before it resolves. */
  setSaidIn(epoch: Epoch | null): Promise<void>
  /** The seat is this daemon's from what begins after this height on. Durable before it resolves. */
  takeOver(height: Height, current: Epoch): Promise<void>
}

export interface SigningOptions {
  store: SigningStore
  isStandby: boolean
  /** Of this process. */
  instance: Uint8Array
  logger: Logger
  world: Pick<World, 'now'>
}

export const createSigning = ({ store, isStandby, instance, logger, world }: SigningOptions): Signing => {
  let record: SigningRecord | null = null
  let rememberedFrom: Epoch | null = null
  let isBlind = false
  let onStop: () => void = () => undefined
  let rival: TwinSighting | null = null

  /** In memory first: nothing is signed while the row is being written. */
  const change = async (changes: Partial<SigningRecord>): Promise<void> => {
    if (record === null) throw new Error('what may be signed was not read yet')
    record = { ...record, ...changes }
    await store.write(record)
  }

  const sightingOf = (by: TwinSighting['by'], epoch: Epoch, what: string): TwinSighting => ({
    by,
    epoch,
    what,
    at: new Date(world.now()).toISOString(),
  })

  const stop = async (by: TwinSighting['by'], epoch: Epoch, what: string): Promise<void> => {
    if (record?.twin !== null) return
    const twin = sightingOf(by, epoch, what)
    const written = change({ twin, saidIn: null })
    onStop()
    logger.error(twin, 'another daemon runs with the keys of this node: this one signs nothing any more')
    await written
  }

  const isOn = (): boolean => !isStandby && record !== null && record.twin === null

  return {
    async load() {
      record = await store.read()
      // Started for its seat it needs no word any more; an old one must not come to life in a later standby.
      if (isOn() && record.saidIn !== null) await change({ saidIn: null })
    },
    isOn,
    maySign: (beganAt) => isOn() && (record?.fence ?? -1) < beganAt,
    twin: () => record?.twin ?? null,
    remembers(from) {
      rememberedFrom = from
    },
    loseSight() {
      isBlind = true
    },
    regainSight(current) {
      if (!isBlind) return
      isBlind = false
      if (rememberedFrom !== null) rememberedFrom = Math.max(rememberedFrom, firstRemembered(current, null))
    },
    async foundForeign(epoch, cid) {
      if (!isBlind && isOfTwin(epoch, rememberedFrom)) return await stop('attestation', epoch, cid)
      logger.warn({ epoch, cid }, 'an own attestation was not in the record any more')
    },
    async foundElsewhere(epoch, address) {
      await stop('address', epoch, address)
    },
    async foundQuestion(question, by) {
      const { epoch } = question
      const says = secondQuestionSays(instance, question, isBlind ? null : rememberedFrom)
      if (says === 'stop') await stop('question', epoch, by)
      else if (says === 'go-on') {
        rival = sightingOf('question', epoch, by)
        logger.error(rival, 'another daemon runs with the keys of this node: that one is to stop')
      } else
        logger.warn(
          { epoch, by },
          'this machine asked before its last start: nothing is attested of this epoch',
        )
      return says
    },
    rival: () => rival,
    onStop(listener) {
      onStop = listener
    },
    saidIn: () => record?.saidIn ?? null,
    setSaidIn: (epoch) => change({ saidIn: epoch }),
    async takeOver(height, current) {
      // What the other daemon signed is no news any more.
      if (rememberedFrom !== null) rememberedFrom = Math.max(rememberedFrom, firstRemembered(current, null))
      rival = null
      await change({ twin: null, saidIn: null, fence: height })
    },
  }
}
