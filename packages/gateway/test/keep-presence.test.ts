import { lossyUtf8Text } from '@stox/kernel'
import type { PartnerType } from '@stox/federation'
import { newSipRequest, parsePidf } from '@stox/sip'
import type { SipHeaderEntry, SipRequest, SipResponse } from '@stox/sip'
import { formatJid } from '@stox/xmpp'
import type { PresenceKeeper } from '../src/keep-presence.ts'
import {
  addr,
  bounceWith,
  incomingOf,
  indexFor,
  newStage,
  presenceKeeper,
  presenceOf,
  respondTo,
  settle,
} from './stage.ts'
import type { Stage } from './stage.ts'

const ROMEO = 'romeo@montague.example' // on XMPP
const JULIET = 'juliet@capulet.example' // on SIP

const keeperOn = (stage: Stage, partnerType: PartnerType = 'federated'): PresenceKeeper =>
  presenceKeeper(stage, indexFor(partnerType))

interface World {
  readonly stage: Stage
  keeper: PresenceKeeper
}
function world(partnerType: PartnerType = 'federated'): World {
  const stage = newStage()
  return { stage, keeper: keeperOn(stage, partnerType) }
}

/** A presence stanza from the XMPP side. */
async function xmpp(at: World, attributes: string, content = '', from = ROMEO) {
  const xml = `<presence xmlns='jabber:server' from='${from}' to='${JULIET}' ${attributes}>${content}</presence>`
  const outcome = await at.keeper.takePresence(presenceOf(xml))
  await settle()
  return outcome
}

/** What the XMPP side heard, in short. */
function heard(at: World): string[] {
  return at.stage.link.take().map((stanza) => {
    if (stanza.kind !== 'presence') throw new Error(stanza.kind)
    const words = [stanza.type, formatJid(stanza.from), '>', formatJid(stanza.to)]
    if (stanza.show !== undefined) words.push(stanza.show)
    for (const status of stanza.statuses) words.push(`"${status.text}"`)
    if (stanza.type === 'error') words.push(stanza.error?.condition ?? '')
    return words.join(' ')
  })
}

/** What the SIP side was asked, in short. */
function asked(at: World): SipRequest[] {
  return [...at.stage.sip.take()]
}
const inShort = (request: SipRequest): string =>
  request.method === 'NOTIFY'
    ? `NOTIFY ${request.headers.get('Subscription-State')?.replace(/;expires=\d+/, '')} ${tuplesOf(request)}`.trim()
    : `${request.method} ${request.uri} ${request.headers.get('Expires') ?? ''}`.trim()
const tuplesOf = (request: SipRequest): string => {
  if (request.body.length === 0) return ''
  const pidf = parsePidf(request.body)
  if (!pidf.ok) return 'unreadable'
  return pidf.value.tuples
    .map((tuple) =>
      [tuple.id, tuple.basic, tuple.show, ...tuple.notes.map((note) => `"${note.text}"`)].filter(Boolean).join(':'),
    )
    .join(' ')
}

/** One side of the dialog that a SUBSCRIBE of ours opens. */
class Notifier {
  readonly #subscribe: SipRequest
  #cseq = 0
  constructor(subscribe: SipRequest) {
    this.#subscribe = subscribe
  }
  notify(state: string, body = '', headers: readonly SipHeaderEntry[] = []): SipRequest {
    const { from, callId } = this.#subscribe.core
    const contact = this.#subscribe.headers.get('Contact') ?? ''
    return newSipRequest({
      method: 'NOTIFY',
      uri: contact.replace(/^<|>$/g, ''),
      from: addr(`<sip:juliet@capulet.example>`, 'peer'),
      to: from,
      callId,
      cseq: (this.#cseq += 1),
      headers: [
        ['Event', 'presence'],
        ['Subscription-State', state],
        ['Contact', '<sip:juliet@127.0.0.1:5060>'],
        ...headers,
      ],
      ...(body === '' ? {} : { contentType: 'application/pidf+xml', body }),
    })
  }
}
async function notify(at: World, request: SipRequest): Promise<number | undefined> {
  const { incoming, responses } = incomingOf(request)
  at.keeper.takeNotify(incoming)
  await settle()
  expect(responses).toHaveLength(1)
  return responses[0]?.status
}
const pidf = (...tuples: string[]): string =>
  `<?xml version="1.0"?><presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="pres:${JULIET}">${tuples.join('')}</presence>`
const open = (id: string, show = '', note = ''): string =>
  `<tuple id="${id}"><status><basic>open</basic>${show === '' ? '' : `<show xmlns="jabber:client">${show}</show>`}</status>${note === '' ? '' : `<note>${note}</note>`}</tuple>`
const closed = (id: string): string => `<tuple id="${id}"><status><basic>closed</basic></status></tuple>`

async function wait(at: World, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 500) {
    at.stage.time.advance(Math.min(500, left))
    await settle()
  }
}

/** Romeo has asked and was let in; Juliet is at her desk. */
async function romeoWatches(at: World): Promise<Notifier> {
  await xmpp(at, "type='subscribe' id='s1'")
  const [subscribe] = asked(at)
  if (subscribe === undefined) throw new Error('no SUBSCRIBE')
  const notifier = new Notifier(subscribe)
  await notify(at, notifier.notify('active;expires=3600', pidf(open('desk'))))
  return notifier
}

describe('an XMPP user watches a SIP user', () => {
  test('D.2: pending, approved, available, away with a status, busy, offline, removed [8048-4.1.1 8048-5.2.1 8048-5.2.3 8048-5.2.7 8048-5.2.8 8048-6.3 8048-6.4 8048-4.3.from 8048-4.3.to]', async () => {
    const at = world()
    expect(await xmpp(at, "type='subscribe' id='s1'")).toEqual({ kind: 'absorbed', reason: 'presence-kept' })
    const [subscribe] = asked(at)
    if (subscribe === undefined) throw new Error('no SUBSCRIBE')
    expect(inShort(subscribe)).toBe(`SUBSCRIBE sip:${JULIET} 3600`)
    expect(subscribe.headers.get('Event')).toBe('presence')
    expect(subscribe.headers.get('Accept')).toBe('application/pidf+xml')
    expect(subscribe.headers.get('Contact')).toBe('<sip:romeo@127.0.0.1:5098;transport=udp>')
    expect(heard(at)).toEqual([])

    const notifier = new Notifier(subscribe)
    expect(await notify(at, notifier.notify('pending;expires=3600'))).toBe(200)
    expect(heard(at)).toEqual([])

    expect(await notify(at, notifier.notify('active;expires=3600', pidf(open('desk'))))).toBe(200)
    expect(heard(at)).toEqual([`subscribed ${JULIET} > ${ROMEO}`, `available ${JULIET}/desk > ${ROMEO}`])

    await notify(at, notifier.notify('active;expires=3600', pidf(open('desk', 'away', 'Gone to the balcony'))))
    expect(heard(at)).toEqual([`available ${JULIET}/desk > ${ROMEO} away "Gone to the balcony"`])

    await notify(at, notifier.notify('active;expires=3600', pidf(open('desk', 'dnd'))))
    expect(heard(at)).toEqual([`available ${JULIET}/desk > ${ROMEO} dnd`])

    // The same again is not told again.
    await notify(at, notifier.notify('active;expires=3600', pidf(open('desk', 'dnd'))))
    expect(heard(at)).toEqual([])

    await notify(at, notifier.notify('active;expires=3600', pidf(closed('desk'))))
    expect(heard(at)).toEqual([`unavailable ${JULIET}/desk > ${ROMEO}`])

    await xmpp(at, "type='unsubscribe' id='u1'")
    expect(heard(at)).toEqual([`unsubscribed ${JULIET} > ${ROMEO}`])
    const [end] = asked(at)
    expect(end === undefined ? '' : inShort(end)).toMatch(/^SUBSCRIBE .* 0$/)
    expect(await notify(at, notifier.notify('terminated;reason=timeout'))).toBe(200)
    expect(await at.stage.store.subscriptions.get(`xmpp-watches-sip|${ROMEO}|${JULIET}`)).toBeUndefined()
    expect(at.stage.time.armed).toBe(0)
  })

  test('D.2: a request that is sent again at each login asks nobody again', async () => {
    const at = world()
    await xmpp(at, "type='subscribe' id='s1'")
    expect(asked(at)).toHaveLength(1)
    await xmpp(at, "type='subscribe' id='s2'")
    expect(asked(at)).toHaveLength(0)
  })

  test('RFC 6121 §3.1.3: who is let in already hears it again, with presence', async () => {
    const at = world()
    await romeoWatches(at)
    heard(at)
    await xmpp(at, "type='subscribe' id='s2'")
    expect(heard(at)).toEqual([`subscribed ${JULIET} > ${ROMEO}`, `available ${JULIET}/desk > ${ROMEO}`])
    expect(asked(at)).toHaveLength(0)
  })

  test.each([403, 489, 603])('D.5: %d is for good [8048-5.2.6]', async (status) => {
    const at = world()
    at.stage.sip.answer = (request) => respondTo(request, status)
    await xmpp(at, "type='subscribe' id='s1'")
    expect(heard(at)).toEqual([`unsubscribed ${JULIET} > ${ROMEO}`])
    expect(await at.stage.store.subscriptions.get(`xmpp-watches-sip|${ROMEO}|${JULIET}`)).toBeUndefined()
  })

  test('D.4: rejected takes everything back', async () => {
    const at = world()
    const notifier = await romeoWatches(at)
    heard(at)
    await notify(at, notifier.notify('terminated;reason=rejected'))
    expect(heard(at)).toEqual([`unavailable ${JULIET}/desk > ${ROMEO}`, `unsubscribed ${JULIET} > ${ROMEO}`])
  })

  test('D.4: deactivated is another dialog and no news', async () => {
    const at = world()
    const notifier = await romeoWatches(at)
    heard(at)
    asked(at)
    await notify(at, notifier.notify('terminated;reason=deactivated'))
    await wait(at, 5000)
    const [again] = asked(at)
    expect(again === undefined ? '' : inShort(again)).toBe(`SUBSCRIBE sip:${JULIET} 3600`)
    expect(heard(at)).toEqual([])
    if (again === undefined) return
    await notify(at, new Notifier(again).notify('active;expires=3600', pidf(open('desk', 'away'))))
    expect(heard(at)).toEqual([`available ${JULIET}/desk > ${ROMEO} away`])
  })

  test('what is not heard any more is shown as unavailable after a minute', async () => {
    const at = world()
    const notifier = await romeoWatches(at)
    heard(at)
    await notify(at, notifier.notify('terminated;reason=probation;retry-after=3000'))
    await wait(at, 30_000)
    expect(heard(at)).toEqual([])
    await wait(at, 31_000)
    expect(heard(at)).toEqual([`unavailable ${JULIET}/desk > ${ROMEO}`])
  })

  test('Timer N: a new watcher hears that nothing answers, once, and his request stays', async () => {
    const at = world()
    await xmpp(at, "type='subscribe' id='s1'")
    await wait(at, 33_000)
    expect(heard(at)).toEqual([`error ${JULIET} > ${ROMEO} remote-server-timeout`])
    await wait(at, 200_000)
    expect(heard(at)).toEqual([])
    expect(asked(at).length).toBeGreaterThan(1)
  })

  test('a probe is answered to the one who asked, from what is known', async () => {
    const at = world()
    await romeoWatches(at)
    heard(at)
    asked(at)
    await xmpp(at, "type='probe' id='p1'", '', `${ROMEO}/orchard`)
    expect(heard(at)).toEqual([`available ${JULIET}/desk > ${ROMEO}/orchard`])
    expect(asked(at)).toHaveLength(0)
    // Older than a minute: asked for again.
    await wait(at, 61_000)
    await xmpp(at, "type='probe' id='p2'", '', `${ROMEO}/orchard`)
    expect(heard(at)).toEqual([`available ${JULIET}/desk > ${ROMEO}/orchard`])
    expect(asked(at).map(inShort)).toEqual([expect.stringMatching(/^SUBSCRIBE .* 3600$/)])
  })

  test('RFC 8048 §7.1: a probe without authorization is one look [8048-7.1]', async () => {
    const at = world()
    await xmpp(at, "type='probe' id='p1'", '', `${ROMEO}/orchard`)
    const [poll] = asked(at)
    if (poll === undefined) throw new Error('no SUBSCRIBE')
    expect(inShort(poll)).toBe(`SUBSCRIBE sip:${JULIET} 0`)
    await notify(at, new Notifier(poll).notify('terminated;reason=timeout', pidf(open('desk', 'away'))))
    expect(heard(at)).toEqual([`available ${JULIET}/desk > ${ROMEO}/orchard away`])
    expect(await at.stage.store.subscriptions.get(`xmpp-watches-sip|${ROMEO}|${JULIET}`)).toBeUndefined()
  })

  test('RFC 6121 §4.3.2: a probe that the SIP side refuses is unsubscribed', async () => {
    const at = world()
    at.stage.sip.answer = (request) => respondTo(request, 403)
    await xmpp(at, "type='probe' id='p1'", '', `${ROMEO}/orchard`)
    expect(heard(at)).toEqual([`unsubscribed ${JULIET} > ${ROMEO}`])
  })

  test('D.8: several devices', async () => {
    const at = world()
    const notifier = await romeoWatches(at)
    heard(at)
    await notify(at, notifier.notify('active', pidf(open('desk'), open('phone', 'dnd'))))
    expect(heard(at)).toEqual([`available ${JULIET}/phone > ${ROMEO} dnd`])
    await notify(at, notifier.notify('active', pidf(open('phone', 'dnd'))))
    expect(heard(at)).toEqual([`unavailable ${JULIET}/desk > ${ROMEO}`])
    await notify(at, notifier.notify('active', pidf(closed('phone'))))
    expect(heard(at)).toEqual([`unavailable ${JULIET}/phone > ${ROMEO}`])
  })

  test('D.5: a NOTIFY that nobody waits for, and one that cannot be read [6665-4.1.3.1 8048-8.1]', async () => {
    const at = world()
    const notifier = await romeoWatches(at)
    heard(at)
    const stray = notifier.notify('active', pidf(open('desk')))
    expect(await notify(at, { ...stray, core: { ...stray.core, callId: 'other' } })).toBe(481)
    expect(await notify(at, notifier.notify('active', '<presence'))).toBe(400)
    expect(heard(at)).toEqual([])
  })

  test.each([
    ['federated', ['"in a meeting"']],
    ['publicVerified', []],
  ] as const)('lync 5: %s sees notes %p', async (partnerType, notes) => {
    const at = world(partnerType)
    await xmpp(at, "type='subscribe' id='s1'")
    const [subscribe] = asked(at)
    if (subscribe === undefined) throw new Error('no SUBSCRIBE')
    await notify(at, new Notifier(subscribe).notify('active', pidf(open('desk', '', 'in a meeting'))))
    expect(heard(at)[1]).toBe([`available ${JULIET}/desk > ${ROMEO}`, ...notes].join(' '))
  })

  test('lync 5: an unverified stranger is refused, and let in once the local user has added him', async () => {
    const at = world('publicUnverified')
    const outcome = await xmpp(at, "type='subscribe' id='s1'")
    expect(outcome).toMatchObject({ kind: 'bounced', failure: { condition: 'subscription-required' } })
    expect(asked(at)).toHaveLength(0)
    await sipSubscribe(at)
    asked(at)
    expect(await xmpp(at, "type='subscribe' id='s2'")).toMatchObject({ kind: 'absorbed' })
    expect(asked(at).map(inShort)).toEqual([`SUBSCRIBE sip:${JULIET} 3600`])
  })

  test('D.10: after kill -9 the dialog goes on, nobody is asked again, and presence is told again', async () => {
    const at = world()
    const notifier = await romeoWatches(at)
    heard(at)
    asked(at)
    await at.stage.store.subscriptions.flush()
    at.keeper.close()
    at.keeper = keeperOn(at.stage)
    await at.keeper.load()
    at.keeper.start()
    await wait(at, 3000)
    const refresh = asked(at)
    expect(refresh.map((one) => [one.method, one.core.callId])).toEqual([
      ['SUBSCRIBE', notifier.notify('active').core.callId],
    ])
    await notify(at, notifier.notify('active;expires=3600', pidf(open('desk', 'away'))))
    expect(heard(at)).toEqual([`available ${JULIET}/desk > ${ROMEO} away`])
  })

  test('D.10: after kill -9 and a server that has forgotten us, a new dialog with the old authorization', async () => {
    const at = world()
    await romeoWatches(at)
    heard(at)
    asked(at)
    at.keeper.close()
    at.keeper = keeperOn(at.stage)
    at.stage.sip.answer = (request) => respondTo(request, request.core.to.params.has('tag') ? 481 : 200)
    await at.keeper.load()
    at.keeper.start()
    await wait(at, 5000)
    const fresh = asked(at).find((request) => !request.core.to.params.has('tag'))
    if (fresh === undefined) throw new Error('no new SUBSCRIBE')
    await notify(at, new Notifier(fresh).notify('active;expires=3600', pidf(closed('desk'))))
    expect(heard(at)).toEqual([`unavailable ${JULIET}/desk > ${ROMEO}`])
  })

  test('D.10: a dialog that the notifier gives up after our return is found out within seconds', async () => {
    const at = world()
    const notifier = await romeoWatches(at)
    at.keeper.close()
    at.keeper = keeperOn(at.stage)
    await at.keeper.load()
    at.keeper.start()
    await wait(at, 3000)
    await notify(at, notifier.notify('active;expires=3600', pidf(open('desk'))))
    asked(at)
    at.stage.sip.answer = (request) => respondTo(request, request.core.to.params.has('tag') ? 481 : 200)
    await wait(at, 6000)
    expect(asked(at).map((request) => request.core.to.params.has('tag'))).toEqual([true, false])
  })

  test('D.10: when streams come back, what was shown is told again', async () => {
    const at = world()
    await romeoWatches(at)
    heard(at)
    at.keeper.edgeAttached()
    at.keeper.streamUp('montague.example')
    await wait(at, 2000)
    expect(heard(at)).toEqual([`available ${JULIET}/desk > ${ROMEO}`])
  })

  test('a subscribed that could not leave leaves later', async () => {
    const at = world()
    at.stage.link.outcome = bounceWith({})
    await romeoWatches(at)
    expect(heard(at)).toHaveLength(2)
    at.stage.link.outcome = { kind: 'delivered', status: 200 }
    await wait(at, 61_000)
    expect(heard(at)).toEqual([`subscribed ${JULIET} > ${ROMEO}`, `available ${JULIET}/desk > ${ROMEO}`])
  })

  test('a partner that may not be spoken to any more is not spoken to again', async () => {
    const at = world()
    at.stage.link.outcome = bounceWith({ condition: 'not-allowed', status: 403, retry: 'never' })
    await romeoWatches(at)
    heard(at)
    await wait(at, 600_000)
    expect(heard(at)).toEqual([])
  })

  test('a road that stays broken is tried less and less often', async () => {
    const at = world()
    at.stage.link.outcome = bounceWith({})
    await romeoWatches(at)
    heard(at)
    await wait(at, 3_300_000)
    expect(heard(at).length).toBeLessThan(16)
  })

  test('D.2: the watcher’s server says that he is no more', async () => {
    const at = world()
    await romeoWatches(at)
    heard(at)
    asked(at)
    await xmpp(
      at,
      "type='error' id='x2s-1'",
      "<error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>",
    )
    expect(heard(at)).toEqual([])
    expect(asked(at).map(inShort)).toEqual([expect.stringMatching(/ 0$/)])
  })

  test('a disk that is full is told, and ends nothing', async () => {
    const at = world()
    const put = jest.spyOn(at.stage.store.subscriptions, 'put').mockImplementation((() => {
      throw new Error('disk full')
    }) as never)
    expect(await xmpp(at, "type='subscribe' id='s1'")).toMatchObject({
      kind: 'bounced',
      failure: { condition: 'internal-server-error' },
    })
    put.mockRestore()
    // And it goes on.
    const [subscribe] = asked(at)
    if (subscribe === undefined) throw new Error('no SUBSCRIBE')
    await notify(at, new Notifier(subscribe).notify('active', pidf(open('desk'))))
    expect(heard(at)).toHaveLength(2)
    expect(await at.stage.store.subscriptions.get(`xmpp-watches-sip|${ROMEO}|${JULIET}`)).toMatchObject({
      authorization: 'active',
    })
  })

  test('what comes after the end is for the next process: nothing is sent or said', async () => {
    const at = world()
    let answer: (reply: ReturnType<typeof respondTo>) => void = () => {}
    at.stage.sip.answer = () => new Promise((resolve) => (answer = resolve))
    await xmpp(at, "type='subscribe' id='s1'")
    const [subscribe] = asked(at)
    if (subscribe === undefined) throw new Error('no SUBSCRIBE')
    at.keeper.close()
    answer(respondTo(subscribe, 403))
    await wait(at, 60_000)
    await notify(at, new Notifier(subscribe).notify('active', pidf(open('desk'))))
    expect([heard(at), asked(at)]).toEqual([[], []])
  })

  test('an administrator removes it', async () => {
    const at = world()
    await romeoWatches(at)
    heard(at)
    asked(at)
    expect(await at.keeper.remove(`xmpp-watches-sip|${ROMEO}|${JULIET}`)).toBe(true)
    await settle()
    expect(heard(at)).toEqual([`unavailable ${JULIET}/desk > ${ROMEO}`, `unsubscribed ${JULIET} > ${ROMEO}`])
    expect(asked(at).map(inShort)).toEqual([expect.stringMatching(/ 0$/)])
    expect(await at.keeper.remove('nothing')).toBe(false)
  })
})

// --- the other direction

let sipCall = 0
function subscribeRequest(
  expires = 3600,
  some: Partial<{ callId: string; to: string; cseq: number; uri: string; from: string; event: string }> = {},
): SipRequest {
  return newSipRequest({
    method: 'SUBSCRIBE',
    uri: some.uri ?? `sip:${ROMEO}`,
    from: addr(some.from ?? `<sip:${JULIET}>`, 'j1'),
    to: addr(some.to ?? `<sip:${ROMEO}>`),
    callId: some.callId ?? `sub-${(sipCall += 1)}`,
    cseq: some.cseq ?? 1,
    headers: [
      ['Event', some.event ?? 'presence'],
      ['Expires', String(expires)],
      ['Contact', '<sip:juliet@127.0.0.1:5070>'],
      ['Accept', 'application/pidf+xml'],
    ],
  })
}
async function sipAsks(at: World, request: SipRequest): Promise<SipResponse> {
  const { incoming, responses } = incomingOf(request)
  at.keeper.takeSubscribe(incoming)
  await settle()
  const [response, ...others] = responses
  if (response === undefined || others.length > 0) throw new Error(`${responses.length} responses`)
  return response
}
async function sipSubscribe(at: World, expires = 3600): Promise<SipResponse> {
  return sipAsks(at, subscribeRequest(expires))
}
/** Juliet has asked, Romeo has agreed and is in the orchard. */
async function julietWatches(at: World): Promise<SipResponse> {
  const response = await sipSubscribe(at)
  await xmpp(at, "type='subscribed'")
  await xmpp(at, '', '', `${ROMEO}/orchard`)
  await wait(at, 6000)
  return response
}
const within = (response: SipResponse, expires: number, cseq = 2): SipRequest =>
  subscribeRequest(expires, {
    callId: response.core.callId,
    to: `<sip:${ROMEO}>;tag=${response.core.to.params.get('tag') ?? ''}`,
    cseq,
  })

describe('a SIP user watches an XMPP user', () => {
  test('D.3: pending, approved, available, away with a status, busy, offline, removed [8048-4.1.2 8048-4.2.stanza 8048-4.2.id 8048-4.2.from 8048-4.2.to 8048-4.2.type 8048-5.3.1 8048-5.3.3 8048-6.1 8048-6.5]', async () => {
    const at = world()
    const response = await sipSubscribe(at)
    expect(response.status).toBe(200)
    expect(asked(at).map(inShort)).toEqual(['NOTIFY pending'])
    expect(heard(at)).toEqual([`subscribe ${JULIET} > ${ROMEO}`])

    // Prosody acknowledges the request: no approval. @see mapping D.15
    await xmpp(at, "type='unavailable'")
    expect(asked(at)).toEqual([])

    await xmpp(at, "type='subscribed'")
    expect(asked(at).map(inShort)).toEqual(['NOTIFY active'])
    await xmpp(at, '', '', `${ROMEO}/orchard`)
    await wait(at, 5000)
    expect(asked(at).map(inShort)).toEqual(['NOTIFY active ID-orchard:open'])

    await xmpp(at, '', '<show>away</show><status>Under the balcony</status>', `${ROMEO}/orchard`)
    await wait(at, 5000)
    expect(asked(at).map(inShort)).toEqual(['NOTIFY active ID-orchard:open:away:"Under the balcony"'])

    await xmpp(at, '', '<show>dnd</show>', `${ROMEO}/orchard`)
    await wait(at, 5000)
    expect(asked(at).map(inShort)).toEqual(['NOTIFY active ID-orchard:open:dnd'])

    await xmpp(at, "type='unavailable'", '', `${ROMEO}/orchard`)
    await wait(at, 5000)
    expect(asked(at).map(inShort)).toEqual(['NOTIFY active ID-orchard:closed'])
    heard(at)

    expect((await sipAsks(at, within(response, 0))).status).toBe(200)
    expect(asked(at).map(inShort)).toEqual([expect.stringMatching(/^NOTIFY terminated;reason=timeout .*closed$/)])
    expect(heard(at)).toEqual([`unavailable ${JULIET} > ${ROMEO}`])
    const record = await at.stage.store.subscriptions.get(`sip-watches-xmpp|${JULIET}|${ROMEO}`)
    expect(record).toMatchObject({ authorization: 'active', state: 'idle' })
  })

  test('D.3: refusal [8048-5.3.4]', async () => {
    const at = world()
    await sipSubscribe(at)
    asked(at)
    await xmpp(at, "type='unsubscribed'")
    expect(asked(at).map(inShort)).toEqual(['NOTIFY terminated;reason=rejected'])
    expect((await sipSubscribe(at)).status).toBe(403)
    // Remembered for an hour.
    await wait(at, 3_600_500)
    expect((await sipSubscribe(at)).status).toBe(200)
  })

  test.each([
    ['Prosody', ["type='unsubscribed'", "type='unavailable'"]],
    ['ejabberd', ["type='unavailable'", "type='unsubscribed'"]],
  ])('D.15: taken back in the order of %s', async (_server, order) => {
    const at = world()
    await julietWatches(at)
    asked(at)
    for (const attributes of order)
      await xmpp(at, attributes, '', attributes.includes('unavailable') ? `${ROMEO}/orchard` : ROMEO)
    await wait(at, 6000)
    expect(asked(at).map(inShort).at(-1)).toBe('NOTIFY terminated;reason=rejected')
  })

  test('D.3: who is authorized already is asked nothing [8048-5.3.8]', async () => {
    const at = world()
    await julietWatches(at)
    heard(at)
    asked(at)
    expect((await sipSubscribe(at)).status).toBe(200)
    expect(asked(at).map(inShort)).toEqual(['NOTIFY active ID-orchard:open'])
    expect(heard(at)).toEqual([])
  })

  test('D.3: a refresh within the dialog [8048-5.3.5]', async () => {
    const at = world()
    const response = await julietWatches(at)
    heard(at)
    asked(at)
    await wait(at, 301_000)
    expect((await sipAsks(at, within(response, 3600))).status).toBe(200)
    expect(asked(at).map(inShort)).toEqual(['NOTIFY active ID-orchard:open'])
    expect(heard(at)).toEqual([`probe ${JULIET} > ${ROMEO}`])
    // ejabberd says nothing for a user who is offline. @see mapping D.15
    await wait(at, 31_000)
    expect(asked(at).map(inShort)).toEqual(['NOTIFY active ID-orchard:closed'])
  })

  test('D.3: not refreshed [8048-5.3.6 8048-5.3.7]', async () => {
    const at = world()
    await julietWatches(at)
    heard(at)
    asked(at)
    await wait(at, 3_601_000)
    expect(asked(at).map(inShort).at(-1)).toMatch(/^NOTIFY terminated;reason=timeout/)
    expect(heard(at)).toContain(`unavailable ${JULIET} > ${ROMEO}`)
  })

  test('D.3: several resources in one document, and coalescing [8048-6.2]', async () => {
    const at = world()
    await julietWatches(at)
    asked(at)
    await wait(at, 5000)
    await xmpp(at, '', '<show>dnd</show>', `${ROMEO}/phone`)
    expect(asked(at).map(inShort)).toEqual(['NOTIFY active ID-orchard:open ID-phone:open:dnd'])
    await xmpp(at, '', '<show>xa</show>', `${ROMEO}/phone`)
    await xmpp(at, '', '<show>away</show>', `${ROMEO}/phone`)
    await xmpp(at, "type='unavailable'", '', `${ROMEO}/orchard`)
    expect(asked(at)).toEqual([])
    await wait(at, 5000)
    expect(asked(at).map(inShort)).toEqual(['NOTIFY active ID-phone:open:away ID-orchard:closed'])
  })

  test.each([
    ['item-not-found', 'cancel', 'noresource'],
    ['remote-server-not-found', 'cancel', 'noresource'],
    ['remote-server-timeout', 'wait', 'probation;retry-after=300'],
    ['forbidden', 'auth', 'rejected'],
  ])('D.3: the request comes back as %s', async (condition, type, reason) => {
    const at = world()
    await sipSubscribe(at)
    asked(at)
    const id = at.stage.link.sent[0]?.stanzaXml.match(/id=["']([^"']+)/)?.[1] ?? ''
    await xmpp(
      at,
      `type='error' id='${id}'`,
      `<error type='${type}'><${condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>`,
    )
    expect(asked(at).map(inShort)).toEqual([`NOTIFY terminated;reason=${reason}`])
  })

  test('our own half of the road is broken: the request is sent again until it leaves', async () => {
    const at = world()
    at.stage.link.outcome = bounceWith({})
    await sipSubscribe(at)
    expect(asked(at).map(inShort)).toEqual(['NOTIFY pending'])
    expect(heard(at)).toHaveLength(1)
    at.stage.link.outcome = { kind: 'delivered', status: 200 }
    await wait(at, 31_000)
    expect(heard(at)).toEqual([`subscribe ${JULIET} > ${ROMEO}`])
    await wait(at, 120_000)
    expect(heard(at)).toEqual([])
    expect(asked(at)).toEqual([])
  })

  test('a domain that may not be spoken to is refused at once [6665-4.2.1.3.1 8048-8.2]', async () => {
    const at = world()
    expect(
      (await sipAsks(at, subscribeRequest(3600, { uri: 'sip:x@stranger.example', to: '<sip:x@stranger.example>' })))
        .status,
    ).toBe(403)
    expect((await sipAsks(at, subscribeRequest(3600, { from: '<sip:x@elsewhere.example>' }))).status).toBe(403)
    expect(heard(at)).toEqual([])
  })

  test.each([
    ['another event package', subscribeRequest(3600, { event: 'dialog' }), 489],
    ['a dialog that is not', subscribeRequest(3600, { to: `<sip:${ROMEO}>;tag=gone` }), 481],
    ['sips', subscribeRequest(3600, { uri: 'sips:romeo@montague.example' }), 480],
  ])('D.5: %s', async (_case, request, status) => {
    const at = world()
    expect((await sipAsks(at, request)).status).toBe(status)
    expect(await at.stage.store.subscriptions.get(`sip-watches-xmpp|${JULIET}|${ROMEO}`)).toBeUndefined()
  })

  test('RFC 8048 §7.2: a poll [8048-7.2]', async () => {
    const at = world()
    expect((await sipSubscribe(at, 0)).status).toBe(200)
    expect(heard(at)).toEqual([`probe ${JULIET} > ${ROMEO}`])
    await xmpp(at, '', '<show>away</show>', `${ROMEO}/orchard`)
    await wait(at, 3000)
    expect(asked(at).map(inShort)).toEqual(['NOTIFY terminated;reason=timeout ID-orchard:open:away'])
    expect(await at.stage.store.subscriptions.get(`sip-watches-xmpp|${JULIET}|${ROMEO}`)).toBeUndefined()
  })

  test('RFC 8048 §7.2: a poll that nobody answers says nothing, within two seconds', async () => {
    const at = world()
    await sipSubscribe(at, 0)
    await wait(at, 2500)
    expect(asked(at).map(inShort)).toEqual(['NOTIFY terminated;reason=timeout'])
  })

  test('D.10: after kill -9 contacts are probed and each dialog gets one NOTIFY', async () => {
    const at = world()
    const response = await julietWatches(at)
    heard(at)
    asked(at)
    at.keeper.close()
    at.keeper = keeperOn(at.stage)
    await at.keeper.load()
    at.keeper.start()
    await wait(at, 100)
    expect(heard(at)).toEqual([`probe ${JULIET} > ${ROMEO}`])
    await xmpp(at, '', '<show>dnd</show>', `${ROMEO}/phone`)
    await wait(at, 8000)
    const [first, ...others] = asked(at)
    expect(first === undefined ? '' : inShort(first)).toBe('NOTIFY active ID-phone:open:dnd ID-orchard:closed')
    expect(first?.core.callId).toBe(response.core.callId)
    expect(others).toEqual([])
    // And the watcher can go on with the dialog.
    expect((await sipAsks(at, within(response, 3600))).status).toBe(200)
  })

  test('D.10: after kill -9 while the contact has not decided yet', async () => {
    const at = world()
    await sipSubscribe(at)
    heard(at)
    asked(at)
    at.keeper.close()
    at.keeper = keeperOn(at.stage)
    await at.keeper.load()
    at.keeper.start()
    await wait(at, 3000)
    // He is not asked again.
    expect(heard(at)).toEqual([])
    expect(asked(at).map(inShort)).toEqual(['NOTIFY pending'])
    await xmpp(at, "type='subscribed'")
    expect(asked(at).map(inShort)).toEqual(['NOTIFY active'])
  })

  test('what is no longer known is shown as unavailable: no road for five minutes', async () => {
    const at = world()
    await julietWatches(at)
    heard(at)
    asked(at)
    at.stage.link.outcome = bounceWith({})
    at.keeper.edgeAttached()
    await wait(at, 290_000)
    expect(asked(at)).toEqual([])
    await wait(at, 60_000)
    expect(asked(at).map(inShort)).toEqual(['NOTIFY active ID-orchard:closed'])
    at.stage.link.outcome = { kind: 'delivered', status: 200 }
    at.keeper.streamUp('montague.example')
    await wait(at, 1000)
    await xmpp(at, '', '', `${ROMEO}/orchard`)
    await wait(at, 6000)
    expect(asked(at).map(inShort)).toEqual(['NOTIFY active ID-orchard:open'])
  })

  test('a watcher that is gone', async () => {
    const at = world()
    at.stage.sip.answer = (request) => respondTo(request, 481)
    await sipSubscribe(at)
    await settle()
    const record = await at.stage.store.subscriptions.get(`sip-watches-xmpp|${JULIET}|${ROMEO}`)
    expect(record).toMatchObject({ authorization: 'pending', state: 'idle' })
  })

  test('an administrator removes it: the agreement is given back', async () => {
    const at = world()
    await julietWatches(at)
    heard(at)
    asked(at)
    expect(await at.keeper.remove(`sip-watches-xmpp|${JULIET}|${ROMEO}`)).toBe(true)
    await settle()
    expect(heard(at)).toEqual([`unsubscribe ${JULIET} > ${ROMEO}`])
    expect(asked(at).map(inShort)).toEqual(['NOTIFY terminated;reason=rejected'])
    expect(await at.stage.store.subscriptions.get(`sip-watches-xmpp|${JULIET}|${ROMEO}`)).toBeUndefined()
  })

  test('what the document looks like', async () => {
    const at = world()
    await sipSubscribe(at)
    await xmpp(at, "type='subscribed'")
    await xmpp(at, '', '<show>away</show><priority>1</priority>', `${ROMEO}/orchard`)
    await wait(at, 6000)
    const text = lossyUtf8Text(asked(at).at(-1)?.body ?? new Uint8Array())
    expect(text).toContain(`pres:${ROMEO}`)
    expect(text).toContain('>sip:romeo@montague.example;gr=orchard</contact>')
  })
})

describe('D.2: the watcher is watched in return', () => {
  /** Both see each other, Romeo in the orchard. */
  async function bothWatch(at: World): Promise<Notifier> {
    const notifier = await romeoWatches(at)
    await julietWatches(at)
    heard(at)
    asked(at)
    return notifier
  }

  test('offline everywhere: his dialog ends, his authorization stays, and a probe brings it back [8048-5.2.5 8048-8.3]', async () => {
    const at = world()
    const notifier = await bothWatch(at)
    await xmpp(at, "type='unavailable'", '', `${ROMEO}/orchard`)
    expect(asked(at).map(inShort)).toContain('SUBSCRIBE sip:juliet@127.0.0.1:5060 0')
    expect(await notify(at, notifier.notify('terminated;reason=timeout', pidf(open('desk'))))).toBe(200)
    expect(heard(at)).toEqual([])
    const kept = await at.stage.store.subscriptions.get(`xmpp-watches-sip|${ROMEO}|${JULIET}`)
    expect(kept).toMatchObject({ authorization: 'active', state: 'idle' })

    await wait(at, 6000)
    asked(at)
    await xmpp(at, "type='probe' id='p1'", '', `${ROMEO}/balcony`)
    const [again] = asked(at)
    if (again === undefined) throw new Error('no SUBSCRIBE')
    expect(inShort(again)).toBe(`SUBSCRIBE sip:${JULIET} 3600`)
    await notify(at, new Notifier(again).notify('active;expires=3600', pidf(open('desk', 'away'))))
    expect(heard(at)).toContain(`available ${JULIET}/desk > ${ROMEO} away`)
  })

  test('one of two resources leaves: nothing ends', async () => {
    const at = world()
    await bothWatch(at)
    await xmpp(at, '', '', `${ROMEO}/balcony`)
    await xmpp(at, "type='unavailable'", '', `${ROMEO}/orchard`)
    await wait(at, 6000)
    expect(asked(at).filter((request) => request.method === 'SUBSCRIBE')).toEqual([])
  })

  test('back before the end is confirmed, and without a probe: a new dialog, once', async () => {
    const at = world()
    await bothWatch(at)
    await xmpp(at, "type='unavailable'", '', `${ROMEO}/orchard`)
    asked(at)
    await xmpp(at, '', '', `${ROMEO}/orchard`)
    await xmpp(at, '', '<show>away</show>', `${ROMEO}/orchard`)
    const fresh = asked(at).filter((request) => request.method === 'SUBSCRIBE')
    expect(fresh.map(inShort)).toEqual([`SUBSCRIBE sip:${JULIET} 3600`])
  })
})
