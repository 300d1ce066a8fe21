import { lossyUtf8Text } from '@stox/kernel'
import { formatSipMessage, newSipResponse, parseSipMessage } from '../../src/index.ts'
import type { SipMessage } from '../../src/index.ts'
import { RFC4475 } from './rfc4475.ts'
import { RFC5118 } from './rfc5118.ts'

type Verdict =
  /** Taken, and these are the key fields. What a server then says of it is not the codec's word. */
  | { readonly take: (message: SipMessage) => readonly unknown[]; readonly fields: readonly unknown[] }
  /** Refused, with this answer. */
  | { readonly answer: number; readonly because: string }
  /** Refused without a word. */
  | { readonly discard: string }

const take = (read: (message: SipMessage) => readonly unknown[], ...fields: unknown[]): Verdict => ({
  take: read,
  fields,
})
const answer = (status: number, because: string): Verdict => ({ answer: status, because })
const discard = (because: string): Verdict => ({ discard: because })

const uriOf = (message: SipMessage): unknown => (message.kind === 'request' ? message.uri : message.status)
const lineOf = (message: SipMessage): unknown => (message.kind === 'request' ? message.method : message.reason)
const plain = (message: SipMessage): readonly unknown[] => [lineOf(message), uriOf(message), message.body.length]

const VERDICTS: Readonly<Record<string, Verdict>> = {
  // §3.1.1 valid
  wsinv: take(
    ({ core, headers, ...message }) => [
      core.vias.map(({ transport, host, params }) => [transport, host, params.get('branch')]),
      core.from.displayName,
      core.from.params.get('tag'),
      core.to.params.get('tag'),
      core.cseq,
      core.maxForwards,
      core.callId,
      headers.get('subject'),
      headers.get('NewFangledHeader'),
      headers.list('Contact'),
      headers.list('Route'),
      message.body.length,
    ],
    [
      ['UDP', '192.0.2.2', '390skdjuw'],
      ['TCP', 'spindle.example.com', 'z9hG4bK9ikj8'],
      ['UDP', '192.168.255.111', 'z9hG4bK30239'],
    ],
    'J Rosenberg \\"',
    '98asjd8',
    '1918181833n',
    { number: 9, method: 'INVITE' },
    68,
    'wsinv.ndaksdj@192.0.2.1',
    '',
    'newfangled value continued newfangled value',
    ['"Quoted string \\"\\"" <sip:jdrosen@example.com> ; newparam = newvalue ; secondparam ; q = 0.33'],
    ['<sip:services.example.com;lr;unknownwith=value;unknown-no-value>'],
    150,
  ),
  intmeth: take(
    ({ core, headers, ...message }) => [
      lineOf({ core, headers, ...message } as SipMessage),
      core.to.displayName,
      core.from.displayName,
      core.from.params.get('tag'),
      core.from.params.get("fromparam''~+*_!.-%"),
      headers.get("extensionHeader-!.%*+_`'~"),
    ],
    "!interesting-Method0123456789_*+`.%indeed'~",
    'BEL:\x07 NUL:\x00 DEL:\x7f',
    "token1~` token2'+_ token3*%!.-",
    "_token~1'+`*%!-.",
    '"работающий"',
    '\ufeff大停電',
  ),
  esc01: take(plain, 'INVITE', 'sip:sips%3Auser%40example.com@example.net', 150),
  escnull: take((message) => [...plain(message), message.headers.list('Contact')], 'REGISTER', 'sip:example.com', 0, [
    '<sip:%00@host5.example.com>',
    '<sip:%00%00@host5.example.com>',
  ]),
  esc02: take(
    (message) => [...plain(message), message.core.cseq.method],
    'RE%47IST%45R',
    'sip:registrar.example.com',
    0,
    'RE%47IST%45R',
  ),
  lwsdisp: take(({ core }) => [core.from.displayName, core.from.uri.user], 'caller', 'caller'),
  longreq: take(
    ({ core, headers, body }) => [core.vias.length, core.from.params.size, headers.get('Call-ID')?.length, body.length],
    34,
    3,
    141,
    150,
  ),
  dblreq: take(plain, 'REGISTER', 'sip:example.com', 0),
  semiuri: take(plain, 'OPTIONS', 'sip:user;par=u%40example.net@example.com', 0),
  transports: take(({ core }) => core.vias.map(({ transport }) => transport), 'UDP', 'SCTP', 'TLS', 'UNKNOWN', 'TCP'),
  mpart01: take(plain, 'MESSAGE', 'sip:kumiko@example.org', 553),
  unreason: take(plain, '= 2**3 * 5**2 но сто девяносто девять - простое', 200, 154),
  noreason: take(plain, '', 100, 0),
  // §3.1.2 invalid
  badinv01: answer(400, 'empty parameter in the Via'),
  clerr: answer(400, 'a body shorter than Content-Length'),
  ncl: answer(400, 'no proper Content-Length'),
  scalar02: answer(400, 'no proper CSeq'),
  scalarlg: discard('no proper CSeq'),
  quotbal: answer(400, 'To: no proper display name and address'),
  ltgtruri: answer(400, 'Request-URI: no URI scheme'),
  lwsruri: answer(400, 'Request-URI: an empty parameter in the URI'),
  lwsstart: answer(400, 'Request-URI: no URI scheme'),
  trws: answer(400, 'no version at the end of the start line'),
  escruri: answer(400, 'headers in the Request-URI'),
  // The field is ignored, as the RFC allows: nobody here asks for it.
  baddate: take(({ headers }) => [headers.get('Date')], 'Fri, 01 Jan 2010 16:00:00 EST'),
  // Contact is read when asked for, and then this one cannot be.
  regbadct: take(({ headers }) => [headers.get('Contact')], 'sip:user@example.com?Route=%3Csip:sip.example.com%3E'),
  badaspec: answer(400, 'To: no URI scheme'),
  baddn: answer(400, 'From: no proper display name and address'),
  badvers: answer(505, 'version SIP/7.0'),
  mismatch01: answer(400, 'the method of CSeq is not the method'),
  mismatch02: answer(400, 'the method of CSeq is not the method'),
  bigcode: discard('no proper status line'),
  // §3.2 transaction layer
  badbranch: answer(400, 'a branch that is only the cookie'),
  // §3.3 application layer: 416 and 400 are given here, the rest is for who knows the method and the extensions.
  insuf: answer(400, 'no From'),
  unkscm: answer(416, 'Request-URI of scheme nobodyknowsthisscheme'),
  novelsc: answer(416, 'Request-URI of scheme soap.beep'),
  unksm2: take(
    ({ core }) => [core.to.uri.scheme, core.to.uri.opaque, core.from.uri.scheme, core.from.uri.opaque],
    'isbn',
    '2983792873',
    'http',
    '//www.example.com',
  ),
  bext01: take(
    ({ headers }) => [headers.list('Require'), headers.list('Proxy-Require')],
    ['nothingSupportsThis', 'nothingSupportsThisEither'],
    ['noProxiesSupportThis', 'norDoAnyProxiesSupportThis'],
  ),
  invut: take(({ headers }) => [headers.get('Content-Type')], 'application/unknownformat'),
  regaut01: take(({ headers }) => [headers.get('Authorization')], 'NoOneKnowsThisScheme opaque-data=here'),
  multi01: answer(400, 'CSeq given twice'),
  mcl01: answer(400, 'Content-Length given twice'),
  // The transport drops it: the top Via is not ours.
  bcast: take(({ core }) => [core.vias[0]?.host], '192.0.2.198'),
  zeromf: take(({ core }) => [core.maxForwards], 0),
  cparam01: take(({ headers }) => headers.list('Contact'), 'sip:+19725552222@gw1.example.net;unknownparam'),
  cparam02: take(({ headers }) => headers.list('Contact'), '<sip:+19725552222@gw1.example.net;unknownparam>'),
  regescrt: take(({ headers }) => headers.list('Contact'), '<sip:user@example.com?Route=%3Csip:sip.example.com%3E>'),
  sdp01: take(({ headers }) => headers.list('Accept'), 'text/nobodyKnowsThis'),
  // §3.4 backward compatibility
  inv2543: take(
    ({ core }) => [core.vias[0]?.params.has('branch'), core.from.params.has('tag'), core.maxForwards],
    false,
    false,
    undefined,
  ),
}

const hosts = (message: SipMessage): readonly unknown[] => [
  uriOf(message),
  ...message.core.vias.map(({ host }) => host),
]

const IPV6_VERDICTS: Readonly<Record<string, Verdict>> = {
  '4.1': take(hosts, 'sip:[2001:db8::10]', '[2001:db8::9:1]'),
  '4.2': answer(400, 'Request-URI: no proper user or host in the URI'),
  // Well formed; the "port" is the last group of the address.
  '4.3': take(hosts, 'sip:[2001:db8::10:5070]', '[2001:db8::9:1]'),
  '4.4': take(hosts, 'sip:[2001:db8::10]:5070', '[2001:db8::9:1]'),
  '4.5 with brackets': take(({ core }) => [core.vias[0]?.params.get('received')], '[2001:db8::9:255]'),
  '4.5 without brackets': take(({ core }) => [core.vias[0]?.params.get('received')], '2001:db8::9:255'),
  '4.6': take((message) => [...hosts(message), message.body.length], 'sip:user@[2001:db8::10]', '[2001:db8::20]', 251),
  '4.7': take(hosts, 'sip:user@host.example.net', '[2001:db8::9:1]', '192.0.2.1', '[2001:db8::9:255]'),
  '4.8': take((message) => [...hosts(message), message.body.length], 'sip:user@[2001:db8::10]', '[2001:db8::9:1]', 189),
  '4.9': take(
    ({ core }) => core.vias.map(({ host, port }) => [host, port]),
    ['[::ffff:192.0.2.10]', 19823],
    ['[::ffff:192.0.2.2]', undefined],
  ),
  '4.10 with the extra colon': take(({ core }) => [core.to.uri.host], '[2001:db8::192.0.2.1]'),
  '4.10 without it': take(({ core }) => [core.to.uri.host], '[2001:db8::192.0.2.1]'),
}

/** What becomes of the bytes, in the words of the verdict: for a message taken, the fields the verdict names. */
function judge(bytes: Uint8Array, verdict: Verdict): unknown {
  const parsed = parseSipMessage(bytes, 'datagram')
  if (parsed.ok) return 'take' in verdict ? { fields: verdict.take(parsed.value) } : 'taken'
  const { detail, answer: given } = parsed.failure
  return given === undefined ? { discard: detail } : { answer: given.status, because: detail }
}

const expected = (verdict: Verdict): unknown => ('take' in verdict ? { fields: verdict.fields } : verdict)

test('all 49 messages of RFC 4475 and all of RFC 5118 have a verdict', () => {
  expect(Object.keys(VERDICTS).toSorted()).toEqual(Object.keys(RFC4475).toSorted())
  expect(Object.keys(RFC4475)).toHaveLength(49)
  expect(Object.keys(IPV6_VERDICTS)).toEqual(Object.keys(RFC5118))
})

test.each(Object.entries(VERDICTS))('RFC 4475 %s', (name, verdict) => {
  expect(judge(RFC4475[name]!, verdict)).toEqual(expected(verdict))
})

test.each(Object.entries(IPV6_VERDICTS))('RFC 5118 §%s', (name, verdict) => {
  expect(judge(RFC5118[name]!, verdict)).toEqual(expected(verdict))
})

const answered = Object.entries({ ...VERDICTS, ...IPV6_VERDICTS }).filter(([, verdict]) => 'answer' in verdict)

test.each(answered)('the answer to %s can be written, and goes by its Via', (name) => {
  const parsed = parseSipMessage((RFC4475[name] ?? RFC5118[name])!, 'datagram')
  if (parsed.ok || parsed.failure.salvaged === undefined) throw new Error('nothing to answer')
  const { answer: given, salvaged } = parsed.failure
  const response = newSipResponse(salvaged, given!.status, given!.reason, { toTag: 'a' })
  expect(response.core.vias.length).toBeGreaterThan(0)
  expect(lossyUtf8Text(formatSipMessage(response))).toMatch(/^SIP\/2\.0 (400|416|505) .*\r\nVia: /)
})
