import type { Clock } from '@stox/kernel'
import type { Store, TokenRole } from '@stox/store'
import { createHash, randomBytes } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { ApiProblem } from './problem.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The name of the token, for the audit log. */
    who: string
  }
  interface FastifyContextConfig {
    /** The least role that may call the route; left out: administrator. */
    readonly role?: TokenRole
  }
}

const RANK: Readonly<Record<TokenRole, number>> = { viewer: 0, operator: 1, administrator: 2 }
const FIRST_TOKEN = 'first'

/** Enough without salt or stretching, since what is hashed are 256 random bits. */
const hashOf = (token: string): string => createHash('sha256').update(token).digest('hex')

/** Stores the hash of a new token and gives the token itself, this once; undefined when the name is taken. */
export async function createToken(
  store: Store,
  clock: Clock,
  token: { readonly name: string; readonly role: TokenRole },
): Promise<string | undefined> {
  const secret = `stox_${randomBytes(32).toString('base64url')}`
  const added = await store.tokens.add({
    name: token.name,
    role: token.role,
    hash: hashOf(secret),
    createdAtMs: clock.wallMs(),
  })
  return added ? secret : undefined
}

/** At first start, when there is no token at all: the first administrator's, to be shown once. Undefined at any other start. */
export async function ensureFirstToken(store: Store, clock: Clock): Promise<string | undefined> {
  const tokens = await store.tokens.list()
  return tokens.length > 0 ? undefined : createToken(store, clock, { name: FIRST_TOKEN, role: 'administrator' })
}

/** Lets in who has a token of sufficient role, and slows down who keeps guessing. */
export class Doorkeeper {
  readonly #store: Store
  readonly #guesses: GuessCounter

  constructor(store: Store, clock: Clock) {
    this.#store = store
    this.#guesses = new GuessCounter(clock)
  }

  async admit(request: FastifyRequest): Promise<void> {
    const secret = /^Bearer +([A-Za-z0-9._~+/-]+=*) *$/i.exec(request.headers.authorization ?? '')?.[1]
    const token = secret === undefined ? undefined : await this.#store.tokens.findByHash(hashOf(secret))
    if (token === undefined) throw this.#refuse(request.ip, secret !== undefined)
    const needed = request.routeOptions.config.role ?? 'administrator'
    if (RANK[token.role] < RANK[needed]) {
      throw new ApiProblem(403, `the token ${token.name} has the role ${token.role}, this needs ${needed}`)
    }
    request.who = token.name
  }

  /** A good token is let in however many bad ones came from the same address: nobody can lock others out. */
  #refuse(address: string, guessed: boolean): ApiProblem {
    const waitS = guessed ? this.#guesses.count(address) : 0
    if (waitS > 0)
      return new ApiProblem(429, 'too many wrong tokens from this address', [], { 'retry-after': String(waitS) })
    const challenge = guessed ? 'Bearer realm="stox", error="invalid_token"' : 'Bearer realm="stox"'
    return new ApiProblem(401, guessed ? 'the token is not known' : 'a bearer token is needed', [], {
      'www-authenticate': challenge,
    })
  }
}

const WINDOW_MS = 60_000
const MOST_GUESSES = 10
const MOST_ADDRESSES = 10_000

/** Wrong tokens by address, within a minute each; a bounded number of addresses. */
class GuessCounter {
  readonly #clock: Clock
  readonly #byAddress = new Map<string, { count: number; readonly untilMs: number }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Counts one more; gives the seconds to wait once there were too many, else 0. */
  count(address: string): number {
    const nowMs = this.#clock.monotonicMs()
    let entry = this.#byAddress.get(address)
    if (entry === undefined || entry.untilMs <= nowMs) {
      this.#byAddress.delete(address)
      this.#makeRoom()
      entry = { count: 0, untilMs: nowMs + WINDOW_MS }
      this.#byAddress.set(address, entry)
    }
    entry.count += 1
    return entry.count > MOST_GUESSES ? Math.max(1, Math.ceil((entry.untilMs - nowMs) / 1000)) : 0
  }

  /** The oldest stand first, since an entry is only ever added at the end. */
  #makeRoom(): void {
    const oldest = this.#byAddress.keys().next()
    if (this.#byAddress.size >= MOST_ADDRESSES && oldest.done !== true) this.#byAddress.delete(oldest.value)
  }
}
