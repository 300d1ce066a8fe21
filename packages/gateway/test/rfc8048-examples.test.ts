import { localDomainSchema, xmppPartnerSchema } from '@stox/federation'
import { newSipRequest, parseMediaType, parsePidf, parseSubscriptionState } from '@stox/sip'
import type { SipHeaderEntry, SipRequest, SipResponse } from '@stox/sip'
import { formatJid } from '@stox/xmpp'
import type { PresenceStanza } from '@stox/xmpp'
import type { PresenceKeeper } from '../src/keep-presence.ts'
import { addr, incomingOf, indexFor, newStage, presenceKeeper, presenceOf, settle } from './stage.ts'
import type { Stage } from './stage.ts'

/**
 * The pairs of examples that RFC 8048 prints, compared by meaning: Juliet is on XMPP at example.com, Romeo on SIP at
 * example.net. Where the print is wrong the row says so. @see mapping H.2
 */

interface World {
  readonly stage: Stage
  readonly keeper: PresenceKeeper
}

function world(): World {
  const stage = newStage()
  const index = indexFor('federated', {
    partners: [xmppPartnerSchema.parse({ domain: 'example.com', partnerType: 'federated' })],
    localDomains: [localDomainSchema.parse({ domain: 'example.net', route: 'sip:127.0.0.1:5060;transport=udp' })],
  })
  const keeper = presenceKeeper(stage, index, 0)
  return { stage, keeper }
}

/** From the XMPP side, as it is printed. */
async function xmpp(at: World, printed: string): Promise<void> {
  const xml = printed.replace('<presence', "<presence xmlns='jabber:server'")
  await at.keeper.takePresence(presenceOf(xml))
  await settle()
}

/** What an XMPP user hears, by what counts. */
const heard = (at: World): readonly Readonly<Record<string, unknown>>[] =>
  at.stage.link.take().map((stanza) => {
    const { from, to, type, show, statuses, priority } = stanza as PresenceStanza
    return {
      type,
      from: formatJid(from),
      to: formatJid(to),
      ...(show === undefined ? {} : { show }),
      ...(statuses.length === 0 ? {} : { status: statuses[0]?.text }),
      ...(priority === undefined || priority === 0 ? {} : { priority }),
    }
  })

const asked = (at: World): readonly SipRequest[] => at.stage.sip.take()
const only = (requests: readonly SipRequest[]): SipRequest => {
  const [request, ...others] = requests
  if (request === undefined || others.length > 0) throw new Error(`${requests.length} requests`)
  return request
}

/** What a request says, by what counts. */
function said(request: SipRequest): Readonly<Record<string, unknown>> {
  const { from, to } = request.core
  const state = parseSubscriptionState(request.headers.get('Subscription-State') ?? '')
  const type = parseMediaType(request.headers.get('Content-Type') ?? '')
  const pidf = request.body.length === 0 ? undefined : parsePidf(request.body)
  return {
    method: request.method,
    from: `${from.uri.user}@${from.uri.host}`,
    to: `${to.uri.user}@${to.uri.host}`,
    event: request.headers.get('Event'),
    ...(request.method === 'SUBSCRIBE' ? { expires: request.headers.get('Expires') } : {}),
    ...(state.ok ? { state: state.value.state } : {}),
    ...(state.ok && state.value.reason !== undefined ? { reason: state.value.reason } : {}),
    ...(pidf?.ok === true && type.ok
      ? { type: type.value.type, tuples: pidf.value.tuples.map(({ id, basic, show }) => [id, basic, show ?? null]) }
      : {}),
  }
}

const juliet = addr('<sip:juliet@example.com>')

async function sip(at: World, request: SipRequest): Promise<SipResponse> {
  const { incoming, responses } = incomingOf(request)
  if (request.method === 'NOTIFY') at.keeper.takeNotify(incoming)
  else at.keeper.takeSubscribe(incoming)
  await settle()
  const [response] = responses
  if (response === undefined) throw new Error('no response')
  return response
}

/** A NOTIFY of Romeo's server in the dialog of a SUBSCRIBE of ours. */
const notify = (subscribe: SipRequest, cseq: number, headers: readonly SipHeaderEntry[], body = ''): SipRequest =>
  newSipRequest({
    method: 'NOTIFY',
    uri: 'sip:juliet@127.0.0.1:5098',
    from: addr('<sip:romeo@example.net>', 'ffd2'),
    to: subscribe.core.from,
    callId: subscribe.core.callId,
    cseq,
    headers: [['Event', 'presence'], ['Contact', '<sip:romeo@127.0.0.1:5060;gr=dr4hcr0st3lup4c>'], ...headers],
    ...(body === '' ? {} : { contentType: 'application/pidf+xml', body }),
  })

const subscribe = (expires: number, cseq = 1, toTag?: string): SipRequest =>
  newSipRequest({
    method: 'SUBSCRIBE',
    uri: 'sip:juliet@example.com',
    from: addr('<sip:romeo@example.net>', 'yt66'),
    to: toTag === undefined ? juliet : addr('<sip:juliet@example.com>', toTag),
    callId: '2B44E147-3B53-45E4-9D48-C051F3216D14',
    cseq,
    headers: [
      ['Event', 'presence'],
      ['Expires', String(expires)],
      ['Contact', '<sip:romeo@127.0.0.1:5060;gr=dr4hcr0st3lup4c>'],
    ],
  })

const pidf = (tuple: string): string =>
  `<?xml version='1.0' encoding='UTF-8'?><presence xmlns='urn:ietf:params:xml:ns:pidf' entity='pres:romeo@example.net'>${tuple}</presence>`
const AWAY = `<tuple id='ID-dr4hcr0st3lup4c'><status><basic>open</basic><show xmlns='jabber:client'>away</show></status></tuple>`
const CLOSED = `<tuple id='ID-dr4hcr0st3lup4c'><status><basic>closed</basic></status></tuple>`

const SUBSCRIBE = "<presence from='juliet@example.com' to='romeo@example.net' type='subscribe'/>"

describe('RFC 8048 §5.2: Juliet watches Romeo', () => {
  test('example 1 is example 2', async () => {
    const at = world()
    await xmpp(at, SUBSCRIBE)
    expect(asked(at).map(said)).toEqual([
      { method: 'SUBSCRIBE', from: 'juliet@example.com', to: 'romeo@example.net', event: 'presence', expires: '3600' },
    ])
  })

  test('example 3 says nothing; example 4 is examples 5 and 6 (where the print has lost the show of 4)', async () => {
    const at = world()
    await xmpp(at, SUBSCRIBE)
    const request = only(asked(at))
    expect(heard(at)).toEqual([])
    const answer = await sip(at, notify(request, 1, [['Subscription-State', 'active;expires=3499']], pidf(AWAY)))
    expect(answer.status).toBe(200)
    expect(heard(at)).toEqual([
      { type: 'subscribed', from: 'romeo@example.net', to: 'juliet@example.com' },
      { type: 'available', from: 'romeo@example.net/dr4hcr0st3lup4c', to: 'juliet@example.com', show: 'away' },
    ])
  })

  test('example 7 is example 8, and 9 is its answer; example 10 is the notifier’s to send', async () => {
    const at = world()
    await xmpp(at, SUBSCRIBE)
    const request = only(asked(at))
    await sip(at, notify(request, 1, [['Subscription-State', 'active;expires=3499']]))
    heard(at)
    await xmpp(at, "<presence from='juliet@example.com' to='romeo@example.net' type='unsubscribe'/>")
    const end = only(asked(at))
    expect(said(end)).toMatchObject({
      method: 'SUBSCRIBE',
      from: 'juliet@example.com',
      event: 'presence',
      expires: '0',
    })
    expect(end.core.callId).toBe(request.core.callId)
    expect(heard(at)).toEqual([{ type: 'unsubscribed', from: 'romeo@example.net', to: 'juliet@example.com' }])
    const last = await sip(at, notify(request, 2, [['Subscription-State', 'terminated;reason=timeout']]))
    expect(last.status).toBe(200)
    expect(asked(at)).toEqual([])
  })
})

describe('RFC 8048 §5.3: Romeo watches Juliet', () => {
  test('example 11 (its To says example.net, and means example.com) is example 12', async () => {
    const at = world()
    const answer = await sip(at, subscribe(3600))
    expect(answer.status).toBe(200)
    expect(heard(at)).toEqual([{ type: 'subscribe', from: 'romeo@example.net', to: 'juliet@example.com' }])
  })

  test('example 13 is example 14 (whose From and To are those of the SUBSCRIBE, unswapped, and which lacks expires)', async () => {
    const at = world()
    await sip(at, subscribe(3600))
    asked(at)
    await xmpp(at, "<presence from='juliet@example.com' to='romeo@example.net' type='subscribed'/>")
    const told = only(asked(at))
    expect(said(told)).toEqual({
      method: 'NOTIFY',
      from: 'juliet@example.com',
      to: 'romeo@example.net',
      event: 'presence',
      state: 'active',
    })
    expect(told.headers.get('Subscription-State')).toMatch(/;expires=\d+$/)
  })

  test('example 15 is example 16', async () => {
    const at = world()
    await sip(at, subscribe(3600))
    asked(at)
    await xmpp(at, "<presence from='juliet@example.com' to='romeo@example.net' type='unsubscribed'/>")
    expect(said(only(asked(at)))).toMatchObject({ method: 'NOTIFY', state: 'terminated', reason: 'rejected' })
  })

  test('example 17: NOTIFY terminated, reason timeout, and unavailable for Juliet', async () => {
    const at = world()
    const { core } = await sip(at, subscribe(3600))
    await xmpp(at, "<presence from='juliet@example.com' to='romeo@example.net' type='subscribed'/>")
    asked(at)
    heard(at)
    await sip(at, subscribe(0, 2, core.to.params.get('tag')))
    expect(said(only(asked(at)))).toMatchObject({ state: 'terminated', reason: 'timeout' })
    expect(heard(at)).toEqual([{ type: 'unavailable', from: 'romeo@example.net', to: 'juliet@example.com' }])
  })
})

describe('RFC 8048 §6: presence', () => {
  test('example 18 is example 19 (whose Request-URI says juliet and means romeo, and which has a show that 18 has not)', async () => {
    const at = world()
    await sip(at, subscribe(3600))
    await xmpp(at, "<presence from='juliet@example.com' to='romeo@example.net' type='subscribed'/>")
    asked(at)
    await xmpp(at, "<presence from='juliet@example.com/yn0cl4bnw0yr3vym' to='romeo@example.net'/>")
    const told = only(asked(at))
    expect(said(told)).toEqual({
      method: 'NOTIFY',
      from: 'juliet@example.com',
      to: 'romeo@example.net',
      event: 'presence',
      state: 'active',
      type: 'application/pidf+xml',
      tuples: [['ID-yn0cl4bnw0yr3vym', 'open', null]],
    })
    expect(told.uri).toMatch(/^sip:romeo@/)
  })

  test('example 20 (whose Request-URI says romeo and means juliet) is example 21, to the bare address', async () => {
    const at = world()
    await xmpp(at, SUBSCRIBE)
    const request = only(asked(at))
    await sip(at, notify(request, 1, [['Subscription-State', 'active;expires=3499']], pidf(AWAY)))
    heard(at)
    await sip(at, notify(request, 2, [['Subscription-State', 'active;expires=3400']], pidf(CLOSED)))
    expect(heard(at)).toEqual([
      { type: 'unavailable', from: 'romeo@example.net/dr4hcr0st3lup4c', to: 'juliet@example.com' },
    ])
  })
})

describe('RFC 8048 §7: one look', () => {
  test('example 22 is example 23', async () => {
    const at = world()
    await xmpp(at, "<presence from='juliet@example.com/chamber' to='romeo@example.net' type='probe'/>")
    expect(said(only(asked(at)))).toEqual({
      method: 'SUBSCRIBE',
      from: 'juliet@example.com',
      to: 'romeo@example.net',
      event: 'presence',
      expires: '0',
    })
  })

  test('example 24 is example 25', async () => {
    const at = world()
    expect((await sip(at, subscribe(0))).status).toBe(200)
    expect(heard(at)).toEqual([{ type: 'probe', from: 'romeo@example.net', to: 'juliet@example.com' }])
  })
})
