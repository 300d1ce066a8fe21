import { createHash } from 'node:crypto'
import { VirtualTime, silentLog } from '@stox/kernel'
import type { Failure, Hashes, Ids, Outcome } from '@stox/kernel'
import { EMPTY_MODEL, FederationIndex, localDomainSchema, settingsSchema, xmppPartnerSchema } from '@stox/federation'
import type { FederationModel, PartnerType } from '@stox/federation'
import type { InboundEnvelope, OutboundEnvelope } from '@stox/link'
import { newSipRequest, newSipResponse, parseNameAddr, withTag } from '@stox/sip'
import type { NameAddr, SipHeaderEntry, SipRequest, SipResponse } from '@stox/sip'
import { openMemoryStore } from '@stox/store'
import type { IncomingSipRequest, SipReply } from '@stox/transport'
import { parseStanzaText } from '@stox/xmpp'
import type { MessageStanza, PresenceStanza, Stanza } from '@stox/xmpp'
import type { Conversations } from '../src/conversations.ts'
import { DisplayNames } from '../src/display-names.ts'
import { HoldDowns } from '../src/hold-downs.ts'
import { LoopGuard } from '../src/loop-guard.ts'
import { OlderMessages } from '../src/older-messages.ts'
import type { OpaqueGruus } from '../src/opaque-gruus.ts'
import { AskedOfSip } from '../src/pass-reports.ts'
import { Typing } from '../src/pass-typing.ts'
import { Repeats } from '../src/repeats.ts'
import { SipAbilities } from '../src/sip-abilities.ts'
import { PresenceKeeper } from '../src/keep-presence.ts'
import type { KeepPresenceDeps } from '../src/keep-presence.ts'

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
export const hashes: Hashes = { sha256Hex: sha256, hmacSha256Hex: (key, text) => sha256(key + text) }

export const countingIds = (): Ids => {
  let count = 0
  return { token: () => `id${(count += 1).toString().padStart(6, '0')}`, fraction: () => 0.5 }
}

/** XMPP users live in montague.example, SIP users in capulet.example. */
export const modelFor = (
  partnerType: PartnerType = 'federated',
  more: Partial<FederationModel> = {},
): FederationModel => ({
  ...EMPTY_MODEL,
  revision: 1,
  settings: settingsSchema.parse({ federation: true }),
  partners: [xmppPartnerSchema.parse({ domain: 'montague.example', partnerType })],
  localDomains: [localDomainSchema.parse({ domain: 'capulet.example', route: 'sip:127.0.0.1:5060;transport=udp' })],
  ...more,
})

export const indexFor = (
  partnerType: PartnerType = 'federated',
  more: Partial<FederationModel> = {},
): FederationIndex => new FederationIndex(modelFor(partnerType, more))

export const metrics = {
  messageEnded: () => undefined,
  presencePassed: () => undefined,
  sipTransactionEnded: () => undefined,
}

/** Lets everything that is ready to run, run. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await Promise.resolve()
}

export const stanzaOf = (xml: string): Stanza => {
  const stanza = parseStanzaText(xml)
  if (!stanza.ok) throw new Error(`${stanza.failure.detail}: ${xml}`)
  return stanza.value
}
export const messageOf = (xml: string): MessageStanza => {
  const stanza = stanzaOf(xml)
  if (stanza.kind !== 'message') throw new Error(xml)
  return stanza
}
export const presenceOf = (xml: string): PresenceStanza => {
  const stanza = stanzaOf(xml)
  if (stanza.kind !== 'presence') throw new Error(xml)
  return stanza
}

export const envelopeFor = (stanzaXml: string, more: Partial<InboundEnvelope> = {}): InboundEnvelope => ({
  correlationId: 'c-1',
  edge: 'edge-1',
  streamId: 's-1',
  localDomain: 'capulet.example',
  remoteDomain: 'montague.example',
  provenBy: 'dialback-over-tls',
  from: '',
  to: '',
  stanzaXml,
  receivedAtMs: 0,
  ...more,
})

/** A link whose edge takes everything, or answers as it is told. */
export class FakeLink {
  readonly sent: OutboundEnvelope[] = []
  outcome: Outcome | ((envelope: OutboundEnvelope) => Outcome | Promise<Outcome>) = { kind: 'delivered', status: 200 }

  async send(envelope: OutboundEnvelope): Promise<Outcome> {
    this.sent.push(envelope)
    return typeof this.outcome === 'function' ? this.outcome(envelope) : this.outcome
  }

  /** What has been sent since the last look. */
  take(): readonly Stanza[] {
    return this.sent.splice(0).map((envelope) => stanzaOf(envelope.stanzaXml))
  }
}

/** A SIP side that answers each request as it is told. */
export class FakeSip {
  readonly sent: { readonly request: SipRequest; readonly towards: string }[] = []
  answer: (request: SipRequest) => SipReply | Promise<SipReply> = (request) => respondTo(request, 200)

  async send(request: SipRequest, towards: string): Promise<SipReply> {
    this.sent.push({ request, towards })
    return this.answer(request)
  }

  take(): readonly SipRequest[] {
    return this.sent.splice(0).map(({ request }) => request)
  }
}

export const respondTo = (request: SipRequest, status: number, headers: readonly SipHeaderEntry[] = []): SipReply => ({
  kind: 'response',
  response: newSipResponse(request, status, undefined, { toTag: 'peer', headers }),
})

/** A request as the endpoint hands it over; `responses` is what was answered. */
export function incomingOf(request: SipRequest): {
  readonly incoming: IncomingSipRequest
  readonly responses: SipResponse[]
} {
  const responses: SipResponse[] = []
  const flow = {
    transport: 'udp',
    local: { host: '127.0.0.1', port: 5098 },
    remote: { host: '127.0.0.1', port: 5060 },
  } as const
  return { incoming: { request, flow, respond: (response) => void responses.push(response) }, responses }
}

export const addr = (text: string, tag?: string): NameAddr => {
  const parsed = parseNameAddr(text)
  if (!parsed.ok) throw new Error(text)
  return tag === undefined ? parsed.value : withTag(parsed.value, tag)
}

export const sipMessage = (some: {
  readonly from?: string
  readonly to?: string
  readonly uri?: string
  readonly callId?: string
  readonly cseq?: number
  readonly body?: string | Uint8Array
  readonly contentType?: string
  readonly headers?: readonly SipHeaderEntry[]
  readonly maxForwards?: number
}): SipRequest =>
  newSipRequest({
    method: 'MESSAGE',
    uri: some.uri ?? 'sip:romeo@montague.example',
    from: addr(some.from ?? '<sip:juliet@capulet.example>', 'j1'),
    to: addr(some.to ?? '<sip:romeo@montague.example>'),
    callId: some.callId ?? 'call-1',
    cseq: some.cseq ?? 1,
    maxForwards: some.maxForwards ?? 70,
    contentType: some.contentType ?? 'text/plain;charset=UTF-8',
    body: some.body ?? 'hello',
    headers: some.headers ?? [],
  })

export const bounceWith = (failure: Partial<Failure>): Outcome => ({
  kind: 'bounced',
  failure: {
    fault: 'network',
    retry: 'later',
    condition: 'remote-server-timeout',
    status: 504,
    detail: 'test',
    ...failure,
  },
})

export interface Stage {
  readonly time: VirtualTime
  readonly ids: Ids
  readonly link: FakeLink
  readonly sip: FakeSip
  readonly store: ReturnType<typeof openMemoryStore>
}

export function newStage(): Stage {
  const time = new VirtualTime()
  return {
    time,
    ids: countingIds(),
    link: new FakeLink(),
    sip: new FakeSip(),
    store: openMemoryStore({ clock: time, timers: time, log: silentLog }),
  }
}

/** What the two journeys share beside the words. */
export const besidesOf = (stage: Stage, conversations: Conversations) => ({
  typing: new Typing({
    clock: stage.time,
    timers: stage.time,
    ids: stage.ids,
    link: stage.link,
    giveUpMs: 12_000,
    conversations,
  }),
  abilities: new SipAbilities(stage.time),
  names: new DisplayNames(),
  repeats: new Repeats(stage.time, countingIds()),
  asked: new AskedOfSip(),
  older: new OlderMessages({ clock: stage.time, hashes, journal: stage.store.journal, secret: () => 'secret' }),
  held: new HoldDowns(stage.time),
  loops: new LoopGuard(stage.time),
  opaqueGruus: undefined as OpaqueGruus | undefined,
})

/** The keeper of presence on a stage; `notifyIntervalMs` 0 tells each change at once. */
export const presenceKeeper = (
  stage: Stage,
  index: FederationIndex | (() => FederationIndex),
  notifyIntervalMs = 5000,
  more: Partial<KeepPresenceDeps> = {},
): PresenceKeeper =>
  new PresenceKeeper({
    clock: stage.time,
    timers: stage.time,
    ids: stage.ids,
    hashes,
    log: silentLog,
    metrics,
    store: stage.store.subscriptions,
    index: typeof index === 'function' ? index : () => index,
    gruu: 'raw',
    sip: stage.sip,
    sipAddress: () => ({ host: '127.0.0.1', port: 5098 }),
    link: stage.link,
    withCaps: (presence) => presence,
    noteWatch: () => undefined,
    expiresS: 3600,
    notifyIntervalMs,
    mostNew: 500,
    isLate: () => false,
    noteCrowd: () => undefined,
    ...more,
  })
