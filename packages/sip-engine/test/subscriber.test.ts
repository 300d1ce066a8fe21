import type { SipHeaderEntry, SipRequest } from '@stox/sip'
import { refreshAfterMs } from '../src/soft-state.ts'
import { subscriberKey } from '../src/subscriber-state.ts'
import { advanceSubscriber, openSubscription, resumeSubscriber } from '../src/subscriber.ts'
import type { SubscriberEffect, SubscriberState, SubscriberStep, SubscriptionOrder } from '../src/subscriber-state.ts'
import type { SubscriberInput } from '../src/subscriber.ts'
import { dialogKeyOf } from '../src/dialog.ts'
import { answered, broken, countingIds, fromRomeo, lost } from './sip-values.ts'

const order: SubscriptionOrder = {
  event: 'presence',
  accept: 'application/pidf+xml',
  from: '<sip:juliet@capulet.example>',
  to: '<sip:romeo@montague.example>',
  requestUri: 'sip:romeo@montague.example',
  contact: 'sip:juliet@192.0.2.1:5098',
  expiresS: 3600,
}

/** Drives one machine, stored and loaded before every step. */
class Driver {
  state: SubscriberState
  effects: readonly SubscriberEffect[]
  nowMs = 1_000_000
  readonly ids = countingIds()
  readonly armed = new Map<string, number>()

  constructor(options: { order?: Partial<SubscriptionOrder>; authorized?: boolean } = {}) {
    const step = openSubscription({ ...order, ...options.order }, this, { authorized: options.authorized ?? false })
    this.state = step.state
    this.effects = []
    this.take(step)
  }

  take(step: SubscriberStep): this {
    this.state = JSON.parse(JSON.stringify(step.state)) as SubscriberState
    this.effects = step.effects
    for (const effect of step.effects) {
      if (effect.kind === 'arm-timer') this.armed.set(effect.timer, this.nowMs + effect.afterMs)
      if (effect.kind === 'cancel-timer') this.armed.delete(effect.timer)
    }
    return this
  }

  input(input: SubscriberInput): this {
    if (input.kind === 'timer') {
      this.nowMs = Math.max(this.nowMs, this.armed.get(input.timer) ?? this.nowMs)
      this.armed.delete(input.timer)
    }
    return this.take(advanceSubscriber(this.state, input, this))
  }

  get sent(): SipRequest | undefined {
    return this.effects.find((effect) => effect.kind === 'send-request')?.request
  }

  get status(): number | undefined {
    return this.effects.find((effect) => effect.kind === 'respond')?.response.status
  }

  get reports(): readonly object[] {
    return this.effects.flatMap((effect) => (effect.kind === 'report' ? [effect.report] : []))
  }

  get kinds(): readonly string[] {
    return this.effects.map(({ kind }) => kind)
  }

  /** The last SUBSCRIBE that went out. */
  last = (): SipRequest => {
    const sent = this.sent
    if (sent === undefined) throw new Error('nothing sent')
    return sent
  }

  reply(status: number, headers: readonly SipHeaderEntry[] = [], request = this.last()): this {
    return this.input({ kind: 'reply', request, reply: answered(request, status, headers) })
  }

  notify(
    subscriptionState: string,
    options: { cseq?: number; fromTag?: string; event?: string; body?: string } = {},
  ): this {
    this.#cseq = options.cseq ?? this.#cseq + 1
    const { state } = this
    const identity =
      state.name === 'subscribing'
        ? state.attempt
        : 'dialog' in state
          ? state.dialog
          : { callId: 'none', localTag: 'none' }
    const request = fromRomeo('NOTIFY', {
      callId: identity.callId,
      toTag: identity.localTag,
      cseq: this.#cseq,
      headers: [
        ['Contact', '<sip:romeo@192.0.2.2:5062>'],
        ['Event', options.event ?? 'presence'],
        ['Subscription-State', subscriptionState],
        ['Record-Route', '<sip:p1.example;lr>'],
      ],
      ...(options.fromTag === undefined ? {} : { fromTag: options.fromTag }),
      ...(options.body === undefined ? {} : { body: options.body }),
    })
    this.notified = request
    return this.input({ kind: 'notify', request })
  }

  notified: SipRequest | undefined
  #cseq = 0
}

const active = (options?: ConstructorParameters<typeof Driver>[0]): Driver => {
  const driver = new Driver(options)
  driver.reply(200, [['Expires', '3600']])
  return driver.notify('active;expires=3600', { body: '<presence/>' })
}

describe('RFC 6665 §4.1.2.1: subscribing', () => {
  test('the first SUBSCRIBE, and Timer N [6665-3.1 6665-4.1.2.1.1 6665-4.1.2.1.2 6665-4.1.2.4.1]', () => {
    const driver = new Driver()
    const request = driver.last()
    expect([request.method, request.uri, request.core.cseq.number, request.core.maxForwards]).toEqual([
      'SUBSCRIBE',
      order.requestUri,
      1,
      70,
    ])
    expect([...request.headers.entries()]).toEqual(
      expect.arrayContaining([
        ['Event', 'presence'],
        ['Expires', '3600'],
        ['Accept', 'application/pidf+xml'],
        ['Contact', '<sip:juliet@192.0.2.1:5098>'],
      ]),
    )
    expect([...driver.armed]).toEqual([['N', driver.nowMs + 32_000]])
    expect(subscriberKey(driver.state)).toBe(`${request.core.from.params.get('tag')} ${request.core.callId}`)
  })

  test.each([200, 202])(
    '§8.3.1: %d is neutral, and still waits for the NOTIFY [6665-4.1.2.4.3 6665-8.3.1 8048-5.2.2]',
    (status) => {
      const driver = new Driver().reply(status, [['Expires', '1800']])
      expect([driver.state.name, driver.reports, [...driver.armed.keys()]]).toEqual([
        'subscribing',
        [{ kind: 'accepted', expiresS: 1800 }],
        ['N'],
      ])
    },
  )

  test('§4.4.1: the NOTIFY makes the dialog, even before the 2xx; its route set is the Record-Route [6665-4.1.2.1.3 6665-4.4.1.1 6665-4.1.3.3]', () => {
    const driver = new Driver()
    const subscribe = driver.last()
    driver.notify('pending;expires=3600')
    expect(driver.state).toMatchObject({
      name: 'pending',
      authorized: false,
      dialog: {
        remoteTag: 'romeo-tag',
        remoteTarget: 'sip:romeo@192.0.2.2:5062',
        routeSet: ['<sip:p1.example;lr>'],
        localCSeq: 1,
      },
    })
    expect([driver.status, driver.reports]).toEqual([
      200,
      [expect.objectContaining({ kind: 'notified', state: 'pending' })],
    ])
    expect(dialogKeyOf(driver.notified as SipRequest)).toBe(subscriberKey(driver.state))
    expect([...driver.armed.keys()].sort()).toEqual(['expiry', 'refresh'])
    driver.input({ kind: 'reply', request: subscribe, reply: answered(subscribe, 200) })
    expect([driver.state.name, driver.effects]).toEqual(['pending', []])
  })

  test('§4.1.3: a state we do not know lets nobody in [6665-4.1.3.5]', () => {
    expect(new Driver().notify('waiting;expires=60').state).toMatchObject({ name: 'pending', authorized: false })
  })

  test('RFC 3856 §6.9: the dialog of a second fork is refused [6665-4.1.4.1]', () => {
    expect([
      active().notify('active', { fromTag: 'fork' }).status,
      active().notify('active', { fromTag: 'fork' }).state.name,
    ]).toEqual([481, 'active'])
  })

  test.each<[string, Parameters<Driver['notify']>, number]>([
    ['§4.1.3 another event [6665-4.1.3.2]', ['active', { event: 'dialog' }], 489],
    ['§8.2.1 another id [6665-4.4.1.2]', ['active', { event: 'presence;id=7' }], 489],
    ['§4.1.3 an empty Subscription-State', ['', {}], 400],
  ])('%s is refused and changes nothing', (_row, args, status) => {
    const driver = new Driver()
    const before = driver.state
    driver.notify(...args)
    expect([driver.status, driver.state]).toEqual([status, before])
  })

  test('CSeq: lower 500, the same again answered and not reported twice', () => {
    const driver = active().notify('active;expires=3600', { cseq: 9 })
    expect(driver.notify('active', { cseq: 8 }).status).toBe(500)
    driver.notify('active', { cseq: 9 })
    expect([driver.status, driver.reports]).toEqual([200, []])
  })

  test('§4.1.2.4: Timer N without a NOTIFY [6665-4.1.2.4.2]', () => {
    const driver = new Driver().reply(200).input({ kind: 'timer', timer: 'N' })
    expect(driver.state).toMatchObject({ name: 'holdoff', failures: 1 })
    expect(driver.reports).toEqual([
      { kind: 'interrupted', cause: expect.objectContaining({ reason: 'no-notify' }), retryAfterMs: 30_000 },
    ])
    expect([...driver.armed.keys()]).toEqual(['retry'])
    const before = driver.last
    driver.input({ kind: 'timer', timer: 'retry' })
    expect(driver.state.name).toBe('subscribing')
    expect(before().core.cseq.number).toBe(1) // a new try is a new dialog
  })
})

describe('D.5: responses to the first SUBSCRIBE', () => {
  test.each<[number, readonly SipHeaderEntry[], string, string]>([
    [401, [], 'ended', 'cancelled'],
    [403, [], 'ended', 'cancelled'],
    [404, [], 'ended', 'cancelled'],
    [405, [], 'ended', 'cancelled'],
    [406, [], 'holdoff', 'interrupted'],
    [407, [], 'ended', 'cancelled'],
    [408, [], 'holdoff', 'interrupted'],
    [410, [], 'ended', 'cancelled'],
    [416, [], 'holdoff', 'interrupted'],
    [423, [], 'holdoff', 'interrupted'],
    [480, [], 'holdoff', 'interrupted'],
    [481, [], 'holdoff', 'interrupted'],
    [489, [], 'ended', 'cancelled'],
    [500, [], 'holdoff', 'interrupted'],
    [501, [], 'ended', 'cancelled'],
    [503, [['Retry-After', '120']], 'holdoff', 'interrupted'],
    [600, [], 'holdoff', 'interrupted'],
    [603, [], 'ended', 'cancelled'],
    [604, [], 'ended', 'cancelled'],
    [302, [], 'holdoff', 'interrupted'],
  ])('%d', (status, headers, state, report) => {
    const driver = new Driver().reply(status, headers)
    expect([driver.state.name, driver.reports]).toEqual([
      state,
      [expect.objectContaining({ kind: report, cause: expect.objectContaining({ status }) })],
    ])
    expect([...driver.armed.keys()]).toEqual(state === 'holdoff' ? ['retry'] : [])
    if (status === 503) expect(driver.state).toMatchObject({ retryAtMs: driver.nowMs + 120_000 })
  })

  test('an authorization we have survives everything but a clear refusal', () => {
    for (const status of [408, 480, 481, 500, 503]) {
      expect(new Driver({ authorized: true }).reply(status).state).toMatchObject({ name: 'holdoff', authorized: true })
    }
    expect(new Driver({ authorized: true }).reply(603).state).toMatchObject({ name: 'ended', authorized: false })
  })

  test('a known user who is unknown now: an hour, and after three times it is over', () => {
    const driver = new Driver({ authorized: true })
    for (const missing of [1, 2]) {
      driver.reply(404)
      expect(driver.state).toMatchObject({ name: 'holdoff', missing, retryAtMs: driver.nowMs + 3_600_000 })
      driver.input({ kind: 'timer', timer: 'retry' })
    }
    expect(driver.reply(404).reports).toEqual([expect.objectContaining({ kind: 'cancelled' })])
  })

  test('423: once more with Min-Expires, in the same dialog-to-be', () => {
    const driver = new Driver()
    const { callId } = driver.last().core
    driver.reply(423, [['Min-Expires', '7200']])
    expect([driver.last().core.callId, driver.last().core.cseq.number, driver.last().headers.get('Expires')]).toEqual([
      callId,
      2,
      '7200',
    ])
    expect(driver.reply(423, [['Min-Expires', '9000']]).state.name).toBe('holdoff')
  })

  test('3xx: followed once', () => {
    const driver = new Driver().reply(302, [['Contact', '<sip:romeo@elsewhere.example>']])
    expect([driver.last().uri, driver.last().core.cseq.number]).toEqual(['sip:romeo@elsewhere.example', 2])
    expect(driver.reply(301, [['Contact', '<sip:romeo@third.example>']]).state.name).toBe('holdoff')
  })

  test.each([
    ['Timer F', lost, 'timeout'],
    ['transport', broken, 'transport'],
  ] as const)('%s', (_row, reply, reason) => {
    const driver = new Driver()
    driver.input({ kind: 'reply', request: driver.last(), reply })
    expect([driver.state.name, driver.reports]).toEqual([
      'holdoff',
      [expect.objectContaining({ cause: expect.objectContaining({ reason }) })],
    ])
  })

  test('D.6: 30 s, doubling to an hour', () => {
    const driver = new Driver()
    const waits: number[] = []
    for (let n = 0; n < 9; n += 1) {
      driver.reply(500)
      waits.push(driver.state.name === 'holdoff' ? driver.state.retryAtMs - driver.nowMs : -1)
      driver.input({ kind: 'timer', timer: 'retry' })
    }
    expect(waits).toEqual([30, 60, 120, 240, 480, 960, 1920, 3600, 3600].map((seconds) => seconds * 1000))
  })

  test('a probe ends the hold-off', () => {
    const driver = new Driver().reply(500).input({ kind: 'refresh' })
    expect([driver.state.name, [...driver.armed.keys()]]).toEqual(['subscribing', ['N']])
  })

  test('a stale reply means nothing', () => {
    const driver = new Driver()
    const first = driver.last()
    driver.input({ kind: 'timer', timer: 'N' }).input({ kind: 'timer', timer: 'retry' })
    driver.input({ kind: 'reply', request: first, reply: answered(first, 603) })
    expect([driver.state.name, driver.effects]).toEqual(['subscribing', []])
  })
})

describe('RFC 6665 §4.1.2.2: refreshing', () => {
  const refreshing = (): Driver => active().input({ kind: 'timer', timer: 'refresh' })

  test.each([
    [3600, 0.5, 3240],
    [3600, 0, 3078],
    [3600, 1, 3402],
    [600, 0.5, 540],
    [100, 0.5, 50],
    [10, 1, 5],
  ])('D.6: %d s at chance %d: refreshed after %d s [8048-5.2.4]', (lifetimeS, fraction, afterS) => {
    expect(refreshAfterMs(lifetimeS * 1000, fraction)).toBe(afterS * 1000)
  })

  test('in the dialog, by its route [6665-4.1.2.2.1]', () => {
    const driver = refreshing()
    const [effect] = driver.effects
    expect(effect).toMatchObject({ kind: 'send-request', nextHop: 'sip:p1.example;lr' })
    expect([
      driver.last().uri,
      driver.last().core.cseq.number,
      driver.last().headers.get('Route'),
      driver.last().core.to.params.get('tag'),
    ]).toEqual(['sip:romeo@192.0.2.2:5062', 2, '<sip:p1.example;lr>', 'romeo-tag'])
    expect(driver.armed.has('N')).toBe(true)
  })

  test('2xx then NOTIFY, and NOTIFY then 2xx: both end it', () => {
    const first = refreshing()
    expect(first.reply(200, [['Expires', '3600']]).armed.has('N')).toBe(true)
    first.notify('active;expires=3600')
    const second = refreshing()
    const request = second.last()
    second.notify('active;expires=3600').reply(200, [['Expires', '3600']], request)
    for (const driver of [first, second]) {
      expect(driver.state).toMatchObject({ name: 'active', refreshing: null, expiresAtMs: driver.nowMs + 3_600_000 })
      expect([...driver.armed.keys()].sort()).toEqual(['expiry', 'refresh'])
    }
  })

  test('Timer N after a 2xx: the subscription is gone, a new one is asked for at once', () => {
    const driver = refreshing().reply(200).input({ kind: 'timer', timer: 'N' })
    expect(driver.state).toMatchObject({ name: 'subscribing', authorized: true })
    expect(driver.reports).toEqual([
      { kind: 'interrupted', cause: expect.objectContaining({ reason: 'no-notify' }), retryAfterMs: 0 },
    ])
    expect([...driver.armed.keys()]).toEqual(['N'])
  })

  test.each([[408], [500], [503], [401], [400]])(
    '%d: stays valid until its expiry, and is tried again [6665-4.1.2.2.4 8048-5.2.10]',
    (status) => {
      const driver = refreshing().reply(status)
      expect(driver.state).toMatchObject({ name: 'active', refreshing: null })
      expect([...driver.armed.keys()].sort()).toEqual(['expiry', 'refresh'])
      driver.input({ kind: 'timer', timer: 'refresh' })
      expect(driver.last().core.cseq.number).toBe(3)
    },
  )

  test('what is never refreshed expires, and is asked for anew', () => {
    const driver = refreshing().reply(500).input({ kind: 'timer', timer: 'expiry' })
    expect(driver.state.name).toBe('subscribing')
    expect(driver.reports).toEqual([
      expect.objectContaining({ kind: 'interrupted', cause: expect.objectContaining({ reason: 'expired' }) }),
    ])
  })

  test('481: a new dialog at once, the authorization stays [6665-4.1.2.2.2]', () => {
    const driver = refreshing()
    const { callId } = driver.last().core
    driver.reply(481)
    expect(driver.state).toMatchObject({ name: 'subscribing', authorized: true })
    expect(driver.last().core.callId).not.toBe(callId)
  })

  test.each([
    [404, 'holdoff'],
    [416, 'holdoff'],
    [480, 'holdoff'],
    [485, 'holdoff'],
    [403, 'ended'],
    [405, 'ended'],
    [489, 'ended'],
    [501, 'ended'],
    [603, 'ended'],
  ])('%d: over, %s [6665-4.1.2.2.3]', (status, name) => expect(refreshing().reply(status).state.name).toBe(name))

  test('423: once more with Min-Expires', () => {
    const driver = refreshing().reply(423, [['Min-Expires', '7200']])
    expect([driver.last().headers.get('Expires'), driver.last().core.cseq.number]).toEqual(['7200', 3])
    expect(driver.reply(423, [['Min-Expires', '9000']]).kinds).toEqual(['cancel-timer', 'arm-timer'])
    expect(driver.state).toMatchObject({ name: 'active', failures: 1 })
  })

  test('a 2xx without Expires grants what was asked for', () => {
    const driver = refreshing()
    expect(driver.reply(200).reports).toEqual([{ kind: 'accepted', expiresS: 3600 }])
    expect(driver.state).toMatchObject({ expiresAtMs: driver.nowMs + 3_600_000 })
  })

  test('a redirection is for the first SUBSCRIBE only', () => {
    const driver = refreshing().reply(302, [['Contact', '<sip:romeo@elsewhere.example>']])
    expect([driver.state.name, driver.kinds]).toEqual(['active', ['cancel-timer', 'arm-timer']])
  })

  test('a Contact in a refusal is no redirection', () => {
    const driver = new Driver().reply(486, [['Contact', '<sip:romeo@elsewhere.example>']])
    expect(driver.state.name).toBe('holdoff')
  })

  test('a probe refreshes now, but not twice', () => {
    const driver = active().input({ kind: 'refresh' })
    expect(driver.sent).toBeDefined()
    expect(driver.input({ kind: 'refresh' }).effects).toEqual([])
  })

  test('NOTIFYs that count down the same expiry leave the timers alone; a shorter one does not [6665-4.1.3.4]', () => {
    const driver = active()
    driver.nowMs += 600_000
    expect(driver.notify('active;expires=3000').effects.some(({ kind }) => kind === 'arm-timer')).toBe(false)
    expect(driver.notify('active;expires=60').state).toMatchObject({ expiresAtMs: driver.nowMs + 60_000 })
    expect(driver.armed.get('refresh')).toBe(driver.nowMs + 30_000)
  })
})

describe('D.4: terminated by the notifier [6665-4.1.2.3.2]', () => {
  test.each<[string, string, string, number | undefined]>([
    [
      'deactivated: at once, with a jitter [6665-4.1.3.deactivated]',
      'terminated;reason=deactivated;retry-after=99',
      'holdoff',
      1000,
    ],
    ['probation', 'terminated;reason=probation', 'holdoff', 300_000],
    [
      'probation with retry-after [6665-4.1.3.probation]',
      'terminated;reason=probation;retry-after=60',
      'holdoff',
      60_000,
    ],
    ['rejected [6665-4.1.3.rejected]', 'terminated;reason=rejected', 'ended', undefined],
    ['timeout [6665-4.1.3.timeout]', 'terminated;reason=timeout', 'subscribing', undefined],
    ['giveup [6665-4.1.3.giveup]', 'terminated;reason=giveup', 'holdoff', 3_600_000],
    ['noresource [6665-4.1.3.noresource]', 'terminated;reason=noresource', 'ended', undefined],
    ['invariant [6665-4.1.3.invariant]', 'terminated;reason=invariant', 'settled', undefined],
    ['badfilter', 'terminated;reason=badfilter', 'holdoff', 3_600_000],
    ['none', 'terminated', 'holdoff', 30_000],
    ['unknown, with retry-after [6665-4.1.3.none]', 'terminated;reason=whim;retry-after=45', 'holdoff', 45_000],
  ])('%s', (_row, text, name, afterMs) => {
    const driver = active().notify(text, { body: '<presence/>' })
    expect([driver.status, driver.state.name]).toEqual([200, name])
    expect(driver.reports[0]).toMatchObject({ kind: 'notified', state: 'terminated' }) // §4.1.2.3: the body counts first
    if (afterMs !== undefined) expect(driver.armed.get('retry')).toBe(driver.nowMs + afterMs)
    if (name === 'ended') expect(driver.reports[1]).toMatchObject({ kind: 'cancelled' })
    if (name === 'ended' || name === 'settled') expect(driver.armed.size).toBe(0)
  })

  test('a notifier that always says at once gets the back-off', () => {
    const driver = active()
    driver.notify('terminated;reason=timeout')
    expect(driver.state.name).toBe('subscribing')
    driver.notify('active;expires=3600', { cseq: 1 }).notify('terminated;reason=timeout', { cseq: 2 })
    expect(driver.state).toMatchObject({ name: 'holdoff', failures: 2 })
    expect(driver.armed.get('retry')).toBe(driver.nowMs + 60_000)
  })

  test('afterwards a NOTIFY finds nothing', () => {
    expect(active().notify('terminated;reason=rejected').notify('active').status).toBe(481)
  })
})

describe('RFC 6665 §4.1.2.3: unsubscribing', () => {
  test('Expires 0 in the dialog, the last NOTIFY is the end [6665-4.1.2.3.1 8048-5.2.9]', () => {
    const driver = active().input({ kind: 'unsubscribe' })
    expect([driver.last().headers.get('Expires'), driver.state.name, [...driver.armed.keys()]]).toEqual([
      '0',
      'closing',
      ['N'],
    ])
    driver.reply(200)
    expect(driver.notify('active').state.name).toBe('closing')
    driver.notify('terminated;reason=timeout')
    expect([driver.status, driver.state.name, driver.reports, driver.armed.size]).toEqual([
      200,
      'ended',
      [{ kind: 'ended', cause: undefined }],
      0,
    ])
  })

  test.each<[string, SubscriberInput | ((driver: Driver) => SubscriberInput)]>([
    ['Timer N', { kind: 'timer', timer: 'N' }],
    ['481', (driver) => ({ kind: 'reply', request: driver.last(), reply: answered(driver.last(), 481) })],
    ['Timer F', (driver) => ({ kind: 'reply', request: driver.last(), reply: lost })],
  ])('without it, %s is the end', (_row, input) => {
    const driver = active().input({ kind: 'unsubscribe' })
    driver.input(typeof input === 'function' ? input(driver) : input)
    expect([driver.state.name, driver.reports.length, driver.armed.size]).toEqual(['ended', 1, 0])
  })

  test('before there is a dialog: as soon as there is one', () => {
    const driver = new Driver().input({ kind: 'unsubscribe' })
    expect(driver.effects).toEqual([])
    driver.notify('active;expires=3600')
    expect([driver.status, driver.state.name, driver.last().headers.get('Expires'), driver.reports]).toEqual([
      200,
      'closing',
      '0',
      [],
    ])
    const failed = new Driver()
    const request = failed.last()
    failed.input({ kind: 'unsubscribe' }).reply(500, [], request)
    expect([failed.state.name, failed.armed.size]).toEqual(['ended', 0])
  })

  test('in a hold-off: at once', () => {
    const driver = new Driver().reply(500).input({ kind: 'unsubscribe' })
    expect([driver.state.name, driver.armed.size]).toEqual(['ended', 0])
  })
})

describe('RFC 6665 §4.4.3: polling', () => {
  const poll = (): Driver => new Driver({ order: { expiresS: 0 } })

  test('one NOTIFY and the end', () => {
    const driver = poll()
      .reply(200, [['Expires', '0']])
      .notify('terminated;reason=timeout', { body: '<presence/>' })
    expect(driver.reports).toEqual([
      expect.objectContaining({ kind: 'notified', state: 'terminated' }),
      { kind: 'ended', cause: undefined },
    ])
    expect([driver.state.name, driver.armed.size]).toEqual(['ended', 0])
  })

  test.each([
    [500, 'ended'],
    [404, 'cancelled'],
    [603, 'cancelled'],
  ])('%d: %s, and no second try', (status, report) => {
    const driver = poll().reply(status)
    expect([driver.state.name, driver.reports, driver.armed.size]).toEqual([
      'ended',
      [expect.objectContaining({ kind: report })],
      0,
    ])
  })

  test('Timer N', () => {
    expect(poll().reply(200).input({ kind: 'timer', timer: 'N' }).reports).toEqual([
      { kind: 'ended', cause: expect.objectContaining({ reason: 'no-notify' }) },
    ])
  })
})

describe('D.10: after a restart', () => {
  test('a dialog is refreshed soon, with a CSeq that was surely not used', () => {
    const driver = active()
    driver.armed.clear()
    driver.nowMs += 60_000
    driver.take(resumeSubscriber(driver.state, driver, 4000))
    expect(driver.state).toMatchObject({ name: 'active', authorized: true, dialog: { localCSeq: 101 } })
    expect([driver.armed.get('refresh'), driver.armed.get('expiry')]).toEqual([
      driver.nowMs + 2000,
      driver.nowMs + 3_540_000,
    ])
    expect(driver.input({ kind: 'timer', timer: 'refresh' }).last().core.cseq.number).toBe(102)
  })

  test.each<[string, () => Driver, string]>([
    [
      'an expired dialog',
      () => {
        const driver = active()
        driver.nowMs += 4_000_000
        return driver
      },
      'subscribing',
    ],
    ['a try on its way', () => new Driver(), 'subscribing'],
    ['a try nobody wants', () => new Driver().input({ kind: 'unsubscribe' }), 'ended'],
    ['a hold-off', () => new Driver().reply(500), 'holdoff'],
    ['an end on its way', () => active().input({ kind: 'unsubscribe' }), 'closing'],
    ['an end', () => new Driver().reply(603), 'ended'],
  ])('%s', (_row, make, name) => {
    const driver = make()
    driver.armed.clear()
    driver.take(resumeSubscriber(driver.state, driver, 4000))
    expect(driver.state.name).toBe(name)
    expect(driver.armed.size > 0).toBe(name !== 'ended')
    expect(driver.sent !== undefined).toBe(name === 'subscribing' || name === 'closing')
  })
})
