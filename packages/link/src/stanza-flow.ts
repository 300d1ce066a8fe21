import { PassingMap } from '@stox/kernel'
import type { Outcome } from '@stox/kernel'
import type * as wire from './gen/stox/link/v1/link_pb.ts'
import { outcomeFromWire, outcomeToWire } from './outcome-codec.ts'

/** How much may be in flight: stanzas without an outcome, and their bytes. */
export interface Window {
  readonly stanzas: number
  readonly bytes: number
}

const nextSeq = (seq: number): number => (seq + 1) >>> 0

/** Stanzas to the other side: each is given a number, spends credit and stays open until its outcome is here. */
export class SendingFlow<Token> {
  readonly #open = new PassingMap<number, Token>()
  #lastSeq = 0
  #window: Window = { stanzas: 0, bytes: 0 }
  #stanzas = 0
  #bytes = 0

  /** The hello names the whole window. */
  start(window: Window): void {
    this.#window = window
    this.#stanzas = window.stanzas
    this.#bytes = window.bytes
  }

  get open(): number {
    return this.#open.size
  }

  get creditStanzas(): number {
    return this.#stanzas
  }

  /** False: a stanza of this size will never have room here. */
  fits(bytes: number): boolean {
    return bytes <= this.#window.bytes
  }

  hasRoom(bytes: number): boolean {
    return this.#stanzas >= 1 && this.#bytes >= bytes
  }

  /** The number of the stanza. Ask `hasRoom` first. */
  send(token: Token, bytes: number): number {
    if (!this.hasRoom(bytes)) throw new RangeError('no credit for this stanza')
    this.#stanzas -= 1
    this.#bytes -= bytes
    this.#lastSeq = nextSeq(this.#lastSeq)
    this.#open.set(this.#lastSeq, token)
    return this.#lastSeq
  }

  /** What is wrong with it, if anything: nobody may grant more than the window. */
  grant(credit: Window): string | undefined {
    this.#stanzas += credit.stanzas
    this.#bytes += credit.bytes
    const over = this.#stanzas > this.#window.stanzas || this.#bytes > this.#window.bytes
    return over ? `credit beyond the window: ${this.#stanzas} stanzas, ${this.#bytes} bytes` : undefined
  }

  /** Undefined: no such stanza is open, or it has its outcome already. */
  end(frame: wire.Outcome): { readonly token: Token; readonly outcome: Outcome } | undefined {
    const token = this.#open.get(frame.seq)
    if (token === undefined) return undefined
    this.#open.delete(frame.seq)
    return { token, outcome: outcomeFromWire(frame) }
  }

  /** Forgets all open stanzas and gives them back, oldest first. */
  abandon(): readonly Token[] {
    const tokens = this.#open.values()
    this.#open.clear()
    return tokens
  }
}

/** Stanzas from the other side: each is in order, paid for, and gets exactly one outcome, which earns its credit back. */
export class ReceivingFlow {
  readonly #open = new PassingMap<number, number>()
  #lastSeq = 0
  #stanzasLeft: number
  #bytesLeft: number
  #outcomes: wire.Outcome[] = []
  #earnedStanzas = 0
  #earnedBytes = 0

  constructor(window: Window) {
    this.#stanzasLeft = window.stanzas
    this.#bytesLeft = window.bytes
  }

  get open(): number {
    return this.#open.size
  }

  get hasOutcomes(): boolean {
    return this.#outcomes.length > 0
  }

  /** What is wrong with it, if anything. */
  take(seq: number, bytes: number): string | undefined {
    const expected = nextSeq(this.#lastSeq)
    if (seq !== expected) return `stanza ${seq} where ${expected} was due`
    if (this.#stanzasLeft < 1 || this.#bytesLeft < bytes) return `stanza ${seq} of ${bytes} bytes without credit`
    this.#lastSeq = seq
    this.#stanzasLeft -= 1
    this.#bytesLeft -= bytes
    this.#open.set(seq, bytes)
    return undefined
  }

  /** False, and nothing done: no such stanza is open, or it has its outcome already. */
  settle(seq: number, outcome: Outcome): boolean {
    const bytes = this.#open.get(seq)
    if (bytes === undefined) return false
    this.#open.delete(seq)
    this.#outcomes.push(outcomeToWire(seq, outcome))
    this.#earnedStanzas += 1
    this.#earnedBytes += bytes
    return true
  }

  takeOutcomes(): wire.Outcome[] {
    const outcomes = this.#outcomes
    this.#outcomes = []
    return outcomes
  }

  /** The credit that outcomes have earned back since the last time. */
  takeCredit(): wire.Credit | undefined {
    if (this.#earnedStanzas === 0) return undefined
    const credit = creditOf({ stanzas: this.#earnedStanzas, bytes: this.#earnedBytes })
    this.#stanzasLeft += credit.stanzas
    this.#bytesLeft += credit.bytes
    this.#earnedStanzas = 0
    this.#earnedBytes = 0
    return credit
  }
}

export const creditOf = (window: Window): wire.Credit => ({ $typeName: 'stox.link.v1.Credit', ...window })
