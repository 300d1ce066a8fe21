import { createHash } from 'node:crypto'
import { latin1Bytes, lossyUtf8Text, utf8Bytes } from '@stox/kernel'
import type { Hashes } from '@stox/kernel'
import { formatSipMessage, parseSipMessage } from '@stox/sip'
import type { SipRequest } from '@stox/sip'
import { formatJid, formatStanza, parseJid, parseStanza, parseStanzaText } from '@stox/xmpp'
import type { MessageStanza } from '@stox/xmpp'
import {
  alternativesBody,
  callIdForThread,
  judgeMessage,
  messageToSip,
  messageToXmpp,
  partiesOfRequest,
  textOfMessage,
} from '@stox/translate'

const jidOf = (text: string) => {
  const jid = parseJid(text)
  if (!jid.ok) throw new Error(`not a JID: ${text}`)
  return jid.value
}
const romeo = jidOf('romeo@example.net')
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const hashes: Hashes = { sha256Hex: sha256, hmacSha256Hex: (key, text) => sha256(key + text) }
const NOW = Date.UTC(2026, 0, 1, 12)

const messageOf = (xml: string): MessageStanza => {
  const stanza = parseStanzaText(xml)
  if (!stanza.ok || stanza.value.kind !== 'message') throw new Error(`not a message: ${xml}`)
  return stanza.value
}
const stanza = (content: string, attributes = '') =>
  messageOf(
    `<message xmlns='jabber:server' from='juliet@example.com/balcony' to='romeo@example.net' id='m1' ${attributes}>${content}</message>`,
  )
const rules = { congestionSafe: false, maxMessageBytes: 16_384, gruu: 'raw' } as const
const call = { callId: 'c1', fromTag: 't1', cseq: 7 }
const requestFor = (message: MessageStanza, some: Partial<{ congestionSafe: boolean; gruu: 'raw' | 'off' }> = {}) => {
  const verdict = judgeMessage(message)
  if (verdict.kind !== 'send') throw new Error(`verdict ${verdict.kind}`)
  return messageToSip(message, verdict.body, call, { ...rules, ...some })
}
const sent = (message: MessageStanza): SipRequest => {
  const request = requestFor(message)
  if (!request.ok) throw new Error(request.failure.detail)
  return request.value
}

describe('mapping C.1: what becomes of a message', () => {
  const body = '<body>hello</body>'
  test.each([
    ['1 an error that says nothing', '', "type='error'", 'error-stanza'],
    ['3 a carbon', `${body}<received xmlns='urn:xmpp:carbons:2'/>`, '', 'forged-carbon'],
    ['3 a result of an archive', `${body}<result xmlns='urn:xmpp:mam:2' id='x'/>`, '', 'forged-carbon'],
    ['3 a forwarded message', `${body}<forwarded xmlns='urn:xmpp:forward:0'/>`, '', 'forged-carbon'],
    ['4 a pubsub event', `<event xmlns='http://jabber.org/protocol/pubsub#event'/>`, "type='headline'", 'pubsub-event'],
    ['7 a subject alone', '<subject>x</subject>', '', 'no-content'],
    ['7 nothing', '', '', 'no-content'],
    [
      'C.11 a retraction',
      `${body}<retract xmlns='urn:xmpp:message-retract:1' id='x'/><fallback xmlns='urn:xmpp:fallback:0'/>`,
      '',
      'no-content',
    ],
  ])('%s is absorbed', (_clause, content, attributes, reason) =>
    expect(judgeMessage(stanza(content, attributes))).toEqual({ kind: 'absorb', reason }),
  )
  test.each([
    [
      'a retraction of old',
      `<apply-to xmlns='urn:xmpp:fasten:0' id='x'><retract xmlns='urn:xmpp:message-retract:0'/></apply-to>`,
      '',
    ],
    ['a moderation', `<moderate xmlns='urn:xmpp:message-moderate:1' id='x'/>`, ''],
    [
      'words that stand in for it',
      `<retract xmlns='urn:xmpp:message-retract:1' id='x'/>`,
      ` for='urn:xmpp:message-retract:1'`,
    ],
  ])('C.11 %s is absorbed', (_what, element, what) =>
    expect(judgeMessage(stanza(`${body}${element}<fallback xmlns='urn:xmpp:fallback:0'${what}/>`))).toEqual({
      kind: 'absorb',
      reason: 'no-content',
    }),
  )
  test.each([
    ['a retraction whose words are no fallback', `<retract xmlns='urn:xmpp:message-retract:1' id='x'/>`],
    [
      'one beside a reply whose words are that of the reply',
      `<retract xmlns='urn:xmpp:message-retract:1' id='x'/><fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:reply:0'/>`,
    ],
    ['a fallback of what is no retraction (XEP-0428)', `<fallback xmlns='urn:xmpp:fallback:0' for='urn:x'/>`],
    ['a file (XEP-0447)', `<file-sharing xmlns='urn:xmpp:sfs:0'/>`],
    [
      'hints and ids (XEP-0334, XEP-0359)',
      `<store xmlns='urn:xmpp:hints'/><stanza-id xmlns='urn:xmpp:sid:0' id='1' by='capulet.example'/>`,
    ],
    ['what nobody knows', `<x xmlns='urn:x'/>`],
    ['a word from a room (XEP-0045 §7.5)', `<x xmlns='http://jabber.org/protocol/muc#user'/>`],
  ])('C.11 %s: the words go on', (_what, element) =>
    expect(judgeMessage(stanza(`${body}${element}`))).toMatchObject({ kind: 'send', body: { text: 'hello' } }),
  )
  const all = { languages: [], reactions: true, invitations: true }
  const nothing = { kind: 'absorb', reason: 'no-content' }
  const mediated = (inside: string) => `<x xmlns='http://jabber.org/protocol/muc#user'>${inside}</x>`
  const direct = (attributes: string) => `<x xmlns='jabber:x:conference' ${attributes}/>`
  test.each<[string, string, string | undefined]>([
    [
      'XEP-0249',
      direct(`jid='ball@rooms.example' password='p' reason='Come &#10; masked'`),
      'juliet@example.com invites you to room ball@rooms.example: Come masked',
    ],
    [
      'XEP-0249 without a reason',
      direct(`jid='ball@rooms.example'`),
      'juliet@example.com invites you to room ball@rooms.example',
    ],
    [
      'XEP-0249 with words for who knows no rooms',
      `${body}${direct(`jid='ball@rooms.example'`)}`,
      'juliet@example.com invites you to room ball@rooms.example',
    ],
    [
      'XEP-0045 §7.8.2',
      `${mediated(`<invite from='nurse@example.com/x'><reason>dance</reason></invite><password>p</password>`)}${direct(`jid='ball@rooms.example'`)}`,
      'nurse@example.com invites you to room juliet@example.com: dance',
    ],
    [
      'of one whom the room does not name',
      mediated(`<invite from='juliet@example.com/the nurse'/>`),
      'the nurse invites you to room juliet@example.com',
    ],
    ['to no room', direct(`jid='rooms.example'`), undefined],
    ['to what is no address', direct(`jid='@'`), undefined],
    ['of nobody', mediated('<invite/>'), undefined],
    ['that is declined', mediated(`<decline from='nurse@example.com'/>`), undefined],
  ])('C.11 an invitation, %s', (_what, content, text) => {
    expect(judgeMessage(stanza(content), all)).toEqual(
      text === undefined ? nothing : { kind: 'send', body: { lang: 'en', text }, extras: undefined },
    )
    expect(judgeMessage(stanza(content))).toEqual(nothing)
  })
  const reactions = (...emoji: readonly string[]) =>
    `<reactions xmlns='urn:xmpp:reactions:0' id='r1'>${emoji.map((one) => `<reaction>${one}</reaction>`).join('')}</reactions>`
  test.each<[string, string, object]>([
    ['the emoji, and what they are about', reactions('👋'), { kind: 'send', body: { text: '👋' }, repliesTo: 'r1' }],
    ['the whole set, each once', reactions('👋', '❤️', ' 👋 '), { kind: 'send', body: { text: '👋 ❤️' } }],
    ['beside hints', `${reactions('👋')}<store xmlns='urn:xmpp:hints'/>`, { kind: 'send' }],
    ['beside words: the words', `${body}${reactions('👋')}`, { kind: 'send', body: { text: 'hello' } }],
    ['taken back', reactions(), nothing],
    ['no emoji but a sentence', reactions('x'.repeat(49)), nothing],
    ['about nothing', reactions('👋').replace(` id='r1'`, ''), nothing],
  ])('C.11, XEP-0444 reactions: %s', (_what, content, verdict) => {
    expect(judgeMessage(stanza(content, `type='chat'`), all)).toMatchObject(verdict)
    if (!content.includes('body')) expect(judgeMessage(stanza(content, `type='chat'`))).toEqual(nothing)
  })
  test('C.11, XEP-0444: no more than twenty', () => {
    const verdict = judgeMessage(stanza(reactions(...Array.from({ length: 30 }, (_none, at) => `e${at}`))), all)
    expect(verdict.kind === 'send' && verdict.body.text.split(' ')).toHaveLength(20)
  })
  const states = 'http://jabber.org/protocol/chatstates'
  test.each([
    [
      '1 an error',
      '<error type="cancel"><item-not-found xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error>',
      "type='error'",
      { kind: 'late-error', error: { condition: 'item-not-found' } },
    ],
    ['5 a chat state', `<composing xmlns='${states}'/>`, "type='chat'", { kind: 'state', state: 'composing' }],
    [
      '5 a receipt',
      `<received xmlns='urn:xmpp:receipts' id='x'/>`,
      '',
      { kind: 'report', disposition: 'delivery', id: 'x' },
    ],
    [
      '5 a marker',
      `<displayed xmlns='urn:xmpp:chat-markers:0' id='x'/>`,
      '',
      { kind: 'report', disposition: 'display' },
    ],
    [
      '5 a receipt beside a state',
      `<active xmlns='${states}'/><received xmlns='urn:xmpp:receipts' id='x'/>`,
      '',
      { kind: 'report' },
    ],
    [
      'C.11 a correction',
      `${body}<replace xmlns='urn:xmpp:message-correct:0' id='x'/>`,
      '',
      { kind: 'send', body: { text: '* hello' } },
    ],
    [
      'C.11 a reaction alone is not in the list of states',
      `<reactions xmlns='urn:xmpp:reactions:0' id='x'/>`,
      '',
      { kind: 'absorb' },
    ],
    [
      'C.11 a reply keeps its words',
      `${body}<reply xmlns='urn:xmpp:reply:0' id='x'/>`,
      '',
      { kind: 'send', body: { text: 'hello' }, extras: undefined },
    ],
    [
      'C.11 a link out of band keeps its words',
      `${body}<x xmlns='jabber:x:oob'><url>https://a.example</url></x>`,
      '',
      { kind: 'send' },
    ],
    ['C.11 an invitation alone', `<x xmlns='jabber:x:conference' jid='room@rooms.example'/>`, '', { kind: 'absorb' }],
    [
      'C.9 a wish for a receipt',
      `${body}<request xmlns='urn:xmpp:receipts'/>`,
      '',
      { kind: 'send', extras: { asksReceipt: true } },
    ],
    [
      'C.9 none for what comes late',
      `${body}<request xmlns='urn:xmpp:receipts'/><delay xmlns='urn:xmpp:delay' stamp='2026-01-01T10:00:00Z'/>`,
      '',
      { kind: 'send', extras: undefined },
    ],
  ])('%s', (_clause, content, attributes, verdict) =>
    expect(judgeMessage(stanza(content, attributes))).toMatchObject(verdict),
  )
  test.each([
    [
      'C.11 XEP-0155, a negotiation',
      `<feature xmlns='http://jabber.org/protocol/feature-neg'/>`,
      '',
      'feature-not-implemented',
      'cancel',
    ],
    ['6 OpenPGP [7572-9.2]', `${body}<openpgp xmlns='urn:xmpp:openpgp:0'/>`, '', 'not-acceptable', 'modify'],
    ['6 RFC 3923', `${body}<e2e xmlns='urn:ietf:params:xml:ns:xmpp-e2e'/>`, '', 'not-acceptable', 'modify'],
    ['6 legacy PGP', `${body}<x xmlns='jabber:x:encrypted'/>`, '', 'not-acceptable', 'modify'],
    ['6 OMEMO 2', `${body}<encrypted xmlns='urn:xmpp:omemo:2'/>`, '', 'not-acceptable', 'modify'],
    ['2 RFC 6121 §8.5.2, groupchat', body, "type='groupchat'", 'service-unavailable', 'cancel'],
    ['6 OMEMO', `${body}<encrypted xmlns='eu.siacs.conversations.axolotl'/>`, '', 'not-acceptable', 'modify'],
    ['6 an encryption hint', `${body}<encryption xmlns='urn:xmpp:eme:0'/>`, '', 'not-acceptable', 'modify'],
  ])('%s is bounced', (_clause, content, attributes, condition, errorType) =>
    expect(judgeMessage(stanza(content, attributes))).toMatchObject({
      kind: 'bounce',
      failure: { condition, errorType },
    }),
  )
  test.each(["type='chat'", "type='headline'", "type='normal'", ''])(
    '8 a body with %s is sent [7572-4.3 7572-4t.type]',
    (attributes) => expect(judgeMessage(stanza(body, attributes)).kind).toBe('send'),
  )
  describe.each([
    ['body', 'Content-Language of the whole'],
    ['subject', 'of its own'],
  ])('mapping C.2: several <%s xml:lang>', (name) => {
    const several = (...texts: readonly (readonly [string | undefined, string])[]) =>
      texts
        .map(([lang, text]) => `<${name}${lang === undefined ? '' : ` xml:lang='${lang}'`}>${text}</${name}>`)
        .join('')
    const THREE = several(['de', 'Hallo'], [undefined, 'hello'], ['pt-BR', 'Oi'])
    test.each<[string, readonly string[], string, string]>([
      ['equal to the reader’s', ['de'], THREE, 'Hallo'],
      ['in any case', ['PT-br'], THREE, 'Oi'],
      ['the best of his that there is', ['fr', 'pt-BR', 'de'], THREE, 'Oi'],
      ['RFC 4647 §3.3.1: a kind of his', ['pt'], THREE, 'Oi'],
      ['RFC 4647 §3.4: that of which his is a kind', ['de-AT'], THREE, 'Hallo'],
      ['equal before a kind of it', ['de'], several(['de-CH', 'Grüezi'], ['de', 'Hallo']), 'Hallo'],
      ['no kind by accident', ['d'], THREE, 'hello'],
      ['the stanza’s, by inheritance', ['en'], several(['de', 'Hallo'], [undefined, 'hello']), 'hello'],
      ['else that without a language of its own', ['fr'], THREE, 'hello'],
      ['else that without, when he has none', [], THREE, 'hello'],
      ['else the first', ['fr'], several(['de', 'Hallo'], ['cs', 'Ahoj']), 'Hallo'],
      [
        'of a few: what nobody writes costs nobody time',
        ['cs'],
        several(...Array.from({ length: 32 }, () => ['de', 'Hallo'] as const), ['cs', 'Ahoj']),
        'Hallo',
      ],
      ['no blank one', ['de'], several(['de', ' '], [undefined, 'hello']), 'hello'],
    ])('%s', (_clause, languages, texts, expected) => {
      const message = stanza(name === 'body' ? texts : `<body>x</body>${texts}`, "xml:lang='en'")
      const verdict = judgeMessage(message, { languages, reactions: false, invitations: false })
      if (verdict.kind !== 'send') throw new Error(verdict.kind)
      const request = messageToSip(message, verdict.body, call, { ...rules, languages })
      if (!request.ok) throw new Error(request.failure.detail)
      expect(name === 'body' ? verdict.body.text : request.value.headers.get('Subject')).toBe(expected)
    })
  })
  test.each([
    ['of the body', `<body xml:lang='de'>x</body>`, `xml:lang='en'`, undefined, 'de'],
    ['of the stanza', '<body>x</body>', `xml:lang='en'`, 'cs', 'en'],
    ['of the stream, RFC 6120 §4.7.4', '<body>x</body>', '', 'cs', 'cs'],
    ['none', '<body>x</body>', '', undefined, undefined],
    ['none that cannot be', `<body xml:lang='not a tag'>x</body>`, '', undefined, undefined],
  ])('C.2, RFC 7572 §8: Content-Language is the nearest: %s', (_whose, content, attributes, streamLang, expected) => {
    const { element } = stanza(content, attributes)
    const parsed = parseStanza(element, streamLang)
    if (!parsed.ok || parsed.value.kind !== 'message') throw new Error('no message')
    // As it goes over the link.
    expect(sent(messageOf(formatStanza(parsed.value))).headers.get('Content-Language')).toBe(expected)
  })
  test('XEP-0308: a correction is marked in each language', () => {
    const correction = `<body xml:lang='de'>Hallo</body>${body}<replace xmlns='urn:xmpp:message-correct:0' id='x'/>`
    expect(judgeMessage(stanza(correction))).toMatchObject({ body: { text: '* hello' }, others: [{ text: '* Hallo' }] })
  })

  describe('mapping C.2: one text in all its languages', () => {
    const text = (lang: string | undefined, words: string) => ({ lang, text: words })
    test('RFC 2046 §5.1.4: the chosen one last, each with its language; the whole names all', () => {
      const body = alternativesBody(text('en', 'hello'), [text('de', 'Hallo\nWelt'), text(undefined, 'hi')], 'b1')
      if (body === undefined) throw new Error('no body')
      expect([body.contentType, body.languages]).toEqual(['multipart/alternative;boundary=b1', ['en', 'de']])
      expect(typeof body.body === 'string' ? '' : lossyUtf8Text(body.body)).toBe(
        [
          '--b1\r\nContent-Type: text/plain;charset=UTF-8\r\n\r\nhi',
          '--b1\r\nContent-Type: text/plain;charset=UTF-8\r\nContent-Language: de\r\n\r\nHallo\r\nWelt',
          '--b1\r\nContent-Type: text/plain;charset=UTF-8\r\nContent-Language: en\r\n\r\nhello',
          '--b1--\r\n',
        ].join('\r\n'),
      )
    })
    test.each([
      ['the same language again', [text('EN', 'hey')]],
      ['blank', [text('de', ' ')]],
      ['nothing', []],
      ['a text with the boundary in it', [text('de', 'say b1')]],
    ])('no alternative: %s', (_what, others) =>
      expect(alternativesBody(text('en', 'hello'), others, 'b1')).toBeUndefined(),
    )
    test('what is no language names none', () => {
      const body = alternativesBody(text('not one', 'hello'), [text('de', 'Hallo')], 'b1')
      expect([body?.languages, body && lossyUtf8Text(body.body as Uint8Array).includes('not one')]).toEqual([
        ['de'],
        false,
      ])
    })
    test('no more than ten', () => {
      const many = 'abcdefghijklmnop'.split('').map((letter) => text(`x-${letter}`, letter))
      expect(alternativesBody(text('en', 'hello'), many, 'b1')?.languages).toHaveLength(10)
    })
  })
})

describe('RFC 7572 §4, table 1: a stanza as a MESSAGE [7572-4.1]', () => {
  test('example 1 and 2 [7572-4t.body 7572-4t.from 7572-4t.to 7572-4.2]', () => {
    const request = sent(
      messageOf(
        `<message xmlns='jabber:server' from='juliet@example.com/yn0cl4bnw0yr3vym' to='romeo@example.net'><body>Art thou not Romeo, and a Montague?</body></message>`,
      ),
    )
    expect(request.method).toBe('MESSAGE')
    expect(request.uri).toBe('sip:romeo@example.net')
    expect(request.headers.get('From')).toContain('<sip:juliet@example.com;gr=yn0cl4bnw0yr3vym>;tag=t1')
    expect(request.headers.get('To')).toBe('<sip:romeo@example.net>')
    expect(request.headers.get('Content-Type')).toMatch(/^text\/plain;\s*charset=UTF-8$/i)
    expect(request.headers.get('Max-Forwards')).toBe('70')
    expect(request.core).toMatchObject({ callId: 'c1', cseq: { number: 7, method: 'MESSAGE' } })
    expect(lossyUtf8Text(request.body)).toBe('Art thou not Romeo, and a Montague?')
  })
  test('RFC 3428 §4: no Contact [7572-4.4]', () =>
    expect(sent(stanza('<body>x</body>')).headers.has('Contact')).toBe(false))
  test('RFC 7572 §8: xml:lang [7572-4t.lang 7572-8.1]', () =>
    expect(sent(stanza('<body>ahoj</body>', "xml:lang='cs'")).headers.get('Content-Language')).toBe('cs'))
  test('a subject is one line without controls [7572-4t.subject]', () =>
    expect(sent(stanza('<subject>one\ntwo\tthree&#13;\nEvil: x</subject><body>x</body>')).headers.get('Subject')).toBe(
      'one two three Evil: x',
    ))
  test('a subject is cut at a character, at 256 octets', () => {
    const subject = sent(stanza(`<subject>${'é'.repeat(200)}</subject><body>x</body>`)).headers.get('Subject') ?? ''
    expect(subject).toBe('é'.repeat(128))
  })
  test('XEP-0203 delay as Date', () =>
    expect(
      sent(stanza("<body>x</body><delay xmlns='urn:xmpp:delay' stamp='2026-01-01T10:00:00Z'/>")).headers.get('Date'),
    ).toBe('Thu, 01 Jan 2026 10:00:00 GMT'))
  test('line ends become CRLF; Unicode and markup stay [7572-8.3]', () => {
    const request = sent(stanza('<body>a\nb &lt;&amp;&gt; 🎈 žluťoučký</body>'))
    const bytes = formatSipMessage({
      ...request,
      headers: request.headers.prepend('Via', 'SIP/2.0/UDP 127.0.0.1:5098;branch=z9hG4bKx'),
    })
    const parsed = parseSipMessage(bytes, 'datagram')
    expect(parsed.ok ? lossyUtf8Text(parsed.value.body) : parsed.failure.detail).toBe('a\r\nb <&> 🎈 žluťoučký')
  })
  test('a nick becomes the display name, without bidirectional controls', () =>
    expect(
      sent(stanza('<body>x</body><nick xmlns=\'http://jabber.org/protocol/nick\'>Jul\u202Eiet "C"</nick>')).core.from
        .displayName,
    ).toBe('Juliet "C"'))
})

describe('mapping C.6: size', () => {
  const long = stanza(`<body>${'x'.repeat(4000)}</body>`)
  test('RFC 7572 §6: over 1300 bytes is a policy-violation [7572-6.1]', () =>
    expect(requestFor(long)).toMatchObject({ ok: false, failure: { condition: 'policy-violation', status: 513 } }))
  test('RFC 3428 §8: a congestion-safe road takes more', () =>
    expect(requestFor(long, { congestionSafe: true }).ok).toBe(true))
  test('and has its own limit', () =>
    expect(requestFor(stanza(`<body>${'x'.repeat(20_000)}</body>`), { congestionSafe: true })).toMatchObject({
      ok: false,
      failure: { condition: 'policy-violation' },
    }))
  test('1300 is the whole request, headers included', () => {
    expect(requestFor(stanza(`<body>${'x'.repeat(600)}</body>`)).ok).toBe(true)
    expect(requestFor(stanza(`<body>${'x'.repeat(1290)}</body>`)).ok).toBe(false)
  })
})

describe('mapping C.2: thread as Call-ID [7572-4t.thread]', () => {
  const from = stanza('').from
  const to = stanza('').to
  const id = (thread: string | undefined) => callIdForThread(thread, from, to, hashes, () => 'fresh')
  test.each([
    ['a token stays', 'e0ffe42b28561960c6b12b944a092794b9683a38', 'e0ffe42b28561960c6b12b944a092794b9683a38'],
    ['word@word stays', 'abc@host.example', 'abc@host.example'],
    ['none is fresh', undefined, 'fresh'],
    ['empty is fresh', '', 'fresh'],
  ])('%s', (_clause, thread, callId) => expect(id(thread)).toBe(callId))
  test.each([
    ['a space', 'two words'],
    ['not ASCII', 'žluť'],
    ['two @', 'a@b@c'],
    ['too long', 'x'.repeat(129)],
  ])('hashed: %s', (_clause, thread) => {
    expect(id(thread)).toMatch(/^x2s-[a-z2-7]{26}$/)
    expect(id(thread)).toBe(id(thread))
  })
})

const sip = (head: readonly string[], body: Uint8Array | string): SipRequest => {
  const bytes = typeof body === 'string' ? utf8Bytes(body) : body
  const text = [
    'MESSAGE sip:juliet@example.com SIP/2.0',
    'Via: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKs1',
    'Max-Forwards: 70',
    'From: <sip:romeo@example.net>;tag=38594',
    'To: <sip:juliet@example.com>',
    'Call-ID: M4spr4vdu@example.net',
    'CSeq: 1 MESSAGE',
    ...head,
    `Content-Length: ${bytes.length}`,
    '',
    '',
  ].join('\r\n')
  const parsed = parseSipMessage(new Uint8Array([...utf8Bytes(text), ...bytes]), 'datagram')
  if (!parsed.ok || parsed.value.kind !== 'request') throw new Error('not a request')
  return parsed.value
}
const contentOf = (request: SipRequest) => {
  const verdict = textOfMessage(request, romeo, hashes, NOW)
  if (!verdict.ok) throw new Error(verdict.failure.detail)
  if (verdict.value.kind !== 'text') throw new Error(verdict.value.kind)
  return verdict.value.content
}
const gateway = jidOf('example.net')

describe('RFC 7572 §5, table 2: a MESSAGE as a stanza [7572-5.1 7572-5t.body]', () => {
  const plain = 'Content-Type: text/plain'
  test('example 4 and 5 [7572-5t.call-id 7572-5t.from 7572-5t.to 7572-7.1]', () => {
    const request = sip([plain], 'Neither, fair saint, if either thee dislike.')
    const parties = partiesOfRequest(request)
    if (!parties.ok) throw new Error(parties.failure.detail)
    const message = messageToXmpp(parties.value, contentOf(request), 'normal', gateway)
    expect(formatJid(message.from)).toBe('romeo@example.net')
    expect(formatJid(message.to)).toBe('juliet@example.com')
    expect(message.thread).toBe('M4spr4vdu@example.net')
    const again = messageOf(formatStanza(message))
    expect(again.bodies[0]?.text).toBe('Neither, fair saint, if either thee dislike.')
    expect(again.type).toBe('normal')
    expect(again.id).toMatch(/^[0-9a-f]{32}$/)
  })
  test('example 6 and 7: Content-Language [7572-5t.lang 7572-8.2]', () => {
    const content = contentOf(sip([`${plain};charset=UTF-8`, 'Content-Language: cs'], 'Nic z obého, má děvo spanilá'))
    expect(content).toMatchObject({ lang: 'cs', text: 'Nic z obého, má děvo spanilá' })
  })
  test('an impossible language tag is left out', () =>
    expect(contentOf(sip([plain, `Content-Language: ${'a'.repeat(40)}`], 'x')).lang).toBeUndefined())
  test('Subject is the subject [7572-5t.subject]', () =>
    expect(contentOf(sip([plain, 'Subject: Hi there'], 'x')).subject).toBe('Hi there'))
  test('CRLF becomes LF', () => expect(contentOf(sip([plain], 'a\r\nb')).text).toBe('a\nb'))
  test.each([
    ['RFC 3261 §7.4.1: UTF-8 when nothing is said', plain, utf8Bytes('é'), 'é'],
    ['latin 1', `${plain};charset=iso-8859-1`, latin1Bytes('é'), 'é'],
    ['windows-1252', `${plain};charset="windows-1252"`, new Uint8Array([0x80, 0x93, 0xe9]), '€“é'],
  ])('%s', (_clause, head, body, text) => expect(contentOf(sip([head], body)).text).toBe(text))
  test('C.12: what XML cannot hold does not reach the stream', () =>
    expect(contentOf(sip([plain], 'a\u0000b\u0008c\uFFFEd')).text).toBe('a\uFFFDb\uFFFDc\uFFFDd'))
  test.each([
    ['not UTF-8', [plain], new Uint8Array([0xff]), 400, undefined],
    ['no type', [], utf8Bytes('x'), 400, undefined],
    ['C.5 a picture', ['Content-Type: image/png'], utf8Bytes('x'), 415, 'Accept'],
    ['C.5 CPIM that is none', ['Content-Type: message/cpim'], utf8Bytes('x'), 400, undefined],
    ['C.5 an encoding', [plain, 'Content-Encoding: gzip'], utf8Bytes('x'), 415, 'Accept-Encoding'],
    ['C.5 a charset', [`${plain};charset=utf-16`], utf8Bytes('x'), 415, 'Accept'],
  ])('%s is refused', (_clause, head, body, status, header) => {
    const verdict = textOfMessage(sip(head, body), romeo, hashes, NOW)
    expect(verdict).toMatchObject({ ok: false, failure: { status } })
    if (header !== undefined && !verdict.ok) expect(verdict.failure.headers?.map(([name]) => name)).toContain(header)
  })
  test.each([
    ['G.11 one space', [plain], ' ', 'no-content'],
    ['RFC 3428 §7 expired', [plain, 'Date: Thu, 01 Jan 2026 11:00:00 GMT', 'Expires: 60'], 'x', 'expired'],
  ])('%s is absorbed', (_clause, head, body, reason) =>
    expect(textOfMessage(sip(head, body), romeo, hashes, NOW)).toEqual({ ok: true, value: { kind: 'absorb', reason } }),
  )
  test('C.3: an old Date is shown as a delay', () => {
    const request = sip([plain, 'Date: Thu, 01 Jan 2026 11:00:00 GMT'], 'x')
    const parties = partiesOfRequest(request)
    if (!parties.ok) throw new Error('parties')
    const xml = formatStanza(messageToXmpp(parties.value, contentOf(request), 'chat', gateway))
    expect(xml).toMatch(/<delay[^>]*stamp=['"]2026-01-01T11:00:00/)
    expect(contentOf(sip([plain, 'Date: Thu, 01 Jan 2026 11:59:30 GMT'], 'x')).sentAtMs).toBeUndefined()
  })
  test('C.3: the id is the same for a copy that came another way [7572-5t.id]', () => {
    const one = sip([plain], 'x')
    expect(contentOf(one).id).toBe(contentOf(sip([plain], 'x')).id)
    expect(contentOf({ ...one, core: { ...one.core, cseq: { number: 2, method: 'MESSAGE' } } }).id).not.toBe(
      contentOf(one).id,
    )
  })
})
