import { lossyUtf8Text, silentLog } from '@stox/kernel'
import {
  PIDF_TYPE,
  formatPidf,
  formatSipUri,
  nameAddr,
  newSipRequest,
  newSipResponse,
  parsePidf,
  parseSipUri,
  parseSubscriptionState,
} from '@stox/sip'
import type { Pidf, PidfShow, SipHeaderEntry, SipRequest, SipUri } from '@stox/sip'
import {
  DEFAULT_SUBSCRIBE_RULES,
  RunningMachine,
  advanceNotifier,
  advanceSubscriber,
  dialogKeyOf,
  notifierKey,
  openNotifier,
  openSubscription,
  subscriberKey,
} from '@stox/sip-engine'
import type {
  NotifierContext,
  NotifierInput,
  NotifierReport,
  NotifierState,
  NotifierTimer,
  SubscriberContext,
  SubscriberInput,
  SubscriberReport,
  SubscriberState,
  SubscriberTimer,
} from '@stox/sip-engine'
import { SipEndpoint, cryptoIds, systemClock, systemTimers } from '@stox/transport'
import type { IncomingSipRequest, SipReply, SipTarget } from '@stox/transport'
import { AsyncQueue } from './async-queue.ts'

export interface SipAgentOptions {
  /** `sip:romeo@sip.example` */
  readonly aor: string
  /** `udp:127.0.0.1:0`; several: the transport of the proxy should be among them. */
  readonly listen: string | readonly string[]
  /** Where everything is sent to. */
  readonly outboundProxy: SipTarget
}

export interface AgentMessage {
  readonly from: string
  readonly to: string
  readonly body: string
  readonly contentType: string | undefined
  readonly request: SipRequest
}

export type AgentAnswer =
  | number
  | { readonly status: number; readonly reason?: string; readonly headers?: readonly SipHeaderEntry[] }
  /** No answer at all. */
  | undefined

export interface MessageOptions {
  readonly contentType?: string
  readonly headers?: readonly SipHeaderEntry[]
  readonly callId?: string
  readonly cseq?: number
  /** By default the proxy's transport; a body over the limit of UDP goes by TCP unless this is set. */
  readonly congestionSafe?: boolean
}

export interface AgentPresence {
  readonly basic: 'open' | 'closed'
  readonly show?: PidfShow
  /** RPID activities: `away`, `busy`. */
  readonly activities?: readonly string[]
  readonly note?: string
}

/** One NOTIFY as the watcher saw it, or the end of its subscription. */
export interface WatchedState {
  readonly subscription: 'pending' | 'active' | 'terminated'
  readonly reason: string | undefined
  /** Of the first tuple; undefined: no document, or an empty one. */
  readonly basic: 'open' | 'closed' | undefined
  /** From the jabber `show` element, else from the RPID activities as written. */
  readonly show: string | undefined
  readonly note: string | undefined
  readonly pidf: Pidf | undefined
}

/** A small SIP phone for tests and demonstrations: registers, writes, is written to, watches and is watched. */
export class SipAgent {
  readonly aor: string
  readonly received = new AsyncQueue<AgentMessage>()
  readonly #uri: SipUri
  readonly #proxy: SipTarget
  readonly #endpoint: SipEndpoint
  readonly #watches = new Set<AgentWatch>()
  readonly #watchers = new Map<string, Watcher>()
  #answer: (message: AgentMessage) => AgentAnswer | Promise<AgentAnswer> = () => 200
  #authorization: 'pending' | 'active' | number = 405
  #presence: AgentPresence | undefined
  #etag: string | undefined
  #registration = { callId: cryptoIds.token(), cseq: 0 }
  #registered = false

  private constructor({ aor, listen, outboundProxy }: SipAgentOptions) {
    const uri = parseSipUri(aor)
    if (!uri.ok) throw new RangeError(`not a SIP URI: ${aor}`)
    this.aor = aor
    this.#uri = uri.value
    this.#proxy = outboundProxy
    this.#endpoint = new SipEndpoint({
      listen: typeof listen === 'string' ? [listen] : listen,
      clock: systemClock,
      timers: systemTimers,
      ids: cryptoIds,
      log: silentLog,
      trusted: () => true,
      on: { request: (incoming) => this.#onRequest(incoming), refused: () => {} },
    })
  }

  static async start(options: SipAgentOptions): Promise<SipAgent> {
    const agent = new SipAgent(options)
    await agent.#endpoint.listen()
    return agent
  }

  /** Where the agent listens, as a URI. */
  get contact(): string {
    const { transport } = this.#proxy
    const address = this.#endpoint.contact(transport) ?? this.#endpoint.contact('udp') ?? this.#endpoint.contact('tcp')
    if (address === undefined) throw new Error('not listening')
    const host = address.host.includes(':') ? `[${address.host}]` : address.host
    const params = this.#endpoint.contact(transport) === undefined ? '' : `;transport=${transport}`
    return `sip:${this.#uri.user ?? ''}@${host}:${address.port}${params}`
  }

  async register(expiresS = 3600): Promise<SipReply> {
    this.#registration.cseq += 1
    const { callId, cseq } = this.#registration
    this.#registered = expiresS > 0
    return this.#send(
      newSipRequest({
        method: 'REGISTER',
        uri: `sip:${this.#uri.host}`,
        from: nameAddr(this.#uri, undefined, cryptoIds.token()),
        to: nameAddr(this.#uri),
        callId,
        cseq,
        headers: [
          ['Contact', `<${this.contact}>`],
          ['Expires', String(expiresS)],
        ],
      }),
    )
  }

  message(to: string, body: string | Uint8Array, options: MessageOptions = {}): Promise<SipReply> {
    const request = newSipRequest({
      method: 'MESSAGE',
      uri: to,
      from: nameAddr(this.#uri, undefined, cryptoIds.token()),
      to: nameAddr(uriOf(to)),
      callId: options.callId ?? cryptoIds.token(),
      cseq: options.cseq ?? 1,
      contentType: options.contentType ?? 'text/plain;charset=UTF-8',
      body,
      headers: options.headers ?? [],
    })
    return this.#endpoint.request(request, this.#proxy, { congestionSafe: options.congestionSafe ?? false })
  }

  /** Decides on the answer to each MESSAGE from now on; `received` gets them all. */
  onMessage(answer: (message: AgentMessage) => AgentAnswer | Promise<AgentAnswer>): void {
    this.#answer = answer
  }

  /** Watches someone's presence. */
  subscribe(to: string, options: { readonly expiresS?: number } = {}): AgentWatch {
    const watch: AgentWatch = new AgentWatch(
      (request) => this.#send(request),
      {
        from: `<${this.aor}>`,
        to: `<${to}>`,
        requestUri: to,
        contact: this.contact,
        expiresS: options.expiresS ?? 3600,
      },
      () => this.#watches.delete(watch),
    )
    this.#watches.add(watch)
    return watch
  }

  /** Tells a presence server. @see RFC 3903 §4 */
  async publish(presence: AgentPresence): Promise<SipReply> {
    const reply = await this.#publish(presence, 3600)
    if (reply.kind !== 'response' || reply.response.status !== 412) return reply
    this.#etag = undefined
    return this.#publish(presence, 3600)
  }

  unpublish(): Promise<SipReply> {
    return this.#publish(undefined, 0)
  }

  /**
   * Answers SUBSCRIBEs itself, without a presence server between: from now on with this authorization, or with this
   * status. Those that are pending follow.
   */
  serve(authorization: 'pending' | 'active' | number): void {
    this.#authorization = authorization
    for (const watcher of this.#watchers.values()) {
      if (typeof authorization === 'number') {
        watcher.advance({ kind: 'terminate', termination: { reason: 'rejected', retryAfterS: null, document: 'none' } })
      } else watcher.advance({ kind: 'authorize', authorization })
    }
  }

  /** What those who watch us directly (`serve`) see. */
  show(presence: AgentPresence): void {
    this.#presence = presence
    for (const watcher of this.#watchers.values()) watcher.advance({ kind: 'changed' })
  }

  /** How many watch us directly. */
  get watchers(): number {
    return this.#watchers.size
  }

  async close(): Promise<void> {
    if (this.#registered) await Promise.race([this.register(0), pause(500)])
    for (const watch of this.#watches) watch.stop()
    for (const watcher of this.#watchers.values()) watcher.stop()
    await this.#endpoint.close()
  }

  #send(request: SipRequest): Promise<SipReply> {
    return this.#endpoint.request(request, this.#proxy)
  }

  async #publish(presence: AgentPresence | undefined, expiresS: number): Promise<SipReply> {
    const headers: SipHeaderEntry[] = [
      ['Event', 'presence'],
      ['Expires', String(expiresS)],
    ]
    if (this.#etag !== undefined) headers.push(['SIP-If-Match', this.#etag])
    const reply = await this.#send(
      newSipRequest({
        method: 'PUBLISH',
        uri: this.aor,
        from: nameAddr(this.#uri, undefined, cryptoIds.token()),
        to: nameAddr(this.#uri),
        callId: cryptoIds.token(),
        cseq: 1,
        headers,
        ...(presence === undefined ? {} : { contentType: PIDF_TYPE, body: formatPidf(this.#document(presence)) }),
      }),
    )
    if (reply.kind === 'response' && reply.response.status < 300) {
      this.#etag = expiresS === 0 ? undefined : reply.response.headers.get('SIP-ETag')
    }
    return reply
  }

  #document({ basic, show, activities = [], note }: AgentPresence): Pidf {
    const address = formatSipUri({ ...this.#uri, scheme: 'pres' })
    return {
      entity: address,
      tuples: [
        {
          id: 'agent',
          basic,
          show,
          contact: this.aor,
          contactPriority: undefined,
          notes: note === undefined ? [] : [{ lang: undefined, text: note }],
          timestamp: new Date().toISOString(),
          activities: [],
          idle: false,
        },
      ],
      person: activities.length === 0 ? undefined : { activities, notes: [], idle: false },
      notes: [],
    }
  }

  #onRequest(incoming: IncomingSipRequest): void {
    const { request, respond } = incoming
    switch (request.method) {
      case 'MESSAGE':
        void this.#onMessage(incoming)
        return
      case 'NOTIFY': {
        const key = dialogKeyOf(request)
        const watch = [...this.#watches].find((candidate) => candidate.key === key)
        if (watch === undefined) respond(newSipResponse(request, 481, 'Subscription does not exist'))
        else watch.onNotify(incoming)
        return
      }
      case 'SUBSCRIBE':
        return this.#onSubscribe(incoming)
      default:
        return respond(newSipResponse(request, 200, undefined, { toTag: cryptoIds.token() }))
    }
  }

  async #onMessage({ request, respond }: IncomingSipRequest): Promise<void> {
    const message: AgentMessage = {
      from: formatSipUri(request.core.from.uri),
      to: formatSipUri(request.core.to.uri),
      body: lossyUtf8Text(request.body),
      contentType: request.headers.get('Content-Type'),
      request,
    }
    const answer = await this.#answer(message)
    if (answer !== undefined) {
      const { status, reason, headers } = typeof answer === 'number' ? { status: answer } : { headers: [], ...answer }
      respond(newSipResponse(request, status, reason, { toTag: cryptoIds.token(), headers: headers ?? [] }))
    }
    this.received.push(message)
  }

  #onSubscribe({ request, respond }: IncomingSipRequest): void {
    const known = this.#watchers.get(dialogKeyOf(request) ?? '')
    if (known !== undefined) return known.advance({ kind: 'subscribe', request }, respond)
    if (typeof this.#authorization === 'number') {
      return respond(newSipResponse(request, this.#authorization, undefined, { toTag: cryptoIds.token() }))
    }
    const options = { contact: this.contact, authorization: this.#authorization }
    const opened = openNotifier(request, options, this.#notifierContext())
    if (!opened.ok) return respond(opened.failure)
    const key = notifierKey(opened.value.state)
    const watcher: Watcher = new RunningMachine(opened.value.state, {
      timers: systemTimers,
      advance: (state, input) => advanceNotifier(state, input, this.#notifierContext()),
      send: (sent) => this.#send(sent),
      report: ({ kind }) => {
        if (kind === 'ended') this.#watchers.delete(key)
      },
    })
    this.#watchers.set(key, watcher)
    watcher.follow(opened.value, respond)
  }

  #notifierContext(): NotifierContext {
    return {
      nowMs: systemClock.wallMs(),
      ids: cryptoIds,
      rules: { ...DEFAULT_SUBSCRIBE_RULES, minExpiresS: 1, minNotifyIntervalMs: 0 },
      document: (kind) => (this.#presence === undefined ? undefined : this.#written(kind, this.#presence)),
    }
  }

  #written(kind: 'current' | 'farewell', presence: AgentPresence): { contentType: string; body: string } {
    const shown: AgentPresence = kind === 'current' ? presence : { basic: 'closed' }
    return { contentType: PIDF_TYPE, body: formatPidf(this.#document(shown)) }
  }
}

/** One who watches the agent directly. */
type Watcher = RunningMachine<NotifierState, NotifierInput, NotifierTimer, NotifierReport>

type Send = (request: SipRequest) => Promise<SipReply>

interface WatchOrder {
  readonly from: string
  readonly to: string
  readonly requestUri: string
  readonly contact: string
  readonly expiresS: number
}

/** One presence subscription of an agent, and everything it has seen. */
export class AgentWatch {
  /** Each NOTIFY as it came. */
  readonly states = new AsyncQueue<WatchedState>()
  /** What the subscription machine made of it. */
  readonly reports = new AsyncQueue<SubscriberReport>()
  readonly #machine: RunningMachine<SubscriberState, SubscriberInput, SubscriberTimer, SubscriberReport>

  constructor(send: Send, order: WatchOrder, onEnd: () => void) {
    const context = (): SubscriberContext => ({ nowMs: systemClock.wallMs(), ids: cryptoIds })
    const step = openSubscription({ ...order, event: 'presence', accept: PIDF_TYPE }, context())
    this.#machine = new RunningMachine(step.state, {
      timers: systemTimers,
      advance: (state, input) => advanceSubscriber(state, input, context()),
      send,
      report: (report) => {
        this.reports.push(report)
        if (report.kind === 'ended' || report.kind === 'cancelled') onEnd()
      },
    })
    this.#machine.follow(step)
  }

  get key(): string | undefined {
    return subscriberKey(this.#machine.state)
  }

  get state(): SubscriberState['name'] {
    return this.#machine.state.name
  }

  refresh(): void {
    this.#machine.advance({ kind: 'refresh' })
  }

  /** Resolves when the notifier has said its last word, or kept silent for too long. */
  async unsubscribe(): Promise<void> {
    if (this.state === 'ended') return
    const over = this.reports.next(({ kind }) => kind === 'ended' || kind === 'cancelled', 40_000)
    this.#machine.advance({ kind: 'unsubscribe' })
    await over
  }

  onNotify({ request, respond }: IncomingSipRequest): void {
    const body = request.body.length === 0 ? undefined : parsePidf(request.body)
    if (body !== undefined && !body.ok) return respond(newSipResponse(request, 400, 'PIDF cannot be read'))
    const header = parseSubscriptionState(request.headers.get('Subscription-State') ?? '')
    if (header.ok) this.states.push(watchedState(header.value.state, header.value.reason, body?.value))
    this.#machine.advance({ kind: 'notify', request }, respond)
  }

  /** Without a word. */
  stop(): void {
    this.#machine.stop()
  }
}

function watchedState(state: string, reason: string | undefined, pidf: Pidf | undefined): WatchedState {
  const [tuple] = pidf?.tuples ?? []
  const activities = [...(tuple?.activities ?? []), ...(pidf?.person?.activities ?? [])]
  return {
    subscription: state === 'active' || state === 'terminated' ? state : 'pending',
    reason,
    basic: tuple?.basic,
    show: tuple?.show ?? activities[0],
    note: (tuple?.notes[0] ?? pidf?.person?.notes[0] ?? pidf?.notes[0])?.text,
    pidf,
  }
}

function uriOf(text: string): SipUri {
  const uri = parseSipUri(text)
  if (!uri.ok) throw new RangeError(`not a SIP URI: ${text}`)
  return uri.value
}

const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms)
  })
