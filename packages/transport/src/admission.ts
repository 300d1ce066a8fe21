import { isIPv6 } from 'node:net'
import type { Clock, Result } from '@stox/kernel'
import { fail, ok } from '@stox/kernel'
import { TokenBuckets } from './token-buckets.ts'

/** A connection's place among all: it counts from before it is there until it is given back. */
export interface Place {
  readonly purpose: 'stanzas' | 'verify'
  /** Undefined for what we dial. */
  readonly address: string | undefined
  /** Of an address from which a partner has come lately. */
  readonly isKnown: boolean
  readonly sinceMs: number
  /** The partner that the header names, proven or not. */
  claims: string | undefined
  /** Whose connections it counts with; of an inbound one once it has proven itself. */
  partner: string | undefined
  /** Makes way for another, at once. */
  evict: () => void
}

export interface AdmissionLimits {
  readonly unauthenticated: number
  readonly unauthenticatedPerAddress: number
  /** Connections a second that come to nothing; those that prove themselves are given back. */
  readonly fruitlessPerSecond: number
  readonly fruitlessPerSecondPerAddress: number
}

/** What a stranger has at least before another may take his place. */
const GRACE_MS = 5_000
const KNOWN_FOR_MS = 24 * 3_600_000
const MOST_KNOWN = 4_096
/** Tokens of a full bucket, in seconds. */
const BURST_S = 6
/** Where a partner is known, strangers may waste more before they are in its way. */
const KNOWN_PRICE = 0.2
/** Partners of one address, a provider's say. */
const MOST_NAMED = 100
const NOBODY: ReadonlySet<Place> = new Set()

/**
 * Who may connect. Partners count by their record, both directions together; strangers as a whole and by where they
 * come from. An address from which a partner came lately has a share of its own, in which the newest displaces the
 * oldest, so that strangers, were they behind the same address, keep no partner out. Nothing here looks at all streams.
 */
export class Admission {
  readonly #clock: Clock
  readonly #limits: AdmissionLimits
  readonly #connectionLimit: () => number
  #total = 0
  readonly #strangers = new Set<Place>()
  readonly #newcomers = new Set<Place>()
  readonly #byAddress = new Map<string, Set<Place>>()
  readonly #byPartner = new Map<string, { stanzas: number; verify: number }>()
  /** Address, partner, and when it was there last; the oldest first. */
  readonly #known = new Map<string, { readonly partners: Set<string>; seenMs: number }>()
  readonly #fruitless: TokenBuckets
  readonly #fruitlessPerAddress: TokenBuckets

  constructor(clock: Clock, limits: AdmissionLimits, connectionLimit: () => number) {
    this.#clock = clock
    this.#limits = limits
    this.#connectionLimit = connectionLimit
    this.#fruitless = new TokenBuckets(clock, limits.fruitlessPerSecond, BURST_S)
    this.#fruitlessPerAddress = new TokenBuckets(clock, limits.fruitlessPerSecondPerAddress, BURST_S)
  }

  get total(): number {
    return this.#total
  }

  /** Why one that comes from there has no place; undefined: it has one. Asked of a crowd, it does and makes nothing. */
  whyNot(remoteAddress: string): string | undefined {
    const { address, isKnown, price, pool, fromThere } = this.#comingFrom(remoteAddress)
    const { unauthenticated, unauthenticatedPerAddress } = this.#limits
    if (!this.#fruitlessPerAddress.has(address, price)) return 'too many connections from there that come to nothing'
    if (!isKnown && !this.#fruitless.has('')) return 'too many connections of strangers that come to nothing'
    if (fromThere.size >= unauthenticatedPerAddress && this.#firstToGo(fromThere, isKnown) === undefined) {
      return 'too many connections from there that have not authenticated'
    }
    if (pool.size >= unauthenticated && this.#firstToGo(pool, isKnown) === undefined) {
      return 'too many connections that have not authenticated'
    }
    if (this.#total >= this.#connectionLimit() && !(isKnown && this.#strangers.size > 0)) {
      return 'the limit of all connections is reached'
    }
    return undefined
  }

  /** For a connection that has come, or why there is none. */
  admit(remoteAddress: string): Result<Place, string> {
    const whyNot = this.whyNot(remoteAddress)
    if (whyNot !== undefined) return fail(whyNot)
    const { address, isKnown, price, pool, fromThere } = this.#comingFrom(remoteAddress)
    if (fromThere.size >= this.#limits.unauthenticatedPerAddress) this.#displace(fromThere, isKnown)
    if (pool.size >= this.#limits.unauthenticated) this.#displace(pool, isKnown)
    if (this.#total >= this.#connectionLimit()) this.#displace(this.#strangers, true)
    this.#fruitlessPerAddress.take(address, price)
    if (!isKnown) this.#fruitless.take('')
    const place = this.#place('stanzas', remoteAddress, isKnown)
    pool.add(place)
    this.#byAddress.set(address, (this.#byAddress.get(address) ?? new Set()).add(place))
    return ok(place)
  }

  /** For a connection that we want to make. */
  reserve(partner: string, purpose: Place['purpose'], limit: number): Result<Place, string> {
    if (!this.hasRoom(partner, purpose, limit)) return fail(`${partner} has its ${limit} connections`)
    // Strangers keep us from no partner.
    if (this.#total >= this.#connectionLimit() && !this.#displace(this.#strangers, true)) {
      return fail('the limit of all connections is reached')
    }
    const place = this.#place(purpose, undefined, true)
    place.partner = partner
    this.#count(partner, purpose, 1)
    return ok(place)
  }

  hasRoom(partner: string, purpose: Place['purpose'], limit: number): boolean {
    return (this.#byPartner.get(partner)?.[purpose] ?? 0) < limit
  }

  /** The partner is at the other end: of what came to us, and of what we dialled. */
  prove(place: Place, partner: string, remoteAddress: string): void {
    this.#know(networkOf(remoteAddress), partner)
    if (place.partner !== undefined) return
    this.#forgetStranger(place)
    this.forgive(place)
    place.partner = partner
    this.#count(partner, place.purpose, 1)
  }

  /** It has come to something. */
  forgive({ address, isKnown }: Place): void {
    if (address === undefined) return
    this.#fruitlessPerAddress.giveBack(networkOf(address), isKnown ? KNOWN_PRICE : 1)
    if (!isKnown) this.#fruitless.giveBack('')
  }

  release(place: Place): void {
    this.#total -= 1
    if (place.partner === undefined) this.#forgetStranger(place)
    else this.#count(place.partner, place.purpose, -1)
  }

  isKnown(remoteAddress: string): boolean {
    return this.#isKnownNetwork(networkOf(remoteAddress))
  }

  #isKnownNetwork(address: string): boolean {
    const known = this.#known.get(address)
    return known !== undefined && this.#clock.monotonicMs() - known.seenMs < KNOWN_FOR_MS
  }

  #comingFrom(remoteAddress: string) {
    const address = networkOf(remoteAddress)
    const isKnown = this.#isKnownNetwork(address)
    const fromThere: ReadonlySet<Place> = this.#byAddress.get(address) ?? NOBODY
    return {
      address,
      isKnown,
      fromThere,
      pool: isKnown ? this.#newcomers : this.#strangers,
      price: isKnown ? KNOWN_PRICE : 1,
    }
  }

  #place(purpose: Place['purpose'], address: string | undefined, isKnown: boolean): Place {
    this.#total += 1
    const sinceMs = this.#clock.monotonicMs()
    return { purpose, address, isKnown, sinceMs, claims: undefined, partner: undefined, evict: () => {} }
  }

  /** The oldest makes way: one that names no partner of its address before one that does. */
  #firstToGo(among: ReadonlySet<Place>, atOnce: boolean): Place | undefined {
    let oldest: Place | undefined
    let looked = 0
    for (const place of among) {
      oldest ??= place
      looked += 1
      if (!this.#namesItsOwn(place)) {
        oldest = place
        break
      }
      if (looked === this.#limits.unauthenticatedPerAddress) break
    }
    if (oldest === undefined) return undefined
    return atOnce || this.#clock.monotonicMs() - oldest.sinceMs >= GRACE_MS ? oldest : undefined
  }

  #displace(among: ReadonlySet<Place>, atOnce: boolean): boolean {
    const place = this.#firstToGo(among, atOnce)
    if (place === undefined) return false
    this.#forgetStranger(place)
    place.evict()
    return true
  }

  #namesItsOwn({ address, claims }: Place): boolean {
    if (address === undefined || claims === undefined) return false
    return this.#known.get(networkOf(address))?.partners.has(claims) ?? false
  }

  #forgetStranger(place: Place): void {
    if (place.address === undefined) return
    this.#strangers.delete(place)
    this.#newcomers.delete(place)
    const address = networkOf(place.address)
    const fromThere = this.#byAddress.get(address)
    fromThere?.delete(place)
    if (fromThere?.size === 0) this.#byAddress.delete(address)
  }

  #count(partner: string, purpose: Place['purpose'], more: number): void {
    const counts = this.#byPartner.get(partner) ?? { stanzas: 0, verify: 0 }
    counts[purpose] += more
    if (counts.stanzas === 0 && counts.verify === 0) this.#byPartner.delete(partner)
    else this.#byPartner.set(partner, counts)
  }

  #know(address: string, partner: string): void {
    const partners = this.#known.get(address)?.partners ?? new Set()
    if (partners.size < MOST_NAMED) partners.add(partner)
    this.#known.delete(address)
    this.#known.set(address, { partners, seenMs: this.#clock.monotonicMs() })
    if (this.#known.size <= MOST_KNOWN) return
    const oldest = this.#known.keys().next()
    if (oldest.done !== true) this.#known.delete(oldest.value)
  }
}

/** One customer of a provider has a whole /64 of IPv6 addresses: it counts as one. */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped !== undefined) return mapped
  if (!isIPv6(address)) return address
  const [head = '', tail] = (address.split('%')[0] ?? address).split('::')
  const groups = head === '' ? [] : head.split(':')
  if (tail !== undefined) {
    const after = tail === '' ? 0 : tail.split(':').length
    while (groups.length + after < 8) groups.push('0')
    if (tail !== '') groups.push(...tail.split(':'))
  }
  const network = groups.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16))
  return `${network.join(':')}::/64`
}
