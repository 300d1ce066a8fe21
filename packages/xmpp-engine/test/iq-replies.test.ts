import { serializeXml } from '@stox/xml'
import { formatStanza, parseStanzaText } from '@stox/xmpp'
import { replyToIq } from '@stox/xmpp-engine'

const iq = (to: string, type: string, payload: string) =>
  `<iq xmlns='jabber:server' from='a@xmpp.example/r' to='${to}' id='q1' type='${type}'>${payload}</iq>`
const INFO = `<query xmlns='http://jabber.org/protocol/disco#info'/>`
const ITEMS = `<query xmlns='http://jabber.org/protocol/disco#items'/>`
const PING = `<ping xmlns='urn:xmpp:ping'/>`

function reply(text: string): string | undefined {
  const parsed = parseStanzaText(text)
  if (!parsed.ok || parsed.value.kind !== 'iq') throw new Error(`not an iq: ${text}`)
  const answer = replyToIq(parsed.value)
  return answer && formatStanza(answer)
}

const VCARD = `<vCard xmlns='vcard-temp'/>`
const PUBSUB = `<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:xmpp:avatar:metadata'/></pubsub>`
const [DOMAIN, USER, DEVICE] = ['sip.example', 'u@sip.example', 'u@sip.example/r'] as const
const node = (query: string) => query.replace('/>', ` node='x'/>`)

test.each([
  ['mapping C.14, disco#info to the domain', DOMAIN, 'get', INFO, /type='result'.*category='gateway' type='simple'/],
  ['mapping C.14, its features', DOMAIN, 'get', INFO, /<feature var='urn:xmpp:ping'\/>.*'vcard-temp'.*20escaping/],
  ['mapping C.14, disco#info to a user', USER, 'get', INFO, /service-unavailable/],
  ['mapping C.14, disco#info to a device', DEVICE, 'get', INFO, /service-unavailable/],
  ['mapping C.14, disco#items to the domain', DOMAIN, 'get', ITEMS, /type='result'.*disco#items'\/>/],
  ['mapping C.14, disco#items to a user', USER, 'get', ITEMS, /type='result'.*disco#items'\/>/],
  ['mapping C.14, disco#items to a device', DEVICE, 'get', ITEMS, /type='result'.*disco#items'\/>/],
  ['XEP-0030 §7, a node that we do not know', DOMAIN, 'get', node(INFO), /item-not-found/],
  ['XEP-0030 §7, items of one', DOMAIN, 'get', node(ITEMS), /item-not-found/],
  ['XEP-0030, a node of a user', USER, 'get', node(ITEMS), /service-unavailable/],
  ['mapping C.14, ping to the domain (XEP-0199 §4.3)', DOMAIN, 'get', PING, /type='result'/],
  ['mapping C.14, ping to a user', USER, 'get', PING, /service-unavailable/],
  ['mapping C.14, ping to a device', DEVICE, 'get', PING, /service-unavailable/],
  ['mapping C.14, vcard-temp of the domain', DOMAIN, 'get', VCARD, /type='result'.*<FN>sip\.example<\/FN>/],
  ['mapping C.14, an avatar', USER, 'get', PUBSUB, /service-unavailable/],
  ['a vCard is not set', USER, 'set', VCARD, /service-unavailable/],
  ['a ping is not set', DOMAIN, 'set', PING, /type='error'.*service-unavailable/],
  ['RFC 6120 §8.4, anything else', DOMAIN, 'get', `<query xmlns='urn:x'/>`, /type='cancel'.*service-unavailable/],
])('%s', (_clause, to, type, payload, expected) => {
  const answer = reply(iq(to, type, payload))
  expect(answer?.replaceAll('"', "'")).toMatch(expected)
  expect(answer).toMatch(/id=.q1./)
  expect(answer).toMatch(/to=.a@xmpp\.example\/r./)
})

test.each(['result', 'error'])('an answer of type %s is not answered', (type) => {
  const payload =
    type === 'error' ? `<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>` : ''
  expect(reply(iq('sip.example', type, payload))).toBeUndefined()
})

test('it is our tree that is answered with', () => {
  const parsed = parseStanzaText(iq('sip.example', 'get', INFO))
  if (!parsed.ok || parsed.value.kind !== 'iq') throw new Error('not an iq')
  const answer = replyToIq(parsed.value)
  expect(answer && serializeXml(answer.element)).toContain('disco#info')
})

describe('XEP-0157, mapping C.14: whom to write to about a domain', () => {
  const asked = (to: string, contacts: Readonly<Record<string, readonly string[]>>): string => {
    const parsed = parseStanzaText(iq(to, 'get', INFO))
    if (!parsed.ok || parsed.value.kind !== 'iq') throw new Error(to)
    const answer = replyToIq(parsed.value, { contacts })
    return answer === undefined ? '' : formatStanza(answer)
  }
  const contacts = {
    abuse: ['mailto:abuse@sip.example', 'xmpp:abuse@sip.example'],
    admin: [],
    support: ['https://a/?b&c'],
  }
  test('a form beside the features, with the roles that are held', () => {
    const text = asked(DOMAIN, contacts).replaceAll('"', "'")
    expect(text).toContain(
      `<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>http://jabber.org/network/serverinfo</value></field><field var='abuse-addresses' type='list-multi'><value>mailto:abuse@sip.example</value><value>xmpp:abuse@sip.example</value></field><field var='support-addresses' type='list-multi'><value>https://a/?b&amp;c</value></field></x>`,
    )
  })
  test.each([
    ['nobody is named', DOMAIN, { admin: [] }],
    ['a user is asked', USER, contacts],
  ])('no form when %s', (_when, to, named) => expect(asked(to, named)).not.toContain('jabber:x:data'))
})

describe('XEP-0092, mapping C.14: which software this is', () => {
  const VERSION = `<query xmlns='jabber:iq:version'/>`
  const software = { name: 'stox', version: '1.2.3' }
  const asked = (to: string, payload: string, us: Parameters<typeof replyToIq>[1], type = 'get'): string => {
    const parsed = parseStanzaText(iq(to, type, payload))
    if (!parsed.ok || parsed.value.kind !== 'iq') throw new Error(to)
    const answer = replyToIq(parsed.value, us)
    return answer === undefined ? '' : formatStanza(answer).replaceAll('"', "'")
  }
  test('told, and found by disco#info, where that is wanted; nothing of the system it runs on', () => {
    expect(asked(DOMAIN, VERSION, { software })).toContain(
      `<query xmlns='jabber:iq:version'><name>stox</name><version>1.2.3</version></query>`,
    )
    expect(asked(DOMAIN, INFO, { software })).toContain(`<feature var='jabber:iq:version'/>`)
  })
  test('neither where it is not', () => {
    expect(asked(DOMAIN, VERSION, {})).toMatch(/<service-unavailable/)
    expect(asked(DOMAIN, INFO, {})).not.toContain('jabber:iq:version')
  })
  test.each([
    ['of a user', USER, 'get'],
    ['of a device', DEVICE, 'get'],
    ['is not set', DOMAIN, 'set'],
  ])('%s there is none', (_whose, to, type) =>
    expect(asked(to, VERSION, { software }, type)).toMatch(/<service-unavailable/),
  )
})
