import { RecentMap } from '@stox/kernel'
import type { Clock, Hashes, Ids } from '@stox/kernel'
import { formatDigestChallenge, judgeDigest, makeNonce, newSipResponse, parseDigestAuthorization } from '@stox/sip'
import type { DigestAlgorithm, DigestHashes, SipHeaderEntry, SipRequest } from '@stox/sip'
import type { SipAuthentication } from '@stox/transport'

/** Who may speak to us without being known by address or certificate. */
export interface DigestUser {
  readonly username: string
  readonly password: string
  /** Whose users it may speak for; none listed: those of all our domains. */
  readonly domains: readonly string[]
}

export interface DigestGuardDeps {
  readonly realm: string
  readonly users: readonly DigestUser[]
  /** Best first: whoever can takes the topmost. @see RFC 8760 §2.4 */
  readonly algorithms: readonly DigestAlgorithm[]
  readonly nonceLifeMs: number
  readonly hashes: DigestHashes & Pick<Hashes, 'hmacSha256Hex'>
  readonly clock: Clock
  readonly ids: Ids
}

const MOST_NONCES = 20_000

/** Challenges requests and checks the answers. @see RFC 3261 §22, RFC 7616, RFC 8760 */
export class DigestGuard {
  readonly #deps: DigestGuardDeps
  readonly #users: ReadonlyMap<string, DigestUser>
  readonly #secret: string
  readonly #toTag: string
  /** The highest count that each nonce has been used with. @see RFC 7616 §5.5 */
  readonly #counts = new RecentMap<string, number>(MOST_NONCES)

  constructor(deps: DigestGuardDeps) {
    this.#deps = deps
    this.#users = new Map(deps.users.map((user) => [user.username, user]))
    this.#secret = deps.ids.token() + deps.ids.token()
    this.#toTag = deps.ids.token()
  }

  judge(request: SipRequest): SipAuthentication {
    const { realm, algorithms, nonceLifeMs, hashes, clock } = this.#deps
    const given = request.headers
      .all('Authorization')
      .map(parseDigestAuthorization)
      .flatMap((read) => (read.ok && read.value.realm === realm ? [read.value] : []))
    const [authorization] = given
    if (authorization === undefined) return this.#challenge(request, false, 'no credentials')
    const user = this.#users.get(authorization.username)
    const verdict = judgeDigest(hashes, authorization, {
      method: request.method,
      password: user?.password,
      realm,
      algorithms,
      nonceSecret: this.#secret,
      nonceLifeMs,
      nowMs: clock.monotonicMs(),
    })
    if (verdict.kind === 'stale') return this.#challenge(request, true, 'stale nonce')
    if (verdict.kind === 'refused' || user === undefined) {
      const why = verdict.kind === 'refused' ? verdict.reason : 'no such user'
      return this.#challenge(request, false, `${why}: ${authorization.username.slice(0, 64)}`)
    }
    // Played again, or overtaken: with a new nonce the owner of the password can say it once more.
    if (verdict.nc <= (this.#counts.get(verdict.nonce) ?? 0)) return this.#challenge(request, true, 'used nonce')
    this.#counts.set(verdict.nonce, verdict.nc)
    if (maySpeakFor(user, request.core.from.uri.host)) return { kind: 'accepted' }
    const response = newSipResponse(request, 403, 'Not Your Domain', { toTag: this.#toTag })
    return { kind: 'refused', detail: `${user.username} may not speak for ${request.core.from.uri.host}`, response }
  }

  #challenge(request: SipRequest, stale: boolean, detail: string): SipAuthentication {
    const { realm, algorithms, hashes, clock, ids } = this.#deps
    const nonce = makeNonce(hashes, this.#secret, realm, clock.monotonicMs(), ids.token())
    const headers = algorithms.map((algorithm): SipHeaderEntry => [
      'WWW-Authenticate',
      formatDigestChallenge({ realm, nonce, algorithm, qop: 'auth', stale }),
    ])
    return {
      kind: 'refused',
      detail,
      response: newSipResponse(request, 401, undefined, { toTag: this.#toTag, headers }),
    }
  }
}

const maySpeakFor = ({ domains }: DigestUser, host: string): boolean => domains.length === 0 || domains.includes(host)
