import { localDomainSchema } from '@stox/federation'
import { newSipRequest } from '@stox/sip'
import type { SipHeaderEntry, SipRequest, SipResponse } from '@stox/sip'
import { formatJid, parseNick } from '@stox/xmpp'
import type { PresenceKeeper } from '../src/keep-presence.ts'
import { addr, incomingOf, indexFor, newStage, presenceKeeper, presenceOf, respondTo, settle } from './stage.ts'
import type { Stage } from './stage.ts'

const ROMEO = 'romeo@montague.example' // on XMPP
const JULIET = 'juliet@capulet.example' // on SIP
const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE
const NS_STANZAS = 'urn:ietf:params:xml:ns:xmpp-stanzas'

class World {
  readonly stage: Stage = newStage()
  readonly keeper: PresenceKeeper
  #cseq = 0
  #notified = 0
  #refreshes = 1
  #last: SipResponse | undefined

  constructor(presence: Readonly<Record<string, unknown>> = {}) {
    const domain = { domain: 'capulet.example', route: 'sip:127.0.0.1:5060;transport=udp', presence }
    const localDomains = [localDomainSchema.parse(domain)]
    this.keeper = presenceKeeper(this.stage, indexFor('federated', { localDomains }), 0)
  }

  async xmpp(attributes: string, content = '', from = ROMEO, to = JULIET) {
    const xml = `<presence xmlns='jabber:server' from='${from}' to='${to}' ${attributes}>${content}</presence>`
    const outcome = await this.keeper.takePresence(presenceOf(xml))
    await settle()
    return outcome
  }

  heard(): string[] {
    return this.stage.link.take().map((stanza) => {
      if (stanza.kind !== 'presence') throw new Error(stanza.kind)
      const more = [stanza.id?.startsWith('p') === true ? `id ${stanza.id}` : '', stanza.show ?? '']
      if (stanza.type === 'error') more.push(stanza.error?.condition ?? '')
      return [stanza.type, formatJid(stanza.from), '>', formatJid(stanza.to), ...more].filter(Boolean).join(' ')
    })
  }

  asked(): string[] {
    return this.stage.sip
      .take()
      .map((request) =>
        request.method === 'NOTIFY'
          ? `NOTIFY ${request.headers.get('Subscription-State')?.replace(/;expires=\d+/, '')}`
          : `${request.method} ${request.headers.get('Expires')}`,
      )
  }

  async wait(ms: number): Promise<void> {
    const step = Math.max(500, ms / 500)
    for (let left = ms; left > 0; left -= step) {
      this.stage.time.advance(Math.min(step, left))
      await settle()
    }
  }

  async sip(request: SipRequest): Promise<number | undefined> {
    const { incoming, responses } = incomingOf(request)
    if (request.method === 'NOTIFY') this.keeper.takeNotify(incoming)
    else this.keeper.takeSubscribe(incoming)
    await settle()
    const [response] = responses
    if (response === undefined || responses.length > 1) throw new Error(`${responses.length} responses`)
    if (request.method === 'SUBSCRIBE' && !request.core.to.params.has('tag')) this.#last = response
    return response.status
  }

  /** Within the last dialog. */
  refresh(): SipRequest {
    if (this.#last === undefined) throw new Error('no dialog')
    const { from, to, callId } = this.#last.core
    const headers: SipHeaderEntry[] = [
      ['Event', 'presence'],
      ['Expires', '3600'],
      ['Contact', '<sip:juliet@127.0.0.1:5070>'],
    ]
    const cseq = (this.#refreshes += 1)
    return newSipRequest({ method: 'SUBSCRIBE', uri: `sip:${ROMEO}`, from, to, callId, cseq, headers })
  }

  /** In the dialog that the SUBSCRIBE of ours opens. */
  notify(
    subscribe: SipRequest,
    state: string,
    body = '',
    contentType = 'application/pidf+xml',
  ): Promise<number | undefined> {
    return this.sip(
      newSipRequest({
        method: 'NOTIFY',
        uri: subscribe.headers.get('Contact')?.replace(/^<|>$/g, '') ?? '',
        from: addr(`<sip:${JULIET}>`, 'peer'),
        to: subscribe.core.from,
        callId: subscribe.core.callId,
        cseq: (this.#notified += 1),
        headers: [
          ['Event', 'presence'],
          ['Subscription-State', state],
          ['Contact', '<sip:juliet@127.0.0.1:5060>'],
        ],
        ...(body === '' ? {} : { contentType, body }),
      }),
    )
  }

  subscribe(more: readonly SipHeaderEntry[] = [], uri = `sip:${ROMEO}`, from = `<sip:${JULIET}>`): SipRequest {
    const headers = new Map<string, string>([
      ['Event', 'presence'],
      ['Expires', '3600'],
      ['Contact', '<sip:juliet@127.0.0.1:5070>'],
      ['Accept', 'application/pidf+xml'],
      ...more,
    ])
    return newSipRequest({
      method: 'SUBSCRIBE',
      uri,
      from: addr(from, 'j1'),
      to: addr(`<${uri}>`),
      callId: `rows-${(this.#cseq += 1)}`,
      cseq: 1,
      headers: [...headers].filter(([, value]) => value !== ''),
    })
  }
}

const pidf = (...devices: readonly string[]): string =>
  `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="pres:${JULIET}">${devices
    .map((id) => `<tuple id="${id}"><status><basic>open</basic></status></tuple>`)
    .join('')}</presence>`

/** Romeo has asked; the SIP side says so much of it. */
async function romeoAsks(state: string, ...devices: readonly string[]): Promise<readonly [World, SipRequest]> {
  const at = new World()
  await at.xmpp("type='subscribe' id='s1'")
  const [subscribe] = at.stage.sip.take()
  if (subscribe === undefined) throw new Error('no SUBSCRIBE')
  await at.notify(subscribe, state, devices.length === 0 ? '' : pidf(...devices))
  at.heard()
  return [at, subscribe]
}
const romeoWatches = () => romeoAsks('active;expires=3600', 'desk')

const error = (condition: string, type: string): string =>
  `<error type='${type}'><${condition} xmlns='${NS_STANZAS}'/></error>`

describe('mapping D.9, RFC 6121 §4.3.2: a probe to one device', () => {
  const orchard = `${ROMEO}/orchard`
  test.each([
    ['that is there: no more than that', 'desk', `available ${JULIET}/desk > ${orchard}`],
    ['that is not: unavailable, with the id of the probe', 'phone', `unavailable ${JULIET}/phone > ${orchard} id p1`],
  ])('%s', async (_case, resource, answer) => {
    const at = new World()
    await at.xmpp("type='subscribe' id='s1'")
    const [subscribe] = at.stage.sip.take()
    if (subscribe === undefined) throw new Error('no SUBSCRIBE')
    const away = pidf('desk', 'tablet').replace('</basic>', '</basic><show xmlns="jabber:client">away</show>')
    await at.notify(subscribe, 'active;expires=3600', away)
    at.heard()
    await at.xmpp("type='probe' id='p1'", '', orchard, `${JULIET}/${resource}`)
    expect(at.heard()).toEqual([answer])
  })
  test('before anything is known: when it is', async () => {
    const at = new World()
    await at.xmpp("type='probe' id='p1'", '', orchard, `${JULIET}/desk`)
    const [poll] = at.stage.sip.take()
    if (poll === undefined) throw new Error('no SUBSCRIBE')
    await at.notify(poll, 'terminated;reason=timeout', pidf('desk', 'phone'))
    expect(at.heard()).toEqual([`available ${JULIET}/desk > ${orchard}`])
  })
})

describe('mapping D.4: what the XMPP side hears when the notifier ends a subscription', () => {
  const gone = [`unavailable ${JULIET}/desk > ${ROMEO}`]
  const over = [...gone, `unsubscribed ${JULIET} > ${ROMEO}`]
  const subscribes = ['SUBSCRIBE 3600']
  // What is heard at once, what is asked at once; what is heard within the two minutes after; what is asked within an hour.
  test.each<[string, readonly string[], readonly string[], readonly string[], boolean]>([
    ['terminated;reason=deactivated', [], [], gone, true],
    ['terminated;reason=probation', [], [], gone, true],
    ['terminated;reason=probation;retry-after=7200', [], [], gone, false],
    ['terminated;reason=rejected', over, [], [], false],
    ['terminated;reason=timeout', [], subscribes, gone, true],
    ['terminated;reason=giveup', [], [], gone, false],
    ['terminated;reason=giveup;retry-after=60', [], [], gone, true],
    ['terminated;reason=noresource', over, [], [], false],
    ['terminated;reason=invariant', [], [], [], false],
    ['terminated;reason=badfilter', [], [], gone, false],
    ['terminated', [], [], gone, true],
    ['terminated;reason=whim', [], [], gone, true],
    ['terminated;reason=whim;retry-after=7200', [], [], gone, false],
  ])('%s', async (state, heardNow, askedNow, heardLater, tried) => {
    const [at, subscribe] = await romeoWatches()
    at.stage.sip.answer = (request) => respondTo(request, 480)
    expect(await at.notify(subscribe, state)).toBe(200)
    expect(at.heard()).toEqual(heardNow)
    expect(at.asked()).toEqual(askedNow)
    await at.wait(2 * MINUTE)
    expect(at.heard()).toEqual(heardLater)
    const soon = at.asked()
    await at.wait(57 * MINUTE)
    expect([...askedNow, ...soon, ...at.asked()].length > 0).toBe(tried)
  })
  test('the last word of a subscription is heard before it ends', async () => {
    const [at, subscribe] = await romeoWatches()
    await at.notify(subscribe, 'terminated;reason=deactivated', pidf('desk', 'phone'))
    expect(at.heard()).toEqual([`available ${JULIET}/phone > ${ROMEO}`])
  })
})

describe('mapping D.5: responses to SUBSCRIBE, as the XMPP side hears of them', () => {
  const told = (status: number, sent: string): [number, readonly string[]] => [status, [`${sent} ${JULIET} > ${ROMEO}`]]
  const refused = (status: number) => told(status, 'unsubscribed')
  test.each<[number, readonly string[]]>([
    ...[401, 403, 404, 405, 407, 410, 489, 501, 603, 604].map(refused),
    [406, [`error ${JULIET} > ${ROMEO} not-acceptable`]],
    ...[408, 416, 480, 481, 482, 483, 484, 485, 500, 503, 504, 600].map((status): [number, readonly string[]] => [
      status,
      [],
    ]),
  ])('%d to the first one', async (status, heard) => {
    const at = new World()
    at.stage.sip.answer = (request) => respondTo(request, status)
    await at.xmpp("type='subscribe' id='s1'")
    expect(at.heard()).toEqual(heard)
    // Once for each request: what is tried again by itself is told no more.
    await at.wait(5 * MINUTE)
    expect(at.heard()).toEqual([])
  })
})

describe('mapping D.5, D.14: what a NOTIFY is answered, by its body', () => {
  test.each([
    ['PIDF', 'application/pidf+xml', pidf('desk', 'phone'), 200, 1],
    ['PIDF as Lync names it', 'text/xml+msrtc.pidf', pidf('desk', 'phone'), 200, 1],
    ['PIDF with a parameter', 'Application/PIDF+XML;charset=UTF-8', pidf('desk', 'phone'), 200, 1],
    ['another type', 'application/xpidf+xml', pidf('desk', 'phone'), 415, 0],
    ['categories of Lync', 'application/msrtc-event-categories+xml', '<categories/>', 415, 0],
    ['no PIDF', 'application/pidf+xml', '<presence/>', 400, 0],
    ['no XML', 'application/pidf+xml', '<', 400, 0],
  ])('%s', async (_case, contentType, body, status, news) => {
    const [at, subscribe] = await romeoWatches()
    expect(await at.notify(subscribe, 'active;expires=3600', body, contentType)).toBe(status)
    expect(at.heard()).toHaveLength(news)
  })
})

describe('mapping D.2: the server of the watcher says that he is no more', () => {
  test.each([
    ['item-not-found', 'cancel', true],
    ['remote-server-not-found', 'cancel', true],
    ['service-unavailable', 'cancel', true],
    ['gone', 'cancel', true],
    ['remote-server-timeout', 'wait', false],
    ['resource-constraint', 'wait', false],
  ])('%s', async (condition, type, ends) => {
    const [at] = await romeoWatches()
    at.asked()
    await at.xmpp("type='error' id='x2s-1'", error(condition, type))
    expect(at.asked()).toEqual(ends ? ['SUBSCRIBE 0'] : [])
    expect(at.heard()).toEqual([])
  })
})

describe('mapping D.3: what the contact’s side says while a SIP user waits', () => {
  test.each([
    ['subscribed', "type='subscribed'", '', ROMEO, ['NOTIFY active']],
    ['available from a device: he has agreed', '', '', `${ROMEO}/orchard`, ['NOTIFY active']],
    ['available from the bare address: not yet', '', '', ROMEO, []],
    ['Prosody’s word for "I have it": unavailable from the bare address', "type='unavailable'", '', ROMEO, []],
    ['unavailable from a device', "type='unavailable'", '', `${ROMEO}/orchard`, []],
    ['unsubscribed', "type='unsubscribed'", '', ROMEO, ['NOTIFY terminated;reason=rejected']],
    ['subscribe, of the other direction', "type='subscribe'", '', ROMEO, ['SUBSCRIBE 3600']],
    ...[
      ['item-not-found', 'cancel', 'noresource'],
      ['gone', 'cancel', 'noresource'],
      ['remote-server-not-found', 'cancel', 'noresource'],
      ['service-unavailable', 'cancel', 'noresource'],
      ['remote-server-timeout', 'wait', 'probation;retry-after=300'],
      ['resource-constraint', 'wait', 'probation;retry-after=300'],
      ['internal-server-error', 'cancel', 'probation;retry-after=300'],
      ['policy-violation', 'wait', 'probation;retry-after=300'],
      ['forbidden', 'auth', 'rejected'],
      ['not-allowed', 'cancel', 'rejected'],
      ['policy-violation', 'modify', 'rejected'],
    ].map(([condition = '', type = '', reason = '']): [string, string, string, string, readonly string[]] => [
      `an error: ${condition}, ${type}`,
      "type='error' id='s2x-1'",
      error(condition, type),
      ROMEO,
      [`NOTIFY terminated;reason=${reason}`],
    ]),
  ] as [string, string, string, string, readonly string[]][])('%s', async (_what, attributes, content, from, asked) => {
    const at = new World()
    expect(await at.sip(at.subscribe())).toBe(200)
    expect(at.asked()).toEqual(['NOTIFY pending'])
    await at.xmpp(attributes, content, from)
    expect(at.asked().slice(0, 1)).toEqual(asked)
  })

  test('a refusal holds for an hour, then he may ask again', async () => {
    const at = new World()
    await at.sip(at.subscribe())
    await at.xmpp("type='unsubscribed'")
    at.heard()
    expect(await at.sip(at.subscribe())).toBe(403)
    expect(at.heard()).toEqual([])
    await at.wait(61 * MINUTE)
    expect(await at.sip(at.subscribe())).toBe(200)
    expect(at.heard()).toEqual([`subscribe ${JULIET} > ${ROMEO}`])
  })

  test('who never answers is asked again once a day at most', async () => {
    const at = new World()
    await at.sip(at.subscribe())
    await at.sip(at.subscribe())
    expect(at.heard()).toEqual([`subscribe ${JULIET} > ${ROMEO}`])
    await at.wait(DAY + MINUTE)
    at.heard()
    await at.sip(at.subscribe())
    await at.sip(at.subscribe())
    expect(at.heard()).toEqual([`subscribe ${JULIET} > ${ROMEO}`])
  })

  test('who never answers: it is given up after 30 days of waiting', async () => {
    const at = new World()
    await at.sip(at.subscribe())
    for (let times = 0; times < 30 * 48; times += 1) {
      at.stage.time.advance(30 * MINUTE)
      await at.sip(at.refresh())
    }
    expect(new Set(at.asked())).toEqual(new Set(['NOTIFY pending']))
    at.stage.time.advance(MINUTE)
    expect(await at.sip(at.refresh())).toBe(200)
    expect(at.asked().at(-1)).toBe('NOTIFY terminated;reason=giveup;retry-after=86400')
  })

  test.each([
    ['his name', '"Juliet \\"C.\\"" <sip:juliet@capulet.example>', 'Juliet "C."'],
    ['what would read as another name is taken out', '"evil\u202Elive" <sip:juliet@capulet.example>', 'evillive'],
    ['none', '<sip:juliet@capulet.example>', undefined],
  ])('XEP-0172: the request carries %s', async (_what, from, nick) => {
    const at = new World()
    await at.sip(at.subscribe([], `sip:${ROMEO}`, from))
    const [stanza] = at.stage.link.take()
    if (stanza === undefined) throw new Error('no request')
    expect(parseNick(stanza.element)).toBe(nick)
  })
})

describe('mapping D.5: what a SUBSCRIBE is answered', () => {
  test.each<[string, readonly SipHeaderEntry[], string, number]>([
    ['as it should be', [], `sip:${ROMEO}`, 200],
    ['no Accept means PIDF', [['Accept', '']], `sip:${ROMEO}`, 200],
    ['Accept without PIDF', [['Accept', 'application/xpidf+xml']], `sip:${ROMEO}`, 406],
    ['Event of another kind', [['Event', 'dialog']], `sip:${ROMEO}`, 489],
    ['no Event', [['Event', '']], `sip:${ROMEO}`, 489],
    ['too brief', [['Expires', '10']], `sip:${ROMEO}`, 423],
    ['no Expires: the default', [['Expires', '']], `sip:${ROMEO}`, 200],
    ['to a domain that is no partner', [], 'sip:x@stranger.example', 403],
    ['to a domain of ours', [], 'sip:x@capulet.example', 403],
    ['to nobody in particular', [], 'sip:montague.example', 404],
    ['sips', [], 'sips:romeo@montague.example', 480],
    ['an address that cannot be', [], 'sip:%00@montague.example', 400],
  ])('%s', async (_case, headers, uri, status) => {
    const at = new World()
    expect(await at.sip(at.subscribe(headers, uri))).toBe(status)
    if (status !== 200) expect(at.heard()).toEqual([])
  })
})

test.each([
  [true, [`available ${JULIET}/desk > ${ROMEO} dnd`]],
  [false, [`available ${JULIET}/desk > ${ROMEO}`]],
])('mapping D.7: a status in words alone, where the domain wants it read: %s', async (noteHeuristics, heard) => {
  const at = new World({ noteHeuristics })
  await at.xmpp("type='subscribe' id='s1'")
  const [subscribe] = at.stage.sip.take()
  if (subscribe === undefined) throw new Error('no SUBSCRIBE')
  await at.notify(subscribe, 'active;expires=3600', pidf('desk').replace('</tuple>', '<note>Busy</note></tuple>'))
  expect(at.heard().slice(1)).toEqual(heard)
})

test('mapping E.2, RFC 7702 §4: who would enter a room is told that there is none, and is not there for it', async () => {
  const at = new World()
  await at.sip(at.subscribe())
  await at.xmpp("type='subscribed'")
  at.asked()
  const join = `<x xmlns='http://jabber.org/protocol/muc'/>`
  expect(await at.xmpp("id='j1'", join, `${ROMEO}/orchard`, `${JULIET}/thirdwitch`)).toMatchObject({
    kind: 'bounced',
    failure: { condition: 'service-unavailable', errorType: 'cancel' },
  })
  expect(at.asked()).toEqual([])
})
