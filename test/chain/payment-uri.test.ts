import { expect, test } from 'vitest'
import { paymentUri } from '../../src/chain/payment-uri.ts'

// The examples of ZIP 321, "Valid Examples", written with the address in the query as the ZIP allows for the first too.
test('ZIP 321: amounts, a memo in base64url and several recipients', () => {
  expect(
    paymentUri([
      {
        address: 'ztestsapling10yy2ex5dcqkclhc7z7yrnjq2z6feyjad56ptwlfgmy77dmaqqrl9gyhprdx59qgmsnyfska2kez',
        amount: 100_000_000n,
        memo: 'This is a simple memo.',
      },
    ]),
  ).toBe(
    'zcash:?address=ztestsapling10yy2ex5dcqkclhc7z7yrnjq2z6feyjad56ptwlfgmy77dmaqqrl9gyhprdx59qgmsnyfska2kez' +
      '&amount=1&memo=VGhpcyBpcyBhIHNpbXBsZSBtZW1vLg',
  )
  expect(
    paymentUri([
      { address: 'tmEZhbWHTpdKMw5it8YDspUXSMGQyFwovpU', amount: 12_345_600_000n },
      {
        address: 'ztestsapling10yy2ex5dcqkclhc7z7yrnjq2z6feyjad56ptwlfgmy77dmaqqrl9gyhprdx59qgmsnyfska2kez',
        amount: 78_900_000n,
        memo: 'This is a unicode memo ✨🦄🏆🎉',
      },
    ]),
  ).toBe(
    'zcash:?address=tmEZhbWHTpdKMw5it8YDspUXSMGQyFwovpU&amount=123.456' +
      '&address.1=ztestsapling10yy2ex5dcqkclhc7z7yrnjq2z6feyjad56ptwlfgmy77dmaqqrl9gyhprdx59qgmsnyfska2kez' +
      '&amount.1=0.789&memo.1=VGhpcyBpcyBhIHVuaWNvZGUgbWVtbyDinKjwn6aE8J-PhvCfjok',
  )
})
