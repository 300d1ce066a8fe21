import * as fc from 'fast-check'
import { createHash, createHmac } from 'node:crypto'
import {
  answerChallenge,
  chooseChallenges,
  formatDigestAuthorization,
  formatDigestChallenge,
  judgeDigest,
  makeNonce,
  nonceAgeMs,
  parseDigestAuthorization,
  parseDigestChallenges,
} from '../src/index.ts'
import type { DigestAlgorithm, DigestAuthorization, DigestChallenge, DigestCheck } from '../src/index.ts'

const hashes = {
  md5Hex: (text: string) => createHash('md5').update(text, 'utf8').digest('hex'),
  sha256Hex: (text: string) => createHash('sha256').update(text, 'utf8').digest('hex'),
  hmacSha256Hex: (key: string, text: string) => createHmac('sha256', key).update(text, 'utf8').digest('hex'),
}

const challengeOf = (value: string): DigestChallenge => {
  const challenge = parseDigestChallenges([value])[0]
  if (challenge === undefined) throw new Error(`refused: ${value}`)
  return challenge
}
const authorizationOf = (value: string): DigestAuthorization => {
  const parsed = parseDigestAuthorization(value)
  if (!parsed.ok) throw new Error(parsed.failure.detail)
  return parsed.value
}

const HTTP_AUTH =
  'realm="http-auth@example.org", qop="auth, auth-int", nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", ' +
  'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
const mufasa = { username: 'Mufasa', method: 'GET', uri: '/dir/index.html', nc: 1 }
const circleOfLife = {
  ...mufasa,
  password: 'Circle of Life',
  cnonce: 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ',
}
const bob = {
  username: 'bob',
  password: 'zanzibar',
  method: 'INVITE',
  uri: 'sip:bob@biloxi.com',
  cnonce: '0a4f113b',
  nc: 1,
}
const BILOXI = 'Digest realm="biloxi.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'

test.each([
  ['RFC 7616 §3.9.1, MD5', `Digest ${HTTP_AUTH}, algorithm=MD5`, circleOfLife, '8ca523f5e9506fed4657c9700eebdbec'],
  [
    'RFC 7616 §3.9.1, SHA-256',
    `Digest ${HTTP_AUTH}, algorithm=SHA-256`,
    circleOfLife,
    '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1',
  ],
  [
    'RFC 2617 §3.5',
    'Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"',
    { ...mufasa, password: 'Circle Of Life', cnonce: '0a4f113b' },
    '6629fae49393a05397450978507c4ef1',
  ],
  ['RFC 3261 §22.4, no qop', BILOXI, bob, 'bf57e4e0d0bffc0fbaedce64d59add5e'],
  ['RFC 3261 §22.4, qop=auth', `${BILOXI}, qop="auth"`, bob, '89eb0059246c02b2f6ee02c7961d5ea3'],
  [
    'RFC 3261 §22.4, MD5-sess',
    `${BILOXI}, qop="auth,auth-int", algorithm=MD5-sess`,
    bob,
    'e4e4ea61d186d07a92c9e1f6919902e9',
  ],
])('%s: the printed response', (_clause, challenge, answer, response) => {
  expect(answerChallenge(hashes, challengeOf(challenge), answer).response).toBe(response)
})

test('RFC 7616 §3.9.1: the credentials as they are written', () => {
  const answer = answerChallenge(hashes, challengeOf(`Digest ${HTTP_AUTH}, algorithm=SHA-256`), circleOfLife)
  expect(formatDigestAuthorization(answer)).toBe(
    'Digest username="Mufasa", realm="http-auth@example.org", ' +
      'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", uri="/dir/index.html", ' +
      'response="753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1", ' +
      'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS", algorithm=SHA-256, ' +
      'qop=auth, nc=00000001, cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"',
  )
})

test.each<[string, string, readonly DigestChallenge[]]>([
  ['RFC 3261 §20.44', `${BILOXI}, stale=FALSE`, [{ realm: 'biloxi.com', nonce: expect.any(String), stale: false }]],
  ['§3.3 stale', 'digest  realm="a" ,nonce = "n",stale=True', [{ realm: 'a', nonce: 'n', stale: true }]],
  [
    '§3.3 algorithm in quotes, unknown parameters, escapes',
    'Digest realm="a \\"b\\"", nonce="n", algorithm="sha-256", domain="sip:x, sip:y", charset=UTF-8, qop=auth',
    [{ realm: 'a "b"', nonce: 'n', algorithm: 'SHA-256', qop: 'auth', stale: false }],
  ],
  ['§3.3 only auth-int', 'Digest realm="a", nonce="n", qop="auth-int"', []],
  ['RFC 8760 §2.4 unknown algorithm', 'Digest realm="a", nonce="n", algorithm=SHA-512-256', []],
  ['another scheme', 'NTLM TlRMTVNTUAACAAAA==', []],
  ['another scheme with parameters', 'Basic realm="a", charset="UTF-8"', []],
  ['no realm', 'Digest nonce="n"', []],
  ['no nonce', 'Digest realm="a"', []],
  ['no parameters', 'Digest', []],
  ['a parameter twice', 'Digest realm="a", nonce="n", nonce="m"', []],
  ['a quote that does not close', 'Digest realm="a, nonce="n"', []],
  ['nothing', '', []],
  [
    'several in one field',
    'Digest realm="a", nonce="n", algorithm=SHA-256, Digest realm="a", nonce="m", Basic realm="x"',
    [
      { realm: 'a', nonce: 'n', algorithm: 'SHA-256', stale: false },
      { realm: 'a', nonce: 'm', stale: false },
    ],
  ],
])('RFC 7616 challenge: %s', (_name, value, challenges) => {
  expect(parseDigestChallenges([value])).toEqual(challenges)
})

test('RFC 8760 §2.4: one challenge a realm, SHA-256 before MD5, else the topmost', () => {
  const challenge = (realm: string, nonce: string, algorithm?: DigestAlgorithm): DigestChallenge => ({
    realm,
    nonce,
    ...(algorithm === undefined ? {} : { algorithm }),
    stale: false,
  })
  const chosen = chooseChallenges([
    challenge('a', '1', 'MD5'),
    challenge('b', '2'),
    challenge('a', '3', 'SHA-256'),
    challenge('a', '4', 'SHA-256'),
    challenge('b', '5', 'MD5'),
  ])
  expect(chosen.map(({ realm, nonce }) => realm + nonce)).toEqual(['a3', 'b2'])
  expect(chooseChallenges([])).toEqual([])
})

test.each([
  ['no username', 'Digest realm="a", nonce="n", uri="sip:b", response="00000000000000000000000000000000"'],
  ['no uri', 'Digest username="u", realm="a", nonce="n", response="00000000000000000000000000000000"'],
  ['no response', 'Digest username="u", realm="a", nonce="n", uri="sip:b"'],
  ['MD5 of the wrong length', 'Digest username="u", realm="a", nonce="n", uri="sip:b", response="00"'],
  [
    'SHA-256 of the wrong length',
    'Digest username="u", realm="a", nonce="n", uri="sip:b", response="00000000000000000000000000000000", algorithm=SHA-256',
  ],
  [
    'unknown algorithm',
    'Digest username="u", realm="a", nonce="n", uri="sip:b", response="00000000000000000000000000000000", algorithm=MD4',
  ],
  [
    'qop without nc',
    'Digest username="u", realm="a", nonce="n", uri="sip:b", response="00000000000000000000000000000000", qop=auth, cnonce="c"',
  ],
  [
    'auth-int',
    'Digest username="u", realm="a", nonce="n", uri="sip:b", response="00000000000000000000000000000000", qop=auth-int, nc=00000001, cnonce="c"',
  ],
  [
    'session without cnonce',
    'Digest username="u", realm="a", nonce="n", uri="sip:b", response="00000000000000000000000000000000", algorithm=MD5-sess',
  ],
  ['another scheme', 'Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=='],
])('RFC 7616 §3.4 credentials refused: %s', (_name, value) => {
  expect(parseDigestAuthorization(value)).toMatchObject({ ok: false, failure: { kind: 'sip-grammar' } })
})

test('a nonce count that is none is our own mistake', () => {
  expect(() => answerChallenge(hashes, challengeOf(BILOXI), { ...bob, nc: 0 })).toThrow(RangeError)
})

const nowMs = Date.UTC(2026, 0, 1)
const secret = 'of the server'
const check: DigestCheck = {
  method: 'MESSAGE',
  password: 'zanzibar',
  realm: 'sip.example',
  algorithms: ['SHA-256', 'MD5'],
  nonceSecret: secret,
  nonceLifeMs: 300_000,
  nowMs,
}
const nonce = makeNonce(hashes, secret, 'sip.example', nowMs, 'k2f9')
const ours: DigestChallenge = { realm: 'sip.example', nonce, algorithm: 'SHA-256', qop: 'auth', stale: false }
const answered = (challenge: Partial<DigestChallenge> = {}, answer: Partial<typeof bob> = {}): DigestAuthorization =>
  authorizationOf(
    formatDigestAuthorization(
      answerChallenge(hashes, challengeOf(formatDigestChallenge({ ...ours, ...challenge })), {
        ...bob,
        method: 'MESSAGE',
        ...answer,
      }),
    ),
  )

describe('RFC 3261 §22.4: the server', () => {
  test.each<[string, DigestAuthorization, Partial<DigestCheck>, object]>([
    ['SHA-256', answered(), {}, { kind: 'accepted', username: 'bob', nonce, nc: 1 }],
    ['MD5', answered({ algorithm: 'MD5' }, { nc: 255 }), {}, { kind: 'accepted', nc: 255 }],
    ['a session', answered({ algorithm: 'SHA-256-sess' }), { algorithms: ['SHA-256-sess'] }, { kind: 'accepted' }],
    ['a name with quotes', answered({}, { username: 'b"o\\b é' }), {}, { kind: 'accepted', username: 'b"o\\b é' }],
    ['at the end of its life', answered(), { nowMs: nowMs + 300_000 }, { kind: 'accepted' }],
    ['too old', answered(), { nowMs: nowMs + 300_001 }, { kind: 'stale' }],
    ['a nonce of another server', answered(), { nonceSecret: 'other' }, { kind: 'stale' }],
    [
      'a nonce of another realm',
      answered({ nonce: makeNonce(hashes, secret, 'x', nowMs, 't') }),
      {},
      { kind: 'stale' },
    ],
    ['wrong password', answered({}, { password: 'x' }), {}, { kind: 'refused', reason: 'wrong-response' }],
    [
      'wrong password, too old: not stale',
      answered({}, { password: 'x' }),
      { nowMs: nowMs + 999_999 },
      { kind: 'refused', reason: 'wrong-response' },
    ],
    ['another method', answered(), { method: 'SUBSCRIBE' }, { kind: 'refused', reason: 'wrong-response' }],
    ['no such user', answered(), { password: undefined }, { kind: 'refused', reason: 'wrong-response' }],
    [
      'no such user, empty password',
      answered({}, { password: '' }),
      { password: undefined },
      { kind: 'refused', reason: 'wrong-response' },
    ],
    ['another realm', answered({ realm: 'x' }), {}, { kind: 'refused', reason: 'other-realm' }],
    ['MD5 not offered', answered({ algorithm: 'MD5' }), { algorithms: ['SHA-256'] }, { reason: 'other-algorithm' }],
  ])('%s', (_name, authorization, over, verdict) => {
    expect(judgeDigest(hashes, authorization, { ...check, ...over })).toMatchObject(verdict)
  })

  test('an answer without qop is none', () => {
    const authorization = answerChallenge(
      hashes,
      { realm: 'sip.example', nonce, algorithm: 'MD5', stale: false },
      { ...bob, method: 'MESSAGE' },
    )
    expect(authorization.qop).toBeUndefined()
    expect(judgeDigest(hashes, authorization, check)).toEqual({ kind: 'refused', reason: 'no-qop' })
  })

  test('a changed digit anywhere in the response is seen', () => {
    const { response } = answered()
    for (let at = 0; at < response.length; at += 1) {
      const digit = response[at] === '0' ? '1' : '0'
      const changed = { ...answered(), response: response.slice(0, at) + digit + response.slice(at + 1) }
      expect(judgeDigest(hashes, changed, check).kind).toBe('refused')
    }
  })
})

describe('RFC 7616 §3.3: nonces of ours', () => {
  test('tell their age', () => {
    expect(nonceAgeMs(hashes, secret, 'sip.example', nonce, nowMs + 1234)).toBe(1234)
    expect(nonceAgeMs(hashes, secret, 'sip.example', nonce, nowMs - 5)).toBe(0)
  })
  test.each([
    ['empty', ''],
    ['another seal', `${nonce.slice(0, -1)}${nonce.endsWith('0') ? '1' : '0'}`],
    ['another time', nonce.replace(/^./, (digit) => (digit === 'z' ? 'y' : 'z'))],
    ['another token', nonce.replace('k2f9', 'k2f8')],
    ['more behind it', `${nonce}0`],
  ])('%s: not ours', (_name, other) => {
    expect(other).not.toBe(nonce)
    expect(nonceAgeMs(hashes, secret, 'sip.example', other, nowMs)).toBeUndefined()
  })
})

test('what is written is read again, whatever the texts', () => {
  const text = fc.string({ unit: fc.constantFrom(...'ab ,="\\;<é大'), minLength: 1, maxLength: 8 })
  const made = fc.record({
    realm: text,
    nonce: text,
    opaque: text,
    algorithm: fc.constantFrom<DigestAlgorithm>('SHA-256', 'SHA-256-sess', 'MD5', 'MD5-sess'),
    qop: fc.constant('auth' as const),
    stale: fc.boolean(),
  })
  fc.assert(
    fc.property(made, text, text, fc.integer({ min: 1, max: 0xffff_ffff }), (challenge, username, cnonce, nc) => {
      expect(challengeOf(formatDigestChallenge(challenge))).toEqual(challenge)
      const answer = answerChallenge(hashes, challenge, { ...bob, username, cnonce, nc })
      expect(authorizationOf(formatDigestAuthorization(answer))).toEqual(answer)
    }),
    { seed: 7616, numRuns: 200 },
  )
})

test('any text gives a value or a failure', () => {
  const piece = fc.constantFrom(
    'Digest ',
    'realm=',
    '"a"',
    'nonce=',
    ', ',
    '=',
    '"',
    '\\',
    'qop="auth"',
    'Basic ',
    'x',
    '\u0000',
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 14 }), (pieces) => {
      const value = pieces.join('')
      expect(Array.isArray(parseDigestChallenges([value]))).toBe(true)
      expect(typeof parseDigestAuthorization(value).ok).toBe('boolean')
    }),
    { seed: 2617, numRuns: 1000 },
  )
})
