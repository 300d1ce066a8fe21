import * as fc from 'fast-check'
import {
  formatSipUri,
  newSipUri,
  parseSipUri,
  sameSipUri,
  textToImUser,
  textToUriParam,
  textToUser,
  uriParamToText,
  userToText,
} from '../src/index.ts'
import type { SipUri } from '../src/index.ts'

function uri(text: string): SipUri {
  const parsed = parseSipUri(text)
  if (!parsed.ok) throw new Error(`${text}: ${parsed.failure.detail}`)
  return parsed.value
}

test('every part of a URI', () => {
  expect(uri('SIP:Alice:se%20cret@Atlanta.COM.:5061;transport=TCP;lr;gr=a%2fb?subject=x&priority=urgent')).toEqual({
    scheme: 'sip',
    user: 'Alice',
    password: 'se%20cret',
    host: 'atlanta.com',
    port: 5061,
    params: new Map([
      ['transport', 'TCP'],
      ['lr', undefined],
      ['gr', 'a%2fb'],
    ]),
    headers: 'subject=x&priority=urgent',
  })
})

test.each([
  ['RFC 3261 §19.1.3', 'sip:alice@atlanta.com'],
  ['RFC 3261 §19.1.3', 'sip:alice:secretword@atlanta.com;transport=tcp'],
  ['RFC 3261 §19.1.3', 'sips:alice@atlanta.com?subject=project%20x&priority=urgent'],
  ['RFC 3261 §19.1.3', 'sip:+1-212-555-1212:1234@gateway.com;user=phone'],
  ['RFC 3261 §19.1.3', 'sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com'],
  ['RFC 3261 §19.1.3', 'sip:alice;day=tuesday@atlanta.com'],
  ['a container name', 'sip:stox_gateway-1:5098'],
  ['a single label', 'sip:romeo@localhost'],
  ['IPv4', 'sip:romeo@192.0.2.1:5060'],
  ['IPv6', 'sip:romeo@[2001:db8::1]:5060;lr'],
  ['IPv6, all groups', 'sip:[1:2:3:4:5:6:7:8]'],
  ['RFC 5627 §9', 'sip:alice@example.com;gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6'],
  ['base64 in a proxy’s cookie', 'sip:192.0.2.1;lr;did=a6.5f;vsf=AAAAAEFBQk0A=='],
  ['RFC 3860', 'im:romeo@example.net'],
  ['RFC 3859', 'pres:romeo@example.net'],
])('%s: %s is itself again', (_what, text) => expect(formatSipUri(uri(text))).toBe(text))

test.each([
  ['no scheme', 'romeo@example.net'],
  ['an empty user', 'sip:@example.net'],
  ['an empty host', 'sip:romeo@'],
  ['nothing', 'sip:'],
  ['an escape cut short', 'sip:a%2@example.net'],
  ['an escape that is none', 'sip:a%zz@example.net'],
  ['two @', 'sip:a@b@example.net'],
  ['a space', 'sip:romeo@example.net '],
  ['a space before the host', 'sip:romeo@ example.net'],
  ['a line break', 'sip:romeo@example.net\r\n'],
  ['a user that is not ASCII', 'sip:fü@example.net'],
  ['an empty label', 'sip:a..b'],
  ['a label that starts with a hyphen', 'sip:-a.example'],
  ['a label that ends with a hyphen', 'sip:a-.example'],
  ['a number that is no address', 'sip:2001'],
  ['an octet too large', 'sip:192.0.2.256'],
  ['three octets', 'sip:192.0.2'],
  ['IPv6 without brackets', 'sip:2001:db8::10'],
  ['an open bracket', 'sip:[2001:db8::10'],
  ['seven groups', 'sip:[1:2:3:4:5:6:7]'],
  ['two gaps', 'sip:[1::2::3]'],
  ['a name in brackets', 'sip:[example.net]'],
  ['an empty port', 'sip:example.net:'],
  ['port 0', 'sip:example.net:0'],
  ['port 65536', 'sip:example.net:65536'],
  ['an empty parameter', 'sip:example.net;;lr'],
  ['a parameter given twice', 'sip:example.net;lr;lr'],
  ['a parameter without its value', 'sip:example.net;transport='],
  ['angle brackets', '<sip:example.net>'],
])('%s is refused', (_what, text) => expect(parseSipUri(text)).toMatchObject({ ok: false }))

test('a URI of another scheme is carried as it is', () => {
  expect(uri('urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6')).toMatchObject({
    scheme: 'urn',
    host: '',
    opaque: 'uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6',
  })
  expect(formatSipUri(uri('tel:+15551234567'))).toBe('tel:+15551234567')
})

test.each([
  ['RFC 7247 §6.4', 'f%C3%BC', 'fü'],
  ['RFC 7247 §6.4', "o'malley", "o'malley"],
  ['RFC 4475 §3.1.1.3', 'sips%3Auser%40example.com', 'sips:user@example.com'],
  ['decoded once, not twice', 'v%25%34%31', 'v%41'],
])('%s: user %s means %s', (_clause, user, text) => expect(userToText(user)).toEqual({ ok: true, value: text }))

test.each([
  ['a null', 'null-%00-null'],
  ['a line break', 'a%0d%0ab'],
  ['DEL', '%7f'],
  ['not UTF-8', 'x%FF'],
  ['overlong UTF-8', '%C0%AF'],
  ['no escape', 'bad%zz'],
  ['an escape cut short', 'bad%4'],
])('%s in a user is refused: %s', (_what, user) => expect(userToText(user)).toMatchObject({ ok: false }))

test.each([
  ['RFC 7247 §6.5', 'm&m', 'm&m'],
  ['RFC 7247 §6.5', 'tschüss', 'tsch%C3%BCss'],
  ['RFC 7247 §6.5 step 5', 'a#b%c[d]e^f`g{h|i}j', 'a%23b%25c%5Bd%5De%5Ef%60g%7Bh%7Ci%7Dj'],
  ['XEP-0106', 'call me "ishmael"', 'call%20me%20%22ishmael%22'],
  ['XEP-0106', 'user@host', 'user%40host'],
  ['XEP-0106', 'c:\\5commas', 'c%3A%5C5commas'],
  ['an astral character', '🎭', '%F0%9F%8E%AD'],
])('%s: %s as a user is %s', (_clause, text, user) => expect(textToUser(text)).toBe(user))

test.each([
  ["o'malley.jr(x)[y]", "o'malley.jr%28x%29%5By%5D"],
  ['tschüss;a', 'tsch%C3%BCss%3Ba'],
  ['a#b?c', 'a%23b%3Fc'],
])('RFC 7247 §6.5: %s as the user of an im: URI is %s', (text, user) => expect(textToImUser(text)).toBe(user))

test.each([
  ['foo bar', 'foo%20bar'],
  ['foo@bar', 'foo%40bar'],
  ['a;b=c,d?e"f', 'a%3Bb%3Dc%2Cd%3Fe%22f'],
  ['Conversations.Aa1+/=', 'Conversations.Aa1+/%3D'],
  ['♚', '%E2%99%9A'],
])('RFC 5627 §9: %s as gr is %s', (text, value) => {
  expect(textToUriParam(text)).toBe(value)
  expect(uriParamToText(value)).toEqual({ ok: true, value: text })
})

test('any text without controls comes back from a user part and from gr', () => {
  const text = fc.string({ unit: 'grapheme', minLength: 1 }).filter((value) => !/\p{Cc}/u.test(value))
  fc.assert(
    fc.property(text, text, (user, gr) => {
      const made = formatSipUri(newSipUri({ user, host: 'example.net', gr }))
      const read = uri(made)
      expect(userToText(read.user ?? '')).toEqual({ ok: true, value: user })
      expect(uriParamToText(read.params.get('gr') ?? '')).toEqual({ ok: true, value: gr })
      expect(made).toMatch(/^[\x21-\x7e]+$/)
    }),
    { seed: 7247, numRuns: 300 },
  )
})

test.each([
  ['user', { host: 'a b' }],
  ['host', { host: 'example.net\r\nVia: x' }],
  ['params', { host: 'example.net', params: { 'transport\r\nVia': 'x' } }],
])('our own %s with what no URI may hold is thrown out', (_part, parts) => {
  expect(() => newSipUri(parts)).toThrow(RangeError)
})

test.each([
  ['sip:alice@AtLanTa.CoM;Transport=tcp', 'SIP:alice@AtLanTa.CoM;Transport=tcp', true],
  ['sip:carol@chicago.com', 'sip:carol@chicago.com;newparam=5', true],
  ['sip:carol@chicago.com;security=off', 'sip:carol@chicago.com;newparam=5', true],
  ['sip:%61lice@atlanta.com;transport=TCP', 'sip:alice@AtLanTa.CoM;Transport=tcp', true],
  [
    'sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com',
    'sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com',
    true,
  ],
  [
    'sip:alice@atlanta.com?subject=project%20x&priority=urgent',
    'sip:alice@atlanta.com?priority=urgent&subject=project%20x',
    true,
  ],
  ['SIP:ALICE@AtLanTa.CoM;Transport=udp', 'sip:alice@AtLanTa.CoM;Transport=UDP', false],
  ['sip:bob@biloxi.com', 'sip:bob@biloxi.com:5060', false],
  ['sip:bob@biloxi.com', 'sip:bob@biloxi.com;transport=udp', false],
  ['sip:carol@chicago.com', 'sip:carol@chicago.com?Subject=next%20meeting', false],
  ['sip:carol@chicago.com;security=on', 'sip:carol@chicago.com;security=off', false],
])('RFC 3261 §19.1.4: %s and %s: %s', (a, b, same) => {
  expect(sameSipUri(uri(a), uri(b))).toBe(same)
  expect(sameSipUri(uri(b), uri(a))).toBe(same)
})
