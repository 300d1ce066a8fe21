import { latin1Bytes, latin1Text, lossyUtf8Text, utf8Bytes } from '@stox/kernel'
import { DEFAULT_SIP_LIMITS, formatSipMessage, newSipResponse, parseSipMessage } from '../src/index.ts'
import type { SipFraming, SipMessage, SipRequest, SipSyntaxFailure } from '../src/index.ts'

const CORE: Readonly<Record<string, string>> = {
  Via: 'SIP/2.0/UDP a.example;branch=z9hG4bK1',
  'Max-Forwards': '70',
  From: '<sip:a@example.com>;tag=1',
  To: '<sip:b@example.com>',
  'Call-ID': 'c@example.com',
  CSeq: '1 MESSAGE',
}

/** A MESSAGE with some headers changed, or left out by undefined. */
function text(
  change: Readonly<Record<string, string | undefined>> = {},
  body = '',
  start = 'MESSAGE sip:b@example.com SIP/2.0',
): string {
  const lines = Object.entries({ ...CORE, ...change }).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}: ${value}`],
  )
  return [start, ...lines, '', body].join('\r\n')
}

const parse = (message: string, framing: SipFraming = 'datagram') => parseSipMessage(latin1Bytes(message), framing)

function taken(message: string, framing?: SipFraming): SipMessage {
  const parsed = parse(message, framing)
  if (!parsed.ok) throw new Error(parsed.failure.detail)
  return parsed.value
}

function refused(message: string, framing?: SipFraming): SipSyntaxFailure {
  const parsed = parse(message, framing)
  if (parsed.ok) throw new Error('taken')
  return parsed.failure
}

test('a request', () => {
  const request = taken(text({ 'Content-Length': '5' }, 'hello'))
  expect(request).toMatchObject({
    kind: 'request',
    method: 'MESSAGE',
    uri: 'sip:b@example.com',
    core: { callId: 'c@example.com', cseq: { number: 1, method: 'MESSAGE' }, maxForwards: 70 },
  })
  expect(latin1Text(request.body)).toBe('hello')
})

test('a response', () => {
  expect(taken(text({ 'Max-Forwards': undefined }, '', 'SIP/2.0 202 Accepted'))).toMatchObject({
    kind: 'response',
    status: 202,
    reason: 'Accepted',
    core: { cseq: { number: 1, method: 'MESSAGE' }, maxForwards: undefined },
  })
  // COMPAT: without the space that should stand before an empty phrase.
  expect(taken(text({}, '', 'SIP/2.0 200'))).toMatchObject({ status: 200, reason: '' })
})

test.each([
  [
    'RFC 3261 §7.3.1, folding',
    text({ Subject: 'I know you are there,\r\n pick up the phone\r\n \tand talk' }),
    'I know you are there, pick up the phone and talk',
  ],
  ['spaces around the colon', text().replace('To:', 'Subject \t:\t x \t \r\nTo:'), 'x'],
  ['a value on the next line', text({ Subject: '\r\n x' }), 'x'],
  ['an empty value', text({ Subject: '' }), ''],
  ['the compact form', text({ s: 'x' }), 'x'],
])('%s', (_what, message, subject) => expect(taken(message).headers.get('Subject')).toBe(subject))

test('line breaks before a message mean nothing. RFC 3261 §7.5', () => {
  expect(taken(`\r\n\r\n\r\n${text()}`)).toMatchObject({ method: 'MESSAGE' })
})

describe('RFC 3261 §18.3, where the body ends', () => {
  test.each([
    ['a datagram says less than it brings', 'datagram', '3', 'hel'],
    ['a datagram says nothing', 'datagram', undefined, 'hello'],
    ['a stream says less than it brings', 'stream', '0', ''],
  ] as const)('%s', (_what, framing, length, body) => {
    expect(latin1Text(taken(text({ 'Content-Length': length }, 'hello'), framing).body)).toBe(body)
  })

  test.each([
    ['a datagram brings less than it says', 'datagram', '6', 400],
    ['a stream says nothing', 'stream', undefined, 400],
    ['a sign', 'datagram', '+5', 400],
    ['hex', 'datagram', '0x5', 400],
    ['two values', 'datagram', '5, 5', 400],
    ['nothing', 'datagram', '', 400],
    ['a number beyond numbers', 'stream', '9'.repeat(400), 400],
    ['more than we take', 'stream', String(DEFAULT_SIP_LIMITS.maxBodyBytes + 1), 513],
  ] as const)('%s', (_what, framing, length, status) => {
    expect(refused(text({ 'Content-Length': length }, 'hello'), framing).answer?.status).toBe(status)
  })
})

describe('what is wrong is answered, with a reason', () => {
  test.each([
    ['no From', text({ From: undefined }), 400, 'no From'],
    ['no To', text({ To: undefined }), 400, 'no To'],
    ['no Call-ID', text({ 'Call-ID': undefined }), 400, 'no Call-ID'],
    ['no CSeq', text({ CSeq: undefined }), 400, 'no CSeq'],
    ['a CSeq of 2^31. RFC 3261 §8.1.1.5', text({ CSeq: '2147483648 MESSAGE' }), 400, 'no proper CSeq'],
    ['a CSeq without a method', text({ CSeq: '1' }), 400, 'no proper CSeq'],
    ['a CSeq of another method', text({ CSeq: '1 OPTIONS' }), 400, 'the method of CSeq'],
    ['Max-Forwards beyond 255', text({ 'Max-Forwards': '256' }), 400, 'no proper Max-Forwards'],
    ['Max-Forwards below 0', text({ 'Max-Forwards': '-1' }), 400, 'no proper Max-Forwards'],
    ['a space in the Call-ID', text({ 'Call-ID': 'a b' }), 400, 'no proper Call-ID'],
    ['Event given twice', text({ Event: 'presence', o: 'presence' }), 400, 'Event given twice'],
    ['a second Via that is none', text({ v: 'nonsense' }), 400, 'no proper protocol in the Via'],
    ['a line without a colon', text().replace('To:', 'nonsense\r\nTo:'), 400, 'a line that is no header'],
    ['a name with a space', text({ 'a b': 'c' }), 400, 'a line that is no header'],
    ['a CR by itself', text({ Subject: 'a\rVia: b' }), 400, 'a stray line break'],
    ['an LF by itself', text({ Subject: 'a\nVia: b' }), 400, 'a stray line break'],
    ['HTTP', text({}, '', 'MESSAGE sip:b@example.com HTTP/1.1'), 400, 'no version'],
    ['SIP/3.0', text({}, '', 'MESSAGE sip:b@example.com SIP/3.0'), 505, 'version SIP/3.0'],
    ['tel:', text({}, '', 'MESSAGE tel:+15551234567 SIP/2.0'), 416, 'Request-URI of scheme tel'],
    [
      '257 headers',
      text(Object.fromEntries(Array.from({ length: 257 }, (_, n) => [`X-${n}`, 'x']))),
      400,
      'too many headers',
    ],
    ['no empty line', text().slice(0, -2), 400, 'no empty line behind the headers'],
  ])('%s', (_what, message, status, because) => {
    const { answer, detail, salvaged } = refused(message)
    expect(detail).toContain(because)
    expect([answer?.status, salvaged?.method]).toEqual([status, 'MESSAGE'])
    const response = lossyUtf8Text(
      formatSipMessage(newSipResponse(salvaged as SipRequest, status, answer?.reason, { toTag: 't' })),
    )
    expect(response).toContain(`\r\nVia: ${CORE['Via']}\r\n`)
    // Whatever was in the request, the answer has the lines we wrote and no other.
    expect(response).toMatch(
      /^SIP\/2\.0 \d{3} [^\r\n]+\r\n(?:(?:Via|From|To|Call-ID|CSeq|Content-Length): [^\r\n]*\r\n)+\r\n$/,
    )
  })
})

describe('what nobody could be told is discarded', () => {
  test.each([
    ['nothing', ''],
    ['a keep-alive', '\r\n\r\n'],
    ['a NUL', '\0'],
    ['a STUN request', '\0\x01\0\0\x21\x12\xa4\x42abcdefghijkl'],
    ['no Via', text({ Via: undefined })],
    ['a top Via that cannot be read', text({ Via: 'SIP/2.0/UDP ;branch=1' })],
    ['an ACK', text({ CSeq: '1 INVITE' }, '', 'ACK sip:b@example.com SIP/2.0')],
    ['no method', text({}, '', ' sip:b@example.com SIP/2.0')],
    ['a response without From', text({ From: undefined }, '', 'SIP/2.0 200 OK')],
    ['a response of another version', text({}, '', 'SIP/3.0 200 OK')],
    ['status 700', text({}, '', 'SIP/2.0 700 OK')],
    ['status 99', text({}, '', 'SIP/2.0 99 OK')],
    ['a CR in the start line', text({}, '', 'MESSAGE sip:b@example.com SIP/2.0\rx')],
    ['a start line too large', `MESSAGE sip:${'b'.repeat(DEFAULT_SIP_LIMITS.maxHeadBytes)}@example.com SIP/2.0\r\n`],
  ])('%s', (_what, message) => expect(refused(message)).toMatchObject({ answer: undefined, salvaged: undefined }))
})

test('a head of exactly the bound is taken', () => {
  const bare = text({ Subject: '' })
  const room = DEFAULT_SIP_LIMITS.maxHeadBytes - (bare.length - 4)
  expect(taken(text({ Subject: 'x'.repeat(room) }))).toMatchObject({ kind: 'request' })
  const over = text({ Subject: 'x'.repeat(room + 1) })
  for (const framing of ['datagram', 'stream'] as const) {
    expect(refused(over, framing)).toMatchObject({ answer: { status: 513 }, detail: 'a head that is too large' })
  }
})

test('a message is the same whatever the case of its names, and its bytes are written back', () => {
  const message = text({ 'X-Strange-Case': 'kept', 'Content-Length': '4' }, '\x00\x01\xfe\xff')
  expect(latin1Text(formatSipMessage(taken(message)))).toBe(message)
  const shouted = message
    .replace(/^[\w-]+(?=:)/gm, (name) => name.toUpperCase())
    .replace('X-STRANGE-CASE', 'X-Strange-Case')
  expect(latin1Text(formatSipMessage(taken(shouted)))).toBe(message)
})

test('Content-Length is written right, whatever the headers say', () => {
  const request = taken(text({ 'Content-Length': '0' })) as SipRequest
  const written = latin1Text(formatSipMessage({ ...request, body: utf8Bytes('päivää') }))
  expect(written.match(/Content-Length: \d+/g)).toEqual(['Content-Length: 9'])
})

describe('a start line of ours with what no line may hold is thrown out', () => {
  const request = taken(text()) as SipRequest
  test.each([
    ['method', { ...request, method: 'MES SAGE' }],
    ['Request-URI', { ...request, uri: 'sip:b@example.com\r\nVia: x' }],
    ['Request-URI', { ...request, uri: 'sip:b@example.com SIP/2.0' }],
    ['status', { ...newSipResponse(request, 200), status: 99 }],
    ['reason', { ...newSipResponse(request, 200), reason: 'OK\r\nVia: x' }],
  ])('%s', (_what, message) => expect(() => formatSipMessage(message)).toThrow(RangeError))
})
