import * as fc from 'fast-check'
import { latin1Bytes, utf8Bytes, utf8Text } from '@stox/kernel'
import {
  CPIM_HEADERS,
  IMDN_HEADERS,
  cpimHeader,
  cpimText,
  cpimValue,
  formatCpim,
  formatCpimAddress,
  mimeHeader,
  newMimePart,
  parseCpim,
  parseCpimAddress,
} from '../../src/index.ts'
import type { CpimMessage, ParsedCpim } from '../../src/index.ts'

const lines = (...all: readonly string[]): Uint8Array => utf8Bytes(all.join('\r\n'))
function read(bytes: Uint8Array): ParsedCpim {
  const parsed = parseCpim(bytes)
  if (!parsed.ok) throw new Error(parsed.failure.detail)
  return parsed.value
}
const PLAIN = ['', 'Content-Type: text/plain', '', 'Hi']

test('RFC 3862 §5.1: the example', () => {
  const message = read(
    lines(
      'From: MR SANDERS <im:piglet@100akerwood.com>',
      'To: Depressed Donkey <im:eeyore@100akerwood.com>',
      'DateTime: 2000-12-13T13:40:00-08:00',
      'Subject: the weather will be fine today',
      "Subject:;lang=fr beau temps prevu pour aujourd'hui",
      'NS: MyFeatures <mid:MessageFeatures@id.foo.com>',
      'Require: MyFeatures.VitalMessageOption',
      'MyFeatures.VitalMessageOption: Confirmation-requested',
      'MyFeatures.WackyMessageOption: Use-silly-font',
      '',
      'Content-type: text/xml; charset=utf-8',
      'Content-ID: <1234567890@foo.com>',
      '',
      '<body>',
      'Here is the text of my message.',
      '</body>',
    ),
  )
  const features = 'mid:MessageFeatures@id.foo.com'
  expect(message.headers).toEqual([
    { namespace: CPIM_HEADERS, name: 'From', value: 'MR SANDERS <im:piglet@100akerwood.com>' },
    { namespace: CPIM_HEADERS, name: 'To', value: 'Depressed Donkey <im:eeyore@100akerwood.com>' },
    { namespace: CPIM_HEADERS, name: 'DateTime', value: '2000-12-13T13:40:00-08:00' },
    { namespace: CPIM_HEADERS, name: 'Subject', value: 'the weather will be fine today' },
    { namespace: CPIM_HEADERS, name: 'Subject', lang: 'fr', value: "beau temps prevu pour aujourd'hui" },
    { namespace: features, name: 'VitalMessageOption', value: 'Confirmation-requested' },
    { namespace: features, name: 'WackyMessageOption', value: 'Use-silly-font' },
  ])
  expect(message.required).toEqual([{ namespace: features, name: 'VitalMessageOption' }])
  expect(mimeHeader(message.content, 'content-type')).toBe('text/xml; charset=utf-8')
  expect(utf8Text(message.content.body)).toBe('<body>\r\nHere is the text of my message.\r\n</body>')
  expect(cpimHeader(message, 'Subject')).toBe('the weather will be fine today')
})

test('RFC 5438 §6.2: a message that asks for notifications', () => {
  const message = read(
    lines(
      'From: Alice <im:alice@example.com>',
      'To: Bob <im:bob@example.com>',
      'NS: imdn <urn:ietf:params:imdn>',
      'imdn.Message-ID: 34jk324j',
      'DateTime: 2006-04-04T12:16:49-05:00',
      'imdn.Disposition-Notification: positive-delivery, negative-delivery',
      '',
      'Content-type: text/plain',
      'Content-length: 12',
      '',
      'Hello World',
    ),
  )
  expect(cpimHeader(message, 'Message-ID', IMDN_HEADERS)).toBe('34jk324j')
  expect(cpimHeader(message, 'Disposition-Notification', IMDN_HEADERS)).toBe('positive-delivery, negative-delivery')
  expect(cpimHeader(message, 'Message-ID')).toBeUndefined()
  expect(utf8Text(message.content.body)).toBe('Hello World')
})

describe('RFC 3862 §3.4, §4.6: prefixes [3862-3.prefix]', () => {
  const headersOf = (...head: readonly string[]) => read(lines(...head, ...PLAIN)).headers
  test('count from their declaration on, the last one holds', () => {
    expect(headersOf('a.X: 0', 'NS: a <urn:1>', 'a.X: 1', 'NS: a <urn:2>', 'a.X: 2')).toEqual([
      { namespace: 'urn:1', name: 'X', value: '1' },
      { namespace: 'urn:2', name: 'X', value: '2' },
    ])
  })
  test('are told apart by case', () => {
    expect(headersOf('NS: a <urn:1>', 'A.X: 0', 'a.X: 1')).toEqual([{ namespace: 'urn:1', name: 'X', value: '1' }])
  })
  test('a declaration without one is for names without one', () => {
    expect(headersOf('NS: <urn:1>', 'From: x', `NS: <${CPIM_HEADERS}>`, 'From: y')).toEqual([
      { namespace: 'urn:1', name: 'From', value: 'x' },
      { namespace: CPIM_HEADERS, name: 'From', value: 'y' },
    ])
  })
  test('one that nobody declared cannot be understood when it must be', () => {
    const message = read(lines('Require: a.X, Y', ...PLAIN))
    expect(message.required).toEqual([
      { namespace: '', name: 'X' },
      { namespace: CPIM_HEADERS, name: 'Y' },
    ])
  })
})

test.each([
  ['§2 COMPAT the outer header once more', lines('Content-type: Message/CPIM', '', 'Subject: x', ...PLAIN)],
  ['§3.1 parameters', lines('Subject:;lang=en;x="a b\\" c";y=1 x', ...PLAIN)],
  ['§3.1 a line separator is no line end', lines('Other: a\u2028b', 'Subject: x', ...PLAIN)],
  ['§4.9 unknown headers [3862-4.unknown]', lines('Other: y', 'Subject: x', ...PLAIN)],
])('RFC 3862 %s', (_clause, bytes) => {
  expect(cpimHeader(read(bytes), 'Subject')).toBe('x')
})

test('RFC 3862 §3.1: a language is one only outside of quotes', () => {
  const message = read(lines('Subject:;x=";lang=fr" x', 'Subject:;x=y;lang=fr x', ...PLAIN))
  expect(message.headers.map(({ lang }) => lang)).toEqual([undefined, 'fr'])
})

test.each([
  ['§3.1 no space after the colon', lines('Subject:x', ...PLAIN)],
  ['§3.1 a space before the colon', lines('Subject : x', ...PLAIN)],
  ['§3.1 a folded line [3862-3.line]', lines('Subject: x', ' y', ...PLAIN)],
  ['§3.1 no colon', lines('Subject', ...PLAIN)],
  ['§3.1 a control character', lines('Subject: a\tb', ...PLAIN)],
  ['§3.1 a bare LF', utf8Bytes('Subject: a\nFrom: b\r\n\r\nContent-Type: text/plain\r\n\r\nHi')],
  ['§3.2 not UTF-8 [3862-3.utf-8]', latin1Bytes('Subject: \xe9\r\n\r\nContent-Type: text/plain\r\n\r\nHi')],
  ['§4.6 no proper NS', lines('NS: imdn urn:ietf:params:imdn', ...PLAIN)],
  ['§4.7 no proper Require', lines('Require: a b', ...PLAIN)],
  ['§2.4 the wrapped part has no type [3862-2.content]', lines('Subject: x', '', 'Content-ID: <1>', '', 'Hi')],
  ['§2.4 the wrapped part has no headers', lines('Subject: x', '', '', 'Hi')],
  ['§2 no wrapped part', lines('Subject: x')],
  ['§2 headers that do not end', lines('Subject: x', 'From: y')],
  ['too many headers', lines(...Array.from({ length: 65 }, () => 'Subject: x'), ...PLAIN)],
  ['a head too long', lines(`Subject: ${'x'.repeat(16_384)}`, ...PLAIN)],
  ['nothing', new Uint8Array(0)],
])('RFC 3862 refused: %s', (_clause, bytes) => {
  expect(parseCpim(bytes)).toMatchObject({ ok: false, failure: { kind: 'cpim' } })
})

test.each([
  ['letters', 'a\\b\\t\\n\\rb', 'a\b\t\n\rb'],
  ['quotes and the backslash', '\\"\\\'\\\\', '"\'\\'],
  ['code points', '\\u00e9\\uD83C\\uDF39', 'é🌹'],
  ['half a pair', 'a\\uD83Cb', 'a\ufffdb'],
  ['an unknown one is its character', '\\x\\u12', 'xu12'],
  ['a backslash at the end', 'a\\', 'a\\'],
])('RFC 3862 §2.3 escapes: %s [3862-2.escapes]', (_name, value, text) => {
  expect(cpimText(value)).toBe(text)
})

test.each([
  ['URI alone', '<im:a@b>', { name: undefined, uri: 'im:a@b' }],
  ['words', 'MR SANDERS <im:a@b>', { name: 'MR SANDERS', uri: 'im:a@b' }],
  ['quoted', '"S., \\"M\\" <\\u00e9>" <sip:a@b;gr=1>', { name: 'S., "M" <é>', uri: 'sip:a@b;gr=1' }],
  ['no brackets', 'im:a@b', undefined],
  ['nothing in them', '<>', undefined],
  ['a quote that does not close', '"a <im:a@b>', undefined],
  ['more behind', '<im:a@b> x', undefined],
  ['two', 'x <im:a@b> <im:c d>', undefined],
])('RFC 3862 §4.1 an address: %s', (_name, value, address) => {
  expect(parseCpimAddress(value)).toEqual(address)
})

test('RFC 3862 §4.6: what we write declares a prefix before its use [3862-4.ns]', () => {
  const message: CpimMessage = {
    headers: [
      { namespace: CPIM_HEADERS, name: 'From', value: formatCpimAddress({ name: 'A "B"', uri: 'im:a@b' }) },
      { namespace: IMDN_HEADERS, name: 'Message-ID', value: '1' },
      { namespace: 'urn:x', name: 'Y', lang: 'en', value: 'z' },
      { namespace: IMDN_HEADERS, name: 'Disposition-Notification', value: 'display' },
    ],
    content: newMimePart('text/plain;charset=UTF-8', 'Hi'),
  }
  expect(utf8Text(formatCpim(message))?.split('\r\n')).toEqual([
    'From: "A \\"B\\"" <im:a@b>',
    'NS: imdn <urn:ietf:params:imdn>',
    'imdn.Message-ID: 1',
    'NS: ns2 <urn:x>',
    'ns2.Y:;lang=en z',
    'imdn.Disposition-Notification: display',
    '',
    'Content-Type: text/plain;charset=UTF-8',
    '',
    'Hi',
  ])
})

test.each<[string, Partial<CpimMessage>]>([
  ['a line break in a value', { headers: [{ namespace: CPIM_HEADERS, name: 'Subject', value: 'a\r\nTo: <im:x@y>' }] }],
  ['no name', { headers: [{ namespace: CPIM_HEADERS, name: 'A.B', value: 'a' }] }],
  ['no language', { headers: [{ namespace: CPIM_HEADERS, name: 'Subject', lang: 'a b', value: 'a' }] }],
  ['no namespace', { headers: [{ namespace: 'a b', name: 'Subject', value: 'a' }] }],
  ['an NS of its own', { headers: [{ namespace: CPIM_HEADERS, name: 'NS', value: 'a <urn:x>' }] }],
  ['no Content-Type', { content: { kind: 'part', headers: [], body: new Uint8Array(0) } }],
])('our own mistake: %s', (_name, over) => {
  const message = { headers: [], content: newMimePart('text/plain', 'Hi'), ...over }
  expect(() => formatCpim(message)).toThrow(RangeError)
})

test('what is written is read again, whatever the texts', () => {
  const text = fc.string({ unit: fc.constantFrom(...'ab ,:;<>"\'\\\r\n\t\u0000é🌹'), maxLength: 10 })
  const header = fc.record(
    {
      namespace: fc.constantFrom(CPIM_HEADERS, IMDN_HEADERS, 'urn:x', 'urn:y'),
      name: fc.constantFrom('Subject', 'Message-ID', 'x'),
      lang: fc.constantFrom('en', 'sr-Latn'),
      text,
    },
    { requiredKeys: ['namespace', 'name', 'text'] },
  )
  fc.assert(
    fc.property(fc.array(header, { minLength: 1, maxLength: 6 }), text, text, (made, name, body) => {
      const headers = made.map(({ text: words, ...rest }) => ({ ...rest, value: cpimValue(words) }))
      const message = { headers, content: newMimePart('text/plain', body) }
      expect(read(formatCpim(message))).toEqual({ ...message, required: [] })
      expect(headers.map(({ value }) => cpimText(value))).toEqual(made.map(({ text: words }) => words))
      const address = { name: name.trim() === '' ? undefined : name, uri: 'im:a@b' }
      expect(parseCpimAddress(formatCpimAddress(address))).toEqual(address)
    }),
    { seed: 3862, numRuns: 300 },
  )
})

test('any bytes give a value or a failure, and soon', () => {
  const piece = fc.constantFrom(
    'Subject: x',
    'NS: a <u>',
    'a.B: c',
    '\r\n',
    '\r\n\r\n',
    'Content-Type: a/b',
    ':;x="',
    '\\',
    '"',
    '\n',
    'é',
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 16 }), (pieces) => {
      expect(typeof parseCpim(utf8Bytes(pieces.join(''))).ok).toBe('boolean')
    }),
    { seed: 5438, numRuns: 1000 },
  )
  const before = process.cpuUsage()
  for (const head of [
    ';x="'.repeat(4000),
    `Subject:${';x=a"b"'.repeat(2000)}`,
    `Subject:;a=${'!'.repeat(16_000)}`,
    '"\\'.repeat(8000),
  ]) {
    expect(typeof parseCpim(lines(head, ...PLAIN)).ok).toBe('boolean')
  }
  // A stall is a matter of seconds; a busy machine is not one.
  expect(process.cpuUsage(before).user / 1000).toBeLessThan(4000)
})
