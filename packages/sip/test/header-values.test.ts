import {
  SipHeaders,
  accepts,
  contactOf,
  formatEvent,
  formatSubscriptionState,
  formatWarning,
  headerText,
  parseDeltaSeconds,
  parseEvent,
  parseMediaType,
  parseRetryAfter,
  parseSubscriptionState,
  parseWarnings,
  quote,
  tokensOf,
  unquote,
} from '../src/index.ts'
import type { SubscriptionState } from '../src/index.ts'

const state = (name: string, expires?: number, reason?: string, retryAfterS?: number): SubscriptionState => ({
  state: name,
  expires,
  reason,
  retryAfterS,
})

test.each([
  ['active;expires=3600', state('active', 3600)],
  ['pending ; expires = 60', state('pending', 60)],
  ['terminated;reason=probation;retry-after=300', state('terminated', undefined, 'probation', 300)],
  ['Terminated;Reason=NoResource', state('terminated', undefined, 'noresource')],
  ['waiting', state('waiting')],
  ['active;expires=soon', state('active')],
])('RFC 6665 §4.1.3: %s', (text, value) => expect(parseSubscriptionState(text)).toEqual({ ok: true, value }))

test.each([[''], [';expires=1'], ['active pending'], ['active;;expires=1']])('RFC 6665 §8.4: %j is refused', (text) => {
  expect(parseSubscriptionState(text)).toMatchObject({ ok: false })
})

test.each([
  [state('active', 59.9), 'active;expires=59'],
  [state('terminated', undefined, 'rejected'), 'terminated;reason=rejected'],
  [state('terminated', undefined, 'giveup', 86400), 'terminated;reason=giveup;retry-after=86400'],
  [state('pending', -3), 'pending;expires=0'],
])('RFC 6665 §8.4: %j is written %s', (value, text) => expect(formatSubscriptionState(value)).toBe(text))

test('a state of ours that is none is thrown out', () => {
  expect(() => formatSubscriptionState(state('a b'))).toThrow(RangeError)
  expect(() => formatSubscriptionState(state('terminated', undefined, 'a;b'))).toThrow(RangeError)
  expect(() => formatEvent({ package: 'a\r\nb', id: undefined })).toThrow(RangeError)
  expect(() => formatWarning({ code: 1000, agent: 'a', text: '' })).toThrow(RangeError)
  expect(() => formatWarning({ code: 380, agent: 'a b', text: '' })).toThrow(RangeError)
})

test.each([
  ['presence', { package: 'presence', id: undefined }],
  ['presence.winfo;id=Ab1', { package: 'presence.winfo', id: 'Ab1' }],
  ['presence ;ID=x;other', { package: 'presence', id: 'x' }],
])('RFC 6665 §8.2.1: %s', (text, value) => {
  expect(parseEvent(text)).toEqual({ ok: true, value })
  expect(parseEvent(formatEvent(value))).toEqual({ ok: true, value })
})

test.each([
  ['3600', 3600],
  [' 0 ', 0],
  ['4294967296', 4294967295],
  ['9'.repeat(400), 4294967295],
  ['-1', undefined],
  ['1.5', undefined],
  ['', undefined],
])('RFC 3261 §20.19: %s seconds', (text, seconds) => expect(parseDeltaSeconds(text)).toBe(seconds))

test.each([
  ['18000;duration=3600', 18000],
  ['120 (I am in a meeting)', 120],
  ['soon', undefined],
])('RFC 3261 §20.33: %s', (text, seconds) => expect(parseRetryAfter(text)).toBe(seconds))

test.each([
  ['text/plain;charset=UTF-8', 'text/plain', 'UTF-8'],
  ['Application / PIDF+XML', 'application/pidf+xml', undefined],
  ['multipart/mixed;boundary="a;b"', 'multipart/mixed', undefined],
])('RFC 3261 §20.15: %s', (text, type, charset) => {
  const parsed = parseMediaType(text)
  expect(parsed.ok && [parsed.value.type, parsed.value.params.get('charset')]).toEqual([type, charset])
})

test.each([['text'], ['text/'], ['/plain'], ['text/plain x'], ['text/plain;=']])(
  'RFC 3261 §20.15: %s is refused',
  (text) => expect(parseMediaType(text)).toMatchObject({ ok: false }),
)

test.each([
  ['application/pidf+xml', true],
  ['application/xpidf+xml, application/pidf+xml;q=0.5', true],
  ['application/*', true],
  ['*/*;q=0.1', true],
  ['text/plain', false],
  ['application/pidf+xml;q=0, */*', false],
  ['application/pidf+xml;q=0.0', false],
  ['', false],
])('RFC 3261 §20.1: Accept: %s', (value, accepted) => {
  expect(accepts(SipHeaders.of([['Accept', value]]), 'application/pidf+xml', true)).toBe(accepted)
})

test('RFC 3856 §6.7: without Accept the default holds', () => {
  expect(accepts(SipHeaders.empty, 'application/pidf+xml', true)).toBe(true)
  expect(accepts(SipHeaders.empty, 'text/plain', false)).toBe(false)
})

test('RFC 3261 §20.43: warnings', () => {
  const value = formatWarning({ code: 380, agent: 'gateway.example:5098', text: 'SIPS "Not" Allowed' })
  expect(value).toBe('380 gateway.example:5098 "SIPS \\"Not\\" Allowed"')
  const headers = SipHeaders.of([
    ['Warning', `${value}, 399 b.example "x, y"`],
    ['Warning', 'nonsense, 301 "no agent'],
  ])
  expect(parseWarnings(headers)).toEqual([
    { code: 380, agent: 'gateway.example:5098', text: 'SIPS "Not" Allowed' },
    { code: 399, agent: 'b.example', text: 'x, y' },
  ])
})

test.each([
  ['one', ['<sip:a@192.0.2.1:5070;transport=tcp>;expires=60'], '192.0.2.1'],
  ['none', [], undefined],
  ['two', ['<sip:a@a.example>, <sip:b@b.example>'], undefined],
  ['a star', ['*'], undefined],
  ['no SIP URI', ['<tel:+15551234567>'], undefined],
  ['RFC 4475 §3.1.2.13', ['sip:user@example.com?Route=%3Csip:sip.example.com%3E'], undefined],
])('the one Contact, given %s', (_what, values, host) => {
  expect(contactOf(SipHeaders.of(values.map((value) => ['m', value])))?.uri.host).toBe(host)
})

test('tokens', () => {
  const headers = SipHeaders.of([
    ['k', 'gruu, path'],
    ['Supported', '100rel'],
    ['Supported', ''],
  ])
  expect(tokensOf(headers, 'Supported')).toEqual(['gruu', 'path', '100rel'])
})

test.each([
  ['Café  "au\\lait"', '"Café  \\"au\\\\lait\\""'],
  ['a\r\nb', '"a  b"'],
])('%j quoted is %s', (text, quoted) => {
  expect(quote(text)).toBe(quoted)
  expect(unquote(quoted)).toBe(text.replace(/[\r\n]/g, ' '))
})

test('free text for a header loses its line breaks, not its meaning', () => {
  expect(headerText(' Wherefore\r\n\tart thou\u2028Romeo?\0 ')).toBe('Wherefore art thou Romeo?')
})
