import { concatBytes, latin1Bytes, latin1Text } from '@stox/kernel'
import * as fc from 'fast-check'
import { SipStreamFramer, parseSipMessage } from '../src/index.ts'
import type { SipStreamEvent } from '../src/index.ts'
import { RFC4475 } from './torture/rfc4475.ts'

const message = (n: number, body = '', length: string = `Content-Length: ${body.length}`): string =>
  [
    'MESSAGE sip:b@example.com SIP/2.0',
    'Call-Info: <http://example.com>',
    'Via: SIP/2.0/TCP a.example;branch=z9hG4bK1',
    'From: <sip:a@example.com>;tag=1',
    'To: <sip:b@example.com>',
    `Call-ID: c${n}@example.com`,
    `CSeq: ${n} MESSAGE`,
    length,
    '',
    body,
  ].join('\r\n')

const short = (event: SipStreamEvent): string =>
  event.kind === 'message'
    ? latin1Text(event.bytes)
    : event.kind === 'failure'
      ? `failure ${event.failure.detail}`
      : event.kind

/** Everything that comes of these chunks; the messages are looked at last, when later bytes could have spoilt them. */
function events(chunks: readonly Uint8Array[]): string[] {
  const framer = new SipStreamFramer()
  return chunks.flatMap((chunk) => framer.push(chunk)).map(short)
}

const whole = (text: string): string[] => events([latin1Bytes(text)])
const byteByByte = (text: string): string[] => events(Array.from(text, (character) => latin1Bytes(character)))

test.each([
  ['one message', message(1, 'hello'), [message(1, 'hello')]],
  ['no body', message(1), [message(1)]],
  [
    'pipelined',
    message(1, 'x') + message(2) + message(3, '\r\n\r\n'),
    [message(1, 'x'), message(2), message(3, '\r\n\r\n')],
  ],
  ['RFC 5626 §4.4.1, a ping', '\r\n\r\n', ['keep-alive']],
  [
    'RFC 5626 §4.4.1, a ping between messages',
    `${message(1)}\r\n\r\n${message(2)}`,
    [message(1), 'keep-alive', message(2)],
  ],
  ['a pong before a message', `\r\n${message(1)}`, [message(1)]],
  ['a compact, folded, shouted length', message(1, 'hello', 'L \t:\r\n\t 5'), [message(1, 'hello', 'L \t:\r\n\t 5')]],
])('%s: the same at once and byte by byte', (_what, text, expected) => {
  expect(whole(text)).toEqual(expected)
  expect(byteByByte(text)).toEqual(expected)
})

test('a run of pings in one read is one keep-alive', () => expect(whole('\r\n'.repeat(1000))).toEqual(['keep-alive']))

test.each([
  ['no length', message(1, '', 'Subject: x'), 'failure no Content-Length'],
  ['no number', message(1, '', 'Content-Length: abc'), 'failure no proper Content-Length'],
  ['below zero', message(1, '', 'Content-Length: -1'), 'failure no proper Content-Length'],
  ['two lengths', message(1, '', 'Content-Length: 5\r\nl: 6'), 'failure Content-Length given twice'],
  ['two equal lengths', message(1, '', 'Content-Length: 5\r\nContent-Length: 5'), 'failure Content-Length given twice'],
  ['too long a body', message(1, '', 'Content-Length: 1048577'), 'failure a body that is too large'],
  ['no SIP at all', 'GET / HTTP/1.1\r\nHost: example.com\r\n\r\n', 'failure no version at the end of the start line'],
])('%s: framing is lost, and nothing comes after', (_what, text, failure) => {
  expect(whole(text + message(2))).toEqual([failure])
  expect(byteByByte(text + message(2))).toEqual([failure])
})

test('what loses the framing can still be answered', () => {
  const [event] = new SipStreamFramer().push(latin1Bytes(message(1, '', 'Subject: x')))
  expect(event).toMatchObject({
    kind: 'failure',
    failure: { answer: { status: 400 }, salvaged: { method: 'MESSAGE' } },
  })
  const [large] = new SipStreamFramer().push(latin1Bytes(message(1, '', 'Content-Length: 2000000')))
  expect(large).toMatchObject({ kind: 'failure', failure: { answer: { status: 513 } } })
})

test('headers without end are cut off, and what is held is bounded', () => {
  const framer = new SipStreamFramer()
  const chunk = latin1Bytes('X: y\r\n'.repeat(100))
  let held = 0
  let failed: SipStreamEvent | undefined
  for (let n = 0; n < 1000 && failed === undefined; n += 1) {
    failed = framer.push(chunk)[0]
    held = Math.max(held, framer.pendingBytes)
  }
  expect(failed?.kind).toBe('failure')
  expect(held).toBeLessThanOrEqual(65_536 + 4 + chunk.length)
  expect(framer.pendingBytes).toBe(0)
  expect(framer.push(latin1Bytes(message(1)))).toEqual([])
})

test('a body may be as long as the limit, and is held until it is whole', () => {
  const text = message(1, 'x'.repeat(1_048_576))
  const framer = new SipStreamFramer()
  const bytes = latin1Bytes(text)
  const found: SipStreamEvent[] = []
  for (let at = 0; at < bytes.length; at += 60_000) found.push(...framer.push(bytes.subarray(at, at + 60_000)))
  expect(found.map((event) => event.kind === 'message' && event.bytes.length)).toEqual([text.length])
  expect(framer.pendingBytes).toBe(0)
})

test('RFC 4475 §3.1.1.8: both requests of dblreq come out of a stream, then the three bytes its length leaves over', () => {
  const found = new SipStreamFramer().push(RFC4475['dblreq']!)
  expect(found.map((event) => event.kind === 'message' && parseSipMessage(event.bytes, 'stream').ok)).toEqual([
    true,
    true,
    false,
  ])
})

test('RFC 4475 on a stream: framed alike at once and byte by byte', () => {
  for (const bytes of Object.values(RFC4475)) {
    const atOnce = events([bytes])
    const dripped = events(Array.from(bytes, (byte) => Uint8Array.of(byte)))
    expect(dripped).toEqual(atOnce)
  }
})

test('any chunks of any messages give the messages', () => {
  const body = fc.string({ unit: 'binary-ascii', maxLength: 40 })
  fc.assert(
    fc.property(
      fc.array(body, { maxLength: 6 }),
      fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1 }),
      (bodies, sizes) => {
        const texts = bodies.map((text, n) => message(n, text))
        const bytes = concatBytes(texts.map((text) => latin1Bytes(text)))
        const chunks: Uint8Array[] = []
        for (let at = 0, n = 0; at < bytes.length; n += 1) {
          const size = sizes[n % sizes.length]!
          chunks.push(bytes.slice(at, at + size))
          at += size
        }
        expect(events(chunks)).toEqual(texts)
      },
    ),
    { seed: 3261, numRuns: 200 },
  )
})
