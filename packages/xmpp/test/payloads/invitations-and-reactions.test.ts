import { serializeXml } from '@stox/xml'
import {
  asksForVcard,
  asksForVersion,
  formatJid,
  parseInvitation,
  parseReactions,
  parseStanzaText,
  vcardElement,
  versionElement,
} from '@stox/xmpp'
import type { MessageStanza } from '@stox/xmpp'

const messageOf = (content: string): MessageStanza => {
  const stanza = parseStanzaText(
    `<message xmlns='jabber:server' from='a@xmpp.example/r' to='b@sip.example'>${content}</message>`,
  )
  if (!stanza.ok || stanza.value.kind !== 'message') throw new Error(content)
  return stanza.value
}
const mediated = (inside: string) => `<x xmlns='http://jabber.org/protocol/muc#user'>${inside}</x>`
const invite = (from: string, inside = '') => mediated(`<invite from='${from}'>${inside}</invite>`)

test.each<[string, string, readonly [string, string, string | undefined] | undefined]>([
  [
    'XEP-0249 §2',
    `<x xmlns='jabber:x:conference' jid='r@rooms.example' reason='why'/>`,
    ['a@xmpp.example/r', 'r@rooms.example', 'why'],
  ],
  [
    'XEP-0249 §2, no reason',
    `<x xmlns='jabber:x:conference' jid='r@rooms.example' reason=''/>`,
    ['a@xmpp.example/r', 'r@rooms.example', undefined],
  ],
  ['XEP-0045 §7.8.2', invite('c@xmpp.example', '<reason>why</reason>'), ['c@xmpp.example', 'a@xmpp.example/r', 'why']],
  [
    'XEP-0045 §7.8.2, no reason',
    invite('c@xmpp.example', '<reason/>'),
    ['c@xmpp.example', 'a@xmpp.example/r', undefined],
  ],
  [
    'both: that of the room',
    `<x xmlns='jabber:x:conference' jid='r@rooms.example'/>${invite('c@xmpp.example')}`,
    ['c@xmpp.example', 'a@xmpp.example/r', undefined],
  ],
  ['a room without a name', `<x xmlns='jabber:x:conference' jid='rooms.example'/>`, undefined],
  ['no room', `<x xmlns='jabber:x:conference'/>`, undefined],
  ['by nobody', mediated('<invite/>'), undefined],
  ['by what is no address', invite('@'), undefined],
  ['of another kind', `<x xmlns='urn:x' jid='r@rooms.example'/>`, undefined],
  ['a word in a room', mediated(''), undefined],
])('an invitation: %s', (_clause, content, expected) => {
  const invitation = parseInvitation(messageOf(content))
  expect(invitation && [formatJid(invitation.by), formatJid(invitation.room), invitation.reason]).toEqual(expected)
})

const reactions = (inside: string, id = `id='m1'`) =>
  `<reactions xmlns='urn:xmpp:reactions:0' ${id}>${inside}</reactions>`
test.each<[string, string, readonly string[] | undefined]>([
  ['a set', reactions('<reaction>👋</reaction><reaction> ❤️\n</reaction>'), ['👋', '❤️']],
  ['each once', reactions('<reaction>👋</reaction><reaction>👋</reaction>'), ['👋']],
  ['none: all are taken back', reactions(''), []],
  ['an empty one', reactions('<reaction/>'), []],
  ['what is no reaction', reactions(`<reaction xmlns='urn:x'>x</reaction><other>y</other>`), []],
  ['to nothing', reactions('<reaction>👋</reaction>', ''), undefined],
  ['to no id', reactions('<reaction>👋</reaction>', `id=''`), undefined],
  ['no reactions', `<reactions xmlns='urn:x' id='m1'/>`, undefined],
])('XEP-0444 §4: %s', (_what, content, emoji) => {
  const parsed = parseReactions(messageOf(content).element)
  expect(parsed).toEqual(emoji && { id: 'm1', emoji })
})

test('XEP-0054 §3, XEP-0092 §2: answers and questions', () => {
  const vcard = vcardElement({ FN: 'A <b>', NICKNAME: 'c' })
  expect(serializeXml(vcard)).toBe(`<vCard xmlns='vcard-temp'><FN>A &lt;b&gt;</FN><NICKNAME>c</NICKNAME></vCard>`)
  const version = versionElement({ name: 'stox', version: '1' })
  expect(serializeXml(version)).toBe(`<query xmlns='jabber:iq:version'><name>stox</name><version>1</version></query>`)
  expect([asksForVcard(vcard), asksForVcard(version)]).toEqual([true, false])
  expect([asksForVersion(vcard), asksForVersion(version)]).toEqual([false, true])
})
