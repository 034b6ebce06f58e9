import { utf8ToBytes } from '../../protocol/index.ts'
import type { Network } from '../chain/profiles.ts'
import type { RpcClient } from '../chain/rpc/client.ts'
import { getAddressBalance, zGetOperationStatus, zSendMany } from '../chain/rpc/methods.ts'
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
  balance: async (signal) => (await getAddressBalance(rpc, [from], { signal })).balance,
  async post(memo, signal) {
    try {
      const operation = await zSendMany(
        rpc,
        {
          from,
          recipients: [
            // The bond goes back to where it came from (R-CHAIN-4).
            { address: from, amount: anchorBond },
            {
              address: network.profile.genesis.announceAddress,
              amount: shieldedAmount,
              memo: utf8ToBytes(memo),
            },
          ],
        },
        { signal },
      )
      for (;;) {
        const [status] = await zGetOperationStatus(rpc, [operation], { signal })
        if (status?.status === 'success') return
        if (status === undefined || status.status === 'failed' || status.status === 'cancelled') {
          throw new Error(status?.error?.message ?? 'the wallet forgot the operation')
        }
        await new Promise<void>((resolve) => world.setTimer(pollMs, resolve))
        signal.throwIfAborted()
      }
    } catch (error) {
      signal.throwIfAborted()
      throw new SecnodeError('ANCHOR_WALLET', `the anchor was not posted: ${messageOf(error)}`, {
        hint: `Put at least ${anchorBond + shieldedAmount + feeRoom} base units on ${from}, in a wallet of its own.`,
        cause: error,
      })
    }
  },
})
