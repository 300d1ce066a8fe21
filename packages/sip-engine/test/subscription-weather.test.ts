import { NamedTimers, VirtualTime, chanceFrom } from '@stox/kernel'
import type { Ids } from '@stox/kernel'
import type { SipRequest, SipResponse } from '@stox/sip'
import { dialogKeyOf } from '../src/dialog.ts'
import { notifierKey } from '../src/notifier-state.ts'
import { advanceNotifier, openNotifier, resumeNotifier, revivedNotifier } from '../src/notifier.ts'
import { DEFAULT_SUBSCRIBE_RULES } from '../src/subscribe-terms.ts'
import type { NotifierState, NotifierStep } from '../src/notifier-state.ts'
import type { NotifierInput } from '../src/notifier.ts'
import { subscriberKey } from '../src/subscriber-state.ts'
import { advanceSubscriber, openSubscription, resumeSubscriber } from '../src/subscriber.ts'
import type { SubscriberState, SubscriberStep } from '../src/subscriber-state.ts'
import type { SubscriberInput } from '../src/subscriber.ts'
import type { SubscriptionReply } from '../src/subscription-reply.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

/** What a transaction makes of a bad network: some requests are never heard, some answers never come back. */
type Respond = (response: SipResponse) => void
type Carry = (
  request: SipRequest,
  take: (request: SipRequest, respond: Respond) => void,
  done: (reply: SubscriptionReply) => void,
) => void

function network(time: VirtualTime, random: () => number, weather: { loss: number }): Carry {
  const delayMs = (): number => 5 + random() * 900
  return (request, take, done) => {
    let over = false
    const end = (reply: SubscriptionReply): void => {
      if (over) return
      over = true
      timeout.cancel()
      done(reply)
    }
    const timeout = time.arm(32_000, () => end({ kind: 'failed', cause: 'timeout', detail: '' }))
    if (random() < weather.loss) return
    time.arm(delayMs(), () =>
      take(request, (response) => {
        if (random() >= weather.loss) time.arm(delayMs(), () => end({ kind: 'response', response }))
      }),
    )
  }
}

/** Keeps one presentity and tells whoever subscribes. */
class NotifierSide {
  document = 'v0'
  readonly dialogs = new Map<string, { state: NotifierState; timers: NamedTimers<string> }>()
  readonly #time: VirtualTime
  readonly #ids: Ids
  readonly #carry: Carry
  #toSubscriber!: (request: SipRequest, respond: Respond) => void

  constructor(time: VirtualTime, ids: Ids, carry: Carry) {
    this.#time = time
    this.#ids = ids
    this.#carry = carry
  }

  connect(toSubscriber: (request: SipRequest, respond: Respond) => void): void {
    this.#toSubscriber = toSubscriber
  }

  take(request: SipRequest, respond: Respond): void {
    const key = dialogKeyOf(request)
    if (key !== undefined && this.dialogs.has(key)) return this.#input(key, { kind: 'subscribe', request }, respond)
    const opened = openNotifier(request, { contact: 'sip:n@192.0.2.2', authorization: 'active' }, this.#context())
    if (!opened.ok) return respond(opened.failure)
    this.#follow(notifierKey(opened.value.state), opened.value, respond)
  }

  change(document: string): void {
    this.document = document
    for (const key of this.dialogs.keys()) this.#input(key, { kind: 'changed' })
  }

  restart(): void {
    for (const [key, { state, timers }] of this.dialogs) {
      timers.cancelAll()
      this.#follow(
        key,
        resumeNotifier(revivedNotifier(JSON.parse(JSON.stringify(state)) as NotifierState), this.#context()),
      )
    }
  }

  #input(key: string, input: NotifierInput, respond?: Respond): void {
    const dialog = this.dialogs.get(key)
    if (dialog !== undefined) this.#follow(key, advanceNotifier(dialog.state, input, this.#context()), respond)
  }

  #follow(key: string, step: NotifierStep, respond?: Respond): void {
    const timers = this.dialogs.get(key)?.timers ?? new NamedTimers<string>()
    if (step.state.name === 'ended') this.dialogs.delete(key)
    else this.dialogs.set(key, { state: step.state, timers })
    for (const effect of step.effects) {
      if (effect.kind === 'respond') respond?.(effect.response)
      if (effect.kind === 'arm-timer')
        timers.arm(this.#time, effect.timer, effect.afterMs, () =>
          this.#input(key, { kind: 'timer', timer: effect.timer }),
        )
      if (effect.kind === 'cancel-timer') timers.cancel(effect.timer)
      if (effect.kind === 'send-request') {
        const { request } = effect
        this.#carry(request, this.#toSubscriber, (reply) => this.#input(key, { kind: 'reply', request, reply }))
      }
    }
  }

  #context(): Parameters<typeof advanceNotifier>[2] {
    const document = { contentType: 'application/pidf+xml', body: this.document }
    return {
      nowMs: this.#time.wallMs(),
      ids: this.#ids,
      rules: DEFAULT_SUBSCRIBE_RULES,
      document: (kind) => (kind === 'current' ? document : undefined),
    }
  }
}

/** Watches it. */
class SubscriberSide {
  known: string | undefined
  ends = 0
  state!: SubscriberState
  readonly #time: VirtualTime
  readonly #ids: Ids
  readonly #carry: Carry
  readonly #timers = new NamedTimers<string>()
  #toNotifier!: (request: SipRequest, respond: Respond) => void

  constructor(time: VirtualTime, ids: Ids, carry: Carry) {
    this.#time = time
    this.#ids = ids
    this.#carry = carry
  }

  connect(toNotifier: (request: SipRequest, respond: Respond) => void): void {
    this.#toNotifier = toNotifier
  }

  open(): void {
    this.#follow(
      openSubscription(
        {
          event: 'presence',
          accept: 'application/pidf+xml',
          from: '<sip:juliet@capulet.example>',
          to: '<sip:romeo@montague.example>',
          requestUri: 'sip:romeo@montague.example',
          contact: 'sip:juliet@192.0.2.1',
          expiresS: 3600,
        },
        this.#context(),
      ),
    )
  }

  take(request: SipRequest, respond: Respond): void {
    // As a gateway does: what belongs to nothing is told so.
    const known = dialogKeyOf(request) === subscriberKey(this.state)
    const step = advanceSubscriber(
      known ? this.state : ({ ...this.state, name: 'ended' } as SubscriberState),
      { kind: 'notify', request },
      this.#context(),
    )
    this.#follow(known ? step : { state: this.state, effects: step.effects }, respond)
  }

  input(input: SubscriberInput): void {
    this.#follow(advanceSubscriber(this.state, input, this.#context()))
  }

  restart(): void {
    this.#timers.cancelAll()
    this.#follow(resumeSubscriber(JSON.parse(JSON.stringify(this.state)) as SubscriberState, this.#context(), 5000))
  }

  #follow(step: SubscriberStep, respond?: Respond): void {
    this.state = step.state
    for (const effect of step.effects) {
      if (effect.kind === 'respond') respond?.(effect.response)
      if (effect.kind === 'arm-timer')
        this.#timers.arm(this.#time, effect.timer, effect.afterMs, () =>
          this.input({ kind: 'timer', timer: effect.timer }),
        )
      if (effect.kind === 'cancel-timer') this.#timers.cancel(effect.timer)
      if (effect.kind === 'send-request') {
        const { request } = effect
        this.#carry(request, this.#toNotifier, (reply) => this.input({ kind: 'reply', request, reply }))
      }
      if (effect.kind !== 'report') continue
      if (effect.report.kind === 'notified' && effect.report.body.length > 0)
        this.known = Buffer.from(effect.report.body).toString()
      if (effect.report.kind === 'ended' || effect.report.kind === 'cancelled') this.ends += 1
    }
  }

  #context(): { nowMs: number; ids: Ids } {
    return { nowMs: this.#time.wallMs(), ids: this.#ids }
  }
}

describe.each([1, 2, 3, 4, 5, 6, 7, 8])(
  'RFC 6665, two sides, a day of bad weather, kills included (seed %d)',
  (seed) => {
    const time = new VirtualTime()
    const random = chanceFrom(seed)
    let tokens = 0
    const ids: Ids = { token: () => `t${(tokens += 1)}`, fraction: random }
    const weather = { loss: 0.25 }
    const carry = network(time, random, weather)
    const notifier = new NotifierSide(time, ids, carry)
    const subscriber = new SubscriberSide(time, ids, carry)
    notifier.connect((request, respond) => subscriber.take(request, respond))
    subscriber.connect((request, respond) => notifier.take(request, respond))

    test('what the watcher knows follows, dialogs do not pile up, and all timers end', () => {
      subscriber.open()
      let most = 0
      for (let n = 1; n <= 288; n += 1) {
        time.advance(5 * MINUTE)
        if (random() < 0.7) notifier.change(`v${n}`)
        if (random() < 0.05) notifier.restart()
        if (random() < 0.05) subscriber.restart()
        if (random() < 0.1) subscriber.input({ kind: 'refresh' })
        most = Math.max(most, notifier.dialogs.size)
      }
      // An orphan lives until its next NOTIFY is answered 481, or is not answered.
      expect(most).toBeLessThanOrEqual(3)

      weather.loss = 0
      time.advance(2 * HOUR)
      notifier.change('last')
      time.advance(MINUTE)
      expect([subscriber.state.name, subscriber.known, notifier.dialogs.size, subscriber.ends]).toEqual([
        'active',
        'last',
        1,
        0,
      ])

      subscriber.input({ kind: 'unsubscribe' })
      time.advance(2 * MINUTE)
      expect([subscriber.state.name, notifier.dialogs.size, subscriber.ends, time.armed]).toEqual(['ended', 0, 1, 0])
    })
  },
)
