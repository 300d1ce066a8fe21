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

test.each([
  ['XEP-0030 §3', 'sip.example', 'get', INFO, /type='result'.*category='gateway' type='simple'/],
  ['XEP-0030 §3, features', 'sip.example', 'get', INFO, /<feature var='urn:xmpp:ping'\/>/],
  ['XEP-0030 §4', 'sip.example', 'get', ITEMS, /type='result'.*disco#items/],
  ['XEP-0199 §4.3', 'sip.example', 'get', PING, /type='result'/],
  ['a node that we do not know', 'sip.example', 'get', INFO.replace('/>', ` node='x'/>`), /service-unavailable/],
  ['a user says no more than no', 'u@sip.example', 'get', PING, /type='error'.*service-unavailable/],
  ['a device of a user', 'u@sip.example/r', 'get', INFO, /type='error'.*service-unavailable/],
  ['a ping is not set', 'sip.example', 'set', PING, /type='error'.*service-unavailable/],
  ['RFC 6120 §8.4', 'sip.example', 'get', `<query xmlns='urn:x'/>`, /type='error'.*service-unavailable/],
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
