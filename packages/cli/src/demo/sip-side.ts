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
  NotifierEffect,
  NotifierInput,
  NotifierState,
  SubscriberEffect,
  SubscriberInput,
  SubscriberState,
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

interface Armed {
  cancel(): void
}

interface Timed {
  readonly timers: Map<string, Armed>
}

/** A machine of ours under way: its state, its timers, and whom it is between. */
interface Running<State> extends Timed {
  state: State
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
  readonly #notifiers = new Map<string, Running<NotifierState>>()
  /** Whom our users watch, by watcher and contact. */
  readonly #subscribers = new Map<string, Running<SubscriberState>>()

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
    for (const running of [...this.#notifiers.values(), ...this.#subscribers.values()]) stopTimers(running)
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
    for (const running of this.#notifiers.values()) {
      if (running.watcher === watcher && running.contact === user)
        this.#notify(running, { kind: 'authorize', authorization: 'active' })
    }
  }

  bePresent(user: string, presence: SipPresence): void {
    this.#users.set(user, presence)
    for (const running of this.#notifiers.values())
      if (running.contact === user) this.#notify(running, { kind: 'changed' })
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
    const running: Running<SubscriberState> = { state: step.state, timers: new Map(), watcher, contact }
    this.#subscribers.set(`${watcher} ${contact}`, running)
    this.#runSubscriber(running, step.effects, undefined)
  }

  unwatch(watcher: string, contact: string): void {
    const running = this.#subscribers.get(`${watcher} ${contact}`)
    if (running !== undefined) this.#subscribe(running, { kind: 'unsubscribe' })
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
      const running = this.#notifiers.get(key)
      if (running === undefined) incoming.respond(newSipResponse(request, 481))
      else this.#notify(running, { kind: 'subscribe', request }, incoming)
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
    const running: Running<NotifierState> = { state: step.value.state, timers: new Map(), watcher, contact }
    this.#notifiers.set(notifierKey(step.value.state), running)
    this.#runNotifier(running, step.value.effects, incoming)
    if (running.state.name === 'pending') this.#options.asked(watcher, contact)
  }

  #takeNotify(incoming: IncomingSipRequest): void {
    const key = dialogKeyOf(incoming.request)
    const running = [...this.#subscribers.values()].find((one) => key !== undefined && subscriberKey(one.state) === key)
    if (running === undefined)
      incoming.respond(newSipResponse(incoming.request, 481, undefined, { toTag: cryptoIds.token() }))
    else this.#subscribe(running, { kind: 'notify', request: incoming.request }, incoming)
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

  #notify(running: Running<NotifierState>, input: NotifierInput, incoming?: IncomingSipRequest): void {
    const step = advanceNotifier(running.state, input, this.#notifierContext(running.contact))
    running.state = step.state
    this.#runNotifier(running, step.effects, incoming)
  }

  #runNotifier(
    running: Running<NotifierState>,
    effects: readonly NotifierEffect[],
    incoming: IncomingSipRequest | undefined,
  ): void {
    for (const effect of effects) {
      switch (effect.kind) {
        case 'respond':
          incoming?.respond(effect.response)
          break
        case 'send-request':
          void this.#endpoint
            .request(effect.request, this.#options.gateway)
            .then((reply) => this.#notify(running, { kind: 'reply', request: effect.request, reply }))
          break
        case 'arm-timer':
          arm(running, effect.timer, effect.afterMs, () =>
            this.#notify(running, { kind: 'timer', timer: effect.timer }),
          )
          break
        case 'cancel-timer':
          disarm(running, effect.timer)
          break
        case 'report':
          if (effect.report.kind === 'ended') {
            stopTimers(running)
            this.#notifiers.delete(notifierKey(running.state))
            this.#options.ceased(running.watcher, running.contact)
          }
          break
      }
    }
  }

  #subscribe(running: Running<SubscriberState>, input: SubscriberInput, incoming?: IncomingSipRequest): void {
    const step = advanceSubscriber(running.state, input, this.#context())
    running.state = step.state
    this.#runSubscriber(running, step.effects, incoming)
  }

  #runSubscriber(
    running: Running<SubscriberState>,
    effects: readonly SubscriberEffect[],
    incoming: IncomingSipRequest | undefined,
  ): void {
    for (const effect of effects) {
      switch (effect.kind) {
        case 'respond':
          incoming?.respond(effect.response)
          break
        case 'send-request':
          void this.#endpoint
            .request(effect.request, this.#options.gateway)
            .then((reply) => this.#subscribe(running, { kind: 'reply', request: effect.request, reply }))
          break
        case 'arm-timer':
          arm(running, effect.timer, effect.afterMs, () =>
            this.#subscribe(running, { kind: 'timer', timer: effect.timer }),
          )
          break
        case 'cancel-timer':
          disarm(running, effect.timer)
          break
        case 'report':
          if (effect.report.kind === 'notified') {
            const document =
              effect.report.body.length > 0 ? parsePidf(effect.report.body, systemClock.wallMs()) : undefined
            this.#options.learned(
              running.watcher,
              running.contact,
              effect.report.state,
              document?.ok === true ? document.value : undefined,
            )
          }
          if (effect.report.kind === 'ended' || effect.report.kind === 'cancelled') {
            stopTimers(running)
            this.#subscribers.delete(`${running.watcher} ${running.contact}`)
            this.#options.learned(running.watcher, running.contact, 'terminated', undefined)
          }
          break
      }
    }
  }
}

function uriOf(address: string): SipUri {
  const at = address.lastIndexOf('@')
  return newSipUri({ user: address.slice(0, at), host: address.slice(at + 1) })
}

function arm(running: Timed, name: string, afterMs: number, fire: () => void): void {
  disarm(running, name)
  running.timers.set(name, systemTimers.arm(afterMs, fire))
}

function disarm(running: Timed, name: string): void {
  running.timers.get(name)?.cancel()
  running.timers.delete(name)
}

function stopTimers(running: Timed): void {
  for (const name of [...running.timers.keys()]) disarm(running, name)
}
