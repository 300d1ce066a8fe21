import { ok, type Hashes, type Result } from '@stox/kernel'
import {
  PARAM_VALUE,
  grammarFailure,
  listEntries,
  quote,
  quotedEnd,
  runEnd,
  unquote,
  type SipGrammarFailure,
} from './grammar.ts'
import { Cursor } from './params.ts'

/** The algorithms we take, best first. MD5 is for peers that have nothing else. @see RFC 8760 §2.1 */
export const DIGEST_ALGORITHMS = ['SHA-256', 'SHA-256-sess', 'MD5', 'MD5-sess'] as const
export type DigestAlgorithm = (typeof DIGEST_ALGORITHMS)[number]

/** Lower-case hex of the UTF-8 of the text. */
export interface DigestHashes {
  md5Hex(text: string): string
  sha256Hex(text: string): string
}

/** @see RFC 7616 §3.3 */
export interface DigestChallenge {
  readonly realm: string
  readonly nonce: string
  readonly opaque?: string
  /** Left out: it named none, which means MD5. */
  readonly algorithm?: DigestAlgorithm
  /** Left out: it knows none, as before RFC 2617. */
  readonly qop?: 'auth'
  /** The answer was right but for its nonce: answer the new one, and do not ask anybody for another password. */
  readonly stale: boolean
}

/** @see RFC 7616 §3.4 */
export interface DigestAuthorization {
  readonly username: string
  readonly realm: string
  readonly nonce: string
  /** The Request-URI as the sender knew it: a proxy may have changed it since. @see RFC 3261 §22.4 */
  readonly uri: string
  /** Lower case. */
  readonly response: string
  readonly opaque?: string
  readonly algorithm?: DigestAlgorithm
  /** Left out: an answer of RFC 2069, which has no count and can be played again while its nonce lives. */
  readonly qop?: { readonly cnonce: string; readonly nc: number }
}

/**
 * The challenges of WWW-Authenticate or Proxy-Authenticate fields that we could answer, in their order. Other schemes,
 * algorithms and qualities, and what cannot be read, are left out. @see RFC 3261 §22.1, RFC 8760 §2.4
 */
export const parseDigestChallenges = (values: readonly string[]): readonly DigestChallenge[] =>
  values.flatMap((value) => digestParameters(value) ?? []).flatMap((parameters) => readChallenge(parameters) ?? [])

type Parameters = ReadonlyMap<string, string>

/** `Digest name=value, name="value"`, more of them after a comma; undefined for what is not that. @see RFC 3261 §25.1 */
function digestParameters(value: string): Parameters[] | undefined {
  const found: Map<string, string>[] = []
  const cursor = new Cursor(value)
  for (let word = cursor.token(); ;) {
    if (!cursor.take(EQUALS)) {
      // A scheme. What others say need not look like parameters: nothing is read behind them.
      if (word.toLowerCase() !== 'digest') return found.length === 0 ? undefined : found
      found.push(new Map())
      word = cursor.token()
      if (!cursor.take(EQUALS)) return undefined
    }
    cursor.peek()
    const start = cursor.at
    const end = value.charCodeAt(start) === QUOTE ? quotedEnd(value, start) : runEnd(value, start, PARAM_VALUE)
    const parameters = found.at(-1)
    const name = word.toLowerCase()
    if (word === '' || parameters === undefined || end <= start || parameters.has(name)) return undefined
    parameters.set(name, unquote(value.slice(start, end)))
    cursor.at = end
    if (cursor.peek() === -1) return found
    if (!cursor.take(COMMA)) return undefined
    word = cursor.token()
  }
}

const QUOTE = 34
const COMMA = 44
const EQUALS = 61

function readChallenge(parameters: Parameters): DigestChallenge | undefined {
  const realm = parameters.get('realm')
  const nonce = parameters.get('nonce')
  const algorithm = algorithmNamed(parameters.get('algorithm'))
  const qop = parameters.get('qop')
  if (realm === undefined || nonce === undefined || algorithm === 'unknown') return undefined
  if (qop !== undefined && !listEntries(qop.toLowerCase()).includes('auth')) return undefined
  const opaque = parameters.get('opaque')
  return {
    realm,
    nonce,
    ...(opaque === undefined ? {} : { opaque }),
    ...(algorithm === undefined ? {} : { algorithm }),
    ...(qop === undefined ? {} : { qop: 'auth' }),
    stale: parameters.get('stale')?.toLowerCase() === 'true',
  }
}

const algorithmNamed = (name: string | undefined): DigestAlgorithm | 'unknown' | undefined =>
  name === undefined
    ? undefined
    : (DIGEST_ALGORITHMS.find((known) => known.toLowerCase() === name.toLowerCase()) ?? 'unknown')

/**
 * One challenge for each realm, as each realm wants an answer: the best algorithm, the topmost of equals. RFC 8760 §2.4
 * takes the topmost and leaves room for a policy; ours is that nobody on the way can push MD5 before SHA-256.
 */
export function chooseChallenges(challenges: readonly DigestChallenge[]): readonly DigestChallenge[] {
  const best = new Map<string, DigestChallenge>()
  for (const challenge of challenges) {
    const other = best.get(challenge.realm)
    if (other === undefined || rankOf(challenge) < rankOf(other)) best.set(challenge.realm, challenge)
  }
  return [...best.values()]
}

const rankOf = ({ algorithm = 'MD5' }: DigestChallenge): number => DIGEST_ALGORITHMS.indexOf(algorithm)

/** The value of WWW-Authenticate or Proxy-Authenticate. @see RFC 7616 §3.3 */
export function formatDigestChallenge(challenge: DigestChallenge): string {
  const { realm, nonce, opaque, algorithm, qop, stale } = challenge
  let text = `Digest realm=${quote(realm)}, nonce=${quote(nonce)}`
  if (opaque !== undefined) text += `, opaque=${quote(opaque)}`
  if (stale) text += ', stale=true'
  if (algorithm !== undefined) text += `, algorithm=${algorithm}`
  if (qop !== undefined) text += `, qop="${qop}"`
  return text
}

export interface DigestAnswer {
  readonly username: string
  readonly password: string
  readonly method: string
  readonly uri: string
  /** A token of chance. For a `-sess` algorithm it stays the same as long as the nonce does. */
  readonly cnonce: string
  /** How often this nonce has been answered, this time counted: 1 is the first. */
  readonly nc: number
}

/** The credentials that answer a challenge. @see RFC 7616 §3.4, RFC 3261 §22.4 */
export function answerChallenge(
  hashes: DigestHashes,
  challenge: DigestChallenge,
  answer: DigestAnswer,
): DigestAuthorization {
  const { realm, nonce, opaque, algorithm } = challenge
  const { username, uri, cnonce, nc } = answer
  if (!Number.isInteger(nc) || nc < 1 || nc > 0xffff_ffff) throw new RangeError(`not a nonce count: ${nc}`)
  const unsigned = {
    username,
    realm,
    nonce,
    uri,
    ...(opaque === undefined ? {} : { opaque }),
    ...(algorithm === undefined ? {} : { algorithm }),
    ...(challenge.qop === undefined && !isSession(algorithm) ? {} : { qop: { cnonce, nc } }),
  }
  return { ...unsigned, response: responseTo(hashes, unsigned, answer.method, answer.password) }
}

const isSession = (algorithm: DigestAlgorithm | undefined): boolean => algorithm?.endsWith('-sess') === true

/** @see RFC 7616 §3.4.1–§3.4.3; without a quality RFC 2069 §2.1.2 */
function responseTo(
  hashes: DigestHashes,
  { username, realm, nonce, uri, algorithm = 'MD5', qop }: Omit<DigestAuthorization, 'response'>,
  method: string,
  password: string,
): string {
  const hash = (text: string): string =>
    algorithm.startsWith('SHA-256') ? hashes.sha256Hex(text) : hashes.md5Hex(text)
  const user = hash(`${username}:${realm}:${password}`)
  const a1 = isSession(algorithm) ? hash(`${user}:${nonce}:${qop?.cnonce ?? ''}`) : user
  const a2 = hash(`${method}:${uri}`)
  return hash(qop === undefined ? `${a1}:${nonce}:${a2}` : `${a1}:${nonce}:${ncText(qop.nc)}:${qop.cnonce}:auth:${a2}`)
}

const ncText = (nc: number): string => nc.toString(16).padStart(8, '0')

/** The value of Authorization or Proxy-Authorization. @see RFC 7616 §3.4 */
export function formatDigestAuthorization(authorization: DigestAuthorization): string {
  const { username, realm, nonce, uri, response, opaque, algorithm, qop } = authorization
  let text = `Digest username=${quote(username)}, realm=${quote(realm)}, nonce=${quote(nonce)}, uri=${quote(uri)}`
  text += `, response="${response}"`
  if (opaque !== undefined) text += `, opaque=${quote(opaque)}`
  if (algorithm !== undefined) text += `, algorithm=${algorithm}`
  if (qop !== undefined) text += `, qop=auth, nc=${ncText(qop.nc)}, cnonce=${quote(qop.cnonce)}`
  return text
}

/** One field, one set of credentials. @see RFC 3261 §22.3 */
export function parseDigestAuthorization(value: string): Result<DigestAuthorization, SipGrammarFailure> {
  const sets = digestParameters(value)
  const parameters = sets?.[0]
  if (parameters === undefined || sets?.length !== 1) return grammarFailure('no proper Digest credentials')
  const [username, realm, nonce, uri] = ['username', 'realm', 'nonce', 'uri'].map((name) => parameters.get(name))
  if (username === undefined || realm === undefined || nonce === undefined || uri === undefined) {
    return grammarFailure('Digest credentials without username, realm, nonce or uri')
  }
  const algorithm = algorithmNamed(parameters.get('algorithm'))
  if (algorithm === 'unknown') return grammarFailure('Digest credentials of an algorithm we do not know')
  const response = parameters.get('response')?.toLowerCase() ?? ''
  if (!/^[0-9a-f]+$/.test(response) || response.length !== (algorithm?.startsWith('SHA-256') === true ? 64 : 32)) {
    return grammarFailure('Digest credentials without a proper response')
  }
  const qop = readQop(parameters)
  if (qop === 'unknown' || (qop === undefined && isSession(algorithm))) {
    return grammarFailure('Digest credentials without a proper qop, nc and cnonce')
  }
  const opaque = parameters.get('opaque')
  return ok({
    username,
    realm,
    nonce,
    uri,
    response,
    ...(opaque === undefined ? {} : { opaque }),
    ...(algorithm === undefined ? {} : { algorithm }),
    ...(qop === undefined ? {} : { qop }),
  })
}

function readQop(parameters: Parameters): DigestAuthorization['qop'] | 'unknown' {
  const qop = parameters.get('qop')
  if (qop === undefined) return undefined
  const nc = parameters.get('nc') ?? ''
  const cnonce = parameters.get('cnonce')
  if (qop.toLowerCase() !== 'auth' || !/^[0-9a-fA-F]{8}$/.test(nc) || cnonce === undefined) return 'unknown'
  return { cnonce, nc: Number.parseInt(nc, 16) }
}

export interface DigestCheck {
  readonly method: string
  /** Undefined when there is no such user: that takes as long as a wrong password does. */
  readonly password: string | undefined
  /** Those of the challenges we make. */
  readonly realm: string
  readonly algorithms: readonly DigestAlgorithm[]
  readonly nonceSecret: string
  readonly nonceLifeMs: number
  readonly nowMs: number
}

export type DigestVerdict =
  /** Whoever keeps counts refuses a pair of nonce and count that it has seen before. @see RFC 7616 §5.5 */
  | { readonly kind: 'accepted'; readonly username: string; readonly nonce: string; readonly nc: number }
  /** The right password for a nonce that is too old or not ours: challenge again, with `stale`. @see RFC 7616 §3.3 */
  | { readonly kind: 'stale' }
  | { readonly kind: 'refused'; readonly reason: 'other-realm' | 'other-algorithm' | 'no-qop' | 'wrong-response' }

/**
 * Whether these credentials answer a challenge of ours. We always ask for a quality, so an answer without one is none.
 * @see RFC 3261 §22.4, RFC 7616 §3.4.6
 */
export function judgeDigest(
  hashes: DigestHashes & Pick<Hashes, 'hmacSha256Hex'>,
  authorization: DigestAuthorization,
  check: DigestCheck,
): DigestVerdict {
  const { realm, algorithm = 'MD5', nonce, username, qop } = authorization
  if (realm !== check.realm) return { kind: 'refused', reason: 'other-realm' }
  if (!check.algorithms.includes(algorithm)) return { kind: 'refused', reason: 'other-algorithm' }
  if (qop === undefined) return { kind: 'refused', reason: 'no-qop' }
  const expected = responseTo(hashes, authorization, check.method, check.password ?? '')
  const isRight = sameInConstantTime(authorization.response, expected)
  if (!isRight || check.password === undefined) return { kind: 'refused', reason: 'wrong-response' }
  const ageMs = nonceAgeMs(hashes, check.nonceSecret, realm, nonce, check.nowMs)
  if (ageMs === undefined || ageMs > check.nonceLifeMs) return { kind: 'stale' }
  return { kind: 'accepted', username, nonce, nc: qop.nc }
}

/** Looks at every character whatever it sees. Lengths are no secret. */
function sameInConstantTime(one: string, other: string): boolean {
  let difference = one.length ^ other.length
  for (let at = 0; at < other.length; at += 1) difference |= one.charCodeAt(at) ^ other.charCodeAt(at)
  return difference === 0
}

/** Its time of birth, a token of chance, and our seal on both: nothing to remember. @see RFC 7616 §3.3, §5.4 */
export function makeNonce(
  hashes: Pick<Hashes, 'hmacSha256Hex'>,
  secret: string,
  realm: string,
  nowMs: number,
  token: string,
): string {
  const born = `${Math.floor(nowMs).toString(36)}.${token}`
  return `${born}.${sealOf(hashes, secret, realm, born)}`
}

const sealOf = (hashes: Pick<Hashes, 'hmacSha256Hex'>, secret: string, realm: string, born: string): string =>
  hashes.hmacSha256Hex(secret, `digest nonce\n${realm}\n${born}`).slice(0, 32)

/** How old a nonce of ours is, not less than 0; undefined when it is not ours. */
export function nonceAgeMs(
  hashes: Pick<Hashes, 'hmacSha256Hex'>,
  secret: string,
  realm: string,
  nonce: string,
  nowMs: number,
): number | undefined {
  const [, born, stamp, seal] = /^(([0-9a-z]{1,11})\.[\w-]{1,128})\.([0-9a-f]{32})$/.exec(nonce) ?? []
  if (born === undefined || stamp === undefined || seal === undefined) return undefined
  if (!sameInConstantTime(seal, sealOf(hashes, secret, realm, born))) return undefined
  return Math.max(0, nowMs - Number.parseInt(stamp, 36))
}
