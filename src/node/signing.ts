import type { Logger } from 'pino'
import { type Epoch, firstRemembered, isOfTwin } from '../../protocol/index.ts'
import type { SigningRecord, SigningStore, TwinSighting } from '../store/signing.ts'
import type { World } from '../world.ts'

/**
 * Whether this daemon signs attestations and votes. It stops for good, until the operator acts, once another daemon is
 * known to have the same keys (R-ATT-7).
 */
export interface Signing {
  /** Reads the record; before that nothing is signed. */
  load(): Promise<void>
  /** False while nothing may be signed, or sent that was signed before. */
  isOn(): boolean
  /** The other daemon that was noticed. */
  twin(): TwinSighting | null
  /** Others have told what they know of this node's attestations (R-ATT-5); `lastOwn` is the newest of them. */
  remembers(current: Epoch, lastOwn: Epoch | null): void
  /** The chain was not followed block by block: what came meanwhile says nothing of a twin. */
  loseSight(): void
  /** It is followed again, up to this epoch. */
  regainSight(current: Epoch): void
  /** An attestation by the own key that this store did not sign. Durable before it resolves. */
  foundForeign(epoch: Epoch, cid: string): Promise<void>
  /** Another daemon proved, at the announced address, that it holds the own key. Durable before it resolves. */
  foundElsewhere(epoch: Epoch, address: string): Promise<void>
  /** A target says that it has seen another nonce of this node's in this epoch. */
  hint(epoch: Epoch): void
  /** Called at the first hint of an epoch. */
  onHint(listener: () => void): void
  /** Called once signing has stopped. */
  onStop(listener: () => void): void
}

export const createSigning = (store: SigningStore, logger: Logger, world: Pick<World, 'now'>): Signing => {
  let record: SigningRecord | null = null
  let rememberedFrom: Epoch | null = null
  let isBlind = false
  let onStop: () => void = () => undefined
  let onHint: () => void = () => undefined
  let lastHint: Epoch | null = null

  const stop = async (by: TwinSighting['by'], epoch: Epoch, what: string): Promise<void> => {
    if (record?.twin !== null) return
    const twin = { by, epoch, what, at: new Date(world.now()).toISOString() }
    // In memory first: nothing is signed while the row is being written.
    record = { ...record, twin }
    onStop()
    logger.error(twin, 'another daemon runs with the keys of this node: this one signs nothing any more')
    await store.write(record)
  }

  return {
    async load() {
      record = await store.read()
    },
    isOn: () => record !== null && record.twin === null,
    twin: () => record?.twin ?? null,
    remembers(current, lastOwn) {
      rememberedFrom = firstRemembered(current, lastOwn)
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
    hint(epoch) {
      if (lastHint === epoch) return
      lastHint = epoch
      onHint()
    },
    onHint(listener) {
      onHint = listener
    },
    onStop(listener) {
      onStop = listener
    },
  }
}
