import { PassingMap } from '@stox/kernel'
import type { Failure, Outcome, Timer, Timers } from '@stox/kernel'
import { FairQueue } from './fair-queue.ts'

/** What the dispatch needs to know of an envelope: stanzas of one (from, to) pair stay in order. */
interface Addressed {
  readonly from: string
  readonly to: string
}

/** One attached link, seen from the stanzas that go over it. */
export interface LinkPeer<E extends Addressed> {
  readonly name: string
  /** False: a stanza of this size will never have room. */
  fits(bytes: number): boolean
  hasRoom(bytes: number): boolean
  give(entry: DispatchEntry<E>): void
}

/** A stanza whose outcome somebody waits for. Built and changed by the dispatch alone. */
export interface DispatchEntry<E extends Addressed> {
  readonly envelope: E
  readonly bytes: number
  /** On the clock of `nowMs`: when it is bounced, whatever happens. */
  readonly deadlineMs: number
  readonly pair: string
  readonly resolve: (outcome: Outcome) => void
  settled: boolean
  deadline: Timer | undefined
  unattached: Timer | undefined
}

export interface DispatchOptions<E extends Addressed> {
  readonly waitingStanzas: number
  readonly waitingBytes: number
  readonly unattachedHoldMs: number
  readonly timers: Timers
  readonly nowMs: () => number
  /** One of the attached ones, of which there is at least one. */
  choose(envelope: E, peers: readonly LinkPeer<E>[]): LinkPeer<E>
  /** Whose it is: what waits is taken from each in turn. */
  flowOf(envelope: E): string
  /** What becomes of a stanza that was given to a link that died: to be offered to another, or bounced. */
  readonly whenLost: 'offer-again' | 'bounce'
}

/**
 * Takes stanzas, finds each a link, and sees that each has one outcome. A pair of addresses stays with one link while
 * it has a stanza open, so that its order survives; what finds no credit waits, within bounds, each partner's in order
 * and the partners in turn.
 */
export class LinkDispatch<E extends Addressed> {
  readonly #options: DispatchOptions<E>
  /** Attached links, each with what waits for its credit. */
  readonly #waiting = new Map<LinkPeer<E>, FairQueue<DispatchEntry<E>>>()
  /** What waits for any link at all. */
  #unattached: FairQueue<DispatchEntry<E>>
  readonly #pairs = new PassingMap<string, { peer: LinkPeer<E> | undefined; open: number }>()
  #closed = false

  constructor(options: DispatchOptions<E>) {
    this.#options = options
    this.#unattached = this.#newQueue()
  }

  get peers(): readonly LinkPeer<E>[] {
    return [...this.#waiting.keys()]
  }

  /** How many stanzas wait for credit or for a link. */
  get waiting(): number {
    let count = this.#unattached.length
    for (const queue of this.#waiting.values()) count += queue.length
    return count
  }

  offer(envelope: E, bytes: number, holdMs: number): Promise<Outcome> {
    if (this.#closed) return Promise.resolve(bounced(shuttingDown))
    return new Promise((resolve) => {
      const entry: DispatchEntry<E> = {
        envelope,
        bytes,
        deadlineMs: this.#options.nowMs() + holdMs,
        pair: `${envelope.from}\n${envelope.to}`,
        resolve,
        settled: false,
        deadline: undefined,
        unattached: undefined,
      }
      entry.deadline = this.#options.timers.arm(holdMs, () => this.settle(entry, bounced(noOutcomeInTime)))
      const pair = this.#pairs.get(entry.pair)
      if (pair === undefined) this.#pairs.set(entry.pair, { peer: undefined, open: 1 })
      else pair.open += 1
      this.#place(entry)
    })
  }

  attach(peer: LinkPeer<E>): void {
    this.#waiting.set(peer, this.#newQueue())
    const entries = this.#unattached.drain()
    for (const entry of entries) this.#place(entry)
  }

  /** `given`: what the link still had open, oldest first. */
  detach(peer: LinkPeer<E>, given: readonly DispatchEntry<E>[]): void {
    const waiting = this.#waiting.get(peer)?.drain() ?? []
    this.#waiting.delete(peer)
    for (const pair of this.#pairs.values()) if (pair.peer === peer) pair.peer = undefined
    if (this.#options.whenLost === 'bounce') {
      for (const entry of given) this.settle(entry, bounced(lostOnTheWay(peer.name)))
    }
    const again = this.#options.whenLost === 'offer-again' ? [...given, ...waiting] : waiting
    for (const entry of again) this.#place(entry)
  }

  /** Credit came. */
  room(peer: LinkPeer<E>): void {
    const queue = this.#waiting.get(peer)
    if (queue === undefined) return
    for (;;) {
      const entry = queue.peek()
      if (entry === undefined) return
      if (!entry.settled && !peer.hasRoom(entry.bytes)) return
      queue.shift()
      if (!entry.settled) peer.give(entry)
    }
  }

  /** Everything that waits is bounced; what was given keeps its time. */
  close(): void {
    this.#closed = true
    const queues = [this.#unattached, ...this.#waiting.values()]
    for (const entry of queues.flatMap((queue) => queue.drain())) this.settle(entry, bounced(shuttingDown))
  }

  #place(entry: DispatchEntry<E>): void {
    if (entry.settled) return
    entry.unattached?.cancel()
    entry.unattached = undefined
    const peer = this.#peerFor(entry)
    if (peer === undefined) return this.#keep(entry)
    if (!peer.fits(entry.bytes)) return this.settle(entry, bounced(tooBig(entry.bytes)))
    const queue = this.#waiting.get(peer)
    if (queue === undefined) throw new Error(`${peer.name} is not attached`)
    if (queue.length === 0 && peer.hasRoom(entry.bytes)) return peer.give(entry)
    this.#push(queue, entry)
  }

  #peerFor(entry: DispatchEntry<E>): LinkPeer<E> | undefined {
    const pair = this.#pairs.get(entry.pair)
    if (pair?.peer !== undefined) return pair.peer
    const [first, ...others] = this.#waiting.keys()
    if (first === undefined) return undefined
    const chosen = others.length === 0 ? first : this.#options.choose(entry.envelope, [first, ...others])
    if (pair !== undefined) pair.peer = chosen
    return chosen
  }

  /** No link: a while is given to one that comes back. */
  #keep(entry: DispatchEntry<E>): void {
    if (this.#closed) return this.settle(entry, bounced(shuttingDown))
    this.#push(this.#unattached, entry)
    if (entry.settled) return
    entry.unattached = this.#options.timers.arm(this.#options.unattachedHoldMs, () =>
      this.settle(entry, bounced(noLink)),
    )
  }

  /** An outcome that comes after the stanza was bounced for its time finds nobody who waits. */
  settle(entry: DispatchEntry<E>, outcome: Outcome): void {
    if (entry.settled) return
    entry.settled = true
    entry.deadline?.cancel()
    entry.unattached?.cancel()
    const pair = this.#pairs.get(entry.pair)
    if (pair !== undefined) {
      pair.open -= 1
      if (pair.open === 0) this.#pairs.delete(entry.pair)
    }
    entry.resolve(outcome)
  }

  /** What was bounced for its time while it waited makes room first, and then who has most. */
  #push(queue: FairQueue<DispatchEntry<E>>, entry: DispatchEntry<E>): void {
    while (queue.peek()?.settled === true) queue.shift()
    const away = queue.push(this.#options.flowOf(entry.envelope), entry, entry.bytes)
    for (const one of away) this.settle(one, bounced(tooManyWaiting))
  }

  #newQueue(): FairQueue<DispatchEntry<E>> {
    return new FairQueue(this.#options.waitingStanzas, this.#options.waitingBytes)
  }
}

/** Rendezvous: of all peers the one whose name together with the key hashes highest, so that few keys move when peers come and go. */
export function chooseByKey<P extends { readonly name: string }>(
  key: string,
  peers: readonly [P, ...P[]] | readonly P[],
): P {
  let chosen = peers[0]
  if (chosen === undefined) throw new RangeError('no peers to choose from')
  let highest = -1
  for (const peer of peers) {
    const weight = fnv1a(`${peer.name}\n${key}`)
    if (weight > highest) {
      highest = weight
      chosen = peer
    }
  }
  return chosen
}

/** FNV-1a with 32 bits and a last mixing: quick, even, and not for secrets. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  return (hash ^ (hash >>> 13)) >>> 0
}

export const bounced = (failure: Failure): Outcome => ({ kind: 'bounced', failure })

/** @see mapping B.3 */
const timeout = (detail: string): Failure => ({
  fault: 'us',
  retry: 'later',
  condition: 'remote-server-timeout',
  errorType: 'wait',
  status: 504,
  text: 'The gateway between the two networks did not answer in time',
  detail,
})
const noLink = timeout('no link between edge and gateway was up in time')
const noOutcomeInTime = timeout('no outcome came over the link in time')
const shuttingDown = timeout('this side of the link is shutting down')
const lostOnTheWay = (peer: string): Failure => timeout(`the link to ${peer} was lost before the outcome was known`)
const tooManyWaiting: Failure = {
  fault: 'us',
  retry: 'later',
  condition: 'resource-constraint',
  errorType: 'wait',
  status: 500,
  retryAfterS: 5,
  text: 'Too much is waiting for the gateway between the two networks',
  detail: 'the queue in front of the link is full',
}
const tooBig = (bytes: number): Failure => ({
  fault: 'sender',
  retry: 'after-change',
  condition: 'policy-violation',
  errorType: 'modify',
  status: 513,
  text: 'The stanza is too big',
  detail: `${bytes} bytes are more than the window of the link`,
})
/** A handler of ours threw. */
export const brokenHandler = (error: unknown): Failure => ({
  fault: 'us',
  retry: 'later',
  condition: 'internal-server-error',
  status: 500,
  detail: error instanceof Error ? `${error.name}: ${error.message}` : String(error),
})
