import { latin1Text } from '@stox/kernel'
import { parseDigits } from './grammar.ts'
import type { SipSyntaxFailure } from './message.ts'
import { DEFAULT_SIP_LIMITS, parseSipMessage, type SipLimits } from './parse.ts'

export type SipStreamEvent =
  /** Exactly one message, for `parseSipMessage(bytes, 'stream')`. */
  | { readonly kind: 'message'; readonly bytes: Uint8Array }
  /** A double CRLF between messages: answer with one CRLF. @see RFC 5626 §4.4.1 */
  | { readonly kind: 'keep-alive' }
  /** Framing is lost: answer if there is an answer, then close. The last event ever. */
  | { readonly kind: 'failure'; readonly failure: SipSyntaxFailure }

const NOTHING = new Uint8Array(0)
const SCAN_BYTES = 2048

/**
 * Cuts a byte stream into messages. Holds at most one unfinished message. A message is a view of the bytes that were
 * pushed, or of a buffer that is never written again where the message lies. @see RFC 3261 §18.3
 */
export class SipStreamFramer {
  readonly #limits: SipLimits
  #buffer: Uint8Array = NOTHING
  /** What is not yet given out lies between these two. */
  #start = 0
  #end = 0
  /** Up to here there is no end of a head. */
  #scanned = 0
  /** The length of the message at `#start`, once its head is complete. */
  #messageBytes: number | undefined
  #failed = false

  constructor(limits: SipLimits = DEFAULT_SIP_LIMITS) {
    this.#limits = limits
  }

  get pendingBytes(): number {
    return this.#end - this.#start
  }

  push(bytes: Uint8Array): readonly SipStreamEvent[] {
    if (this.#failed || bytes.length === 0) return []
    const borrowed = this.pendingBytes === 0
    if (borrowed) {
      this.#buffer = bytes
      this.#start = 0
      this.#scanned = 0
      this.#end = bytes.length
    } else this.#keep(bytes)
    const events = this.#cut()
    if (this.#failed || this.pendingBytes === 0) this.#release()
    else if (borrowed) this.#own()
    return events
  }

  #cut(): SipStreamEvent[] {
    const events: SipStreamEvent[] = []
    for (;;) {
      if (this.#messageBytes === undefined) {
        if (!this.#skipLineBreaks(events)) return events
        const headEnd = this.#findHeadEnd()
        if (headEnd === undefined) {
          if (this.pendingBytes >= this.#limits.maxHeadBytes + 4)
            events.push(this.#fail('headers without end', this.#end))
          return events
        }
        const bodyBytes = headEnd - this.#start <= this.#limits.maxHeadBytes + 4 ? this.#bodyBytes(headEnd) : undefined
        if (bodyBytes === undefined) {
          events.push(this.#fail('framing lost', headEnd))
          return events
        }
        this.#messageBytes = headEnd - this.#start + bodyBytes
      }
      if (this.pendingBytes < this.#messageBytes) return events
      const next = this.#start + this.#messageBytes
      events.push({ kind: 'message', bytes: this.#buffer.subarray(this.#start, next) })
      this.#start = next
      this.#scanned = next
      this.#messageBytes = undefined
    }
  }

  /** Whether a message begins at `#start`. A run of pings is one keep-alive: there is no use in many pongs. */
  #skipLineBreaks(events: SipStreamEvent[]): boolean {
    let breaks = 0
    while (this.#buffer[this.#start] === 13 && this.#start + 1 < this.#end && this.#buffer[this.#start + 1] === 10) {
      this.#start += 2
      breaks += 1
    }
    // The last one may be the first half of a ping that is still on its way.
    const left = this.#end - this.#start
    const undecided = left === 0 || (left === 1 && this.#buffer[this.#start] === 13)
    if (undecided && breaks % 2 === 1) {
      this.#start -= 2
      breaks -= 1
    }
    if (breaks > 1) events.push({ kind: 'keep-alive' })
    this.#scanned = Math.max(this.#scanned, this.#start)
    return !undecided
  }

  /** The index behind the empty line that ends the head at `#start`. Looks at every byte once. */
  #findHeadEnd(): number | undefined {
    const most = Math.min(this.#end, this.#start + this.#limits.maxHeadBytes + 5)
    while (this.#scanned < most) {
      const from = Math.max(this.#start, this.#scanned - 3)
      const stop = Math.min(most, this.#scanned + SCAN_BYTES)
      const found = latin1Text(this.#buffer, from, stop).indexOf('\r\n\r\n')
      if (found !== -1) return from + found + 4
      this.#scanned = stop
    }
    return undefined
  }

  /**
   * What the one Content-Length says; undefined when there is none, several, or it cannot be believed. Reads the fields
   * as the parser does, so that both mean the same bytes.
   */
  #bodyBytes(headEnd: number): number | undefined {
    const head = latin1Text(this.#buffer, this.#start, headEnd - 2)
    let length: number | undefined
    for (let at = head.indexOf('\r\n') + 2; at < head.length;) {
      let end = head.indexOf('\r\n', at)
      const code = head.charCodeAt(at)
      // c, C, l, L: the others need no closer look.
      if ((code & 0xdf) === 67 || (code & 0xdf) === 76) {
        while (isFolded(head, end)) end = head.indexOf('\r\n', end + 2)
        const value = contentLengthIn(head.slice(at, end))
        if (value !== undefined) {
          if (length !== undefined) return undefined
          length = parseDigits(value, this.#limits.maxBodyBytes)
          if (length === undefined) return undefined
        }
      }
      at = end + 2
    }
    return length
  }

  /** The parser knows best what is wrong with a head; what it may not know is that the stream cannot go on. */
  #fail(detail: string, end: number): SipStreamEvent {
    this.#failed = true
    const parsed = parseSipMessage(this.#buffer.subarray(this.#start, end), 'stream', this.#limits)
    const failure: SipSyntaxFailure = parsed.ok
      ? { kind: 'sip-syntax', detail, answer: undefined, salvaged: undefined }
      : parsed.failure
    return { kind: 'failure', failure }
  }

  /** Adds to what waits. Grows by doubling, so that bytes that drip in are not copied again and again. */
  #keep(bytes: Uint8Array): void {
    if (this.#end + bytes.length > this.#buffer.length) {
      this.#moveTo(new Uint8Array(Math.max(4096, 2 * (this.pendingBytes + bytes.length))))
    }
    this.#buffer.set(bytes, this.#end)
    this.#end += bytes.length
  }

  /** What waits must not keep a whole read of the socket alive. */
  #own(): void {
    this.#moveTo(new Uint8Array(Math.max(4096, 2 * this.pendingBytes)))
  }

  #moveTo(buffer: Uint8Array): void {
    buffer.set(this.#buffer.subarray(this.#start, this.#end))
    this.#scanned -= this.#start
    this.#end -= this.#start
    this.#start = 0
    this.#buffer = buffer
  }

  #release(): void {
    this.#buffer = NOTHING
    this.#start = 0
    this.#end = 0
    this.#scanned = 0
  }
}

const isFolded = (head: string, lineEnd: number): boolean => {
  const code = head.charCodeAt(lineEnd + 2)
  return code === 32 || code === 9
}

/** The value when the field is a Content-Length, unfolded. */
function contentLengthIn(field: string): string | undefined {
  const colon = field.indexOf(':')
  const name = field.slice(0, Math.max(0, colon)).trim().toLowerCase()
  return name === 'l' || name === 'content-length' ? field.slice(colon + 1).trim() : undefined
}
