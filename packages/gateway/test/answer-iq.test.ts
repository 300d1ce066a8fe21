import { FederationIndex, localDomainSchema, xmppPartnerSchema } from '@stox/federation'
import { createHash } from 'node:crypto'
import { capsVer, formatJid, formatStanza, newPresence, parseCaps, parseDiscoInfo, parseJid } from '@stox/xmpp'
import type { DiscoInfo, IqStanza, Jid, PresenceStanza } from '@stox/xmpp'
import { answerIq } from '../src/answer-iq.ts'
import { DisplayNames } from '../src/display-names.ts'
import { SipAbilities } from '../src/sip-abilities.ts'
import { SipCaps } from '../src/sip-caps.ts'
import { modelFor, newStage, stanzaOf } from './stage.ts'

const jidOf = (text: string): Jid => {
  const jid = parseJid(text)
  if (!jid.ok) throw new Error(text)
  return jid.value
}
const INFO = `<query xmlns='http://jabber.org/protocol/disco#info'/>`
const PING = `<ping xmlns='urn:xmpp:ping'/>`
const iqOf = (to: string, payload: string, type = 'get'): IqStanza => {
  const stanza = stanzaOf(
    `<iq xmlns='jabber:server' type='${type}' id='q1' from='romeo@montague.example/orchard' to='${to}'>${payload}</iq>`,
  )
  if (stanza.kind !== 'iq') throw new Error(to)
  return stanza
}

/** What Romeo hears; undefined: that there is no such service. */
async function asked(
  iq: IqStanza,
  shown: readonly string[] | undefined,
  more: {
    readonly messages?: object
    readonly presence?: object
    readonly features?: object
    readonly html?: boolean
    readonly name?: string
  } = {},
): Promise<string | undefined> {
  const stage = newStage()
  const index = new FederationIndex(
    modelFor('federated', {
      partners: [xmppPartnerSchema.parse({ domain: 'montague.example', features: more.features ?? {} })],
      localDomains: [
        localDomainSchema.parse({
          domain: 'capulet.example',
          route: 'sip:127.0.0.1',
          messages: more.messages ?? {},
          presence: more.presence ?? {},
        }),
      ],
    }),
  )
  const abilities = new SipAbilities(stage.time)
  if (more.html === true) abilities.note(iq.to, 'html', true)
  const names = new DisplayNames()
  names.note(iq.to, more.name)
  const { ids, link } = stage
  const caps = new SipCaps({ abilities, index: () => index })
  const outcome = await answerIq(
    { ids, link, caps, names, index: () => index, giveUpMs: 1000, shownResources: () => shown },
    iq,
  )
  const [stanza] = link.take()
  if (stanza === undefined) {
    const condition = iq.payload?.name === 'vCard' ? 'item-not-found' : 'service-unavailable'
    expect(outcome).toMatchObject({ kind: 'bounced', failure: { condition } })
    return undefined
  }
  expect(outcome).toEqual({ kind: 'absorbed', reason: 'answered-here' })
  expect([stanza.id, stanza.type, formatJid(stanza.to)]).toEqual(['q1', 'result', 'romeo@montague.example/orchard'])
  return formatStanza(stanza)
}

const BARE = 'juliet@capulet.example'
const FULL = 'juliet@capulet.example/desk'

describe('mapping C.14: on behalf of SIP users', () => {
  test.each([
    ['an account, to who may see it', BARE, INFO, ['desk'], /category='account' type='registered'/],
    ['an account that is offline', BARE, INFO, [], /category='account'/],
    ['a device', FULL, INFO, ['desk'], /category='client' type='phone'.*chatstates/],
    ['a ping', FULL, PING, ['desk'], /type='result'/],
    ['a ping to the account', BARE, PING, [], /type='result'/],
    ['to strangers, nothing', BARE, INFO, undefined, undefined],
    ['to strangers, no device', FULL, INFO, undefined, undefined],
    ['a device that is not there', FULL, INFO, ['phone'], undefined],
    ['a ping to one', FULL, PING, [], undefined],
    ['a node that we do not know', FULL, INFO.replace('/>', ` node='x'/>`), ['desk'], undefined],
    ['anything else', FULL, `<query xmlns='jabber:iq:last'/>`, ['desk'], undefined],
  ] as const)('%s', async (_what, to, payload, shown, answer) => {
    const got = (await asked(iqOf(to, payload), shown))?.replaceAll('"', "'")
    if (answer === undefined) expect(got).toBeUndefined()
    else expect(got).toMatch(answer)
  })
  const VCARD = `<vCard xmlns='vcard-temp'/>`
  const MAY = { presence: { vcards: true }, name: ' Juliet \u202e\nC' }
  test.each([
    ['the account, the name', BARE, ['desk'], MAY, /<FN>Juliet C<\/FN><NICKNAME>Juliet C<\/NICKNAME>/],
    ['a device, the same', FULL, ['desk'], MAY, /<FN>Juliet C</],
    ['a device that is not there', FULL, ['phone'], MAY, undefined],
    ['strangers', BARE, undefined, MAY, undefined],
    ['where the domain does not want it', BARE, ['desk'], { name: 'Juliet' }, undefined],
    ['of who has no name', BARE, ['desk'], { presence: { vcards: true } }, undefined],
    ['of a name without characters', BARE, ['desk'], { presence: { vcards: true }, name: '\u202e ' }, undefined],
  ] as const)('XEP-0054, a vCard: %s', async (_what, to, shown, more, answer) => {
    const got = await asked(iqOf(to, VCARD), shown, more)
    if (answer === undefined) expect(got).toBeUndefined()
    else expect(got).toMatch(answer)
  })
  test('set is nothing that they take', async () =>
    expect(await asked(iqOf(FULL, `<q xmlns='urn:x'/>`, 'set'), ['desk'])).toBeUndefined())

  test.each([
    ['typing', {}, 'http://jabber.org/protocol/chatstates', true],
    [
      'typing that the partner may not',
      { features: { typing: false } },
      'http://jabber.org/protocol/chatstates',
      false,
    ],
    ['receipts of who takes CPIM', { messages: { reports: 'always' } }, 'urn:xmpp:receipts', true],
    ['receipts of who has shown none', {}, 'urn:xmpp:receipts', false],
    ['markers', { messages: { reports: 'always' } }, 'urn:xmpp:chat-markers:0', true],
    [
      'markers that the partner may not',
      { messages: { reports: 'always' }, features: { receipts: false } },
      'urn:xmpp:chat-markers:0',
      false,
    ],
    ['HTML', { messages: { html: 'learned' }, html: true }, 'http://jabber.org/protocol/xhtml-im', true],
    ['HTML that is not wanted', { html: true }, 'http://jabber.org/protocol/xhtml-im', false],
  ])('%s', async (_what, more, feature, has) =>
    expect((await asked(iqOf(FULL, INFO), ['desk'], more))?.includes(feature)).toBe(has),
  )
})

describe('XEP-0115, mapping C.14: what a SIP user takes stands in his presence', () => {
  const world = () => {
    const stage = newStage()
    const index = new FederationIndex(modelFor())
    const abilities = new SipAbilities(stage.time)
    const caps = new SipCaps({ abilities, index: () => index })
    const presenceOf = (resource: string, type?: 'unavailable'): PresenceStanza['element'] =>
      caps.withCaps(newPresence({ from: jidOf(`${BARE}${resource}`), to: jidOf('romeo@montague.example'), type }))
        .element
    const ask = async (node: string, shown: readonly string[] | undefined): Promise<DiscoInfo | undefined> => {
      const payload = `<query xmlns='http://jabber.org/protocol/disco#info' node='${node}'/>`
      const { ids, link } = stage
      const names = new DisplayNames()
      await answerIq(
        { ids, link, caps, names, index: () => index, giveUpMs: 1000, shownResources: () => shown },
        iqOf(FULL, payload),
      )
      const [stanza] = link.take()
      return stanza?.kind === 'iq' && stanza.payload !== undefined ? parseDiscoInfo(stanza.payload) : undefined
    }
    return { abilities, caps, presenceOf, ask }
  }
  const sha1 = (text: string): string => createHash('sha1').update(text).digest('base64')

  test('§6.2: the answer for node#ver comes to that ver, and says which node', async () => {
    const at = world()
    const caps = parseCaps(at.presenceOf('/desk'))
    if (caps === undefined) throw new Error('no caps')
    expect(caps).toMatchObject({ hash: 'sha-1', node: expect.stringMatching(/^\w+:/) })
    const info = await at.ask(`${caps.node}#${caps.ver}`, ['desk'])
    if (info === undefined) throw new Error('no answer')
    expect(info.node).toBe(`${caps.node}#${caps.ver}`)
    expect(capsVer(info, sha1)).toBe(caps.ver)
    expect(info.features).toContain('http://jabber.org/protocol/chatstates')
  })
  test('§5.1: another ver once he takes more; what the old one meant can still be asked', async () => {
    const at = world()
    const before = parseCaps(at.presenceOf('/desk'))
    at.abilities.note(jidOf(BARE), 'cpim', true)
    const after = parseCaps(at.presenceOf('/desk'))
    expect(after?.ver).not.toBe(before?.ver)
    expect((await at.ask(`${before?.node}#${before?.ver}`, ['desk']))?.features).not.toContain('urn:xmpp:receipts')
    expect((await at.ask(`${after?.node}#${after?.ver}`, ['desk']))?.features).toContain('urn:xmpp:receipts')
  })
  test('a device without a name has them too', () => expect(parseCaps(world().presenceOf(''))).toBeDefined())
  test('who is not there takes nothing', () =>
    expect(parseCaps(world().presenceOf('/desk', 'unavailable'))).toBeUndefined())
  test.each([
    ['a ver that was never said', (said: string) => `${said}x`, ['desk']],
    ['strangers', (said: string) => said, undefined],
  ])('%s: there is no such service', async (_what, change, shown) => {
    const at = world()
    const caps = parseCaps(at.presenceOf('/desk'))
    expect(await at.ask(change(`${caps?.node}#${caps?.ver}`), shown)).toBeUndefined()
  })
})
