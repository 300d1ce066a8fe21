import { STANZA_CONDITIONS } from '@stox/kernel'
import type { StanzaCondition, StanzaErrorType } from '@stox/kernel'
import {
  CONDITION_FOR_STATUS,
  STATUS_FOR_CONDITION,
  failureToSip,
  sipStatusToFailure,
  sipTroubleToFailure,
  stanzaErrorToFailure,
} from '@stox/translate'

const base = { fault: 'recipient', retry: 'never', condition: 'item-not-found', status: 404, detail: '' } as const

describe('RFC 7247 §7.1, table 2: a condition as a status [7247-7.0.1 7247-7.1.*]', () => {
  const rows: [StanzaCondition, number, number, number, number][] = [
    // condition, printed for a full and a bare JID, sent for a full and a bare JID
    ['bad-request', 400, 400, 400, 400],
    ['conflict', 400, 400, 400, 400],
    ['feature-not-implemented', 405, 501, 405, 501],
    ['forbidden', 403, 603, 403, 403],
    ['gone', 410, 410, 410, 410],
    ['internal-server-error', 500, 500, 500, 500],
    ['item-not-found', 404, 604, 404, 404],
    ['jid-malformed', 400, 400, 400, 400],
    ['not-acceptable', 406, 606, 406, 406],
    ['not-allowed', 403, 403, 403, 403],
    ['not-authorized', 401, 401, 403, 403],
    ['policy-violation', 403, 403, 403, 403],
    ['recipient-unavailable', 480, 600, 480, 480],
    ['redirect', 302, 302, 480, 480],
    ['registration-required', 407, 407, 403, 403],
    ['remote-server-not-found', 404, 404, 404, 404],
    ['remote-server-timeout', 408, 408, 504, 504],
    ['resource-constraint', 500, 500, 500, 500],
    ['service-unavailable', 405, 403, 403, 403],
    ['subscription-required', 400, 400, 400, 400],
    ['undefined-condition', 400, 400, 400, 400],
    ['unexpected-request', 491, 491, 400, 400],
  ]
  test('every condition has a row', () => expect(rows.map(([condition]) => condition)).toEqual([...STANZA_CONDITIONS]))
  test.each(rows)('%s', (condition, fullRfc, bareRfc, full, bare) => {
    expect(STATUS_FOR_CONDITION[condition].rfc).toEqual({ fullJid: fullRfc, bareJid: bareRfc })
    const error = { type: 'cancel', condition, text: undefined, alternate: undefined } as const
    expect(failureToSip(stanzaErrorToFailure(error, 'fullJid')).status).toBe(full)
    expect(failureToSip(stanzaErrorToFailure(error, 'bareJid')).status).toBe(bare)
  })

  test.each([
    ['gone', 'xmpp:new@example.com', 301],
    ['redirect', 'xmpp:new@example.com', 302],
    ['gone', 'xmpp:n%C3%A9w@example.com?message', 301],
    ['gone', 'mailto:new@example.com', 410],
    ['redirect', 'xmpp:', 480],
  ] as const)('%s with %s: passed on where SIP can go there [7247-7.1n.1]', (condition, alternate, status) => {
    const answer = failureToSip(
      stanzaErrorToFailure({ type: 'cancel', condition, text: undefined, alternate }, 'bareJid'),
    )
    expect(answer.status).toBe(status)
    expect(answer.headers.some(([name]) => name === 'Contact')).toBe(status < 400)
  })

  test('undefined-condition that may pass is 500', () =>
    expect(
      stanzaErrorToFailure(
        { type: 'wait', condition: 'undefined-condition', text: undefined, alternate: undefined },
        'bareJid',
      ).status,
    ).toBe(500))

  test.each([
    ['RFC 4320 §4.2: never 408', 408, 504],
    ['RFC 3261 §22.2: no 401 without a challenge', 401, 403],
    ['RFC 3261 §22.3: no 407 without a challenge', 407, 403],
    ['no success', 200, 500],
  ])('%s', (_clause, status, sent) => expect(failureToSip({ ...base, status }).status).toBe(sent))

  test('RFC 3261 §21.4.6: 405 says what is allowed', () =>
    expect(failureToSip({ ...base, status: 405 }).headers).toContainEqual([
      'Allow',
      'MESSAGE, SUBSCRIBE, NOTIFY, OPTIONS',
    ]))
  test('Retry-After in whole seconds', () =>
    expect(failureToSip({ ...base, status: 480, retryAfterS: 1.2 }).headers).toContainEqual(['Retry-After', '2']))
  test('mapping B.0: words for people cannot inject a header [7247-7.0.2]', () => {
    const answer = failureToSip({ ...base, text: 'no "such"\r\nEvil: header\u0000 user' })
    const warning = answer.headers.find(([name]) => name === 'Warning')?.[1] ?? ''
    expect(warning).toMatch(/^399 stox "/)
    expect(warning).not.toMatch(/[\r\n\u0000]/)
    expect(answer.reason).toBe('Not Found')
  })
})

describe('RFC 7247 §7.2, table 3: a status as a condition [7247-7.0.1 7247-7.2.*]', () => {
  const rows: [number, StanzaCondition, StanzaErrorType][] = [
    [300, 'redirect', 'modify'],
    [302, 'redirect', 'modify'],
    [305, 'redirect', 'modify'],
    [380, 'not-acceptable', 'modify'],
    [399, 'redirect', 'modify'],
    [400, 'bad-request', 'modify'],
    [401, 'not-authorized', 'auth'],
    [402, 'bad-request', 'modify'],
    [403, 'forbidden', 'auth'],
    [404, 'item-not-found', 'cancel'],
    [405, 'feature-not-implemented', 'cancel'],
    [406, 'not-acceptable', 'modify'],
    [407, 'registration-required', 'auth'],
    [408, 'remote-server-timeout', 'wait'],
    [410, 'gone', 'cancel'],
    [413, 'policy-violation', 'modify'],
    [414, 'policy-violation', 'modify'],
    [415, 'not-acceptable', 'modify'],
    [416, 'not-acceptable', 'modify'],
    [420, 'feature-not-implemented', 'cancel'],
    [421, 'not-acceptable', 'modify'],
    [423, 'resource-constraint', 'wait'],
    [430, 'recipient-unavailable', 'wait'],
    [439, 'feature-not-implemented', 'cancel'],
    [440, 'policy-violation', 'wait'],
    [480, 'recipient-unavailable', 'wait'],
    [481, 'item-not-found', 'cancel'],
    [482, 'not-acceptable', 'cancel'],
    [483, 'not-acceptable', 'cancel'],
    [484, 'item-not-found', 'cancel'],
    [485, 'item-not-found', 'cancel'],
    [486, 'recipient-unavailable', 'wait'],
    [487, 'recipient-unavailable', 'wait'],
    [488, 'not-acceptable', 'modify'],
    [489, 'policy-violation', 'modify'],
    [491, 'unexpected-request', 'wait'],
    [493, 'bad-request', 'modify'],
    [499, 'bad-request', 'modify'],
    [500, 'internal-server-error', 'cancel'],
    [501, 'feature-not-implemented', 'cancel'],
    [502, 'remote-server-not-found', 'cancel'],
    [503, 'internal-server-error', 'wait'],
    [504, 'remote-server-timeout', 'wait'],
    [505, 'not-acceptable', 'modify'],
    [513, 'policy-violation', 'modify'],
    [599, 'internal-server-error', 'cancel'],
    [600, 'recipient-unavailable', 'wait'],
    [603, 'recipient-unavailable', 'wait'],
    [604, 'item-not-found', 'cancel'],
    [606, 'not-acceptable', 'modify'],
    [607, 'policy-violation', 'cancel'],
    [699, 'recipient-unavailable', 'wait'],
  ]
  test.each(rows)('%d', (status, condition, errorType) =>
    expect(sipStatusToFailure(status)).toMatchObject({ condition, errorType, status }),
  )
  test('every printed row is tried', () => {
    const tried = new Set(rows.map(([status]) => String(status)))
    const special = ['301', '433', '470', '608', '3xx', '4xx', '5xx', '6xx']
    expect(Object.keys(CONDITION_FOR_STATUS).filter((key) => !tried.has(key) && !special.includes(key))).toEqual([])
  })
  test('301 with its address is gone; without, it is read as 302 [7247-7.2n.1]', () => {
    expect(sipStatusToFailure(301, { alternate: 'xmpp:new@example.com' })).toMatchObject({
      condition: 'gone',
      alternate: 'xmpp:new@example.com',
    })
    expect(sipStatusToFailure(301).condition).toBe('redirect')
  })
  test('410 must not carry an address [7247-7.2n.2]', () =>
    expect(sipStatusToFailure(410, { alternate: 'xmpp:new@example.com' }).alternate).toBeUndefined())
  test('Retry-After makes it a wait, and is said in words', () => {
    const failure = sipStatusToFailure(500, { reason: 'Server Error', retryAfterS: 30 })
    expect(failure).toMatchObject({ errorType: 'wait', retryAfterS: 30, text: 'Server Error (try again in 30 s)' })
  })
})

describe('mapping B.3', () => {
  test.each([
    ['no-target', 'remote-server-not-found', 'cancel'],
    ['transport', 'remote-server-timeout', 'wait'],
    ['timeout', 'remote-server-timeout', 'wait'],
    ['overload', 'resource-constraint', 'wait'],
  ] as const)('SIP side: %s', (cause, condition, errorType) =>
    expect(sipTroubleToFailure(cause, 'x')).toMatchObject({ condition, errorType }),
  )
  // What the way to an XMPP domain ends with is decided by the streams (`failureOf` of xmpp-engine): it leaves as it is.
  test.each([403, 404, 480, 502, 504, 513])('XMPP side: %d leaves as it is', (status) =>
    expect(failureToSip({ ...base, status }).status).toBe(status),
  )
})
