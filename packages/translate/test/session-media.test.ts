import { lossyUtf8Text } from '@stox/kernel'
import { nameAddr, newSipRequest, newSipUri, parseSdp, sipMessageLength } from '@stox/sip'
import type { SipHeaderEntry, SipRequest } from '@stox/sip'
import { answerOffer, firstWordsOf, sessionInvite, sessionOffer, takesWords } from '../src/index.ts'
import type { SessionMedia } from '../src/index.ts'

const own: SessionMedia = { host: '192.0.2.1', port: 5098, html: false, sessionId: '7' }
const request = (
  method: string,
  more: { type?: string; body?: string; headers?: readonly SipHeaderEntry[] } = {},
): SipRequest =>
  newSipRequest({
    method,
    uri: 'sip:romeo@capulet.example',
    from: nameAddr(newSipUri({ user: 'juliet', host: 'montague.example' }), undefined, 'm1'),
    to: nameAddr(newSipUri({ user: 'romeo', host: 'capulet.example' })),
    callId: 'thread-1',
    cseq: 3,
    headers: more.headers ?? [],
    ...(more.body === undefined ? {} : { contentType: more.type ?? 'application/sdp', body: more.body }),
  })

const sdp = (...media: readonly string[]): string =>
  ['v=0', 'o=- 0 0 IN IP4 10.0.0.1', 's=session', 'c=IN IP4 10.0.0.1', 't=0 0', ...media, ''].join('\r\n')
const invite = (...media: readonly string[]): SipRequest => request('INVITE', { body: sdp(...media) })
const answerTo = (offer: SipRequest, media = own) => answerOffer(offer, 'sip:romeo@capulet.example', media)
const mediaOf = (body: string | Uint8Array) => {
  const parsed = parseSdp(Buffer.from(body))
  if (!parsed.ok) throw new Error(parsed.failure.detail)
  return parsed.value.media.map((one) => `${one.type} ${one.port} ${one.protocol} ${one.formats.join(' ')}`)
}

describe('mapping D.14 item 8: the medium', () => {
  test('our offer', () => {
    const { contentType, body } = sessionOffer(own)
    expect([contentType, body]).toEqual([
      'application/sdp',
      [
        'v=0',
        'o=- 7 7 IN IP4 192.0.2.1',
        's=session',
        'c=IN IP4 192.0.2.1',
        't=0 0',
        'm=message 5098 sip null',
        'a=accept-types:text/plain',
        '',
      ].join('\r\n'),
    ])
    expect(sessionOffer({ ...own, host: '2001:db8::1', html: true }).body).toContain('IN IP6 2001:db8::1')
    expect(sessionOffer({ ...own, html: true }).body).toContain('a=accept-types:text/plain text/html\r\n')
  })

  test.each<[string, SipRequest, readonly string[]]>([
    [
      'Lync',
      invite('m=message 5060 sip null', 'a=accept-types:text/plain text/html'),
      ['message 5098 sip sip:romeo@capulet.example'],
    ],
    ['older', invite('m=x-ms-message 5060 sip null'), ['x-ms-message 5098 sip sip:romeo@capulet.example']],
    [
      'any text',
      invite('m=message 5060 SIP null', 'a=accept-types:text/*'),
      ['message 5098 SIP sip:romeo@capulet.example'],
    ],
    [
      'RFC 3264 §6: as many media as offered, all others refused',
      invite('m=audio 4000 RTP/AVP 0 8', 'a=rtpmap:0 x', 'm=message 5060 sip null', 'm=message 5061 sip null'),
      ['audio 0 RTP/AVP 0 8', 'message 5098 sip sip:romeo@capulet.example', 'message 0 sip null'],
    ],
    ['RFC 3261 §13.2.1: without an offer the answer is one', request('INVITE'), ['message 5098 sip null']],
  ])('%s', (_row, offer, media) => {
    const answer = answerTo(offer)
    expect(answer.ok && mediaOf(answer.value.body)).toEqual(media)
  })

  test.each<[string, SipRequest, number, RegExp]>([
    ['no medium', invite(), 488, /^304 /],
    ['voice', invite('m=audio 4000 RTP/AVP 0'), 488, /^304 /],
    ['MSRP', invite('m=message 7394 TCP/MSRP *', 'a=accept-types:text/plain'), 488, /^304 /],
    ['a medium that is none any more', invite('m=message 0 sip null'), 488, /^304 /],
    ['pictures alone', invite('m=message 5060 sip null', 'a=accept-types:image/gif'), 488, /^304 /],
    ['broken', request('INVITE', { body: 'v=0\r\nnonsense' }), 400, /^399 .*Malformed SDP/],
    ['another description', request('INVITE', { body: 'x', type: 'application/xml' }), 415, /^$/],
  ])('refused: %s', (_row, offer, status, warning) => {
    const answer = answerTo(offer)
    if (answer.ok) throw new Error('taken')
    expect(answer.failure.status).toBe(status)
    expect(answer.failure.headers?.find(([name]) => name === 'Warning')?.[1] ?? '').toMatch(warning)
  })

  test('RFC 3261 §21.4.13: 415 says what is taken', () => {
    const answer = answerTo(request('INVITE', { body: 'x', type: 'application/xml' }))
    expect(answer.ok ? [] : answer.failure.headers).toEqual([['Accept', 'application/sdp']])
  })

  test.each<[string, string | undefined, string, boolean]>([
    ['an answer', 'application/sdp', sdp('m=message 5060 sip sip:romeo@capulet.example'), true],
    ['nothing is left', 'application/sdp', sdp('m=message 0 sip null'), false],
    ['no answer', undefined, '', true],
    ['one that nobody can read', 'application/sdp', 'v=1', true],
  ])('whether words go: %s', (_row, type, body, takes) => expect(takesWords(type, Buffer.from(body))).toBe(takes))
})

describe('mapping D.14 item 8: the first words', () => {
  const base64 = (text: string): string => Buffer.from(text).toString('base64')
  const wordsIn = (...values: readonly string[]) => {
    const words = firstWordsOf(request('INVITE', { headers: values.map((value) => ['ms-text-format', value]) }))
    return words === undefined ? undefined : [words.contentType, lossyUtf8Text(words.body)]
  }
  test.each<[string, readonly string[], readonly string[] | undefined]>([
    [
      'as Lync writes it',
      [`text/plain; charset=UTF-8;ms-body=${base64('Grüße')}`],
      ['text/plain;charset=UTF-8', 'Grüße'],
    ],
    ['with more', [`text/plain; charset=UTF-8;msgr=WAA=;ms-body=${base64('hi')}`], ['text/plain;charset=UTF-8', 'hi']],
    ['no charset', [`text/plain;ms-body=${base64('hi')}`], ['text/plain', 'hi']],
    [
      'the first that can be read',
      ['text/rtf;ms-body=eA==', `TEXT/HTML;ms-body=${base64('<b>')}`],
      ['TEXT/HTML', '<b>'],
    ],
    ['none', [], undefined],
    ['no body', ['text/plain; charset=UTF-8'], undefined],
    ['not base64', ['text/plain;ms-body=a!b='], undefined],
    ['cut short', ['text/plain;ms-body=abc'], undefined],
    ['another type', ['application/octet-stream;ms-body=eA=='], undefined],
  ])('%s', (_row, values, words) => expect(wordsIn(...values)).toEqual(words))
})

test('RFC 7573 §4: the INVITE is in the call of the thread, and fits a datagram', () => {
  const message = request('MESSAGE', {
    headers: [
      ['P-Asserted-Identity', '<sip:juliet@montague.example>'],
      ['Subject', 'x'],
    ],
  })
  const made = sessionInvite(message, 'tag2', 'sip:juliet@192.0.2.1:5098;transport=udp', sessionOffer(own))
  expect([made.uri, made.core.callId, made.core.cseq.number]).toEqual(['sip:romeo@capulet.example', 'thread-1', 3])
  expect([made.core.from.params.get('tag'), made.core.to.params.get('tag')]).toEqual(['tag2', undefined])
  expect(made.headers.get('Contact')).toBe('<sip:juliet@192.0.2.1:5098;transport=udp>')
  expect(made.headers.get('Allow')).toBe('MESSAGE, SUBSCRIBE, NOTIFY, OPTIONS, INVITE, ACK, CANCEL, BYE, INFO')
  expect(made.headers.get('P-Asserted-Identity')).toBe('<sip:juliet@montague.example>')
  expect(made.headers.has('Subject')).toBe(false)
  expect(sipMessageLength(made)).toBeLessThan(1000)
})
