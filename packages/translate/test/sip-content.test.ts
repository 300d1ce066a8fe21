import * as fc from 'fast-check'
import { utf8Bytes } from '@stox/kernel'
import { parseMediaType } from '@stox/sip'
import { parseJid } from '@stox/xmpp'
import { serializeXml } from '@stox/xml'
import { readContent } from '../src/sip-content.ts'

const jidOf = (text: string) => {
  const jid = parseJid(text)
  if (!jid.ok) throw new Error(text)
  return jid.value
}
const juliet = jidOf('juliet@capulet.example')
const lines = (...all: readonly string[]): string => all.join('\r\n')
const read = (type: string, body: string | Uint8Array, from = juliet) => {
  const media = parseMediaType(type)
  if (!media.ok) throw new Error(type)
  return readContent(typeof body === 'string' ? utf8Bytes(body) : body, media.value, from)
}
const PLAIN = lines('Content-Type: text/plain', '', 'hi')
const HTML = lines('Content-Type: text/html', '', '<b>hi</b>')
const PICTURE = lines('Content-Type: image/png', '', 'PNG')
const OPTIONAL_PICTURE = lines('Content-Type: image/png', 'Content-Disposition: icon;handling=optional', '', 'PNG')
const multipart = (...parts: readonly string[]): string => lines(...parts.flatMap((part) => ['--b', part]), '--b--', '')
const COMPOSING = `<isComposing xmlns='urn:ietf:params:xml:ns:im-iscomposing'><state>active</state><refresh>90</refresh></isComposing>`
const cpim = (head: readonly string[], content: string): string =>
  lines('From: <sip:juliet@capulet.example>', 'To: <sip:romeo@montague.example>', ...head, '', content)
const ASKS = [
  'DateTime: 2026-01-01T10:00:00Z',
  'NS: imdn <urn:ietf:params:imdn>',
  'imdn.Message-ID: m1',
  'imdn.Disposition-Notification: positive-delivery, negative-delivery, display',
]
const IMDN = lines(
  'Content-Type: message/imdn+xml',
  'Content-Disposition: notification',
  '',
  `<imdn xmlns='urn:ietf:params:xml:ns:imdn'><message-id>m1</message-id><datetime>2026-01-01T10:00:00Z</datetime><delivery-notification><status><delivered/></status></delivery-notification></imdn>`,
)

const inLanguage = (lang: string, text: string): string =>
  lines('Content-Type: text/plain', `Content-Language: ${lang}`, '', text)

describe('mapping C.5: what a body means [7572-7.4]', () => {
  test.each<[string, string, string, object]>([
    ['text/plain', 'text/plain', 'hi', { kind: 'words', text: 'hi', html: undefined }],
    ['alternative, plain words best', 'multipart/alternative;boundary=b', multipart(PLAIN, HTML), { text: 'hi' }],
    ['alternative of HTML alone', 'multipart/alternative;boundary=b', multipart(HTML), { text: 'hi' }],
    [
      'alternative with what nobody knows',
      'multipart/alternative;boundary=b',
      multipart(PLAIN, PICTURE),
      { text: 'hi' },
    ],
    ['mixed with an optional part', 'multipart/mixed;boundary=b', multipart(PLAIN, OPTIONAL_PICTURE), { text: 'hi' }],
    ['mixed, an optional part first', 'multipart/mixed;boundary=b', multipart(OPTIONAL_PICTURE, PLAIN), { text: 'hi' }],
    ['related, the root counts', 'multipart/related;boundary=b', multipart(PLAIN, PICTURE), { text: 'hi' }],
    [
      'signed, the clear part',
      'multipart/signed;boundary=b',
      multipart(PLAIN, lines('Content-Type: application/pkcs7-signature', '', 'x')),
      { text: 'hi' },
    ],
    [
      'an alternative within mixed',
      'multipart/mixed;boundary=b',
      lines(
        '--b',
        'Content-Type: multipart/alternative;boundary=c',
        '',
        '--c',
        PLAIN,
        '--c',
        HTML,
        '--c--',
        '--b--',
        '',
      ),
      { text: 'hi' },
    ],
    [
      'base64',
      'multipart/mixed;boundary=b',
      multipart(lines('Content-Type: text/plain', 'Content-Transfer-Encoding: base64', '', 'aGk=')),
      { text: 'hi' },
    ],
    [
      'quoted-printable',
      'multipart/mixed;boundary=b',
      multipart(lines('Content-Type: text/plain', 'Content-Transfer-Encoding: quoted-printable', '', 'h=69')),
      { text: 'hi' },
    ],
    [
      'a part in a language',
      'multipart/mixed;boundary=b',
      multipart(lines('Content-Type: text/plain', 'Content-Language: de-AT, en', '', 'hi')),
      { text: 'hi', lang: 'de-AT' },
    ],
    [
      'a part as it is',
      'multipart/mixed;boundary=b',
      multipart(`Content-Encoding: identity\r\n${PLAIN}`),
      { text: 'hi' },
    ],
    [
      'RFC 2046 §5.1.4, RFC 6121 §5.2.3: an alternative of languages, the last the best',
      'multipart/alternative;boundary=b',
      multipart(inLanguage('de', 'Hallo'), inLanguage('CS', 'Ahoj'), inLanguage('en', 'hello')),
      {
        text: 'hello',
        lang: 'en',
        others: [
          { lang: 'de', text: 'Hallo' },
          { lang: 'CS', text: 'Ahoj' },
        ],
        alternatives: true,
      },
    ],
    [
      'no looks in another language',
      'multipart/alternative;boundary=b',
      multipart(lines('Content-Type: text/html', 'Content-Language: de', '', '<b>Hallo</b>'), inLanguage('en', 'hi')),
      { text: 'hi', lang: 'en', others: undefined },
    ],
    [
      'no blank ones, and what XML cannot hold is not in them (C.12)',
      'multipart/alternative;boundary=b',
      multipart(inLanguage('de', ' '), inLanguage('cs', 'A\0hoj'), inLanguage('en', 'hi')),
      { text: 'hi', others: [{ lang: 'cs', text: 'A\ufffdhoj' }] },
    ],
    [
      'the nearest language counts',
      'multipart/mixed;boundary=b',
      multipart(lines('Content-Type: message/cpim', 'Content-Language: de', '', cpim([], inLanguage('cs', 'Ahoj')))),
      { text: 'Ahoj', lang: 'cs' },
    ],
    [
      'one language twice is one body',
      'multipart/alternative;boundary=b',
      multipart(inLanguage('EN', 'hi'), inLanguage('en', 'hello')),
      { text: 'hello', others: undefined },
    ],
    [
      'languages in CPIM',
      'message/cpim',
      cpim(
        [],
        lines(
          'Content-Type: multipart/alternative;boundary=b',
          '',
          multipart(inLanguage('de', 'Hallo'), inLanguage('en', 'hello')),
        ),
      ),
      { text: 'hello', lang: 'en', others: [{ lang: 'de' }], cpim: true },
    ],
    [
      'RFC 3862 §2.3: escapes in a header',
      'message/cpim',
      cpim(['Subject: Na\\u00efve\\n\\u0007 \\\\night'], PLAIN),
      { subject: 'Naïve\n\ufffd \\night' },
    ],
    [
      'signed in CPIM, the clear part',
      'message/cpim',
      cpim([], lines('Content-Type: multipart/signed;boundary=b', '', multipart(PLAIN, PICTURE))),
      { text: 'hi' },
    ],
    [
      'RFC 3994: typing',
      'application/im-iscomposing+xml',
      COMPOSING,
      { kind: 'composing', composing: { state: 'active', refreshS: 90 } },
    ],
    [
      'RFC 3994 §3.5: an unknown state is idle',
      'application/im-iscomposing+xml',
      COMPOSING.replace('active', 'thinking'),
      { composing: { state: 'idle' } },
    ],
    [
      'RFC 3862: words in CPIM',
      'message/cpim',
      cpim(['DateTime: 2026-01-01T10:00:00Z', 'Subject: Night'], PLAIN),
      { kind: 'words', text: 'hi', subject: 'Night', sentAtMs: Date.UTC(2026, 0, 1, 10), cpim: true },
    ],
    ['RFC 3862: HTML in CPIM', 'message/cpim', cpim([], HTML), { kind: 'words', text: 'hi' }],
    [
      'RFC 5438: the wish for reports',
      'message/cpim',
      cpim(ASKS, PLAIN),
      {
        asks: {
          messageId: 'm1',
          dateTime: '2026-01-01T10:00:00Z',
          delivered: true,
          failed: true,
          displayed: true,
          from: 'sip:juliet@capulet.example',
          to: 'sip:romeo@montague.example',
        },
      },
    ],
    [
      'RFC 5438 §8: no DateTime, no report [5438-7.1.1.3]',
      'message/cpim',
      cpim(ASKS.slice(1), PLAIN),
      { kind: 'words', asks: undefined },
    ],
    [
      'RFC 5438: a report',
      'message/cpim',
      cpim(ASKS.slice(0, 3), IMDN),
      { kind: 'report', report: { messageId: 'm1', notification: { status: 'delivered' } } },
    ],
  ])('%s', (_what, type, body, content) => {
    const got = read(type, body)
    expect(got.ok ? got.value : got.failure).toMatchObject(content)
  })

  test('text/html is XHTML-IM, and plain words [7572-7.2 7572-7.3]', () => {
    const got = read(
      'text/html',
      `<p onclick="evil()">Art <b>thou</b> <script>alert(1)</script><a href="javascript:x">here</a>?</p>`,
    )
    if (!got.ok || got.value.kind !== 'words' || got.value.html === undefined) throw new Error('no words')
    expect(got.value.text).toBe('Art thou here?')
    const xml = serializeXml(got.value.html)
    expect(xml).toContain("<html xmlns='http://jabber.org/protocol/xhtml-im'")
    expect(xml).toContain('<strong>thou</strong>')
    expect(xml).not.toMatch(/script|onclick|alert/)
  })
  test('of an alternative both forms are kept', () => {
    const got = read('multipart/alternative;boundary=b', multipart(PLAIN, HTML))
    expect(got.ok && got.value.kind === 'words' && got.value.html !== undefined).toBe(true)
  })
  test('a sender within who is another than without is not believed', () => {
    const got = read('message/cpim', cpim(ASKS, PLAIN), jidOf('tybalt@capulet.example'))
    expect(got.ok && got.value.kind === 'words' ? got.value.asks : 'no words').toBeUndefined()
  })

  test('any bytes of any type give a meaning or a failure, never a throw', () => {
    const types = [
      'text/plain',
      'text/html;charset=iso-8859-1',
      'message/cpim',
      'application/im-iscomposing+xml',
      'multipart/alternative;boundary=b',
      'multipart/mixed;boundary=b',
      'multipart/related;boundary=b;start="<a>"',
    ]
    const piece = fc.constantFrom(
      PLAIN,
      HTML,
      COMPOSING,
      IMDN,
      cpim(ASKS, PLAIN),
      '--b',
      '--b--',
      '\r\n',
      '\0',
      '<',
      'imdn.',
    )
    const body = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.array(piece, { maxLength: 12 }).map((all) => all.join('')),
    )
    fc.assert(
      fc.property(fc.constantFrom(...types), body, (type, bytes) => {
        const got = read(type, bytes)
        if (!got.ok) expect([400, 415]).toContain(got.failure.status)
      }),
      { numRuns: 300 },
    )
  })

  test.each<[string, string, string, number]>([
    ['a picture', 'image/png', 'x', 415],
    ['text/rtf', 'text/rtf', 'x', 415],
    ['text/enriched', 'text/enriched', 'x', 415],
    ['a file of RCS', 'application/vnd.gsma.rcs-ft-http+xml', '<file/>', 415],
    ['a sound', 'audio/ogg', 'x', 415],
    ['a report without CPIM', 'message/imdn+xml', '<imdn/>', 415],
    ['a part that is compressed', 'multipart/mixed;boundary=b', multipart(`Content-Encoding: gzip\r\n${PLAIN}`), 415],
    ['what is compressed in CPIM', 'message/cpim', cpim([], `Content-Encoding: gzip\r\n${PLAIN}`), 415],
    ['SDP', 'application/sdp', 'v=0', 415],
    ['S/MIME', 'application/pkcs7-mime', 'x', 415],
    ['encrypted', 'multipart/encrypted;boundary=b', multipart(PLAIN), 415],
    ['mixed with a part that must be handled', 'multipart/mixed;boundary=b', multipart(PLAIN, PICTURE), 415],
    ['mixed of nothing that can be used', 'multipart/mixed;boundary=b', multipart(OPTIONAL_PICTURE), 415],
    ['an alternative of nothing that can be used', 'multipart/alternative;boundary=b', multipart(PICTURE), 415],
    ['a multipart that does not end', 'multipart/mixed;boundary=b', '--b\r\n\r\nx', 400],
    ['a multipart without a boundary', 'multipart/mixed', 'x', 400],
    ['no isComposing', 'application/im-iscomposing+xml', '<x/>', 400],
    [
      'an isComposing with an entity bomb',
      'application/im-iscomposing+xml',
      '<!DOCTYPE x [<!ENTITY a "a">]><x>&a;</x>',
      400,
    ],
    ['no CPIM', 'message/cpim', 'x', 400],
    ['CPIM within CPIM', 'message/cpim', cpim([], lines('Content-Type: message/cpim', '', cpim([], PLAIN))), 415],
    [
      'RFC 3862 §4.7: a header that must be understood [3862-4.require]',
      'message/cpim',
      cpim(['NS: x <urn:x>', 'Require: x.Vital', 'x.Vital: 1'], PLAIN),
      415,
    ],
    ['a report that is none', 'message/cpim', cpim([], IMDN.replace('<delivered/>', '')), 400],
    ['a charset nobody knows', 'text/html;charset=utf-16', 'x', 415],
  ])('%s is refused', (_what, type, body, status) => {
    const got = read(type, body)
    expect(got.ok ? 'taken' : got.failure.status).toBe(status)
  })
})
