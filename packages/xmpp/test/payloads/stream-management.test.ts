import { parseXmlDocument } from '@stox/xml'
import * as xmpp from '@stox/xmpp'

const parse = (text: string) => {
  const element = parseXmlDocument(text)
  if (!element.ok) throw new Error(element.failure.detail)
  return xmpp.parseStreamManagement(element.value)
}
const SM = `xmlns='urn:xmpp:sm:3'`

test.each([
  ['§3', xmpp.SM_ENABLE, { kind: 'enable' }],
  ['§3', `<enable ${SM} resume='true' max='60'/>`, { kind: 'enable' }],
  ['§3', xmpp.SM_ENABLED, { kind: 'enabled' }],
  ['§3', xmpp.formatSmFailed('unexpected-request'), { kind: 'failed' }],
  ['§4', xmpp.SM_REQUEST, { kind: 'request' }],
  ['§4', xmpp.formatSmAnswer(5), { kind: 'answer', h: 5 }],
  ['§4, modulo 2^32', xmpp.formatSmAnswer(2 ** 32 + 5), { kind: 'answer', h: 5 }],
  ['§4, the last before it begins again', `<a ${SM} h='4294967295'/>`, { kind: 'answer', h: 4_294_967_295 }],
  ['§4, no count', `<a ${SM}/>`, { kind: 'answer', h: undefined }],
  ['§4, too high for a count', `<a ${SM} h='4294967296'/>`, { kind: 'answer', h: undefined }],
  ['§5', `<resume ${SM} previd='x' h='1'/>`, { kind: 'resume' }],
  ['§5', `<resumed ${SM} previd='x' h='1'/>`, { kind: 'resumed' }],
  ['an older version of it', `<r xmlns='urn:xmpp:sm:2'/>`, undefined],
  ['what it does not know', `<b ${SM}/>`, undefined],
])('XEP-0198 %s: %s', (_clause, text, read) => expect(parse(text)).toEqual(read))

test('XEP-0198 §6: a stream error says both counts', () => {
  const error = { condition: 'undefined-condition', text: undefined } as const
  expect(xmpp.formatStreamError({ ...error, application: xmpp.handledTooHighElement(10, 2 ** 32 + 8) })).toMatch(
    /<undefined-condition [^>]*\/><handled-count-too-high xmlns='urn:xmpp:sm:3' h='10' send-count='8'\/><\/stream:error>$/,
  )
})
