import { RecentMap } from '@stox/kernel'
import type { Ids, Log } from '@stox/kernel'
import { answerChallenge, chooseChallenges, formatDigestAuthorization, parseDigestChallenges } from '@stox/sip'
import type { DigestChallenge, DigestHashes, SipRequest, SipResponse } from '@stox/sip'
import type { SipReply } from '@stox/transport'
import type { SendOptions, SipAcknowledger, SipSender } from './send-sip.ts'

/** With what we answer the challenges of the SIP server of a domain. */
export interface SipCredentials {
  readonly domain: string
  /** Undefined: whatever realm asks. */
  readonly realm?: string | undefined
  readonly username: string
  readonly password: string
}

export interface AuthenticatingDeps {
  readonly sender: SipSender & Partial<SipAcknowledger>
  readonly credentials: readonly SipCredentials[]
  readonly hashes: DigestHashes
  readonly ids: Ids
  readonly log: Log
}

/** The one for 401, the one for 407. @see RFC 3261 §22.2, §22.3 */
const FIELDS = {
  401: ['WWW-Authenticate', 'Authorization'],
  407: ['Proxy-Authenticate', 'Proxy-Authorization'],
} as const
type Asking = keyof typeof FIELDS

/** A challenge that we have the password for, used again until its nonce is refused. @see RFC 7616 §3.3 */
interface Known {
  readonly asking: Asking
  readonly challenge: DigestChallenge
  readonly credentials: SipCredentials
  readonly cnonce: string
  count: number
}

/** The first one, one for a nonce that has become stale, and one for a proxy behind. */
const MOST_TRIES = 3
const MOST_DIALOGS = 50_000

/** Answers challenges, and the next requests before they are challenged. @see RFC 3261 §22, RFC 8760 */
export class AuthenticatingSender implements SipSender, SipAcknowledger {
  readonly #deps: AuthenticatingDeps
  readonly #credentials: ReadonlyMap<string, readonly SipCredentials[]>
  /** By domain, then by realm. */
  readonly #known = new Map<string, Map<string, Known>>()
  /** How many requests of a dialog its owner does not know of: each answer to a challenge takes a CSeq of its own. */
  readonly #extra = new RecentMap<string, number>(MOST_DIALOGS)

  constructor(deps: AuthenticatingDeps) {
    this.#deps = deps
    const byDomain = new Map<string, SipCredentials[]>()
    for (const one of deps.credentials) byDomain.set(one.domain, [...(byDomain.get(one.domain) ?? []), one])
    this.#credentials = byDomain
  }

  send(request: SipRequest, towards: string, options: SendOptions = {}): Promise<SipReply> {
    const { domain = '' } = options
    return this.#credentials.has(domain)
      ? this.#sendAs(domain, request, towards, options)
      : this.#deps.sender.send(request, towards, options)
  }

  /** With the credentials of its INVITE. @see RFC 3261 §22.1 */
  async acknowledge(ack: SipRequest, towards: string, options: SendOptions = {}): Promise<void> {
    const known = [...(this.#known.get(options.domain ?? '')?.values() ?? [])]
    await this.#deps.sender.acknowledge?.(this.#signed(ack, known), towards, options)
  }

  async #sendAs(domain: string, request: SipRequest, towards: string, options: SendOptions): Promise<SipReply> {
    const dialog = `${request.core.callId} ${request.core.from.params.get('tag') ?? ''}`
    /** The realms that have got an answer to a challenge made for this very request. */
    const answered = new Set<string>()
    for (let tries = 1; ; tries += 1) {
      const extra = this.#extra.get(dialog) ?? 0
      const known = [...(this.#known.get(domain)?.values() ?? [])]
      const reply = await this.#deps.sender.send(this.#signed(withCSeq(request, extra), known), towards, options)
      if (reply.kind !== 'response' || tries === MOST_TRIES) return reply
      const asking = askingOf(reply.response)
      if (asking === undefined || !this.#learn(domain, asking, reply.response, answered)) return reply
      this.#extra.set(dialog, extra + 1)
    }
  }

  /** Whether it is worth another try: there is a challenge that we can answer and have not answered in vain. */
  #learn(domain: string, asking: Asking, response: SipResponse, answered: Set<string>): boolean {
    const { ids, log } = this.#deps
    const realms = this.#known.get(domain) ?? new Map<string, Known>()
    this.#known.set(domain, realms)
    let learned = false
    for (const challenge of chooseChallenges(parseDigestChallenges(response.headers.all(FIELDS[asking][0])))) {
      const { realm, stale } = challenge
      const credentials = this.#credentials.get(domain)?.find((one) => one.realm === undefined || one.realm === realm)
      if (credentials === undefined) continue
      if (answered.has(realm) && !stale) {
        log.warn('sip-credentials-refused', { domain, realm, username: credentials.username })
        realms.delete(realm)
        return false
      }
      answered.add(realm)
      realms.set(realm, { asking, challenge, credentials, cnonce: ids.token(), count: 0 })
      learned = true
    }
    if (!learned) log.warn('sip-credentials-missing', { domain, status: response.status })
    return learned
  }

  #signed(request: SipRequest, known: readonly Known[]): SipRequest {
    if (known.length === 0) return request
    const { method, uri } = request
    let { headers } = request
    for (const one of known) {
      one.count += 1
      const { username, password } = one.credentials
      const { challenge, cnonce, count: nc } = one
      const answer = answerChallenge(this.#deps.hashes, challenge, { username, password, method, uri, cnonce, nc })
      headers = headers.append(FIELDS[one.asking][1], formatDigestAuthorization(answer))
    }
    return { ...request, headers }
  }
}

function askingOf({ status }: SipResponse): Asking | undefined {
  return status === 401 || status === 407 ? status : undefined
}

function withCSeq(request: SipRequest, extra: number): SipRequest {
  if (extra === 0) return request
  const cseq = { ...request.core.cseq, number: request.core.cseq.number + extra }
  return {
    ...request,
    headers: request.headers.with('CSeq', `${cseq.number} ${cseq.method}`),
    core: { ...request.core, cseq },
  }
}
