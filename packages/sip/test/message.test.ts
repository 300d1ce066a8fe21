import { latin1Bytes, lossyUtf8Text } from '@stox/kernel'
import {
  formatSipMessage,
  nameAddr,
  newSipRequest,
  newSipResponse,
  newSipUri,
  parseSipMessage,
  reasonOf,
} from '../src/index.ts'
import type { NewSipRequest, SipRequest } from '../src/index.ts'

const input: NewSipRequest = {
  method: 'MESSAGE',
  uri: 'sip:romeo@montague.example',
  from: nameAddr(newSipUri({ user: 'juliet', host: 'capulet.example', gr: 'bal/cony' }), 'Juliet', 'a1'),
  to: nameAddr(newSipUri({ user: 'romeo', host: 'montague.example' })),
  callId: 'x1@capulet.example',
  cseq: 7,
  headers: [['Subject', 'Wherefore']],
  contentType: 'text/plain;charset=UTF-8',
  body: 'Art thou there? 🌹',
}

test('a request of ours, to the byte', () => {
  expect(lossyUtf8Text(formatSipMessage(newSipRequest(input)))).toBe(
    [
      'MESSAGE sip:romeo@montague.example SIP/2.0',
      'Max-Forwards: 70',
      'From: "Juliet" <sip:juliet@capulet.example;gr=bal/cony>;tag=a1',
      'To: <sip:romeo@montague.example>',
      'Call-ID: x1@capulet.example',
      'CSeq: 7 MESSAGE',
      'Subject: Wherefore',
      'Content-Type: text/plain;charset=UTF-8',
      'Content-Length: 20',
      '',
      'Art thou there? 🌹',
    ].join('\r\n'),
  )
})

test.each([
  ['method', { method: 'MES\r\nSAGE' }],
  ['Call-ID', { callId: 'a b' }],
  ['Call-ID', { callId: 'a@b@c' }],
  ['Call-ID', { callId: '' }],
  ['CSeq', { cseq: 2 ** 31 }],
  ['CSeq', { cseq: 1.5 }],
  ['header', { headers: [['Subject', 'a\r\nVia: b']] as const }],
  ['content type', { contentType: 'text/plain\r\nVia: b' }],
])('a %s of ours that is none is thrown out', (_what, change) => {
  expect(() => newSipRequest({ ...input, ...change })).toThrow(RangeError)
})

function received(method: string, to = '<sip:b@example.com>'): SipRequest {
  const lines = [
    `${method} sip:b@example.com SIP/2.0`,
    'v:  SIP / 2.0/UDP  p.example;branch=z9hG4bK2;x="a,b" , SIP/2.0/TCP q.example',
    'Record-Route: <sip:p.example;lr>;ms-route-sig="aa==" ,<sip:q.example;lr=on>',
    'Via: SIP/2.0/UDP a.example;branch=z9hG4bK1',
    'Timestamp: 54',
    'From: sip:a@example.com ; tag=1',
    `To: ${to}`,
    'i: c@example.com',
    `CSeq: 007 ${method}`,
    'Content-Length: 0',
  ]
  const parsed = parseSipMessage(latin1Bytes(`${lines.join('\r\n')}\r\n\r\n`), 'stream')
  if (!parsed.ok || parsed.value.kind !== 'request') throw new Error('not a request')
  return parsed.value
}

const respond = (request: SipRequest, status: number, toTag?: string): string[] =>
  lossyUtf8Text(
    formatSipMessage(newSipResponse(request, status, undefined, toTag === undefined ? {} : { toTag })),
  ).split('\r\n')

test('RFC 3261 §8.2.6.2: a response has what the request had, byte for byte, and a tag', () => {
  expect(respond(received('MESSAGE'), 404, 'z')).toEqual([
    'SIP/2.0 404 Not Found',
    'Via: SIP / 2.0/UDP  p.example;branch=z9hG4bK2;x="a,b" , SIP/2.0/TCP q.example',
    'Via: SIP/2.0/UDP a.example;branch=z9hG4bK1',
    'From: sip:a@example.com ; tag=1',
    'To: <sip:b@example.com>;tag=z',
    'Call-ID: c@example.com',
    'CSeq: 007 MESSAGE',
    'Content-Length: 0',
    '',
    '',
  ])
})

test.each([
  ['SUBSCRIBE', 200, true],
  ['NOTIFY', 200, true],
  ['INVITE', 180, true],
  ['SUBSCRIBE', 403, false],
  ['MESSAGE', 200, false],
  ['INVITE', 100, false],
])('RFC 3261 §12.1.1: Record-Route of %s in a %i: %s', (method, status, there) => {
  expect(
    respond(received(method), status, 'z').includes(
      'Record-Route: <sip:p.example;lr>;ms-route-sig="aa==" ,<sip:q.example;lr=on>',
    ),
  ).toBe(there)
})

test('RFC 3261 §8.2.6: a tag that is there stays, a 100 gets none, and it has the Timestamp', () => {
  expect(respond(received('MESSAGE', '<sip:b@example.com>;tag=old'), 200, 'new')).toContain(
    'To: <sip:b@example.com>;tag=old',
  )
  const trying = respond(received('MESSAGE'), 100, 'z')
  expect(trying).toContain('To: <sip:b@example.com>')
  expect(trying).toContain('Timestamp: 54')
})

test('the tag is in the core of the response, too', () => {
  expect(newSipResponse(received('MESSAGE'), 200, 'Fine', { toTag: 'z' })).toMatchObject({
    reason: 'Fine',
    core: { to: { params: new Map([['tag', 'z']]) } },
  })
  expect(() => newSipResponse(received('MESSAGE'), 200, undefined, { toTag: 'a;b' })).toThrow(RangeError)
})

test('a reason cannot bring in lines', () => {
  expect(newSipResponse(received('MESSAGE'), 400, 'Bad\r\nVia: x').reason).toBe('Bad Via: x')
})

test.each([
  [489, 'Bad Event'],
  [513, 'Message Too Large'],
  [499, 'Request Failure'],
  [299, 'OK'],
  [999, 'Unknown'],
])('the phrase of %i is %s', (status, reason) => expect(reasonOf(status)).toBe(reason))
