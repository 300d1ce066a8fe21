import type { PartnerType } from '@stox/federation'
import { newSipRequest, parsePidf } from '@stox/sip'
import type { SipHeaderEntry, SipRequest, SipResponse } from '@stox/sip'
import { formatJid } from '@stox/xmpp'
import type { PresenceKeeper } from '../src/keep-presence.ts'
import { addr, incomingOf, indexFor, newStage, presenceKeeper, presenceOf, settle } from './stage.ts'
import type { Stage } from './stage.ts'

export const ROMEO = 'romeo@montague.example' // on XMPP
export const JULIET = 'juliet@capulet.example' // on SIP

export const keeperOn = (stage: Stage, partnerType: PartnerType = 'federated'): PresenceKeeper =>
  presenceKeeper(stage, indexFor(partnerType))

export interface World {
  readonly stage: Stage
  keeper: PresenceKeeper
}
export function world(partnerType: PartnerType = 'federated'): World {
  const stage = newStage()
  return { stage, keeper: keeperOn(stage, partnerType) }
}

/** A presence stanza from the XMPP side. */
export async function xmpp(at: World, attributes: string, content = '', from = ROMEO) {
  const xml = `<presence xmlns='jabber:server' from='${from}' to='${JULIET}' ${attributes}>${content}</presence>`
  const outcome = await at.keeper.takePresence(presenceOf(xml))
  await settle()
  return outcome
}

/** What the XMPP side heard, in short. */
export function heard(at: World): string[] {
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
export function asked(at: World): SipRequest[] {
  return [...at.stage.sip.take()]
}
export const inShort = (request: SipRequest): string =>
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
export class Notifier {
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
export async function notify(at: World, request: SipRequest): Promise<number | undefined> {
  const { incoming, responses } = incomingOf(request)
  at.keeper.takeNotify(incoming)
  await settle()
  expect(responses).toHaveLength(1)
  return responses[0]?.status
}
export const pidf = (...tuples: string[]): string =>
  `<?xml version="1.0"?><presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="pres:${JULIET}">${tuples.join('')}</presence>`
export const open = (id: string, show = '', note = ''): string =>
  `<tuple id="${id}"><status><basic>open</basic>${show === '' ? '' : `<show xmlns="jabber:client">${show}</show>`}</status>${note === '' ? '' : `<note>${note}</note>`}</tuple>`
export const closed = (id: string): string => `<tuple id="${id}"><status><basic>closed</basic></status></tuple>`

export async function wait(at: World, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 500) {
    at.stage.time.advance(Math.min(500, left))
    await settle()
  }
}

/** Romeo has asked and was let in; Juliet is at her desk. */
export async function romeoWatches(at: World): Promise<Notifier> {
  await xmpp(at, "type='subscribe' id='s1'")
  const [subscribe] = asked(at)
  if (subscribe === undefined) throw new Error('no SUBSCRIBE')
  const notifier = new Notifier(subscribe)
  await notify(at, notifier.notify('active;expires=3600', pidf(open('desk'))))
  return notifier
}

let sipCall = 0
export function subscribeRequest(
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
export async function sipAsks(at: World, request: SipRequest): Promise<SipResponse> {
  const { incoming, responses } = incomingOf(request)
  at.keeper.takeSubscribe(incoming)
  await settle()
  const [response, ...others] = responses
  if (response === undefined || others.length > 0) throw new Error(`${responses.length} responses`)
  return response
}
export async function sipSubscribe(at: World, expires = 3600): Promise<SipResponse> {
  return sipAsks(at, subscribeRequest(expires))
}
/** Juliet has asked, Romeo has agreed and is in the orchard. */
export async function julietWatches(at: World): Promise<SipResponse> {
  const response = await sipSubscribe(at)
  await xmpp(at, "type='subscribed'")
  await xmpp(at, '', '', `${ROMEO}/orchard`)
  await wait(at, 6000)
  return response
}
export const within = (response: SipResponse, expires: number, cseq = 2): SipRequest =>
  subscribeRequest(expires, {
    callId: response.core.callId,
    to: `<sip:${ROMEO}>;tag=${response.core.to.params.get('tag') ?? ''}`,
    cseq,
  })
