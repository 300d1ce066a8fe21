import fc from 'fast-check'
import { STANZA_CONDITIONS } from '@stox/kernel'
import { el } from '@stox/xml'
import {
  ERROR_TYPE_OF,
  chatStateElement,
  errorReply,
  formatJid,
  formatStanza,
  textOfStanza,
  iqResult,
  newIq,
  newMessage,
  newPresence,
  parseJid,
  parseStanza,
  parseStanzaText,
  pingElement,
  stanzaErrorElement,
} from '@stox/xmpp'
import type { Jid, Stanza } from '@stox/xmpp'

const jid = (text: string): Jid => {
  const result = parseJid(text)
  if (!result.ok) throw new Error(text)
  return result.value
}
const romeo = jid('romeo@montague.example/orchard')
const juliet = jid('juliet@capulet.example')
const addresses = "from='romeo@montague.example/orchard' to='juliet@capulet.example'"
const server = (xml: string): string => xml.replace(/^<(\w+)/, "<$1 xmlns='jabber:server'")

function parsed(xml: string): Stanza {
  const stanza = parseStanzaText(server(xml))
  if (!stanza.ok) throw new Error(stanza.failure.detail)
  return stanza.value
}

describe('parseStanza: messages (RFC 6121 §5.2)', () => {
  test('all that a message can have', () => {
    const stanza = parsed(
      `<message ${addresses} id='m1' type='chat' xml:lang='en'><subject>S</subject><body>one</body>` +
        "<body xml:lang='de'>eins</body><thread>t</thread><active xmlns='http://jabber.org/protocol/chatstates'/></message>",
    )
    expect(stanza).toMatchObject({ kind: 'message', id: 'm1', type: 'chat', lang: 'en', subject: 'S', thread: 't' })
    expect(stanza).toMatchObject({
      from: romeo,
      to: juliet,
      bodies: [
        { lang: 'en', text: 'one' },
        { lang: 'de', text: 'eins' },
      ],
    })
    expect(stanza.element.children).toHaveLength(5)
  })

  test.each([
    ['§5.2.2, no type', `<message ${addresses}/>`, 'normal'],
    ['§5.2.2, unknown type', `<message ${addresses} type='shout'/>`, 'normal'],
    ['§5.2.2, type of objects', `<message ${addresses} type='constructor'/>`, 'normal'],
    ['§5.2.2, headline', `<message ${addresses} type='headline'/>`, 'headline'],
    ['§5.2.2, groupchat', `<message ${addresses} type='groupchat'/>`, 'groupchat'],
  ])('%s', (_clause, xml, type) => expect(parsed(xml).type).toBe(type))

  test('RFC 6120 §4.7.4, the language of the stream where the stanza names none', () => {
    const document = el('message', { xmlns: 'jabber:server', from: 'a.example', to: 'b.example' }, el('body', {}, 'x'))
    expect(parseStanza(document, 'fr')).toMatchObject({ value: { lang: 'fr', bodies: [{ lang: 'fr' }] } })
    document.attrs['xml:lang'] = 'de'
    expect(parseStanza(document, 'fr')).toMatchObject({ value: { lang: 'de', bodies: [{ lang: 'de' }] } })
  })

  test('a body in another namespace is none', () => {
    expect(parsed(`<message ${addresses}><body xmlns='urn:x'>no</body></message>`)).toMatchObject({ bodies: [] })
  })
})

describe('parseStanza: presence (RFC 6121 §4.7)', () => {
  test.each([
    ['§4.7.1, no type', '', { type: 'available', show: undefined, priority: 0, statuses: [] }],
    ['§4.7.2.1, show', '<show>xa</show>', { show: 'xa' }],
    ['§4.7.2.1, unknown show', '<show>busy</show>', { show: undefined }],
    [
      '§4.7.2.2, status',
      "<status>a</status><status xml:lang='de'>b</status>",
      {
        statuses: [
          { lang: undefined, text: 'a' },
          { lang: 'de', text: 'b' },
        ],
      },
    ],
    ['§4.7.2.3, priority', '<priority>-128</priority>', { priority: -128 }],
    ['§4.7.2.3, priority out of range', '<priority>128</priority>', { priority: 0 }],
    ['§4.7.2.3, priority that is no number', '<priority>1e1</priority>', { priority: 0 }],
  ])('%s', (_clause, content, expected) => {
    expect(parsed(`<presence ${addresses}>${content}</presence>`)).toMatchObject(expected)
  })

  test.each(['unavailable', 'subscribe', 'subscribed', 'unsubscribe', 'unsubscribed', 'probe'])('type %s', (type) => {
    expect(parsed(`<presence ${addresses} type='${type}'/>`).type).toBe(type)
  })
})

describe('parseStanza: refusals', () => {
  test.each<[string, string, string, string | undefined]>([
    ['§8.1.1.2, no to', "<message from='a@b.example'/>", 'improper-addressing', undefined],
    ['§8.1.2.2, no from', "<message to='a@b.example'/>", 'improper-addressing', undefined],
    ['§8.1.2.2, empty from', "<message from='' to='a@b.example'/>", 'improper-addressing', undefined],
    ['§8.1.2.2, bad from', "<message from='a b@c.example' to='a@b.example'/>", 'improper-addressing', undefined],
    ['§8.1.1.2, to without a domain', "<message from='a@b.example' to='a@'/>", 'improper-addressing', undefined],
    [
      '§8.3.3.8, bad local part',
      "<message from='a@b.example/r' to='a b@c.example' id='1'/>",
      'jid-malformed',
      "<message from='c.example' to='a@b.example/r' id='1' type='error' xmlns='jabber:server'>" +
        "<error type='modify'><jid-malformed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>",
    ],
    [
      '§8.3.1, no error to an error',
      "<message from='a@b.example' to='a b@c.example' type='error'/>",
      'jid-malformed',
      undefined,
    ],
    [
      '§8.2.3, iq without id',
      `<iq ${addresses} type='get'><a xmlns='u'/></iq>`,
      'bad-request',
      "<iq from='juliet@capulet.example' to='romeo@montague.example/orchard' type='error' xmlns='jabber:server'>" +
        "<error type='modify'><bad-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
    ],
    ['§8.2.3, iq result without id', `<iq ${addresses} type='result'/>`, 'bad-request', undefined],
    ['§8.2.3, unknown type', `<iq ${addresses} id='1' type='ask'/>`, 'bad-request', 'any'],
    ['§8.2.3, no type', `<iq ${addresses} id='1'/>`, 'bad-request', 'any'],
    ['§8.2.3, get without payload', `<iq ${addresses} id='1' type='get'/>`, 'bad-request', 'any'],
    ['§8.2.3, set with two', `<iq ${addresses} id='1' type='set'><a/><b/></iq>`, 'bad-request', 'any'],
    ['§8.2.3, result with two', `<iq ${addresses} id='1' type='result'><a/><b/></iq>`, 'bad-request', undefined],
    ['RFC 6121 §4.7.1, unknown type', `<presence ${addresses} type='here'/>`, 'bad-request', 'any'],
    ['§4.9.3.24, no stanza', `<note ${addresses}/>`, 'unsupported-stanza-type', undefined],
  ])('%s', (_clause, xml, condition, reply) => {
    const result = parseStanzaText(server(xml))
    if (result.ok) throw new Error('accepted')
    expect(result.failure.condition).toBe(condition)
    const text = result.failure.reply === undefined ? undefined : formatStanza(result.failure.reply)
    expect(reply === 'any' && text !== undefined ? 'any' : text).toBe(reply)
  })

  test.each([
    ['jabber:client', "<message xmlns='jabber:client' from='a@b' to='c@d'/>", 'invalid-namespace'],
    ['no namespace', "<message from='a@b' to='c@d'/>", 'invalid-namespace'],
    ['not XML', '<message', 'invalid-xml'],
    ['a comment is passed over in no stanza with a DTD', '<!DOCTYPE a><message/>', 'invalid-xml'],
  ])('%s', (_name, xml, condition) => {
    expect(parseStanzaText(xml)).toMatchObject({ ok: false, failure: { condition, reply: undefined } })
  })
})

describe('formatStanza', () => {
  test.each<[string, Stanza, string]>([
    [
      'message',
      newMessage({ from: romeo, to: juliet, id: "m'1", type: 'chat', bodies: [{ lang: undefined, text: 'a < b' }] }),
      "<message from='romeo@montague.example/orchard' to='juliet@capulet.example' id='m&apos;1' type='chat' xmlns='jabber:server'><body>a &lt; b</body></message>",
    ],
    [
      'message with all it can have',
      newMessage({
        from: romeo,
        to: juliet,
        lang: 'en',
        subject: 's',
        thread: 't',
        bodies: [
          { lang: 'en', text: 'one' },
          { lang: 'de', text: 'eins' },
        ],
        extra: [chatStateElement('active')],
      }),
      "<message from='romeo@montague.example/orchard' to='juliet@capulet.example' xml:lang='en' xmlns='jabber:server'><subject>s</subject><body>one</body><body xml:lang='de'>eins</body><thread>t</thread><active xmlns='http://jabber.org/protocol/chatstates'/></message>",
    ],
    [
      'presence',
      newPresence({ from: romeo, to: juliet, show: 'dnd', priority: 5, statuses: [{ lang: undefined, text: 'no' }] }),
      "<presence from='romeo@montague.example/orchard' to='juliet@capulet.example' xmlns='jabber:server'><show>dnd</show><status>no</status><priority>5</priority></presence>",
    ],
    [
      'subscription',
      newPresence({ from: romeo, to: juliet, type: 'subscribe' }),
      "<presence from='romeo@montague.example/orchard' to='juliet@capulet.example' type='subscribe' xmlns='jabber:server'/>",
    ],
    [
      'iq',
      newIq({ from: romeo, to: juliet, id: '1', type: 'get', payload: pingElement() }),
      "<iq from='romeo@montague.example/orchard' to='juliet@capulet.example' id='1' type='get' xmlns='jabber:server'><ping xmlns='urn:xmpp:ping'/></iq>",
    ],
    [
      'result (§8.2.3)',
      iqResult(newIq({ from: romeo, to: juliet, id: '1', type: 'get', payload: pingElement() })),
      "<iq from='juliet@capulet.example' to='romeo@montague.example/orchard' id='1' type='result' xmlns='jabber:server'/>",
    ],
  ])('%s', (_name, stanza, expected) => {
    expect(formatStanza(stanza)).toBe(expected)
    const { element: _, ...fields } = stanza
    expect(parseStanzaText(expected)).toMatchObject({
      ok: true,
      value: { ...fields, ...payloadOf(stanza) },
    })
  })

  test('the fields win over the element, and what else it has stays', () => {
    const stanza = parsed(`<message ${addresses} id='1' xmlns:p='urn:p' p:q='2'><p:x/>text</message>`)
    const moved = { ...stanza, from: juliet, to: romeo, id: 'other' } as Stanza
    expect(formatStanza(moved)).toBe(
      "<message from='juliet@capulet.example' to='romeo@montague.example/orchard' id='other' xmlns='jabber:server' xmlns:p='urn:p' p:q='2'><p:x/>text</message>",
    )
  })

  test('an element with a prefix keeps its meaning', () => {
    const xml =
      "<s:message xmlns:s='jabber:server' from='a@b' to='c@d'><s:body>x</s:body><y xmlns='urn:y'/></s:message>"
    const stanza = parseStanzaText(xml)
    expect(stanza).toMatchObject({ ok: true, value: { bodies: [{ text: 'x' }] } })
    const again = parseStanzaText(stanza.ok ? formatStanza(stanza.value) : '')
    expect(again).toMatchObject({ ok: true, value: { bodies: [{ text: 'x' }] } })
  })

  const one = "<message from='a@b' to='c@d' id='1' xmlns='jabber:server'><body>x</body></message>"
  const written = "<message from='a@b' to='c@d' id='1' xmlns='jabber:server'>"
  test.each([
    ['one element', one, one],
    [
      'one without content',
      "<presence xmlns='jabber:server' from='a@b' to='c@d'/>",
      "<presence xmlns='jabber:server' from='a@b' to='c@d'/>",
    ],
    ['with a declaration before it', `<?xml version='1.0'?>${one}`, one],
    ['with a comment behind it', `${one}<!-- x -->`, one],
    ['with white space around it', ` ${one}\n`, one],
    ['with a comment in it', `${written}<!-- x --><body>x</body></message>`, one],
    ['with an instruction in it', `${written}<?x y?><body>x</body></message>`, one],
    ['with an address that is not normal', one.replace("'a@b'", "'A@B'"), one],
  ])('what was read goes on as it stood, or written anew: %s', (_case, source, expected) => {
    const stanza = parseStanzaText(source)
    expect(stanza.ok && textOfStanza(stanza.value, source)).toBe(expected)
  })

  test('a priority out of range is our fault', () => {
    expect(() => newPresence({ from: romeo, to: juliet, priority: 200 })).toThrow(RangeError)
  })

  test('parse gives back what was formatted, for every message and presence', () => {
    const text = fc
      .string({ unit: 'grapheme', maxLength: 30 })
      .map((raw) => raw.replace(/[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g, '?'))
    const lang = fc.constantFrom(undefined, 'en', 'de-AT')
    const address = fc.constantFrom(romeo, juliet, jid('o\\27malley@münchen.example/a&b <\'">'), jid('example.com'))
    const some = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(value, { nil: undefined })
    const texts = fc.array(fc.record({ lang, text }), { maxLength: 3 })
    const head = { from: address, to: address, id: some(text), lang }
    const message = fc.record({
      ...head,
      type: fc.constantFrom('normal', 'chat', 'headline'),
      bodies: texts,
      subject: some(text),
      thread: some(text),
    })
    const presence = fc.record({
      ...head,
      type: fc.constantFrom('available', 'probe'),
      show: fc.constantFrom(undefined, 'away', 'xa'),
      statuses: texts,
      priority: fc.integer({ min: -128, max: 127 }),
    })
    const stanza = fc.oneof(
      message.map((input) => newMessage(input as Parameters<typeof newMessage>[0])),
      presence.map((input) => newPresence(input as Parameters<typeof newPresence>[0])),
    )
    fc.assert(
      fc.property(stanza, (built) => {
        const written = formatStanza(built)
        const read = parseStanzaText(written)
        if (!read.ok) throw new Error(read.failure.detail)
        const { element: _, ...fields } = built
        const { element: __, ...got } = read.value
        expect(got).toEqual({ ...fields, id: fields.id === '' ? undefined : fields.id })
        expect(formatStanza(read.value)).toBe(formatStanza({ ...built, element: read.value.element } as Stanza))
      }),
      { seed: 12, numRuns: 300 },
    )
  })
})

const payloadOf = (stanza: Stanza): object =>
  stanza.kind === 'iq' && stanza.payload !== undefined ? { payload: expect.objectContaining({ name: 'ping' }) } : {}

describe('stanza errors (RFC 6120 §8.3)', () => {
  test('every condition has its usual type', () => {
    expect(Object.keys(ERROR_TYPE_OF).sort()).toEqual([...STANZA_CONDITIONS].sort())
  })

  test.each(STANZA_CONDITIONS)('§8.3.3, %s goes out and comes back', (condition) => {
    const alternate = condition === 'gone' || condition === 'redirect' ? 'xmpp:x@y.example' : undefined
    const request = newMessage({ from: romeo, to: juliet, id: 'm1', bodies: [{ lang: undefined, text: 'x' }] })
    const reply = errorReply(request, { condition, text: 'why', alternate: 'xmpp:x@y.example' })
    expect(parseStanzaText(formatStanza(reply!))).toMatchObject({
      ok: true,
      value: {
        ...{ kind: 'message', type: 'error', id: 'm1', from: juliet, to: romeo, bodies: [] },
        error: { condition, type: ERROR_TYPE_OF[condition], text: 'why', alternate },
      },
    })
  })

  test('§8.3.1, never an error to an error or a result', () => {
    const request = newIq({ from: romeo, to: juliet, id: '1', type: 'set', payload: pingElement() })
    const failure = { condition: 'service-unavailable' } as const
    const reply = errorReply(request, failure)!
    expect(reply).toMatchObject({ kind: 'iq', type: 'error', id: '1', from: juliet, to: romeo })
    expect(errorReply(reply, failure)).toBeUndefined()
    expect(errorReply(iqResult(request), failure)).toBeUndefined()
    const subscribe = newPresence({ from: romeo, to: juliet, type: 'subscribe' })
    expect(errorReply(subscribe, failure)).toMatchObject({ kind: 'presence', type: 'error' })
  })

  test('the type can be other than usual', () => {
    const request = newMessage({ from: romeo, to: juliet })
    expect(errorReply(request, { condition: 'policy-violation', errorType: 'wait' })?.error?.type).toBe('wait')
  })

  test.each([
    [
      '§8.3.2, unknown condition',
      "<error type='wait'><new xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>",
      'undefined-condition',
      'wait',
    ],
    [
      '§8.3.2, condition in another namespace',
      "<error type='wait'><gone xmlns='urn:x'/></error>",
      'undefined-condition',
      'wait',
    ],
    ['§8.3.2, no condition', '<error/>', 'undefined-condition', 'cancel'],
    [
      '§8.3.2, unknown type',
      "<error type='x'><forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>",
      'forbidden',
      'auth',
    ],
  ])('%s', (_clause, error, condition, type) => {
    expect(parsed(`<message ${addresses} type='error'>${error}</message>`).error).toMatchObject({ condition, type })
  })

  test('an error without its element has no error', () => {
    expect(parsed(`<message ${addresses} type='error'/>`).error).toBeUndefined()
    expect(parsed(`<message ${addresses}><error type='cancel'/></message>`).error).toBeUndefined()
  })

  test('the payload of an iq error is not its error', () => {
    const error = stanzaErrorElement({ type: 'cancel', condition: 'gone', text: undefined, alternate: undefined })
    const xml = el('iq', { xmlns: 'jabber:server' }, el('q', { xmlns: 'urn:q' }), error)
    const stanza = parseStanzaText(
      formatStanza({
        kind: 'iq',
        from: romeo,
        to: juliet,
        id: '1',
        type: 'error',
        lang: undefined,
        element: xml,
        payload: undefined,
      }),
    )
    expect(stanza.ok && stanza.value.kind === 'iq' && stanza.value.payload?.name).toBe('q')
    expect(formatJid(romeo)).toBe('romeo@montague.example/orchard')
  })
})
