import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLog } from '@stox/kernel'
import { makeAuthority, makeCertificate, until } from '@stox/testkit'
import { formatStanza } from '@stox/xmpp'
import { startEdge, type Edge } from '../src/edge.ts'
import { edgeConfig, identityOf, nowhere, partnerServer } from './edge-support.ts'
import { SIP, XMPP, domain, partner, replicaOf } from './samples.ts'

/** What a partner hears from the edge itself, over real streams, while no gateway is there. @see mapping C.1, C.14 */

const JULIET = `juliet@${XMPP}/balcony`
const ROMEO = `romeo@${SIP}`

let directory: string
let edge: Edge
let them: Awaited<ReturnType<typeof partnerServer>>
const heard: string[] = []

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'stox-answers-'))
  const file = join(directory, 'replica.json')
  them = await partnerServer(XMPP, (stanza) => heard.push(formatStanza(stanza).replaceAll('"', "'")))
  const proxy = { host: '127.0.0.1', port: them.port }
  const plain = { tlsNegotiation: 'notSupported', saslNegotiation: 'notSupported', proxy }
  writeFileSync(file, JSON.stringify(replicaOf({ partners: [partner(XMPP, plain)] })))
  const inside = await makeAuthority('inside CA')
  const served = identityOf({ domains: [SIP], ...(await makeCertificate({ names: [SIP] })) })
  const linkTls = { ...(await makeCertificate({ names: ['127.0.0.1'], issuer: inside })), ca: inside.cert }
  edge = await startEdge(edgeConfig(served, linkTls, file), { log: silentLog, resolver: nowhere })
  them.knows(edge)
})
afterAll(async () => {
  await Promise.all([edge.close(), them.endpoint.close()])
  rmSync(directory, { recursive: true, force: true })
})

let asked = 0
/** The answer to a stanza and to the ping behind it, which comes after it. */
async function answerTo(stanza: (id: string) => string): Promise<string | undefined> {
  const id = `q${(asked += 1)}`
  const say = async (xml: string): Promise<void> => {
    expect(await them.endpoint.send(domain(XMPP), domain(SIP), xml, { maxWaitMs: 5000 })).toMatchObject({
      kind: 'sent',
    })
  }
  await say(stanza(id))
  await say(`<iq type='get' id='after-${id}' from='${JULIET}' to='${SIP}'><ping xmlns='urn:xmpp:ping'/></iq>`)
  await until(() => heard.some((text) => text.includes(`id='after-${id}'`)))
  const answers = heard.filter((text) => text.includes(`id='${id}'`))
  expect(answers.length).toBeLessThan(2)
  return answers[0]
}

const iq =
  (to: string, payload: string, type = 'get') =>
  (id: string) =>
    `<iq type='${type}' id='${id}' from='${JULIET}' to='${to}'>${payload}</iq>`
const INFO = `<query xmlns='http://jabber.org/protocol/disco#info'/>`
const ITEMS = `<query xmlns='http://jabber.org/protocol/disco#items'/>`
const PING = `<ping xmlns='urn:xmpp:ping'/>`
const GONE = `<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>`

test.each<[string, (id: string) => string, RegExp]>([
  ['C.14 disco#info', iq(SIP, INFO), /type='result'.*category='gateway' type='simple'/],
  ['C.14 disco#items', iq(SIP, ITEMS), /type='result'.*disco#items'\/>/],
  ['C.14 disco#items of a user', iq(ROMEO, ITEMS), /type='result'.*disco#items'\/>/],
  ['C.14 ping', iq(SIP, PING), /type='result'/],
  ['C.14 vcard-temp', iq(SIP, `<vCard xmlns='vcard-temp'/>`), /type='result'.*<FN>/],
  [
    'C.14 anything else',
    iq(ROMEO, `<jingle xmlns='urn:xmpp:jingle:1'/>`, 'set'),
    /type='cancel'.*<service-unavailable/,
  ],
  ['RFC 6120 §8.2.3 no payload', iq(SIP, ''), /<bad-request/],
  ['RFC 6120 §8.2.3 two payloads', iq(SIP, PING + INFO), /<bad-request/],
  ['RFC 6120 §8.2.3 an unknown type', iq(SIP, PING, 'fetch'), /<bad-request/],
  [
    'C.1 point 2: groupchat',
    (id) => `<message type='groupchat' id='${id}' from='${JULIET}' to='${ROMEO}'><body>x</body></message>`,
    /<message [^>]*type='error'.*<service-unavailable/,
  ],
])('%s', async (_clause, stanza, expected) => {
  const answer = await answerTo(stanza)
  expect(answer).toMatch(expected)
  expect(answer).toContain(`to='${JULIET}'`)
})

test.each<[string, (id: string) => string]>([
  ['RFC 6120 §8.3.1 an iq error', iq(SIP, GONE, 'error')],
  ['RFC 6120 §8.2.3 an iq result', iq(SIP, '', 'result')],
  ['a broken iq error', iq(SIP, '', 'error')],
])('nothing answers %s', async (_clause, stanza) => expect(await answerTo(stanza)).toBeUndefined())
