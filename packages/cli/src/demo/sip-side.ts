import type { Log } from '@stox/kernel'
import {
  formatNameAddr,
  formatPidf,
  formatSipUri,
  nameAddr,
  newSipRequest,
  newSipResponse,
  newSipUri,
  parsePidf,
  PIDF_TYPE,
  userToText,
} from '@stox/sip'
import type { Pidf, PidfShow, SipRequest, SipUri } from '@stox/sip'
import {
  RunningMachine,
  advanceNotifier,
  advanceSubscriber,
  DEFAULT_SUBSCRIBE_RULES,
  dialogKeyOf,
  notifierKey,
  openNotifier,
  openSubscription,
  subscriberKey,
} from '@stox/sip-engine'
import type {
  NotifierInput,
  NotifierReport,
  NotifierState,
  NotifierTimer,
  SubscriberInput,
  SubscriberReport,
  SubscriberState,
  SubscriberTimer,
} from '@stox/sip-engine'
import { cryptoIds, SipEndpoint, systemClock, systemTimers } from '@stox/transport'
import type { IncomingSipRequest, SipTarget } from '@stox/transport'

/** What one device of a SIP user shows. */
export interface SipPresence {
  readonly online: boolean
  readonly show?: PidfShow
  readonly note?: string
}

export interface SipSideOptions {
  readonly domain: string
  readonly address: SipTarget
  readonly gateway: SipTarget
  readonly log: Log
  readonly heardMessage: (from: string, to: string, text: string, request: SipRequest) => void
  /** Somebody outside asks to see one of our users. */
  readonly asked: (watcher: string, user: string) => void
  readonly ceased: (watcher: string, user: string) => void
  /** One of our users learns of a contact's presence; `state` is that of the subscription. */
  readonly learned: (watcher: string, contact: string, state: string, document: Pidf | undefined) => void
}

type NotifierMachine = RunningMachine<NotifierState, NotifierInput, NotifierTimer, NotifierReport>
type SubscriberMachine = RunningMachine<SubscriberState, SubscriberInput, SubscriberTimer, SubscriberReport>

/** A machine of ours under way, and whom it is between. */
interface Between<Machine> {
  readonly machine: Machine
  readonly watcher: string
  readonly contact: string
}

const addressOf = (uri: SipUri): string => {
  const user = userToText(uri.user ?? '')
  return `${user.ok ? user.value : (uri.user ?? '')}@${uri.host}`
}

/**
 * A small SIP domain of its own: it speaks real SIP over sockets with the gateway, answers messages for its users and is
 * their presence server. Enough of RFC 3261, 3428 and 6665 for a conversation; not a server for people.
 */
export class SipSide {
  readonly #options: SipSideOptions
  readonly #endpoint: SipEndpoint
  readonly #users = new Map<string, SipPresence>()
  readonly #allowed = new Set<string>()
  /** Who watches our users, by dialog key. */
  readonly #notifiers = new Map<string, Between<NotifierMachine>>()
  /** Whom our users watch, by watcher and contact. */
  readonly #subscribers = new Map<string, Between<SubscriberMachine>>()

  constructor(options: SipSideOptions) {
    this.#options = options
    this.#endpoint = new SipEndpoint({
      listen: [`${options.address.transport}:${options.address.host}:${options.address.port}`],
      clock: systemClock,
      timers: systemTimers,
      ids: cryptoIds,
      log: options.log,
      trusted: (host) => host === options.gateway.host,
      on: {
        request: (incoming) => this.#take(incoming),
        refused: (kind, refusal) => options.log.warn('demo-sip-refused', { kind, detail: refusal.detail }),
      },
    })
  }

  async listen(): Promise<void> {
    await this.#endpoint.listen()
  }

  close(): Promise<void> {
    for (const { machine } of [...this.#notifiers.values(), ...this.#subscribers.values()]) machine.stop()
    return this.#endpoint.close()
  }

  addUser(address: string): void {
    this.#users.set(address, { online: true })
  }

  /** Sends a MESSAGE and waits for its final response. */
  async say(
    from: string,
    to: string,
    text: string,
  ): Promise<{ readonly status: number; readonly reason: string; readonly request: SipRequest }> {
    const request = newSipRequest({
      method: 'MESSAGE',
      uri: formatSipUri(uriOf(to)),
      from: nameAddr(uriOf(from), undefined, cryptoIds.token()),
      to: nameAddr(uriOf(to)),
      callId: cryptoIds.token(),
      cseq: 1,
      contentType: 'text/plain;charset=UTF-8',
      body: text.replaceAll('\n', '\r\n'),
    })
    const reply = await this.#endpoint.request(request, this.#options.gateway)
    return reply.kind === 'response'
      ? { status: reply.response.status, reason: reply.response.reason, request }
      : { status: 408, reason: reply.detail, request }
  }

  /** The user lets a watcher in: their waiting subscriptions become active. */
  approve(user: string, watcher: string): void {
    this.#allowed.add(`${watcher} ${user}`)
    for (const one of this.#notifiers.values())
      if (one.watcher === watcher && one.contact === user)
        one.machine.advance({ kind: 'authorize', authorization: 'active' })
  }

  bePresent(user: string, presence: SipPresence): void {
    this.#users.set(user, presence)
    for (const { machine, contact } of this.#notifiers.values())
      if (contact === user) machine.advance({ kind: 'changed' })
  }

  watch(watcher: string, contact: string): void {
    const { host, port, transport } = this.#options.address
    const step = openSubscription(
      {
        event: 'presence',
        accept: PIDF_TYPE,
        from: formatNameAddr(nameAddr(uriOf(watcher))),
        to: formatNameAddr(nameAddr(uriOf(contact))),
        requestUri: formatSipUri(uriOf(contact)),
        contact: `sip:${watcher.split('@')[0]}@${host}:${port};transport=${transport}`,
        expiresS: 3600,
      },
      this.#context(),
    )
    const machine: SubscriberMachine = new RunningMachine(step.state, {
      timers: systemTimers,
      advance: (state, input) => advanceSubscriber(state, input, this.#context()),
      send: (request) => this.#endpoint.request(request, this.#options.gateway),
      report: (report) => this.#learn(watcher, contact, report),
    })
    this.#subscribers.set(`${watcher} ${contact}`, { machine, watcher, contact })
    machine.follow(step)
  }

  unwatch(watcher: string, contact: string): void {
    this.#subscribers.get(`${watcher} ${contact}`)?.machine.advance({ kind: 'unsubscribe' })
  }

  #take(incoming: IncomingSipRequest): void {
    const { request } = incoming
    switch (request.method) {
      case 'MESSAGE':
        return this.#takeMessage(incoming)
      case 'SUBSCRIBE':
        return this.#takeSubscribe(incoming)
      case 'NOTIFY':
        return this.#takeNotify(incoming)
      default:
        incoming.respond(newSipResponse(request, 200, 'OK', { toTag: cryptoIds.token() }))
    }
  }

  #takeMessage(incoming: IncomingSipRequest): void {
    const { request } = incoming
    const to = addressOf(request.core.to.uri)
    const known = this.#users.has(to)
    incoming.respond(
      newSipResponse(request, known ? 200 : 404, known ? 'OK' : 'Not Found', { toTag: cryptoIds.token() }),
    )
    if (!known) return
    const text = new TextDecoder().decode(request.body).replaceAll('\r\n', '\n')
    this.#options.heardMessage(addressOf(request.core.from.uri), to, text, request)
  }

  #takeSubscribe(incoming: IncomingSipRequest): void {
    const { request } = incoming
    const key = dialogKeyOf(request)
    if (key !== undefined) {
      const known = this.#notifiers.get(key)
      if (known === undefined) incoming.respond(newSipResponse(request, 481))
      else known.machine.advance({ kind: 'subscribe', request }, incoming.respond)
      return
    }
    const watcher = addressOf(request.core.from.uri)
    const contact = addressOf(request.core.to.uri)
    if (!this.#users.has(contact))
      return incoming.respond(newSipResponse(request, 404, 'Not Found', { toTag: cryptoIds.token() }))
    const { host, port, transport } = this.#options.address
    const step = openNotifier(
      request,
      {
        contact: `sip:${contact.split('@')[0]}@${host}:${port};transport=${transport}`,
        authorization: this.#allowed.has(`${watcher} ${contact}`) ? 'active' : 'pending',
      },
      this.#notifierContext(contact),
    )
    if (!step.ok) return incoming.respond(step.failure)
    const notifier = notifierKey(step.value.state)
    const machine: NotifierMachine = new RunningMachine(step.value.state, {
      timers: systemTimers,
      advance: (state, input) => advanceNotifier(state, input, this.#notifierContext(contact)),
      send: (sent) => this.#endpoint.request(sent, this.#options.gateway),
      report: ({ kind }) => {
        if (kind !== 'ended') return
        machine.stop()
        this.#notifiers.delete(notifier)
        this.#options.ceased(watcher, contact)
      },
    })
    this.#notifiers.set(notifier, { machine, watcher, contact })
    machine.follow(step.value, incoming.respond)
    if (machine.state.name === 'pending') this.#options.asked(watcher, contact)
  }

  #takeNotify(incoming: IncomingSipRequest): void {
    const key = dialogKeyOf(incoming.request)
    const known = [...this.#subscribers.values()].find(
      ({ machine }) => key !== undefined && subscriberKey(machine.state) === key,
    )
    if (known === undefined)
      incoming.respond(newSipResponse(incoming.request, 481, undefined, { toTag: cryptoIds.token() }))
    else known.machine.advance({ kind: 'notify', request: incoming.request }, incoming.respond)
  }

  #context() {
    return { nowMs: systemClock.wallMs(), ids: cryptoIds }
  }

  #notifierContext(contact: string) {
    const rules = { ...DEFAULT_SUBSCRIBE_RULES, minNotifyIntervalMs: 0 }
    return { ...this.#context(), rules, document: (kind: 'current' | 'farewell') => this.#document(contact, kind) }
  }

  #document(user: string, kind: 'current' | 'farewell') {
    const presence = this.#users.get(user)
    const open = kind === 'current' && presence?.online === true
    const pidf: Pidf = {
      entity: `pres:${user}`,
      tuples: [
        {
          id: 'desk',
          basic: open ? 'open' : 'closed',
          show: open ? presence.show : undefined,
          contact: `sip:${user}`,
          contactPriority: undefined,
          notes: open && presence.note !== undefined ? [{ lang: undefined, text: presence.note }] : [],
          timestamp: new Date(systemClock.wallMs()).toISOString(),
          activities: [],
          idle: false,
        },
      ],
      person: undefined,
      notes: [],
    }
    return { contentType: PIDF_TYPE, body: formatPidf(pidf) }
  }

  #learn(watcher: string, contact: string, report: SubscriberReport): void {
    if (report.kind === 'notified') {
      const document = report.body.length > 0 ? parsePidf(report.body, systemClock.wallMs()) : undefined
      this.#options.learned(watcher, contact, report.state, document?.ok === true ? document.value : undefined)
    }
    if (report.kind !== 'ended' && report.kind !== 'cancelled') return
    const key = `${watcher} ${contact}`
    this.#subscribers.get(key)?.machine.stop()
    this.#subscribers.delete(key)
    this.#options.learned(watcher, contact, 'terminated', undefined)
  }
}

function uriOf(address: string): SipUri {
  const at = address.lastIndexOf('@')
  return newSipUri({ user: address.slice(0, at), host: address.slice(at + 1) })
}
