import { signMessage, verifyMessage } from '../../../chain/message.ts'
import { parseAddressText } from '../addresses.ts'
import type { NodeContext } from './context.ts'
import type { RpcMethods } from './dispatch.ts'
import { fail } from './errors.ts'
import { readText } from './params.ts'
import { keyOf } from './wallet.ts'

/** Signing with an address's key. */
export const messageMethods = (context: NodeContext): RpcMethods => ({
  signmessage: {
    usage: 'signmessage "t-addr" "message"',
    minParams: 2,
    maxParams: 2,
    run: ([address, message]) => {
      const text = readText(message)
      const key = keyOf(context, readText(address))
      return signMessage(key.secretKey, text, key.publicKey.length === 33)
    },
  },
  verifymessage: {
    usage: 'verifymessage "t-addr" "signature" "message"',
    minParams: 3,
    maxParams: 3,
    run: ([address, signature, message]) => {
      const [addressText, signatureText, text] = [readText(address), readText(signature), readText(message)]
      const parsed = parseAddressText(context.chain.parameters, addressText)
      if (parsed === null) return fail('type', 'Invalid address')
      if (parsed.kind !== 'p2pkh') return fail('type', 'Address does not refer to key')
      if (!/^[A-Za-z0-9+/]+={0,2}$/.test(signatureText))
        return fail('addressOrKey', 'Malformed base64 encoding')
      return verifyMessage(addressText, signatureText, text)
    },
  },
})
