import { latin1Bytes } from '@stox/kernel'
import { formatVia, parseSipMessage, parseVia, responseTarget, withReceived, withVia } from '../src/index.ts'
import type { SipRequest } from '../src/index.ts'

function request(...vias: readonly string[]): SipRequest {
  const head = [
    'OPTIONS sip:example.com SIP/2.0',
    ...vias.map((via) => `Via: ${via}`),
    'From: <sip:a@example.com>;tag=1',
    'To: <sip:b@example.com>',
    'Call-ID: c@example.com',
    'CSeq: 1 OPTIONS',
  ]
  const parsed = parseSipMessage(latin1Bytes(`${head.join('\r\n')}\r\n\r\n`), 'datagram')
  if (!parsed.ok || parsed.value.kind !== 'request') throw new Error('not a request')
  return parsed.value
}

test.each([
  ['SIP/2.0/UDP pc33.atlanta.com:5066;branch=z9hG4bK776asdhds', 'UDP', 'pc33.atlanta.com', 5066],
  ['SIP / 2.0 / tcp  first.example.com : 4000 ;ttl=16 ; maddr=224.2.0.1', 'TCP', 'first.example.com', 4000],
  ['SIP/2.0/TLS-SCTP [2001:db8::9:1];rport', 'TLS-SCTP', '[2001:db8::9:1]', undefined],
])('RFC 3261 §20.42: %s', (text, transport, host, port) => {
  expect(parseVia(text)).toMatchObject({ ok: true, value: { transport, host, port } })
})

test.each([
  ['no transport', 'SIP/2.0 example.com'],
  ['no host', 'SIP/2.0/UDP ;branch=1'],
  ['an empty parameter', 'SIP/2.0/UDP example.com;;branch=1'],
  ['a branch twice', 'SIP/2.0/UDP example.com;branch=1;branch=2'],
  ['port 0', 'SIP/2.0/UDP example.com:0'],
  ['two of them', 'SIP/2.0/UDP a.example, SIP/2.0/UDP b.example'],
  ['an entry missing', 'SIP/2.0/UDP a.example,'],
])('%s is refused: %s', (_what, text) => expect(parseVia(text)).toMatchObject({ ok: false }))

test('a Via of ours goes on top', () => {
  const own = {
    transport: 'UDP',
    host: '127.0.0.1',
    port: 5098,
    params: new Map([
      ['branch', 'z9hG4bKx'],
      ['rport', undefined],
    ]),
  }
  const sent = withVia(request('SIP/2.0/TCP b.example;branch=z9hG4bKy'), own)
  expect(sent.headers.all('Via')).toEqual([
    'SIP/2.0/UDP 127.0.0.1:5098;branch=z9hG4bKx;rport',
    'SIP/2.0/TCP b.example;branch=z9hG4bKy',
  ])
  expect(sent.core.vias.map(({ host }) => host)).toEqual(['127.0.0.1', 'b.example'])
})

test.each([
  [
    'RFC 3261 §18.2.1, another source',
    'SIP/2.0/UDP bobspc.biloxi.com:5060;branch=b',
    '192.0.2.4',
    'SIP/2.0/UDP bobspc.biloxi.com:5060;branch=b;received=192.0.2.4',
  ],
  [
    'RFC 3581 §4, rport',
    'SIP/2.0/UDP 10.1.1.1:4540;rport;branch=b',
    '192.0.2.1',
    'SIP/2.0/UDP 10.1.1.1:4540;rport=9988;branch=b;received=192.0.2.1',
  ],
  [
    'RFC 3581 §4, rport from where it says',
    'SIP/2.0/UDP 192.0.2.1;rport;branch=b',
    '192.0.2.1',
    'SIP/2.0/UDP 192.0.2.1;rport=9988;branch=b;received=192.0.2.1',
  ],
  [
    'a received the sender made up',
    'SIP/2.0/UDP 192.0.2.1;received=198.51.100.7;branch=b',
    '192.0.2.1',
    'SIP/2.0/UDP 192.0.2.1;received=192.0.2.1;branch=b',
  ],
  [
    'RFC 5118 §4.5, IPv6 without brackets',
    'SIP/2.0/UDP a.example;branch=b',
    '[2001:db8::1]',
    'SIP/2.0/UDP a.example;branch=b;received=2001:db8::1',
  ],
  [
    'nothing to note, so not touched',
    'SIP/2.0/UDP  192.0.2.1 ; branch=b',
    '192.0.2.1',
    'SIP/2.0/UDP  192.0.2.1 ; branch=b',
  ],
])('%s', (_clause, via, host, noted) => {
  expect(withReceived(request(via), { host, port: 9988 }).headers.all('Via')).toEqual([noted])
})

test('what lies below the top Via stays as it is, byte for byte', () => {
  const noted = withReceived(
    request('SIP/2.0/UDP a.example;branch=b ,  SIP / 2.0 / TCP  b.example ; X="1,2"', 'SIP/2.0/TCP  c.example'),
    {
      host: '192.0.2.9',
      port: 1,
    },
  )
  expect(noted.headers.all('Via')).toEqual([
    'SIP/2.0/UDP a.example;branch=b;received=192.0.2.9,  SIP / 2.0 / TCP  b.example ; X="1,2"',
    'SIP/2.0/TCP  c.example',
  ])
})

test.each([
  ['RFC 3261 §18.2.2', 'SIP/2.0/UDP a.example', 'a.example', 5060],
  ['RFC 3261 §18.2.2', 'SIP/2.0/UDP a.example:5070;received=192.0.2.1', '192.0.2.1', 5070],
  ['RFC 3581 §4', 'SIP/2.0/UDP a.example:5070;received=192.0.2.1;rport=9988', '192.0.2.1', 9988],
  ['TLS', 'SIP/2.0/TLS a.example', 'a.example', 5061],
  ['IPv6', 'SIP/2.0/UDP [2001:db8::1]:5070', '2001:db8::1', 5070],
  ['RFC 5118 §4.5', 'SIP/2.0/UDP a.example;received=[2001:db8::2]', '2001:db8::2', 5060],
  ['an rport without a number', 'SIP/2.0/UDP a.example:5070;rport', 'a.example', 5070],
])('%s: the answer to %s goes to %s port %i', (_clause, text, host, port) => {
  const parsed = parseVia(text)
  expect(parsed.ok && responseTarget(parsed.value)).toEqual({ host, port })
})

test.each([
  ['transport', { transport: 'U DP', host: 'a.example' }],
  ['host', { transport: 'UDP', host: 'a.example\r\nTo: x' }],
  ['parameter', { transport: 'UDP', host: 'a.example', params: new Map([['branch', 'a;b']]) }],
])('a %s of ours with what no Via may hold is thrown out', (_what, parts) => {
  expect(() => formatVia({ port: undefined, params: new Map(), ...parts })).toThrow(RangeError)
})
