import { parseXmlDocument, serializeXml } from '@stox/xml'
import type { XmlElement } from '@stox/xml'
import { chatMarkerElement, isMarkable, markableElement, parseChatMarker } from '@stox/xmpp'

const message = (content: string): XmlElement => {
  const parsed = parseXmlDocument(`<message xmlns='jabber:server'>${content}</message>`)
  if (!parsed.ok) throw new Error(parsed.failure.detail)
  return parsed.value
}

test('XEP-0333: a message that can be marked', () => {
  expect(serializeXml(markableElement())).toBe("<markable xmlns='urn:xmpp:chat-markers:0'/>")
  expect(isMarkable(message(serializeXml(markableElement())))).toBe(true)
  expect(isMarkable(message('<markable/>'))).toBe(false)
})

test.each(['received', 'displayed', 'acknowledged'] as const)('XEP-0333: %s goes out and comes back', (kind) => {
  const xml = serializeXml(chatMarkerElement({ kind, id: 'm<1' }))
  expect(xml).toBe(`<${kind} xmlns='urn:xmpp:chat-markers:0' id='m&lt;1'/>`)
  expect(parseChatMarker(message(xml))).toEqual({ kind, id: 'm<1' })
})

test.each([
  ['no id', "<displayed xmlns='urn:xmpp:chat-markers:0'/>"],
  ['an empty id', "<displayed xmlns='urn:xmpp:chat-markers:0' id=''/>"],
  ['another namespace', "<received xmlns='urn:xmpp:receipts' id='1'/>"],
  ['another name', "<markable xmlns='urn:xmpp:chat-markers:0' id='1'/>"],
  ['nothing', ''],
])('XEP-0333: no marker: %s', (_name, content) => {
  expect(parseChatMarker(message(content))).toBeUndefined()
})
