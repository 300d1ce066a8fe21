import { latin1Text, utf8Bytes } from '@stox/kernel'
import { SipHeaders, canonicalHeaderName, formatSipMessage, parseSipMessage } from '../src/index.ts'

const headers = SipHeaders.of([
  ['v', 'SIP/2.0/UDP a.example'],
  ['Via', 'SIP/2.0/UDP b.example'],
  ['subject', 'Lunch'],
  ['X-Own', 'one'],
  ['x-own', 'two'],
])

test.each([
  ['v', 'Via'],
  ['f', 'From'],
  ['t', 'To'],
  ['i', 'Call-ID'],
  ['m', 'Contact'],
  ['l', 'Content-Length'],
  ['c', 'Content-Type'],
  ['e', 'Content-Encoding'],
  ['k', 'Supported'],
  ['s', 'Subject'],
  ['o', 'Event'],
  ['u', 'Allow-Events'],
  ['r', 'Refer-To'],
  ['b', 'Referred-By'],
  ['x', 'Session-Expires'],
  ['V', 'Via'],
  ['CALL-ID', 'Call-ID'],
  ['cseq', 'CSeq'],
  ['X-Own', 'X-Own'],
])('RFC 3261 §7.3.3: %s is %s', (form, name) => expect(canonicalHeaderName(form)).toBe(name))

test('names are asked for in any form and come back in their usual spelling', () => {
  expect(headers.all('V')).toEqual(['SIP/2.0/UDP a.example', 'SIP/2.0/UDP b.example'])
  expect([headers.get('SUBJECT'), headers.has('s'), headers.has('To'), headers.size]).toEqual(['Lunch', true, false, 5])
  expect([...headers.entries()].map(([name]) => name)).toEqual(['Via', 'Via', 'Subject', 'X-Own', 'x-own'])
  expect(headers.all('X-OWN')).toEqual(['one', 'two'])
})

const names = (changed: SipHeaders): string[] => [...changed.entries()].map(([name, value]) => `${name}=${value}`)

test('changes make new headers and keep the order', () => {
  expect(names(headers.with('via', 'c'))).toEqual(['Via=c', 'Subject=Lunch', 'X-Own=one', 'x-own=two'])
  expect(names(headers.without('X-Own'))).toEqual([
    'Via=SIP/2.0/UDP a.example',
    'Via=SIP/2.0/UDP b.example',
    'Subject=Lunch',
  ])
  expect(names(SipHeaders.empty.append('a', '1').prepend('To', '0').with('Date', 'd'))).toEqual([
    'To=0',
    'Accept-Contact=1',
    'Date=d',
  ])
  expect(names(SipHeaders.empty.appendFrom(headers, ['Subject', 'Via']))).toEqual([
    'Subject=Lunch',
    'Via=SIP/2.0/UDP a.example',
    'Via=SIP/2.0/UDP b.example',
  ])
  expect(headers.size).toBe(5)
})

test.each([
  ['RFC 3261 §7.3.1', ['<sip:alice@atlanta.com>, <sip:bob@biloxi.com>', '<sip:carol@chicago.com>'], 3],
  ['commas in quotes and brackets', ['"a,\\",b" <sip:x,y@example.com>;q="1,2" , <sip:z@example.com>'], 2],
  ['empty entries', [', ,<sip:a@example.com>,'], 1],
  ['an empty field', [''], 0],
  ['a quote that does not close', ['"a, b', 'c'], 2],
])('%s: a list is split at its commas', (_what, values, count) => {
  expect(SipHeaders.of(values.map((value) => ['Route', value])).list('Route')).toHaveLength(count)
})

test.each([
  ['a line break', 'Subject', 'x\r\nVia: y'],
  ['a CR', 'Subject', 'x\ry'],
  ['an LF', 'Subject', 'x\ny'],
  ['a NUL', 'Subject', 'x\0y'],
  ['a space in a name', 'Sub ject', 'x'],
  ['a colon in a name', 'Subject:', 'x'],
  ['an empty name', '', 'x'],
])('%s of ours is thrown out', (_what, name, value) => {
  expect(() => SipHeaders.of([[name, value]])).toThrow(RangeError)
  expect(() => SipHeaders.empty.append(name, value)).toThrow(RangeError)
  expect(() => SipHeaders.empty.prepend(name, value)).toThrow(RangeError)
  expect(() => headers.with(name, value)).toThrow(RangeError)
})

const head = (subject: string): string =>
  [
    'MESSAGE sip:b@example.com SIP/2.0',
    'Via: SIP/2.0/UDP a.example;branch=z9hG4bK1',
    `From: "Jürgen" <sip:a@example.com>;tag=1`,
    'To: <sip:b@example.com>',
    'Call-ID: c@example.com',
    'CSeq: 1 MESSAGE',
    `Subject: ${subject}`,
    'Content-Length: 0',
    '',
    '',
  ].join('\r\n')

test('UTF-8 reads right and is written as it came', () => {
  const bytes = utf8Bytes(head('大停電 – päivää'))
  const parsed = parseSipMessage(bytes, 'datagram')
  if (!parsed.ok) throw new Error(parsed.failure.detail)
  expect([parsed.value.headers.get('Subject'), parsed.value.core.from.displayName]).toEqual([
    '大停電 – päivää',
    'Jürgen',
  ])
  expect(latin1Text(formatSipMessage(parsed.value))).toBe(latin1Text(bytes))
  expect(
    latin1Text(formatSipMessage({ ...parsed.value, headers: parsed.value.headers.with('Subject', 'päivää') })),
  ).toBe(latin1Text(utf8Bytes(head('päivää'))))
})

test('bytes that are no UTF-8 are kept as they are', () => {
  const bytes = Uint8Array.from(latin1Text(utf8Bytes(head('\u0001'))), (character) => character.charCodeAt(0)).map(
    (byte) => (byte === 1 ? 0xe9 : byte),
  )
  const parsed = parseSipMessage(bytes, 'datagram')
  if (!parsed.ok) throw new Error(parsed.failure.detail)
  expect(parsed.value.headers.get('Subject')).toBe('é')
  expect(latin1Text(formatSipMessage(parsed.value))).toBe(latin1Text(bytes))
})
