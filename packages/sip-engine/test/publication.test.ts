import type { Ids } from '@stox/kernel'
import type { SipHeaderEntry, SipRequest } from '@stox/sip'
import { advancePublication, nameOfPublication, newPublication, resumePublication } from '../src/index.ts'
import type {
  PublicationEffect,
  PublicationInput,
  PublicationState,
  PublicationStep,
  PublicationTimer,
  PublishedDocument,
} from '../src/index.ts'
import { answered, broken, countingIds, lost } from './sip-values.ts'

const ORDER = {
  event: 'presence',
  requestUri: 'sip:juliet@capulet.example',
  address: '<sip:juliet@capulet.example>',
  expiresS: 3600,
  minIntervalMs: 5000,
}

/** Drives one machine, stored and loaded before every step. */
class Driver {
  state: PublicationState = newPublication(ORDER)
  effects: readonly PublicationEffect[] = []
  nowMs = 1_000_000
  /** What there is to say; null: nothing; undefined: not known. */
  says: string | null | undefined = 'open'
  readonly ids: Ids
  readonly armed = new Map<PublicationTimer, number>()
  readonly sent: SipRequest[] = []

  constructor(ids = countingIds()) {
    this.ids = ids
  }

  document(): PublishedDocument {
    const { says } = this
    if (says === undefined) return { kind: 'unknown' }
    if (says === null) return { kind: 'nothing' }
    return { kind: 'document', contentType: 'application/pidf+xml', body: () => `<${says}/>`, fingerprint: says }
  }

  take(step: PublicationStep): this {
    this.state = JSON.parse(JSON.stringify(step.state)) as PublicationState
    this.effects = step.effects
    for (const effect of step.effects) {
      if (effect.kind === 'arm-timer') this.armed.set(effect.timer, this.nowMs + effect.afterMs)
      if (effect.kind === 'cancel-timer') this.armed.delete(effect.timer)
      if (effect.kind === 'send-request') this.sent.push(effect.request)
    }
    return this
  }

  input(input: PublicationInput): this {
    if (input.kind === 'timer') {
      this.nowMs = Math.max(this.nowMs, this.armed.get(input.timer) ?? this.nowMs)
      this.armed.delete(input.timer)
    }
    return this.take(advancePublication(this.state, input, this))
  }

  changed(says: string | null | undefined): this {
    this.says = says
    return this.input({ kind: 'changed' })
  }

  timer(timer: PublicationTimer): this {
    return this.input({ kind: 'timer', timer })
  }

  get last(): SipRequest {
    const request = this.sent.at(-1)
    if (request === undefined) throw new Error('nothing was sent')
    return request
  }

  reply(status: number, headers: readonly SipHeaderEntry[] = []): this {
    return this.input({ kind: 'reply', request: this.last, reply: answered(this.last, status, headers) })
  }

  fail(reply = lost): this {
    return this.input({ kind: 'reply', request: this.last, reply })
  }

  /** Body, etag and Expires of each PUBLISH so far. */
  get told(): readonly string[] {
    return this.sent.map((request) =>
      [
        Buffer.from(request.body).toString() || 'no body',
        request.headers.get('SIP-If-Match') ?? 'no etag',
        request.headers.get('Expires'),
      ].join(', '),
    )
  }

  get reports(): readonly object[] {
    return this.effects.flatMap((effect) => (effect.kind === 'report' ? [effect.report] : []))
  }

  later(ms: number): this {
    this.nowMs += ms
    return this
  }
}

const ok = (etag: string, expires = '3600'): readonly SipHeaderEntry[] => [
  ['SIP-ETag', etag],
  ['Expires', expires],
]
const published = (): Driver => new Driver().changed('open').reply(200, ok('e1'))

describe('RFC 3903 §4, table 1', () => {
  test('initial: a body, no etag, an Expires; neither Contact nor Record-Route [3903-4.1 3903-4.3 3903-4.2.1]', () => {
    const driver = new Driver().changed('open')
    expect(driver.told).toEqual(['<open/>, no etag, 3600'])
    const { last } = driver
    expect([last.method, last.uri, last.headers.get('Event')]).toEqual([
      'PUBLISH',
      'sip:juliet@capulet.example',
      'presence',
    ])
    expect(['Contact', 'Record-Route'].map((name) => last.headers.get(name))).toEqual([undefined, undefined])
    expect(last.core.to.params.has('tag')).toBe(false)
    driver.reply(200, ok('e1', '1800'))
    expect(driver.state).toMatchObject({ etag: 'e1', expiresAtMs: driver.nowMs + 1_800_000, outstanding: null })
    expect(driver.reports).toEqual([{ kind: 'published', act: 'initial', expiresS: 1800 }])
    expect(nameOfPublication(driver.state)).toBe('published')
  })

  test('refresh: before the end, no body, the etag; what comes back replaces it [3903-4.3.1 3903-5.1 3903-5.4]', () => {
    const driver = published()
    const refreshAtMs = driver.armed.get('refresh') ?? 0
    expect(refreshAtMs).toBeGreaterThan(driver.nowMs + 1_800_000)
    expect(refreshAtMs).toBeLessThan(driver.nowMs + 3_500_000)
    driver.timer('refresh').reply(200, ok('e2'))
    expect(driver.told.at(-1)).toBe('no body, e1, 3600')
    expect(driver.state.etag).toBe('e2')
    driver.timer('refresh')
    expect(driver.told.at(-1)).toBe('no body, e2, 3600')
  })

  test('modify: a body and the etag [3903-4.4.1]', () => {
    const driver = published().later(5000).changed('away')
    expect(driver.told.at(-1)).toBe('<away/>, e1, 3600')
    driver.reply(200, ok('e2'))
    expect([driver.state.etag, driver.state.fingerprint]).toEqual(['e2', 'away'])
  })

  test('remove: no body, the etag, Expires 0; what comes next is a new publication [3903-4.5.1]', () => {
    const driver = published().later(5000).changed(null)
    expect(driver.told.at(-1)).toBe('no body, e1, 0')
    driver.reply(200, [['Expires', '0']])
    expect(driver.reports).toEqual([{ kind: 'removed' }])
    expect([driver.state.etag, [...driver.armed.keys()]]).toEqual([null, []])
    driver.later(5000).changed('open')
    expect(driver.told.at(-1)).toBe('<open/>, no etag, 3600')
  })

  test('every request has a Call-ID of its own, and a late answer to another one says nothing', () => {
    const driver = published()
    const [first] = driver.sent
    driver.later(5000).changed('away')
    expect(driver.last.core.callId).not.toBe(first?.core.callId)
    if (first === undefined) throw new Error('unreachable')
    driver.input({ kind: 'reply', request: first, reply: answered(first, 200, ok('old')) })
    expect(driver.state.etag).toBe('e1')
  })
})

describe('RFC 3903 §4, §9: one at a time, and not too fast', () => {
  test('while one is under way the next waits, and says the newest [3903-4.2]', () => {
    const driver = new Driver().changed('open').later(6000).changed('away').changed('dnd')
    expect(driver.sent).toHaveLength(1)
    driver.reply(200, ok('e1'))
    expect(driver.told.at(-1)).toBe('<dnd/>, e1, 3600')
  })

  test('a refresh that falls due while a change is under way is done by it', () => {
    const driver = published().later(5000).changed('away').timer('refresh').reply(200, ok('e2'))
    expect([driver.sent.length, driver.state.refreshDue]).toEqual([2, false])
  })

  test('changes within the interval go together, at its end [3903-9.1]', () => {
    const driver = published().later(1000).changed('away').later(1000).changed('dnd')
    expect(driver.sent).toHaveLength(1)
    expect(driver.armed.get('pause')).toBe(1_005_000)
    driver.timer('pause')
    expect(driver.told.at(-1)).toBe('<dnd/>, e1, 3600')
  })

  test('what is the same again is not said again', () => {
    expect(published().later(9000).changed('open').sent).toHaveLength(1)
  })

  test('nothing to say, nothing said: there or back within the interval', () => {
    const driver = published().later(1000).changed(null).later(1000).changed('open')
    expect(driver.timer('pause').sent).toHaveLength(1)
    expect(new Driver().changed(null).sent).toEqual([])
  })

  test('not known: what stands stays, and is refreshed', () => {
    const driver = published().later(9000).changed(undefined)
    expect(driver.sent).toHaveLength(1)
    driver.timer('refresh')
    expect(driver.told.at(-1)).toBe('no body, e1, 3600')
    expect(new Driver().changed(undefined).sent).toEqual([])
  })
})

describe('RFC 3903 §5: answers', () => {
  test.each([
    ['modify', (driver: Driver) => driver.later(5000).changed('away'), '<away/>'],
    ['refresh', (driver: Driver) => driver.timer('refresh'), '<open/>'],
  ])('412 to a %s: the etag is thrown away, a new publication is made at once [3903-5.2]', (_act, go, body) => {
    const driver = go(published()).reply(412)
    expect(driver.reports).toEqual([{ kind: 'lost', reason: 'unknown-etag' }])
    expect(driver.told.at(-1)).toBe(`${body}, no etag, 3600`)
    expect(driver.sent).toHaveLength(3)
  })

  test('412 to a removal: there is nothing to remove', () => {
    const driver = published().later(5000).changed(null).reply(412)
    expect([driver.sent.length, driver.state.etag]).toEqual([2, null])
  })

  test('412 to an initial one, which named no etag, is a failure like another', () => {
    const driver = new Driver().changed('open').reply(412)
    expect([driver.sent.length, nameOfPublication(driver.state)]).toEqual([1, 'held'])
  })

  test('423: once more with the Expires that is asked for, which is kept [3903-5.3]', () => {
    const driver = new Driver().changed('open').reply(423, [['Min-Expires', '7200']])
    expect(driver.told).toEqual(['<open/>, no etag, 3600', '<open/>, no etag, 7200'])
    driver.reply(200, ok('e1', '7200')).timer('refresh')
    expect(driver.told.at(-1)).toBe('no body, e1, 7200')
  })

  test.each<[string, readonly SipHeaderEntry[]]>([
    ['nothing is asked for', []],
    ['less than was offered', [['Min-Expires', '60']]],
    ['a year', [['Min-Expires', '31536000']]],
    ['not a number', [['Min-Expires', 'long']]],
  ])('423 without sense is a failure: %s', (_row, headers) => {
    const driver = new Driver().changed('open').reply(423, headers)
    expect([driver.sent.length, nameOfPublication(driver.state)]).toEqual([1, 'held'])
  })

  test('423 twice: whoever never has enough is a failure', () => {
    const driver = new Driver()
      .changed('open')
      .reply(423, [['Min-Expires', '7200']])
      .reply(423, [['Min-Expires', '9000']])
    expect([driver.sent.length, nameOfPublication(driver.state)]).toEqual([2, 'held'])
  })

  test.each<[number, readonly SipHeaderEntry[], number]>([
    [489, [['Allow-Events', 'dialog']], 3_600_000],
    [403, [], 3_600_000],
    [405, [], 3_600_000],
    [401, [], 3_600_000],
    [480, [], 30_000],
    [500, [], 30_000],
    [503, [['Retry-After', '120']], 120_000],
    [503, [['Retry-After', '0']], 30_000],
    [403, [['Retry-After', '10']], 10_000],
  ])('%s %j: nothing is sent for %s ms, then the newest [3903-9.2]', (status, headers, afterMs) => {
    const driver = new Driver().changed('open').reply(status, headers)
    expect(driver.reports).toMatchObject([{ kind: 'failed', act: 'initial', status, retryAfterMs: afterMs }])
    expect(driver.armed.get('retry')).toBe(driver.nowMs + afterMs)
    driver.later(6000).changed('away')
    expect(driver.sent).toHaveLength(1)
    expect(driver.timer('retry').told.at(-1)).toBe('<away/>, no etag, 3600')
  })

  test('no answer: what was published stands until its end, and the pauses grow up to an hour', () => {
    const driver = published().later(5000).changed('away').fail(broken)
    const pauses: number[] = []
    for (let at = 0; at < 9; at += 1) {
      pauses.push((driver.armed.get('retry') ?? 0) - driver.nowMs)
      driver.timer('retry').fail(broken)
    }
    expect(pauses.slice(0, 4)).toEqual([30_000, 60_000, 120_000, 240_000])
    expect(Math.max(...pauses)).toBe(3_600_000)
    expect(driver.told.filter((told) => told !== '<away/>, e1, 3600')).toHaveLength(1)
  })

  test.each([
    [0, 22_500],
    [1, 37_500],
  ])('the pause differs by a quarter either way: %s', (fraction, afterMs) => {
    expect(new Driver(countingIds(fraction)).changed('open').fail(broken).armed.get('retry')).toBe(1_000_000 + afterMs)
  })

  test('a refresh that never gets through: after the end a new publication is made [3903-4.3.2]', () => {
    const driver = published().timer('refresh').fail()
    driver.timer('expiry')
    expect(driver.reports).toEqual([{ kind: 'lost', reason: 'expired' }])
    expect([driver.state.etag, driver.sent.length]).toEqual([null, 2])
    driver.timer('retry')
    expect(driver.told.at(-1)).toBe('<open/>, no etag, 3600')
  })

  test.each<[string, readonly SipHeaderEntry[], number]>([
    ['without SIP-ETag it could only be doubled: it has to end first', [['Expires', '600']], 600_000],
    [
      'an etag that is none',
      [
        ['Expires', '600'],
        ['SIP-ETag', 'a b'],
      ],
      600_000,
    ],
    ['Expires 0 is no publication', ok('e1', '0'), 30_000],
  ])('2xx to an initial one: %s', (_row, headers, afterMs) => {
    const driver = new Driver().changed('open').reply(200, headers)
    expect([driver.state.etag, driver.armed.get('retry')]).toEqual([null, driver.nowMs + afterMs])
  })

  test('2xx: no Expires is what was asked for, and more than that is not believed [3903-5.4]', () => {
    expect(new Driver().changed('open').reply(200, [['SIP-ETag', 'e1']]).state.expiresAtMs).toBe(1_000_000 + 3_600_000)
    expect(new Driver().changed('open').reply(200, ok('e1', '99999')).state.expiresAtMs).toBe(1_000_000 + 3_600_000)
  })
})

describe('the end', () => {
  test('what is there is taken away, whatever there is to say', () => {
    const driver = published().input({ kind: 'leave' })
    expect([driver.told.at(-1), nameOfPublication(driver.state)]).toEqual(['no body, e1, 0', 'leaving'])
    driver.reply(200)
    expect([driver.state.ended, [...driver.armed.keys()]]).toEqual([true, []])
  })

  test('nothing is there: over at once', () => expect(new Driver().input({ kind: 'leave' }).state.ended).toBe(true))

  test('while the first one is under way: its etag is waited for, and the publication removed', () => {
    const driver = new Driver().changed('open').input({ kind: 'leave' })
    expect(driver.sent).toHaveLength(1)
    driver.reply(200, ok('e1'))
    expect(driver.told.at(-1)).toBe('no body, e1, 0')
    expect(driver.reply(412).state.ended).toBe(true)
  })

  test('it cannot be taken away: tried until it ends by itself', () => {
    const driver = published().input({ kind: 'leave' }).fail(broken).timer('retry').fail(broken)
    expect([driver.sent.length, driver.state.ended]).toEqual([3, false])
    expect(driver.timer('expiry').state.ended).toBe(true)
  })

  test('wanted again after all', () => {
    const driver = published().input({ kind: 'leave' }).input({ kind: 'stay' })
    driver.reply(200)
    expect([driver.told.at(-1), driver.state.ended]).toEqual(['<open/>, no etag, 3600', false])
  })
})

describe('after a restart', () => {
  const resume = (driver: Driver): Driver => {
    driver.armed.clear()
    return driver.take(resumePublication(driver.state, driver, 10_000))
  }

  test('the publication of before is refreshed by its etag, never doubled', () => {
    const driver = resume(published().later(60_000))
    expect(driver.armed.get('pause')).toBe(driver.nowMs + 5000)
    driver.timer('pause')
    expect(driver.told.at(-1)).toBe('no body, e1, 3600')
  })

  test('or modified, when there is news; or removed, when there is nobody', () => {
    const news = resume(published())
    news.says = 'away'
    expect(news.timer('pause').told.at(-1)).toBe('<away/>, e1, 3600')
    const nobody = resume(published())
    nobody.says = null
    expect(nobody.timer('pause').told.at(-1)).toBe('no body, e1, 0')
  })

  test('a PUBLISH was under way and had made another etag: 412, and a new publication', () => {
    const driver = resume(published().later(5000).changed('away'))
    expect(driver.timer('pause').told.at(-1)).toBe('<away/>, e1, 3600')
    expect(driver.reply(412).told.at(-1)).toBe('<away/>, no etag, 3600')
  })

  test('it has ended meanwhile: a new one', () => {
    const driver = resume(published().later(4_000_000))
    expect(driver.timer('pause').told.at(-1)).toBe('<open/>, no etag, 3600')
  })

  test('nothing is known yet: it is refreshed, and nothing new is made', () => {
    const driver = published()
    driver.says = undefined
    expect(resume(driver).timer('pause').reply(412).told).toEqual(['<open/>, no etag, 3600', 'no body, e1, 3600'])
  })

  test('a hold-down holds on, and an end goes on', () => {
    const held = resume(new Driver().changed('open').reply(503, [['Retry-After', '600']]))
    expect(held.timer('pause').sent).toHaveLength(1)
    expect(held.armed.get('retry')).toBe(1_600_000)
    const leaving = resume(published().input({ kind: 'leave' }))
    expect(leaving.timer('pause').told.slice(1)).toEqual(['no body, e1, 0', 'no body, e1, 0'])
  })
})
