import type { Clock, Log, Timer, Timers } from '@stox/kernel'
import type { StreamFailure } from '@stox/xmpp-engine'
import { wordsOf } from '@stox/xmpp-engine'
import { networkOf } from './admission.ts'
import type { FailedStream, StreamFailureInfo } from './xmpp-endpoint-types.ts'

const PARTNERS_KEPT = 200
const STRANGERS_KEPT = 100
const EVERY_MS = 300_000

/** Fields of the record that change while it goes on. */
interface Note {
  info: StreamFailureInfo
  /** Since the last line of the log. */
  unwritten: number
  timer: Timer | undefined
}

/**
 * The streams that could not be had or ended badly: one record for a partner, a direction and a reason, however often
 * it happens, and one line in the log at once and then at most every five minutes, with how often it was. What strangers
 * cause is kept apart, by the network it comes from, so that it drives out nothing about a partner.
 */
export class FailureNotes {
  readonly #clock: Clock
  readonly #timers: Timers
  readonly #log: Log
  readonly #ofPartners = new Map<string, Note>()
  readonly #ofStrangers = new Map<string, Note>()
  #number = 0

  constructor(clock: Clock, timers: Timers, log: Log) {
    this.#clock = clock
    this.#timers = timers
    this.#log = log
  }

  /** The latest at the end. */
  get all(): readonly StreamFailureInfo[] {
    return [...this.#ofStrangers.values(), ...this.#ofPartners.values()]
      .map(({ info }) => info)
      .toSorted((a, b) => a.lastAtMs - b.lastAtMs)
  }

  note(stream: FailedStream, failure: StreamFailure): StreamFailureInfo {
    const { direction, partner, remoteAddress } = stream
    const words = wordsOf(failure, { ours: stream.local, theirs: stream.remote })
    const notes = partner === undefined ? this.#ofStrangers : this.#ofPartners
    const who = partner ?? (remoteAddress === undefined ? stream.remote : networkOf(remoteAddress))
    const key = `${direction} ${words.reason} ${who}`
    const known = notes.get(key)
    const atMs = this.#clock.wallMs()
    const info: StreamFailureInfo = {
      ...stream,
      ...words,
      id: known?.info.id ?? `${(this.#number += 1)}`,
      kind: failure.kind,
      firstAtMs: known?.info.firstAtMs ?? atMs,
      lastAtMs: atMs,
      times: (known?.info.times ?? 0) + 1,
    }
    const note: Note = known ?? { info, unwritten: 0, timer: undefined }
    note.info = info
    notes.delete(key)
    notes.set(key, note)
    if (note.timer === undefined) this.#write(note, 1)
    else note.unwritten += 1
    this.#keepFew(notes, partner === undefined ? STRANGERS_KEPT : PARTNERS_KEPT)
    return info
  }

  close(): void {
    for (const { timer } of [...this.#ofPartners.values(), ...this.#ofStrangers.values()]) timer?.cancel()
  }

  #write(note: Note, times: number): void {
    const { id: _id, kind: _kind, firstAtMs: _first, lastAtMs: _last, times: inAll, ...said } = note.info
    this.#log.warn('stream-failed', times === 1 ? said : { ...said, times, inAll })
    note.unwritten = 0
    note.timer = this.#timers.arm(EVERY_MS, () => {
      note.timer = undefined
      if (note.unwritten > 0) this.#write(note, note.unwritten)
    })
  }

  #keepFew(notes: Map<string, Note>, most: number): void {
    if (notes.size <= most) return
    const [oldest] = notes
    if (oldest === undefined) return
    oldest[1].timer?.cancel()
    notes.delete(oldest[0])
  }
}
