import type { SipHeaderEntry, SipRequest } from '@stox/sip'
import { dialogKeyOf } from '../src/dialog.ts'
import { notifierKey } from '../src/notifier-state.ts'
import { advanceNotifier, openNotifier, resumeNotifier, revivedNotifier } from '../src/notifier.ts'
import { DEFAULT_SUBSCRIBE_RULES, judgeSubscribe } from '../src/subscribe-terms.ts'
import type { NotifierEffect, NotifierState, NotifierStep, NotifyDocument } from '../src/notifier-state.ts'
import type { NotifierInput } from '../src/notifier.ts'
import { answered, broken, countingIds, fromRomeo, lost } from './sip-values.ts'

const contact: SipHeaderEntry = ['Contact', '<sip:romeo@192.0.2.2:5062>']
const presence: SipHeaderEntry = ['Event', 'presence']
const subscribe = (
  headers: readonly SipHeaderEntry[] = [presence, contact],
  options: { cseq?: number; toTag?: string } = {},
): SipRequest => fromRomeo('SUBSCRIBE', { headers, ...options })

describe('D.5: which SUBSCRIBE is taken', () => {
  test.each<[string, readonly SipHeaderEntry[], number, string?, string?]>([
    ['no Event [6665-4.2.1.1.2]', [contact], 489, 'Allow-Events', 'presence'],
    [
      'an unknown Event [6665-4.2.1.1.1 6665-8.3.2 6665-4.4.4.1]',
      [contact, ['Event', 'presence.winfo']],
      489,
      'Allow-Events',
      'presence',
    ],
    [
      'Accept without pidf',
      [contact, presence, ['Accept', 'application/cpim-pidf+xml']],
      406,
      'Accept',
      'application/pidf+xml',
    ],
    ['too brief [6665-4.2.1.1.3]', [contact, presence, ['Expires', '59']], 423, 'Min-Expires', '60'],
    ['no Contact', [presence], 400],
    ['an Expires that is no number', [contact, presence, ['Expires', 'soon']], 400],
  ])('%s', (...[, headers, status, name, value]) => {
    const judged = judgeSubscribe(subscribe(headers), DEFAULT_SUBSCRIBE_RULES)
    expect(judged).toMatchObject({ ok: false, failure: { status } })
    if (name !== undefined && !judged.ok) expect(judged.failure.headers.get(name)).toBe(value)
  })

  test.each<[string, readonly SipHeaderEntry[], number]>([
    ['no Expires', [], 3600],
    ['more than is granted [6665-4.2.1.1.4]', [['Expires', '86400']], 3600],
    ['just long enough', [['Expires', '60']], 60],
    ['a poll', [['Expires', '0']], 0],
    ['Accept with pidf among others', [['Accept', 'text/x;q=1, application/pidf+xml']], 3600],
    ['Accept of everything', [['Accept', '*/*']], 3600],
  ])('%s', (_row, headers, expiresS) => {
    expect(judgeSubscribe(subscribe([contact, presence, ...headers]), DEFAULT_SUBSCRIBE_RULES)).toEqual({
      ok: true,
      value: { event: 'presence', expiresS },
    })
  })

  test('a To tag nobody gave: 481 [6665-4.2.1.4.1]', () => {
    expect(open(subscribe(undefined, { toTag: 'gone' }))).toMatchObject({ ok: false, failure: { status: 481 } })
  })
})

const options = {
  contact: 'sip:juliet@192.0.2.1:5098',
  authorization: 'active' as const,
}
const idle = { nowMs: 0, ids: countingIds(), rules: DEFAULT_SUBSCRIBE_RULES, document: () => undefined }
const open = (request: SipRequest): ReturnType<typeof openNotifier> => openNotifier(request, options, idle)

/** Drives one machine, stored and loaded before every step. */
class Driver {
  state!: NotifierState
  effects: readonly NotifierEffect[] = []
  nowMs = 1_000_000
  known: string | undefined = '<open/>'
  readonly rules = DEFAULT_SUBSCRIBE_RULES
  readonly ids = countingIds()
  readonly armed = new Map<string, number>()
  readonly notifies: SipRequest[] = []

  constructor(
    more: {
      authorization?: 'pending' | 'active'
      pollWaitMs?: number
      request?: SipRequest
      known?: string | null
    } = {},
  ) {
    if (more.known !== undefined) this.known = more.known ?? undefined
    const opened = openNotifier(more.request ?? subscribe(), { ...options, ...more }, this)
    if (!opened.ok) throw new Error(`refused ${opened.failure.status}`)
    this.take(opened.value)
  }

  document(kind: 'current' | 'farewell'): NotifyDocument | undefined {
    if (kind === 'farewell') return { contentType: 'application/pidf+xml', body: '<closed/>' }
    return this.known === undefined ? undefined : { contentType: 'application/pidf+xml', body: this.known }
  }

  take(step: NotifierStep): this {
    this.state = JSON.parse(JSON.stringify(step.state)) as NotifierState
    this.effects = step.effects
    for (const effect of step.effects) {
      if (effect.kind === 'arm-timer') this.armed.set(effect.timer, this.nowMs + effect.afterMs)
      if (effect.kind === 'cancel-timer') this.armed.delete(effect.timer)
      if (effect.kind === 'send-request') this.notifies.push(effect.request)
    }
    return this
  }

  input(input: NotifierInput): this {
    if (input.kind === 'timer') {
      this.nowMs = Math.max(this.nowMs, this.armed.get(input.timer) ?? this.nowMs)
      this.armed.delete(input.timer)
    }
    return this.take(advanceNotifier(this.state, input, this))
  }

  reply(status: number): this {
    const request = this.notifies.at(-1) as SipRequest
    return this.input({ kind: 'reply', request, reply: answered(request, status) })
  }

  again(headers: readonly SipHeaderEntry[] = [], cseq = 2): this {
    const toTag = this.state.dialog.localTag
    return this.input({ kind: 'subscribe', request: subscribe([presence, contact, ...headers], { cseq, toTag }) })
  }

  changed(known: string | undefined): this {
    this.known = known
    return this.input({ kind: 'changed' })
  }

  get kinds(): readonly string[] {
    return this.effects.map(({ kind }) => kind)
  }

  get status(): number | undefined {
    return this.effects.find((effect) => effect.kind === 'respond')?.response.status
  }

  get reports(): readonly object[] {
    return this.effects.flatMap((effect) => (effect.kind === 'report' ? [effect.report] : []))
  }

  /** Subscription-State and body of the last NOTIFY. */
  get told(): readonly [string | undefined, string] {
    const request = this.notifies.at(-1)
    return [request?.headers.get('Subscription-State'), Buffer.from(request?.body ?? []).toString()]
  }
}

describe('RFC 6665 §4.2.1: a new subscription', () => {
  test('200, and at once a NOTIFY with the full state [6665-3.2 6665-4.2.1.1.5 6665-4.2.1.2.1 6665-4.2.2.2 6665-4.5.1]', () => {
    const request = subscribe([presence, contact, ['Record-Route', '<sip:p1.example;lr>'], ['Expires', '7200']])
    const driver = new Driver({ request })
    const [answer, , notify] = driver.effects
    if (answer?.kind !== 'respond' || notify?.kind !== 'send-request') throw new Error(driver.kinds.join())
    expect([
      answer.response.status,
      answer.response.headers.get('Expires'),
      answer.response.headers.get('Contact'),
      answer.response.headers.get('Record-Route'),
    ]).toEqual([200, '3600', '<sip:juliet@192.0.2.1:5098>', '<sip:p1.example;lr>'])
    expect(answer.response.core.to.params.get('tag')).toBe(driver.state.dialog.localTag)
    expect([notify.nextHop, notify.request.uri, notify.request.core.cseq.number]).toEqual([
      'sip:p1.example;lr',
      'sip:romeo@192.0.2.2:5062',
      1,
    ])
    expect(notify.request.headers.get('Event')).toBe('presence')
    expect(driver.told).toEqual(['active;expires=3600', '<open/>'])
    expect([...driver.armed]).toEqual([['expiry', driver.nowMs + 3_600_000]])
  })

  test('the id of the Event comes back [6665-4.2.2.1]', () => {
    const driver = new Driver({ request: subscribe([['Event', 'presence;id=42'], contact]) })
    expect(driver.notifies[0]?.headers.get('Event')).toBe('presence;id=42')
  })

  test('pending: no body, and none when something changes; approval says everything [6665-4.2.1.2.2 8048-5.3.2]', () => {
    const driver = new Driver({ authorization: 'pending' })
    expect(driver.told).toEqual(['pending;expires=3600', ''])
    driver.reply(200)
    expect(driver.changed('<away/>').effects).toEqual([])
    driver.nowMs += 1000
    driver.input({ kind: 'authorize', authorization: 'active' })
    expect([driver.state.name, driver.told]).toEqual(['active', ['active;expires=3599', '<away/>']])
  })

  test('an authorization that changes nothing is no news, and neither is one after the end', () => {
    const driver = new Driver().reply(200)
    expect(driver.input({ kind: 'authorize', authorization: 'active' }).effects).toEqual([])
    driver.again([['Expires', '0']])
    expect(driver.input({ kind: 'authorize', authorization: 'pending' }).effects).toEqual([])
  })

  test('nothing known: an empty body', () =>
    expect(new Driver({ known: null }).told).toEqual(['active;expires=3600', '']))

  test('its key is found in what comes for it', () => {
    const driver = new Driver()
    expect(dialogKeyOf(subscribe(undefined, { toTag: driver.state.dialog.localTag }))).toBe(notifierKey(driver.state))
  })
})

describe('RFC 3856 §6.10: not too often', () => {
  test('one NOTIFY at a time, then the interval, then the newest', () => {
    const driver = new Driver()
    expect(driver.changed('<a/>').effects).toEqual([]) // the first is not answered yet
    driver.nowMs += 100
    driver.reply(200)
    expect(driver.effects).toEqual([{ kind: 'arm-timer', timer: 'interval', afterMs: 4900 }])
    expect(driver.changed('<b/>').effects).toEqual([])
    driver.input({ kind: 'timer', timer: 'interval' })
    expect([driver.notifies.length, driver.told[1]]).toEqual([2, '<b/>'])
  })

  test('after a quiet time: at once', () => {
    const driver = new Driver().reply(200)
    driver.nowMs += 5000
    expect([driver.changed('<a/>').told[1], driver.notifies.length]).toEqual(['<a/>', 2])
  })

  test('approval and end do not wait for the interval', () => {
    const driver = new Driver({ authorization: 'pending' })
      .reply(200)
      .input({ kind: 'authorize', authorization: 'active' })
    expect(driver.notifies.length).toBe(2)
    driver
      .reply(200)
      .input({ kind: 'terminate', termination: { reason: 'noresource', retryAfterS: null, document: 'none' } })
    expect([driver.notifies.length, driver.told]).toEqual([3, ['terminated;reason=noresource', '']])
  })
})

describe('RFC 6665 §4.2.1.4: refresh and end', () => {
  test('refresh: 200, new expiry, full state [6665-4.2.1.4.2]', () => {
    const driver = new Driver().reply(200)
    driver.nowMs += 1_800_000
    driver.again([['Expires', '600']])
    expect([driver.status, driver.told, driver.armed.get('expiry')]).toEqual([
      200,
      ['active;expires=600', '<open/>'],
      driver.nowMs + 600_000,
    ])
    expect(driver.reports).toEqual([{ kind: 'refreshed', expiresAtMs: driver.nowMs + 600_000 }])
  })

  test('refresh moves the target', () => {
    const driver = new Driver().reply(200)
    driver.input({
      kind: 'subscribe',
      request: subscribe([presence, ['Contact', '<sip:romeo@192.0.2.9>']], {
        cseq: 2,
        toTag: driver.state.dialog.localTag,
      }),
    })
    expect(driver.notifies.at(-1)?.uri).toBe('sip:romeo@192.0.2.9')
  })

  test.each<[string, readonly SipHeaderEntry[], number, number]>([
    ['lower CSeq', [], 0, 500],
    ['too brief', [['Expires', '5']], 2, 423],
    ['another Accept', [['Accept', 'text/plain']], 2, 406],
  ])('%s: refused, the subscription stays', (_row, headers, cseq, status) => {
    const driver = new Driver().reply(200)
    const before = driver.state
    driver.again(headers, cseq)
    expect([driver.status, driver.state, driver.kinds]).toEqual([status, before, ['respond']])
  })

  test('§4.5: another event may not share the dialog [6665-4.5.2]', () => {
    const driver = new Driver().reply(200)
    driver.input({
      kind: 'subscribe',
      request: subscribe([['Event', 'presence;id=2'], contact], { cseq: 2, toTag: driver.state.dialog.localTag }),
    })
    expect([driver.status, driver.state.name]).toEqual([489, 'active'])
  })

  test('Expires 0: 200, the last NOTIFY, the end [6665-4.2.1.4.3]', () => {
    const driver = new Driver().reply(200).again([['Expires', '0']])
    expect(driver.kinds).toEqual(['respond', 'send-request', 'cancel-timer', 'cancel-timer', 'cancel-timer', 'report'])
    expect([driver.told, driver.reports, driver.state.name]).toEqual([
      ['terminated;reason=timeout', '<closed/>'],
      [{ kind: 'ended', cause: 'unsubscribed', status: undefined }],
      'ended',
    ])
    expect([driver.armed.size, driver.again([], 3).status]).toEqual([0, 481])
  })

  test('the last NOTIFY waits for the one before it', () => {
    const driver = new Driver().again([['Expires', '0']])
    expect([driver.state.name, driver.notifies.length, driver.reports]).toEqual(['ending', 1, []])
    driver.reply(200)
    expect([driver.state.name, driver.notifies.length, driver.reports]).toEqual([
      'ended',
      2,
      [{ kind: 'ended', cause: 'unsubscribed', status: undefined }],
    ])
  })

  test('expiry: NOTIFY terminated;reason=timeout [6665-4.2.2.3]', () => {
    const driver = new Driver().reply(200).input({ kind: 'timer', timer: 'expiry' })
    expect([driver.told, driver.reports]).toEqual([
      ['terminated;reason=timeout', '<closed/>'],
      [{ kind: 'ended', cause: 'expired', status: undefined }],
    ])
  })

  test('one who was never let in sees nothing at the end', () => {
    const driver = new Driver({ authorization: 'pending' }).reply(200).input({ kind: 'timer', timer: 'expiry' })
    expect(driver.told).toEqual(['terminated;reason=timeout', ''])
  })

  test.each([
    [{ reason: 'rejected', retryAfterS: null, document: 'none' } as const, 'terminated;reason=rejected'],
    [
      { reason: 'probation', retryAfterS: 300, document: 'none' } as const,
      'terminated;reason=probation;retry-after=300',
    ],
    [
      { reason: 'giveup', retryAfterS: 86_400, document: 'none' } as const,
      'terminated;reason=giveup;retry-after=86400',
    ],
  ])('terminated from our side: %p [6665-4.2.2.7]', (termination, text) => {
    expect(new Driver().reply(200).input({ kind: 'terminate', termination }).told[0]).toBe(text)
  })
})

describe('RFC 6665 §4.4.3: polls', () => {
  const request = subscribe([presence, contact, ['Expires', '0']])

  test('200 and one NOTIFY with the state [6665-4.4.3.1]', () => {
    const driver = new Driver({ request })
    expect([driver.status, driver.told, driver.reports]).toEqual([
      200,
      ['terminated;reason=timeout', '<open/>'],
      [{ kind: 'ended', cause: 'polled', status: undefined }],
    ])
  })

  test('D.3: waits for something to say, but not long', () => {
    const told = new Driver({ request, pollWaitMs: 2000, known: null })
    expect([told.kinds, [...told.armed]]).toEqual([['respond', 'arm-timer'], [['poll', told.nowMs + 2000]]])
    expect(told.changed('<away/>').told).toEqual(['terminated;reason=timeout', '<away/>'])
    const silent = new Driver({ request, pollWaitMs: 2000, known: null }).input({ kind: 'timer', timer: 'poll' })
    expect([silent.told, silent.state.name, silent.armed.size]).toEqual([['terminated;reason=timeout', ''], 'ended', 0])
  })

  test('without authorization: no state', () => {
    expect(new Driver({ request, authorization: 'pending' }).told).toEqual(['terminated;reason=timeout', ''])
  })
})

describe('D.5: answers to NOTIFY', () => {
  test.each([404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604])(
    '%d removes [6665-4.2.2.4]',
    (status) => {
      const driver = new Driver().reply(status)
      expect([driver.state.name, driver.reports, driver.armed.size]).toEqual([
        'ended',
        [{ kind: 'ended', cause: 'refused-by-watcher', status }],
        0,
      ])
    },
  )

  test('Timer F removes [6665-4.2.2.5]', () => {
    const driver = new Driver()
    driver.input({ kind: 'reply', request: driver.notifies[0] as SipRequest, reply: lost })
    expect(driver.reports).toEqual([{ kind: 'ended', cause: 'unreachable', status: undefined }])
  })

  test.each([400, 401, 407, 500, 503, 408])(
    '%d: kept, told again after a while, and given up the third time',
    (status) => {
      const driver = new Driver().reply(status)
      expect([driver.state.name, driver.effects]).toEqual([
        'active',
        [{ kind: 'arm-timer', timer: 'interval', afterMs: 30_000 }],
      ])
      driver.input({ kind: 'timer', timer: 'interval' }).reply(status).input({ kind: 'timer', timer: 'interval' })
      expect(driver.notifies.map(({ core }) => core.cseq.number)).toEqual([1, 2, 3])
      expect(driver.reply(status).reports).toEqual([{ kind: 'ended', cause: 'unreachable', status }])
    },
  )

  test('a success in between starts the count anew [6665-4.2.2.6]', () => {
    const driver = new Driver()
    for (const status of [500, 500, 200]) driver.reply(status).input({ kind: 'timer', timer: 'interval' })
    expect(driver.state).toMatchObject({ name: 'active', failures: 0 })
  })

  test('a broken connection counts like a 500', () => {
    const driver = new Driver()
    driver.input({ kind: 'reply', request: driver.notifies[0] as SipRequest, reply: broken })
    expect(driver.state).toMatchObject({ name: 'active', failures: 1 })
  })

  test('an end that waits is not lost with the NOTIFY before it', () => {
    const driver = new Driver()
      .input({ kind: 'terminate', termination: { reason: 'rejected', retryAfterS: null, document: 'none' } })
      .reply(500)
    expect([driver.told[0], driver.state.name, driver.reports]).toEqual([
      'terminated;reason=rejected',
      'ended',
      [{ kind: 'ended', cause: 'terminated', status: undefined }],
    ])
  })

  test('a reply to another NOTIFY means nothing', () => {
    const driver = new Driver()
    const first = driver.notifies[0] as SipRequest
    driver.reply(200).again()
    driver.input({ kind: 'reply', request: first, reply: answered(first, 481) })
    expect([driver.state.name, driver.effects]).toEqual(['active', []])
  })
})

describe('D.10: after a restart', () => {
  const restarted = (driver: Driver): Driver => {
    driver.armed.clear()
    return driver.take(resumeNotifier(revivedNotifier(driver.state), driver))
  }

  test('one NOTIFY with the full state, and a CSeq that was surely not used', () => {
    const driver = new Driver()
    driver.nowMs += 600_000
    restarted(driver)
    expect([driver.told, driver.notifies.at(-1)?.core.cseq.number]).toEqual([['active;expires=3000', '<open/>'], 102])
    expect(driver.armed.get('expiry')).toBe(driver.nowMs + 3_000_000)
  })

  test('nothing known yet: it waits a moment for the news', () => {
    const driver = new Driver()
    driver.known = undefined
    restarted(driver)
    expect([driver.notifies.length, driver.armed.get('interval')]).toEqual([1, driver.nowMs + 2000])
    driver.changed('<away/>').input({ kind: 'timer', timer: 'interval' })
    expect(driver.told[1]).toBe('<away/>')
  })

  test('expired meanwhile: the last NOTIFY', () => {
    const driver = new Driver()
    driver.nowMs += 4_000_000
    expect(restarted(driver).reports).toEqual([{ kind: 'ended', cause: 'expired', status: undefined }])
  })

  test('an end on its way, and an end', () => {
    const driver = new Driver().again([['Expires', '0']])
    expect([restarted(driver).state.name, driver.told[0]]).toEqual(['ended', 'terminated;reason=timeout'])
    expect(restarted(driver).effects).toEqual([])
  })
})
