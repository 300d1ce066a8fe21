import { DEFAULT_XML_LIMITS, XmlStreamReader, el, parseXmlDocument, serializeXml } from '@stox/xml'
import type { XmlElement } from '@stox/xml'
import * as xmpp from '@stox/xmpp'
import type { Dialback, DomainName, SaslElement, StreamFeatures } from '@stox/xmpp'

const document = (xml: string): XmlElement => {
  const parsed = parseXmlDocument(xml)
  if (!parsed.ok) throw new Error(`${parsed.failure.detail}: ${xml}`)
  return parsed.value
}
/** As a first-level element of a stream that declares `stream` and nothing else. */
const inStream = (xml: string): XmlElement => {
  const reader = new XmlStreamReader(DEFAULT_XML_LIMITS)
  const header = "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'>"
  const event = reader.push(Buffer.from(header + xml))[1]
  if (event?.kind !== 'element') throw new Error(JSON.stringify(event))
  return event.element
}
const inMessage = (...children: XmlElement[]): XmlElement =>
  document(serializeXml(el('message', { xmlns: 'jabber:server' }, ...children)))

const from = 'capulet.example' as DomainName
const to = 'montague.example' as DomainName

describe('XEP-0220', () => {
  test.each<[string, Dialback, string]>([
    [
      '§2.1.1',
      { kind: 'result-request', from, to, key: 'b483' },
      "<db:result xmlns:db='jabber:server:dialback' from='capulet.example' to='montague.example'>b483</db:result>",
    ],
    [
      '§2.1.2 valid',
      { kind: 'result-answer', from, to, verdict: { type: 'valid' } },
      "<db:result xmlns:db='jabber:server:dialback' from='capulet.example' to='montague.example' type='valid'/>",
    ],
    [
      '§2.1.2 invalid',
      { kind: 'result-answer', from, to, verdict: { type: 'invalid' } },
      "<db:result xmlns:db='jabber:server:dialback' from='capulet.example' to='montague.example' type='invalid'/>",
    ],
    [
      '§2.5 error',
      { kind: 'result-answer', from, to, verdict: { type: 'error', condition: 'item-not-found', text: undefined } },
      "<db:result xmlns:db='jabber:server:dialback' from='capulet.example' to='montague.example' type='error'><error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:result>",
    ],
    [
      '§2.2.1',
      { kind: 'verify-request', from, to, id: '417GAF25', key: 'b483' },
      "<db:verify xmlns:db='jabber:server:dialback' from='capulet.example' to='montague.example' id='417GAF25'>b483</db:verify>",
    ],
    [
      '§2.2.2',
      { kind: 'verify-answer', from, to, id: '417GAF25', verdict: { type: 'valid' } },
      "<db:verify xmlns:db='jabber:server:dialback' from='capulet.example' to='montague.example' id='417GAF25' type='valid'/>",
    ],
    [
      '§2.5 of streams',
      {
        kind: 'verify-answer',
        from,
        to,
        id: '1',
        verdict: { type: 'error', condition: 'remote-connection-failed', text: 'x' },
      },
      "<db:verify xmlns:db='jabber:server:dialback' from='capulet.example' to='montague.example' id='1' type='error'><error type='cancel'><remote-connection-failed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>x</text></error></db:verify>",
    ],
  ])('%s goes out and comes back', (_clause, dialback, text) => {
    expect(xmpp.formatDialback(dialback)).toBe(text)
    expect(xmpp.isDialback(inStream(text))).toBe(true)
    expect(xmpp.parseDialback(inStream(text))).toEqual({ ok: true, value: dialback })
  })

  test.each([
    ['no from', "<db:result to='b.example'>k</db:result>", 'improper-addressing'],
    ['bad to', "<db:result from='a.example' to='b@c'>k</db:result>", 'improper-addressing'],
    ['no key', "<db:result from='a.example' to='b.example'> </db:result>", 'invalid-xml'],
    ['verify without id', "<db:verify from='a.example' to='b.example'>k</db:verify>", 'invalid-xml'],
    ['unknown type', "<db:result from='a.example' to='b.example' type='maybe'/>", 'invalid-xml'],
    ['unknown element', "<db:ask from='a.example' to='b.example'/>", 'invalid-xml'],
  ])('refuses: %s', (_name, xml, condition) => {
    const element = document(xml.replace(' ', " xmlns:db='jabber:server:dialback' "))
    expect(xmpp.parseDialback(element)).toMatchObject({ ok: false, failure: { condition } })
  })

  test('an error that says nothing is an error', () => {
    const element = document(
      "<db:result xmlns:db='jabber:server:dialback' from='a.example' to='b.example' type='error'/>",
    )
    expect(xmpp.parseDialback(element)).toMatchObject({
      ok: true,
      value: { verdict: { type: 'error', condition: 'undefined-condition' } },
    })
  })

  test('a result outside its namespace is none', () => {
    expect(
      xmpp.parseDialback(document("<result xmlns='jabber:server' from='a.example' to='b.example'>k</result>")).ok,
    ).toBe(false)
  })
})

describe('SASL (RFC 6120 §6)', () => {
  test.each<[string, string, SaslElement]>([
    [
      '§6.4.2 auth',
      xmpp.formatSaslAuth('EXTERNAL', 'capulet.example'),
      { kind: 'auth', mechanism: 'EXTERNAL', initial: 'capulet.example' },
    ],
    [
      '§6.4.2 auth with empty data',
      xmpp.formatSaslAuth('EXTERNAL', ''),
      { kind: 'auth', mechanism: 'EXTERNAL', initial: '' },
    ],
    [
      '§6.4.2 auth without data',
      xmpp.formatSaslAuth('EXTERNAL', undefined),
      { kind: 'auth', mechanism: 'EXTERNAL', initial: undefined },
    ],
    ['§6.4.3 challenge', xmpp.formatSaslChallenge(), { kind: 'challenge' }],
    ['§6.4.3 response', xmpp.formatSaslResponse('münchen.example'), { kind: 'response', text: 'münchen.example' }],
    ['§6.4.3 empty response', xmpp.formatSaslResponse(''), { kind: 'response', text: '' }],
    ['§6.4.4 abort', xmpp.formatSaslAbort(), { kind: 'abort' }],
    [
      '§6.4.5 failure',
      xmpp.formatSaslFailure('not-authorized'),
      { kind: 'failure', condition: 'not-authorized', text: undefined },
    ],
    [
      '§6.4.5 failure with text',
      xmpp.formatSaslFailure('invalid-authzid', 'why'),
      { kind: 'failure', condition: 'invalid-authzid', text: 'why' },
    ],
    ['§6.4.6 success', xmpp.formatSaslSuccess(), { kind: 'success' }],
    [
      '§6.4.5 unknown condition',
      "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><new/></failure>",
      { kind: 'failure', condition: 'not-authorized', text: undefined },
    ],
  ])('%s', (_clause, xml, expected) => {
    expect(xmpp.isSasl(inStream(xml))).toBe(true)
    expect(xmpp.parseSasl(inStream(xml))).toEqual({ ok: true, value: expected })
  })

  test.each([
    ['§6.5.4 base64', "<auth mechanism='EXTERNAL'>a===</auth>", 'incorrect-encoding'],
    ['§6.5.4 white space', "<auth mechanism='EXTERNAL'>Y2Fw dWxl</auth>", 'incorrect-encoding'],
    ['§6.5.4 not UTF-8', "<auth mechanism='EXTERNAL'>/w==</auth>", 'incorrect-encoding'],
    ['§6.5.4 response', '<response>*</response>', 'incorrect-encoding'],
    ['§6.5.7 no mechanism', '<auth/>', 'invalid-mechanism'],
    ['§6.5.8 unknown element', '<bind/>', 'malformed-request'],
  ])('%s', (_clause, xml, condition) => {
    const element = document(xml.replace(/^<(\w+)/, "<$1 xmlns='urn:ietf:params:xml:ns:xmpp-sasl'"))
    expect(xmpp.parseSasl(element)).toEqual({ ok: false, failure: { condition } })
  })

  test.each(['', 'a', 'ab', 'abc', 'abcd', 'é€😀'])('base64 of %j is what the host makes of it', (text) => {
    const encoded = Buffer.from(text).toString('base64')
    expect(xmpp.formatSaslAuth('X', text)).toContain(`>${encoded || '='}<`)
  })
})

test('STARTTLS (RFC 6120 §5.4.2)', () => {
  for (const step of ['starttls', 'proceed', 'failure'] as const) {
    expect(xmpp.parseStartTls(inStream(xmpp.formatStartTls(step)))).toBe(step)
  }
  expect(xmpp.formatStartTls('proceed')).toBe("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
  expect(xmpp.parseStartTls(document('<proceed/>'))).toBeUndefined()
  expect(xmpp.parseStartTls(document("<other xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"))).toBeUndefined()
})

const NONE: StreamFeatures = {
  startTls: undefined,
  mechanisms: [],
  dialback: undefined,
  limits: undefined,
  streamManagement: false,
  bidi: false,
}

describe('stream features (RFC 6120 §4.3.2)', () => {
  test.each<[string, StreamFeatures]>([
    ['none', NONE],
    ['XEP-0288: both ways', { ...NONE, bidi: true }],
    ['XEP-0198: stream management', { ...NONE, streamManagement: true }],
    ['XEP-0478: limits', { ...NONE, limits: { maxBytes: 262_144, idleSeconds: 840 } }],
    ['XEP-0478: one limit', { ...NONE, limits: { maxBytes: 10_000, idleSeconds: undefined } }],
    ['TLS required', { ...NONE, startTls: 'required' }],
    ['TLS optional and dialback', { ...NONE, startTls: 'optional', dialback: { errors: true } }],
    ['EXTERNAL and dialback', { ...NONE, mechanisms: ['EXTERNAL'], dialback: { errors: false } }],
  ])('%s: format, then parse', (_name, features) => {
    const element = inStream(xmpp.formatFeatures(features))
    expect(xmpp.isFeatures(element)).toBe(true)
    expect(xmpp.parseFeatures(element)).toEqual(features)
  })
  test('what is not known is passed over', () => {
    const element = inStream(
      "<stream:features><sm xmlns='urn:xmpp:sm:1'/><mechanisms xmlns='urn:x'/>" +
        "<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>many</max-bytes><idle-seconds>0</idle-seconds></limits></stream:features>",
    )
    expect(xmpp.parseFeatures(element)).toEqual({ ...NONE, limits: { maxBytes: undefined, idleSeconds: undefined } })
  })
})

describe('XEP-0203', () => {
  test('goes out and comes back', () => {
    const jid = xmpp.parseJid('a@b.example')
    if (!jid.ok) throw new Error('refused')
    const stampMs = Date.UTC(2002, 8, 10, 23, 8, 25)
    const element = xmpp.delayElement({ from: jid.value, stampMs, reason: 'Offline' })
    expect(xmpp.parseDelay(inMessage(element))).toEqual({ from: 'a@b.example', stampMs, reason: 'Offline' })
    expect(xmpp.parseDelay(inMessage(xmpp.delayElement({ stampMs })))).toEqual({
      from: undefined,
      stampMs,
      reason: undefined,
    })
  })
  test.each([
    ['offset', '2002-09-10T23:08:25+02:00', Date.UTC(2002, 8, 10, 21, 8, 25)],
    ['fraction', '2002-09-10T23:08:25.5Z', Date.UTC(2002, 8, 10, 23, 8, 25, 500)],
    ['no zone', '2002-09-10T23:08:25', undefined],
    ['old format', '20020910T23:08:25', undefined],
    ['no such day', '2002-99-99T23:08:25Z', undefined],
  ])('XEP-0082: %s', (_name, stamp, expected) => {
    expect(xmpp.parseDelay(inMessage(el('delay', { xmlns: 'urn:xmpp:delay', stamp })))?.stampMs).toBe(expected)
  })
})

test.each(['active', 'composing', 'gone', 'inactive', 'paused'] as const)('XEP-0085: %s', (state) => {
  expect(xmpp.parseChatState(inMessage(xmpp.chatStateElement(state)))).toBe(state)
  expect(xmpp.parseChatState(inMessage(el(state, { xmlns: 'urn:x' })))).toBeUndefined()
})

test('XEP-0184', () => {
  expect(xmpp.asksForReceipt(inMessage(xmpp.receiptRequestElement()))).toBe(true)
  expect(xmpp.parseReceipt(inMessage(xmpp.receiptReceivedElement('m1')))).toBe('m1')
  expect(xmpp.asksForReceipt(inMessage())).toBe(false)
  expect(xmpp.parseReceipt(inMessage(el('received', { xmlns: 'urn:xmpp:receipts' })))).toBeUndefined()
})

test('XEP-0172', () => {
  expect(xmpp.parseNick(inMessage(xmpp.nickElement(' Ishmael ')))).toBe('Ishmael')
  expect(xmpp.parseNick(inMessage(xmpp.nickElement('')))).toBeUndefined()
})

test('XEP-0199', () => {
  expect(xmpp.isPing(document(serializeXml(xmpp.pingElement())))).toBe(true)
  expect(xmpp.isPing(document('<ping/>'))).toBe(false)
})

describe('XEP-0030', () => {
  test('§3 goes out and comes back', () => {
    const form = el('x', { xmlns: 'jabber:x:data', type: 'result' })
    const info = {
      node: 'n#v',
      identities: [
        { category: 'server', type: 'im', name: 'stox' },
        { category: 'gateway', type: 'simple', name: undefined },
      ],
      features: ['urn:xmpp:ping', 'jid\\20escaping'],
    }
    const query = document(serializeXml(xmpp.discoInfoElement({ ...info, forms: [form] })))
    expect(xmpp.parseDiscoInfo(query)).toEqual({ ...info, forms: [expect.objectContaining({ name: 'x' })] })
    expect(xmpp.parseDiscoInfo(document('<query/>'))).toBeUndefined()
  })
  test('§4 goes out and comes back', () => {
    const items = { node: undefined, items: [{ jid: 'a@b.example', node: 'n', name: undefined }] }
    expect(xmpp.parseDiscoItems(document(serializeXml(xmpp.discoItemsElement(items))))).toEqual(items)
    expect(xmpp.parseDiscoItems(document('<query/>'))).toBeUndefined()
  })
})
