import { utf8ToBytes } from '../../protocol/index.ts'
import type { Network } from '../chain/profiles.ts'
import type { RpcClient } from '../chain-node/rpc/client.ts'
import {
  getAddressBalance,
  type Operation,
  zGetOperationStatus,
  zSendMany,
} from '../chain-node/rpc/methods.ts'
import { pause } from '../async/deadline.ts'
import { messageOf, SecnodeError } from '../errors.ts'
import type { World } from '../world.ts'

/** A small hot wallet of the chain node's that pays for anchors; never the stake (design 2.12). */
export interface AnchorWallet {
  /** Base units that it could spend now. */
  balance(signal: AbortSignal): Promise<bigint>
  /** What one anchor takes: the bond, which comes back, the shielded payment, and the fee. */
  readonly needed: bigint
  /** Sends the transaction that carries the memo. Errors: ANCHOR_WALLET, with the node's own words. */
  post(memo: string, signal: AbortSignal): Promise<void>
}

/** Paid to the announcement address with the memo: any amount will do. */
const shieldedAmount = 10_000n
/** More than ZIP 317 asks for two outputs and as many inputs. */
const feeRoom = 100_000n
const pollMs = 250

export const createAnchorWallet = (
  network: Network,
  rpc: RpcClient,
  from: string,
  anchorBond: bigint,
  world: World,
): AnchorWallet => ({
  needed: anchorBond + shieldedAmount + feeRoom,
  balance: (signal) => balanceOf(rpc, from, signal),
  async post(memo, signal) {
    try {
      const pay = async (toItself: bigint): Promise<Operation> => {
        const shielded = { address: network.profile.genesis.announceAddress, amount: shieldedAmount }
        const recipients = [
          { address: from, amount: toItself },
          { ...shielded, memo: utf8ToBytes(memo) },
        ]
        const operation = await zSendMany(rpc, { from, recipients }, { signal })
        for (;;) {
          const [status] = await zGetOperationStatus(rpc, [operation], { signal })
          if (status === undefined) throw new Error('the wallet forgot the operation')
          if (isOver(status)) return status
          await pause(world, pollMs, signal)
        }
      }
      // Change goes to another address of the wallet, where it would pay for no other anchor: so that there is none, all
      // goes back to where it came from, the bond with it (R-CHAIN-4).
      const all = (await balanceOf(rpc, from, signal)) - shieldedAmount - feeRoom
      let paid = await pay(all > anchorBond ? all : anchorBond)
      // Many small coins there may cost more than the room for the fee: whoever sends them keeps nobody from paying.
      if (paid.status !== 'success' && all > anchorBond) paid = await pay(anchorBond)
      if (paid.status !== 'success') throw new Error(paid.error?.message ?? `the operation is ${paid.status}`)
    } catch (error) {
      signal.throwIfAborted()
      throw new SecnodeError('ANCHOR_WALLET', `the anchor was not posted: ${messageOf(error)}`, {
        hint: `Put at least ${anchorBond + shieldedAmount + feeRoom} base units on ${from}, in a wallet of its own.`,
        cause: error,
      })
    }
  },
})

const balanceOf = async (rpc: RpcClient, address: string, signal: AbortSignal): Promise<bigint> =>
  (await getAddressBalance(rpc, [address], { signal })).balance

const isOver = ({ status }: Operation): boolean =>
  status === 'success' || status === 'failed' || status === 'cancelled'
