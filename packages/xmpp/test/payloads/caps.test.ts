import { createHash } from 'node:crypto'
import { parseXmlDocument, serializeXml } from '@stox/xml'
import type { XmlElement } from '@stox/xml'
import { capsElement, capsNode, capsVer, discoInfoElement, parseCaps, parseDiscoInfo } from '@stox/xmpp'
import type { DiscoInfo } from '@stox/xmpp'

const sha1Base64 = (text: string): string => createHash('sha1').update(text, 'utf8').digest('base64')
const document = (xml: string): XmlElement => {
  const parsed = parseXmlDocument(xml)
  if (!parsed.ok) throw new Error(parsed.failure.detail)
  return parsed.value
}
const info = (content: string): DiscoInfo => {
  const parsed = parseDiscoInfo(document(`<query xmlns='http://jabber.org/protocol/disco#info'>${content}</query>`))
  if (parsed === undefined) throw new Error('refused')
  return parsed
}

const EXODUS = `<identity category='client' name='Exodus 0.9.1' type='pc'/>
  <feature var='http://jabber.org/protocol/caps'/><feature var='http://jabber.org/protocol/disco#items'/>
  <feature var='http://jabber.org/protocol/disco#info'/><feature var='http://jabber.org/protocol/muc'/>`
const form = (fields: string): string => `<x xmlns='jabber:x:data' type='result'>${fields}</x>`
const FORM_TYPE = "<field var='FORM_TYPE' type='hidden'><value>urn:xmpp:dataforms:softwareinfo</value></field>"
const PSI = `<identity xml:lang='en' category='client' name='Psi 0.11' type='pc'/>
  <identity xml:lang='el' category='client' name='Ψ 0.11' type='pc'/>
  <feature var='http://jabber.org/protocol/caps'/><feature var='http://jabber.org/protocol/disco#info'/>
  <feature var='http://jabber.org/protocol/disco#items'/><feature var='http://jabber.org/protocol/muc'/>
  ${form(`${FORM_TYPE}<field var='ip_version'><value>ipv4</value><value>ipv6</value></field>
    <field var='os'><value>Mac</value></field><field var='os_version'><value>10.5.1</value></field>
    <field var='software'><value>Psi</value></field><field var='software_version'><value>0.11</value></field>`)}`

test.each([
  ['§5.2 Exodus', EXODUS, 'QgayPKawpkPSDYmwT/WM94uAlu0='],
  ['§5.3 Psi, with languages and a form', PSI, 'q07IKJEyjvHSyhy//CH0CxmKi8w='],
])('XEP-0115 %s', (_clause, content, ver) => {
  expect(capsVer(info(content), sha1Base64)).toBe(ver)
})

test('XEP-0115 §5.2: the order in which things are said does not count', () => {
  const { identities, features } = info(EXODUS)
  expect(capsVer({ identities, features: features.toReversed() }, sha1Base64)).toBe('QgayPKawpkPSDYmwT/WM94uAlu0=')
})

test('XEP-0115 §5.1: octets are compared, not UTF-16', () => {
  const texts: string[] = []
  capsVer({ identities: [], features: ['\u{10000}', '\uffee', 'a'] }, (text) => texts.push(text).toString())
  expect(texts).toEqual(['a<\uffee<\u{10000}<'])
})

test.each([
  ['identities twice', "<identity category='a' type='b'/><identity category='a' type='b'/>"],
  ['features twice', "<feature var='a'/><feature var='a'/>"],
  ['forms of one type twice', form(FORM_TYPE) + form(FORM_TYPE)],
  ['a form of two types', form("<field var='FORM_TYPE' type='hidden'><value>a</value><value>b</value></field>")],
  ['a feature that holds two', "<feature var='a&lt;b'/>"],
  ['a value that holds two', form(`${FORM_TYPE}<field var='x'><value>a&lt;b</value></field>`)],
])('XEP-0115 §5.4 no proper answer: %s', (_name, content) => {
  expect(capsVer(info(content), sha1Base64)).toBeUndefined()
})

test.each([
  ['no type', form("<field var='x'><value>y</value></field>")],
  ['a type that is not hidden', form("<field var='FORM_TYPE'><value>a</value></field>")],
  ['something else', "<x xmlns='urn:x'/>"],
])('XEP-0115 §5.4 a form that does not count: %s', (_name, content) => {
  expect(capsVer(info(EXODUS + content), sha1Base64)).toBe('QgayPKawpkPSDYmwT/WM94uAlu0=')
})

test('XEP-0115 §4: goes out and comes back', () => {
  const caps = { hash: 'sha-1', node: 'http://code.google.com/p/exodus', ver: 'QgayPKawpkPSDYmwT/WM94uAlu0=' }
  const xml = serializeXml(capsElement(caps))
  expect(xml).toBe(
    "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='http://code.google.com/p/exodus' ver='QgayPKawpkPSDYmwT/WM94uAlu0='/>",
  )
  expect(parseCaps(document(`<presence xmlns='jabber:server'>${xml}</presence>`))).toEqual(caps)
  expect(capsNode(caps)).toBe('http://code.google.com/p/exodus#QgayPKawpkPSDYmwT/WM94uAlu0=')
})

test.each([
  ['of before version 1.4', "<c xmlns='http://jabber.org/protocol/caps' node='n' ver='v'/>"],
  ['another namespace', "<c xmlns='urn:x' hash='sha-1' node='n' ver='v'/>"],
  ['none', ''],
])('XEP-0115 §4 no caps: %s', (_name, content) => {
  expect(parseCaps(document(`<presence xmlns='jabber:server'>${content}</presence>`))).toBeUndefined()
})

test('XEP-0030 §3.1: the language of an identity is kept', () => {
  const said = { identities: [{ category: 'client', type: 'pc', name: 'Ψ', lang: 'el' }], features: [] }
  expect(parseDiscoInfo(document(serializeXml(discoInfoElement(said))))).toMatchObject(said)
})
