import { lossyUtf8Text, silentLog } from '@stox/kernel'
import type { Log, Outcome } from '@stox/kernel'
import { localDomainSchema } from '@stox/federation'
import { newSipRequest, newSipResponse } from '@stox/sip'
import type { SipHeaderEntry, SipRequest, SipResponse } from '@stox/sip'
import type { SipReply } from '@stox/transport'
import { chooseRoute } from '../src/choose-route.ts'
import { Conversations } from '../src/conversations.ts'
import { deliverToSip } from '../src/deliver-to-sip.ts'
import { PairQueues } from '../src/pair-queues.ts'
import { sessionsOf } from '../src/session-wiring.ts'
import { takeRequest } from '../src/take-request.ts'
import { takeInvite } from '../src/take-session.ts'
import { takeStanza } from '../src/take-stanza.ts'
import {
  addr,
  besidesOf,
  envelopeFor,
  hashes,
  incomingOf,
  indexFor,
  metrics,
  newStage,
  respondTo,
  settle,
} from './stage.ts'

export const STATES = "xmlns='http://jabber.org/protocol/chatstates'"
export const SDP = [
  'v=0',
  'o=- 0 0 IN IP4 127.0.0.1',
  's=session',
  'c=IN IP4 127.0.0.1',
  't=0 0',
  'm=message 5060 sip null',
  'a=accept-types:text/plain',
  '',
].join('\r\n')
export const CONTACT: SipHeaderEntry = ['Contact', '<sip:juliet@127.0.0.1:5070>']
export const ROUTE: SipHeaderEntry = ['Record-Route', '<sip:127.0.0.1:5060;lr;ms-route-sig=x>']

/** The SIP users of capulet.example write in sessions. */
export function world(
  more: { readonly most?: number; readonly mostPerDomain?: number; readonly profile?: string } = {},
) {
  const stage = newStage()
  const { time, ids, link } = stage
  const conversations = new Conversations({ clock: time, ids, hashes })
  const local = { domain: 'capulet.example', route: 'sip:127.0.0.1:5060;transport=udp', messages: { mode: 'session' } }
  const rules =
    more.profile === undefined ? { ...local, acceptedStatus: 200 } : { ...local, messages: {}, profile: more.profile }
  const index = indexFor('federated', { localDomains: [localDomainSchema.parse(rules)] })
  const acks: SipRequest[] = []
  /** Tells of one more 2xx to an INVITE of ours. */
  const again: ((response: SipResponse) => void)[] = []
  const logged: string[] = []
  const log: Log = {
    ...silentLog,
    info: (event, fields) => void logged.push([event, fields?.['by'], fields?.['reason']].filter(Boolean).join(' ')),
  }
  const common = {
    ...besidesOf(stage, conversations),
    ...{ clock: time, ids, log: silentLog, metrics, conversations, link, giveUpMs: 12_000 },
    journal: stage.store.journal,
    index: () => index,
  }
  const room = sessionsOf({
    ...{ clock: time, timers: time, ids, log, idleMs: 600_000, patienceMs: 20_000, mostNew: 3 },
    sipAddress: () => ({ host: '127.0.0.1', port: 5098 }),
    sip: {
      send: (request, towards, options) => {
        if (options?.accepted !== undefined) again.push(options.accepted)
        return stage.sip.send(request, towards)
      },
      acknowledge: async (ack) => void acks.push(ack),
    },
    limits: { most: more.most ?? 100, mostPerDomain: more.mostPerDomain ?? 100 },
    index: () => index,
    route: (domain) => chooseRoute(index, domain, 'raw', () => undefined),
    toXmpp: { ...common, hashes, shownResource: () => undefined },
    counted: (work) => work,
  })
  const { sessions } = room
  const toSip = {
    ...common,
    ...{
      gruu: 'raw' as const,
      sip: stage.sip,
      sessions,
      sipAddress: () => undefined,
      queues: new PairQueues<Outcome>(),
    },
    sipAddress: () => ({ host: '127.0.0.1', port: 5098 }),
    hasServer: () => true,
    isAuthorizedBy: () => false,
  }
  // A front end that takes everything.
  stage.sip.answer = (request) => takes(request)
  return {
    ...stage,
    ...{ room, sessions, acks, again, logged },
    deliver: (content: string, attributes = "type='chat'", to = 'juliet@capulet.example'): Promise<Outcome> =>
      takeStanza(
        {
          message: (envelope, message) => deliverToSip(toSip, envelope, message),
          presence: () => Promise.reject(new Error('no presence')),
          iq: () => Promise.reject(new Error('no iq')),
        },
        envelopeFor(
          `<message xmlns='jabber:server' from='romeo@montague.example/orchard' to='${to}' id='m1' ${attributes}>${content}</message>`,
        ),
      ),
    take: (request: SipRequest, isCancelled?: () => boolean): SipResponse[] => {
      const { incoming, responses } = incomingOf(request)
      takeRequest(
        {
          ids,
          index: () => index,
          message: () => responses.push(newSipResponse(request, 599)),
          subscribe: () => undefined,
          notify: () => undefined,
          takesSessions: (one) => sessions.takes(one),
          invite: (one) => void takeInvite(room, one),
          inSession: (one) => sessions.takeInDialog(one),
        },
        isCancelled === undefined ? incoming : { ...incoming, isCancelled },
      )
      return responses
    },
    /** What has been asked of the SIP side, and how often acknowledged. */
    asked: (): readonly string[] => [
      ...stage.sip.take().map(({ method, core, body }) => {
        const text = method === 'MESSAGE' ? ` ${lossyUtf8Text(body)}` : ''
        return `${method} ${core.cseq.number}${core.to.params.has('tag') ? ' in' : ''}${text}`
      }),
    ],
  }
}
export type World = ReturnType<typeof world>

export const takes = (request: SipRequest, status = 200, body = SDP): SipReply =>
  request.method === 'INVITE' && status === 200
    ? {
        kind: 'response',
        response: newSipResponse(request, 200, undefined, {
          toTag: 'peer',
          headers: [CONTACT, ROUTE],
          contentType: 'application/sdp',
          body,
        }),
      }
    : respondTo(request, status)

export const body = (text: string): string => `<body>${text}</body><thread>t1</thread><active ${STATES}/>`
export const said = (at: World): readonly string[] => at.link.sent.splice(0).map(({ stanzaXml }) => stanzaXml)

export const inviteOf = (
  more: {
    from?: string
    to?: string
    sdp?: string
    headers?: readonly SipHeaderEntry[]
    callId?: string
    maxForwards?: number
  } = {},
) =>
  newSipRequest({
    method: 'INVITE',
    uri: `sip:${more.to ?? 'romeo@montague.example'}`,
    from: addr(`<sip:${more.from ?? 'juliet@capulet.example'}>`, 'j1'),
    to: addr(`<sip:${more.to ?? 'romeo@montague.example'}>`),
    callId: more.callId ?? 'call-1',
    cseq: 1,
    maxForwards: more.maxForwards ?? 70,
    headers: [CONTACT, ROUTE, ...(more.headers ?? [])],
    contentType: 'application/sdp',
    body: more.sdp ?? SDP,
  })

/** The dialog that her requests belong to. */
export const dialog = { tag: '' }
export const inDialog = (method: string, cseq: number, content?: { type: string; body: string }, callId = 'call-1') =>
  newSipRequest({
    method,
    uri: 'sip:romeo@127.0.0.1:5098',
    from: addr('<sip:juliet@capulet.example>', 'j1'),
    to: addr('<sip:romeo@montague.example>', dialog.tag),
    callId,
    cseq,
    headers: [CONTACT],
    ...(content === undefined ? {} : { contentType: content.type, body: content.body }),
  })

/** A session of hers, acknowledged. */
export async function opened(at: World, more: Parameters<typeof inviteOf>[0] = {}): Promise<SipResponse> {
  const responses = at.take(inviteOf(more))
  await settle()
  const [response] = responses
  if (response?.status !== 200) throw new Error(`not taken: ${response?.status}`)
  dialog.tag = response.core.to.params.get('tag') ?? ''
  at.sessions.acknowledged(inDialog('ACK', 1, undefined, more.callId))
  return response
}
export async function statusesOf(at: World, request: SipRequest): Promise<readonly number[]> {
  const responses = at.take(request)
  await settle()
  return responses.map(({ status }) => status)
}
export const wordsOf = (at: World, cseq: number, text: string): Promise<readonly number[]> =>
  statusesOf(at, inDialog('MESSAGE', cseq, { type: 'text/plain', body: text }))
export const byeOf = (at: World, cseq: number): Promise<readonly number[]> => statusesOf(at, inDialog('BYE', cseq))
