import { VirtualTime } from '@stox/kernel'
import { PartnerRates } from '../src/partner-rates.ts'
import { RULES } from './xmpp-support.ts'

const rules = (stanzasPerSecond: number | undefined, bytesPerSecond: number | undefined, partner = 'a partner') => ({
  ...RULES.tlsRequired,
  partner,
  stanzasPerSecond,
  bytesPerSecond,
})

test('without a rate nothing waits', () => {
  expect(new PartnerRates(new VirtualTime()).spend(rules(undefined, undefined), 1e6, 1e9)).toBe(0)
})

test.each([
  ['stanzas', rules(10, undefined), 5, 1e6, 500],
  ['bytes', rules(undefined, 1000), 1e6, 3000, 3000],
  ['both: the slower one', rules(10, 1000), 5, 3000, 3000],
])('%s: reading pauses until the bucket is level', (_name, mine, stanzas, bytes, waitMs) => {
  const time = new VirtualTime()
  const rates = new PartnerRates(time)
  expect(rates.spend(mine, stanzas, bytes)).toBe(waitMs)
  time.advance(waitMs)
  expect(rates.spend(mine, 0, 0)).toBe(0)
})

test('all streams of a partner share one bucket; another partner has its own', () => {
  const rates = new PartnerRates(new VirtualTime())
  expect(rates.spend(rules(10, undefined), 10, 0)).toBe(1000)
  expect(rates.spend(rules(10, undefined), 10, 0)).toBe(2000)
  expect(rates.spend(rules(10, undefined, 'another'), 1, 0)).toBe(100)
})

test('what was not used for long is one second of it', () => {
  const time = new VirtualTime()
  const rates = new PartnerRates(time)
  rates.spend(rules(10, undefined), 1, 0)
  time.advance(3_600_000)
  expect(rates.spend(rules(10, undefined), 10, 0)).toBe(0)
  expect(rates.spend(rules(10, undefined), 1, 0)).toBe(100)
})
